# SPDX-License-Identifier: BSD-3-Clause
"""A connection that is idle for too long: forgotten in silence, reset when it is used again."""

import contextlib
import socket
import time

from cvlab import peers, proc, region, story

SUMMARY = 'an idle connection is forgotten silently, then reset; keepalives prevent it'
TARGET, PORT = '10.0.1.31', 8080
ATTRIBUTE = 'tcp.idle_timeout.seconds'
TCP_ESTABLISHED = 1
table = story.table


def arguments(p):
    """Options."""
    p.add_argument('--seconds', type=int, default=60, metavar='N',
                   help="the listener's idle timeout (60, the least; AWS's default is 350)")


def servers(made):
    """A server that never closes first."""
    peers.decoder(made, 'provider', TARGET, PORT)


def is_established(sock):
    """Whether the client's kernel still believes in the connection."""
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_ESTABLISHED


def run(opts, say):
    """Play it."""
    conf = region.config([region.group('on', PORT, [(TARGET, PORT)])])
    conf['load_balancers'][0]['listeners'][0]['attributes'] = {ATTRIBUTE: opts.seconds}
    with story.begin(opts, say, conf, servers) as it, contextlib.ExitStack() as stack:
        socks = {}
        for name in ('idle', 'keepalive', 'waits'):
            sock = socks[name] = stack.enter_context(
                proc.socket_in(it.lab.ns('c1'), socket.AF_INET, socket.SOCK_STREAM))
            sock.settimeout(30)
            sock.connect((region.ENI, PORT))
            it.step(f'request on connection "{name}"', 'answered', story.ask(sock))
        socks['keepalive'].setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for key in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL):
            socks['keepalive'].setsockopt(socket.IPPROTO_TCP, key, opts.seconds // 3)
        # A server that thinks for longer than the timeout.
        socks['waits'].sendall(b'GET /bytes/10?wait=%d HTTP/1.1\r\nHost: x\r\n\r\n' % (opts.seconds + 6))
        before = it.culvert.events()
        say(f'waiting {opts.seconds + 3} s')
        time.sleep(opts.seconds + 3)
        def flows():
            return len(it.culvert.show('flows')['flows'])
        with contextlib.suppress(proc.LabError):
            proc.wait_for(lambda: flows() == 1, 10, 'flows that were idle to end')
        it.step('flows that culvert knows', 1, flows())
        it.step('the client of "idle" heard nothing of its end', True, is_established(socks['idle']))
        it.step('request on connection "idle"', 'reset', story.ask(socks['idle']))
        it.step('request on connection "keepalive"', 'answered', story.ask(socks['keepalive']))
        proc.wait_for(lambda: it.culvert.events()['tcp_elb_reset'] >= before['tcp_elb_reset'] + 2, 30,
                      "culvert's RST to the server that answers late")
        it.step('the server that answers late meets a RST, too', True, True)
        socks['waits'].settimeout(1)
        with contextlib.suppress(TimeoutError):
            it.step('its client gets', 'nothing', repr(socks['waits'].recv(100)))
        ended = it.culvert.events()['ended_flows_idle'] - before['ended_flows_idle']
        it.step('flows counted as ended by idle timeout', 2, ended)
        return it.result()
