#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every drop reason and event of cv_drops.h is documented word for word, used by the code, and a drop
reason also stands in a test. With --table: print the rows as doc/behaviour.md holds them."""

import re
import sys

from tree import Report, Tree, strip_comments


def entries(text, name):
    """(NAME, metric, help) of an X-macro list."""
    body = re.search(rf'#define {name}\(X\)(.*?)(?:\n\n|\n/\*|\Z)', text, re.S).group(1)
    body = body.replace('\\\n', ' ')
    for got in re.finditer(r'X\(\s*(\w+),\s*"([^"]*)",\s*((?:"[^"]*"\s*)+)\)', body):
        yield got.group(1), got.group(2), ''.join(re.findall(r'"([^"]*)"', got.group(3)))


def row(metric, text):
    return f'| `{metric}` | {text} |'


def main():
    tree = Tree(sys.argv[1])
    text = (tree.lib / 'stats/cv_drops.h').read_text()
    lists = {kind: list(entries(text, name))
             for kind, name in (('DROP', 'CV_DROP_LIST'), ('EV', 'CV_EVENT_LIST'))}
    if '--table' in sys.argv:
        for kind in lists:
            print('\n'.join(row(metric, text) for _n, metric, text in lists[kind]), end='\n\n')
        return
    report = Report()
    doc = (tree.root / 'doc/behaviour.md').read_text()
    used = '\n'.join(strip_comments(p.read_text()) for p in tree.files('lib/*/*.[ch]', 'app/*.[ch]')
                     if p.name != 'cv_drops.h')
    tests = '\n'.join(p.read_text(errors='replace') for p in tree.files('tests/**/*')
                      if p.suffix in ('.c', '.h', '.py', '.sh', '.json', ''))
    for kind, items in lists.items():
        for name, metric, help_text in items:
            if row(metric, help_text) not in doc:
                report.add('doc/behaviour.md', f'has no row "{row(metric, help_text)}"')
            if not re.search(rf'\bCV_{kind}_{name}\b', used):
                report.add('lib/stats/cv_drops.h', f'{name} is counted nowhere')
            if kind == 'DROP' and not re.search(rf'\bCV_DROP_{name}\b|["\']{metric}["\']', tests):
                report.add('lib/stats/cv_drops.h', f'no test names {name}')
    metrics = [m for items in lists.values() for _n, m, _t in items]
    for metric in {m for m in metrics if metrics.count(m) > 1}:
        report.add('lib/stats/cv_drops.h', f'{metric} stands twice')
    report.exit(len(metrics))


if __name__ == '__main__':
    main()
