#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every error code that a public header promises is produced in a test that includes the header."""

import re
import sys

from tree import Report, Tree, strip_comments

# Codes that no test here can bring about: header (or any) and code, with the reason.
UNTESTED_OK = {
    ('lib/steer/cv_steer.h', 'ENOTSUP'): 'takes a kernel without XDP, BPF links or BTF',
    ('*', 'ENOMEM'): 'only a failing allocator gives it; some tests make one fail, not all modules can',
}


def included(tree, path, by_name, done):
    """Names of the headers that a test includes: itself, through headers of tests, or through a header
    of the same module. (Through any header would make every test a user of base.)"""
    for _n, _form, name in tree.includes(path):
        header = by_name.get(name.split('/')[-1])
        if header is None or header in done:
            continue
        if path.parent.parent == tree.lib and header.parent != path.parent:
            continue
        done.add(header)
        included(tree, header, by_name, done)
    return {h.name for h in done}


def main():
    tree = Tree(sys.argv[1])
    report = Report()
    tests = tree.files('tests/**/*.[ch]')
    by_name = {p.name: p for p in [*tree.lib.glob('*/*.h'), *tests] if p.suffix == '.h'}
    texts = {t: strip_comments(t.read_text(), strings=False) for t in tests}
    reach = {t: included(tree, t, by_name, set()) for t in tests}
    n = 0
    for path in tree.public_headers():
        users = [t for t in tests if path.name in reach[t]]
        codes = sorted(set(re.findall(r'-(E[A-Z]{2,})\b', path.read_text())))
        for code in codes:
            n += 1
            if {(tree.rel(path), code), ('*', code)} & set(UNTESTED_OK):
                continue
            if not any(re.search(rf'-\s*{code}\b', texts[t]) for t in users):
                where = ', '.join(tree.rel(t) for t in users) or 'no test includes the header'
                report.add(tree.rel(path), f'-{code} is promised but never tested ({where})')
    print(f'{n} error codes')
    report.exit(n)


main()
