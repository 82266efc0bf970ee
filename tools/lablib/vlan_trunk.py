#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""802.1Q for kernels without VLAN devices: one TAP for each VLAN of a wire, tags added and removed here.

usage: vlan_trunk.py WIRE VLAN:TAP...

Runs until a signal. Slow, and fine for a lab: some 50,000 packets a second.
"""

import fcntl
import os
import select
import socket
import struct
import sys

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000
SOL_PACKET, PACKET_AUXDATA, TP_STATUS_VLAN_VALID = 263, 8, 0x10
ETH_P_ALL, ETH_P_8021Q, PACKET_OUTGOING = 3, 0x8100, 4
FRAME_MAX = 65536


def open_tap(name):
    fd = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack('16sH22x', name.encode(), IFF_TAP | IFF_NO_PI))
    return fd


def open_wire(name):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    sock.bind((name, ETH_P_ALL))
    sock.setblocking(False)
    return sock


def vlan_of(frame, ancillary):
    """(VLAN or None, frame without its tag). The kernel may have taken the tag out of the frame."""
    for level, kind, data in ancillary:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _len, _snap, _mac, _net, tci, _tpid = struct.unpack_from('IIIHHHH', data)
            if status & TP_STATUS_VLAN_VALID:
                return tci & 0xFFF, frame
    if struct.unpack_from('!H', frame, 12)[0] == ETH_P_8021Q:
        return struct.unpack_from('!H', frame, 14)[0] & 0xFFF, frame[:12] + frame[16:]
    return None, frame


def from_wire(sock, taps):
    while True:
        try:
            frame, ancillary, _flags, addr = sock.recvmsg(FRAME_MAX, 128)
        except BlockingIOError:
            return
        if addr[2] == PACKET_OUTGOING or len(frame) < 14:
            continue
        vlan, plain = vlan_of(frame, ancillary)
        if vlan in taps:
            _write(lambda: os.write(taps[vlan], plain))


def from_tap(fd, vlan, sock):
    while True:
        try:
            frame = os.read(fd, FRAME_MAX)
        except BlockingIOError:
            return
        tagged = frame[:12] + struct.pack('!HH', ETH_P_8021Q, vlan) + frame[12:]
        _write(lambda: sock.send(tagged))


def _write(call):
    """A full queue or an interface that is down loses the packet, as a wire would."""
    try:
        call()
    except OSError:
        pass


def main():
    sock = open_wire(sys.argv[1])
    taps = {}
    for arg in sys.argv[2:]:
        vlan, _, name = arg.partition(':')
        taps[int(vlan)] = open_tap(name)
    by_fd = {fd: vlan for vlan, fd in taps.items()}
    poll = select.epoll()
    for fd in (sock.fileno(), *by_fd):
        poll.register(fd, select.EPOLLIN)
    print('ready', flush=True)
    while True:
        for fd, _ in poll.poll():
            if fd in by_fd:
                from_tap(fd, by_fd[fd], sock)
            else:
                from_wire(sock, taps)


if __name__ == '__main__':
    main()
