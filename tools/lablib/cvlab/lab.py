# SPDX-License-Identifier: BSD-3-Clause
"""Build and remove a lab.

    +-- PREFIX.culvert --+        +-- PREFIX.provider --+       +-- PREFIX.provider.10.0.1.21 --+
    | culvertd   cv-prov |--veth--| up    br0    p0..pn |-veth--| eth0                          |
    |            cv-c1   |--veth-- PREFIX.consumer-1.client (eth0)
    +--------------------+

A VPC with several hosts has a namespace with a bridge between them; one with a single host has none.
All veth ends are made inside namespaces: the machine's own network never sees them.
"""

import atexit
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import tempfile

from . import proc, state, topo
from .proc import LabError, run

TRUNK = str(pathlib.Path(__file__).resolve().parent.parent / 'vlan_trunk.py')
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
OFFLOADS = 'tx off rx off tso off gso off gro off sg off txvlan off rxvlan off'
# What must read "off" afterwards: a segment larger than the MTU or without a checksum is one that no
# wire would carry, and AF_XDP would hand it to us as it is.
MUST_BE_OFF = ('tx-checksumming', 'rx-checksumming', 'scatter-gather', 'tcp-segmentation-offload',
               'generic-segmentation-offload', 'generic-receive-offload')


class Interrupted(KeyboardInterrupt):
    """A signal asked us to stop."""

    def __init__(self, signum):
        super().__init__(signum)
        self.signum = signum


def raise_on_signal(signum, _frame):
    """Signal handler: leave the way an exception does, so that every `finally` runs."""
    raise Interrupted(signum)


def catch_signals():
    """Let signals raise Interrupted from now on."""
    for sig in SIGNALS:
        signal.signal(sig, raise_on_signal)


class Lab:
    """The namespaces and processes of one configuration. A context manager: leaving it removes all,
    on an exception or a signal too, unless keep is set by then."""

    def __init__(self, conf, prefix, log=lambda text: None):
        if not re.fullmatch(r'cvl-[A-Za-z0-9_-]+', prefix):
            raise LabError(f'lab prefix {prefix!r} must start with cvl-')
        self.conf = conf
        self.prefix = prefix
        self.log = log
        self.vpcs = {v.name: v for v in topo.plan(conf)}
        self.state = state.State(prefix)
        self.culvert_ns = f'{prefix}.culvert'
        self.dir = self.state.dir
        self._handlers = {}

    # Names ------------------------------------------------------------------------------------

    def ns(self, vpc, host=topo.CLIENT):
        """Namespace of a host."""
        if vpc not in self.vpcs or host not in self.vpcs[vpc].hosts:
            raise LabError(f'no host {vpc}/{host} in this lab')
        return f'{self.prefix}.{vpc}.{host}'

    def path(self, name):
        """A file in the lab's directory, which goes away with the lab."""
        return str(self.dir / name)

    def scratch(self):
        """A new directory on disk, for what is too large for /run."""
        path = tempfile.mkdtemp(prefix='culvert-lab-')
        self.state.dirs.append(path)
        self.state.save()
        return path

    def resolver(self, ns, server):
        """Have programs in namespace ns ask this DNS server: `ip netns exec` gives them the file as
        /etc/resolv.conf."""
        path = pathlib.Path('/etc/netns', ns)
        path.mkdir(parents=True, exist_ok=True)
        self.state.dirs.append(str(path))
        self.state.save()
        (path / 'resolv.conf').write_text(f'nameserver {server}\noptions timeout:2 attempts:5\n',
                                          encoding='ascii')

    # Life -------------------------------------------------------------------------------------

    def __enter__(self):
        for sig in SIGNALS:
            self._handlers[sig] = signal.signal(sig, raise_on_signal)
        try:
            self.up()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, kind, value, trace):
        self._leave()

    def _leave(self):
        for sig in SIGNALS:
            signal.signal(sig, signal.SIG_IGN)
        try:
            if not self.state.keep:
                self.down()
        finally:
            for sig, handler in self._handlers.items():
                signal.signal(sig, handler)

    def up(self):
        """Build everything. A lab of that name whose owner died, or that was kept, goes first."""
        if os.geteuid():
            raise LabError('a lab needs root: run it with sudo')
        state.reap(self.log)
        old = state.State.load(self.prefix)
        if old and old.is_owned() and old.owner[0] != os.getpid():
            raise LabError(f'lab {self.prefix} is in use by process {old.owner[0]}')
        if old or proc.ns_list(self.prefix):
            self.log(f'removing the lab of an earlier run: {self.prefix}')
            state.destroy(self.prefix)
        atexit.register(self._at_exit, os.getpid())
        self.state.create()
        self._add_ns(self.culvert_ns)
        for vpc in self.vpcs.values():
            for host in vpc.hosts:
                self._add_ns(self.ns(vpc.name, host))
            if len(vpc.hosts) > 1:
                self._add_ns(self._hub(vpc))
        for iface in dict.fromkeys(v.iface for v in self.vpcs.values()):
            self._wire([v for v in self.vpcs.values() if v.iface == iface])
        for vpc in self.vpcs.values():
            if len(vpc.hosts) > 1:
                self._bridge(vpc)
            for host in vpc.hosts.values():
                if not host.behind:
                    self._address(self.ns(vpc.name, host.name), host)
            for idx, host in enumerate(h for h in vpc.hosts.values() if h.behind):
                self.add_behind(self.ns(vpc.name, topo.GATEWAY), f'b{idx}',
                                self.ns(vpc.name, host.name), host.name, vpc.mtu)

    def down(self):
        """Remove everything of this lab."""
        state.destroy(self.prefix)
        atexit.unregister(self._at_exit)

    def _at_exit(self, pid):
        """The last net: an exception that came just before our caller could catch it."""
        if os.getpid() == pid and not self.state.keep:
            state.destroy(self.prefix)

    # Processes --------------------------------------------------------------------------------

    def spawn(self, name, argv, ns=None, env=None, stdin=subprocess.DEVNULL, pass_fds=()):
        """Start a process that lives until the lab ends; its output goes to NAME.log."""
        with open(self.path(name + '.log'), 'ab') as out:
            child = subprocess.Popen(proc.ns_argv(ns, argv), stdin=stdin, stdout=out,
                                     stderr=subprocess.STDOUT, start_new_session=True, env=env,
                                     pass_fds=pass_fds)
        self.state.add_pid(child.pid)
        return child

    def output(self, name):
        """What a spawned process has written so far."""
        with contextlib.suppress(FileNotFoundError):
            with open(self.path(name + '.log'), encoding='utf-8', errors='replace') as file:
                return file.read()
        return ''

    # Building ---------------------------------------------------------------------------------

    def add_ns(self, name):
        """One more namespace that goes away with the lab; its name."""
        ns = f'{self.prefix}.{name}'
        self._add_ns(ns)
        return ns

    def _add_ns(self, ns):
        run(['ip', 'netns', 'add', ns])
        # Without the metrics cache, the loss of one test does not slow down the next; and a lab
        # behaves alike whatever congestion control the machine prefers.
        run(['sh', '-c', 'for d in all default; do '
             'echo 1 >/proc/sys/net/ipv6/conf/$d/disable_ipv6; done; cd /proc/sys/net/ipv4; '
             'echo 1 >tcp_no_metrics_save; for c in reno cubic; do '
             'grep -qw $c tcp_available_congestion_control && echo $c >tcp_congestion_control; done; '
             'ip link set lo up'], ns=ns)

    def _veth(self, ns_a, name_a, ns_b, name_b, mtu, queues=1):
        more = ['numtxqueues', queues, 'numrxqueues', queues] if queues > 1 else []
        peer = ['numtxqueues', queues, 'numrxqueues', queues] if queues > 1 else []
        run(['ip', 'link', 'add', name_a, 'netns', ns_a, 'mtu', mtu, *more, 'type', 'veth',
             'peer', 'name', name_b, 'netns', ns_b, 'mtu', mtu, *peer])
        for ns, name in ((ns_a, name_a), (ns_b, name_b)):
            self._quiet(ns, name)
            run(['ip', '-n', ns, 'link', 'set', 'dev', name, 'up'])

    def _quiet(self, ns, name):
        """Switch off what only makes sense when no wire follows, and see that it is off."""
        run(['ethtool', '-K', name, *OFFLOADS.split()], ns=ns, check=False)
        shown = run(['ethtool', '-k', name], ns=ns).stdout
        on = [f for f in MUST_BE_OFF if re.search(rf'^{f}: on', shown, re.M)]
        if on:
            raise LabError(f'{name}: cannot switch off {", ".join(on)}')

    def _hub(self, vpc):
        """Namespace of a VPC's bridge."""
        return f'{self.prefix}.{vpc.name}'

    def _far_end(self, vpc):
        """Where culvert's wire ends: at the bridge, or at the only host."""
        if len(vpc.hosts) > 1:
            return self._hub(vpc), 'up'
        return self.ns(vpc.name), 'eth0'

    def _wire(self, vpcs):
        """The wire from one interface of culvert to the VPC behind it, or to several by VLAN or VNI."""
        one = vpcs[0]
        if not any(v.vlan for v in vpcs):
            ns, dev = self._wire_end(one)
            self._veth(self.culvert_ns, one.iface, ns, dev, one.wire_mtu, one.queues)
            self._tunnels(ns, vpcs)
            return
        trunk = f'{self.prefix}.trunk-{one.iface}'
        self._add_ns(trunk)
        self._veth(self.culvert_ns, one.iface, trunk, 'wire', one.wire_mtu, one.queues)
        vlans = list(dict.fromkeys(v.vlan for v in vpcs))
        name = f'trunk-{one.iface}'
        self.spawn(name, [TRUNK, 'wire', *[f'{v}:vlan{v}' for v in vlans]], ns=trunk)
        proc.wait_for(lambda: 'ready' in self.output(name), 60, f'{name} to open its TAPs')
        for vlan in vlans:
            inside = [v for v in vpcs if v.vlan == vlan]
            ns, dev = self._wire_end(inside[0])
            run(['ip', '-n', trunk, 'link', 'set', 'dev', f'vlan{vlan}', 'netns', ns, 'name', dev])
            run(['ip', '-n', ns, 'link', 'set', 'dev', dev, 'mtu', one.wire_mtu, 'up'])
            self._tunnels(ns, inside)

    def _wire_end(self, vpc):
        """Where a wire, or a VLAN of it, ends: where the VPC is, or at the VTEP that it is behind."""
        if not vpc.vxlan:
            return self._far_end(vpc)
        return self.add_ns(f'vtep-{vpc.iface}-{vpc.vlan}'), 'wire'

    def _tunnels(self, ns, vpcs):
        """VXLAN devices of the kernel, one for each VPC; their other ends are in the VTEP's namespace."""
        for idx, vpc in enumerate(v for v in vpcs if v.vxlan):
            run(['ip', '-n', ns, 'addr', 'replace', f'{vpc.vtep()}/24', 'dev', 'wire'])
            run(['ip', '-n', ns, 'link', 'add', f'vx{idx}', 'type', 'vxlan', 'id', vpc.vxlan['vni'],
                 'local', vpc.vtep(), 'remote', vpc.vxlan['vtep'], 'dstport', 4789])
            far, dev = self._far_end(vpc)
            run(['ip', '-n', ns, 'link', 'set', 'dev', f'vx{idx}', 'netns', far, 'name', dev])
            self._quiet(far, dev)
            run(['ip', '-n', far, 'link', 'set', 'dev', dev, 'mtu', vpc.mtu, 'up'])

    def _bridge(self, vpc):
        hub = self._hub(vpc)
        run(['ip', '-n', hub, 'link', 'add', 'br0', 'mtu', vpc.mtu, 'type', 'bridge'])
        ports = ['up']
        for idx, host in enumerate(h for h in vpc.hosts.values() if not h.behind):
            self._veth(hub, f'p{idx}', self.ns(vpc.name, host.name), 'eth0', vpc.mtu)
            ports.append(f'p{idx}')
        for port in ports:
            run(['ip', '-n', hub, 'link', 'set', 'dev', port, 'master', 'br0'])
        run(['ip', '-n', hub, 'link', 'set', 'dev', 'br0', 'up'])

    def add_behind(self, router, dev, ns, addr, mtu=1500):
        """Put namespace ns (eth0, addr) behind a host that routes; the router answers ARP for the rest."""
        self._veth(router, dev, ns, 'eth0', mtu)
        run(['sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward; '
             f'echo 1 >/proc/sys/net/ipv4/conf/{dev}/proxy_arp'], ns=router)
        run(['ip', '-n', router, 'route', 'add', addr, 'dev', dev])
        run(['ip', '-n', ns, 'addr', 'replace', f'{addr}/32', 'dev', 'eth0'])
        run(['ip', '-n', ns, 'route', 'replace', 'default', 'dev', 'eth0'])

    def _address(self, ns, host):
        batch = [f'addr add {a} dev eth0' for a in host.addrs]
        batch += [f'route replace {r} dev eth0' for r in host.routes]
        run(['ip', '-n', ns, '-batch', '-'], input='\n'.join(batch) + '\n')
        if host.forwards:
            run(['sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward'], ns=ns)
