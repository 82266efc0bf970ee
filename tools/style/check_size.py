#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Sizes and complexity of C, and the sizes of files. The hard limits of doc/style.md."""

import re
import shutil
import subprocess
import sys

from tree import Report, Tree, line_of, percentile, skip, strip_comments

FUNCTION_LINES = 70
COMPLEXITY = 15
TEST_COMPLEXITY = 20
NESTING = 4
PARAMETERS = 6
C_LINES = 800
HEADER_LINES = 300
PRIVATE_HEADER_LINES = 400
SCRIPT_LINES = 800
INCLUDES = 22
WIDTH = 110 # clang-format keeps code within 100; comments and scripts may run on a little

# Functions over COMPLEXITY, each with its reason: file, function.
COMPLEX_OK = {}

# Functions with more than PARAMETERS, likewise.
PARAMETERS_OK = {
    ('lib/api/tcp.c', 'handle'): 'the signature is libmicrohttpd\'s',
    ('lib/api/api.c', 'handle'): 'the signature is libmicrohttpd\'s',
    ('lib/dp/dp_priv.h', 'dp_l2_put'): 'inlined: a struct would be built to be taken apart',
}


def check_functions(tree, report, paths, most=COMPLEXITY):
    """pmccabe: modified complexity (a switch counts once), and lines from head to closing brace."""
    sizes = []
    complexities = []
    if not paths:
        return sizes, complexities
    done = subprocess.run(['pmccabe', *map(str, paths)], capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        got = re.match(r'(\d+)\t\d+\t\d+\t\d+\t(\d+)\t([^(]+)\((\d+)\): (\S+)', line)
        if not got:
            continue
        complexity, lines = int(got.group(1)), int(got.group(2))
        path = tree.rel(got.group(3))
        where = f'{path}:{got.group(4)}'
        name = got.group(5)
        sizes.append(lines)
        complexities.append(complexity)
        if lines > FUNCTION_LINES:
            report.add(where, f'{name} has {lines} lines (at most {FUNCTION_LINES})')
        if complexity > most and (path, name) not in COMPLEX_OK:
            report.add(where, f'{name} has complexity {complexity} (at most {most})')
    return sizes, complexities


def check_nesting(tree, report, path, text):
    """Blocks within blocks, by braces. A function's own braces and an initialiser's do not count."""
    depth = 0
    kinds = []
    for got in re.finditer(r'[{}]', text):
        if got.group(0) == '{':
            before = text[:got.start()].rstrip()[-1:]
            kinds.append(before == ')' or text[:got.start()].rstrip().endswith(('else', 'do')))
            depth += kinds[-1]
            if depth == NESTING + 2 and kinds[-1]:
                report.add(f'{tree.rel(path)}:{line_of(text, got.start())}',
                           f'blocks nest deeper than {NESTING}')
        elif kinds:
            depth -= kinds.pop()


def check_parameters(tree, report, path, text):
    for got in re.finditer(r'^[A-Za-z_][\w\s*]*?\b(\w+)\(([^()]*(?:\([^()]*\)[^()]*)*)\)', text, re.M):
        n = len(re.sub(r'\([^()]*\)', '', got.group(2)).split(','))
        if n > PARAMETERS and (tree.rel(path), got.group(1)) not in PARAMETERS_OK:
            report.add(f'{tree.rel(path)}:{line_of(text, got.start())}',
                       f'{got.group(1)} has {n} parameters (at most {PARAMETERS})')


def check_file(tree, report, path, limit):
    raw = path.read_text()
    lines = raw.splitlines()
    if len(lines) > limit:
        report.add(tree.rel(path), f'{len(lines)} lines (at most {limit})')
    for n, line in enumerate(lines, 1):
        if len(line.expandtabs(8)) > WIDTH:
            report.add(f'{tree.rel(path)}:{n}', f'wider than {WIDTH} columns')
    return len(lines)


def main():
    tree = Tree(sys.argv[1])
    report = Report()
    if shutil.which('pmccabe') is None:
        skip('pmccabe is not installed')
    code = tree.files('lib/*/*.[ch]', 'app/*.[ch]')
    tests = tree.files('tests/**/*.[ch]', 'tools/**/*.[ch]')
    lengths = []
    for path in code + tests:
        text = strip_comments(path.read_text())
        header = path.suffix == '.h'
        limit = HEADER_LINES if path.name.startswith('cv_') else PRIVATE_HEADER_LINES
        n = check_file(tree, report, path, limit if header and path in code else C_LINES)
        if path in code and not header:
            lengths.append(n)
        check_nesting(tree, report, path, text)
        check_parameters(tree, report, path, text)
        n_inc = len(list(tree.includes(path)))
        if n_inc > INCLUDES:
            report.add(tree.rel(path), f'{n_inc} includes (at most {INCLUDES})')
    for path in tree.files('tools/**/*', 'tests/**/*.py', 'tests/**/*.sh', 'tests/**/run'):
        if path.suffix in ('.py', '.sh', ''):
            check_file(tree, report, path, SCRIPT_LINES)
    sizes, complexities = check_functions(tree, report, code)
    check_functions(tree, report, tests, TEST_COMPLEXITY)
    print(f'.c lines {percentile(lengths, .5)} / {percentile(lengths, .9)} / {max(lengths, default=0)}, '
          f'function lines {percentile(sizes, .5)} / {percentile(sizes, .9)} / {max(sizes, default=0)}, '
          f'complexity {percentile(complexities, .5)} / {percentile(complexities, .9)} / '
          f'{max(complexities, default=0)} (median / p90 / most)')
    report.exit(len(code))


main()
