"""What a case gets: two clients, a server, a place to work in, a report."""
import os


class Environment:
    """a and b are clients of two kernels. Each has the export twice: at /mnt with the usual caching, and at
    `strict` without caching of attributes and names, for what must be seen at once from the other side."""
    strict = "/tmp/strict"

    def __init__(self, a, b, server, version, programs, seed, killing, long_form, planted):
        self.a, self.b, self.server, self.version, self.programs = a, b, server, version, programs
        self.ours = hasattr(server, "build")     # not a reference
        self.seed, self.killing, self.long_form, self.planted = seed, killing, long_form, planted

    def directory(self, case):
        """Makes the case's own directory; returns its name below the mounts."""
        with self.a.actor() as root:
            root.mkdir("/mnt/" + case, 0o755)
        return case

    def program(self, client, name, *arguments, seconds=600.0, planted=None):
        """(status, output) of a guest program, with the usual mount as working directory."""
        command = " ".join([os.path.join(self.programs, name)] + ["'%s'" % a for a in map(str, arguments)])
        plant = self.planted if planted is None else planted
        return client.execute(command, "/mnt", seconds, {"INTEROP_PLANT": "1"} if plant else {})

    def state_counts(self, client):
        """How often this client made its client record and its sessions: a failover must not change it."""
        with client.actor() as root:
            for line in root.text("/proc/net/rpc/nfs").splitlines():
                if line.startswith("proc4 "):
                    numbers = list(map(int, line.split()[2:]))
                    return dict(exchange_id=numbers[PROC4_EXCHANGE_ID], create_session=numbers[PROC4_CREATE_SESSION])
        raise ValueError("no proc4 line in /proc/net/rpc/nfs")


# Places in the proc4 line of Linux 6.1 (include/linux/nfs4.h, the enum that begins with NFSPROC4_CLNT_NULL).
PROC4_EXCHANGE_ID = 39
PROC4_CREATE_SESSION = 40
