#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""HTTP target that decodes PROXY v2 and tells what it saw.

GET /            JSON: client, dst, vpce, crc_ok, peer, target, header_len, tlvs
GET /bytes/N     N pseudo-random bytes, the same for every request (see body_block); with ?wait=S
                 it waits S seconds before the answer
POST /sink       reads the body; JSON: length, sha256
GET /stats       JSON: connections, open, open_max, bad_headers, requests

Every connection must start with one valid header; otherwise the answer is 400 and the connection ends.
With --no-proxy there is no header, and client is the peer. One thread, asyncio.
"""

import argparse
import asyncio
import hashlib
import json
import pathlib
import re
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from cvlab import ppv2  # noqa: E402

BLOCK = 1 << 16
HEAD_MAX = 16384
BYTES = re.compile(r'/bytes/(\d+)(?:\?wait=(\d+))?')


def body_block(idx):
    """Block idx of the endless body: no two blocks alike, so that any reordering shows."""
    return hashlib.shake_128(b'culvert body %d' % idx).digest(BLOCK)


def body_sha256(size):
    """SHA-256 of the first `size` bytes of the body, as hex."""
    digest = hashlib.sha256()
    for idx in range((size + BLOCK - 1) // BLOCK):
        digest.update(body_block(idx)[:size - idx * BLOCK])
    return digest.hexdigest()


def text(addr):
    return f'{addr[0]}:{addr[1]}' if addr else None


class Stats:
    def __init__(self):
        self.connections = self.open = self.open_max = self.bad_headers = self.requests = 0


class Conn(asyncio.Protocol):
    """One connection: header, then requests one after the other."""

    def __init__(self, opts, stats):
        self.opts, self.stats = opts, stats
        self.buf = bytearray()
        self.info = None        # what the header said; None until it is there
        self.sink = None        # [bytes still to come, digest, length] while a body arrives
        self.sending = None     # task that sends a large body
        self.may_send = asyncio.Event()
        self.may_send.set()
        self.keep = True

    def connection_made(self, transport):
        self.transport = transport
        self.peer = text(transport.get_extra_info('peername'))
        self.local = text(transport.get_extra_info('sockname'))
        self.stats.connections += 1
        self.stats.open += 1
        self.stats.open_max = max(self.stats.open_max, self.stats.open)
        if not self.opts.proxy:
            self.info = {'client': self.peer, 'dst': self.local, 'vpce': None, 'crc_ok': None,
                         'header_len': 0, 'tlvs': []}

    def connection_lost(self, exc):
        self.stats.open -= 1
        if self.sending:
            self.sending.cancel()

    def pause_writing(self):
        self.may_send.clear()

    def resume_writing(self):
        self.may_send.set()

    def data_received(self, data):
        self.buf += data
        self.step()

    def step(self):
        """Use what is in the buffer, as far as it goes."""
        if self.info is None and not self.take_header():
            return
        while not self.sending and not self.transport.is_closing():
            if self.sink is not None:
                if not self.take_body():
                    return
            elif not self.take_request():
                return

    def take_header(self):
        try:
            head = ppv2.decode(self.buf)
        except ppv2.Incomplete:
            return False
        except ppv2.BadHeader as err:
            self.stats.bad_headers += 1
            self.keep = False
            self.answer(400, {'error': str(err), 'start': bytes(self.buf[:128]).hex()})
            return False
        del self.buf[:head['length']]
        self.info = {'client': text(head['src']), 'dst': text(head['dst']), 'vpce': head['vpce'],
                     'crc_ok': head['crc_ok'], 'header_len': head['length'], 'tlvs': head['tlvs']}
        return True

    def take_request(self):
        end = self.buf.find(b'\r\n\r\n')
        if end < 0:
            if len(self.buf) > HEAD_MAX:
                self.keep = False
                self.answer(431, {'error': 'request head too long'})
            return False
        lines = bytes(self.buf[:end]).decode('latin-1').split('\r\n')
        del self.buf[:end + 4]
        self.request(lines)
        return True

    def request(self, lines):
        self.stats.requests += 1
        try:
            method, path, version = lines[0].split(' ')
            fields = {k.strip().lower(): v.strip() for k, v in (s.split(':', 1) for s in lines[1:])}
            size = int(fields.get('content-length', 0))
        except ValueError:
            self.keep = False
            return self.answer(400, {'error': f'bad request: {lines[0]!r}'})
        self.keep = version == 'HTTP/1.1' and fields.get('connection', '').lower() != 'close'
        if 'transfer-encoding' in fields:
            self.keep = False
            return self.answer(411, {'error': 'length required'})
        if method == 'POST':
            if fields.get('expect', '').lower() == '100-continue':
                self.transport.write(b'HTTP/1.1 100 Continue\r\n\r\n')
            self.sink = [size, hashlib.sha256(), size]
        elif match := BYTES.fullmatch(path):
            self.sending = asyncio.get_running_loop().create_task(
                self.send_bytes(int(match[1]), int(match[2] or 0)))
        elif path == '/stats':
            self.answer(200, vars(self.stats))
        else:
            self.answer(200, {'server': 'ppv2_target', 'target': self.opts.name, 'peer': self.peer,
                              'path': path, **self.info})

    def take_body(self):
        left, digest, size = self.sink
        part = self.buf[:left]
        digest.update(part)
        del self.buf[:len(part)]
        self.sink[0] = left - len(part)
        if self.sink[0]:
            return False
        self.sink = None
        self.answer(200, {'length': size, 'sha256': digest.hexdigest(), 'target': self.opts.name,
                          'peer': self.peer, **self.info})
        return True

    async def send_bytes(self, size, wait_s):
        await asyncio.sleep(wait_s)
        self.head(200, 'application/octet-stream', size)
        sent, idx = 0, 0
        while sent < size:
            await self.may_send.wait()
            block = body_block(idx)[:size - sent]
            self.transport.write(block)
            sent += len(block)
            idx += 1
        self.sending = None
        self.finish()
        self.step()

    def head(self, status, kind, size):
        self.transport.write(
            f'HTTP/1.1 {status} {"OK" if status == 200 else "Error"}\r\nContent-Type: {kind}\r\n'
            f'Content-Length: {size}\r\nX-Target: {self.opts.name}\r\n'
            f'Connection: {"keep-alive" if self.keep else "close"}\r\n\r\n'.encode())

    def answer(self, status, obj):
        data = json.dumps(obj).encode() + b'\n'
        self.head(status, 'application/json', len(data))
        self.transport.write(data)
        self.finish()

    def finish(self):
        if not self.keep:
            self.transport.close()


async def serve(opts):
    loop = asyncio.get_running_loop()
    stats = Stats()
    server = await loop.create_server(lambda: Conn(opts, stats), opts.address, opts.port,
                                      backlog=4096, reuse_address=True)
    done = asyncio.Event()
    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, done.set)
    print(f'ppv2_target {opts.name}: {opts.address}:{opts.port} '
          f'proxy {"on" if opts.proxy else "off"}', flush=True)
    await done.wait()
    server.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--address', default='0.0.0.0')
    parser.add_argument('--port', type=int, default=8080)
    parser.add_argument('--name', default='target')
    parser.add_argument('--no-proxy', dest='proxy', action='store_false',
                        help='no PROXY header is expected')
    asyncio.run(serve(parser.parse_args()))


if __name__ == '__main__':
    main()
