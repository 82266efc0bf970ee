# SPDX-License-Identifier: BSD-3-Clause
"""Notifications as receivers get them: over crashes of culvertd, from operators and from the file, with what
unsubscribes and what is too much.
"""

import contextlib
import json
import pathlib
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

import botocore.exceptions

import api_world
from api_world import CONSUMER, PROVIDER
from cvlab import sns
from harness import culvertd

CULVERTCTL = pathlib.Path(culvertd.CULVERTD).parent / 'culvertctl'
VPCE = json.dumps({'Statement': [{'Effect': 'Allow', 'Principal': {'Service': 'vpce.amazonaws.com'},
                                  'Action': 'SNS:Publish'}]})


def config():
    """A service by request, with endpoints of the file that wait; a load balancer that may be shifted."""
    conf = api_world.config()
    conf['target_groups'] = [{'name': 'web', 'vpc': 'provider', 'port': 80,
                              'targets': [{'ip': '10.0.1.50'}, {'ip': '10.0.1.51'}]}]
    conf['load_balancers'] = [{
        'name': 'nlb', 'vpc': 'provider', 'attributes': {'zonal_shift.config.enabled': True},
        'subnets': [{'subnet': 'provider-1'}, {'subnet': 'provider-2'}],
        'listeners': [{'port': 80, 'target_group': 'web'}]}]
    conf['endpoint_services'] = [{'name': 'svc', 'load_balancers': ['nlb'],
                                  'allowed_principals': [f'arn:aws:iam::{CONSUMER}:root']}]
    conf['endpoints'] = [{'name': name, 'vpc': 'consumer', 'service': 'svc',
                          'subnets': [{'subnet': 'consumer-1'}]} for name in ('one', 'two', 'three')]
    return conf


class Receiver(sns.Receiver):
    """Takes messages, confirms subscriptions, and keeps the rest. It may be away."""

    def __init__(self):
        super().__init__()
        self.status = 200
        self.all, self.lock = [], threading.Lock()

    def take(self, headers, body):
        if self.status == 200 and headers['x-amz-sns-message-type'] == 'SubscriptionConfirmation':
            with urllib.request.urlopen(json.loads(body)['SubscribeURL'], timeout=30):
                pass
        with self.lock:
            self.all.append((headers, body.decode()))
        return self.status

    def bodies(self):
        """Bodies of notifications, in the order in which they came, each message once."""
        with self.lock:
            seen = {h['x-amz-sns-message-id']: b for h, b in self.all
                    if h['x-amz-sns-message-type'] == 'Notification'}
        return list(seen.values())

    def events(self):
        """What they say of which endpoint."""
        said = [json.loads(json.loads(b)['Message']) for b in self.bodies()]
        return [(e['EventType'], e['VpcEndpointId']) for e in said]


class SnsCase(api_world.ApiCase):
    """Topics, subscribers and an operator."""

    limits = {'requests_per_second': 0}

    @classmethod
    def make_config(cls):
        return config()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sns = cls.it.boto('sns', 'provider')
        cls.ec2 = cls.it.boto('ec2', 'provider')

    def ctl(self, *args):
        done = subprocess.run([CULVERTCTL, '-s', str(self.it.dir / 'ctl.sock'), *args], text=True,
                              capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def show(self, what):
        return json.loads(self.ctl('show', what, '--json'))

    def metric(self, name):
        return next(int(line.split()[-1]) for line in self.ctl('metrics').splitlines()
                    if line.startswith(f'culvert_{name} '))

    def kill(self):
        self.it.child.send_signal(signal.SIGKILL)
        self.it.child.wait()
        (self.it.dir / 'log').write_text('')
        self.it.start()

    def until(self, done, seconds=180):
        end = time.monotonic() + seconds
        while not done():
            self.assertLess(time.monotonic(), end, 'not in time')
            time.sleep(0.05)

    def topic(self, name):
        arn = self.sns.create_topic(Name=name)['TopicArn']
        self.sns.set_topic_attributes(TopicArn=arn, AttributeName='Policy', AttributeValue=VPCE)
        return arn

    def subscribe(self, arn, receiver, **attributes):
        self.sns.subscribe(TopicArn=arn, Protocol='http', Attributes=attributes,
                           Endpoint=f'http://127.0.0.1:{receiver.port}/')
        self.until(lambda: self.count(arn) == '1')
        subs = self.sns.list_subscriptions_by_topic(TopicArn=arn)['Subscriptions']
        return next(s['SubscriptionArn'] for s in subs if s['Endpoint'].endswith(f':{receiver.port}/'))

    def count(self, arn, what='SubscriptionsConfirmed'):
        return self.sns.get_topic_attributes(TopicArn=arn)['Attributes'][what]

    def notify(self, arn):
        service = self.ec2.describe_vpc_endpoint_service_configurations()['ServiceConfigurations'][0]
        self.ec2.create_vpc_endpoint_connection_notification(
            ServiceId=service['ServiceId'], ConnectionNotificationArn=arn,
            ConnectionEvents=['Connect', 'Accept', 'Reject', 'Delete'])
        return service

    def refused(self, code, call, *args, **how):
        with self.assertRaises(botocore.exceptions.ClientError) as raised:
            call(*args, **how)
        self.assertEqual(raised.exception.response['Error']['Code'], code)


class Crashes(SnsCase):
    """What is promised survives SIGKILL: messages, and what an operator decided."""

    def endpoint(self, service):
        ec2 = self.it.boto('ec2')
        vpc = ec2.describe_vpcs()['Vpcs'][0]['VpcId']
        subnet = ec2.describe_subnets()['Subnets'][0]['SubnetId']
        return ec2.create_vpc_endpoint(VpcEndpointType='Interface', VpcId=vpc, SubnetIds=[subnet],
                                       ServiceName=service['ServiceName'])['VpcEndpoint']['VpcEndpointId']

    def decide(self, verb, service, endpoint):
        call = getattr(self.ec2, f'{verb}_vpc_endpoint_connections')
        self.assertEqual(call(ServiceId=service['ServiceId'], VpcEndpointIds=[endpoint])['Unsuccessful'], [])

    def test_nothing_is_lost_while_a_receiver_is_away(self):
        ids = {e['name']: e['id'] for e in self.show('endpoints')['endpoints']}
        with Receiver() as receiver, Receiver() as other:
            arn = self.topic('crash')
            sub = self.subscribe(arn, receiver)
            policy = {'throttlePolicy': {'maxReceivesPerSecond': 500}}
            self.sns.set_subscription_attributes(SubscriptionArn=sub, AttributeName='DeliveryPolicy',
                                                 AttributeValue=json.dumps(policy))
            default = {'http': {'disableSubscriptionOverrides': False}}
            self.sns.set_topic_attributes(TopicArn=arn, AttributeName='DeliveryPolicy',
                                          AttributeValue=json.dumps(default))
            service = self.notify(arn)
            receiver.close()
            want = []
            for i in range(3):
                made = self.endpoint(service)
                want.append(('Connect', made))
                self.decide('accept' if i else 'reject', service, made)
                want.append(('Accept' if i else 'Reject', made))
                self.kill()
            # By hand, and by the file; killed as soon as it is said that it is done.
            self.ctl('accept', 'two')
            want.append(('Accept', ids['two']))
            self.kill()
            path = self.it.dir / 'conf.json'
            self.it.conf['endpoint_services'][0]['reject'] = ['one']
            self.it.conf['endpoints'].pop()
            path.write_text(json.dumps(self.it.conf))
            self.it.hup('reloaded')
            want += [('Delete', ids['three']), ('Reject', ids['one'])]
            self.kill()
            now = self.sns.get_subscription_attributes(SubscriptionArn=sub)['Attributes']
            self.assertEqual(json.loads(now['DeliveryPolicy']), policy)
            effective = json.loads(now['EffectiveDeliveryPolicy'])
            self.assertEqual(effective['healthyRetryPolicy']['numRetries'], 1439)
            self.assertEqual(json.loads(self.count(arn, 'DeliveryPolicy')), default)
            receiver.open()
            self.until(lambda: len(receiver.events()) >= len(want))
            self.assertEqual(receiver.events(), want)
            # Each answer was heard, so no message came twice.
            told = [h for h, _ in receiver.all if h['x-amz-sns-message-type'] == 'Notification']
            self.assertEqual(len(told), len(want))
            self.until(lambda: self.metric('notifications_waiting') == 0)
            self.assertEqual(other.all, [])

    def test_what_an_operator_decided_stands(self):
        self.ctl('shift', 'nlb', 'use1-az2')
        self.kill()
        self.ctl('drain', 'web', '10.0.1.51')
        self.kill()
        self.ctl('reject', 'two')
        self.kill()
        said = {(d['kind'], d['name'], d['decision']) for d in self.show('state')['decisions']}
        self.assertIn(('lb', 'nlb', 'shifted away from use1-az2'), said)
        self.assertIn(('tg', 'web', '10.0.1.51:80 deregistered'), said)
        self.assertIn(('endpoint', 'two', 'rejected'), said)
        states = {e['name']: e['state'] for e in self.show('endpoints')['endpoints']}
        self.assertEqual(states['two'], 'rejected')
        nodes = self.show('load-balancers')['load_balancers'][0]['nodes']
        self.assertEqual({n['az_id']: n['zonal_shift'] for n in nodes},
                         {'use1-az2': True, 'use1-az3': False})
        self.ctl('unshift', 'nlb')
        self.ctl('accept', 'two')
        self.kill()
        nodes = self.show('load-balancers')['load_balancers'][0]['nodes']
        self.assertEqual({n['zonal_shift'] for n in nodes}, {False})
        states = {e['name']: e['state'] for e in self.show('endpoints')['endpoints']}
        self.assertIn(states['two'], ('pending', 'available'))
        # And over a reload, at once.
        self.until(lambda: self.show('endpoints')['endpoints'][1]['state'] == 'available')
        self.it.hup('reloaded')
        events = [json.loads(line) for line in self.ctl('events').splitlines()]
        self.assertIn('reload', [e['event'] for e in events])
        after = [e for e in events if e['event'] == 'endpoint' and e.get('from') == 'available']
        self.assertEqual(after, [], 'an accepted endpoint is not served for a while')


class Subscriptions(SnsCase):
    """Their life, by the stock client."""

    def test_life(self):
        arn = self.topic('life')
        with Receiver() as receiver:
            receiver.status = 503
            self.sns.subscribe(TopicArn=arn, Protocol='http',
                               Endpoint=f'http://127.0.0.1:{receiver.port}/')
            self.until(lambda: receiver.all)
            self.assertEqual(self.count(arn, 'SubscriptionsPending'), '1')
            self.sns.publish(TopicArn=arn, Message='before')
            receiver.status = 200
            self.until(lambda: self.count(arn) == '1')
            sub = self.sns.list_subscriptions()['Subscriptions'][0]
            self.assertEqual((sub['TopicArn'], sub['Protocol'], sub['Owner']), (arn, 'http', PROVIDER))
            self.sns.publish(TopicArn=arn, Message='text', Subject='subject')
            self.until(receiver.bodies)
            first = json.loads(receiver.bodies()[0])
            self.assertEqual((first['Message'], first['Subject']), ('text', 'subject'))
            self.sns.set_subscription_attributes(SubscriptionArn=sub['SubscriptionArn'],
                                                 AttributeName='RawMessageDelivery', AttributeValue='true')
            got = self.sns.get_subscription_attributes(SubscriptionArn=sub['SubscriptionArn'])['Attributes']
            self.assertEqual((got['RawMessageDelivery'], got['PendingConfirmation']), ('true', 'false'))
            self.kill()
            self.sns.publish(TopicArn=arn, Message='plain')
            self.until(lambda: len(receiver.bodies()) == 2)
            self.assertEqual(receiver.bodies()[1], 'plain')
            self.assertEqual(receiver.all[-1][0]['x-amz-sns-rawdelivery'], 'true')
            with urllib.request.urlopen(first['UnsubscribeURL'], timeout=30) as answer:
                self.assertIn(b'UnsubscribeResponse', answer.read())
            self.assertEqual(self.count(arn), '0')
            self.sns.publish(TopicArn=arn, Message='nobody')
            self.assertEqual(self.sns.list_subscriptions_by_topic(TopicArn=arn)['Subscriptions'], [])
            self.until(lambda: self.metric('notifications_waiting') == 0)
            self.assertEqual(len(receiver.bodies()), 2)

    def test_what_waits_goes_with_its_topic(self):
        arn = self.topic('gone')
        with Receiver() as receiver:
            self.subscribe(arn, receiver, RawMessageDelivery='true')
            receiver.close()
            for i in range(3):
                self.sns.publish(TopicArn=arn, Message=str(i))
            self.until(lambda: self.metric('notifications_waiting') == 3)
            self.sns.delete_topic(TopicArn=arn)
            self.until(lambda: self.metric('notifications_waiting') == 0)
            self.refused('NotFound', self.sns.publish, TopicArn=arn, Message='late')
            self.refused('NotFound', self.sns.get_topic_attributes, TopicArn=arn)
            receiver.open()
            time.sleep(0.2)
            self.assertEqual(receiver.bodies(), [])

    def test_what_is_refused(self):
        arn = self.topic('strict')
        other = self.it.boto('sns', 'consumer')
        endpoint = 'http://127.0.0.1:9/'
        with Receiver() as receiver:
            sub = self.subscribe(arn, receiver)
        wrong = [('sqs', 'arn:aws:sqs:x'), ('email', 'a@b'), ('https', endpoint), ('http', 'http://'),
                 ('http', 'file:///etc/passwd'), ('http', 'http://x/\r\nHost: y'), ('http', 'http://x y/'),
                 ('http', 'HTTP://x/')]
        for protocol, where in wrong:
            self.refused('InvalidParameter', self.sns.subscribe, TopicArn=arn, Protocol=protocol,
                         Endpoint=where)
        self.refused('InvalidParameter', self.sns.subscribe, TopicArn=arn, Protocol='http', Endpoint=endpoint,
                     Attributes={'FilterPolicy': '{}'})
        self.refused('NotFound', self.sns.subscribe, TopicArn=arn + 'x', Protocol='http', Endpoint=endpoint)
        self.refused('AuthorizationError', other.subscribe, TopicArn=arn, Protocol='http', Endpoint=endpoint)
        self.refused('AuthorizationError', other.unsubscribe, SubscriptionArn=sub)
        self.refused('AuthorizationError', other.get_subscription_attributes, SubscriptionArn=sub)
        self.refused('AuthorizationError', other.delete_topic, TopicArn=arn)
        self.refused('InvalidParameter', self.sns.confirm_subscription, TopicArn=arn, Token='0' * 64)
        self.refused('InvalidParameter', self.sns.set_subscription_attributes, SubscriptionArn=sub,
                     AttributeName='RawMessageDelivery', AttributeValue='perhaps')
        for subject in ('two\nlines', 'a\x7f', ' begins with a blank', 'ä'):
            self.refused('InvalidParameter', self.sns.publish, TopicArn=arn, Message='m', Subject=subject)
        for name in ('a b', 'a/../b', 'a\r\nX: y', '', 'x' * 257, 'a:b'):
            self.refused('InvalidParameter', self.sns.create_topic, Name=name)
        self.sns.unsubscribe(SubscriptionArn=sub)
        self.refused('NotFound', self.sns.get_subscription_attributes, SubscriptionArn=sub)

    def test_only_the_certificate_is_served_without_a_signature(self):
        arn = self.topic('cert')
        with Receiver() as receiver:
            self.subscribe(arn, receiver)
            self.sns.publish(TopicArn=arn, Message='m')
            self.until(receiver.bodies)
            url = json.loads(receiver.bodies()[0])['SigningCertURL']
        path = url[len(self.it.url):]
        with urllib.request.urlopen(url, timeout=30) as answer:
            self.assertIn(b'BEGIN CERTIFICATE', answer.read())
        for bad in (path + '/', path[:-1], path + '/../../etc/passwd', '/../' + path, '//etc/passwd',
                    '/SimpleNotificationService-../state.db', path.upper(), path.replace('-', '%2d')):
            status, _, text = self.it.send(bad, {}, method='GET')
            self.assertGreaterEqual(status, 400, bad)
            self.assertNotIn('BEGIN', text)


class Bounds(SnsCase):
    """Tries end, too many are dropped, and receivers are where they may be."""

    @classmethod
    def make_config(cls):
        return config()

    @classmethod
    def setUpClass(cls):
        start = api_world.Appliance.start

        def bounded(it):
            it.conf['api']['notifications'] = {'messages': 3, 'tries': 3, 'receivers': ['127.0.0.1/32'],
                                               'url': f'http://localhost:{it.port}'}
            return start(it)
        with contextlib.ExitStack() as stack:
            stack.callback(setattr, api_world.Appliance, 'start', start)
            api_world.Appliance.start = bounded
            super().setUpClass()

    def results(self):
        return [e['result'] for e in map(json.loads, self.ctl('events').splitlines())
                if e['event'] == 'notification']

    def test_bounds(self):
        arn = self.topic('bounds')
        with Receiver() as receiver:
            self.subscribe(arn, receiver, RawMessageDelivery='true')
            self.until(lambda: receiver.all)
            confirmation = json.loads(receiver.all[0][1])
            self.assertTrue(confirmation['SubscribeURL'].startswith(f'http://localhost:{self.it.port}/?'))
            receiver.status = 503
            self.sns.publish(TopicArn=arn, Message='given up')
            self.until(lambda: 'given up' in self.results())
            self.assertIn('failing', self.results())
            receiver.close()
            for i in range(6):
                self.sns.publish(TopicArn=arn, Message=str(i))
            self.until(lambda: 'dropped' in self.results())
            receiver.status = 200
            receiver.open()
            self.until(lambda: receiver.bodies()[-1:] == ['5'])
            self.assertNotIn('0', receiver.bodies())
        with Receiver() as barred:
            self.sns.subscribe(TopicArn=arn, Protocol='http', Endpoint=f'http://127.0.0.2:{barred.port}/')
            self.it.wait(lambda: 'no receiver may be there' in self.it.log())
            self.assertEqual(barred.all, [])
