#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""culvert-bench as a program: over a pair of its own memif ports, and through culvertd.

usage: test_bench.py CULVERT-BENCH CULVERTD SOURCE-ROOT

Needs no huge pages and no network interface. Rates are low or a closed loop, so that a busy machine makes it
slow but not wrong; nothing here judges speed. Prints TAP.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

BENCH, CULVERTD, ROOT = (pathlib.Path(a) for a in sys.argv[1:4])
TAG = f'cvbench-{os.getpid()}'
CPUS = sorted(os.sched_getaffinity(0))
COUNT = {'n': 0, 'failed': 0}

LOOP = ['--client', f'net_memif0,role=server,id=0,socket={TAG}-loop',
        '--server', f'net_memif1,role=client,id=0,socket={TAG}-loop',
        '--clients', '172.16.0.0/22', '--dial', '10.0.0.1-10.0.0.4:80', '--servers', '10.0.0.1-10.0.0.4:80']
THROUGH = ['--client', f'net_memif0,role=client,id=0,socket={TAG}-consumer',
           '--server', f'net_memif1,role=client,id=0,socket={TAG}-provider',
           '--clients', '172.16.64.0/18', '--dial', '172.16.1.10:80', '--servers', '10.0.1.32-10.0.1.63:8080']
VPCE = 'vpce-728a9c263431421a7'


def ok(good, what, more=''):
    COUNT['n'] += 1
    COUNT['failed'] += not good
    print(f'{"ok" if good else "not ok"} {COUNT["n"]} - {what}', flush=True)
    if not good:
        for line in str(more).splitlines():
            print(f'# {line}', flush=True)


def bench(*args):
    """Run; return (exit code, result or None, stderr)."""
    done = subprocess.run([BENCH, *args], capture_output=True, text=True, timeout=120, check=False)
    try:
        return done.returncode, json.loads(done.stdout), done.stderr
    except json.JSONDecodeError:
        return done.returncode, None, done.stderr


def longer(args, times):
    """The arguments with a multiple of their duration."""
    at = args.index('--duration') + 1
    return (*args[:at], str(float(args[at]) * times), *args[at + 1:])


def run(what, check, mode, ports, *args):
    """One test: exit code 0, nothing lost, nothing wrong, and what check(result) says is true."""
    for times in (1, 4, 16):    # a busy machine gets less done in the time
        rc, j, err = bench(mode, '--no-huge', '--quiet', '--cores', str(CPUS[0]), '--drain', '10', *ports,
                           *longer(args, times))
        if j is None or rc != 0 or not j['ok'] or not no_harm(j) or check(j):
            break
    if j is None or rc != 0 or not j['ok']:
        ok(False, what, f'exit code {rc}\n{err}\n{json.dumps(j and j["verify"])}')
        return None
    try:
        ok(check(j), what, json.dumps({k: j[k] for k in ('result', 'verify', 'client', 'server')}, indent=1))
    except KeyError as key:
        ok(False, what, f'{key} is missing in the result')
    return j


def no_harm(j):
    """What holds for every good run."""
    wrong = {k: v for k, v in j['verify'].items()
             if v and k not in ('payload_checked', 'headers_checked', 'notes')}
    return not wrong and j['result']['lost'] == 0 and j['errors'] == []


def usage():
    rc, j, err = bench('established', '--flows', '10')
    ok(rc == 2 and j is None and '--client or --server is missing' in err,
        'a wrong command line: exit code 2', err)
    rc, _, err = bench('cps', '--no-huge', '--wait', '0.3', '--quiet', '--client', 'net_null0,no-rx=1',
                       '--clients', '10.0.0.0/24', '--dial', '10.1.0.1:80')
    ok(rc == 3 and 'nobody answers ARP for 10.1.0.1' in err, 'nobody there: exit code 3', err)
    rc, _, err = bench('cps', '--no-huge', '--client', 'net_nothing0', '--clients', '10.0.0.0/24', '--dial',
                       '10.1.0.1:80')
    ok(rc == 3 and re.search(r'culvert-bench: --client: .*net_nothing', err) is not None,
       'an unknown device is named', err)
    done = subprocess.run([BENCH, '--help'], capture_output=True, text=True, check=False)
    named = set(re.findall(r'^ {6}--([a-z-]+)', done.stdout, re.M))
    manual = (ROOT / 'doc' / 'bench.md').read_text()
    missing = [n for n in re.findall(r'`--([a-z-]+)', manual) if n not in named | {'no-huge', 'verify'}]
    ok(done.returncode == 0 and len(named) > 40 and not missing, 'the manual names options that exist',
        missing)


def keys_are_documented(j):
    manual = (ROOT / 'doc' / 'bench.md').read_text()
    missing = [k for k in list(j) + list(j['result']) if f'`{k}`' not in manual and f'`{k}.' not in manual]
    ok(not missing, 'the manual explains every key', missing)
    ok(set(j['options']) > {'client', 'flows', 'rate', 'seed'} and j['machine']['tsc_hz'] > 1e8 and
       j['tool'] == 'culvert-bench', 'options and machine are told')


def loop():
    j = run('loop: connections', lambda j: no_harm(j) and j['result']['received'] > 50 and
            j['client']['finished'] == j['client']['started'] and
            j['latency_ns']['connect']['p50'] > 0, 'cps', LOOP, '--duration', '0.3', '--verify',
            '--proxy', 'none')
    if j is not None:
        keys_are_documented(j)
    run('loop: packets of open flows', lambda j: no_harm(j) and j['result']['received'] > 1000 and
        j['verify']['payload_checked'] == j['result']['received'] and j['result']['pps'] > 0 and
        0 < j['result']['cpu_share'] < 1.1,
        'established', LOOP, '--duration', '0.3', '--flows', '2000', '--verify', '--order', 'random')
    run('loop: VLAN tags', lambda j: no_harm(j) and j['result']['received'] > 1000, 'established', LOOP,
        '--duration', '0.2', '--client-vlan', '7', '--server-vlan', '7', '--verify', '--size', '100')
    run('loop: streams',
        lambda j: no_harm(j) and j['server']['data_in'] > 1e6 and j['client']['data_in'] > 1e6,
        'throughput', LOOP, '--duration', '0.3', '--verify')
    run('loop: held flows', lambda j: no_harm(j) and j['flows']['open_at_end'] == 500 and
        j['client']['alive'] >= 500, 'concurrent', LOOP, '--duration', '1.5', '--flows', '500',
        '--keepalive', '0.5')
    run('loop: latency', lambda j: no_harm(j) and j['latency_ns']['up']['count'] > 100 and
        0 < j['latency_ns']['up']['p50'] <= j['latency_ns']['up']['p99'] <= j['latency_ns']['up']['max'] and
        sum(n for _, n in j['latency_ns']['down_buckets']) == j['latency_ns']['down']['count'],
        'latency', LOOP, '--duration', '0.5', '--rate', '5k', '--verify')
    run('loop: beside a flood', lambda j: no_harm(j) and j['client']['flood_in'] > 100 and
        j['server']['started'] == 100 and j['calm']['received'] > 0, 'flood', LOOP, '--duration', '0.4',
        '--flows',
        '100', '--rate', '2k', '--flood-rate', '5k')
    # On a busy machine no rate may pass: ours was not offered.
    rc, j, err = bench('limit', '--no-huge', '--quiet', *LOOP, '--duration', '0.1', '--flows', '50',
        '--precision',
                       '40', '--tries', '2')
    ok(rc in (0, 1) and j is not None and j['trials'][0]['rate'] == 0 and
       len(j['trials']) > 1 and all(t['rate'] > 0 for t in j['trials'][1:]) and
       j['ok'] == any(t['passed'] for t in j['trials']) and
       j['result']['rate'] == max([t['rate'] for t in j['trials'] if t['passed']], default=0),
       'loop: a limit',
       f'{err}{j and j["trials"]}')
    if len(CPUS) > 1:
        run('loop: one CPU for each side', lambda j: no_harm(j) and j['result']['received'] > 1000,
            'established',
            LOOP, '--duration', '0.2', '--cores', f'{CPUS[0]},{CPUS[1]}', '--verify')


class Culvertd:
    """culvertd with config/bench-memif.json, on names and CPUs of this test's own."""

    def __init__(self, where):
        conf = (ROOT / 'config' / 'bench-memif.json').read_text()
        conf = conf.replace('culvert-bench-', f'{TAG}-').replace('/run/culvert/bench-memif.sock',
            f'{where}/sock')
        conf = json.loads(conf)
        conf['dpdk'].update(cores=[CPUS[-1]], main_core=CPUS[0])
        conf['limits']['flows'] = 65536
        file = pathlib.Path(where) / 'bench.json'
        file.write_text(json.dumps(conf))
        self.log = open(pathlib.Path(where) / 'log', 'w+', encoding='utf-8')
        self.process = subprocess.Popen([CULVERTD, '-c', file], stderr=self.log)

    def ready(self):
        for _ in range(600):
            if 'ready:' in self.text():
                return True
            if self.process.poll() is not None:
                return False
            time.sleep(0.05)
        return False

    def text(self):
        self.log.flush()
        return pathlib.Path(self.log.name).read_text()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


def through_culvertd():
    with tempfile.TemporaryDirectory(prefix=TAG) as where:
        culvertd = Culvertd(where)
        try:
            if not culvertd.ready():
                ok(False, 'culvertd starts', culvertd.text())
                return
            run('culvertd: every connection has its header, of its client and endpoint',
                lambda j: no_harm(j) and j['result']['received'] > 50 and
                j['verify']['headers_checked'] == j['server']['ready'], 'cps', THROUGH, '--duration', '0.5',
                '--flows', '64', '--verify', '--proxy', 'require', '--vpce', VPCE, '--wait', '30',
                '--warmup', '1')
            run('culvertd: packets of open flows', lambda j: no_harm(j) and j['result']['received'] > 500 and
                j['verify']['headers_checked'] == 300, 'established', THROUGH, '--duration', '0.5',
                '--flows', '300',
                '--inflight', '64', '--verify', '--proxy', 'require', '--wait', '30')
            run('culvertd: streams', lambda j: no_harm(j) and j['server']['data_in'] > 50000,
                'throughput', THROUGH,
                '--duration', '0.5', '--flows', '4', '--verify', '--wait', '30')
            rc, j, err = bench('cps', '--no-huge', '--quiet', '--duration', '0.2', '--flows', '16', '--proxy',
                               'require', '--vpce', 'vpce-00000000000000000', '--wait', '30', *THROUGH)
            ok(rc == 1 and j is not None and j['verify']['headers_vpce'] > 0 and not j['ok'] and
               any('not \'vpce-00000000000000000\'' in note for note in j['verify']['notes']),
               'culvertd: another endpoint id than expected is noticed', f'{err}{j and j["verify"]}')
            rc, j, err = bench('cps', '--no-huge', '--quiet', '--duration', '0.2', '--flows', '16', '--proxy',
                               'none', '--wait', '30', *THROUGH)
            ok(rc == 1 and j is not None and j['verify']['headers_unwanted'] > 0,
               'culvertd: a header that is not wanted is noticed', err)
        finally:
            culvertd.stop()


def main():
    usage()
    loop()
    through_culvertd()
    print(f'1..{COUNT["n"]}')
    sys.exit(COUNT['failed'] > 0)


main()
