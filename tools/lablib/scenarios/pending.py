# SPDX-License-Identifier: BSD-3-Clause
"""An endpoint that waits for acceptance, is accepted, is rejected: what its client and the counters see."""

import socket

from cvlab import peers, proc, region, story

SUMMARY = 'an endpoint pending, accepted, rejected: what client and counters see'
TARGET, PORT = '10.0.1.31', 8080
table = story.table


def servers(made):
    """Behind the endpoint."""
    peers.decoder(made, 'provider', TARGET, PORT)


def run(opts, say):
    """Play it."""
    conf = region.config([region.group('on', PORT, [(TARGET, PORT)])], accept=[])

    def decide(accept, reject):
        return lambda conf: conf['endpoint_services'][0].update(accept=accept, reject=reject)

    with story.begin(opts, say, conf, servers) as it:
        def state():
            return it.culvert.endpoints()[0]['state']

        def blocked(name):
            (got, _), counted = it.dropped(f'endpoint_{name}',
                                           lambda: it.get('c1', region.ENI, PORT, story.IN_VAIN_S))
            it.step(f'client of the {name} endpoint dials', 'timeout', got)
            it.step(f'culvert counts its packets as endpoint_{name}', True, counted)

        it.step('state of an endpoint that nobody accepted', 'pendingAcceptance', state())
        blocked('pending')
        it.reload(decide(['c1'], []))
        it.step('state after the provider accepted it', 'available', state())
        it.step('client dials', 'HTTP 200', it.get('c1', region.ENI, PORT)[0])
        with proc.socket_in(it.lab.ns('c1'), socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.settimeout(30)
            sock.connect((region.ENI, PORT))
            it.step('request on a connection that stays open', 'answered', story.ask(sock))
            sock.settimeout(3)
            it.reload(decide([], ['c1']))
            it.step('state after the provider rejected it', 'rejected', state())
            it.step('request on that connection', 'timeout', story.ask(sock))
        blocked('rejected')
        it.reload(decide(['c1'], []))
        it.step('accepted again: client dials', 'HTTP 200', it.get('c1', region.ENI, PORT)[0])
        return it.result()
