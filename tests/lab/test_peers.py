# SPDX-License-Identifier: BSD-3-Clause
"""The main job with real peers: one worker, AF_XDP, four consumers with one CIDR."""

import asyncio
import json
import pathlib
import re
import subprocess
import time

import harness
from harness import ENI, ENI_B, NODE, RawTcp, curl, curl_json, load, peers, proc

DEC1, DEC2, WEB, SQL = '10.0.1.31', '10.0.2.32', '10.0.1.21', '10.0.1.41'
ON, OFF, EARLY, HTTP, HAP, NOBODY = 8080, 8081, 8082, 80, 81, 9
# MariaDB itself, and MariaDB behind a HAProxy that waits for the header; in both placements.
DB, DB_EARLY, DB_HAP, DB_HAP_EARLY = 3306, 3307, 3316, 3317
CLIENT = '172.16.1.100'
NODES = {NODE, harness.NODE_B}


def size_name(size):
    return {1: '1B', 1000: '1kB', 10**6: '1MB', 10**8: '100MB'}[size]


class Peers(harness.LastTests, harness.LabCase):

    @classmethod
    def make_config(cls):
        both = [DEC1, DEC2]
        return harness.config([
            harness.group('on', ON, [(ip, ON) for ip in both]),
            harness.group('off', OFF, [(ip, OFF) for ip in both], proxy=False),
            harness.group('early', EARLY, [(DEC1, EARLY)], placement='on_first_ack'),
            harness.group('web', HTTP, [(WEB, HTTP)]),
            harness.group('hap', HAP, [(WEB, HAP)]),
            harness.group('db', DB, [(SQL, DB)]),
            harness.group('db-early', DB_EARLY, [(SQL, DB)], placement='on_first_ack'),
            harness.group('db-hap', DB_HAP, [(SQL, DB_HAP)]),
            harness.group('db-hap-early', DB_HAP_EARLY, [(SQL, DB_HAP)], placement='on_first_ack'),
            harness.group('closed', NOBODY, [(WEB, NOBODY)]),
        ], consumers=4, accept=['c1', 'c2'], reject=['c3'])

    @classmethod
    def start_servers(cls):
        for ip in (DEC1, DEC2):
            peers.decoder(cls.lab, 'provider', ip, ON)
            peers.decoder(cls.lab, 'provider', ip, OFF, proxy=False)
        peers.decoder(cls.lab, 'provider', DEC1, EARLY)
        peers.nginx(cls.lab, 'provider', WEB, HTTP)
        peers.haproxy(cls.lab, 'provider', WEB, HAP)
        peers.mariadb(cls.lab, 'provider', SQL, DB)
        peers.haproxy_tcp(cls.lab, 'provider', SQL, DB_HAP, f'{SQL}:{DB}')

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ids = {e['name']: e['id'] for e in cls.culvert.endpoints()}

    def all_good(self, answers):
        bad = [a.error or a.status for a in answers if a.status != 200]
        self.assertEqual(bad, [], f'{len(bad)} of {len(answers)} requests failed')

    def blocked(self, consumer, reason):
        before = self.culvert.drops().get(reason, 0)
        done = curl(self.lab, consumer, f'http://{ENI}:{ON}/', '--connect-timeout', 2.5)
        self.assertEqual(done.returncode, 28, done.stderr)
        self.wait_dropped(reason, before, 2)

    # Who is seen ------------------------------------------------------------------------------

    def test_decoder_sees_client_and_endpoint(self):
        for eni in (ENI, ENI_B):
            seen = curl_json(self.lab, 'c1', f'http://{eni}:{ON}/')
            self.assertEqual(seen['client'], seen['local'])
            self.assertEqual(seen['dst'], f'{eni}:{ON}')
            self.assertEqual(seen['vpce'], self.ids['c1'])
            self.assertIs(seen['crc_ok'], True)
            self.assertEqual(seen['tlvs'], [[3, 4], [0xEA, 23], [4, 36]])
            self.assertIn(seen['peer'].split(':')[0], NODES)
            self.assertGreaterEqual(int(seen['peer'].split(':')[1]), 1024)

    def test_early_header_is_the_same(self):
        seen = curl_json(self.lab, 'c1', f'http://{ENI}:{EARLY}/')
        self.assertEqual((seen['client'], seen['vpce'], seen['crc_ok'], seen['header_len']),
                         (seen['local'], self.ids['c1'], True, 100))

    def test_without_proxy_the_node_is_the_client(self):
        seen = curl_json(self.lab, 'c1', f'http://{ENI}:{OFF}/')
        self.assertIn(seen['client'].split(':')[0], NODES)
        self.assertEqual(seen['header_len'], 0)

    def test_nginx_parses_the_header(self):
        seen = curl_json(self.lab, 'c2', f'http://{ENI}:{HTTP}/')
        self.assertEqual((seen['server'], seen['client'], seen['dst']),
                         ('nginx', seen['local'], f'{ENI}:{HTTP}'))

    def test_haproxy_parses_the_header(self):
        seen = curl_json(self.lab, 'c1', f'http://{ENI_B}:{HAP}/')
        self.assertEqual((seen['server'], seen['client'], seen['dst']),
                         ('haproxy', seen['local'], f'{ENI_B}:{HAP}'))
        line = f'saw {seen["local"]} at {ENI_B}:{HAP} status 200'
        proc.wait_for(lambda: line in self.lab.output(f'haproxy-{WEB}-{HAP}'), 30, line)
        self.assertNotIn('invalid PROXY', self.lab.output(f'haproxy-{WEB}-{HAP}'))

    def test_consumers_with_one_cidr_are_told_apart(self):
        for eni in (ENI, ENI_B):
            for name in ('c1', 'c2', 'c1'):
                seen = curl_json(self.lab, name, f'http://{eni}:{ON}/')
                self.assertEqual((seen['client'], seen['vpce']), (seen['local'], self.ids[name]))
        # The same address and port on both sides at one moment: still two flows.
        local = ('--local-port', 33333)
        for name in ('c1', 'c2'):
            seen = curl_json(self.lab, name, f'http://{ENI}:{ON}/', *local)
            self.assertEqual((seen['client'], seen['vpce']), (f'{CLIENT}:33333', self.ids[name]))

    def test_every_target_gets_its_share(self):
        answers = load(self.lab, 'c1', ENI, ON, 200, at_once=20)
        self.all_good(answers)
        share = [a.json()['target'] for a in answers].count(f'{DEC1}:{ON}')
        self.assertTrue(60 < share < 140, f'{share} of 200')

    def test_tshark_decodes_what_the_target_received(self):
        pcap = self.lab.path('tshark.pcap')
        dump = self.lab.spawn('tcpdump', ['tcpdump', '-i', 'eth0', '--immediate-mode', '-U', '-Z',
                                          'root', '-w', pcap, 'tcp', 'port', str(EARLY)],
                              ns=self.lab.ns('provider', DEC1))
        proc.wait_for(lambda: 'listening' in self.lab.output('tcpdump'), 30, 'tcpdump')
        seen = [curl_json(self.lab, name, f'http://{ENI}:{EARLY}/') for name in ('c1', 'c2', 'c1')]
        proc.wait_for(lambda: pathlib.Path(pcap).read_bytes().count(harness.ppv2.SIGNATURE) >= 3, 30,
                      'tcpdump to write the headers')
        proc.end_pids([(dump.pid, proc.start_time(dump.pid))])
        fields = ('ip.src', 'tcp.srcport', 'proxy.src.ipv4', 'proxy.srcport', 'proxy.dst.ipv4',
                  'proxy.dstport', 'proxy.v2.length', 'proxy.v2.tlv.type', 'proxy.v2.tlv.length',
                  'proxy.v2.tlv.value')
        out = proc.run(['tshark', '-r', pcap, '-o', 'tcp.try_heuristic_first:TRUE',
                        '-o', 'tcp.check_checksum:TRUE', '-Y', 'proxy', '-T', 'fields',
                        '-E', 'separator=|', *(x for f in fields for x in ('-e', f))]).stdout
        lines = [line.split('|') for line in out.splitlines()]
        self.assertEqual(len(lines), 3, out)
        for line, saw, name in zip(lines, seen, ('c1', 'c2', 'c1')):
            self.assertEqual(f'{line[0]}:{line[1]}', saw['peer'])
            self.assertEqual(f'{line[2]}:{line[3]}', saw['local'])
            self.assertEqual((line[4], line[5], line[6]), (ENI, str(EARLY), '84'))
            self.assertEqual([int(x, 0) for x in line[7].split(',')], [3, 0xEA, 4])
            self.assertEqual(line[8], '4,23,36')
            vpce = bytes.fromhex(line[9].split(',')[1].replace(':', ''))
            self.assertEqual(vpce, b'\x01' + self.ids[name].encode())
        bad = proc.run(['tshark', '-r', pcap, '-o', 'tcp.check_checksum:TRUE',
                        '-o', 'ip.check_checksum:TRUE', '-Y', f'ip.src in {{{NODE}, {harness.NODE_B}}} '
                        '&& (tcp.checksum.status == 0 || ip.checksum.status == 0)']).stdout
        self.assertEqual(bad, '')

    # Who is kept out --------------------------------------------------------------------------

    def test_rejected_endpoint_times_out_and_is_counted(self):
        self.blocked('c3', 'endpoint_rejected')

    def test_pending_endpoint_times_out_and_is_counted(self):
        self.blocked('c4', 'endpoint_pending')

    def test_port_without_listener_is_silent(self):
        raw = RawTcp(self.lab.ns('c1'), CLIENT, ENI)
        self.addCleanup(raw.close)
        before = self.culvert.drops().get('no_listener', 0)
        for flags in (harness.SYN, harness.ACK, harness.FIN | harness.ACK):
            raw.send(40001, 12345, flags, seq=1)
        self.assertIsNone(raw.receive(40001, 12345, 1.0))
        self.wait_dropped('no_listener', before, 3)
        self.assertEqual(self.culvert.drops()['no_listener'] - before, 3)

    def test_stray_segment_gets_a_reset(self):
        raw = RawTcp(self.lab.ns('c1'), CLIENT, ENI)
        self.addCleanup(raw.close)
        raw.send(40002, ON, harness.ACK, seq=1000, ack=777)
        self.assertEqual(raw.receive(40002, ON, 20), (harness.RST, 777, 0))
        raw.send(40002, ON, harness.FIN, seq=1000, payload=b'abc')
        self.assertEqual(raw.receive(40002, ON, 20), (harness.RST | harness.ACK, 0, 1004))
        raw.send(40002, ON, harness.RST, seq=1000)
        self.assertIsNone(raw.receive(40002, ON, 0.5))

    def test_reset_of_a_closed_target_port_is_forwarded(self):
        begin = time.monotonic()
        done = curl(self.lab, 'c1', f'http://{ENI}:{NOBODY}/')
        self.assertEqual(done.returncode, 7, done.stderr)
        # Not curl's own limit.
        self.assertLess(time.monotonic() - begin, 30)

    def test_icmp_echo_is_not_answered(self):
        before = self.culvert.drops().get('icmp', 0)
        with proc.socket_in(self.lab.ns('c1'), harness.socket.AF_INET, harness.socket.SOCK_RAW,
                            harness.socket.IPPROTO_ICMP) as sock:
            sock.settimeout(0.7)
            sock.sendto(bytes.fromhex('0800f7fd00010001'), (ENI, 0))
            with self.assertRaises(TimeoutError):
                sock.recv(100)
        self.wait_dropped('icmp', before)
        self.assertEqual(self.culvert.drops()['icmp'] - before, 1)

    # Many -------------------------------------------------------------------------------------

    def test_1000_concurrent_curls(self):
        stats = []
        for seconds in (6, 20, 45):     # a slow machine takes long to open them all
            self._curls(seconds)
            stats = [harness.direct(self.lab, ip, ON, '/stats') for ip in (DEC1, DEC2)]
            if sum(s['open_max'] for s in stats) >= 1000:
                break
        self.assertGreaterEqual(sum(s['open_max'] for s in stats), 1000, stats)
        self.assertEqual([s['bad_headers'] for s in stats], [0, 0])

    def _curls(self, wait_s):
        """1000 requests by four curls; the wait holds all of them open at the same time."""
        where, size, each = self.lab.scratch(), 50_000, 250
        want = harness.sha256(harness.body(size))
        children = []
        for part in range(4):
            script = f'{where}/{part}.curl'
            with open(script, 'w', encoding='ascii') as file:
                for idx in range(each):
                    eni = (ENI, ENI_B)[idx % 2]
                    file.write(f'url = http://{eni}:{ON}/bytes/{size}?wait={wait_s}\n'
                               f'output = {where}/{part}-{idx}\n')
            argv = ['curl', '-sS', '-H', 'Connection: close', '-Z', '--parallel-max', '300',
                    '--parallel-immediate', '--max-time', '150', '-K', script]
            children.append(subprocess.Popen(
                proc.ns_argv(self.lab.ns(('c1', 'c2')[part % 2]), argv), start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))
        try:
            for child in children:
                err = child.communicate(timeout=200)[1]
                self.assertEqual(child.returncode, 0, err[-500:])
        finally:
            for child in children:
                child.kill()
                child.wait()
        wrong = []
        for part in range(4):
            for idx in range(each):
                with open(f'{where}/{part}-{idx}', 'rb') as file:
                    if harness.sha256(file.read()) != want:
                        wrong.append((part, idx))
        self.assertEqual(wrong, [])

    def test_1000_connections_open_at_once(self):
        async def all_open():
            barrier = asyncio.Semaphore(0)

            async def one(idx):
                sock = proc.socket_in(self.lab.ns('c1'), harness.socket.AF_INET,
                                      harness.socket.SOCK_STREAM)
                sock.setblocking(False)
                await asyncio.get_running_loop().sock_connect(sock, ((ENI, ENI_B)[idx % 2], ON))
                reader, writer = await asyncio.open_connection(sock=sock)
                local = '%s:%d' % sock.getsockname()
                barrier.release()
                await go.wait()
                writer.write(b'GET / HTTP/1.1\r\nConnection: close\r\n\r\n')
                data = await reader.read()
                writer.close()
                return local, json.loads(data.partition(b'\r\n\r\n')[2])
            go = asyncio.Event()
            tasks = [asyncio.ensure_future(one(i)) for i in range(1000)]
            for _ in tasks:
                await asyncio.wait_for(barrier.acquire(), 60)
            flows = len(self.culvert.show('flows', '--limit', '5000')['flows'])
            go.set()
            return flows, await asyncio.wait_for(asyncio.gather(*tasks), 120)
        flows, got = asyncio.run(all_open())
        self.assertGreaterEqual(flows, 1000)
        for local, seen in got:
            self.assertEqual((seen['client'], seen['crc_ok']), (local, True))

    # A database: the server speaks first ------------------------------------------------------

    def _sql(self, tcp_port, timeout):
        begin = time.monotonic()
        done = proc.run(['mariadb', '--no-defaults', '-h', ENI, '-P', tcp_port, '-u', 'lab', '-N', '-B',
                         f'--connect-timeout={timeout}', '-e',
                         'SELECT USER(), REPEAT("x", 300000)', 'lab'],
                        ns=self.lab.ns('c1'), check=False, timeout=timeout + 20)
        return done, time.monotonic() - begin

    def _sql_works(self, tcp_port):
        fastest = 60
        for _ in range(5):      # the machine may be busy
            done, took = self._sql(tcp_port, 30)
            self.assertEqual(done.returncode, 0, done.stderr)
            user, text = done.stdout.strip().split('\t')
            self.assertEqual(user, f'lab@{CLIENT}')
            self.assertEqual(text, 'x' * 300000)
            fastest = min(fastest, took)
            if fastest < 3:
                break
        self.assertLess(fastest, 3)

    def test_mariadb_behind_haproxy_hangs_until_timeout_with_first_payload(self):
        # Each side waits for the other: the client for the greeting, the parser for the header.
        done, took = self._sql(DB_HAP, 3)
        self.assertNotEqual(done.returncode, 0)
        self.assertGreater(took, 2.5)
        self.assertIn('reading initial communication packet', done.stderr)

    def test_mariadb_behind_haproxy_works_with_first_ack(self):
        self._sql_works(DB_HAP_EARLY)

    def test_lost_header_comes_again_though_the_client_is_silent(self):
        for n in (1, 3):
            fastest = 60
            for _ in range(5):      # the machine may be busy
                with harness.lose_headers(self.lab.ns('provider', SQL), n) as lost:
                    done, took = self._sql(DB_HAP_EARLY, 30)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertEqual(lost(), n)
                fastest = min(fastest, took)
                if fastest < 2 + 4 * n:
                    break
            self.assertLess(fastest, 2 + 4 * n)

    def test_mariadb_works_with_first_ack(self):
        self._sql_works(DB_EARLY)

    def test_mariadb_alone_does_not_hang_with_first_payload(self):
        # Its own parser greets before the header and reads the header with the client's answer.
        self._sql_works(DB)

    # What the operator sees -------------------------------------------------------------------

    def test_every_show_answers_json(self):
        for what in ('ports', 'vpcs', 'load-balancers', 'targets', 'services', 'endpoints', 'flows',
                     'snat', 'drops', 'workers', 'config'):
            with self.subTest(what=what):
                self.assertIsInstance(self.culvert.show(what), dict)

    def test_every_show_prints_a_table(self):
        for what in ('ports', 'vpcs', 'load-balancers', 'targets', 'services', 'endpoints', 'flows',
                     'snat', 'drops', 'workers', 'config'):
            with self.subTest(what=what):
                shown = proc.run([harness.culvertd.CULVERTCTL, '-s', self.culvert.socket, 'show', what])
                self.assertGreater(len(shown.stdout.splitlines()), 0)

    def test_flows_are_listed_while_they_live(self):
        with proc.socket_in(self.lab.ns('c2'), harness.socket.AF_INET,
                            harness.socket.SOCK_STREAM) as sock:
            sock.bind((CLIENT, 35555))
            sock.connect((ENI, EARLY))
            args = ('--endpoint', self.ids['c2'], '--target', f'{DEC1}:{EARLY}')
            # The client's last segment of the handshake may be under way.
            proc.wait_for(lambda: self.culvert.show('flows', *args, '--state', 'established')['flows'], 30,
                          'an established flow')
            flow, = self.culvert.show('flows', *args)['flows']
            self.assertEqual((flow['client'], flow['dialled'], flow['target'], flow['state']),
                             (f'{CLIENT}:35555', f'{ENI}:{EARLY}', f'{DEC1}:{EARLY}', 'established'))
            self.assertIn(flow['node'].split(':')[0], NODES)
        proc.wait_for(lambda: not self.culvert.show('flows', *args, '--state', 'established')['flows'],
                      30, 'the flow to leave the table')

    def test_metrics_are_prometheus_text(self):
        text = self.culvert.metrics_text()
        line = re.compile(r'^(# (HELP|TYPE) \S+ .+|[a-z_:][a-z0-9_:]*(\{[^{}]*\})? [-+0-9.eE]+|)$')
        wrong = [x for x in text.splitlines() if not line.match(x)]
        self.assertEqual(wrong, [])
        self.assertRegex(text, r'(?m)^culvert_\S*drop\S*\{.*endpoint_pending.*\} \d+$')


def _body_test(size, tcp_port, direction):
    def test(self):
        where, eni = self.lab.scratch(), ENI
        if direction == 'down':
            path = f'{where}/got'
            done = curl(self.lab, 'c1', f'http://{eni}:{tcp_port}/bytes/{size}', '-o', path)
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(path, 'rb') as file:
                data = file.read()
            self.assertEqual((len(data), harness.sha256(data)), (size, harness.decoder.body_sha256(size)))
            return
        path = f'{where}/sent'
        with open(path, 'wb') as file:
            file.write(harness.body(size))
        got = curl_json(self.lab, 'c1', f'http://{eni}:{tcp_port}/sink', '--data-binary', f'@{path}',
                        timeout=60)
        self.assertEqual((got['length'], got['sha256']), (size, harness.decoder.body_sha256(size)))
    return test


for _size in (1, 1000, 10**6, 10**8):
    for _port, _how in ((ON, 'proxy'), (OFF, 'plain'), (EARLY, 'early')):
        for _direction in ('up', 'down'):
            if _how != 'early' or _size < 10**8:
                setattr(Peers, f'test_body_{size_name(_size)}_{_how}_{_direction}',
                        _body_test(_size, _port, _direction))
