#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""C is as .clang-format lays it out. Differences in and around X-macro lists and inside multi-line
macros are let through: clang-format takes lists apart that are made to be read as tables."""

import concurrent.futures
import difflib
import os
import re
import shutil
import subprocess
import sys

from tree import Report, Tree, skip


def lines_of(text):
    """Lines, but for the blank that clang-format 14 puts between a cast and a `~`."""
    return text.replace(') ~', ')~').splitlines()


def formatted(path):
    done = subprocess.run(['clang-format', '--style=file', str(path)], capture_output=True, text=True,
                          check=True)
    return done.stdout


def exempt(old, lo, hi):
    """Does a difference touch a macro's lines, or a list expanded by one?"""
    around = old[max(0, lo - 3):hi + 3]
    return any(re.search(r'\\$|\(X\)|^#\s*(?:define|undef) X\b|\bX\(', line) for line in around)


def off(old, lo):
    """Is clang-format switched off above this line?"""
    state = [line for line in old[:lo + 1] if re.search(r'clang-format (?:on|off)', line)]
    return bool(state) and 'off' in state[-1]


def main():
    tree = Tree(sys.argv[1])
    report = Report()
    if shutil.which('clang-format') is None:
        skip('clang-format is not installed')
    paths = tree.files('lib/*/*.[ch]', 'app/*.[ch]', 'tests/**/*.[ch]', 'tools/**/*.[ch]')
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, new in zip(paths, pool.map(formatted, paths)):
            old = lines_of(path.read_text())
            match = difflib.SequenceMatcher(None, old, lines_of(new), autojunk=False)
            bad = [lo for op, lo, hi, _a, _b in match.get_opcodes()
                   if op != 'equal' and not exempt(old, lo, hi) and not off(old, lo)]
            for lo in bad[:5]:
                report.add(f'{tree.rel(path)}:{lo + 1}', 'clang-format would lay this out otherwise')
            if len(bad) > 5:
                report.add(tree.rel(path), f'and {len(bad) - 5} more: clang-format -i {tree.rel(path)}')
    report.exit(len(paths))


main()
