# SPDX-License-Identifier: BSD-3-Clause
"""A customer's database for a provider of analytics: PostgreSQL, primary and standby behind one DNS name. A
stack with eight parameters makes everything on the customer's side, a function follows the name into the
target group, the other account is let in without being asked; at a failover sessions move to the standby.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess

from cvlab import awsstory, culvertd, peers, proc

SUMMARY = 'PostgreSQL behind a DNS name, a stack, a function that follows it, a failover'
NEEDS = ['aws']
PRIMARY, STANDBY, PORT = '10.0.0.201', '10.0.0.202', 5432
NAME = 'customer-db.internal'
TOOLS = culvertd.TOP / 'tools' / 'lablib'
ZONES = {'ap-northeast-1a': 'apne1-az4', 'ap-northeast-1c': 'apne1-az1'}
CUSTOMER = awsstory.network('customer', '123456789012', ZONES, '10.0', list(ZONES))
ANALYTICS = awsstory.network('analytics', '210987654321', {'ap-northeast-1a': 'apne1-az1',
                                                           'ap-northeast-1c': 'apne1-az4'},
                             '10.0', list(ZONES))
STATE = 'select host(inet_server_addr()), pg_is_in_recovery()'
table = awsstory.story.table


def free_port():
    """A port of the loopback that neither UDP nor TCP uses: a DNS server takes both."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(('127.0.0.1', 0))
            with contextlib.suppress(OSError):
                tcp.bind(udp.getsockname())
                return udp.getsockname()[1]


class Databases:
    """Primary and standby, and the DNS name that says which is which."""

    def __init__(self):
        self.dns = self.port = self.lab = self.where = None
        self.children = {}

    def _as_postgres(self, *argv, ns=None):
        tool = sorted(pathlib.Path('/usr/lib/postgresql').glob('*/bin'))[-1] / argv[0]
        user = ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups', '--inh-caps=-all']
        return proc.ns_argv(ns, [*user, tool, *argv[1:]])

    def _serve(self, ip, data):
        argv = self._as_postgres('postgres', '-D', data, '-c', f'listen_addresses={ip}', '-c',
                                 'unix_socket_directories=')
        self.children[ip] = peers.start(self.lab, 'postgres', self.lab.ns('customer', ip), ip, PORT, argv,
                                        timeout=60)

    def start(self, made):
        """Both databases, the second a copy that follows; the name is the first's."""
        self.lab, self.where = made, pathlib.Path(made.scratch())
        shutil.chown(self.where, 'postgres')
        first, second = self.where / 'first', self.where / 'second'
        proc.run(self._as_postgres('initdb', '-D', first, '-A', 'trust', '-U', 'postgres', '--no-sync'))
        with open(first / 'postgresql.conf', 'a', encoding='ascii') as file:
            file.write('fsync = off\nshared_buffers = 16MB\nmax_connections = 20\n')
        with open(first / 'pg_hba.conf', 'a', encoding='ascii') as file:
            file.write('host all,replication all 0.0.0.0/0 trust\n')
        self._serve(PRIMARY, first)
        proc.run(self._as_postgres('pg_basebackup', '-h', PRIMARY, '-U', 'postgres', '-D', second, '-R',
                                   '-X', 'stream', '-c', 'fast', ns=made.ns('customer', STANDBY)))
        self._serve(STANDBY, second)
        self.port = free_port()
        self._write(PRIMARY)
        self.dns = made.spawn('dnsmasq', [
            'dnsmasq', '--keep-in-foreground', '--conf-file=/dev/null', '--no-resolv', '--no-hosts',
            f'--addn-hosts={made.path("hosts")}', f'--port={self.port}', '--listen-address=127.0.0.1',
            '--bind-interfaces', '--user=root', '--pid-file=', '--local-ttl=5'])
        self._told(PRIMARY)

    def point(self, ip):
        """Let the name be this address."""
        self._write(ip)
        self.dns.send_signal(signal.SIGHUP)
        self._told(ip)

    def _write(self, ip):
        pathlib.Path(self.lab.path('hosts')).write_text(f'{ip} {NAME}\n', encoding='ascii')

    def _told(self, ip):
        """Wait until the DNS server says so."""
        dig = ['dig', '+short', '@127.0.0.1', '-p', self.port, NAME, 'A']
        proc.wait_for(lambda: proc.run(dig, check=False).stdout.strip() == ip, 60, f'{NAME} to be {ip}')

    def resolver(self):
        return f'127.0.0.1:{self.port}'


def query(it, ip, sql):
    """What a database says to a client of the analytics account, or how it failed."""
    done = proc.run(['env', 'PGCONNECT_TIMEOUT=5', 'psql', '-h', ip or '-', '-p', PORT, '-U', 'postgres',
                     '-X', '-At', '-c', sql], ns=it.lab.ns('analytics'), check=False, timeout=30)
    return done.stdout.strip() if done.returncode == 0 else f'psql: {done.stderr.strip()}'


class Session:
    """A session that stays."""

    def __init__(self, it, ip):
        argv = ['env', 'PGCONNECT_TIMEOUT=5', 'psql', '-h', ip or '-', '-p', str(PORT), '-U', 'postgres',
                '-X', '-At', '-v', 'ON_ERROR_STOP=1']
        self.child = subprocess.Popen(proc.ns_argv(it.lab.ns('analytics'), argv), text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT)

    def ask(self, sql):
        with contextlib.suppress(OSError):
            self.child.stdin.write(sql + ';\n')
            self.child.stdin.flush()
        return self.child.stdout.readline().strip()

    def end(self):
        self.child.kill()
        self.child.communicate()


def tool(it, script, *args):
    """Run one of the customer's scripts: what it prints, as JSON; and what it says meanwhile."""
    env = it.env('customer') | {'PYTHONDONTWRITEBYTECODE': '1', 'PATH': os.environ['PATH']}
    done = proc.run([peers.PYTHON, TOOLS / script, *args], env=env, timeout=120)
    return json.loads(done.stdout), done.stderr.split()


def stack(it, databases):
    """The one command: the service's name and its zone, and the target group."""
    out, said = tool(it, 'rds_stack.py', '--function-name', 'follow-db', '--rds-type', 'instance',
                     '--rds-endpoint', NAME, '--rds-port', PORT, '--vpc', awsstory.vpc_id(CUSTOMER),
                     '--subnet', awsstory.subnet_id(CUSTOMER, 0), '--security-groups',
                     awsstory.group_id(CUSTOMER), '--consumer-account', ANALYTICS['account'],
                     '--endpoint-url', it.url, '--resolver', databases.resolver())
    it.step('the stack', ['CREATE_IN_PROGRESS', 'CREATE_COMPLETE'], said)
    it.step('its first output: the zone in use', 'ap-northeast-1a', out['AvailabilityZone'])
    it.step("its second: the endpoint service's name", True,
            out['EndpointServiceName'].startswith('com.amazonaws.vpce.ap-northeast-1.vpce-svc-'))
    awsstory.healthy(it, CUSTOMER, out['TargetGroup'], 1, 'the database becomes healthy')
    return out


def connect(it, name):
    """The analytics account's side: the address of its endpoint, which nobody has to accept."""
    made = it.call('the other account creates its endpoint', 'analytics', 'ec2 create-vpc-endpoint '
                   f'--vpc-endpoint-type Interface --service-name {name} --vpc-id '
                   f'{awsstory.vpc_id(ANALYTICS)} --subnet-ids {awsstory.subnet_id(ANALYTICS, 1)} '
                   f'--security-group-ids {awsstory.group_id(ANALYTICS)}', 'pending', 'VpcEndpoint.State')
    endpoint = made.pick('VpcEndpoint.VpcEndpointId')
    it.until('which nobody has to accept: it becomes', 'analytics',
             f'ec2 describe-vpc-endpoints --vpc-endpoint-ids {endpoint}', 'available', 'VpcEndpoints.0.State')
    return it.enis('analytics', endpoint).get('ap-northeast-1c')


def follow(it, databases, group):
    """The function, once."""
    return tool(it, 'rds_follow.py', it.url, group, NAME, PORT, databases.resolver())[0]


def fail_over(it, databases, group, eni):
    """The standby becomes the primary, and the name with it."""
    it.step('the function, while nothing changed', {'added': [], 'removed': []}, follow(it, databases, group))
    session = Session(it, eni)
    try:
        it.step('a session that stays open', f'{PRIMARY}|f', session.ask(STATE))
        it.step('the standby is promoted', 't', proc.run(
            ['psql', '-h', STANDBY, '-U', 'postgres', '-X', '-Atc', 'select pg_promote()'],
            ns=it.lab.ns('customer', STANDBY)).stdout.strip())
        databases.point(STANDBY)
        it.step('the function, after the name moved', {'added': [STANDBY], 'removed': [PRIMARY]},
                follow(it, databases, group))
        awsstory.healthy(it, CUSTOMER, group, 1, 'the standby becomes healthy')
        proc.wait_for(lambda: query(it, eni, STATE) == f'{STANDBY}|f', 60, 'sessions to move')
        it.step('a new session is on the new primary', f'{STANDBY}|f', query(it, eni, STATE))
        it.step('with what was written before', 'kept', query(it, eni, 'select note from notes'))
        it.step('the open session has ended', False, session.ask(STATE) == f'{PRIMARY}|f')
    finally:
        session.end()
    databases.children[PRIMARY].send_signal(signal.SIGINT)
    databases.children[PRIMARY].wait(60)
    it.step('the old primary stops: writing goes on', 'INSERT 0 1',
            query(it, eni, "insert into notes values ('more')"))


def run(opts, say):
    """Play it."""
    conf = awsstory.config('ap-northeast-1', [CUSTOMER, ANALYTICS])
    databases = Databases()
    with awsstory.begin(opts, say, conf, {'customer': [PRIMARY, STANDBY]}, databases.start) as it:
        out = stack(it, databases)
        eni = connect(it, out['EndpointServiceName'])
        it.step('a session is on the primary', f'{PRIMARY}|f', query(it, eni, STATE))
        written = [query(it, eni, sql) for sql in ('create table notes (note text)',
                                                   "insert into notes values ('kept')")]
        it.step('it writes', ['CREATE TABLE', 'INSERT 0 1'], written)
        fail_over(it, databases, out['TargetGroup'], eni)
        return it.result()
