# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of the AWS APIs share: a culvertd without traffic, clients, requests signed by hand."""

import contextlib
import copy
import datetime
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from unittest import mock

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials

from harness import culvertd

REGION = 'us-east-1'
FORM = 'application/x-www-form-urlencoded; charset=utf-8'
VERSIONS = {'ec2': '2016-11-15', 'elasticloadbalancing': '2015-12-01', 'sts': '2011-06-15',
            'sns': '2010-03-31', 'monitoring': '2010-08-01'}
PROVIDER, CONSUMER = '1' * 12, '2' * 12
# Who calls: access key, secret, session token, principal.
KEYS = {
    'provider': ('AKIAPROVIDER00000001', 'provider/secret+1', None, f'arn:aws:iam::{PROVIDER}:root'),
    'consumer': ('AKIACONSUMER00000001', 'consumer-secret', None, f'arn:aws:iam::{CONSUMER}:user/alice'),
    'role': ('ASIACONSUMER00000001', 'role-secret', 'tok/en+with=signs==',
             f'arn:aws:iam::{CONSUMER}:role/deploy'),
}


def config():
    """Two accounts that know the same zones by other names, a VPC with subnets in three zones each."""
    zones = ['use1-az1', 'use1-az2', 'use1-az3']
    names = ['us-east-1a', 'us-east-1b', 'us-east-1c']

    def vpc(owner, order):
        return {'name': owner, 'owner': owner, 'cidrs': ['10.0.0.0/16'], 'attachment': {'port': owner},
                'subnets': [{'name': f'{owner}-{i}', 'cidr': f'10.0.{i}.0/24', 'zone': names[i]}
                            for i in order],
                'security_groups': [{'name': f'{owner}-web',
                                     'ingress': [{'cidr': '10.0.0.0/16', 'ports': '80-443'}]}]}
    return {
        'region': REGION, 'zones': zones,
        'accounts': [
            {'id': PROVIDER, 'name': 'provider', 'zones': dict(zip(names, zones))},
            {'id': CONSUMER, 'name': 'consumer', 'zones': dict(zip(names, zones[::-1]))}],
        'dpdk': {'huge_pages': False, 'memory_mb': 128, 'mbufs': 8192,
                 'eal_args': ['--no-pci', '--no-shconf'],
                 'ports': [{'name': 'provider', 'device': 'net_null0'},
                           {'name': 'consumer', 'device': 'net_null1'}]},
        'limits': {'flows': 1024},
        'vpcs': [vpc('provider', [0, 1, 2]), vpc('consumer', [0, 1, 2])],
    }


def free_port():
    """A port that nobody has, nor gets by connecting: those of connections come from 32768 on."""
    while True:
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(('127.0.0.1', random.randrange(10000, 32768)))
            return sock.getsockname()[1]


class Appliance:
    """A culvertd with the AWS APIs on a port of the loopback."""

    def __init__(self, conf=None, limits=None):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix='cvl-api-'))
        self.port = free_port()
        self.conf = copy.deepcopy(conf or config())
        self.conf['control'] = {'socket': str(self.dir / 'ctl.sock'), 'state': str(self.dir / 'state.db')}
        self.conf['api'] = {'listen': [f'127.0.0.1:{self.port}'],
                            'credentials_file': str(self.dir / 'keys.json'), 'limits': limits or {}}
        self.url = f'http://127.0.0.1:{self.port}'
        self.child = None

    def write_keys(self, keys=None, mode=0o600):
        rows = []
        for key, secret, token, principal in (keys or KEYS).values():
            row = {'access_key_id': key, 'secret_access_key': secret, 'principal': principal}
            rows.append(row | ({'session_token': token} if token else {}))
        path = self.dir / 'keys.json'
        path.write_text(json.dumps({'keys': rows}, indent=1), encoding='utf-8')
        path.chmod(mode)

    def start(self):
        self.write_keys()
        (self.dir / 'conf.json').write_text(json.dumps(self.conf), encoding='utf-8')
        with open(self.dir / 'log', 'ab') as log:
            self.child = subprocess.Popen([culvertd.CULVERTD, '-c', str(self.dir / 'conf.json')],
                                          stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.wait(lambda: 'ready:' in self.log())
        return self

    def log(self):
        return (self.dir / 'log').read_text(encoding='utf-8')

    def wait(self, done, seconds=180):
        end = time.monotonic() + seconds
        while not done():
            if self.child.poll() is not None or time.monotonic() > end:
                raise AssertionError(f'culvertd did not get there:\n{self.log()[-2000:]}')
            time.sleep(0.05)

    def hup(self, says):
        """Reload, and wait until the log says so once more."""
        before = self.log().count(says)
        self.child.send_signal(signal.SIGHUP)
        self.wait(lambda: self.log().count(says) > before)

    def stop(self):
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.child.wait(30)
            self.child.kill()
            self.child.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    # Clients ----------------------------------------------------------------------------------

    def boto(self, service, who='consumer', region=REGION, keys=None):
        key, secret, token, _ = (keys or KEYS)[who]
        return boto3.client(service, endpoint_url=self.url, region_name=region, aws_access_key_id=key,
                            aws_secret_access_key=secret, aws_session_token=token,
                            config=botocore.config.Config(retries={'total_max_attempts': 1}))

    def cli(self, *args, who='consumer'):
        """The stock aws command: CompletedProcess; `.json` is what it printed, if it did."""
        key, secret, token, _ = KEYS[who]
        env = {**os.environ, 'AWS_ACCESS_KEY_ID': key, 'AWS_SECRET_ACCESS_KEY': secret, 'AWS_PAGER': '',
               'AWS_DEFAULT_REGION': REGION, 'HOME': str(self.dir)}
        env.pop('AWS_SESSION_TOKEN', None)
        if token:
            env['AWS_SESSION_TOKEN'] = token
        done = subprocess.run(['/usr/bin/aws', '--endpoint-url', self.url, *args], env=env, text=True,
                              capture_output=True, timeout=60, check=False)
        done.json = json.loads(done.stdout) if done.stdout.strip() else None
        return done

    def sign(self, service, body='', who='consumer', method='POST', path='/', late=0, **how):
        """(path, headers) of a request signed by botocore, its clock `late` seconds back."""
        key, secret, token, _ = KEYS[who]
        creds = botocore.credentials.Credentials(key, how.get('secret', secret), token)
        headers = {'Content-Type': FORM, **how.get('headers', {})} if method == 'POST' else {}
        request = botocore.awsrequest.AWSRequest(method, self.url + path, headers, body)
        cls = botocore.auth.SigV4QueryAuth if how.get('presigned') else botocore.auth.SigV4Auth
        args = {'expires': how['presigned']} if how.get('presigned') else {}

        at = datetime.datetime.utcnow() - datetime.timedelta(seconds=late)

        class Clock(datetime.datetime):
            @classmethod
            def utcnow(cls):
                return at
        with mock.patch.object(botocore.auth.datetime, 'datetime', Clock):
            cls(creds, service, how.get('region', REGION), **args).add_auth(request)
        return request.url[len(self.url):], dict(request.headers)

    def send(self, path, headers, body='', method='POST'):
        """(status, headers, text) of a request sent as it is; bytes are answered in bytes."""
        conn = http.client.HTTPConnection('127.0.0.1', self.port, timeout=30)
        try:
            raw = isinstance(body, bytes)
            conn.request(method, path, body if raw else body.encode(), headers)
            answer = conn.getresponse()
            said = answer.read()
            return answer.status, answer.headers, said if raw else said.decode()
        finally:
            conn.close()

    def call(self, service, action, params='', **how):
        """Sign and send a call of the query protocol: (status, text)."""
        body = f'Action={action}&Version={how.pop("version", VERSIONS[service])}{params}'
        path, headers = self.sign(service, body, **how)
        status, _, text = self.send(path, headers, body)
        return status, text


class ApiCase(unittest.TestCase):
    """One appliance for all tests of the class."""

    limits = None

    @classmethod
    def make_config(cls):
        return config()

    @classmethod
    def setUpClass(cls):
        cls.it = Appliance(cls.make_config(), cls.limits)
        cls.addClassCleanup(cls.it.stop)
        cls.it.start()

    def tearDown(self):
        self.assertIsNone(self.it.child.poll(), f'culvertd died:\n{self.it.log()[-3000:]}')

    def assert_error(self, got, status, code, text=None):
        """An error in XML: (status, text) of Appliance.call()."""
        self.assertEqual(got[0], status, got[1])
        self.assertIn(f'<Code>{code}</Code>', got[1])
        if text is not None:
            self.assertIn(text, got[1])
