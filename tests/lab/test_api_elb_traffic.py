# SPDX-License-Identifier: BSD-3-Clause
"""A load balancer that calls made: its targets are checked, it forwards, and CloudWatch counts that."""

import datetime
import ipaddress
import os
import re
import shlex
import subprocess
import time
import unittest

import boto3

from cvlab.lab import TRUNK
from harness import proc
from test_scenarios import begin, end

PREFIX = f'cvl-t{os.getpid()}-elb'
N = 12


def api(*args):
    return end(begin('api', '--prefix', PREFIX, *args))


class Traffic(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(api, '--stop')
        done = api()
        assert done.returncode == 0, done.stderr
        rows = re.findall(r'^export CULVERT_(\w+)=(.*)$', done.stdout, re.M)
        cls.env = {name: shlex.split(value)[0] for name, value in rows}

    def boto(self, service, role='PROVIDER'):
        return boto3.client(service, endpoint_url=self.env['API_URL'], region_name=self.env['REGION'],
                            aws_access_key_id=self.env[f'{role}_KEY'],
                            aws_secret_access_key=self.env[f'{role}_SECRET'])

    def cli(self, *args, role='PROVIDER'):
        env = {**os.environ, 'AWS_ACCESS_KEY_ID': self.env[f'{role}_KEY'], 'AWS_PAGER': '',
               'AWS_SECRET_ACCESS_KEY': self.env[f'{role}_SECRET'], 'HOME': '/nowhere',
               'AWS_DEFAULT_REGION': self.env['REGION']}
        done = subprocess.run(['/usr/bin/aws', '--endpoint-url', self.env['API_URL'], *args], env=env,
                              capture_output=True, text=True, timeout=200, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def make(self):
        """(load balancer, group's ARN): two live targets behind port 80 of a node in each zone of two."""
        elb = self.boto('elbv2')
        zones = {}
        for subnet in self.boto('ec2').describe_subnets()['Subnets']:
            # The last of its addresses that may be used: no host and no target has it.
            last = ipaddress.ip_network(subnet['CidrBlock'])[-2]
            zones.setdefault(subnet['AvailabilityZone'], {'SubnetId': subnet['SubnetId'],
                                                          'PrivateIPv4Address': str(last)})
        lb, = elb.create_load_balancer(Name='web', Type='network', Scheme='internal', SubnetMappings=[
            zones[z] for z in sorted(zones)])['LoadBalancers']
        group, = elb.create_target_group(
            Name='web', Protocol='TCP', Port=int(self.env['HEALTHY_TARGET'].split(':')[1]),
            VpcId=self.env['PROVIDER_VPC'], TargetType='ip', HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=5)['TargetGroups']
        arn = group['TargetGroupArn']
        elb.modify_load_balancer_attributes(LoadBalancerArn=lb['LoadBalancerArn'], Attributes=[
            {'Key': 'load_balancing.cross_zone.enabled', 'Value': 'true'}])
        self.ips = self.env['TARGET_IPS'].split(',')[:2]
        elb.register_targets(TargetGroupArn=arn, Targets=[{'Id': ip} for ip in self.ips])
        elb.create_listener(LoadBalancerArn=lb['LoadBalancerArn'], Protocol='TCP', Port=80, DefaultActions=[
            {'Type': 'forward', 'TargetGroupArn': arn}])
        self.cli('elbv2', 'wait', 'load-balancer-available', '--load-balancer-arns', lb['LoadBalancerArn'])
        self.wait_healthy(arn)
        return lb, arn

    def states(self, arn):
        got = self.boto('elbv2').describe_target_health(TargetGroupArn=arn)['TargetHealthDescriptions']
        return {d['Target']['Id']: d['TargetHealth']['State'] for d in got}

    def wait_healthy(self, arn):
        """The CLI's own waiter would look only every 15 seconds; it is for the end."""
        self.until(lambda: set(self.states(arn).values()) == {'healthy'}, lambda: self.states(arn))
        self.cli('elbv2', 'wait', 'target-in-service', '--target-group-arn', arn)

    def until(self, done, what=lambda: None):
        """Wait for something; what() tells how it is if it does not come."""
        end = time.monotonic() + 120
        while not done():
            self.assertLess(time.monotonic(), end, what())
            time.sleep(0.2)

    def made_vpc(self):
        """(VPC, subnet) of the consumer that calls make, and a client in it: VLAN 100 is the first that is
        set aside."""
        ec2 = self.boto('ec2', 'CONSUMER')
        shared = ec2.describe_subnets(SubnetIds=self.env['CONSUMER_SUBNETS'].split(',')[:1])['Subnets'][0]
        vpc = ec2.create_vpc(CidrBlock='10.77.0.0/16')['Vpc']['VpcId']
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock='10.77.1.0/24',
                                   AvailabilityZone=shared['AvailabilityZone'])['Subnet']['SubnetId']
        ns = f'{PREFIX}.consumer.client'
        links = proc.run(['ip', '-o', 'link', 'show', 'up'], ns=ns).stdout
        port = next(name for name in re.findall(r'^\d+: ([^:@]+)', links, re.M) if name != 'lo')
        trunk = subprocess.Popen(['ip', 'netns', 'exec', ns, TRUNK, port, '100:made'],
                                 stdout=subprocess.DEVNULL)
        self.addCleanup(trunk.wait)
        self.addCleanup(trunk.terminate)
        self.until(lambda: proc.run(['ip', 'link', 'set', 'made', 'up'], ns=ns, check=False).returncode == 0)
        proc.run(['ip', 'addr', 'add', '10.77.1.20/24', 'dev', 'made'], ns=ns)
        return vpc, subnet

    def test_a_vpc_that_calls_made_carries_traffic(self):
        elb, ec2, mine = self.boto('elbv2'), self.boto('ec2'), self.boto('ec2', 'CONSUMER')
        vpc, subnet = self.made_vpc()
        shared = self.env['PROVIDER_SUBNETS'].split(',')[:2]
        lb, = elb.create_load_balancer(Name='vlan', Type='network', Scheme='internal',
                                       Subnets=shared)['LoadBalancers']
        group, = elb.create_target_group(
            Name='vlan', Protocol='TCP', Port=int(self.env['HEALTHY_TARGET'].split(':')[1]),
            VpcId=self.env['PROVIDER_VPC'], TargetType='ip', HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=5)['TargetGroups']
        arn = group['TargetGroupArn']
        elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[
            {'Key': 'load_balancing.cross_zone.enabled', 'Value': 'true'}])
        elb.register_targets(TargetGroupArn=arn, Targets=[{'Id': self.env['TARGET_IPS'].split(',')[0]}])
        elb.create_listener(LoadBalancerArn=lb['LoadBalancerArn'], Protocol='TCP', Port=80, DefaultActions=[
            {'Type': 'forward', 'TargetGroupArn': arn}])
        service = ec2.create_vpc_endpoint_service_configuration(
            NetworkLoadBalancerArns=[lb['LoadBalancerArn']], AcceptanceRequired=False)['ServiceConfiguration']
        ec2.modify_vpc_endpoint_service_permissions(ServiceId=service['ServiceId'],
                                                    AddAllowedPrincipals=['*'])
        endpoint = mine.create_vpc_endpoint(
            VpcId=vpc, VpcEndpointType='Interface', ServiceName=service['ServiceName'],
            SubnetIds=[subnet])['VpcEndpoint']
        eni, = mine.describe_network_interfaces(
            NetworkInterfaceIds=endpoint['NetworkInterfaceIds'])['NetworkInterfaces']
        self.until(lambda: set(self.states(arn).values()) == {'healthy'}, lambda: self.states(arn))
        self.available(endpoint)
        self.dial(eni['PrivateIpAddress'], N, 'consumer')
        # It goes, and nobody answers there any more.
        mine.delete_vpc_endpoints(VpcEndpointIds=[endpoint['VpcEndpointId']])
        mine.delete_subnet(SubnetId=subnet)
        mine.delete_vpc(VpcId=vpc)
        ask = ['curl', '-s', '-m', '2', f'http://{eni["PrivateIpAddress"]}/']
        self.until(lambda: proc.run(ask, ns=f'{PREFIX}.consumer.client', check=False).returncode != 0)

    def dial(self, ip, n, vpc='provider'):
        done = proc.run(['curl', '-s', '-S', '-m', '20', '-w', '%{http_code} ', '-H', 'Connection: close'] +
                        ['-o', '/dev/null', f'http://{ip}/'] * n,
                        ns=f'{PREFIX}.{vpc}.client', check=False)
        self.assertEqual(done.stdout.split(), ['200'] * n, done.stderr)

    def sums(self, ns, name, dims, stat='Sum', role='PROVIDER'):
        now = datetime.datetime.now(datetime.timezone.utc)
        got = self.boto('cloudwatch', role).get_metric_statistics(
            Namespace=ns, MetricName=name, Dimensions=[{'Name': k, 'Value': v} for k, v in dims.items()],
            StartTime=now - datetime.timedelta(hours=1), EndTime=now + datetime.timedelta(minutes=1),
            Period=3600, Statistics=[stat])
        # Two periods if a minute has begun since the first point: they begin at StartTime.
        values = [p[stat] for p in got['Datapoints']] or [0]
        return sum(values) if stat == 'Sum' else max(values)

    def wait_sum(self, want, *args):
        self.until(lambda: self.sums(*args) == want, lambda: (args, self.sums(*args), want))

    def test_checked_forwarded_counted_drained(self):
        lb, arn = self.make()
        zone = lb['AvailabilityZones'][0]
        address = zone['LoadBalancerAddresses'][0]['PrivateIPv4Address']
        self.dial(address, N)
        self.counted(lb, arn, zone['ZoneName'])
        self.counted_by_zone(lb)
        elb = self.boto('elbv2')
        elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[
            {'Key': 'deregistration_delay.timeout_seconds', 'Value': '4'}])
        begin = time.monotonic()
        elb.deregister_targets(TargetGroupArn=arn, Targets=[{'Id': self.ips[0]}])
        states = self.states(arn)
        if time.monotonic() - begin < 3.9:      # else this machine was busy
            self.assertEqual(states, {self.ips[0]: 'draining', self.ips[1]: 'healthy'})
        self.dial(address, N)
        self.until(lambda: self.states(arn) == {self.ips[1]: 'healthy'}, lambda: self.states(arn))
        self.cli('elbv2', 'wait', 'target-deregistered', '--target-group-arn', arn, '--targets',
                 f'Id={self.ips[0]}')

    def counted(self, lb, arn, zone):
        ns = 'AWS/NetworkELB'
        balancer = {'LoadBalancer': lb['LoadBalancerArn'].split(':loadbalancer/')[1]}
        group = {'TargetGroup': arn.split(':')[-1]}
        in_zone = balancer | {'AvailabilityZone': zone}
        for dims in (balancer, in_zone, group, balancer | group):
            self.wait_sum(N, ns, 'NewFlowCount', dims)
        other = lb['AvailabilityZones'][1]['ZoneName']
        self.assertEqual(self.sums(ns, 'NewFlowCount', balancer | {'AvailabilityZone': other}), 0)
        self.wait_sum(2, ns, 'HealthyHostCount', balancer | group, 'Maximum')
        now = datetime.datetime.now(datetime.timezone.utc)
        text = self.cli('cloudwatch', 'get-metric-statistics', '--namespace', ns, '--metric-name',
                        'PortAllocationErrorCount', '--dimensions',
                        f'Name=LoadBalancer,Value={balancer["LoadBalancer"]}',
                        '--start-time', (now - datetime.timedelta(minutes=10)).isoformat(),
                        '--end-time', (now + datetime.timedelta(minutes=1)).isoformat(),
                        '--period', '60', '--statistics', 'Sum', 'SampleCount', '--output', 'text')
        self.assertRegex(text, r'DATAPOINTS\s+1.0\s+0.0\s+2\d{3}-')
        self.listed(balancer, in_zone)

    def connect(self, lb):
        """(service id, endpoint, {subnet: IP of the ENI there}): two ENIs of the consumer's."""
        ec2, mine = self.boto('ec2'), self.boto('ec2', 'CONSUMER')
        service = ec2.create_vpc_endpoint_service_configuration(
            NetworkLoadBalancerArns=[lb['LoadBalancerArn']], AcceptanceRequired=False)['ServiceConfiguration']
        ec2.modify_vpc_endpoint_service_permissions(ServiceId=service['ServiceId'],
                                                    AddAllowedPrincipals=['*'])
        endpoint = mine.create_vpc_endpoint(
            VpcId=self.env['CONSUMER_VPC'], VpcEndpointType='Interface', ServiceName=service['ServiceName'],
            SubnetIds=self.env['CONSUMER_SUBNETS'].split(',')[:2],
            SecurityGroupIds=[self.env['CONSUMER_SG']])['VpcEndpoint']
        self.available(endpoint)
        enis = mine.describe_network_interfaces(
            NetworkInterfaceIds=endpoint['NetworkInterfaceIds'])['NetworkInterfaces']
        return service['ServiceId'], endpoint, {e['SubnetId']: e['PrivateIpAddress'] for e in enis}

    def available(self, endpoint):
        """Wait until packets may go through an endpoint of the consumer's."""
        def state():
            return self.boto('ec2', 'CONSUMER').describe_vpc_endpoints(
                VpcEndpointIds=[endpoint['VpcEndpointId']])['VpcEndpoints'][0]['State']
        self.until(lambda: state() == 'available', state)

    def said(self, role, ns, name, dims):
        """What the stock client is told."""
        now = datetime.datetime.now(datetime.timezone.utc)
        text = self.cli('cloudwatch', 'get-metric-statistics', '--namespace', ns, '--metric-name', name,
                        '--dimensions', *[f'Name={k},Value={v}' for k, v in dims.items()],
                        '--start-time', (now - datetime.timedelta(hours=1)).isoformat(),
                        '--end-time', (now + datetime.timedelta(minutes=1)).isoformat(), '--period', '3600',
                        '--statistics', 'Sum', '--query', 'sum(Datapoints[].Sum)', '--output', 'text',
                        role=role)
        return float(text)

    def counted_by_zone(self, lb):
        """Through two ENIs in zones that the two accounts know by other names, 3 and 5 connections."""
        service, endpoint, enis = self.connect(lb)
        s0, s1 = self.env['CONSUMER_SUBNETS'].split(',')[:2]
        self.dial(enis[s0], 3, 'consumer')
        self.dial(enis[s1], 5, 'consumer')
        region, ns = self.env['REGION'], 'AWS/PrivateLinkEndpoints'
        whole = {'Endpoint Type': 'Interface', 'Service Name': endpoint['ServiceName'],
                 'VPC Endpoint Id': endpoint['VpcEndpointId'], 'VPC Id': endpoint['VpcId']}
        for want, dims in ((8, whole), (3, whole | {'Subnet Id': s0}), (5, whole | {'Subnet Id': s1})):
            self.wait_sum(want, ns, 'NewConnections', dims, 'Sum', 'CONSUMER')
        self.assertEqual(self.said('CONSUMER', ns, 'NewConnections', whole | {'Subnet Id': s1}), 5)
        self.assertEqual(self.sums(ns, 'NewConnections', whole), 0)  # the provider's own
        of, arn = {'Service Id': service}, {'Load Balancer Arn': lb['LoadBalancerArn']}
        for want, dims in ((8, of), (8, of | arn), (3, of | {'Az': f'{region}a'}),
                           (5, of | arn | {'Az': f'{region}b'}),
                           (8, of | {'VPC Endpoint Id': endpoint['VpcEndpointId']})):
            self.wait_sum(want, 'AWS/PrivateLinkServices', 'NewConnections', dims)
        balancer = {'LoadBalancer': lb['LoadBalancerArn'].split(':loadbalancer/')[1]}
        zones = [balancer | {'AvailabilityZone': z['ZoneName']} for z in lb['AvailabilityZones']]
        by_zone = {f'{region}a': 3, f'{region}b': 5}
        by_zone[lb['AvailabilityZones'][0]['ZoneName']] += N  # dialled without an endpoint before
        for dims in zones:
            self.wait_sum(by_zone.get(dims['AvailabilityZone'], 0), 'AWS/NetworkELB', 'NewFlowCount', dims)
        self.bytes_agree(balancer, zones, whole, (s0, s1))

    def bytes_agree(self, balancer, zones, whole, subnets):
        """Each byte is of one zone and of one subnet; the last packets may be on their way yet."""
        def told():
            nlb = [self.sums('AWS/NetworkELB', 'ProcessedBytes', d) for d in (balancer, *zones)]
            peps = [self.sums('AWS/PrivateLinkEndpoints', 'BytesProcessed', d, 'Sum', 'CONSUMER')
                    for d in (whole, *(whole | {'Subnet Id': s} for s in subnets))]
            return nlb, peps

        def agree():
            nlb, peps = told()
            # As many of the same requests: 5 to 3 through the ENIs, and in all 8 to 20 of the load balancer.
            return (nlb[0] == sum(nlb[1:]) and peps[0] == sum(peps[1:]) and min(peps) > 0 and
                    [n > 0 for n in nlb] == [True, True, True, False] and
                    abs(peps[2] / peps[1] - 5 / 3) < 0.3 and abs(nlb[0] / peps[0] - (N + 8) / 8) < 0.5 and
                    self.said('PROVIDER', 'AWS/NetworkELB', 'ProcessedBytes', zones[1]) == nlb[2])
        self.until(agree, told)
        # Told once their ten seconds are over; two requests are more than a packet a second in that time.
        for name in ('PeakBytesPerSecond', 'PeakPacketsPerSecond'):
            for dims in (balancer, zones[0], zones[1]):
                self.until(lambda args=('AWS/NetworkELB', name, dims, 'Maximum'): self.sums(*args) > 0,
                           lambda args=(name, dims): args)
            self.assertEqual(self.sums('AWS/NetworkELB', name, zones[2], 'Maximum'), 0)
        self.wait_sum(3, 'AWS/NetworkELB', 'ZonalHealthStatus', balancer, 'Maximum')

    def listed(self, balancer, in_zone):
        cw = self.boto('cloudwatch')
        rows = [{'Name': k, 'Value': v} for k, v in in_zone.items()]
        metrics = cw.list_metrics(Namespace='AWS/NetworkELB', MetricName='NewFlowCount',
                                  Dimensions=rows)['Metrics']
        self.assertEqual([{d['Name']: d['Value'] for d in m['Dimensions']} for m in metrics], [in_zone])
        self.assertEqual(self.boto('cloudwatch', 'CONSUMER').list_metrics(Dimensions=rows)['Metrics'], [])
        now = datetime.datetime.now(datetime.timezone.utc)
        query = {'Id': 'flows', 'MetricStat': {'Metric': {
            'Namespace': 'AWS/NetworkELB', 'MetricName': 'NewFlowCount',
            'Dimensions': [{'Name': k, 'Value': v} for k, v in balancer.items()]},
            'Period': 60, 'Stat': 'Sum'}}
        result, = cw.get_metric_data(MetricDataQueries=[query], StartTime=now - datetime.timedelta(hours=1),
                                     EndTime=now + datetime.timedelta(minutes=1))['MetricDataResults']
        self.assertEqual((result['Id'], result['StatusCode'], sum(result['Values'])),
                         ('flows', 'Complete', N))
        self.assertEqual(len(result['Timestamps']), len(result['Values']))
