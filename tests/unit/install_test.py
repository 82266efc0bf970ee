#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What `meson install` puts where, and that it works there. usage: install_test.py BUILD-DIR

Prints TAP.
"""

import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(sys.argv[1])
SHARE = 'usr/local/share'
UNIT = 'usr/local/lib/systemd/system/culvert.service'


def expect(cond, what=''):
    if not cond:
        raise AssertionError(what)


def run(*args):
    return subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=60, check=False)


def files_are_where_they_are_looked_for(root):
    want = {'usr/local/bin/culvertd': 0o755, 'usr/local/bin/culvertctl': 0o755,
            'usr/local/bin/culvert-bench': 0o755, UNIT: 0o644, 'etc/culvert': 0o700,
            f'{SHARE}/bash-completion/completions/culvertctl': 0o644,
            f'{SHARE}/doc/culvert/operations.md': 0o644,
            f'{SHARE}/doc/culvert/examples/bind-nics': 0o755}
    for path, mode in want.items():
        expect((root / path).exists(), f'{path} is missing')
        expect(stat.S_IMODE((root / path).stat().st_mode) == mode, path)
    # A configuration is the user's: installing again must not bring one.
    expect(not any((root / 'etc/culvert').iterdir()))


def programs_run(root):
    for name in ('culvertd', 'culvertctl', 'culvert-bench'):
        done = run(root / 'usr/local/bin' / name, '--help')
        expect(done.returncode == 0 and done.stdout.startswith(f'usage: {name}'), done.stdout + done.stderr)


def examples_are_good(root):
    examples = sorted((root / SHARE / 'doc/culvert/examples').glob('*.json'))
    expect(len(examples) >= 5)
    for path in examples:
        done = run(root / 'usr/local/bin/culvertd', '--check', '-c', path)
        expect(done.returncode == 0, f'{path}: {done.stderr}')


def unit_starts_what_is_installed(root):
    text = (root / UNIT).read_text(encoding='utf-8')
    expect('@' not in text, text)
    commands = re.findall(r'^Exec\w+=(\S+)', text, re.M)
    expect(commands[:2] == ['/usr/local/bin/culvertd'] * 2, commands)
    expect((root / re.search(r'Documentation=file:/(\S+)', text)[1]).exists())
    # What culvertd looks for by itself is what the unit makes.
    schema = run(root / 'usr/local/bin/culvertctl', '--help').stdout
    expect('/run/culvert/' in schema and 'RuntimeDirectory=culvert\n' in text, schema)
    for wanted in ('Type=notify', 'Restart=on-failure', 'LimitMEMLOCK=infinity', 'StateDirectory=culvert',
                   'CAP_NET_BIND_SERVICE', '-c /etc/culvert/culvert.json', '--check'):
        expect(wanted in text, wanted)


def systemd_finds_nothing_wrong(root):
    if not shutil.which('systemd-analyze'):
        return 'no systemd-analyze'
    # It wants to see the programs, and they are not below / yet.
    text = (root / UNIT).read_text(encoding='utf-8').replace('/usr/local/bin/', f'{root}/usr/local/bin/')
    unit = root / 'culvert.service'
    unit.write_text(text, encoding='utf-8')
    done = run('systemd-analyze', 'verify', '--man=no', unit)
    ours = [line for line in done.stderr.splitlines() if 'culvert' in line]
    expect(not ours, '\n'.join(ours))
    return None


def completion_completes(root):
    path = root / SHARE / 'bash-completion/completions/culvertctl'
    done = run('bash', '-c', f'. {path}; COMP_WORDS=({root}/usr/local/bin/culvertctl sho); COMP_CWORD=1; '
               '_culvertctl; echo "${COMPREPLY[@]}"')
    expect(done.stdout.split() == ['show'], done.stdout + done.stderr)


def what_the_unit_allows_is_enough(root):
    """With its capabilities and no others, DNS answers in every VPC: namespaces, TAP, port 53."""
    if os.geteuid() or not os.access('/dev/net/tun', os.W_OK):
        return 'needs root and /dev/net/tun'
    caps = re.search(r'^CapabilityBoundingSet=(.*)', (root / UNIT).read_text(encoding='utf-8'), re.M)[1]
    conf = json.loads((root / SHARE / 'doc/culvert/examples/quickstart.json').read_text(encoding='utf-8'))
    conf |= {'control': {'socket': f'{root}/sock', 'state': f'{root}/state.db'}, 'limits': {'flows': 1024},
             'dns': {'enabled': True}}
    conf['dpdk'].update(huge_pages=False, memory_mb=128, mbufs=16384)
    for i, port in enumerate(conf['dpdk']['ports']):
        port.update(device=f'net_ring{i}', rx_desc=256, tx_desc=256)
    (root / 'conf.json').write_text(json.dumps(conf), encoding='utf-8')
    allowed = ','.join('+' + cap.removeprefix('CAP_').lower() for cap in caps.split())
    child = subprocess.Popen(
        ['setpriv', '--no-new-privs', '--inh-caps=-all', f'--bounding-set=-all,{allowed}',
         f'{root}/usr/local/bin/culvertd', '-c', f'{root}/conf.json'], stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, env={**os.environ, 'RUNTIME_DIRECTORY': str(root)})
    try:
        states, end = [], time.monotonic() + 60
        while (not states or set(states) != {'up'}) and time.monotonic() < end and child.poll() is None:
            time.sleep(0.1)
            shown = run(root / 'usr/local/bin/culvertctl', '-s', root / 'sock', 'show', 'dns', '--json')
            states = re.findall(r'"state": "(\w+)"', shown.stdout)
        expect(states and set(states) == {'up'}, f'{child.poll()} {shown.stdout} {shown.stderr}')
    finally:
        child.terminate()
        child.wait(60)
    return None


CASES = (files_are_where_they_are_looked_for, programs_run, examples_are_good, unit_starts_what_is_installed,
         systemd_finds_nothing_wrong, completion_completes, what_the_unit_allows_is_enough)


def main():
    bad = 0
    print(f'1..{len(CASES)}')
    options = json.loads(run('meson', 'introspect', '--buildoptions', BUILD).stdout)
    if next(o['value'] for o in options if o['name'] == 'prefix') != '/usr/local':
        print('\n'.join(f'ok {i} # SKIP another prefix' for i in range(1, len(CASES) + 1)))
        return 0
    with tempfile.TemporaryDirectory(prefix='cvl-install-') as path:
        done = run('meson', 'install', '-C', BUILD, '--no-rebuild', '--quiet', '--destdir', path)
        if done.returncode:
            print(f'Bail out! meson install: {done.stdout}{done.stderr}')
            return 1
        for i, case in enumerate(CASES, 1):
            try:
                skip = case(pathlib.Path(path))
                print(f'ok {i} - {case.__name__}' + (f' # SKIP {skip}' if skip else ''), flush=True)
            except (AssertionError, OSError, subprocess.SubprocessError) as err:
                bad += 1
                print(f'not ok {i} - {case.__name__}', flush=True)
                print('\n'.join('# ' + line for line in str(err).splitlines()), flush=True)
    return bad != 0


sys.exit(main())
