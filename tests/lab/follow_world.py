# SPDX-License-Identifier: BSD-3-Clause
"""How soon packets obey an answer of the API: SYNs before and after an endpoint is accepted or rejected.

A client and a target are played by raw sockets on two veth pairs, whose other ends culvertd has. Each SYN
has a number, its sequence number, which the target finds in what culvertd forwards.
"""

import contextlib
import os
import pathlib
import select
import socket
import struct
import time
import urllib.parse

import api_world
from api_world import CONSUMER, VERSIONS
from harness import proc

ENI, CLIENT = '10.64.0.10', '10.64.9.9'
TARGET = '10.0.2.20'
CLIENT_MAC, TARGET_MAC = bytes.fromhex('02cf00000001'), bytes.fromhex('02cf00000002')
BROADCAST = b'\xff' * 6
GAP = 0.0005         # between SYNs
QUIET = 0.3          # without one that arrives: it is over, and not a busy machine's pause
SYN = 2


def addr(text):
    return socket.inet_aton(text)


def csum(data):
    total = sum(struct.unpack(f'>{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def arp(op, mac, ip, to_mac, to_ip, dst):
    return (dst + mac + b'\x08\x06\x00\x01\x08\x00\x06\x04' + struct.pack('>H', op) + mac + addr(ip) +
            to_mac + to_ip).ljust(60, b'\0')


def syn(mac, port, seq):
    ip = struct.pack('>BBHHHBBH', 0x45, 0, 40, 0, 0, 64, 6, 0) + addr(CLIENT) + addr(ENI)
    ip = ip[:10] + struct.pack('>H', csum(ip)) + ip[12:]
    tcp = struct.pack('>HHIIBBHHH', port, 80, seq, 0, 0x50, SYN, 65535, 0, 0)
    tcp = tcp[:16] + struct.pack('>H', csum(ip[12:20] + struct.pack('>BBH', 0, 6, 20) + tcp)) + tcp[18:]
    return (mac + CLIENT_MAC + b'\x08\x00' + ip + tcp).ljust(60, b'\0')


def config(n_endpoints, tag):
    """A service that asks for acceptance with one endpoint, and one that does not with the others."""
    conf = api_world.config()
    for vpc, cidr in zip(conf['vpcs'], ('10.0.0.0/16', '10.64.0.0/10')):
        vpc['cidrs'] = [cidr]
    for i, subnet in enumerate(conf['vpcs'][1]['subnets']):
        subnet['cidr'] = f'10.{64 + 4 * i}.0.0/16'
    for i, port in enumerate(conf['dpdk']['ports']):
        port['device'] = f'net_af_packet{i},iface={tag}{i}'
    conf['dpdk'].update({'memory_mb': 512, 'workers': 1})
    conf['dpdk']['eal_args'] = ['--no-pci', '--file-prefix', tag]
    conf['limits'].update({'endpoints': n_endpoints + 100, 'flows': 65536})
    conf['target_groups'] = [{'name': 'web', 'vpc': 'provider', 'port': 80,
                              'health_check': {'enabled': False}, 'targets': [{'ip': TARGET}]}]
    conf['load_balancers'] = [{'name': 'nlb', 'vpc': 'provider', 'subnets': [{'subnet': 'provider-2'}],
                               'listeners': [{'port': 80, 'target_group': 'web'}]},
                              {'name': 'other', 'vpc': 'provider', 'subnets': [{'subnet': 'provider-2'}]}]
    conf['endpoint_services'] = [
        {'name': name, 'load_balancers': [lb], 'acceptance_required': name == 'gate',
         'allowed_principals': [f'arn:aws:iam::{CONSUMER}:root']}
        for name, lb in (('gate', 'nlb'), ('open', 'other'))]
    conf['endpoints'] = [{'name': 'gate', 'vpc': 'consumer', 'service': 'gate',
                          'subnets': [{'subnet': 'consumer-0', 'ip': ENI}]}]
    conf['endpoints'] += [{'name': f'e{i}', 'vpc': 'consumer', 'service': 'open',
                           'subnets': [{'subnet': 'consumer-0'}]} for i in range(n_endpoints - 1)]
    return conf


class Follow:
    """An appliance, a client, a target. A context: gone at its end."""

    def __init__(self, n_endpoints):
        self.tag = f'cvl-f{os.getpid()}-'
        self.it = api_world.Appliance(config(n_endpoints, self.tag))
        self.mac = None
        self.seq, self.sent = 0, {}
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        try:
            self.target, self.client = (self.wire(i) for i in range(2))
            self.stack.callback(self.it.stop)
            self.it.start()
            provider = self.it.boto('ec2', 'provider')
            self.service = next(
                s['ServiceId'] for s in
                provider.describe_vpc_endpoint_service_configurations()['ServiceConfigurations']
                if s['AcceptanceRequired'])
            self.endpoint = provider.describe_vpc_endpoint_connections()[
                'VpcEndpointConnections'][0]['VpcEndpointId']
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *_):
        self.stack.close()

    def wire(self, i):
        """A veth pair with a quiet kernel; a raw socket on our end."""
        ours, its = f'{self.tag}{i}p', f'{self.tag}{i}'
        proc.run(['ip', 'link', 'add', its, 'type', 'veth', 'peer', 'name', ours])
        self.stack.callback(proc.run, ['ip', 'link', 'del', its], check=False)
        for iface in (its, ours):
            pathlib.Path(f'/proc/sys/net/ipv6/conf/{iface}/disable_ipv6').write_text('1', encoding='ascii')
            proc.run(['ip', 'link', 'set', iface, 'up'])
        sock = self.stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
        sock.bind((ours, 0))
        sock.setblocking(False)
        return sock

    def call(self, verb):
        """Accept or Reject; when the answer was there."""
        body = urllib.parse.urlencode({
            'Action': f'{verb}VpcEndpointConnections', 'Version': VERSIONS['ec2'],
            'ServiceId': self.service, 'VpcEndpointId.1': self.endpoint})
        path, headers = self.it.sign('ec2', body, who='provider')
        status, _, text = self.it.send(path, headers, body)
        at = time.monotonic()
        if status != 200 or '<unsuccessful/>' not in text.replace('<unsuccessful></unsuccessful>',
                                                                 '<unsuccessful/>'):
            raise AssertionError(f'{verb}: {status} {text}')
        return at

    # Packets ----------------------------------------------------------------------------------

    def send(self):
        """Ask for the endpoint, or dial it once more."""
        if self.mac is None:
            self.client.send(arp(1, CLIENT_MAC, CLIENT, b'\0' * 6, addr(ENI), BROADCAST))
            return
        self.seq += 1
        self.sent[self.seq] = time.monotonic()
        self.client.send(syn(self.mac, 20000 + self.seq % 40000, self.seq))

    def heard(self, frame, is_client):
        """The number of a SYN that came to the target, or None."""
        if is_client:
            if frame[12:14] == b'\x08\x06' and frame[28:32] == addr(ENI) and frame[6:12] != CLIENT_MAC:
                self.mac = frame[22:28]
        elif frame[12:14] == b'\x08\x06' and frame[20:22] == b'\0\1' and frame[38:42] == addr(TARGET):
            self.target.send(arp(2, TARGET_MAC, TARGET, frame[22:28], frame[28:32], frame[6:12]))
        elif frame[12:14] == b'\x08\x00' and frame[23] == 6 and frame[30:34] == addr(TARGET) and \
                frame[47] == SYN:
            return struct.unpack_from('>I', frame, 38)[0]
        return None

    def receive(self, timeout):
        """Numbers of SYNs that came, within a time."""
        found = []
        for sock in select.select([self.client, self.target], [], [], timeout)[0]:
            with contextlib.suppress(BlockingIOError):
                while True:
                    seq = self.heard(sock.recv(2048), sock is self.client)
                    if seq is not None:
                        found.append(seq)
        return found

    def serves_after(self, since, limit):
        """Seconds from a time until the first SYN is at the target."""
        while time.monotonic() < since + limit:
            self.send()
            if any(self.sent[seq] >= since for seq in self.receive(GAP)):
                return time.monotonic() - since
        raise AssertionError(f'nothing is forwarded {limit} s after it was answered')

    def stops_after(self, since, limit):
        """Seconds from a time until the last SYN was sent that came to the target; 0: none after it."""
        last = since
        while time.monotonic() < max(last, since) + QUIET:
            self.send()
            for seq in self.receive(GAP):
                last = max(last, self.sent.get(seq, 0))
            if last > since + limit:
                raise AssertionError(f'SYNs are forwarded {limit} s after it was answered')
        return last - since

    def settle(self, limit=30):
        """Until the endpoint is served: MACs are known, and no answer is new."""
        self.serves_after(self.call('Accept'), limit)

    def rounds(self, n, limit):
        """n times rejected and accepted; ({'stop': [seconds], 'serve': [seconds]})."""
        found = {'stop': [], 'serve': []}
        for _ in range(n):
            found['stop'].append(self.stops_after(self.call('Reject'), limit))
            found['serve'].append(self.serves_after(self.call('Accept'), limit))
        return found
