# SPDX-License-Identifier: BSD-3-Clause
"""Private DNS names of endpoint services: proven by a TXT record, which a DNS server of the lab's has."""

import json
import socketserver
import struct
import threading

import botocore.exceptions

import api_world
from api_world import CONSUMER
from harness import culvertd, proc

NXDOMAIN, SERVFAIL, TRUNCATED = 3, 2, 0x0200


class Zone:
    """A DNS server on the loopback, UDP and TCP: TXT records by name, and how names without any fail."""

    def __init__(self):
        self.txt, self.rcode, self.silent = {}, NXDOMAIN, False
        zone = self

        class Udp(socketserver.BaseRequestHandler):
            def handle(self):
                data, sock = self.request
                if not zone.silent:
                    sock.sendto(zone.answer(data, False), self.client_address)

        class Tcp(socketserver.StreamRequestHandler):
            def handle(self):
                head = self.rfile.read(2)
                if len(head) == 2:
                    out = zone.answer(self.rfile.read(struct.unpack('!H', head)[0]), True)
                    self.wfile.write(struct.pack('!H', len(out)) + out)

        while True:
            udp = socketserver.ThreadingUDPServer(('127.0.0.1', 0), Udp)
            try:
                tcp = socketserver.ThreadingTCPServer(udp.server_address, Tcp)
                break
            except OSError:
                udp.server_close()
        self.servers = (udp, tcp)
        self.address = '%s:%d' % udp.server_address
        for server in self.servers:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def close(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def answer(self, query, tcp):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        name, question = '.'.join(labels), query[12:at + 5]
        texts = self.txt.get(name, [])
        records = b''.join(b'\xc0\x0c\0\x10\0\1\0\0\0\x3c' + struct.pack('!HB', len(t) + 1, len(t))
                           + t.encode() for t in texts)
        flags = 0x8180 | (0 if texts else self.rcode)
        if not tcp and len(records) > 400:
            flags, records, texts = flags | TRUNCATED, b'', []
        return query[:2] + struct.pack('!HHHHH', flags, 1, len(texts), 0, 0) + question + records


class PrivateDns(api_world.ApiCase):

    @classmethod
    def make_config(cls):
        conf = api_world.config()
        conf['dns'] = {'enabled': True, 'forwarders': [cls.zone.address]}
        conf['load_balancers'] = [{'name': 'nlb', 'vpc': 'provider', 'subnets': [{'subnet': 'provider-0'}]}]
        return conf

    @classmethod
    def setUpClass(cls):
        cls.zone = Zone()
        cls.addClassCleanup(cls.zone.close)
        super().setUpClass()
        cls.mine, cls.theirs = cls.it.boto('ec2', 'provider'), cls.it.boto('ec2', 'consumer')
        elb = cls.it.boto('elbv2', 'provider')
        cls.lb = elb.describe_load_balancers()['LoadBalancers'][0]['LoadBalancerArn']
        cls.subnet, = [s for s in cls.theirs.describe_subnets()['Subnets']
                       if s['AvailabilityZoneId'] == 'use1-az1']
        for client in (cls.mine, cls.theirs, elb):
            cls.addClassCleanup(client.close)

    def setUp(self):
        self.zone.txt, self.zone.rcode, self.zone.silent = {}, NXDOMAIN, False

    def make(self, name):
        """A service of that private name: its id and its proof."""
        made = self.mine.create_vpc_endpoint_service_configuration(
            NetworkLoadBalancerArns=[self.lb], PrivateDnsName=name,
            AcceptanceRequired=False)['ServiceConfiguration']
        self.addCleanup(self.mine.delete_vpc_endpoint_service_configurations,
                        ServiceIds=[made['ServiceId']])
        self.mine.modify_vpc_endpoint_service_permissions(
            ServiceId=made['ServiceId'], AddAllowedPrincipals=[f'arn:aws:iam::{CONSUMER}:root'])
        proof = made['PrivateDnsNameConfiguration']
        self.assertEqual((proof['State'], proof['Type']), ('pendingVerification', 'TXT'))
        self.assertRegex(proof['Name'], '^_[a-z0-9]{20}$')
        self.assertRegex(proof['Value'], '^vpce:[a-z0-9]{20}$')
        return made, proof

    def state(self, made):
        got = self.mine.describe_vpc_endpoint_service_configurations(ServiceIds=[made['ServiceId']])
        return got['ServiceConfigurations'][0]['PrivateDnsNameConfiguration']['State']

    def start(self, made):
        self.mine.start_vpc_endpoint_service_private_dns_verification(ServiceId=made['ServiceId'])

    def wait_state(self, made, state):
        self.it.wait(lambda: self.state(made) == state)

    def endpoint(self, made):
        return self.theirs.create_vpc_endpoint(
            VpcEndpointType='Interface', VpcId=self.subnet['VpcId'], ServiceName=made['ServiceName'],
            SubnetIds=[self.subnet['SubnetId']], PrivateDnsEnabled=True)['VpcEndpoint']

    def names(self):
        """What DNS has: name -> answer."""
        done = proc.run([culvertd.CULVERTCTL, '-s', self.it.dir / 'ctl.sock', 'show', 'dns', '--json'])
        return {n['name']: n['answer'] for n in json.loads(done.stdout)['names']}

    def test_proven_name_is_served(self):
        made, proof = self.make('db.example.com')
        self.zone.txt = {f'{proof["Name"]}.db.example.com': ['another', proof['Value']]}
        # Nobody looks before the owner says that the record is there.
        with self.assertRaises(botocore.exceptions.ClientError) as raised:
            self.endpoint(made)
        self.assertIn('does not provide a private DNS name', str(raised.exception))
        self.assertEqual(self.state(made), 'pendingVerification')
        self.start(made)
        self.wait_state(made, 'verified')
        seen = self.theirs.describe_vpc_endpoint_services(ServiceNames=[made['ServiceName']])
        self.assertEqual(seen['ServiceDetails'][0]['PrivateDnsNameVerificationState'], 'verified')
        made_endpoint = self.endpoint(made)
        self.addCleanup(self.theirs.delete_vpc_endpoints, VpcEndpointIds=[made_endpoint['VpcEndpointId']])
        regional = made_endpoint['DnsEntries'][0]['DnsName']
        self.it.wait(lambda: self.names().get('db.example.com') == [regional])
        # It stays as long as somebody relies on it.
        for change in ({'RemovePrivateDnsName': True}, {'PrivateDnsName': 'other.example.com'}):
            with self.assertRaises(botocore.exceptions.ClientError) as raised:
                self.mine.modify_vpc_endpoint_service_configuration(ServiceId=made['ServiceId'], **change)
            self.assertEqual(raised.exception.response['Error']['Code'], 'ExistingVpcEndpointConnections')
        self.assertEqual(self.names().get('db.example.com'), [regional])
        self.theirs.delete_vpc_endpoints(VpcEndpointIds=[made_endpoint['VpcEndpointId']])
        self.it.wait(lambda: 'db.example.com' not in self.names())
        self.mine.modify_vpc_endpoint_service_configuration(ServiceId=made['ServiceId'],
                                                            RemovePrivateDnsName=True)

    def test_failed_proof_may_be_tried_again(self):
        made, proof = self.make('again.example.com')
        self.zone.txt = {f'{proof["Name"]}.again.example.com': [proof['Value'] + 'x'],
                         'again.example.com': ['v=spf1 -all']}
        self.start(made)
        self.wait_state(made, 'failed')
        # At the domain itself, in an answer too long for UDP.
        self.zone.txt = {'again.example.com': ['x' * 200, 'y' * 200, proof['Value']]}
        self.start(made)
        self.wait_state(made, 'verified')
        # Another name must be proven anew.
        self.mine.modify_vpc_endpoint_service_configuration(
            ServiceId=made['ServiceId'], PrivateDnsName='other.example.com')
        self.assertEqual(self.state(made), 'pendingVerification')

    def test_wildcard_is_proven_by_its_domain(self):
        made, proof = self.make('*.wild.example.com')
        self.zone.txt = {f'{proof["Name"]}.wild.example.com': [proof['Value']]}
        self.start(made)
        self.wait_state(made, 'verified')

    def test_resolver_that_fails_proves_nothing(self):
        made, _ = self.make('fails.example.com')
        self.zone.rcode = SERVFAIL
        self.start(made)
        self.wait_state(made, 'failed')
        self.it.wait(lambda: 'no resolver answers' in self.it.log())

    def test_what_was_asked_for_survives_a_crash(self):
        made, proof = self.make('crash.example.com')
        self.zone.silent = True
        self.start(made)
        self.assertEqual(self.state(made), 'pendingVerification')
        self.it.child.kill()
        self.it.child.wait()
        (self.it.dir / 'log').write_text('')
        self.zone.txt = {f'{proof["Name"]}.crash.example.com': [proof['Value']]}
        self.zone.silent = False
        self.it.start()
        self.wait_state(made, 'verified')
