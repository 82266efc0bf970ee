#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Count single tests. usage: count_tests.py SUITE LOG [STATUS]

LOG is meson's testlog.json, or the output of a program that prints `ok NAME`, `not ok NAME` and
`skip NAME: reason` lines and ended with STATUS. Prints one line per test: verdict, name, where to look;
separated by tabs. A program that fails without naming a test, or names none, counts as one test.
"""

import json
import pathlib
import re
import sys

CMOCKA = re.compile(r'^\[\s*(OK|FAILED|SKIPPED)\s*\] (?!\d+ test)(?:[\w.-]+: )?([\w ]+)', re.M)
LINE = re.compile(r'^(ok|not ok|skip)\b[ \d]*[- ]*(\S+?):?(?=\s|$)(.*)$', re.M)
VERDICT = {'OK': 'pass', 'FAILED': 'fail', 'SKIPPED': 'skip', 'ok': 'pass', 'not ok': 'fail', 'skip': 'skip'}


def cases(text, prefix):
    """name -> (verdict, note), in order; a failure is not taken back by a later line."""
    found = {}
    for pattern in (CMOCKA, LINE):
        for got in pattern.finditer(text):
            name = got.group(2).strip().removeprefix(prefix)
            note = got.group(3).lstrip(': ') if pattern is LINE else ''
            if found.get(name, ('', ''))[0] != 'fail':
                found[name] = VERDICT[got.group(1)], note
    return found


def emit(suite, program, text, verdict, where):
    """verdict: what the program's exit said, pass, fail or skip."""
    found = cases(text, suite + '/')
    for name, (how, note) in found.items():
        full = f'{suite}/{program}:{name}' if program else f'{suite}/{name}'
        print(how, full, note.strip() if how == 'skip' and note.strip() else where, sep='\t')
    said = [how for how, _note in found.values()]
    if verdict == 'fail' and 'fail' not in said:
        print('fail', f'{suite}/{program}' if program else suite, where, sep='\t')
    elif not found:
        print(verdict, f'{suite}/{program}' if program else suite, where, sep='\t')


def main():
    suite, log = sys.argv[1], pathlib.Path(sys.argv[2])
    if log.suffix != '.json':
        status = int(sys.argv[3])
        verdict = {0: 'pass', 77: 'skip'}.get(status, 'fail')
        emit(suite, '', log.read_text(errors='replace') if log.exists() else '', verdict, str(log))
        return
    n = 0
    for line in log.read_text().splitlines() if log.exists() else []:
        test = json.loads(line)
        n += 1
        program = test['name'].split(' / ')[-1]
        verdict = {'OK': 'pass', 'EXPECTEDFAIL': 'pass', 'SKIP': 'skip'}.get(test['result'], 'fail')
        text = (test.get('stdout') or '') + '\n' + (test.get('stderr') or '')
        emit(suite, program, text, verdict, str(log.with_suffix('.txt')))
    if n == 0:
        print('skip', suite, 'no tests of this kind', sep='\t')


if __name__ == '__main__':
    main()
