# SPDX-License-Identifier: BSD-3-Clause
"""From a culvert configuration to the hosts that a lab needs. Pure: reads and writes nothing."""

import dataclasses
import ipaddress
import json
import re

from .proc import LabError

CLIENT = 'client'
GATEWAY = 'gw'
VXLAN_LEN = 50             # outer IP, UDP, VXLAN and inner Ethernet header


@dataclasses.dataclass
class Host:
    """One namespace of a VPC."""
    name: str
    addrs: list                # 'ip/len', each in its subnet
    routes: list               # prefixes that are on-link beside them
    forwards: bool = False     # a router
    behind: bool = False       # not on the VPC's link, but behind its router


@dataclasses.dataclass
class Vpc:
    """One network: culvert's interface on one side, hosts on the other."""
    name: str
    iface: str
    queues: int
    mtu: int
    vlan: int                  # 0: untagged; of what carries its VXLAN, if it has one
    hosts: dict                # name -> Host; 'client' always exists
    vxlan: dict = None         # the attachment's; None: not in VXLAN
    wire_mtu: int = 1500       # of what carries it

    def vtep(self):
        """The VTEP that all its hosts are behind: the first peer, or some address if there is none."""
        peers = self.vxlan.get('peers')
        return peers[0] if peers else str(ipaddress.ip_address(self.vxlan['vtep']) + 8)


@dataclasses.dataclass
class Target:
    """One member of a target group."""
    group: str
    vpc: str
    ip: str
    port: int
    proxy: bool


def vdev_arg(device, key):
    """The value of one argument of a vdev, or None."""
    found = re.search(rf',{key}=([^,]+)', device)
    return found.group(1) if found else None


def devices(port):
    """The ethdevs of a port."""
    return [port['device']] if 'device' in port else list(port.get('devices', []))


def _queues(devs):
    """Queues the interface must have: AF_XDP devices name theirs; one without a socket would be deaf."""
    return max(int(vdev_arg(d, 'start_queue') or 0) + int(vdev_arg(d, 'queue_count') or 1)
               for d in devs)


def load(path):
    """Read a configuration file."""
    try:
        with open(path, encoding='utf-8') as file:
            return json.load(file)
    except (OSError, ValueError) as err:
        raise LabError(f'{path}: {err}') from err


def targets(conf):
    """Every target of every group."""
    out = []
    for group in conf.get('target_groups', []):
        proxy = group.get('attributes', {}).get('proxy_protocol_v2.enabled', False)
        for item in group.get('targets', []):
            out.append(Target(group['name'], group['vpc'], item['ip'],
                              item.get('port', group.get('port')), proxy))
    return out


def _taken(conf):
    """Addresses that culvert answers for, or that are named for someone else, by VPC."""
    taken = {v['name']: set() for v in conf['vpcs']}
    for bal in conf.get('load_balancers', []):
        for sub in bal.get('subnets', []):
            taken[bal['vpc']].update(sub.get('ips', []))
    for end in conf.get('endpoints', []):
        for sub in end.get('subnets', []):
            if 'ip' in sub:
                taken[end['vpc']].add(sub['ip'])
    for target in targets(conf):
        taken[target.vpc].add(target.ip)
    return taken


def gateways(vpc):
    """Gateway addresses that a VPC names, each once."""
    found = [s.get('gateway') for s in vpc.get('subnets', [])]
    return list(dict.fromkeys(ip for ip in found if ip))


def _client_ip(net, taken):
    """An address for the client: .100 of the subnet, or the next free one."""
    first = min(100, net.num_addresses - 2)
    for idx in range(first, net.num_addresses - 1):
        if str(net[idx]) not in taken:
            return f'{net[idx]}/{net.prefixlen}'
    raise LabError(f'no address left for a client in {net}')


def _nets(vpc):
    subnets = [s['cidr'] for s in vpc.get('subnets', [])] or vpc['cidrs']
    return [ipaddress.ip_network(c) for c in subnets]


def holds(cidr, ip):
    """Whether a prefix holds an address."""
    return ipaddress.ip_address(ip) in ipaddress.ip_network(cidr)


def _in_subnet(ip, nets):
    for net in nets:
        if ipaddress.ip_address(ip) in net:
            return f'{ip}/{net.prefixlen}'
    return f'{ip}/32'


def _hosts(vpc, conf, taken):
    nets = _nets(vpc)
    gws = gateways(vpc)
    avoid = taken[vpc['name']] | set(gws)
    hosts = {CLIENT: Host(CLIENT, [_client_ip(n, avoid) for n in nets], [])}
    for target in targets(conf):
        if target.vpc == vpc['name']:
            addr = _in_subnet(target.ip, nets)
            behind = bool(gws) and not any(holds(c, target.ip) for c in vpc['cidrs'])
            routes = ['default'] if behind else list(vpc['cidrs'])
            hosts.setdefault(target.ip, Host(target.ip, [addr], routes, behind=behind))
    if gws:
        hosts[GATEWAY] = Host(GATEWAY, [_in_subnet(g, nets) for g in gws], [], forwards=True)
    return hosts


def plan(conf):
    """The VPCs of a configuration with their hosts, in its order."""
    ports = {p['name']: p for p in conf['dpdk']['ports']}
    taken, out, seen = _taken(conf), [], set()
    for vpc in conf['vpcs']:
        att = vpc['attachment']
        port = ports[att['port']]
        devs = devices(port)
        ifaces = {vdev_arg(d, 'iface') for d in devs}
        if len(ifaces) != 1 or None in ifaces:
            raise LabError(f'port {port["name"]}: a lab needs devices with one iface=, not {devs}')
        iface = ifaces.pop()
        vlan, vxlan = att.get('vlan', 0), att.get('vxlan')
        shared = bool(vxlan) and (iface, vlan, True) in seen
        others = {(i, v) for i, v, _ in seen}
        if not shared and ((iface, vlan) in others or (iface, 0) in others or
                           vlan == 0 and any(i == iface for i, _ in others)):
            raise LabError(f'VPC {vpc["name"]}: a lab gives each VPC a port, a VLAN or a VNI of its own')
        seen.add((iface, vlan, bool(vxlan)))
        mtu = port.get('mtu', 1500)
        out.append(Vpc(vpc['name'], iface, _queues(devs), mtu - (VXLAN_LEN if vxlan else 0), vlan,
                       _hosts(vpc, conf, taken), vxlan, mtu))
    return out
