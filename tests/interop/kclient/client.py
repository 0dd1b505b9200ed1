"""A real Linux kernel NFS client in user space: boots Debian's User Mode Linux, mounts a server, and runs
commands and single system calls in it. See README.md beside this file."""
import os, pickle, select, shlex, shutil, signal, socket, struct, subprocess, sys, threading, time, weakref

HOME = os.path.dirname(os.path.realpath(__file__))
UML = "/usr/bin/linux.uml"
AGENT_PORT = 9111
STATUS_LOST = 125           # exec: the client died
STATUS_TIMEOUT = 124        # exec: out of time


class ClientError(Exception):
    """The client could not be started, or is gone."""


def requirements():
    """What is missing on this machine, as a list of lines; empty if a client can run."""
    missing = []
    if os.geteuid() != 0:
        missing.append("not root")
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as e:
        missing.append("/dev/net/tun: %s" % e.strerror)
    for program, package in ((UML, "user-mode-linux"), ("mount.nfs", "nfs-common"), ("ip", "iproute2"), ("modprobe", "kmod"),
                             ("cc", "gcc"), ("setpriv", "util-linux"), ("/usr/bin/python3", "python3")):
        if not shutil.which(program, path=os.environ.get("PATH", "") + ":/sbin:/usr/sbin"):
            missing.append("%s is not installed (package %s)" % (program, package))
    return missing


def sh(*command, check=True):
    p = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if check and p.returncode:
        raise ClientError("%s: %s" % (" ".join(command), p.stdout.strip()))
    return p.stdout


def number_take():
    """(number 1..250, socket that holds it): free again when its holder ends; counted in this network namespace."""
    for number in range(1, 251):
        holder = socket.socket(socket.AF_UNIX)
        try:
            holder.bind("\0qnfs-kclient-%d" % number)
            return number, holder
        except OSError:
            holder.close()
    raise ClientError("no free client number")


def send(sock, value):
    data = pickle.dumps(value)
    sock.sendall(struct.pack(">I", len(data)) + data)


def receive(sock):
    def exactly(count):
        parts = []
        while count:
            part = sock.recv(min(count, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            count -= len(part)
        return b"".join(parts)
    return pickle.loads(exactly(struct.unpack(">I", exactly(4))[0]))


class Call:
    """An answer that is still to come."""
    def __init__(self, actor):
        self.actor = actor

    def done(self, seconds=0.0):
        """Whether the answer came within that time."""
        return bool(select.select([self.actor.sock], [], [], seconds)[0])

    def result(self, seconds=None):
        self.actor.sock.settimeout(seconds or self.actor.patience_s)
        self.actor.pending = None
        try:
            answer = receive(self.actor.sock)
        except (EOFError, ConnectionError):
            raise ClientError("process in the client ended") from None
        if answer[0] == "ok":
            return answer[1]
        if answer[0] == "os":
            raise OSError(answer[1], answer[2])
        raise ClientError(answer[1])


class Actor:
    """One process in a client. actor.NAME(...) makes the call os.NAME (or one of guest-agent's Actor) there;
    start("NAME", ...) does not wait for its answer."""
    def __init__(self, client, uid=None, gid=None, groups=None, patience_s=120.0):
        self.client, self.patience_s, self.pending = client, patience_s, None
        self.sock = client.connect()
        send(self.sock, {"actor": dict(uid=uid, gid=gid, groups=groups)})
        self.pid = Call(self).result()

    def start(self, name, *args, **kwargs):
        if self.pending:
            raise ClientError("a call is under way")
        send(self.sock, (name, args, kwargs))
        self.pending = Call(self)
        return self.pending

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args, **kwargs: self.start(name, *args, **kwargs).result()

    def kill(self):
        """SIGKILL, also while a call is under way."""
        with self.client.actor() as killer:
            killer.kill_process(self.pid)
        self.sock.close()

    def end(self):
        """The process ends as if killed between two calls."""
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


class Client:
    """A UML guest. start() from the thread that lives as long as the client should: the guest dies with it."""

    def __init__(self, state, name, server_port, version, mounts, share=(), memory="512M", mtu=1500, unique_id="", cpu="auto",
                 server="host", verbose=False):
        """state: directory for everything that is written; mounts: list of (directory in the guest, export, options)."""
        self.state, self.name, self.port, self.version = os.path.realpath(state), name, server_port, version
        self.mounts, self.share, self.memory, self.mtu = mounts, list(share), memory, mtu
        self.unique_id = unique_id or "%s-%d-%d" % (name, os.getpid(), time.time_ns())
        self.cpu, self.server, self.verbose = cpu, server, verbose
        self.directory = "%s/%s" % (self.state, name)
        self.process = self.tap = None
        self.socks = weakref.WeakSet()

    def start(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory)
        shim = self.build_shim()
        self.number, self.holder = number_take()
        self.tap = "qkc%d" % self.number
        host_ip, self.ip = "10.98.%d.1" % self.number, "10.98.%d.2" % self.number
        sh("ip", "link", "del", self.tap, check=False)
        sh("ip", "tuntap", "add", "dev", self.tap, "mode", "tap")
        sh("ip", "addr", "add", host_ip + "/30", "dev", self.tap)
        sh("ip", "link", "set", self.tap, "mtu", str(self.mtu), "up")
        mounts = ["%s=%s=%s" % (d, e, ",".join(filter(None, ["vers=" + self.version, "port=%d" % self.port, o]))) for d, e, o in self.mounts]
        self.write_env(KC_NAME=self.name, KC_IP=self.ip, KC_MTU=self.mtu, KC_SERVER=host_ip if self.server == "host" else self.server,
                       KC_GATEWAY="" if self.server == "host" else host_ip, KC_MOUNTS=" ".join(mounts), KC_SHARE=" ".join([HOME] + [os.path.realpath(p) for p in self.share]), KC_HOME=HOME,
                       KC_UNIQUE_ID=self.unique_id, KC_AGENT_PORT=AGENT_PORT)
        if self.cpu == "auto":      # UML's ptrace round trips are 3-4 times cheaper on one CPU
            cpus = sorted(os.sched_getaffinity(0))
            self.cpu = str(cpus[self.number % len(cpus)])
        console_read, console_write = os.pipe()
        uml = ["taskset", "-c", self.cpu, "env", "LD_PRELOAD=" + shim, "TMPDIR=" + self.directory, UML, "mem=" + self.memory,
               "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "init=" + HOME + "/guest-init", "kc=" + self.directory,
               "umid=" + self.name, "uml_dir=" + self.directory + "/uml", "con=null", "con0=null,fd:%d" % console_write, "ssl=null",
               "vec0:transport=tap,ifname=%s,depth=128,gro=1,mac=02:6b:63:00:00:%02x,mtu=%d" % (self.tap, self.number, self.mtu),
               "panic=-1", "noreboot", "loglevel=6"]
        # A PID namespace of its own: when its first process ends, everything of the client's ends.
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "-p", "-f", "--mount-proc", "--kill-child=KILL", "sh", "-c", '"$@"; exit $?', "sh"] + uml
        with open(self.directory + "/uml.err", "w") as errors:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                                            pass_fds=(console_write,), start_new_session=True)
        os.close(console_write)
        self.ready, self.ended = threading.Event(), threading.Event()
        threading.Thread(target=self.console_copy, args=(console_read,), daemon=True).start()
        return self

    def wait(self, seconds=120):
        """Returns when the mounts are there."""
        limit = time.monotonic() + seconds
        while not self.ready.wait(0.05):
            if self.ended.is_set() or time.monotonic() > limit:
                self.kill()
                raise ClientError("client %s did not come up:\n%s" % (self.name, self.console()[-3000:]))
        return self

    def write_env(self, **values):
        with open(self.directory + "/env", "w") as f:
            for key, value in values.items():
                f.write("%s=%s\n" % (key, shlex.quote(str(value))))

    def build_shim(self):
        if not os.path.isdir("/usr/lib/modules"):       # a mount point for the guest, whose root is read-only
            os.makedirs("/usr/lib/modules", exist_ok=True)
        shim = self.directory + "/umlfix.so"
        sh("cc", "-O2", "-shared", "-fPIC", "-o", shim, HOME + "/umlfix.c", "-ldl")
        return shim

    def console_copy(self, descriptor):
        with open(self.directory + "/console.log", "wb") as f, os.fdopen(descriptor, "rb", buffering=0) as r:
            head = b""
            while data := r.read(65536):
                f.write(data)
                f.flush()
                if self.verbose:
                    sys.stderr.write(data.decode(errors="replace"))
                if not self.ready.is_set():
                    head += data
                    if b"guest: agent ready" in head:
                        self.ready.set()
        self.ended.set()

    def console(self):
        """What the guest's kernel said so far."""
        with open(self.directory + "/console.log", errors="replace") as f:
            return f.read()

    def connect(self):
        try:
            sock = socket.create_connection((self.ip, AGENT_PORT), 30)
        except OSError as e:
            raise ClientError("client %s: %s" % (self.name, e)) from None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(None)
        self.socks.add(sock)
        return sock

    def actor(self, **ids):
        return Actor(self, **ids)

    def execute(self, command, cwd="/", seconds=600.0, env=None, output=None):
        """(status, output bytes) of a shell command in the guest; output: a function that also gets each piece."""
        pieces = []
        limit = time.monotonic() + seconds
        with self.connect() as sock:
            send(sock, {"exec": command, "cwd": cwd, "env": env or {}})
            try:
                while True:
                    sock.settimeout(max(0.1, limit - time.monotonic()))
                    kind, value = receive(sock)
                    if kind == "exit":
                        return value, b"".join(pieces)
                    pieces.append(value)
                    if output:
                        output(value)
            except socket.timeout:
                return STATUS_TIMEOUT, b"".join(pieces)
            except (EOFError, ConnectionError):
                return STATUS_LOST, b"".join(pieces)

    def stop(self, forced=False):
        """Unmounts and powers off. False if the guest had to be killed."""
        clean = True
        if self.process and self.process.poll() is None:
            try:
                with self.connect() as sock:
                    sock.settimeout(60)
                    send(sock, {"poweroff": forced})
                    receive(sock)
                self.process.wait(20)
            except (OSError, EOFError, ClientError, subprocess.TimeoutExpired):
                clean = False
        self.kill()
        return clean

    def kill(self):
        """Pulls the plug: what a crash of the client looks like."""
        if self.process:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for sock in list(self.socks):       # nobody shall wait for a dead guest
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        if self.tap:
            sh("ip", "link", "del", self.tap, check=False)
            self.holder.close()
            self.tap = None
