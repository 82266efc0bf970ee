# SPDX-License-Identifier: BSD-3-Clause
"""Everything changes all the time, and no flow is lost that should be kept.

Short requests and long connections go through two listeners. Behind STEADY all targets stay up; nothing
that happens may harm a flow there. Behind FLAKY one target fails and returns; a request may fail only
while that target is down. Consumer c1 stays accepted, c2 is rejected and accepted again.
"""

import asyncio
import contextlib
import copy
import hashlib
import math
import pathlib
import socket
import time

import ppv2_target
from cvlab import client, culvertd, lab, peers, proc, region

SUMMARY = 'flows, failures, reloads, rejections for minutes: nothing lost, nothing leaked'
STEADY, FLAKY, SPARE, EXTRA = 8080, 8081, 8082, 8090
ONE, TWO, WEAK = '10.0.1.31', '10.0.2.32', '10.0.1.33'
SIZE = 20_000               # bytes of an answer
N_SHORT, N_LONG = 6, 8      # requesters per listener; long connections
REST_S = 2
N_PORTS = 4000
STEP_S = 1.5                # between two changes
GRACE_S = 1.0               # a change is nobody's fault for so long before and after
RSS_SLACK_KB = 4096
MBUF_SLACK = 1024           # of 32768: bursts under way, caches of the drivers


def arguments(p):
    """Options."""
    p.add_argument('--minutes', type=float, default=10, metavar='N', help='how long (10)')
    p.add_argument('--workers', type=int, choices=(1, 2), default=1, help='forwarding threads (1)')


def config(opts):
    """The region with everything in it."""
    conf = region.config([
        region.group('steady', STEADY, [(ONE, STEADY), (TWO, STEADY)]),
        region.group('flaky', FLAKY, [(ONE, FLAKY), (WEAK, FLAKY)]),
        region.group('spare', SPARE, [(TWO, SPARE)]),
        region.group('extra', EXTRA, [(ONE, EXTRA)])], consumers=2, workers=opts.workers)
    listeners = conf['load_balancers'][0]['listeners']
    del listeners[2]
    listeners[0] = {'port': STEADY, 'forward': [{'target_group': 'steady'}, {'target_group': 'spare'}]}
    # Few ports: the memory of a pool grows until each has been used once, which is no leak.
    conf['settings'] = {'snat': {'n_ports': N_PORTS, 'rest_seconds': REST_S}, 'timeouts': {'syn_seconds': 10}}
    return conf


class Outage:
    """When something was down, and whether a request may have suffered from it."""

    def __init__(self):
        self.spans, self.since = [], None

    def begin(self):
        self.since = time.monotonic()

    def end(self):
        self.spans.append((self.since, time.monotonic()))
        self.since = None

    def touches(self, begin, end):
        """Whether any of it lies between two times."""
        spans = self.spans + ([(self.since, time.monotonic())] if self.since else [])
        return any(a - GRACE_S < end and begin < b + GRACE_S for a, b in spans)


class Soak:
    """One run."""

    def __init__(self, opts, say, made):
        self.opts, self.say, self.lab = opts, say, made
        self.conf = copy.deepcopy(made.conf)
        self.culvert = culvertd.Culvertd(made).start()
        self.weak_down, self.c2_out = Outage(), Outage()
        self.counts = {'requests': 0, 'long_requests': 0, 'failed_while_down': 0, 'changes': 0}
        self.lost, self.end = [], 0
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
            self.lost.append(what)
            self.say(f'lost: {what}')

    async def short(self, vpc, eni, port, outage=None, timeout=20):
        """Requests, each on a connection of its own; downloads and uploads."""
        load, n = client.Load(self.lab.ns(vpc), eni, port, timeout), 0
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

    async def long(self, idx):
        """One connection to STEADY for the whole time."""
        eni = (region.ENI, region.ENI_B)[idx % 2]
        try:
            sock = proc.socket_in(self.lab.ns('c1'), socket.AF_INET, socket.SOCK_STREAM)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, (eni, STEADY))
            reader, writer = await asyncio.open_connection(sock=sock, limit=1 << 20)
            while time.monotonic() < self.end:
                writer.write(b'GET /bytes/%d HTTP/1.1\r\nHost: x\r\n\r\n' % SIZE)
                await asyncio.wait_for(reader.readuntil(b'\r\n\r\n'), 20)
                body = await asyncio.wait_for(reader.readexactly(SIZE), 20)
                if hashlib.sha256(body).hexdigest() != self.want:
                    raise ValueError('the payload is not what the server sent')
                self.counts['long_requests'] += 1
                await asyncio.sleep(0.25)
            writer.close()
        except (OSError, ValueError, EOFError, asyncio.TimeoutError) as err:
            self.lost.append(f'long connection {idx}: {err!r}')
            self.say(self.lost[-1])

    # Changes ----------------------------------------------------------------------------------

    async def reload(self):
        await asyncio.get_running_loop().run_in_executor(None, self.culvert.reload, copy.deepcopy(self.conf))

    async def kill_weak(self):
        """The weak target's server dies."""
        self.weak_down.begin()
        self.weak.kill()
        self.weak.wait()

    async def revive_weak(self):
        """It comes back."""
        before = self.lab.output('weak').count('ppv2_target')
        self.start_weak()
        while self.lab.output('weak').count('ppv2_target') == before:
            await asyncio.sleep(0.05)
        self.weak_down.end()

    async def mute_weak(self):
        """The weak target falls silent: nothing it gets arrives."""
        self.weak_down.begin()
        proc.run(['nft', '-f', '-'], ns=self.lab.ns('provider', WEAK), input='table netdev mute {\n'
                 'chain c { type filter hook ingress device eth0 priority 0;\nmeta protocol ip drop\n}\n}\n')

    async def unmute_weak(self):
        """It hears again."""
        proc.run(['nft', 'delete', 'table', 'netdev', 'mute'], ns=self.lab.ns('provider', WEAK))
        self.weak_down.end()

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
        self.conf['load_balancers'][0]['listeners'].append(self.lab.conf['load_balancers'][0]['listeners'][2])
        self.conf['target_groups'].append(self.lab.conf['target_groups'][3])
        await self.reload()

    async def tilt(self):
        """All new connections of STEADY go to its second group."""
        for part, weight in zip(self.conf['load_balancers'][0]['listeners'][0]['forward'], (0, 999)):
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
        steps = (self.kill_weak, self.remove_listener, self.tilt, self.revive_weak, self.reject,
                 self.remove_target, self.level, self.mute_weak, self.accept, self.add_listener,
                 self.unmute_weak, self.add_target)
        begin = time.monotonic()
        while True:
            for step in steps:
                await step()
                self.counts['changes'] += 1
                await asyncio.sleep(min(STEP_S, self.opts.minutes))
            if time.monotonic() >= begin + seconds:
                break
        self.end = time.monotonic()

    # What must return to the start ------------------------------------------------------------

    def start_weak(self):
        self.weak = self.lab.spawn('weak', [
            peers.PYTHON, peers.DECODER, '--address', WEAK, '--port', FLAKY, '--name', 'weak'],
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
            jobs += [self.short('c1', eni, STEADY), self.short('c1', eni, FLAKY, self.weak_down, 4),
                     self.short('c2', eni, STEADY, self.c2_out, 4)]
        await asyncio.gather(*jobs)

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
            proc.wait_for(lambda: self.vanished() == 0, 5, 'packets under way')
        result = {**self.counts, 'seconds': round(took), 'workers': self.opts.workers,
                  'lost': len(self.lost), 'lost_first': self.lost[:10], 'vanished_packets': self.vanished(),
                  'before': before, 'after': after}
        leaks = [k for k, slack in (('flows', 0), ('ports', 0), ('ports_resting', 0), ('mbufs', MBUF_SLACK),
                                    ('rss_kb', RSS_SLACK_KB)) if after[k] > before[k] + slack]
        result['leaks'] = leaks
        result['ok'] = not self.lost and not leaks and result['vanished_packets'] == 0 \
            and self.counts['changes'] > 0
        return result


def run(opts, say):
    """Play it."""
    made = lab.Lab(config(opts), opts.prefix, say)
    with made:
        say('lab: namespaces, servers, culvertd')
        for ip, port in ((ONE, STEADY), (TWO, STEADY), (TWO, SPARE), (ONE, FLAKY), (ONE, EXTRA)):
            peers.decoder(made, 'provider', ip, port)
        soak = Soak(opts, say, made)
        soak.start_weak()
        proc.wait_for(lambda: 'ppv2_target' in made.output('weak'), 15, 'the weak target to listen')
        result = soak.play()
        soak.culvert.stop()
    return result, result['ok']


def table(result):
    """The result for people."""
    out = [f'{result["seconds"]} s, {result["changes"]} changes, {result["requests"]:,} short requests '
           f'({result["failed_while_down"]} failed while their target or endpoint was down), '
           f'{result["long_requests"]:,} on {N_LONG} long connections']
    out += [f'{key:<14} {result["before"][key]:>8} at the start {result["after"][key]:>8} at the end'
            + ('   LEAK' if key in result['leaks'] else '') for key in result['before']]
    out.append(f'flows lost: {result["lost"]}, packets vanished: {result["vanished_packets"]}')
    out += [f'lost: {x}' for x in result['lost_first']]
    return '\n'.join(out)
