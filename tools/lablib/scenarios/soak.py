# SPDX-License-Identifier: BSD-3-Clause
"""Everything changes all the time, and no flow is lost that should be kept.

Short requests and long connections go through three listeners. Behind STEADY all targets stay up; nothing
that happens may harm a flow there. Behind FLAKY one target fails and returns; a flow to it may fail only
until its checks have noticed, no other ever. Behind PARTING one target is deregistered: its flows go on for
the delay, then they end. Consumer c1 stays accepted, c2 is rejected and accepted again.
"""

import asyncio
import contextlib
import copy
import datetime
import hashlib
import json
import math
import pathlib
import socket
import time

import ppv2_target
from cvlab import client, culvertd, lab, peers, proc, region

SUMMARY = 'flows, failures, reloads, rejections for minutes: nothing lost, nothing leaked'
STEADY, FLAKY, SPARE, PARTING, EXTRA = 8080, 8081, 8082, 8083, 8090
ONE, TWO, WEAK = '10.0.1.31', '10.0.2.32', '10.0.1.33'
SIZE = 20_000               # bytes of an answer
N_SHORT, N_LONG = 6, 8      # requesters per listener; long connections
N_GUESTS = 4                # long connections that may end with their target or endpoint, of each kind
TIME_SCALE = 20             # of checks, delays and idle timeouts
DELAY_S = 40 / TIME_SCALE   # for which a deregistered target drains
# A check may take 0.25 s, and ten must fail: a busy machine alone makes hardly a target unhealthy.
CHECK = {'interval_seconds': 5, 'timeout_seconds': 5, 'healthy_threshold': 2, 'unhealthy_threshold': 10}
ANSWER_S = 20               # for an answer, whatever else this machine does
OFTEN_FULL = ('handoff_full', 'tx_full', 'no_mbuf', 'flow_table_full', 'port_allocation')
REST_S = 2
N_PORTS = 4000
STEP_S = 1.5                # between two changes
GRACE_S = 1.0               # a change is nobody's fault for so long before and after
RSS_SLACK_KB = 6144         # pools and heaps grow with the busiest second so far
RSS_LATE_KB = 3072          # of that, in the second half
MBUF_SLACK = 1024           # of 32768: bursts under way, caches of the drivers


def arguments(p):
    """Options."""
    p.add_argument('--minutes', type=float, default=10, metavar='N', help='how long (10)')
    p.add_argument('--workers', type=int, choices=(1, 2), default=1, help='forwarding threads (1)')


def config(opts):
    """The region with everything in it."""
    conf = region.config([
        region.group('steady', STEADY, [(ONE, STEADY), (TWO, STEADY)]),
        region.group('flaky', FLAKY, [(ONE, FLAKY), (WEAK, FLAKY)], check=CHECK),
        region.group('spare', SPARE, [(TWO, SPARE)]),
        region.group('parting', PARTING, [(ONE, PARTING), (TWO, PARTING)], **{
            'deregistration_delay.timeout_seconds': round(DELAY_S * TIME_SCALE),
            'deregistration_delay.connection_termination.enabled': True}),
        region.group('extra', EXTRA, [(ONE, EXTRA)])], consumers=2, workers=opts.workers)
    listeners = conf['load_balancers'][0]['listeners']
    del listeners[2]
    listeners[0] = {'port': STEADY, 'forward': [{'target_group': 'steady'}, {'target_group': 'spare'}]}
    # Few ports: the memory of a pool grows until each has been used once, which is no leak.
    conf['settings'] = {'lab_time_scale': TIME_SCALE, 'timeouts': {'syn_seconds': 10},
                        'snat': {'n_ports': N_PORTS, 'rest_seconds': REST_S}}
    return conf


class Outage:
    """When something was down, and whether a request may have suffered from it."""

    def __init__(self):
        self.spans, self.since = [], None

    def begin(self, after=0):
        self.since = time.monotonic() + after

    def end(self):
        self.spans.append((self.since, time.monotonic()))
        self.since = None

    def touches(self, begin, end):
        """Whether any of it lies between two times."""
        spans = self.spans + ([(self.since, time.monotonic())] if self.since else [])
        return any(a - GRACE_S < end and begin < b + GRACE_S for a, b in spans)


def sick_spans(health):
    """When a target was not healthy, by each node: from (when, zone, state) by number, a list of spans."""
    spans, since = [], {}
    for at, zone, state in (health[n] for n in sorted(health)):
        if state != 'healthy':
            since.setdefault(zone, at)
        elif zone in since:
            spans.append((since.pop(zone), at))
    return spans + [(at, math.inf) for at in since.values()]


class Soak:
    """One run."""

    def __init__(self, opts, say, made):
        self.opts, self.say, self.lab = opts, say, made
        self.conf = copy.deepcopy(made.conf)
        self.culvert = culvertd.Culvertd(made).start()
        self.weak_down, self.c2_out, self.two_gone, self.one_sick = (Outage() for _ in range(4))
        self.suspects = []              # failures behind FLAKY: what, begin, end
        self.health = {}                # of its good target, by the event's number: when, where, what
        self.two_drains = math.inf      # since when no new flow may go to TWO behind PARTING
        self.counts = {'requests': 0, 'long_requests': 0, 'failed_while_down': 0, 'ended_by_rule': 0,
                       'failed_while_all_unhealthy': 0, 'changes': 0}
        self.lost, self.end = [], 0
        self.rss = []                   # after each round
        self.want = ppv2_target.body_sha256(SIZE)
        self.sink = hashlib.shake_128(b'upload').digest(SIZE)

    # Flows ------------------------------------------------------------------------------------

    def judge(self, what, begin, good, outage):
        """Count a request; one that failed without an excuse is lost."""
        self.counts['requests'] += 1
        if good:
            return
        if outage and outage.touches(begin, time.monotonic()):
            self.counts['failed_while_down'] += 1
        else:
            self.suspect(what, begin, outage)

    def suspect(self, what, begin, outage):
        """A flow failed. Behind FLAKY it may yet turn out that no target was healthy."""
        if outage is self.weak_down:
            self.suspects.append((what, begin, time.monotonic()))
        else:
            self.lose(what)

    def flaky_states(self, idx):
        """What the nodes say of a target of FLAKY."""
        groups = {g['name']: g for g in self.culvert.show('targets')['target_groups']}
        return set(groups['flaky']['targets'][idx]['states'].values())

    def note_health(self):
        """Keep what was told of FLAKY's good target so far: culvertd holds its last 4,096 events only."""
        ahead = time.monotonic() - time.time()
        told = proc.run([culvertd.CULVERTCTL, '-s', self.culvert.socket, 'events']).stdout
        for event in map(json.loads, told.splitlines()):
            if event['event'] == 'target' and event['target_group'] == 'flaky' \
                    and event['target'] == f'{ONE}:{FLAKY}':
                at = datetime.datetime.fromisoformat(event['time']).timestamp() + ahead
                self.health[event['seq']] = at, event['zone'], event['to']

    def judge_suspects(self):
        """Once it is known when a node found the good target unhealthy, for this machine was too busy to
        answer its checks: then AWS, too, sends connections to the dead one."""
        self.note_health()
        if not self.health:
            raise proc.LabError('culvertd told nothing of the good target of FLAKY')
        self.one_sick.spans = sick_spans(self.health)
        for what, begin, end in self.suspects:
            if self.one_sick.touches(begin, end):
                self.counts['failed_while_all_unhealthy'] += 1
            else:
                self.lose(what)
        self.suspects = []

    def lose(self, what):
        """A flow was lost that AWS would have kept, or is there that AWS would have ended."""
        self.lost.append(what)
        self.say(f'lost: {what}')

    async def short(self, vpc, eni, port, outage=None):
        """Requests, each on a connection of its own; downloads and uploads."""
        load, n = client.Load(self.lab.ns(vpc), eni, port, ANSWER_S), 0
        while time.monotonic() < self.end:
            begin, n = time.monotonic(), n + 1
            if n % 4:
                got = await load.one(f'/bytes/{SIZE}')
                good = got.status == 200 and hashlib.sha256(got.body).hexdigest() == self.want
            else:
                got = await load.one('/sink', self.sink)
                good = got.status == 200 and got.json()['sha256'] == hashlib.sha256(self.sink).hexdigest()
            self.judge(f'{vpc} {eni}:{port}: {got.error or got.status}', begin, good, outage)
            await asyncio.sleep(0.02)

    async def dial(self, vpc, eni, port):
        """A connection: reader and writer."""
        sock = proc.socket_in(self.lab.ns(vpc), socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(sock, (eni, port)), ANSWER_S)
        return await asyncio.open_connection(sock=sock, limit=1 << 20)

    async def ask(self, stream, path):
        """One request on a connection: the answer's body."""
        reader, writer = stream
        writer.write(f'GET {path} HTTP/1.1\r\nHost: x\r\n\r\n'.encode())
        head = await asyncio.wait_for(reader.readuntil(b'\r\n\r\n'), ANSWER_S)
        size = next(int(x.split(b':')[1]) for x in head.lower().split(b'\r\n')
                    if x.startswith(b'content-length'))
        body = await asyncio.wait_for(reader.readexactly(size), ANSWER_S)
        self.counts['long_requests'] += 1
        return body

    async def long(self, idx):
        """One connection to STEADY for the whole time."""
        try:
            stream = await self.dial('c1', (region.ENI, region.ENI_B)[idx % 2], STEADY)
            while time.monotonic() < self.end:
                if hashlib.sha256(await self.ask(stream, f'/bytes/{SIZE}')).hexdigest() != self.want:
                    raise ValueError('the payload is not what the server sent')
                await asyncio.sleep(0.25)
            stream[1].close()
        except (OSError, ValueError, EOFError, asyncio.TimeoutError) as err:
            self.lose(f'long connection {idx}: {err!r}')

    async def guest(self, vpc, port, mortal, outage):
        """Connections that last until an outage ends them: of target `mortal`, or of any if None."""
        while time.monotonic() < self.end:
            begin = good = time.monotonic()
            stream = target = None
            try:
                stream = await self.dial(vpc, region.ENI, port)
                while time.monotonic() < self.end:
                    target = json.loads(await self.ask(stream, '/'))['target']
                    if port == PARTING and target == f'{TWO}:{PARTING}' and good == begin \
                            and begin > self.two_drains:
                        self.lose('a new connection went to a target that drains')
                    good = time.monotonic()
                    await asyncio.sleep(0.2)
            except (OSError, ValueError, EOFError, asyncio.TimeoutError) as err:
                if mortal in (None, target) and outage.touches(good, time.monotonic()):
                    self.counts['ended_by_rule'] += 1
                elif target is None and outage.touches(begin, time.monotonic()):
                    self.counts['failed_while_down'] += 1
                else:
                    self.suspect(f'{vpc} on {target or port}: {err!r}', good, outage)
                await asyncio.sleep(0.1)
            if stream:
                stream[1].transport.abort()

    # Changes ----------------------------------------------------------------------------------

    async def reload(self):
        await asyncio.get_running_loop().run_in_executor(None, self.culvert.reload, copy.deepcopy(self.conf))

    async def until(self, done, what):
        """Wait for something, beside the traffic."""
        await asyncio.get_running_loop().run_in_executor(None, proc.wait_for, done, 60, what)

    async def noticed(self):
        """Until both nodes have found the weak target unhealthy: from now on nothing goes to it."""
        await self.until(lambda: self.flaky_states(1) == {'unhealthy'}, 'the weak target to be unhealthy')
        self.weak_down.end()

    async def kill_weak(self):
        """The weak target's server dies."""
        self.weak_down.begin()
        self.weak.kill()
        self.weak.wait()
        await self.noticed()

    async def revive_weak(self):
        """It comes back."""
        before = self.lab.output('weak').count('ppv2_target')
        self.start_weak()
        while self.lab.output('weak').count('ppv2_target') == before:
            await asyncio.sleep(0.05)

    async def mute_weak(self):
        """The weak target falls silent: nothing it gets arrives."""
        self.weak_down.begin()
        proc.run(['nft', '-f', '-'], ns=self.lab.ns('provider', WEAK), input='table netdev mute {\nchain c '
                 '{ type filter hook ingress device eth0 priority 0;\nmeta protocol ip drop\n}\n}\n')
        await self.noticed()

    async def unmute_weak(self):
        """It hears again."""
        proc.run(['nft', 'delete', 'table', 'netdev', 'mute'], ns=self.lab.ns('provider', WEAK))

    async def deregister(self):
        """A target leaves PARTING: its flows end when it has drained."""
        self.two_gone.begin(DELAY_S)
        self.conf['target_groups'][3]['targets'].pop()
        await self.reload()
        self.two_drains = time.monotonic()

    async def register(self):
        """It is back, once the last of its flows has ended."""
        def is_over():
            flows = self.culvert.show('flows')['flows']
            return not any(f['target'] == f'{TWO}:{PARTING}' for f in flows)
        await self.until(is_over, 'the flows of a target that has drained to end')
        self.two_drains = math.inf
        self.two_gone.end()
        self.conf['target_groups'][3]['targets'].append({'ip': TWO, 'port': PARTING})
        await self.reload()

    async def remove_target(self):
        """A target leaves STEADY; its flows go on."""
        self.conf['target_groups'][0]['targets'].pop()
        await self.reload()

    async def add_target(self):
        """It is back."""
        self.conf['target_groups'][0]['targets'].append({'ip': TWO, 'port': STEADY})
        await self.reload()

    async def remove_listener(self):
        """A listener goes, with its target group."""
        self.conf['load_balancers'][0]['listeners'].pop()
        self.conf['target_groups'].pop()
        await self.reload()

    async def add_listener(self):
        """And returns."""
        was = self.lab.conf['load_balancers'][0]['listeners'][-1]
        self.conf['load_balancers'][0]['listeners'].append(was)
        self.conf['target_groups'].append(self.lab.conf['target_groups'][-1])
        await self.reload()

    async def tilt(self):
        """Nearly all new connections of STEADY go to its second group; weight 0 would end the others."""
        for part, weight in zip(self.conf['load_balancers'][0]['listeners'][0]['forward'], (1, 999)):
            part['weight'] = weight
        await self.reload()

    async def level(self):
        """Both groups get their share again."""
        for part in self.conf['load_balancers'][0]['listeners'][0]['forward']:
            part['weight'] = 1
        await self.reload()

    async def reject(self):
        """The provider rejects c2."""
        self.c2_out.begin()
        self.conf['endpoint_services'][0].update(accept=['c1'], reject=['c2'])
        await self.reload()

    async def accept(self):
        """And accepts it again."""
        self.conf['endpoint_services'][0].update(accept=['c1', 'c2'], reject=[])
        await self.reload()
        self.c2_out.end()

    async def change(self, seconds):
        """One change after the other, in whole rounds, until so many seconds are over; then all ends."""
        steps = (self.kill_weak, self.remove_listener, self.tilt, self.revive_weak, self.deregister,
                 self.reject, self.remove_target, self.level, self.mute_weak, self.accept, self.register,
                 self.add_listener, self.unmute_weak, self.add_target)
        begin = time.monotonic()
        while True:
            for step in steps:
                await step()
                self.counts['changes'] += 1
                await asyncio.sleep(min(STEP_S, self.opts.minutes))
            held = self.held()
            self.note_health()
            self.rss.append(held['rss_kb'])
            self.say(f'{time.monotonic() - begin:.0f} s: {self.counts}, {held}')
            if time.monotonic() >= begin + seconds:
                break
        self.end = time.monotonic()

    # What must return to the start ------------------------------------------------------------

    def start_weak(self):
        self.weak = self.lab.spawn('weak', [
            peers.PYTHON, peers.DECODER, '--address', WEAK, '--port', FLAKY, '--name', f'{WEAK}:{FLAKY}'],
            ns=self.lab.ns('provider', WEAK))

    def mbufs_used(self):
        """Packet buffers that are not in their pool."""
        return next(int(x.split()[1]) for x in self.culvert.metrics_text().splitlines()
                    if x.startswith('culvert_mbufs_used '))

    def held(self):
        """What culvertd holds now."""
        pools = self.culvert.show('snat')['pools']
        status = pathlib.Path(f'/proc/{self.culvert.child.pid}/status').read_text(encoding='ascii')
        return {'flows': self.culvert.show('flows')['matched'], 'ports': sum(p['used'] for p in pools),
                'ports_resting': sum(p['resting'] for p in pools), 'mbufs': self.mbufs_used(),
                'rss_kb': next(int(x.split()[1]) for x in status.splitlines() if x.startswith('VmRSS'))}

    def vanished(self):
        """Packets that came or were made, and neither left nor were counted as dropped."""
        shown = self.culvert.show('drops')
        n = {r['event']: r['count'] for r in shown['events']}
        return n['rx_packets'] + n['generated_packets'] - n['tx_packets'] \
            - sum(r['packets'] for r in shown['drops'])

    def settled(self):
        """What is held once nothing goes on any more; the last look if that does not come."""
        end = time.monotonic() + 60
        while True:
            held = self.held()
            if held['flows'] == held['ports'] == held['ports_resting'] == 0 or time.monotonic() > end:
                return held
            time.sleep(0.5)

    async def traffic(self, seconds):
        self.end = math.inf
        jobs = [self.long(i) for i in range(N_LONG)] + [self.change(seconds)]
        for i in range(N_SHORT):
            eni = (region.ENI, region.ENI_B)[i % 2]
            jobs += [self.short('c1', eni, STEADY), self.short('c1', eni, FLAKY, self.weak_down),
                     self.short('c2', eni, STEADY, self.c2_out)]
        for _ in range(N_GUESTS):
            jobs += [self.guest('c1', FLAKY, f'{WEAK}:{FLAKY}', self.weak_down),
                     self.guest('c1', PARTING, f'{TWO}:{PARTING}', self.two_gone),
                     self.guest('c2', STEADY, None, self.c2_out)]
        await asyncio.gather(*jobs)
        self.judge_suspects()

    def play(self):
        """A round to warm up, a look, the rounds that count, a look."""
        asyncio.run(self.traffic(0))
        before = self.settled()
        self.say(f'start: {before}')
        begin = time.monotonic()
        asyncio.run(self.traffic(self.opts.minutes * 60))
        took = time.monotonic() - begin
        after = self.settled()
        with contextlib.suppress(proc.LabError):
            proc.wait_for(lambda: self.vanished() == 0, 30, 'packets under way')
        result = {**self.counts, 'seconds': round(took), 'workers': self.opts.workers,
                  'lost': len(self.lost), 'lost_first': self.lost[:10], 'vanished_packets': self.vanished(),
                  'before': before, 'after': after}
        leaks = [k for k, slack in (('flows', 0), ('ports', 0), ('ports_resting', 0), ('mbufs', MBUF_SLACK),
                                    ('rss_kb', RSS_SLACK_KB)) if after[k] > before[k] + slack]
        if after['rss_kb'] > self.rss[len(self.rss) // 2] + RSS_LATE_KB:
            leaks.append('rss_kb, and still growing')
        result['leaks'] = leaks
        result['drops'] = {k: n for k, n in self.culvert.drops().items() if n and k in OFTEN_FULL}
        result['ok'] = not self.lost and not leaks and result['vanished_packets'] == 0 \
            and self.counts['changes'] > 0
        return result


def run(opts, say):
    """Play it."""
    made = lab.Lab(config(opts), opts.prefix, say)
    with made:
        say('lab: namespaces, servers, culvertd')
        for ip, port in ((ONE, STEADY), (TWO, STEADY), (TWO, SPARE), (ONE, FLAKY), (ONE, PARTING),
                         (TWO, PARTING), (ONE, EXTRA)):
            peers.decoder(made, 'provider', ip, port)
        soak = Soak(opts, say, made)
        soak.start_weak()
        proc.wait_for(lambda: 'ppv2_target' in made.output('weak'), 60, 'the weak target to listen')
        result = soak.play()
        soak.culvert.stop()
    return result, result['ok']


def table(result):
    """The result for people."""
    out = [f'{result["seconds"]} s, {result["changes"]} changes, {result["requests"]:,} short requests '
           f'({result["failed_while_down"]} failed while their target or endpoint was down), '
           f'{result["long_requests"]:,} on long connections, of which {result["ended_by_rule"]} ended as '
           'they had to']
    out += [f'{key:<14} {result["before"][key]:>8} at the start {result["after"][key]:>8} at the end'
            + ('   LEAK' if key in result['leaks'] else '') for key in result['before']]
    if result['failed_while_all_unhealthy']:
        out.append(f'{result["failed_while_all_unhealthy"]} failed while a busy machine failed the good '
                   "target's checks, too")
    out.append(f'flows lost: {result["lost"]}, packets vanished: {result["vanished_packets"]}, '
               f'dropped for want of room: {result["drops"] or "none"}')
    out += [f'lost: {x}' for x in result['lost_first']]
    return '\n'.join(out)
