#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""In the role of a Lambda function: let a target group follow a database's DNS name.

usage: rds_follow.py API-URL TARGET-GROUP-ARN NAME PORT RESOLVER-IP:PORT

Looks the name up, registers addresses that are new, then deregisters those that are gone: connections of
these end, so that sessions move. Prints what it did as JSON. To be run on a schedule and on events.
"""

import json
import subprocess
import sys

import boto3


def lookup(name, resolver):
    """Addresses of a name, from the resolver alone."""
    ip, _, port = resolver.partition(':')
    done = subprocess.run(['dig', '+short', '+time=5', '+tries=3', f'@{ip}', '-p', port, name, 'A'],
                          capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def follow(elb, group, name, port, resolver):
    """Make the group's targets what the name says; (added, removed)."""
    want = lookup(name, resolver)
    health = elb.describe_target_health(TargetGroupArn=group)['TargetHealthDescriptions']
    have = {h['Target']['Id'] for h in health if h['TargetHealth']['State'] != 'draining'}
    if not want:
        return [], []   # a name that is not there for a moment takes no database away
    for ids, act in ((want - have, elb.register_targets), (have - want, elb.deregister_targets)):
        if ids:
            act(TargetGroupArn=group, Targets=[{'Id': ip, 'Port': port} for ip in sorted(ids)])
    return sorted(want - have), sorted(have - want)


def main():
    url, group, name, port, resolver = sys.argv[1:]
    added, removed = follow(boto3.client('elbv2', endpoint_url=url), group, name, int(port), resolver)
    print(json.dumps({'added': added, 'removed': removed}))


if __name__ == '__main__':
    main()
