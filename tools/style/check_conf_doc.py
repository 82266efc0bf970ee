#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""doc/configuration.md is what the schema table says, and the README's example is config/minimal.json."""

import os
import pathlib
import re
import subprocess
import sys

from tree import Report, Tree, skip


def check_reference(tree, report, build):
    tool = tree.root / 'tools/gen-conf-doc'
    if not tool.exists():
        return 0
    done = subprocess.run([str(tool)], cwd=tree.root, env={**os.environ, 'BUILD': str(build)},
                          capture_output=True, text=True, check=False)
    doc = tree.root / 'doc/configuration.md'
    if done.returncode != 0:
        report.add('tools/gen-conf-doc', f'fails: {done.stderr.strip()[-200:]}')
    elif not doc.exists() or doc.read_text() != done.stdout:
        report.add('doc/configuration.md', 'is not what tools/gen-conf-doc prints: generate it again')
    return 1


def check_readme(tree, report):
    example = tree.root / 'config/minimal.json'
    readme = tree.root / 'README.md'
    if not example.exists() or not readme.exists():
        return 0
    blocks = re.findall(r'```json\n(.*?)```', readme.read_text(), re.S)
    if example.read_text() not in blocks:
        report.add('README.md', 'its example is not config/minimal.json, byte for byte')
    return 1


def main():
    tree = Tree(sys.argv[1])
    report = Report()
    build = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else 'build')
    build = build if build.is_absolute() else tree.root / build
    n = check_reference(tree, report, build) + check_readme(tree, report)
    if n == 0:
        skip('no generator and no example')
    report.exit(n)


main()
