# SPDX-License-Identifier: BSD-3-Clause
"""Interfaces shared with the host: its own traffic goes on beside ours, whatever becomes of culvertd."""

import copy
import signal
import socket
import struct
import sys

import harness
from harness import ENI, curl_json, proc

DEC = '10.0.1.31'
ON = 8080
NEW_ENI = '172.16.1.77'
HOST = '172.16.1.2'       # the host's own address on the consumer's interface...
HOST_PROV = '10.0.1.2'    # ...and on the provider's
SSH = 22

# Stands for sshd: lives in the host's namespace, echoes.
ECHO = '''
import socket, threading
def serve(conn):
    while data := conn.recv(65536):
        conn.sendall(data)
with socket.create_server(('', 22)) as server:
    print('ready', flush=True)
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
'''


def icmp_echo(seq, kind=8):
    rest = struct.pack('!HH', 77, seq)
    total = (kind << 8) + 77 + seq
    return struct.pack('!BBH', kind, 0, ~total & 0xFFFF) + rest


class Shared(harness.LabCase):
    """One worker, two queues per port, each a device of its own: all join one program."""

    host_prov = HOST_PROV

    @classmethod
    def make_config(cls):
        conf = harness.config([harness.group('on', ON, [(DEC, ON)])], queues=2)
        for port in conf['dpdk']['ports']:
            port['steering'] = True
        return conf

    @classmethod
    def start_servers(cls):
        super().start_servers()
        for iface, addr in (('cv-c1', HOST), ('cv-prov', cls.host_prov)):
            proc.run(['ip', '-n', cls.lab.culvert_ns, 'addr', 'add', f'{addr}/24', 'dev', iface])
        cls.lab.spawn('echo', [sys.executable, '-c', ECHO], ns=cls.lab.culvert_ns)
        proc.wait_for(lambda: 'ready' in cls.lab.output('echo'), 30, 'the echo server')

    def dial(self, ip, port, timeout=30, ns=None):
        sock = proc.socket_in(ns or self.lab.ns('c1'), socket.AF_INET, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        sock.connect((ip, port))
        return sock

    def echo(self, sock, size=200_000):
        data = harness.body(size)
        got = b''
        for pos in range(0, size, 10_000):
            sock.sendall(data[pos:pos + 10_000])
            while len(got) < pos + 10_000:
                part = sock.recv(65536)
                self.assertTrue(part, 'the host closed')
                got += part
        self.assertEqual(got, data)

    def ping(self, ns, ip):
        with proc.socket_in(ns, socket.AF_INET, socket.SOCK_RAW,
                            socket.IPPROTO_ICMP) as sock:
            sock.settimeout(30)
            for seq in range(3):
                sock.sendto(icmp_echo(seq), (ip, 0))
                while sock.recv(100)[20:28] != icmp_echo(seq, 0):  # ours too, if ip is our own
                    pass

    def assert_host_works(self):
        with self.dial(HOST, SSH) as sock:
            self.echo(sock)
        self.ping(self.lab.ns('c1'), HOST)
        self.ping(self.lab.ns('provider', DEC), HOST_PROV)

    def assert_served(self, ip=ENI):
        seen = curl_json(self.lab, 'c1', f'http://{ip}:{ON}/')
        self.assertTrue(seen['crc_ok'])

    def wait_served(self, ip=ENI):
        """A client whose kernel has just asked for the MAC in vain does so again a second later."""
        proc.wait_for(lambda: harness.curl(self.lab, 'c1', f'http://{ip}:{ON}/', timeout=5).returncode == 0,
                      60, f'{ip} to be served')
        self.assert_served(ip)

    def steering(self, name):
        port, = (p for p in self.culvert.show('steering')['steering'] if p['port'] == name)
        return port

    def counts(self, name):
        return {k: v for k, v in self.steering(name).items() if k in ('ipv4', 'arp', 'vxlan', 'host', 'deaf')}


class Steering(Shared):

    def xdp(self):
        return proc.run(['ip', '-d', 'link'], ns=self.lab.culvert_ns).stdout.count('prog/xdp')

    def test_a_host_and_culvert_share_an_interface(self):
        with self.dial(HOST, SSH) as sock:
            for _ in range(3):
                self.echo(sock)
                self.assert_served()
        self.assert_host_works()
        self.assert_served()
        self.assertEqual(self.culvert.drops().get('not_for_us', 0), 0)

    def test_b_each_address_is_answered_by_its_owner(self):
        ns = self.lab.ns('c1')
        proc.run(['ip', '-n', ns, 'neigh', 'flush', 'dev', 'eth0'])
        self.assert_served()
        self.ping(self.lab.ns('c1'), HOST)
        shown = proc.run(['ip', '-n', ns, 'neigh'], ns=None).stdout
        macs = {line.split()[0]: line.split()[4] for line in shown.splitlines() if 'lladdr' in line}
        links = proc.run(['ip', '-o', 'link', 'show', 'cv-c1'], ns=self.lab.culvert_ns).stdout
        addrs = {a['ip']: a['mac'] for a in self.steering('c1')['addresses']}
        self.assertIn(macs[HOST], links)
        self.assertEqual(macs[ENI], addrs[ENI])

    def test_c_what_is_shown_is_what_happened(self):
        before = self.steering('c1')
        self.assert_served()
        self.ping(self.lab.ns('c1'), HOST)
        after = self.steering('c1')
        self.assertGreaterEqual(after['ipv4'] - before['ipv4'], 4)
        self.assertGreaterEqual(after['host'] - before['host'], 3)
        self.assertEqual(after['deaf'], 0)
        # An ENI of each endpoint in each of six zones.
        self.assertGreater(after['max_addresses'], 6 * 100000)
        self.assertEqual((after['mode'], after['interface'], after['n_addresses']),
                         ('native', 'cv-c1', 2))
        self.assertEqual({a['ip'] for a in self.steering('prov')['addresses']},
                         {harness.NODE, harness.NODE_B})

    def test_d_addresses_come_and_go_with_the_configuration(self):
        with self.assertRaises(OSError):
            self.dial(NEW_ENI, ON, 1)
        conf = copy.deepcopy(self.culvert.conf)
        conf['endpoints'][0]['subnets'] = [{'subnet': 'a', 'ip': NEW_ENI}]
        self.culvert.reload(conf)
        self.wait_served(NEW_ENI)
        self.assert_becomes([NEW_ENI], lambda: [a['ip'] for a in self.steering('c1')['addresses']])
        before = self.steering('c1')
        with self.assertRaises(OSError):
            self.dial(ENI, ON, 2)
        proc.wait_for(lambda: self.steering('c1')['host'] > before['host'], 30, 'the host to get it')
        self.assert_host_works()
        self.culvert.reload(self.culvert.conf)
        self.wait_served()

    def test_e_the_host_goes_on_when_culvertd_is_killed(self):
        with self.dial(HOST, SSH) as sock:
            self.echo(sock)
            self.assertEqual(self.xdp(), 2)
            self.culvert.stop(sig=signal.SIGKILL)
            self.echo(sock)
            self.assert_host_works()
            proc.wait_for(lambda: self.xdp() == 0, 30, 'the kernel to take the programs off')
            self.start_culvert()
            self.echo(sock)
            self.wait_served()
            self.culvert.stop()
            self.echo(sock)
            proc.wait_for(lambda: self.xdp() == 0, 30, 'the programs to be off')
            self.start_culvert()
        self.wait_served()

    def test_f_what_another_program_holds_is_refused(self):
        self.culvert.stop()
        conf = copy.deepcopy(self.conf)
        conf['dpdk']['ports'][1]['device'] = 'net_tap7,iface=cv-x'
        del conf['dpdk']['ports'][1]['devices']
        try:
            with self.assertRaisesRegex(proc.LabError,
                                        r'dpdk\.ports\[1\]\.steering: only devices net_af_xdp'):
                self.start_culvert(conf)
        finally:
            self.start_culvert()
        self.wait_served()


class SteeringVxlan(Shared):
    """The provider is in VXLAN, in an underlay that the host is in as well."""

    host_prov = '192.168.1.2'

    @classmethod
    def make_config(cls):
        return harness.in_vxlan(super().make_config(), 'provider', 5000, vtep='192.168.1.1',
                                peers=['192.168.1.9'])

    @property
    def vtep_ns(self):
        return f'{self.lab.prefix}.vtep-cv-prov-0'

    def test_a_host_shares_the_underlay(self):
        before = self.counts('prov')
        with self.dial(self.host_prov, SSH, ns=self.vtep_ns) as sock:
            for _ in range(3):
                self.echo(sock)
                self.assert_served()
                self.ping(self.vtep_ns, self.host_prov)
        after = self.counts('prov')
        self.assertGreater(after['vxlan'], before['vxlan'] + 10)
        self.assertGreater(after['host'], before['host'] + 60)
        self.assertEqual(after['ipv4'], before['ipv4'])
        self.assertEqual(after['deaf'], 0)
        self.assertEqual(self.vteps(), ['192.168.1.1'])

    def test_b_vxlan_of_the_hosts_own_is_the_hosts(self):
        """The port alone does not make a packet ours, and a packet to our VTEP never is the host's."""
        with proc.socket_in(self.lab.culvert_ns, socket.AF_INET, socket.SOCK_DGRAM) as host, \
                proc.socket_in(self.vtep_ns, socket.AF_INET, socket.SOCK_DGRAM) as peer:
            host.bind(('0.0.0.0', 4789))
            host.settimeout(30)
            before = self.culvert.drops()
            peer.sendto(b'ours', ('192.168.1.1', 4789))
            peer.sendto(b'the host\'s', (self.host_prov, 4789))
            self.assertEqual(host.recv(100), b'the host\'s')
            proc.wait_for(lambda: self.culvert.drops().get('runt', 0) > before.get('runt', 0), 30,
                          'culvert to drop what is no VXLAN')

    def test_c_another_vtep_is_steered_after_a_reload(self):
        conf = copy.deepcopy(self.culvert.conf)
        harness.in_vxlan(conf, 'provider', 5000, vtep='192.168.1.3', peers=['192.168.1.9'])
        with self.dial(self.host_prov, SSH, ns=self.vtep_ns) as sock:
            self.echo(sock)
            self.culvert.reload(conf)
            proc.wait_for(lambda: self.vteps() == ['192.168.1.3'], 30, 'the map to follow')
            self.echo(sock)
            self.ping(self.vtep_ns, self.host_prov)
            self.culvert.reload(self.culvert.conf)
            proc.wait_for(lambda: self.vteps() == ['192.168.1.1'], 30, 'the map to follow back')
            self.echo(sock)
        self.wait_served()

    def vteps(self):
        return [a['ip'] for a in self.steering('prov')['addresses']]
