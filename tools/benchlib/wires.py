# SPDX-License-Identifier: BSD-3-Clause
"""Devices under test between two wires (memif or veth), and the generator at their other ends."""

import contextlib
import json
import os
import re
import statistics
import subprocess
import time

from . import config
from .core import Unmeasured


def in_ns(ns, argv):
    argv = [str(a) for a in argv]
    return ['ip', 'netns', 'exec', ns, *argv] if ns else argv


class Wires:
    """Two wires, each with a device for the one under test and one for the generator."""

    ns = gen_ns = None
    dut = ()
    gen = ()

    def __init__(self, bench):
        bench.need_two()
        self.bench = bench

    def dut_argv(self, argv):
        return in_ns(self.ns, argv)

    def gen_argv(self, argv):
        return in_ns(self.gen_ns, argv)


class Memif(Wires):
    """Shared memory between two processes: no kernel on the way."""

    name = 'memif'

    def __init__(self, bench):
        super().__init__(bench)
        tag = f'{bench.tag}-{os.urandom(2).hex()}'
        sides = [f'{tag}-{side}' for side in ('consumer', 'provider')]
        self.dut, self.gen = (tuple(f'net_memif{i},role={role},id=0,socket={s}'
                                    for i, s in enumerate(sides)) for role in ('server', 'client'))


def ip(*args, ns=None):
    argv = ['ip', *(['-n', ns] if ns else []), *args]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unmeasured(f'{" ".join(argv)}: {done.stderr.strip()}')


def sysctl(ns, *settings):
    subprocess.run(in_ns(ns, ['sysctl', '-qw', *settings]), check=False, capture_output=True)


def offloads_off(ns, iface):
    """As on a wire: nobody merges segments, and checksums are made."""
    for what in ('gro', 'gso', 'tso', 'tx', 'rx', 'sg', 'rxvlan', 'txvlan'):
        subprocess.run(['ip', 'netns', 'exec', ns, 'ethtool', '-K', iface, what, 'off'],
                       capture_output=True, check=False)


class Veth(Wires):
    """Two veth pairs: d0 and d1 for the device under test, g0 and g1 for the generator, each side in a
    namespace of its own, so that no kernel sees the other's ends."""

    name = 'veth'

    def __init__(self, bench, driver='net_af_xdp'):
        super().__init__(bench)
        name = f'{bench.tag}-{os.urandom(2).hex()}'
        self.ns, self.gen_ns = f'{name}d', f'{name}g'
        self.driver = driver

    def __enter__(self):
        try:
            for ns in (self.ns, self.gen_ns):
                ip('netns', 'add', ns)
                sysctl(ns, 'net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.default.disable_ipv6=1')
                ip('link', 'set', 'lo', 'up', ns=ns)
            for i in range(2):
                ip('link', 'add', f'd{i}', 'netns', self.ns, 'type', 'veth',
                   'peer', 'name', f'g{i}', 'netns', self.gen_ns)
                for ns, iface in ((self.ns, f'd{i}'), (self.gen_ns, f'g{i}')):
                    offloads_off(ns, iface)
                    ip('link', 'set', iface, 'up', ns=ns)
        except BaseException:
            self.__exit__()
            raise
        self.dut = tuple(f'{self.driver}{i},iface=d{i}' for i in range(2))
        self.gen = tuple(f'{self.driver}{i},iface=g{i}' for i in range(2))
        return self

    def __exit__(self, *_):
        for ns in (self.ns, self.gen_ns):
            with contextlib.suppress(Unmeasured):
                ip('netns', 'del', ns)


# ---- devices under test ----

@contextlib.contextmanager
def culvertd(wires, **more):
    """culvertd between the wires; yields it, with what the generator must dial. ready: wait until it is."""
    bench = wires.bench
    env, ready = more.pop('env', None), more.pop('ready', True)
    dpdk = {'cores': [bench.dut], 'main_core': bench.gen, 'huge_pages': bench.huge,
            'eal_args': ['--no-pci', '--file-prefix', f'{bench.tag}-d', *more.pop('eal_args', [])]}
    socket = bench.dir / f'culvertd-{time.monotonic_ns()}.sock'
    conf = config.region(wires.dut, dpdk, control={'socket': str(socket)}, **more)
    path = bench.dir / f'culvertd-{time.monotonic_ns()}.json'
    path.write_text(json.dumps(conf), encoding='utf-8')
    argv = wires.dut_argv([bench.tool('app', 'culvertd'), '-c', path])
    with bench.proc(argv, 'culvertd', env=env) as p:
        p.socket, p.conf_path = socket, path
        if ready:
            p.wait_text('ready:', 20)
            bench.threads_rt(p.p.pid)
        p.dial = ['--dial', f'{config.ENI}:80', '--servers', config.SERVERS, '--clients', config.CLIENTS]
        yield p


class Testpmd:
    """dpdk-testpmd, by its prompt."""

    def __init__(self, p):
        self.p = p

    def ask(self, line, pattern, seconds=10.0):
        at = len(self.p.text())
        self.p.p.stdin.write((line + '\n').encode())
        self.p.p.stdin.flush()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            text = self.p.text()[at:]
            if re.search(pattern, text):
                return text
            if self.p.p.poll() is not None:
                break
            time.sleep(0.005)
        raise Unmeasured(f'testpmd does not answer "{line}": {self.p.tail()}')

    def rx_pps(self, windows, seconds):
        """Packets per second received by all ports: median over windows."""
        rates = []
        self.ask('show port stats all', r'port 1 [\s\S]*Tx-pps')
        for _ in range(windows):
            time.sleep(seconds)
            text = self.ask('show port stats all', r'port 1 [\s\S]*Tx-pps:\s+\d+\s+Tx-bps')
            rates.append(sum(int(x) for x in re.findall(r'Rx-pps:\s+(\d+)', text)))
        return statistics.median(rates)


@contextlib.contextmanager
def testpmd(bench, devices, mode='io', ns=None, huge=None):
    """testpmd forwarding between two devices on the same CPU that culvertd's worker has."""
    memory = ['--in-memory'] if (bench.huge if huge is None else huge) else ['--no-huge']
    # Its answers must not wait in a buffer.
    argv = ['stdbuf', '-oL', 'dpdk-testpmd', '--lcores',
            f'0@{bench.gen if bench.gen is not None else bench.dut},1@{bench.dut}',
            *memory, '-m', '512', '--no-pci', '--no-telemetry', '--file-prefix', f'{bench.tag}-t']
    for device in devices:
        argv += ['--vdev', device]
    argv += ['--', '-i', f'--forward-mode={mode}', '--burst=64', '--nb-cores=1',
             '--total-num-mbufs=16384', '--mbcache=256', '--rxd=1024', '--txd=1024']
    with bench.proc(in_ns(ns, argv), 'testpmd', stdin=True) as p:
        p.wait_text('testpmd> ', 20)
        bench.threads_rt(p.p.pid)
        pmd = Testpmd(p)
        pmd.ask('start', 'packet forwarding|testpmd> ')
        p.dial = ['--dial', config.SERVERS, '--servers', config.SERVERS, '--clients', config.CLIENTS]
        p.pmd = pmd
        yield p


# ---- the generator ----

def generate(wires, mode, dial, *args, seconds=None, ok=(0, 1)):
    """Run culvert-bench at the other ends of the wires; its report."""
    bench = wires.bench
    argv = wires.gen_argv([bench.tool('app', 'culvert-bench'), mode, '--quiet', '--cores', str(bench.gen),
                          *([] if bench.huge else ['--no-huge']), '--client', wires.gen[0],
                          '--server', wires.gen[1], *dial,
                          '--duration', str(seconds or max(1.0, 2 * bench.seconds)), *map(str, args)])
    try:
        found = bench.output(argv, 25 + 6 * bench.seconds, ok=ok, spread=True)
    except Unmeasured as why:
        # Somebody else's real-time thread can keep ours from its CPU for long. Once is an accident.
        bench.warnings.append(f'culvert-bench {mode} on {wires.name}, tried again: {why}')
        found = bench.output(argv, 25 + 6 * bench.seconds, ok=ok, spread=True)
    share = found['result'].get('cpu_share')
    if share is not None and share < 0.9:
        bench.warnings.append(f'culvert-bench {mode} on {wires.name} had only {share:.0%} of its CPU')
    return found
