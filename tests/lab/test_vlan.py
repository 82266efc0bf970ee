# SPDX-License-Identifier: BSD-3-Clause
"""Two VPCs with one CIDR on one port, told apart by VLAN."""

import socket
import struct

import harness
from harness import ENI, curl, curl_json, load, proc

DEC = '10.0.1.31'
ON = 8080
VLANS = {'c1': 11, 'c2': 4094}


class Vlan(harness.LabCase):

    @classmethod
    def make_config(cls):
        conf = harness.config([harness.group('on', ON, [(DEC, ON)])], consumers=2)
        return harness.on_vlans(conf, 'c1', VLANS)

    def test_vpcs_are_told_apart(self):
        ids = {e['name']: e['id'] for e in self.culvert.endpoints()}
        for name in ('c1', 'c2', 'c1', 'c2'):
            seen = curl_json(self.lab, name, f'http://{ENI}:{ON}/', '--local-port', '34000-34009')
            self.assertEqual((seen['client'], seen['vpce'], seen['crc_ok']),
                             (seen['local'], ids[name], True))

    def test_bodies_are_exact(self):
        size = 1_000_000
        for name in VLANS:
            got = curl(self.lab, name, f'http://{ENI}:{ON}/bytes/{size}')
            self.assertEqual(harness.sha256(got.stdout), harness.decoder.body_sha256(size))
            sent, = load(self.lab, name, ENI, ON, 1, '/sink', harness.body(size))
            self.assertEqual(sent.json()['sha256'], harness.decoder.body_sha256(size))

    def test_vlan_of_no_vpc_is_dropped(self):
        before = self.culvert.drops().get('no_vpc', 0)
        trunk = f'{self.lab.prefix}.trunk-cv-c1'
        with proc.socket_in(trunk, socket.AF_PACKET, socket.SOCK_RAW) as sock:
            sock.bind(('wire', 0))
            for tag in (struct.pack('!HH', 0x8100, 12), b''):
                sock.send(b'\xff' * 6 + b'\x02\0\0\0\0\x01' + tag + b'\x08\x06' + bytes(28))
        proc.wait_for(lambda: self.culvert.drops().get('no_vpc', 0) - before == 2, 30, 'two drops counted')
