#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Public headers: every function has a doc comment, every name is ours, every file says what it is."""

import re
import sys

from tree import Report, Tree, line_of, strip_comments

# A declarator at the left margin: `static inline int cv_x(`, `const char *cv_y(`.
FUNCTION = re.compile(r'^(?!typedef\b|return\b|else\b)((?:_Noreturn |static |inline |const |unsigned |'
                      r'struct |enum |extern )*\w+[ *]+\**)(\w+)\(', re.M)
TYPE = re.compile(r'^(?:struct|enum|union) (\w+) \{', re.M)
TYPEDEF = re.compile(r'^typedef [^;]*?\b(\w+)(?:\([^;]*\))?;', re.M)
MACRO = re.compile(r'^#define (\w+)', re.M)


def enumerators(text):
    for body in re.finditer(r'^enum \w+ \{(.*?)\}', text, re.S | re.M):
        for line in body.group(1).split(','):
            got = re.match(r'\s*([A-Z]\w*)\s*(?:=.*)?$', re.sub(r'#[^\n]*', '', line).strip(), re.S)
            if got and not got.group(1).startswith(('CV_', 'X')):
                yield body.start(), got.group(1)


def documented(raw_lines, line):
    """Does a doc comment end on the line above, or is it part of a group of one-liners?"""
    above = raw_lines[line - 2].strip() if line >= 2 else ''
    return above.endswith('*/')


def check_header(tree, report, path):
    raw = path.read_text()
    text = strip_comments(raw)
    lines = raw.splitlines()
    rel = tree.rel(path)
    n = 0
    if '@file' not in raw:
        report.add(rel, 'says nothing about itself: no @file comment')
    if '#pragma once' not in raw:
        report.add(rel, 'no #pragma once')
    if path.name.startswith('cv_') and '@threads' not in raw:
        report.add(rel, 'does not say which threads may use it (@threads)')
    for got in FUNCTION.finditer(text):
        name = got.group(2)
        line = line_of(text, got.start())
        if re.match(r'_Static_assert|__attribute__|CV_[A-Z_]+$', name):
            continue
        n += 1
        # A macro of ours, such as CV_PRINTF on a line of its own, stands between.
        if not documented(lines, line):
            report.add(f'{rel}:{line}', f'{name}() has no doc comment')
        if not name.startswith('cv_'):
            report.add(f'{rel}:{line}', f'{name}() does not begin with cv_')
    for pattern, lead in ((TYPE, 'cv_'), (TYPEDEF, 'cv_'), (MACRO, ('CV_', 'cv_', 'X'))):
        for got in pattern.finditer(text):
            if not got.group(1).startswith(lead):
                report.add(f'{rel}:{line_of(text, got.start())}',
                           f'{got.group(1)} does not begin with {lead if isinstance(lead, str) else lead[0]}')
    for pos, name in enumerators(text):
        report.add(f'{rel}:{line_of(text, pos)}', f'{name} does not begin with CV_')
    for got in re.finditer(r'^typedef struct\b', text, re.M):
        report.add(f'{rel}:{line_of(text, got.start())}', 'no struct typedefs')
    return n


def main():
    tree = Tree(sys.argv[1])
    report = Report()
    n = sum(check_header(tree, report, path) for path in tree.public_headers())
    print(f'{n} functions in {len(tree.public_headers())} public headers')
    report.exit(n)


main()
