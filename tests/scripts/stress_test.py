#!/usr/bin/python3
"""stress_test.py BUILD: what hostile clients, few descriptors, a full disk and untimely ends do to one node. Prints
`ok NAME` or `FAILED NAME: why` a case."""
import os, random, resource, shutil, signal, subprocess, sys, tempfile, time, traceback, urllib.request

BUILD = os.path.abspath(sys.argv[1])
FLOOD = BUILD + "/tests/interop/flood_client"
BENCH = BUILD + "/tests/bench/operations_bench"
NFS, ADMIN = 20800, 20801
MIB = 1 << 20


class Failed(Exception):
    pass


def must(condition, text, *values):
    if not condition:
        raise Failed(text % values if values else text)


class Node:
    """One qnfsd; its directory outlives it."""

    def __init__(self, directory, descriptors=None):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)
        with open(directory + ".yaml", "w") as f:
            f.write("exports:\n  - path: /data\n    squash: none\n")
        self.log = directory + ".log"
        limit = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))) if descriptors else None
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(
                [BUILD + "/qnfsd", "--config", directory + ".yaml", "--data-dir", directory + "/node", "--bootstrap", "--nfs",
                 "127.0.0.1:%d" % NFS, "--admin", "127.0.0.1:%d" % ADMIN, "--gateway-threads", "2"], stderr=log, preexec_fn=limit)

    def ready(self, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            must(self.process.poll() is None, "the node ended with status %s: %s", self.process.returncode, self.tail())
            try:
                with urllib.request.urlopen("http://127.0.0.1:%d/readyz" % ADMIN, timeout=1):
                    return self
            except OSError:
                time.sleep(0.05)
        raise Failed("the node does not become ready")

    def tail(self):
        with open(self.log) as f:
            return " | ".join(f.read().splitlines()[-3:])

    def alive(self):
        must(self.process.poll() is None, "the node ended with status %s: %s", self.process.returncode, self.tail())

    def memory(self, field="VmRSS"):
        with open("/proc/%d/status" % self.process.pid) as f:
            for line in f:
                if line.startswith(field + ":"):
                    return int(line.split()[1]) * 1024
        raise Failed("no %s" % field)

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.process.pid))

    def stop(self, seconds):
        """SIGTERM; how long it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failed("SIGTERM does not end the node within 30 s")
        must(status == 0, "SIGTERM: status %d: %s", status, self.tail())
        took = time.monotonic() - began
        must(took < seconds, "SIGTERM took %.1f s", took)
        return took

    def check(self):
        p = subprocess.run([BUILD + "/qnfsctl", "--admin", "127.0.0.1:%d" % ADMIN, "check"], capture_output=True, text=True, timeout=60)
        must(p.returncode == 0 and p.stdout.startswith("0 broken"), "qnfsctl check: %s %s", p.stdout, p.stderr)


def flood(*arguments, wait=True, seconds=90):
    command = [FLOOD, "--server", "127.0.0.1:%d" % NFS] + [str(a) for a in arguments]
    p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return finish(p, seconds) if wait else p


def finish(p, seconds=90):
    out = p.communicate(timeout=seconds)[0]
    return p.returncode, out


def bench(operation, seconds=1, in_flight=8):
    """Errors of a second of operations; None if it could not make its file."""
    p = subprocess.run([BENCH, "--server", "127.0.0.1:%d" % NFS, "--seconds", str(seconds), "--in-flight", str(in_flight), operation],
                       capture_output=True, text=True, timeout=60)
    return int(p.stdout.split()[-1]) if p.returncode == 0 else None


def storm(directory):
    """Clients that come and go in rude ways, while their connections change loops."""
    node = Node(directory).ready()
    before = node.descriptors()
    status, out = flood("storm", 24, 5)
    node.alive()
    must(status == 0 and out.strip().endswith(" 0 failures"), out)
    time.sleep(1)
    must(node.descriptors() <= before + 8, "%d descriptors before, %d after", before, node.descriptors())
    must(bench("getattr") == 0, "no service afterwards")
    node.check()
    node.stop(5)


def unread(directory):
    """Clients that ask for a gigabyte each and read nothing, some while their requests wait for others' changes."""
    node = Node(directory).ready()
    load = subprocess.Popen([BENCH, "--server", "127.0.0.1:%d" % NFS, "--seconds", "8", "create"], stdout=subprocess.DEVNULL)
    flood("unread", 8, 1000, 5)
    flood("unread", 100, 1000, 5)
    load.wait(60)
    node.alive()
    peak = node.memory("VmHWM")
    must(peak < 700 * MIB, "%d MiB at the peak", peak // MIB)
    deadline = time.monotonic() + 20        # what a busy machine takes to close the connections, and to give memory back
    while node.memory() >= 250 * MIB and time.monotonic() < deadline:
        time.sleep(0.5)
    left = node.memory()
    must(left < 250 * MIB, "%d MiB are left", left // MIB)
    must(bench("getattr") == 0, "no service afterwards")
    node.stop(5)


def idle(directory):
    """Memory of connections with a session on which nothing happens."""
    node = Node(directory).ready()
    flood("idle", 50, 1)
    before = node.memory()
    p = flood("idle", 2000, 3, wait=False)
    peak = 0
    while p.poll() is None:
        peak = max(peak, node.memory())
        time.sleep(0.2)
    finish(p)
    each = (peak - before) // 2000
    must(each < 16384, "%d bytes an idle connection", each)
    node.stop(5)


def descriptors(directory):
    """More clients than descriptors: log, state and blocks have theirs."""
    node = Node(directory, descriptors=256).ready()
    p = flood("idle", 400, 3, wait=False)
    time.sleep(1.5)
    must(node.descriptors() < 230, "%d of 256 descriptors in use", node.descriptors())
    p.kill()
    finish(p)
    time.sleep(1)
    flood("write", 2, 100, 5)
    must(bench("create") == 0, "no service afterwards")
    node.check()
    node.stop(5)


def ends(directory):
    """SIGTERM under load, and in the middle of starts; kill -9 in the middle of starts, the first one included."""
    node = Node(directory).ready()
    load = subprocess.Popen([BENCH, "--server", "127.0.0.1:%d" % NFS, "--seconds", "30", "--in-flight", "32", "create"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(2)
    node.stop(3)
    load.kill()
    load.wait()
    for i in range(12):
        node = Node(directory)
        time.sleep(0.05 + random.random() * 0.3) # signals are blocked by then, so none is its end
        node.stop(5)
    fresh = directory + "-fresh"
    for i in range(25):
        if i % 5 == 0:
            shutil.rmtree(fresh, ignore_errors=True)
        node = Node(fresh)
        time.sleep(random.random() * 0.15)
        node.process.kill()
        node.process.wait()
    node = Node(fresh).ready()
    must(bench("create") == 0, "no service after kills")
    node.check()
    node.stop(5)


def fill(path):
    subprocess.run(["dd", "if=/dev/zero", "of=" + path, "bs=64k", "conv=notrunc", "oflag=append"], stderr=subprocess.DEVNULL)


def full_disk(directory):
    """Another process takes the last byte: what grows is refused, what is removed makes room, nothing stands still."""
    os.makedirs(directory)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=500m", "tmpfs", directory], check=True)
    try:
        node = Node(directory + "/n").ready()
        p = flood("write", 8, 2000, 10, wait=False)
        time.sleep(2)
        filler = directory + "/filler"
        fill(filler)
        finish(p)
        for i in range(6): # what the node gives back, the other process takes too
            fill(filler)
            time.sleep(1)
        node.alive()
        fill(filler)
        must(bench("create") is None, "a file was made on a full disk")
        status, out = flood("remove")
        must(status == 0, "nothing can be removed on a full disk: %s", out)
        time.sleep(3)
        fill(filler)
        node.stop(10)
        with open(filler, "r+") as f:
            f.truncate(os.path.getsize(filler) - 8 * MIB)
        node = Node(directory + "/n").ready()
        node.alive()
        os.remove(filler)
        time.sleep(8) # RocksDB looks every five seconds
        must(bench("create") == 0, "no service with room")
        node.check()
        node.process.kill()
        node.process.wait()
        node = Node(directory + "/n").ready()
        node.check()
        node.stop(5)
    finally:
        subprocess.run(["umount", "-l", directory])


CASES = [storm, unread, idle, descriptors, ends, full_disk]


def main():
    wanted = sys.argv[2:]
    top = tempfile.mkdtemp(prefix="qnfs-stress-")
    bad = 0
    for case in CASES:
        if wanted and case.__name__ not in wanted:
            continue
        began = time.monotonic()
        try:
            case(top + "/" + case.__name__)
            print("ok stress/%s (%.1f s)" % (case.__name__, time.monotonic() - began), flush=True)
        except Exception as e:
            bad += 1
            if not isinstance(e, Failed):
                traceback.print_exc(file=sys.stdout)
            print("FAILED stress/%s: %s" % (case.__name__, e), flush=True)
        finally:
            for name in os.listdir("/proc"):
                try:
                    if name.isdigit() and top in open("/proc/%s/cmdline" % name).read():
                        os.kill(int(name), signal.SIGKILL)
                        for _ in range(100):            # its port is free when it is gone
                            if open("/proc/%s/stat" % name).read().rpartition(") ")[2][:1] == "Z":
                                break
                            time.sleep(0.1)
                except (OSError, UnicodeDecodeError):
                    pass
    if bad == 0:
        shutil.rmtree(top, ignore_errors=True)
    else:
        print("    logs: %s" % top)
    return 1 if bad else 0


sys.exit(main())
