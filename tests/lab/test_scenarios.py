# SPDX-License-Identifier: BSD-3-Clause
"""tools/lab: each scenario as a user starts it, small."""

import json
import os
import subprocess
import unittest

import harness
from scenarios import userguide

LAB = ['/usr/bin/python3', str(harness.TOP / 'tools' / 'lablib' / 'main.py')]


def begin(*args):
    """Start a command of tools/lab, without its packages and build."""
    return subprocess.Popen([*LAB, *map(str, args)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, start_new_session=True)


def end(child, timeout=400):
    """Wait for it: CompletedProcess."""
    try:
        out, err = child.communicate(timeout=timeout)
    except BaseException:
        child.terminate()   # it takes its lab down
        child.communicate(timeout=30)
        raise
    return subprocess.CompletedProcess(child.args, child.returncode, out, err)


def scenario(name, *args):
    """Start a scenario under a name of this test run."""
    return begin(name, '--json', '--prefix', f'cvl-t{os.getpid()}-{name}', *args)


class Scenarios(unittest.TestCase):
    """Each must find what it expects. The one that mostly waits does so beside the others."""

    @classmethod
    def setUpClass(cls):
        cls.idle = scenario('idle-timeout')
        cls.addClassCleanup(cls.end_idle)

    @classmethod
    def end_idle(cls):
        if cls.idle.poll() is None:
            cls.idle.terminate()
            cls.idle.communicate(timeout=30)

    def good(self, child):
        """The result of a scenario, which must be good."""
        done = end(child)
        self.assertEqual(done.returncode, 0, f'{done.stdout}\n{done.stderr}'[-3000:])
        return json.loads(done.stdout)

    def steps(self, child, at_least):
        """The steps of a scenario that is a story, by name."""
        got = self.good(child)
        self.assertIs(got['ok'], True)
        self.assertGreaterEqual(len(got['steps']), at_least)
        for step in got['steps']:
            self.assertEqual((step['got'], step['ok']), (step['expected'], True))
        return {step['step']: step for step in got['steps']}

    def conn_limit(self, *args, saw='timeout'):
        got = self.good(scenario('conn-limit', '--ports', 500, '--rest', 3, *args))
        self.assertEqual((got['served'], got['served_anew'], got['client_saw']), (500, 500, saw))
        self.assertGreaterEqual(got['port_allocation_errors'], 10)
        self.assertIs(got['cured_by_target'], True)
        self.assertIs(got['cured_by_secondary_ip'], True)
        return got

    def test_conn_limit_is_exact_over_two_workers_and_cured(self):
        self.assertEqual(self.conn_limit('--workers', 2)['workers'], 2)

    def test_conn_limit_with_resets(self):
        plot = f'/tmp/culvert-plot-{os.getpid()}.svg'
        self.addCleanup(lambda: os.path.exists(plot) and os.unlink(plot))
        got = self.conn_limit('--policy', 'reset', '--plot', plot, saw='connection refused')
        self.assertEqual(got['workers'], 1)
        with open(plot, encoding='utf-8') as file:
            self.assertIn('<polyline', file.read())

    def test_soak_loses_and_leaks_nothing(self):
        got = self.good(scenario('soak', '--minutes', 0.25))
        self.assertEqual((got['lost'], got['leaks'], got['vanished_packets']), (0, [], 0))
        self.assertGreater(got['requests'], 100)
        self.assertGreater(got['long_requests'], 20)
        self.assertGreaterEqual(got['changes'], 20)

    def test_pending(self):
        self.steps(scenario('pending'), 11)

    def test_proxy_choke(self):
        self.steps(scenario('proxy-choke'), 5)

    def test_server_first(self):
        self.steps(scenario('server-first'), 2)

    def test_az_mismatch(self):
        steps = self.steps(scenario('az-mismatch'), 7)
        self.assertIn('use1-az2', steps['--check of c2 in the us-east-1a that it knows']['error'])

    def test_zz_idle_timeout(self):
        self.steps(self.idle, 8)


class AwsScenarios(unittest.TestCase):
    """What documents do with the stock client; two at a time, as they mostly wait for it."""

    def play(self, *names_and_steps):
        children = [(scenario(name), steps) for name, steps in names_and_steps]
        try:
            for child, steps in children:
                Scenarios.steps(self, child, steps)
        finally:
            for child, _ in children:
                if child.poll() is None:
                    end(child)

    def good(self, child):
        """As of Scenarios; a slow machine needs long to start the client a hundred times."""
        done = end(child, 900)
        self.assertEqual(done.returncode, 0, f'{done.stdout}\n{done.stderr}'[-3000:])
        return json.loads(done.stdout)

    def test_walkthrough_and_emqx(self):
        self.play(('walkthrough', 19), ('emqx', 21))

    def test_approver(self):
        self.play(('approver', 16))

    def test_rds(self):
        self.play(('rds', 17))

    def test_userguide_and_blog(self):
        self.play(('userguide', 40), ('blog', 30))


class Comparison(unittest.TestCase):
    """The user guide's answers against what came."""

    def test_each_difference_is_named(self):
        shown = {'A': [{'B': userguide.SERVICE, 'C': True}], 'D': 'x'}
        good = {'A': [{'B': 'vpce-svc-0123456789abcdef0', 'C': True, 'more': 1}], 'D': 'x'}
        self.assertEqual(userguide.differences(shown, good), [])
        for wrong, said in (({**good, 'D': 'y'}, '.D: y'), ({'A': good['A']}, '.D is missing'),
                            ({**good, 'A': []}, '.A: []'), ({**good, 'A': None}, '.A: None'),
                            ({**good, 'A': [{'B': 'vpce-svc-1', 'C': True}]}, '.A[0].B: vpce-svc-1'),
                            ({**good, 'A': [{**good['A'][0], 'C': 'true'}]}, '.A[0].C: true'),
                            ({**good, 'A': ['x']}, '.A[0]: x')):
            self.assertEqual(userguide.differences(shown, wrong), [said])


class Command(unittest.TestCase):
    """The list and its shape."""

    def test_list_names_every_scenario(self):
        listed = json.loads(end(begin('list', '--json')).stdout)['scenarios']
        names = [s['name'] for s in listed]
        self.assertIn('conn-limit', names)
        text = end(begin('list')).stdout
        for one in listed:
            self.assertRegex(text, rf'(?m)^{one["name"]} +\S')
            self.assertTrue(10 < len(one['summary']) < 90, one)
            self.assertIn('--json', end(begin(one['name'], '--help')).stdout)

    def test_unknown_scenario_is_refused(self):
        done = end(begin('no-such-thing'))
        self.assertEqual(done.returncode, 2)
        self.assertIn('conn-limit', done.stderr)
