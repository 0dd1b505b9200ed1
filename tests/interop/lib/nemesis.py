"""Breaks a cluster on request. A client asks for each fault over a stream (tests/support/nemesis.h) and learns when it
begins, when nothing is held down any more ("up"), and when all nodes are ready again ("end")."""
import random, subprocess, threading, time

from . import cluster as clusters, lab


class Nemesis(threading.Thread):
    """kinds: names of KINDS, in this order, again and again (`shuffled`: at random)."""

    def __init__(self, cluster, sock, kinds, seed, long_form=False, shuffled=False, say=print):
        super().__init__(daemon=True)
        self.cluster, self.sock, self.kinds, self.say = cluster, sock, list(kinds), say
        self.random, self.long_form, self.shuffled = random.Random(seed), long_form, shuffled
        self.done, self.error = [], None

    def run(self):
        stream = self.sock.makefile("r")
        try:
            for line in stream:
                if line.strip() == "fault":
                    self.fault()
        except (OSError, ValueError):
            pass        # the client is gone
        except (clusters.ClusterError, lab.LabError) as e:
            self.error = str(e)
        finally:
            self.cluster.lab.heal()
            self.sock.close()

    def send(self, text):
        self.sock.sendall((text + "\n").encode())

    def fault(self):
        number = len(self.done)
        kind = self.random.choice(self.kinds) if self.shuffled else self.kinds[number % len(self.kinds)]
        started = time.monotonic()
        KINDS[kind](self, kind)
        self.send("up")
        up = time.monotonic()
        self.cluster.wait_ready(60)
        self.done.append(kind)
        self.say("%s: held down for %.2f s, all ready %.2f s later" % (kind, up - started, time.monotonic() - up))
        self.send("end")

    def begin(self, kind, node):
        self.say("%s: node %s" % (kind, node.number if node else "all"))
        self.send("begin %s %d" % (kind, node.number if node else 0))

    # --- whom

    def leader(self):
        return self.cluster.wait_leader()

    def follower(self):
        leader = self.leader()
        return self.random.choice([n for n in self.cluster.nodes if n is not leader] or [leader])

    def anyone(self):
        return self.random.choice(self.cluster.nodes)

    def span(self, least, most):
        """Seconds; half as much at most in the short form."""
        return self.random.uniform(least, most if self.long_form else least + (most - least) / 4)

    # --- what

    def kill(self, kind, node):
        self.begin(kind, node)
        node.kill()
        if not self.cluster.hold:
            time.sleep(self.span(0, 4))
            node.start()

    def kill_all(self, kind, seconds):
        self.begin(kind, None)
        for node in self.cluster.nodes:
            node.kill()
        time.sleep(seconds)
        for node in self.cluster.nodes:
            node.start()

    def kill_two(self, kind):
        """No majority is left until they come back."""
        first = self.anyone()
        second = self.random.choice([n for n in self.cluster.nodes if n is not first])
        self.begin(kind, None)
        first.kill()
        time.sleep(self.random.uniform(0, 0.5))
        second.kill()
        time.sleep(self.span(0, 3))
        for node in (first, second):
            node.start()

    def pause(self, kind, node, seconds):
        self.begin(kind, node)
        node.pause()
        time.sleep(seconds)
        node.resume()

    def cut(self, kind, node, function, seconds):
        self.begin(kind, node)
        function()
        time.sleep(seconds)
        self.cluster.lab.heal()

    def cut_peers(self, kind, node):
        self.cut(kind, node, lambda: self.cluster.lab.cut_peers(node.number), self.span(2, 10))

    def unplug(self, kind, node):
        self.cut(kind, node, lambda: self.cluster.lab.unplug(node.number), self.span(2, 10))

    def cut_pair(self, kind):
        node = self.leader()
        other = self.random.choice([n for n in self.cluster.nodes if n is not node])
        self.cut(kind, node, lambda: self.cluster.lab.cut_pair(lab.PEERS, node.number, other.number), self.span(2, 10))

    def cut_one_way(self, kind, deaf):
        """The leader hears nobody, or nobody hears it."""
        node = self.leader()

        def function():
            for other in self.cluster.nodes:
                if other is not node:
                    pair = (other, node) if deaf else (node, other)
                    self.cluster.lab.cut_one_way(lab.PEERS, pair[0].number, pair[1].number)
        self.cut(kind, node, function, self.span(2, 8))

    def flap(self, kind):
        """The leader's links come and go faster than anybody can be elected in peace."""
        node = self.leader()
        self.begin(kind, node)
        for _ in range(6):
            self.cluster.lab.cut_peers(node.number)
            time.sleep(self.random.uniform(0.1, 0.7))
            self.cluster.lab.heal()
            time.sleep(self.random.uniform(0.1, 0.4))


    def lag(self, kind):
        """A follower is away until the log does not reach back to it: it must fetch another node's state, under load."""
        leader, node = self.leader(), self.follower()
        self.begin(kind, node)
        fetched = node.log_text().count("is fetched")
        node.kill()
        writer = [self.cluster.build + "/tests/bench/operations_bench", "--server", "%s:%d" % (leader.nfs, clusters.NFS), "--in-flight", "4",
                  "--count", str(LAG_MIB), "write"]
        p = subprocess.run(writer, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.say("%s: %s" % (kind, p.stdout.strip()))
        if p.returncode:
            raise clusters.ClusterError("the writer ended with status %d: %s" % (p.returncode, p.stdout[-500:]))
        node.start()
        limit = time.monotonic() + 120
        while not node.ready() and time.monotonic() < limit:
            time.sleep(0.1)
        if node.log_text().count("is fetched") == fetched:
            raise clusters.ClusterError("node %d came back without fetching another node's state" % node.number)


LAG_MIB = 700           # more than what is kept of the log: 512 MiB until it is flushed, and 64 MiB behind that
KINDS = {
    "kill-leader": lambda n, kind: n.kill(kind, n.leader()),
    "kill-follower": lambda n, kind: n.kill(kind, n.follower()),
    "kill-anyone": lambda n, kind: n.kill(kind, n.anyone()),
    "kill-two": lambda n, kind: n.kill_two(kind),
    "kill-all": lambda n, kind: n.kill_all(kind, n.span(0, 3)),
    "kill-all-for-long": lambda n, kind: n.kill_all(kind, 600 if n.long_form else 5),
    "stop-short": lambda n, kind: n.pause(kind, n.anyone(), 0.3),
    "stop-leader": lambda n, kind: n.pause(kind, n.leader(), n.span(5, 20)),
    "stop-follower": lambda n, kind: n.pause(kind, n.follower(), n.span(5, 20)),
    "cut-leader": lambda n, kind: n.cut_peers(kind, n.leader()),
    "cut-follower": lambda n, kind: n.cut_peers(kind, n.follower()),
    "unplug-leader": lambda n, kind: n.unplug(kind, n.leader()),
    "unplug-follower": lambda n, kind: n.unplug(kind, n.follower()),
    "cut-pair": lambda n, kind: n.cut_pair(kind),
    "leader-deaf": lambda n, kind: n.cut_one_way(kind, True),
    "leader-mute": lambda n, kind: n.cut_one_way(kind, False),
    "flap": lambda n, kind: n.flap(kind),
    "lag": lambda n, kind: n.lag(kind),
}
ONE_NODE = ["kill-anyone", "stop-short", "kill-all"]
