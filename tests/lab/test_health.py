# SPDX-License-Identifier: BSD-3-Clause
"""Health checks of real targets: TCP, HTTP and HTTPS, from each node, through the kernel's TCP."""

import os
import re
import socket
import ssl
import threading

import harness
from harness import ENI, NODE, NODE_B, load, peers, proc

T1, T2 = '10.0.1.31', '10.0.2.32'
WEB, PLAIN, TLS, LOCAL = 80, 8080, 8443, 8090
CHECK = 9443             # where the HTTPS checks go
# The class runs ten times as fast: a check each second. Three in a row: a busy machine fails none.
FAST = {'interval_seconds': 10, 'timeout_seconds': 10, 'healthy_threshold': 2, 'unhealthy_threshold': 3}
SIGNATURE = b'\r\n\r\n\x00\r\nQUIT\n'


class Target:
    """An HTTP server in a target's namespace that says how it was asked."""

    def __init__(self, ns, ip, port, tls=None, skip=0):
        self.where, self.tls, self.skip = (ns, ip, port), tls, skip
        self.code, self.seen, self.peers = 200, [], set()
        self.listener = None
        self.start()

    def start(self):
        ns, ip, port = self.where
        self.listener = proc.socket_in(ns, socket.AF_INET, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((ip, port))
        self.listener.listen(128)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self, listener):
        while True:
            try:
                side, (peer, _port) = listener.accept()
            except OSError:
                return
            self.peers.add(peer)
            threading.Thread(target=self._serve, args=(side,), daemon=True).start()

    def _serve(self, side):
        try:
            side.settimeout(20)
            head = side.recv(self.skip, socket.MSG_WAITALL) if self.skip else b''
            if self.tls:
                side = self.tls.wrap_socket(side, server_side=True)
            data = b''
            while b'\r\n\r\n' not in data:
                got = side.recv(4096)
                if not got:
                    return
                data += got
            self.seen.append((head, data.decode()))
            body = self.where[1].encode()
            side.sendall(b'HTTP/1.1 %d x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' % (
                self.code, len(body), body))
        except OSError:
            pass
        finally:
            side.close()


def certificate(path):
    """A server context with a certificate that nobody vouches for."""
    cert, key = os.path.join(path, 'cert.pem'), os.path.join(path, 'key.pem')
    proc.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj',
              '/CN=elsewhere', '-keyout', key, '-out', cert])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


class Health(harness.LastTests, harness.LabCase):

    @classmethod
    def make_config(cls):
        conf = harness.config([
            harness.group('web', WEB, [(T1, WEB)], check={'protocol': 'HTTP', **FAST}),
            harness.group('plain', PLAIN, [(T1, PLAIN), (T2, PLAIN)], proxy=False, check=FAST),
            harness.group('tls', TLS, [(T1, TLS)], proxy=False, check={
                'protocol': 'HTTPS', 'port': CHECK, 'path': '/up?deep=1', 'matcher': '204', **FAST}),
            harness.group('local', LOCAL, [(T2, LOCAL)], check={
                'protocol': 'HTTP', 'path': '/local', **FAST})])
        conf['settings'] = {'lab_time_scale': 10}
        return conf

    @classmethod
    def start_servers(cls):
        peers.nginx(cls.lab, 'provider', T1, WEB)
        one, two = cls.lab.ns('provider', T1), cls.lab.ns('provider', T2)
        cls.plain = [Target(one, T1, PLAIN), Target(two, T2, PLAIN)]
        cls.tls = Target(one, T1, CHECK, tls=certificate(cls.lab.path('')))
        cls.tls.code = 204
        cls.local = Target(two, T2, LOCAL, skip=23)

    def target(self, group, idx=0):
        groups = {g['name']: g for g in self.culvert.show('targets')['target_groups']}
        return groups[group]['targets'][idx]

    def wait_state(self, state, group, idx=0):
        """Until both nodes see the target so: the target."""
        def is_so():
            target = self.target(group, idx)
            return target if set(target['states'].values()) == {state} else None
        return proc.wait_for(is_so, 60, f'{group} {idx} to be {state}')

    def test_targets_of_each_kind_are_healthy(self):
        for group, idx in (('web', 0), ('plain', 0), ('plain', 1), ('tls', 0), ('local', 0)):
            got = self.wait_state('healthy', group, idx)
            self.assertEqual(got['state'], 'healthy')
            self.assertNotIn('reason', got)
            self.assertEqual([z['az_id'] for z in got['zones']], ['use1-az1', 'use1-az2'])
        for zone in ('us-east-1a', 'us-east-1b'):
            labels = (r'\{load_balancer="net/nlb/[0-9a-f]{16}",target_group="targetgroup/plain/[0-9a-f]{16}",'
                      rf'availability_zone="{zone}",account="111111111111"\}}')
            want = (rf'\nculvert_healthy_host_count{labels} 2\n',
                    rf'\nculvert_unhealthy_host_count{labels} 0\n')
            proc.wait_for(lambda want=want: all(re.search(w, self.culvert.metrics_text()) for w in want), 30,
                          f'two healthy hosts to be counted in {zone}')

    def test_checks_come_from_each_node(self):
        self.wait_state('healthy', 'plain', 1)
        self.wait_state('healthy', 'tls')
        for target in (self.plain[1], self.tls):
            proc.wait_for(lambda t=target: {NODE, NODE_B} <= t.peers, 20, 'checks from both nodes')
            self.assertEqual(target.peers - {NODE, NODE_B}, set())

    def test_override_port_and_matcher_decide(self):
        self.wait_state('healthy', 'tls')
        _head, asked = self.tls.seen[-1]
        self.assertTrue(asked.startswith('GET /up?deep=1 HTTP/1.1\r\n'), asked)
        self.assertRegex(asked, rf'\r\nHost: ({NODE}|{NODE_B}):{TLS}\r\n')
        self.assertIn('\r\nUser-Agent: ELB-HealthChecker/2.0\r\n', asked)
        self.tls.code = 200
        got = self.wait_state('unhealthy', 'tls')
        self.assertEqual(got['reason'], 'Target.FailedHealthChecks')
        self.assertEqual(got['description'], 'Health checks failed')
        # A busy machine may have failed one in another way.
        self.assert_becomes('HTTP code 200, not 204', lambda: self.target('tls').get('last_failure'))
        self.tls.code = 204
        self.wait_state('healthy', 'tls')

    def test_header_of_a_check_has_no_client(self):
        self.wait_state('healthy', 'local')
        head, asked = self.local.seen[-1]
        # Command LOCAL, no family, 7 bytes: one TLV with the CRC.
        self.assertEqual(head[:19], SIGNATURE + b'\x20\x00\x00\x07\x03\x00\x04')
        self.assertTrue(asked.startswith('GET /local HTTP/1.1\r\n'), asked)

    def test_target_that_fails_gets_no_connections_and_returns(self):
        for idx in (0, 1):
            self.wait_state('healthy', 'plain', idx)
        # Packets follow what is shown, a moment later.
        self.assert_becomes({T1, T2}, lambda: self.who(60))
        self.plain[1].stop()
        self.wait_state('unhealthy', 'plain', 1)
        self.assert_becomes('Connection refused', lambda: self.target('plain', 1).get('last_failure'))
        self.assert_becomes({T1}, lambda: self.who(60))
        self.plain[1].start()
        self.wait_state('healthy', 'plain', 1)
        self.assert_becomes({T1, T2}, lambda: self.who(20))

    def who(self, n):
        """The targets that answer n connections; how some failed, if some did."""
        answers = load(self.lab, 'c1', ENI, PLAIN, n)
        return {a.body.decode() if a.status == 200 else a.error or a.status for a in answers}
