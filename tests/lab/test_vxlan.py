# SPDX-License-Identifier: BSD-3-Clause
"""VPCs in VXLAN, with the kernel's VXLAN devices behind them, beside VPCs that are in none."""

import re
import signal
import socket
import struct
import time

import harness
import test_capture
from harness import ENI, ENI_B, NODE, NODE_B, curl, curl_json, load, proc

DEC1, DEC2 = '10.0.1.31', '10.0.2.32'
ON, CHECKED = 8080, 8081
DNS_SERVER = '172.16.0.2'      # of every consumer
EVERYONE = ('c1', 'c2', 'c3', 'c4')


class Vxlan(harness.LastTests, harness.LabCase):
    """The provider in VXLAN on its port. Of four consumers with one CIDR: c1 untagged on a port; on
    another one c2 in VLAN 11, and c3 and c4 in VXLAN that VLAN 12 carries."""

    workers = 1

    @classmethod
    def make_config(cls):
        check = {'protocol': 'HTTP', 'path': '/', 'interval_seconds': 5, 'timeout_seconds': 3}
        conf = harness.config([
            harness.group('on', ON, [(DEC1, ON), (DEC2, ON)]),
            harness.group('checked', CHECKED, [(DEC1, CHECKED)], proxy=False, check=check),
        ], consumers=4, workers=cls.workers)
        conf['dns'] = {'enabled': True}
        harness.on_vlans(conf, 'c2', {'c2': 11})
        harness.in_vxlan(conf, 'provider', 5000, vtep='192.168.1.1', peers=['192.168.1.9'])
        harness.in_vxlan(conf, 'c3', 16777215, 'c2', 12, vtep='192.168.2.1')
        return harness.in_vxlan(conf, 'c4', 2, 'c2', 12, vtep='192.168.2.1')

    def test_vpcs_are_told_apart(self):
        ids = {e['name']: e['id'] for e in self.culvert.endpoints()}
        for name in (*EVERYONE, *EVERYONE):
            for eni in (ENI, ENI_B):
                seen = curl_json(self.lab, name, f'http://{eni}:{ON}/', '--local-port', '34000-34009')
                self.assertEqual((seen['client'], seen['vpce'], seen['crc_ok']),
                                 (seen['local'], ids[name], True))

    def test_bodies_are_exact(self):
        size = 1_000_000
        for name in EVERYONE:
            got = curl(self.lab, name, f'http://{ENI}:{ON}/bytes/{size}')
            self.assertEqual(harness.sha256(got.stdout), harness.decoder.body_sha256(size))
            sent, = load(self.lab, name, ENI, ON, 1, '/sink', harness.body(size))
            self.assertEqual(sent.json()['sha256'], harness.decoder.body_sha256(size))

    def test_many_connections_at_once(self):
        for name in EVERYONE:
            for got in load(self.lab, name, ENI, ON, 60):
                self.assertEqual(got.status, 200, got.error)

    def test_target_is_checked_through_the_tunnel(self):
        def states():
            groups = {g['name']: g for g in self.culvert.show('targets')['target_groups']}
            return set(groups['checked']['targets'][0]['states'].values())
        proc.wait_for(lambda: states() == {'healthy'}, 90, 'both nodes to find the target healthy')

    def test_names_are_answered_through_the_tunnel(self):
        """Clients are no neighbours that culvert knows: it answers where a query came from."""
        names = {n['vpc']: n['name'] for n in self.culvert.show('dns')['names']
                 if re.match('vpce-[0-9a-f]+-[0-9a-z]+\\.', n['name'])}
        for vpc in EVERYONE:
            ns = self.lab.ns(vpc)
            proc.run(['ip', 'route', 'replace', DNS_SERVER, 'dev', 'eth0', 'src', '172.16.1.100'], ns=ns)

            def ask(name, *how, ns=ns):
                done = proc.run(['dig', '+short', '+tries=1', '+timeout=5', *how, f'@{DNS_SERVER}', name],
                                ns=ns, check=False)
                return sorted(done.stdout.split())
            for how in ('+notcp', '+tcp'):
                proc.wait_for(lambda how=how, vpc=vpc, ask=ask: ask(names[vpc], how) == [ENI, ENI_B], 40,
                              f'an answer in {vpc} ({how})')
            self.assert_becomes([], lambda vpc=vpc, ask=ask: ask(names['c1' if vpc != 'c1' else 'c3']))

    def test_neighbours_are_behind_the_peer(self):
        def is_known():
            curl_json(self.lab, 'c1', f'http://{ENI}:{ON}/')
            known = {(n['vpc'], n['ip']): n['state'] for n in self.culvert.show('neighbours')['neighbours']}
            return {known.get(key) for key in (('provider', DEC1), ('prov', '192.168.1.9'))} == {'reachable'}
        proc.wait_for(is_known, 60, 'the target and the VTEP to be known')

    def test_flow_names_the_vtep_of_its_client(self):
        with proc.socket_in(self.lab.ns('c3'), socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.connect((ENI, ON))

            def mine():     # the last segment of the handshake may be under way
                return [f for f in self.culvert.show('flows')['flows']
                        if f['client'] == '%s:%d' % sock.getsockname() and f['state'] == 'established']
            flow, = proc.wait_for(mine, 30, 'the flow')
            self.assertEqual(flow['client_vtep'], '192.168.2.9')

    def test_strays_are_reset(self):
        for name in EVERYONE:
            raw = harness.RawTcp(self.lab.ns(name), '172.16.1.100', ENI)
            raw.send(45678, ON, harness.ACK, 1000, 2000)
            self.assertEqual(raw.receive(45678, ON, 30), (harness.RST, 2000, 0))
            raw.close()

    def _send(self, vni, frame, source='192.168.1.9'):
        with proc.socket_in(f'{self.lab.prefix}.vtep-cv-prov-0', socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((source, 0))
            sock.sendto(struct.pack('!II', 0x08000000, vni << 8) + frame, ('192.168.1.1', 4789))

    def _mac(self, ip):
        found, = [n for n in self.culvert.show('neighbours')['neighbours'] if n['ip'] == ip]
        return found['mac']

    def test_targets_are_believed_behind_peers_only(self):
        ns, stranger = f'{self.lab.prefix}.vtep-cv-prov-0', '192.168.1.77'
        proc.run(['ip', '-n', ns, 'addr', 'replace', f'{stranger}/24', 'dev', 'wire'])
        true, forged = proc.wait_for(lambda: self._mac(DEC2), 30, 'the target'), '02:ee:ee:ee:ee:ee'
        before = self.culvert.drops().get('arp_consumed', 0)
        self._send(5000, self._announcement(forged), stranger)
        proc.wait_for(lambda: self.culvert.drops().get('arp_consumed', 0) > before, 30, 'the ARP to be seen')
        time.sleep(0.3)
        self.assertEqual(self._mac(DEC2), true)
        # The same from a peer is believed.
        for mac in (forged, true):
            def is_believed(mac=mac):   # the target itself may have spoken meanwhile
                self._send(5000, self._announcement(mac))
                return self._mac(DEC2) == mac
            proc.wait_for(is_believed, 30, 'the peer to be believed')

    def _announcement(self, mac):
        mac, ip = bytes.fromhex(mac.replace(':', '')), socket.inet_aton(DEC2)
        return b'\xff' * 6 + mac + bytes.fromhex('08060001080006040001') + mac + ip + bytes(6) + ip

    def test_a_capture_has_outer_headers(self):
        child, path = test_capture.Capture.begin(self, '--endpoint', 'c3')
        for name in ('c3', 'c4'):
            curl_json(self.lab, name, f'http://{ENI}:{ON}/')
        test_capture.wait_quiet(path, 12)
        child.send_signal(signal.SIGINT)
        self.assertEqual(child.wait(60), 0)
        fields = [a for f in ('frame.comment', 'vxlan.vni', 'ip.src', 'ip.dst') for a in ('-e', f)]
        out = proc.run(['tshark', '-r', path, '-T', 'fields', *fields]).stdout
        seen = {tuple(line.split('\t')) for line in out.splitlines()}
        vpce, = (e['id'] for e in self.culvert.endpoints() if e['name'] == 'c3')
        client = [('16777215', '192.168.2.9,172.16.1.100', f'192.168.2.1,{ENI}'),
                  ('5000', '192.168.1.9', '192.168.1.1')]
        for comment, vni, src, dst in seen:
            self.assertTrue(comment.startswith(vpce), comment)
            if 'sent' in comment:
                src, dst = dst, src
            side = client[', target side' in comment]
            self.assertEqual(vni, side[0])
            self.assertTrue(src.startswith(side[1]) and dst.startswith(side[2]), (comment, src, dst))
        self.assertEqual(len({s[0] for s in seen}), 4)

    def test_unknown_vni_is_dropped(self):
        before = self.culvert.drops().get('vxlan_vni', 0)
        self._send(5001, bytes(60))
        proc.wait_for(lambda: self.culvert.drops().get('vxlan_vni', 0) == before + 1, 30, 'a drop')


class VxlanTwoWorkers(Vxlan):

    workers = 2


class Direct(harness.LabCase):
    """The load balancer itself is dialled, from inside its VPC, which is in VXLAN."""

    @classmethod
    def make_config(cls):
        conf = harness.config([harness.group('on', ON, [(DEC1, ON), (DEC2, ON)])])
        return harness.in_vxlan(conf, 'provider', 5000, vtep='192.168.1.1', peers=['192.168.1.9'])

    def test_header_has_no_endpoint(self):
        for node in (NODE, NODE_B):
            seen = curl_json(self.lab, 'provider', f'http://{node}:{ON}/')
            self.assertEqual((seen['client'], seen['vpce'], seen['crc_ok']), (seen['local'], None, True))
