# SPDX-License-Identifier: BSD-3-Clause
"""What every row uses: the command line's choices, processes that end with us, CPUs, huge pages."""

import contextlib
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
HUGE_PATH = pathlib.Path('/proc/sys/vm/nr_hugepages')
HUGE_MB = 1600
LOCK = '/run/culvert-bench.lock'
# What runs at this priority is not disturbed by the machine's other work, for 95 % of the time.
RT_PRIORITY = 50
WORKER = re.compile(r'(rte|dpdk|lcore)-worker')


class Unmeasured(Exception):
    """A row could not be measured; the text says why."""


def say(text):
    os.write(2, f'bench: {text}\n'.encode())


class Proc:
    """A process of ours, in a session of its own: Ctrl-C reaches us, and we end it."""

    def __init__(self, argv, name, log, stdin=False, env=None):
        self.name = name
        self.log = log
        with open(log, 'wb') as out:
            self.p = subprocess.Popen([str(a) for a in argv], start_new_session=True, env=env,
                                      stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                                      stdout=out, stderr=subprocess.STDOUT)

    def text(self):
        return pathlib.Path(self.log).read_text(encoding='utf-8', errors='replace')

    def wait_text(self, pattern, seconds):
        """Wait until the log matches; the match."""
        end = time.monotonic() + seconds
        while True:
            found = re.search(pattern, self.text())
            if found:
                return found
            if self.p.poll() is not None:
                raise Unmeasured(f'{self.name} ended (exit {self.p.returncode}): {self.tail()}')
            if time.monotonic() > end:
                raise Unmeasured(f'{self.name}: no "{pattern}" within {seconds} s: {self.tail()}')
            time.sleep(0.02)

    def tail(self):
        lines = [line for line in self.text().splitlines() if line.strip()]
        return ' / '.join(lines[-3:]) or 'it said nothing'

    @contextlib.contextmanager
    def running(self):
        """One that is paused runs for as long as the block."""
        self.p.send_signal(signal.SIGCONT)
        try:
            yield self
        finally:
            self.pause()

    def pause(self):
        """It keeps all it has and takes no CPU until it is let run."""
        self.p.send_signal(signal.SIGSTOP)

    def end(self, grace=3.0):
        if self.p.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.p.pid, signal.SIGTERM)
                os.kill(self.p.pid, signal.SIGCONT)
            try:
                self.p.wait(grace)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.p.pid, signal.SIGKILL)
                self.p.wait()
        if self.p.stdin:
            with contextlib.suppress(OSError):
                self.p.stdin.close()


class Bench:
    """One run. Use as a context: what it started and changed is undone at the end, however that comes."""

    def __init__(self, opts):
        self.opts = opts
        self.quick = opts.quick
        self.seconds = 0.3 if opts.quick else 1.5
        self.build = TOP / 'build'
        self.stack = contextlib.ExitStack()
        self.tag = f'cvbench-{os.getpid()}'
        cpus = sorted(os.sched_getaffinity(0))
        self.cpus = cpus
        # The device under test has the last CPU: the first one serves most interrupts.
        self.dut = cpus[-1]
        self.gen = cpus[0] if len(cpus) > 1 else None
        self.huge = False
        self.rt = False
        self.busy = 0.0
        self.details = {}
        self.warnings = []

    def __enter__(self):
        self.stack.__enter__()
        lock = self.stack.enter_context(open(LOCK, 'w', encoding='ascii'))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            raise SystemExit('bench: another tools/bench runs on this machine') from err
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix='culvert-bench.'))
        self.stack.callback(shutil.rmtree, self.dir, ignore_errors=True)
        self._huge_get()
        self.busy = busy_share()
        # On one CPU DPDK's threads, of one priority then, would not let each other start.
        self.rt = self.gen is not None and (
            self.opts.rt == 'on' or (self.opts.rt == 'auto' and self.busy > 0.05))
        return self

    def __exit__(self, *exc):
        # A second Ctrl-C must not leave things behind.
        for sig in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sig, signal.SIG_IGN)
        return self.stack.__exit__(*exc)

    def _huge_get(self):
        """Reserve huge pages beside those that there are, and give them back at the end."""
        free = meminfo('HugePages_Free') * meminfo('Hugepagesize') // 1024
        want = -(-max(0, HUGE_MB - free) * 1024 // max(1, meminfo('Hugepagesize')))
        before = int(HUGE_PATH.read_text())
        if want > 0:
            HUGE_PATH.write_text(str(before + want))
            got = int(HUGE_PATH.read_text()) - before
            self.stack.callback(huge_put, got)
        free = meminfo('HugePages_Free') * meminfo('Hugepagesize') // 1024
        self.huge = free >= HUGE_MB * 3 // 4
        if not self.huge:
            say(f'only {free} MB of huge pages: measured with small pages')

    def need_two(self):
        if self.gen is None:
            raise Unmeasured('needs two CPUs')

    def tool(self, *path):
        found = self.build.joinpath(*path)
        if not found.exists():
            raise Unmeasured(f'{found} was not built')
        return found

    def rt_argv(self, argv):
        return ['chrt', '-f', str(RT_PRIORITY), *argv] if self.rt else argv

    def log(self, name):
        return self.dir / f'{name}-{time.monotonic_ns()}.log'

    @contextlib.contextmanager
    def proc(self, argv, name, rt=False, **kw):
        """Run a process beside us for as long as the block."""
        p = Proc(self.rt_argv(argv) if rt else argv, name, self.log(name), **kw)
        try:
            yield p
        finally:
            p.end()

    def output(self, argv, timeout, ok=(0,), spread=False):
        """Run a program to its end; its stdout as JSON. spread: its threads share CPUs, see threads_rt()."""
        argv = [str(a) for a in argv]
        name = pathlib.Path(argv[0]).name
        p = subprocess.Popen(argv if spread else self.rt_argv(argv), stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL,
                             start_new_session=True)
        try:
            if spread:
                self.threads_rt(p.pid, wait=15)
            out, err = p.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise Unmeasured(f'{name}: no end after {timeout} s') from None
        finally:
            if p.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(p.pid, signal.SIGKILL)
                p.wait()
        if p.returncode not in ok:
            said = [line for line in err.splitlines() if line.strip()][-3:]
            raise Unmeasured(f'exit {p.returncode}: {" / ".join(said) or out[-200:]}')
        try:
            return json.loads(out)
        except json.JSONDecodeError as why:
            raise Unmeasured(f'no JSON from {argv[0]}: {why}; {err[-200:]}') from None

    def threads_rt(self, pid, wait=0):
        """Real-time priority for a DPDK process: its polling threads, and above them the one that sleeps
        most of the time, or it would never run on a CPU that it shares with a polling one. Not before
        the polling ones are there: they would have the other's rank from it, and keep it from running."""
        end = time.monotonic() + wait
        tids = thread_names(pid) if self.rt else {}
        while tids and not any(WORKER.match(name) for name in tids.values()):
            if time.monotonic() > end:
                return
            time.sleep(0.02)
            tids = thread_names(pid)
        for tid, name in tids.items():
            rank = RT_PRIORITY if WORKER.match(name) else RT_PRIORITY + 1
            subprocess.run(['chrt', '-f', '-p', str(rank), str(tid)], check=False, capture_output=True)

    def rows_tool(self, row, *args, seconds=None, cores=None, timeout=120, huge=None, name=None):
        """Run a row of bench_rows; name: under which the details are kept, if not the row's."""
        huge = self.huge if huge is None else huge
        argv = [self.tool('tests', 'bench', 'bench_rows'), '--seconds', seconds or self.seconds,
                '--cores', cores or self.dut, *(['--huge'] if huge else []), *args, row]
        found = self.output(argv, timeout)
        self.details[name or row] = found
        return found


def thread_names(pid):
    """Thread ids of a process, with their names."""
    found = {}
    with contextlib.suppress(OSError):
        for task in pathlib.Path(f'/proc/{pid}/task').iterdir():
            with contextlib.suppress(OSError):
                found[int(task.name)] = (task / 'comm').read_text().strip()
    return found


def meminfo(key):
    for line in pathlib.Path('/proc/meminfo').read_text(encoding='ascii').splitlines():
        if line.startswith(key + ':'):
            return int(line.split()[1])
    return 0


def huge_put(n):
    """Give n huge pages back; somebody else may have changed the number meanwhile."""
    HUGE_PATH.write_text(str(max(0, int(HUGE_PATH.read_text()) - n)))


def busy_share(seconds=0.4):
    """Share of all CPUs that others use now."""

    def read():
        fields = [int(x) for x in
                  pathlib.Path('/proc/stat').read_text(encoding='ascii').splitlines()[0].split()[1:]]
        return sum(fields[:8]), fields[3] + fields[4]

    total, idle = read()
    time.sleep(seconds)
    total2, idle2 = read()
    return 1 - (idle2 - idle) / max(1, total2 - total)


def build(targets, build_dir):
    """Build with the functions of tools/lib.sh."""
    script = (f'top={TOP}; . "$top/tools/lib.sh"; (install_packages build) || exit 1; '
              f'ninja_targets="{" ".join(targets)}"; build_tree {build_dir}')
    if subprocess.run(['bash', '-c', script], check=False, stdin=subprocess.DEVNULL).returncode != 0:
        raise SystemExit('bench: the build failed')


def install(*groups):
    """Install groups of tools/packages.txt, what of them is not there."""
    script = f'top={TOP}; . "$top/tools/lib.sh"; install_packages {" ".join(groups)}'
    if subprocess.run(['bash', '-c', script], check=False, stdin=subprocess.DEVNULL).returncode != 0:
        raise SystemExit(f'bench: packages of {", ".join(groups)} (tools/packages.txt) cannot be installed')


def version(argv):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return next((line for line in (done.stdout + done.stderr).splitlines() if line.strip()), None)


def machine(bench):
    """What a reader must know of where this was measured."""
    cpu = re.search(r'^model name\s*:\s*(.*)$', pathlib.Path('/proc/cpuinfo').read_text(), re.M)
    flags = re.search(r'^flags\s*:\s*(.*)$', pathlib.Path('/proc/cpuinfo').read_text(), re.M)
    commit = version(['git', '-C', str(TOP), 'describe', '--always', '--dirty'])
    return {
        'cpu': cpu.group(1) if cpu else 'unknown',
        'cpus': len(bench.cpus),
        'memory_gb': round(meminfo('MemTotal') / 1e6, 1),
        'virtual': 'hypervisor' in flags.group(1).split() if flags else None,
        'kernel': os.uname().release,
        'distribution': version(['sh', '-c', '. /etc/os-release; echo "$PRETTY_NAME"']),
        'gcc': version(['gcc', '--version']),
        'culvert': f"{version([str(bench.build / 'app/culvertd'), '--version'])}, commit {commit}",
        'worker_cpu': bench.dut,
        'generator_cpu': bench.gen,
        'huge_pages': bench.huge,
        'real_time_priority': RT_PRIORITY if bench.rt else None,
        'busy_before': round(bench.busy, 3),
    }
