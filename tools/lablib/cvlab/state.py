# SPDX-License-Identifier: BSD-3-Clause
"""What a lab must give back, written down before it is taken: so a later run can clean up after one
that was killed.

/run/culvert-lab/PREFIX/state.json names the owner, its processes and directories; namespaces are found
by their names, which start with PREFIX and a dot. Nothing else is ever touched.
"""

import contextlib
import fcntl
import json
import os
import pathlib
import shutil

from . import proc

RUN = pathlib.Path('/run/culvert-lab')
NR_HUGE = pathlib.Path('/proc/sys/vm/nr_hugepages')


@contextlib.contextmanager
def locked():
    """One lab at a time changes what labs share: the list of labs and the number of hugepages.

    The lock is on /run itself, so that no lock file stays behind.
    """
    fd = os.open(RUN.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


class State:
    """The record of one lab."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.dir = RUN / prefix
        self.owner = [os.getpid(), proc.start_time(os.getpid())]
        self.keep = False
        self.pids = []
        self.dirs = []
        self.hugepages = 0

    def create(self):
        """Begin the record; nobody may see the directory without it and take it for a leftover."""
        with locked():
            self.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.save()

    def save(self):
        data = {k: getattr(self, k) for k in ('owner', 'keep', 'pids', 'dirs', 'hugepages')}
        new = self.dir / 'state.json.new'
        new.write_text(json.dumps(data), encoding='ascii')
        new.rename(self.dir / 'state.json')

    @classmethod
    def load(cls, prefix):
        """The record of a lab, or None."""
        state = cls(prefix)
        try:
            data = json.loads((state.dir / 'state.json').read_text(encoding='ascii'))
        except (FileNotFoundError, ValueError):
            return None
        for key, value in data.items():
            setattr(state, key, value)
        return state

    def is_owned(self):
        """Whether the process that made the lab still runs."""
        return proc.is_alive(*self.owner)

    def add_pid(self, pid):
        self.pids.append([pid, proc.start_time(pid)])
        self.save()


def labs():
    """Prefixes of all labs on record."""
    return sorted(d.name for d in RUN.glob('*') if d.is_dir()) if RUN.is_dir() else []


def destroy(prefix):
    """Remove everything of one lab, however little or much of it exists."""
    state = State.load(prefix) or State(prefix)
    proc.end_pids([tuple(p) for p in reversed(state.pids)])
    for ns in proc.ns_list(prefix):
        proc.end_pids(proc.ns_pids(ns), grace=0.5)
        proc.run(['ip', 'netns', 'del', ns], check=False)
    for path in state.dirs:
        shutil.rmtree(path, ignore_errors=True)
    with locked():
        # Read again: of two who remove the same leftover, only one may give its pages back.
        give_hugepages(State.load(prefix) or State(prefix))
        shutil.rmtree(state.dir, ignore_errors=True)
        with contextlib.suppress(OSError):
            RUN.rmdir()  # refused while another lab is left


def reap(log):
    """Remove labs whose owner died without cleaning up; those kept on purpose stay."""
    with locked():
        known = {prefix: State.load(prefix) for prefix in labs()}
    for prefix, state in known.items():
        if state is None or not (state.keep or state.is_owned()):
            log(f'removing what a killed run left behind: {prefix}')
            destroy(prefix)


def _free_hugepages():
    for line in pathlib.Path('/proc/meminfo').read_text(encoding='ascii').splitlines():
        if line.startswith('HugePages_Free:'):
            return int(line.split()[1])
    return 0


def take_hugepages(state, pages):
    """See to it that one lab can have so many 2 MB pages; what it took before counts. False when the
    kernel has not so many; then nothing changed."""
    with locked():
        others = [s for s in map(State.load, labs()) if s and s.prefix != state.prefix and s.hugepages]
        extra = max(0, pages - state.hugepages)
        if extra == 0 or not others and _free_hugepages() >= pages:
            return True
        before = int(NR_HUGE.read_text(encoding='ascii'))
        # On record first: a run killed between the two lines must not leave pages behind.
        state.hugepages += extra
        state.save()
        try:
            NR_HUGE.write_text(str(before + extra), encoding='ascii')
            got = int(NR_HUGE.read_text(encoding='ascii')) - before
        except OSError:
            got = 0
        if got >= extra:
            return True
        with contextlib.suppress(OSError):
            NR_HUGE.write_text(str(before), encoding='ascii')
        state.hugepages -= extra
        state.save()
        return False


def give_hugepages(state):
    """Give back what take_hugepages() added. With the lock held."""
    if not state.hugepages:
        return
    now = int(NR_HUGE.read_text(encoding='ascii'))
    with contextlib.suppress(OSError):
        NR_HUGE.write_text(str(max(0, now - state.hugepages)), encoding='ascii')
    state.hugepages = 0
