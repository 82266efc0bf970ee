#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""culvertd as a process: command line, exit codes, notices, signals. usage: culvertd_test.py CULVERTD

Ports are rings in memory, so that neither root nor a NIC nor huge pages are needed. Prints TAP.
"""

import copy
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

CULVERTD = sys.argv[1]
TOP = pathlib.Path(__file__).resolve().parents[2]
WAIT_S = 20


class Home:
    """A directory with a configuration and a socket."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.socket = str(self.path / 'sock')
        self.file = str(self.path / 'culvert.json')
        self.conf = json.loads((TOP / 'config/quickstart.json').read_text(encoding='utf-8'))
        self.conf['control'] = {'socket': self.socket}
        self.conf['dpdk'].update(huge_pages=False, memory_mb=160, mbufs=20480)
        for i, port in enumerate(self.conf['dpdk']['ports']):
            port.update(device=f'net_ring{i}', rx_desc=256, tx_desc=256)
        self.conf['limits'] = {'flows': 1024}
        self.write()
        self.env = dict(os.environ, RUNTIME_DIRECTORY=str(self.path), XDG_RUNTIME_DIR=str(self.path))
        self.children = []

    def write(self, **dpdk):
        conf = copy.deepcopy(self.conf)
        conf['dpdk'].update(dpdk)
        pathlib.Path(self.file).write_text(json.dumps(conf, indent=1), encoding='utf-8')

    def run(self, *args):
        """Exit code, stdout, stderr."""
        done = subprocess.run([CULVERTD, *args], capture_output=True, text=True, timeout=WAIT_S,
                              env=self.env, check=False)
        return done.returncode, done.stdout, done.stderr

    def start(self, *args, env=None):
        child = subprocess.Popen([CULVERTD, '-c', self.file, *args], stderr=subprocess.PIPE,
                                 env={**self.env, **(env or {})})
        self.children.append(child)
        child.said = ''
        until(child, 'ready')
        return child

    def close(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()
            child.stderr.close()


def until(child, word):
    """Read what a child says until a word has come."""
    os.set_blocking(child.stderr.fileno(), False)
    end = time.monotonic() + WAIT_S
    while word not in child.said:
        got = child.stderr.read()
        if got:
            child.said += got.decode()
        elif got == b'' or time.monotonic() > end:
            raise AssertionError(f'no "{word}" in: {child.said}')
        else:
            time.sleep(0.01)


def finish(child, sig=signal.SIGTERM):
    """Exit code, and everything said."""
    child.send_signal(sig)
    code = child.wait(WAIT_S)
    os.set_blocking(child.stderr.fileno(), True)
    child.said += child.stderr.read().decode()
    return code, child.said


def get(home, path):
    conn = http.client.HTTPConnection('localhost', timeout=WAIT_S)
    conn.sock = socket.socket(socket.AF_UNIX)
    conn.sock.connect(home.socket)
    conn.request('GET', path)
    answer = conn.getresponse()
    body = answer.read().decode()
    conn.close()
    return answer.status, body


def expect(cond, what=''):
    if not cond:
        raise AssertionError(what)


# Command line -----------------------------------------------------------------------------------

def help_and_version_are_printed(home):
    code, out, err = home.run('--help')
    expect(code == 0 and err == '' and 'exit codes' in out and '--check' in out, out + err)
    code, out, err = home.run('--version')
    expect(code == 0 and out.startswith('culvertd ') and 'DPDK ' in out, out + err)


def wrong_command_lines_are_refused(home):
    for args in ([], ['-x'], ['--nonsense'], ['-c'], ['-c', home.file, 'stray'], ['--check']):
        code, out, err = home.run(*args)
        expect(code == 2 and out == '' and '--help' in err, f'{args}: {code} {out} {err}')


def check_prints_what_would_be_served(home):
    code, out, err = home.run('--check', '-c', home.file)
    expect(code == 0 and err == '' and 'vpce-' in out and '10.0.1.10' in out, out + err)
    expect(not os.path.exists(home.socket))


def check_prints_every_error(home):
    home.conf['dpdk']['workers'] = 0
    home.conf['region'] = 5
    home.write()
    for args in (['--check'], []):
        code, out, err = home.run('-c', home.file, *args)
        lines = err.splitlines()
        expect(code == 1 and out == '' and len(lines) == 2, f'{code} {out} {err}')
        expect(all(line.startswith(home.file + ': ') and '(line ' in line for line in lines), err)
        expect(any('dpdk.workers' in line for line in lines), err)


def files_of_the_apis_are_looked_at_before_anything_is_touched(home):
    keys, pem = home.path / 'keys.json', home.path / 'pem'
    home.conf['control']['state'] = 'none'
    home.conf['api'] = {'listen': ['127.0.0.1:0'], 'credentials_file': str(keys),
                        'tls': {'cert': str(pem), 'key': str(pem)}}
    home.write()
    pem.write_text('none', encoding='ascii')
    pem.chmod(0o600)
    for text, wrong in (('{"keys": [7]}', 'keys[0]: must be an object'), ('{"keys": []}', None)):
        keys.write_text(text, encoding='ascii')
        keys.chmod(0o600)
        for args in (['--check'], []):
            code, out, err = home.run('-c', home.file, *args)
            expect(code == 1 and out == '' and 'api.tls' in err and 'neighbour' not in err, f'{code} {err}')
            expect((wrong or 'cannot be used') in err and (wrong is None) == (str(keys) not in err), err)
    del home.conf['api']['tls']
    home.write()
    code, out, err = home.run('--check', '-c', home.file)
    expect(code == 0 and 'vpce-' in out, err)
    keys.unlink()
    code, out, err = home.run('--check', '-c', home.file)
    expect(code == 1 and out == '' and str(keys) in err, f'{code} {err}')


NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']


def what_only_root_may_see_is_no_error_for_others(home):
    keys, pem = home.path / 'keys.json', home.path / 'pem'

    def check(mode, owner=0):
        keys.chmod(mode)
        os.chown(keys, owner, owner)
        done = subprocess.run([*NOBODY, CULVERTD, '--check', '-c', home.file], capture_output=True, text=True,
                              timeout=WAIT_S, env=home.env, check=False)
        return done.returncode, done.stdout, done.stderr

    home.path.chmod(0o755)
    if os.geteuid() != 0 or subprocess.run([*NOBODY, CULVERTD, '--help'], capture_output=True,
                                           timeout=WAIT_S, check=False).returncode != 0:
        return
    home.conf['control']['state'] = 'none'
    home.conf['api'] = {'listen': ['127.0.0.1:0'], 'credentials_file': str(keys)}
    home.write()
    keys.write_text('{"keys": []}', encoding='ascii')
    code, out, err = check(0o600)
    expect(code == 0 and 'vpce-' in out and 'Permission denied' in err, f'{code} {err}')
    code, out, err = check(0o600, 65534)
    expect(code == 0 and 'vpce-' in out and str(keys) not in err, f'{code} {err}')
    # Wrong for root, too.
    for owner in (0, 65534):
        code, out, err = check(0o644, owner)
        expect(code == 1 and out == '' and 'chmod 600' in err, f'{code} {err}')
    pem.write_text('none', encoding='ascii')
    pem.chmod(0o600)
    os.chown(pem, 65534, 65534)
    home.conf['api']['tls'] = {'cert': str(pem), 'key': str(pem)}
    home.write()
    code, out, err = check(0o600)
    expect(code == 1 and out == '' and 'Permission denied' in err and 'api.tls' in err, f'{code} {err}')


def missing_file_is_an_error_of_the_configuration(home):
    code, _out, err = home.run('-c', home.file + '.none')
    expect(code == 1 and home.file + '.none' in err, err)


# What keeps it from running ---------------------------------------------------------------------

def bad_port_is_named(home):
    home.conf['dpdk']['ports'][1]['device'] = 'net_af_packet0,iface=cv-none'
    home.write()
    code, _out, err = home.run('-c', home.file)
    expect(code == 3 and f'{home.file}: dpdk.ports[1].device: ' in err, err)
    expect(not os.path.exists(home.socket))


def eal_arguments_override(home):
    child = home.start('-v', '--', '--iova-mode=va', '--log-level=lib.eal:debug')
    code, said = finish(child)
    expect(code == 0 and 'debug: dpdk:' in said, said)
    code, _out, err = home.run('-c', home.file, '--', '--nonsense')
    expect(code == 3 and 'dpdk.eal_args' in err and 'nonsense' in err, err)


def impossible_socket_ends_a_start_cleanly(home):
    home.conf['control']['socket'] = str(home.path / 'no' / 'such' / 'sock')
    home.write()
    code, _out, err = home.run('-c', home.file)
    expect(code == 3 and 'control.socket: ' in err and 'no/such' in err, err)
    home.conf['control']['socket'] = home.socket
    home.write()
    expect(finish(home.start())[0] == 0)


def second_culvertd_on_the_socket_is_refused(home):
    first = home.start()
    code, _out, err = home.run('-c', home.file)
    expect(code == 3 and 'another culvertd' in err, err)
    expect(get(home, '/v1/show/workers')[0] in (200, 404) and first.poll() is None)
    expect(finish(first)[0] == 0)


def taken_port_of_the_api_is_named(home):
    (home.path / 'keys.json').write_text('{"keys": []}', encoding='utf-8')
    (home.path / 'keys.json').chmod(0o600)
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))
        other.listen()
        address = '127.0.0.1:%d' % other.getsockname()[1]
        home.conf['control']['state'] = 'none'
        home.conf['api'] = {'listen': [address], 'credentials_file': str(home.path / 'keys.json')}
        home.write()
        code, _out, err = home.run('-c', home.file)
    expect(code == 3 and f'api.listen: cannot listen on {address}' in err and 'another port' in err, err)
    (home.path / 'keys.json').chmod(0o644)
    code, _out, err = home.run('-c', home.file)
    expect(code != 0 and 'chmod 600' in err, err)


def closed_stdio_is_not_taken_by_what_culvertd_opens(home):
    """Else the log would be written into the state file or to a peer."""
    child = subprocess.Popen(['sh', '-c', 'exec "$@" <&- >&- 2>&-', 'sh', CULVERTD, '-c', home.file],
                             stderr=subprocess.PIPE, env=home.env)
    home.children.append(child)
    end = time.monotonic() + WAIT_S
    while not os.path.exists(home.socket):
        expect(child.poll() is None and time.monotonic() < end, 'no socket')
        time.sleep(0.01)
    links = [os.readlink(f'/proc/{child.pid}/fd/{fd}') for fd in range(3)]
    expect(links == ['/dev/null'] * 3, str(links))
    child.send_signal(signal.SIGTERM)
    expect(child.wait(WAIT_S) == 0)


# Life -------------------------------------------------------------------------------------------

def ready_and_stopping_are_notified(home):
    path = str(home.path / 'notify')
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.settimeout(WAIT_S)
    listener.bind(path)
    child = home.start(env={'NOTIFY_SOCKET': path})
    expect(listener.recv(256) == b'READY=1\n')
    expect('started in ' in child.said, child.said)
    expect(get(home, '/metrics')[0] == 200)
    expect(finish(child)[0] == 0)
    expect(listener.recv(256) == b'STOPPING=1\n')
    listener.close()


def each_signal_stops_with_a_summary(home):
    for sig in (signal.SIGTERM, signal.SIGINT):
        code, said = finish(home.start(), sig)
        expect(code == 0 and 'served for ' in said and 'rx_packets' in said, said)
        left = [p.name for p in home.path.iterdir() if p.name not in ('culvert.json', 'dpdk')]
        left += [p.name for p in home.path.glob('dpdk/*')]
        expect(left == [], f'left behind: {left}')


def killed_one_can_be_followed_by_another(home):
    child = home.start()
    finish(child, signal.SIGKILL)
    expect(os.path.exists(home.socket))
    expect(finish(home.start())[0] == 0)


def reload_is_whole_or_nothing(home):
    child = home.start()
    home.conf['endpoint_services'][0]['accept'].append('consumer-4')
    home.write()
    child.send_signal(signal.SIGHUP)
    until(child, 'reloaded')
    child.said = ''
    home.write(workers=2)
    child.send_signal(signal.SIGHUP)
    until(child, 'refused')
    expect('dpdk.workers' in child.said and 'restart' in child.said, child.said)
    child.said = ''
    pathlib.Path(home.file).write_text('{', encoding='utf-8')
    child.send_signal(signal.SIGHUP)
    until(child, 'refused')
    code, said = finish(child)
    expect(code == 0 and 'available 3' in said, said)


def several_workers_run_on_few_cpus(home):
    home.conf['dpdk']['workers'] = 3
    home.write()
    child = home.start()
    status, body = get(home, '/metrics')
    expect(status == 200 and 'worker="2"' in body, body[:2000])
    expect(('share' in child.said) == (len(os.sched_getaffinity(0)) < 3), child.said)
    expect(finish(child)[0] == 0)


def known_rss_is_used_and_shown(home):
    """net_null takes a key and a table; net_ring has none."""
    home.conf['dpdk']['ports'][0]['device'] = 'net_null0'
    for workers, want in ((2, ['on', 'off']), (1, ['off', 'off'])):
        home.write(workers=workers)
        child = home.start()
        status, body = get(home, '/v1/show/ports')
        expect(status == 200, body)
        rss = [port['rss'] for port in json.loads(body)['ports']]
        expect(rss[:2] == want, body)
        expect(finish(child)[0] == 0)


CASES = (
    help_and_version_are_printed, wrong_command_lines_are_refused, check_prints_what_would_be_served,
    check_prints_every_error, files_of_the_apis_are_looked_at_before_anything_is_touched,
    what_only_root_may_see_is_no_error_for_others, missing_file_is_an_error_of_the_configuration,
    bad_port_is_named, eal_arguments_override, impossible_socket_ends_a_start_cleanly,
    second_culvertd_on_the_socket_is_refused, taken_port_of_the_api_is_named,
    closed_stdio_is_not_taken_by_what_culvertd_opens, ready_and_stopping_are_notified,
    each_signal_stops_with_a_summary, killed_one_can_be_followed_by_another,
    reload_is_whole_or_nothing, several_workers_run_on_few_cpus,
    known_rss_is_used_and_shown,
)


def main():
    bad = 0
    print(f'1..{len(CASES)}')
    for i, case in enumerate(CASES, 1):
        with tempfile.TemporaryDirectory(prefix='culvertd-test-') as path:
            home = Home(path)
            try:
                case(home)
                print(f'ok {i} - {case.__name__}', flush=True)
            except (AssertionError, OSError, subprocess.SubprocessError) as err:
                bad += 1
                print(f'not ok {i} - {case.__name__}', flush=True)
                print('\n'.join('# ' + line for line in str(err).splitlines()), flush=True)
            finally:
                home.close()
    return bad != 0


sys.exit(main())
