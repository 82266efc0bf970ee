# SPDX-License-Identifier: BSD-3-Clause
"""What the style checkers share: the module list, its dependencies, the files, C text without comments.

A checker is a program check_NAME.py ROOT [BUILD]. It prints one line per breach, `path:line: what is
wrong`, and exits 1 if there was one, 0 if there was none, 77 if it could not look (with the reason).
"""

import pathlib
import re
import subprocess
import sys

SKIPPED = 77


class Report:
    """Collects breaches and turns them into output and exit status."""

    def __init__(self):
        self.n = 0

    def add(self, where, text):
        print(f'{where}: {text}')
        self.n += 1

    def exit(self, looked_at):
        """End the program. A checker that looked at nothing has not passed."""
        if self.n == 0 and looked_at == 0:
            skip('nothing to look at yet')
        sys.exit(1 if self.n > 0 else 0)


def skip(reason):
    print(f'skipped: {reason}')
    sys.exit(SKIPPED)


def strip_comments(text, strings=True):
    """C text with comments (and the inside of strings and characters) blanked; lines stay in place."""

    def blank(match):
        got = match.group(0)
        if got[0] in '"\'':
            return got[0] + ' ' * (len(got) - 2) + got[-1] if strings else got
        return re.sub(r'[^\n]', ' ', got)

    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.S)


def line_of(text, pos):
    return text.count('\n', 0, pos) + 1


class Tree:
    """A source tree as the checkers see it."""

    def __init__(self, root):
        self.root = pathlib.Path(root).resolve()
        self.lib = self.root / 'lib'
        text = (self.lib / 'meson.build').read_text()
        self.modules = self._names(re.search(r'^modules = \[(.*?)\]', text, re.S | re.M).group(1))
        self.deps = {}
        self.ext = {}
        for m in self.modules:
            text = (self.lib / m / 'meson.build').read_text()
            self.deps[m] = self._names(self._list(text, 'deps'))
            self.ext[m] = re.findall(r'\w+', self._list(text, 'ext'))

    @staticmethod
    def _names(text):
        return re.findall(r"'([a-z0-9_]+)'", text)

    @staticmethod
    def _list(text, name):
        found = re.search(rf'^{name} = \[(.*?)\]', text, re.S | re.M)
        return found.group(1) if found else ''

    def files(self, *patterns):
        """Files of the tree that match; where there is a git, of those that it knows: others are
        build output or somebody's work in progress."""
        if not self.tracked():
            return sorted({p for pattern in patterns for p in self.root.glob(pattern) if p.is_file()})
        # `**/` is any number of folders, `*` no slash.
        text = '|'.join(re.escape(p).replace(r'\*\*/', '(?:.*/)?').replace(r'\*', '[^/]*')
                        .replace(r'\[', '[').replace(r'\]', ']') for p in patterns)
        match = re.compile(text)
        return sorted(p for p in self.tracked() if match.fullmatch(self.rel(p)) and p.is_file())

    def tracked(self):
        """What git knows. Empty without git."""
        if not hasattr(self, '_tracked'):
            done = git(self.root, 'ls-files', '-z')
            names = done.stdout.split('\0') if done.returncode == 0 else []
            self._tracked = {self.root / n for n in names if n}
        return self._tracked

    def rel(self, path):
        return str(pathlib.Path(path).relative_to(self.root))

    def sources(self):
        """Every .c and .h of lib, module by module."""
        return self.files('lib/*/*.[ch]')

    def public_headers(self):
        return [p for p in self.files('lib/*/cv_*.h')]

    def is_hot(self, path):
        return pathlib.Path(path).stem.endswith('_hot')

    def includes(self, path):
        """(line, form, name) of each #include; form is '"' or '<'."""
        for n, line in enumerate(path.read_text().splitlines(), 1):
            got = re.match(r'\s*#\s*include\s*(["<])([^">]+)', line)
            if got:
                yield n, got.group(1), got.group(2)


def git(root, *args):
    """Run git on a tree that another user may own (a clone by a person, checked by root)."""
    return subprocess.run(['git', '-c', f'safe.directory={root}', '-C', str(root), *args],
                          capture_output=True, text=True, check=False)


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0
