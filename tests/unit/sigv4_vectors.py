#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Print tests/unit/sigv4_vectors.h: requests signed by botocore (python3-botocore), for test_sigv4.c.

    tests/unit/sigv4_vectors.py > tests/unit/sigv4_vectors.h
"""

import contextlib
import datetime
import io
import json
import subprocess
import urllib.parse
from unittest import mock

from botocore import auth, awsrequest, credentials

AT = datetime.datetime(2026, 11, 21, 21, 30, 11)
FORM = 'application/x-www-form-urlencoded; charset=utf-8'
HOST = 'http://127.0.0.1:8443'
KEY = ('AKIDEXAMPLE000000001', 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY')

CASES = [
    ('plain', 'POST', '/', b'Action=DescribeVpcs&Version=2016-11-15', {}, None, 'ec2', False),
    ('token', 'POST', '/', b'Action=DescribeVpcs&Version=2016-11-15', {}, 'tok/en+with=signs==',
     'ec2', False),
    ('empty body', 'POST', '/', b'', {}, None, 'sts', False),
    ('utf-8', 'POST', '/', 'Name=gr%C3%BC%C3%9Fe+a~b'.encode(), {}, None, 'elasticloadbalancing', False),
    ('path', 'POST', '/base/path', b'a=1', {}, None, 'ec2', False),
    ('path with dots', 'POST', '/a/./b/../c//d/', b'a=1', {}, None, 'ec2', False),
    ('path with escapes', 'POST', '/a%20b/c%2Fd', b'a=1', {}, None, 'ec2', False),
    ('header with blanks', 'POST', '/', b'a=1', {'X-Amz-Meta': '  two   words '}, None, 'ec2', False),
    ('header order', 'POST', '/', b'a=1', {'Zebra': 'z', 'Alpha': 'a'}, None, 'ec2', False),
    ('presigned', 'GET', '/?Action=DescribeVpcs&Version=2016-11-15', b'', {}, None, 'ec2', True),
    ('presigned, token', 'GET', '/?Action=GetCallerIdentity&Version=2011-06-15', b'', {},
     'tok/en+with=signs==', 'sts', True),
    ('presigned, encoded', 'GET', '/?b=x%20y%2Fz&a=%C3%BC~-_.&B=&c.1=1&c.10=2&c.2=3', b'', {}, None,
     'ec2', True),
]


class Clock(datetime.datetime):
    @classmethod
    def utcnow(cls):
        return AT


def sign(method, url, body, headers, token, service, presigned):
    """The request as it goes out: path, query, headers."""
    request = awsrequest.AWSRequest(method, HOST + url, headers, body)
    if method == 'POST':
        request.headers['Content-Type'] = FORM
    creds = credentials.Credentials(*KEY, token)
    signer = auth.SigV4QueryAuth(creds, service, 'us-east-1', expires=900) if presigned else \
        auth.SigV4Auth(creds, service, 'us-east-1')
    with mock.patch.object(auth.datetime, 'datetime', Clock):
        signer.add_auth(request)
    parts = urllib.parse.urlsplit(request.url)
    return parts.path, parts.query, [('Host', parts.netloc)] + list(request.headers.items())


def c_str(text):
    """A C string, in pieces that fit a line."""
    return ' '.join(json.dumps(text[i:i + 64]) for i in range(0, len(text), 64)) or '""'


def write():
    print('/* SPDX-License-Identifier: BSD-3-Clause */\n#pragma once\n')
    print('/* Made by tests/unit/sigv4_vectors.py with botocore: do not edit. */\n')
    print('static const struct vector vectors[] = {')
    for name, method, url, body, headers, token, service, presigned in CASES:
        path, query, out = sign(method, url, body, headers, token, service, presigned)
        print('\t{')
        print(f'\t\t.name = {c_str(name)},\n\t\t.method = "{method}",\n\t\t.path = {c_str(path)},')
        print(f'\t\t.query = {c_str(query)},\n\t\t.body = {c_str(body.decode())},')
        print('\t\t.headers = {')
        for key, value in out:
            print(f'\t\t\t{{{c_str(key)}, {c_str(value)}}},')
        print(f'\t\t}},\n\t\t.n_headers = {len(out)},')
        print(f'\t\t.token = {c_str(token) if token else "NULL"},\n\t\t.service = "{service}",')
        print(f'\t\t.presigned = {"true" if presigned else "false"},\n\t}},')
    print('};')


def main():
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        write()
    subprocess.run(['clang-format', '--assume-filename', __file__.replace('.py', '.h')], text=True,
                   input=text.getvalue(), check=True)


main()
