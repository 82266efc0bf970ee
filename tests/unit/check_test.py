#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""tools/check sums up: what failed, why, and the counts in the last line. usage: check_test.py SOURCE-DIR

Runs it in a tree of its own, where meson and the style checks answer as each test wants. Prints TAP.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(sys.argv[1])
LIB = '''PATH=$top/bin:$PATH
say() { echo "$*" >&2; }
die() { say "$*"; exit 1; }
install_packages() { :; }
build_tree() { [ ! -e "$top/broken" ] || { cp "$top/broken" "$1/culvert-build.log"; return 1; }; }
'''
# meson test -C DIR --no-rebuild --print-errorlogs --logbase NAME ...
MESON = '''#!/bin/sh
mkdir -p "$3/meson-logs"
cp tests.json "$3/meson-logs/$7.json" 2>/dev/null
[ ! -e fails ]
'''
STYLE = '#!/bin/sh\ncat style\n! grep -q "^not ok" style\n'

LEAK = '''
==20627==ERROR: LeakSanitizer: detected memory leaks

Direct leak of 96 byte(s) in 1 object(s) allocated from:
    #0 0x7fc1ec6b83b7 in __interceptor_calloc ../../../../src/libsanitizer/asan/asan_malloc_linux.cpp:77
    #1 0x558edb8f4ebc in cv_points_create ../lib/points/points.c:44
    #2 0x558edb8f1152 in rounds_sum_up ../tests/unit/test_points.c:20
    #3 0x7fc1ecd528f7  (/lib/x86_64-linux-gnu/libcmocka.so.0+0x58f7)

SUMMARY: AddressSanitizer: 96 byte(s) leaked in 1 allocation(s).
'''
RACE = '''WARNING: ThreadSanitizer: data race (pid=7)
  Write of size 8 at 0x7b0400000000 by thread T1:
    #0 put ../lib/ctl/queue.c:31 (test_ctl_queue+0x4f1)
    #1 <null> <null> (libtsan.so.2+0x3c1)
  Previous read of size 8 at 0x7b0400000000 by main thread:
    #0 take ../lib/ctl/queue.c:52 (test_ctl_queue+0x5a2)
'''


def cmocka(name, line, said='0x8 != 0x9'):
    """What a case that fails writes to stdout and to stderr."""
    at = f'[   LINE   ] --- ../tests/unit/test_x.c:{line}: error: Failure!\n' if line else ''
    return f'[ RUN      ] {name}\n[  FAILED  ] {name}\n', f'[  ERROR   ] --- {said}\n{at}'


class Tree:
    """A tree with tools/check in it."""

    def __init__(self, path):
        self.top = pathlib.Path(path)
        for name in ('check', 'count_tests.py', 'why_failed.py'):
            self.put(f'tools/{name}', (SOURCE / 'tools' / name).read_text())
        self.put('tools/lib.sh', LIB)
        self.put('tools/style/run', STYLE)
        self.put('bin/meson', MESON)
        (self.top / 'build').mkdir()
        self.tests = []

    def put(self, name, text):
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def program(self, name, stdout, stderr='', result='FAIL', returncode=1):
        """A test of meson, and what it said."""
        self.tests.append({'name': f'culvert:unit / {name}', 'stdout': stdout, 'stderr': stderr,
                           'result': result, 'returncode': returncode, 'duration': 120.2})
        self.put('tests.json', ''.join(json.dumps(test) + '\n' for test in self.tests))
        if result != 'OK':
            self.put('fails', '')

    def check(self, *suites, counts):
        """Run it. @return the part about what failed"""
        argv = [self.top / 'tools/check'] + [word for suite in suites for word in ('--only', suite)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=200, check=False,
                              env={**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'})
        last = done.stdout.splitlines()[-1]
        assert last == '{} passed, {} failed, {} skipped'.format(*counts), done.stdout + done.stderr
        assert done.returncode == (1 if counts[1] else 0), done.returncode
        if not counts[1]:
            assert 'Failed' not in done.stdout, done.stdout
            return []
        failed = done.stdout.split('\nFailed (test: where to look):\n')[1]
        return failed.split('\n\nAll of it took')[0].splitlines()


def same(got, want):
    assert got == want, '\n'.join(['got:', *got, 'not:', *want])


def unit(*said):
    """The part about tests of suite `unit`: names, and lines that say why."""
    return [line if line[0] == ' ' else f'  unit/{line}: build/meson-logs/check-unit.txt' for line in said]


def what_passes_is_only_counted(tree):
    tree.program('a', '[ RUN      ] one\n[       OK ] one\n[       OK ] two\n', result='OK', returncode=0)
    tree.put('style', 'ok style/format (1.0 s)\nskip style/hot: no build\n')
    same(tree.check('unit', 'style', counts=(3, 0, 1)), [])


def each_case_has_its_own_lines(tree):
    first, second = cmocka('one', 10), cmocka('two', 20, '"a\nb" != "c"')
    tree.program('a', first[0] + '[       OK ] good\n' + second[0], first[1] + 'a log line\n' + second[1])
    same(tree.check('unit', counts=(1, 2, 0)),
         unit('a:one', '      [  ERROR   ] --- 0x8 != 0x9',
              '      [   LINE   ] --- ../tests/unit/test_x.c:10: error: Failure!',
              'a:two', '      [  ERROR   ] --- "a', '      b" != "c"',
              '      [   LINE   ] --- ../tests/unit/test_x.c:20: error: Failure!'))


def lines_that_may_be_any_cases_are_told(tree):
    first, second = cmocka('one', 0, 'Test failed with exception: Segmentation fault(11)'), cmocka('two', 20)
    tree.program('a', first[0] + second[0], first[1])
    same(tree.check('unit', counts=(0, 2, 0)),
         unit('a:one', 'a:two', '      [  ERROR   ] --- Test failed with exception: Segmentation fault(11)'))


def sanitizers_say_where_in_our_code(tree):
    tree.program('leaks', '[       OK ] one\n', 'a log line\n' + LEAK)
    tree.program('races', '', RACE)
    tree.program('shifts', '', '../lib/net/net.c:9:3: runtime error: shift exponent 32 is too large\n')
    same(tree.check('unit', counts=(1, 3, 0)),
         unit('leaks', '      ==20627==ERROR: LeakSanitizer: detected memory leaks',
              '      Direct leak of 96 byte(s) in 1 object(s) allocated from:',
              '          #1 0x558edb8f4ebc in cv_points_create ../lib/points/points.c:44',
              '          #2 0x558edb8f1152 in rounds_sum_up ../tests/unit/test_points.c:20',
              '      SUMMARY: AddressSanitizer: 96 byte(s) leaked in 1 allocation(s).',
              'races', '      WARNING: ThreadSanitizer: data race (pid=7)',
              '        Write of size 8 at 0x7b0400000000 by thread T1:',
              '          #0 put ../lib/ctl/queue.c:31 (test_ctl_queue+0x4f1)',
              '        Previous read of size 8 at 0x7b0400000000 by main thread:',
              '          #0 take ../lib/ctl/queue.c:52 (test_ctl_queue+0x5a2)',
              'shifts', '      ../lib/net/net.c:9:3: runtime error: shift exponent 32 is too large'))


def programs_that_do_not_end_well_are_told(tree):
    tree.program('hangs', '[ RUN      ] one\n[       OK ] one\n[ RUN      ] two\n', '', 'TIMEOUT', -15)
    tree.program('dies', '[ RUN      ] three\n', 'x.c:9: f: Assertion `a == b\' failed.\n', returncode=-6)
    tree.program('wrong', '', "a line\nculvert: bug: ../lib/a.c:7: assertion 'x' is false\na line\n")
    same(tree.check('unit', counts=(1, 3, 0)),
         unit('hangs', '      timed out after 120 s', '      in two', '      [ RUN      ] one',
              '      [       OK ] one', '      [ RUN      ] two',
              'dies', '      killed by SIGABRT', '      in three',
              "      x.c:9: f: Assertion `a == b' failed.",
              'wrong', "      culvert: bug: ../lib/a.c:7: assertion 'x' is false"))


def python_says_its_error(tree):
    trace = 'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n    f()\n' \
            '  File "b.py", line 2, in f\n    assert 1 == 2, "no"\nAssertionError: no\n'
    tree.program('tap', '1..2\nnot ok 1 - one\n# it is\n#   so\nok 2 - two\n')
    tree.program('trace', '', trace)
    same(tree.check('unit', counts=(1, 2, 0)),
         unit('tap:one', '      it is', '        so', 'trace', '        File "b.py", line 2, in f',
              '          assert 1 == 2, "no"', '      AssertionError: no'))


def others_say_their_last_lines(tree):
    tree.program('a', '', ''.join(f'line {i}\n' for i in range(30)))
    same(tree.check('unit', counts=(0, 1, 0)), unit('a', *(f'      line {i}' for i in range(18, 30))))


def builds_say_what_the_compiler_said(tree):
    tree.put('broken', '[1/9] Compiling\nFAILED: a.o\ncc -c a.c\n../lib/a.c:1:2: error: what?\n'
                       '[2/9] Compiling\n')
    same(tree.check('build', counts=(0, 1, 0)),
         ['  build/gcc: build/culvert-build.log', '      FAILED: a.o', '      ../lib/a.c:1:2: error: what?'])


def there_is_room_for_so_much(tree):
    lines = ''.join(f'  breach {i} {"x" * 300}\n' for i in range(70))
    tree.put('style', f'ok style/a\nnot ok style/b (1.0 s)\n{lines}ok style/c\n')
    for i in range(9):
        tree.program(f'p{i}', '', ''.join(f'ERROR: {n}\n' for n in range(20)))
    got = tree.check('style', 'unit', counts=(2, 10, 0))
    why = [line for line in got if line.startswith('      ')]
    assert len(got) == 10 + len(why) and 95 <= len(why) <= 100, got
    assert max(map(len, got)) < 240, got
    same(why[57:60], ['      breach 57 ' + 'x' * 210 + '...', '      ... 11 more lines',
                      '      breach 69 ' + 'x' * 210 + '...'])
    same(why[60:72], [*(f'      ERROR: {n}' for n in range(10)), '      ... 9 more lines', '      ERROR: 19'])


def logs_that_are_not_there_are_named(tree):
    tree.put('fails', '')
    same(tree.check('unit', counts=(0, 1, 1)), [f'  unit: {tree.top}/build/check/unit.log'])


CASES = (what_passes_is_only_counted, each_case_has_its_own_lines, lines_that_may_be_any_cases_are_told,
         sanitizers_say_where_in_our_code, programs_that_do_not_end_well_are_told, python_says_its_error,
         others_say_their_last_lines, builds_say_what_the_compiler_said, there_is_room_for_so_much,
         logs_that_are_not_there_are_named)


def main():
    bad = 0
    print(f'1..{len(CASES)}')
    for i, case in enumerate(CASES, 1):
        path = tempfile.mkdtemp(prefix='cvl-check-')
        try:
            case(Tree(path))
            print(f'ok {i} - {case.__name__}', flush=True)
        except (AssertionError, OSError, IndexError, subprocess.SubprocessError) as err:
            bad += 1
            print(f'not ok {i} - {case.__name__}', flush=True)
            print('\n'.join('# ' + line for line in str(err).splitlines()), flush=True)
        finally:
            shutil.rmtree(path)
    return bad != 0


sys.exit(main())
