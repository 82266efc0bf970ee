# SPDX-License-Identifier: BSD-3-Clause
"""The `lab` command."""

import argparse
import json
import os
import sys

import scenarios

from . import apilab, culvertd, lab, peers, proc, state, topo

PREFIX = 'cvl-lab'


def log(text):
    print(f'lab: {text}', file=sys.stderr, flush=True)


def start_servers(made):
    """A server on every target: nginx on port 80, the decoding target elsewhere."""
    started = set()
    for target in topo.targets(made.conf):
        if (target.ip, target.port) not in started:
            started.add((target.ip, target.port))
            kind = peers.nginx if target.port == 80 else peers.decoder
            kind(made, target.vpc, target.ip, target.port, proxy=target.proxy)


def hints(made, socket):
    """What to try in a lab that stays."""
    lines = [f'lab {made.prefix} is up. Try:']
    enis = [(e['vpc'], s['ip'], e['name']) for e in made.conf.get('endpoints', [])
            for s in e['subnets'] if 'ip' in s]
    ports = [li['port'] for b in made.conf.get('load_balancers', []) for li in b['listeners']]
    me = os.path.relpath(culvertd.TOP / 'tools' / 'lab')
    opt = '' if made.prefix == PREFIX else f' --prefix {made.prefix}'
    for vpc, ip, _ in enis[:1]:
        for port in sorted(set(ports)):
            lines.append(f'  sudo {me} exec{opt} {vpc} -- curl -s http://{ip}:{port}/')
    ctl = os.path.relpath(culvertd.CULVERTCTL)
    for what in ('endpoints', 'flows', 'drops'):
        lines.append(f'  sudo {ctl} -s {socket} show {what}')
    lines.append(f'  sudo {me} down{opt}')
    return '\n'.join(lines)


def cmd_up(opts):
    conf = topo.load(opts.config)
    made = lab.Lab(conf, opts.prefix, log)
    with made:
        start_servers(made)
        culvert = culvertd.Culvertd(made, huge=not opts.no_huge)
        if opts.no_culvertd:
            culvert.write(conf)
            log(f'start culvertd yourself: ip netns exec {made.culvert_ns} culvertd -c {culvert.file}')
        else:
            culvert.start()
        made.state.keep = True
        made.state.save()
    print(hints(made, culvert.socket))


def need_lab(prefix):
    """Namespaces of a lab; an error if there is no such lab."""
    known = proc.ns_list(prefix)
    if not known and prefix not in state.labs():
        raise proc.LabError(f'there is no lab {prefix}; labs: {", ".join(state.labs()) or "none"}')
    return known


def cmd_down(opts):
    need_lab(opts.prefix)
    state.destroy(opts.prefix)


def cmd_exec(opts):
    vpc, _, host = opts.host.partition('/')
    ns = f'{opts.prefix}.{vpc}.{host or topo.CLIENT}'
    if vpc == 'culvert':
        ns = f'{opts.prefix}.culvert'
    known = need_lab(opts.prefix)
    if ns not in known:
        raise proc.LabError(f'there is no host {opts.host}; namespaces: {" ".join(known) or "none"}')
    command = opts.command[1:] if opts.command[:1] == ['--'] else opts.command
    if not command:
        raise proc.LabError('no command given')
    sys.stdout.flush()
    os.execvp('ip', proc.ns_argv(ns, command))


def cmd_list(opts):
    found = {name: scenarios.load(name).SUMMARY for name in scenarios.names()}
    if opts.json:
        print(json.dumps({'scenarios': [{'name': n, 'summary': s} for n, s in found.items()]}, indent=1))
        return
    for name, summary in found.items():
        print(f'{name:<12} {summary}')


def cmd_api(opts):
    if opts.stop:
        apilab.stop(opts.prefix)
    else:
        print(apilab.text(apilab.start(opts.prefix, log)), end='')


def cmd_ps(_opts):
    for prefix in state.labs():
        kept = state.State.load(prefix)
        how = 'unknown' if kept is None else 'kept' if kept.keep else \
            f'of process {kept.owner[0]}' if kept.is_owned() else 'left behind'
        print(f'{prefix}: {how}, {len(proc.ns_list(prefix))} namespaces')


def play(name, opts):
    """A scenario. Exit status: 0 all as expected, 1 something is not."""
    module = scenarios.load(name)
    result, good = module.run(opts, lambda text: print(f'{name}: {text}', file=sys.stderr, flush=True))
    if opts.json:
        print(json.dumps(result, indent=1))
    elif hasattr(module, 'table'):
        print(module.table(result))
    return 0 if good else 1


def parser():
    top = argparse.ArgumentParser(
        prog='lab', description='Play a scenario, or make a lab in network namespaces from a culvert '
        'configuration: a client in each subnet of each VPC, a server on each target, culvertd between '
        'them. Exit status: 0 all as expected, 1 something is not, 2 it could not be tried.')
    sub = top.add_subparsers(dest='cmd', required=True, metavar='COMMAND')
    up = sub.add_parser('up', help='make a lab that stays until `lab down`')
    up.add_argument('-c', '--config', required=True, metavar='FILE')
    up.add_argument('--no-culvertd', action='store_true', help='only namespaces and servers')
    up.add_argument('--no-huge', action='store_true', help='run culvertd without hugepages')
    down = sub.add_parser('down', help='remove a lab with all that belongs to it')
    execute = sub.add_parser('exec', help='run a command on a host of the lab')
    execute.add_argument('host', metavar='VPC[/TARGET-IP]',
                         help="a VPC's client, one of its targets, or `culvert`")
    execute.add_argument('command', nargs=argparse.REMAINDER, metavar='-- COMMAND')
    for one in (up, down, execute):
        one.add_argument('--prefix', default=PREFIX, help='name of the lab (default: %(default)s)')
    api = sub.add_parser('api', help='start an appliance for clients of the AWS APIs, and print what '
                         'they need as exports for the shell; if it runs, only print them')
    api.add_argument('--stop', action='store_true', help='end it')
    api.add_argument('--prefix', default=apilab.PREFIX, help='name of its lab (%(default)s)')
    sub.add_parser('ps', help='show the labs of this machine')
    listed = sub.add_parser('list', help='show the scenarios')
    listed.add_argument('--json', action='store_true')
    for name in scenarios.names():
        module = scenarios.load(name)
        one = sub.add_parser(name, help=module.SUMMARY, description=module.__doc__,
                             formatter_class=argparse.RawDescriptionHelpFormatter)
        one.add_argument('--json', action='store_true', help='print one JSON document on stdout')
        one.add_argument('--prefix', default=f'cvl-{name}', help='name of its lab (%(default)s)')
        if hasattr(module, 'arguments'):
            module.arguments(one)
    return top


def needs(argv):
    """Groups of packages that a command needs to be installed, and that it needs a build; none: neither."""
    plain = ['up', 'api']
    if not argv or {'-h', '--help', '--stop'} & set(argv) or argv[0] not in plain + scenarios.names():
        return ''
    extra = [] if argv[0] in plain else getattr(scenarios.load(argv[0]), 'NEEDS', [])
    return ' '.join(['build', 'lab', *extra])


def main():
    if sys.argv[1:2] == ['--needs']:
        print(needs(sys.argv[2:]))
        return 0
    opts = parser().parse_args()
    commands = {'up': cmd_up, 'down': cmd_down, 'exec': cmd_exec, 'ps': cmd_ps, 'list': cmd_list,
                'api': cmd_api}
    if os.geteuid() and opts.cmd != 'list':
        print('lab: needs root (network namespaces): run it with sudo', file=sys.stderr)
        return 2
    lab.catch_signals()
    try:
        return commands[opts.cmd](opts) or 0 if opts.cmd in commands else play(opts.cmd, opts)
    except proc.LabError as err:
        print(f'lab: {err}', file=sys.stderr)
        return 2
    except lab.Interrupted as err:
        return 128 + err.signum
