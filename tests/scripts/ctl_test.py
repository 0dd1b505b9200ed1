#!/usr/bin/env python3
"""qnfsctl and the admin door against a real node: ctl_test.py BUILD-FOLDER. Prints ok or FAILED for each case."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.error
import urllib.request

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
PORTS = range(20700, 20800)
WAIT_SECONDS = 30
METRICS = (  # of docs/operations.md
    "qnfs_build_info qnfs_node_id qnfs_ready qnfs_healthy qnfs_leader qnfs_term qnfs_commit_index qnfs_applied_index "
    "qnfs_applied_number qnfs_flushed_index qnfs_log_bytes qnfs_flushes_total qnfs_free_bytes qnfs_size_bytes "
    "qnfs_space_low qnfs_cluster_uptime_seconds qnfs_connections qnfs_connections_accepted_total "
    "qnfs_connections_refused_total qnfs_rpc_calls_total qnfs_rpc_bad_records_total qnfs_received_bytes_total "
    "qnfs_sent_bytes_total qnfs_nfs4_parked qnfs_nfs4_sessions_in_memory qnfs_nfs4_cached_reply_bytes "
    "qnfs_nfs4_operations_total qnfs_nfs4_replays_total qnfs_nfs4_false_retries_total qnfs_nfs4_attaches_total "
    "qnfs_nfs4_errors_total qnfs_clients qnfs_sessions qnfs_slots qnfs_opens qnfs_locks qnfs_addresses "
    "qnfs_addresses_here qnfs_addresses_free process_start_time_seconds "
    "process_cpu_seconds_total process_resident_memory_bytes process_open_fds"
).split()


def expect(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in what))


def port_free(taken=()):
    for port in PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            if port not in taken:
                return port
    raise AssertionError(f"no free port in {PORTS}")


class Node:
    """qnfsd in a folder of its own; can be ended and started again over the same data."""

    def __init__(self, build, directory):
        self.build, self.directory = build, directory
        self.nfs = port_free()
        self.admin = port_free([self.nfs])
        self.process = None
        self.log = os.path.join(directory, "qnfsd.log")
        self.config = os.path.join(directory, "config.yaml")
        with open(self.config, "w") as file:
            file.write("exports:\n  - path: /data\n    squash: none\nlog-level: info\n")

    def start(self):
        command = [f"{self.build}/qnfsd", "--config", self.config, "--data-dir", f"{self.directory}/node", "--nfs",
                   f"127.0.0.1:{self.nfs}", "--admin", f"127.0.0.1:{self.admin}", "--bootstrap"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        limit = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                if self.http("GET", "/readyz")[0] == 200:
                    return
            except OSError:
                pass
            expect(self.process.poll() is None, "qnfsd ended:", self.log_tail())
            expect(time.monotonic() < limit, "qnfsd is not ready:", self.log_tail())
            time.sleep(0.05)

    def end(self, signal_number):
        """Ends the process; returns its status."""
        self.process.send_signal(signal_number)
        status = self.process.wait(timeout=WAIT_SECONDS)
        self.process = None
        return status

    def log_tail(self):
        with open(self.log, errors="replace") as file:
            return file.read()[-2000:]

    def http(self, method, target, body=None, headers=None):
        """Status, body, content type."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.admin}{target}", method=method,
                                         data=None if body is None else body.encode(), headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode(), answer.headers.get("Content-Type")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), error.headers.get("Content-Type")

    def get_json(self, target):
        status, body, kind = self.http("GET", target)
        expect(status == 200 and kind == "application/json", target, status, kind, body)
        return json.loads(body)

    def run(self, *words):
        """qnfsctl: status, standard output, standard error."""
        done = subprocess.run([f"{self.build}/qnfsctl", "--admin", f"127.0.0.1:{self.admin}", *words],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    def done(self, *words):
        """qnfsctl that must succeed; what it prints."""
        status, out, error = self.run(*words)
        expect(status == 0 and error == "", "qnfsctl", words, "status", status, out, error)
        return out

    def fails(self, wanted, word, *words):
        """qnfsctl that must fail with this status and one line that has the word."""
        status, out, error = self.run(*words)
        expect(status == wanted and out == "", "qnfsctl", words, "status", status, out, error)
        expect(error.startswith("qnfsctl: ") and error.count("\n") == 1 and error.endswith("\n") and word in error,
               "qnfsctl", words, "says:", error)

    def table(self, *words):
        """The rows of a table as dictionaries, by the headings' places."""
        lines = self.done(*words).splitlines()
        places = [match.start() for match in re.finditer(r"(?<!\S\s)(?<!\S)\S", lines[0])]
        cut = lambda line: [line[a:b].strip() for a, b in zip(places, places[1:] + [None])]
        names = cut(lines[0])
        return [dict(zip(names, cut(line))) for line in lines[1:]]


class Holding:
    """A client that holds an open and two ranges until it is let go."""

    def __init__(self, node, directory, name, owner):
        self.process = subprocess.Popen(
            [f"{node.build}/tests/interop/hold_client", "--server", f"127.0.0.1:{node.nfs}", directory, name, owner],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if line != "holding\n":
            self.let_go()
            raise AssertionError("hold_client: " + self.error)

    def let_go(self):
        _, self.error = self.process.communicate(timeout=WAIT_SECONDS)


class SmallDisk:
    """A file system of its own that can be filled. None without the right to mount one."""

    def __init__(self, directory, size_mib):
        self.directory = os.path.join(directory, "small")
        os.mkdir(self.directory)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", self.directory],
                              capture_output=True, text=True)
        expect(done.returncode == 0, "mount:", done.stderr)
        self.ballast = os.path.join(self.directory, "ballast")

    def fill(self, leave_mib):
        facts = os.statvfs(self.directory)
        size = facts.f_bavail * facts.f_frsize - leave_mib * (1 << 20)
        with open(self.ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)

    def empty(self):
        os.unlink(self.ballast)

    def away(self):
        subprocess.run(["umount", self.directory], check=False)


# --- qnfsd's own command line ---


def refused_start(build, word, arguments, status=2, **environment):
    done = subprocess.run([f"{build}/qnfsd", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=WAIT_SECONDS, env=dict(os.environ, **environment))
    lines = [line for line in done.stderr.splitlines() if line.startswith("qnfsd: ")]
    expect(done.returncode == status, arguments, "status", done.returncode, done.stderr)
    expect(len(lines) == 1 and word in lines[0], arguments, "says:", done.stderr)
    expect(done.stdout == "", arguments, "prints:", done.stdout)


def case_wrong_command_lines(build, directory):
    bad_key = os.path.join(directory, "bad.yaml")
    with open(bad_key, "w") as file:
        file.write("data-dri: x\n")
    for word, *arguments in [
        ("--no-such", "--no-such"),
        ("stray", "stray"),
        ("nfs", "--nfs", "2049"),
        ("nfs", "--nfs"),
        ("admin", "--admin", "127.0.0.1:0"),
        ("log-level", "--log-level", "loud"),
        ("gateway-threads", "--gateway-threads", "0"),
        ("data-dri", "--config", bad_key),
        ("/no/such", "--config", "/no/such"),
        (directory, "--config", directory),
        ("only one of", "--bootstrap", "--join", "a:1"),
        ("join", "--join", "a:1"),
        ("bootstrap-expect", "--bootstrap-expect", "3", "--peers", "a:1,b:1,c:1"),
        ("force-grace", "--force-grace", "--bootstrap"),
    ]:
        refused_start(build, word, arguments)
        expect("\n" not in subprocess.run([f"{build}/qnfsd", *arguments], stdin=subprocess.DEVNULL,
                                          capture_output=True, text=True).stderr.rstrip("\n"), arguments, "many lines")
    for flag in ("--help", "--version"):
        done = subprocess.run([f"{build}/qnfsd", flag], capture_output=True, text=True, timeout=WAIT_SECONDS)
        expect(done.returncode == 0 and "qnfsd" in done.stdout and done.stderr == "", flag, done)


def case_data_directories_that_cannot_be(build, directory):
    nfs, admin = port_free(), port_free([port_free()])
    addresses = ["--nfs", f"127.0.0.1:{nfs}", "--admin", f"127.0.0.1:{admin}"]
    empty = os.path.join(directory, "empty")
    os.mkdir(empty)
    refused_start(build, "bootstrap", ["--data-dir", empty, *addresses])
    refused_start(build, "/no/such", ["--data-dir", "/no/such/dir", "--bootstrap", *addresses])
    plain = os.path.join(directory, "plain")
    open(plain, "w").close()
    refused_start(build, plain, ["--data-dir", plain, "--bootstrap", *addresses])
    # Addresses that are not this machine's.
    for flag in ("--nfs", "--admin"):
        for address in (f"192.0.2.1:{nfs}", f"no-such-host.invalid:{nfs}"):
            refused_start(build, address.split(":")[0], ["--data-dir", empty, "--bootstrap", *addresses, flag, address])
    if os.geteuid() != 0:
        return
    # As somebody who may not write there: root may everywhere.
    closed = os.path.join(directory, "closed")
    os.mkdir(closed, 0o700)
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", f"{build}/qnfsd",
                           "--data-dir", closed + "/node", "--bootstrap", *addresses], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=WAIT_SECONDS, cwd="/")
    if "failed to execute" in done.stderr:  # the build lies where nobody may look
        print("skipped ctl/permission: nobody may not read the build folder")
        return
    lines = [line for line in done.stderr.splitlines() if line.startswith("qnfsd: ")]
    expect(done.returncode == 2 and len(lines) == 1 and "permission" in lines[0], done)


def case_places_that_are_taken(node):
    second = os.path.join(node.directory, "second")
    other = port_free([node.nfs, node.admin])
    third = port_free([node.nfs, node.admin, other])
    refused_start(node.build, "in use", ["--data-dir", f"{node.directory}/node", "--bootstrap", "--nfs",
                                         f"127.0.0.1:{other}", "--admin", f"127.0.0.1:{third}"])
    refused_start(node.build, str(node.nfs), ["--data-dir", second, "--bootstrap", "--nfs", f"127.0.0.1:{node.nfs}",
                                              "--admin", f"127.0.0.1:{third}"], status=1)
    refused_start(node.build, str(node.admin), ["--data-dir", second, "--bootstrap", "--nfs", f"127.0.0.1:{other}",
                                                "--admin", f"127.0.0.1:{node.admin}"], status=1)
    shutil.rmtree(second, ignore_errors=True)


# --- the admin door ---


def case_health(node):
    expect(node.http("GET", "/healthz")[:2] == (200, "ok\n"), node.http("GET", "/healthz"))
    expect(node.http("GET", "/readyz")[:2] == (200, "ready\n"), node.http("GET", "/readyz"))
    with open(node.log) as file:
        expect(re.search(r"\bready\b", file.read()), "no `ready` in the log")


def read_metrics(node):
    status, body, kind = node.http("GET", "/metrics")
    expect(status == 200 and kind.startswith("text/plain; version=0.0.4"), status, kind)
    metrics, helped, typed = {}, set(), set()
    for line in body.splitlines():
        words = line.split(" ", 3)
        if line.startswith("# HELP "):
            helped.add(words[2])
        elif line.startswith("# TYPE "):
            typed.add(words[2])
            expect(words[3] in ("counter", "gauge"), line)
        else:
            name = re.match(r"[a-z_0-9]+", line).group()
            expect(name in helped and name in typed and name not in metrics, "sample without a head:", line)
            metrics[name] = float(line.rsplit(" ", 1)[1])
    return metrics


def case_metrics(node):
    metrics = read_metrics(node)
    missing = [name for name in METRICS if name not in metrics]
    expect(not missing, "missing metrics:", missing)
    unknown = [name for name in metrics if name not in METRICS]
    expect(not unknown, "metrics that the documentation does not know:", unknown)
    expect(metrics["qnfs_ready"] == metrics["qnfs_healthy"] == metrics["qnfs_leader"] == 1, metrics)
    expect(metrics["qnfs_applied_index"] > 1 and metrics["qnfs_commit_index"] >= metrics["qnfs_applied_index"], metrics)
    expect(metrics["qnfs_size_bytes"] > metrics["qnfs_free_bytes"] > 0, metrics)
    expect(abs(metrics["process_start_time_seconds"] - time.time()) < 3600, metrics)
    expect(metrics["process_resident_memory_bytes"] > 1e6 and metrics["process_open_fds"] > 10, metrics)
    again = read_metrics(node)
    expect(all(again[name] >= metrics[name] for name in METRICS if name.endswith("_total")), "a counter went back")
    with open(os.path.join(ROOT, "docs", "operations.md")) as file:
        text = file.read()
    expect(not [name for name in METRICS if f"`{name}`" not in text], "docs/operations.md lacks",
           [name for name in METRICS if f"`{name}`" not in text])


def case_refusals(node):
    for wanted, method, target, body in [
        (404, "GET", "/", None),
        (404, "GET", "/v2/status", None),
        (404, "GET", "/v1/exports/", None),
        (405, "POST", "/healthz", ""),
        (405, "PATCH", "/v1/exports", "{}"),
        (400, "POST", "/v1/exports", "{"),
        (400, "POST", "/v1/exports", '{"path": "/a", "colour": "red"}'),
        (400, "GET", "/v1/locks?limit=0", None),
        (400, "GET", "/v1/sessions?after=xyz", None),
        (404, "DELETE", "/v1/exports?path=/never", None),
        (413, "POST", "/v1/exports", " " * 70000),
    ]:
        status, text, kind = node.http(method, target, body)
        expect(status == wanted and kind == "application/json", method, target, "->", status, text)
        expect(json.loads(text)["error"], text)
    status, _, _ = node.http("DELETE", "/v1/exports?path=/data", headers={"Origin": "http://example.com"})
    expect(status == 403, "a web page may change exports:", status)
    expect(node.get_json("/v1/exports")["exports"][0]["path"] == "/data", "the export is gone")


def case_many_at_once(node):
    results = []

    def ask():
        for _ in range(10):
            try:
                results.append(node.http("GET", "/v1/status")[0])
            except OSError as error:
                results.append(error)

    threads = [threading.Thread(target=ask) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect(results.count(200) == 300, [r for r in results if r != 200][:5])


# --- the commands ---


def case_status(node):
    out = node.done("status")
    for word in ("cluster   ", "node      1, incarnation ", "state     serving, healthy, leader in term ",
                 "log       committed ", "disk      ", "clients   "):
        expect(word in out, word, "is missing:", out)
    answer = json.loads(node.done("--json", "status"))
    expect(re.fullmatch("[0-9a-f]{32}", answer["cluster"]["id"]) and answer["cluster"]["id"].strip("0"), answer)
    expect(answer["node"]["serving"] is True and answer["node"]["version"], answer)
    expect(set(answer) == {"cluster", "node", "log", "space", "fetch", "counts"} and answer["fetch"] is None, answer)


def case_exports(node):
    expect(node.done("export", "add", "/projects") == "", "export add prints something")
    node.done("export", "add", "/archive", "--read-only", "--squash", "all", "--clients", "192.0.2.0/24,2001:db8::/32",
              "--sec", "sys")
    rows = {row["PATH"]: row for row in node.table("export", "list")}
    expect(rows["/projects"] == {"PATH": "/projects", "ACCESS": "read-write", "SQUASH": "root", "SEC": "sys",
                                 "CLIENTS": "everyone"}, rows)
    expect(rows["/archive"]["ACCESS"] == "read-only" and rows["/archive"]["SQUASH"] == "all", rows)
    expect(rows["/archive"]["CLIENTS"] == "192.0.2.0/24,2001:db8::/32", rows)
    expect(rows["/data"]["SQUASH"] == "none", rows)
    # Said again: changed, the same volume.
    volume = [e["volume"] for e in node.get_json("/v1/exports")["exports"] if e["path"] == "/archive"]
    node.done("export", "add", "/archive", "--squash", "none")
    rows = {row["PATH"]: row for row in node.table("export", "list")}
    expect(rows["/archive"]["ACCESS"] == "read-write" and rows["/archive"]["CLIENTS"] == "everyone", rows)
    node.done("export", "remove", "/archive")
    expect("/archive" not in node.done("export", "list"), "a removed export is listed")
    node.done("export", "add", "/archive")
    again = [e["volume"] for e in json.loads(node.done("--json", "export", "list"))["exports"] if e["path"] == "/archive"]
    expect(volume == again, "the volume changed:", volume, again)
    node.done("export", "remove", "/archive")
    node.fails(1, "", "export", "remove", "/archive")
    node.fails(1, "", "export", "add", "relative")
    node.fails(1, "", "export", "add", "/data/below")
    node.fails(1, "", "export", "add", "/")
    node.fails(1, "300.1.1.1", "export", "add", "/x", "--clients", "300.1.1.1")
    node.fails(2, "krb5", "export", "add", "/x", "--sec", "krb5")
    node.fails(2, "most", "export", "add", "/x", "--squash", "most")


def case_settings(node):
    rows = {row["NAME"]: row["VALUE"] for row in node.table("settings", "get")}
    expect(rows == {"lease-seconds": "60", "read-mode": "lease", "auto-promote": "on"}, rows)
    node.done("settings", "set", "lease-seconds", "45")
    expect(node.done("settings", "get", "lease-seconds") == "45\n", "lease-seconds")
    expect(json.loads(node.done("--json", "settings", "get"))["settings"]["lease-seconds"] == "45", "--json")
    node.fails(1, "5 to 3600", "settings", "set", "lease-seconds", "4")
    node.fails(1, "setting", "settings", "set", "no-such", "1")
    node.fails(1, "no-such", "settings", "get", "no-such")


def case_addresses(node):
    """No device of this machine is called so: nobody can have the address, and the list says why."""
    expect(node.table("address", "list") == [], "there are addresses already")
    for word, address in (("its network", "192.0.2.10"), ("no address", "nonsense/24"), ("IPv4", "2001:db8::1/64"),
                          ("no host", "192.0.2.0/24"), ("no host", "127.0.0.9/8")):
        node.fails(1, word, "address", "add", address)
    node.fails(1, "15 characters", "address", "add", "192.0.2.10/24", "--device", "a-device-with-a-long-name")
    node.done("address", "add", "192.0.2.10/24", "--device", "no-such-device")
    node.fails(1, "already", "address", "add", "192.0.2.10/24")
    limit = time.monotonic() + 5
    rows = node.table("address", "list")
    while time.monotonic() < limit and (rows[0]["NODE"] != "none" or rows[0].get("TROUBLE", "") == ""):
        time.sleep(0.05)
        rows = node.table("address", "list")
    row = rows[0]
    expect(row["ADDRESS"] == "192.0.2.10/24" and row["DEVICE"] == "no-such-device" and row["NODE"] == "none", row)
    expect(row["STATE"] == "free" and row["TROUBLE"] == "node 1: there is no device no-such-device", row)
    node.fails(1, "there is no device no-such-device", "address", "move", "192.0.2.10", "1")
    node.fails(1, "no such node runs", "address", "move", "192.0.2.10", "9")
    node.fails(1, "no such floating address", "address", "remove", "192.0.2.11")
    metrics = read_metrics(node)
    expect((metrics["qnfs_addresses"], metrics["qnfs_addresses_here"], metrics["qnfs_addresses_free"]) == (1, 0, 1), "metrics")
    node.done("address", "remove", "192.0.2.10")
    expect(json.loads(node.done("--json", "address", "list"))["addresses"] == [], "it is still there")


def case_clients_sessions_locks(node):
    expect(node.table("client", "list") == [] and node.table("lock", "list") == [], "somebody is there already")
    first = Holding(node, "/data", "held", "alpha")
    second = Holding(node, "/data", "other", "be\\ta")
    clients = {row["OWNER"]: row for row in node.table("client", "list")}
    expect(set(clients) == {"alpha", "be\\ta"} or set(clients) == {"alpha", "be\\x5cta"}, clients)
    alpha = clients["alpha"]
    expect(alpha["STATE"] == "active" and alpha["ADDRESS"] == "127.0.0.1" and alpha["SESSIONS"] == "1", alpha)
    expect(alpha["STATEIDS"] == "3" and alpha["RANGES"] == "2", alpha)
    expect(0 < int(alpha["LEASE LEFT"].split()[0]) <= 45, alpha)
    sessions = [row for row in node.table("session", "list") if row["CLIENT"] == alpha["ID"]]
    expect(len(sessions) == 1 and sessions[0]["HERE"] == "yes" and sessions[0]["SLOTS"] == "4", sessions)
    expect(re.fullmatch("[0-9a-f]{32}", sessions[0]["ID"]), sessions)
    locks = [row for row in node.table("lock", "list") if row["CLIENT"] == alpha["ID"]]
    expect([(row["KIND"], row["HELD"], row["FILE"]) for row in locks] ==
           [("open", "both", "/data/held"), ("lock", "write 10-99", "/data/held"), ("lock", "read 1000-end", "/data/held")],
           locks)
    expect([row["OWNER"] for row in locks] == ["opener", "writer", "reader"], locks)
    metrics = read_metrics(node)
    expect(metrics["qnfs_clients"] == 2 and metrics["qnfs_sessions"] == 2 and metrics["qnfs_opens"] == 2, metrics)
    expect(metrics["qnfs_locks"] == 4, metrics)
    limit = time.monotonic() + WAIT_SECONDS  # a loop's counters are up to a tick old
    while read_metrics(node)["qnfs_connections"] != 2:
        expect(time.monotonic() < limit, read_metrics(node))
        time.sleep(0.1)
    # Pages of one row give what the whole list gives.
    rows, after = [], ""
    while True:
        page = node.get_json("/v1/locks?limit=1" + after)
        rows += page["locks"]
        if not page["more"]:
            break
        after = "&after=" + page["next"]
    expect(rows == node.get_json("/v1/locks")["locks"] and len(rows) == 6, rows)
    second.let_go()
    first.let_go()
    other = next(row["ID"] for owner, row in clients.items() if owner != "alpha")
    expect(node.done("client", "evict", other) == "", "client evict prints something")
    expect(all(row["CLIENT"] == alpha["ID"] for row in node.table("lock", "list")), "its locks are still there")
    expect(all(row["CLIENT"] == alpha["ID"] for row in node.table("session", "list")), "its session is still there")
    node.fails(1, "", "client", "evict", other)
    node.fails(2, "number", "client", "evict", "alpha")


def case_check(node):
    out = node.done("check")
    expect(re.fullmatch(r"0 broken invariants \(\d+ ms\)\n", out), out)
    expect(json.loads(node.done("--json", "check"))["violations"] == 0, "--json")


def case_wrong_words(node):
    for word, *words in [
        ("no command",),
        ("statsu", "statsu"),
        ("ID", "client", "evict"),
        ("now", "check", "now"),
        ("--no-such", "status", "--no-such"),
        ("--squash", "export", "list", "--squash", "all"),
        ("node drain: not in this version", "node", "drain", "1"),
        ("no node id", "node", "remove", "x"),
        ("no node id", "leader", "transfer", "two"),
        ("CIDR", "address", "add"),
        ("--squash", "address", "add", "192.0.2.10/24", "--squash", "all"),
        ("no node id", "address", "move", "192.0.2.10", "two"),
        ("not in this version", "grace", "status"),
        ("not in this version", "backup", "x"),
        ("not in this version", "restore", "x"),
        ("--dir", "ca", "init"),
        ("--host", "ca", "issue", "--dir", "x", "--name", "n", "--out", "y"),
        ("no host!", "ca", "issue", "--dir", "x", "--name", "n", "--host", "no host!", "--out", "y"),
        ("--days", "ca", "init", "--dir", "x", "--days", "never"),
    ]:
        node.fails(2, word, *words)
    for words in (["--help"], ["export", "add", "--help"], ["check", "--help"], ["--version"]):
        expect("qnfsctl" in node.done(*words), words)
    node.fails(1, "no node answers", "status", "--admin", f"127.0.0.1:{port_free([node.nfs, node.admin])}")


def case_certificates(node):
    """An authority and two nodes' certificates, offline: openssl's own verifier accepts them, and nobody else's."""
    home = os.path.join(node.directory, "certificates")
    os.mkdir(home)
    ca, other = os.path.join(home, "ca"), os.path.join(home, "other")
    expect(node.done("ca", "init", "--dir", ca) == "", "ca init prints something")
    with open(os.path.join(ca, "ca.pem")) as file:
        before = file.read()
    node.fails(1, "is there already", "ca", "init", "--dir", ca)
    with open(os.path.join(ca, "ca.pem")) as file:
        expect(before == file.read(), "the authority was overwritten")
    node.fails(1, "is not there", "ca", "issue", "--dir", other, "--name", "n", "--host", "h", "--out", other)
    node.done("ca", "init", "--dir", other, "--days", "10")
    node.fails(1, "--days", "ca", "issue", "--dir", other, "--name", "n", "--host", "h", "--out", home, "--days", "11")
    node.fails(1, "No such file", "ca", "init", "--dir", os.path.join(home, "no", "ca"))
    answer = json.loads(node.done("--json", "ca", "issue", "--dir", ca, "--name", "node-1", "--host",
                                  "node-1.example.org,127.0.0.1,::1", "--out", os.path.join(home, "1")))
    expect(sorted(answer) == ["certificate", "key"], answer)
    for path in (answer["key"], os.path.join(ca, "ca-key.pem")):
        expect(os.stat(path).st_mode & 0o777 == 0o600, path, "is readable")
    expect(sorted(os.listdir(ca)) == ["ca-key.pem", "ca.pem"], os.listdir(ca))
    verify = lambda authority, *more: subprocess.run(
        ["openssl", "verify", "-x509_strict", "-CAfile", os.path.join(authority, "ca.pem"), *more, answer["certificate"]],
        capture_output=True, text=True).returncode
    for purpose in ("sslserver", "sslclient"):
        expect(verify(ca, "-purpose", purpose) == 0, purpose)
        expect(verify(other, "-purpose", purpose) != 0, purpose, "by another authority")
    expect(verify(ca, "-verify_hostname", "node-1.example.org") == 0, "its name")
    expect(verify(ca, "-verify_ip", "::1") == 0 and verify(ca, "-verify_ip", "127.0.0.1") == 0, "its addresses")
    expect(verify(ca, "-verify_hostname", "node-2.example.org") != 0, "another name")


def case_all_of_it_after_a_kill(node):
    """kill -9: exports, settings, clients, sessions, opens and locks are those from before."""
    lists = ("exports", "sessions", "locks", "settings")
    before = {name: node.get_json(f"/v1/{name}") for name in lists}
    cluster = node.get_json("/v1/status")["cluster"]["id"]
    incarnation = node.get_json("/v1/status")["node"]["incarnation"]
    clients = [row["id"] for row in node.get_json("/v1/clients")["clients"]]
    expect(before["locks"]["locks"] and before["sessions"]["sessions"], "nothing is held")
    expect(node.end(signal.SIGKILL) == -signal.SIGKILL, "status")
    node.start()
    after = {name: node.get_json(f"/v1/{name}") for name in lists}
    for row in before["sessions"]["sessions"]:
        row["here"] = False  # until the client comes again
    expect(before == after, "before:", before, "after:", after)
    expect(clients == [row["id"] for row in node.get_json("/v1/clients")["clients"]], "clients")
    status = node.get_json("/v1/status")
    expect(status["cluster"]["id"] == cluster and status["node"]["incarnation"] > incarnation, status)
    node.done("check")


def wait_space(node, low):
    limit = time.monotonic() + WAIT_SECONDS
    while node.get_json("/v1/status")["space"]["low"] is not low:
        expect(time.monotonic() < limit, "space.low does not become", low)
        time.sleep(0.1)


def may_create(node, name):
    """Whether a client can make a file; NOSPC if not."""
    try:
        Holding(node, "/data", name, name).let_go()
        return True
    except AssertionError as error:
        expect("NFS4ERR_NOSPC" in str(error), error)
        return False


def case_a_full_disk(build, directory):
    """What grows is refused, what frees goes on; well again once there is room, also over a restart."""
    disk = SmallDisk(directory, 320)
    node = Node(build, disk.directory)
    try:
        node.start()
        expect(may_create(node, "before"), "create on an empty disk")
        disk.fill(leave_mib=8)
        wait_space(node, True)
        expect(read_metrics(node)["qnfs_space_low"] == 1, "metric")
        expect("NEARLY FULL" in node.done("status"), node.done("status"))
        expect(not may_create(node, "while-full"), "create on a full disk")
        node.done("settings", "set", "lease-seconds", "30")  # small changes live from the reserve
        for row in node.get_json("/v1/clients")["clients"]:
            node.done("client", "evict", str(row["id"]))
        expect(node.end(signal.SIGKILL) == -signal.SIGKILL, "status")
        node.start()
        expect(node.get_json("/v1/status")["space"]["low"], "the restart forgot that the disk is full")
        disk.empty()
        wait_space(node, False)
        expect(may_create(node, "after"), "create with room again")
        # Room that comes while nobody looks; not a byte is left this time.
        disk.fill(leave_mib=0)
        wait_space(node, True)
        expect(not may_create(node, "while-full"), "create on a full disk")
        expect(node.end(signal.SIGKILL) == -signal.SIGKILL, "status")
        disk.empty()
        node.start()
        wait_space(node, False)
        expect(may_create(node, "later"), "create with room again")
        node.done("check")
        expect(node.end(signal.SIGTERM) == 0, "SIGTERM: status", node.log_tail())
    finally:
        if node.process is not None:
            print("    " + node.log_tail().replace("\n", "\n    "))
            node.process.kill()
            node.process.wait()
        disk.away()


def case_a_clean_end(node):
    applied = read_metrics(node)["qnfs_applied_index"]
    began = time.monotonic()
    expect(node.end(signal.SIGTERM) == 0, "SIGTERM: status", node.log_tail())
    expect(time.monotonic() - began < 10, "SIGTERM takes", time.monotonic() - began)
    node.fails(1, "no node answers", "status")
    node.start()
    expect("/projects" in node.done("export", "list"), "exports are gone")
    # What the state has at the start leaves the log now, not after a minute or 50,000 commands that may never come.
    limit = time.monotonic() + 20
    while read_metrics(node)["qnfs_flushed_index"] < applied:
        expect(time.monotonic() < limit, "the log keeps what the state had at the start", read_metrics(node))
        time.sleep(0.1)
    expect(node.end(signal.SIGTERM) == 0, "SIGTERM: status", node.log_tail())


def main():
    build = os.path.realpath(sys.argv[1])
    directory = tempfile.mkdtemp(prefix="qnfs-ctl-")
    os.chmod(directory, 0o755)
    bad = 0
    node = None

    def run(case, *arguments):
        nonlocal bad
        name = "ctl/" + case.__name__.removeprefix("case_").replace("_", "-")
        try:
            case(*arguments)
            print(f"ok {name}", flush=True)
        except Exception as error:
            bad += 1
            if not isinstance(error, AssertionError):
                traceback.print_exc(file=sys.stdout)
            print("    " + str(error).replace("\n", "\n    "))
            print(f"FAILED {name}", flush=True)

    def case_start():
        node.start()

    try:
        run(case_wrong_command_lines, build, directory)
        run(case_data_directories_that_cannot_be, build, directory)
        node = Node(build, directory)
        run(case_start)
        if node.process is not None and node.process.poll() is None:
            for case in (case_places_that_are_taken, case_health, case_status, case_exports, case_settings, case_addresses,
                         case_clients_sessions_locks, case_metrics, case_refusals, case_many_at_once, case_check,
                         case_wrong_words, case_certificates, case_all_of_it_after_a_kill, case_a_clean_end):
                run(case, node)
        if os.geteuid() == 0:
            run(case_a_full_disk, build, directory)
        else:
            print("skipped ctl/a-full-disk: only root can mount a small file system")
    finally:
        if node is not None and node.process is not None:
            node.process.kill()
            node.process.wait()
    if bad:
        print(f"    server log and data: {directory}")
    else:
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
