# SPDX-License-Identifier: BSD-3-Clause
"""results.json, report.md and the plots."""

import json

from . import svg

METHOD = (
    'Rates of in-process rows are medians over batches of about 100 us; rates over wires are medians over '
    'the '
    'seconds or turns of a measurement. The device under test has a CPU of its own, the generator another. ')
METHOD_RT = (
    'The machine was used by others, so the measured threads ran at real-time priority, where the kernel '
    'still '
    'gives 5 % of each second to others: medians leave that out, latency percentiles at the far end do not. ')
METHOD_SMALL = ('There were no huge pages to be had: packets were in small pages, which makes everything '
                'slower. ')


def number(v):
    if abs(v) >= 10000:
        return f'{v:,.0f}'
    return f'{v:.3g}' if abs(v) < 100 else f'{v:.1f}'


def method(machine):
    return (METHOD + (METHOD_RT if machine['real_time_priority'] else '') +
            ('' if machine['huge_pages'] else METHOD_SMALL)).strip()


def table(rows):
    lines = ['| row | value | unit | target | met | what |', '| --- | ---: | --- | --- | --- | --- |']
    for row in rows:
        met = {True: 'yes', False: '**no**', None: ''}[row.met()]
        lines.append(f'| `{row.name}` | {number(row.value)} | {row.unit} | {row.target or ""} | {met} | '
                     f'{row.what} |')
    return lines


def peers_table(peers):
    lines = ['| peer | wires | measure | peer | culvert | culvert / peer |',
             '| --- | --- | --- | ---: | ---: | ---: |']
    for p in peers:
        lines.append(f'| {p["name"]} | {p["wires"]} | {p["measure"]} ({p["unit"]}) | {number(p["value"])} | '
                     f'{number(p["culvert"])} | {p["ratio"]:.2f} |')
    return lines


def plots(details):
    """File name -> SVG."""
    found = {}
    if 'established' in details:
        points = details['established']['points']
        found['rate_over_flows.svg'] = svg.lines(
            'Established flows, one worker, 60-byte frames', 'flows', 'Mpps',
            {label: [(p['flows'], p[key]) for p in points]
             for label, key in (('both directions', 'mpps'), ('client to target', 'c2t_mpps'),
                                ('target to client', 't2c_mpps'))})
    if 'latency' in details:
        d = details['latency']
        ranks = (('p50', 2), ('p90', 10), ('p99', 100), ('p99_9', 1000), ('p99_99', 10000))
        found['latency.svg'] = svg.lines(
            f'One way over memif at {d["rate_pps"] / 1e6:.1f} Mpps', '1 / (1 - percentile)', 'us',
            {who: [(x, (d[key]['up'][p] + d[key]['down'][p]) / 2000) for p, x in ranks]
             for who, key in (('culvert', 'culvert'), ('testpmd io', 'testpmd'))}, y_log=True)
    if 'workers' in details:
        d = details['workers']
        found['scaling.svg'] = svg.bars(
            'Workers (in process, 50,000 flows)', 'Mpps',
            {'one': d['one_mpps'], 'two': d['two_mpps'],
             'two, replies at the wrong one': d['wrong_queue_mpps']})
    return found


def write(out, results, rows, details):
    out.mkdir(parents=True, exist_ok=True)
    (out / 'results.json').write_text(json.dumps({**results, 'details': details}, indent=1) + '\n',
                                      encoding='utf-8')
    drawn = plots(details)
    for name, text in drawn.items():
        (out / name).write_text(text, encoding='utf-8')
    m = results['machine']
    lines = ['# culvert benchmark', '', f'{results["date"]}, {m["cpu"]}, {m["cpus"]} CPUs'
             f'{", virtual" if m["virtual"] else ""}, Linux {m["kernel"]}, {m["distribution"]}; '
             f'{m["culvert"]}',
             '', results['method'], '', *table(rows), '']
    if results['unmeasured']:
        lines += ['Not measured:',
                  ''] + [f'- `{u["name"]}`: {u["why"]}' for u in results['unmeasured']] + ['']
    if results['warnings']:
        lines += ['Disturbed:', ''] + [f'- {w}' for w in results['warnings']] + ['']
    if results.get('peers'):
        lines += ['## Peers, same run, same CPU and wires', '', *peers_table(results['peers']), '']
    lines += [f'![{name.removesuffix(".svg").replace("_", " ")}]({name})' for name in drawn]
    (out / 'report.md').write_text('\n'.join(lines) + '\n', encoding='utf-8')
