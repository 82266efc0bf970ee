#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the built archives hold: exported names, mutable globals, and what hot objects call.

ROOT BUILD: BUILD is a release build, since sanitizers add data of their own.
"""

import re
import subprocess
import sys

from tree import Report, Tree, skip

# Prefixes beside cv_<module>_. base and net are the vocabulary of all others.
PREFIX = {'base': 'cv_', 'net': 'cv_', 'stats': 'cv_(stats|drop|event|ctr|stage)_'}

# Mutable data below app/, each with its reason.
MUTABLE_OK = {
    ('base', 'log_sink'): 'set once at start, before any other thread',
    ('base', 'log_arg'): 'set once at start, before any other thread',
}

# What an object of the packet path may call: ours, plain memory, and DPDK's burst and pool paths.
# (The lcore's number is asked for by the pool's cache, the panic stands in its assertions.)
HOT_OK = re.compile(r'cv_\w+|mem(cpy|set|move|cmp)|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|'
                    r'rte_mempool_ops_table|per_lcore__lcore_id|__tls_get_addr|__rte_panic|'
                    r'rte_eth_fp_ops|rte_eth_call_[rt]x_callbacks')
HOT_BAD = re.compile(r'cv_(log|errs_add|err_str|clock_ms|\w+_(create|destroy))\b')


def objdump(path, flag):
    return subprocess.run(['objdump', flag, str(path)], capture_output=True, text=True,
                          check=True).stdout.splitlines()


def symbols(path):
    """(flags, section, name) of every symbol in an archive."""
    for line in objdump(path, '-t'):
        got = re.match(r'[0-9a-f]{8,16} (.{7}) (\S+)\s+[0-9a-f]{8,16} +(?:\.hidden )?(\S+)$', line)
        if got:
            yield got.groups()


def internal(tree, m):
    """Names that a module's own headers declare for its own files: these may leave the cv_ out."""
    text = '\n'.join(p.read_text() for p in tree.lib.glob(f'{m}/*.h') if not p.name.startswith('cv_'))
    return set(re.findall(rf'\b({m}_\w+)\(', text))


def check_archive(tree, report, m, archive):
    where = f'lib/{m}'
    prefix = re.compile(PREFIX.get(m, f'cv_{m}_'))
    own = internal(tree, m)
    for flags, section, name in symbols(archive):
        if section == '*UND*' or 'd' in flags and 'O' not in flags and 'F' not in flags:
            continue
        base = name.split('.')[0]
        if 'g' in flags and not prefix.match(name) and name not in own:
            report.add(where, f'exports {name}, which does not begin with {prefix.pattern}')
        writable = re.match(r'\.(data|bss|tdata|tbss)', section) or section == '*COM*'
        if writable and not section.startswith('.data.rel.ro') and 'O' in flags \
                and (m, base) not in MUTABLE_OK:
            report.add(where, f'{name} is mutable data in {section}')


def check_hot(tree, report, m, archive):
    """Undefined symbols of each object whose source is *_hot.c."""
    hot = False
    own = internal(tree, m)
    member = ''
    for line in objdump(archive, '-t'):
        got = re.match(r'(\S+):\s+file format', line)
        if got:
            member = got.group(1).split('/')[-1]
            hot = member.endswith('_hot.c.o')
        if not hot or '*UND*' not in line:
            continue
        name = line.split()[-1]
        if HOT_BAD.fullmatch(name) or not (HOT_OK.fullmatch(name) or name in own):
            report.add(f'lib/{m}/{member[:-2]}', f'calls {name}, which is not on the allow list')


def main():
    tree = Tree(sys.argv[1])
    report = Report()
    build = tree.root / (sys.argv[2] if len(sys.argv) > 2 else 'build')
    looked_at = 0
    for m in tree.modules:
        archive = build / 'lib' / f'libcv_{m}.a'
        if not archive.exists():
            continue
        looked_at += 1
        check_archive(tree, report, m, archive)
        check_hot(tree, report, m, archive)
    if looked_at == 0:
        skip(f'{build} has no archives: build first')
    report.exit(looked_at)


main()
