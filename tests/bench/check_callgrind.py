#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Instructions of the packet core per packet and per connection, compared with a stored baseline.

usage: check_callgrind.py [--record] BENCH_IR [BUILDTYPE [COMPILER]]

Counts with valgrind's callgrind what cv_dp_burst() and cv_dp_worker_flush() execute, without the transmit
function behind them, in each phase of bench_ir. Fails when a phase takes more than 4 % above
callgrind.json; --record writes that file. Instructions do not depend on what else the machine does, but on
the compiler, and, as libc copies by what the CPU can do, on that: with another compiler or kind of CPU than
the baseline's, or in a build for debugging, it is skipped (exit code 77).
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

BASELINE = pathlib.Path(__file__).resolve().parent / 'callgrind.json'
LIMIT = 1.04
COUNTED, NOT_COUNTED = ('cv_dp_burst', 'cv_dp_worker_flush'), ('rig_tx',)


def skip(why):
    print(f'skipped: {why}')
    sys.exit(77)


def cpu_kind():
    """What of the CPU decides which of its copying loops libc takes under valgrind."""
    flags = pathlib.Path('/proc/cpuinfo').read_text(encoding='ascii').split()
    return ' '.join([os.uname().machine, *(f for f in ('avx2', 'erms', 'fsrm') if f in flags)])


def inclusive(path):
    """Instructions within functions, callees included, by name, from a callgrind profile.

    Functions are numbered; the name stands at one mention only, which may be a later one.
    """
    names, cost = {}, {}
    fn = callee = None
    lines = iter(path.read_text(encoding='utf-8', errors='replace').splitlines())

    def number_of(text):
        number, name = re.match(r'\((\d+)\)(?: (.*))?', text).groups()
        if name:
            names[number] = name
        return number

    for line in lines:
        if line.startswith('fn='):
            fn = number_of(line[3:])
        elif line.startswith('cfn='):
            callee = number_of(line[4:])
        elif line.startswith('calls='):
            called = int(next(lines).split()[1])
            if callee != fn:
                cost[callee] = cost.get(callee, 0) + called
    return {names[number]: n for number, n in cost.items()}


def measure(program):
    """Phase -> instructions per packet or connection."""
    with tempfile.TemporaryDirectory(prefix='culvert-ir.') as tmp:
        done = subprocess.run(
            ['valgrind', '--tool=callgrind', f'--callgrind-out-file={tmp}/out', '--zero-before=ir_phase',
             '--dump-after=ir_phase', program], capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            sys.exit(f'bench_ir failed under valgrind (exit {done.returncode}):\n{done.stderr[-2000:]}')
        phases = [line.split() for line in done.stdout.splitlines()]
        found = {}
        for i, (name, n) in enumerate(phases):
            calls = inclusive(pathlib.Path(f'{tmp}/out.{i + 1}'))
            if not calls.get('cv_dp_burst'):
                sys.exit(f'no cv_dp_burst() in the profile of {name}')
            total = sum(calls.get(f, 0) for f in COUNTED) - sum(calls.get(f, 0) for f in NOT_COUNTED)
            found[name] = round(total / int(n), 2)
        return found


def main():
    args = [a for a in sys.argv[1:] if a != '--record']
    if not args:
        sys.exit(__doc__)
    buildtype, compiler = (args[1:] + ['release', None])[:2] if len(args) < 3 else args[1:3]
    if shutil.which('valgrind') is None:
        skip('valgrind is not installed')
    if buildtype != 'release':
        skip(f'a {buildtype} build: instructions are compared for release builds')
    base = json.loads(BASELINE.read_text(encoding='utf-8')) if BASELINE.exists() else None
    if '--record' not in sys.argv and base is None:
        sys.exit(f'{BASELINE} is missing: make it with --record')
    if base and compiler and '--record' not in sys.argv and base['compiler'] != compiler:
        skip(f'built by {compiler}; the baseline is of {base["compiler"]}')
    if base and '--record' not in sys.argv and base['cpu'] != cpu_kind():
        skip(f'this CPU is {cpu_kind()}; the baseline is of {base["cpu"]}')
    found = measure(args[0])
    if '--record' in sys.argv:
        compiler = compiler or (base or {}).get('compiler')
        record = {'compiler': compiler, 'cpu': cpu_kind(), 'instructions': found}
        BASELINE.write_text(json.dumps(record, indent=1) + '\n', encoding='utf-8')
    bad = 0
    for name, n in found.items():
        was = base['instructions'].get(name) if base else None
        more = 100 * (n / was - 1) if was else 0
        over = was is not None and n > was * LIMIT
        bad += over
        print(f'{"not ok" if over else "ok"} {name}: {n} instructions'
              + (f', baseline {was} ({more:+.1f} %)' if was else ', no baseline'))
    if bad and '--record' not in sys.argv:
        print('If the growth is worth it, say so in the commit and renew the baseline: '
              f'tests/bench/{pathlib.Path(__file__).name} --record {args[0]} {buildtype} "{compiler}"')
        sys.exit(1)


main()
