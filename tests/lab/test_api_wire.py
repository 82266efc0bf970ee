# SPDX-License-Identifier: BSD-3-Clause
"""The API's wire: TLS by stock clients, requests that no client sends, connections that are too many."""

import contextlib
import http.client
import re
import socket
import ssl
import subprocess
import time

import boto3
import botocore.config
import botocore.exceptions

import api_world
from api_world import CONSUMER, FORM, KEYS, REGION

BODY = 'Action=GetCallerIdentity&Version=2011-06-15'


class TlsAppliance(api_world.Appliance):
    """With a certificate of a CA that clients are told of."""

    def __init__(self, *args):
        super().__init__(*args)
        self.url = f'https://127.0.0.1:{self.port}'
        self.ca = str(self.dir / 'ca.pem')
        self.openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=lab CA',
                     '-keyout', 'ca.key', '-out', 'ca.pem')
        self.issue()
        self.conf['api']['tls'] = {'cert': str(self.dir / 'api.pem'), 'key': str(self.dir / 'api.key')}

    def issue(self):
        """A new key, and a certificate of the CA for it."""
        self.openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=culvert', '-keyout', 'api.key',
                     '-out', 'api.csr')
        (self.dir / 'san').write_text('subjectAltName=IP:127.0.0.1\n', encoding='utf-8')
        self.openssl('x509', '-req', '-in', 'api.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-days', '2',
                     '-CAcreateserial', '-extfile', 'san', '-out', 'api.pem')
        (self.dir / 'api.key').chmod(0o600)

    def shown(self):
        return ssl.get_server_certificate(('127.0.0.1', self.port))

    def openssl(self, *args):
        subprocess.run(['openssl', *args], cwd=self.dir, check=True, capture_output=True, timeout=120)

    def sts(self, verify):
        key, secret, *_ = KEYS['consumer']
        return boto3.client('sts', endpoint_url=self.url, region_name=REGION, aws_access_key_id=key,
                            aws_secret_access_key=secret, verify=verify,
                            config=botocore.config.Config(retries={'total_max_attempts': 1}))


class Tls(api_world.ApiCase):

    @classmethod
    def setUpClass(cls):
        cls.it = TlsAppliance(None, {'request_seconds': 5, 'idle_seconds': 30})
        cls.addClassCleanup(cls.it.stop)
        cls.it.start()

    def test_stock_clients_trust_by_the_bundle(self):
        done = self.it.cli('--ca-bundle', self.it.ca, 'sts', 'get-caller-identity')
        self.assertEqual((done.returncode, done.json['Account']), (0, CONSUMER), done.stderr)
        self.assertEqual(self.it.sts(self.it.ca).get_caller_identity()['Account'], CONSUMER)

    def test_stock_clients_refuse_whom_they_do_not_know(self):
        self.assertRaises(botocore.exceptions.SSLError, self.it.sts(True).get_caller_identity)

    def test_a_new_certificate_needs_no_restart(self):
        old, before = self.it.shown(), self.it.sts(self.it.ca)
        before.get_caller_identity()
        self.it.issue()
        self.assertEqual(self.it.shown(), old)
        self.it.hup('TLS certificate of the APIs read again: it is good until 20')
        self.assertNotEqual(self.it.shown(), old)
        self.assertEqual(before.get_caller_identity()['Account'], CONSUMER)
        self.assertEqual(self.it.sts(self.it.ca).get_caller_identity()['Account'], CONSUMER)
        (self.it.dir / 'api.key').chmod(0o644)
        self.it.hup('the APIs keep the TLS certificate that they have: ')
        (self.it.dir / 'api.key').chmod(0o600)
        self.assertEqual(self.it.sts(self.it.ca).get_caller_identity()['Account'], CONSUMER)

    def test_plain_http_and_old_tls_get_nothing(self):
        conn = http.client.HTTPConnection('127.0.0.1', self.it.port, timeout=30)
        with contextlib.closing(conn), self.assertRaises((http.client.HTTPException, OSError)):
            conn.request('GET', '/')
            conn.getresponse()
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers('ALL:@SECLEVEL=0')
        for version, good in ((ssl.TLSVersion.TLSv1, False), (ssl.TLSVersion.TLSv1_1, False),
                              (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)):
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, version
            old.minimum_version = version
            with socket.create_connection(('127.0.0.1', self.it.port), 30) as sock:
                if good:
                    old.wrap_socket(sock).close()
                else:
                    self.assertRaises((ssl.SSLError, OSError), old.wrap_socket, sock)
        self.assertEqual(self.it.sts(self.it.ca).get_caller_identity()['Account'], CONSUMER)

    def test_handshakes_that_stall_block_nobody_and_end(self):
        slow = [socket.create_connection(('127.0.0.1', self.it.port), 90) for _ in range(20)]
        try:
            for sock in slow:
                sock.sendall(b'\x16\x03\x01')
            self.assertEqual(self.it.sts(self.it.ca).get_caller_identity()['Account'], CONSUMER)
            for sock in slow:
                with contextlib.suppress(ConnectionError):
                    while sock.recv(4096):
                        pass
        finally:
            for sock in slow:
                sock.close()


class Wire(api_world.ApiCase):

    limits = {'body_bytes': 65536, 'request_seconds': 3, 'idle_seconds': 30}

    def tearDown(self):
        self.assertEqual(self.it.call('sts', 'GetCallerIdentity')[0], 200)
        super().tearDown()

    def raw(self, data, seconds=30):
        """What comes back until the server closes, or both have nothing to say."""
        got = b''
        with socket.create_connection(('127.0.0.1', self.it.port), seconds) as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):
                while part := sock.recv(65536):
                    got += part
        return got

    def request(self, body=BODY, more=(), send=None, **how):
        """Bytes of a signed request; `more` headers are not signed, `send` goes in place of the body."""
        path, headers = self.it.sign('sts', body, **how)
        rows = [f'{name}: {value}' for name, value in headers.items()]
        if send is None:
            rows.append(f'Content-Length: {len(body)}')
        host = [] if any(row.lower().startswith('host:') for row in rows) else \
            [f'Host: 127.0.0.1:{self.it.port}']
        head = '\r\n'.join([f'POST {path} HTTP/1.1', *host, *rows, *more, 'Connection: close', '', ''])
        return head.encode() + (body.encode() if send is None else send)

    def status(self, *args, **how):
        got = self.raw(self.request(*args, **how))
        match = re.match(rb'HTTP/1\.1 (\d+) ', got)
        return int(match[1]) if match else None, got.decode(errors='replace')

    def test_chunked_bodies_are_bodies(self):
        half = len(BODY) // 2
        chunks = b''.join(b'%x\r\n%s\r\n' % (len(part), part.encode())
                          for part in (BODY[:half], BODY[half:], ''))
        got = self.status(more=['Transfer-Encoding: chunked'], send=chunks)
        self.assertEqual(got[0], 200, got[1])
        # What is signed is the body, not what it is cut into.
        other = chunks.replace(b'2011-06-15', b'2011-06-16')
        self.assertEqual(self.status(more=['Transfer-Encoding: chunked'], send=other)[0], 403)
        for wrong in (b'zz\r\nx\r\n0\r\n\r\n', b'ffffffffffffffffff\r\nx', b'-1\r\nx\r\n0\r\n\r\n',
                      b'5\r\nab'):
            self.assertNotEqual(self.status(more=['Transfer-Encoding: chunked'], send=wrong)[0], 200)

    def test_what_is_no_request_is_refused(self):
        for data in (b'\r\n' * 50, b'GET\r\n\r\n', b'\x00' * 300, b'POST / HTTP/9.9\r\n\r\n',
                     b'POST / HTTP/1.1\r\nno colon\r\n\r\n', b'GET / HTTP/1.1\r\n\r\n',
                     b'POST /%00%ff?a=%zz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n',
                     b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n',
                     b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\nx',
                     b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef',
                     b'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n', b'CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n'):
            self.assertNotIn(b' 200 ', self.raw(data).split(b'\r\n')[0], data[:60])

    def test_headers_are_bounded(self):
        many = [f'X-Other-{i}: 1' for i in range(80)]
        self.assertEqual(self.status(more=many)[0], 431)
        self.assertNotEqual(self.status(more=['X-Long: ' + 'x' * 100000])[0], 200)
        self.assertEqual(self.status(more=['X-Long: ' + 'x' * 8000])[0], 200)

    def test_bodies_are_bounded(self):
        long = BODY + '&A=' + 'x' * 70000
        self.assertEqual(self.status(long)[0], 413)
        # One that does not end is cut off.
        chunk = b'1000\r\n' + b'x' * 0x1000 + b'\r\n'
        with socket.create_connection(('127.0.0.1', self.it.port), 30) as sock:
            sock.sendall(self.request(more=['Transfer-Encoding: chunked'], send=b''))
            with self.assertRaises(OSError):
                for _ in range(4000):
                    sock.sendall(chunk)
                while sock.recv(4096):
                    pass
                raise ConnectionError('closed')

    def test_requests_in_a_row(self):
        one = self.request().replace(b'Connection: close\r\n', b'')
        got = self.raw(one + one + self.request())
        self.assertEqual(got.count(b'HTTP/1.1 200 '), 3, got[-500:])

    def test_a_parameter_stands_once(self):
        for path, body in (('/?Version=2011-06-15', BODY), ('/', BODY + '&Version=2011-06-15'),
                           ('/?Action=GetCallerIdentity', BODY)):
            got = self.status(body, path=path)
            self.assertEqual(got[0], 400, got[1])
            self.assertIn('more than once', got[1])
        got = self.it.call('ec2', 'DescribeVpcs', '&Filter.1.Name=vpc-id&Filter.01.Name=vpc-id')
        self.assert_error(got, 400, 'UnknownParameter')
        for name in ('Filter.4294967296.Name', 'Filter.18446744073709551617.Name', 'Filter.-1.Name',
                     'VpcId.0', 'Filter.1.Name.1', '.', 'VpcId..1', 'VpcId.1.', 'A.' * 40 + 'A',
                     'A' * 300, '%00', '%ff'):
            got = self.it.call('ec2', 'DescribeVpcs', f'&{name}=vpc-id')
            self.assertEqual(got[0], 400, (name, got[1]))

    def test_what_is_not_signed_does_not_count(self):
        self.assertEqual(self.status(more=['X-Amz-Target: Other'])[0], 400)
        self.assertEqual(self.status(more=['X-Amz-Security-Token: stolen'])[0], 400)
        self.assertEqual(self.status(more=['X-Other: 1'])[0], 200)
        # A second Host or date beside the one that was signed.
        self.assertNotEqual(self.status(more=['Host: other'])[0], 200)
        self.assertNotEqual(self.status(more=['X-Amz-Date: 20200101T000000Z'])[0], 200)
        path, headers = self.it.sign('sts', BODY)
        status, _, text = self.it.send(path + '?DryRun=true', headers, BODY)
        self.assert_error((status, text), 403, 'SignatureDoesNotMatch')

    def test_presigned(self):
        path, headers = self.it.sign('sts', method='GET', path=f'/?{BODY}', presigned=60)
        for _ in range(3):
            self.assertEqual(self.it.send(path, headers, method='GET')[0], 200)
        for changed in (path + '&A=1', path.replace('X-Amz-Expires=60', 'X-Amz-Expires=6000'),
                        path.replace('GetCallerIdentity', 'GetSessionToken'),
                        path.replace('X-Amz-Expires=60', 'X-Amz-Expires=60&X-Amz-Expires=60'),
                        path.replace('X-Amz-Signature', 'X%2DAmz-Signature'),
                        re.sub('X-Amz-Signature=.', 'X-Amz-Signature=', path)):
            self.assertNotEqual(self.it.send(changed, headers, method='GET')[0], 200, changed)
        # Not with a header as well, and not with a body that was not signed.
        both = self.it.sign('sts', '', method='GET', path='/')[1] | headers
        self.assertEqual(self.it.send(path, both, method='GET')[0], 400)
        post, headers = self.it.sign('sts', method='POST', path=f'/?{BODY}', presigned=60)
        self.assertNotEqual(self.it.send(post, headers | {'Content-Type': FORM}, 'DryRun=true')[0], 200)

    def test_who_does_not_read_blocks_nobody_and_ends(self):
        one = self.request().replace(b'Connection: close\r\n', b'')
        slow = []
        try:
            for _ in range(8):
                sock = socket.socket()
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                sock.settimeout(60)
                sock.connect(('127.0.0.1', self.it.port))
                sock.sendall(one * 30)
                slow.append(sock)
            begin = time.monotonic()
            while time.monotonic() < begin + 1:
                self.assertEqual(self.it.call('sts', 'GetCallerIdentity')[0], 200)
        finally:
            for sock in slow:
                sock.close()


class Crowded(api_world.ApiCase):

    limits = {'connections': 12, 'connections_per_client': 8, 'idle_seconds': 120, 'request_seconds': 60}

    def test_connections_of_one_client_are_bounded(self):
        def is_open(sock):
            sock.settimeout(0.3)
            try:
                return sock.recv(1) != b''
            except TimeoutError:
                return True
            except OSError:
                return False
        held = [socket.create_connection(('127.0.0.1', self.it.port), 30) for _ in range(20)]
        end = time.monotonic() + 60
        n_open = 20
        while n_open > 8 and time.monotonic() < end:
            n_open = sum(is_open(sock) for sock in held)
        self.assertEqual(n_open, 8)
        for sock in held:
            sock.close()
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.it.call('sts', 'GetCallerIdentity')[0] == 200:
                    return
            time.sleep(0.1)
        self.fail('nobody is let in any more')
