#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Shows that every style check can fail: a small good tree passes all of them, and each of the breaches
below, put into a copy of it, is reported by the check that is there for it."""

import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SPDX = '/* SPDX-License-Identifier: BSD-3-Clause */\n'
MESON = '# SPDX-License-Identifier: BSD-3-Clause\n'
DOC = '/**\n * @file\n * A module of the self-test.\n *\n * @threads any\n */\n\n'

HEADER_BASE = SPDX + '#pragma once\n\n' + DOC + '''#include <stddef.h>

/**
 * Count.
 *
 * @param n  how many
 * @return 0, or -EINVAL (n is 0)
 */
int cv_base_count(size_t n);
'''
DROPS = SPDX + '#pragma once\n\n' + DOC + '''#define CV_DROP_LIST(X) \\
	X(RUNT, "runt", "frame too short") \\
	X(TTL, "ttl", "time to live ran out")

#define CV_EVENT_LIST(X) X(RX, "rx", "packets received")
'''
FLOW_HOT = SPDX + '''
#include "cv_flow.h"

#include "cv_base.h"

int cv_flow_next(int n)
{
	return n + cv_base_count(1);
}
'''

GOOD = {
    'lib/meson.build': MESON + "modules = [\n  'base', 'stats', 'flow', 'conf', 'dp',\n]\n",
    'lib/base/meson.build': MESON + "sources = files('base.c')\ndeps = []\next = []\n",
    'lib/base/cv_base.h': HEADER_BASE,
    'lib/base/base.c': SPDX + '\n#include "cv_base.h"\n\n#include <errno.h>\n\n'
                       'int cv_base_count(size_t n)\n{\n\treturn n == 0 ? -EINVAL : 0;\n}\n',
    'lib/stats/meson.build': MESON + "sources = files()\ndeps = []\next = []\n",
    'lib/stats/cv_drops.h': DROPS,
    'lib/flow/meson.build': MESON + "sources = files('flow_hot.c')\ndeps = ['base']\next = []\n",
    'lib/flow/cv_flow.h': SPDX + '#pragma once\n\n' + DOC + '/** The next. */\nint cv_flow_next(int n);\n',
    'lib/flow/flow_hot.c': FLOW_HOT,
    'lib/flow/flow_priv.h': SPDX + '#pragma once\n\n/** @file Private. */\n',
    'lib/flow/cv_flow_hot.h': SPDX + '#pragma once\n\n' + DOC.rstrip() + '\n',
    'lib/conf/meson.build': MESON + "sources = files('conf.c')\ndeps = ['base']\next = [jansson]\n",
    'lib/conf/conf.c': SPDX + '\n#include <jansson.h>\n\n#include "cv_base.h"\n',
    'lib/dp/meson.build': MESON + "sources = files('dp.c')\ndeps = ['stats']\next = []\n",
    'lib/dp/dp.c': SPDX + '\n#include "cv_drops.h"\n\n/* Counts CV_DROP_RUNT. */\n'
                   'static const int used[] = {CV_DROP_RUNT, CV_DROP_TTL, CV_EV_RX};\n',
    'tests/unit/test_base.c': SPDX + '\n#include "cv_base.h"\n\n/* CV_DROP_RUNT CV_DROP_TTL */\n'
                              'int main(void)\n{\n\treturn cv_base_count(0) == -EINVAL ? 0 : 1;\n}\n',
    'doc/behaviour.md': '| `runt` | frame too short |\n| `ttl` | time to live ran out |\n'
                        '| `rx` | packets received |\n\n'
                        '| `tests/unit/test_base.c` `main` |\n\nSee [here](behaviour.md).\n',
    'doc/configuration.md': 'generated\n',
    'tools/gen-conf-doc': '#!/bin/sh\n' + MESON + 'echo generated\n',
    'doc/api.md': 'made\n',
    'tools/gen-api-doc': '#!/bin/sh\n' + MESON + 'echo made\n',
    'tools/packages.txt': 'build  gcc\n\nbench  git\n',
    'tools/benchlib/x.py': MESON + "argv = ['git', 'log']\n",
    'config/minimal.json': '{}\n',
    'README.md': '# x\n\n```json\n{}\n```\n',
    'LICENSE': 'x\n',
}
GOOD_MESSAGE = 'base: count things\n\nBecause they need counting.\n'


def flow_hot(line):
    return {'lib/flow/flow_hot.c': FLOW_HOT.replace('\treturn n', f'\t{line}\n\treturn n')}


def base_c(text):
    return {'lib/base/base.c': GOOD['lib/base/base.c'] + text}


LONG = 'static int f(void)\n{\n\tint a = 0;\n\n' + '\ta++;\n' * 70 + '\treturn a;\n}\n'
COMPLEX = 'static int f(int a)\n{\n' + '\tif (a > 1)\n\t\ta++;\n' * 16 + '\treturn a;\n}\n'
DEEP = 'static void f(int a)\n{\n' + ''.join('\t' * (i + 1) + 'if (a) {\n' for i in range(5)) + '}' * 6 + '\n'
TWICE = '\n'.join(f'\tint a{i} = {i};' for i in range(14))

# (check, files that replace those of the good tree, what the report says)
BREACHES = [
    ('deps', {'lib/base/base.c': SPDX + '#include "cv_flow.h"\n'}, "does not name 'flow'"),
    ('deps', {'lib/base/meson.build': "deps = ['flow']\n"}, "is not below 'base'"),
    ('deps', {'lib/conf/conf.c': SPDX + '#include "cv_base.h"\n#include "flow_priv.h"\n'},
     'private to flow'),
    ('deps', {'lib/conf/meson.build': "deps = ['base', 'flow']\n",
              'lib/conf/conf.c': SPDX + '#include "cv_base.h"\n#include "cv_flow_hot.h"\n'}, 'is fast path'),
    ('deps', {'lib/conf/meson.build': "deps = ['base', 'stats']\n"}, 'needs none of its headers'),
    ('deps', {'lib/conf/conf.c': SPDX + '#include "nowhere.h"\n'}, 'unknown header'),
    ('deps', {'lib/stray/x.c': SPDX}, 'is not in the list'),
    ('walls', {'lib/flow/flow_hot.c': SPDX + '#include <stdio.h>\n'}, 'behind the wall of the packet side'),
    ('walls', {'lib/flow/flow_hot.c': SPDX + '#include <jansson.h>\n'}, 'behind the wall'),
    ('walls', {'lib/conf/conf.c': SPDX + '#include <rte_mbuf.h>\n'}, 'behind the wall of the rules'),
    ('walls', {'lib/base/cv_base.h': HEADER_BASE.replace('<stddef.h>', '<rte_mbuf.h>')}, 'seen through'),
    ('walls', {'lib/base/base.c': SPDX + '#include <rte_common.h>\n'}, 'base may not see'),
    ('walls', {'lib/dp/dp.c': SPDX + 'void f(void)\n{\n\trte_eth_dev_start(0);\n}\n'}, 'belongs in io'),
    ('headers', {'lib/base/cv_base.h': HEADER_BASE.replace('#include <stddef.h>\n', '')},
     'does not stand alone'),
    ('headers', {'lib/base/cv_base.h': HEADER_BASE.replace('#pragma once\n', '') + 'struct a {\n};\n'},
     'does not stand alone'),
    ('headers', {'lib/base/cv_base.h': HEADER_BASE.replace('@param n', '@param m')},
     'does not stand alone (clang)'),
    ('symbols', base_c('int other(void);\nint other(void)\n{\n\treturn 1;\n}\n'), 'exports other'),
    ('symbols', base_c('int cv_base_n;\n'), 'is mutable data'),
    ('symbols', base_c('int cv_base_f(void);\nint cv_base_f(void)\n{\n\tstatic int n;\n\n\treturn n++;\n}\n'),
     'is mutable data'),
    ('symbols', {'lib/flow/flow_hot.c': SPDX + '#include <stdlib.h>\nvoid *cv_flow_a(void);\n'
                 'void *cv_flow_a(void)\n{\n\treturn malloc(4);\n}\n'}, 'calls malloc'),
    ('hot', flow_hot('errno = 0;'), "'errno'"),
    ('hot', flow_hot('volatile int x;'), "'volatile'"),
    ('hot', flow_hot('cv_log(1, "x");'), "'cv_log("),
    ('hot', flow_hot('n = malloc(3);'), "'malloc("),
    ('hot', flow_hot('n = n / m;'), 'division by a variable'),
    ('hot', flow_hot('n = n % (m + 1);'), 'division by a variable'),
    ('hot', flow_hot('for (;;)\n\t\tn++;'), 'bound the loop'),
    ('hot', {'lib/flow/flow_hot.c': FLOW_HOT.replace('\treturn n', 'again:\n\tgoto again;\n\treturn n')},
     'goto backwards'),
    ('hot', flow_hot('atomic_fetch_add(&n, 1);'), 'read-modify-write'),
    ('hot', flow_hot('n = rte_lcore_id();'), 'rte_lcore_id'),
    ('hot', {'lib/base/base.c': f'void a(void)\n{{\n{TWICE}\n}}\n',
             'lib/conf/conf.c': f'void b(void)\n{{\n{TWICE}\n}}\n'},
     'the same 12 lines'),
    ('size', base_c(LONG), 'lines (at most 70)'),
    ('size', base_c(COMPLEX), 'complexity 17'),
    ('size', base_c(DEEP), 'nest deeper'),
    ('size', base_c('int f(int a, int b, int c, int d, int e, int g, int h);\n'), '7 parameters'),
    ('size', base_c('/* x */\n' * 800), '(at most 800)'),
    ('size', {'lib/base/cv_base.h': HEADER_BASE + '/* x */\n' * 300}, '(at most 300)'),
    ('size', base_c('/* ' + 'x' * 120 + ' */\n'), 'wider than'),
    ('size', base_c('#include <a.h>\n' * 23), 'includes (at most 22)'),
    ('docs', {'lib/base/cv_base.h': HEADER_BASE + '\nint cv_base_b(void);\n'}, 'has no doc comment'),
    ('docs', {'lib/base/cv_base.h': HEADER_BASE + '\n/** D. */\nint b(void);\n'},
     'does not begin with cv_'),
    ('docs', {'lib/base/cv_base.h': HEADER_BASE + '\n/** D. */\nstatic inline int\n'
              'x(void);\nstatic inline int cv_q(void)\n{\n\treturn 0;\n}\n'}, 'cv_q() has no doc comment'),
    ('docs', {'lib/base/cv_base.h': HEADER_BASE + '\nstruct thing {\n\tint a;\n};\n'},
     'thing does not begin'),
    ('docs', {'lib/base/cv_base.h': HEADER_BASE + '\n#define THING 1\n'}, 'THING does not begin'),
    ('docs', {'lib/base/cv_base.h': HEADER_BASE + '\nenum cv_e {\n\tRED,\n};\n'}, 'RED does not begin'),
    ('docs', {'lib/base/cv_base.h': HEADER_BASE.replace('@threads any', 'x')}, '@threads'),
    ('docs', {'lib/base/cv_base.h': HEADER_BASE.replace('@file', 'x')}, '@file'),
    ('errors', {'tests/unit/test_base.c': SPDX + '#include "cv_base.h"\n/* -EINVAL */\n'},
     '-EINVAL is promised'),
    ('errors', {'tests/unit/test_base.c': SPDX + 'int x = -EINVAL;\n'}, 'no test includes'),
    ('drops', {'doc/behaviour.md': '| `runt` | frame too short |\n| `rx` | packets received |\n'},
     'has no row'),
    ('drops', {'doc/behaviour.md': GOOD['doc/behaviour.md'].replace('too short', 'short')}, 'has no row'),
    ('drops', {'lib/dp/dp.c': SPDX + 'int a = CV_DROP_TTL, b = CV_EV_RX;\n'}, 'RUNT is counted nowhere'),
    ('drops', {'tests/unit/test_base.c': SPDX + '/* CV_DROP_TTL */\n'}, 'no test names RUNT'),
    ('conf_doc', {'doc/configuration.md': 'old\n'}, 'is not what'),
    ('conf_doc', {'config/minimal.json': '{"a": 1}\n'}, 'its example is not'),
    ('api_doc', {'doc/api.md': 'old\n'}, 'is not what'),
    ('api_doc', {'tools/gen-api-doc': '#!/bin/sh\n' + MESON + 'exit 1\n'}, 'fails'),
    ('packages', {'tools/packages.txt': 'build  gcc\n\nlab  git\n'}, 'git is in package git'),
    ('text', base_c('int a; \n'), 'white space at the end'),
    ('text', base_c('int a;'), 'no newline'),
    ('text', base_c('/* TO' 'DO */\n'), 'unfinished'),
    ('text', {'lib/base/base.c': 'int a;\n'}, 'no line SPDX'),
    ('text', base_c('void f(void)\n{\n        int a;\n}\n'), 'indented with blanks'),
    ('text', base_c('/* recieve */\n'), 'spelling'),
    ('text', {'tools/x': '#!/bin/sh\n' + MESON + 'if true\n'}, 'does not parse'),
    ('text', {'tools/x': '#!/usr/bin/python3\n' + MESON + 'if\n'}, 'does not parse'),
    ('text', {'tools/x': '#!/usr/bin/env python3\n' + MESON}, 'say #!/usr/bin/python3'),
    ('text', {'README.md': 'See `lib/none/x.c`.\n'}, 'does not exist'),
    ('text', {'README.md': '| `tests/unit/test_base.c` `no_such_case` |\n'}, 'no_such_case is not in'),
    ('text', {'README.md': '| `tests/unit/test_base.c` `mai` |\n'}, 'mai is not in'),
    ('text', {'doc/behaviour.md': '| a | b | c | exact | |\n'}, 'row "a" names no test'),
    ('text', {'README.md': 'See [x](nowhere.md).\n'}, 'link to nowhere.md'),
    ('format', base_c('int  f( void ) ;\n'), 'clang-format would'),
]

BAD_MESSAGES = [
    ('Count things\n\nBody.\n', 'is not "module: what"'),
    ('base: count things\n', 'no body'),
    ('base: count things\nBody.\n', 'no blank line'),
    ('base: count things.\n\nBody.\n', 'full stop'),
    ('base: ' + 'x' * 70 + '\n\nBody.\n', 'at most 72'),
    ('base: count things\n\nWe recieve things.\n', 'spelling'),
]


def run(check, root, *args):
    return subprocess.run(['/usr/bin/python3', '-B', str(HERE / f'check_{check}.py'), str(root), *args],
                          capture_output=True, text=True, check=False)


def lay(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if text.startswith('#!'):
            path.chmod(0o755)


def build(root):
    """The archives that meson would make, as far as the checks look at them."""
    out = root / 'build/lib'
    out.mkdir(parents=True, exist_ok=True)
    for m in ('base', 'flow'):
        obj = None
        for src in (root / 'lib' / m).glob('*.c'):
            obj = out / f'{src.name}.o'
            subprocess.run(['gcc', '-O2', f'-I{root}/lib/base', f'-I{root}/lib/flow', '-c', str(src), '-o',
                            str(obj)], check=True, capture_output=True)
        subprocess.run(['ar', 'rcs', str(out / f'libcv_{m}.a'), str(obj)], check=True, capture_output=True)


def commit(root, message):
    env = {**os.environ, 'GIT_AUTHOR_NAME': 'a', 'GIT_AUTHOR_EMAIL': 'a@b', 'GIT_COMMITTER_NAME': 'a',
           'GIT_COMMITTER_EMAIL': 'a@b', 'GIT_CONFIG_GLOBAL': '/dev/null', 'GIT_CONFIG_SYSTEM': '/dev/null'}
    for argv in (['init', '-q'], ['add', 'LICENSE'], ['commit', '-q', '--cleanup=verbatim', '-m', message]):
        subprocess.run(['git', '-C', str(root), *argv], env=env, check=True, capture_output=True)


def breach(n, case):
    """None, or what is wrong with a check: it let a breach pass, or reported another."""
    check, files, want = case
    with tempfile.TemporaryDirectory(prefix='culvert-style-') as tmp:
        root = pathlib.Path(tmp)
        lay(root, {**GOOD, **files})
        shutil.copy(HERE.parent.parent / '.clang-format', root)
        if check == 'symbols':
            build(root)
        done = run(check, root, 'build')
        if done.returncode != 1 or want not in done.stdout:
            return f'breach {n} ({check}): expected "{want}", got {done.returncode}: {done.stdout}'
    return None


def bad_message(message, want):
    with tempfile.TemporaryDirectory(prefix='culvert-style-') as tmp:
        root = pathlib.Path(tmp)
        lay(root, GOOD)
        commit(root, message)
        done = run('commits', root)
        if done.returncode != 1 or want not in done.stdout:
            return f'commits: expected "{want}", got {done.returncode}: {done.stdout}{done.stderr}'
    return None


def good_tree(checks):
    with tempfile.TemporaryDirectory(prefix='culvert-style-') as tmp:
        root = pathlib.Path(tmp)
        lay(root, GOOD)
        shutil.copy(HERE.parent.parent / '.clang-format', root)
        build(root)
        wrong = []
        for check in checks:
            if check == 'commits':
                commit(root, GOOD_MESSAGE)
            done = run(check, root, 'build')
            if done.returncode != 0:
                wrong.append(f'good tree: {check} says {done.returncode}: {done.stdout}{done.stderr}')
        return wrong


def main():
    checks = sorted(p.stem.removeprefix('check_') for p in HERE.glob('check_*.py'))
    checks.sort(key=lambda c: c == 'commits')  # from then on the other checks would see git's list only
    tools = {'format': 'clang-format', 'headers': 'clang', 'size': 'pmccabe', 'text': 'codespell',
             'commits': 'codespell'}
    absent = {c for c, tool in tools.items() if shutil.which(tool) is None}
    cases = [c for c in BREACHES if c[0] not in absent]
    wrong = good_tree([c for c in checks if c not in absent])
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        wrong += filter(None, pool.map(breach, range(len(cases)), cases))
        if 'commits' not in absent:
            wrong += filter(None, pool.map(bad_message, *zip(*BAD_MESSAGES)))
    covered = {c for c, _f, _w in BREACHES} | {'commits'}
    wrong += [f'{c}: no breach shows that it can fail' for c in checks if c not in covered]
    print('\n'.join(wrong) if wrong else f'{len(cases) + len(BAD_MESSAGES)} breaches found')
    sys.exit(1 if wrong else 0)


main()
