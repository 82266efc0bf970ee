# SPDX-License-Identifier: BSD-3-Clause
"""DNS in the VPCs: dig, and programs that know nothing of it."""

import copy
import json
import pathlib
import re
import socket
import subprocess
import threading

import harness
from harness import ENI, ENI_B, NODE, NODE_B, proc

DEC1, DEC2 = '10.0.1.31', '10.0.2.32'
WEB = 8080
SERVER = '172.16.0.2'          # of every consumer; the base address of its CIDR + 2
PROVIDER_SERVER = '10.0.0.2'
LINK_LOCAL = '169.254.169.253'  # of every VPC
OTHER = 'www.example.org'
RESOLVER = ('127.0.0.1', 5353)


class Resolver(threading.Thread):
    """Somebody else's resolver, on the host: every name has the address 192.0.2.1."""

    def __init__(self, ns):
        super().__init__(daemon=True)
        proc.run(['ip', 'link', 'set', 'lo', 'up'], ns=ns)
        self.sock = proc.socket_in(ns, socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(RESOLVER)

    def run(self):
        while True:
            try:
                query, client = self.sock.recvfrom(4096)
            except OSError:
                return
            end = query.index(b'\0', 12) + 5
            self.sock.sendto(query[:2] + b'\x81\x80\0\1\0\1\0\0\0\0' + query[12:end]
                             + b'\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1', client)


class Dns(harness.LabCase):
    RATE = 1024     # of one client; the benchmark asks for more

    @classmethod
    def make_config(cls):
        conf = harness.config(
            [harness.group('web', WEB, [(DEC1, WEB), (DEC2, WEB)], proxy=False,
                           check={'interval_seconds': 10, 'timeout_seconds': 10,
                                  'healthy_threshold': 2, 'unhealthy_threshold': 4},
                           **{'load_balancing.cross_zone.enabled': False})], consumers=2)
        # A check each second; a busy machine alone fails no four of them.
        conf['settings'] = {'lab_time_scale': 10}
        conf['dns'] = {'enabled': True, 'forwarders': [f'{RESOLVER[0]}:{RESOLVER[1]}'],
                       'queries_per_second': cls.RATE}
        conf['load_balancers'][0]['attributes'] = {
            'dns_record.client_routing_policy': 'availability_zone_affinity'}
        return conf

    @classmethod
    def start_servers(cls):
        super().start_servers()
        resolver = Resolver(f'{cls.lab.prefix}.culvert')
        resolver.start()
        cls.addClassCleanup(resolver.sock.close)
        for vpc, server, own in (('provider', PROVIDER_SERVER, '10.0.1.100'),
                                 ('c1', SERVER, '172.16.1.100'), ('c2', SERVER, '172.16.1.100')):
            cls.route(vpc, server, own)
            cls.route(vpc, LINK_LOCAL, own)

    @classmethod
    def route(cls, vpc, server, own):
        """Have a client ask its server, which is in none of the subnets, from one of its addresses."""
        proc.run(['ip', 'route', 'replace', f'{server}/32', 'dev', 'eth0', 'src', own],
                 ns=cls.lab.ns(vpc))

    def setUp(self):
        super().setUp()
        # All zones answer too while no target is known to be healthy; then they become so one by one.
        proc.wait_for(lambda: self.states() == {'healthy', 'unused'} and self.nodes_are_healthy(), 120,
                      'the targets to be healthy')
        for vpc in ('c1', 'c2'):
            self.wait_for_answer(self.name(vpc), {ENI, ENI_B}, vpc)

    def states(self):
        """What the nodes think of the targets."""
        return {state for group in self.culvert.show('targets')['target_groups']
                for target in group['targets'] for state in target['states'].values()}

    def nodes_are_healthy(self):
        """Whether the nodes are in DNS for they have healthy targets, not for there is no other."""
        balancer, = self.culvert.show('load-balancers')['load_balancers']
        return all(n['healthy'] and n['in_dns'] for n in balancer['nodes'])

    def dig(self, vpc, name, *args, server=None):
        """dig's answer section as (type, value) in order, its status, and all of what it says."""
        server = server or (PROVIDER_SERVER if vpc == 'provider' else SERVER)
        done = proc.run(['dig', '+tries=4', '+timeout=5', f'@{server}', name, *args],
                        ns=self.lab.ns(vpc), check=False)
        status = re.search(r'status: (\w+)', done.stdout)
        rows = [line.split() for line in done.stdout.splitlines()
                if line and not line.startswith(';')]
        return [(r[3], r[4]) for r in rows if r[3] in ('A', 'CNAME')], \
            status and status.group(1), done.stdout

    def addresses(self, vpc, name, *args):
        return {v for kind, v in self.dig(vpc, name, *args)[0] if kind == 'A'}

    def wait_for_answer(self, name, wanted, vpc='c1'):
        proc.wait_for(lambda: self.addresses(vpc, name) == wanted, 60, f'{name} to be {wanted}')

    def name(self, vpc, zone=None):
        """Name of a consumer's endpoint."""
        names = [n['name'] for n in self.culvert.show('dns')['names']
                 if n['vpc'] == vpc and n['name'].startswith('vpce-')]
        if zone:
            return next(n for n in names if f'-{zone}.vpce-svc-' in n)
        return min(names, key=len)

    def lb_name(self):
        return min((n['name'] for n in self.culvert.show('dns')['names']
                    if n['name'].startswith('nlb-')), key=len)

    def test_names_are_shown(self):
        self.assert_becomes({(vpc, address, 'up') for vpc, own in
                             (('provider', PROVIDER_SERVER), ('c1', SERVER), ('c2', SERVER))
                             for address in (own, LINK_LOCAL)},
                            lambda: {(s['vpc'], s['address'], s['state'])
                                     for s in self.culvert.show('dns')['servers']})
        self.assertRegex(self.name('c1'), r'^vpce-[0-9a-f]{17}-[a-z0-9]{8}\.vpce-svc-[0-9a-f]{17}'
                                          r'\.us-east-1\.vpce\.amazonaws\.com$')
        text = self.culvert.metrics_text()
        self.assertIn('culvert_dns_queries_total{transport="udp"} ', text)
        self.assertRegex(text, r'culvert_dns_answers_total\{rcode="NOERROR"\} [1-9]')

    def test_zonal_names_lead_to_their_zones(self):
        # The second consumer calls its zones the other way round; its names go by its own words.
        for vpc, zones in (('c1', {'us-east-1a': ENI, 'us-east-1b': ENI_B}),
                           ('c2', {'us-east-1a': ENI, 'us-east-1b': ENI_B})):
            for zone, ip in zones.items():
                self.wait_for_answer(self.name(vpc, zone), {ip}, vpc)

    def test_ttl_order_and_case(self):
        name = self.name('c1').upper()
        orders = set()
        for _ in range(40):
            rows, status, text = self.dig('c1', name)
            self.assertEqual(status, 'NOERROR')
            self.assertRegex(text, rf'{name}\.\s+60\s+IN\s+A')
            orders.add(tuple(v for _, v in rows))
        self.assertEqual(orders, {(ENI, ENI_B), (ENI_B, ENI)})

    def test_link_local_server_is_each_vpcs_own(self):
        for vpc, other in (('c1', 'c2'), ('c2', 'c1')):
            for how in ('+notcp', '+tcp'):
                rows, status, _ = self.dig(vpc, self.name(vpc), how, server=LINK_LOCAL)
                self.assertEqual(({v for _, v in rows}, status), ({ENI, ENI_B}, 'NOERROR'))
            self.assertEqual(self.dig(vpc, self.name(other), server=LINK_LOCAL)[1], 'NXDOMAIN')

    def test_vpc_without_dns_support_has_no_server(self):
        name, conf = self.name('c2'), copy.deepcopy(self.conf)
        vpc, = [v for v in conf['vpcs'] if v['name'] == 'c2']
        vpc['enable_dns_support'] = False
        self.culvert.reload(conf)
        try:
            proc.wait_for(lambda: 'c2' not in {s['vpc'] for s in self.culvert.show('dns')['servers']},
                          20, 'the server to be gone')
            for server in (SERVER, LINK_LOCAL):
                proc.wait_for(lambda server=server: 'no servers could be reached' in proc.run(
                    ['dig', '+tries=1', '+timeout=1', f'@{server}', name], ns=self.lab.ns('c2'),
                    check=False).stdout, 20, f'silence of {server}')
            self.assertEqual(self.addresses('c1', self.name('c1')), {ENI, ENI_B})
        finally:
            self.culvert.reload(self.conf)
        self.wait_for_answer(name, {ENI, ENI_B}, 'c2')

    def test_what_is_not_available_has_no_name(self):
        names, conf = [self.name('c2'), self.name('c2', 'us-east-1a')], copy.deepcopy(self.conf)
        service, = conf['endpoint_services']
        endpoint, = [e['name'] for e in conf['endpoints'] if e['vpc'] == 'c2']
        service['accept'] = [name for name in service.get('accept', []) if name != endpoint]
        for change, state in (({}, 'pendingAcceptance'), ({'reject': [endpoint]}, 'rejected')):
            service.update(change)
            self.culvert.reload(conf)
            for name in names:
                proc.wait_for(lambda name=name: self.dig('c2', name)[1] == 'NXDOMAIN', 20,
                              f'{name} to be unknown while {state}')
            self.assertIn((endpoint, state), {(e['name'], e['state'])
                                              for e in self.culvert.show('endpoints')['endpoints']})
        self.assertEqual(self.addresses('c1', self.name('c1')), {ENI, ENI_B})
        self.culvert.reload(self.conf)
        self.wait_for_answer(names[0], {ENI, ENI_B}, 'c2')

    def test_other_vpcs_do_not_see_it(self):
        for vpc in ('c2', 'provider'):
            self.assertEqual(self.dig(vpc, self.name('c1'))[:2], ([], 'NXDOMAIN'))
        conf = copy.deepcopy(self.conf)
        conf['dns']['public'] = True
        self.culvert.reload(conf)
        names = [n for n in self.culvert.show('dns')['names'] if n['name'].startswith('vpce-')]
        proc.wait_for(lambda: {n['vpc'] for n in self.culvert.show('dns')['names']} == {'*'}, 20,
                      'all names to be seen everywhere')
        self.wait_for_answer(names[0]['name'], set(names[0]['answer']), 'c2')
        self.culvert.reload(self.conf)
        proc.wait_for(lambda: self.dig('c2', self.name('c1'))[1] == 'NXDOMAIN', 20, 'NXDOMAIN')

    def test_nodata_nxdomain_tcp_and_others(self):
        name = self.name('c1')
        rows, status, text = self.dig('c1', name, 'AAAA')
        self.assertEqual((rows, status), ([], 'NOERROR'))
        self.assertIn('SOA', text)
        self.assertEqual(self.dig('c1', 'nope.us-east-1.vpce.amazonaws.com')[1], 'NXDOMAIN')
        self.assertEqual(self.addresses('c1', name, '+tcp'), {ENI, ENI_B})
        self.assertEqual(self.addresses('c1', name, '+noedns'), {ENI, ENI_B})
        self.assertEqual(self.dig('c1', 'version.bind', 'TXT', 'CH')[1], 'REFUSED')
        # What is not ours: somebody else is asked.
        self.assertEqual(self.addresses('c1', OTHER), {'192.0.2.1'})
        conf = copy.deepcopy(self.conf)
        conf['dns']['forwarders'] = []
        self.culvert.reload(conf)
        proc.wait_for(lambda: self.dig('c1', OTHER)[1] == 'REFUSED', 20, 'REFUSED')
        self.culvert.reload(self.conf)

    def test_zones_have_their_records(self):
        zone = 'us-east-1.vpce.amazonaws.com'
        text = self.dig('c1', zone, 'NS')[2]
        self.assertRegex(text, rf'(?m)^{zone}\.\s+60\s+IN\s+NS\s+ns\.{zone}\.$')
        self.assertEqual(self.addresses('c1', f'ns.{zone}'), {SERVER, LINK_LOCAL})
        text = self.dig('c1', zone, 'SOA')[2]
        self.assertRegex(text, rf'(?m)^{zone}\.\s+60\s+IN\s+SOA\s+ns\.{zone}\. hostmaster\.{zone}\. .* 60$')
        # Nobody is asked for names of private addresses; those of the VPC have some of themselves.
        rows, status, text = self.dig('c1', '-x', '172.16.255.1')
        self.assertEqual((rows, status), ([], 'NXDOMAIN'))
        self.assertRegex(text, r'(?m)^16\.172\.in-addr\.arpa\.\s+60\s+IN\s+SOA')
        own = f'ip-{ENI.replace(".", "-")}.ec2.internal'
        self.assertRegex(self.dig('c1', '-x', ENI)[2], rf'(?m)in-addr\.arpa\.\s+60\s+IN\s+PTR\s+{own}\.$')
        self.assertEqual(self.addresses('c1', own), {ENI})

    def test_letters_types_and_versions(self):
        name = ''.join(c.upper() if i % 3 == 0 else c for i, c in enumerate(self.name('c1')))
        rows, status, text = self.dig('c1', name)
        self.assertEqual(({v for _, v in rows}, status), ({ENI, ENI_B}, 'NOERROR'))
        self.assertEqual(text.count(f'{name}.'), 3)     # the question, two records; all as it was asked
        for kind in ('TYPE65280', 'HTTPS', 'MX'):
            rows, status, text = self.dig('c1', name, kind)
            self.assertEqual((rows, status), ([], 'NOERROR'))
            self.assertIn('SOA', text)
        self.assertEqual(self.dig('c1', name, '+edns=1', '+noednsnegotiation')[1], 'BADVERS')
        self.assertRegex(self.dig('c1', name)[2], r'EDNS: version: 0, flags:; udp: 1232')

    def test_client_zone_decides_for_load_balancers(self):
        for own, node in (('10.0.2.100', NODE_B), ('10.0.1.100', NODE)):
            self.route('provider', PROVIDER_SERVER, own)
            self.wait_for_answer(self.lb_name(), {node}, 'provider')
            for _ in range(5):
                self.assertEqual(self.addresses('provider', self.lb_name()), {node})

    def test_zone_without_healthy_targets_is_left_out(self):
        name = self.name('c1')
        with harness.nft(self.lab.ns('provider', DEC1),
                         f'chain c {{ type filter hook ingress device eth0 priority 0;\n'
                         f'ip daddr {DEC1} tcp dport {WEB} counter drop\n}}'):
            self.wait_for_answer(name, {ENI_B})
            # The zone's own name leads there all the same.
            self.assertEqual(self.addresses('c1', self.name('c1', 'us-east-1a')), {ENI})
            with harness.nft(self.lab.ns('provider', DEC2),
                             f'chain c {{ type filter hook ingress device eth0 priority 0;\n'
                             f'ip daddr {DEC2} tcp dport {WEB} counter drop\n}}'):
                self.wait_for_answer(name, {ENI, ENI_B})
        self.wait_for_answer(name, {ENI, ENI_B})

    def test_programs_use_it(self):
        path = pathlib.Path('/etc/netns', self.lab.ns('c1'))
        path.mkdir(parents=True)
        self.addCleanup(path.rmdir)
        file = path / 'resolv.conf'
        file.write_text(f'nameserver {SERVER}\noptions timeout:5\n', encoding='ascii')
        self.addCleanup(file.unlink)
        # `ip netns exec` puts the file in the place of /etc/resolv.conf.
        done = subprocess.run(
            ['ip', 'netns', 'exec', self.lab.ns('c1'), 'curl', '-sS', '--max-time', '20',
             '-w', '%{stderr}%{remote_ip}', f'http://{self.name("c1")}:{WEB}/'],
            capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(done.stderr, (ENI, ENI_B))
        self.assertIn(json.loads(done.stdout)['target'], (f'{DEC1}:{WEB}', f'{DEC2}:{WEB}'))
