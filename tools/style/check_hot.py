#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The promise of the suffix _hot: tokens that do not belong on the packet path, each with what to do
instead; and blocks of lines that stand twice."""

import re
import sys

from tree import Report, Tree, line_of, strip_comments

BANNED = [
    (r'\bvolatile\b', 'use <stdatomic.h>'),
    (r'\berrno\b', 'return a verdict'),
    (r'\brte_lcore_id\b', 'take the worker as an argument'),
    (r'\b(?:m|c|re|aligned_)alloc\s*\(|\bfree\s*\(|\brte_(?:z|m|c|re)?[mc]?alloc\w*\s*\(',
     'allocate at start'),
    (r'\bf?printf\s*\(|\bs?nprintf\s*\(|\bcv_log\s*\(|\bRTE_LOG\b|\brte_log\s*\(', 'count, do not log'),
    (r'\batomic_(?:fetch|exchange|compare)\w*|\b__sync_\w+|\b__atomic_(?:fetch|exchange|compare)\w*|'
     r'\brte_atomic\w*', 'no read-modify-write per packet: counters have one writer'),
    (r'\bpthread_\w+|\brte_(?:spin|rw|ticket|mcs)lock\w*', 'workers do not lock'),
    (r'\bcv_assert\s*\(', 'use cv_dassert()'),
    (r'\b(?:clock_gettime|gettimeofday|time|cv_clock_ms)\s*\(', "use the burst's time"),
    (r'\b(?:while|for)\s*\(\s*(?:1|true|;\s*;)\s*\)', 'bound the loop'),
    (r'\balloca\s*\(', 'no dynamic stack'),
    (r'(?<![/*])[/%]\s*\(?(?!sizeof\b)[a-z_]\w*', 'no division by a variable'),
]
DUP_LINES = 12


def check_tokens(tree, report, path):
    # Preprocessor lines are not code: a path in an #include is no division.
    text = re.sub(r'^[ \t]*#[^\n]*', '', strip_comments(path.read_text()), flags=re.M)
    for pattern, instead in BANNED:
        for got in re.finditer(pattern, text):
            report.add(f'{tree.rel(path)}:{line_of(text, got.start())}',
                       f"'{got.group(0).strip()}' in a _hot file: {instead}")
    labels = {m.group(1): m.start() for m in re.finditer(r'^(\w+):\s*$', text, re.M)}
    for got in re.finditer(r'\bgoto\s+(\w+)', text):
        if labels.get(got.group(1), len(text)) < got.start():
            report.add(f'{tree.rel(path)}:{line_of(text, got.start())}', 'goto backwards')


def check_copies(tree, report, paths):
    """Windows of lines that are equal but for white space: one body should serve both."""
    at = {}
    for path in paths:
        lines = [(n, ' '.join(line.split())) for n, line in
                 enumerate(strip_comments(path.read_text(), strings=False).splitlines(), 1)]
        lines = [(n, s) for n, s in lines if s and not s.startswith('#')]
        last = None
        for i in range(len(lines) - DUP_LINES + 1):
            window = tuple(s for _n, s in lines[i:i + DUP_LINES])
            other = at.setdefault(window, (path, lines[i][0]))
            if other == (path, lines[i][0]):
                last = None
                continue
            if last is None:
                report.add(f'{tree.rel(path)}:{lines[i][0]}',
                           f'the same {DUP_LINES} lines stand at {tree.rel(other[0])}:{other[1]}')
            last = i


def main():
    tree = Tree(sys.argv[1])
    report = Report()
    for path in tree.sources():
        if tree.is_hot(path):
            check_tokens(tree, report, path)
    check_copies(tree, report, tree.files('lib/*/*.[ch]', 'app/*.[ch]'))
    report.exit(len(tree.sources()))


main()
