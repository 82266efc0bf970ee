# SPDX-License-Identifier: BSD-3-Clause
"""A beginner's walk through PrivateLink, with the stock `aws` client: nginx behind an internal NLB in one
zone of ap-northeast-1, an endpoint service with its included and excluded zones, a consumer that verifies
the name, may not choose a zone that the service lacks, waits, is accepted, and gets the page.
"""

from cvlab import awsstory, peers

SUMMARY = 'nginx in one zone, a consumer that verifies the name, waits and is accepted'
NEEDS = ['aws']
NGINX = '10.0.0.201'
ZONES = {'ap-northeast-1a': 'apne1-az4', 'ap-northeast-1c': 'apne1-az1', 'ap-northeast-1d': 'apne1-az2'}
# The same zones by other names: az4 is what this account calls 1c.
CONSUMER_ZONES = {'ap-northeast-1a': 'apne1-az1', 'ap-northeast-1c': 'apne1-az4',
                  'ap-northeast-1d': 'apne1-az2'}
PROVIDER = awsstory.network('provider', '123456789012', ZONES, '10.0', list(ZONES))
CONSUMER = awsstory.network('consumer', '210987654321', CONSUMER_ZONES, '10.0', list(CONSUMER_ZONES))
IN_1A, IN_1C = awsstory.subnet_id(CONSUMER, 0), awsstory.subnet_id(CONSUMER, 1)
table = awsstory.story.table


def publish(it):
    """The provider's part: the service's name and id."""
    arn, group = awsstory.balancer(it, PROVIDER, 'web', [awsstory.subnet_id(PROVIDER, 0)], [NGINX], 80)
    awsstory.healthy(it, PROVIDER, group, 1, 'nginx becomes healthy')
    zones = it.call('the load balancer is in zone', 'provider',
                    f'elbv2 describe-load-balancers --load-balancer-arns {arn} '
                    '--query "{zones: LoadBalancers[0].AvailabilityZones[].ZoneName}"',
                    ['ap-northeast-1a'], 'zones').pick('zones')
    known = it.make('provider', 'ec2 describe-availability-zones', 'AvailabilityZones')
    names = {z['ZoneName']: z['ZoneId'] for z in known}
    it.step('included zones', {'ap-northeast-1a': 'apne1-az4'}, {z: names.get(z) for z in zones or []})
    it.step('excluded zones', {z: ZONES[z] for z in ('ap-northeast-1c', 'ap-northeast-1d')},
            {z: i for z, i in names.items() if z not in (zones or [])})
    made = it.call('create the endpoint service', 'provider', 'ec2 create-vpc-endpoint-service-configuration '
                   f'--network-load-balancer-arns {arn} --acceptance-required', 'Available',
                   'ServiceConfiguration.ServiceState')
    service = made.pick('ServiceConfiguration') or {}
    it.step('zones of the service', ['ap-northeast-1a'], service.get('AvailabilityZones'))
    return service.get('ServiceName'), service.get('ServiceId')


def verify(it, name, service):
    """The consumer looks for the name: before and after it is allowed."""
    line = f'ec2 describe-vpc-endpoint-services --service-names {name}'
    it.call('the consumer verifies the name before it is allowed', 'consumer', line, 'InvalidServiceName')
    it.call('the provider allows the consumer', 'provider', 'ec2 modify-vpc-endpoint-service-permissions '
            f'--service-id {service} --add-allowed-principals arn:aws:iam::{CONSUMER["account"]}:root',
            True, 'ReturnValue')
    found = it.call('service name found', 'consumer', line, [name], 'ServiceNames')
    it.step('the zones that both have, as the consumer names them', ['ap-northeast-1c'],
            found.pick('ServiceDetails.0.AvailabilityZones'))


def subscribe(it, name):
    """The consumer creates its endpoint; its id."""
    line = ('ec2 create-vpc-endpoint --vpc-endpoint-type Interface --vpc-id '
            f'{awsstory.vpc_id(CONSUMER)} --service-name {name} --security-group-ids '
            f'{awsstory.group_id(CONSUMER)} --subnet-ids ')
    refused = it.call('an endpoint in a zone that the service lacks', 'consumer', line + IN_1A,
                      'InvalidParameter')
    it.step('the message names the subnet', True, IN_1A in refused.text, said=refused.text)
    made = it.call('an endpoint in the zone of the service', 'consumer', line + IN_1C, 'pendingAcceptance',
                   'VpcEndpoint.State')
    return made.pick('VpcEndpoint.VpcEndpointId')


def accept(it, name, service, endpoint):
    """The provider sees the request and accepts it; the consumer sees the endpoint."""
    rows = it.make('provider', 'ec2 describe-vpc-endpoint-connections --filters '
                   f'Name=service-id,Values={service}', 'VpcEndpointConnections') or [{}]
    it.step('the provider sees the request: id, owner, state',
            [endpoint, CONSUMER['account'], 'pendingAcceptance'],
            [rows[0].get(k) for k in ('VpcEndpointId', 'VpcEndpointOwner', 'VpcEndpointState')])
    it.step('and when it was made', True, bool(rows[0].get('CreationTimestamp')))
    eni = it.enis('consumer', endpoint).get('ap-northeast-1c')
    it.step('HTTP before the provider accepts', 'timeout',
            it.get('consumer', eni, 80, awsstory.story.IN_VAIN_S)[0])
    it.call('the provider accepts', 'provider', 'ec2 accept-vpc-endpoint-connections '
            f'--service-id {service} --vpc-endpoint-ids {endpoint}', [], 'Unsuccessful')
    got = it.until('the endpoint becomes', 'consumer',
                   f'ec2 describe-vpc-endpoints --vpc-endpoint-ids {endpoint}', 'available',
                   'VpcEndpoints.0.State')
    it.step('its type and service', ['Interface', name],
            [got.pick('VpcEndpoints.0.VpcEndpointType'), got.pick('VpcEndpoints.0.ServiceName')])
    return eni, [e['DnsName'] for e in got.pick('VpcEndpoints.0.DnsEntries') or []]


def run(opts, say):
    """Play it."""
    conf = awsstory.config('ap-northeast-1', [PROVIDER, CONSUMER])
    with awsstory.begin(opts, say, conf, {'provider': [NGINX]},
                        lambda made: peers.nginx(made, 'provider', NGINX, 80, proxy=False)) as it:
        name, service = publish(it)
        verify(it, name, service)
        endpoint = subscribe(it, name)
        eni, names = accept(it, name, service, endpoint)
        zonal = [n for n in names if 'ap-northeast-1c' in n]
        it.step('the endpoint has a regional and a zonal name', [True, 1],
                [bool(names) and names[0].startswith(endpoint), len(zonal)])
        for kind, host in (('regional', names[0] if names else None), ('zonal', zonal[0] if zonal else None)):
            it.lookup(f'the {kind} name leads to the endpoint', 'consumer', host, [eni])
            status, body = it.get('consumer', host, 80)
            it.step(f'HTTP from the consumer by the {kind} name', 'HTTP 200', status)
            it.step('the page is from nginx', 'nginx', body.get('server'))
        return it.result()
