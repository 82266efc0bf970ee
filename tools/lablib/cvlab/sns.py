# SPDX-License-Identifier: BSD-3-Clause
"""A program that hears of connections by SNS: an HTTP server on this machine's loopback, as the APIs are. It
checks signatures, confirms its subscription, and keeps what it is told.
"""

import base64
import http.server
import json
import queue
import subprocess
import threading
import urllib.request

TYPES = 'x-amz-sns-message-type'
EVENTS = 'Connect Accept Reject Delete'


def canonical(message):
    """What is signed of a message."""
    names = ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type']
    if message['Type'] == 'Notification':
        names = ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type']
    return ''.join(f'{n}\n{message[n]}\n' for n in names if n in message).encode()


class Receiver:
    """An HTTP server on the loopback that is told things by POST; what it does with them says take()."""

    def __init__(self):
        self.port, self.server = 0, None

    def __enter__(self):
        self.open()
        return self

    def __exit__(self, *what):
        self.close()

    def open(self):
        """Listen: at the same port again, after a pause."""
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            """Takes one message."""

            def do_POST(self):                                      # pylint: disable=invalid-name
                """A message."""
                body = self.rfile.read(int(self.headers['Content-Length']))
                self.send_response(receiver.take(dict(self.headers), body))
                self.send_header('Content-Length', '0')
                self.end_headers()

            def log_message(self, *_):                              # pylint: disable=arguments-differ
                """Nothing."""

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        """Be away."""
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def take(self, headers, body):
        """A message came. The status to answer with."""
        raise NotImplementedError


class Approver(Receiver):
    """The program: it keeps what it is told, in the order in which it is told."""

    def __init__(self, lab):
        super().__init__()
        self.path = lab.path
        self.heard, self.bad = queue.Queue(), []

    def take(self, headers, body):
        """Check the signature; confirm what asks to be confirmed, keep the rest."""
        message = json.loads(body)
        with urllib.request.urlopen(message['SigningCertURL'], timeout=60) as answer:
            cert = answer.read()
        if headers[TYPES] != message['Type'] or not self.is_signed(message, cert):
            self.bad.append(message)
        elif message['Type'] == 'SubscriptionConfirmation':
            with urllib.request.urlopen(message['SubscribeURL'], timeout=60):
                pass
        else:
            self.heard.put(json.loads(message['Message']))
        return 200

    def is_signed(self, message, cert):
        """By openssl, not by code of ours."""
        files = {'cert': cert, 'sig': base64.b64decode(message['Signature']), 'text': canonical(message)}
        for name, data in files.items():
            with open(self.path(f'sns-{name}'), 'wb') as file:
                file.write(data)
        key = subprocess.run(['openssl', 'x509', '-in', self.path('sns-cert'), '-pubkey', '-noout'],
                             check=True, capture_output=True, timeout=60).stdout
        with open(self.path('sns-pub'), 'wb') as file:
            file.write(key)
        digest = {'1': '-sha1', '2': '-sha256'}[message['SignatureVersion']]
        done = subprocess.run(['openssl', 'dgst', digest, '-verify', self.path('sns-pub'), '-signature',
                               self.path('sns-sig'), self.path('sns-text')],
                              check=False, capture_output=True, timeout=60)
        return done.returncode == 0

    def next(self):
        """The next event."""
        try:
            return self.heard.get(timeout=90)
        except queue.Empty:
            return {}


def policy(topic, account, service):
    """Lets PrivateLink publish what concerns the service."""
    source = f'arn:aws:ec2:us-east-1:{account}:vpc-endpoint-service/{service}'
    return json.dumps({'Version': '2012-10-17', 'Statement': [{
        'Effect': 'Allow', 'Principal': {'Service': 'vpce.amazonaws.com'}, 'Action': 'SNS:Publish',
        'Resource': topic, 'Condition': {'ArnLike': {'aws:SourceArn': source}}}]}, separators=(',', ':'))


def listen(it, role, service, program):
    """The topic, its policy, the subscription, the notification."""
    name = role['name']
    topic = it.make(name, 'sns create-topic --name requests', 'TopicArn')
    line = ('ec2 create-vpc-endpoint-connection-notification --connection-notification-arn '
            f'{topic} --connection-events {EVENTS} --service-id {service}')
    it.call('a notification before the topic lets PrivateLink publish', name, line, 'InvalidParameter')
    it.make(name, f'sns set-topic-attributes --topic-arn {topic} --attribute-name Policy '
            f"--attribute-value '{policy(topic, role['account'], service)}'")
    it.make(name, f'sns set-topic-attributes --topic-arn {topic} --attribute-name SignatureVersion '
            '--attribute-value 2')
    it.call('subscribe the program', name, f'sns subscribe --topic-arn {topic} --protocol http '
            f'--notification-endpoint http://127.0.0.1:{program.port}/', 'pending confirmation',
            'SubscriptionArn')
    it.until('it confirms by the URL that it was sent', name,
             f'sns get-topic-attributes --topic-arn {topic}', '1', 'Attributes.SubscriptionsConfirmed')
    it.call('the notification', name, line, 'Enabled',
            'ConnectionNotification.ConnectionNotificationState')
