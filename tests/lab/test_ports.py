# SPDX-License-Identifier: BSD-3-Clause
"""Ports of another kind than AF_XDP carry the same traffic."""

import harness
from harness import ENI, curl, load, peers

DEC = '10.0.1.31'
ON = 8080


class AfPacket(harness.LabCase):
    """Raw sockets: the slow way that works on every interface."""

    @classmethod
    def make_config(cls):
        conf = harness.config([harness.group('on', ON, [(DEC, ON)])])
        conf['dpdk']['ports'] = [{'name': name, 'device': f'net_af_packet{i},iface=cv-{name}'}
                                 for i, name in enumerate(('prov', 'c1'))]
        return conf

    @classmethod
    def start_servers(cls):
        peers.decoder(cls.lab, 'provider', DEC, ON)

    def test_many_requests(self):
        for got in load(self.lab, 'c1', ENI, ON, 100, at_once=20):
            self.assertEqual(got.status, 200, got.error)
            self.assertEqual((got.json()['client'], got.json()['crc_ok']), (got.local, True))

    def test_bodies(self):
        got = curl(self.lab, 'c1', f'http://{ENI}:{ON}/bytes/10000000')
        self.assertEqual(harness.sha256(got.stdout), harness.decoder.body_sha256(10_000_000))
        got, = load(self.lab, 'c1', ENI, ON, 1, '/sink', harness.body(10_000_000))
        self.assertEqual(got.json()['sha256'], harness.decoder.body_sha256(10_000_000))

    def test_zz_no_kernel_threw_a_segment_away(self):
        self.assert_kernel_saw_no_bad_segment()
