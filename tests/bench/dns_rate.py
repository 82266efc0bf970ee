#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Queries a second that a VPC's DNS server answers, by dnsperf through the whole path: a client's namespace,
a worker, the kernel's socket, the server's thread, and back.

usage: sudo tests/bench/dns_rate.py [SECONDS [RATE...]]

SECONDS for each run, 5 unless given; RATE: queries a second, 0 for as many as go; 10000 and 0 unless given.
CULVERT_BUILD names the build directory. Prints a row for each run, over UDP and then over TCP.
"""

import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lab'))
import harness  # noqa: E402
import test_dns  # noqa: E402
from harness import ENI, ENI_B, proc  # noqa: E402


def names(it):
    """What is asked in turns: a regional and a zonal name, a type without data, a name that is not there."""
    name = it.name('c1')
    return f'{name} A\n{it.name("c1", "us-east-1a")} A\n{name} AAAA\nnope.us-east-1.vpce.amazonaws.com A\n'


def run(it, path, seconds, rate, mode):
    """One run of dnsperf: answers a second, share of queries lost, mean latency, all as text."""
    limit = ['-Q', rate] if rate else []
    done = proc.run(['dnsperf', '-m', mode, '-s', test_dns.SERVER, '-d', path, '-l', seconds,
                     '-c', 8, '-q', 200, *limit], ns=it.lab.ns('c1'), timeout=seconds + 60).stdout

    def value(what):
        return re.search(rf'{what}:?\s+([0-9.]+)(?: \(([0-9.]+)%)?', done)
    return [f'{float(value("Queries per second")[1]):,.0f}', f'{value("Queries lost")[2]} %',
            f'{float(value("Average Latency .s.")[1]) * 1e3:.2f} ms']


def main(argv):
    """Measure."""
    seconds = int(argv[1]) if len(argv) > 1 else 5
    rates = [int(a) for a in argv[2:]] or [10000, 0]
    case = type('Case', (test_dns.Dns,), {'runTest': lambda self: None, 'RATE': 0})
    try:
        case.setUpClass()
        it = case()
        it.wait_for_answer(it.name('c1'), {ENI, ENI_B})
        path = pathlib.Path(it.lab.path('queries'))
        path.write_text(names(it), encoding='ascii')
        print('offered'.ljust(10), 'by'.ljust(4), 'answers/s'.rjust(10), 'lost'.rjust(9), 'latency'.rjust(10))
        for mode in ('udp', 'tcp'):
            for rate in rates:
                got = run(it, path, seconds, rate, mode)
                print(str(rate or 'all').ljust(10), mode.ljust(4), got[0].rjust(10), got[1].rjust(9),
                      got[2].rjust(10), flush=True)
    finally:
        case.doClassCleanups()
        harness.drop_all()


if __name__ == '__main__':
    main(sys.argv)
