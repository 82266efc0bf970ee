#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every text file: licence line, white space, unfinished marks, spelling, scripts that parse, and paths
in the documents that exist."""

import re
import shutil
import subprocess
import sys

from tree import Report, Tree

SPDX = 'SPDX-License-Identifier: BSD-3-Clause'
CODE = {'.c', '.h', '.py', '.sh', '.build'}
BINARY = {'.pcap', '.bin', '.png', '.gz', '.o'}
MARKS = re.compile(r'\b(?:TO' 'DO|FIX' 'ME|XX' r'X|HA' r'CK)\b')
TOP = {'meson.build', 'lib', 'app', 'config', 'tests', 'tools', 'doc', 'README.md', 'LICENSE'}

# Words that codespell takes for others.
WORDS = 'ans,te,ether,nd,fo,numer,wil,parms,inout,ot,ser,iif,rin,som,hist,seh,ba,whats,inflight'


def is_script(path):
    with open(path, 'rb') as f:
        return f.read(2) == b'#!'


def check_lines(report, rel, text):
    if text and not text.endswith('\n'):
        report.add(rel, 'no newline at the end')
    if text.endswith('\n\n'):
        report.add(rel, 'blank line at the end')
    for n, line in enumerate(text.splitlines(), 1):
        if line != line.rstrip() and not rel.endswith('.md'):
            report.add(f'{rel}:{n}', 'white space at the end')
        if '\r' in line:
            report.add(f'{rel}:{n}', 'carriage return')
        if MARKS.search(line) and not rel.endswith('.json'):
            report.add(f'{rel}:{n}', f'unfinished: {MARKS.search(line).group(0)}')
        if rel.endswith(('.c', '.h')) and re.match(r'\t* {8}.*[^\\]$', line):
            report.add(f'{rel}:{n}', 'indented with blanks')


def check_script(report, rel, path, text):
    first = text.split('\n', 1)[0]
    if 'python' in first:
        try:
            compile(text, rel, 'exec')
        except SyntaxError as err:
            report.add(f'{rel}:{err.lineno}', f'does not parse: {err.msg}')
        if first != '#!/usr/bin/python3':
            report.add(rel, f'{first}: say #!/usr/bin/python3, the one that the packages belong to')
    elif re.search(r'\b(?:ba|da)?sh\b', first):
        shell = 'bash' if 'bash' in first else 'sh'
        done = subprocess.run([shell, '-n', str(path)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            report.add(rel, f'does not parse: {done.stderr.strip()[:200]}')


def check_paths(tree, report, rel, text):
    """`lib/...`, `tests/...` and the like in a document name something that is there. In a table cell
    that names a test file, the other words in code font are in that file (a test case, a check)."""
    # Blocks of commands and drawings are not prose.
    text = re.sub(r'^```.*?^```', lambda m: '\n' * m.group(0).count('\n'), text, flags=re.S | re.M)
    for n, line in enumerate(text.splitlines(), 1):
        for cell in line.split('|') if line.startswith('|') else [line]:
            file = None
            for word in re.findall(r'`([^`]+)`', cell):
                if re.match(r'(?:lib|app|config|tests|tools|doc)/[\w./<>*-]+$', word):
                    hits = list(tree.root.glob(re.sub(r'<\w+>', '*', word).rstrip('/')))
                    file = hits[0] if hits and hits[0].is_file() else None
                    if not hits:
                        report.add(f'{rel}:{n}', f'{word} does not exist')
                elif file is not None and file.parts[-2:-1] and '/tests/' in str(file) \
                        and re.fullmatch(r'[a-z]\w+', word) and line.startswith('|') \
                        and not re.search(rf'\b{word}\b', file.read_text(errors='replace')):
                    report.add(f'{rel}:{n}', f'{word} is not in {tree.rel(file)}')
        # doc/behaviour.md: each row of a behaviour names a file with tests, and which of them.
        if rel == 'doc/behaviour.md' and re.match(r'\|([^|]*\|){5}$', line) and '| kind |' not in line \
                and '---' not in line and not re.search(r'`tests/[^`]+`[^|]*`\w[^|]*\|$', line):
            report.add(f'{rel}:{n}', f'row "{line.split("|")[1].strip()}" names no test')
    for got in re.finditer(r'\]\(([^)#:]+)(?:#[^)]*)?\)', text):
        base = (tree.root / rel).parent
        if not (base / got.group(1)).exists():
            report.add(rel, f'link to {got.group(1)}, which does not exist')


def spelling(tree, report, files):
    if shutil.which('codespell') is None:
        return
    done = subprocess.run(['codespell', '-L', WORDS, *map(str, files)], capture_output=True, text=True,
                          check=False)
    for line in done.stdout.splitlines():
        if '==>' in line:
            report.add(line.replace(str(tree.root) + '/', '').split(':')[0],
                       f'spelling: {line.split(":", 2)[-1].strip()}')


def main():
    tree = Tree(sys.argv[1])
    report = Report()
    files = []
    for path in tree.files('**/*', '.ci/*', '.clang-format', '.gitignore'):
        rel = tree.rel(path)
        if path.suffix in BINARY or rel.startswith(('build', '.git/')) or '/corpus/' in rel:
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        files.append(path)
        check_lines(report, rel, text)
        if (path.suffix in CODE or is_script(path)) and SPDX not in text[:400]:
            report.add(rel, f'no line {SPDX}')
        if is_script(path):
            check_script(report, rel, path, text)
        if path.suffix == '.md':
            check_paths(tree, report, rel, text)
    # Examples of bad spelling, and names made of letters.
    exempt = {'check_text.py', 'selftest.py'}
    spelling(tree, report, [f for f in files if f.suffix != '.json' and f.name not in exempt])
    for name in {tree.rel(p).split('/')[0] for p in tree.tracked()}:
        if name not in TOP and not name.startswith('.'):
            report.add(name, 'does not belong at the top of the tree')
    report.exit(len(files))


main()
