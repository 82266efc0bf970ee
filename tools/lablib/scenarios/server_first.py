# SPDX-License-Identifier: BSD-3-Clause
"""A server that speaks first, but not before it has the PROXY header: MySQL, SMTP, SSH behind a proxy."""

import socket
import time

from cvlab import peers, proc, region, story

SUMMARY = 'a server that speaks first hangs with the default header placement; cured'
TARGET, PORT = '10.0.1.41', 2525
PLACEMENT = 'proxy_protocol_v2.client_to_server.header_placement'
table = story.table

# One connection after the other: reads the header, greets.
SERVER = '''
import socket, sys
all = socket.create_server((sys.argv[1], int(sys.argv[2])))
while True:
    one, _ = all.accept()
    one.settimeout(8)
    try:
        head = b''
        while len(head) < 16 or len(head) < 16 + int.from_bytes(head[14:16], 'big'):
            more = one.recv(4096)
            if not more:
                break
            head += more
        else:
            one.sendall(b'220 welcome\\r\\n')
    except OSError:
        pass
    one.close()
'''


def servers(made):
    """The server."""
    peers.start(made, 'greeter', made.ns('provider', TARGET), TARGET, PORT,
                [peers.PYTHON, '-c', SERVER, TARGET, PORT])


def greeting(ns, patience):
    """What a silent client reads within so many seconds, and after how long."""
    begin = time.monotonic()
    with proc.socket_in(ns, socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.settimeout(patience)
        try:
            sock.connect((region.ENI, PORT))
            said = sock.recv(100).decode().strip() or 'closed'
        except TimeoutError:
            said = 'nothing'
        except OSError as err:
            said = err.strerror
    return said, round(time.monotonic() - begin, 2)


def run(opts, say):
    """Play it."""
    conf = region.config([region.group('mail', PORT, [(TARGET, PORT)])])
    with story.begin(opts, say, conf, servers) as it:
        said, seconds = greeting(it.lab.ns('c1'), 3)
        it.step('placement on_first_ack_with_payload: client hears', 'nothing', said, seconds=seconds)
        it.reload(lambda conf: conf['target_groups'][0]['attributes'].update({PLACEMENT: 'on_first_ack'}))
        said, seconds = greeting(it.lab.ns('c1'), 30)
        it.step('placement on_first_ack: client hears', '220 welcome', said, seconds=seconds)
        return it.result()
