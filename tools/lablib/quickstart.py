#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The part of tools/quickstart that comes after packages and build: lab, culvertd, traffic, table."""

import argparse
import contextlib
import copy
import errno
import json
import pathlib
import re
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from cvlab import cli, culvertd, lab, proc, topo  # noqa: E402

PREFIX = 'cvl-quickstart'
CONFIG = culvertd.TOP / 'config' / 'quickstart.json'
TRIES_MAX = 60          # requests until every target of a listener has answered once
IN_VAIN_S = 2.5  # for a connection that must not come about: SYNs at 0 and 1 s
NO_TLV = 'n/a (nginx 1.22 has no TLV variable)'
SERVED = 'served'
REFUSED = 'refused by --check: principal not allowed'
COLUMNS = (('consumer', 'consumer'), ('endpoint', 'vpce_id'), ('AZ ID', 'az_id'), ('ENI', 'eni'),
           ('target', 'target'), ('client seen', 'client_seen'), ('endpoint seen', 'vpce_seen'),
           ('CRC', 'crc'), ('HTTP', 'http_status'), ('ms', 'time_ms'), ('verdict', 'verdict'))


def say(text):
    print(f'quickstart: {text}', file=sys.stderr, flush=True)


class NotPossible(proc.LabError):
    """This machine cannot run the lab."""


def probe_machine():
    """Fail early and clearly where namespaces, veth or AF_XDP cannot be had."""
    ns = f'{PREFIX}-probe.{time.monotonic_ns() % 10**6}'
    try:
        proc.run(['ip', 'netns', 'add', ns])
    except proc.LabError as err:
        raise NotPossible(f'network namespaces cannot be made here: {err}') from err
    try:
        proc.run(['ip', '-n', ns, 'link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1'])
    except proc.LabError as err:
        raise NotPossible(f'veth pairs cannot be made here (kernel without CONFIG_VETH, or a '
                          f'container without NET_ADMIN?): {err}') from err
    finally:
        proc.run(['ip', 'netns', 'del', ns], check=False)
    try:
        socket.socket(44, socket.SOCK_RAW).close()  # AF_XDP
    except OSError as err:
        why = 'the kernel has no CONFIG_XDP_SOCKETS' if err.errno == errno.EAFNOSUPPORT else \
            'not permitted; CAP_NET_RAW and CAP_BPF are needed'
        raise NotPossible(f'AF_XDP sockets cannot be made here: {why} ({err.strerror})') from err


# Traffic --------------------------------------------------------------------------------------


def curl(made, vpc, ip, port, connect=30):
    """One request from a VPC's client: (curl's exit code, HTTP status, body, client address, ms)."""
    mark = '%{stderr}%{http_code} %{local_ip}:%{local_port} %{time_total}'
    done = proc.run(['curl', '-sS', '--connect-timeout', connect, '--max-time', 60,
                     '-w', mark, f'http://{ip}:{port}/'], ns=made.ns(vpc), check=False)
    status, client, seconds = done.stderr.split()[-3:]
    try:
        body = json.loads(done.stdout)
    except ValueError:
        body = {}
    return done.returncode, int(status), body, client, round(float(seconds) * 1000, 1)


def judge(row, body, client, port, zone_targets):
    """What was wrong with an answer, or SERVED."""
    if row['http_status'] != 200:
        return f'HTTP status {row["http_status"]}'
    if row['client_seen'] != client:
        return f'target saw another client than {client}'
    if body.get('dst') != f'{row["eni"]}:{port}':
        return f'header names destination {body.get("dst")}'
    if row['target'] not in zone_targets:
        return 'target of another zone'
    if row['server'] == 'ppv2_target':
        if not row['crc_ok']:
            return 'CRC32C of the header is wrong'
        if row['vpce_seen'] != row['vpce_id']:
            return 'target saw another endpoint'
    return SERVED


def listener_targets(conf, group, az_id):
    """ip:port of the targets that a node of that zone uses."""
    zones = {}
    owners = {a.get('name', a['id']): a['zones'] for a in conf['accounts']}
    for vpc in conf['vpcs']:
        for sub in vpc['subnets']:
            zones[vpc['name'], sub['cidr']] = owners[vpc['owner']][sub['zone']]
    crosses = group.get('attributes', {}).get('load_balancing.cross_zone.enabled', False)
    out = []
    for target in topo.targets({'target_groups': [group]}):
        zone = next(z for (vpc, cidr), z in zones.items()
                    if vpc == target.vpc and topo.holds(cidr, target.ip))
        if crosses or zone == az_id:
            out.append(f'{target.ip}:{target.port}')
    return out


def served_rows(made, endpoint):
    """Rows of an endpoint that must work: one for each ENI and each target behind it."""
    groups = {g['name']: g for g in made.conf['target_groups']}
    for eni in endpoint['enis']:
        for listener in made.conf['load_balancers'][0]['listeners']:
            targets = listener_targets(made.conf, groups[listener['target_group']], eni['az_id'])
            yield from listener_rows(made, endpoint, eni, listener['port'], targets)


def listener_rows(made, endpoint, eni, port, targets):
    waiting = set(targets)
    for _ in range(TRIES_MAX):
        code, status, body, client, ms = curl(made, endpoint['vpc'], eni['ip'], port)
        nginx = body.get('server') == 'nginx'
        row = {'consumer': endpoint['name'], 'vpce_id': endpoint['id'], 'az_id': eni['az_id'],
               'eni': eni['ip'], 'target': body.get('target'), 'client_seen': body.get('client'),
               'vpce_seen': NO_TLV if nginx else body.get('vpce'), 'crc_ok': body.get('crc_ok'),
               'http_status': status, 'time_ms': ms, 'server': body.get('server'), 'port': port,
               'expected': SERVED}
        row['verdict'] = judge(row, body, client, port, targets) if code == 0 else \
            f'curl failed with {code}'
        if row['verdict'] != SERVED:
            yield row
            return
        if row['target'] in waiting:
            waiting.discard(row['target'])
            yield row
        if not waiting:
            return
    for target in sorted(waiting):
        yield {**row, 'target': target, 'client_seen': None, 'http_status': 0,
               'verdict': f'never chosen in {TRIES_MAX} requests'}


def blocked_row(made, culvert, endpoint, reason):
    """The row of an endpoint that must not work, with the reason as culvert counts it."""
    eni = endpoint['enis'][0]
    port = made.conf['load_balancers'][0]['listeners'][0]['port']
    before = culvert.drops().get(reason, 0)
    code, status, body, _, ms = curl(made, endpoint['vpc'], eni['ip'], port, IN_VAIN_S)
    with contextlib.suppress(proc.LabError):
        proc.wait_for(lambda: culvert.drops().get(reason, 0) > before, 30, reason)
    counted = culvert.drops().get(reason, 0) - before
    row = {'consumer': endpoint['name'], 'vpce_id': endpoint['id'], 'az_id': eni['az_id'],
           'eni': eni['ip'], 'target': None, 'client_seen': None, 'vpce_seen': None, 'crc_ok': None,
           'http_status': status, 'time_ms': ms, 'port': port, 'state': endpoint['state'],
           'dropped': counted, 'expected': f'no connection: {reason}'}
    if code == 0:
        row['verdict'] = f'connected to {body.get("target")}'
    elif code != 28:
        row['verdict'] = f'curl failed with {code}, not with a timeout'
    elif counted < 1:
        row['verdict'] = f'no connection, but nothing counted as {reason}'
    else:
        row['verdict'] = row['expected']
    return row


def refused_row(made):
    """The row of a consumer whose principal the service does not allow: --check says so."""
    conf = copy.deepcopy(made.conf)
    conf['accounts'].append({'id': '666666666666', 'name': 'consumer-5',
                             'zones': conf['accounts'][0]['zones']})
    conf['dpdk']['ports'].append({'name': 'c5', 'device': 'net_af_xdp5,iface=cv-c5'})
    subnet = {'name': 'a', 'cidr': '172.16.1.0/24', 'zone': 'us-east-1a'}
    conf['vpcs'].append({'name': 'consumer-5', 'owner': 'consumer-5', 'cidrs': ['172.16.0.0/16'],
                         'attachment': {'port': 'c5'}, 'subnets': [subnet]})
    conf['endpoints'].append({'name': 'consumer-5', 'vpc': 'consumer-5',
                              'service': conf['endpoint_services'][0]['name'],
                              'subnets': [{'subnet': 'a', 'ip': '172.16.1.10'}]})
    path = made.path('consumer-5.json')
    pathlib.Path(path).write_text(json.dumps(conf, indent=1), encoding='utf-8')
    code, said = culvertd.check(path)
    lines = [x for x in said.splitlines() if re.search(r'endpoints\[4\].*not allowed', x)]
    row = {'consumer': 'consumer-5', 'vpce_id': None, 'az_id': None, 'eni': None, 'target': None,
           'client_seen': None, 'vpce_seen': None, 'crc_ok': None, 'http_status': 0,
           'error': lines[0] if lines else said.strip(), 'expected': REFUSED}
    row['verdict'] = REFUSED if code and lines else f'--check exits {code} and says: {said.strip()}'
    return row


def rows_of(made, culvert):
    """Every row, in the order of the story."""
    by_name = {e['name']: e for e in culvert.endpoints()}
    decisions = made.conf['endpoint_services'][0]
    for name in decisions['accept']:
        say(f'traffic of {name}')
        yield from served_rows(made, by_name[name])
    for endpoint in made.conf['endpoints']:
        name = endpoint['name']
        if name not in decisions['accept']:
            how = 'rejected' if name in decisions['reject'] else 'pending'
            say(f'traffic of {name}, whose endpoint is {how}')
            yield blocked_row(made, culvert, by_name[name], f'endpoint_{how}')
    say('--check with a consumer whose principal is not allowed')
    yield refused_row(made)


# Output ---------------------------------------------------------------------------------------


def cell(row, key):
    if key == 'crc':
        return {True: 'ok', False: 'WRONG'}.get(row.get('crc_ok'), '-')
    if key == 'vpce_seen' and row.get(key) == NO_TLV:
        return 'n/a *'
    value = row.get(key)
    return '-' if value in (None, 0) else str(value)


def table(rows):
    """The rows as text."""
    lines = [[title for title, _ in COLUMNS]]
    lines += [[cell(r, k) for _, k in COLUMNS] for r in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    out = ['  '.join(c.ljust(w) for c, w in zip(line, widths)).rstrip() for line in lines]
    out.insert(1, '  '.join('-' * w for w in widths))
    if any(r.get('vpce_seen') == NO_TLV for r in rows):
        out.append(f'* {NO_TLV}')
    for row in rows:
        if 'dropped' in row:
            out.append(f'{row["consumer"]}: endpoint is {row["state"]}; culvert counted '
                       f'{row["dropped"]} drops as {row["verdict"].rpartition(" ")[2]}')
        if 'error' in row:
            out.append(f'{row["consumer"]}: culvertd --check says: {row["error"]}')
    return '\n'.join(out)


def report(rows, as_json):
    good = all(r['verdict'] == r['expected'] for r in rows)
    if as_json:
        print(json.dumps({'ok': good, 'rows': rows}, indent=1))
    else:
        print(table(rows))
        for row in rows:
            if row['verdict'] != row['expected']:
                print(f'{row["consumer"]}: expected "{row["expected"]}", got "{row["verdict"]}"')
        print(f'{len(rows)} rows, {"all as expected" if good else "NOT all as expected"}')
    return good


def play(opts):
    """The lab, the traffic, the report. Whether all is as expected."""
    probe_machine()
    made = lab.Lab(topo.load(CONFIG), PREFIX, say)
    with made:
        say('lab: namespaces and servers')
        cli.start_servers(made)
        culvert = culvertd.Culvertd(made)
        say('starting culvertd')
        culvert.start()
        good = report(list(rows_of(made, culvert)), opts.json)
        if not good and opts.json:
            say(f'the last lines of culvertd:\n{culvert.tail(10)}')
        if opts.keep:
            made.state.keep = True
            made.state.save()
            print(cli.hints(made, culvert.socket), file=sys.stderr if opts.json else sys.stdout)
        else:
            say('taking everything down')
            culvert.stop()
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--json', action='store_true')
    parser.add_argument('--keep', action='store_true')
    opts = parser.parse_args()
    lab.catch_signals()
    try:
        return 0 if play(opts) else 1
    except lab.Interrupted as err:
        say('interrupted; everything was taken down')
        return 128 + err.signum
    except proc.LabError as err:
        say(str(err))
        return 2


if __name__ == '__main__':
    sys.exit(main())
