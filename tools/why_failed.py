#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Tell why tests failed. usage: why_failed.py RESULTS

RESULTS has the lines of count_tests.py. Prints each failed test and where to look, and below it the lines
of that log that say why: what cmocka, a sanitizer, Python or the compiler said, else the log's last lines.
"""

import json
import pathlib
import re
import signal
import sys
import textwrap

from count_tests import LINE

TEST_MAX = 12
STYLE_MAX = 60  # each line is a breach of its own
ALL_MAX = 100
WIDTH_MAX = 220
STACK_MAX = 4

# An error, the rest of its text, and the line; what ended by a signal has no line.
CMOCKA = re.compile(r'^\[ +ERROR +\] .*(?:(?:\n(?!\[ ).*)*\n\[ +LINE +\] .*)*', re.M)
SANITIZER = re.compile(r'(ERROR|WARNING|SUMMARY): \w+Sanitizer|runtime error: |^(Direct|Indirect) leak|'
                       r'^\s*(Previous )?(atomic )?(read|write) of size \d|'
                       r'^(freed|previously allocated) by', re.I)
FRAME = re.compile(r'^\s*#\d+ ')
OTHERS = re.compile(r'libsanitizer|compiler-rt|interceptor|libcmocka|/usr/|\(/?lib|sysdeps|\blibio/|'
                    r'\b_start\b')
SAID = re.compile(r'\bERROR: |\berror: |^FAILED: |[Aa]ssert\w* .*(failed|is false)|^stopped after \d+ s')


def sanitizer_lines(lines):
    """A report's own lines, each with the first frames in our code of the stack below it."""
    found, frames = [], STACK_MAX
    for line in lines:
        if SANITIZER.search(line):
            found.append(line)
            frames = 0
        elif FRAME.match(line) and frames < STACK_MAX and not OTHERS.search(line):
            found.append(line)
            frames += 1
    return found


def traceback_lines(lines):
    """Python's last traceback: where, and the error."""
    starts = [i for i, line in enumerate(lines) if 'Traceback (most recent call last)' in line]
    if not starts:
        return []
    places = [i for i, line in enumerate(lines) if i > starts[-1] and re.match(r'\s*File "', line)]
    return lines[(places or starts)[-1]:]


def reasons(text):
    """The lines of a program's output that say why it failed."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    for pick in (sanitizer_lines, traceback_lines, lambda all_: [x for x in all_ if SAID.search(x)]):
        found = pick(lines)
        if found:
            return found
    return lines[-TEST_MAX:]


def section(text, name):
    """What follows a `not ok NAME` up to the next verdict; None if there is no such line."""
    verdicts = list(LINE.finditer(text))
    for at, end in zip(verdicts, verdicts[1:] + [None]):
        if at.group(1) == 'not ok' and (at.group(2) == name or at.group(2).endswith('/' + name)):
            lines = text[at.end():end.start() if end else len(text)].splitlines()
            lines = [line.removeprefix('# ').rstrip() for line in lines if line.strip(' #')]
            return textwrap.dedent('\n'.join(lines)).splitlines()
    return None


def ending(test):
    """How a program ended, if that says something."""
    if test['result'] == 'TIMEOUT':
        return [f'timed out after {test["duration"]:.0f} s']
    if test['returncode'] < 0:
        return [f'killed by {signal.Signals(-test["returncode"]).name}']
    return []


def of_program(test, names):
    """Why cases of a meson test failed, each; or the program itself, whose name is ''."""
    stdout, stderr = test.get('stdout') or '', test.get('stderr') or ''
    said = [got.group(0).splitlines() for got in CMOCKA.finditer(stderr)]
    if names == ['']:
        running = re.findall(r'^\[ RUN +\] (.*)', stdout, re.M)
        return [ending(test) + [f'in {name}' for name in running[-1:] if ending(test)]
                + (sum(said, []) or reasons(stdout + '\n' + stderr))]
    if len(said) == len(names):
        return said
    found = [section(stdout, name) for name in names]
    found = [lines if lines is not None else [] for lines in found]
    if not any(found):
        # Whose they are cannot be told.
        found[-1] = sum(said, []) or reasons(stdout + '\n' + stderr)
    return found


def of_file(path, name):
    text = path.read_text(errors='replace')
    lines = section(text, name.split('/', 1)[-1])
    return reasons(text) if lines is None else lines


def of_meson(log, names):
    """Why tests failed whose names are SUITE/PROGRAM:CASE or SUITE/PROGRAM; in their order."""
    parts = [name.split('/', 1)[1].partition(':')[::2] for name in names]
    found = {}
    for line in log.read_text().splitlines():
        test = json.loads(line)
        program = test['name'].split(' / ')[-1]
        cases = [case for of, case in parts if of == program]
        if cases:
            found |= {(program, case): lines for case, lines in zip(cases, of_program(test, cases))}
    return [found.get(part, []) for part in parts]


def why(names, where):
    """The lines for tests with one log, in order; none where the log cannot be read."""
    log = pathlib.Path(where)
    try:
        if log.suffix == '.txt' and log.with_suffix('.json').exists():
            return of_meson(log.with_suffix('.json'), names)
        return [of_file(log, name) for name in names]
    except (OSError, ValueError, KeyError, IndexError):
        return [[] for _name in names]


def cut(lines, limit):
    """At most that many lines: the first ones, and the last, in which there often is the error."""
    if len(lines) > limit:
        lines = lines[:limit - 2] + [f'... {len(lines) - limit + 1} more lines'] + lines[-1:]
    return [line if len(line) <= WIDTH_MAX else line[:WIDTH_MAX] + '...' for line in lines]


def main():
    rows = [line.split('\t') for line in pathlib.Path(sys.argv[1]).read_text().splitlines()]
    failed = [(name, where) for verdict, name, where in rows if verdict == 'fail']
    logs = {}
    for name, where in failed:
        logs.setdefault(where, []).append(name)
    said = {(name, where): lines for where, names in logs.items()
            for name, lines in zip(names, why(names, where))}
    room = ALL_MAX
    for name, where in failed:
        print(f'  {name}: {where}')
        limit = min(STYLE_MAX if name.startswith('style/') else TEST_MAX, room)
        lines = cut(said[name, where], limit) if limit > 2 else []
        room -= len(lines)
        for line in lines:
            print(f'      {line}')


if __name__ == '__main__':
    main()
