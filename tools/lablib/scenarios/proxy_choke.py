# SPDX-License-Identifier: BSD-3-Clause
"""A server and its target group that do not agree on the PROXY header, both ways round."""

from cvlab import peers, region, story

SUMMARY = 'servers that get a PROXY header unasked, or wait for one in vain; and the cure'
TARGET, PLAIN, PARSES = '10.0.1.21', 80, 81
table = story.table


def servers(made):
    """nginx twice: one that expects no header, one that does."""
    peers.nginx(made, 'provider', TARGET, PLAIN, proxy=False)
    peers.nginx(made, 'provider', TARGET, PARSES, proxy=True)


def run(opts, say):
    """Play it."""
    conf = region.config([region.group('plain', PLAIN, [(TARGET, PLAIN)], proxy=True),
                          region.group('parses', PARSES, [(TARGET, PARSES)], proxy=False)])

    def set_proxy(group, on):
        return lambda conf: conf['target_groups'][group]['attributes'].update(
            {'proxy_protocol_v2.enabled': on})

    with story.begin(opts, say, conf, servers) as it:
        def dial(port):
            return it.get('c1', region.ENI, port, seconds=20)

        it.step('header to a server that does not expect one', 'HTTP 400', dial(PLAIN)[0])
        it.reload(set_proxy(0, False))
        it.step('cure: proxy_protocol_v2.enabled false', 'HTTP 200', dial(PLAIN)[0])
        got = dial(PARSES)[0]
        it.step('no header to a server that waits for one', True, got in ('closed', 'reset', 'timeout'),
                client_saw=got)
        it.reload(set_proxy(1, True))
        got, body = dial(PARSES)
        it.step('cure: proxy_protocol_v2.enabled true', 'HTTP 200', got)
        it.step('and the server knows the client', '172.16.1.100', body.get('client', '').split(':')[0])
        return it.result()
