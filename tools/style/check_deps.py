#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Dependency direction: an include goes down, and only to a module that meson.build names.

The build enforces the same by include paths; this says which line, and also keeps private headers
private, fast-path headers on the packet path, and lists of dependencies free of leftovers.
"""

import pathlib
import sys

from tree import Report, Tree

# Who may use the inline fast path of others. Tests may, too.
FAST_PATH = {'tcp', 'flow', 'snat', 'lb', 'view', 'dp', 'io'}


def reached(tree, path, by_name, done):
    """Modules whose headers a file needs, directly or through headers of ours: a module must name them
    all, since it gets the include paths of what it names only."""
    for _n, form, name in tree.includes(path):
        header = by_name.get(pathlib.PurePath(name).name)
        if form == '"' and header is not None and header not in done:
            done.add(header)
            yield header.parent.name
            yield from reached(tree, header, by_name, done)


def check_module(tree, report, m, owner, by_name):
    deps = tree.deps[m]
    used = set()
    for d in deps:
        if d not in tree.modules or tree.modules.index(d) >= tree.modules.index(m):
            report.add(f'lib/{m}/meson.build', f"'{d}' is not below '{m}' in lib/meson.build")
    for path in tree.files(f'lib/{m}/*.[ch]'):
        used |= set(reached(tree, path, by_name, {path}))
        for n, form, name in tree.includes(path):
            own = owner.get(pathlib.PurePath(name).name)
            where = f'{tree.rel(path)}:{n}'
            if form == '<':
                continue
            if own is None:
                report.add(where, f'unknown header {name}: use <> for what is not ours')
                continue
            if own == m:
                continue
            if name.endswith('_priv.h'):
                report.add(where, f'{name} is private to {own}')
            elif own not in deps:
                report.add(where, f"{m} does not name '{own}' in its deps")
            elif name.endswith('_hot.h') and m not in FAST_PATH:
                report.add(where, f'{name} is fast path: not for {m}')
    for d in deps:
        if d not in used and tree.files(f'lib/{m}/*.c'):
            report.add(f'lib/{m}/meson.build', f"names '{d}' but needs none of its headers")


def main():
    tree = Tree(sys.argv[1])
    report = Report()
    # Not only what git has: a header may be new, and then its includer is too.
    by_name = {h.name: h for h in tree.lib.glob('*/*.h')}
    owner = {name: h.parent.name for name, h in by_name.items()}
    for m in tree.modules:
        check_module(tree, report, m, owner, by_name)
    for path in tree.lib.iterdir():
        if path.is_dir() and path.name not in tree.modules:
            report.add(tree.rel(path), 'is not in the list of lib/meson.build')
    for path in tree.files('app/*.[ch]'):
        for n, _form, name in tree.includes(path):
            if name.endswith('_priv.h'):
                report.add(f'{tree.rel(path)}:{n}', f'{name} is private')
    report.exit(len(tree.sources()))


main()
