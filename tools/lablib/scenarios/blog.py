# SPDX-License-Identifier: BSD-3-Clause
"""A service for many customers, as AWS's announcement of PrivateLink tells it, with the stock `aws` client:
two load balancers behind one service, a back end on premises beside those in the VPC, customers whose
addresses overlap with each other's and the provider's, a client on premises, and a routine that hears of the
requests of customers by SNS and answers them by a rule.
"""

from cvlab import awsstory, peers, proc, sns, two

SUMMARY = 'two load balancers, overlapping customers, an approver, clients and targets on premises'
NEEDS = ['aws']
PORT = 8080
CLOUD = {'east': '10.0.0.201', 'west': '10.0.16.201'}
ON_PREMISES, PREMISES_PORTS = '192.168.50.10', {'east': 8081, 'west': 8082}
OFFICE = '192.168.60.10'    # a client on premises, behind the router of the first customer
ZONES = {'us-east-1a': 'use1-az1', 'us-east-1b': 'use1-az2'}
SWAPPED = {'us-east-1a': 'use1-az2', 'us-east-1b': 'use1-az1'}
PROVIDER = awsstory.network('provider', '123456789012', ZONES, '10.0', list(ZONES), routed=True)
ACME = awsstory.network('acme', '210987654321', SWAPPED, '10.0', list(ZONES), routed=True)
GLOBEX = awsstory.network('globex', '310987654321', ZONES, '10.0', list(ZONES))
STRANGER = awsstory.network('stranger', '410987654321', ZONES, '10.0', list(ZONES))
CUSTOMERS = (ACME, GLOBEX, STRANGER)
APPROVED = {ACME['account'], GLOBEX['account']}
table = awsstory.story.table


def servers(made):
    """Back ends in the VPC and on premises."""
    for ip in CLOUD.values():
        peers.decoder(made, 'provider', ip, PORT)
    for port in PREMISES_PORTS.values():
        peers.decoder(made, 'provider', ON_PREMISES, port)
    office = made.add_ns('office')
    made.add_behind(made.ns('acme', 'gw'), 'office', office, OFFICE)
    made.resolver(office, two.name_server(f'{ACME["net"]}.0.0/16'))


def publish(it):
    """Two load balancers, one service for everybody who asks: its name and id."""
    where = [awsstory.subnet_id(PROVIDER, i) for i in range(2)]
    arns = []
    for name, ip in CLOUD.items():
        arn, group = awsstory.balancer(it, PROVIDER, name, where, [ip], PORT, proxy=True)
        it.make('provider', f'elbv2 register-targets --target-group-arn {group} --targets '
                f'Id={ON_PREMISES},Port={PREMISES_PORTS[name]},AvailabilityZone=all')
        it.make('provider', f'elbv2 modify-target-group-attributes --target-group-arn {group} '
                '--attributes Key=load_balancing.cross_zone.enabled,Value=true')
        awsstory.healthy(it, PROVIDER, group, 2, f'targets of {name} in the VPC and on premises are healthy')
        arns.append(arn)
    made = it.call('a service of two load balancers, by request', 'provider',
                   'ec2 create-vpc-endpoint-service-configuration --acceptance-required '
                   f'--network-load-balancer-arns {" ".join(arns)}', arns,
                   'ServiceConfiguration.NetworkLoadBalancerArns')
    service = made.pick('ServiceConfiguration') or {}
    it.call('everybody may ask', 'provider', 'ec2 modify-vpc-endpoint-service-permissions --service-id '
            f"{service.get('ServiceId')} --add-allowed-principals '*'", True, 'ReturnValue')
    return service.get('ServiceName'), service.get('ServiceId')


def subscribe(it, customer, name):
    """A customer finds the service by its name and asks: its endpoint's id."""
    who = customer['name']
    it.call(f'{who} verifies the name', who, f'ec2 describe-vpc-endpoint-services --service-names {name}',
            [name], 'ServiceNames')
    subnets = ' '.join(awsstory.subnet_id(customer, i) for i in range(2))
    made = it.call(f'{who} creates an endpoint', who, 'ec2 create-vpc-endpoint --vpc-endpoint-type '
                   f'Interface --service-name {name} --vpc-id {awsstory.vpc_id(customer)} --subnet-ids '
                   f'{subnets} --security-group-ids {awsstory.group_id(customer)}',
                   'pendingAcceptance', 'VpcEndpoint.State')
    return made.pick('VpcEndpoint.VpcEndpointId')


def approve(it, service, program):
    """The provider's routine: it hears of each request by SNS and answers it by the list of customers. What
    it did, by account."""
    done = {}
    for _ in CUSTOMERS:
        event = program.next()
        owner, endpoint = event.get('VpcEndpointOwner'), event.get('VpcEndpointId')
        it.step('the routine hears of a request', 'Connect', event.get('EventType'), owner=owner)
        verb = 'accept' if owner in APPROVED else 'reject'
        it.make('provider', f'ec2 {verb}-vpc-endpoint-connections --service-id {service} '
                f'--vpc-endpoint-ids {endpoint}')
        done[owner] = verb
    return done


def heard(program):
    """What became of the requests, as the routine is told: by account."""
    return {e.get('VpcEndpointOwner'): e.get('EventType') for e in (program.next() for _ in CUSTOMERS)}


def use(it, customer, endpoint):
    """Requests through each interface: who answered, and which load balancer serves it."""
    who = customer['name']
    enis, names = it.enis(who, endpoint), it.names(who, endpoint)
    it.lookup(f'{who}: the name of the endpoint leads to its interfaces', who, names.get(None),
              list(enis.values()))
    for zone, ip in sorted(enis.items()):
        it.lookup(f'the name of {zone} leads to the one there', who, names.get(zone), [ip])
        got = [it.get(who, names.get(zone), PORT) for _ in range(24)]
        it.step(f'{who} in {zone}: requests answered', ['HTTP 200'], sorted({status for status, _ in got}))
        it.step('the header tells the endpoint', [endpoint], sorted({str(b.get('vpce')) for _, b in got}))
        seen = {str(b.get('target')) for _, b in got}
        fits = [n for n in CLOUD if seen <= {f'{CLOUD[n]}:{PORT}', f'{ON_PREMISES}:{PREMISES_PORTS[n]}'}]
        it.step('one load balancer serves the interface', 1, len(fits), load_balancers=fits)
        it.step('a back end in the VPC answers, and the one on premises', 2, len(seen), targets=sorted(seen))


def office(it, endpoint):
    """A client on premises reaches the endpoint through the customer's router."""
    host = it.names('acme', endpoint).get(None)
    done = proc.run(['curl', '-s', '-m', 30, f'http://{host}:{PORT}/'], ns=f'{it.lab.prefix}.office',
                    check=False)
    it.step('a client on premises is served, and seen by its own address', True,
            f'"client": "{OFFICE}:' in done.stdout, said=done.stdout.strip())


def run(opts, say):
    """Play it."""
    conf = awsstory.config('us-east-1', [PROVIDER, *CUSTOMERS])
    hosts = {'provider': [*CLOUD.values(), ON_PREMISES]}
    with awsstory.begin(opts, say, conf, hosts, servers) as it, sns.Approver(it.lab) as program:
        name, service = publish(it)
        sns.listen(it, PROVIDER, service, program)
        endpoints = {c['name']: subscribe(it, c, name) for c in CUSTOMERS}
        it.step('the routine answers each request by its rule',
                {ACME['account']: 'accept', GLOBEX['account']: 'accept', STRANGER['account']: 'reject'},
                approve(it, service, program))
        it.step('and hears of its answers, all of it signed',
                ({ACME['account']: 'Accept', GLOBEX['account']: 'Accept', STRANGER['account']: 'Reject'}, 0),
                (heard(program), len(program.bad)))
        for customer, state in ((ACME, 'available'), (GLOBEX, 'available'), (STRANGER, 'rejected')):
            who = customer['name']
            it.until(f'the endpoint of {who} becomes', who, 'ec2 describe-vpc-endpoints --vpc-endpoint-ids '
                     f'{endpoints[who]}', state, 'VpcEndpoints.0.State')
        for customer in (ACME, GLOBEX):
            use(it, customer, endpoints[customer['name']])
        office(it, endpoints['acme'])
        ip = next(iter(it.enis('stranger', endpoints['stranger']).values()))
        it.step('the stranger gets nothing', 'timeout',
                it.get('stranger', ip, PORT, awsstory.story.IN_VAIN_S)[0])
        return it.result()
