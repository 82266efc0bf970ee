#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Replay each case of tests/replay/cases and compare what comes out, byte by byte, with its want files.

usage: replay_test.py REPLAY_BINARY            run the cases
       replay_test.py REPLAY_BINARY --record   make the cases anew

Recording holds each conversation step by step: the other end's answer is made from what culvert sent, and
scapy checks every packet on the way (checksums, and the PROXY header by a decoder of its own), so a want
file is not just what happened to come out.
"""
import filecmp
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
CASES = HERE / 'cases'
CONF = HERE / 'conf.json'
PORTS = ('prov', 'cons')
SIGNATURE = bytes.fromhex('0d0a0d0a000d0a515549540a')
HEADER_LEN = 100


def run(binary, in_dir, out_dir):
    done = subprocess.run([binary, CONF, in_dir, out_dir], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise SystemExit(f'replay failed ({done.returncode}): {done.stderr}')
    return json.loads(done.stdout)


def check_case(binary, case):
    """Returns a list of what differs."""
    wrong = []
    with tempfile.TemporaryDirectory() as out:
        counts = run(binary, case, out)
        for port in PORTS:
            if not filecmp.cmp(case / f'want.{port}.pcap', f'{out}/out.{port}.pcap', shallow=False):
                wrong.append(f'packets sent by port {port} differ from want.{port}.pcap')
    want = json.loads((case / 'want.json').read_text())
    for key in sorted(set(want) | set(counts)):
        if want.get(key, 0) != counts.get(key, 0):
            wrong.append(f'{key}: {counts.get(key, 0)}, expected {want.get(key, 0)}')
    return wrong


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def check_header(data, client, cport, eni, eport, vpce):
    """Read a PROXY header by the letter of the specification; returns what follows it."""
    assert data[:12] == SIGNATURE and data[12:14] == b'\x21\x11', data[:16].hex()
    length = struct.unpack('!H', data[14:16])[0]
    header = data[:16 + length]
    assert len(header) == HEADER_LEN
    src, dst, sport, dport = struct.unpack('!4s4sHH', header[16:28])
    assert '.'.join(map(str, src)) == client and sport == cport
    assert '.'.join(map(str, dst)) == eni and dport == eport
    tlvs, at = {}, 28
    while at < len(header):
        kind, size = struct.unpack('!BH', header[at:at + 3])
        tlvs[kind] = header[at + 3:at + 3 + size]
        at += 3 + size
    assert at == len(header)
    assert tlvs[0xea] == b'\x01' + vpce.encode()
    assert tlvs[4] == bytes(len(tlvs[4]))
    assert struct.unpack('!I', tlvs[3])[0] == crc32c(header[:31] + bytes(4) + header[35:])
    return data[len(header):]


class Talk:
    """One case under way: packets so far, and culvert run again after each."""

    def __init__(self, binary, name):
        # Only recording needs it.
        from scapy import all as scapy  # pylint: disable=import-outside-toplevel
        self.scapy, self.binary = scapy, binary
        self.dir = CASES / name
        self.dir.mkdir(parents=True, exist_ok=True)
        for old in self.dir.iterdir():
            old.unlink()
        self.packets = {port: [] for port in PORTS}
        self.seen = {port: 0 for port in PORTS}
        self.now = 0.0

    def play(self):
        with tempfile.TemporaryDirectory() as out:
            for port, packets in self.packets.items():
                path = str(self.dir / f'in.{port}.pcap')
                if packets:
                    self.scapy.wrpcap(path, packets)
            counts = run(self.binary, self.dir, out)
            result = {port: list(self.scapy.rdpcap(f'{out}/out.{port}.pcap')) for port in PORTS}
            for port in PORTS:
                (self.dir / f'want.{port}.pcap').write_bytes(
                    pathlib.Path(f'{out}/out.{port}.pcap').read_bytes())
        (self.dir / 'want.json').write_text(json.dumps(counts, indent=1) + '\n')
        return result

    def send(self, port, packet, after=0.001):
        """Let a packet in; returns what came out by either port since the last one."""
        self.now += after
        packet = packet.__class__(bytes(packet))
        packet.time = self.now
        self.packets[port].append(packet)
        result, fresh = self.play(), {}
        for side in PORTS:
            fresh[side] = result[side][self.seen[side]:]
            self.seen[side] = len(result[side])
            for out in fresh[side]:
                self.check(out)
        return fresh

    def check(self, packet):
        s = self.scapy
        if s.TCP not in packet:
            return
        again = packet.__class__(bytes(packet))
        for layer in (s.IP, s.TCP):
            del again[layer].chksum
        again = again.__class__(bytes(again))
        assert again[s.IP].chksum == packet[s.IP].chksum, 'IP checksum'
        assert again[s.TCP].chksum == packet[s.TCP].chksum, 'TCP checksum'


class Conversation:
    """A client and a target that speak through culvert."""

    # pylint: disable=too-many-instance-attributes,too-many-arguments
    def __init__(self, talk, vpc, cport, dport):
        self.t, self.s = talk, talk.scapy
        self.client, self.eni = '10.0.1.50', '10.0.1.20'
        self.vlan = 7 if vpc == 'tagged' else None
        self.vpce = 'vpce-00eafc458ec97b833' if self.vlan else 'vpce-08d2bf15fac5001c9'
        self.cport, self.dport = cport, dport
        self.cseq, self.cack, self.tseq = 4294967200, 0, 7000
        self.eni_mac = self.back = None

    def arp(self):
        s = self.s
        frame = s.Ether(src='02:cc:00:00:00:01', dst='ff:ff:ff:ff:ff:ff')
        if self.vlan:
            frame /= s.Dot1Q(vlan=self.vlan)
        out = self.t.send('cons', frame / s.ARP(op=1, hwsrc='02:cc:00:00:00:01', psrc=self.client,
                                                pdst=self.eni))
        reply = out['cons'][-1]
        assert reply[s.ARP].op == 2 and reply[s.ARP].psrc == self.eni
        self.eni_mac = reply[s.ARP].hwsrc

    def from_client(self, flags, payload=b'', options=(), **more):
        s = self.s
        frame = s.Ether(src='02:cc:00:00:00:01', dst=self.eni_mac)
        if self.vlan:
            frame /= s.Dot1Q(vlan=self.vlan)
        frame /= s.IP(src=self.client, dst=self.eni, ttl=64, id=5, flags='DF')
        frame /= s.TCP(sport=self.cport, dport=self.dport, seq=self.cseq & 0xffffffff,
                       ack=self.cack if 'A' in flags else 0, flags=flags, window=1000,
                       options=list(options))
        out = self.t.send('cons', frame / payload, **more)
        self.cseq = (self.cseq + len(payload) + ('S' in flags) + ('F' in flags)) & 0xffffffff
        return out

    def from_target(self, flags, ack, payload=b'', options=(), **more):
        s = self.s
        frame = s.Ether(src=self.back['tmac'], dst=self.back['nmac'])
        frame /= s.IP(src=self.back['target'], dst=self.back['node'], ttl=64, id=9, flags='DF')
        frame /= s.TCP(sport=self.back['tport'], dport=self.back['nport'], seq=self.tseq,
                       ack=ack & 0xffffffff, flags=flags, window=2000, options=list(options))
        out = self.t.send('prov', frame / payload, **more)
        self.tseq += len(payload) + ('S' in flags) + ('F' in flags)
        self.cack = self.tseq
        return out

    def dial(self):
        self.arp()
        isn = self.cseq
        syn = self.from_client('S', options=[('MSS', 8960), ('SAckOK', b''), ('Timestamp', (11, 0))])
        syn = syn['prov'][0]
        s = self.s
        assert syn[s.TCP].seq == (isn - HEADER_LEN) & 0xffffffff
        assert dict((o[0], o[1]) for o in syn[s.TCP].options)['MSS'] == 1460
        self.back = {'tmac': syn.dst, 'nmac': syn.src, 'target': syn[s.IP].dst, 'node': syn[s.IP].src,
                     'tport': syn[s.TCP].dport, 'nport': syn[s.TCP].sport}
        out = self.from_target('SA', syn[s.TCP].seq + 1,
                               options=[('MSS', 1460), ('SAckOK', b''), ('Timestamp', (22, 11))])
        assert out['cons'][0][s.TCP].ack == self.cseq
        assert out['cons'][0][s.IP].ttl == 62
        if self.vlan:
            assert out['cons'][0][s.Dot1Q].vlan == self.vlan

    def header_of(self, packet):
        return check_header(bytes(packet[self.s.TCP].payload), self.client, self.cport, self.eni,
                            self.dport, self.vpce)

    def close(self):
        self.from_client('FA')
        self.from_target('FA', self.cseq)
        self.from_client('A')


def case_request(binary, name, vpc):
    c = Conversation(Talk(binary, name), vpc, 50000, 80)
    c.dial()
    c.from_client('A')
    out = c.from_client('PA', b'GET / HTTP/1.0\r\n\r\n', options=[('Timestamp', (12, 22))])
    assert c.header_of(out['prov'][0]) == b'GET / HTTP/1.0\r\n\r\n'
    out = c.from_target('PA', c.cseq, b'HTTP/1.0 200 OK\r\n\r\n')
    assert bytes(out['cons'][0][c.s.TCP].payload) == b'HTTP/1.0 200 OK\r\n\r\n'
    c.close()


def case_server_first(binary):
    c = Conversation(Talk(binary, 'server_first'), 'plain', 50001, 3306)
    c.dial()
    out = c.from_client('A', options=[('Timestamp', (12, 22))])
    assert c.header_of(out['prov'][0]) == b''
    c.from_target('PA', c.cseq, b'greeting')
    out = c.from_client('PA', b'login')
    assert bytes(out['prov'][0][c.s.TCP].payload) == b'login'
    c.close()


def case_lost_header(binary):
    """The segment with the header is lost: the target's SACK for later data brings it back."""
    c = Conversation(Talk(binary, 'lost_header'), 'plain', 50002, 80)
    c.dial()
    first = c.cseq
    c.from_client('A')
    c.from_client('PA', b'lost')
    out = c.from_client('PA', b'more')
    assert bytes(out['prov'][0][c.s.TCP].payload) == b'more'
    out = c.from_target('A', first - HEADER_LEN,
                        options=[('NOP', None), ('NOP', None), ('SAck', ((first + 4) & 0xffffffff, c.cseq))])
    assert c.header_of(out['prov'][0]) == b''
    assert out['cons'][0][c.s.TCP].ack == first
    c.from_target('A', first)
    c.cseq = first
    out = c.from_client('PA', b'lostmore')
    assert bytes(out['prov'][0][c.s.TCP].payload) == b'lostmore'
    c.from_target('A', c.cseq)
    c.close()


def case_full_segment(binary):
    c = Conversation(Talk(binary, 'full_segment'), 'tagged', 50003, 80)
    c.dial()
    out = c.from_client('A', b'f' * 1448, options=[('NOP', None), ('NOP', None), ('Timestamp', (12, 22))])
    assert len(out['prov']) == 2
    assert c.header_of(out['prov'][0]) == b''
    assert bytes(out['prov'][1][c.s.TCP].payload) == b'f' * 1448
    c.from_target('A', c.cseq)
    c.close()


def case_idle(binary):
    """350 seconds of silence, then a packet from each side: RST for both."""
    c = Conversation(Talk(binary, 'idle_timeout'), 'plain', 50004, 80)
    c.dial()
    c.from_client('PA', b'x')
    c.from_target('A', c.cseq)
    out = c.from_client('A', after=349.5)
    assert len(out['prov']) == 1
    out = c.from_client('PA', b'late', after=352)
    assert out['cons'][0][c.s.TCP].flags == 'R' and not out['prov']
    out = c.from_target('PA', c.cseq, b'late')
    assert out['prov'][0][c.s.TCP].flags == 'R' and not out['cons']


def case_strays(binary):
    c = Conversation(Talk(binary, 'strays'), 'plain', 50005, 80)
    c.arp()
    out = c.from_client('PA', b'who?')
    assert out['cons'][0][c.s.TCP].flags == 'R'
    c.dport = 8443
    out = c.from_client('S')
    assert not out['cons'] and not out['prov']
    out = c.from_client('R')
    assert not out['cons'] and not out['prov']


def record(binary):
    case_request(binary, 'request', 'plain')
    case_request(binary, 'request_vlan', 'tagged')
    case_server_first(binary)
    case_lost_header(binary)
    case_full_segment(binary)
    case_idle(binary)
    case_strays(binary)


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ['--record']):
        raise SystemExit(__doc__)
    if sys.argv[2:]:
        record(sys.argv[1])
    cases = sorted(path for path in CASES.iterdir() if path.is_dir())
    print(f'1..{len(cases)}')
    failed = 0
    for number, case in enumerate(cases, 1):
        wrong = check_case(sys.argv[1], case)
        failed += bool(wrong)
        print(f'{"not ok" if wrong else "ok"} {number} - {case.name}')
        for line in wrong:
            print(f'# {line}')
    sys.exit(1 if failed or not cases else 0)


if __name__ == '__main__':
    main()
