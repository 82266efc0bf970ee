# SPDX-License-Identifier: BSD-3-Clause
"""The lab without culvert: what the other tests rely on."""

import math
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import harness
from harness import peers, ppv2, proc

sys.path.insert(0, str(harness.TOP / 'tools' / 'lablib'))
from cvlab import state, topo  # noqa: E402
from scenarios import soak  # noqa: E402

# Public captures of AWS load balancers behind PrivateLink.
CAPTURES = (
    ('0d0a0d0a000d0a515549540a21110054ac1f0771ac1f0a1fc8f20050030004e8d6892dea001701'
     '767063652d3038643262663135666163353030316339040024' + '00' * 36,
     ('172.31.7.113', 51442), ('172.31.10.31', 80), 'vpce-08d2bf15fac5001c9'),
    ('0d0a0d0a000d0a515549540a21110054c0a82c0ac0a82c07cc3e241b030004b9286fa6ea001701'
     '767063652d3030656166633435386563393762383333040024' + '00' * 36,
     ('192.168.44.10', 52286), ('192.168.44.7', 9243), 'vpce-00eafc458ec97b833'),
)
LOCAL = '0d0a0d0a000d0a515549540a20000007030004a9b87e8f'
DEC = '10.0.1.31'

HOLD = '''
import sys, time
sys.path[:0] = [{where!r}, {tools!r}]
import harness
made = harness.make_lab(harness.config([harness.group('on', 8080, [('10.0.1.31', 8080)])]))
harness.peers.decoder(made, 'provider', '10.0.1.31', 8080)
harness.lab.state.take_hugepages(made.state, 4)
print(made.prefix, flush=True)
try:
    time.sleep(600)
finally:
    harness.drop_all()
'''


class Ppv2(unittest.TestCase):
    """The independent decoder against captures, so that it can judge culvert's headers."""

    def test_captures_decode(self):
        for text, src, dst, vpce in CAPTURES:
            got = ppv2.decode(bytes.fromhex(text))
            self.assertEqual((got['src'], got['dst'], got['vpce'], got['crc_ok'], got['length']),
                             (src, dst, vpce, True, 100))
            self.assertEqual(ppv2.encode(src, dst, vpce), bytes.fromhex(text))

    def test_local_header_decodes(self):
        got = ppv2.decode(bytes.fromhex(LOCAL))
        self.assertEqual((got['command'], got['src'], got['crc_ok'], got['length']),
                         ('LOCAL', None, True, 23))

    def test_truncation_is_incomplete(self):
        whole = bytes.fromhex(CAPTURES[0][0])
        for n in range(len(whole)):
            with self.assertRaises(ppv2.Incomplete):
                ppv2.decode(whole[:n])

    def test_every_flipped_bit_shows(self):
        whole = bytes.fromhex(CAPTURES[0][0])
        for bit in range(len(whole) * 8):
            bad = bytearray(whole)
            bad[bit // 8] ^= 1 << bit % 8
            try:
                self.assertIsNot(ppv2.decode(bad)['crc_ok'], True, f'bit {bit}')
            except (ppv2.BadHeader, ppv2.Incomplete):
                pass


class Builder(unittest.TestCase):
    """Namespaces come, work, and go."""

    def setUp(self):
        self.conf = harness.config([harness.group('on', 8080, [(DEC, 8080)])])

    def test_decoder_tells_what_it_saw(self):
        made = harness.make_lab(self.conf)
        self.addCleanup(harness.drop_lab, made)
        peers.decoder(made, 'provider', DEC, 8080)
        seen = harness.direct(made, DEC, 8080, '/')
        self.assertTrue(seen['crc_ok'])
        self.assertEqual(seen['client'], seen['peer'])
        self.assertIn('error', harness.direct(made, DEC, 8080, '/', header=False))

    def test_loss_is_as_asked(self):
        made = harness.make_lab(self.conf)
        self.addCleanup(harness.drop_lab, made)
        peers.decoder(made, 'provider', DEC, 8080)
        with harness.lose_headers(made.ns('provider', DEC), 2) as lost:
            begin = time.monotonic()
            harness.direct(made, DEC, 8080, '/')
            self.assertGreater(time.monotonic() - begin, 0.35)
            self.assertEqual(lost(), 2)
            harness.direct(made, DEC, 8080, '/')
            self.assertEqual(lost(), 2)
        with harness.lose(made.ns('provider'), 10, 'egress') as lost, \
                proc.socket_in(made.ns('provider'), socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for _ in range(2000):
                sock.sendto(b'x', (DEC, 9))
            self.assertTrue(120 < lost() < 280, lost())

    def _started(self):
        code = HOLD.format(where=str(pathlib.Path(__file__).parent),
                           tools=str(harness.TOP / 'tools' / 'lablib'))
        child = subprocess.Popen(['/usr/bin/python3', '-c', code], stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, text=True, start_new_session=True)
        self.addCleanup(child.stdout.close)
        return child, child.stdout.readline().strip()

    def _assert_gone(self, prefix, pids):
        self.assertEqual(proc.ns_list(prefix), [])
        self.assertFalse((state.RUN / prefix).exists())
        for pid, started in pids:
            self.assertFalse(proc.is_alive(pid, started))

    def test_signals_leave_nothing(self):
        before = state.NR_HUGE.read_text()
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            child, prefix = self._started()
            pids = [tuple(p) for p in state.State.load(prefix).pids]
            self.assertEqual(len(pids), 1)
            self.assertTrue(proc.is_alive(*pids[0]))
            child.send_signal(sig)
            child.wait(60)
            self._assert_gone(prefix, pids)
        self.assertEqual(state.NR_HUGE.read_text(), before)

    def test_next_run_cleans_up_after_a_killed_one(self):
        before = state.NR_HUGE.read_text()
        child, prefix = self._started()
        pids = [tuple(p) for p in state.State.load(prefix).pids]
        child.kill()
        child.wait(60)
        self.assertNotEqual(proc.ns_list(prefix), [])
        state.reap(harness.note)
        self._assert_gone(prefix, pids)
        self.assertEqual(state.NR_HUGE.read_text(), before)

    def test_hugepages_are_given_back(self):
        before = int(state.NR_HUGE.read_text())
        made = harness.make_lab(self.conf)
        self.addCleanup(harness.drop_lab, made)
        other = harness.make_lab(self.conf)
        self.addCleanup(harness.drop_lab, other)
        free = before + 8  # more than are free, whatever is used now
        self.assertTrue(state.take_hugepages(made.state, free))
        self.assertTrue(state.take_hugepages(made.state, free))
        self.assertTrue(state.take_hugepages(other.state, 4))
        self.assertEqual(int(state.NR_HUGE.read_text()), before + free + 4)
        harness.drop_lab(made)
        harness.drop_lab(other)
        self.assertEqual(int(state.NR_HUGE.read_text()), before)

    def test_only_ours_is_removed(self):
        other = f'cvl-t{os.getpid()}x.other'
        proc.run(['ip', 'netns', 'add', other])
        self.addCleanup(proc.run, ['ip', 'netns', 'del', other])
        made = harness.make_lab(self.conf)
        harness.drop_lab(made)
        state.destroy(f'cvl-t{os.getpid()}')
        self.assertIn(other, proc.run(['ip', 'netns', 'list']).stdout)

    def test_vpc_without_a_port_of_its_own_is_refused(self):
        conf = harness.config([harness.group('on', 8080, [(DEC, 8080)])], consumers=2)
        conf['vpcs'][2]['attachment'] = conf['vpcs'][1]['attachment']
        with self.assertRaisesRegex(proc.LabError, 'a port, a VLAN or a VNI of its own'):
            topo.plan(conf)


class Build(unittest.TestCase):
    """What tools/lab builds with."""

    def test_two_at_once_build_one_after_the_other(self):
        where = tempfile.mkdtemp(prefix='culvert-lab-')
        self.addCleanup(proc.run, ['rm', '-rf', where])
        for name in ('meson', 'ninja'):
            path = pathlib.Path(where, name)
            # Who finds another at work fails.
            path.write_text(f'#!/bin/sh\nmkdir {where}/busy && sleep 0.5 && rmdir {where}/busy\n',
                            encoding='ascii')
            path.chmod(0o755)
        shell = f'top={where}; . {harness.TOP}/tools/lib.sh; PATH={where}:$PATH; build_tree {where}/build'
        them = [subprocess.Popen(['bash', '-c', shell], stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True) for _ in range(3)]
        said = [child.communicate(timeout=60)[0] for child in them]
        self.assertEqual([child.returncode for child in them], [0, 0, 0], said)


class SoakJudges(unittest.TestCase):
    """Whom a busy machine excuses."""

    def test_no_sickness_is_too_short_and_each_node_has_its_own(self):
        told = {2: (1.0, 'a', 'healthy'), 3: (1.1, 'b', 'healthy'), 10: (10.0, 'a', 'unhealthy'),
                9: (9.9, 'b', 'unhealthy'), 11: (10.2, 'a', 'healthy'), 12: (13.0, 'b', 'healthy'),
                20: (20.0, 'a', 'unhealthy')}
        spans = soak.sick_spans(told)
        self.assertEqual(spans, [(10.0, 10.2), (9.9, 13.0), (20.0, math.inf)])
        outage = soak.Outage()
        outage.spans = spans
        self.assertEqual([outage.touches(t, t + 0.1) for t in (5, 10, 14.5, 30)],
                         [False, True, False, True])
