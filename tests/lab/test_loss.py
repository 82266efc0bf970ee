# SPDX-License-Identifier: BSD-3-Clause
"""Loss on every wire, at random and of exactly the segment that carries the header."""

import harness
from harness import ENI, load

DEC = '10.0.1.31'
ON, OFF, EARLY = 8080, 8081, 8082
SIZE = 300_000
MANY = 60


class Loss(harness.LastTests, harness.LabCase):

    @classmethod
    def make_config(cls):
        return harness.config([
            harness.group('on', ON, [(DEC, ON)]),
            harness.group('off', OFF, [(DEC, OFF)], proxy=False),
            harness.group('early', EARLY, [(DEC, EARLY)], placement='on_first_ack'),
        ])

    def wires(self):
        """Each direction of each wire: name -> (namespace, hook)."""
        client, target = self.lab.ns('c1'), self.lab.ns('provider', DEC)
        return {'client_to_culvert': (client, 'egress'), 'culvert_to_client': (client, 'ingress'),
                'culvert_to_target': (target, 'ingress'), 'target_to_culvert': (target, 'egress')}

    def transfer(self, tcp_port):
        """Small requests and bodies in both directions, all at the same time; all must be exact."""
        body, want = harness.body(SIZE), harness.decoder.body_sha256(SIZE)
        one = harness.Load(self.lab.ns('c1'), ENI, tcp_port, timeout=60)

        async def go():
            return await harness.asyncio.gather(
                one.many(MANY), one.many(8, f'/bytes/{SIZE}'), one.many(8, '/sink', body))
        small, down, up = harness.asyncio.run(go())
        for got in small + down + up:
            self.assertEqual(got.status, 200, got.error)
        for got in small:
            seen = got.json()
            if tcp_port != OFF:
                self.assertEqual((seen['client'], seen['crc_ok']), (got.local, True))
        self.assertEqual({harness.sha256(got.body) for got in down}, {want})
        self.assertEqual({(got.json()['length'], got.json()['sha256']) for got in up}, {(SIZE, want)})

    def test_header_lost_once(self):
        self._header_lost(ON, 1, 1.0)

    def test_header_lost_three_times(self):
        self._header_lost(ON, 3, 3.0)

    def test_early_header_lost_once(self):
        self._header_lost(EARLY, 1, 1.0)

    def test_early_header_lost_three_times(self):
        self._header_lost(EARLY, 3, 3.0)

    def test_header_lost_before_a_full_segment(self):
        self._header_lost(ON, 2, 3.0, harness.body(100_000))

    def test_early_header_lost_before_a_full_segment(self):
        self._header_lost(EARLY, 2, 3.0, harness.body(100_000))

    def _header_lost(self, tcp_port, n, seconds, body=None):
        """The client's own retransmissions bring it back: no flow waits longer for the header."""
        took = []
        while not took or (min(took) >= seconds and len(took) < 10):    # the machine may be busy
            took.append(self._header_lost_once(tcp_port, n, body))
        self.assertLess(min(took), seconds)

    def _header_lost_once(self, tcp_port, n, body):
        before = self.culvert.events().get('ppv2_resent', 0)
        with harness.lose_headers(self.lab.ns('provider', DEC), n) as lost:
            got, = load(self.lab, 'c1', ENI, tcp_port, 1, '/sink' if body else '/', body, timeout=60)
            self.assertEqual(got.status, 200, got.error)
            self.assertEqual(lost(), n)
        seen = got.json()
        self.assertEqual((seen['client'], seen['crc_ok']), (got.local, True))
        if body:
            self.assertEqual(seen['sha256'], harness.sha256(body))
        self.assertGreaterEqual(self.culvert.events().get('ppv2_resent', 0) - before, n)
        return got.seconds


def _one_wire(name, percent, tcp_port):
    def test(self):
        ns, hook = self.wires()[name]
        with harness.lose(ns, percent, hook) as lost:
            self.transfer(tcp_port)
            self.assertGreater(lost(), 0)
    return test


def _all_wires(percent, tcp_port):
    def test(self):
        with harness.contextlib.ExitStack() as stack:
            for ns, hook in self.wires().values():
                stack.enter_context(harness.lose(ns, percent, hook))
            self.transfer(tcp_port)
    return test


for _name in ('client_to_culvert', 'culvert_to_client', 'culvert_to_target', 'target_to_culvert'):
    for _percent in (1, 10):
        setattr(Loss, f'test_{_percent}_percent_{_name}', _one_wire(_name, _percent, ON))
    setattr(Loss, f'test_10_percent_{_name}_early', _one_wire(_name, 10, EARLY))
for _how, _port in (('proxy', ON), ('plain', OFF), ('early', EARLY)):
    setattr(Loss, f'test_1_percent_everywhere_{_how}', _all_wires(1, _port))
