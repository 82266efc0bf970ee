# SPDX-License-Identifier: BSD-3-Clause
"""Time from the end of EAL's start to the first packet that culvertd forwards.

A client and 32 targets are played by raw sockets on veth: the client asks for the endpoint's MAC and
dials it all
the time, from before culvertd runs; the targets answer ARP. When the EAL was ready is told by a preloaded
library (tests/bench/eal_clock.c); the clocks are the same.
"""

import contextlib
import ctypes
import ipaddress
import os
import pathlib
import select
import socket
import struct
import time

from . import config, wires
from .core import Unmeasured

CLONE_NEWNET = 0x40000000
CLIENT_MAC, TARGET_MAC = bytes.fromhex('02cc00000001'), bytes.fromhex('02cc00000002')
CLIENT = '172.16.64.1'
BROADCAST = b'\xff' * 6


def addr(text):
    return ipaddress.ip_address(text).packed


def raw_sockets(ns, ifaces):
    """AF_PACKET sockets on interfaces of a namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open('/proc/self/ns/net', 'rb') as here, open(f'/run/netns/{ns}', 'rb') as there:
        if libc.setns(there.fileno(), CLONE_NEWNET):
            raise Unmeasured(f'namespace {ns} cannot be entered')
        try:
            found = []
            for iface in ifaces:
                s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
                s.bind((iface, 0))
                s.setblocking(False)
                found.append(s)
            return found
        finally:
            libc.setns(here.fileno(), CLONE_NEWNET)


def arp(op, mac_from, ip_from, mac_to, ip_to, dst):
    return (dst + mac_from + b'\x08\x06\x00\x01\x08\x00\x06\x04' + struct.pack('>H', op) + mac_from +
            ip_from + mac_to + ip_to).ljust(60, b'\0')


def csum(data):
    total = sum(struct.unpack(f'>{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def syn(mac, port):
    ip = struct.pack('>BBHHHBBH', 0x45, 0, 40, 0, 0, 64, 6, 0) + addr(CLIENT) + addr(config.ENI)
    ip = ip[:10] + struct.pack('>H', csum(ip)) + ip[12:]
    tcp = struct.pack('>HHIIBBHHH', port, 80, 1, 0, 0x50, 2, 65535, 0, 0)
    tcp = tcp[:16] + struct.pack('>H', csum(ip[12:20] + struct.pack('>BBH', 0, 6, 20) + tcp)) + tcp[18:]
    return (mac + CLIENT_MAC + b'\x08\x00' + ip + tcp).ljust(60, b'\0')


class World:
    """The client and the targets."""

    def __init__(self, client, targets):
        self.client, self.targets = client, targets
        self.eni_mac = None
        self.port = 20000
        self.first = None

    def send(self):
        """Ask for the endpoint, or dial it. The interface may not be up yet."""
        with contextlib.suppress(OSError):
            if self.eni_mac is None:
                self.client.send(arp(1, CLIENT_MAC, addr(CLIENT), b'\0' * 6, addr(config.ENI), BROADCAST))
            else:
                self.port += 1
                self.client.send(syn(self.eni_mac, self.port))

    def heard_client(self, frame):
        if frame[12:14] == b'\x08\x06' and frame[28:32] == addr(config.ENI) and frame[6:12] != CLIENT_MAC:
            self.eni_mac = frame[22:28]

    def heard_target(self, frame, now):
        if frame[12:14] == b'\x08\x06' and frame[20:22] == b'\0\1' and frame[28:32] != frame[38:42]:
            with contextlib.suppress(OSError):
                self.targets.send(arp(2, TARGET_MAC, frame[38:42], frame[22:28], frame[28:32], frame[6:12]))
        elif frame[12:14] == b'\x08\x00' and frame[23] == 6 and frame[47] & 0x12 == 2:
            self.first = self.first or now

    def run(self, seconds, p):
        end = time.monotonic() + seconds
        while self.first is None and time.monotonic() < end:
            self.send()
            ready, _, _ = select.select([self.client, self.targets], [], [], 0.0005)
            for s in ready:
                with contextlib.suppress(BlockingIOError):
                    while True:
                        frame, now = s.recv(2048), time.monotonic_ns()
                        if s is self.client:
                            self.heard_client(frame)
                        else:
                            self.heard_target(frame, now)
            if p.p.poll() is not None:
                raise Unmeasured(f'culvertd ended: {p.tail()}')
        if self.first is None:
            raise Unmeasured(f'nothing was forwarded within {seconds} s')


def measure(bench):
    """Start once; (seconds from EAL to the first forwarded packet, seconds from exec to it)."""
    clock = pathlib.Path(bench.dir) / 'eal-clock'
    clock.unlink(missing_ok=True)
    env = {**os.environ, 'LD_PRELOAD': str(bench.tool('tests', 'bench', 'libeal_clock.so')),
           'EAL_CLOCK_FILE': str(clock)}
    with wires.Veth(bench, 'net_af_packet') as w, contextlib.ExitStack() as stack:
        socks = [stack.enter_context(s) for s in raw_sockets(w.gen_ns, ('g0', 'g1'))]
        world = World(*socks)
        began = time.monotonic_ns()
        with wires.culvertd(w, env=env, ready=False) as p:
            world.run(20, p)
        if not clock.exists():
            raise Unmeasured('the preloaded library did not tell when the EAL was ready')
        eal = int(clock.read_text())
        return (world.first - eal) / 1e9, (world.first - began) / 1e9
