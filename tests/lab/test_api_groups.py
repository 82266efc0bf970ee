# SPDX-License-Identifier: BSD-3-Clause
"""Security groups as Terraform's resources manage them: the calls of the provider's create, read, update and
delete, one after the other, and what it compares is what it said. A reload in between changes nothing."""

import test_api_ec2

ALL = {'IpProtocol': '-1', 'FromPort': 0, 'ToPort': 0}
ANYWHERE = [{'CidrIp': '0.0.0.0/0'}]


def gathered(permissions, group):
    """Rules as the provider gathers them from what is described."""
    rules = {}
    for perm in permissions:
        key = (perm['IpProtocol'], perm.get('FromPort', 0), perm.get('ToPort', 0))
        for peer in perm['IpRanges'] + perm['UserIdGroupPairs']:
            name = 'self' if peer.get('GroupId') == group else peer.get('GroupId') or peer['CidrIp']
            rules.setdefault(key + (peer.get('Description', ''),), []).append(name)
    return {key: sorted(peers) for key, peers in rules.items()}


class Groups(test_api_ec2.Case):

    def create(self, name, **how):
        """What the resource does before it looks at its rules: what AWS gave unasked goes."""
        group = self.theirs.create_security_group(
            GroupName=name, Description='Managed by Terraform', VpcId=self.vpc, **how)['GroupId']
        self.addCleanup(self.destroy, group)
        self.read(group)
        self.theirs.revoke_security_group_egress(GroupId=group, IpPermissions=[ALL | {'IpRanges': ANYWHERE}])
        self.assert_code('InvalidPermission.NotFound', self.theirs.revoke_security_group_egress,
                         GroupId=group, IpPermissions=[ALL | {'Ipv6Ranges': [{'CidrIpv6': '::/0'}]}])
        return group

    def read(self, group):
        got, = self.theirs.describe_security_groups(GroupIds=[group])['SecurityGroups']
        return got

    def rules(self, group):
        """(ingress, egress) as the provider has them in its state."""
        got = self.read(group)
        return gathered(got['IpPermissions'], group), gathered(got['IpPermissionsEgress'], group)

    def destroy(self, group):
        self.theirs.describe_network_interfaces(Filters=[
            {'Name': 'group-id', 'Values': [group]},
            {'Name': 'description', 'Values': ['AWS Lambda VPC ENI*']}])
        for rule in self.theirs.describe_security_group_rules(
                Filters=[{'Name': 'group-id', 'Values': [group]}])['SecurityGroupRules']:
            call = (self.theirs.revoke_security_group_egress if rule['IsEgress']
                    else self.theirs.revoke_security_group_ingress)
            call(GroupId=group, SecurityGroupRuleIds=[rule['SecurityGroupRuleId']])
        self.theirs.delete_security_group(GroupId=group)
        self.assert_code('InvalidGroup.NotFound', self.theirs.describe_security_groups, GroupIds=[group])

    def reload(self):
        self.it.hup('reloaded')

    def test_group_with_its_rules(self):
        other = self.create('other')
        group = self.create('web', TagSpecifications=[
            {'ResourceType': 'security-group', 'Tags': [{'Key': 'Name', 'Value': 'web'}]}])
        self.assertEqual(self.rules(group), ({}, {}))
        https = {'IpProtocol': 'tcp', 'FromPort': 443, 'ToPort': 443,
                 'IpRanges': [{'CidrIp': c, 'Description': 'https'} for c in ('10.0.0.0/16', '10.9.0.0/16')]}
        from_groups = {'IpProtocol': 'tcp', 'FromPort': 8000, 'ToPort': 8080,
                       'UserIdGroupPairs': [{'GroupId': g} for g in (group, other)]}
        self.theirs.authorize_security_group_ingress(GroupId=group, IpPermissions=[https, from_groups])
        self.theirs.authorize_security_group_egress(
            GroupId=group, IpPermissions=[ALL | {'IpRanges': ANYWHERE}])
        want = ({('tcp', 443, 443, 'https'): ['10.0.0.0/16', '10.9.0.0/16'],
                 ('tcp', 8000, 8080, ''): sorted(['self', other])}, {('-1', 0, 0, ''): ['0.0.0.0/0']})
        self.assertEqual(self.rules(group), want)
        self.reload()
        self.assertEqual(self.rules(group), want)
        # An update takes what differs away, then gives it anew.
        self.theirs.revoke_security_group_ingress(GroupId=group, IpPermissions=[https])
        https['IpRanges'] = [{'CidrIp': '10.0.0.0/16', 'Description': 'less'}]
        self.theirs.authorize_security_group_ingress(GroupId=group, IpPermissions=[https])
        self.theirs.create_tags(Resources=[group], Tags=[{'Key': 'Name', 'Value': 'new'}])
        self.assertEqual(self.rules(group)[0][('tcp', 443, 443, 'less')], ['10.0.0.0/16'])
        self.assertEqual(self.read(group)['Tags'], [{'Key': 'Name', 'Value': 'new'}])
        self.assert_code('DependencyViolation', self.theirs.delete_security_group, GroupId=other)

    def test_security_group_rule(self):
        group = self.create('single')
        perm = {'IpProtocol': '-1', 'FromPort': 0, 'ToPort': 0,
                'IpRanges': [{'CidrIp': c, 'Description': 'one'} for c in ('10.1.0.0/16', '10.2.0.0/16')]}
        for kind, key in (('ingress', 'IpPermissions'), ('egress', 'IpPermissionsEgress')):
            getattr(self.theirs, f'authorize_security_group_{kind}')(GroupId=group, IpPermissions=[perm])
            # It looks for one permission that has all of its peers.
            found, = self.read(group)[key]
            self.assertEqual((found['IpProtocol'], found.get('FromPort'), found['IpRanges']),
                             ('-1', None, perm['IpRanges']))
            for peer in perm['IpRanges']:
                peer['Description'] = 'two'
            getattr(self.theirs, f'update_security_group_rule_descriptions_{kind}')(
                GroupId=group, IpPermissions=[perm])
            self.assertEqual(self.read(group)[key][0]['IpRanges'], perm['IpRanges'])
            getattr(self.theirs, f'revoke_security_group_{kind}')(GroupId=group, IpPermissions=[perm])
            self.assertEqual(self.read(group)[key], [])
            self.assert_code('InvalidPermission.NotFound',
                             getattr(self.theirs, f'revoke_security_group_{kind}'),
                             GroupId=group, IpPermissions=[perm])

    def test_rules_by_id(self):
        group = self.create('by-id')
        for kind in ('ingress', 'egress'):
            made, = getattr(self.theirs, f'authorize_security_group_{kind}')(
                GroupId=group, IpPermissions=[{'IpProtocol': 'tcp', 'FromPort': 80, 'ToPort': 80,
                                               'IpRanges': [{'CidrIp': '10.0.0.0/8'}]}],
                TagSpecifications=[{'ResourceType': 'security-group-rule',
                                    'Tags': [{'Key': 'k', 'Value': 'v'}]}])['SecurityGroupRules']
            rule = made['SecurityGroupRuleId']
            self.theirs.modify_security_group_rules(GroupId=group, SecurityGroupRules=[{
                'SecurityGroupRuleId': rule, 'SecurityGroupRule': {
                    'IpProtocol': '-1', 'CidrIpv4': '10.3.0.0/16', 'Description': 'new'}}])
            self.theirs.create_tags(Resources=[rule], Tags=[{'Key': 'l', 'Value': 'w'}])
            self.theirs.delete_tags(Resources=[rule], Tags=[{'Key': 'k', 'Value': 'v'}])
            self.reload()
            found, = self.theirs.describe_security_group_rules(
                SecurityGroupRuleIds=[rule])['SecurityGroupRules']
            self.assertEqual(found, made | {
                'IpProtocol': '-1', 'FromPort': -1, 'ToPort': -1, 'CidrIpv4': '10.3.0.0/16',
                'Description': 'new', 'Tags': [{'Key': 'l', 'Value': 'w'}]})
            getattr(self.theirs, f'revoke_security_group_{kind}')(GroupId=group, SecurityGroupRuleIds=[rule])
            self.assert_code('InvalidSecurityGroupRuleId.NotFound', self.theirs.describe_security_group_rules,
                             SecurityGroupRuleIds=[rule])

    def test_endpoint_association(self):
        group = self.create('of-endpoint')
        endpoint = self.endpoint(self.service(), 'use1-az1')['VpcEndpointId']
        default, = self.theirs.describe_security_groups(Filters=[
            {'Name': 'group-name', 'Values': ['default']},
            {'Name': 'vpc-id', 'Values': [self.vpc]}])['SecurityGroups']

        def groups():
            got, = self.theirs.describe_vpc_endpoints(VpcEndpointIds=[endpoint])['VpcEndpoints']
            return [g['GroupId'] for g in got['Groups']]
        self.assertEqual(groups(), [default['GroupId']])
        # Made with replace_default_association, and taken away.
        self.theirs.modify_vpc_endpoint(VpcEndpointId=endpoint, AddSecurityGroupIds=[group])
        self.theirs.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveSecurityGroupIds=[default['GroupId']])
        self.assertEqual(groups(), [group])
        self.reload()
        self.theirs.modify_vpc_endpoint(VpcEndpointId=endpoint, AddSecurityGroupIds=[default['GroupId']])
        self.assertEqual(groups(), [group, default['GroupId']])
        self.theirs.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveSecurityGroupIds=[group])
        self.assertEqual(groups(), [default['GroupId']])
        self.theirs.delete_vpc_endpoints(VpcEndpointIds=[endpoint])

    def test_default_group(self):
        default, = self.theirs.describe_security_groups(Filters=[
            {'Name': 'group-name', 'Values': ['default']},
            {'Name': 'vpc-id', 'Values': [self.vpc]}])['SecurityGroups']
        group = default['GroupId']
        self.assertEqual(self.rules(group), ({('-1', 0, 0, ''): ['self']}, {('-1', 0, 0, ''): ['0.0.0.0/0']}))
        self.theirs.revoke_security_group_ingress(GroupId=group, IpPermissions=default['IpPermissions'])
        self.theirs.revoke_security_group_egress(GroupId=group, IpPermissions=default['IpPermissionsEgress'])
        self.reload()
        self.assertEqual(self.rules(group), ({}, {}))
        self.theirs.authorize_security_group_ingress(GroupId=group, IpPermissions=default['IpPermissions'])
        self.assert_code('CannotDelete', self.theirs.delete_security_group, GroupId=group)
        self.assertEqual(self.rules(group)[0], {('-1', 0, 0, ''): ['self']})
