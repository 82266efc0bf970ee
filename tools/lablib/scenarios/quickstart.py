# SPDX-License-Identifier: BSD-3-Clause
"""The region of config/quickstart.json, as tools/quickstart shows it."""

import quickstart
from cvlab import cli, culvertd, lab, topo

SUMMARY = 'two consumers with one CIDR served, one rejected, one pending, one refused'


def run(opts, say):
    """Play it."""
    made = lab.Lab(topo.load(quickstart.CONFIG), opts.prefix, say)
    with made:
        say('lab: namespaces, servers, culvertd')
        cli.start_servers(made)
        culvert = culvertd.Culvertd(made).start()
        rows = list(quickstart.rows_of(made, culvert))
        culvert.stop()
    good = all(r['verdict'] == r['expected'] for r in rows)
    return {'ok': good, 'rows': rows}, good


def table(result):
    """Rows for people."""
    return quickstart.table(result['rows'])
