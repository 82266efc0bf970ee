# SPDX-License-Identifier: BSD-3-Clause
"""Many HTTP requests at once from one namespace."""

import asyncio
import json
import socket
import time

from . import proc


class Answer:
    """What a client got: status 0 when the connection failed, error says how."""

    def __init__(self):
        self.status, self.body, self.error, self.local, self.seconds = 0, b'', None, None, 0.0

    def json(self):
        return json.loads(self.body)


class Load:
    """Many HTTP/1.1 requests from one namespace, each on a connection of its own."""

    def __init__(self, ns, ip, tcp_port, timeout=30):
        self.ns, self.addr, self.timeout = ns, (ip, tcp_port), timeout

    async def one(self, path='/', data=None):
        """One request; an Answer, never an exception."""
        got, begin = Answer(), time.monotonic()
        sock = proc.socket_in(self.ns, socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            await asyncio.wait_for(self._talk(sock, got, path, data), self.timeout)
        except (OSError, ValueError, EOFError, asyncio.TimeoutError) as err:
            got.error, got.status = repr(err), 0
        finally:
            sock.close()
        got.seconds = time.monotonic() - begin
        return got

    async def _talk(self, sock, got, path, data):
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, self.addr)
        got.local = '%s:%d' % sock.getsockname()
        reader, writer = await asyncio.open_connection(sock=sock)
        try:
            head = f'{"GET" if data is None else "POST"} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n'
            if data is not None:
                head += f'Content-Length: {len(data)}\r\n'
            writer.write(head.encode() + b'\r\n' + (data or b''))
            start = await reader.readuntil(b'\r\n\r\n')
            size = next(int(x.split(b':')[1]) for x in start.split(b'\r\n')
                        if x.lower().startswith(b'content-length'))
            got.body = await reader.readexactly(size)
            got.status = int(start.split()[1])
        finally:
            writer.transport.abort()  # or it would go on with a descriptor that is another's by then

    async def many(self, n, path='/', data=None, at_once=None):
        """n requests, at most at_once at the same time."""
        gate = asyncio.Semaphore(at_once or n)

        async def gated():
            async with gate:
                return await self.one(path, data)
        return await asyncio.gather(*(gated() for _ in range(n)))
