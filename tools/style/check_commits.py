#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Commit messages: `module: what, in the imperative`, a body that says why, no merges, no typos."""

import re
import shutil
import subprocess
import sys

from tree import Report, Tree, git, skip

SUBJECT = re.compile(r'(?:Revert "[^"]+"|[a-z0-9_.+-]+(?:(?:, |/)[a-z0-9_.+-]+)*: \S.*)')
SUBJECT_LEN = 72


def check_commit(report, sha, parents, message):
    lines = message.rstrip('\n').split('\n')
    subject = lines[0]
    if len(parents.split()) > 1:
        report.add(sha, 'is a merge')
    if not SUBJECT.fullmatch(subject):
        report.add(sha, f'subject is not "module: what": {subject}')
    if len(subject) > SUBJECT_LEN:
        report.add(sha, f'subject has {len(subject)} characters (at most {SUBJECT_LEN}): {subject}')
    if subject.endswith('.'):
        report.add(sha, f'subject ends with a full stop: {subject}')
    if len(lines) > 1 and lines[1] != '':
        report.add(sha, f'no blank line after the subject: {subject}')
    body = [line for line in lines[2:] if line and not re.match(r'[\w-]+-by: ', line)]
    if not body:
        report.add(sha, f'no body that says why: {subject}')


def main():
    tree = Tree(sys.argv[1])
    report = Report()
    done = git(tree.root, 'log', '--format=%h%x00%p%x00%B%x01', 'HEAD')
    if done.returncode != 0:
        skip('no git history here')
    commits = [c.strip('\n').split('\0') for c in done.stdout.split('\1') if c.strip()]
    for sha, parents, message in commits:
        check_commit(report, sha, parents, message)
    if shutil.which('codespell'):
        text = ''.join(message for _s, _p, message in commits)
        spell = subprocess.run(['codespell', '-'], input=text, capture_output=True, text=True, check=False)
        for line in spell.stdout.splitlines():
            if '==>' in line:
                report.add('commit message', f'spelling: {line.strip()}')
    print(f'{len(commits)} commits')
    report.exit(len(commits))


main()
