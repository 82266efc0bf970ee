# SPDX-License-Identifier: BSD-3-Clause
"""Sockets of the kernel on the load balancer's addresses, while culvert forwards on the same ones."""

import os
import signal
import threading

import harness
from harness import ENI, NODE, NODE_B, load, proc

DEC1, DEC2 = '10.0.1.31', '10.0.2.32'
ON = 8080
VLAN = 77


class HostCase(harness.LastTests, harness.LabCase):
    """What must hold however the VPC is attached."""

    @classmethod
    def make_config(cls):
        conf = harness.config([harness.group('on', ON, [(DEC1, ON), (DEC2, ON)], proxy=False)])
        conf['settings'] = {'host': {'namespaces': 'always'}}
        return conf

    def namespace(self):
        """The provider's namespace, once it is up."""
        def find():
            rows = self.culvert.show('host')['namespaces']
            return next((r for r in rows if r['vpc'] == 'provider' and r['state'] == 'up'), None)
        return proc.wait_for(find, 60, 'the namespace of the provider')

    def from_node(self, node, ip, path='/', tcp_port=ON):
        """curl from a node's address: CompletedProcess with bytes."""
        return proc.run(['nsenter', f'--net={self.namespace()["namespace"]}', 'curl', '-sS',
                         '--max-time', '20', '--interface', node, '-w', '%{stderr}%{local_port}',
                         f'http://{ip}:{tcp_port}{path}'], check=False, text=False)

    def test_kernel_dials_targets_from_each_node(self):
        for node in (NODE, NODE_B):
            for ip in (DEC1, DEC2):
                done = self.from_node(node, ip)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn(f'"{node}:', done.stdout.decode())
                self.assertIn(int(done.stderr), range(1024, 10536))
        row = self.namespace()
        self.assertEqual(sorted(row['addresses']), [NODE, NODE_B])
        self.assertGreater(row['up_packets'], 10)
        self.assertGreater(row['down_packets'], 10)
        self.assertEqual(row['down_drops'], 0)
        self.assertGreater(self.culvert.drops()['host_taken'], 10)

    def test_large_answers_arrive_beside_connections_of_clients(self):
        size, answers = 2_000_000, []
        side = threading.Thread(
            target=lambda: answers.extend(load(self.lab, 'c1', ENI, ON, 200, at_once=10)))
        side.start()
        done = self.from_node(NODE, DEC2, f'/bytes/{size}')
        side.join()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(harness.sha256(done.stdout), harness.decoder.body_sha256(size))
        self.assertEqual([a.status for a in answers], [200] * 200)

    def test_port_without_a_listener_is_refused_by_the_target_itself(self):
        done = self.from_node(NODE, DEC1, tcp_port=ON + 1)
        self.assertEqual(done.returncode, 7, done.stderr)   # refused, not timed out

    def test_metrics_count_it(self):
        self.from_node(NODE, DEC1)
        text = self.culvert.metrics_text()
        self.assertIn('culvert_host_up{vpc="provider"} 1', text)
        self.assertIn('culvert_host_up_packets_total{vpc="provider"} ', text)


class HostOnPort(HostCase):

    def test_nothing_is_left_after_a_kill(self):
        inode = os.stat(self.namespace()['namespace']).st_ino
        named = set(os.listdir('/run/netns'))
        os.kill(self.culvert.child.pid, signal.SIGKILL)
        self.culvert.child.wait()
        proc.wait_for(lambda: str(inode) not in proc.run(
            ['lsns', '-t', 'net', '-n', '-o', 'NS']).stdout.split(), 60, 'the namespace to go')
        self.assertEqual(set(os.listdir('/run/netns')) & named, set(os.listdir('/run/netns')))
        type(self).start_culvert()
        self.assertEqual(self.from_node(NODE, DEC1).returncode, 0)


class HostOnVlan(HostCase):

    @classmethod
    def make_config(cls):
        return harness.on_vlans(super().make_config(), 'prov', {'provider': VLAN})


class HostNowhere(harness.LabCase):

    @classmethod
    def make_config(cls):
        conf = harness.config([harness.group('on', ON, [(DEC1, ON)], proxy=False)])
        conf['settings'] = {'host': {'namespaces': 'never'}}
        return conf

    def test_traffic_needs_no_namespace(self):
        self.assertEqual(self.culvert.show('host')['namespaces'], [])
        self.assertEqual([a.status for a in load(self.lab, 'c1', ENI, ON, 5)], [200] * 5)


del HostCase
