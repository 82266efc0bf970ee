# SPDX-License-Identifier: BSD-3-Clause
"""A scenario as a row of steps: what was done, what should come of it, what came."""

import contextlib
import copy
import json

from . import culvertd, lab, proc

IN_VAIN_S = 2.5     # for a connection that must not come about: SYNs at 0 and 1 s
CURL_SAYS = {7: 'refused', 28: 'timeout', 52: 'closed', 56: 'reset'}


def ask(sock):
    """One HTTP request on a connection that stays open: its outcome, once the whole answer is there."""
    try:
        sock.sendall(b'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
        data = b''
        while not data.endswith(b'}\n'):   # the answer's JSON
            part = sock.recv(65536)
            if not part:
                return 'closed'
            data += part
        return 'answered' if data.startswith(b'HTTP/1.1 200') else 'an error'
    except TimeoutError:
        return 'timeout'
    except (ConnectionResetError, BrokenPipeError):
        return 'reset'


class Story:
    """A lab, a running culvertd, and the steps so far."""

    def __init__(self, made, culvert, say):
        self.lab, self.culvert, self.say = made, culvert, say
        self.conf = copy.deepcopy(culvert.conf)
        self.steps = []

    def step(self, what, expected, got, **more):
        """Note a step; expected and got are compared."""
        self.say(f'{what}: {got}' + ('' if got == expected else f', expected {expected}'))
        self.steps.append({'step': what, 'expected': expected, 'got': got, 'ok': got == expected, **more})

    def reload(self, change):
        """Let change(conf) alter the configuration, and have culvertd take it."""
        change(self.conf)
        self.culvert.reload(self.conf)

    def get(self, vpc, ip, port, connect=30, seconds=60):
        """One HTTP request from a VPC's client: its status as text, or how the connection failed; and the
        answer's JSON, if it is any."""
        done = proc.run(['curl', '-sS', '--connect-timeout', connect, '--max-time', seconds,
                         '-w', '%{stderr}%{http_code}', f'http://{ip}:{port}/'], ns=self.lab.ns(vpc),
                        check=False)
        if done.returncode:
            return CURL_SAYS.get(done.returncode, f'curl exit {done.returncode}'), {}
        with contextlib.suppress(ValueError):
            return f'HTTP {done.stderr.split()[-1]}', json.loads(done.stdout)
        return f'HTTP {done.stderr.split()[-1]}', {}

    def dropped(self, reason, act):
        """Call act(); its value, and whether culvert counted packets dropped for that reason meanwhile."""
        before = self.culvert.drops()[reason]
        value = act()
        with contextlib.suppress(proc.LabError):
            proc.wait_for(lambda: self.culvert.drops()[reason] > before, 30, reason)
        return value, self.culvert.drops()[reason] > before

    def result(self):
        """What run() of a scenario returns."""
        good = bool(self.steps) and all(s['ok'] for s in self.steps)
        return {'ok': good, 'steps': self.steps}, good


@contextlib.contextmanager
def begin(opts, say, conf, servers, first_conf=None):
    """A lab of conf, its servers started by servers(lab), culvertd with first_conf or conf."""
    made = lab.Lab(conf, opts.prefix, say)
    with made:
        say('lab: namespaces, servers, culvertd')
        servers(made)
        culvert = culvertd.Culvertd(made, first_conf or conf).start()
        if culvert.notice:
            say(culvert.notice)
        yield Story(made, culvert, say)
        culvert.stop()


def table(result):
    """Steps for people."""
    lines = [('step', 'outcome', '')]
    lines += [(s['step'], str(s['got']), 'ok' if s['ok'] else f'expected: {s["expected"]}')
              for s in result['steps']]
    widths = [max(len(line[i]) for line in lines) for i in range(2)]
    out = ['  '.join((line[0].ljust(widths[0]), line[1].ljust(widths[1]), line[2])).rstrip()
           for line in lines]
    out.insert(1, '  '.join('-' * w for w in widths))
    return '\n'.join(out)
