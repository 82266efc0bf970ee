#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The two walls, and what each module may see of the world outside.

The packet side never sees JSON, files or HTTP; the rules never see packets or ports. What a header
of ours brings in counts as seen. rte_eth_* and rte_eal_* are called by io alone.
"""

import re
import sys

from tree import Report, Tree, line_of, strip_comments

PACKET_SIDE = {'flow', 'snat', 'lb', 'view', 'dp'}
RULES_SIDE = {'model', 'conf', 'store', 'health', 'plan', 'query', 'cbor', 'sigv4', 'xml', 'aws', 'api'}
NOT_FOR_PACKETS = r'jansson|stdio\.h|bpf/|xdp/|sqlite3|microhttpd|curl/|libxml'
NOT_FOR_RULES = r'rte_mbuf\.h|rte_ethdev\.h'

# Third-party headers that a module may include itself, beyond the C library. A module that is not
# here may include none.
MAY_SEE = {
    'net': r'rte_(ether|ip|tcp|arp|byteorder)\.h',
    'stats': r'rte_(common|cycles)\.h',
    'flow': r'rte_\w+\.h',
    'snat': r'rte_(common|prefetch|pause|branch_prediction)\.h',
    'view': r'rte_\w+\.h',
    'conf': r'jansson\.h',
    'store': r'sqlite3\.h|libgen\.h',
    'dns': r'ldns/.*',
    'notify': r'curl/curl\.h|jansson\.h|openssl/.*',
    'steer': r'(bpf|xdp)/.*|linux/.*',
    'host': r'linux/(if_tun|rtnetlink)\.h',
    'io': r'rte_\w+\.h|linux/.*|dirent\.h',
    'dp': r'rte_\w+\.h',
    'ctl': r'jansson\.h',
    'probe': r'curl/curl\.h',
    'cbor': r'jansson\.h',
    'sigv4': r'openssl/.*',
    'aws': r'jansson\.h',
    'api': r'microhttpd\.h|gnutls/.*|jansson\.h|openssl/.*',
}
LIBC = (r'(std\w+|string|strings|errno|limits|inttypes|time|math|ctype|assert|signal|unistd|fcntl|'
        r'pthread|sched|poll|getopt|locale|dirent|grp|pwd|netdb|ifaddrs|syslog|threads)\.h|'
        r'(sys|net|netinet|arpa)/\w+\.h|(nmm|emm|imm|smm|x86)intrin\.h|arm_\w+\.h|cpuid\.h')
IO_ONLY = re.compile(r'\brte_(?:eth|eal)_\w+\s*\(')


def seen(tree, path, by_name, done):
    """(file, line, third-party header) of all that including this file brings in through ours."""
    for n, form, name in tree.includes(path):
        if form == '<':
            yield path, n, name
            continue
        target = by_name.get(name.split('/')[-1])
        if target is not None and target not in done:
            done.add(target)
            yield from seen(tree, target, by_name, done)


def check_wall(tree, report, path, by_name, deny, side):
    for where, n, name in seen(tree, path, by_name, {path}):
        if re.match(deny, name):
            via = '' if where == path else f' (seen through {tree.rel(path)})'
            report.add(f'{tree.rel(where)}:{n}', f'<{name}> is behind the wall of the {side}{via}')


def main():
    tree = Tree(sys.argv[1])
    report = Report()
    by_name = {p.name: p for p in tree.lib.glob('*/*.h')}
    for path in tree.sources():
        m = path.parent.name
        if m in PACKET_SIDE:
            check_wall(tree, report, path, by_name, NOT_FOR_PACKETS, 'packet side')
        if m in RULES_SIDE:
            check_wall(tree, report, path, by_name, NOT_FOR_RULES, 'rules')
        for n, form, name in tree.includes(path):
            if form == '<' and not re.fullmatch(LIBC, name) \
                    and not re.fullmatch(MAY_SEE.get(m, r'\Z'), name):
                report.add(f'{tree.rel(path)}:{n}', f'{m} may not see <{name}>')
        if m != 'io':
            text = strip_comments(path.read_text())
            for call in IO_ONLY.finditer(text):
                report.add(f'{tree.rel(path)}:{line_of(text, call.start())}',
                           f'{call.group(0)[:-1].strip()}() belongs in io')
    report.exit(len(tree.sources()))


main()
