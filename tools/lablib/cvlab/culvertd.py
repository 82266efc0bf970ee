# SPDX-License-Identifier: BSD-3-Clause
"""culvertd inside a lab: start, reload, ask, stop."""

import copy
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess

from . import proc, state
from .proc import LabError

TOP = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get('CULVERT_BUILD', TOP / 'build'))
CULVERTD = str(BUILD / 'app' / 'culvertd')
CULVERTCTL = str(BUILD / 'app' / 'culvertctl')
MEMORY_MB = 512  # when the configuration leaves it to the EAL

# A hugetlbfs of our own in the process's own mount namespace (`ip netns exec` makes one): it goes away
# with the process, however that ends, and no file stays behind.
HUGE_SH = 'mkdir -p "$0" && mount -t hugetlbfs -o pagesize=2M none "$0" && exec "$@"'

# A socket to listen on, passed as systemd does: as descriptor 3, with the pid of who shall have it.
LISTEN_SH = '[ "$0" = 3 ] || exec 3<&"$0"; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'


def raise_memlock():
    """BPF maps and AF_XDP rings are locked memory on older kernels; newer ones do not count them."""
    import resource
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY,) * 2)
    except (ValueError, OSError):
        pass


def check(path):
    """`culvertd --check` on a file: (exit code, everything printed)."""
    done = proc.run([CULVERTD, '--check', '-c', path], check=False)
    return done.returncode, done.stdout + done.stderr


def ended(code):
    """How a process ended, in words."""
    if code >= 0:
        return f'ended with exit status {code}'
    if code == -signal.SIGKILL:
        return 'was killed (SIGKILL; if there was no memory left, dmesg says so)'
    return f'was ended by {signal.Signals(-code).name}'


class Culvertd:
    """One culvertd. Its configuration is the lab's, with the lab's own socket and memory."""

    def __init__(self, lab, conf=None, name='culvertd', huge=True, eal_args=(), listener=None):
        """listener: a socket that listens where the configuration's api.listen says, in whatever
        namespace; culvertd takes it over."""
        self.lab = lab
        self.listener = listener
        self.name = name
        self.file = lab.path(name + '.json')
        self.socket = lab.path(name + '.sock')
        self.eal_args = list(eal_args)
        self.child = None
        self.huge = huge
        self.conf = copy.deepcopy(conf or lab.conf)
        self.notice = None

    # Life -------------------------------------------------------------------------------------

    def _settle(self, conf):
        """The configuration as it is for this lab."""
        conf = copy.deepcopy(conf)
        conf.setdefault('control', {})['socket'] = self.socket
        if 'api' in conf:
            conf['control'].setdefault('state', self.file.replace('.json', '.db'))
        if not self.huge:
            conf['dpdk']['huge_pages'] = False
        return conf

    def write(self, conf):
        """Put a configuration where culvertd reads it."""
        text = conf if isinstance(conf, str) else json.dumps(self._settle(conf), indent=1)
        new = pathlib.Path(self.file + '.new')
        new.write_text(text, encoding='utf-8')
        new.rename(self.file)

    def _take_memory(self):
        if not self.conf['dpdk'].get('huge_pages', True):
            self.huge = False
        pages = (self.conf['dpdk'].get('memory_mb') or MEMORY_MB) // 2 + 16
        if self.huge and not state.take_hugepages(self.lab.state, pages):
            self._no_huge(f'the kernel has no {pages} hugepages of 2 MB to give')

    def _no_huge(self, why):
        self.huge = False
        self.notice = f'{why}: running with --no-huge, which is slower'
        self.lab.log(self.notice)

    def start(self, timeout=120):
        """Start, and wait until it answers on its socket. Returns self."""
        if not os.access(CULVERTD, os.X_OK):
            raise LabError(f'{CULVERTD} does not exist: build it with '
                           'meson setup build && ninja -C build')
        raise_memlock()
        self._take_memory()
        try:
            self._start(timeout)
        except LabError as err:
            # Hugepages are the whole machine's: a program outside of any lab may have been quicker.
            if not self.huge or not re.search('memory available|huge pages needed', str(err)):
                raise
            self._no_huge('another program took the hugepages')
            self._start(timeout)
        return self

    def _start(self, timeout):
        self.write(self.conf)
        argv = [CULVERTD, '-c', self.file, '--', *self.eal_args]
        if self.huge:
            argv += ['--huge-dir', self.lab.path('huge')]
            argv = ['sh', '-c', HUGE_SH, self.lab.path('huge'), *argv]
        env = dict(os.environ, RUNTIME_DIRECTORY=str(self.lab.dir))
        fds = ()
        if self.listener:
            fds = (self.listener.fileno(),)
            argv = ['bash', '-c', LISTEN_SH, fds[0], *argv]
        self.child = self.lab.spawn(self.name, argv, ns=self.lab.culvert_ns, env=env, pass_fds=fds)
        proc.wait_for(self._answers, timeout, 'culvertd to answer on its socket')

    def _answers(self):
        if self.child.poll() is not None:
            raise LabError(f'culvertd {ended(self.child.returncode)} while starting:\n' + self.tail())
        return os.path.exists(self.socket) and self._ctl('workers', check=False).returncode == 0

    def tail(self, n=25):
        """The end of its output."""
        return '\n'.join(self.lab.output(self.name).splitlines()[-n:])

    def is_running(self):
        return self.child is not None and self.child.poll() is None

    def send_signal(self, sig):
        self.child.send_signal(sig)

    def stop(self, timeout=60, sig=signal.SIGTERM):
        """Ask it to end; (exit code, what it printed after that)."""
        before = len(self.lab.output(self.name))
        self.send_signal(sig)
        try:
            code = self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise LabError(f'culvertd does not end on signal {sig} within {timeout} s') from None
        return code, self.lab.output(self.name)[before:]

    def reload(self, conf):
        """Write a configuration and send SIGHUP; returns what is printed until control has dealt
        with it. conf may be text, to be wrong on purpose."""
        before = len(self.lab.output(self.name))
        self.write(conf)
        self.send_signal(signal.SIGHUP)
        proc.wait_for(lambda: 'reload' in self.lab.output(self.name)[before:].lower(), 60,
                      'culvertd to say what became of the reload')
        proc.wait_for(self._is_in_force, 60, 'every worker to run the new configuration')
        return self.lab.output(self.name)[before:]

    def _is_in_force(self):
        shown = self.show('workers')
        return all(w['generation'] == shown['generation'] for w in shown['workers'])

    # Questions --------------------------------------------------------------------------------

    def _ctl(self, what, *args, check=True):
        return proc.run([CULVERTCTL, '-s', self.socket, 'show', what, *args, '--json'],
                        check=check, timeout=60)

    def show(self, what, *args):
        """`culvertctl show WHAT --json` as Python values."""
        return json.loads(self._ctl(what, *args).stdout)

    def metrics_text(self):
        """GET /metrics over the UNIX socket."""
        conn = http.client.HTTPConnection('localhost', timeout=60)
        conn.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        conn.sock.settimeout(60)
        conn.sock.connect(self.socket)
        try:
            conn.request('GET', '/metrics')
            answer = conn.getresponse()
            text = answer.read().decode()
            if answer.status != 200:
                raise LabError(f'GET /metrics: {answer.status}: {text}')
            return text
        finally:
            conn.close()

    def drops(self):
        """Dropped packets by reason."""
        return {r['reason']: r['packets'] for r in self.show('drops')['drops']}

    def events(self):
        """What the workers counted beside drops, by name."""
        return {r['event']: r['count'] for r in self.show('drops')['events']}

    def endpoints(self):
        """Endpoints as dicts: id, name, state, enis with ip and az_id; and vpc, as configured."""
        vpcs = {e['name']: e['vpc'] for e in self.conf['endpoints']}
        return [{**e, 'vpc': vpcs[e['name']]} for e in self.show('endpoints')['endpoints']]
