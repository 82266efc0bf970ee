# SPDX-License-Identifier: BSD-3-Clause
"""An unattended approver: a program of the provider's subscribes to a topic, confirms, hears of each
request for a connection, and accepts those of the accounts that it knows, without anybody looking on. Its
receiver is away for a while, and misses nothing.
"""

from cvlab import awsstory, peers, sns

SUMMARY = 'a program that hears of requests by SNS and accepts them by rule'
NEEDS = ['aws']
NGINX = '10.0.0.201'
ZONES = {'us-east-1a': 'use1-az1', 'us-east-1b': 'use1-az2'}
PROVIDER = awsstory.network('provider', '111111111111', ZONES, '10.0', list(ZONES))
CONSUMER = awsstory.network('consumer', '222222222222', ZONES, '10.0', list(ZONES))
STRANGER = awsstory.network('stranger', '333333333333', ZONES, '10.0', list(ZONES))
KNOWN = {CONSUMER['account']}
table = awsstory.story.table


def publish(it):
    """The provider's service: its name and id."""
    arn, group = awsstory.balancer(it, PROVIDER, 'web', [awsstory.subnet_id(PROVIDER, 0)], [NGINX], 80)
    awsstory.healthy(it, PROVIDER, group, 1)
    service = it.make('provider', 'ec2 create-vpc-endpoint-service-configuration '
                      f'--network-load-balancer-arns {arn} --acceptance-required', 'ServiceConfiguration')
    it.make('provider', 'ec2 modify-vpc-endpoint-service-permissions '
            f'--service-id {service["ServiceId"]} --add-allowed-principals *')
    return service['ServiceName'], service['ServiceId']


def request(it, role, name):
    """An endpoint of a consumer's: its id."""
    made = it.call(f'the {role["name"]} asks for a connection', role['name'],
                   'ec2 create-vpc-endpoint --vpc-endpoint-type Interface --vpc-id '
                   f'{awsstory.vpc_id(role)} --service-name {name} --security-group-ids '
                   f'{awsstory.group_id(role)} --subnet-ids {awsstory.subnet_id(role, 0)}',
                   'pendingAcceptance', 'VpcEndpoint.State')
    return made.pick('VpcEndpoint.VpcEndpointId')


def decide(it, service, approver):
    """The program's rule, for the next request that it hears of."""
    event = approver.next()
    verb = 'accept' if event.get('VpcEndpointOwner') in KNOWN else 'reject'
    it.make('provider', f'ec2 {verb}-vpc-endpoint-connections --service-id {service} '
            f'--vpc-endpoint-ids {event.get("VpcEndpointId")}')
    return [event.get(k) for k in ('EventType', 'VpcEndpointId', 'VpcEndpointOwner')]


def heard(approver, n):
    """The next n events: what, and of which endpoint."""
    return [[e.get('EventType'), e.get('VpcEndpointId')] for e in (approver.next() for _ in range(n))]


def play(it, approver):
    """All of it."""
    name, service = publish(it)
    sns.listen(it, PROVIDER, service, approver)
    mine = request(it, CONSUMER, name)
    it.step('the program hears of it', ['Connect', mine, CONSUMER['account']],
            decide(it, service, approver))
    it.until('it was accepted', 'consumer', f'ec2 describe-vpc-endpoints --vpc-endpoint-ids {mine}',
             'available', 'VpcEndpoints.0.State')
    it.step('and hears of that', [['Accept', mine]], heard(approver, 1))
    approver.close()
    strange = request(it, STRANGER, name)
    other = request(it, STRANGER, name)
    it.make('stranger', f'ec2 delete-vpc-endpoints --vpc-endpoint-ids {other}')
    approver.open()
    it.step('it was away: the request of a stranger is heard of later',
            ['Connect', strange, STRANGER['account']], decide(it, service, approver))
    it.step('and nothing is lost, all in order',
            [['Connect', other], ['Delete', other], ['Reject', strange]], heard(approver, 3))
    it.until('the stranger is rejected', 'stranger',
             f'ec2 describe-vpc-endpoints --vpc-endpoint-ids {strange}', 'rejected',
             'VpcEndpoints.0.State')
    it.step('messages whose signature was wrong', 0, len(approver.bad))
    eni = it.enis('consumer', mine).get('us-east-1a')
    it.step('HTTP from the consumer', 'HTTP 200', it.get('consumer', eni, 80)[0])


def run(opts, say):
    """Play it."""
    conf = awsstory.config('us-east-1', [PROVIDER, CONSUMER, STRANGER])
    with awsstory.begin(opts, say, conf, {'provider': [NGINX]},
                        lambda made: peers.nginx(made, 'provider', NGINX, 80, proxy=False)) as it:
        with sns.Approver(it.lab) as approver:
            play(it, approver)
        return it.result()
