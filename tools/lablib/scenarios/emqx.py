# SPDX-License-Identifier: BSD-3-Clause
"""An MQTT platform reaches a broker in its customer's VPC, with the stock `aws` client: zones are matched by
their ids, the health check has a port of its own, the platform's account is allowed, its endpoint accepted;
then sessions run. At last the provider deletes first, and the platform's status shows it.
"""

import pathlib

from cvlab import awsstory, peers, proc

SUMMARY = 'MQTT through an endpoint; zones matched by id; the provider deletes first'
NEEDS = ['aws']
BROKERS = ['10.0.0.201', '10.0.16.201']
MQTT, HEALTH = 1883, 18083
ZONES = {'us-east-1a': 'use1-az1', 'us-east-1b': 'use1-az2', 'us-east-1c': 'use1-az3'}
PLATFORM_ZONES = {'us-east-1a': 'use1-az3', 'us-east-1b': 'use1-az1', 'us-east-1c': 'use1-az2'}
CUSTOMER = awsstory.network('customer', '123456789012', ZONES, '10.0', list(ZONES))
# The platform is in az1 and az2, which it calls 1b and 1c.
PLATFORM = awsstory.network('platform', '210987654321', PLATFORM_ZONES, '10.0', ['us-east-1b', 'us-east-1c'])
table = awsstory.story.table


def broker(made, ip):
    """mosquitto, and a web page on the port that is checked."""
    where = pathlib.Path(made.path(f'mosquitto-{ip}.conf'))
    where.write_text(f'listener {MQTT} {ip}\nallow_anonymous true\npersistence false\nuser root\n',
                     encoding='ascii')
    made.spawn(f'mosquitto-{ip}', ['mosquitto', '-c', where], ns=made.ns('customer', ip))
    peers.nginx(made, 'customer', ip, HEALTH, proxy=False)


def servers(made):
    """A broker in each of the two zones."""
    for ip in BROKERS:
        broker(made, ip)


def zone_ids(it, role):
    """Ids of an account's zones by the names that it has for them."""
    rows = it.make(role, 'ec2 describe-availability-zones', 'AvailabilityZones')
    return {r['ZoneName']: r['ZoneId'] for r in rows}


def publish(it):
    """The customer's part: zones by id, target group, load balancer, service."""
    rows = it.make('platform', 'ec2 describe-subnets', 'Subnets')
    wanted = sorted(r['AvailabilityZoneId'] for r in rows)
    it.step('zone ids of the platform, as its guideline shows them', ['use1-az1', 'use1-az2'], wanted)
    mine = {zone: name for name, zone in zone_ids(it, 'customer').items()}
    names = [mine[z] for z in wanted]
    it.step("the customer's names for them", ['us-east-1a', 'us-east-1b'], names)
    theirs = zone_ids(it, 'platform')
    it.step('the platform has other names', True, all(theirs[n] != z for n, z in zip(names, wanted)))
    where = [r['SubnetId'] for n in names for r in it.make('customer', 'ec2 describe-subnets', 'Subnets')
             if r['AvailabilityZone'] == n]
    arn, group = awsstory.balancer(
        it, CUSTOMER, 'mqtt', where, BROKERS, MQTT,
        health=f'--health-check-protocol TCP --health-check-port {HEALTH}')
    it.call('the health check has a port of its own', 'customer',
            f'elbv2 describe-target-groups --target-group-arns {group}', str(HEALTH),
            'TargetGroups.0.HealthCheckPort')
    awsstory.healthy(it, CUSTOMER, group, 2, 'the port status of both brokers becomes healthy')
    made = it.call('endpoint service of IP address type IPv4', 'customer',
                   'ec2 create-vpc-endpoint-service-configuration --supported-ip-address-types ipv4 '
                   f'--acceptance-required --network-load-balancer-arns {arn}', ['ipv4'],
                   'ServiceConfiguration.SupportedIpAddressTypes')
    service = made.pick('ServiceConfiguration') or {}
    it.step('the service has both zones', names, sorted(service.get('AvailabilityZones', [])))
    return service.get('ServiceName'), service.get('ServiceId')


def status(state):
    """What the platform's console says of an endpoint's state."""
    return {'available': 'running', 'rejected': 'failed', 'failed': 'failed',
            'pendingAcceptance': 'waiting', 'pending': 'waiting'}.get(state, state)


def connect(it, name, service):
    """Allow the platform, let it create its endpoint, accept: the endpoint's id."""
    arn = it.make('platform', 'sts get-caller-identity', 'Arn')
    it.call("the customer allows the platform's ARN", 'customer',
            f'ec2 modify-vpc-endpoint-service-permissions --service-id {service} '
            f'--add-allowed-principals {arn}', True, 'ReturnValue')
    subnets = f'{awsstory.subnet_id(PLATFORM, 0)} {awsstory.subnet_id(PLATFORM, 1)}'
    made = it.call('the platform creates its PrivateLink', 'platform',
                   f'ec2 create-vpc-endpoint --vpc-endpoint-type Interface --service-name {name} '
                   f'--vpc-id {awsstory.vpc_id(PLATFORM)} --subnet-ids {subnets} '
                   f'--security-group-ids {awsstory.group_id(PLATFORM)}',
                   'pendingAcceptance', 'VpcEndpoint.State')
    endpoint = made.pick('VpcEndpoint.VpcEndpointId')
    it.call('the customer accepts the endpoint connection request', 'customer',
            f'ec2 accept-vpc-endpoint-connections --service-id {service} --vpc-endpoint-ids {endpoint}',
            [], 'Unsuccessful')
    got = it.until('state of the endpoint', 'platform',
                   f'ec2 describe-vpc-endpoints --vpc-endpoint-ids {endpoint}', 'available',
                   'VpcEndpoints.0.State')
    it.step('status in the platform', 'running', status(got.pick('VpcEndpoints.0.State')))
    return endpoint


def message(it, host, topic, broker_ip):
    """Publish through the endpoint, to be read at the broker itself: what arrived there."""
    sub = ['mosquitto_sub', '-h', broker_ip, '-p', MQTT, '-t', topic, '-C', 1, '-W', 25]
    pub = ['timeout', 25, 'mosquitto_pub', '-h', host, '-p', MQTT, '-t', topic, '-q', 1, '-r', '-m',
           'from the platform']
    done = proc.run(pub, ns=it.lab.ns('platform'), check=False, timeout=30)
    if done.returncode:
        return f'exit {done.returncode}: {(done.stderr or done.stdout).strip()}'
    return proc.run(sub, ns=it.lab.ns('customer', broker_ip), check=False, timeout=30).stdout.strip()


def talk(it, endpoint):
    """MQTT through each interface: zones are apart, so the broker is that of the interface's zone."""
    enis, names = it.enis('platform', endpoint), it.names('platform', endpoint)
    it.step('an interface in each zone', ['us-east-1b', 'us-east-1c'], sorted(enis))
    it.lookup('the regional name leads to both', 'platform', names.get(None), list(enis.values()))
    for zone, ip in zip(('us-east-1b', 'us-east-1c'), BROKERS):
        it.lookup(f'the name of {zone} leads to its interface', 'platform', names.get(zone), [enis.get(zone)])
        it.step(f'a message published by it in {zone} arrives at the broker there', 'from the platform',
                message(it, names.get(zone), f'lab/{zone}', ip))
    return enis


def part(it, service, endpoint, eni):
    """The provider goes first: refused while attached; after it rejects, the status shows it."""
    refused = it.call('the customer deletes the service while the platform is attached', 'customer',
                      f'ec2 delete-vpc-endpoint-service-configurations --service-ids {service}',
                      'ExistingVpcEndpointConnections', 'Unsuccessful.0.Error.Code')
    it.step('of which service', service, refused.pick('Unsuccessful.0.ResourceId'))
    it.call('it rejects the connection', 'customer', 'ec2 reject-vpc-endpoint-connections '
            f'--service-id {service} --vpc-endpoint-ids {endpoint}', [], 'Unsuccessful')
    it.call('and deletes the service', 'customer', 'ec2 delete-vpc-endpoint-service-configurations '
            f'--service-ids {service}', [], 'Unsuccessful')
    got = it.aws('platform', f'ec2 describe-vpc-endpoints --vpc-endpoint-ids {endpoint}')
    it.step('status in the platform', 'failed', status(got.pick('VpcEndpoints.0.State')))
    it.step('no session can be made', True, 'from the platform' != message(it, eni, 'lab/x', BROKERS[0]))
    it.call('the platform deletes its PrivateLink', 'platform',
            f'ec2 delete-vpc-endpoints --vpc-endpoint-ids {endpoint}', [], 'Unsuccessful')


def run(opts, say):
    """Play it."""
    conf = awsstory.config('us-east-1', [CUSTOMER, PLATFORM])
    with awsstory.begin(opts, say, conf, {'customer': BROKERS}, servers) as it:
        name, service = publish(it)
        endpoint = connect(it, name, service)
        enis = talk(it, endpoint)
        part(it, service, endpoint, enis.get('us-east-1b'))
        return it.result()
