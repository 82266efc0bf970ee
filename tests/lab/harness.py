# SPDX-License-Identifier: BSD-3-Clause
"""What the lab tests share: the configuration, a lab per class of tests, clients, loss, raw packets.

A class of tests (a LabCase) has one lab and one culvertd, made before its first test and removed after
its last. Its tests use what the class built and may be run alone.
"""

import asyncio
import contextlib
import hashlib
import importlib.util
import itertools
import json
import os
import pathlib
import socket
import struct
import sys
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / 'tools' / 'lablib'))
from cvlab import culvertd, lab, peers, ppv2, proc, topo  # noqa: E402
from cvlab.client import Answer, Load  # noqa: E402, F401
from cvlab.region import (  # noqa: E402, F401
    ENI, ENI_B, NODE, NODE_B, SWAPPED, ZONES, config, consumer, group, in_vxlan, on_vlans, port)

_spec = importlib.util.spec_from_file_location('ppv2_target', peers.DECODER)
decoder = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(decoder)

VERBOSE = bool(os.environ.get('LAB_VERBOSE'))
_labs = []               # those that exist now, for the runner to remove whatever happens
_serial = itertools.count(1)


def note(text):
    if VERBOSE:
        print(f'# {text}', flush=True)


# Labs -----------------------------------------------------------------------------------------


def make_lab(conf):
    """A lab with a name of its own; remove with drop_lab()."""
    made = lab.Lab(conf, f'cvl-t{os.getpid()}-{next(_serial)}', note)
    made.__enter__()
    _labs.append(made)
    return made


def drop_lab(made):
    if made in _labs:
        _labs.remove(made)
        made.__exit__(None, None, None)


def drop_all():
    while _labs:
        drop_lab(_labs[-1])


class LabCase(unittest.TestCase):
    """One lab and one culvertd for all tests of the class. Tests run in the order of their names."""

    huge = True

    @classmethod
    def make_config(cls):
        raise NotImplementedError

    @classmethod
    def start_servers(cls):
        """The decoding server on every target, unless a class has others."""
        targets = {(t.vpc, t.ip, t.port): t.proxy for t in topo.targets(cls.conf)}
        for where, proxy in targets.items():
            peers.decoder(cls.lab, *where, proxy=proxy)

    @classmethod
    def setUpClass(cls):
        begin = time.monotonic()
        cls.conf = cls.make_config()
        cls.lab = make_lab(cls.conf)
        cls.addClassCleanup(drop_lab, cls.lab)
        cls.start_servers()
        cls.start_culvert()
        note(f'{cls.__name__}: lab up in {time.monotonic() - begin:.1f} s')

    @classmethod
    def start_culvert(cls, conf=None):
        """Start culvertd, with another configuration than the lab was built from if given."""
        cls.culvert = culvertd.Culvertd(cls.lab, conf, huge=cls.huge).start()

    def setUp(self):
        self.assertTrue(self.culvert.is_running(), f'culvertd is gone:\n{self.culvert.tail()}')

    def tearDown(self):
        self.assertTrue(self.culvert.is_running(), f'culvertd died:\n{self.culvert.tail()}')

    def assert_becomes(self, want, get, seconds=60):
        """That get() comes to be so, in time."""
        end, is_late = time.monotonic() + seconds, False
        while (got := get()) != want and not is_late:
            time.sleep(0.1)
            is_late = time.monotonic() > end
        self.assertEqual(got, want)

    def wait_dropped(self, reason, before, n=1):
        """Until n packets more than `before` were dropped for a reason."""
        proc.wait_for(lambda: self.culvert.drops().get(reason, 0) - before >= n, 30, f'{n} drops: {reason}')

    def assert_books_balance(self):
        """Once it is quiet, each packet that came or was made has left or is in the drop count."""
        def missing():
            shown = self.culvert.show('drops')
            count = {r['event']: r['count'] for r in shown['events']}
            return count['rx_packets'] + count['generated_packets'] - count['tx_packets'] \
                - sum(r['packets'] for r in shown['drops']), count['handoff_out'] - count['handoff_in']
        end = time.monotonic() + 30
        while missing() != (0, 0) and time.monotonic() < end:
            time.sleep(0.2)
        self.assertEqual(missing(), (0, 0), '(packets that vanished, hand-offs that did)')

    def assert_kernel_saw_no_bad_segment(self):
        """No host was ever given a segment that its kernel had to throw away."""
        for vpc in self.lab.vpcs.values():
            for host in vpc.hosts:
                snmp = proc.run(['cat', '/proc/net/snmp'], ns=self.lab.ns(vpc.name, host)).stdout
                # Not Tcp.InErrs: it counts a SYN-ACK that comes twice, which loss makes.
                for proto, key in (('Tcp', 'InCsumErrors'), ('Ip', 'InHdrErrors')):
                    names, values = (x.split() for x in snmp.splitlines()
                                     if x.startswith(proto + ':'))
                    self.assertEqual(values[names.index(key)], '0', f'{vpc.name}/{host} {proto}.{key}')


class LastTests:
    """A mix-in: what must hold at the end, whatever the tests of the class did."""

    def test_zz_books_balance(self):
        self.assert_books_balance()

    def test_zz_no_kernel_threw_a_segment_away(self):
        self.assert_kernel_saw_no_bad_segment()


# Clients --------------------------------------------------------------------------------------


def curl(made, vpc, url, *args, timeout=60):
    """curl on a VPC's client: CompletedProcess with bytes in stdout."""
    return proc.run(['curl', '-sS', '--max-time', timeout, *args, url], ns=made.ns(vpc), check=False,
                    text=False, timeout=timeout + 10)


def curl_json(made, vpc, url, *args, timeout=60):
    """curl that must succeed with JSON; adds `local`, the client's own address."""
    done = curl(made, vpc, url, '-w', '%{stderr}%{local_ip}:%{local_port}', *args, timeout=timeout)
    if done.returncode:
        raise AssertionError(f'curl {url}: exit {done.returncode}: {done.stderr.decode()}')
    return {**json.loads(done.stdout), 'local': done.stderr.decode().split()[-1]}


def load(made, vpc, ip, tcp_port, n, path='/', data=None, at_once=None, timeout=60):
    """Answers of n requests."""
    return asyncio.run(Load(made.ns(vpc), ip, tcp_port, timeout).many(n, path, data, at_once))


def direct(made, ip, tcp_port, path, header=True):
    """GET straight from a target, past culvert, with a header of our own; the JSON body."""
    with proc.socket_in(made.ns('provider'), socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.settimeout(30)
        sock.connect((ip, tcp_port))
        head = ppv2.encode(sock.getsockname(), (ip, tcp_port)) if header else b''
        sock.sendall(head + f'GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n'.encode())
        data = b''
        while part := sock.recv(65536):
            data += part
    return json.loads(data.partition(b'\r\n\r\n')[2])


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def body(size):
    """The first bytes of the decoding target's endless body."""
    return b''.join(decoder.body_block(i) for i in range((size + decoder.BLOCK - 1) // decoder.BLOCK)
                    )[:size]


# Loss -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def nft(ns, rules):
    """Rules of an nftables table in a namespace, for a while. Yields a function that reads the packets
    that its counters counted."""
    table = f'netdev lab{next(_serial)}'
    proc.run(['nft', '-f', '-'], ns=ns, input=f'table {table} {{\n{rules}\n}}\n')

    def counted():
        listed = json.loads(proc.run(['nft', '-j', 'list', 'table', *table.split()], ns=ns).stdout)
        return sum(e['counter']['packets'] for item in listed['nftables']
                   for e in item.get('rule', {}).get('expr', []) if 'counter' in e)
    try:
        yield counted
    finally:
        proc.run(['nft', 'delete', 'table', *table.split()], ns=ns, check=False)


def lose(ns, percent, direction):
    """Lose packets at random on a host's eth0: direction `ingress` or `egress`."""
    return nft(ns, f'chain c {{ type filter hook {direction} device eth0 priority 0;\n'
               f'meta protocol ip numgen random mod 1000 < {round(percent * 10)} counter drop\n}}')


def lose_headers(ns, n):
    """Lose the first n segments that start with the PROXY v2 signature (0d0a0d0a 000d0a51)."""
    # Payload starts after 32 bytes of TCP: Linux always sends the 12 bytes of the timestamp option.
    return nft(ns, f'chain c {{ type filter hook ingress device eth0 priority 0;\n'
               f'meta protocol ip meta l4proto tcp @th,256,64 0x0d0a0d0a000d0a51 '
               f'limit rate 1/day burst {n} packets counter drop\n}}')


# Raw packets ----------------------------------------------------------------------------------


def _sum16(data):
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


class RawTcp:
    """Segments made by hand, from one address of a namespace to another host."""

    def __init__(self, ns, src, dst):
        self.src, self.dst = src, dst
        self.sock = proc.socket_in(ns, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
        self.sock.bind((src, 0))

    def send(self, sport, dport, flags, seq=0, ack=0, payload=b''):
        head = struct.pack('!HHIIBBHHH', sport, dport, seq, ack, 5 << 4, flags, 8192, 0, 0)
        pseudo = socket.inet_aton(self.src) + socket.inet_aton(self.dst) + struct.pack(
            '!HH', socket.IPPROTO_TCP, len(head) + len(payload))
        full = pseudo + head + payload
        crc = _sum16(full + b'\0' * (len(full) % 2))
        self.sock.sendto(head[:16] + struct.pack('!H', crc) + head[18:] + payload, (self.dst, 0))

    def receive(self, sport, dport, timeout):
        """The next segment from dst:dport to sport as (flags, seq, ack), or None."""
        end = time.monotonic() + timeout
        while True:
            left = end - time.monotonic()
            if left <= 0:
                return None
            self.sock.settimeout(left)
            try:
                data = self.sock.recv(65536)
            except TimeoutError:
                return None
            tcp = data[(data[0] & 15) * 4:]
            if data[12:16] == socket.inet_aton(self.dst) and \
                    struct.unpack_from('!HH', tcp) == (dport, sport):
                seq, ack = struct.unpack_from('!II', tcp, 4)
                return tcp[13], seq, ack

    def close(self):
        self.sock.close()
