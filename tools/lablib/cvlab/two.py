# SPDX-License-Identifier: BSD-3-Clause
"""A region for clients of the AWS APIs: a provider and a consumer who know the zones by other names, a
VPC with subnets each, hosts with servers, and nothing of PrivateLink yet.

Pure: reads and writes nothing. Zones: the provider is in az1, az2, az3, the consumer in az1, az2, az4;
subnet i of the one is in the zone of subnet i of the other for the first two.
"""

import ipaddress

from . import region

REGION = 'us-east-1'
ZONE_IDS = ['use1-az1', 'use1-az2', 'use1-az3', 'use1-az4']
ACCOUNTS = {'provider': '111122223333', 'consumer': '444455556666'}
# Each account's zones a, b, c, d; and the zones of its subnets, the last of which is a second one there.
ZONES = {'provider': (0, 1, 2, 3), 'consumer': (1, 0, 3, 2)}
SUBNETS = {'provider': (0, 1, 2, 0), 'consumer': (0, 1, 3, 1)}
NETS = {'provider': '10.0', 'consumer': '172.16'}
# Subnets are large: addresses that are given out at random hit no host.
LIVE = ['10.0.0.201', '10.0.16.201', '10.0.32.201', '10.0.48.201', '10.0.0.202']
DEAD = '10.0.16.202'    # a host that answers pings, and where nobody listens
HTTP, PROXIED = 80, 8080


def numbered(kind, account, idx=0):
    """An id that is fixed, so that nobody has to ask for it."""
    return f'{kind}-0{account}{idx:04x}'


def made_id(kind, role, idx=0):
    """An id of one of the two."""
    return numbered(kind, ACCOUNTS[role], idx)


def name_server(cidr):
    """Address of the DNS server in a VPC."""
    return str(ipaddress.ip_network(cidr)[2])


def vpc(role, net=None):
    """A VPC with its subnets and a security group that lets everybody in."""
    net = net or NETS[role]
    return {'name': role, 'id': made_id('vpc', role), 'owner': role, 'cidrs': [f'{net}.0.0/16'],
            'attachment': {'port': role},
            'subnets': [{'name': f's{i}', 'id': made_id('subnet', role, i), 'cidr': f'{net}.{16 * i}.0/20',
                         'zone': ZONE_IDS[zone]} for i, zone in enumerate(SUBNETS[role])],
            'security_groups': [{'name': 'open', 'id': made_id('sg', role),
                                 'ingress': [{'cidr': '0.0.0.0/0'}]}]}


def config():
    """What culvertd starts with."""
    names = {r: {f'{REGION}{letter}': ZONE_IDS[zone] for letter, zone in zip('abcd', order)}
             for r, order in ZONES.items()}
    return {
        'region': REGION, 'zones': ZONE_IDS,
        'accounts': [{'id': i, 'name': r, 'zones': names[r]} for r, i in ACCOUNTS.items()],
        'dpdk': {'workers': 1, 'memory_mb': 512, 'mbufs': 32768,
                 'ports': [region.port(r, i, 1) for i, r in enumerate(ACCOUNTS)]},
        'limits': {'flows': 131072},
        'vpcs': [vpc(role) for role in ACCOUNTS],
        # For CreateVpc: VLANs of the same ports.
        'vpc_attachments': [{'port': role, 'vlans': '100-199', 'accounts': [role]} for role in ACCOUNTS],
    }


def with_hosts(conf, hosts=None):
    """The configuration as a lab needs it, which makes a host of each target: these, by VPC."""
    hosts = hosts or {'provider': LIVE + [DEAD]}
    return {**conf, 'target_groups': [
        {'name': f'hosts-{name}', 'vpc': name, 'port': HTTP, 'targets': [{'ip': ip} for ip in ips]}
        for name, ips in hosts.items()]}
