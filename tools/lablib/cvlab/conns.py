# SPDX-License-Identifier: BSD-3-Clause
"""Very many connections: tools/lablib/many_conns.py on hosts of a lab."""

import json
import pathlib
import subprocess
import time

from . import proc
from .proc import LabError

PROGRAM = str(pathlib.Path(__file__).resolve().parent.parent / 'many_conns.py')
PYTHON = '/usr/bin/python3'
# What a host needs for more connections than usual; what is not there is not needed.
SYSCTLS = {'net/ipv4/ip_local_port_range': '1024 65535', 'net/ipv4/tcp_max_tw_buckets': '1000000',
           'net/core/somaxconn': '65535', 'net/ipv4/tcp_max_syn_backlog': '65535',
           'net/netfilter/nf_conntrack_max': '1000000'}


class _Program:
    """A running many_conns.py and what it counted."""

    def __init__(self, lab, ns, name, argv, stdin=subprocess.DEVNULL):
        self.lab, self.name = lab, name
        proc.run(['sh', '-c', 'cd /proc/sys; ' + ' '.join(
            f'[ ! -w {key} ] || echo {value} >{key};' for key, value in SYSCTLS.items()) + ' true'],
            ns=ns, check=False)
        self.child = lab.spawn(name, [PYTHON, PROGRAM, *argv], ns=ns, stdin=stdin)
        proc.wait_for(self.series, 60, f'{name} to start')

    def series(self):
        """Its counts so far, oldest first; `at` is the time of time.monotonic()."""
        if self.child.poll() is not None:
            raise LabError(f'{self.name} ended: {self.lab.output(self.name)[-500:]}')
        lines = self.lab.output(self.name).split('\n')[:-1]
        return [json.loads(x) for x in lines if x.startswith('{')]

    def counts(self):
        """What it counted last."""
        return self.series()[-1]


class Server(_Program):
    """Accepts everything on some ports of a target."""

    def __init__(self, lab, vpc, ip, ports, total):
        super().__init__(lab, lab.ns(vpc, ip), f'serve-{ip}',
                         ['serve', ip, ','.join(map(str, ports)), '--total', total])


class Dialer(_Program):
    """A VPC's client with several addresses; jobs are those of many_conns.py."""

    def __init__(self, lab, vpc, addresses, total):
        ns = lab.ns(vpc)
        batch = ''.join(f'addr replace {a} dev eth0\n' for a in addresses)
        proc.run(['ip', '-n', ns, '-batch', '-'], input=batch)
        super().__init__(lab, ns, f'dial-{vpc}', [
            'dial', ','.join(a.partition('/')[0] for a in addresses), '--total', total],
            stdin=subprocess.PIPE)
        self.jobs = 0

    def begin(self, **job):
        """Start a job; returns its time."""
        now = time.monotonic()
        self.child.stdin.write(json.dumps(job).encode() + b'\n')
        self.child.stdin.flush()
        self.jobs += 1
        return now

    def is_done(self):
        """Whether all jobs are done."""
        return self.counts()['jobs_done'] >= self.jobs

    def do(self, timeout, **job):
        """Do a job to its end: what it added to the counts."""
        before = self.counts()
        self.begin(**job)
        proc.wait_for(self.is_done, timeout, f'{self.name} to finish {job}', step=0.1)
        after = self.counts()
        return {key: after[key] - before[key] for key in after}
