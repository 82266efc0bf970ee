# SPDX-License-Identifier: BSD-3-Clause
"""Elastic Load Balancing v2 by stock clients: every action, what is refused and how, who sees what."""

import botocore.exceptions

import api_world
from api_world import CONSUMER, PROVIDER

ARN = f'arn:aws:elasticloadbalancing:{api_world.REGION}:{PROVIDER}'


class Elb(api_world.ApiCase):
    """A world of its own for each test: names are unique to it."""

    def setUp(self):
        self.elb = self.it.boto('elbv2', 'provider')
        ec2 = self.it.boto('ec2', 'provider')
        self.vpc = ec2.describe_vpcs()['Vpcs'][0]['VpcId']
        self.subnets = [s['SubnetId'] for s in sorted(ec2.describe_subnets()['Subnets'],
                                                      key=lambda s: s['CidrBlock'])]
        self.sg = ec2.describe_security_groups()['SecurityGroups'][0]['GroupId']

    def tearDown(self):
        for lb in self.elb.describe_load_balancers()['LoadBalancers']:
            self.elb.delete_load_balancer(LoadBalancerArn=lb['LoadBalancerArn'])
        for group in self.elb.describe_target_groups()['TargetGroups']:
            self.elb.delete_target_group(TargetGroupArn=group['TargetGroupArn'])
        super().tearDown()

    def make_lb(self, name='nlb', **more):
        args = {'Name': name, 'Type': 'network', 'Scheme': 'internal', 'Subnets': self.subnets[:2]} | more
        return self.elb.create_load_balancer(**args)['LoadBalancers'][0]

    def make_tg(self, name='web', **more):
        args = {'Name': name, 'Protocol': 'TCP', 'Port': 80, 'VpcId': self.vpc, 'TargetType': 'ip'} | more
        return self.elb.create_target_group(**args)['TargetGroups'][0]

    def make_listener(self, lb, group, port=443, **more):
        args = {'LoadBalancerArn': lb['LoadBalancerArn'], 'Protocol': 'TCP', 'Port': port,
                'DefaultActions': [{'Type': 'forward', 'TargetGroupArn': group['TargetGroupArn']}]} | more
        return self.elb.create_listener(**args)['Listeners'][0]

    def refused(self, code, fn, text=None, **args):
        with self.assertRaises(botocore.exceptions.ClientError) as raised:
            fn(**args)
        error = raised.exception.response
        self.assertEqual(error['Error']['Code'], code, error)
        self.assertEqual(error['ResponseMetadata']['HTTPStatusCode'], 400)
        if text is not None:
            self.assertIn(text, error['Error']['Message'])

    def arns(self, **how):
        return [lb['LoadBalancerArn'] for lb in self.elb.describe_load_balancers(**how)['LoadBalancers']]


class LoadBalancers(Elb):

    def test_made_shown_and_deleted(self):
        lb = self.make_lb(Tags=[{'Key': 'env', 'Value': 'test'}], SecurityGroups=[self.sg])
        self.assertRegex(lb['LoadBalancerArn'], f'^{ARN}:loadbalancer/net/nlb/[0-9a-f]{{16}}$')
        number = lb['LoadBalancerArn'].rpartition('/')[2]
        self.assertEqual(lb['DNSName'], f'nlb-{number}.elb.{api_world.REGION}.amazonaws.com')
        self.assertEqual(lb['State'], {'Code': 'provisioning'})
        self.assertEqual((lb['Type'], lb['Scheme'], lb['IpAddressType'], lb['VpcId'], lb['SecurityGroups']),
                         ('network', 'internal', 'ipv4', self.vpc, [self.sg]))
        self.assertEqual([z['ZoneName'] for z in lb['AvailabilityZones']], ['us-east-1a', 'us-east-1b'])
        done = self.it.cli('elbv2', 'wait', 'load-balancer-available', '--names', 'nlb', who='provider')
        self.assertEqual(done.returncode, 0, done.stderr)
        again, = self.elb.describe_load_balancers(Names=['nlb'])['LoadBalancers']
        self.assertEqual(again, lb | {'State': {'Code': 'active'}})
        self.elb.delete_load_balancer(LoadBalancerArn=lb['LoadBalancerArn'])
        self.elb.delete_load_balancer(LoadBalancerArn=lb['LoadBalancerArn'])  # once more is no error
        self.assertEqual(self.arns(), [])
        self.refused('LoadBalancerNotFound', self.elb.describe_load_balancers, Names=['nlb'])
        self.refused('LoadBalancerNotFound', self.elb.describe_load_balancers,
                     LoadBalancerArns=[lb['LoadBalancerArn']])

    def test_the_same_again_is_the_same(self):
        lb = self.make_lb()
        self.assertEqual(self.make_lb()['LoadBalancerArn'], lb['LoadBalancerArn'])
        self.refused('DuplicateLoadBalancerName', self.make_lb, 'different settings', Subnets=self.subnets)

    def test_addresses_are_taken_as_given(self):
        lb = self.make_lb(Subnets=[], SubnetMappings=[
            {'SubnetId': self.subnets[0], 'PrivateIPv4Address': '10.0.0.77'},
            {'SubnetId': self.subnets[1]}])
        first, second = (z['LoadBalancerAddresses'] for z in lb['AvailabilityZones'])
        self.assertEqual(first, [{'PrivateIPv4Address': '10.0.0.77'}])
        self.assertEqual(second, [])  # what was not asked for is not told
        self.refused('InvalidConfigurationRequest', self.make_lb, name='other', Subnets=[], SubnetMappings=[
            {'SubnetId': self.subnets[0], 'PrivateIPv4Address': '10.0.0.77'}])
        self.assertEqual(len(self.arns()), 1)

    def test_refused(self):
        make = self.make_lb
        self.refused('ValidationError', make, 'Type=network', Type='application')
        self.refused('InvalidScheme', make, 'internal', Scheme='internet-facing')
        self.refused('InvalidConfigurationRequest', make, IpAddressType='dualstack')
        self.refused('SubnetNotFound', make, Subnets=['subnet-' + '0' * 17])
        self.refused('SubnetNotFound', make, Subnets=['provider-0'])
        self.refused('InvalidSecurityGroup', make, SecurityGroups=['sg-' + '0' * 17])
        self.refused('ValidationError', make, name='not_good')
        self.refused('ValidationError', make, name='internal-x')
        self.refused('ValidationError', make, Subnets=[])
        self.refused('DuplicateTagKeys', make, Tags=[{'Key': 'a', 'Value': ''}, {'Key': 'a', 'Value': ''}])
        theirs = self.it.boto('ec2', 'consumer').describe_subnets()['Subnets'][0]['SubnetId']
        self.refused('SubnetNotFound', make, Subnets=[theirs])
        self.refused('InvalidConfigurationRequest', make, Subnets=[self.subnets[0]] * 2)
        self.assertEqual(self.arns(), [])

    def test_pages(self):
        made = [self.make_lb(f'nlb-{i}')['LoadBalancerArn'] for i in range(5)]
        pages = [[lb['LoadBalancerArn'] for lb in page['LoadBalancers']] for page in
                 self.elb.get_paginator('describe_load_balancers').paginate(PaginationConfig={'PageSize': 2})]
        self.assertEqual([len(page) for page in pages], [2, 2, 1])
        self.assertEqual(sorted(sum(pages, [])), sorted(made))
        self.assertEqual(self.arns(Names=['nlb-3', 'nlb-1']), [made[1], made[3]])

    def test_subnets_and_groups_change(self):
        lb = self.make_lb(SecurityGroups=[self.sg])
        arn = lb['LoadBalancerArn']
        zones = self.elb.set_subnets(LoadBalancerArn=arn, Subnets=self.subnets)['AvailabilityZones']
        self.assertEqual([z['SubnetId'] for z in zones], self.subnets)
        self.assertEqual(zones[:2], lb['AvailabilityZones'])
        zones = self.elb.set_subnets(LoadBalancerArn=arn, Subnets=self.subnets[1:])['AvailabilityZones']
        self.assertEqual(zones[0], lb['AvailabilityZones'][1])
        self.assertEqual(self.elb.set_security_groups(LoadBalancerArn=arn, SecurityGroups=[self.sg])[
            'SecurityGroupIds'], [self.sg])
        bare = self.make_lb('bare')['LoadBalancerArn']
        self.refused('InvalidConfigurationRequest', self.elb.set_security_groups, LoadBalancerArn=bare,
                     SecurityGroups=[self.sg])
        self.assertEqual(self.elb.set_ip_address_type(LoadBalancerArn=arn, IpAddressType='ipv4')[
            'IpAddressType'], 'ipv4')
        self.refused('InvalidConfigurationRequest', self.elb.set_ip_address_type, LoadBalancerArn=arn,
                     IpAddressType='dualstack')

    def test_attributes_and_protection(self):
        arn = self.make_lb()['LoadBalancerArn']

        def attrs(*rows):
            got = self.elb.modify_load_balancer_attributes(
                LoadBalancerArn=arn, Attributes=[{'Key': k, 'Value': v} for k, v in rows])['Attributes']
            again = self.elb.describe_load_balancer_attributes(LoadBalancerArn=arn)['Attributes']
            self.assertEqual(got, again)
            return {a['Key']: a['Value'] for a in got}
        first = {a['Key']: a['Value'] for a in
                 self.elb.describe_load_balancer_attributes(LoadBalancerArn=arn)['Attributes']}
        self.assertEqual(first['load_balancing.cross_zone.enabled'], 'false')
        self.assertEqual(first['dns_record.client_routing_policy'], 'any_availability_zone')
        now = attrs(('deletion_protection.enabled', 'true'), ('load_balancing.cross_zone.enabled', 'true'))
        self.assertEqual({k for k in now if now[k] != first[k]},
                         {'deletion_protection.enabled', 'load_balancing.cross_zone.enabled'})
        self.refused('OperationNotPermitted', self.elb.delete_load_balancer, LoadBalancerArn=arn)
        for key, value in (('deletion_protection.enabled', 'yes'), ('routing.http2.enabled', 'true')):
            self.refused('InvalidConfigurationRequest', self.elb.modify_load_balancer_attributes,
                         LoadBalancerArn=arn, Attributes=[{'Key': key, 'Value': value}])
        attrs(('deletion_protection.enabled', 'false'))

    def test_others_do_not_see_it(self):
        lb, group = self.make_lb(), self.make_tg()
        listener = self.make_listener(lb, group)
        theirs = self.it.boto('elbv2', 'consumer')
        self.assertEqual(theirs.describe_load_balancers()['LoadBalancers'], [])
        self.assertEqual(theirs.describe_target_groups()['TargetGroups'], [])
        self.refused('LoadBalancerNotFound', theirs.describe_load_balancer_attributes,
                     LoadBalancerArn=lb['LoadBalancerArn'])
        self.refused('LoadBalancerNotFound', theirs.describe_listeners, LoadBalancerArn=lb['LoadBalancerArn'])
        self.refused('TargetGroupNotFound', theirs.register_targets, TargetGroupArn=group['TargetGroupArn'],
                     Targets=[{'Id': '10.0.0.200'}])
        self.refused('ListenerNotFound', theirs.delete_listener, ListenerArn=listener['ListenerArn'])
        self.refused('TargetGroupNotFound', theirs.describe_tags, ResourceArns=[group['TargetGroupArn']])
        theirs.delete_load_balancer(LoadBalancerArn=lb['LoadBalancerArn'])
        theirs.delete_target_group(TargetGroupArn=group['TargetGroupArn'])
        self.assertEqual(self.arns(), [lb['LoadBalancerArn']])
        self.assertNotIn(CONSUMER, lb['LoadBalancerArn'])


class TargetGroups(Elb):

    def test_defaults(self):
        group = self.make_tg()
        self.assertRegex(group.pop('TargetGroupArn'), f'^{ARN}:targetgroup/web/[0-9a-f]{{16}}$')
        self.assertEqual(group, {
            'TargetGroupName': 'web', 'Protocol': 'TCP', 'Port': 80, 'VpcId': self.vpc,
            'HealthCheckProtocol': 'TCP', 'HealthCheckPort': 'traffic-port', 'HealthCheckEnabled': True,
            'HealthCheckIntervalSeconds': 30, 'HealthCheckTimeoutSeconds': 10, 'HealthyThresholdCount': 5,
            'UnhealthyThresholdCount': 2, 'LoadBalancerArns': [], 'TargetType': 'ip',
            'IpAddressType': 'ipv4'})
        http = self.make_tg('http', HealthCheckProtocol='HTTP')
        self.assertEqual((http['HealthCheckTimeoutSeconds'], http['HealthCheckPath'], http['Matcher']),
                         (6, '/', {'HttpCode': '200-399'}))

    def test_checks_change(self):
        group = self.make_tg(HealthCheckProtocol='HTTP', HealthCheckPath='/up', HealthCheckPort='8080',
                             HealthCheckIntervalSeconds=10, Matcher={'HttpCode': '200,204'})
        now, = self.elb.modify_target_group(TargetGroupArn=group['TargetGroupArn'],
                                            HealthyThresholdCount=3)['TargetGroups']
        self.assertEqual(now, group | {'HealthyThresholdCount': 3})
        now, = self.elb.modify_target_group(TargetGroupArn=group['TargetGroupArn'],
                                            HealthCheckProtocol='TCP',
                                            HealthCheckPort='traffic-port')['TargetGroups']
        self.assertEqual((now['HealthCheckProtocol'], now['HealthCheckPort'], now.get('HealthCheckPath')),
                         ('TCP', 'traffic-port', None))
        modify = self.elb.modify_target_group
        self.refused('ValidationError', modify, TargetGroupArn=group['TargetGroupArn'],
                     HealthCheckIntervalSeconds=301)
        self.refused('ValidationError', modify, TargetGroupArn=group['TargetGroupArn'],
                     HealthCheckTimeoutSeconds=11)
        self.refused('InvalidConfigurationRequest', modify, TargetGroupArn=group['TargetGroupArn'],
                     HealthCheckPath='/x')
        self.assertEqual(self.elb.describe_target_groups(Names=['web'])['TargetGroups'], [now])

    def test_refused(self):
        make = self.make_tg
        self.refused('InvalidConfigurationRequest', make, 'TargetType=ip', TargetType='instance')
        self.refused('InvalidConfigurationRequest', make, 'TCP', Protocol='UDP')
        self.refused('InvalidConfigurationRequest', make, 'TCP', Protocol='HTTP')
        self.refused('InvalidConfigurationRequest', make, IpAddressType='ipv6')
        self.refused('InvalidConfigurationRequest', make, HealthCheckEnabled=False)
        self.refused('ValidationError', make, VpcId='vpc-' + '0' * 17)
        self.refused('ValidationError', make, HealthCheckPort='0')
        self.refused('ValidationError', make, HealthCheckPort='65536')
        self.refused('ValidationError', make, HealthyThresholdCount=11)
        self.refused('InvalidConfigurationRequest', make, HealthCheckPath='/')
        self.refused('ValidationError', make, HealthCheckProtocol='HTTP', Matcher={'HttpCode': '99'})
        self.refused('ValidationError', self.elb.create_target_group, Name='x', TargetType='ip',
                     Protocol='TCP', VpcId=self.vpc)
        self.assertEqual(self.elb.describe_target_groups()['TargetGroups'], [])

    def test_names_and_deletion(self):
        group = self.make_tg()
        self.assertEqual(self.make_tg(), group)
        self.refused('DuplicateTargetGroupName', self.make_tg, Port=81)
        lb = self.make_lb()
        listener = self.make_listener(lb, group)
        arn = group['TargetGroupArn']
        self.refused('ResourceInUse', self.elb.delete_target_group, TargetGroupArn=arn)
        got, = self.elb.describe_target_groups(LoadBalancerArn=lb['LoadBalancerArn'])['TargetGroups']
        self.assertEqual(got['LoadBalancerArns'], [lb['LoadBalancerArn']])
        self.elb.delete_listener(ListenerArn=listener['ListenerArn'])
        self.elb.delete_target_group(TargetGroupArn=arn)
        self.elb.delete_target_group(TargetGroupArn=arn)
        self.refused('TargetGroupNotFound', self.elb.describe_target_groups, TargetGroupArns=[arn])
        self.refused('TargetGroupNotFound', self.elb.describe_target_groups, Names=['web'])
        self.refused('ValidationError', self.elb.describe_target_groups, TargetGroupArns=['web'])

    def test_attributes(self):
        arn = self.make_tg()['TargetGroupArn']
        first = {a['Key']: a['Value'] for a in
                 self.elb.describe_target_group_attributes(TargetGroupArn=arn)['Attributes']}
        self.assertEqual(first['deregistration_delay.timeout_seconds'], '300')
        self.assertEqual(first['load_balancing.cross_zone.enabled'], 'use_load_balancer_configuration')
        self.assertEqual(first['target_health_state.unhealthy.connection_termination.enabled'], 'true')
        self.assertEqual(first['target_group_health.unhealthy_state_routing.minimum_healthy_targets.count'],
                         '1')
        wanted = {'deregistration_delay.timeout_seconds': '3600', 'proxy_protocol_v2.enabled': 'true',
                  'stickiness.enabled': 'true', 'load_balancing.cross_zone.enabled': 'true',
                  'target_group_health.dns_failover.minimum_healthy_targets.percentage': '50'}
        got = self.elb.modify_target_group_attributes(
            TargetGroupArn=arn, Attributes=[{'Key': k, 'Value': v} for k, v in wanted.items()])['Attributes']
        self.assertEqual({a['Key']: a['Value'] for a in got}, first | wanted)
        for key, value in (('deregistration_delay.timeout_seconds', '3601'), ('stickiness.type', 'lb_cookie'),
                           ('slow_start.duration_seconds', '30'), ('preserve_client_ip.enabled', 'true')):
            self.refused('InvalidConfigurationRequest', self.elb.modify_target_group_attributes,
                         TargetGroupArn=arn, Attributes=[{'Key': key, 'Value': value}])


class Targets(Elb):

    def health(self, group, *targets):
        got = self.elb.describe_target_health(TargetGroupArn=group['TargetGroupArn'], Targets=list(targets))
        return {(d['Target']['Id'], d['Target']['Port']): d for d in got['TargetHealthDescriptions']}

    def test_come_and_go(self):
        group = self.make_tg()
        arn = group['TargetGroupArn']
        self.elb.register_targets(TargetGroupArn=arn, Targets=[
            {'Id': '10.0.0.200'}, {'Id': '10.0.1.200', 'Port': 81}, {'Id': '10.0.1.200', 'Port': 82}])
        self.elb.register_targets(TargetGroupArn=arn, Targets=[{'Id': '10.0.0.200', 'Port': 80}])
        seen = self.health(group)
        self.assertEqual(set(seen), {('10.0.0.200', 80), ('10.0.1.200', 81), ('10.0.1.200', 82)})
        one = seen['10.0.0.200', 80]
        self.assertEqual(one['TargetHealth']['State'], 'unused')
        self.assertEqual(one['TargetHealth']['Reason'], 'Target.NotInUse')
        self.assertEqual((one['Target']['AvailabilityZone'], one['HealthCheckPort']), ('us-east-1a', '80'))
        self.assertEqual(set(self.health(group, {'Id': '10.0.1.200', 'Port': 82})), {('10.0.1.200', 82)})
        self.elb.deregister_targets(TargetGroupArn=arn, Targets=[{'Id': '10.0.1.200', 'Port': 81}])
        self.elb.deregister_targets(TargetGroupArn=arn, Targets=[{'Id': '10.0.1.200', 'Port': 81}])
        self.assertEqual(set(self.health(group)), {('10.0.0.200', 80), ('10.0.1.200', 82)})
        gone = self.health(group, {'Id': '10.0.1.200', 'Port': 81})['10.0.1.200', 81]
        self.assertEqual(gone['TargetHealth']['Reason'], 'Target.NotRegistered')
        done = self.it.cli('elbv2', 'wait', 'target-deregistered', '--target-group-arn', arn, '--targets',
                           'Id=10.0.1.200,Port=81', who='provider')
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_states_and_draining(self):
        group, lb = self.make_tg(), self.make_lb()
        arn = group['TargetGroupArn']
        self.elb.register_targets(TargetGroupArn=arn, Targets=[{'Id': '10.0.0.200'}, {'Id': '10.0.2.200'}])
        self.make_listener(lb, group)
        self.it.wait(lambda: self.health(group)['10.0.2.200', 80]['TargetHealth']['State'] == 'unused' and
                     self.health(group)['10.0.0.200', 80]['TargetHealth']['State'] != 'unused')
        seen = self.health(group)['10.0.0.200', 80]['TargetHealth']
        self.assertEqual(seen['State'], 'initial')
        self.assertIn(seen['Reason'], ('Elb.RegistrationInProgress', 'Elb.InitialHealthChecking'))
        # The zone of the other one has no node.
        self.assertEqual(self.health(group)['10.0.2.200', 80]['TargetHealth']['Reason'], 'Target.NotInUse')
        self.elb.deregister_targets(TargetGroupArn=arn, Targets=[{'Id': '10.0.0.200'}])
        for _ in range(3):  # before and after the data plane has followed
            seen = self.health(group)['10.0.0.200', 80]['TargetHealth']
            self.assertEqual((seen['State'], seen['Reason']), ('draining', 'Target.DeregistrationInProgress'))
        self.elb.register_targets(TargetGroupArn=arn, Targets=[{'Id': '10.0.0.200'}])
        self.assertEqual(self.health(group)['10.0.0.200', 80]['TargetHealth']['State'], 'initial')

    def test_refused(self):
        arn = self.make_tg()['TargetGroupArn']
        register = self.elb.register_targets
        self.refused('ValidationError', register, TargetGroupArn=arn, Targets=[{'Id': 'i-0123456789'}])
        self.refused('InvalidTarget', register, TargetGroupArn=arn,
                     Targets=[{'Id': '8.8.8.8', 'AvailabilityZone': 'all'}])
        self.refused('ValidationError', register, "'all'", TargetGroupArn=arn, Targets=[{'Id': '10.9.0.1'}])
        self.refused('ValidationError', register, TargetGroupArn=arn,
                     Targets=[{'Id': '10.0.0.200', 'AvailabilityZone': 'us-east-1b'}])
        self.refused('ValidationError', register, TargetGroupArn=arn, Targets=[])
        self.refused('TargetGroupNotFound', register, TargetGroupArn=arn[:-4] + '0000',
                     Targets=[{'Id': '10.0.0.200'}])
        self.make_lb(Subnets=[], SubnetMappings=[
            {'SubnetId': self.subnets[0], 'PrivateIPv4Address': '10.0.0.77'}])
        self.refused('InvalidTarget', register, TargetGroupArn=arn, Targets=[
            {'Id': '10.0.0.200'}, {'Id': '10.0.0.77'}])
        self.assertEqual(self.elb.describe_target_health(TargetGroupArn=arn)['TargetHealthDescriptions'], [])


class Listeners(Elb):

    def test_made_changed_and_deleted(self):
        lb, group, other = self.make_lb(), self.make_tg(), self.make_tg('other')
        listener = self.make_listener(lb, group, Tags=[{'Key': 'a', 'Value': 'b'}])
        arn = listener['ListenerArn']
        self.assertRegex(arn, f'^{ARN}:listener/net/nlb/[0-9a-f]{{16}}/[0-9a-f]{{16}}$')
        self.assertEqual((listener['Port'], listener['Protocol']), (443, 'TCP'))
        self.assertEqual(listener['DefaultActions'][0]['TargetGroupArn'], group['TargetGroupArn'])
        self.assertEqual(self.make_listener(lb, group), listener)
        self.refused('DuplicateListener', lambda: self.make_listener(lb, other))
        weighted = [{'Type': 'forward', 'ForwardConfig': {'TargetGroups': [
            {'TargetGroupArn': group['TargetGroupArn'], 'Weight': 1},
            {'TargetGroupArn': other['TargetGroupArn'], 'Weight': 0}],
            'TargetGroupStickinessConfig': {'Enabled': True}}}]
        now, = self.elb.modify_listener(ListenerArn=arn, Port=444, DefaultActions=weighted)['Listeners']
        self.assertEqual((now['Port'], now['DefaultActions'][0]['ForwardConfig']),
                         (444, weighted[0]['ForwardConfig']))
        self.assertNotIn('TargetGroupArn', now['DefaultActions'][0])
        for how in ({'LoadBalancerArn': lb['LoadBalancerArn']}, {'ListenerArns': [arn]}):
            self.assertEqual(self.elb.describe_listeners(**how)['Listeners'], [now])
        now, = self.elb.modify_listener(ListenerArn=arn, Port=445)['Listeners']
        self.assertEqual(now['DefaultActions'][0]['ForwardConfig'], weighted[0]['ForwardConfig'])
        self.elb.delete_listener(ListenerArn=arn)
        self.refused('ListenerNotFound', self.elb.delete_listener, ListenerArn=arn)
        self.refused('ListenerNotFound', self.elb.describe_listeners, ListenerArns=[arn])

    def test_refused(self):
        lb, group = self.make_lb(), self.make_tg()

        def make(**more):
            return self.make_listener(lb, group, **more)
        self.refused('UnsupportedProtocol', make, Protocol='TLS')
        self.refused('UnsupportedProtocol', make, Protocol='UDP')
        self.refused('InvalidLoadBalancerAction', make, DefaultActions=[{'Type': 'fixed-response'}])
        forward = {'Type': 'forward', 'TargetGroupArn': group['TargetGroupArn']}
        self.refused('TooManyActions', make, DefaultActions=[forward, forward])
        self.refused('TargetGroupNotFound', make, DefaultActions=[
            forward | {'TargetGroupArn': group['TargetGroupArn'][:-4] + '0000'}])
        self.refused('ValidationError', make, DefaultActions=[{'Type': 'forward'}])
        self.refused('ValidationError', make, Certificates=[{'CertificateArn': 'x'}])
        make()
        second = self.make_lb('second')
        self.refused('TargetGroupAssociationLimit', lambda: self.make_listener(second, group))
        self.refused('ValidationError', self.elb.describe_listeners)

    def test_default_rule(self):
        listener = self.make_listener(self.make_lb(), self.make_tg())
        rule, = self.elb.describe_rules(ListenerArn=listener['ListenerArn'])['Rules']
        self.assertRegex(rule['RuleArn'], f'^{ARN}:listener-rule/net/nlb/[0-9a-f]{{16}}/[0-9a-f]{{16}}/'
                                          '[0-9a-f]{16}$')
        self.assertEqual((rule['Priority'], rule['IsDefault'], rule['Conditions'], rule['Actions']),
                         ('default', True, [], listener['DefaultActions']))
        self.assertEqual(self.elb.describe_rules(RuleArns=[rule['RuleArn']])['Rules'], [rule])
        self.refused('RuleNotFound', self.elb.describe_rules, RuleArns=[rule['RuleArn'][:-1] + 'x'])

    def test_attributes(self):
        """Debian's clients do not know these two actions."""
        arn = self.make_listener(self.make_lb(), self.make_tg())['ListenerArn']
        quoted = arn.replace(':', '%3A').replace('/', '%2F')

        def call(action, more=''):
            return self.it.call('elasticloadbalancing', action, f'&ListenerArn={quoted}{more}',
                                who='provider')
        key = '&Attributes.member.1.Key=tcp.idle_timeout.seconds&Attributes.member.1.Value='
        status, text = call('DescribeListenerAttributes')
        self.assertEqual(status, 200, text)
        self.assertIn('<Key>tcp.idle_timeout.seconds</Key><Value>350</Value>', text)
        self.assertIn('<Value>6000</Value>', call('ModifyListenerAttributes', key + '6000')[1])
        self.assertIn('<Value>6000</Value>', call('DescribeListenerAttributes')[1])
        self.assert_error(call('ModifyListenerAttributes', key + '59'), 400, 'InvalidConfigurationRequest')


class Tags(Elb):

    def tags(self, *arns):
        got = self.elb.describe_tags(ResourceArns=list(arns))['TagDescriptions']
        return [{t['Key']: t['Value'] for t in row['Tags']} for row in got]

    def test_come_and_go(self):
        lb = self.make_lb(Tags=[{'Key': 'env', 'Value': 'test'}])['LoadBalancerArn']
        group = self.make_tg()['TargetGroupArn']
        self.assertEqual(self.tags(lb, group), [{'env': 'test'}, {}])
        self.elb.add_tags(ResourceArns=[lb, group], Tags=[{'Key': 'a', 'Value': '1'}, {'Key': 'env'}])
        self.assertEqual(self.tags(lb, group), [{'env': '', 'a': '1'}] * 2)
        self.elb.remove_tags(ResourceArns=[lb], TagKeys=['env', 'none'])
        self.assertEqual(self.tags(group, lb), [{'env': '', 'a': '1'}, {'a': '1'}])

    def test_all_or_none(self):
        lb, group = self.make_lb()['LoadBalancerArn'], self.make_tg()['TargetGroupArn']
        self.elb.add_tags(ResourceArns=[group], Tags=[{'Key': f'k{i}', 'Value': ''} for i in range(50)])
        self.refused('TooManyTags', self.elb.add_tags, ResourceArns=[lb, group],
                     Tags=[{'Key': 'more', 'Value': ''}])
        self.refused('LoadBalancerNotFound', self.elb.add_tags, ResourceArns=[lb, lb[:-4] + '0000'],
                     Tags=[{'Key': 'more', 'Value': ''}])
        self.refused('ValidationError', self.elb.add_tags, ResourceArns=[lb],
                     Tags=[{'Key': 'aws:x', 'Value': ''}])
        self.assertEqual(self.tags(lb), [{}])
