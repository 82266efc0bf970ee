# SPDX-License-Identifier: BSD-3-Clause
"""Processes and namespaces: run, start, end by pid, sockets inside a namespace."""

import ctypes
import os
import signal
import socket
import subprocess
import time

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """Something a person should read as it stands, without a traceback."""


def ns_argv(ns, argv):
    """argv as it must be to run inside namespace ns (None: here)."""
    argv = [str(a) for a in argv]
    return ['ip', 'netns', 'exec', ns, *argv] if ns else argv


def run(argv, ns=None, check=True, timeout=60, **kw):
    """Run a command to its end; stdout and stderr are text. Raises LabError when check and it fails.

    In a session of its own: Ctrl-C reaches us, and we decide what it means for the command.
    """
    kw.setdefault('stdout', subprocess.PIPE)
    kw.setdefault('stderr', subprocess.PIPE)
    kw.setdefault('text', True)
    if 'input' not in kw:
        kw.setdefault('stdin', subprocess.DEVNULL)
    full = ns_argv(ns, argv)
    try:
        done = subprocess.run(full, check=False, timeout=timeout, start_new_session=True, **kw)
    except FileNotFoundError as err:
        raise LabError(f'{full[0]} is not installed') from err
    except subprocess.TimeoutExpired as err:
        raise LabError(f'no end after {timeout} s: {" ".join(full)}') from err
    if check and done.returncode:
        what = (done.stderr or done.stdout or '').strip()
        raise LabError(f'{" ".join(full)}: exit {done.returncode}: {what}')
    return done


def start_time(pid):
    """Start time of a process in clock ticks, or None when it is gone or a zombie."""
    try:
        with open(f'/proc/{pid}/stat', encoding='latin-1') as file:
            fields = file.read().rpartition(')')[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in 'ZX' else int(fields[19])


def is_alive(pid, started):
    """Whether pid is still the process that started then, and not a later one with its number."""
    return started is not None and start_time(pid) == started


def _signal(pids, sig):
    for pid, started in pids:
        if is_alive(pid, started):
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                pass


def end_pids(pids, grace=3.0):
    """End processes, given as (pid, start time): SIGTERM, then SIGKILL after `grace` seconds."""
    _signal(pids, signal.SIGTERM)
    for sig, limit in ((None, grace), (signal.SIGKILL, 5.0)):
        if sig:
            _signal(pids, sig)
        end = time.monotonic() + limit
        while time.monotonic() < end:
            for pid, _ in pids:
                _reap(pid)
            if not any(is_alive(*p) for p in pids):
                return
            time.sleep(0.02)


def _reap(pid):
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass


def ns_list(prefix):
    """Our namespaces: those named `prefix.something`."""
    out = run(['ip', 'netns', 'list']).stdout
    names = [line.split()[0] for line in out.splitlines() if line.strip()]
    return [n for n in names if n.startswith(prefix + '.')]


def ns_pids(ns):
    """Processes inside a namespace, as (pid, start time)."""
    out = run(['ip', 'netns', 'pids', ns], check=False).stdout
    return [(int(p), start_time(int(p))) for p in out.split()]


def socket_in(ns, *args, **kw):
    """A socket that belongs to namespace ns, made by this process. Main thread only."""
    with open('/proc/self/ns/net', 'rb') as here, open(f'/run/netns/{ns}', 'rb') as there:
        _setns(there.fileno())
        try:
            return socket.socket(*args, **kw)
        finally:
            _setns(here.fileno())


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET):
        err = ctypes.get_errno()
        raise OSError(err, f'setns: {os.strerror(err)}')


def wait_for(cond, timeout, what, step=0.05):
    """Call cond() until it is true; its value. LabError after `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        is_late = time.monotonic() > end    # before the last look: this machine may have been away
        value = cond()
        if value:
            return value
        if is_late:
            raise LabError(f'waited {timeout} s in vain: {what}')
        time.sleep(step)
