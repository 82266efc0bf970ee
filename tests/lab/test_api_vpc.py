# SPDX-License-Identifier: BSD-3-Clause
"""VPCs that calls make on what is set aside: with all that endpoints need, kept, and given back."""

import json
import signal
import subprocess

import botocore.exceptions

import api_world
from api_world import CONSUMER
from harness import culvertd

SOON = {'Delay': 1, 'MaxAttempts': 60}


class Vpcs(api_world.ApiCase):

    @classmethod
    def make_config(cls):
        conf = api_world.config()
        conf['vpc_attachments'] = [
            {'port': 'consumer', 'vlans': '100-101', 'accounts': ['consumer']},
            {'port': 'provider', 'vlan': 50, 'accounts': ['provider'],
             'vxlan': {'vnis': '7000-7001', 'vtep': '192.168.50.1', 'peers': ['192.168.50.2']}}]
        return conf

    def setUp(self):
        self.mine, self.theirs = self.it.boto('ec2', 'provider'), self.it.boto('ec2', 'consumer')
        self.elb = self.it.boto('elbv2', 'provider')
        for client in (self.mine, self.theirs, self.elb):
            self.addCleanup(client.close)

    def refused(self, code, call, **how):
        with self.assertRaises(botocore.exceptions.ClientError) as raised:
            call(**how)
        self.assertEqual(raised.exception.response['Error']['Code'], code)

    def attachment(self, vpc):
        """(port, VLAN, VNI, VTEP) as the operator is shown it."""
        rows = {}

        def is_there():
            done = subprocess.run([culvertd.CULVERTCTL, '-s', str(self.it.dir / 'ctl.sock'), 'show', 'vpcs',
                                   '--json'], capture_output=True, text=True, timeout=60, check=True)
            rows.update({v['id']: v for v in json.loads(done.stdout)['vpcs']})
            return vpc in rows
        self.it.wait(is_there)
        return tuple(rows[vpc][key] for key in ('port', 'vlan', 'vni', 'vtep'))

    def vpc(self, ec2, cidr):
        vpc = ec2.create_vpc(CidrBlock=cidr)['Vpc']
        self.assertEqual((vpc['State'], vpc['CidrBlock']), ('pending', cidr))
        for name in ('vpc_exists', 'vpc_available'):
            ec2.get_waiter(name).wait(VpcIds=[vpc['VpcId']], WaiterConfig=SOON)
        return vpc['VpcId']

    def subnet(self, ec2, vpc, cidr, zone):
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZoneId=zone)['Subnet']['SubnetId']
        ec2.get_waiter('subnet_available').wait(SubnetIds=[subnet], WaiterConfig=SOON)
        return subnet

    def balancer(self, vpc, subnet):
        """ARNs of a load balancer and of its group, which has two targets that nobody has."""
        lb, = self.elb.create_load_balancer(Name='made', Type='network', Scheme='internal',
                                            Subnets=[subnet])['LoadBalancers']
        group, = self.elb.create_target_group(Name='made', Protocol='TCP', Port=80, VpcId=vpc,
                                              TargetType='ip')['TargetGroups']
        lb, group = lb['LoadBalancerArn'], group['TargetGroupArn']
        for name in ('load_balancer_exists', 'load_balancer_available'):
            self.elb.get_waiter(name).wait(LoadBalancerArns=[lb], WaiterConfig=SOON)
        self.elb.modify_target_group_attributes(TargetGroupArn=group, Attributes=[
            {'Key': 'deregistration_delay.timeout_seconds', 'Value': '0'}])
        self.elb.register_targets(TargetGroupArn=group, Targets=[{'Id': '10.60.0.50'}, {'Id': '10.60.0.51'}])
        self.elb.create_listener(LoadBalancerArn=lb, Protocol='TCP', Port=80,
                                 DefaultActions=[{'Type': 'forward', 'TargetGroupArn': group}])
        gone = [{'Id': '10.60.0.51'}]
        self.elb.deregister_targets(TargetGroupArn=group, Targets=gone)
        self.elb.get_waiter('target_deregistered').wait(TargetGroupArn=group, Targets=gone, WaiterConfig=SOON)
        return lb, group

    def test_from_nothing_to_an_endpoint_and_back(self):
        offer, use = self.vpc(self.mine, '10.60.0.0/16'), self.vpc(self.theirs, '10.60.0.0/16')
        self.assertEqual(self.attachment(offer), ('provider', 50, 7000, '192.168.50.1'))
        self.assertEqual(self.attachment(use), ('consumer', 100, None, None))
        inside = self.subnet(self.mine, offer, '10.60.0.0/24', 'use1-az1')
        outside = self.subnet(self.theirs, use, '10.60.0.0/24', 'use1-az1')
        lb, group = self.balancer(offer, inside)
        service = self.mine.create_vpc_endpoint_service_configuration(
            NetworkLoadBalancerArns=[lb], AcceptanceRequired=False)['ServiceConfiguration']
        self.mine.modify_vpc_endpoint_service_permissions(
            ServiceId=service['ServiceId'], AddAllowedPrincipals=[f'arn:aws:iam::{CONSUMER}:root'])
        endpoint = self.theirs.create_vpc_endpoint(
            VpcEndpointType='Interface', VpcId=use, ServiceName=service['ServiceName'],
            SubnetIds=[outside])['VpcEndpoint']['VpcEndpointId']
        self.refused('DependencyViolation', self.theirs.delete_vpc, VpcId=use)
        # It is all there after a restart, where it was.
        self.it.child.send_signal(signal.SIGTERM)
        self.it.child.wait(60)
        before = self.it.log().count('ready:')
        self.it.start()
        self.it.wait(lambda: self.it.log().count('ready:') > before)
        self.assertEqual(self.attachment(use), ('consumer', 100, None, None))

        def shown():
            return self.theirs.describe_vpc_endpoints(VpcEndpointIds=[endpoint])['VpcEndpoints'][0]
        self.it.wait(lambda: shown()['State'] == 'available')
        self.assertEqual((shown()['VpcId'], shown()['SubnetIds']), (use, [outside]))
        # In the right order it goes.
        self.theirs.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
        self.refused('DependencyViolation', self.theirs.delete_vpc, VpcId=use)
        self.theirs.delete_subnet(SubnetId=outside)
        self.theirs.delete_vpc(VpcId=use)
        self.mine.delete_vpc_endpoint_service_configurations(ServiceIds=[service['ServiceId']])
        self.elb.delete_load_balancer(LoadBalancerArn=lb)
        self.elb.get_waiter('load_balancers_deleted').wait(LoadBalancerArns=[lb], WaiterConfig=SOON)
        self.elb.delete_target_group(TargetGroupArn=group)
        self.mine.delete_subnet(SubnetId=inside)
        self.mine.delete_vpc(VpcId=offer)
        self.refused('InvalidVpcID.NotFound', self.mine.describe_vpcs, VpcIds=[offer])
        # What was given back is given out again.
        again = self.vpc(self.theirs, '10.61.0.0/16')
        self.assertEqual(self.attachment(again), ('consumer', 100, None, None))
        self.theirs.delete_vpc(VpcId=again)

    def test_no_more_than_is_set_aside_and_reloads(self):
        made = [self.vpc(self.theirs, '10.60.0.0/16') for _ in range(2)]
        self.assertEqual([self.attachment(v)[1] for v in made], [100, 101])
        self.refused('VpcLimitExceeded', self.theirs.create_vpc, CidrBlock='10.60.0.0/16')
        path, text = self.it.dir / 'conf.json', json.dumps(self.it.conf)
        self.addCleanup(self.it.hup, 'reloaded')
        self.addCleanup(path.write_text, text, encoding='utf-8')
        # More is set aside, and what there is stays, also outside of the new range.
        path.write_text(text.replace('"100-101"', '"101-102"'), encoding='utf-8')
        self.it.hup('reloaded')
        made.append(self.vpc(self.theirs, '10.60.0.0/16'))
        self.assertEqual([self.attachment(v)[1] for v in made], [100, 101, 102])
        # The peers of tunnels follow the file.
        tunnel = self.vpc(self.mine, '10.60.0.0/16')
        path.write_text(text.replace('192.168.50.1', '192.168.50.9'), encoding='utf-8')
        self.it.hup('reloaded')
        self.assertEqual(self.attachment(tunnel), ('provider', 50, 7000, '192.168.50.9'))
        for vpc in made:
            self.theirs.delete_vpc(VpcId=vpc)
        self.mine.delete_vpc(VpcId=tunnel)
