# SPDX-License-Identifier: BSD-3-Clause
"""Stories told with the stock `aws` client: a region without PrivateLink in it, and accounts that make
the rest by calls, as the mission's documents do."""

import contextlib
import copy
import json
import os
import re
import shlex

from . import apilab, lab, proc, region, story

AWS = '/usr/bin/aws'
TIME_SCALE = 10     # health checks and draining run so many times as fast


def network(name, account, zones, net, subnets, **more):
    """Owner and VPC of one role: zones maps the names it has for zones to their ids; subnets are the names
    of their zones; routed: there are hosts beyond a router. Subnets are large: addresses that are given
    out hit no host of the lab."""
    return {'name': name, 'account': account, 'zones': zones, 'net': net, 'subnets': subnets, **more}


def subnet_id(role, idx):
    return apilab.two.numbered('subnet', role['account'], idx)


def vpc_id(role):
    return apilab.two.numbered('vpc', role['account'])


def group_id(role):
    return apilab.two.numbered('sg', role['account'])


def gateway(role, idx):
    """Part of a subnet: its router, if the network has some."""
    return {'gateway': f'{role["net"]}.{16 * idx}.254'} if role.get('routed') else {}


def config(name, roles):
    """The configuration of a region with these networks."""
    zones = sorted({z for r in roles for z in r['zones'].values()})
    return {
        'region': name, 'zones': zones,
        'accounts': [{'id': r['account'], 'name': r['name'], 'zones': r['zones']} for r in roles],
        'dpdk': {'workers': 1, 'memory_mb': 512, 'mbufs': 32768,
                 'ports': [region.port(r['name'], i, 1) for i, r in enumerate(roles)]},
        'limits': {'flows': 131072},
        'settings': {'lab_time_scale': TIME_SCALE}, 'dns': {'enabled': True},
        'vpcs': [{'name': r['name'], 'id': vpc_id(r), 'owner': r['name'], 'cidrs': [f'{r["net"]}.0.0/16'],
                  'attachment': {'port': r['name']},
                  'subnets': [{'name': f's{i}', 'id': subnet_id(r, i), 'zone': zone,
                               'cidr': f'{r["net"]}.{16 * i}.0/20', **gateway(r, i)}
                              for i, zone in enumerate(r['subnets'])],
                  'security_groups': [{'name': 'open', 'id': group_id(r),
                                       'ingress': [{'cidr': '0.0.0.0/0'}]}]} for r in roles],
    }


class Answer:
    """What a call of the client came to: data, or error code and text."""

    def __init__(self, done):
        self.data = json.loads(done.stdout) if done.stdout.strip() else {}
        self.text = done.stderr.strip()
        found = re.search(r'An error occurred \((\S+)\)', self.text)
        self.code = found[1] if found else None if done.returncode == 0 else f'exit {done.returncode}'

    def pick(self, path):
        """What lies at a path such as `Services.0.Id`; None if there is nothing."""
        value = self.data
        for part in path.split('.'):
            try:
                value = value[int(part)] if part.isdigit() else value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return value


class AwsStory(story.Story):
    """A story whose people have access keys."""

    def __init__(self, made, culvert, say, url, keys):
        super().__init__(made, culvert, say)
        self.url, self.keys = url, keys
        self.described = {}     # endpoint -> what was told of it last

    def env(self, role):
        """The client's environment for one role."""
        key, secret, _ = self.keys[role]
        env = {k: v for k, v in os.environ.items() if not k.startswith('AWS_')}
        return env | {'AWS_ACCESS_KEY_ID': key, 'AWS_SECRET_ACCESS_KEY': secret, 'AWS_PAGER': '',
                      'AWS_DEFAULT_REGION': self.conf['region'], 'AWS_MAX_ATTEMPTS': '1',
                      'HOME': self.lab.path('')}

    def aws(self, role, line):
        """`aws LINE` as one of the roles: an Answer, whatever it is."""
        argv = [AWS, '--endpoint-url', self.url, '--output', 'json', *shlex.split(line)]
        return Answer(proc.run(argv, env=self.env(role), check=False))

    def make(self, role, line, path=None):
        """A call that must succeed: what lies at the path of its answer."""
        got = self.aws(role, line)
        if got.code:
            raise proc.LabError(f'aws {line}: {got.text}')
        return got.pick(path) if path else got.data

    def call(self, what, role, line, expected, path=None):
        """A step: expected is an error code, or what lies at the path, or with no path True. The Answer."""
        got = self.aws(role, line)
        value = got.code or (got.pick(path) if path else True)
        more = {'command': f'aws {line}', **({'said': got.text} if got.text else {})}
        self.step(what, expected, value, **more)
        return got

    def until(self, what, role, line, expected, path, seconds=180):
        """A step: what lies at the path becomes what is expected, in time."""
        got = None

        def there():
            nonlocal got
            got = self.aws(role, line)
            return got.pick(path) == expected
        with contextlib.suppress(proc.LabError):
            proc.wait_for(there, seconds, what, step=0.5)
        self.step(what, expected, got.code or got.pick(path), command=f'aws {line}')
        return got

    def describe(self, role, endpoint):
        """What there is to say of an endpoint now."""
        line = f'ec2 describe-vpc-endpoints --vpc-endpoint-ids {endpoint}'
        self.described[endpoint] = self.make(role, line, 'VpcEndpoints.0')
        return self.described[endpoint]

    def names(self, role, endpoint):
        """DNS names of an endpoint, as it was described last: the regional one by None, zonal ones by the
        caller's name of the zone."""
        known = self.described.get(endpoint) or self.describe(role, endpoint)
        known = [e['DnsName'] for e in known['DnsEntries']]
        found = {None: known[0]} if known else {}
        for zone in self.zones(role):
            found |= {zone: n for n in known if n.partition('.')[0].endswith(f'-{zone}')}
        return found

    def zones(self, role):
        """Names that an account has for zones."""
        return next(a['zones'] for a in self.conf['accounts'] if a['name'] == role)

    def lookup(self, what, role, name, expected, ns=None):
        """A step: the stock resolver of the role's client, or of another namespace, has the addresses."""
        got = []

        def there():
            done = proc.run(['getent', 'ahostsv4', name or '-'], ns=ns or self.lab.ns(role), check=False)
            got[:] = sorted({line.split()[0] for line in done.stdout.splitlines() if line})
            return got == sorted(expected)
        with contextlib.suppress(proc.LabError):
            proc.wait_for(there, 60, what, step=0.2)
        self.step(what, sorted(expected), list(got), name=name)

    def enis(self, role, endpoint):
        """Addresses of an endpoint's interfaces by the caller's name of their zone."""
        ids = ' '.join(self.describe(role, endpoint)['NetworkInterfaceIds'])
        rows = self.make(role, f'ec2 describe-network-interfaces --network-interface-ids {ids}',
                         'NetworkInterfaces')
        return {r['AvailabilityZone']: r['PrivateIpAddress'] for r in rows}


@contextlib.contextmanager
def begin(opts, say, conf, hosts, servers):
    """A lab of the configuration's VPCs with these hosts in them (VPC -> addresses), servers started by
    servers(lab), an appliance with its APIs, and a user with a key in each account."""
    made = lab.Lab(apilab.two.with_hosts(conf, hosts), opts.prefix, say)
    with made:
        say('lab: namespaces, servers, culvertd')
        servers(made)
        for vpc in conf['vpcs']:
            made.resolver(made.ns(vpc['name']), apilab.two.name_server(vpc['cidrs'][0]))
        keys = apilab.new_keys({a['name']: a['id'] for a in conf['accounts']})
        culvert, url = apilab.start_appliance(made, copy.deepcopy(conf), keys)
        yield AwsStory(made, culvert, say, url, keys)
        culvert.stop()


def balancer(it, role, name, where, targets, port, health='', proxy=False):
    """An internal NLB with one listener and the target group behind it, as the documents make them:
    (its ARN, the group's). where: subnet ids; targets: addresses."""
    group = it.make(role['name'], f'elbv2 create-target-group --name {name} --protocol TCP --port {port} '
                    f'--vpc-id {vpc_id(role)} --target-type ip --health-check-interval-seconds 10 '
                    f'--healthy-threshold-count 2 --unhealthy-threshold-count 2 {health}',
                    'TargetGroups.0.TargetGroupArn')
    if proxy:
        it.make(role['name'], f'elbv2 modify-target-group-attributes --target-group-arn {group} '
                '--attributes Key=proxy_protocol_v2.enabled,Value=true')
    it.make(role['name'], f'elbv2 register-targets --target-group-arn {group} --targets '
            + ' '.join(f'Id={ip}' for ip in targets))
    arn = it.make(role['name'], f'elbv2 create-load-balancer --name {name} --type network --scheme internal '
                  f'--subnets {" ".join(where)}', 'LoadBalancers.0.LoadBalancerArn')
    it.make(role['name'], f'elbv2 create-listener --load-balancer-arn {arn} --protocol TCP --port {port} '
            f'--default-actions Type=forward,TargetGroupArn={group}')
    it.make(role['name'], f'elbv2 wait load-balancer-available --load-balancer-arns {arn}')
    return arn, group


def healthy(it, role, group, n, what=None):
    """A step: all n targets of the group become healthy."""
    it.until(what or 'its targets become healthy', role['name'],
             f'elbv2 describe-target-health --target-group-arn {group} '
             '--query "{states: TargetHealthDescriptions[].TargetHealth.State}"', ['healthy'] * n, 'states')
