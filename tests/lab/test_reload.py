# SPDX-License-Identifier: BSD-3-Clause
"""Reload under load, bad reloads, an orderly end."""

import asyncio
import copy
import json
import os
import re
import signal
import socket
import time
import unittest.mock

import harness
from harness import ENI, ENI_B, culvertd, curl, curl_json, peers, proc

DEC1, DEC2 = '10.0.1.31', '10.0.2.32'
ON, MORE = 8080, 8090


class Reload(harness.LastTests, harness.LabCase):

    @classmethod
    def make_config(cls):
        return harness.config([harness.group('on', ON, [(DEC1, ON), (DEC2, ON)])], consumers=2,
                              accept=['c1'])

    @classmethod
    def start_servers(cls):
        super().start_servers()
        peers.decoder(cls.lab, 'provider', DEC1, MORE)

    def tearDown(self):
        super().tearDown()
        self.culvert.reload(self.conf)

    def variant(self, **how):
        """The configuration with: one target less, another listener, c2 accepted or rejected."""
        conf = copy.deepcopy(self.conf)
        if how.get('one_target'):
            del conf['target_groups'][0]['targets'][1]
        if how.get('listener'):
            conf['target_groups'].append(harness.group('more', MORE, [(DEC1, MORE)]))
            conf['load_balancers'][0]['listeners'].append({'port': MORE, 'target_group': 'more'})
        service = conf['endpoint_services'][0]
        service['accept'] += how.get('accept', [])
        service['reject'] += how.get('reject', [])
        return conf

    async def _request_for(self, seconds, load, results):
        end = time.monotonic() + seconds
        while time.monotonic() < end or len(results) <= 100:    # the machine may be busy
            results.append(await load.one())

    async def _long_download(self, size, load):
        got = await load.one(f'/bytes/{size}')
        return got

    def test_reload_under_load_fails_no_request(self):
        variants = [self.variant(listener=True), self.variant(accept=['c2']), self.conf,
                    self.variant(one_target=True), self.variant(reject=['c2']), self.conf] * 2

        async def go():
            results = []
            loads = [harness.Load(self.lab.ns('c1'), eni, ON, 120) for eni in (ENI, ENI_B)]
            tasks = [self._request_for(7, loads[i % 2], results) for i in range(24)]
            tasks += [self._long_download(20_000_000, loads[0]) for _ in range(3)]
            done = asyncio.gather(*tasks)
            said = []
            for conf in variants:
                await asyncio.sleep(0.4)
                said.append(await asyncio.get_running_loop().run_in_executor(
                    None, self.culvert.reload, conf))
            return results, (await done)[24:], said
        results, long, _said = asyncio.run(go())
        bad = [r.error or r.status for r in results + long if r.status != 200]
        self.assertEqual(bad, [], f'{len(bad)} of {len(results)} failed')
        self.assertGreater(len(results), 100)
        want = harness.decoder.body_sha256(20_000_000)
        self.assertEqual({harness.sha256(r.body) for r in long}, {want})

    def test_live_flow_survives_reloads(self):
        async def go():
            sock = proc.socket_in(self.lab.ns('c1'), socket.AF_INET, socket.SOCK_STREAM)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, (ENI, ON))
            reader, writer = await asyncio.open_connection(sock=sock)
            peers_seen = set()
            for conf in (None, self.variant(listener=True), self.conf, self.variant(accept=['c2'])):
                if conf:
                    self.culvert.reload(conf)
                writer.write(b'GET / HTTP/1.1\r\n\r\n')
                head = await asyncio.wait_for(reader.readuntil(b'\r\n\r\n'), 30)
                size = int(head.split(b'Content-Length: ')[1].split(b'\r')[0])
                peers_seen.add(json.loads(await reader.readexactly(size))['peer'])
            writer.close()
            return peers_seen
        self.assertEqual(len(asyncio.run(go())), 1)

    def test_new_listener_serves_after_reload(self):
        self.assertEqual(curl(self.lab, 'c1', f'http://{ENI}:{MORE}/', '--connect-timeout', 1.5).returncode,
                         28)
        self.culvert.reload(self.variant(listener=True))
        self.assertTrue(curl_json(self.lab, 'c1', f'http://{ENI}:{MORE}/')['crc_ok'])

    def test_acceptance_takes_effect_and_rejection_too(self):
        url = f'http://{ENI}:{ON}/'
        self.assertEqual(curl(self.lab, 'c2', url, '--connect-timeout', 1.5).returncode, 28)
        self.culvert.reload(self.variant(accept=['c2']))
        self.assertTrue(curl_json(self.lab, 'c2', url)['crc_ok'])
        self.culvert.reload(self.variant(reject=['c2']))
        self.assertEqual(curl(self.lab, 'c2', url, '--connect-timeout', 1.5).returncode, 28)

    def test_removed_target_gets_no_new_flows(self):
        self.culvert.reload(self.variant(one_target=True))
        seen = {a.json()['target'] for a in harness.load(self.lab, 'c1', ENI, ON, 40)}
        self.assertEqual(seen, {f'{DEC1}:{ON}'})

    def _refused(self, text, pattern):
        before = self.culvert.show('config')
        said = self.culvert.reload(text)
        self.assertRegex(said, pattern)
        self.assertEqual(self.culvert.show('config').get('generation'), before.get('generation'))
        self.assertTrue(curl_json(self.lab, 'c1', f'http://{ENI}:{ON}/')['crc_ok'])

    def test_reload_of_broken_json_is_refused(self):
        self._refused('{"region": "us-east-1",\n "vpcs": [}', r'line 2')

    def test_reload_with_wrong_port_is_refused_and_says_where(self):
        conf = self.variant()
        conf['load_balancers'][0]['listeners'][0]['port'] = 70000
        self._refused(conf, r'load_balancers\[0\]\.listeners\[0\]\.port.*70000.*line \d+')

    def test_reload_with_unknown_key_is_refused(self):
        conf = self.variant()
        conf['vpcs'][0]['colour'] = 'red'
        self._refused(conf, r'vpcs\[0\]\.colour|vpcs\[0\].*colour')

    def test_reload_that_needs_a_restart_is_refused(self):
        conf = self.variant()
        conf['dpdk']['ports'][0]['mtu'] = 1400
        self._refused(conf, r'(?i)restart')


class Life(harness.LabCase):
    """Start without hugepages, stop, leave nothing."""

    huge = False

    @classmethod
    def make_config(cls):
        conf = harness.config([harness.group('on', ON, [(DEC1, ON)])])
        conf['dpdk']['memory_mb'] = 256
        conf['dpdk']['mbufs'] = 16384
        conf['limits']['flows'] = 16384
        return conf

    def test_serves_without_hugepages(self):
        with open('/proc/meminfo', encoding='ascii') as file:
            note = [x.strip() for x in file if x.startswith('HugePages_')]
        harness.note(' '.join(note))
        maps = proc.run(['cat', f'/proc/{self.culvert.child.pid}/maps']).stdout
        self.assertNotIn('hugepage', maps)
        answers = harness.load(self.lab, 'c1', ENI, ON, 200, at_once=50)
        self.assertEqual({a.status for a in answers}, {200})
        got = curl(self.lab, 'c1', f'http://{ENI}:{ON}/bytes/5000000')
        self.assertEqual(harness.sha256(got.stdout), harness.decoder.body_sha256(5_000_000))


class Overtaken(harness.LabCase):
    """Another program takes the hugepages that were free a moment ago."""

    @classmethod
    def make_config(cls):
        conf = Life.make_config()
        with open('/proc/meminfo', encoding='ascii') as file:
            free = next(int(x.split()[1]) for x in file if x.startswith('HugePages_Free:'))
        conf['dpdk']['memory_mb'] = 2 * free + 256
        return conf

    @classmethod
    def start_culvert(cls, conf=None):
        with unittest.mock.patch.object(culvertd.state, 'take_hugepages', return_value=True):
            super().start_culvert(conf)

    def test_serves_without_them(self):
        self.assertIn('--no-huge', self.culvert.notice)
        self.assertTrue(curl_json(self.lab, 'c1', f'http://{ENI}:{ON}/')['crc_ok'])


class End(harness.LabCase):
    """SIGTERM, SIGINT: each test starts its own culvertd in the lab of the class."""

    @classmethod
    def make_config(cls):
        return Life.make_config()

    def setUp(self):
        if not self.culvert.is_running():
            type(self).culvert = culvertd.Culvertd(self.lab, name=f'again-{self.id()[-8:]}').start()

    def tearDown(self):
        pass

    def _ends(self, sig):
        pid = self.culvert.child.pid
        self.assertTrue(curl_json(self.lab, 'c1', f'http://{ENI}:{ON}/')['crc_ok'])
        code, said = self.culvert.stop(sig=sig)
        self.assertEqual(code, 0, said)
        self.assertFalse(os.path.exists(self.culvert.socket))
        self.assertFalse(os.path.exists(f'/proc/{pid}'))
        return said

    def test_sigterm_ends_with_a_summary(self):
        said = self._ends(signal.SIGTERM)
        self.assertRegex(said, r'(?i)flows')
        self.assertRegex(said, r'(?i)packets')
        self.assert_becomes(None, lambda: re.search(r'xdp.*prog|prog/xdp', proc.run(
            ['ip', '-d', 'link'], ns=self.lab.culvert_ns).stdout))

    def test_sigint_ends_too(self):
        self._ends(signal.SIGINT)

    def test_killed_culvertd_can_be_started_again(self):
        with proc.socket_in(self.lab.ns('c1'), socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.settimeout(30)
            sock.connect((ENI, ON))
            self.culvert.child.kill()
            self.culvert.child.wait(60)
            type(self).culvert = culvertd.Culvertd(self.lab, name='after').start()
            self.assertTrue(curl_json(self.lab, 'c1', f'http://{ENI}:{ON}/')['crc_ok'])
            # The flow of before is not known any more: its next segment is a stray one.
            with self.assertRaises(ConnectionResetError):
                sock.sendall(b'GET / HTTP/1.1\r\n\r\n')
                sock.recv(100)
