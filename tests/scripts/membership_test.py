#!/usr/bin/env python3
"""Clusters that grow, shrink, and get a node replaced, with real nodes: membership_test.py BUILD-FOLDER [CASE...]. Prints ok or
FAILED for each case."""

import random
import shutil
import socket
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
from cluster_test import Certificates, Cluster, Process, content, expect, port_base, run_cases, until


PAUSE_MAX_MS = 10000  # on a busy machine; an idle one's goal is 1,000
WAIT_SECONDS = 60


def control(build, node, *words):
    done = subprocess.run([f"{build}/qnfsctl", "--admin", node["admin"], *words], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def refused(build, node, text, *words):
    status, out, error = control(build, node, *words)
    expect(status == 1 and out == "" and error == f"qnfsctl: {text}\n", words, status, out, error)


def roles(cluster, node):
    """{id: role} as one node sees it."""
    return {row["id"]: row["role"] for row in cluster.control(node, "node", "list")["nodes"]}


def settled(cluster, node, want):
    def there():
        try:
            return roles(cluster, node) == want
        except AssertionError:
            return False

    until(there, lambda: f"{want}; {control(cluster.build, node, 'node', 'list')}")


def three(build, directory):
    """Ports, certificate flags, peer addresses and processes of a cluster that begins; the caller ends them."""
    base = port_base()
    flags = Certificates(build, directory).flags()
    peers = [f"127.0.0.1:{base + i + 20}" for i in range(3)]
    return base, flags, peers, [Process(build, directory, base + i, [base, base + 1, base + 2], flags) for i in range(3)]


def case_one_grows_to_five_and_shrinks_to_three(build, directory):
    cluster = Cluster(build, directory)
    try:
        nodes = cluster.start(1)
        content(build, nodes, "write", "a", 4)
        for number in range(2, 6):
            (node,) = cluster.lines("add")
            expect(node["id"] == number, node)
            nodes.append(node)
        settled(cluster, nodes[0], dict.fromkeys(range(1, 6), "voter"))
        expect(len(cluster.cluster_ids(nodes)) == 1, "one cluster")
        content(build, nodes[4:], "verify", "a", 4)
        cluster.lines("remove", "1")  # it leads
        cluster.lines("remove", "3")
        left = [nodes[1], nodes[3], nodes[4]]
        for node in left:
            settled(cluster, node, {1: "removed", 2: "voter", 3: "removed", 4: "voter", 5: "voter"})
            found = cluster.control(node, "check")
            expect(found["violations"] == 0, found)
        expect("this node was removed from the cluster: it ends, and does not start again" in cluster.log(1), cluster.log(1))
        content(build, left[:1], "write", "bb", 4)
        # Two of the three are enough, so the removed ones are not counted any more.
        cluster.lines("kill", "2")
        for folder in ("a", "bb"):
            content(build, left[2:], "verify", folder, 4)
        cluster.lines("restart", "2")
        # Ids are not given again.
        (node,) = cluster.lines("add")
        expect(node["id"] == 6, node)
        content(build, [node], "verify", "a", 4)
    finally:
        cluster.end()


def case_a_removed_node_does_not_come_back(build, directory):
    """It was down when it was removed: it is told so, and knows it from then on."""
    base, flags, peers, nodes = three(build, directory)
    try:
        for node in nodes:
            until(node.ready, node.text)
        nodes[2].end()
        first = {"admin": nodes[0].admin}
        until(lambda: control(build, first, "node", "remove", "3")[0] == 0, "removed")
        until(lambda: "removed" in control(build, first, "node", "list")[1], "removed")
        nodes[2] = Process(build, directory, base + 2, [], flags)
        nodes[2].ends(0)
        expect("this node was removed from the cluster" in nodes[2].text(), nodes[2].text())
        nodes[2] = Process(build, directory, base + 2, [], flags, join=peers[:2])
        nodes[2].ends(2)
        expect("is that of node 3, which was removed from its cluster: empty it, and start with --join" in nodes[2].text(),
               nodes[2].text())
        shutil.rmtree(nodes[2].data)
        nodes[2] = Process(build, directory, base + 2, [], flags, join=peers[:2])
        until(nodes[2].ready, nodes[2].text)
        expect("a member of the cluster, as node 4" in nodes[2].text(), nodes[2].text())
    finally:
        for node in nodes:
            node.end()


def case_a_wiped_node_is_replaced(build, directory):
    """Its address is the old one's until that is removed; nothing is lost, and a dead voter holds up nothing."""
    base, flags, peers, nodes = three(build, directory)
    try:
        for node in nodes:
            until(node.ready, node.text)
        nodes[2].end()
        shutil.rmtree(nodes[2].data)
        nodes[2] = Process(build, directory, base + 2, [], flags, join=peers)
        nodes[2].ends(2)
        expect("node 3 has this address: remove it first: qnfsctl node remove 3" in nodes[2].text(), nodes[2].text())
        # The leader after the next election knows nothing of the dead one's log.
        first = {"admin": nodes[0].admin}
        second = {"admin": nodes[1].admin}
        for node in (first, second):
            control(build, node, "leader", "transfer")
        time.sleep(1)
        until(lambda: control(build, first, "node", "remove", "3")[0] == 0, "removed")
        until(lambda: "removed" in control(build, first, "node", "list")[1], lambda: control(build, first, "node", "list"))
        nodes[2] = Process(build, directory, base + 2, [], flags, join=peers)
        until(nodes[2].ready, nodes[2].text)
        until(lambda: control(build, first, "node", "list")[1].count("voter") == 3, "three voters")
    finally:
        for node in nodes:
            node.end()


class Changes(threading.Thread):
    """What the load asks for, in place of faults (tests/support/nemesis.h): a node comes; one dies and is replaced."""

    def __init__(self, cluster, nodes, sock):
        super().__init__(daemon=True)
        self.cluster, self.nodes, self.sock, self.error, self.done = cluster, nodes, sock, None, []

    def grow(self):
        self.nodes += self.cluster.lines("add")
        settled(self.cluster, self.nodes[0], dict.fromkeys(range(1, 5), "voter"))

    def replace(self):
        self.cluster.lines("kill", "3")
        shutil.rmtree(f"{self.cluster.directory}/node-3/data")
        self.cluster.lines("remove", "3")
        settled(self.cluster, self.nodes[0], {1: "voter", 2: "voter", 3: "removed", 4: "voter"})
        self.nodes += self.cluster.lines("add")
        settled(self.cluster, self.nodes[0], {1: "voter", 2: "voter", 3: "removed", 4: "voter", 5: "voter"})

    def run(self):
        try:
            for line in self.sock.makefile("r"):
                if line.strip() != "fault":
                    continue
                change = [self.grow, self.replace][len(self.done)]
                self.sock.sendall(f"begin {change.__name__} 0\n".encode())
                change()
                self.done.append(change.__name__)
                self.sock.sendall(b"up\nend\n")
        except Exception as error:  # the case tells it
            self.error = error
        finally:
            self.sock.close()


def case_grows_and_replaces_under_load(build, directory):
    """Clients that look whether everything is done exactly once, while a node comes, another one dies and is replaced."""
    cluster = Cluster(build, directory)
    try:
        nodes = cluster.start(3)
        content(build, nodes, "write", "before", 10)
        ours, theirs = socket.socketpair()
        changes = Changes(cluster, nodes, ours)
        changes.start()
        load = subprocess.run(
            [f"{build}/tests/interop/rpc_client", "--server", ",".join(node["nfs"] for node in nodes[:2]), "--seed", "5",
             "--takeover", "--faults", "2", "--calm-ms", "1500", "--clients", "3", "--lanes", "2", "--pace-ms", "10",
             "--roam-permille", "0", "--again-percent", "0", "--pause-max-ms", str(PAUSE_MAX_MS), "--nemesis-fd",
             str(theirs.fileno())], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180,
            pass_fds=(theirs.fileno(),))
        theirs.close()
        changes.join(WAIT_SECONDS)
        for line in load.stdout.splitlines():
            print(f"    {line.strip()}")
        expect(changes.error is None, changes.error)
        expect(changes.done == ["grow", "replace"], changes.done)
        expect(load.returncode == 0 and "FAILED" not in load.stdout, load.stdout, load.stderr)
        for node in [*nodes[:2], *nodes[3:]]:
            content(build, [node], "verify", "before", 10)
            found = cluster.control(node, "check")
            expect(found["violations"] == 0, found)
    finally:
        cluster.end()


def case_refusals(build, directory):
    cluster = Cluster(build, directory)
    try:
        nodes = cluster.start(3)
        one = nodes[0]
        refused(build, one, "there is no node 9: qnfsctl node list shows all", "node", "remove", "9")
        refused(build, one, "there is no node 9: qnfsctl node list shows all", "node", "promote", "9")
        refused(build, one, "'nowhere' is no HOST:PORT", "node", "add", "nowhere")
        refused(build, one, f"node 2 has this address: remove it first: qnfsctl node remove 2", "node", "add", nodes[1]["peer"])
        announced = [control(build, node, "node", "add", "elsewhere.example.org:7049") for node in (one, nodes[2], one)]
        expect(announced == [(0, "4\n", "")] * 3, announced)
        cluster.lines("kill", "3")
        until(lambda: control(build, one, "node", "remove", "2")[2] == "qnfsctl: without node 2 no majority of the voters would "
              "live, as these cannot be reached: 3; start them, or remove them first\n", "the dead one is named")
        # The dead voter may go, and what is left may shrink to one.
        for number in ("3", "2"):
            until(lambda: control(build, one, "node", "remove", number)[0] == 0, number)
            until(lambda: roles(cluster, one)[int(number)] == "removed", number)
        until(lambda: cluster.states()[1] == "down", cluster.states)
        refused(build, one, "node 1 is the last voter: let another node join first", "node", "remove", "1")
        cluster.control(one, "settings", "set", "auto-promote", "off")
        cluster.run("restart", "1")
        (node,) = cluster.lines("add")
        expect(node["id"] == 5, node)
        time.sleep(1)
        expect(roles(cluster, one)[5] == "standby", roles(cluster, one))
        cluster.control(one, "node", "promote", "5")
        until(lambda: roles(cluster, one)[5] == "voter", "promoted")
    finally:
        cluster.end()


def case_joining_says_what_is_in_the_way(build, directory):
    base = port_base()
    good = Certificates(build, directory)
    flags = good.flags()
    other = Certificates(build, directory, "other").flags()
    peer = f"127.0.0.1:{base + 20}"
    ports = [base, base + 1]
    joining = Process(build, directory, base + 2, [], flags, join=[peer, "no-such-host.invalid:7049"])
    nodes = []
    try:
        joining.says("joining", peer, "connection refused")
        joining.says("joining", "no-such-host.invalid:7049", "cannot be reached")
        stranger = Process(build, directory, base + 3, [], other, join=[peer])
        alone = Process(build, directory, base + 4, [], good.flags("hosts", "127.0.0.2,127.0.0.1"), join=[peer])
        nodes += [stranger, alone]
        nodes += [Process(build, directory, port, ports, flags) for port in ports]
        stranger.says("joining", "trust")
        until(joining.ready, joining.text)
        until(alone.ready, alone.text)
        admin = {"admin": nodes[2].admin}
        until(lambda: control(build, admin, "node", "list")[1].count("voter") == 4, "four voters")
        # No majority: it goes on asking, and comes when there is one again.
        nodes[3].end()
        alone.end()
        late = Process(build, directory, base + 5, [], flags, join=[peer])
        nodes.append(late)
        late.says("joining", peer, "majority")
        nodes.append(Process(build, directory, base + 1, [], flags))
        until(late.ready, late.text)
        expect(not stranger.ready(), "no trust")
    finally:
        for node in [joining, *nodes]:
            node.end()


def case_killed_at_any_moment(build, directory):
    """Joining node and leader are killed again and again: one id, and a cluster that works."""
    base, flags, peers, nodes = three(build, directory)
    ports = [base, base + 1, base + 2]
    chance = random.Random(7)
    joining = None
    try:
        for node in nodes:
            until(node.ready, node.text)
        for turn in range(12):
            joining = Process(build, directory, base + 3, [], flags, join=peers)
            time.sleep(0.02 + chance.random() * 0.9)
            victim = chance.randrange(4)
            if victim < 3 and chance.random() < 0.6:
                nodes[victim].end()
                nodes[victim] = Process(build, directory, ports[victim], [], flags)
            time.sleep(chance.random() * 0.3)
            joining.end()
        joining = Process(build, directory, base + 3, [], flags, join=peers)
        for node in [joining, *nodes]:
            until(node.ready, node.text)
        given = {line.rpartition("node ")[2] for line in joining.text().splitlines()
                 if "a member of the cluster, as node" in line}
        expect(given == {"4"}, given)
        admin = {"admin": nodes[0].admin}
        until(lambda: control(build, admin, "node", "list")[1].count("voter") == 4, lambda: control(build, admin, "node", "list"))
        # Removed while the leader is killed: done in the end, once.
        control(build, admin, "node", "remove", "4")
        nodes[1].end()
        nodes[1] = Process(build, directory, ports[1], [], flags)
        nodes[2].end()
        nodes[2] = Process(build, directory, ports[2], [], flags)
        joining.ends(0)
        for node in nodes:
            until(node.ready, node.text)
            status, out, error = control(build, {"admin": node.admin}, "check")
            expect(status == 0, out, error)
        listed = control(build, admin, "node", "list")[1]
        expect(listed.count("voter") == 3 and listed.count("removed") == 1, listed)
    finally:
        for node in [*nodes, *([joining] if joining else [])]:
            node.end()


CASES = {name[5:]: value for name, value in list(globals().items()) if name.startswith("case_")}


if __name__ == "__main__":
    sys.exit(run_cases(CASES))
