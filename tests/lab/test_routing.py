# SPDX-License-Identifier: BSD-3-Clause
"""Where new connections go: weights, stickiness, zonal shift."""

import copy
import socket

import harness
from harness import ENI, ENI_B, curl_json, load, proc

DEC1, DEC2 = '10.0.1.31', '10.0.2.32'
BLUE, GREEN, KEPT = 8080, 8081, 8082
WEIGHED, NOTHING = 8090, 8091


class Routing(harness.LastTests, harness.LabCase):

    @classmethod
    def make_config(cls):
        conf = harness.config([
            harness.group('blue', BLUE, [(DEC1, BLUE)]),
            harness.group('green', GREEN, [(DEC2, GREEN)]),
            harness.group('kept', KEPT, [(DEC1, KEPT), (DEC2, KEPT)], **{'stickiness.enabled': True}),
        ], workers=2)
        for group in conf['target_groups']:
            group['health_check'] = {'enabled': False}  # no target comes later than another
        balancer, = conf['load_balancers']
        balancer['attributes'] = {'zonal_shift.config.enabled': True}
        for port, weights in ((WEIGHED, (300, 100)), (NOTHING, (0, 7))):
            balancer['listeners'].append({'port': port, 'forward': [
                {'target_group': 'blue', 'weight': weights[0]},
                {'target_group': 'green', 'weight': weights[1]}]})
        return conf

    def seen(self, eni, port, n):
        """Targets of n connections."""
        answers = load(self.lab, 'c1', eni, port, n)
        self.assertEqual({a.status for a in answers}, {200}, [a.error for a in answers if a.error])
        return [a.json()['target'] for a in answers]

    def test_weights_divide_connections(self):
        seen = self.seen(ENI, WEIGHED, 240)
        blue = seen.count(f'{DEC1}:{BLUE}')
        self.assertEqual(blue + seen.count(f'{DEC2}:{GREEN}'), 240)
        # Six times the deviation, sqrt(240 * 3/4 * 1/4): no run goes beyond by chance.
        self.assertLess(abs(blue - 180), 41)

    def test_weight_0_gets_nothing(self):
        self.assertEqual(set(self.seen(ENI, NOTHING, 40)), {f'{DEC2}:{GREEN}'})

    def test_sticky_client_has_one_target(self):
        target = set(self.seen(ENI, KEPT, 30))
        self.assertEqual(len(target), 1)
        conf = copy.deepcopy(self.conf)
        conf['target_groups'][2]['targets'].reverse()
        self.culvert.reload(conf)
        self.assertEqual(set(self.seen(ENI, KEPT, 30)), target)
        self.culvert.reload(self.conf)

    def test_zonal_shift_moves_new_connections_only(self):
        with proc.socket_in(self.lab.ns('c1'), socket.AF_INET, socket.SOCK_STREAM) as old:
            old.settimeout(60)
            old.connect((ENI, GREEN))
            conf = copy.deepcopy(self.conf)
            conf['load_balancers'][0]['zonal_shift'] = {'away_from': 'use1-az2'}
            conf['target_groups'][1]['targets'].append({'ip': DEC1, 'port': KEPT})
            self.culvert.reload(conf)
            self.assert_becomes([True, False], lambda: [n['in_dns'] for n in self.culvert.show(
                'load-balancers')['load_balancers'][0]['nodes']])
            # Through either node: the targets of the zone are left out, its node still serves.
            for eni in (ENI, ENI_B):
                self.assertEqual(set(self.seen(eni, GREEN, 20)), {f'{DEC1}:{KEPT}'})
            # What was there before goes on.
            old.sendall(b'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
            data = b''
            while part := old.recv(65536):
                data += part
            self.assertIn(f'"target": "{DEC2}:{GREEN}"', data.decode())
        self.culvert.reload(self.conf)
        self.assertEqual(curl_json(self.lab, 'c1', f'http://{ENI_B}:{GREEN}/')['target'],
                         f'{DEC2}:{GREEN}')
