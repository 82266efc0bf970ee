# SPDX-License-Identifier: BSD-3-Clause
"""How long flows live, between real sockets: idle, drained, unhealthy, rejected, removed."""

import contextlib
import copy
import select
import socket
import threading
import time

import harness
from harness import ENI, NODE, NODE_B, culvertd, proc

ONE, TWO = '10.0.1.31', '10.0.2.32'
ALONE = '10.0.1.33'                             # a target of one group only
CHECK = 9000                                    # where all checks go
SHORT, LONG, STAY, PART = 8001, 8002, 8003, 8004
SICK, LATE, NEVER = 8005, 8006, 8007
BLUE, GREEN, WEIGHED = 8011, 8012, 8013         # WEIGHED leads to both groups
GONE, TAKEN, DOOR = 8021, 8022, 8031
SHUT = 8041                                     # nobody listens there
SOLO = 8051                                     # leads to ALONE, too
SCALE = 30
IDLE_S = 60 / SCALE                             # of SHORT
DELAY_S = 60 / SCALE                            # a target drains for so long
SYN_S = 1
SLOW = 30                                       # for what comes sooner on any machine
ESTABLISHED = 1


def check():
    """Checks that only a target without a server fails: ten in a row, each with 0.17 s."""
    return {'protocol': 'TCP', 'port': CHECK, 'interval_seconds': 5, 'timeout_seconds': 5,
            'healthy_threshold': 2, 'unhealthy_threshold': 10}


def is_established(sock):
    """Whether the kernel at this end still believes in the connection."""
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == ESTABLISHED


def is_reset(sock, timeout=SLOW):
    """Whether a RST comes in time."""
    sock.settimeout(timeout)
    try:
        return sock.recv(100) is None
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def is_silent(sock, seconds=0.7):
    """Whether nothing comes for so long."""
    sock.settimeout(seconds)
    try:
        sock.recv(100)
    except TimeoutError:
        return True
    except OSError:
        pass
    return False


class Checked:
    """A server that health checks find, and that can be stopped."""

    def __init__(self, ns, ip):
        self.where, self.sock = (ns, ip), None
        self.start()

    def start(self):
        ns, ip = self.where
        self.sock = proc.socket_in(ns, socket.AF_INET, socket.SOCK_STREAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((ip, CHECK))
        self.sock.listen(64)
        threading.Thread(target=self._serve, args=(self.sock,), daemon=True).start()

    def stop(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    @staticmethod
    def _serve(sock):
        with contextlib.suppress(OSError):
            while True:
                sock.accept()[0].close()


class Pair:
    """Both ends of a connection."""

    def __init__(self, client, server, target):
        self.client, self.server, self.target = client, server, target
        self.peer = server.getpeername()[0]

    def talk(self):
        """Bytes both ways; whether they came."""
        for one, other in ((self.client, self.server), (self.server, self.client)):
            one.sendall(b'hello')
            # The sender hears of it first when there is no connection any more.
            ready = select.select([one, other], [], [], SLOW)[0]
            if ready != [other] or other.recv(100) != b'hello':
                return False
        return True

    def lives(self):
        """Whether bytes go both ways."""
        try:
            return self.talk()
        except OSError:
            return False


class FlowLife(harness.LastTests, harness.LabCase):

    @classmethod
    def make_config(cls):
        def group(name, port, ips, checked=False, **attributes):
            return harness.group(name, port, [(ip, port) for ip in ips], proxy=False,
                                 check=check() if checked else None, **attributes)
        drain, sick = 'deregistration_delay.', 'target_health_state.unhealthy.'
        delay = {drain + 'timeout_seconds': round(DELAY_S * SCALE)}
        conf = harness.config([
            group('short', SHORT, [ONE]), group('long', LONG, [ONE]),
            group('stay', STAY, [ONE, TWO], **delay),
            group('part', PART, [ONE, TWO], **{drain + 'connection_termination.enabled': True}, **delay),
            group('sick', SICK, [ONE, TWO], True),
            group('late', LATE, [ONE, TWO], True, **{sick + 'connection_termination.enabled': False,
                                                     sick + 'draining_interval_seconds': 60}),
            group('never', NEVER, [ONE, TWO], True, **{sick + 'connection_termination.enabled': False}),
            group('blue', BLUE, [ONE]), group('green', GREEN, [TWO]),
            group('gone', GONE, [ONE]), group('taken', TAKEN, [ONE]), group('door', DOOR, [ONE]),
            group('shut', SHUT, [ONE], True),
            group('solo', SOLO, [ONE, ALONE], True, **{drain + 'timeout_seconds': 3600})], consumers=2)
        conf['settings'] = {'lab_time_scale': SCALE, 'timeouts': {'syn_seconds': SYN_S, 'linger_ms': 300}}
        balancer, = conf['load_balancers']
        for listener, seconds in zip(balancer['listeners'], (60, 6000)):
            listener['attributes'] = {'tcp.idle_timeout.seconds': seconds}
        for listener in balancer['listeners'][2:]:
            listener['attributes'] = {'tcp.idle_timeout.seconds': 6000}
        balancer['listeners'].append({'port': WEIGHED, 'forward': [
            {'target_group': 'blue'}, {'target_group': 'green'}],
            'attributes': {'tcp.idle_timeout.seconds': 6000}})
        conf['vpcs'][0]['security_groups'] = [{'name': 'door', 'ingress': [{'cidr': '0.0.0.0/0'}]}]
        balancer['security_groups'] = ['door']
        return conf

    @classmethod
    def start_servers(cls):
        cls.servers, cls.checked = {}, {}
        for tg in cls.conf['target_groups']:
            for t in tg['targets'] if tg['name'] != 'shut' else []:
                sock = proc.socket_in(cls.lab.ns('provider', t['ip']), socket.AF_INET, socket.SOCK_STREAM)
                sock.bind((t['ip'], t['port']))
                sock.listen(64)
                cls.servers[sock] = f'{t["ip"]}:{t["port"]}'
                cls.addClassCleanup(sock.close)
        for ip in (ONE, TWO, ALONE):
            cls.checked[ip] = Checked(cls.lab.ns('provider', ip), ip)

    def setUp(self):
        super().setUp()
        self.now = copy.deepcopy(self.conf)
        self.ends = contextlib.ExitStack()
        self.addCleanup(self.ends.close)

    def change(self, **settings):
        """Put self.now in force, with settings if any."""
        self.now['settings'].update(settings)
        self.culvert.reload(self.now)

    def tearDown(self):
        self.back()
        super().tearDown()

    def back(self):
        """What the class began with."""
        self.culvert.reload(self.conf)

    def targets(self, name):
        """Targets of a group in self.now."""
        return next(g for g in self.now['target_groups'] if g['name'] == name)['targets']

    def dial(self, port, vpc='c1', ip=ENI):
        """A connection, handshake done: a Pair."""
        for _ in range(10):
            begin = time.monotonic()
            client = self.ends.enter_context(proc.socket_in(self.lab.ns(vpc), socket.AF_INET,
                                                            socket.SOCK_STREAM))
            client.settimeout(SLOW)
            ready = [client]
            with contextlib.suppress(ConnectionResetError):
                client.connect((ip, port))
                ready = select.select([*self.servers, client], [], [], SLOW)[0]
            # Reset, for the handshake took longer than it may: this machine was away.
            if ready != [client] or time.monotonic() - begin < SYN_S / 2:
                break
        self.assertEqual(len(ready), 1)
        self.assertIn(ready[0], self.servers)
        server = self.ends.enter_context(ready[0].accept()[0])
        pair = Pair(client, server, self.servers[ready[0]])
        self.assertTrue(pair.lives())
        return pair

    def dial_all(self, port, targets=(ONE, TWO), vpc='c1'):
        """Connections until each target has one: Pairs by target address."""
        pairs = {}
        for _ in range(200):
            pair = self.dial(port, vpc)
            pairs.setdefault(pair.target.partition(':')[0], pair)
            if set(targets) <= set(pairs):
                return pairs
        raise AssertionError(f'200 connections and only {set(pairs)}')

    def seen(self, port, n=20):
        """Target addresses of n connections."""
        return {self.dial(port).target.partition(':')[0] for _ in range(n)}

    def is_refused(self, port, vpc='c1', ip=ENI):
        """Whether a SYN gets no answer."""
        with proc.socket_in(self.lab.ns(vpc), socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.settimeout(0.7)
            try:
                sock.connect((ip, port))
            except TimeoutError:
                return True
            except OSError:
                pass
            return False

    def flow(self, pair):
        """What culvert has of a flow; None: nothing."""
        mine = '%s:%d' % pair.client.getsockname()
        return next((f for f in self.culvert.show('flows')['flows']
                     if f['client'] == mine and f['target'] == pair.target), None)

    def idle_ms(self, pair):
        """For how long nothing came; endless when the flow is gone."""
        return (self.flow(pair) or {'idle_ms': float('inf')})['idle_ms']

    def wait_gone(self, *pairs):
        """Until culvert has none of these flows, each."""
        for pair in pairs:
            proc.wait_for(lambda p=pair: self.flow(p) is None, SLOW, f'a flow to {pair.target} to end')

    # Idle ---------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def counted(self, what=''):
        """A function that reads how many TCP packets of port SHORT, such as `what`, reached the client and
        the target."""
        def rules(key):
            return (f'chain c {{ type filter hook ingress device eth0 priority 0;\n'
                    f'tcp {key} {SHORT} {what} counter\n}}')
        with harness.nft(self.lab.ns('c1'), rules('sport')) as client, \
                harness.nft(self.lab.ns('provider', ONE), rules('dport')) as target:
            yield lambda: (client(), target())

    def test_idle_flow_ends_in_silence_then_gets_reset(self):
        begin = time.monotonic()
        before = self.culvert.events()
        one, other, long = self.dial(SHORT), self.dial(SHORT), self.dial(LONG)
        with self.counted() as count, self.counted('tcp flags & rst == 0') as no_resets:
            # A delayed acknowledgement may still be under way.
            proc.wait_for(lambda: all(self.idle_ms(p) >= 300 for p in (one, other)), SLOW, 'silence')
            quiet = count()
            self.wait_gone(one, other)
            self.assertGreaterEqual(time.monotonic() - begin, IDLE_S)
            self.assertEqual(count(), quiet)
            quiet = no_resets()
            for sock in (one.client, one.server, other.client, other.server):
                self.assertTrue(is_established(sock))
            one.client.sendall(b'x')
            self.assertTrue(is_reset(one.client))
            other.server.sendall(b'x')
            self.assertTrue(is_reset(other.server))
            # The segment that met no flow was not passed on, and its other end knows of nothing.
            self.assertEqual(no_resets(), quiet)
            self.assertTrue(is_established(one.server) and is_established(other.client))
        self.assertTrue(long.lives())
        self.assert_becomes(2, lambda: self.culvert.events()['ended_flows_idle'] - before['ended_flows_idle'])
        # Two segments, which a busy machine may have sent again.
        self.assertGreaterEqual(self.culvert.events()['tcp_elb_reset'] - before['tcp_elb_reset'], 2)

    def test_idle_timeout_is_no_shorter_than_it_says(self):
        spoke, pair = time.monotonic(), self.dial(SHORT)
        for _ in range(2):
            time.sleep(0.75 * IDLE_S)
            now, alive = time.monotonic(), pair.lives()
            if time.monotonic() - spoke < IDLE_S:       # else this machine was away for too long
                self.assertTrue(alive)
            spoke = now if alive else time.monotonic()
            pair = pair if alive else self.dial(SHORT)

    def test_both_ends_are_reset_at_expiry_when_told_so(self):
        self.change(flow_end={'idle': 'reset'})
        pair = self.dial(SHORT)
        self.assertTrue(is_reset(pair.client) and is_reset(pair.server))
        self.wait_gone(pair)

    def test_handshake_without_answer_ends(self):
        client = harness.RawTcp(self.lab.ns('c1'), self.client_ip(), ENI)
        self.addCleanup(client.close)
        self.dial(GONE)     # its MAC is known from now on
        before = self.culvert.events()

        def gained(event):
            return self.culvert.events()[event] - before[event]
        with harness.nft(self.lab.ns('provider', ONE), 'chain c { type filter hook ingress device eth0 '
                         f'priority 0;\ntcp dport {GONE} tcp flags & (syn | ack) == syn counter drop\n}}'
                         ) as count:
            begin = time.monotonic()
            client.send(2222, GONE, harness.SYN, seq=7)
            proc.wait_for(lambda: gained('ended_flows_syn_timeout') == 1, SLOW / 2,
                          'the handshake to time out')
            self.assertGreater(time.monotonic() - begin, SYN_S - 0.1)
            self.assertEqual((count(), gained('new_flows')), (1, 1))
        self.assertIsNone(client.receive(2222, GONE, 0.3))

    def client_ip(self):
        """The address by which c1 dials the endpoint."""
        with proc.socket_in(self.lab.ns('c1'), socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((ENI, 1))
            return sock.getsockname()[0]

    # Targets ------------------------------------------------------------------------------------

    def outlives(self, pair, seconds, since):
        """That a flow goes on for so long, and then ends."""
        def has_ended():
            if pair.lives():
                return False
            self.assertGreater(time.monotonic() - since, seconds - 0.1, 'it ended too soon')
            return True
        proc.wait_for(has_ended, seconds + SLOW, f'the flow to {pair.target} to end', step=0.1)

    def test_deregistered_target_drains(self):
        part, stay = self.dial_all(PART), self.dial_all(STAY)
        before = self.culvert.events()
        for name in ('part', 'stay'):
            self.targets(name).pop()
        begin = time.monotonic()
        self.change()
        for port in (PART, STAY):
            self.assertEqual(self.seen(port), {ONE})
        self.outlives(part[TWO], DELAY_S, begin)
        self.assertTrue(part[ONE].lives() and stay[ONE].lives() and stay[TWO].lives())
        proc.wait_for(lambda: self.culvert.events()['ended_flows_target'] > before['ended_flows_target'],
                      SLOW, 'the flow that ended to be counted')
        self.back()
        self.assertEqual(set(self.dial_all(PART)), {ONE, TWO})

    def test_target_that_an_operator_drains(self):
        pairs = self.dial_all(PART)
        begin = time.monotonic()
        proc.run([culvertd.CULVERTCTL, '-s', self.culvert.socket, 'drain', 'part', f'{TWO}:{PART}'])
        proc.wait_for(lambda: self.seen(PART) == {ONE}, SLOW, 'new connections to go elsewhere')
        self.outlives(pairs[TWO], DELAY_S, begin)
        self.assertTrue(pairs[ONE].lives())

    def wait_state(self, state, *names):
        """Until both nodes see target TWO of these groups so."""
        def is_so():
            groups = {g['name']: g for g in self.culvert.show('targets')['target_groups']}
            return all(set(groups[n]['targets'][1]['states'].values()) == {state} for n in names)
        proc.wait_for(is_so, 2 * SLOW, f'{names} to be {state}')

    def test_unhealthy_targets_flows_end_as_the_group_says(self):
        names = ('sick', 'late', 'never')
        self.wait_state('healthy', *names)
        sick, late, never = (self.dial_all(p) for p in (SICK, LATE, NEVER))
        begin = time.monotonic()
        self.checked[TWO].stop()
        try:
            self.wait_gone(sick[TWO])
            sick[TWO].client.sendall(b'x')
            self.assertTrue(is_reset(sick[TWO].client))
            self.outlives(late[TWO], DELAY_S, begin)
            self.wait_state('unhealthy', *names)
            self.assertTrue(never[TWO].lives())
            for pairs, port in ((sick, SICK), (late, LATE), (never, NEVER)):
                self.assertTrue(pairs[ONE].lives())
                # Packets follow what is shown, a moment later.
                self.assert_becomes({ONE}, lambda port=port: self.seen(port), SLOW)
        finally:
            self.checked[TWO].start()
        self.wait_state('healthy', *names)
        proc.wait_for(lambda: self.seen(SICK) == {ONE, TWO}, SLOW, 'connections to the target that returned')

    def test_draining_targets_flows_live_while_it_is_healthy(self):
        self.wait_state('healthy', 'solo')
        pairs = self.dial_all(SOLO, (ONE, ALONE))
        solo, = [g for g in self.now['target_groups'] if g['name'] == 'solo']
        solo['targets'] = [t for t in solo['targets'] if t['ip'] != ALONE]
        self.change()
        # Twice what checks that fail would take.
        end = time.monotonic() + 4
        while time.monotonic() < end:
            self.assertTrue(pairs[ALONE].lives())
            time.sleep(0.2)
        self.checked[ALONE].stop()
        try:
            self.wait_gone(pairs[ALONE])
            pairs[ALONE].client.sendall(b'x')
            self.assertTrue(is_reset(pairs[ALONE].client))
            self.assertTrue(pairs[ONE].lives())
        finally:
            self.checked[ALONE].start()

    def test_refused_connections_make_no_target_unhealthy(self):
        def state():
            groups = {g['name']: g for g in self.culvert.show('targets')['target_groups']}
            return groups['shut']['targets'][0]['state']
        proc.wait_for(lambda: state() == 'healthy', SLOW, 'the target to be healthy')
        for _ in range(30):
            with proc.socket_in(self.lab.ns('c1'), socket.AF_INET, socket.SOCK_STREAM) as sock:
                sock.settimeout(SLOW)
                with self.assertRaises(ConnectionRefusedError):
                    sock.connect((ENI, SHUT))
        self.assertEqual(state(), 'healthy')

    def test_weight_0_ends_flows(self):
        pairs, direct = self.dial_all(WEIGHED), self.dial(GREEN)
        forward = self.now['load_balancers'][0]['listeners'][-1]['forward']
        forward[1]['weight'] = 0
        self.change()
        self.wait_gone(pairs[TWO])
        pairs[TWO].client.sendall(b'x')
        self.assertTrue(is_reset(pairs[TWO].client))
        self.assertTrue(pairs[ONE].lives() and direct.lives())
        self.assertEqual(self.seen(WEIGHED), {ONE})
        forward[:] = [{'target_group': 'blue', 'weight': 0}, {'target_group': 'green'}]
        self.change(flow_end={'target': 'reset'})
        self.assertTrue(is_reset(pairs[ONE].client) and is_reset(pairs[ONE].server))

    # Endpoints ----------------------------------------------------------------------------------

    def rejected(self, how):
        """Reject c2 with a setting, look, accept it again."""
        mine, other = self.dial(STAY, 'c2'), self.dial(STAY)
        service = self.now['endpoint_services'][0]
        service.update(accept=['c1'], reject=['c2'])
        self.change(flow_end={'endpoint': how})
        self.look_at_end(mine, how)
        self.assertTrue(self.is_refused(STAY, 'c2'))
        self.assertTrue(other.lives())
        service.update(accept=['c1', 'c2'], reject=[])
        self.change()
        self.assertTrue(self.dial(STAY, 'c2').lives() and other.lives())
        self.assertFalse(mine.lives())

    def look_at_end(self, pair, how):
        """That a flow whose endpoint is gone has ended as the setting says."""
        self.wait_gone(pair)
        if how == 'reset':
            self.assertTrue(is_reset(pair.client) and is_reset(pair.server))
            return
        self.assertTrue(is_established(pair.client) and is_established(pair.server))
        pair.client.sendall(b'x')
        self.assertTrue(is_silent(pair.client))
        pair.server.sendall(b'x')
        self.assertTrue(is_reset(pair.server))

    def test_rejected_endpoints_flows_end_in_silence(self):
        before = self.culvert.drops().get('endpoint_rejected', 0)
        self.rejected('silent')
        proc.wait_for(lambda: self.culvert.drops()['endpoint_rejected'] > before, SLOW, 'a drop')

    def test_rejected_endpoints_flows_are_reset_when_told_so(self):
        self.rejected('reset')

    def test_deleted_endpoints_flows_end(self):
        other = self.dial(STAY)
        for how in ('silent', 'reset'):
            self.now = copy.deepcopy(self.conf)
            mine = self.dial(STAY, 'c2')
            self.now['endpoints'].pop()
            self.now['endpoint_services'][0]['accept'].remove('c2')
            self.change(flow_end={'endpoint': how})
            self.look_at_end(mine, how)
            self.assertTrue(other.lives())
            self.back()
            self.assertTrue(self.dial(STAY, 'c2').lives())

    # What is removed ----------------------------------------------------------------------------

    def remove(self, port, group):
        """A listener and its target group leave self.now."""
        balancer, = self.now['load_balancers']
        balancer['listeners'] = [x for x in balancer['listeners'] if x['port'] != port]
        self.now['target_groups'] = [g for g in self.now['target_groups'] if g['name'] != group]

    def test_removed_listeners_flows_go_on_unless_told_otherwise(self):
        other = self.dial(STAY)
        for how in ('keep', 'silent', 'reset'):
            self.now = copy.deepcopy(self.conf)
            pair = self.dial(GONE)
            self.remove(GONE, 'gone')
            self.change(flow_end={'listener': how})
            self.assertTrue(self.is_refused(GONE))
            if how == 'keep':
                self.assertTrue(pair.lives())
            else:
                self.look_at_end(pair, how)
            self.assertTrue(other.lives())
            self.back()

    def test_service_and_load_balancer_take_their_flows_along(self):
        through, direct = self.dial(TAKEN), self.dial(TAKEN, 'provider', NODE)
        del self.now['endpoints'], self.now['endpoint_services']
        self.change()
        self.wait_gone(through)
        self.assertTrue(direct.lives())
        self.now['load_balancers'] = []
        self.change()
        direct.client.sendall(b'x')
        self.assertTrue(is_silent(direct.client))
        self.assertTrue(is_silent(direct.server))
        proc.wait_for(lambda: self.culvert.show('flows')['matched'] == 0, SLOW, 'flows to end')
        self.back()
        self.assertTrue(self.dial(TAKEN).lives())

    # Who may connect, and from where --------------------------------------------------------------

    def blocked(self):
        return self.culvert.events()['security_group_blocked_flow_inbound_tcp']

    def test_security_groups_hold_for_new_connections_while_enforced(self):
        old, direct = self.dial(DOOR), self.dial(DOOR, 'provider', NODE)
        before = self.blocked()
        self.now['vpcs'][0]['security_groups'][0]['ingress'] = [{'cidr': '192.0.2.0/24'}]
        self.change()
        self.assertTrue(self.is_refused(DOOR) and self.is_refused(DOOR, 'provider', NODE))
        proc.wait_for(lambda: self.blocked() - before >= 2, SLOW, 'two to be counted')
        # What was sent before their segments is counted after these.
        self.assertTrue(old.lives() and direct.lives())
        blocked = self.blocked()
        key = 'enforce_security_group_inbound_rules_on_private_link_traffic'
        self.now['load_balancers'][0][key] = False
        self.change()
        self.assertTrue(self.dial(DOOR).lives())
        self.assertEqual(self.blocked(), blocked)
        self.assertTrue(self.is_refused(DOOR, 'provider', NODE))
        proc.wait_for(lambda: self.blocked() > blocked, SLOW, 'one more to be counted')

    def test_zy_secondary_addresses_come_live(self):
        """Last: nothing lowers them again."""
        old = self.dial(STAY)
        self.assertLessEqual({self.dial(STAY).peer for _ in range(20)} | {old.peer}, {NODE, NODE_B})
        self.now['load_balancers'][0]['attributes'] = {'secondary_ips.auto_assigned.per_subnet': 1}
        self.change()
        proc.wait_for(lambda: {self.dial(STAY).peer for _ in range(10)} - {NODE, NODE_B}, SLOW,
                      'a connection from a secondary address')
        self.assertTrue(old.lives())
        self.culvert.reload(self.conf)
        self.assertIn('secondary', self.culvert.tail())
