#!/usr/bin/env python3
"""scripts/cluster with real nodes, and how a cluster is made: cluster_test.py BUILD-FOLDER [CASE...]. Prints ok or FAILED for
each case."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.error
import urllib.request

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
PORTS = range(21300, 21900, 60)  # a base port each
WAIT_SECONDS = 60


def expect(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in what))


def until(condition, what, seconds=WAIT_SECONDS):
    limit = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < limit, "never:", what() if callable(what) else what)
        time.sleep(0.05)


def get(admin, target):
    """Status and body of the admin door's answer; 0: none."""
    try:
        with urllib.request.urlopen(f"http://{admin}{target}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""
    except OSError:
        return 0, ""


def port_base(taken=[]):  # the list lives as long as the program
    for base in PORTS:
        if base not in taken:
            taken.append(base)
            return base
    taken.clear()
    return port_base(taken)


class Cluster:
    """scripts/cluster in a folder."""

    def __init__(self, build, directory):
        self.build, self.directory, self.base = build, os.path.join(directory, "cluster"), port_base()

    def run(self, *words):
        done = subprocess.run([f"{ROOT}/scripts/cluster", *words, "--dir", self.directory], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=180,
                              env=dict(os.environ, QNFS_BUILD=self.build))
        return done.returncode, done.stdout, done.stderr

    def lines(self, *words):
        status, out, error = self.run(*words)
        expect(status == 0, words, "status", status, out, error)
        return [json.loads(line) for line in out.splitlines()]

    def start(self, count):
        return self.lines("start", "--nodes", str(count), "--base-port", str(self.base))

    def fails(self, word, *words):
        status, out, error = self.run(*words)
        expect(status == 1 and out == "" and error.startswith("scripts/cluster: ") and word in error, words, "status", status,
               out, error)

    def states(self):
        return [line["state"] for line in self.lines("status")]

    def log(self, number):
        with open(f"{self.directory}/node-{number}/log", errors="replace") as file:
            return file.read()

    def control(self, node, *words):
        done = subprocess.run([f"{self.build}/qnfsctl", "--admin", node["admin"], "--json", *words], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)
        expect(done.returncode == 0, words, done.stdout, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def cluster_ids(self, nodes):
        return {self.control(node, "status")["cluster"]["id"] for node in nodes}

    def end(self):
        if os.path.exists(f"{self.directory}/cluster.json"):
            self.run("stop")


class Process:
    """A qnfsd of which only the making of a cluster is of interest. Its name is the last of its ports."""

    def __init__(self, build, directory, port, peers, certificate, advertise=True, join=None):
        self.log = os.path.join(directory, f"log-{port}")
        self.data = os.path.join(directory, f"data-{port}")
        self.admin = f"127.0.0.1:{port + 40}"
        command = [f"{build}/qnfsd", "--data-dir", self.data, "--nfs", f"127.0.0.1:{port}", "--admin", self.admin,
                   "--peer", f"127.0.0.1:{port + 20}", *certificate]
        if advertise:
            command += ["--advertise", f"127.0.0.1:{port + 20}"]
        if peers:
            command += ["--bootstrap-expect", str(len(peers)), "--peers", ",".join(f"127.0.0.1:{p + 20}" for p in peers)]
        if join:
            command += ["--join", ",".join(join)]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def text(self):
        with open(self.log, errors="replace") as file:
            return file.read()

    def says(self, *words):
        until(lambda: any(all(word in line for word in words) for line in self.text().splitlines()),
              lambda: f"{words} in {self.text()}")

    def ready(self):
        return get(self.admin, "/readyz")[0] == 200

    def ends(self, status):
        expect(self.process.wait(timeout=WAIT_SECONDS) == status, "status", self.process.returncode, self.text())

    def end(self, number=signal.SIGKILL):
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(timeout=WAIT_SECONDS)
        return self.process.returncode


class Certificates:
    """An authority, and a certificate of it."""

    def __init__(self, build, directory, name="ca"):
        self.build, self.home = build, os.path.join(directory, name)
        self.control("ca", "init", "--dir", self.home)

    def control(self, *words):
        subprocess.run([f"{self.build}/qnfsctl", *words], check=True, stdout=subprocess.DEVNULL)

    def flags(self, name="node", hosts="127.0.0.1"):
        out = f"{self.home}-{name}"
        self.control("ca", "issue", "--dir", self.home, "--name", name, "--host", hosts, "--out", out)
        return ["--peer-ca", f"{self.home}/ca.pem", "--peer-cert", f"{out}/cert.pem", "--peer-key", f"{out}/key.pem"]


# --- scripts/cluster ---


def case_messages(build, directory):
    cluster = Cluster(build, directory)
    for words in [("stop",), ("status",), ("kill", "1"), ("restart", "1"), ("pause", "1"), ("resume", "1")]:
        cluster.fails("holds no cluster", *words)
    empty = Cluster(directory + "/no-build", directory)
    empty.fails("run scripts/build", "start", "--nodes", "1")


def case_one_node(build, directory):
    cluster = Cluster(build, directory)
    try:
        node, = cluster.start(1)
        expect(node["id"] == 1 and node["nfs"] == f"127.0.0.1:{cluster.base}" and node["pid"] > 1, node)
        expect(cluster.states() == ["serving"], cluster.states())
        exports = cluster.control(node, "export", "list")["exports"]
        expect(len(exports) == 1 and exports[0]["path"] == "/data" and exports[0]["squash"] == "none", exports)
        expect(cluster.start(1) == [node], "a second start finds it running")
        cluster.fails("cluster of 1 nodes", "start", "--nodes", "3")
        cluster.fails("no node 2", "kill", "2")
        cluster.lines("kill", "1")
        expect(not os.path.exists(f"/proc/{node['pid']}"), "killed")
        expect(cluster.states() == ["down"], cluster.states())
        cluster.fails("does not run", "kill", "1")
        again, = cluster.lines("restart", "1")
        expect(again["pid"] != node["pid"] and cluster.states() == ["serving"], again)
        cluster.lines("pause", "1")
        expect(cluster.states() == ["paused"], cluster.states())
        cluster.lines("resume", "1")
        until(lambda: cluster.states() == ["serving"], cluster.states)
        cluster.lines("stop")
        expect(cluster.states() == ["down"] and cluster.log(1).rstrip().endswith("ended"), cluster.log(1)[-500:])
    finally:
        cluster.end()


def case_three_nodes(build, directory):
    cluster = Cluster(build, directory)
    try:
        nodes = cluster.start(3)
        expect([node["id"] for node in nodes] == [1, 2, 3], nodes)
        expect(len(cluster.cluster_ids(nodes)) == 1, "one cluster")
        for node in nodes:
            expect(cluster.control(node, "status")["node"]["id"] == node["id"], node)
        cluster.control(nodes[2], "export", "add", "/more")
        paths = lambda node: sorted(export["path"] for export in cluster.control(node, "export", "list")["exports"])
        for node in nodes:
            until(lambda: paths(node) == ["/data", "/more"], "the export on every node")
        for number in (1, 2, 3):  # the leader is among them
            cluster.lines("kill", str(number))
            until(lambda: cluster.states().count("serving") == 2, cluster.states)
            cluster.lines("restart", str(number))
            until(lambda: cluster.states().count("serving") == 3, cluster.states)
        for number in (1, 2, 3):
            cluster.lines("kill", str(number))
        expect(cluster.states() == ["down"] * 3, cluster.states())
        for number in (1, 2, 3):
            cluster.lines("restart", str(number))
        until(lambda: cluster.states() == ["serving"] * 3, cluster.states)
        expect(paths(nodes[0]) == ["/data", "/more"], "what was said once is still there")
        cluster.lines("pause", "2")
        time.sleep(2)
        until(lambda: cluster.states() == ["serving", "paused", "serving"], cluster.states)
        cluster.lines("resume", "2")
        until(lambda: cluster.states() == ["serving"] * 3, cluster.states)
        cluster.lines("stop")
        cluster.start(3)
        expect(len(cluster.cluster_ids(nodes)) == 1, "one cluster")
    finally:
        cluster.end()


# --- a node that is behind what the others' logs keep ---


def content(build, nodes, what, folder, files):
    """Writes, or compares, files of 3 MiB."""
    done = subprocess.run([f"{build}/tests/interop/content_client", "--server", ",".join(node["nfs"] for node in nodes),
                           "--directory", folder, "--files", str(files), "--seed", str(len(folder)), what],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180)
    expect(done.returncode == 0, what, folder, done.stdout, done.stderr)


def leave_behind(cluster, nodes, folder):
    """Node 3 is down while more is written than the others' logs keep; their stops and starts flush, so their logs are cut."""
    cluster.lines("kill", "3")
    content(cluster.build, nodes[:2], "write", folder, 30)
    for number in (1, 2):
        cluster.lines("restart", str(number))
        until(lambda: cluster.states() == ["serving", "serving", "down"], cluster.states)
    time.sleep(1)


def restart_begin(cluster):
    """Node 3 starts; nobody waits for it."""
    return subprocess.Popen([f"{ROOT}/scripts/cluster", "restart", "3", "--dir", cluster.directory],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            env=dict(os.environ, QNFS_BUILD=cluster.build))


def case_away_node_fetches_the_state(build, directory):
    """By itself, also when it is killed on the way again and again, and when the one that gives is."""
    cluster = Cluster(build, directory)
    chance = random.Random(3)
    try:
        nodes = cluster.start(3)
        content(build, nodes, "write", "a", 10)
        leave_behind(cluster, nodes, "bb")
        cluster.lines("restart", "3")
        until(lambda: cluster.states() == ["serving"] * 3, cluster.states)
        expect("is fetched: the node starts anew with it" in cluster.log(3), cluster.log(3)[-3000:])
        for folder, files in (("a", 10), ("bb", 30)):
            content(build, nodes[2:], "verify", folder, files)
        leave_behind(cluster, nodes, "ccc")
        for _ in range(5):
            script = restart_begin(cluster)
            time.sleep(0.2 + chance.random() * 2.5)
            cluster.run("kill", "3")
            script.wait(timeout=WAIT_SECONDS)
        cluster.lines("restart", "3")
        until(lambda: cluster.states() == ["serving"] * 3, cluster.states)
        content(build, nodes[2:], "verify", "ccc", 30)
        leave_behind(cluster, nodes, "dddd")
        before = len(cluster.log(3))
        script = restart_begin(cluster)
        until(lambda: "is being fetched" in cluster.log(3)[before:], lambda: cluster.log(3)[before:])
        giver = int(cluster.log(3)[before:].partition("fetching the state of node ")[2].partition(",")[0])
        cluster.lines("kill", str(giver))
        script.wait(timeout=WAIT_SECONDS)
        until(lambda: cluster.states().count("serving") == 2, cluster.states)
        for folder, files in (("a", 10), ("bb", 30), ("ccc", 30), ("dddd", 30)):
            content(build, nodes[2:], "verify", folder, files)
        cluster.lines("restart", str(giver))
        until(lambda: cluster.states() == ["serving"] * 3, cluster.states)
        for node in nodes:
            found = cluster.control(node, "check")
            expect(found["violations"] == 0, found)
        staging = f"{cluster.directory}/node-3/data/staging"
        expect(os.listdir(staging) == [], os.listdir(staging))
    finally:
        cluster.end()


# --- how a cluster is made ---


def case_wiped_node_is_refused(build, directory):
    """A node that lost its disk makes no second cluster, and the others go on."""
    cluster = Cluster(build, directory)
    try:
        nodes = cluster.start(3)
        cluster.lines("kill", "1")  # the one that had made the cluster
        shutil.rmtree(f"{cluster.directory}/node-1/data")
        cluster.fails("--join", "restart", "1")
        expect("belongs to" in cluster.log(1) and "already, and this data directory is empty" in cluster.log(1), cluster.log(1))
        expect(not os.path.exists(f"{cluster.directory}/node-1/data/node"), "no member")
        until(lambda: cluster.states() == ["down", "serving", "serving"], cluster.states)
        expect(len(cluster.cluster_ids(nodes[1:])) == 1, "one cluster")
    finally:
        cluster.end()


def case_lists_must_agree(build, directory):
    """Each side says what the other one has; with the right list they go on."""
    base = port_base()
    certificate = Certificates(build, directory).flags()
    one, two, other = base, base + 1, base + 2
    nodes = [Process(build, directory, one, [one, two], certificate), Process(build, directory, two, [two, other], certificate)]
    try:
        nodes[0].says(f"127.0.0.1:{two + 20}: this node (127.0.0.1:{one + 20}) is not among its --peers")
        nodes[1].says(f"127.0.0.1:{one + 20} calls from", f"is not among the --peers of this node: 127.0.0.1:{two + 20}")
        expect(nodes[1].end(signal.SIGTERM) == 0, "SIGTERM:", nodes[1].text())
        nodes[1] = Process(build, directory, two, [one, two, other], certificate)
        nodes[0].says(f"127.0.0.1:{two + 20}: its --peers are others")
        nodes[1].says(f"127.0.0.1:{one + 20}: its --peers are others")
        nodes[1].end()
        for node in nodes:
            expect(not os.path.exists(f"{node.data}/founding") and not os.path.exists(f"{node.data}/node"), "no promise")
        nodes[1] = Process(build, directory, two, [two, one], certificate)
        for node in nodes:
            until(node.ready, node.text)
    finally:
        for node in nodes:
            node.end()


def case_killed_while_it_is_made(build, directory):
    """kill -9 at any moment of the making: it goes on, and becomes one cluster."""
    certificate = Certificates(build, directory).flags()
    chance = random.Random(7)
    for attempt in range(4):
        base = port_base()
        home = os.path.join(directory, str(attempt))
        os.mkdir(home)
        ports = [base, base + 1, base + 2]
        start = lambda port: Process(build, home, port, ports, certificate)
        nodes = {port: start(port) for port in ports}
        try:
            for _ in range(6):
                time.sleep(chance.random() * 0.4)
                port = chance.choice(ports)
                nodes[port].end()
                nodes[port] = start(port)
            for node in nodes.values():
                until(node.ready, node.text)
            status = [json.loads(get(node.admin, "/v1/status")[1]) for node in nodes.values()]
            expect(len({one["cluster"]["id"] for one in status}) == 1, status)
            expect([one["node"]["id"] for one in status] == [1, 2, 3], status)
            expect(not os.path.exists(f"{nodes[base].data}/founding"), "the promise is kept and gone")
        finally:
            for node in nodes.values():
                node.end()


def case_other_peers_after_a_promise(build, directory):
    """A node that has promised to a cluster of these peers makes none with others."""
    base = port_base()
    certificate = Certificates(build, directory).flags()
    one, two, three = base, base + 1, base + 2
    nodes = [Process(build, directory, one, [one, two], certificate), Process(build, directory, two, [one, two], certificate)]
    try:
        for node in nodes:
            until(node.ready, node.text)
        for node in nodes:
            node.end()
        # As if the second had crashed before it heard that the cluster is there.
        members = open(f"{nodes[1].data}/members", "rb").read()
        identity = open(f"{nodes[1].data}/node", "rb").read()
        shutil.rmtree(nodes[1].data)
        os.mkdir(nodes[1].data)
        promise = b"QFND" + members[4:8] + identity[16:32] + members[24:-4]
        with open(f"{nodes[1].data}/founding", "wb") as file:
            file.write(promise + crc32c(promise).to_bytes(4, "big"))
        stray = Process(build, directory, two, [two, three], certificate)
        stray.ends(2)
        expect("has begun to make a cluster with other --peers: 127.0.0.1" in stray.text(), stray.text())
        nodes = [Process(build, directory, port, [one, two], certificate) for port in (one, two)]
        for node in nodes:
            until(node.ready, node.text)
        expect(nodes[1].text().count("a member of the new cluster, as node 2") == 2, nodes[1].text())
    finally:
        for node in nodes:
            node.end()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def case_two_clusters_do_not_mix(build, directory):
    """A founding node that a member of a cluster calls, or that calls one, stops."""
    cluster = Cluster(build, directory)
    try:
        nodes = cluster.start(1)
        certificate = ["--peer-ca", f"{cluster.directory}/ca/ca.pem", "--peer-cert", f"{cluster.directory}/node-1/cert/cert.pem",
                       "--peer-key", f"{cluster.directory}/node-1/cert/key.pem"]
        stray = Process(build, directory, cluster.base + 1, [cluster.base, cluster.base + 1], certificate)
        stray.ends(2)
        expect("belongs to" in stray.text() and "--join" in stray.text(), stray.text())
        expect(cluster.states() == ["serving"] and len(nodes) == 1, "the cluster goes on")
    finally:
        cluster.end()


def case_certificates(build, directory):
    base = port_base()
    good = Certificates(build, directory)
    flags = good.flags()
    ports = [base, base + 1]

    def refused(word, certificate):
        process = Process(build, directory, base, ports, certificate)
        process.ends(2)
        expect(word in process.text().splitlines()[-1], word, process.text())

    refused("peer-ca, peer-cert, peer-key: wanted", [])
    refused("peer-key is missing", flags[:4])
    refused("No such file", flags[:3] + ["/no/such", *flags[4:]])
    refused("is not the key of the certificate", flags[:5] + [good.flags("second")[5]])
    refused("does not cover 127.0.0.1", good.flags("elsewhere", "elsewhere.example.org"))
    other = Certificates(build, directory, "other").flags()
    refused("not good under", other[:2] + flags[2:])
    nodes = [Process(build, directory, base, ports, flags), Process(build, directory, base + 1, ports, other)]
    try:
        for node in nodes:
            node.says("waiting for 127.0.0.1", "trust")
        nodes[1].end()
        nodes[1] = Process(build, directory, base + 1, ports, flags)
        for node in nodes:
            until(node.ready, node.text)
        # A member's start needs the certificate too, but no start mode, and it keeps its name.
        nodes[1].end()
        nodes[1] = Process(build, directory, base + 1, [], [])
        nodes[1].ends(2)
        expect("wanted: this is node 2 of a cluster of several" in nodes[1].text().splitlines()[-1], nodes[1].text())
        nodes[1] = Process(build, directory, base + 1, [], flags, advertise=False)
        until(nodes[1].ready, nodes[1].text)
    finally:
        for node in nodes:
            node.end()


CASES = {name[5:]: value for name, value in list(globals().items()) if name.startswith("case_")}


def run_cases(cases):
    build = os.path.realpath(sys.argv[1])
    bad = 0
    for name, case in cases.items():
        if len(sys.argv) > 2 and name not in sys.argv[2:]:
            continue
        directory = tempfile.mkdtemp(prefix="qnfs-cluster-")
        try:
            case(build, directory)
            print(f"ok cluster/{name}", flush=True)
        except Exception:  # whatever went wrong, the next case runs
            bad = 1
            for line in traceback.format_exc().splitlines():
                print(f"    {line}")
            print(f"FAILED cluster/{name}", flush=True)
        shutil.rmtree(directory, ignore_errors=True)
    return bad


if __name__ == "__main__":
    sys.exit(run_cases(CASES))
