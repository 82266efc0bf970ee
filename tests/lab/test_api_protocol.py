# SPDX-License-Identifier: BSD-3-Clause
"""The AWS APIs: who may call, what is refused and how, the first actions; stock clients throughout."""

import json
import re
import socket
import time

import botocore.exceptions
from botocore.parsers import JSONParser

import api_world
from api_world import CONSUMER, KEYS, PROVIDER

GRANITE = 'GraniteServiceVersion20100801'


class Identity(api_world.ApiCase):

    def test_cli_is_told_who_it_is(self):
        want = {'provider': f'arn:aws:iam::{PROVIDER}:root',
                'consumer': f'arn:aws:iam::{CONSUMER}:user/alice',
                'role': f'arn:aws:sts::{CONSUMER}:assumed-role/deploy/culvert'}
        for who, arn in want.items():
            done = self.it.cli('sts', 'get-caller-identity', who=who)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.json['Arn'], arn)
            self.assertEqual(done.json['Account'], KEYS[who][3].split(':')[4])

    def test_wrong_secret(self):
        self.assert_error(self.it.call('ec2', 'DescribeVpcs', secret='x'), 401, 'AuthFailure')
        self.assert_error(self.it.call('sts', 'GetCallerIdentity', secret='x'), 403,
                          'SignatureDoesNotMatch')

    def test_unknown_key_and_token(self):
        keys = {'no': ('AKIANOBODY0000000001', 'x', None, None),
                'bare': KEYS['role'][:2] + (None, None),
                'other': KEYS['role'][:2] + ('stolen', None),
                'more': KEYS['consumer'][:2] + ('stolen', None)}
        for who in keys:
            with self.assertRaises(botocore.exceptions.ClientError) as raised:
                self.it.boto('ec2', who, keys=keys).describe_vpcs()
            self.assertEqual(raised.exception.response['Error']['Code'], 'AuthFailure', who)
            with self.assertRaises(botocore.exceptions.ClientError) as raised:
                self.it.boto('elbv2', who, keys=keys).describe_account_limits()
            self.assertEqual(raised.exception.response['Error']['Code'], 'InvalidClientTokenId', who)

    def test_clock(self):
        for late in (0, 240, -240):
            self.assertEqual(self.it.call('ec2', 'DescribeVpcs', late=late)[0], 200)
        for late in (330, -330):
            self.assert_error(self.it.call('ec2', 'DescribeVpcs', late=late), 400, 'RequestExpired')
            self.assert_error(self.it.call('elasticloadbalancing', 'DescribeAccountLimits', late=late),
                              403, 'SignatureDoesNotMatch')

    def test_scope(self):
        self.assert_error(self.it.call('ec2', 'DescribeVpcs', region='eu-west-1'), 401, 'AuthFailure',
                          'valid region')
        path, headers = self.it.sign('s3', '')
        self.assert_error(self.it.send(path, headers)[::2], 401, 'AuthFailure', 'correct service')

    def test_unsigned(self):
        got = self.it.send('/', {'Content-Type': api_world.FORM}, 'Action=DescribeVpcs&Version=2016-11-15')
        self.assert_error(got[::2], 403, 'MissingAuthenticationToken')
        got = self.it.send('/', {'Content-Type': api_world.FORM},
                           'Action=GetCallerIdentity&Version=2011-06-15')
        self.assert_error(got[::2], 403, 'MissingAuthenticationToken', '<ErrorResponse ')

    def test_changed_on_the_way(self):
        body = 'Action=DescribeVpcs&Version=2016-11-15'
        path, headers = self.it.sign('ec2', body)
        self.assertEqual(self.it.send(path, headers, body)[0], 200)
        self.assert_error(self.it.send(path, headers, body + '&DryRun=true')[::2], 401, 'AuthFailure')
        self.assert_error(self.it.send(path + '?DryRun=true', headers, body)[::2], 401, 'AuthFailure')

    def test_presigned(self):
        path = '/?Action=GetCallerIdentity&Version=2011-06-15'
        signed, headers = self.it.sign('sts', method='GET', path=path, presigned=600, who='role')
        for _ in range(2):
            status, _, text = self.it.send(signed, headers, method='GET')
            self.assertEqual(status, 200, text)
        signed, headers = self.it.sign('sts', method='GET', path=path, presigned=600, late=700)
        self.assert_error(self.it.send(signed, headers, method='GET')[::2], 403,
                          'SignatureDoesNotMatch', 'expired')

    def test_equal_calls_of_one_second(self):
        """They have one signature, and are no replay."""
        body = 'Action=DescribeVpcs&Version=2016-11-15'
        path, headers = self.it.sign('ec2', body)
        self.assertEqual([self.it.send(path, headers, body)[0] for _ in range(3)], [200] * 3)

    def test_keys_are_reloaded(self):
        try:
            self.it.write_keys({'consumer': KEYS['provider'][:3] + KEYS['consumer'][3:]})
            self.it.hup('access keys read again')
            got = self.it.boto('sts', 'provider').get_caller_identity()
            self.assertEqual(got['Account'], CONSUMER)
            self.assert_error(self.it.call('ec2', 'DescribeVpcs'), 401, 'AuthFailure')
            self.it.write_keys(mode=0o644)
            self.it.hup('the access keys stay as they were')
            self.assertEqual(self.it.boto('sts', 'provider').get_caller_identity()['Account'], CONSUMER)
        finally:
            self.it.write_keys()
            self.it.hup('access keys read again')


class Protocol(api_world.ApiCase):

    limits = {'body_bytes': 4096, 'request_seconds': 2, 'idle_seconds': 3}

    def test_unknown_action_version_and_parameter(self):
        self.assert_error(self.it.call('ec2', 'DescribeNothing'), 400, 'InvalidAction', 'DescribeNothing')
        self.assert_error(self.it.call('sts', 'AssumeRole'), 400, 'InvalidAction', 'AssumeRole')
        self.assert_error(self.it.call('ec2', 'DescribeVpcs', version='2009-01-01'), 400, 'NoSuchVersion')
        self.assert_error(self.it.call('sts', 'GetCallerIdentity', version='1'), 400, 'InvalidAction')
        self.assert_error(self.it.call('ec2', 'DescribeVpcs', '&Nope=1'), 400, 'UnknownParameter', 'Nope')
        self.assert_error(self.it.call('elasticloadbalancing', 'DescribeAccountLimits', '&Nope=1'), 400,
                          'ValidationError', 'Nope')

    def test_wrong_values(self):
        self.assert_error(self.it.call('ec2', 'DescribeVpcs', '&MaxResults=4'), 400, 'InvalidParameterValue')
        self.assert_error(self.it.call('ec2', 'DescribeVpcs', '&MaxResults=x'), 400, 'InvalidParameterValue')
        self.assert_error(self.it.call('ec2', 'DescribeVpcs', '&DryRun=maybe'), 400, 'InvalidParameterValue')
        self.assert_error(self.it.call('ec2', 'DescribeVpcs', '&NextToken=zz'), 400, 'InvalidNextToken')
        self.assert_error(self.it.call('ec2', 'DescribeVpcs', '&Filter.1.Value.1=x'), 400,
                          'MissingParameter', 'Filter.Name')
        self.assert_error(self.it.call('ec2', 'DescribeVpcs', '&VpcId.1=x'), 400, 'InvalidVpcID.Malformed')
        self.assert_error(self.it.call('ec2', 'DescribeVpcs', '&VpcId.1=vpc-' + '0' * 17), 400,
                          'InvalidVpcID.NotFound')
        self.assert_error(self.it.call('ec2', 'DescribeVpcs', '&VpcId.1=a&VpcId.1=b'), 400,
                          'InvalidParameterValue', 'more than once')
        self.assert_error(self.it.call('ec2', 'DescribeVpcs', '&A=%zz'), 400, 'MalformedQueryString')
        self.assert_error(self.it.call('elasticloadbalancing', 'DescribeAccountLimits', '&PageSize=401'),
                          400, 'ValidationError')
        self.assert_error(self.it.call('ec2', 'DescribeVpcs', '&DryRun=true'), 412, 'DryRunOperation')
        self.assert_error(self.it.call('ec2', 'DescribeVpcs', '&DryRun=true&VpcId.1=vpc-01234567890abcdef'),
                          400, 'InvalidVpcID.NotFound')

    def test_exit_status_of_the_cli(self):
        done = self.it.cli('ec2', 'describe-vpcs', '--filters', 'Name=nope,Values=1')
        self.assertEqual(done.returncode, 254)
        self.assertIn('An error occurred (InvalidParameterValue) when calling the DescribeVpcs operation: '
                      "The filter 'nope' is invalid", done.stderr)

    def test_http(self):
        body = 'Action=DescribeVpcs&Version=2016-11-15'
        path, headers = self.it.sign('ec2', body, headers={'Content-Type': 'application/json'})
        self.assert_error(self.it.send(path, headers, body)[::2], 415, 'InvalidRequest')
        status, headers, _ = self.it.send('/', {}, method='DELETE')
        self.assertEqual((status, headers['Allow']), (405, 'POST, GET'))
        path, headers = self.it.sign('ec2', body + '&A=' + 'x' * 5000)
        self.assert_error(self.it.send(path, headers, body + '&A=' + 'x' * 5000)[::2], 413,
                          'RequestEntityTooLarge')
        path, headers = self.it.sign('ec2', body)
        _, headers, text = self.it.send(path, headers, body)
        self.assertEqual(headers['Content-Type'], 'text/xml;charset=UTF-8')
        self.assertIn(f'<requestId>{headers["x-amzn-RequestId"]}</requestId>', text)
        self.assertIn('Date', headers)

    def test_slow_clients_block_nobody_and_end(self):
        slow = [socket.create_connection(('127.0.0.1', self.it.port)) for _ in range(40)]
        try:
            begin, gone = time.monotonic(), 0
            for sock in slow:
                sock.sendall(b'POST / HTTP/1.1\r\nHost: x\r\n')
            while time.monotonic() < begin + 90 and gone < len(slow):
                self.assertEqual(self.it.call('sts', 'GetCallerIdentity')[0], 200)
                gone = 0
                for sock in slow:
                    try:
                        sock.sendall(b'X')  # a byte now and then keeps MHD's own timeout away
                    except OSError:
                        gone += 1
                time.sleep(0.2)
            self.assertEqual(gone, len(slow))
        finally:
            for sock in slow:
                sock.close()

    def test_keep_alive_is_quick(self):
        client = self.it.boto('sts')
        client.get_caller_identity()
        took = []
        while len(took) < 20 or (min(took) >= 0.035 and len(took) < 500):   # the machine may be busy
            begin = time.monotonic()
            client.get_caller_identity()
            took.append(time.monotonic() - begin)
        # The trap is 40 ms for every call: an answer in two pieces without TCP_NODELAY.
        self.assertLess(min(took), 0.035)


class Throttled(api_world.ApiCase):

    limits = {'requests_per_second': 1, 'burst': 5}

    def test_each_key_has_its_own_rate(self):
        def until_refused(service, action):
            """Answers up to the first that is none; each second one more call is let in."""
            body = f'Action={action}&Version={api_world.VERSIONS[service]}'
            got = []
            while not got or (got[-1][0] == 200 and len(got) < 1000):
                path, headers = self.it.sign(service, body)
                got.append(self.it.send(path, headers, body)[::2])
            return got
        got = until_refused('ec2', 'DescribeRegions')
        self.assertGreaterEqual(len(got), 6)
        self.assert_error(got[-1], 503, 'RequestLimitExceeded')
        self.assert_error(until_refused('sts', 'GetCallerIdentity')[-1], 400, 'Throttling')
        self.assertEqual(self.it.call('ec2', 'DescribeRegions', who='provider')[0], 200)


class Networks(api_world.ApiCase):

    def test_zones_have_the_callers_names(self):
        for who, first in (('provider', 'use1-az1'), ('consumer', 'use1-az3')):
            zones = self.it.boto('ec2', who).describe_availability_zones()['AvailabilityZones']
            self.assertEqual([z['ZoneName'] for z in zones], ['us-east-1a', 'us-east-1b', 'us-east-1c'])
            self.assertEqual(zones[0]['ZoneId'], first)
        done = self.it.cli('ec2', 'describe-availability-zones', '--zone-ids', 'use1-az2', '--query',
                           'AvailabilityZones[].ZoneName')
        self.assertEqual(done.json, ['us-east-1b'])

    def test_everybody_sees_its_own(self):
        mine = {who: self.it.boto('ec2', who) for who in ('provider', 'consumer')}
        vpcs = {who: ec2.describe_vpcs()['Vpcs'] for who, ec2 in mine.items()}
        for who, ec2 in mine.items():
            self.assertEqual(len(vpcs[who]), 1)
            self.assertEqual(vpcs[who][0]['OwnerId'], KEYS[who][3].split(':')[4])
            subnets = ec2.describe_subnets()['Subnets']
            self.assertEqual({s['VpcId'] for s in subnets}, {vpcs[who][0]['VpcId']})
            self.assertEqual([s['AvailableIpAddressCount'] for s in subnets], [251] * 3)
            groups = ec2.describe_security_groups()['SecurityGroups']
            by_name = {g['GroupName']: g for g in groups}
            self.assertEqual(set(by_name), {f'{who}-web', 'default'})
            self.assertEqual(by_name[f'{who}-web']['IpPermissions'][0]['ToPort'], 443)
        with self.assertRaises(botocore.exceptions.ClientError) as raised:
            mine['consumer'].describe_vpcs(VpcIds=[vpcs['provider'][0]['VpcId']])
        self.assertEqual(raised.exception.response['Error']['Code'], 'InvalidVpcID.NotFound')

    def test_filters(self):
        ec2 = self.it.boto('ec2')

        def found(**filters):
            rows = [{'Name': k.replace('_', '-'), 'Values': v} for k, v in filters.items()]
            return len(ec2.describe_subnets(Filters=rows)['Subnets'])
        self.assertEqual(found(cidr=['10.0.1.0/24']), 1)
        self.assertEqual(found(cidr=['10.0.1.0/24', '10.0.2.*']), 2)
        self.assertEqual(found(cidr=['10.0.?.0/24']), 3)
        self.assertEqual(found(cidr=['10.0.\\?.0/24']), 0)
        self.assertEqual(found(availability_zone=['us-east-1a'], availability_zone_id=['use1-az3']), 1)
        self.assertEqual(found(availability_zone=['us-east-1a'], availability_zone_id=['use1-az1']), 0)

    def test_limits_come_in_pages(self):
        elb = self.it.boto('elbv2')
        whole = elb.describe_account_limits()
        self.assertNotIn('NextMarker', whole)
        rows, marker = [], {}
        while True:
            page = elb.describe_account_limits(PageSize=4, **marker)
            self.assertLessEqual(len(page['Limits']), 4)
            rows += page['Limits']
            if 'NextMarker' not in page:
                break
            self.assertRegex(page['NextMarker'], re.compile('^[0-9a-f]{32}$'))
            marker = {'Marker': page['NextMarker']}
        self.assertEqual(rows, whole['Limits'])
        self.assertIn({'Name': 'network-load-balancers', 'Max': '50'}, rows)


class Json(api_world.ApiCase):
    """CloudWatch as newer clients ask it; botocore's own parser reads the answers in JSON."""

    def ask(self, action, params, **how):
        """(status, what it says)."""
        body = params if isinstance(params, str) else json.dumps(params)
        headers = {'Content-Type': 'application/x-amz-json-1.0',
                   'X-Amz-Target': f'{GRANITE}.{action}'}
        path, headers = self.it.sign('monitoring', body, who='provider', headers=headers | how)
        status, headers, text = self.it.send(path, headers, body)
        if 'application/x-amz-json-1.0' not in headers['Content-Type']:
            return status, text
        shape = None
        if status == 200:
            model = self.it.boto('cloudwatch').meta.service_model.operation_model(action)
            shape = model.output_shape
        return status, JSONParser().parse({'status_code': status, 'headers': dict(headers),
                                           'body': text.encode()}, shape)

    def test_same_answers(self):
        self.it.boto('elbv2', 'provider').create_load_balancer(
            Name='json', Type='network', Scheme='internal', Subnets=[self.subnet()])
        cw = self.it.boto('cloudwatch', 'provider')
        until = time.monotonic() + 30
        want = {'Namespace': 'AWS/NetworkELB', 'MetricName': 'NewFlowCount'}
        while len(cw.list_metrics(**want)['Metrics']) < 2:
            self.assertLess(time.monotonic(), until)
            time.sleep(0.2)
        status, got = self.ask('ListMetrics', want)
        self.assertEqual(status, 200)
        self.assertEqual(got['Metrics'], cw.list_metrics(**want)['Metrics'])
        now = time.time()
        dims = min((m['Dimensions'] for m in got['Metrics']), key=len)
        self.assertEqual([d['Name'] for d in dims], ['LoadBalancer'])
        span = {'StartTime': int(now) - 7200, 'EndTime': now + 60.5}
        status, got = self.ask('GetMetricStatistics', want | span | {
            'Dimensions': dims, 'Period': 86400, 'Statistics': ['Sum', 'SampleCount']})
        self.assertEqual((status, got['Label']), (200, 'NewFlowCount'))
        self.assertEqual({(p['Sum'], p['Unit'], p['SampleCount'] >= 1) for p in got['Datapoints']},
                         {(0, 'Count', True)})
        self.assertLess(abs(got['Datapoints'][0]['Timestamp'].timestamp() - now), 2 * 86400)
        status, got = self.ask('GetMetricData', span | {'MetricDataQueries': [{'Id': 'a', 'MetricStat': {
            'Metric': want | {'Dimensions': dims}, 'Period': 60, 'Stat': 'Sum'}}]})
        result, = got['MetricDataResults']
        self.assertEqual((status, result['Id'], set(result['Values'])), (200, 'a', {0}))
        self.assertEqual(len(result['Timestamps']), len(result['Values']))
        self.assertEqual(self.ask('ListMetrics', {'MetricName': 'no'})[1]['Metrics'], [])

    def subnet(self):
        return self.it.boto('ec2', 'provider').describe_subnets()['Subnets'][0]['SubnetId']

    def test_errors(self):
        for params, code in (({'Nonsense': 1}, 'ValidationError'), ('[]', None), ('{"MetricName": ', None),
                             ({'MetricName': {'A': ['b']}}, None)):
            got = self.ask('ListMetrics', params)
            self.assertEqual(got[0], 400, got)
            self.assertTrue(got[1]['Error']['Message'], got)
            self.assertIn(code, (None, got[1]['Error']['Code']), got)
        status, got = self.ask('PutMetricData', {})
        self.assertEqual((status, got['Error']['Code']), (400, 'InvalidAction'))
        deep = '{"A":' * 40 + '1' + '}' * 40
        self.assertEqual(self.ask('ListMetrics', deep)[0], 400)
        # No other service has it.
        status, text = self.ask('ListMetrics', {}, **{'X-Amz-Target': 'Other.ListMetrics'})
        self.assertEqual(status, 415)
        self.assertIn('CloudWatch in JSON 1.0', text)

    def test_error_is_named_twice(self):
        headers = {'Content-Type': 'application/x-amz-json-1.0',
                   'X-Amz-Target': f'{GRANITE}.GetMetricStatistics'}
        body = json.dumps({'Namespace': 'AWS/NetworkELB', 'MetricName': 'x', 'Statistics': ['Sum'],
                           'Period': 61, 'StartTime': 1700000000, 'EndTime': 1700003600})
        path, headers = self.it.sign('monitoring', body, headers=headers)
        status, headers, text = self.it.send(path, headers, body)
        self.assertEqual((status, headers['x-amzn-query-error']), (400, 'InvalidParameterValue;Sender'))
        self.assertEqual(json.loads(text)['__type'],
                         'com.amazonaws.cloudwatch#InvalidParameterValueException')

    def test_cbor(self):
        def ask(action, body, **how):
            path, headers = self.it.sign('monitoring', body, path=f'/service/{GRANITE}/operation/{action}',
                                         headers={'Content-Type': 'application/cbor', **how})
            return self.it.send(path, headers, body)
        rpc = {'smithy-protocol': 'rpc-v2-cbor'}
        # No metric has that name: a map of one, an empty list.
        status, headers, data = ask('ListMetrics', b'\xa1\x6aMetricName\x62no', **rpc)
        self.assertEqual((status, data), (200, b'\xa1\x67Metrics\x80'))
        self.assertEqual((headers['Content-Type'], headers['smithy-protocol']),
                         ('application/cbor', 'rpc-v2-cbor'))
        status, headers, data = ask('GetMetricData', b'\xa1\x62No\x01', **rpc)
        self.assertEqual((status, headers['x-amzn-query-error']), (400, 'ValidationError;Sender'))
        self.assertIn(b'com.amazonaws.cloudwatch#ValidationError', data)
        status, headers, _ = ask('GetMetricData', b'\xa1', **rpc)
        self.assertEqual((status, headers['x-amzn-query-error']), (400, 'SerializationException;Sender'))
        self.assertEqual(ask('ListMetrics', b'\xa0')[0], 415)
