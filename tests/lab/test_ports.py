# SPDX-License-Identifier: BSD-3-Clause
"""Kinds of ports beside AF_XDP: AF_PACKET, TAP, memif, pcap."""

import copy
import socket

from scapy.data import DLT_EN10MB
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import ARP, Ether
from scapy.utils import rdpcap, wrpcap

import harness
from harness import ENI, NODE, curl, curl_json, load, proc

DEC = '10.0.1.31'
ON = 8080
SIZE = 300_000
CLIENT = '172.16.1.100'
HOST_MAC = '02:00:00:00:00:05'   # of the hosts that are files
HEADER_LEN = 100
N_MACS = 64 * 128


def use(conf, name, *devices, **settings):
    """Make other devices of a port."""
    port, = (p for p in conf['dpdk']['ports'] if p['name'] == name)
    port.update(settings, devices=list(devices))


def ip(ns, *lines):
    for line in lines:
        proc.run(['ip', '-n', ns, *line.split()])


def eni_macs(frame):
    """A frame to each MAC that ENI may have: two bytes that depend on the VPC, then the address."""
    for n in range(N_MACS):
        yield bytes([n >> 7 << 2 | 2, n << 1 & 0xFF]) + socket.inet_aton(ENI) + frame[6:]


class Base(harness.LabCase):
    """A provider and consumers of one service, whose target tells what it saw."""

    consumers = 1
    workers = 1

    @classmethod
    def make_config(cls):
        return harness.config([harness.group('on', ON, [(DEC, ON)])], consumers=cls.consumers,
                              workers=cls.workers)

    @classmethod
    def change(cls, conf):
        """What differs between the lab's configuration, with AF_XDP, and culvertd's."""

    @classmethod
    def start_culvert(cls, conf=None):
        conf = copy.deepcopy(cls.conf)
        cls.change(conf)
        super().start_culvert(conf)

    def tearDown(self):
        super().tearDown()
        self.assert_kernel_saw_no_bad_segment()
        self.assert_books_balance()

    def assert_served(self, name):
        ids = {e['name']: e['id'] for e in self.culvert.endpoints()}
        seen = curl_json(self.lab, name, f'http://{ENI}:{ON}/')
        self.assertEqual((seen['client'], seen['vpce'], seen['crc_ok']), (seen['local'], ids[name], True))

    def assert_bodies_are_exact(self, name):
        got = curl(self.lab, name, f'http://{ENI}:{ON}/bytes/{SIZE}')
        self.assertEqual(harness.sha256(got.stdout), harness.decoder.body_sha256(SIZE), got.stderr)
        sent, = load(self.lab, name, ENI, ON, 1, '/sink', harness.body(SIZE))
        self.assertEqual(sent.status, 200, sent.error)
        self.assertEqual(sent.json()['sha256'], harness.decoder.body_sha256(SIZE))

    def assert_works(self, name):
        self.assert_served(name)
        self.assert_bodies_are_exact(name)

    def assert_driver(self, name, driver):
        def shown():
            port, = (p for p in self.culvert.show('ports')['ports'] if p['name'] == name)
            return port['driver'], port['link']
        self.assert_becomes((driver, 'up'), shown)


class AfPacket(Base):
    """The provider on several queues; two consumers on VLANs, whose tags the kernel takes off."""

    consumers = 2
    workers = 2
    vlans = {'c1': 11, 'c2': 12}

    @classmethod
    def make_config(cls):
        conf = super().make_config()
        use(conf, 'prov', 'net_af_packet0,iface=cv-prov,qpairs=2')
        use(conf, 'c1', 'net_af_packet1,iface=cv-c1')
        return harness.on_vlans(conf, 'c1', cls.vlans)

    def test_requests_are_served(self):
        self.assert_driver('prov', 'net_af_packet')
        for name in self.vlans:
            self.assert_works(name)

    def test_many_requests_on_several_queues(self):
        for got in load(self.lab, 'c1', ENI, ON, 100, at_once=20):
            self.assertEqual(got.status, 200, got.error)


class Tap(Base):
    """TAPs that culvertd makes: one is bridged with a wire, one becomes the client's own interface."""

    consumers = 2

    @classmethod
    def change(cls, conf):
        use(conf, 'c1', 'net_tap0,iface=tap1')
        use(conf, 'c2', 'net_tap1,iface=tap2')

    @classmethod
    def start_culvert(cls, conf=None):
        super().start_culvert(conf)
        client = cls.lab.ns('c2')
        ip(cls.lab.culvert_ns, 'link add br0 type bridge', 'link set dev tap1 master br0',
           'link set dev cv-c1 master br0', 'link set dev br0 up', 'link del dev cv-c2',
           f'link set dev tap2 netns {client} name eth0')
        ip(client, 'link set dev eth0 up', f'addr add {CLIENT}/24 dev eth0')

    def test_bridged(self):
        self.assert_driver('c1', 'net_tap')
        self.assert_works('c1')

    def test_in_another_namespace(self):
        self.assert_works('c2')


class Memif(Base):
    """Two appliances in a row: the target of the first is an endpoint of the second. The one with two
    workers sends from both by the one queue that its peer has."""

    @classmethod
    def wire(cls):
        return f'id=7,socket={cls.lab.path("memif.sock")},socket-abstract=no'

    @classmethod
    def change(cls, conf):
        use(conf, 'prov', f'net_memif0,role=client,{cls.wire()}')
        conf['target_groups'][0]['attributes']['proxy_protocol_v2.enabled'] = False

    @classmethod
    def start_culvert(cls, conf=None):
        second = copy.deepcopy(cls.conf)
        use(second, 'c1', f'net_memif0,role=server,{cls.wire()}')
        second['dpdk']['workers'] = 2
        second['vpcs'][1].update(cidrs=['10.0.0.0/16'], subnets=[
            {'name': 'a', 'cidr': '10.0.1.0/24', 'zone': 'us-east-1a'}])
        second['endpoints'][0]['subnets'] = [{'subnet': 'a', 'ip': DEC}]
        cls.second = harness.culvertd.Culvertd(cls.lab, second, 'second', huge=False).start()
        super().start_culvert(conf)

    def test_two_in_a_row(self):
        self.assert_driver('prov', 'net_memif')
        seen = curl_json(self.lab, 'c1', f'http://{ENI}:{ON}/')
        self.assertEqual((seen['client'].split(':')[0], seen['dst'], seen['vpce'], seen['crc_ok']),
                         (NODE, f'{DEC}:{ON}', self.second.endpoints()[0]['id'], True))
        self.assert_bodies_are_exact('c1')

    def test_server_outlives_its_client(self):
        self.assertEqual(self.culvert.stop()[0], 0)
        self.culvert.start()
        proc.wait_for(lambda: not curl(self.lab, 'c1', f'http://{ENI}:{ON}/', timeout=3).returncode, 60,
                      'an answer')

    def test_both_workers_send(self):
        for got in load(self.lab, 'c1', ENI, ON, 40, at_once=10):
            self.assertEqual(got.status, 200, got.error)


class PcapLive(Base):
    """libpcap on interfaces: one handle for both directions, or one for each."""

    @classmethod
    def change(cls, conf):
        use(conf, 'prov', 'net_pcap0,iface=cv-prov')
        use(conf, 'c1', 'net_pcap1,rx_iface_in=cv-c1,tx_iface=cv-c1')

    def test_served(self):
        self.assert_driver('prov', 'net_pcap')
        self.assert_works('c1')


class PcapFiles(Base):
    """What is received comes from files and what is sent goes to files; c1 alone is alive."""

    consumers = 2

    @classmethod
    def change(cls, conf):
        for idx, name in enumerate(('prov', 'c2')):
            path = cls.lab.path(name)
            use(conf, name, f'net_pcap{idx},rx_pcap={path}.in,tx_pcap={path}.out')
        broadcast = Ether(src=HOST_MAC, dst='ff:ff:ff:ff:ff:ff')
        wrpcap(cls.lab.path('prov.in'), [
            broadcast / ARP(op='is-at', hwsrc=HOST_MAC, psrc=DEC, hwdst=HOST_MAC, pdst=DEC)])
        stray = Ether(src=HOST_MAC) / IP(src=CLIENT, dst=ENI) / TCP(
            sport=4000, dport=ON, flags='A', seq=5, ack=77)
        wrpcap(cls.lab.path('c2.in'), [
            bytes(broadcast / ARP(op='who-has', hwsrc=HOST_MAC, psrc=CLIENT, pdst=ENI)),
            *eni_macs(bytes(stray))], linktype=DLT_EN10MB)

    def tearDown(self):
        """Nothing to look at: the test ends culvertd, which writes its files to the end then."""

    def assert_checksums(self, pkt):
        again = pkt.copy()
        del again[IP].chksum, again[TCP].chksum
        again = Ether(bytes(again))
        self.assertEqual((pkt[IP].chksum, pkt[TCP].chksum), (again[IP].chksum, again[TCP].chksum))

    def test_files(self):
        raw = harness.RawTcp(self.lab.ns('c1'), CLIENT, ENI)
        self.addCleanup(raw.close)
        proc.wait_for(lambda: self.culvert.show('neighbours')['neighbours'][0]['mac'] == HOST_MAC, 30,
                      'the target to be known from its file')
        proc.wait_for(lambda: self.culvert.drops()['not_for_us'] >= N_MACS - 1, 30, 'c2.in to be read')
        raw.send(5000, ON, harness.SYN, seq=1000)
        proc.wait_for(lambda: self.culvert.events()['new_flows'], 30, 'a flow')
        self.assertEqual(self.culvert.drops()['not_for_us'], N_MACS - 1)
        self.assertEqual(self.culvert.stop()[0], 0)

        sent = list(rdpcap(self.lab.path('prov.out')))
        syn, = (p for p in sent if TCP in p)
        self.assertEqual((syn.dst, syn[IP].dst, syn[TCP].dport, str(syn[TCP].flags), syn[TCP].seq),
                         (HOST_MAC, DEC, ON, 'S', 1000 - HEADER_LEN))
        self.assertIn(syn[IP].src, [p[ARP].psrc for p in sent if ARP in p and p[ARP].psrc == p[ARP].pdst])
        self.assert_checksums(syn)

        sent = list(rdpcap(self.lab.path('c2.out')))
        rst, = (p for p in sent if TCP in p)
        self.assertEqual((rst.dst, rst[IP].src, rst[IP].dst, rst[TCP].sport, rst[TCP].dport,
                          str(rst[TCP].flags), rst[TCP].seq), (HOST_MAC, ENI, CLIENT, ON, 4000, 'R', 77))
        self.assert_checksums(rst)
        answer, = (p[ARP] for p in sent if ARP in p and p[ARP].op == 2 and p.dst == HOST_MAC)
        self.assertEqual((answer.psrc, answer.pdst, answer.hwsrc), (ENI, CLIENT, rst.src))
