#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every header compiles alone, twice, with only the include paths its module names; and its doc
comments match what they stand before (clang -Wdocumentation)."""

import concurrent.futures
import os
import shutil
import subprocess
import sys

from tree import Report, Tree

PKG = {'dpdk': 'libdpdk', 'jansson': 'jansson', 'microhttpd': 'libmicrohttpd', 'cmocka': 'cmocka'}
WARN = ['-std=gnu11', '-D_GNU_SOURCE', '-fsyntax-only', '-Wall', '-Wextra', '-Werror', '-Wshadow',
        '-Wundef', '-Wstrict-prototypes', '-Wpointer-arith', '-Wno-missing-field-initializers',
        '-Wno-unused-function', '-Wno-address-of-packed-member', '-x', 'c', '-']
DOC = ['-Wdocumentation', '-Wdocumentation-unknown-command',
       '-fcomment-block-commands=owner,source,threads']


def pkg_flags(name):
    done = subprocess.run(['pkg-config', '--cflags', PKG.get(name, name)], capture_output=True,
                          text=True, check=False)
    flags = done.stdout.split()
    # As the build has them: third-party headers do not answer to our warnings.
    return [f.replace('-I', '-isystem', 1) if f.startswith('-I') else f for f in flags]


def compile_alone(job):
    argv, header = job
    text = f'#include "{header}"\n#include "{header}"\n'
    return subprocess.run(argv, input=text, capture_output=True, text=True, check=False)


def main():
    tree = Tree(sys.argv[1])
    report = Report()
    flags = {}
    jobs = []
    for path in tree.files('lib/*/*.h'):
        m = path.parent.name
        paths = [f'-I{tree.lib / d}' for d in [m, *tree.deps[m]]]
        for ext in tree.ext[m]:
            if ext not in flags:
                flags[ext] = pkg_flags(ext)
            paths += flags[ext]
        compilers = [['gcc']]
        if shutil.which('clang'):
            compilers.append(['clang', *DOC])
        jobs += [(path, c[0], ([*c, *paths, *WARN], path.name)) for c in compilers]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(compile_alone, [j[2] for j in jobs])
        for (path, compiler, _job), done in zip(jobs, results):
            if done.returncode != 0:
                errors = [line for line in done.stderr.splitlines() if 'error' in line]
                first = (errors or ['no output'])[0].replace(str(tree.root) + '/', '')
                report.add(tree.rel(path), f'does not stand alone ({compiler}): {first}')
    report.exit(len(jobs))


main()
