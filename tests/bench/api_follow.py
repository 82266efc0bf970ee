#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""How soon the data plane follows an answer of the API, with few endpoints and with many.

An endpoint is rejected and accepted in turn, while SYNs are sent to it: the time from the answer to the last
SYN that is forwarded, and to the first. Prints JSON.
"""

import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'lab'))
sys.dont_write_bytecode = True
import follow_world  # noqa: E402

LIMIT = 5.0


def summary(times):
    times = sorted(times)
    return {'median_ms': round(times[len(times) // 2] * 1e3, 1), 'worst_ms': round(times[-1] * 1e3, 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n', maxsplit=1)[0])
    parser.add_argument('--rounds', type=int, default=20, help='of reject and accept (20)')
    parser.add_argument('endpoints', type=int, nargs='*', default=[10, 10000], help='how many (10 10000)')
    args = parser.parse_args()
    rows = []
    for n in args.endpoints:
        with follow_world.Follow(n) as follow:
            follow.settle()
            found = follow.rounds(args.rounds, LIMIT)
        rows.append({'endpoints': n, 'rounds': args.rounds, **{k: summary(v) for k, v in found.items()}})
    print(json.dumps({'rows': rows}, indent=1))


if __name__ == '__main__':
    main()
