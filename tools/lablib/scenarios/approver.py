# SPDX-License-Identifier: BSD-3-Clause
"""An unattended approver: a program of the provider's subscribes to a topic, confirms, hears of each
request for a connection, and accepts those of the accounts that it knows, without anybody looking on. Its
receiver is away for a while, and misses nothing.
"""

import base64
import http.server
import json
import queue
import subprocess
import threading
import urllib.request

from cvlab import awsstory, peers, proc

SUMMARY = 'a program that hears of requests by SNS and accepts them by rule'
NEEDS = ['aws']
NGINX = '10.0.0.201'
ZONES = {'us-east-1a': 'use1-az1', 'us-east-1b': 'use1-az2'}
PROVIDER = awsstory.network('provider', '111111111111', ZONES, '10.0', list(ZONES))
CONSUMER = awsstory.network('consumer', '222222222222', ZONES, '10.0', list(ZONES))
STRANGER = awsstory.network('stranger', '333333333333', ZONES, '10.0', list(ZONES))
KNOWN = {CONSUMER['account']}
TYPES = 'x-amz-sns-message-type'
table = awsstory.story.table


def canonical(message):
    """What is signed of a message."""
    names = ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type']
    if message['Type'] == 'Notification':
        names = ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type']
    return ''.join(f'{n}\n{message[n]}\n' for n in names if n in message).encode()


class Approver:
    """The program: an HTTP server that keeps what it is told, in the order in which it is told."""

    def __init__(self, lab):
        self.lab, self.path, self.port = lab, lab.path, 0
        self.heard, self.bad = queue.Queue(), []
        self.server = self.thread = None

    def __enter__(self):
        self.open()
        return self

    def __exit__(self, *what):
        self.close()

    def open(self):
        """Listen: at the same port again, after a pause."""
        approver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            """Takes one message."""

            def do_POST(self):                                      # pylint: disable=invalid-name
                """A message."""
                approver.take(self.headers, self.rfile.read(int(self.headers['Content-Length'])))
                self.send_response(200)
                self.send_header('Content-Length', '0')
                self.end_headers()

            def log_message(self, *_):                              # pylint: disable=arguments-differ
                """Nothing."""

        # In the namespace of culvertd, which is not that of its APIs.
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', self.port), Handler, False)
        self.server.socket.close()
        self.server.socket = proc.socket_in(self.lab.culvert_ns)
        self.server.server_bind()
        self.server.server_activate()
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        """Be away."""
        self.server.shutdown()
        self.server.server_close()

    def take(self, headers, body):
        """Check the signature; confirm what asks to be confirmed, keep the rest."""
        message = json.loads(body)
        with urllib.request.urlopen(message['SigningCertURL'], timeout=10) as answer:
            cert = answer.read()
        if headers[TYPES] != message['Type'] or not self.is_signed(message, cert):
            self.bad.append(message)
        elif message['Type'] == 'SubscriptionConfirmation':
            with urllib.request.urlopen(message['SubscribeURL'], timeout=10):
                pass
        else:
            self.heard.put(json.loads(message['Message']))

    def is_signed(self, message, cert):
        """By openssl, not by code of ours."""
        files = {'cert': cert, 'sig': base64.b64decode(message['Signature']), 'text': canonical(message)}
        for name, data in files.items():
            with open(self.path(f'sns-{name}'), 'wb') as file:
                file.write(data)
        key = subprocess.run(['openssl', 'x509', '-in', self.path('sns-cert'), '-pubkey', '-noout'],
                             check=True, capture_output=True, timeout=10).stdout
        with open(self.path('sns-pub'), 'wb') as file:
            file.write(key)
        digest = {'1': '-sha1', '2': '-sha256'}[message['SignatureVersion']]
        done = subprocess.run(['openssl', 'dgst', digest, '-verify', self.path('sns-pub'), '-signature',
                               self.path('sns-sig'), self.path('sns-text')],
                              check=False, capture_output=True, timeout=10)
        return done.returncode == 0

    def next(self):
        """The next event."""
        try:
            return self.heard.get(timeout=90)
        except queue.Empty:
            return {}


def publish(it):
    """The provider's service: its name and id."""
    arn, group = awsstory.balancer(it, PROVIDER, 'web', [awsstory.subnet_id(PROVIDER, 0)], [NGINX], 80)
    awsstory.healthy(it, PROVIDER, group, 1)
    service = it.make('provider', 'ec2 create-vpc-endpoint-service-configuration '
                      f'--network-load-balancer-arns {arn} --acceptance-required', 'ServiceConfiguration')
    it.make('provider', 'ec2 modify-vpc-endpoint-service-permissions '
            f'--service-id {service["ServiceId"]} --add-allowed-principals *')
    return service['ServiceName'], service['ServiceId']


def policy(topic, service):
    """Lets PrivateLink publish what concerns the service."""
    source = f'arn:aws:ec2:us-east-1:{PROVIDER["account"]}:vpc-endpoint-service/{service}'
    return json.dumps({'Version': '2012-10-17', 'Statement': [{
        'Effect': 'Allow', 'Principal': {'Service': 'vpce.amazonaws.com'}, 'Action': 'SNS:Publish',
        'Resource': topic, 'Condition': {'ArnLike': {'aws:SourceArn': source}}}]}, separators=(',', ':'))


def listen(it, service, approver):
    """The topic, its policy, the subscription, the notification."""
    topic = it.make('provider', 'sns create-topic --name requests', 'TopicArn')
    line = ('ec2 create-vpc-endpoint-connection-notification --connection-notification-arn '
            f'{topic} --connection-events Connect Accept Reject Delete --service-id {service}')
    it.call('a notification before the topic lets PrivateLink publish', 'provider', line, 'InvalidParameter')
    it.make('provider', f'sns set-topic-attributes --topic-arn {topic} --attribute-name Policy '
            f"--attribute-value '{policy(topic, service)}'")
    it.make('provider', f'sns set-topic-attributes --topic-arn {topic} --attribute-name SignatureVersion '
            '--attribute-value 2')
    it.call('subscribe the program', 'provider', f'sns subscribe --topic-arn {topic} --protocol http '
            f'--notification-endpoint http://127.0.0.1:{approver.port}/', 'pending confirmation',
            'SubscriptionArn')
    it.until('it confirms by the URL that it was sent', 'provider',
             f'sns get-topic-attributes --topic-arn {topic}', '1', 'Attributes.SubscriptionsConfirmed')
    it.call('the notification', 'provider', line, 'Enabled',
            'ConnectionNotification.ConnectionNotificationState')


def request(it, role, name):
    """An endpoint of a consumer's: its id."""
    made = it.call(f'the {role["name"]} asks for a connection', role['name'],
                   'ec2 create-vpc-endpoint --vpc-endpoint-type Interface --vpc-id '
                   f'{awsstory.vpc_id(role)} --service-name {name} --security-group-ids '
                   f'{awsstory.group_id(role)} --subnet-ids {awsstory.subnet_id(role, 0)}',
                   'pendingAcceptance', 'VpcEndpoint.State')
    return made.pick('VpcEndpoint.VpcEndpointId')


def decide(it, service, approver):
    """The program's rule, for the next request that it hears of."""
    event = approver.next()
    verb = 'accept' if event.get('VpcEndpointOwner') in KNOWN else 'reject'
    it.make('provider', f'ec2 {verb}-vpc-endpoint-connections --service-id {service} '
            f'--vpc-endpoint-ids {event.get("VpcEndpointId")}')
    return [event.get(k) for k in ('EventType', 'VpcEndpointId', 'VpcEndpointOwner')]


def heard(approver, n):
    """The next n events: what, and of which endpoint."""
    return [[e.get('EventType'), e.get('VpcEndpointId')] for e in (approver.next() for _ in range(n))]


def play(it, approver):
    """All of it."""
    name, service = publish(it)
    listen(it, service, approver)
    mine = request(it, CONSUMER, name)
    it.step('the program hears of it', ['Connect', mine, CONSUMER['account']],
            decide(it, service, approver))
    it.until('it was accepted', 'consumer', f'ec2 describe-vpc-endpoints --vpc-endpoint-ids {mine}',
             'available', 'VpcEndpoints.0.State')
    it.step('and hears of that', [['Accept', mine]], heard(approver, 1))
    approver.close()
    strange = request(it, STRANGER, name)
    other = request(it, STRANGER, name)
    it.make('stranger', f'ec2 delete-vpc-endpoints --vpc-endpoint-ids {other}')
    approver.open()
    it.step('it was away: the request of a stranger is heard of later',
            ['Connect', strange, STRANGER['account']], decide(it, service, approver))
    it.step('and nothing is lost, all in order',
            [['Connect', other], ['Delete', other], ['Reject', strange]], heard(approver, 3))
    it.until('the stranger is rejected', 'stranger',
             f'ec2 describe-vpc-endpoints --vpc-endpoint-ids {strange}', 'rejected',
             'VpcEndpoints.0.State')
    it.step('messages whose signature was wrong', 0, len(approver.bad))
    eni = it.enis('consumer', mine).get('us-east-1a')
    it.step('HTTP from the consumer', 'HTTP 200', it.get('consumer', eni, 80)[0])


def run(opts, say):
    """Play it."""
    conf = awsstory.config('us-east-1', [PROVIDER, CONSUMER, STRANGER])
    with awsstory.begin(opts, say, conf, {'provider': [NGINX]},
                        lambda made: peers.nginx(made, 'provider', NGINX, 80, proxy=False)) as it:
        with Approver(it.lab) as approver:
            play(it, approver)
        return it.result()
