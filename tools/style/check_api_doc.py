#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""doc/api.md's table of actions is what culvertd has, and botocore knows all of it."""

import os
import pathlib
import subprocess
import sys

from tree import Report, Tree, skip


def main():
    tree = Tree(sys.argv[1])
    report = Report()
    build = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else 'build')
    build = build if build.is_absolute() else tree.root / build
    tool = tree.root / 'tools/gen-api-doc'
    if not tool.exists():
        skip('no generator')
    done = subprocess.run([str(tool)], cwd=tree.root, env={**os.environ, 'BUILD': str(build)},
                          capture_output=True, text=True, check=False)
    if done.returncode == 77:
        skip(done.stderr.strip())
    if done.returncode != 0:
        report.add('tools/gen-api-doc', f'fails: {done.stderr.strip()[-400:]}')
    elif (tree.root / 'doc/api.md').read_text() != done.stdout:
        report.add('doc/api.md', 'is not what tools/gen-api-doc prints: generate it again')
    report.exit(1)


main()
