"""Three nodes in place of one server, for clients that know the address of node 1 and no other."""
import random, time

from . import cluster as clusters, lab, server

UNPLUGGED_SECONDS = 5.0
# What is done to the cluster, in turns: the client's own node, whether it leads or not, and the others.
ACTIONS = ["kill-own", "kill-leader", "unplug-own", "kill-follower"]


class ClusterServer:
    """What tests/interop/run wants of a server."""
    restart = True

    def __init__(self, build, directory, nodes=3):
        self.build = build
        self.exports = ["/data", "/other"]
        self.cluster = clusters.Cluster(build, directory, nodes, hold=True, exports=self.exports)
        self.own = self.cluster.nodes[0]
        self.host, self.port = self.own.nfs, clusters.NFS
        self.killer, self.kills, self.recoveries = None, 0, []
        self.counts = {}

    def start(self):
        self.cluster.start()
        return self

    def wait_ready(self, seconds):
        try:
            self.cluster.wait_ready(seconds)
        except clusters.ClusterError as e:
            raise server.ServerError(str(e)) from None

    def kill_start(self, seed, span):
        self.killer = ClusterKiller(self, seed, span)
        self.killer.start()

    def kill_stop(self, report):
        self.killer.stop()
        report.check(self.killer.error is None, "all nodes came back after each fault", self.killer.error)
        report.check(self.kills > 0, "%d faults: %s; all ready after %s s" %
                     (self.kills, ", ".join("%d %s" % (n, what) for what, n in sorted(self.counts.items())),
                      " ".join("%.2f" % s for s in self.recoveries)))
        self.killer = None

    def stop(self, report):
        self.cluster.check(report)

    def abandon(self):
        if self.killer:
            self.killer.stop()
            self.killer = None
        self.cluster.end()


class ClusterKiller(server.Killer):
    """One of ACTIONS in place of a kill; each once before any comes again."""

    def __init__(self, served, seed, span):
        super().__init__(served, seed, span)
        self.coming = []

    def kill(self):
        if not self.coming:
            self.coming = random.Random(self.random.random()).sample(ACTIONS, len(ACTIONS))
        action = self.coming.pop()
        try:
            what = self.act(action)
        except (clusters.ClusterError, lab.LabError, OSError) as e:
            self.error = "%s: %s" % (action, e)
            return False
        self.server.kills += 1
        self.server.counts[what] = self.server.counts.get(what, 0) + 1
        return True

    def act(self, action):
        cluster, own = self.server.cluster, self.server.own
        leader = cluster.wait_leader()
        role = "leading" if leader is own else "following"
        if action == "unplug-own":
            cluster.lab.unplug(own.number)
            time.sleep(UNPLUGGED_SECONDS)
            cluster.lab.heal()
            return "%s own node unplugged" % role
        node = own
        if action == "kill-leader":
            node = leader
        elif action == "kill-follower":
            node = self.random.choice([n for n in cluster.nodes if n is not leader] or [leader])
        before = node.pid()
        node.kill()
        limit = time.monotonic() + 10
        while node.pid() in (None, before) and time.monotonic() < limit:
            time.sleep(0.02)
        return "%s %s node killed" % ("leading" if node is leader else "following", "own" if node is own else "other")
