# SPDX-License-Identifier: BSD-3-Clause
"""Two workers: correct whatever queue a packet arrives on."""

import harness
from harness import ENI, ENI_B, curl, load

DEC1, DEC2 = '10.0.1.31', '10.0.2.32'
ON, OFF = 8080, 8081


class Base(harness.LabCase):

    queues = 1

    @classmethod
    def make_config(cls):
        return harness.config([
            harness.group('on', ON, [(DEC1, ON), (DEC2, ON)]),
            harness.group('off', OFF, [(DEC1, OFF), (DEC2, OFF)], proxy=False),
        ], consumers=2, workers=2, queues=cls.queues)

    def check_many(self):
        for name, eni in (('c1', ENI), ('c2', ENI_B), ('c1', ENI_B)):
            answers = load(self.lab, name, eni, ON, 300, at_once=100)
            for got in answers:
                self.assertEqual(got.status, 200, got.error)
                seen = got.json()
                self.assertEqual((seen['client'], seen['crc_ok']), (got.local, True))

    def check_bodies(self):
        want = harness.decoder.body_sha256(10_000_000)
        for tcp_port in (ON, OFF):
            got = curl(self.lab, 'c1', f'http://{ENI}:{tcp_port}/bytes/10000000')
            self.assertEqual(harness.sha256(got.stdout), want)
            got, = load(self.lab, 'c2', ENI, tcp_port, 1, '/sink', harness.body(10_000_000))
            self.assertEqual(got.json()['sha256'], want)


class OneQueue(harness.LastTests, Base):
    """Ports with one queue: replies arrive at a worker that does not own the flow."""

    def test_many_requests(self):
        self.check_many()

    def test_bodies(self):
        self.check_bodies()

    def test_packets_are_handed_over(self):
        before = self.culvert.events().get('handoff_in', 0)
        self.check_many()
        self.assertGreater(self.culvert.events().get('handoff_in', 0), before)


class TwoQueues(harness.LastTests, Base):
    """Ports with two queues, whose hash is the kernel's and unknown to culvert."""

    queues = 2

    def test_many_requests(self):
        self.check_many()

    def test_bodies(self):
        self.check_bodies()
