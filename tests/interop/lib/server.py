"""The server under test: qnfsd of a build, or one that somebody else started."""
import os, random, re, shutil, signal, socket, subprocess, threading, time, urllib.error, urllib.request

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
# What a sanitizer or our own CHECK writes when it finds something.
ALARMS = re.compile(r"CHECK failed|AddressSanitizer|ThreadSanitizer|LeakSanitizer|MemorySanitizer|UndefinedBehavior|runtime error:|SUMMARY: |"
                    r"Segmentation fault|Assertion|core dumped|^\S+ error ")


class ServerError(Exception):
    pass


def port_take(first, last):
    """(port of the range that nobody listens on, socket that keeps it from other runs of these tests while it is open)"""
    for port in range(first, last + 1):
        holder = socket.socket(socket.AF_UNIX)
        try:
            holder.bind("\0qnfs-interop-port-%d" % port)
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("0.0.0.0", port))
                return port, holder
        except OSError:
            holder.close()
    raise ServerError("no free port in %d-%d" % (first, last))


class ExternalServer:
    """A server that the caller runs, for proving the tests themselves."""
    kills = 0
    recoveries = ()

    def __init__(self, address, exports):
        self.port, self.exports = int(address.rpartition(":")[2]), exports
        self.host = address.rpartition(":")[0]

    def start(self):
        return self

    def stop(self, report):
        pass


class Server:
    """qnfsd. With `restart` it runs under scripts/holder, which keeps the socket open and starts it again."""

    def __init__(self, build, directory, ports, restart=False, lease_seconds=None, environment=None):
        self.build, self.directory, self.restart, self.lease_seconds = os.path.realpath(build), directory, restart, lease_seconds
        self.port, self.port_holder = port_take(*ports)
        self.admin, self.admin_holder = port_take(*ports)
        self.exports = ["/data", "/other"]
        self.host = "host"
        self.process, self.killer, self.kills, self.recoveries = None, None, 0, []
        self.environment = environment or {}
        self.log = directory + "/qnfsd.log"

    def start(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory)
        config = self.directory + "/config.yaml"
        with open(config, "w") as f:
            f.write("exports:\n")
            for path in self.exports:
                f.write("  - {path: %s, squash: none, read-only: false, clients: [], sec: [sys]}\n" % path)
        self.launch(["--config", config, "--bootstrap"])
        if self.lease_seconds:
            self.ctl("settings", "set", "lease-seconds", str(self.lease_seconds))
        return self

    def launch(self, arguments):
        """Starts the process and waits until it serves. Returns the seconds that took."""
        command = [self.build + "/qnfsd", "--data-dir", self.directory + "/data", "--nfs", "0.0.0.0:%d" % self.port,
                   "--admin", "127.0.0.1:%d" % self.admin] + arguments
        if self.restart:
            command = [ROOT + "/scripts/holder", "--listen", "0.0.0.0:%d" % self.port, "--restart", "--pidfile", self.directory + "/pid", "--"] + command
        command = ["setpriv", "--pdeathsig", "TERM"] + command       # it ends with the thread that started it
        started = time.monotonic()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                            env=dict(os.environ, **self.environment))
        self.wait_ready(60)
        return time.monotonic() - started

    def ready(self):
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d/readyz" % self.admin, timeout=2) as answer:
                return answer.status == 200
        except (OSError, urllib.error.URLError):
            return False

    def wait_ready(self, seconds):
        limit = time.monotonic() + seconds
        while not self.ready():
            if self.process.poll() is not None:
                raise ServerError("the server ended with status %s:\n%s" % (self.process.returncode, self.log_tail()))
            if time.monotonic() > limit:
                raise ServerError("the server is not ready after %d s:\n%s" % (seconds, self.log_tail()))
            time.sleep(0.02)

    def log_tail(self):
        with open(self.log, errors="replace") as f:
            return f.read()[-2000:]

    def server_pid(self):
        """qnfsd's own process: the holder's child in kill mode."""
        if not self.restart:
            return self.process.pid
        try:
            with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)) as f:
                for child in f.read().split():
                    with open("/proc/%s/comm" % child) as comm:
                        if comm.read().strip() == "qnfsd":
                            return int(child)
        except OSError:
            pass
        return None

    def rss_bytes(self):
        with open("/proc/%d/status" % self.server_pid()) as f:
            return int(re.search(r"VmRSS:\s+(\d+) kB", f.read()).group(1)) * 1024

    def ctl(self, *arguments, check=True):
        p = subprocess.run([self.build + "/qnfsctl", "--admin", "127.0.0.1:%d" % self.admin] + list(arguments),
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        if check and p.returncode:
            raise ServerError("qnfsctl %s: status %d: %s" % (" ".join(arguments), p.returncode, p.stdout.strip()))
        return p.returncode, p.stdout.strip()

    def kill_start(self, seed, span):
        """kill -9 after a time drawn from span (seconds), again and again, until kill_stop. One kill in five is followed by another
        while the server starts."""
        self.killer = Killer(self, seed, span)
        self.killer.start()

    def kill_stop(self, report):
        self.killer.stop()
        report.check(self.killer.error is None, "the server came back after each kill", self.killer.error)
        report.check(self.kills > 0, "%d kills, back after %s s" % (self.kills, " ".join("%.2f" % s for s in self.recoveries)))
        self.killer = None

    def stop(self, report):
        """Checks the state, ends the server, reads its log."""
        try:
            status, text = self.ctl("check", check=False)
            report.check(status == 0, "qnfsctl check", text[-500:])
        except (OSError, subprocess.TimeoutExpired) as e:
            report.check(False, "qnfsctl check", e)
        report.check(self.process.poll() is None, "the server is still running", self.process.returncode)
        self.end(report)
        with open(self.log, errors="replace") as f:
            alarms = [line.strip()[:300] for line in f if ALARMS.search(line)]
        report.check(not alarms, "no alarm in the server's log", " | ".join(alarms[:5]))

    def end(self, report=None):
        """SIGTERM must end it with status 0."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        if report:
            report.equal(self.process.returncode, 0, "SIGTERM ends the server with status 0")

    def abandon(self):
        """Ends everything that was started, whatever state it is in."""
        if self.killer:
            self.killer.stop()
            self.killer = None
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Killer(threading.Thread):
    def __init__(self, server, seed, span):
        super().__init__(daemon=True)
        self.server, self.random, self.span = server, random.Random(seed), span
        self.halt, self.error = threading.Event(), None

    def run(self):
        while not self.wait_for_moment():
            again = self.random.random() < 0.2
            pause = self.random.uniform(0, 0.5)
            if not self.kill():
                return
            if again:
                time.sleep(pause)
                self.kill()
            started = time.monotonic()
            try:
                self.server.wait_ready(60)
            except ServerError as e:
                self.error = str(e)
                return
            self.server.recoveries.append(time.monotonic() - started)

    def wait_for_moment(self):
        """True if there shall be no more. A span that becomes shorter meanwhile counts at once."""
        started, draw = time.monotonic(), self.random.random()
        while time.monotonic() < started + self.span[0] + draw * (self.span[1] - self.span[0]):
            if self.halt.wait(0.05):
                return True
        return self.halt.is_set()

    def kill(self):
        pid = self.server.server_pid()
        for _ in range(100):
            if pid:
                break
            time.sleep(0.05)
            pid = self.server.server_pid()
        if not pid:
            self.error = "no qnfsd to kill"
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return True
        self.server.kills += 1
        # Ready means ready again: wait until the dead one is gone.
        for _ in range(200):
            if self.server.server_pid() != pid:
                break
            time.sleep(0.01)
        return True

    def stop(self):
        self.halt.set()
        self.join(90)
