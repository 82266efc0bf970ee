# SPDX-License-Identifier: BSD-3-Clause
"""Servers for labs: each in a target's namespace, with its own files, started and waited for."""

import json
import os
import pathlib
import socket
import subprocess

from . import proc
from .proc import LabError

HERE = pathlib.Path(__file__).resolve().parent.parent
DECODER = str(HERE / 'ppv2_target.py')
PYTHON = '/usr/bin/python3'


def _listens(lab, ns, ip, port):
    with proc.socket_in(ns, socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex((ip, port)) == 0


def start(lab, kind, ns, ip, port, argv, timeout=60):
    """Run a server until the lab ends, and wait until it listens: the process."""
    name = f'{kind}-{ip}-{port}'
    child = lab.spawn(name, argv, ns=ns)

    def ready():
        if child.poll() is not None:
            raise LabError(f'{name} ended with {child.returncode}: {lab.output(name)[-800:]}')
        return _listens(lab, ns, ip, port)
    proc.wait_for(ready, timeout, f'{name} to listen')
    return child


def decoder(lab, vpc, ip, port, proxy=True, name=None):
    """The decoding HTTP target of tools/lablib/ppv2_target.py."""
    argv = [PYTHON, DECODER, '--address', ip, '--port', port, '--name', name or f'{ip}:{port}']
    return start(lab, 'decoder', lab.ns(vpc, ip), ip, port, argv + ([] if proxy else ['--no-proxy']))


NGINX = '''
daemon off; user root; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log notice;
events {{ worker_connections 4096; }}
http {{
    access_log off; keepalive_requests 100000; client_max_body_size 0;
    client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
    server {{
        listen {ip}:{port} backlog=4096{proxy};
        root {dir}/www; default_type application/octet-stream;
        location /files/ {{ }}
        location / {{
            default_type application/json;
            return 200 '{answer}\\n';
        }}
    }}
}}
'''


def nginx(lab, vpc, ip, port, proxy=True, name=None):
    """nginx that answers with what it saw. 1.22 has no variable for TLVs: it cannot tell the endpoint."""
    where = lab.path(f'nginx-{ip}-{port}')
    os.makedirs(f'{where}/www/files', exist_ok=True)
    both = ('$proxy_protocol_addr:$proxy_protocol_port',
            '$proxy_protocol_server_addr:$proxy_protocol_server_port')
    seen = both if proxy else ('$remote_addr:$remote_port', '$server_addr:$server_port')
    answer = json.dumps({'server': 'nginx', 'target': name or f'{ip}:{port}', 'client': seen[0],
                         'dst': seen[1], 'peer': '$remote_addr:$remote_port'})
    pathlib.Path(where, 'nginx.conf').write_text(NGINX.format(
        dir=where, ip=ip, port=port, answer=answer, proxy=' proxy_protocol' if proxy else ''),
        encoding='ascii')
    argv = ['nginx', '-p', where, '-e', f'{where}/error.log', '-c', f'{where}/nginx.conf']
    return start(lab, 'nginx', lab.ns(vpc, ip), ip, port, argv)


HAPROXY = '''
global
    maxconn 4096
    log stdout format raw local0
defaults
    mode http
    log global
    timeout client 60s
    timeout server 60s
    timeout connect 5s
frontend in
    bind {ip}:{port}{proxy}
    log-format "saw %ci:%cp at %[dst]:%[dst_port] status %ST"
    http-request return status 200 content-type application/json lf-string '{answer}'
'''


def haproxy(lab, vpc, ip, port, proxy=True, name=None):
    """HAProxy with accept-proxy: the protocol's authors' own parser, which also checks the CRC32C."""
    path = lab.path(f'haproxy-{ip}-{port}.cfg')
    answer = json.dumps({'server': 'haproxy', 'target': name or f'{ip}:{port}',
                         'client': '%[src]:%[src_port]', 'dst': '%[dst]:%[dst_port]'})
    pathlib.Path(path).write_text(HAPROXY.format(
        ip=ip, port=port, answer=answer, proxy=' accept-proxy' if proxy else ''), encoding='ascii')
    argv = ['haproxy', '-db', '-f', path]
    return start(lab, 'haproxy', lab.ns(vpc, ip), ip, port, argv)


HAPROXY_TCP = '''
global
    maxconn 4096
defaults
    mode tcp
    timeout client 60s
    timeout server 60s
    timeout connect 5s
listen in
    bind {ip}:{port} accept-proxy
    server behind {server} send-proxy-v2
'''


def haproxy_tcp(lab, vpc, ip, port, server):
    """HAProxy in front of another server on the same host: it waits for the header, then connects."""
    path = lab.path(f'haproxy-{ip}-{port}.cfg')
    pathlib.Path(path).write_text(HAPROXY_TCP.format(ip=ip, port=port, server=server), encoding='ascii')
    return start(lab, 'haproxy', lab.ns(vpc, ip), ip, port, ['haproxy', '-db', '-f', path])


def mariadb(lab, vpc, ip, port, proxy=True):
    """MariaDB with an empty data directory; user `lab` without a password, from anywhere."""
    where = lab.scratch()
    data = f'{where}/data'
    proc.run(['mariadb-install-db', '--no-defaults', '--user=root', f'--datadir={data}',
              '--auth-root-authentication-method=normal', '--skip-test-db'],
             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    init = pathlib.Path(where, 'init.sql')
    init.write_text("CREATE USER lab@'%';\nCREATE DATABASE lab;\nGRANT ALL ON lab.* TO lab@'%';\n",
                    encoding='ascii')
    argv = ['mariadbd', '--no-defaults', '--user=root', f'--datadir={data}', f'--init-file={init}',
            f'--bind-address={ip}', f'--port={port}', f'--socket={where}/sock',
            f'--pid-file={where}/pid', '--skip-name-resolve', '--innodb-buffer-pool-size=8M',
            '--innodb-log-file-size=4M', '--innodb-flush-log-at-trx-commit=0',
            '--max-connect-errors=1000000']
    if proxy:
        argv.append('--proxy-protocol-networks=*')
    return start(lab, 'mariadb', lab.ns(vpc, ip), ip, port, argv)
