# SPDX-License-Identifier: BSD-3-Clause
"""What else forwards TCP, measured beside culvert: same run, same CPU, same wires, same generator.

The kernel's peers are on veth with offloads off, as on a wire; the work of receiving is moved to the measured
CPU (RPS), as a NIC would do it. testpmd, which forwards without looking, is the floor.
"""

import contextlib
import pathlib
import subprocess

from . import config, core, wires
from .core import Unmeasured

NGINX_STREAM = pathlib.Path('/usr/lib/nginx/modules/ngx_stream_module.so')
# The kernel's table of neighbours holds about a thousand: few clients, with many ports each.
DIAL = ['--dial', f'{config.ENI}:80', '--servers', config.SERVERS, '--clients', '172.16.64.0/24']
DIRECT = ['--dial', config.SERVERS, '--servers', config.SERVERS, '--clients', '172.16.64.0/24']
TARGETS = [f'10.0.1.{32 + i}' for i in range(config.N_TARGETS)]

SYSCTLS = ('net.ipv4.ip_forward=1', 'net.core.somaxconn=65535', 'net.ipv4.tcp_max_syn_backlog=65535',
           'net.ipv4.ip_local_port_range=1024 65535', 'net.ipv4.conf.all.rp_filter=0')
CONNTRACK = ('net.netfilter.nf_conntrack_tcp_timeout_time_wait=1',
             'net.netfilter.nf_conntrack_tcp_timeout_close=1',
             'net.netfilter.nf_conntrack_tcp_be_liberal=1')


def kernel_side(w):
    """Addresses of the device under test, and its receive work on its CPU."""
    for iface, address in (('d0', f'{config.ENI}/16'), ('d1', f'{config.NODE}/24')):
        wires.ip('addr', 'add', address, 'dev', iface, ns=w.ns)
        path = f'/sys/class/net/{iface}/queues/rx-0/rps_cpus'
        subprocess.run(wires.in_ns(w.ns, ['sh', '-c', f'echo {1 << w.bench.dut:x} > {path}']), check=False,
                       capture_output=True)
    wires.sysctl(w.ns, *SYSCTLS)


@contextlib.contextmanager
def daemon(w, argv, name, listens):
    """A proxy on the measured CPU, once it listens."""
    bench = w.bench
    argv = ['taskset', '-c', str(bench.dut), *(['chrt', '-f', '50'] if bench.rt else []), *argv]
    with bench.proc(w.dut_argv(argv), name) as p:
        for _ in range(100):
            out = subprocess.run(w.dut_argv(['ss', '-Hltn']), capture_output=True, text=True,
                                 check=False).stdout
            if listens in out:
                break
            if p.p.poll() is not None:
                raise Unmeasured(f'{name} ended: {p.tail()}')
            core.time.sleep(0.1)
        else:
            raise Unmeasured(f'{name} does not listen: {p.tail()}')
        yield p


@contextlib.contextmanager
def haproxy(w):
    servers = '\n'.join(f'  server s{i} {ip}:8080 send-proxy-v2' for i, ip in enumerate(TARGETS))
    path = w.bench.dir / 'haproxy.cfg'
    path.write_text('global\n  nbthread 1\n  maxconn 9000\ndefaults\n  mode tcp\n  timeout connect 5s\n'
                    '  timeout client 30s\n  timeout server 30s\n'
                    f'listen web\n  bind {config.ENI}:80\n  balance roundrobin\n{servers}\n',
                    encoding='utf-8')
    with daemon(w, ['haproxy', '-db', '-f', path], 'haproxy', f'{config.ENI}:80') as p:
        yield p


@contextlib.contextmanager
def nginx(w):
    servers = '\n'.join(f'    server {ip}:8080;' for ip in TARGETS)
    path = w.bench.dir / 'nginx.conf'
    path.write_text('load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n'
                    'daemon off;\nmaster_process off;\nworker_processes 1;\n'
                    f'pid {w.bench.dir}/nginx.pid;\nerror_log {w.bench.dir}/nginx.log;\n'
                    'worker_rlimit_nofile 100000;\nevents { worker_connections 50000; }\n'
                    f'stream {{\n  upstream web {{\n{servers}\n  }}\n'
                    f'  server {{\n    listen {config.ENI}:80 backlog=65535;\n'
                    '    proxy_pass web;\n    proxy_protocol on;\n  }\n}\n', encoding='utf-8')
    with daemon(w, ['nginx', '-c', path, '-e', f'{w.bench.dir}/nginx-start.log'], 'nginx',
                f'{config.ENI}:80') as p:
        yield p


@contextlib.contextmanager
def nftables(w):
    targets = ', '.join(f'{i} : {ip}' for i, ip in enumerate(TARGETS))
    rules = ('table ip bench {\n'
             ' chain pre { type nat hook prerouting priority -100;\n'
             f'  iifname "d0" tcp dport 80 dnat to jhash ip saddr . tcp sport mod {len(TARGETS)} '
             f'map {{ {targets} }}:8080\n }}\n'
             ' chain post { type nat hook postrouting priority 100;\n'
             f'  oifname "d1" snat to {config.NODE}\n }}\n}}\n')
    done = subprocess.run(w.dut_argv(['nft', '-f', '-']), input=rules, capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise Unmeasured(f'nft: {done.stderr.strip()}')
    wires.sysctl(w.ns, *CONNTRACK)
    yield None


MEASURES = {
    'connections': ('/s', 'cps', [], lambda r: r['result']['cps']),
    'throughput': ('Gbit/s', 'throughput', ['--flows', '32'],
                   lambda r: (r['result']['up_bps'] + r['result']['down_bps']) / 1e9),
    'established': ('Mpps', 'established', ['--flows', '1k'], lambda r: r['result']['pps'] / 1e6),
    'established, up': ('Mpps', 'established', ['--flows', '1k', '--direction', 'up'],
                        lambda r: r['result']['pps'] / 1e6),
}


def value_of(w, measure, dial, *more):
    unit, mode, args, get = MEASURES[measure]
    report = wires.generate(w, mode, dial, *args, *more)
    value = get(report)
    if value <= 0:
        raise Unmeasured(f'{measure}: nothing came through: {report["errors"]} '
                         f'{report["verify"].get("notes")}')
    return unit, value, report


def culvert(bench, kind, measures):
    """culvert over wires of a kind: {measure: value}, once a run."""
    have = bench.details.setdefault('peers_culvert', {}).setdefault(kind, {})
    missing = [m for m in measures if m not in have]
    if missing:
        with wires_of(bench, kind) as w, wires.culvertd(w):
            for m in missing:
                have[m] = value_of(w, m, DIAL, '--proxy', 'require')[1]
    return have


@contextlib.contextmanager
def wires_of(bench, kind):
    if kind == 'memif':
        yield wires.Memif(bench)
    else:
        with wires.Veth(bench, 'net_af_xdp') as w:
            yield w


def compare(bench, name, kind, found):
    """found: {measure: (unit, value)}."""
    ours = culvert(bench, kind, list(found))
    return [{'name': name, 'wires': kind, 'measure': m, 'unit': unit, 'value': value, 'culvert': ours[m],
             'ratio': ours[m] / value} for m, (unit, value) in found.items()]


def of_kernel(bench, name, make, proxy, measures):
    found = {}
    with wires_of(bench, 'veth') as w:
        kernel_side(w)
        with make(w):
            for m in measures:
                unit, value, _ = value_of(w, m, DIAL, '--proxy', proxy)
                found[m] = (unit, value)
    return compare(bench, name, 'veth', found)


def of_testpmd(bench, mode):
    out = []
    for kind in ('memif', 'veth'):
        with wires_of(bench, kind) as w, wires.testpmd(bench, w.dut, mode=mode, ns=w.ns):
            # macswap sends a frame on with its MACs swapped: nobody can be asked for one, or answer.
            measure, more = 'established', []
            if mode == 'macswap':
                measure, more = 'established, up', ['--blind', '--via-mac', '02:00:00:00:00:01']
            unit, value, _ = value_of(w, measure, DIRECT, *more)
        out += compare(bench, f'testpmd {mode}', kind, {measure: (unit, value)})
    return out


def testpmd_io(bench):
    """dpdk-testpmd --forward-mode=io: forwards without looking"""
    return of_testpmd(bench, 'io')


def testpmd_macswap(bench):
    """dpdk-testpmd --forward-mode=macswap: touches each frame"""
    return of_testpmd(bench, 'macswap')


def haproxy_v2(bench):
    """HAProxy, one thread, send-proxy-v2"""
    return of_kernel(bench, 'HAProxy send-proxy-v2', haproxy, 'require', ['connections', 'throughput'])


def nginx_stream(bench):
    """nginx stream, one worker, proxy_protocol on (version 1: it sends no other)"""
    return of_kernel(bench, 'nginx stream proxy_protocol', nginx, 'auto', ['connections', 'throughput'])


def kernel_nat(bench):
    """nftables DNAT and SNAT, no PROXY header"""
    return of_kernel(bench, 'nftables SNAT+DNAT', nftables, 'none', ['connections', 'throughput',
                                                                     'established'])


PEERS = {
    'testpmd-io': testpmd_io,
    'testpmd-macswap': testpmd_macswap,
    'haproxy': haproxy_v2,
    'nginx': nginx_stream,
    'nftables': kernel_nat,
}


def versions():
    return {
        'dpdk-testpmd': core.version(['dpkg-query', '-W', '-f', '${Version}\n', 'dpdk-dev']),
        'haproxy': core.version(['haproxy', '-v']),
        'nginx': core.version(['nginx', '-v']),
        'nftables': core.version(['nft', '--version']),
        'module': 'ngx_stream_module' if NGINX_STREAM.exists() else None,
    }
