# SPDX-License-Identifier: BSD-3-Clause
"""tools/lab api: an appliance for clients of the AWS APIs, as a user starts, uses and ends it."""

import http.client
import os
import pathlib
import re
import shlex
import subprocess
import tempfile
import unittest

from harness import culvertd, proc
from cvlab import state
from test_scenarios import begin, end

PREFIX = f'cvl-t{os.getpid()}-api'
VALUES = {'CULVERT_API_URL': r'http://127\.0\.0\.1:\d+', 'CULVERT_REGION': 'us-east-1',
          'CULVERT_TARGET_IPS': r'10\.[\d.]+(,10\.[\d.]+){3,}', 'CULVERT_HEALTHY_TARGET': r'[\d.]+:\d+',
          'CULVERT_DEAD_TARGET': r'[\d.]+:\d+'}
OF_ROLE = {'KEY': r'AKIA\w{16}', 'SECRET': r'\S{20,}', 'ACCOUNT': r'\d{12}', 'VPC': r'vpc-[0-9a-f]{17}',
           'SUBNETS': r'subnet-[0-9a-f]{17}(,subnet-[0-9a-f]{17}){3,}', 'SG': r'sg-[0-9a-f]{17}',
           'PRINCIPAL': r'arn:aws:iam::\d{12}:user/\w+'}


def api(*args):
    """`tools/lab api`, to its end."""
    return end(begin('api', '--prefix', PREFIX, *args))


class ApiLab(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(api, '--stop')
        cls.done = api()
        lines = cls.done.stdout.splitlines()
        cls.lines = [re.fullmatch(r'export (\w+)=(.*)', line) for line in lines]
        cls.env = {m[1]: shlex.split(m[2])[0] for m in cls.lines if m}

    def aws(self, role, *args):
        """The stock client as one of the accounts, its answer as text."""
        env = {**os.environ, 'AWS_ACCESS_KEY_ID': self.env[f'CULVERT_{role}_KEY'], 'AWS_PAGER': '',
               'AWS_SECRET_ACCESS_KEY': self.env[f'CULVERT_{role}_SECRET'],
               'AWS_DEFAULT_REGION': self.env['CULVERT_REGION'], 'HOME': '/nowhere'}
        done = subprocess.run(['/usr/bin/aws', '--endpoint-url', self.env['CULVERT_API_URL'],
                               '--output', 'text', *args],
                              env=env, capture_output=True, text=True, timeout=200, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def test_exports_and_nothing_else(self):
        self.assertEqual(self.done.returncode, 0, self.done.stderr)
        self.assertNotIn(None, self.lines, self.done.stdout)
        want = dict(VALUES)
        for role in ('PROVIDER', 'CONSUMER'):
            want |= {f'CULVERT_{role}_{name}': how for name, how in OF_ROLE.items()}
        self.assertEqual(set(self.env), set(want))
        for name, how in want.items():
            self.assertRegex(self.env[name], f'^{how}$', name)

    def test_values_are_those_of_the_api(self):
        zones = {}
        for role in ('PROVIDER', 'CONSUMER'):
            mine = {name: self.env[f'CULVERT_{role}_{name}'] for name in OF_ROLE}
            who = self.aws(role, 'sts', 'get-caller-identity', '--query', '[Account,Arn]').split()
            self.assertEqual(who, [mine['ACCOUNT'], mine['PRINCIPAL']])
            rows = self.aws(role, 'ec2', 'describe-subnets', '--query',
                            'Subnets[].[SubnetId,VpcId,AvailabilityZoneId,AvailabilityZone]').splitlines()
            rows = [row.split() for row in rows]
            self.assertEqual({r[0] for r in rows}, set(mine['SUBNETS'].split(',')))
            self.assertEqual({r[1] for r in rows}, {mine['VPC']})
            zones[role] = {r[2]: r[3] for r in rows}
            self.assertEqual((len(zones[role]), len(rows)), (3, 4))
            groups = self.aws(role, 'ec2', 'describe-security-groups', '--query', 'SecurityGroups[].GroupId')
            self.assertIn(mine['SG'], groups)
        shared = set(zones['PROVIDER']) & set(zones['CONSUMER'])
        self.assertEqual(len(shared), 2)
        for zone in shared:
            self.assertNotEqual(zones['PROVIDER'][zone], zones['CONSUMER'][zone])

    def test_targets_live_and_dead(self):
        def status(ip, port):
            return proc.run(['curl', '-s', '-m', 30, '-o', '/dev/null', '-w', '%{http_code}',
                             f'http://{ip}:{port}/'], ns=f'{PREFIX}.provider.client', check=False)
        live, port = self.env['CULVERT_HEALTHY_TARGET'].split(':')
        ips = self.env['CULVERT_TARGET_IPS'].split(',')
        self.assertIn(live, ips)
        for ip in ips:
            self.assertEqual(status(ip, port).stdout, '200', ip)
        dead, port = self.env['CULVERT_DEAD_TARGET'].split(':')
        self.assertEqual(status(dead, port).returncode, 7)  # refused: the host is there

    def test_second_start_prints_the_same(self):
        again = api()
        self.assertEqual((again.returncode, again.stdout), (0, self.done.stdout))
        self.assertIn('already', again.stderr)

    def test_hosts_ask_the_dns_server_of_their_vpc(self):
        for role, server in (('provider', '10.0.0.2'), ('consumer', '172.16.0.2')):
            done = end(begin('exec', '--prefix', PREFIX, role, '--', 'dig', '+noall', '+answer', '+tries=5',
                             'us-east-1.vpce.amazonaws.com', 'NS'))
            self.assertIn('ns.us-east-1.vpce.amazonaws.com.', done.stdout, done.stderr)
            done = end(begin('exec', '--prefix', PREFIX, role, '--', 'cat', '/etc/resolv.conf'))
            self.assertIn(f'nameserver {server}\n', done.stdout, done.stderr)

    def test_hints_are_true(self):
        """What is said beside the exports works as it is said."""
        self.assertIn(f'exec --prefix {PREFIX} consumer -- curl http://DNS-NAME', self.done.stderr)
        at = f'http://{self.env["CULVERT_HEALTHY_TARGET"]}/'
        done = end(begin('exec', '--prefix', PREFIX, 'provider', '--', 'curl', '-s', at))
        self.assertIn('nginx', done.stdout, done.stderr)
        path = re.search(r'-s (\S+) show endpoints', self.done.stderr)[1]
        proc.run([culvertd.CULVERTCTL, '-s', path, 'show', 'endpoints'])
        log = re.search(r'its log: (\S+)', self.done.stderr)[1]
        self.assertIn('ready:', pathlib.Path(log).read_text(encoding='utf-8'))

    def test_commands_of_the_document_lead_to_a_page(self):
        doc = (culvertd.TOP / 'doc/api.md').read_text(encoding='utf-8')
        story = re.search(r'From there to a page.*?```sh\n(.*?)```', doc, re.S)[1]
        story = story.replace('sudo ', '').replace('cvl-api', PREFIX)
        with tempfile.TemporaryDirectory() as home:
            done = subprocess.run(['bash', '-euc', story], cwd=culvertd.TOP, capture_output=True, text=True,
                                  env={**os.environ, **self.env, 'HOME': home}, timeout=400, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f'"target": "{self.env["CULVERT_HEALTHY_TARGET"]}"', done.stdout.splitlines()[-1])

    def test_zz_stop_leaves_nothing(self):
        pids = [p for ns in proc.ns_list(PREFIX) for p in proc.ns_pids(ns)]
        self.assertTrue(pids)
        self.assertEqual(api('--stop').returncode, 0)
        self.assertFalse([p for p in pids if proc.is_alive(*p)])
        self.assertEqual((proc.ns_list(PREFIX), PREFIX in state.labs()), ([], False))
        conn = http.client.HTTPConnection(self.env['CULVERT_API_URL'][7:], timeout=5)
        self.assertRaises(ConnectionRefusedError, conn.request, 'GET', '/')
        self.assertEqual(api('--stop').returncode, 0)  # nothing to stop
