# SPDX-License-Identifier: BSD-3-Clause
"""PrivateLink over EC2's API with boto3: a provider and a consumer, from service to deletion. What the
guide's command lines print, and real traffic: the scenarios `userguide` and `walkthrough`."""

import json
import time
import uuid

import botocore.exceptions

import api_world
from api_world import CONSUMER, PROVIDER


def config():
    """Load balancers for services to come: one in two zones, two in one."""
    conf = api_world.config()
    conf['load_balancers'] = [
        {'name': name, 'vpc': 'provider', 'subnets': [{'subnet': f'provider-{i}'} for i in subnets]}
        for name, subnets in (('wide', (0, 1)), ('narrow', (2,)), ('spare', (0,)))]
    return conf


class Case(api_world.ApiCase):

    @classmethod
    def make_config(cls):
        return config()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mine, cls.theirs = cls.it.boto('ec2', 'provider'), cls.it.boto('ec2', 'consumer')
        elb = cls.it.boto('elbv2', 'provider')
        cls.arns = {lb['LoadBalancerName']: lb['LoadBalancerArn']
                    for lb in elb.describe_load_balancers()['LoadBalancers']}
        cls.subnets = {s['AvailabilityZoneId']: s for s in cls.theirs.describe_subnets()['Subnets']}
        cls.vpc = cls.subnets['use1-az1']['VpcId']
        for client in (cls.mine, cls.theirs, elb):
            cls.addClassCleanup(client.close)

    def assert_code(self, code, call, *args, status=400, **how):
        with self.assertRaises(botocore.exceptions.ClientError) as raised:
            call(*args, **how)
        got = raised.exception.response
        self.assertEqual((got['Error']['Code'], got['ResponseMetadata']['HTTPStatusCode']), (code, status),
                         got['Error']['Message'])
        return got['Error']['Message']

    def service(self, lb='wide', principals=(f'arn:aws:iam::{CONSUMER}:root',), **how):
        """A service that goes with the test: its description."""
        made = self.mine.create_vpc_endpoint_service_configuration(
            NetworkLoadBalancerArns=[self.arns[lb]], **how)['ServiceConfiguration']
        self.addCleanup(self.end, made['ServiceId'])
        if principals:
            self.mine.modify_vpc_endpoint_service_permissions(
                ServiceId=made['ServiceId'], AddAllowedPrincipals=list(principals))
        return made

    def connections(self, service, *states):
        filters = [{'Name': 'service-id', 'Values': [service]}]
        if states:
            filters.append({'Name': 'vpc-endpoint-state', 'Values': list(states)})
        return self.mine.describe_vpc_endpoint_connections(Filters=filters)['VpcEndpointConnections']

    def end(self, service):
        open_ = [c['VpcEndpointId'] for c in
                 self.connections(service, 'pendingAcceptance', 'pending', 'available')]
        if open_:
            self.mine.reject_vpc_endpoint_connections(ServiceId=service, VpcEndpointIds=open_)
        self.mine.delete_vpc_endpoint_service_configurations(ServiceIds=[service])

    def endpoint(self, service, *zones, **how):
        return self.theirs.create_vpc_endpoint(
            VpcEndpointType='Interface', VpcId=self.vpc, ServiceName=service['ServiceName'],
            SubnetIds=[self.subnets[z]['SubnetId'] for z in zones], **how)['VpcEndpoint']

    def shown(self, endpoint):
        got = self.theirs.describe_vpc_endpoints(VpcEndpointIds=[endpoint['VpcEndpointId']])
        return got['VpcEndpoints'][0]

    def state(self, endpoint):
        return self.shown(endpoint)['State']

    def wait(self, endpoint, state):
        end = time.monotonic() + 60
        while self.state(endpoint) != state:
            self.assertLess(time.monotonic(), end, f'{self.state(endpoint)}, not {state}')
            time.sleep(0.02)
        return self.shown(endpoint)


class Life(Case):

    def test_from_service_to_deletion(self):
        service = self.service(TagSpecifications=[
            {'ResourceType': 'vpc-endpoint-service', 'Tags': [{'Key': 'Name', 'Value': 'db'}]}])
        name, ident = service['ServiceName'], service['ServiceId']
        self.assertEqual(service['AvailabilityZones'], ['us-east-1a', 'us-east-1b'])
        self.assertTrue(service['AcceptanceRequired'])
        seen = self.theirs.describe_vpc_endpoint_services(ServiceNames=[name])
        # The same zones by the consumer's names.
        self.assertEqual(seen['ServiceDetails'][0]['AvailabilityZones'], ['us-east-1b', 'us-east-1c'])
        self.assertEqual((seen['ServiceNames'], seen['ServiceDetails'][0]['Owner']), ([name], PROVIDER))
        made = self.endpoint(service, 'use1-az1', 'use1-az2')
        self.assertEqual(made['State'], 'pendingAcceptance')
        self.assertEqual(made['OwnerId'], CONSUMER)
        self.assertEqual([len(made[k]) for k in ('SubnetIds', 'NetworkInterfaceIds', 'DnsEntries', 'Groups',
                                                 'RouteTableIds', 'Tags')], [2, 2, 3, 1, 0, 0])
        self.assertIn('-us-east-1c.' + ident, made['DnsEntries'][1]['DnsName'])
        waits = self.connections(ident, 'pendingAcceptance')
        self.assertEqual([(c['VpcEndpointId'], c['VpcEndpointOwner']) for c in waits],
                         [(made['VpcEndpointId'], CONSUMER)])
        self.assertEqual(waits[0]['DnsEntries'], made['DnsEntries'])
        self.assertEqual(waits[0]['NetworkLoadBalancerArns'], [self.arns['wide']])
        ask = {'ServiceId': ident, 'VpcEndpointIds': [made['VpcEndpointId']]}
        self.assertEqual(self.mine.accept_vpc_endpoint_connections(**ask)['Unsuccessful'], [])
        self.wait(made, 'available')
        enis = self.theirs.describe_network_interfaces(NetworkInterfaceIds=made['NetworkInterfaceIds'])
        self.assertEqual({e['InterfaceType'] for e in enis['NetworkInterfaces']}, {'vpc_endpoint'})
        got = self.mine.delete_vpc_endpoint_service_configurations(ServiceIds=[ident])['Unsuccessful']
        self.assertEqual(got[0]['Error']['Code'], 'ExistingVpcEndpointConnections')
        self.assertEqual(self.mine.reject_vpc_endpoint_connections(**ask)['Unsuccessful'], [])
        self.assertEqual(self.state(made), 'rejected')
        self.assertEqual(self.mine.accept_vpc_endpoint_connections(**ask)['Unsuccessful'], [])
        self.wait(made, 'available')
        got = self.theirs.delete_vpc_endpoints(VpcEndpointIds=[made['VpcEndpointId']])
        self.assertEqual(got['Unsuccessful'], [])
        self.wait(made, 'deleted')
        got = self.mine.delete_vpc_endpoint_service_configurations(ServiceIds=[ident])
        self.assertEqual(got['Unsuccessful'], [])

    def test_without_acceptance(self):
        made = self.endpoint(self.service(AcceptanceRequired=False), 'use1-az1')
        self.assertEqual(made['State'], 'pending')
        self.wait(made, 'available')

    def test_provider_goes_first(self):
        service = self.service()
        made = self.endpoint(service, 'use1-az1')
        self.end(service['ServiceId'])
        got = self.theirs.describe_vpc_endpoints(VpcEndpointIds=[made['VpcEndpointId']])['VpcEndpoints'][0]
        self.assertEqual((got['State'], got['LastError']['Code']), ('failed', 'InvalidServiceName'))
        self.theirs.delete_vpc_endpoints(VpcEndpointIds=[made['VpcEndpointId']])

    def test_endpoint_is_modified(self):
        made = self.endpoint(self.service(AcceptanceRequired=False), 'use1-az1')
        self.wait(made, 'available')
        ident = made['VpcEndpointId']
        self.theirs.modify_vpc_endpoint(VpcEndpointId=ident,
                                        AddSubnetIds=[self.subnets['use1-az2']['SubnetId']])
        self.wait(made, 'available')
        self.theirs.modify_vpc_endpoint(VpcEndpointId=ident,
                                        RemoveSubnetIds=[self.subnets['use1-az1']['SubnetId']])
        got = self.theirs.describe_vpc_endpoints(VpcEndpointIds=[ident])['VpcEndpoints'][0]
        self.assertEqual(got['SubnetIds'], [self.subnets['use1-az2']['SubnetId']])
        self.theirs.modify_vpc_endpoint(VpcEndpointId=ident, RemoveSubnetIds=got['SubnetIds'])
        self.has_no_interface(self.wait(made, 'available'))
        self.theirs.delete_vpc_endpoints(VpcEndpointIds=[ident])

    def has_no_interface(self, endpoint):
        self.assertEqual([endpoint[k] for k in ('SubnetIds', 'NetworkInterfaceIds', 'DnsEntries')],
                         [[], [], []])
        self.assertEqual([g['GroupName'] for g in endpoint['Groups']], ['default'])

    def test_endpoint_without_subnets(self):
        made = self.endpoint(self.service(AcceptanceRequired=False))
        self.has_no_interface(made)
        self.has_no_interface(self.wait(made, 'available'))
        ask = {'VpcEndpointId': made['VpcEndpointId'], 'AddSubnetIds': [self.subnets['use1-az2']['SubnetId']]}
        self.theirs.modify_vpc_endpoint(**ask)
        got = self.wait(made, 'available')
        self.assertEqual([len(got[k]) for k in ('SubnetIds', 'NetworkInterfaceIds', 'DnsEntries')], [1, 1, 2])
        self.theirs.delete_vpc_endpoints(VpcEndpointIds=[made['VpcEndpointId']])


class Rules(Case):

    def test_who_is_not_allowed_sees_nothing(self):
        service = self.service(principals=[f'arn:aws:iam::{CONSUMER}:role/deploy'])
        name = service['ServiceName']
        for call in (lambda who: who.describe_vpc_endpoint_services(ServiceNames=[name]),
                     lambda who: who.create_vpc_endpoint(
                         VpcEndpointType='Interface', VpcId=self.vpc, ServiceName=name,
                         SubnetIds=[self.subnets['use1-az1']['SubnetId']], DryRun=False)):
            self.assertIn(name, self.assert_code('InvalidServiceName', call, self.theirs))
        self.assertEqual(self.theirs.describe_vpc_endpoint_services()['ServiceNames'], [])
        role = self.it.boto('ec2', 'role')
        self.assertEqual(role.describe_vpc_endpoint_services()['ServiceNames'], [name])
        # Another's are not there, whatever is asked of them.
        ident = service['ServiceId']
        self.assert_code('InvalidVpcEndpointServiceId.NotFound',
                         self.theirs.describe_vpc_endpoint_service_permissions, ServiceId=ident)
        self.assertEqual(self.theirs.describe_vpc_endpoint_service_configurations()['ServiceConfigurations'],
                         [])

    def test_permission_removed_keeps_connections(self):
        service = self.service(AcceptanceRequired=False)
        made = self.endpoint(service, 'use1-az1')
        self.wait(made, 'available')
        got = self.mine.modify_vpc_endpoint_service_permissions(
            ServiceId=service['ServiceId'], RemoveAllowedPrincipals=[f'arn:aws:iam::{CONSUMER}:root'])
        self.assertTrue(got['ReturnValue'])
        self.assertEqual(self.state(made), 'available')
        with self.assertRaises(botocore.exceptions.ClientError):
            self.endpoint(service, 'use1-az2')

    def test_zones(self):
        service = self.service('narrow')
        text = self.assert_code('InvalidParameter', self.endpoint, service, 'use1-az1')
        self.assertIn(f'does not support the availability zone of the subnet: '
                      f'{self.subnets["use1-az1"]["SubnetId"]}.', text)
        extra = self.theirs.create_subnet(VpcId=self.vpc, CidrBlock='10.0.77.0/24',
                                          AvailabilityZoneId='use1-az3')['Subnet']
        self.addCleanup(self.theirs.delete_subnet, SubnetId=extra['SubnetId'])
        self.assert_code('DuplicateSubnetsInSameZone', self.theirs.create_vpc_endpoint,
                         VpcEndpointType='Interface', VpcId=self.vpc, ServiceName=service['ServiceName'],
                         SubnetIds=[extra['SubnetId'], self.subnets['use1-az3']['SubnetId']])

    def test_load_balancers_of_a_service(self):
        service = self.service()
        ident, change = service['ServiceId'], self.mine.modify_vpc_endpoint_service_configuration
        self.assert_code('InvalidParameter', self.mine.create_vpc_endpoint_service_configuration,
                         NetworkLoadBalancerArns=[self.arns['wide']])
        self.assertTrue(change(ServiceId=ident, AddNetworkLoadBalancerArns=[self.arns['narrow']])['Return'])
        got = self.mine.describe_vpc_endpoint_service_configurations(ServiceIds=[ident])
        self.assertEqual(len(got['ServiceConfigurations'][0]['AvailabilityZones']), 3)
        made = self.endpoint(service, 'use1-az1')
        self.assert_code('ExistingVpcEndpointConnections', change, ServiceId=ident,
                         RemoveNetworkLoadBalancerArns=[self.arns['narrow']])
        self.theirs.delete_vpc_endpoints(VpcEndpointIds=[made['VpcEndpointId']])
        change(ServiceId=ident, RemoveNetworkLoadBalancerArns=[self.arns['narrow']])
        self.assert_code('InvalidParameter', change, ServiceId=ident,
                         RemoveNetworkLoadBalancerArns=[self.arns['wide']])

    def test_dry_run_changes_nothing(self):
        self.assert_code('DryRunOperation', self.mine.create_vpc_endpoint_service_configuration, DryRun=True,
                         NetworkLoadBalancerArns=[self.arns['spare']], status=412)
        self.assertNotIn(self.arns['spare'], [
            arn for s in self.mine.describe_vpc_endpoint_service_configurations()['ServiceConfigurations']
            for arn in s['NetworkLoadBalancerArns']])

    def test_client_token(self):
        service, token = self.service(), uuid.uuid4().hex
        first = self.endpoint(service, 'use1-az1', ClientToken=token)
        # A dry run tells nothing of the first one.
        self.assert_code('DryRunOperation', self.endpoint, service, 'use1-az1', ClientToken=token,
                         DryRun=True, status=412)
        again = self.endpoint(service, 'use1-az1', ClientToken=token)
        self.assertEqual(first['VpcEndpointId'], again['VpcEndpointId'])
        self.assertEqual(len(self.connections(service['ServiceId'])), 1)
        self.assert_code('IdempotentParameterMismatch', self.endpoint, service, 'use1-az2',
                         ClientToken=token)
        self.theirs.delete_vpc_endpoints(VpcEndpointIds=[first['VpcEndpointId']])

    def test_pages(self):
        service = self.service()
        made = {self.endpoint(service, 'use1-az1')['VpcEndpointId'] for _ in range(12)}
        pages = list(self.theirs.get_paginator('describe_vpc_endpoints').paginate(
            Filters=[{'Name': 'vpc-endpoint-state', 'Values': ['pendingAcceptance']}],
            PaginationConfig={'PageSize': 5}))
        self.assertEqual([len(p['VpcEndpoints']) for p in pages], [5, 5, 2])
        self.assertEqual({e['VpcEndpointId'] for p in pages for e in p['VpcEndpoints']}, made)
        done = self.mine.accept_vpc_endpoint_connections(ServiceId=service['ServiceId'],
                                                         VpcEndpointIds=[*made, 'vpce-0123456789abcdef0'])
        self.assertEqual([u['ResourceId'] for u in done['Unsuccessful']], ['vpce-0123456789abcdef0'])
        self.theirs.delete_vpc_endpoints(VpcEndpointIds=list(made))


class Beside(Case):

    def topic(self):
        """ARN of a topic to which endpoint services may publish."""
        rule = {'Effect': 'Allow', 'Principal': {'Service': 'vpce.amazonaws.com'}, 'Action': 'SNS:Publish',
                'Resource': '*'}
        client = self.it.boto('sns', 'provider')
        self.addCleanup(client.close)
        try:
            return client.create_topic(Name='t', Attributes={'Policy': json.dumps(
                {'Version': '2012-10-17', 'Statement': [rule]})})['TopicArn']
        except botocore.exceptions.ClientError as err:
            # An appliance without SNS takes any topic's name.
            self.assertEqual(err.response['Error']['Code'], 'InvalidAction')
            return f'arn:aws:sns:us-east-1:{PROVIDER}:t'

    def test_notifications(self):
        ident = self.service()['ServiceId']
        made = self.mine.create_vpc_endpoint_connection_notification(
            ServiceId=ident, ConnectionNotificationArn=self.topic(),
            ConnectionEvents=['Connect', 'Accept', 'Delete', 'Reject'])['ConnectionNotification']
        self.assertEqual((made['ConnectionNotificationType'], made['ConnectionNotificationState'],
                          made['ServiceId']), ('Topic', 'Enabled', ident))
        number = made['ConnectionNotificationId']
        self.mine.modify_vpc_endpoint_connection_notification(ConnectionNotificationId=number,
                                                              ConnectionEvents=['Accept'])
        got = self.mine.describe_vpc_endpoint_connection_notifications()['ConnectionNotificationSet']
        self.assertEqual([(n['ConnectionNotificationId'], n['ConnectionEvents']) for n in got],
                         [(number, ['Accept'])])
        got = self.mine.delete_vpc_endpoint_connection_notifications(ConnectionNotificationIds=[number])
        self.assertEqual(got['Unsuccessful'], [])

    def test_tags(self):
        ident = self.service()['ServiceId']
        self.mine.create_tags(Resources=[ident], Tags=[{'Key': 'a', 'Value': 'ü'}, {'Key': 'b', 'Value': ''}])
        got = self.mine.describe_tags(Filters=[{'Name': 'resource-id', 'Values': [ident]}])['Tags']
        self.assertEqual([(t['Key'], t['Value'], t['ResourceType']) for t in got],
                         [('a', 'ü', 'vpc-endpoint-service'), ('b', '', 'vpc-endpoint-service')])
        self.mine.delete_tags(Resources=[ident], Tags=[{'Key': 'a'}])
        got = self.mine.describe_vpc_endpoint_service_configurations(
            Filters=[{'Name': 'tag:b', 'Values': ['']}])['ServiceConfigurations']
        self.assertEqual([s['ServiceId'] for s in got], [ident])
        self.assert_code('InvalidVpcEndpointServiceId.NotFound', self.theirs.create_tags, Resources=[ident],
                         Tags=[{'Key': 'x', 'Value': 'y'}])

    def test_security_groups(self):
        made = self.theirs.create_security_group(GroupName='web', Description='of a test', VpcId=self.vpc)
        group = made['GroupId']
        rule = {'IpProtocol': 'tcp', 'FromPort': 443, 'ToPort': 443, 'IpRanges': [{'CidrIp': '10.0.0.0/16'}]}
        self.theirs.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
        got = self.theirs.describe_security_groups(GroupIds=[group])['SecurityGroups'][0]
        self.assertEqual((got['Description'], got['IpPermissions'][0]['FromPort']), ('of a test', 443))
        self.theirs.get_waiter('security_group_exists').wait(GroupIds=[group])
        endpoint = self.endpoint(self.service(), 'use1-az1', SecurityGroupIds=[group])
        self.assertEqual(endpoint['Groups'], [{'GroupId': group, 'GroupName': 'web'}])
        self.assert_code('DependencyViolation', self.theirs.delete_security_group, GroupId=group)
        self.theirs.delete_vpc_endpoints(VpcEndpointIds=[endpoint['VpcEndpointId']])
        self.theirs.revoke_security_group_ingress(GroupId=group, IpPermissions=[rule])
        self.theirs.delete_security_group(GroupId=group)

    def test_vpcs_are_declared(self):
        self.assertIn('configuration', self.assert_code('UnsupportedOperation', self.theirs.create_vpc,
                                                        CidrBlock='10.9.0.0/16'))

    def test_cli_prints_empty_lists(self):
        done = self.it.cli('ec2', 'describe-vpc-endpoint-connections')
        self.assertEqual((done.returncode, done.json), (0, {'VpcEndpointConnections': []}), done.stderr)
        done = self.it.cli('ec2', 'delete-vpc-endpoints', '--vpc-endpoint-ids', 'vpce-0123456789abcdef0')
        self.assertEqual(done.json['Unsuccessful'][0]['Error']['Code'], 'InvalidVpcEndpoint.NotFound')
        done = self.it.cli('ec2', 'describe-vpc-endpoints', '--vpc-endpoint-ids', 'vpce-0123456789abcdef0')
        self.assertEqual(done.returncode, 254)
        self.assertIn('An error occurred (InvalidVpcEndpointId.NotFound)', done.stderr)
