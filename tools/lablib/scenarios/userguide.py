# SPDX-License-Identifier: BSD-3-Clause
"""The command lines of the VPC user guide's chapter on endpoint services, with the stock `aws` client, in
its order; each answer is compared field by field with the JSON that the guide shows. Between them, what
they are for: a load balancer, an endpoint, HTTP through it with the caller's address in the PROXY header.
"""

import json
import re
import shlex

from cvlab import awsstory, peers

SUMMARY = "every command line of AWS's guide to endpoint services, answers compared"
NEEDS = ['aws']
TARGETS = ['10.0.0.201', '10.0.16.201']
PORT = 8080
ZONES = {'us-east-1d': 'use1-az6', 'us-east-1e': 'use1-az3'}
PROVIDER = awsstory.network('provider', '123456789012', ZONES, '10.0', list(ZONES))
CONSUMER = awsstory.network('consumer', '210987654321',
                            {'us-east-1d': 'use1-az3', 'us-east-1e': 'use1-az6'}, '10.0', list(ZONES))
TIME = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)')
SERVICE = re.compile('vpce-svc-[0-9a-f]{17}')
table = awsstory.story.table


def differences(shown, got, at=''):
    """Fields that the guide shows and that are not so: paths. Patterns stand for what differs each time."""
    if isinstance(shown, re.Pattern):
        return [] if isinstance(got, str) and shown.fullmatch(got) else [f'{at}: {got}']
    if isinstance(shown, dict):
        if not isinstance(got, dict):
            return [f'{at}: {got}']
        return [d for k, v in shown.items()
                for d in (differences(v, got[k], f'{at}.{k}') if k in got else [f'{at}.{k} is missing'])]
    if isinstance(shown, list):
        if not isinstance(got, list) or len(got) != len(shown):
            return [f'{at}: {got}']
        return [d for i, v in enumerate(shown) for d in differences(v, got[i], f'{at}[{i}]')]
    return [] if got == shown else [f'{at}: {got}']


def guide(it, role, line, shown):
    """A command line of the guide: its answer has the fields that the guide shows, with such values."""
    got = it.aws(role, line)
    wrong = [f'{got.code}: {got.text}'] if got.code else differences(shown, got.data)
    it.step(f'aws {" ".join(line.split()[:2])}', [], wrong, command=f'aws {line}', answer=got.data)
    return got


def create(it, arn):
    """Create an endpoint service configuration: its id."""
    got = guide(it, 'provider', 'ec2 create-vpc-endpoint-service-configuration '
                f'--network-load-balancer-arns {arn} --acceptance-required',
                {'ServiceConfiguration': {
                    'ServiceType': [{'ServiceType': 'Interface'}],
                    'NetworkLoadBalancerArns': [arn],
                    'ServiceName': re.compile(r'com\.amazonaws\.vpce\.us-east-1\.' + SERVICE.pattern),
                    'ServiceState': 'Available', 'ServiceId': SERVICE, 'AcceptanceRequired': True,
                    'AvailabilityZones': ['us-east-1d', 'us-east-1e'],
                    'BaseEndpointDnsNames': [
                        re.compile(SERVICE.pattern + r'\.us-east-1\.vpce\.amazonaws\.com')]}})
    service = got.pick('ServiceConfiguration.ServiceId')
    it.step('the names hold the id', [True, True],
            [str(got.pick(f'ServiceConfiguration.{k}')).find(str(service)) >= 0
             for k in ('ServiceName', 'BaseEndpointDnsNames.0')])
    return service, got.pick('ServiceConfiguration.ServiceName')


def permissions(it, service):
    """Add and remove permissions."""
    root = f'arn:aws:iam::{CONSUMER["account"]}:root'
    line = f'ec2 modify-vpc-endpoint-service-permissions --service-id {service}'
    show = f'ec2 describe-vpc-endpoint-service-permissions --service-id {service}'
    guide(it, 'provider', f'{line} --add-allowed-principals {root}', {'ReturnValue': True})
    guide(it, 'provider', show, {'AllowedPrincipals': [{'PrincipalType': 'Account', 'Principal': root}]})
    guide(it, 'provider', f'{line} --remove-allowed-principals {root}', {'ReturnValue': True})
    guide(it, 'provider', show, {'AllowedPrincipals': []})
    for principal, kind in ((root.replace('root', 'user/dev'), 'User'),
                            (root.replace('root', 'role/deploy'), 'Role'), ('*', 'All')):
        guide(it, 'provider', f"{line} --add-allowed-principals '{principal}'", {'ReturnValue': True})
        guide(it, 'provider', show,
              {'AllowedPrincipals': [{'PrincipalType': kind, 'Principal': principal}]})
        guide(it, 'provider', f"{line} --remove-allowed-principals '{principal}'", {'ReturnValue': True})
    guide(it, 'provider', f'{line} --add-allowed-principals {root}', {'ReturnValue': True})


def connect(it, service, name):
    """The consumer's side, and accepting: the endpoint's id."""
    guide(it, 'consumer', 'ec2 describe-availability-zones',
          {'AvailabilityZones': [
              {'State': 'available', 'ZoneName': n, 'ZoneId': i, 'RegionName': 'us-east-1', 'Messages': []}
              for n, i in sorted(CONSUMER['zones'].items())]})
    subnets = [awsstory.subnet_id(CONSUMER, i) for i in range(2)]
    got = guide(it, 'consumer', 'ec2 create-vpc-endpoint --vpc-endpoint-type Interface --vpc-id '
                f'{awsstory.vpc_id(CONSUMER)} --service-name {name} --subnet-ids {" ".join(subnets)} '
                f'--security-group-ids {awsstory.group_id(CONSUMER)}',
                {'VpcEndpoint': {'VpcEndpointType': 'Interface', 'State': 'pendingAcceptance',
                                 'ServiceName': name, 'VpcId': awsstory.vpc_id(CONSUMER),
                                 'VpcEndpointId': re.compile('vpce-[0-9a-f]{17}'),
                                 'CreationTimestamp': TIME}})
    endpoint = got.pick('VpcEndpoint.VpcEndpointId')
    guide(it, 'provider', 'ec2 describe-vpc-endpoint-connections --filters '
          'Name=vpc-endpoint-state,Values=pendingAcceptance',
          {'VpcEndpointConnections': [{
              'VpcEndpointId': endpoint, 'ServiceId': service, 'CreationTimestamp': TIME,
              'VpcEndpointState': 'pendingAcceptance', 'VpcEndpointOwner': CONSUMER['account']}]})
    guide(it, 'provider', f'ec2 accept-vpc-endpoint-connections --service-id {service} '
          f'--vpc-endpoint-ids {endpoint}', {'Unsuccessful': []})
    it.until('the endpoint becomes', 'consumer', f'ec2 describe-vpc-endpoints --vpc-endpoint-ids {endpoint}',
             'available', 'VpcEndpoints.0.State')
    return endpoint


def traffic(it, endpoint):
    """Through each interface, with what the PROXY header tells."""
    for zone, ip in sorted(it.enis('consumer', endpoint).items()):
        status, body = it.get('consumer', ip, PORT)
        it.step(f'HTTP through the interface in {zone}', 'HTTP 200', status)
        it.step("the PROXY header tells the endpoint and the client's own address", [endpoint, True],
                [body.get('vpce'), str(body.get('client')).startswith(CONSUMER['net'] + '.')])


def configure(it, service, arn, spare):
    """Change load balancers and acceptance."""
    line = f'ec2 modify-vpc-endpoint-service-configuration --service-id {service}'
    refused = it.call('remove a load balancer while an endpoint is attached', 'provider',
                      f'{line} --remove-network-load-balancer-arn {arn}', 'ExistingVpcEndpointConnections')
    it.step('why', True, bool(refused.text))
    guide(it, 'provider', f'{line} --add-network-load-balancer-arn {spare}', {'Return': True})
    guide(it, 'provider', f'ec2 describe-vpc-endpoint-service-configurations --service-ids {service}',
          {'ServiceConfigurations': [{'ServiceId': service, 'NetworkLoadBalancerArns': [arn, spare]}]})
    for flag, is_on in (('--no-acceptance-required', False), ('--acceptance-required', True)):
        guide(it, 'provider', f'{line} {flag}', {'Return': True})
        guide(it, 'provider', f'ec2 describe-vpc-endpoint-service-configurations --service-ids {service}',
              {'ServiceConfigurations': [{'ServiceId': service, 'AcceptanceRequired': is_on}]})


def tags(it, service):
    """Tags of the service."""
    guide(it, 'provider', f'ec2 create-tags --resources {service} --tags Key=team,Value=payments', {})
    show = f'ec2 describe-vpc-endpoint-service-configurations --service-ids {service}'
    guide(it, 'provider', show,
          {'ServiceConfigurations': [{'Tags': [{'Key': 'team', 'Value': 'payments'}]}]})
    guide(it, 'provider', f'ec2 delete-tags --resources {service} --tags Key=team', {})
    it.call('the tag is gone', 'provider', show + ' --query "{tags: ServiceConfigurations[0].Tags}"',
            [], 'tags')


def notifications(it, service, topic):
    """Create, show, change and delete a notification."""
    made = guide(it, 'provider', 'ec2 create-vpc-endpoint-connection-notification '
                 f'--connection-notification-arn {topic} --connection-events Connect Accept Delete Reject '
                 f'--service-id {service}',
                 {'ConnectionNotification': {
                     'ConnectionNotificationState': 'Enabled', 'ConnectionNotificationType': 'Topic',
                     'ServiceId': service, 'ConnectionNotificationArn': topic,
                     'ConnectionNotificationId': re.compile('vpce-nfn-[0-9a-f]{17}')}})
    events = made.pick('ConnectionNotification.ConnectionEvents') or []
    it.step('its events', ['Accept', 'Connect', 'Delete', 'Reject'], sorted(events))
    one = made.pick('ConnectionNotification.ConnectionNotificationId')
    show = 'ec2 describe-vpc-endpoint-connection-notifications'
    shown = {'ConnectionNotificationId': one, 'ConnectionNotificationArn': topic}
    guide(it, 'provider', show, {'ConnectionNotificationSet': [shown]})
    guide(it, 'provider', 'ec2 modify-vpc-endpoint-connection-notification '
          f'--connection-notification-id {one} --connection-events Accept Reject', {'ReturnValue': True})
    rows = it.make('provider', f'{show} --connection-notification-id {one}', 'ConnectionNotificationSet')
    it.step('its events now', ['Accept', 'Reject'], sorted(rows[0]['ConnectionEvents']))
    guide(it, 'provider', 'ec2 delete-vpc-endpoint-connection-notifications '
          f'--connection-notification-ids {one}', {'Unsuccessful': []})
    guide(it, 'provider', show, {'ConnectionNotificationSet': []})


def topic_of(it):
    """A topic that the service may publish to: its ARN."""
    topic = it.make('provider', 'sns create-topic --name VPCE-notification', 'TopicArn')
    policy = {'Version': '2012-10-17', 'Statement': [{
        'Effect': 'Allow', 'Principal': {'Service': 'vpce.amazonaws.com'}, 'Action': 'SNS:Publish',
        'Resource': topic}]}
    it.make('provider', f'sns set-topic-attributes --topic-arn {topic} --attribute-name Policy '
            f'--attribute-value {shlex.quote(json.dumps(policy))}')
    return topic


def end(it, service, endpoint):
    """Reject and delete."""
    line = f'ec2 delete-vpc-endpoint-service-configurations --service-ids {service}'
    it.call('delete the service while an endpoint is available', 'provider', line,
            'ExistingVpcEndpointConnections', 'Unsuccessful.0.Error.Code')
    guide(it, 'provider', f'ec2 reject-vpc-endpoint-connections --service-id {service} '
          f'--vpc-endpoint-ids {endpoint}', {'Unsuccessful': []})
    eni = it.enis('consumer', endpoint).get('us-east-1d')
    it.step('HTTP after the provider rejected it', 'timeout',
            it.get('consumer', eni, PORT, awsstory.story.IN_VAIN_S)[0])
    guide(it, 'provider', line, {'Unsuccessful': []})
    it.call('the service is gone, the load balancers stay', 'provider',
            'elbv2 describe-load-balancers --query "{states: LoadBalancers[].State.Code}"',
            ['active', 'active'], 'states')


def run(opts, say):
    """Play it."""
    conf = awsstory.config('us-east-1', [PROVIDER, CONSUMER])

    def servers(made):
        for ip in TARGETS:
            peers.decoder(made, 'provider', ip, PORT)
    with awsstory.begin(opts, say, conf, {'provider': TARGETS}, servers) as it:
        where = [awsstory.subnet_id(PROVIDER, i) for i in range(2)]
        arn, group = awsstory.balancer(it, PROVIDER, 'app', where, TARGETS, PORT, proxy=True)
        spare, _ = awsstory.balancer(it, PROVIDER, 'spare', where, TARGETS, PORT, proxy=True)
        awsstory.healthy(it, PROVIDER, group, 2)
        service, name = create(it, arn)
        permissions(it, service)
        endpoint = connect(it, service, name)
        traffic(it, endpoint)
        configure(it, service, arn, spare)
        tags(it, service)
        notifications(it, service, topic_of(it))
        end(it, service, endpoint)
        return it.result()
