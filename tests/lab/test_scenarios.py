# SPDX-License-Identifier: BSD-3-Clause
"""tools/lab: each scenario as a user starts it, small."""

import json
import os
import subprocess
import unittest

import harness

LAB = ['/usr/bin/python3', str(harness.TOP / 'tools' / 'lablib' / 'main.py')]


def play(*args, timeout=100):
    """A command of tools/lab, without its packages and build: CompletedProcess."""
    child = subprocess.Popen([*LAB, *map(str, args)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        out, err = child.communicate(timeout=timeout)
    except BaseException:
        child.terminate()   # it takes its lab down
        child.communicate(timeout=30)
        raise
    return subprocess.CompletedProcess(args, child.returncode, out, err)


class Scenario(unittest.TestCase):
    """What all share."""

    def played(self, name, *args, **kw):
        """The result of a scenario, which must be good."""
        done = play(name, '--json', '--prefix', f'cvl-t{os.getpid()}-{name}', *args, **kw)
        self.assertEqual(done.returncode, 0, f'{done.stdout}\n{done.stderr}'[-3000:])
        return json.loads(done.stdout)


class ConnLimit(Scenario):

    def check(self, *args, saw='timeout'):
        got = self.played('conn-limit', '--ports', 500, '--rest', 3, *args)
        self.assertEqual((got['served'], got['served_anew'], got['client_saw']), (500, 500, saw))
        self.assertGreaterEqual(got['port_allocation_errors'], 10)
        self.assertIs(got['cured_by_target'], True)
        self.assertIs(got['cured_by_secondary_ip'], True)
        return got

    def test_limit_is_exact_and_cured(self):
        self.assertEqual(self.check()['workers'], 1)

    def test_limit_with_two_workers_and_resets(self):
        plot = f'/tmp/culvert-plot-{os.getpid()}.svg'
        self.addCleanup(lambda: os.path.exists(plot) and os.unlink(plot))
        got = self.check('--workers', 2, '--policy', 'reset', '--plot', plot, saw='connection refused')
        self.assertEqual(got['workers'], 2)
        with open(plot, encoding='utf-8') as file:
            self.assertIn('<polyline', file.read())


class Command(unittest.TestCase):
    """The list and its shape."""

    def test_list_names_every_scenario(self):
        listed = json.loads(play('list', '--json').stdout)['scenarios']
        names = [s['name'] for s in listed]
        self.assertIn('conn-limit', names)
        text = play('list').stdout
        for one in listed:
            self.assertRegex(text, rf'(?m)^{one["name"]} +\S')
            self.assertTrue(10 < len(one['summary']) < 90, one)
            self.assertIn('--json', play(one['name'], '--help').stdout)

    def test_unknown_scenario_is_refused(self):
        done = play('no-such-thing')
        self.assertEqual(done.returncode, 2)
        self.assertIn('conn-limit', done.stderr)
