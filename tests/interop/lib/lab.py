"""A network of its own for a cluster of real processes: a namespace for each node, two bridges between them, and cuts.

Everything lives in one PID namespace and in network namespaces that have no name: when the test ends, however it ends,
nothing of it is left."""
import os, signal, subprocess, sys

MARK = "QNFS_LAB"
NOWHERE = "02:00:00:00:00:fe"       # nobody has this address
CLIENTS, PEERS = "clients", "peers"
NETWORKS = {CLIENTS: "10.97.1", PEERS: "10.97.2"}


class LabError(Exception):
    pass


def enter():
    """Returns inside of the namespaces: the program is started anew for that, and the outer one ends with its status. A signal
    to the outer one ends everything at once. Needs root."""
    if os.environ.get(MARK) == "1":
        return
    # Process 1 is a shell: it has nothing to do but to bury what loses its parent. (What is started inside asks for no
    # signal at the end of its parent: that would come when the thread ends that started it.)
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "sh", "-c",
               '"$@"; exit $?', "sh", sys.executable] + sys.argv
    inner = subprocess.Popen(command, env=dict(os.environ, **{MARK: "1"}))

    def end(number, _frame):
        os.kill(inner.pid, signal.SIGKILL)
        os._exit(128 + number)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    sys.exit(inner.wait())


def run(*command, check=True):
    p = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if check and p.returncode:
        raise LabError("%s: %s" % (" ".join(command), p.stdout.strip()))
    return p.stdout


def address(network, node):
    """Of node 1, 2, ...; 0 is the host of the test itself."""
    return "%s.%d" % (NETWORKS[network], 1 if node == 0 else 10 + node)


class Lab:
    """Bridges `clients` (the test and all nodes) and `peers` (the nodes among themselves)."""

    def __init__(self, nodes):
        self.nodes = list(range(1, nodes + 1))
        self.keepers = {}
        self.cuts = set()
        run("ip", "link", "set", "lo", "up")
        for network in NETWORKS:
            run("ip", "link", "add", network, "type", "bridge", "forward_delay", "0")
            run("ip", "link", "set", network, "up")
        run("ip", "addr", "add", address(CLIENTS, 0) + "/24", "dev", CLIENTS)
        with open("/proc/sys/net/ipv4/ip_forward", "w") as f:
            f.write("1")
        for node in self.nodes:
            self.node_add(node)

    def node_add(self, node):
        keeper = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep infinity"], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, start_new_session=True)
        keeper.stdout.readline()
        self.keepers[node] = keeper
        self.inside(node, "ip", "link", "set", "lo", "up")
        for network in NETWORKS:
            port = self.port(network, node)
            run("ip", "link", "add", port, "type", "veth", "peer", "name", network, "netns", str(keeper.pid))
            run("ip", "link", "set", port, "master", network, "up")
            self.inside(node, "ip", "addr", "add", address(network, node) + "/24", "dev", network)
            self.inside(node, "ip", "link", "set", network, "up")
        self.inside(node, "ip", "route", "add", "default", "via", address(CLIENTS, 0))

    @staticmethod
    def port(network, node):
        return "%s%d" % (network[0], node)

    def prefix(self, node):
        """What stands before a command that shall run on a node; 0: on the test's own host."""
        return ["nsenter", "--net=/proc/%d/ns/net" % self.keepers[node].pid] if node else []

    def inside(self, node, *command, check=True):
        return run(*self.prefix(node), *command, check=check)

    # --- cuts: what one host sends to another arrives nowhere; the sender does not notice

    def cut_one_way(self, network, source, target):
        self.inside(source, "ip", "neigh", "replace", address(network, target), "lladdr", NOWHERE, "dev", network, "nud", "permanent")
        self.cuts.add((network, source, target))

    def cut_pair(self, network, one, other):
        self.cut_one_way(network, one, other)
        self.cut_one_way(network, other, one)

    def cut_peers(self, node):
        """The node and the other nodes do not hear each other; clients reach all."""
        for other in self.nodes:
            if other != node:
                self.cut_pair(PEERS, node, other)

    def unplug(self, node):
        """The node is gone from both networks, without carrier."""
        for network in NETWORKS:
            run("ip", "link", "set", self.port(network, node), "down")

    def heal(self):
        for network, source, target in sorted(self.cuts):
            self.inside(source, "ip", "neigh", "del", address(network, target), "dev", network, check=False)
        self.cuts.clear()
        for node in self.nodes:
            for network in NETWORKS:
                run("ip", "link", "set", self.port(network, node), "up")

    def end(self):
        for keeper in self.keepers.values():
            keeper.kill()
            keeper.wait()
        for network in NETWORKS:
            run("ip", "link", "del", network, check=False)
