# SPDX-License-Identifier: BSD-3-Clause
"""What an answer promised is there after a crash: culvertd is killed at random instants, under load.

CULVERT_KILL_ROUNDS says how often (12 if absent).
"""

import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
import uuid

import botocore.exceptions

import api_world
from api_world import CONSUMER
from harness import culvertd, note

ROUNDS = int(os.environ.get('CULVERT_KILL_ROUNDS', '12'))
DEAD = (botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError, ConnectionError)


def config():
    """The file has two load balancers, each with a service; everything else is made by calls."""
    conf = api_world.config()
    conf['target_groups'] = [{'name': name, 'vpc': 'provider', 'port': 80,
                              'targets': [{'ip': '10.0.1.50', 'port': 80}]}
                             for name in ('web', 'asks', 'for-b0', 'for-b1', 'for-b2')]
    conf['load_balancers'] = [{
        'name': name, 'vpc': 'provider', 'subnets': [{'subnet': 'provider-1'}, {'subnet': 'provider-2'}],
        'listeners': [{'port': 80, 'target_group': tg}]}
        for name, tg in (('nlb', 'web'), ('nlb-asks', 'asks'))]
    conf['endpoint_services'] = [{
        'name': name, 'load_balancers': [lb], 'acceptance_required': asks,
        'allowed_principals': [f'arn:aws:iam::{CONSUMER}:root']}
        for name, lb, asks in (('svc', 'nlb', False), ('asks', 'nlb-asks', True))]
    return conf


class Client:
    """Makes calls one after the other and knows what must be there: `sure` after an answer, `perhaps`
    (one more state for one thing) while a call is under way."""

    def __init__(self, it, seed):
        self.random = random.Random(seed)
        self.it = it
        self.sure, self.perhaps, self.n = {}, None, 0
        self.fault = None

    def run(self):
        try:
            while True:
                self.step()
                self.n += 1
        except DEAD:
            pass
        except Exception as e:  # pylint: disable=broad-except
            self.fault = e

    def change(self, key, value, call):
        """call() makes `key` have `value`."""
        self.perhaps = (key, value)
        got = call()
        self.sure[key] = value
        self.perhaps = None
        return got

    def check(self, case, key, is_now):
        """What is there must be what is sure, or what was under way; the latter is sure from now on."""
        want = [self.sure.get(key)]
        if self.perhaps is not None and self.perhaps[0] == key:
            want.append(self.perhaps[1])
        case.assertIn(is_now, want, key)
        self.sure[key] = is_now


class Tags(Client):
    """The same tag of two resources of the file, in one call."""

    def __init__(self, it, seed):
        super().__init__(it, seed)
        self.ec2 = it.boto('ec2', 'provider')
        self.ids = [s['SubnetId'] for s in self.ec2.describe_subnets()['Subnets']][:2]

    def step(self):
        tag = {'Key': f'k{self.random.randrange(4)}', 'Value': str(self.random.random())}
        self.change(tag['Key'], tag['Value'],
                    lambda: self.ec2.create_tags(Resources=self.ids, Tags=[tag]))

    def verify(self, case):
        subnets = self.ec2.describe_subnets(SubnetIds=self.ids)['Subnets']
        tags = [{t['Key']: t['Value'] for t in s.get('Tags', [])} for s in subnets]
        case.assertEqual(tags[0], tags[1], 'half of a call')
        for i in range(4):
            self.check(case, f'k{i}', tags[0].get(f'k{i}'))


class Groups(Client):
    """Target groups come and go; pairs of targets are registered with one of the file."""

    def __init__(self, it, seed):
        super().__init__(it, seed)
        self.sure = {f'pair{i}': False for i in range(3)}
        self.elb = it.boto('elbv2', 'provider')
        self.vpc = it.boto('ec2', 'provider').describe_vpcs()['Vpcs'][0]['VpcId']
        self.web = self.elb.describe_target_groups(Names=['web'])['TargetGroups'][0]['TargetGroupArn']

    def step(self):
        name = f'g{self.random.randrange(5)}'
        if self.random.random() < 0.4:
            self.pair(self.random.randrange(3))
        elif self.sure.get(name):
            arn = self.sure[name]
            self.change(name, None, lambda: self.elb.delete_target_group(TargetGroupArn=arn))
        else:
            self.perhaps = (name, 'any')
            self.sure[name] = self.elb.create_target_group(
                Name=name, Protocol='TCP', Port=80, VpcId=self.vpc,
                TargetType='ip')['TargetGroups'][0]['TargetGroupArn']
            self.perhaps = None

    def pair(self, i):
        targets = [{'Id': f'10.0.1.{100 + i}', 'Port': port} for port in (8000, 8001)]
        there = not self.sure[f'pair{i}']
        call = self.elb.register_targets if there else self.elb.deregister_targets
        self.change(f'pair{i}', there, lambda: call(TargetGroupArn=self.web, Targets=targets))

    def verify(self, case):
        arns = {g['TargetGroupName']: g['TargetGroupArn']
                for g in self.elb.describe_target_groups()['TargetGroups']}
        for i in range(5):
            name = f'g{i}'
            if self.perhaps == (name, 'any') and name in arns:
                self.perhaps = (name, arns[name])
            self.check(case, name, arns.get(name))
        health = self.elb.describe_target_health(TargetGroupArn=self.web)['TargetHealthDescriptions']
        there = [(h['Target']['Id'], h['Target']['Port']) for h in health
                 if h['TargetHealth']['State'] != 'draining']
        case.assertIn(('10.0.1.50', 80), there)
        for i in range(3):
            n = sum(ip == f'10.0.1.{100 + i}' for ip, _ in there)
            case.assertIn(n, (0, 2), 'half of a call')
            self.check(case, f'pair{i}', n == 2)


class Balancers(Client):
    """Load balancers come, with a listener by a call of its own, and go with it."""

    def __init__(self, it, seed):
        super().__init__(it, seed)
        self.elb = it.boto('elbv2', 'provider')
        self.subnet = it.boto('ec2', 'provider').describe_subnets()['Subnets'][0]['SubnetId']
        self.groups = {g['TargetGroupName'][4:]: g['TargetGroupArn'] for g in self.elb.describe_target_groups(
            Names=['for-b0', 'for-b1', 'for-b2'])['TargetGroups']}

    def step(self):
        name = f'b{self.random.randrange(3)}'
        arn = self.sure.get(name)
        if arn is None:
            self.perhaps = (name, 'any')
            self.sure[name] = self.elb.create_load_balancer(
                Name=name, Type='network', Scheme='internal',
                Subnets=[self.subnet])['LoadBalancers'][0]['LoadBalancerArn']
            self.sure[name + ' listeners'] = 0
            self.perhaps = None
        elif self.sure[name + ' listeners'] == 0:
            self.change(name + ' listeners', 1, lambda: self.elb.create_listener(
                LoadBalancerArn=arn, Protocol='TCP', Port=80,
                DefaultActions=[{'Type': 'forward', 'TargetGroupArn': self.groups[name]}]))
        else:
            self.change(name, None, lambda: self.elb.delete_load_balancer(LoadBalancerArn=arn))

    def verify(self, case):
        arns = {b['LoadBalancerName']: b['LoadBalancerArn']
                for b in self.elb.describe_load_balancers()['LoadBalancers']}
        for i in range(3):
            name = f'b{i}'
            if self.perhaps == (name, 'any') and name in arns:
                self.perhaps = (name, arns[name])
                self.sure[name + ' listeners'] = 0
            self.check(case, name, arns.get(name))
            if name in arns:
                n = len(self.elb.describe_listeners(LoadBalancerArn=arns[name])['Listeners'])
                self.check(case, name + ' listeners', n)


class Decisions(Client):
    """The provider changes its mind about a few requests, again and again."""

    STATES = {'pendingAcceptance': None, 'pending': True, 'available': True, 'rejected': False}

    def __init__(self, it, seed):
        super().__init__(it, seed)
        self.ec2 = it.boto('ec2', 'provider')
        mine = it.boto('ec2')
        service = next(s for s in self.ec2.describe_vpc_endpoint_service_configurations()[
            'ServiceConfigurations'] if s['AcceptanceRequired'])
        self.service = service['ServiceId']
        subnet = mine.describe_subnets()['Subnets'][0]
        self.ids = [mine.create_vpc_endpoint(
            VpcEndpointType='Interface', VpcId=subnet['VpcId'], ServiceName=service['ServiceName'],
            SubnetIds=[subnet['SubnetId']])['VpcEndpoint']['VpcEndpointId'] for _ in range(4)]

    def step(self):
        one, yes = self.random.choice(self.ids), self.random.random() < 0.5
        call = self.ec2.accept_vpc_endpoint_connections if yes else self.ec2.reject_vpc_endpoint_connections
        if yes or self.sure.get(one) is not False:  # what is rejected cannot be rejected
            self.change(one, yes, lambda: call(ServiceId=self.service, VpcEndpointIds=[one]))

    def verify(self, case):
        rows = self.ec2.describe_vpc_endpoint_connections(
            Filters=[{'Name': 'service-id', 'Values': [self.service]}])['VpcEndpointConnections']
        states = {r['VpcEndpointId']: r['VpcEndpointState'] for r in rows}
        case.assertEqual(set(states), set(self.ids))
        for one, state in states.items():
            self.check(case, one, self.STATES[state])


class Endpoints(Client):
    """Endpoints with client tokens: sent again, each is the same one."""

    def __init__(self, it, seed):
        super().__init__(it, seed)
        self.ec2 = it.boto('ec2')
        self.vpc = self.ec2.describe_vpcs()['Vpcs'][0]['VpcId']
        services = it.boto('ec2', 'provider').describe_vpc_endpoint_service_configurations()
        self.service = next(s['ServiceName'] for s in services['ServiceConfigurations']
                            if not s['AcceptanceRequired'])
        self.subnet = self.ec2.describe_subnets()['Subnets'][0]['SubnetId']
        self.tokens = {}  # token: endpoint's id, or None: not known
        self.deleted = set()

    def make(self, token):
        return self.ec2.create_vpc_endpoint(
            VpcEndpointType='Interface', VpcId=self.vpc, ServiceName=self.service,
            SubnetIds=[self.subnet], ClientToken=token)['VpcEndpoint']['VpcEndpointId']

    def step(self):
        live = [t for t, i in self.tokens.items() if i and i not in self.deleted]
        if len(live) > 20 or (live and self.random.random() < 0.3):
            one = self.tokens[self.random.choice(live)]
            self.perhaps = one
            self.ec2.delete_vpc_endpoints(VpcEndpointIds=[one])
            self.deleted.add(one)
            self.perhaps = None
            return
        token = str(uuid.UUID(int=self.random.getrandbits(128)))
        self.tokens[token] = None
        self.tokens[token] = self.make(token)

    def there(self):
        pages = self.ec2.get_paginator('describe_vpc_endpoints').paginate(
            Filters=[{'Name': 'service-name', 'Values': [self.service]}])
        return {e['VpcEndpointId'] for page in pages for e in page['VpcEndpoints']
                if e['State'] not in ('deleting', 'deleted')}

    def verify(self, case):
        before = self.there()
        known = {i for i in self.tokens.values() if i}
        must = known - self.deleted - {self.perhaps}
        case.assertEqual(must - before, set(), 'an endpoint is lost')
        case.assertEqual(before & self.deleted, set(), 'a deleted endpoint is back')
        if self.perhaps is not None and self.perhaps not in before:
            self.deleted.add(self.perhaps)
        # One that nobody was told of may be there: its token says which it is, and makes it if not.
        for token, one in list(self.tokens.items()):
            if one is None:
                self.tokens[token] = self.make(token)
        for token in self.random.sample(list(self.tokens), min(5, len(self.tokens))):
            case.assertEqual(self.make(token), self.tokens[token], 'a token makes another endpoint')
        case.assertEqual(self.there(), {i for i in self.tokens.values() if i} - self.deleted)


class Kill(api_world.ApiCase):

    limits = {'requests_per_second': 0}

    @classmethod
    def make_config(cls):
        return config()

    def round(self, clients, seconds):
        for client in clients:
            client.perhaps, client.n = None, 0
        threads = [threading.Thread(target=c.run) for c in clients]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        end = time.monotonic() + 30     # a busy machine may answer nothing in that time
        while sum(c.n for c in clients) < 2 and time.monotonic() < end:
            time.sleep(0.01)
        self.it.child.send_signal(signal.SIGKILL)
        self.it.child.wait()
        for thread in threads:
            thread.join(60)
        for client in clients:
            if client.fault is not None:
                raise AssertionError(f'{type(client).__name__}: {client.fault!r}') from client.fault
        return sum(c.n for c in clients)

    def test_nothing_acknowledged_is_lost(self):
        seed = random.randrange(1 << 30)
        dice = random.Random(seed)
        clients = [kind(self.it, seed + i)
                   for i, kind in enumerate((Tags, Groups, Balancers, Decisions, Endpoints))]
        n = 0
        for i in range(ROUNDS):
            if i % 20 == 0:
                note(f'round {i} of {ROUNDS}, {n} calls were answered')
            n += self.round(clients, dice.uniform(0.01, 0.25))
            (self.it.dir / 'log').write_text('')
            self.it.start()
            for client in clients:
                try:
                    client.verify(self)
                except (AssertionError, botocore.exceptions.ClientError) as err:
                    raise AssertionError(
                        f'round {i}, seed {seed}, {type(client).__name__}: {err}\nunder way: {client.perhaps}'
                        f'\nacknowledged: {client.sure}') from err
        self.assertGreater(n, ROUNDS)
        self.assertNotIn('error', self.it.log())


class StateFile(api_world.ApiCase):
    """What becomes of the appliance when the file cannot be used."""

    @classmethod
    def make_config(cls):
        return config()

    def setUp(self):
        self.file = self.it.dir / 'state.db'
        self.ec2 = self.it.boto('ec2', 'provider')
        self.subnet = self.ec2.describe_subnets()['Subnets'][0]['SubnetId']

    def tag(self, value):
        self.ec2.create_tags(Resources=[self.subnet], Tags=[{'Key': 'k', 'Value': value}])

    def tags(self):
        subnet = self.ec2.describe_subnets(SubnetIds=[self.subnet])['Subnets'][0]
        return [t['Value'] for t in subnet.get('Tags', [])]

    def restart(self):
        self.it.child.kill()
        self.it.child.wait()
        (self.it.dir / 'log').write_text('')
        self.it.start()

    def refused(self, says):
        with self.assertRaises(botocore.exceptions.ClientError) as raised:
            self.tag('no')
        self.assertEqual(raised.exception.response['Error']['Code'], 'Unavailable')
        self.assertEqual(raised.exception.response['ResponseMetadata']['HTTPStatusCode'], 503)
        self.assertIn(says, raised.exception.response['Error']['Message'])

    def test_file_is_for_nobody_else(self):
        self.assertEqual(self.file.stat().st_mode & 0o777, 0o600)
        conf = json.loads((self.it.dir / 'conf.json').read_text())
        conf['control']['socket'] += '2'
        conf['api']['listen'] = ['127.0.0.1:0']
        other = self.it.dir / 'other.json'
        other.write_text(json.dumps(conf))
        done = subprocess.run([culvertd.CULVERTD, '-c', str(other)], capture_output=True, text=True,
                              timeout=60, check=False)
        self.assertEqual(done.returncode, 3)
        self.assertIn('another culvertd', done.stderr)

    def backup(self, path):
        """As doc/operations.md says it is made."""
        doc = (culvertd.TOP / 'doc/operations.md').read_text(encoding='utf-8')
        command = re.search(r'\*\*Backup\*\*.*?```sh\n(.*?)```', doc, re.S)[1]
        for said, here in (('/var/lib/culvert/state.db', self.file), ('/root/state.bak', path)):
            self.assertIn(said, command)
            command = command.replace(said, str(here))
        subprocess.run(['bash', '-ec', command], timeout=60, check=True)
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)

    def test_damaged_file_is_left_out_until_it_is_replaced(self):
        self.tag('kept')
        self.backup(self.it.dir / 'backup.db')
        self.it.child.kill()
        self.it.child.wait()
        for name in ('state.db-wal', 'state.db-shm'):
            (self.it.dir / name).unlink(missing_ok=True)
        self.file.write_bytes(b'x' * 8192)
        (self.it.dir / 'log').write_text('')
        self.it.start()
        self.assertIn('damaged', self.it.log())
        self.assertEqual(self.tags(), [])
        self.refused('damaged')
        shutil.copy(self.it.dir / 'backup.db', self.file)
        self.it.hup('reloaded')
        self.assertEqual(self.tags(), ['kept'])
        self.tag('again')
        self.restart()
        self.assertEqual(self.tags(), ['again'])

    def again(self):
        """The state file can be used again; as that is tried from time to time."""
        self.it.wait(lambda: 'can be used again' in self.it.log())
        (self.it.dir / 'log').write_text('')

    def test_file_that_is_removed_is_made_anew(self):
        self.tag('before')
        self.file.unlink()
        self.refused('moved, removed or replaced')
        self.again()
        self.assertEqual(self.tags(), ['before'])
        self.tag('after')
        self.restart()
        self.assertEqual(self.tags(), ['after'])

    def test_file_that_is_replaced_serves(self):
        self.tag('old')
        with contextlib.closing(sqlite3.connect(self.file)) as db:
            backup = sqlite3.connect(self.it.dir / 'old.db')
            with contextlib.closing(backup):
                db.backup(backup)
        self.tag('new')
        (self.it.dir / 'old.db').rename(self.file)
        self.assertEqual(self.tags(), ['new'])
        self.refused('moved, removed or replaced')
        self.again()
        self.assertEqual(self.tags(), ['old'])
        self.tag('newer')
        self.restart()
        self.assertEqual(self.tags(), ['newer'])

    def test_file_of_another_version(self):
        """Of a newer culvert: said, and the configuration is served; of an older: brought up to date."""
        self.tag('kept')

        def version(n, sql=''):
            with contextlib.closing(sqlite3.connect(self.file)) as db:
                db.executescript(f'{sql} PRAGMA user_version = {n};')
        self.it.child.kill()
        self.it.child.wait()
        version(99)
        (self.it.dir / 'log').write_text('')
        self.it.start()
        self.assertIn('newer culvert', self.it.log())
        self.assertEqual(self.tags(), [])
        self.refused('newer culvert')
        self.it.child.kill()
        self.it.child.wait()
        version(1, 'DROP TABLE outbox;')
        (self.it.dir / 'log').write_text('')
        self.it.start()
        self.assertEqual(self.tags(), ['kept'])
        self.tag('again')

    def test_what_does_not_fit_the_file_waits(self):
        self.tag('waits')
        path = self.it.dir / 'conf.json'
        text = path.read_text()
        conf = json.loads(text)
        del conf['vpcs'][0]['subnets'][0]
        path.write_text(json.dumps(conf))
        self.it.hup('reloaded')
        self.assertIn('left out', self.it.log())
        path.write_text(text)
        self.it.hup('reloaded')
        self.assertEqual(self.tags(), ['waits'])


class FullDisk(api_world.ApiCase):
    """The file may not grow: changes are refused with the reason, taken back, and made once it may."""

    @classmethod
    def make_config(cls):
        return config()

    @classmethod
    def setUpClass(cls):
        cls.it = api_world.Appliance(cls.make_config(), {'requests_per_second': 0})
        cls.addClassCleanup(cls.it.stop)
        cls.mount = cls.it.dir / 'disk'
        cls.mount.mkdir()
        done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=300k', 'none', str(cls.mount)],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            cls.skipTest(cls, f'no tmpfs can be mounted: {done.stderr.strip()}')
        cls.addClassCleanup(subprocess.run, ['umount', '-l', str(cls.mount)], check=False)
        cls.it.conf['control']['state'] = str(cls.mount / 'state.db')
        cls.it.start()

    def test_full_disk(self):
        ec2 = self.it.boto('ec2', 'provider')
        subnets = [s['SubnetId'] for s in ec2.describe_subnets()['Subnets']][:2]
        filler = pathlib.Path(self.mount / 'filler')
        filler.write_bytes(b'x' * 100_000)
        made = None
        for i in range(1000):
            try:
                ec2.create_tags(Resources=subnets, Tags=[{'Key': f'k{i % 40}', 'Value': f'{i} ' + 'v' * 200}])
                made = i
            except botocore.exceptions.ClientError as e:
                self.assertEqual(e.response['Error']['Code'], 'Unavailable')
                self.assertIn('full', e.response['Error']['Message'])
                break
        else:
            self.fail('the disk was never full')
        self.assertIsNotNone(made)

        def newest():
            sets = [{int(t['Value'].split()[0]) for t in s['Tags']}
                    for s in ec2.describe_subnets(SubnetIds=subnets)['Subnets']]
            self.assertEqual(sets[0], sets[1])
            return max(sets[0])
        self.assertEqual(newest(), made)
        filler.unlink()
        self.it.wait(lambda: 'can be used again' in self.it.log())
        ec2.create_tags(Resources=subnets, Tags=[{'Key': 'k0', 'Value': '5000 '}])
        self.it.child.kill()
        self.it.child.wait()
        (self.it.dir / 'log').write_text('')
        self.it.start()
        self.assertEqual(newest(), 5000)
