#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every error code that a public header promises is produced in a test that includes the header."""

import re
import sys

from tree import Report, Tree, strip_comments

# Codes that only a failing allocation or device gives: header, code, with the reason.
UNTESTED_OK = {}


def main():
    tree = Tree(sys.argv[1])
    report = Report()
    tests = tree.files('tests/**/*.[ch]')
    texts = {t: strip_comments(t.read_text(), strings=False) for t in tests}
    n = 0
    for path in tree.public_headers():
        users = [t for t, text in texts.items() if f'"{path.name}"' in text]
        codes = sorted(set(re.findall(r'-(E[A-Z]{2,})\b', path.read_text())))
        for code in codes:
            n += 1
            if (tree.rel(path), code) in UNTESTED_OK:
                continue
            if not any(re.search(rf'-\s*{code}\b', texts[t]) for t in users):
                where = ', '.join(tree.rel(t) for t in users) or 'no test includes the header'
                report.add(tree.rel(path), f'-{code} is promised but never tested ({where})')
    print(f'{n} error codes')
    report.exit(n)


main()
