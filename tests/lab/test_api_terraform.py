# SPDX-License-Identifier: BSD-3-Clause
"""What Terraform's provider asks for each resource that it makes, and how it removes them, call by call."""

import botocore.exceptions

import api_world
from api_world import CONSUMER

SOON = {'Delay': 1, 'MaxAttempts': 60}
ANYWHERE = {'IpProtocol': '-1', 'FromPort': 0, 'ToPort': 0}


def by(**filters):
    return [{'Name': name.replace('_', '-'), 'Values': [value]} for name, value in filters.items()]


class Terraform(api_world.ApiCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mine, cls.theirs = cls.it.boto('ec2', 'provider'), cls.it.boto('ec2', 'consumer')
        cls.elb = cls.it.boto('elbv2', 'provider')
        for client in (cls.mine, cls.theirs, cls.elb):
            cls.addClassCleanup(client.close)

    def refused(self, code, call, **how):
        with self.assertRaises(botocore.exceptions.ClientError) as raised:
            call(**how)
        self.assertEqual(raised.exception.response['Error']['Code'], code)

    def subnets(self, ec2):
        return {s['AvailabilityZoneId']: s for s in ec2.describe_subnets()['Subnets']}

    def test_vpc_is_read(self):
        vpc, = self.theirs.describe_vpcs()['Vpcs']
        self.assertEqual([vpc[k] for k in ('DhcpOptionsId', 'InstanceTenancy', 'OwnerId')],
                         ['default', 'default', CONSUMER])
        ident = vpc['VpcId']
        for name, word in (('enableDnsHostnames', 'EnableDnsHostnames'),
                           ('enableDnsSupport', 'EnableDnsSupport'),
                           ('enableNetworkAddressUsageMetrics', 'EnableNetworkAddressUsageMetrics')):
            got = self.theirs.describe_vpc_attribute(Attribute=name, VpcId=ident)
            self.assertIn(got[word]['Value'], (True, False))
        default = by(default='true', vpc_id=ident)
        self.assertEqual(self.theirs.describe_network_acls(Filters=default)['NetworkAcls'], [])
        main = [{'Name': 'association.main', 'Values': ['true']}, *by(vpc_id=ident)]
        self.assertEqual(self.theirs.describe_route_tables(Filters=main)['RouteTables'], [])
        groups = self.theirs.describe_security_groups(Filters=by(group_name='default', vpc_id=ident))
        self.assertEqual(len(groups['SecurityGroups']), 1)
        # Of the years when there was EC2-Classic.
        self.assertEqual(self.theirs.describe_vpc_classic_link(VpcIds=[ident])['Vpcs'], [])
        self.assertEqual(self.theirs.describe_vpc_classic_link_dns_support(VpcIds=[ident])['Vpcs'], [])
        self.theirs.describe_account_attributes(AttributeNames=['supported-platforms'])
        # Data sources.
        self.assertEqual(self.theirs.describe_managed_prefix_lists()['PrefixLists'], [])
        self.assertEqual(self.theirs.describe_dhcp_options()['DhcpOptions'], [])
        self.assertEqual(self.theirs.describe_internet_gateways()['InternetGateways'], [])
        self.assertEqual(self.theirs.describe_nat_gateways()['NatGateways'], [])

    def test_security_group(self):
        vpc = self.theirs.describe_vpcs()['Vpcs'][0]['VpcId']
        group = self.theirs.create_security_group(
            GroupName='tf', Description='Managed by Terraform', VpcId=vpc, TagSpecifications=[
                {'ResourceType': 'security-group', 'Tags': [{'Key': 'a', 'Value': 'b'}]}])['GroupId']
        rule = {**ANYWHERE, 'IpRanges': [{'CidrIp': '0.0.0.0/0'}]}
        self.theirs.revoke_security_group_egress(GroupId=group, IpPermissions=[rule])
        self.refused('InvalidPermission.NotFound', self.theirs.revoke_security_group_egress, GroupId=group,
                     IpPermissions=[{**ANYWHERE, 'Ipv6Ranges': [{'CidrIpv6': '::/0'}]}])
        web = {'IpProtocol': 'tcp', 'FromPort': 80, 'ToPort': 80, 'IpRanges': [{'CidrIp': '10.0.0.0/16'}]}
        self.theirs.authorize_security_group_ingress(GroupId=group, IpPermissions=[web])
        self.theirs.authorize_security_group_egress(GroupId=group, IpPermissions=[rule])
        got, = self.theirs.describe_security_groups(GroupIds=[group])['SecurityGroups']
        self.assertEqual((got['Tags'], got['IpPermissions'][0]['FromPort']),
                         ([{'Key': 'a', 'Value': 'b'}], 80))
        rules = self.theirs.describe_security_group_rules(Filters=by(group_id=group))['SecurityGroupRules']
        self.assertEqual(sorted(r['IsEgress'] for r in rules), [False, True])
        got = self.theirs.describe_network_interfaces(Filters=by(group_id=group))['NetworkInterfaces']
        self.assertEqual(got, [])
        self.theirs.delete_security_group(GroupId=group)
        self.refused('InvalidGroup.NotFound', self.theirs.describe_security_groups, GroupIds=[group])

    def balancer(self):
        """A load balancer, group and listener, each read as it is read after it was made."""
        subnet = self.subnets(self.mine)['use1-az1']
        lb, = self.elb.create_load_balancer(
            Name='tf', Type='network', Scheme='internal', IpAddressType='ipv4',
            SubnetMappings=[{'SubnetId': subnet['SubnetId']}],
            Tags=[{'Key': 'a', 'Value': 'b'}])['LoadBalancers']
        arn = lb['LoadBalancerArn']
        self.elb.get_waiter('load_balancer_available').wait(LoadBalancerArns=[arn], WaiterConfig=SOON)
        self.elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[
            {'Key': key, 'Value': value} for key, value in (
                ('deletion_protection.enabled', 'false'), ('load_balancing.cross_zone.enabled', 'false'),
                ('dns_record.client_routing_policy', 'any_availability_zone'))])
        self.assertTrue(self.elb.describe_load_balancer_attributes(LoadBalancerArn=arn)['Attributes'])
        self.assertEqual(self.elb.describe_tags(ResourceArns=[arn])['TagDescriptions'][0]['Tags'],
                         [{'Key': 'a', 'Value': 'b'}])
        group, = self.elb.create_target_group(
            Name='tf', Protocol='TCP', Port=80, VpcId=subnet['VpcId'], TargetType='ip', IpAddressType='ipv4',
            HealthCheckEnabled=True, HealthCheckIntervalSeconds=30, HealthCheckPort='traffic-port',
            HealthCheckProtocol='TCP', HealthyThresholdCount=3, UnhealthyThresholdCount=3)['TargetGroups']
        self.elb.modify_target_group_attributes(TargetGroupArn=group['TargetGroupArn'], Attributes=[
            {'Key': key, 'Value': value} for key, value in (
                ('deregistration_delay.timeout_seconds', '300'), ('proxy_protocol_v2.enabled', 'false'),
                ('deregistration_delay.connection_termination.enabled', 'false'),
                ('load_balancing.cross_zone.enabled', 'use_load_balancer_configuration'),
                ('target_health_state.unhealthy.connection_termination.enabled', 'true'))])
        self.assertTrue(self.elb.describe_target_group_attributes(TargetGroupArn=group['TargetGroupArn']))
        listener, = self.elb.create_listener(
            LoadBalancerArn=arn, Port=80, Protocol='TCP', DefaultActions=[
                {'Type': 'forward', 'Order': 1, 'TargetGroupArn': group['TargetGroupArn']}])['Listeners']
        got, = self.elb.describe_listeners(ListenerArns=[listener['ListenerArn']])['Listeners']
        self.assertEqual(got['DefaultActions'][0]['TargetGroupArn'], group['TargetGroupArn'])
        self.elb.describe_tags(ResourceArns=[listener['ListenerArn'], group['TargetGroupArn']])
        return arn, group['TargetGroupArn'], listener['ListenerArn']

    def balancer_end(self, arn, group, listener):
        self.elb.delete_listener(ListenerArn=listener)
        self.refused('ListenerNotFound', self.elb.describe_listeners, ListenerArns=[listener])
        described = [*by(description='ELB ' + arn.split('loadbalancer/')[1]),
                     {'Name': 'attachment.instance-owner-id', 'Values': ['amazon-aws']}]
        got = self.mine.describe_network_interfaces(Filters=described)['NetworkInterfaces']
        self.assertEqual([(e['InterfaceType'], e['RequesterId'], e['RequesterManaged']) for e in got],
                         [('network_load_balancer', 'amazon-elb', True)])
        self.elb.delete_load_balancer(LoadBalancerArn=arn)
        self.elb.get_waiter('load_balancers_deleted').wait(LoadBalancerArns=[arn], WaiterConfig=SOON)
        # It waits until they are gone.
        self.assertEqual(self.mine.describe_network_interfaces(Filters=described)['NetworkInterfaces'], [])
        self.elb.delete_target_group(TargetGroupArn=group)

    def endpoint(self, service):
        """An endpoint without subnets, and an association of its own for each of them."""
        subnet = self.subnets(self.theirs)['use1-az1']
        ident = self.theirs.create_vpc_endpoint(
            VpcEndpointType='Interface', VpcId=subnet['VpcId'], ServiceName=service['ServiceName'],
            PrivateDnsEnabled=False, ClientToken='terraform-1', TagSpecifications=[
                {'ResourceType': 'vpc-endpoint', 'Tags': [{'Key': 'a', 'Value': 'b'}]}])[
                    'VpcEndpoint']['VpcEndpointId']

        def shown(n):
            def is_there():
                got, = self.theirs.describe_vpc_endpoints(VpcEndpointIds=[ident])['VpcEndpoints']
                return got['State'] == 'available' and len(got['NetworkInterfaceIds']) == n
            self.it.wait(is_there)
            return self.theirs.describe_vpc_endpoints(VpcEndpointIds=[ident])['VpcEndpoints'][0]
        self.assertEqual((shown(0)['DnsEntries'], shown(0)['Tags']), ([], [{'Key': 'a', 'Value': 'b'}]))
        lists = self.theirs.describe_prefix_lists(Filters=by(prefix_list_name=service['ServiceName']))
        self.assertEqual(lists['PrefixLists'], [])
        self.theirs.modify_vpc_endpoint(VpcEndpointId=ident, AddSubnetIds=[subnet['SubnetId']])
        enis = shown(1)['NetworkInterfaceIds']
        got, = self.theirs.describe_network_interfaces(NetworkInterfaceIds=enis)['NetworkInterfaces']
        self.assertEqual((got['SubnetId'], got['Ipv6Addresses']), (subnet['SubnetId'], []))
        self.theirs.modify_vpc_endpoint(VpcEndpointId=ident, RemoveSubnetIds=[subnet['SubnetId']])
        self.assertEqual(shown(0)['SubnetIds'], [])
        return ident

    def test_service_and_endpoint(self):
        arn, group, listener = self.balancer()
        service = self.mine.create_vpc_endpoint_service_configuration(
            NetworkLoadBalancerArns=[arn], AcceptanceRequired=False, ClientToken='terraform-1')[
                'ServiceConfiguration']
        ident = service['ServiceId']
        self.mine.modify_vpc_endpoint_service_permissions(
            ServiceId=ident, AddAllowedPrincipals=[f'arn:aws:iam::{CONSUMER}:root'])
        got, = self.mine.describe_vpc_endpoint_service_configurations(ServiceIds=[ident])[
            'ServiceConfigurations']
        self.assertEqual((got['ServiceState'], got['ServiceType'][0]['ServiceType']),
                         ('Available', 'Interface'))
        self.assertEqual(len(self.mine.describe_vpc_endpoint_service_permissions(ServiceId=ident)[
            'AllowedPrincipals']), 1)
        endpoint = self.endpoint(service)
        self.theirs.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
        got = self.mine.delete_vpc_endpoint_service_configurations(ServiceIds=[ident])
        self.assertEqual(got['Unsuccessful'], [])
        self.refused('InvalidVpcEndpointServiceId.NotFound',
                     self.mine.describe_vpc_endpoint_service_configurations, ServiceIds=[ident])
        self.balancer_end(arn, group, listener)
