#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Programs that tools and tests start come from the groups of tools/packages.txt that are installed for
them. It knows the programs that this machine has, whoever installed them."""

import ast
import functools
import os
import re
import shutil
import subprocess
import sys

from tree import Report, Tree, skip

# Who starts programs, and what is installed before. The first pattern that a file matches counts.
USERS = [
    (r'tools/benchlib/peers\.py', ['build', 'bench', 'rivals']),
    (r'tools/bench(lib/.*\.py)?', ['build', 'bench']),
    (r'tests/bench/dns_rate\.py', ['build', 'lab', 'rivals']),
    (r'tests/bench/.*\.py', ['build', 'lab', 'peers', 'aws', 'check', 'bench']),
    (r'tools/lablib/quickstart\.py', ['build', 'lab']),
    (r'tools/lablib/.*\.py', ['build', 'lab', 'peers', 'aws']),
    (r'tests/lab/.*', ['build', 'lab', 'peers', 'aws', 'check']),
]
# What stands in command lines and is also called as some program is.
ARGUMENTS = {'route'}
DIRS = ('/usr/sbin', '/usr/bin', '/sbin', '/bin')


def groups_of(text):
    found = {}
    for line in text.splitlines():
        got = re.fullmatch(r'(\w+)\s+(\S+)', line)
        if got:
            found.setdefault(got.group(1), []).append(got.group(2))
    return found


def dpkg(*args):
    done = subprocess.run(['dpkg-query', *args], capture_output=True, text=True, check=False)
    return done.stdout


@functools.cache
def installed():
    """Package: what it needs, of those that are installed; and those that every Debian has."""
    needs, base, by = {}, set(), {}
    fields = ('Package', 'Essential', 'Priority', 'Provides', 'Pre-Depends', 'Depends')
    for line in dpkg('-W', '-f', '\t'.join(f'${{{f}}}' for f in fields) + '\n').splitlines():
        name, essential, priority, provides, *depends = line.split('\t')
        needs[name] = re.findall(r'(?:^|[,|])\s*([a-z0-9][a-z0-9+.-]*)', ', '.join(depends))
        if essential == 'yes' or priority == 'required':
            base.add(name)
        for given in re.findall(r'(?:^|,)\s*([a-z0-9][a-z0-9+.-]*)', provides):
            by.setdefault(given, set()).add(name)
    return needs, base, by


def closure(packages):
    """These packages, those that every Debian has, and all that they need."""
    needs, base, by = installed()
    have, todo = set(), [*base, *packages]
    while todo:
        name = todo.pop()
        if name not in have:
            have.add(name)
            todo += [n for n in [*needs.get(name, []), *by.get(name, ())] if n in needs or n in by]
    return have


def owners(progs):
    """Program: packages that bring it. What this machine does not have is left out."""
    at = {}
    for prog in progs:
        path = shutil.which(prog, path=':'.join(DIRS))
        for p in {path, os.path.realpath(path)} if path else ():
            at.update({p: prog, p.removeprefix('/usr'): prog, '/usr' + p: prog})
    found = {}
    # Once for all: each time it reads the lists of all packages.
    for line in dpkg('-S', *sorted(at)).splitlines() if at else ():
        names, _sep, path = line.rpartition(': ')
        if path in at and ' by' not in names:
            found.setdefault(at[path], set()).update(n.split(':')[0] for n in names.split(', '))
    return found


def words(source):
    """(line, word) of each string that is an element of a list, as command lines are."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.List):
            for item in node.elts:
                if isinstance(item, ast.Constant) and isinstance(item.value, str) \
                        and re.fullmatch(r'[a-z][\w.+-]+', item.value):
                    yield item.lineno, item.value


def starts(tree, path):
    """Groups that are installed for a file, and the words of its command lines. None: it starts nothing."""
    wanted = next((names for pattern, names in USERS if re.fullmatch(pattern, tree.rel(path))), None)
    source = path.read_text(errors='replace')
    if wanted is None or (path.suffix != '.py' and not source.startswith('#!/usr/bin/python3')):
        return None
    return wanted, list(words(source))


def main():
    tree = Tree(sys.argv[1])
    report = Report()
    listed = tree.root / 'tools/packages.txt'
    if shutil.which('dpkg-query') is None or not listed.exists():
        skip('no dpkg, or no list of packages')
    groups = groups_of(listed.read_text())
    paths = tree.files('tools/bench', 'tools/benchlib/*', 'tools/lablib/**/*', 'tests/bench/*',
                       'tests/lab/**/*')
    found = {path: what for path in paths if (what := starts(tree, path))}
    packages = owners({word for _groups, said in found.values() for _line, word in said} - ARGUMENTS)
    for path, (wanted, said) in found.items():
        have = closure(p for name in wanted for p in groups.get(name, []))
        for line, word in said:
            if word in packages and not packages[word] & have:
                report.add(f'{tree.rel(path)}:{line}',
                           f'{word} is in package {" or ".join(sorted(packages[word]))}, which groups '
                           f'{", ".join(wanted)} of tools/packages.txt do not bring')
    report.exit(len(found))


main()
