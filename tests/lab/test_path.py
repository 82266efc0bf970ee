# SPDX-License-Identifier: BSD-3-Clause
"""What becomes of a packet on its way, header field by field, between two kernels."""

import contextlib
import socket
import struct

import harness
from harness import ENI, NODE, proc

TARGET = '10.0.1.31'
PLAIN, PROXY = 8080, 8081
CLAMP = 1200
SLOW = 30
ETH_P_ALL, OUTGOING = 3, 4                      # of linux/if_ether.h, linux/if_packet.h
IP_MTU, TCP_FASTOPEN = 14, 23                   # of linux/in.h, linux/tcp.h
MSS, FAST_OPEN = 2, 34                          # TCP options
DF, MF = 0x4000, 0x2000


def options(data):
    """TCP options by kind."""
    found = {}
    while data and data[0]:
        size = 1 if data[0] == 1 else data[1]
        found[data[0]] = data[2:size]
        data = data[size:]
    return found


class Packet:
    """A TCP packet, or one of ICMP without the fields of TCP."""

    def __init__(self, frame, sent):
        ip = frame[14:]
        self.sent = sent
        self.tos, size, self.id, self.frag, self.ttl, self.proto = struct.unpack_from('!xBHHHBB', ip)
        self.src, self.dst = (socket.inet_ntoa(ip[n:n + 4]) for n in (12, 16))
        self.sport = self.dport = 0
        if self.proto != socket.IPPROTO_TCP:
            return
        tcp = ip[(ip[0] & 15) * 4:size]
        self.sport, self.dport, self.seq, self.ack, off, self.flags, self.window, _, self.urgent = \
            struct.unpack_from('!HHIIBBHHH', tcp)
        self.options = options(tcp[20:(off >> 4) * 4])
        self.data = tcp[(off >> 4) * 4:]

    def key(self):
        """What a packet is known by on both sides."""
        return self.id, self.flags, self.seq, self.ack, self.data

    def kept(self):
        """What nobody on the way may change."""
        opts = {k: v for k, v in self.options.items() if k != MSS}
        return self.tos, self.frag, self.window, self.urgent, opts

    def mss(self):
        return int.from_bytes(self.options[MSS], 'big')


class Sniffer:
    """All IPv4 packets of a host's eth0, from now on."""

    def __init__(self, ns):
        self.sock = proc.socket_in(ns, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.sock.bind(('eth0', ETH_P_ALL))
        self.sock.setblocking(False)
        self.packets = []

    def look(self, port):
        """The packets so far to or from a port."""
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, (_, proto, kind, *_) = self.sock.recvfrom(65536)
                if proto == 0x0800:
                    self.packets.append(Packet(frame, kind == OUTGOING))
        return [p for p in self.packets if port in (p.sport, p.dport)]

    def close(self):
        self.sock.close()


class Path(harness.LastTests, harness.LabCase):

    @classmethod
    def make_config(cls):
        conf = harness.config([harness.group('plain', PLAIN, [(TARGET, PLAIN)], proxy=False),
                               harness.group('proxy', PROXY, [(TARGET, PROXY)])])
        conf['settings'] = {'mss_clamp': CLAMP}
        return conf

    @classmethod
    def start_servers(cls):
        cls.servers = {}
        for port in (PLAIN, PROXY):
            sock = cls.servers[port] = proc.socket_in(cls.lab.ns('provider', TARGET), socket.AF_INET,
                                                      socket.SOCK_STREAM)
            sock.setsockopt(socket.SOL_TCP, TCP_FASTOPEN, 16)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x28)
            sock.bind((TARGET, port))
            sock.listen(16)
            sock.settimeout(SLOW)
            cls.addClassCleanup(sock.close)
        # Data in the SYN, whether or not there is a cookie.
        for ns, how in ((cls.lab.ns('c1'), 0x5), (cls.lab.ns('provider', TARGET), 0x202)):
            proc.run(['sh', '-c', f'echo {how} >/proc/sys/net/ipv4/tcp_fastopen'], ns=ns)

    def setUp(self):
        super().setUp()
        self.ends = contextlib.ExitStack()
        self.addCleanup(self.ends.close)

    def keep(self, thing):
        return self.ends.enter_context(contextlib.closing(thing))

    def client(self, vpc='c1'):
        sock = self.keep(proc.socket_in(self.lab.ns(vpc), socket.AF_INET, socket.SOCK_STREAM))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0xb8)
        sock.settimeout(SLOW)
        return sock

    def accept(self, port):
        server = self.keep(self.servers[port].accept()[0])
        server.settimeout(SLOW)
        return server

    def sniffers(self, vpc='c1'):
        """Of the client and of the target."""
        return [self.keep(Sniffer(self.lab.ns(*where))) for where in ((vpc,), ('provider', TARGET))]

    def compare(self, near, far, ports, hops):
        """That what each side sent came to the other as it was. The client's packets, then the target's.
        ports: the client's own, and that which the target sees."""
        def both():
            mine, yours = near.look(ports[0]), far.look(ports[1])
            pairs = [({p.key(): p for p in a if p.sent}, {p.key(): p for p in b if not p.sent})
                     for a, b in ((mine, yours), (yours, mine))]
            return pairs if all(sent.keys() == came.keys() for sent, came in pairs) else None
        pairs = proc.wait_for(both, SLOW, 'all that was sent to arrive')
        for sent, came in pairs:
            self.assertGreater(len(sent), 3)
            for key, packet in sent.items():
                self.assertEqual(packet.kept(), came[key].kept())
                self.assertEqual(packet.ttl - came[key].ttl, hops)
        return pairs

    def converse(self, vpc, ip):
        """A conversation with more than a segment each way, closed by both: the client's port, and that
        which the target sees."""
        client = self.client(vpc)
        client.connect((ip, PLAIN))
        server = self.accept(PLAIN)
        ports = client.getsockname()[1], server.getpeername()[1]
        for one, other in ((client, server), (server, client)):
            one.sendall(b'x' * 5000)
            one.shutdown(socket.SHUT_WR)
            got = b''
            while part := other.recv(65536):
                got += part
            self.assertEqual(got, b'x' * 5000)
        return ports

    def test_only_addresses_ttl_and_mss_change(self):
        near, far = self.sniffers()
        ports = self.converse('c1', ENI)
        (sent, came), (back_sent, back_came) = self.compare(near, far, ports, 2)
        # Of segments without data, the kernel answers some with the asker's own, if it is late.
        self.assertEqual({p.tos for p in came.values() if p.data}, {0xb8})
        self.assertEqual({p.tos for p in back_came.values() if p.data}, {0x28})
        self.assertTrue(all(p.src == NODE for p in came.values()))
        self.assertTrue(all(p.src == ENI for p in back_came.values()))
        self.assertTrue(any(p.frag & DF for p in sent.values()))
        for a, b in ((sent, came), (back_sent, back_came)):
            keys = [k for k, p in a.items() if p.flags & harness.SYN]
            self.assertTrue(keys)
            for key in keys:    # a busy machine may see it twice
                self.assertEqual((a[key].mss(), b[key].mss()), (1460, CLAMP))
                self.assertTrue({3, 4, 8} <= set(b[key].options))       # scale, SACK, timestamps
            self.assertLessEqual(max(len(p.data) for p in b.values()), CLAMP)

    def test_node_dialled_directly_is_one_hop(self):
        near, far = self.sniffers('provider')
        self.compare(near, far, self.converse('provider', NODE), 1)

    def fast_open(self, port):
        """Data in a SYN: the SYN that the target got, and the data that its server read."""
        _, far = self.sniffers()
        client = self.client()
        client.sendto(b'early', socket.MSG_FASTOPEN, (ENI, port))
        server, got = self.accept(port), b''
        while not got.endswith(b'early'):
            part = server.recv(1000)
            self.assertTrue(part, got)
            got += part
        server.sendall(b'answer')
        self.assertEqual(client.recv(100), b'answer')
        return next(p for p in far.look(port) if p.flags == harness.SYN), got

    def test_data_in_the_syn_passes(self):
        syn, got = self.fast_open(PLAIN)
        self.assertEqual((syn.data, got), (b'early', b'early'))

    def test_data_in_the_syn_comes_after_the_header(self):
        syn, got = self.fast_open(PROXY)
        self.assertEqual((syn.data, FAST_OPEN in syn.options), (b'', False))
        self.assertEqual((len(got), got[:12]), (105, harness.ppv2.SIGNATURE))

    def test_fragments_are_dropped_and_counted(self):
        near, far = self.sniffers()
        raw = self.keep(proc.socket_in(self.lab.ns('c1'), socket.AF_INET, socket.SOCK_RAW,
                                       socket.IPPROTO_RAW))
        before = self.culvert.drops().get('fragment', 0)
        segment = struct.pack('!HHIIBBHHH', 3333, PLAIN, 1, 0, 5 << 4, harness.SYN, 1000, 0, 0) + b'x' * 4
        for at in (MF, 3):
            raw.sendto(struct.pack('!BBHHHBBH4s4s', 0x45, 0, 0, 77, at, 64, socket.IPPROTO_TCP, 0, bytes(4),
                                   socket.inet_aton(ENI)) + segment, (ENI, 0))
        proc.wait_for(lambda: self.culvert.drops().get('fragment', 0) == before + 2, SLOW, 'two drops')
        self.assertFalse([p for p in near.look(3333) if not p.sent])
        self.assertFalse(far.look(3333))

    def too_big(self, sock, last, mtu):
        """A router at the targets' side wants packets of a flow smaller; `last` is one that came there."""
        quoted = struct.pack('!BBHHHBBH4s4sHHI', 0x45, 0, 1500, 1, DF, 62, socket.IPPROTO_TCP, 0,
                             socket.inet_aton(last.src), socket.inet_aton(last.dst), last.sport, last.dport,
                             (last.seq + len(last.data)) % (1 << 32))
        packet = struct.pack('!BBHHH', 3, 4, 0, 0, mtu) + quoted
        csum = harness._sum16(packet)
        sock.sendto(packet[:2] + struct.pack('!H', csum) + packet[4:], (NODE, 0))

    def test_fragmentation_needed_reaches_the_client_when_told(self):
        _, far = self.sniffers()
        router = self.keep(proc.socket_in(self.lab.ns('provider', TARGET), socket.AF_INET, socket.SOCK_RAW,
                                          socket.IPPROTO_ICMP))
        client = self.client()
        client.connect((ENI, PLAIN))
        server = self.accept(PLAIN)
        client.sendall(b'hello')
        self.assertEqual(server.recv(100), b'hello')
        seen = proc.wait_for(lambda: [p for p in far.look(PLAIN) if not p.sent and p.data == b'hello'],
                             SLOW, 'the segment')[0]

        def mtu():
            return client.getsockopt(socket.IPPROTO_IP, IP_MTU)
        before = self.culvert.drops().get('icmp', 0)
        self.too_big(router, seen, 1300)
        proc.wait_for(lambda: self.culvert.drops().get('icmp', 0) == before + 1, SLOW, 'the drop')
        self.assertEqual(mtu(), 1500)
        conf = dict(self.conf, settings=dict(self.conf['settings'], icmp_too_big=True))
        self.culvert.reload(conf)
        self.addCleanup(self.culvert.reload, self.conf)
        self.addCleanup(proc.run, ['ip', '-n', self.lab.ns('c1'), 'route', 'flush', 'cache'])
        self.too_big(router, seen, 1300)
        proc.wait_for(lambda: mtu() == 1300, SLOW, "the client's path MTU to shrink")
