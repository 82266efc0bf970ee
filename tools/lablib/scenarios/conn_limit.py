# SPDX-License-Identifier: BSD-3-Clause
"""Port allocation errors: 55,000 connections per node IP and target, and no more.

doc/howto-port-allocation.md tells the story.
"""

import copy
import pathlib
import sys
import time

from cvlab import conns, culvertd, lab, proc, region

sys.path.insert(0, str(culvertd.TOP / 'tools'))
from benchlib import svg  # noqa: E402

SUMMARY = 'open more connections to one target than source ports allow; cure it live'
FIRST, SECOND = '10.0.1.31', '10.0.1.32'    # targets
SECONDARY = '10.0.1.11'                     # a second address of the NLB node
FULL, AGAIN, SHORT = 7000, 7001, 7002       # listeners, each with ports of its own towards the target
N_CLIENTS = 8       # client addresses: each has only 64,511 ports towards one ENI and port
SAW = {'timed_out': 'timeout', 'refused': 'connection refused'}


def arguments(p):
    """Options."""
    p.add_argument('--workers', type=int, choices=(1, 2), default=1, help='forwarding threads (1)')
    p.add_argument('--policy', choices=('drop', 'reset'), default='drop',
                   help='what a client meets when no port is left (drop, as AWS)')
    p.add_argument('--ports', type=int, default=55000, metavar='N',
                   help='source ports per node IP and target (55000, as AWS)')
    p.add_argument('--rest', type=int, default=60, metavar='S',
                   help='seconds that a port rests before its next use (60)')
    p.add_argument('--plot', metavar='FILE', help='write the plot there (conn-limit.svg; with --json: none)')


def config(opts):
    """The region once everything is cured; two targets, and room for every flow."""
    conf = region.config([
        region.group('full', FULL, [(FIRST, FULL), (SECOND, FULL)], proxy=False),
        region.group('again', AGAIN, [(FIRST, AGAIN)], proxy=False),
        region.group('short', SHORT, [(FIRST, SHORT)], proxy=False)], workers=opts.workers)
    conf['settings'] = {'snat': {'n_ports': opts.ports, 'rest_seconds': opts.rest,
                                 'on_exhaustion': opts.policy}}
    conf['limits']['flows'] = 262144
    return conf


class Play:
    """One run: phases one after the other, and what each of them showed."""

    def __init__(self, opts, say, made):
        self.opts, self.say, self.lab = opts, say, made
        self.extra = max(20, opts.ports // 50)      # attempts beyond the limit
        self.conf = copy.deepcopy(made.conf)
        del self.conf['target_groups'][0]['targets'][1]
        self.phases, self.marks = [], []
        total = opts.ports + 3 * self.extra
        self.servers = [conns.Server(made, 'provider', ip, ports, total)
                        for ip, ports in ((FIRST, (FULL, AGAIN, SHORT)), (SECOND, (FULL,)))]
        clients = [f'172.16.{1 + i % 2}.{101 + i // 2}/24' for i in range(2 * N_CLIENTS)]
        self.culvert = culvertd.Culvertd(made, self.conf).start()
        self.dial = conns.Dialer(made, 'c1', clients, total)

    # What culvert says ------------------------------------------------------------------------

    def pools(self, port):
        """Source ports towards the targets of a listener, by node IP and target."""
        return [{k: p[k] for k in ('node_ip', 'target', 'used', 'resting', 'free')}
                for p in self.culvert.show('snat')['pools'] if p['target'].endswith(f':{port}')]

    def errors(self):
        """PortAllocationErrorCount."""
        return self.culvert.events()['port_allocation_error']

    # Phases -----------------------------------------------------------------------------------

    def phase(self, name, timeout, **job):
        """One job of the dialer, as a row of the table."""
        self.say(name)
        before, drops = self.errors(), self.culvert.drops().get('port_allocation', 0)
        begin = time.monotonic()
        self.marks.append((begin, name))
        done = self.dial.do(timeout, **job)
        row = {'phase': name, 'seconds': round(time.monotonic() - begin, 1), 'attempts': done['attempts'],
               'served': done['served'], 'timed_out': done['timed_out'], 'refused': done['refused'],
               'given_up': done['given_up'], 'failed': done['failed'],
               'port_allocation_errors': self.errors() - before,
               'dropped_port_allocation': self.culvert.drops()['port_allocation'] - drops,
               'pools': self.pools(job['to'][1])}
        self.phases.append(row)
        return row

    def fill(self, name, port):
        """Open as many connections as there are ports, then more. Are those that came about alive?"""
        ports, to = self.opts.ports, [region.ENI, port]
        row = self.phase(f'{name}: {ports:,}', 150, open=ports, to=to, syn_retries=6, retry=1, seconds=120)
        more = self.phase(f'{name}: {self.extra:,} more', 90, open=self.extra, to=to, syn_retries=1)
        done = self.dial.do(60, echo=50)
        return {**more, 'served': row['served'] + more['served'], 'mute': done['mute'],
                'port_allocation_errors': row['port_allocation_errors'] + more['port_allocation_errors']}

    def cured(self, name, port):
        """More connections, as an application opens them: one that gets no answer is tried again."""
        row = self.phase(f'{name}: {self.extra:,} more', 60, open=self.extra, to=[region.ENI, port],
                         retry=1, patience=1.0, seconds=40)
        return row['served'] >= self.extra

    def empty(self):
        """Close all, and see that the servers know."""
        self.say('closing all')
        self.dial.do(150, close=1)
        proc.wait_for(lambda: all(s.counts()['open'] == 0 for s in self.servers), 150,
                      'the targets to see the end of every connection', step=0.2)

    def rate(self):
        """Short connections as fast as can be, for longer than a port rests."""
        rest = self.opts.rest
        seconds = rest + max(4, rest // 4)
        row = self.phase('short connections', seconds + 60, open=10**9, to=[region.ENI_B, SHORT],
                         short=1, patience=1.0, seconds=seconds)
        begin = self.marks[-1][0]
        inside = [c for c in self.dial.series() if c['at'] <= begin + rest]
        before = next(c for c in reversed(inside) if c['at'] <= begin)
        row['served_in_rest'] = inside[-1]['served'] - before['served']
        row['given_up_in_rest'] = sum(inside[-1][k] - before[k] for k in ('given_up', 'refused'))
        return row

    def reload(self, what):
        self.say(f'{what}: reload')
        self.culvert.reload(self.conf)

    def play(self):
        opts = self.opts
        first = self.fill('one target', FULL)
        self.conf['target_groups'][0]['targets'].append({'ip': SECOND, 'port': FULL})
        self.reload('a second target')
        by_target = self.cured('second target', FULL)
        self.empty()
        again = self.fill('anew', AGAIN)
        self.conf['load_balancers'][0]['subnets'][0]['ips'] = [region.NODE, SECONDARY]
        self.reload('a secondary IP for the node')
        by_ip = self.cured('secondary IP', AGAIN)
        self.empty()
        rate = self.rate()
        for _ in range(2):
            # An attempt is also given up when the machine is away for a second.
            if rate['given_up_in_rest'] > 0 and rate['served_in_rest'] >= 0.9 * opts.ports:
                break
            self.say('this machine was too busy to use up all ports before the first had rested: once more')
            time.sleep(opts.rest + 1)
            rate = self.rate()
        saw = [text for key, text in SAW.items() if first[key]]
        result = {'served': first['served'], 'port_allocation_errors': first['port_allocation_errors'],
                  'client_saw': saw[0] if len(saw) == 1 else saw, 'cured_by_target': by_target,
                  'cured_by_secondary_ip': by_ip, 'workers': opts.workers, 'policy': opts.policy,
                  'ports': opts.ports, 'rest_seconds': opts.rest, 'served_anew': again['served'],
                  'short_served_in_rest': rate['served_in_rest'], 'short_served': rate['served'],
                  'phases': self.phases}
        return result, self.is_good(result, first, again, rate)

    def is_good(self, result, first, again, rate):
        """Whether all was as it must be."""
        ports = self.opts.ports
        want = {'drop': 'timeout', 'reset': 'connection refused'}[self.opts.policy]
        return all((result['served'] == ports, again['served'] == ports,
                    first['mute'] == again['mute'] == 0, result['client_saw'] == want,
                    min(r['port_allocation_errors'] for r in (first, again, rate)) >= 1,
                    [p['used'] for p in first['pools'] if p['node_ip'] == region.NODE] == [ports],
                    result['cured_by_target'], result['cured_by_secondary_ip'],
                    # Each port served once, and then none was left until the first had rested.
                    0.9 * ports <= rate['served_in_rest'] <= ports, rate['given_up_in_rest'] > 0,
                    rate['served'] > ports))

    def plot(self):
        """Connections over time, counted anew in each phase."""
        lines = {'open': [], 'served in the phase': [], 'not served': []}
        zero = self.marks[0][0]
        marks, base = list(self.marks), None
        for count in self.dial.series():
            while marks and count['at'] >= marks[0][0]:
                marks.pop(0)
                base = count
            if base:
                x = count['at'] - zero
                bad = ('timed_out', 'refused', 'given_up')
                lines['open'].append((x, count['open']))
                lines['served in the phase'].append((x, count['served'] - base['served']))
                lines['not served'].append((x, sum(count[k] - base[k] for k in bad)))
        return svg.over_time(f'{self.opts.ports:,} source ports per node IP and target, '
                             f'{self.opts.workers} worker(s)', 'connections', lines,
                             [(at - zero, name) for at, name in self.marks])


def run(opts, say):
    """Play it."""
    made = lab.Lab(config(opts), opts.prefix, say)
    with made:
        say('lab: namespaces, servers, culvertd')
        play = Play(opts, say, made)
        result, good = play.play()
        where = opts.plot or (None if opts.json else 'conn-limit.svg')
        if where:
            pathlib.Path(where).write_text(play.plot(), encoding='utf-8')
        result['plot'] = where
        play.culvert.stop()
    return result, good


def table(result):
    """The result for people."""
    titles = ('attempts', 'served', 'timed_out', 'refused', 'given_up', 'port_allocation_errors', 'seconds')
    lines = [('phase', *(t.replace('_', ' ') for t in titles))]
    lines += [(row['phase'], *(f'{row[t]:,}' for t in titles)) for row in result['phases']]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    out = ['  '.join(c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(line, widths)))
           for line in lines]
    out.insert(1, '  '.join('-' * w for w in widths))
    for row in result['phases']:
        out += [f'{row["phase"]}: {p["node_ip"]} -> {p["target"]}: {p["used"]:,} ports used, '
                f'{p["resting"]:,} resting, {p["free"]:,} free'
                for p in row['pools'] if p['used'] + p['resting']]
    out.append(f'A client without a port saw: {result["client_saw"]}.')
    out.append(f'Short connections: {result["short_served_in_rest"]:,} in the first '
               f'{result["rest_seconds"]} s, {result["short_served"]:,} in all.')
    if result['plot']:
        out.append(f'Plot: {result["plot"]}')
    return '\n'.join(out)
