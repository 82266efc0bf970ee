#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Very many TCP connections, with the kernel's own sockets, from as many processes as the limit of open
files asks for.

many_conns.py serve IP PORT[,PORT...]   accept all, send back what comes, close when the client does
many_conns.py dial IP[,IP...]           open connections from these addresses, as told on stdin

Both print the time (CLOCK_MONOTONIC) and their counts as a line of JSON, a few times a second. A line of
stdin is one job, a JSON object with one of

    "open": N   open N, or as many as come about in "seconds", to "to": [IP, PORT]. Those that come about
                stay open, or are closed at once with "short". One that takes longer than "patience" seconds
                is given up, and with "retry" another takes its place. "syn_retries" is the kernel's patience
    "echo": N   send a byte on every N-th open connection and wait for it to come back
    "close": 1  close all
"""

import argparse
import collections
import contextlib
import ctypes
import errno
import json
import mmap
import os
import resource
import select
import signal
import socket
import sys
import time

COUNTS = ('attempts', 'served', 'timed_out', 'refused', 'given_up', 'failed', 'open', 'echoed', 'mute',
          'jobs_done')
PR_SET_PDEATHSIG = 1
IP_BIND_ADDRESS_NO_PORT = 24
YOUNG_S = 0.3       # an attempt holds its place in the window for so long
WINDOW = 64         # attempts of a process under way
BATCH = 256         # connections of a process that are closed together
SPARE_FILES = 64
REPORT_S = 0.2


class Counts:
    """Counts of one process, in memory that its parent reads."""

    def __init__(self):
        self.words = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast('Q')

    def add(self, name, n=1):
        self.words[COUNTS.index(name)] += n

    def get(self, name):
        return self.words[COUNTS.index(name)]


def files_limit(wanted):
    """Raise the limit of open files as far as we may; the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, hard),) * 2)
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class Dialer:
    """One process that opens connections."""

    def __init__(self, counts, sources):
        self.counts, self.sources = counts, collections.deque(sources)
        self.held = []
        self.pending = {}                   # descriptor -> (socket, start, whether it is young)
        self.young = collections.deque()    # (start, descriptor)
        self.n_young = 0
        self.poll = select.epoll()

    def start(self, job):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, job.get('syn_retries', 2))
        self.counts.add('attempts')
        self.sources.rotate()
        try:
            sock.bind((self.sources[0], 0))
            sock.connect(tuple(job['to']))
        except BlockingIOError:
            pass
        except OSError as err:
            return self.ended(sock, err.errno, job)
        now = time.monotonic()
        self.pending[sock.fileno()] = [sock, now, True]
        self.young.append((now, sock.fileno()))
        self.n_young += 1
        self.poll.register(sock.fileno(), select.EPOLLOUT | select.EPOLLONESHOT)
        return 0

    def ended(self, sock, err, job):
        """What became of an attempt; 1 if it was served."""
        if err == 0 and not job.get('short'):
            self.held.append(sock)
            self.counts.add('open')
        else:
            sock.close()
        what = {0: 'served', errno.ETIMEDOUT: 'timed_out', errno.ECONNREFUSED: 'refused',
                errno.ECONNRESET: 'refused', errno.EAGAIN: 'given_up'}.get(err, 'failed')
        self.counts.add(what)
        if what == 'failed':
            print(f'many_conns: {os.strerror(err)}', file=sys.stderr, flush=True)
        return err == 0

    def forget(self, fd):
        sock, _, is_young = self.pending.pop(fd)
        self.n_young -= is_young
        return sock

    def age(self, job):
        """Attempts that are no longer young make room; those that took too long are given up."""
        now = time.monotonic()
        while self.young and self.young[0][0] < now - YOUNG_S:
            begin, fd = self.young.popleft()
            entry = self.pending.get(fd)
            if entry and entry[1] == begin:
                entry[2] = False
                self.n_young -= 1
        patience = job.get('patience')
        while patience and self.pending:
            fd = next(iter(self.pending))
            if self.pending[fd][1] > now - patience:
                return
            self.ended(self.forget(fd), errno.EAGAIN, job)

    def open(self, job):
        left, served = job['open'], 0
        end = time.monotonic() + job['seconds'] if 'seconds' in job else None
        while True:
            over = end is not None and time.monotonic() >= end
            while not over and left > 0 and self.n_young < WINDOW:
                left -= 1
                served += self.start(job)
            for fd, _ in self.poll.poll(0.02, 1024):
                sock = self.forget(fd)
                served += self.ended(sock, sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), job)
            self.age(job)
            if job.get('retry'):
                left = job['open'] - served - len(self.pending)
            if over:
                for fd in list(self.pending):
                    self.ended(self.forget(fd), errno.EAGAIN, job)
            if over or left <= 0 and not self.pending:
                return

    def echo(self, job):
        some = self.held[::job['echo']]
        for sock in some:
            sock.setblocking(True)
            sock.settimeout(10)
        for sock in some:
            try:
                sock.sendall(b'?')
            except OSError:
                pass
        for sock in some:
            try:
                good = sock.recv(1) == b'?'
            except OSError:
                good = False
            self.counts.add('echoed' if good else 'mute')

    def close(self, _job):
        """Close all, no faster than the other side follows: lost FINs would take long to come again."""
        while self.held:
            batch, self.held = self.held[:BATCH], self.held[BATCH:]
            for sock in batch:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_WR)
            end = time.monotonic() + 1
            for sock in batch:
                sock.settimeout(max(0.001, end - time.monotonic()))
                with contextlib.suppress(OSError):
                    sock.recv(1)
                sock.close()
            self.counts.add('open', -len(batch))

    def run(self, pipe):
        for line in os.fdopen(pipe):
            job = json.loads(line)
            kind = next(k for k in ('open', 'echo', 'close') if k in job)
            getattr(self, kind)(job)
            self.counts.add('jobs_done')


class Server:
    """One process of a server whose processes share the listening sockets."""

    def __init__(self, counts, listeners, files):
        self.counts, self.files = counts, files
        self.listeners = {s.fileno(): s for s in listeners}
        self.conns = {}
        self.poll = select.epoll()
        self.listening = False

    def listen(self):
        """Listen while there is room for more."""
        want = len(self.conns) < self.files
        if want != self.listening:
            for fd in self.listeners:
                if want:
                    self.poll.register(fd, select.EPOLLIN | select.EPOLLEXCLUSIVE)
                else:
                    self.poll.unregister(fd)
        self.listening = want

    def accept(self, listener):
        for _ in range(min(32, self.files - len(self.conns))):
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.setblocking(False)
            self.conns[sock.fileno()] = sock
            self.poll.register(sock.fileno(), select.EPOLLIN)
            self.counts.add('served')
            self.counts.add('open')

    def talk(self, fd):
        try:
            data = self.conns[fd].recv(4096)
            if data:
                self.conns[fd].send(data)
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self.conns.pop(fd).close()
        self.counts.add('open', -1)

    def run(self):
        while True:
            self.listen()
            for fd, _ in self.poll.poll(1):
                if fd in self.listeners:
                    self.accept(self.listeners[fd])
                else:
                    self.talk(fd)


def die_with_parent(parent):
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def fork(run):
    """A child process that runs run()."""
    parent = os.getpid()
    if os.fork() == 0:
        die_with_parent(parent)
        try:
            run()
        except KeyboardInterrupt:
            pass
        except BaseException as err:  # pylint: disable=broad-except
            print(f'many_conns: {err!r}', file=sys.stderr, flush=True)
        os._exit(0)


def totals(all_counts):
    out = {name: sum(c.get(name) for c in all_counts) for name in COUNTS}
    out['jobs_done'] = min(c.get('jobs_done') for c in all_counts)
    return out


def report(all_counts, wait):
    """Print counts for ever, when they change; wait(seconds) between two looks."""
    last = None
    while True:
        now, at = totals(all_counts), time.monotonic()
        if now != last:
            print(json.dumps({'at': round(at, 3), **now}), flush=True)
        last = now
        wait(REPORT_S)


def serve(opts, files, n):
    listeners = []
    for port in opts.ports.split(','):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((opts.addresses, int(port)))
        sock.listen(65535)
        sock.setblocking(False)
        listeners.append(sock)
    all_counts = [Counts() for _ in range(n + 1)]  # one more: the kernel does not share them out evenly
    for counts in all_counts:
        fork(Server(counts, listeners, files).run)
    for sock in listeners:
        sock.close()
    report(all_counts, time.sleep)


def hand_out(job, pipes):
    """Each process its share of a job."""
    for i, pipe in enumerate(pipes):
        part = dict(job)
        if 'open' in job:
            part['open'] = job['open'] // len(pipes) + (i < job['open'] % len(pipes))
        os.write(pipe, json.dumps(part).encode() + b'\n')


def dial(opts, n):
    sources = opts.addresses.split(',')
    all_counts, pipes = [Counts() for _ in range(n)], []
    for i, counts in enumerate(all_counts):
        out, into = os.pipe()
        pipes.append(into)
        mine = sources[i::n] or sources
        fork(lambda counts=counts, out=out, mine=mine: Dialer(counts, mine).run(out))

    def wait(seconds):
        if select.select([0], [], [], seconds)[0]:
            line = sys.stdin.buffer.raw.readline()
            if not line:
                sys.exit(0)
            hand_out(json.loads(line), pipes)
    report(all_counts, wait)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('what', choices=('serve', 'dial'))
    parser.add_argument('addresses')
    parser.add_argument('ports', nargs='?')
    parser.add_argument('--total', type=int, default=1000, help='most connections open at once')
    opts = parser.parse_args()
    files = files_limit(opts.total + SPARE_FILES) - SPARE_FILES
    n = max(2, -(-opts.total // files))
    if opts.what == 'serve':
        serve(opts, files, n)
    else:
        dial(opts, n)


if __name__ == '__main__':
    main()
