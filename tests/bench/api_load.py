#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Load the AWS APIs: calls at a fixed rate, half of them changes, with many endpoints present.

culvertd's control and API threads get one core, its worker and this client the other. Calls are sent when
they are due, whatever became of those before; the time of a call counts from when it was due. Meanwhile
culvert-bench, on the worker's core too, sends packets over open connections through the same culvertd, by
memif: how many are lost it tells, and culvertd's own counters. Prints JSON.
"""

import argparse
import collections
import hashlib
import heapq
import hmac
import json
import os
import pathlib
import random
import re
import selectors
import socket
import subprocess
import sys
import time
import urllib.parse
import uuid

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / 'tests' / 'lab'))
sys.dont_write_bytecode = True
import api_world  # noqa: E402
from api_world import CONSUMER, KEYS, REGION, VERSIONS, culvertd  # noqa: E402

CONNECTIONS = 32
# What culvert-bench plays: connections through an endpoint of its own, to targets that nobody changes.
TRAFFIC_ENI, TRAFFIC_CLIENTS = '10.64.0.10', '10.127.0.0/20'
TRAFFIC_SERVERS = [f'10.0.2.{i}' for i in range(20, 52)]
FLOWS = 5000


def traffic_add(conf, tag):
    """What culvert-bench dials, and memif ports to it."""
    for i, port in enumerate(conf['dpdk']['ports']):
        port['device'] = f'net_memif{i},role=server,id=0,socket={tag}-{port["name"]}'
    conf['dpdk']['mbufs'] = 16384
    conf['dpdk']['eal_args'] += ['--file-prefix', tag]
    conf['limits']['flows'] = 65536
    conf['target_groups'].append({
        'name': 'traffic', 'vpc': 'provider', 'port': 8080, 'health_check': {'enabled': False},
        'attributes': {'proxy_protocol_v2.enabled': True}, 'targets': [{'ip': t} for t in TRAFFIC_SERVERS]})
    conf['load_balancers'].append({
        'name': 'traffic', 'vpc': 'provider', 'subnets': [{'subnet': 'provider-2'}],
        'listeners': [{'port': 80, 'target_group': 'traffic'}]})
    conf['endpoint_services'].append({
        'name': 'traffic', 'load_balancers': ['traffic'], 'acceptance_required': False,
        'allowed_principals': [f'arn:aws:iam::{CONSUMER}:root']})
    conf['endpoints'].append({'name': 'traffic', 'vpc': 'consumer', 'service': 'traffic',
                              'subnets': [{'subnet': 'consumer-0', 'ip': TRAFFIC_ENI}]})


def config(n_endpoints, core):
    conf = api_world.config()
    for vpc, cidr in zip(conf['vpcs'], ('10.0.0.0/16', '10.64.0.0/10')):
        vpc['cidrs'] = [cidr]
    for i, subnet in enumerate(conf['vpcs'][1]['subnets']):
        subnet['cidr'] = f'10.{64 + 4 * i}.0.0/16'
    conf['dpdk'].update({'memory_mb': 512, 'workers': 1, 'main_core': core, 'cores': [1 - core]})
    conf['limits'].update({'endpoints': n_endpoints + 20000, 'endpoints_per_vpc': 20000, 'targets': 4000})
    conf['target_groups'] = [{'name': 'web', 'vpc': 'provider', 'port': 80,
                              'health_check': {'enabled': False},
                              'targets': [{'ip': f'10.0.1.{i}', 'port': 80} for i in range(20, 120)]}]
    conf['load_balancers'] = [{
        'name': 'nlb', 'vpc': 'provider', 'subnets': [{'subnet': f'provider-{i}'} for i in (1, 2)],
        'attributes': {'load_balancing.cross_zone.enabled': True},
        'listeners': [{'port': 80, 'target_group': 'web'}]}]
    conf['endpoint_services'] = [{
        'name': 'svc', 'load_balancers': ['nlb'], 'acceptance_required': False,
        'allowed_principals': [f'arn:aws:iam::{CONSUMER}:root']}]
    conf['endpoints'] = [{'name': f'e{i}', 'vpc': 'consumer', 'service': 'svc',
                          'subnets': [{'subnet': f'consumer-{i % 2}'}]} for i in range(n_endpoints)]
    return conf


class Traffic:
    """culvert-bench beside the calls, and what culvertd counts of it."""

    def __init__(self, it, tag, rate, core):
        self.it, self.tag, self.rate, self.core = it, tag, rate, core
        self.child = self.counted = None
        self.log = it.dir / 'traffic.log'

    def begin(self, seconds):
        client, server = (f'net_memif{i},role=client,id=0,socket={self.tag}-{name}'
                          for i, name in enumerate(('consumer', 'provider')))
        argv = [culvertd.BUILD / 'app' / 'culvert-bench', 'established', '--no-huge',
                '--cores', self.core, '--client', client, '--server', server,
                '--clients', TRAFFIC_CLIENTS, '--dial', f'{TRAFFIC_ENI}:80',
                '--servers', f'{TRAFFIC_SERVERS[0]}-{TRAFFIC_SERVERS[-1]}:8080',
                '--proxy', 'require', '--verify', '--flows', FLOWS, '--rate', self.rate,
                '--duration', seconds, '--json', self.it.dir / 'traffic.json']
        with open(self.log, 'wb') as log:
            self.child = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=log,
                                          stderr=log)
        # Its first line comes a second after all connections are open.
        self.it.wait(lambda: self.child.poll() is not None or 'pps' in self.text())
        self.counted = self.counts()

    def text(self):
        return self.log.read_text(encoding='utf-8', errors='replace')

    def counts(self):
        """culvertd's packets in, out and dropped, by reason."""
        def show(what):
            argv = [culvertd.CULVERTCTL, '-s', self.it.conf['control']['socket'], 'show', what, '--json']
            return json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
        ports = show('ports')['ports']
        found = {key: sum(p[key] for p in ports) for key in
                 ('rx_packets', 'tx_packets', 'rx_missed', 'rx_errors', 'rx_no_mbuf', 'tx_errors')}
        return found | {f'dropped {d["reason"]}': d['packets'] for d in show('drops')['drops']}

    def calls_end(self):
        """No more calls. Before its end, too: a memif port's counters begin anew with each peer."""
        self.counted = {key: n - self.counted.get(key, 0) for key, n in self.counts().items()}

    def end(self, seconds):
        """Wait for its end; the report."""
        if self.child.wait(seconds) not in (0, 1):
            raise RuntimeError(f'culvert-bench: {self.text()[-500:]}')
        found = json.loads((self.it.dir / 'traffic.json').read_text())
        result = found['result']
        return {'flows': FLOWS, 'ok': found['ok'], 'errors': found['errors'],
                **{key: result[key] for key in ('seconds', 'offered', 'sent', 'received', 'lost', 'unsent',
                                                'late')},
                'open_failed': found['flows']['open_failed'],
                'culvertd': {key: n for key, n in self.counted.items() if n}}

    def stop(self):
        if self.child is not None and self.child.poll() is None:
            self.child.kill()
            self.child.wait()


class Signer:
    """Signature Version 4 of form-encoded POSTs."""

    def __init__(self, host):
        self.host = host
        self.keys = {}

    def request(self, who, service, body):
        key, secret = KEYS[who][:2]
        now = time.gmtime()
        at, day = time.strftime('%Y%m%dT%H%M%SZ', now), time.strftime('%Y%m%d', now)
        scope = f'{day}/{REGION}/{service}/aws4_request'
        if (who, service, day) not in self.keys:
            made = ('AWS4' + secret).encode()
            for part in scope.split('/'):
                made = hmac.digest(made, part.encode(), 'sha256')
            self.keys[who, service, day] = made
        names = 'content-type;host;x-amz-date'
        canonical = (f'POST\n/\n\ncontent-type:{api_world.FORM}\nhost:{self.host}\nx-amz-date:{at}\n\n'
                     f'{names}\n{hashlib.sha256(body.encode()).hexdigest()}')
        text = f'AWS4-HMAC-SHA256\n{at}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}'
        sig = hmac.digest(self.keys[who, service, day], text.encode(), 'sha256').hex()
        return (f'POST / HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: {api_world.FORM}\r\n'
                f'X-Amz-Date: {at}\r\nAuthorization: AWS4-HMAC-SHA256 Credential={key}/{scope}, '
                f'SignedHeaders={names}, Signature={sig}\r\n'
                f'Content-Length: {len(body)}\r\n\r\n{body}').encode()


class Mix:
    """The calls: half of them look, half of them change."""

    def __init__(self, it, seed):
        self.random = random.Random(seed)
        ec2 = it.boto('ec2')
        pages = ec2.get_paginator('describe_vpc_endpoints').paginate(PaginationConfig={'PageSize': 1000})
        self.endpoints = [e['VpcEndpointId'] for page in pages for e in page['VpcEndpoints']]
        self.vpc = ec2.describe_vpcs()['Vpcs'][0]['VpcId']
        self.subnet = [s['SubnetId'] for s in ec2.describe_subnets()['Subnets']][0]
        self.service = it.boto('ec2', 'provider').describe_vpc_endpoint_service_configurations()[
            'ServiceConfigurations'][0]['ServiceName']
        self.web = it.boto('elbv2', 'provider').describe_target_groups(Names=['web'])[
            'TargetGroups'][0]['TargetGroupArn']
        self.made, self.n = collections.deque(), 0

    def next(self):
        """(name, who, service, body)"""
        self.n += 1
        dice = self.random.random()
        one = self.random.choice(self.endpoints)
        if dice < 0.4:
            return self.call('DescribeVpcEndpoints', 'consumer', 'ec2', **{'VpcEndpointId.1': one})
        if dice < 0.5:
            return self.call('DescribeTargetHealth', 'provider', 'elasticloadbalancing',
                             TargetGroupArn=self.web)
        if dice < 0.8:
            return self.call('CreateTags', 'consumer', 'ec2', **{
                'ResourceId.1': one, 'Tag.1.Key': 'load', 'Tag.1.Value': str(self.n)})
        if dice < 0.9:
            verb = 'Register' if self.random.random() < 0.5 else 'Deregister'
            return self.call(verb + 'Targets', 'provider', 'elasticloadbalancing', **{
                'TargetGroupArn': self.web, 'Targets.member.1.Port': '81',
                'Targets.member.1.Id': f'10.0.1.{self.random.randrange(20, 60)}'})
        if dice < 0.95 or not self.made:
            return self.call('CreateVpcEndpoint', 'consumer', 'ec2', **{
                'VpcEndpointType': 'Interface', 'VpcId': self.vpc, 'ServiceName': self.service,
                'SubnetId.1': self.subnet, 'ClientToken': str(uuid.uuid4())})
        return self.call('DeleteVpcEndpoints', 'consumer', 'ec2',
                         **{'VpcEndpointId.1': self.made.popleft()})

    @staticmethod
    def call(name, who, service, **params):
        form = {'Action': name, 'Version': VERSIONS[service], **params}
        return name, who, service, urllib.parse.urlencode(form, quote_via=urllib.parse.quote)

    def answered(self, name, body):
        if name == 'CreateVpcEndpoint':
            found = re.search(rb'<vpcEndpointId>([^<]+)', body)
            if found:
                self.made.append(found[1].decode())


class Connection:
    def __init__(self, port):
        self.sock = socket.create_connection(('127.0.0.1', port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.call = None
        self.data = b''

    def send(self, call, data):
        self.call, self.data = call, b''
        self.sock.sendall(data)

    def take(self):
        """(status, body) once all of an answer is there."""
        more = self.sock.recv(262144)
        if not more:
            raise ConnectionError('culvertd has closed a connection')
        self.data += more
        head, blank, body = self.data.partition(b'\r\n\r\n')
        if not blank:
            return None
        want = int(re.search(rb'(?i)content-length: (\d+)', head)[1])
        return (int(head[9:12]), body) if len(body) >= want else None


class Load:
    def __init__(self, it, rate, seconds):
        self.mix = Mix(it, 1)
        self.signer = Signer(f'127.0.0.1:{it.port}')
        self.rate, self.seconds = rate, seconds
        self.times, self.failed = collections.defaultdict(list), collections.Counter()
        self.select = selectors.DefaultSelector()
        self.idle = [Connection(it.port) for _ in range(CONNECTIONS)]
        for one in self.idle:
            self.select.register(one.sock, selectors.EVENT_READ, one)

    def send_due(self, due):
        while due and due[0] <= time.monotonic() and self.idle:
            at = heapq.heappop(due)
            name, who, service, body = self.mix.next()
            self.idle.pop().send((name, at), self.signer.request(who, service, body))

    def take(self, timeout):
        for key, _ in self.select.select(max(0, timeout)):
            got = key.data.take()
            if got is None:
                continue
            name, at = key.data.call
            self.times[name].append(time.monotonic() - at)
            self.mix.answered(name, got[1])
            if got[0] != 200:
                code = re.search(rb'<Code>([^<]+)', got[1])
                self.failed[f'{name} {code[1].decode() if code else got[0]}'] += 1
            self.idle.append(key.data)

    def run(self):
        begin = time.monotonic() + 0.1
        due = [begin + i / self.rate for i in range(int(self.rate * self.seconds))]
        while due or len(self.idle) < CONNECTIONS:
            self.send_due(due)
            self.take(0.2 if not due or not self.idle else due[0] - time.monotonic())
        return time.monotonic() - begin


def cpu_seconds(pid, core):
    """Of all threads of a process that last ran on a core."""
    total = 0
    for task in pathlib.Path(f'/proc/{pid}/task').iterdir():
        fields = (task / 'stat').read_text().rpartition(')')[2].split()
        if int(fields[36]) == core:
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf('SC_CLK_TCK')


def go_first(pid):
    """All but the workers before whatever else this machine does; threads to come inherit it."""
    for task in pathlib.Path(f'/proc/{pid}/task').iterdir():
        if 'worker' not in (task / 'comm').read_text():
            os.sched_setscheduler(int(task.name), os.SCHED_FIFO, os.sched_param(40))


def summary(times):
    times = sorted(times)
    at = {p: times[min(len(times) - 1, len(times) * p // 100)] for p in (50, 90, 99)}
    return {'calls': len(times), **{f'p{p}_ms': round(t * 1e3, 2) for p, t in at.items()},
            'max_ms': round(times[-1] * 1e3, 2)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n', maxsplit=1)[0])
    parser.add_argument('--rate', type=int, default=1000, help='calls per second (1000)')
    parser.add_argument('--seconds', type=float, default=10, help='for so long (10)')
    parser.add_argument('--endpoints', type=int, default=10000, help='of the configuration file (10000)')
    parser.add_argument('--state', help='where the state file is (default: a directory in /tmp)')
    parser.add_argument('--traffic', type=int, default=10000, help='packets per second; 0: none (10000)')
    parser.add_argument('--first', action='store_true',
                        help='culvertd goes before all else on its core: for a machine that is not quiet')
    args = parser.parse_args()
    core = 0
    tag = f'cvl-api-load-{os.getpid()}'
    conf = config(args.endpoints, core)
    if args.traffic:
        traffic_add(conf, tag)
    it = api_world.Appliance(conf, {'requests_per_second': 0, 'connections_per_client': 256})
    traffic = Traffic(it, tag, args.traffic, 1 - core)
    if args.state:
        it.conf['control']['state'] = args.state
    try:
        it.start()
        if args.first:
            go_first(it.child.pid)
        load = Load(it, args.rate, args.seconds)
        if args.traffic:
            traffic.begin(args.seconds + 2)
        os.sched_setaffinity(0, {1 - core})
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
        before = cpu_seconds(it.child.pid, core)
        took = load.run()
        used = cpu_seconds(it.child.pid, core) - before
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        if args.traffic:
            traffic.calls_end()
        carried = traffic.end(args.seconds + 30) if args.traffic else None
        print(json.dumps({
            'rate': round(sum(map(len, load.times.values())) / took), 'endpoints': len(load.mix.endpoints),
            'core_busy': round(used / took, 2), 'failed': dict(load.failed), 'traffic': carried,
            'all': summary([t for times in load.times.values() for t in times]),
            **{name: summary(times) for name, times in sorted(load.times.items())}}, indent=1))
        print(it.log()[-1500:], file=sys.stderr)
    finally:
        traffic.stop()
        it.stop()


if __name__ == '__main__':
    main()
