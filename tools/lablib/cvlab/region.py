# SPDX-License-Identifier: BSD-3-Clause
"""Configurations for labs: one provider with a load balancer, consumers that all have the same CIDR.

Pure: reads and writes nothing.
"""

ZONES = {'us-east-1a': 'use1-az1', 'us-east-1b': 'use1-az2'}
SWAPPED = {'us-east-1a': 'use1-az2', 'us-east-1b': 'use1-az1'}
ENI = '172.16.1.10'      # of every consumer, in its subnet a
ENI_B = '172.16.2.10'
NODE = '10.0.1.10'       # of the load balancer, in use1-az1
NODE_B = '10.0.2.10'


def group(name, port, targets, proxy=True, placement=None, check=None, **attributes):
    """A target group with a listener of the same port; not checked unless told how."""
    attrs = {'proxy_protocol_v2.enabled': proxy, 'load_balancing.cross_zone.enabled': True}
    if placement:
        attrs['proxy_protocol_v2.client_to_server.header_placement'] = placement
    attrs.update(attributes)
    return {'name': name, 'vpc': 'provider', 'port': port, 'attributes': attrs,
            'health_check': check or {'enabled': False},
            'targets': [{'ip': ip, 'port': p} for ip, p in targets]}


def port(name, idx, queues):
    """A port on AF_XDP: one device a queue."""
    return {'name': name, 'devices': [
        f'net_af_xdp{idx * 10 + q},iface=cv-{name},start_queue={q}' for q in range(queues)]}


def consumer(idx):
    """Account and VPC of consumer idx. All consumers have the same CIDR; even ones swap their zones."""
    name = f'c{idx}'
    account = {'id': f'{idx + 1:d}' * 12, 'name': name, 'zones': SWAPPED if idx % 2 == 0 else ZONES}
    vpc = {'name': name, 'owner': name, 'cidrs': ['172.16.0.0/16'], 'attachment': {'port': name},
           'subnets': [{'name': 'a', 'cidr': '172.16.1.0/24', 'zone': 'us-east-1a'},
                       {'name': 'b', 'cidr': '172.16.2.0/24', 'zone': 'us-east-1b'}]}
    endpoint = {'name': name, 'vpc': name, 'service': 'svc',
                'subnets': [{'subnet': 'a', 'ip': ENI}, {'subnet': 'b', 'ip': ENI_B}]}
    return account, vpc, endpoint


def config(groups, consumers=1, workers=1, queues=1, accept=None, reject=()):
    """A region with one provider, one load balancer with a listener per group, n consumers."""
    names = [f'c{i}' for i in range(1, consumers + 1)]
    parts = [consumer(i) for i in range(1, consumers + 1)]
    conf = {
        'region': 'us-east-1', 'zones': sorted(ZONES.values()),
        'accounts': [{'id': '1' * 12, 'name': 'provider', 'zones': ZONES}] + [p[0] for p in parts],
        'dpdk': {'workers': workers, 'memory_mb': 512, 'mbufs': 32768,
                 'ports': [port(n, i, queues) for i, n in enumerate(['prov'] + names)]},
        'limits': {'flows': 131072},
        'vpcs': [{'name': 'provider', 'owner': 'provider', 'cidrs': ['10.0.0.0/16'],
                  'attachment': {'port': 'prov'},
                  'subnets': [{'name': 'a', 'cidr': '10.0.1.0/24', 'zone': 'us-east-1a'},
                              {'name': 'b', 'cidr': '10.0.2.0/24', 'zone': 'us-east-1b'}]}]
        + [p[1] for p in parts],
        'target_groups': groups,
        'load_balancers': [{
            'name': 'nlb', 'vpc': 'provider',
            'subnets': [{'subnet': 'a', 'ips': [NODE]}, {'subnet': 'b', 'ips': [NODE_B]}],
            'listeners': [{'port': g['port'], 'target_group': g['name']} for g in groups]}],
        'endpoint_services': [{
            'name': 'svc', 'load_balancers': ['nlb'], 'allowed_principals': ['*'],
            'accept': [n for n in names if n not in reject] if accept is None else accept,
            'reject': list(reject)}],
        'endpoints': [p[2] for p in parts],
    }
    return conf


def on_vlans(conf, name, vlans):
    """Attach VPCs to VLANs of one port, by name; their own ports go."""
    conf['dpdk']['ports'] = [p for p in conf['dpdk']['ports']
                             if p['name'] == name or p['name'] not in vlans]
    for vpc in conf['vpcs']:
        if vpc['name'] in vlans:
            vpc['attachment'] = {'port': name, 'vlan': vlans[vpc['name']]}
    return conf


def in_vxlan(conf, name, vni, port_name=None, vlan=None, **vxlan):
    """Attach a VPC by VXLAN, to its own port or another; a port that nobody has any more goes."""
    vpc, = [v for v in conf['vpcs'] if v['name'] == name]
    vpc['attachment'] = {'port': port_name or vpc['attachment']['port'], 'vxlan': {'vni': vni, **vxlan}}
    if vlan:
        vpc['attachment']['vlan'] = vlan
    used = {v['attachment']['port'] for v in conf['vpcs']}
    conf['dpdk']['ports'] = [p for p in conf['dpdk']['ports'] if p['name'] in used]
    return conf
