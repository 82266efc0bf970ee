# SPDX-License-Identifier: BSD-3-Clause
"""`culvertctl capture`: what a user opens in Wireshark, read here by tshark."""

import collections
import os
import pathlib
import signal
import socket
import struct
import subprocess
import time

import harness
from harness import ENI, NODE, curl_json, proc
from cvlab.culvertd import CULVERTCTL

DEC, OTHER = '10.0.1.31', '10.0.1.32'
ON, OFF = 8080, 8081
FIELDS = ('frame.interface_name', 'frame.comment', 'ip.src', 'ip.dst', 'tcp.srcport', 'tcp.dstport',
          'tcp.flags', 'tcp.len', 'tcp.payload', 'frame.len', 'frame.cap_len', 'tcp.seq_raw', 'tcp.ack_raw')
SIGNATURE = '0d0a0d0a000d0a515549540a'


class Packet(collections.namedtuple('Packet', 'iface comment src dst sport dport flags len payload '
                                              'frame kept seq ack')):
    """A packet of the file; where: its side and direction, as the comment says."""

    @property
    def vpce(self):
        return self.comment.split(', ')[0]

    @property
    def where(self):
        return tuple(self.comment.split(', ')[1:])


def n_packets(path):
    """Packets in a pcapng file that is still written: its enhanced packet blocks."""
    data, at, n = pathlib.Path(path).read_bytes(), 0, 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from('<II', data, at)
        at += size
        n += kind == 6 and at <= len(data)
    return n


def wait_quiet(path, at_least):
    """Until so many packets were fetched, and for a while no more are."""
    proc.wait_for(lambda: n_packets(path) >= at_least, 60, f'{at_least} packets in {path}')
    before = -1
    while n_packets(path) > before:
        before = n_packets(path)
        time.sleep(0.3)


class Capture(harness.LabCase):
    """Two workers, two consumers with the same addresses."""

    @classmethod
    def make_config(cls):
        return harness.config([harness.group('on', ON, [(DEC, ON)]),
                               harness.group('off', OFF, [(OTHER, OFF)], proxy=False)],
                              consumers=2, workers=2, queues=2)

    def begin(self, *args, name='capture'):
        """Start to capture; returns when it does."""
        path = self.lab.path(f'{name}.pcapng')
        child = subprocess.Popen([CULVERTCTL, '-s', self.culvert.socket, 'capture', '-w', path, *args],
                                 stderr=subprocess.PIPE, text=True)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        first = child.stderr.readline()
        self.assertEqual(first, 'culvertctl: capturing\n')
        return child, path

    def end(self, child, path, at_least=0, sig=signal.SIGINT):
        """Stop, once so many packets are there; the packets and what was said."""
        if sig:
            wait_quiet(path, at_least)
            child.send_signal(sig)
        said = child.communicate(timeout=60)[1]
        self.assertEqual(child.returncode, 0, said)
        return self.read(path), said

    def read(self, path):
        args = [a for f in FIELDS for a in ('-e', f)]
        out = proc.run(['tshark', '-r', path, '-T', 'fields', '-E', 'separator=|', *args],
                       env=dict(os.environ, LC_ALL='C')).stdout
        return [Packet(*line.split('|')) for line in out.splitlines()]

    def vpce(self, name):
        return {e['name']: e['id'] for e in self.culvert.endpoints()}[name]

    def test_a_request_on_both_sides(self):
        child, path = self.begin()
        seen = curl_json(self.lab, 'c1', f'http://{ENI}:{ON}/')
        pkts, said = self.end(child, path, 12)
        self.assertIn(f'{len(pkts)} packets\n', said)
        # A busy machine may send a segment again.
        by = collections.Counter(p.where for p in {p.where + (p.flags, p.seq, p.ack, p.len): p
                                                   for p in pkts}.values())
        # What came from one end left to the other; the header may have a segment of its own.
        self.assertGreaterEqual(by['client side', 'received'], 4)
        self.assertGreaterEqual(by['target side', 'sent'], by['client side', 'received'])
        self.assertLessEqual(by['target side', 'sent'], by['client side', 'received'] + 1)
        self.assertEqual(by['target side', 'received'], by['client side', 'sent'])
        self.assertEqual({p.vpce for p in pkts}, {self.vpce('c1')})
        self.assertEqual({(p.where[0], p.iface) for p in pkts},
                         {('client side', 'c1'), ('target side', 'prov')})
        client = seen['local'].split(':')
        for p in pkts:
            ends = {(p.src, p.sport), (p.dst, p.dport)}
            if p.where[0] == 'client side':
                self.assertEqual(ends, {tuple(client), (ENI, str(ON))})
            else:
                self.assertIn((DEC, str(ON)), ends)
                self.assertIn(NODE, {p.src, p.dst} | {harness.NODE_B})
        starts = {p.where for p in pkts if p.payload.replace(':', '').startswith(SIGNATURE)}
        self.assertEqual(starts, {('target side', 'sent')})

    def test_b_filters(self):
        cases = (
            (['--endpoint', 'c2'], {('c2', ON), ('c2', OFF)}),
            (['--port', str(OFF)], {('c1', OFF), ('c2', OFF)}),
            (['--target', f'{DEC}:{ON}'], {('c1', ON), ('c2', ON)}),
            (['--endpoint', 'c1', '--port', str(ON)], {('c1', ON)}),
            (['--client', '172.16.9.9'], set()),
        )
        for args, expected in cases:
            with self.subTest(args=args):
                child, path = self.begin(*args)
                for name in ('c1', 'c2'):
                    for port in (ON, OFF):
                        curl_json(self.lab, name, f'http://{ENI}:{port}/')
                pkts, _ = self.end(child, path, 12 * len(expected))
                ids = {self.vpce(n): n for n in ('c1', 'c2')}
                got = {(ids[p.vpce], int(port)) for p in pkts for port in (p.sport, p.dport)
                       if int(port) in (ON, OFF)}
                self.assertEqual(got, expected)
                sides = {p.where for p in pkts}
                self.assertEqual(len(sides), 4 if expected else 0)

    def test_c_count_and_length(self):
        child, path = self.begin('--count', '5', '--snaplen', '60')
        harness.curl(self.lab, 'c1', f'http://{ENI}:{ON}/bytes/3000')
        pkts, said = self.end(child, path, sig=None)
        self.assertEqual((len(pkts), '5 packets' in said), (5, True))
        self.assertEqual({int(p.kept) for p in pkts}, {60})
        self.assertGreater(max(int(p.frame) for p in pkts), 60)

    def test_d_one_at_a_time_and_free_again(self):
        child, path = self.begin()
        done = proc.run([CULVERTCTL, '-s', self.culvert.socket, 'capture', '-w', '-'], check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn('another capture is under way', done.stderr)
        # One that vanishes is forgotten after a while.
        child.kill()
        child.wait()

        def free():
            tried = proc.run([CULVERTCTL, '-s', self.culvert.socket, 'capture', '-w', path,
                              '--seconds', '0.1'], check=False)
            return tried.returncode == 0
        proc.wait_for(free, 60, 'the capture of a killed culvertctl to end')

    def test_e_mistakes_are_said(self):
        for args, text in ((['--endpoint', 'nobody'], 'there is no endpoint nobody'),
                           (['--target', '10.0.0.1'], 'target: 10.0.0.1 is not IP:PORT'),
                           (['--client', 'x'], 'client: x is no IPv4 address'),
                           (['--port', '0'], 'port: 0 is not 1 to 65535'),
                           (['--snaplen', '99999'], 'snaplen: 99999 is not 1 to 9728')):
            done = proc.run([CULVERTCTL, '-s', self.culvert.socket, 'capture', '-w', '-', *args],
                            check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(text, done.stderr)

    def test_f_a_load_is_not_held_up(self):
        child, path = self.begin()
        got = harness.curl(self.lab, 'c1', f'http://{ENI}:{ON}/bytes/20000000')
        self.assertEqual(harness.sha256(got.stdout), harness.decoder.body_sha256(20_000_000))
        pkts, said = self.end(child, path, 1001)
        self.assertGreater(len(pkts), 1000)
        self.assertIn(f'{len(pkts)} packets', said)

    def test_g_drops_have_their_reason(self):
        child, path = self.begin('--drops', 'all', '--endpoint', 'c1')
        curl_json(self.lab, 'c1', f'http://{ENI}:{ON}/')
        with proc.socket_in(self.lab.ns('c1'), socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.settimeout(0.2)
            with self.assertRaises(OSError):
                sock.connect((ENI, 9))
            ends = sock.getsockname()
        pkts, _ = self.end(child, path, 1)
        self.assertTrue(pkts)
        self.assertEqual({(p.comment, p.iface, p.src, p.sport, p.dport) for p in pkts},
                         {(f'{self.vpce("c1")}, client side, dropped: no_listener', 'c1', '172.16.1.100',
                           str(ends[1]), '9')})

    def test_h_the_file_is_as_large_as_it_may_be(self):
        child, path = self.begin('--size', '0.1')
        harness.curl(self.lab, 'c1', f'http://{ENI}:{ON}/bytes/300000')
        pkts, said = self.end(child, path, sig=None)
        size = os.stat(path).st_size
        self.assertTrue(40_000 < size <= 104_857, size)
        self.assertIn(f'{len(pkts)} packets', said)

    def test_i_a_full_disk_is_said_and_ends_it(self):
        for _ in range(2):  # at once: nothing of the first is left
            done = proc.run([CULVERTCTL, '-s', self.culvert.socket, 'capture', '-w', '/dev/full'],
                            check=False)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(done.stderr.count('No space left on device'), 1, done.stderr)
