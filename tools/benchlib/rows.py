# SPDX-License-Identifier: BSD-3-Clause
"""The rows: what is measured, how, and what it should be."""

import contextlib
import dataclasses
import functools
import json
import operator
import statistics

from . import config, start, wires
from .core import Unmeasured

COMPARE = {'>=': operator.ge, '<=': operator.le, '==': operator.eq}


@dataclasses.dataclass
class Row:
    """One line of the result. target: such as '>= 20', None where there is none."""

    name: str
    value: float
    unit: str
    target: str = None
    what: str = ''

    def met(self):
        if self.target is None:
            return None
        how, bound = self.target.split()
        return COMPARE[how](self.value, float(bound))

    def json(self):
        return {'name': self.name, 'value': round(self.value, 4), 'unit': self.unit,
                'target': self.target, 'met': self.met()}


def _pps(report):
    return report['result']['pps']


def _turns(bench):
    return 3 if bench.quick else 9


def _medians(pairs):
    """Of turns of culvert and another: the median of each, and that of the turns' ratios (%)."""
    if not all(a and b for a, b in pairs):
        raise Unmeasured(f'no packets came through in a turn: {pairs}')
    return (*(statistics.median(x) for x in zip(*pairs)), 100 * statistics.median(a / b for a, b in pairs))


def established(bench):
    rows = []
    for huge in ([True, False] if bench.huge else [False]):
        name = 'established' if huge == bench.huge else 'established_small_pages'
        found = bench.rows_tool('established', huge=huge, name=name)
        points = {p['flows']: p for p in found['points']}
        rows += [Row(f'{name}/{n}', points[n]['mpps'], 'Mpps', f'>= {t}',
                     f'{n:,} flows, PROXY on, both directions in turn, in process, receive and '
                     f'transmit included, packets in {"huge" if huge else "small"} pages')
                 for n, t in ((1000, 20), (50000, 18), (1000000, 11))]
    return rows


def _pcap(bench, huge):
    """culvert and testpmd io in turns on the same two net_pcap devices, on the same CPU: Mpps of both."""
    captures = bench.dir / 'pcap'
    captures.mkdir(exist_ok=True)
    argv = [bench.tool('tests', 'bench', 'bench_pcap'), '--cores', bench.dut, '--flows', '1000',
            *(['--huge'] if huge else []), '--seconds', bench.seconds, captures]
    # Writes what both replay; not counted.
    bench.output(argv, 60)
    devices = [f'net_pcap{i},rx_pcap={captures}/{name}.pcap,infinite_rx=1'
               for i, name in enumerate(('c2t', 't2c'))]
    pairs = []
    with wires.testpmd(bench, devices, huge=huge) as p:
        p.pause()
        # One turn where nobody set a target, if it must be quick.
        for _ in range(1 if huge and bench.quick else _turns(bench)):
            ours = bench.output(argv, 60)['mpps']
            with p.running():
                pairs.append((ours, p.pmd.rx_pps(3, 0.1 if bench.quick else 0.3) / 1e6))
    return {'mpps_culvert_and_testpmd_io': pairs}


def pcap(bench):
    found = {'small': _pcap(bench, False)}
    if bench.huge:
        found['huge'] = _pcap(bench, True)
    bench.details['pcap'] = found
    rows = []
    for pages, tail in (('small', ''), ('huge', '_huge')):
        if pages not in found:
            continue
        ours, floor, share = _medians(found[pages]['mpps_culvert_and_testpmd_io'])
        # Nobody set one for huge pages, where testpmd io hardly touches a packet.
        target = '>= 50' if pages == 'small' else None
        rows += [Row(f'pcap{tail}/1000', ours, 'Mpps', None,
                     'two net_pcap devices with infinite_rx and no transmit file, 1,000 flows, both '
                     'directions, '
                     f'{pages} pages'),
                 Row(f'pcap_share{tail}/1000', share, '% of testpmd io', target,
                     f'in turns with testpmd io on the same devices and CPU: {floor:.1f} Mpps')]
    return rows


@contextlib.contextmanager
def wires_of(bench, kind):
    if kind == 'memif':
        yield wires.Memif(bench)
    else:
        with wires.Veth(bench, kind) as w:
            yield w


@contextlib.contextmanager
def _side_by_side(bench, kind):
    """culvertd and testpmd io on the same CPU, each between wires of its own. Both are there all the time,
    one of them runs: so turns can be short, and whatever slows the machine for seconds meets both.
    Yields two functions that let the generator drive one of them: run(mode, *args), its report."""
    with wires_of(bench, kind) as ours, wires_of(bench, kind) as theirs, wires.culvertd(ours) as d:
        d.pause()
        with wires.testpmd(bench, theirs.dut, ns=theirs.ns) as t:
            t.pause()

            def run(w, device, mode, *args):
                with device.running():
                    return wires.generate(w, mode, device.dial, '--flows', '1k', *args)

            yield functools.partial(run, ours, d), functools.partial(run, theirs, t)


def _share(bench, kind, label):
    """Of turns of culvertd and testpmd io: both medians (Mpps), and the median of their ratios (%)."""
    with _side_by_side(bench, kind) as (culvert, pmd):
        reports = [(culvert('established', '--proxy', 'require'), pmd('established'))
                   for _ in range(_turns(bench))]
    pairs = [(_pps(a) / 1e6, _pps(b) / 1e6) for a, b in reports]
    if not all(a and b for a, b in pairs):
        raise Unmeasured(f'no packets came through: {[[r["errors"] for r in pair] for pair in reports]}')
    bench.details[label] = {'mpps_culvert_and_testpmd_io': pairs,
                            'generator_cpu_share': [r['result']['cpu_share'] for t in reports for r in t]}
    return _medians(pairs)


def afxdp(bench):
    a, b, share = _share(bench, 'net_af_xdp', 'afxdp')
    return [Row('afxdp/1000', a, 'Mpps', None, 'over AF_XDP on veth, culvert-bench on the other CPU'),
            Row('afxdp_share/1000', share, '% of testpmd io', '>= 95',
                f'in turns with testpmd io on wires alike: {b:.3f} Mpps')]


def memif(bench):
    a, b, share = _share(bench, 'memif', 'memif')
    return [Row('memif/1000', a, 'Mpps', None, 'over memif, culvert-bench on the other CPU'),
            Row('memif_share/1000', share, '% of testpmd io', '>= 80',
                f'in turns with testpmd io on wires alike: {b:.2f} Mpps')]


def connections(bench):
    found = bench.rows_tool('connections', seconds=min(bench.seconds, 0.8))
    rows = [Row('connections', found['connections_per_s'], '/s', '>= 1500000',
                'SYN to close, eight packets with header splice, ageing included, in process')]
    with wires_of(bench, 'memif') as w, wires.culvertd(w) as d:
        report = wires.generate(w, 'cps', d.dial, '--proxy', 'require')
    bench.details['connections_memif'] = report
    rows.append(Row('connections_memif', report['result']['cps'], '/s', None,
                    'the same over memif, with request and response, every header checked by culvert-bench'))
    return rows


def memory(bench):
    found = bench.rows_tool('memory', timeout=300)
    gib = found['bytes'] / 2**30
    worst = max(found['c2t_ratio'], found['t2c_ratio'])
    return [Row('memory/flow', found['bytes_per_flow'], 'B', '<= 128',
                'resident memory that 10 million flows add: table, entries, ports, per flow'),
            Row('memory/10M', gib, 'GiB', '<= 1.5', '10 million flows held'),
            Row('memory/10M_cycles', worst, 'x', '<= 2',
                'cycles of the core per packet at 10 million flows against 1,000, in '
                f'{found["turns"]} turns, the slower direction')]


def proxy(bench):
    found = bench.rows_tool('proxy')
    return [Row('proxy/established', found['established_slower_percent'], '%', '<= 1',
                'PROXY on against off, established packets, in turns'),
            Row('proxy/connections', found['connections_slower_percent'], '%', '<= 10',
                'PROXY on against off, new connections, in turns')]


def workers(bench):
    bench.need_two()
    found = bench.rows_tool('workers', cores=f'{bench.dut},{bench.gen}', seconds=bench.seconds)
    return [Row('workers/symmetric', found['two_ratio'], 'x', '>= 1.9',
                f'two workers, each with its own flows, against one ({found["one_mpps"]:.1f} Mpps on its '
                f'CPU, {found["one_on_other_core_mpps"]:.1f} on the other: their mean), in process'),
            Row('workers/wrong_queue', found['wrong_queue_ratio'], 'x', '>= 1.3',
                'the same when every reply comes by the other worker\'s queue'),
            Row('workers/machine', found['apart_ratio'], 'x', None,
                'two data planes that share nothing, against one: what these two CPUs give at most')]


def latency(bench):
    """At half of what the device under test could do over the same wires, both ways together."""
    def of(report, key):
        return statistics.mean(report['latency_ns'][way][key] for way in ('up', 'down')) / 1000

    with _side_by_side(bench, 'memif') as (culvert, pmd):
        rate = _pps(culvert('established')) / 2
        args = ('latency', '--rate', round(rate))
        reports = [(culvert(*args), pmd(*args)) for _ in range(_turns(bench))]
    reports.sort(key=lambda pair: of(pair[0], 'p99') - of(pair[1], 'p99'))
    ours, theirs = reports[len(reports) // 2]
    bench.details['latency'] = {
        'rate_pps': rate, 'culvert': ours['latency_ns'], 'testpmd': theirs['latency_ns'],
        'added_us': [{p: of(a, p) - of(b, p) for p in ('p50', 'p99')} for a, b in reports]}
    rows = []
    for p, target in (('p50', 2), ('p99', 10)):
        a, b = zip(*((of(x, p), of(y, p)) for x, y in reports))
        rows.append(Row(f'latency/{p}', statistics.median(x - y for x, y in zip(a, b)), 'us', f'<= {target}',
                        f'added to testpmd io over memif at {rate / 1e6:.1f} Mpps, one way: '
                        f'{statistics.median(a):.1f} against {statistics.median(b):.1f} us'))
    return rows


def publish(bench):
    bench.need_two()
    conf = config.big(('net_null0', 'net_null1'), {'cores': [bench.dut], 'main_core': bench.gen})
    path = bench.dir / 'big.json'
    path.write_text(json.dumps(conf), encoding='utf-8')
    found = bench.output([bench.tool('tests', 'bench', 'bench_publish'), path, bench.dut, bench.gen,
                          7 if bench.quick else 15], 120)
    bench.details['publish'] = found
    return [Row('publish/time', found['rebuild_publish_ms'], 'ms', '<= 100',
                '20,000 listeners, 10,000 endpoints, 50,000 targets, 150,000 port pools: plan, view, '
                'publish; '
                f'reading the file takes {found["read_ms"]:.0f} ms more; slowest of the first four, which '
                f'take memory from the kernel: {found["slowest_cold_ms"]:.0f} ms'),
            Row('publish/lost', found['lost'], 'packets', '== 0',
                f'of {found["packets"]:,} forwarded meanwhile'),
            Row('publish/stall', found['stall_us'], 'us', '<= 10',
                'longest time away from the receive queue within 1 ms of the publication, in which the '
                f'view comes into use (0: below 5 us), and {found["calm_stall_us"]:.0f} us without one; '
                f'within the 10 ms in which flows are checked {found["checked_stall_us"]:.0f} us, '
                f'{found["calm_checked_stall_us"]:.0f} us without; in the whole reload '
                f'{found["whole_stall_us"]:.0f} us, {found["calm_whole_stall_us"]:.0f} us without')]


def start_up(bench):
    turns = [start.measure(bench) for _ in range(3 if bench.quick else 7)]
    eal, whole = (statistics.median(t[i] for t in turns) for i in (0, 1))
    bench.details['start'] = {'after_eal_s': [t[0] for t in turns], 'whole_s': [t[1] for t in turns]}
    return [Row('start', eal, 's', '<= 1',
                f'end of the EAL\'s start to the first forwarded packet; from exec {whole:.2f} s')]


def _flood_memif(bench):
    """Established packets at half of what the device can do, beside 4 million SYNs a second, over memif."""
    with wires_of(bench, 'memif') as w, wires.culvertd(w) as d:
        rate = _pps(wires.generate(w, 'established', d.dial, '--flows', '1k')) / 2
        report = wires.generate(w, 'flood', d.dial, '--flows', '1k', '--rate', round(rate),
                                '--flood-rate', '4M')
    bench.details['flood_memif'] = report
    result = report['result']
    return Row('worst/flood_memif', 100 * (1 - result['lost'] / max(1, result['offered'])), '%', '>= 90',
               f'established packets kept ({rate / 1e6:.1f} Mpps offered) beside 4 million SYNs a second of '
               'random sources, over memif')


def worst(bench):
    cases = {c['name']: c for c in bench.rows_tool('worst', seconds=min(bench.seconds, 0.5))['cases']}
    flood = bench.rows_tool('flood')
    hashes = cases['chosen_hashes']
    refused = sum(v for k, v in hashes.items() if k.endswith('_refused'))
    fullest = max(v for k, v in hashes.items() if k.endswith('_fullest') and not k.startswith('random'))
    ports = cases['full_ports']
    memif_rows = [_flood_memif(bench)] if bench.gen is not None else []
    return memif_rows + [
        Row('worst/flood', flood['established_kept_percent'], '%', '>= 90',
            f'established packets kept ({flood["established_offered_mpps"]:.1f} Mpps offered) beside SYNs of '
            f'random sources at {flood["flood_offered_mpps"]:.1f} Mpps (10 GbE line rate), in process, one '
            f'receive queue of {flood["queue"]}; once half-open flows are at their limit'),
        Row('worst/flood_opening', flood['opening_kept_percent'], '%', None,
            f'the same in the first {flood["opening_ms"]} ms, until then; '
            f'{flood["whole_kept_percent"]:.1f} % of the whole'),
        Row('worst/flood_memory', flood['memory_grown_mb'], 'MB', None, 'memory grown during that flood'),
        Row('worst/full_ports', ports['ratio'], 'x', '<= 1.1',
            'opening and closing 54,945 flows towards one target (99.9 % of its ports) against 50 targets '
            '(2 %)'),
        Row('worst/full_ports_established', ports['established_mpps_at_99_9_percent'], 'Mpps', None,
            '54,945 flows, all to one target'),
        Row('worst/hash_refused', refused, 'flows', '== 0',
            '5 x 65,536 tuples chosen to collide without the key, in a table of that size'),
        Row('worst/hash_fullest', fullest, 'flows', None,
            f'most of them in one first bucket; {hashes["random_fullest"]} for random tuples'),
        Row('worst/miss_listener', cases['misses']['to_listener_mpps'], 'Mpps', None,
            'every packet of no flow, to a listener: answered with RST'),
        Row('worst/miss_port', cases['misses']['no_listener_mpps'], 'Mpps', None,
            'every packet to a port that nobody listens on'),
        Row('worst/miss_target', cases['misses']['from_nobody_mpps'], 'Mpps', None,
            'every packet to a node from nobody'),
        Row('worst/frames_60', cases['frames_60']['mpps'], 'Mpps', None, '50,000 flows, smallest frames'),
        Row('worst/frames_1514', cases['frames_1514']['gbit_per_s'], 'Gbit/s', None,
            '50,000 flows, largest frames'),
    ]


# In this order. Names are what --only takes.
ROWS = {
    'established': established,
    'pcap': pcap,
    'afxdp': afxdp,
    'memif': memif,
    'connections': connections,
    'memory': memory,
    'proxy': proxy,
    'workers': workers,
    'latency': latency,
    'publish': publish,
    'start': start_up,
    'worst': worst,
}
