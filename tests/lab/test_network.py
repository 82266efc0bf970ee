# SPDX-License-Identifier: BSD-3-Clause
"""Routers on both sides, security groups, zones, and the end of source ports."""

import contextlib
import socket
import time

import harness
from harness import ENI, ENI_B, NODE, NODE_B, curl, curl_json, load, proc

DEC1, DEC2, FAR = '10.0.1.31', '10.0.2.32', '192.168.77.5'
ON, ZONAL, ROUTED = 8080, 8081, 8082
ON_PREM = '192.168.50.2'


class Network(harness.LastTests, harness.LabCase):

    @classmethod
    def make_config(cls):
        conf = harness.config([
            harness.group('on', ON, [(DEC1, ON), (DEC2, ON)]),
            harness.group('zonal', ZONAL, [(DEC1, ZONAL), (DEC2, ZONAL)]),
            harness.group('routed', ROUTED, [(FAR, ROUTED)]),
        ], consumers=2)
        conf['target_groups'][1]['attributes']['load_balancing.cross_zone.enabled'] = False
        provider, one = conf['vpcs'][0], conf['vpcs'][1]
        provider['subnets'][0]['gateway'] = '10.0.1.1'
        provider['subnets'][1]['gateway'] = '10.0.2.1'
        one['security_groups'] = [{'name': 'narrow', 'ingress': [
            {'cidr': '172.16.1.0/24', 'ports': '8000-8999'}, {'cidr': f'{ON_PREM}/32', 'ports': str(ON)}]}]
        conf['endpoints'][0]['security_groups'] = ['narrow']
        return conf

    @classmethod
    def start_servers(cls):
        super().start_servers()
        cls.on_prem = cls.lab.add_ns('onprem')
        cls.lab.add_behind(cls.lab.ns('c1'), 'prem', cls.on_prem, ON_PREM)

    def test_client_behind_a_router(self):
        got = proc.run(['curl', '-sS', '--max-time', 30, f'http://{ENI}:{ON}/'], ns=self.on_prem).stdout
        self.assertIn(f'"client": "{ON_PREM}:', got)

    def test_targets_behind_a_router(self):
        for eni, node in ((ENI, NODE), (ENI_B, NODE_B)):
            seen = curl_json(self.lab, 'c2', f'http://{eni}:{ROUTED}/')
            self.assertEqual((seen['client'], seen['target']), (seen['local'], f'{FAR}:{ROUTED}'))
        body = curl(self.lab, 'c2', f'http://{ENI}:{ROUTED}/bytes/1000000').stdout
        self.assertEqual(harness.sha256(body), harness.decoder.body_sha256(1_000_000))

    def test_security_group_keeps_out_who_is_not_named(self):
        self.assertTrue(curl_json(self.lab, 'c1', f'http://{ENI}:{ON}/')['crc_ok'])
        # MACs are known from now on: a router answers for others after a while.
        proc.run(['curl', '-sS', '--max-time', 30, f'http://{ENI}:{ON}/'], ns=self.on_prem)
        before = self.culvert.drops().get('security_group', 0)
        done = curl(self.lab, 'c1', f'http://{ENI}:{ON}/', '--interface', '172.16.2.100',
                    '--connect-timeout', 1.5)
        self.assertEqual(done.returncode, 28)
        done = proc.run(['curl', '-sS', '--connect-timeout', 1.5, f'http://{ENI}:{ZONAL}/'],
                        ns=self.on_prem, check=False)
        self.assertEqual(done.returncode, 28)
        self.wait_dropped('security_group', before, 2)

    def test_nodes_stay_in_their_zone_without_cross_zone(self):
        # c1 calls its first zone what the provider does; c2 has the names the other way round.
        for name, eni, target, node in (('c1', ENI, DEC1, NODE), ('c2', ENI, DEC2, NODE_B),
                                        ('c2', ENI_B, DEC1, NODE)):
            for got in load(self.lab, name, eni, ZONAL, 30):
                self.assertEqual(got.status, 200, got.error)
                seen = got.json()
                self.assertEqual((seen['target'], seen['peer'].split(':')[0]),
                                 (f'{target}:{ZONAL}', node))

    def test_node_uses_all_zones_with_cross_zone(self):
        seen = {got.json()['target'] for got in load(self.lab, 'c2', ENI, ON, 40)}
        self.assertEqual(seen, {f'{DEC1}:{ON}', f'{DEC2}:{ON}'})


class SourcePorts(harness.LastTests, harness.LabCase):
    """A pool of 40 ports for each (node IP, target): exact, whatever the number of workers."""

    ports = 40
    rest_seconds = 2
    workers = 1

    @classmethod
    def make_config(cls):
        conf = harness.config([harness.group('on', ON, [(DEC1, ON)])], workers=cls.workers)
        conf['settings'] = {'snat': {'port_first': 20000, 'n_ports': cls.ports,
                                     'rest_seconds': cls.rest_seconds}}
        return conf

    def _open(self, stack, eni, timeout=30):
        """One more connection, or None if nobody answers in time."""
        sock = stack.enter_context(proc.socket_in(self.lab.ns('c1'), socket.AF_INET, socket.SOCK_STREAM))
        sock.settimeout(timeout)
        try:
            sock.connect((eni, ON))
        except TimeoutError:
            sock.close()  # or the kernel would go on trying, and take the next free port
            return None
        return sock

    def _pool(self, node):
        pool, = [p for p in self.culvert.show('snat')['pools'] if p['node_ip'] == node]
        return pool

    def test_last_port_is_served_and_the_next_is_not(self):
        proc.wait_for(self._is_idle, 30, 'ports of earlier tests to rest')
        with contextlib.ExitStack() as stack:
            socks = [self._open(stack, ENI) for _ in range(self.ports)]
            self.assertNotIn(None, socks)
            self.assertEqual((self._pool(NODE)['used'], self._pool(NODE)['free']), (self.ports, 0))
            before = self.culvert.events()['port_allocation_error']
            self.assertIsNone(self._open(stack, ENI, 1.5))
            proc.wait_for(lambda: self.culvert.events()['port_allocation_error'] > before, 30, 'the error')
            # The other node has ports of its own.
            self.assertIsNotNone(self._open(stack, ENI_B))
            self._answers_all(socks)

    def _answers_all(self, socks):
        seen = set()
        for sock in socks:
            sock.sendall(b'GET / HTTP/1.1\r\n\r\n')
            text = sock.recv(65536)
            while b'header_len' not in text:
                text += sock.recv(65536)
            seen.add(text.partition(b'"peer": "')[2].partition(b'"')[0])
        want = {f'{NODE}:{p}'.encode() for p in range(20000, 20000 + self.ports)}
        self.assertEqual(seen, want)

    def test_port_rests_before_its_next_use(self):
        proc.wait_for(self._is_idle, 30, 'ports of earlier tests to rest')
        with contextlib.ExitStack() as stack:
            socks = [self._open(stack, ENI) for _ in range(self.ports)]
            self.assertNotIn(None, socks)
            socks[7].close()
            closed = time.monotonic()
            early, pool = self._open(stack, ENI, 0.8), self._pool(NODE)
            if time.monotonic() - closed < self.rest_seconds - 0.1:     # else the machine was busy
                self.assertIsNone(early)
                self.assertEqual(pool['used'] + pool['resting'], self.ports)
            if early is None:
                proc.wait_for(lambda: self._pool(NODE)['free'] == 1, 30, 'the port to be free again')
                self.assertGreater(time.monotonic() - closed, self.rest_seconds - 0.1)
                self.assertIsNotNone(self._open(stack, ENI))
            self.assertIsNone(self._open(stack, ENI, 0.8))

    def _is_idle(self):
        return all(p['free'] == self.ports for p in self.culvert.show('snat')['pools'])


class SourcePortsTwoWorkers(SourcePorts):

    workers = 2
