#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""In the role of a CloudFormation stack: whatever it takes to let another account reach a database.

It makes a target group, a load balancer in one subnet, an endpoint service that accepts the other account by
itself, and runs the function once, which registers the database's address. Eight parameters, two outputs
(JSON on stdout): the zone in use and the endpoint service's name. Credentials and region are boto3's, from
the environment.
"""

import argparse
import json
import sys

import boto3

import rds_follow


def parameters():
    """The stack's parameters, as its template names them, and where the API and the DNS are."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--function-name', required=True)
    parser.add_argument('--rds-type', required=True, choices=['instance', 'cluster'])
    parser.add_argument('--rds-endpoint', required=True, help='DNS name')
    parser.add_argument('--rds-port', required=True, type=int)
    parser.add_argument('--vpc', required=True)
    parser.add_argument('--subnet', required=True, help='one, in the zone of the database')
    parser.add_argument('--security-groups', required=True, help='of the function; comma list')
    parser.add_argument('--consumer-account', required=True)
    parser.add_argument('--endpoint-url', required=True)
    parser.add_argument('--resolver', required=True, metavar='IP:PORT')
    return parser.parse_args()


def create(opts, elb, ec2):
    """Everything but the function: (target group, the service's configuration)."""
    name = opts.function_name[:32]
    group = elb.create_target_group(
        Name=name, Protocol='TCP', Port=opts.rds_port, VpcId=opts.vpc, TargetType='ip',
        HealthCheckIntervalSeconds=10, HealthyThresholdCount=2,
        UnhealthyThresholdCount=2)['TargetGroups'][0]['TargetGroupArn']
    elb.modify_target_group_attributes(TargetGroupArn=group, Attributes=[
        {'Key': 'deregistration_delay.timeout_seconds', 'Value': '0'},
        {'Key': 'deregistration_delay.connection_termination.enabled', 'Value': 'true'}])
    balancer = elb.create_load_balancer(
        Name=name, Type='network', Scheme='internal',
        Subnets=[opts.subnet])['LoadBalancers'][0]['LoadBalancerArn']
    elb.create_listener(LoadBalancerArn=balancer, Protocol='TCP', Port=opts.rds_port,
                        DefaultActions=[{'Type': 'forward', 'TargetGroupArn': group}])
    elb.get_waiter('load_balancer_available').wait(LoadBalancerArns=[balancer])
    made = ec2.create_vpc_endpoint_service_configuration(
        AcceptanceRequired=False, NetworkLoadBalancerArns=[balancer])['ServiceConfiguration']
    ec2.modify_vpc_endpoint_service_permissions(
        ServiceId=made['ServiceId'],
        AddAllowedPrincipals=[f'arn:aws:iam::{opts.consumer_account}:root'])
    return group, made


def main():
    opts = parameters()
    print('CREATE_IN_PROGRESS', file=sys.stderr)
    elb = boto3.client('elbv2', endpoint_url=opts.endpoint_url)
    group, service = create(opts, elb, boto3.client('ec2', endpoint_url=opts.endpoint_url))
    rds_follow.follow(elb, group, opts.rds_endpoint, opts.rds_port, opts.resolver)
    print('CREATE_COMPLETE', file=sys.stderr)
    print(json.dumps({'AvailabilityZone': service['AvailabilityZones'][0],
                      'EndpointServiceName': service['ServiceName'], 'TargetGroup': group}))
    return 0


if __name__ == '__main__':
    sys.exit(main())
