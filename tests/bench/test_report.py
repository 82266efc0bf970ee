#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""tools/bench, run for two cheap rows: its JSON, its report, and plots that hold the points.

usage: test_report.py [BUILD]. Prints `ok NAME`, `not ok NAME` or `skip NAME: reason`; exit code 1 if one is
not ok. What is measured does not matter here, only that it is, and is told the same everywhere.
"""

import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import types
import xml.etree.ElementTree as ET

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / 'tools'))
sys.dont_write_bytecode = True
from benchlib import core, report, rows, svg  # noqa: E402

SVG = '{http://www.w3.org/2000/svg}'
FAILED = []


def ok(good, name, why=''):
    print(f'{"ok" if good else "not ok"} {name}')
    if not good:
        FAILED.append(name)
        print(f'  {why}')


def drawn_lines():
    """Each point of each line is a dot, in its place: x by the logarithm, y by the value."""
    series = {'a': [(1000, 50.0), (100000, 25.0)],
              'b <&': [(1000, 10.0), (10000, 20.0), (100000, 50.0)]}
    root = ET.fromstring(svg.lines('title', 'x', 'y', series))
    dots = [(float(c.get('cx')), float(c.get('cy'))) for c in root.iter(f'{SVG}circle')]
    points = [p for line in series.values() for p in line]
    ok(len(dots) == len(points), 'plot_has_every_point', f'{len(dots)} dots')
    by = dict(zip(points, dots))
    (x1, y50), (x2, y25) = by[(1000, 50.0)], by[(100000, 25.0)]
    middle = by[(10000, 20.0)][0]
    ok(math.isclose(middle, (x1 + x2) / 2, abs_tol=0.2), 'plot_x_is_logarithmic', f'{x1} {middle} {x2}')
    ok(math.isclose(y25 - y50, (svg.H - svg.TOP - svg.BOTTOM) / 2, abs_tol=0.2), 'plot_y_is_to_scale',
       f'{y50} {y25}')
    ok('b <&' in [t.text for t in root.iter(f'{SVG}text')], 'plot_names_its_lines')


def drawn_details():
    points = [{'flows': n, 'mpps': 50.0, 'c2t_mpps': 60.0, 't2c_mpps': 40.0} for n in (1000, 50000, 1000000)]
    percentiles = {'p50': 900, 'p90': 2000, 'p99': 9000, 'p99_9': 20000, 'p99_99': 90000}
    both = {'up': percentiles, 'down': percentiles}
    found = report.plots({'established': {'points': points},
                          'latency': {'rate_pps': 1e6, 'culvert': both, 'testpmd': both}})
    ok(sorted(found) == ['latency.svg', 'rate_over_flows.svg'], 'plots_of_what_was_measured', list(found))
    counts = {name: len(list(ET.fromstring(text).iter(f'{SVG}circle'))) for name, text in found.items()}
    ok(counts == {'latency.svg': 10, 'rate_over_flows.svg': 9}, 'plots_hold_all_points', counts)


class Recorded(core.Bench):
    """A bench whose programs answer what they were asked with."""

    def tool(self, *parts):
        return parts[-1]

    def output(self, argv, timeout=0, **_):
        mpps = 2.0 if '--huge' in argv else 1.0
        return {'points': [{'flows': n, 'mpps': mpps} for n in (1000, 50000, 1000000)]}


def details_of_pages():
    for huge, want in ((True, {'established': 2.0, 'established_small_pages': 1.0}),
                       (False, {'established': 1.0})):
        bench = Recorded(types.SimpleNamespace(quick=True))
        bench.huge = huge
        told = {r.name: r.value for r in rows.established(bench)}
        kept = {name: d['points'][0]['mpps'] for name, d in bench.details.items()}
        ok(kept == want and all(told[f'{name}/1000'] == v for name, v in want.items()),
           f'details_of_{"huge_and_" if huge else ""}small_pages', f'{kept} {told}')


def bars(out, results):
    root = ET.parse(out / 'scaling.svg').getroot()
    heights = [float(r.get('height')) for r in root.iter(f'{SVG}rect')][1:]
    found = results['details']['workers']
    values = [found[k] for k in ('one_mpps', 'two_mpps', 'wrong_queue_mpps')]
    ok(len(heights) == 3 and all(math.isclose(h / heights[0], v / values[0], rel_tol=0.02)
                                 for h, v in zip(heights, values)),
       'bars_are_to_scale', f'{heights} {values}')


def written(out, told):
    results = json.loads((out / 'results.json').read_text(encoding='utf-8'))
    ok(results['rows'] == told['rows'] and results['machine'] == told['machine'],
       'results_json_is_what_is_told')
    text = (out / 'report.md').read_text(encoding='utf-8')
    names = re.findall(r'^\| `([^`]+)` \|', text, re.M)
    ok(names == [r['name'] for r in told['rows']], 'report_has_every_row', names)
    plots = re.findall(r'!\[[^]]*\]\(([^)]+)\)', text)
    ok(all((out / p).is_file() for p in plots) and
       sorted(plots) == sorted(p.name for p in out.glob('*.svg')), 'report_shows_every_plot', plots)
    if 'workers' in results['details']:
        bars(out, results)
    else:
        print('skip bars_are_to_scale: needs two CPUs')


def ran(build):
    with tempfile.TemporaryDirectory(prefix='culvert-report.') as tmp:
        out = pathlib.Path(tmp)
        only = ('--only', 'workers', '--only', 'start')
        done = subprocess.run([TOP / 'tools' / 'bench', '--quick', '--json', *only,
                               '--out', out, '--build', build], capture_output=True, text=True, check=False,
                              timeout=120)
        if 'another tools/bench runs' in done.stderr:
            print('skip bench_runs: another tools/bench runs on this machine')
            return
        one_cpu = len(os.sched_getaffinity(0)) < 2
        ok(done.returncode == (3 if one_cpu else 0), 'bench_runs', done.stderr[-1000:])
        try:
            told = json.loads(done.stdout)
        except ValueError as err:
            ok(False, 'bench_prints_json', f'{err}: {done.stdout[-300:]}')
            return
        rows = {r['name']: r for r in told['rows']}
        want = set() if one_cpu else {'start', 'workers/symmetric', 'workers/wrong_queue', 'workers/machine'}
        ok(set(rows) == want and all(set(r) == {'name', 'value', 'unit', 'target', 'met'} and r['value'] > 0
                                     for r in rows.values()), 'bench_prints_its_rows', told['rows'])
        ok(all(r['met'] == report_met(r) for r in rows.values()), 'bench_judges_by_the_target', told['rows'])
        written(out, told)


def rank_of_one_without_workers():
    """Its polling threads would begin with the rank of the one that must come before them."""
    with subprocess.Popen(['sleep', '60']) as p:
        core.Bench.threads_rt(types.SimpleNamespace(rt=True), p.pid, wait=0.1)
        ok(os.sched_getscheduler(p.pid) == os.SCHED_OTHER, 'no_rank_before_there_are_workers')
        p.kill()


def report_met(row):
    if row['target'] is None:
        return None
    how, bound = row['target'].split()
    return row['value'] >= float(bound) if how == '>=' else row['value'] <= float(bound)


def main():
    drawn_lines()
    drawn_details()
    details_of_pages()
    rank_of_one_without_workers()
    if os.geteuid() != 0:
        print('skip bench_runs: not root')
    else:
        ran(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else TOP / 'build').resolve())
    return 1 if FAILED else 0


sys.exit(main())
