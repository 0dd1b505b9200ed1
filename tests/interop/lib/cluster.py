"""A cluster of real qnfsd processes in a lab (lab.py): started, killed, stopped, cut off, checked."""
import json, os, re, shutil, signal, subprocess, threading, time, urllib.error, urllib.request

from . import lab, server

NFS, PEER, ADMIN = 2049, 7049, 8049


class ClusterError(Exception):
    pass


class Node:
    """One qnfsd. With `hold`, scripts/holder keeps its listening socket and starts it again when it is killed."""

    def __init__(self, cluster, number):
        self.cluster, self.number = cluster, number
        self.directory = "%s/node-%d" % (cluster.directory, number)
        self.log = self.directory + "/qnfsd.log"
        self.nfs = lab.address(lab.CLIENTS, number)
        self.admin = "%s:%d" % (self.nfs, ADMIN)
        self.process = None
        self.starts = 0
        os.makedirs(self.directory)

    def command(self):
        c = self.cluster
        command = [c.build + "/qnfsd", "--config", c.directory + "/config.yaml", "--data-dir", self.directory + "/data",
                   "--nfs", "0.0.0.0:%d" % NFS, "--admin", self.admin]
        if len(c.lab.nodes) == 1:
            command += ["--bootstrap"]
        else:
            command += ["--peer", "0.0.0.0:%d" % PEER, "--advertise", "%s:%d" % (lab.address(lab.PEERS, self.number), PEER),
                        "--peer-ca", c.directory + "/ca/ca.pem", "--peer-cert", self.directory + "/cert/cert.pem",
                        "--peer-key", self.directory + "/cert/key.pem", "--bootstrap-expect", str(len(c.lab.nodes)),
                        "--peers", ",".join("%s:%d" % (lab.address(lab.PEERS, n), PEER) for n in c.lab.nodes)]
        if c.hold:
            command = [server.ROOT + "/scripts/holder", "--listen", "0.0.0.0:%d" % NFS, "--restart", "--pidfile", self.directory + "/pid",
                       "--"] + command
        return c.lab.prefix(self.number) + command

    def start(self):
        self.starts += 1
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def pid(self):
        """Of qnfsd itself; None if there is none."""
        if not self.cluster.hold:
            return self.process.pid if self.process and self.process.poll() is None else None
        try:
            with open(self.directory + "/pid") as f:
                return int(f.read())
        except (OSError, ValueError):
            return None

    def kill(self):
        """kill -9; with `hold` the holder starts it again."""
        pid = self.pid()
        if pid is None:
            return
        os.kill(pid, signal.SIGKILL)
        if not self.cluster.hold:
            self.process.wait()

    def pause(self):
        os.kill(self.pid(), signal.SIGSTOP)

    def resume(self):
        os.kill(self.pid(), signal.SIGCONT)

    def ask(self, path, seconds=0.5):
        """The admin door's answer, as text; None: none."""
        try:
            with urllib.request.urlopen("http://%s%s" % (self.admin, path), timeout=seconds) as answer:
                return answer.read().decode()
        except (OSError, urllib.error.URLError):
            return None

    def ready(self):
        return self.ask("/readyz") is not None

    def status(self):
        text = self.ask("/v1/status")
        return json.loads(text) if text else None

    def log_text(self):
        with open(self.log, errors="replace") as f:
            return f.read()


class Cluster:
    def __init__(self, build, directory, nodes=3, hold=False, exports=("/data",)):
        self.build, self.directory, self.hold = os.path.realpath(build), directory, hold
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
        with open(directory + "/config.yaml", "w") as f:
            f.write("exports:\n")
            for path in exports:
                f.write("  - {path: %s, squash: none, read-only: false, clients: [], sec: [sys]}\n" % path)
        self.lab = lab.Lab(nodes)
        self.nodes = [Node(self, number) for number in self.lab.nodes]
        if nodes > 1:
            self.certificates()

    def certificates(self):
        ctl = self.build + "/qnfsctl"
        lab.run(ctl, "ca", "init", "--dir", self.directory + "/ca")
        for node in self.nodes:
            lab.run(ctl, "ca", "issue", "--dir", self.directory + "/ca", "--name", "node-%d" % node.number,
                    "--host", lab.address(lab.PEERS, node.number), "--out", node.directory + "/cert")

    def start(self, seconds=60):
        for node in self.nodes:
            node.start()
        self.wait_ready(seconds)

    def servers(self):
        return ",".join("%s:%d" % (node.nfs, NFS) for node in self.nodes)

    def wait_ready(self, seconds=60):
        """Until all nodes serve. A node that ended is an error."""
        limit = time.monotonic() + seconds
        missing = list(self.nodes)
        while missing:
            missing = [node for node in missing if not node.ready()]
            for node in missing:
                if node.process is None or node.process.poll() is not None:
                    raise ClusterError("node %d ended with status %s:\n%s" % (node.number, node.process and node.process.returncode,
                                                                              node.log_text()[-2000:]))
            if missing and time.monotonic() > limit:
                raise ClusterError("nodes %s are not ready after %d s:\n%s" % (" ".join(str(n.number) for n in missing), seconds,
                                                                               missing[0].log_text()[-2000:]))
            time.sleep(0.02)

    def leader(self):
        """The node that leads, in the highest term that anybody tells of; None: nobody says so."""
        answers = {}
        threads = [threading.Thread(target=lambda n=node: answers.update({n: n.status()})) for node in self.nodes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        leading = [(status["log"]["term"], node.number) for node, status in answers.items() if status and status["log"]["leader"]]
        return self.nodes[max(leading)[1] - 1] if leading else None

    def wait_leader(self, seconds=30):
        limit = time.monotonic() + seconds
        while True:
            node = self.leader()
            if node:
                return node
            if time.monotonic() > limit:
                raise ClusterError("no node leads after %d s" % seconds)
            time.sleep(0.05)

    def check(self, report):
        """The state of each node, and that all have the same; then SIGTERM, then the logs."""
        for node in self.nodes:
            p = subprocess.run([self.build + "/qnfsctl", "--admin", node.admin, "check"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            report.check(p.returncode == 0, "node %d: qnfsctl check" % node.number, p.stdout[-500:])
        report.check(all(node.process.poll() is None for node in self.nodes), "all nodes are still running")
        for node in self.nodes:
            node.process.send_signal(signal.SIGTERM)
        for node in self.nodes:
            try:
                node.process.wait(40)
            except subprocess.TimeoutExpired:
                pass
            report.equal(node.process.poll(), 0, "node %d: SIGTERM ends it with status 0" % node.number)
        for node in self.nodes:
            alarms = [line.strip()[:300] for line in node.log_text().splitlines() if ALARMS.search(line)]
            report.check(not alarms, "node %d: no alarm in its log" % node.number, " | ".join(alarms[:5]))

    def end(self):
        """Ends everything, whatever state it is in."""
        for node in self.nodes:
            if node.process and node.process.poll() is None:
                os.killpg(node.process.pid, signal.SIGKILL)
                node.process.wait()
        self.lab.end()


ALARMS = re.compile(server.ALARMS.pattern + r"|diverge|[Gg]race")
