# SPDX-License-Identifier: BSD-3-Clause
"""Configurations that the benchmark runs culvertd with, as dictionaries."""

import ipaddress

PROVIDER, CONSUMER = '111111111111', '222222222222'
N_TARGETS = 32
CLIENTS = '172.16.64.0/18'
ENI = '172.16.1.10'
NODE = '10.0.1.10'
SERVERS = '10.0.1.32-10.0.1.63:8080'


def region(ports, dpdk, **more):
    """One endpoint in VPC `consumer` (172.16.0.0/16) to 32 targets in VPC `provider` (10.0.0.0/16).

    ports: devices of the consumer's and the provider's port. SNAT ports do not rest and closed flows
    do not linger long, so that connections per second are not bounded by 55,000 ports a target.
    """
    proxy = more.pop('proxy', True)
    conf = {
        'region': 'us-east-1',
        'zones': ['use1-az1'],
        'accounts': [{'id': PROVIDER, 'name': 'provider'}, {'id': CONSUMER, 'name': 'consumer'}],
        'dpdk': {'workers': 1, 'mbufs': 16384, 'eal_args': ['--no-pci'],
                 'ports': [{'name': name, 'device': device}
                           for name, device in zip(('consumer', 'provider'), ports)], **dpdk},
        'limits': {'flows': 1048576},
        'settings': {'mss_clamp': 1460, 'snat': {'rest_seconds': 0}, 'timeouts': {'linger_ms': 100}},
        'vpcs': [
            {'name': 'consumer', 'owner': 'consumer', 'cidrs': ['172.16.0.0/16'],
             'attachment': {'port': 'consumer'},
             'subnets': [{'name': 'a', 'cidr': '172.16.1.0/24', 'zone': 'use1-az1'}],
             'security_groups': [{'name': 'web', 'ingress': [{'cidr': '172.16.0.0/16', 'ports': '80'}]}]},
            {'name': 'provider', 'owner': 'provider', 'cidrs': ['10.0.0.0/16'],
             'attachment': {'port': 'provider'},
             'subnets': [{'name': 'a', 'cidr': '10.0.1.0/24', 'zone': 'use1-az1'}]},
        ],
        'target_groups': [
            {'name': 'web', 'vpc': 'provider', 'port': 8080,
             'attributes': {'proxy_protocol_v2.enabled': proxy}, 'health_check': {'enabled': False},
             'targets': [{'ip': f'10.0.1.{32 + i}'} for i in range(N_TARGETS)]}],
        'load_balancers': [
            {'name': 'web', 'vpc': 'provider', 'subnets': [{'subnet': 'a', 'ips': [NODE]}],
             'listeners': [{'port': 80, 'target_group': 'web'}]}],
        'endpoint_services': [
            {'name': 'web', 'load_balancers': ['web'], 'acceptance_required': False,
             'allowed_principals': [f'arn:aws:iam::{CONSUMER}:root']}],
        'endpoints': [
            {'name': 'web', 'vpc': 'consumer', 'service': 'web', 'security_groups': ['web'],
             'subnets': [{'subnet': 'a', 'ip': ENI}]}],
    }
    conf.update(more)
    return conf


def big(ports, dpdk, n_listeners=20000, n_endpoints=10000, n_targets=50000, n_zones=3):
    """region(), and beside it as many listeners, endpoints and targets as asked for in all.

    Load balancers have 50 listeners each and a node in every zone, all of which choose among all targets:
    n_zones SNAT pools a target. Two listeners share a group of targets.
    """
    conf = region(ports, dpdk)
    zones = [f'use1-az{i + 1}' for i in range(n_zones)]
    n_lbs = -(-n_listeners // 50)
    n_groups = n_listeners // 2
    conf['zones'] = zones
    conf['limits'].update({'endpoints': n_endpoints + 1, 'listeners': n_listeners + 1,
                           'targets': n_targets + N_TARGETS})
    provider = {'name': 'big-provider', 'owner': 'provider', 'cidrs': ['10.0.0.0/8'],
                'attachment': {'port': 'provider', 'vlan': 2},
                'subnets': [{'name': z, 'cidr': f'10.{64 * i}.0.0/10', 'zone': z}
                            for i, z in enumerate(zones)]}
    consumer = {'name': 'big-consumer', 'owner': 'consumer', 'cidrs': ['10.0.0.0/8'],
                'attachment': {'port': 'consumer', 'vlan': 2},
                'subnets': [{'name': z, 'cidr': f'10.{64 * i}.0.0/10', 'zone': z}
                            for i, z in enumerate(zones)]}
    conf['vpcs'] += [provider, consumer]
    first = [int(ipaddress.ip_address(f'10.{64 * i}.16.0')) for i in range(n_zones)]
    for g in range(n_groups):
        lo, hi = (n_targets * k // n_groups for k in (g, g + 1))
        conf['target_groups'].append({
            'name': f'g{g}', 'vpc': 'big-provider', 'port': 8080,
            'attributes': {'proxy_protocol_v2.enabled': True}, 'health_check': {'enabled': False},
            'targets': [{'ip': str(ipaddress.ip_address(first[t % n_zones] + t // n_zones))}
                        for t in range(lo, hi)]})
    for b in range(n_lbs):
        conf['load_balancers'].append({
            'name': f'lb{b}', 'vpc': 'big-provider', 'subnets': [{'subnet': z} for z in zones],
            'attributes': {'load_balancing.cross_zone.enabled': True},
            'listeners': [{'port': 1000 + n % 50, 'target_group': f'g{n // 2}'}
                          for n in range(50 * b, min(50 * b + 50, n_listeners))]})
        conf['endpoint_services'].append({
            'name': f's{b}', 'load_balancers': [f'lb{b}'], 'acceptance_required': False,
            'allowed_principals': [f'arn:aws:iam::{CONSUMER}:root']})
    for e in range(n_endpoints):
        conf['endpoints'].append({
            'name': f'e{e}', 'vpc': 'big-consumer', 'service': f's{e % n_lbs}',
            'subnets': [{'subnet': z} for z in zones]})
    return conf
