# SPDX-License-Identifier: BSD-3-Clause
"""`tools/lab api`: an appliance for clients of the AWS APIs, in the background until `--stop`."""

import base64
import http.client
import json
import os
import pathlib
import secrets
import shlex
import socket

from . import culvertd, lab, peers, proc, state, two

PREFIX = 'cvl-api'


def new_keys(accounts):
    """An access key of a user for each account (role -> number): role -> (id, secret, principal)."""
    keys = {}
    for role, account in accounts.items():
        key = 'AKIA' + base64.b32encode(secrets.token_bytes(10)).decode()
        keys[role] = (key, secrets.token_urlsafe(30), f'arn:aws:iam::{account}:user/{role}')
    return keys


def write_keys(path, keys):
    """The file that api.credentials_file names."""
    rows = [{'access_key_id': k, 'secret_access_key': s, 'principal': p} for k, s, p in keys.values()]
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'w', encoding='ascii') as file:
        json.dump({'keys': rows}, file)


def listen():
    """A socket of the machine's own namespace, on a free port of the loopback."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(('127.0.0.1', 0))
    sock.listen(512)
    return sock


def start_appliance(made, conf, keys):
    """culvertd in the lab, its APIs on a port of the machine's loopback: (Culvertd, URL)."""
    write_keys(made.path('keys.json'), keys)
    with listen() as sock:
        address = '127.0.0.1:%d' % sock.getsockname()[1]
        conf = {**conf, 'api': {'listen': [address], 'credentials_file': made.path('keys.json')}}
        culvert = culvertd.Culvertd(made, conf, listener=sock).start()
    return culvert, f'http://{address}'


def servers(made):
    """HTTP on every live host: plain on one port, with PROXY headers on the other."""
    for ip in two.LIVE:
        peers.nginx(made, 'provider', ip, two.HTTP, proxy=False)
        peers.decoder(made, 'provider', ip, two.PROXIED)


def exports(url, keys):
    """Names and values for the shell."""
    out = {'CULVERT_API_URL': url, 'CULVERT_REGION': two.REGION}
    for role, (key, secret, principal) in keys.items():
        subnets = [two.made_id('subnet', role, i) for i in range(len(two.SUBNETS[role]))]
        mine = {'KEY': key, 'SECRET': secret, 'ACCOUNT': two.ACCOUNTS[role],
                'VPC': two.made_id('vpc', role), 'SUBNETS': ','.join(subnets),
                'SG': two.made_id('sg', role), 'PRINCIPAL': principal}
        out |= {f'CULVERT_{role.upper()}_{name}': value for name, value in mine.items()}
    return out | {'CULVERT_TARGET_IPS': ','.join(two.LIVE),
                  'CULVERT_HEALTHY_TARGET': f'{two.LIVE[0]}:{two.HTTP}',
                  'CULVERT_DEAD_TARGET': f'{two.DEAD}:{two.HTTP}'}


def text(values):
    """Exports for `eval`."""
    return ''.join(f'export {name}={shlex.quote(value)}\n' for name, value in values.items())


def answers(url):
    """Whether an API is there; unsigned, it says no."""
    conn = http.client.HTTPConnection(url.removeprefix('http://'), timeout=30)
    try:
        conn.request('GET', '/')
        return conn.getresponse().getheader('x-amzn-RequestId') is not None
    except (OSError, http.client.HTTPException):
        return False
    finally:
        conn.close()


def running(prefix, say):
    """The exports of a lab that is there already, or None."""
    try:
        values = json.loads((state.RUN / prefix / 'exports.json').read_text(encoding='ascii'))
    except (OSError, ValueError):
        return None
    if answers(values['CULVERT_API_URL']):
        return values
    say(f'lab {prefix} is there, but its APIs do not answer any more: starting anew, with new keys')
    return None


def hints(prefix):
    """What a user will want to do next; not for the shell."""
    return [f'traffic, as a client of the consumer: sudo tools/lab exec --prefix {prefix} consumer -- '
            'curl http://DNS-NAME-OF-AN-ENDPOINT/',
            f'the operator: sudo build/app/culvertctl -s {state.RUN / prefix}/culvertd.sock show endpoints',
            f'its log: {state.RUN / prefix}/culvertd.log']


def start(prefix, say):
    """Start it, unless it runs: the exports."""
    values = running(prefix, say)
    if values:
        say(f'lab {prefix} is there already; `tools/lab api --stop` ends it')
        return values
    conf, keys = {**two.config(), 'dns': {'enabled': True}}, new_keys(two.ACCOUNTS)
    made = lab.Lab(two.with_hosts(conf), prefix, say)
    with made:
        say('namespaces, servers, culvertd')
        servers(made)
        for vpc in conf['vpcs']:
            made.resolver(made.ns(vpc['name']), two.name_server(vpc['cidrs'][0]))
        culvert, url = start_appliance(made, conf, keys)
        if not culvert.is_running() or not answers(url):
            raise proc.LabError(f'no AWS APIs on {url}:\n{culvert.tail()}')
        values = exports(url, keys)
        path = pathlib.Path(made.path('exports.json'))
        path.touch(mode=0o600)
        path.write_text(json.dumps(values), encoding='ascii')
        made.state.keep = True
        made.state.save()
    for hint in hints(prefix):
        say(hint)
    return values


def stop(prefix):
    """End it; nothing stays. Nothing to end is fine."""
    if prefix in state.labs() or proc.ns_list(prefix):
        state.destroy(prefix)
