#!/usr/bin/env python3
"""scripts/holder: the socket outlives its command. Prints ok or FAILED for each case."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

HOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts", "holder")
WAIT_SECONDS = 15

# Answers each connection with its own process id, over the descriptor it was given.
SERVER = """
import os, signal, socket, sys
assert os.environ["LISTEN_FDS"] == "1" and os.environ["LISTEN_PID"] == str(os.getpid())
signal.signal(signal.SIGTERM, lambda *_: os._exit(int(sys.argv[1])))
listener = socket.socket(fileno=3)
while True:
    connection, _ = listener.accept()
    connection.sendall(b"%d" % os.getpid())
    connection.close()
"""


def port_free():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Case:
    """One holder; ended with the case, whatever happened."""

    def __init__(self, *options, command=(sys.executable, "-c", SERVER, "0")):
        self.port = port_free()
        self.folder = tempfile.TemporaryDirectory(prefix="qnfs-holder-")
        self.pidfile = os.path.join(self.folder.name, "pid")
        self.process = subprocess.Popen(
            [HOLDER, "--listen", f"127.0.0.1:{self.port}", "--pidfile", self.pidfile, *options, "--", *command],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(WAIT_SECONDS)
        self.folder.cleanup()

    def ask(self):
        """The process id that answers a connection; only the holder's own start may refuse one."""
        with socket.create_connection(("127.0.0.1", self.port), WAIT_SECONDS) as connection:
            connection.settimeout(WAIT_SECONDS)
            return int(connection.recv(100))

    def ask_first(self):
        until = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                return self.ask()
            except ConnectionRefusedError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)

    def pid(self):
        with open(self.pidfile, encoding="ascii") as file:
            return int(file.read())


def gone(pid):
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_kill_refuses_nothing():
    with Case("--restart") as case:
        pid = case.ask_first()
        for _ in range(4):
            os.kill(pid, signal.SIGKILL)
            assert gone(pid)  # else it might still take the connection with it
            following = case.ask()  # ConnectionRefusedError or a reset would fail the test
            assert following != pid and following == case.pid()
            pid = following


def test_terminate_passes_on():
    with Case("--restart") as case:
        pid = case.ask_first()
        case.process.terminate()
        assert case.process.wait(WAIT_SECONDS) == 0
        assert gone(pid) and not os.path.exists(case.pidfile)


def test_exit_status_is_the_commands():
    with Case("--restart", command=(sys.executable, "-c", SERVER, "7")) as case:
        case.ask_first()
        case.process.terminate()
        assert case.process.wait(WAIT_SECONDS) == 7
    with Case("--restart", command=("sh", "-c", "exit 2")) as case:
        assert case.process.wait(WAIT_SECONDS) == 2


def test_no_restart_lets_go():
    with Case() as case:
        os.kill(case.ask_first(), signal.SIGKILL)
        assert case.process.wait(WAIT_SECONDS) == 128 + signal.SIGKILL
        try:
            case.ask()
        except ConnectionRefusedError:
            return
        raise AssertionError("the socket is still open")


def test_killed_holder_takes_the_command_with_it():
    with Case("--restart") as case:
        pid = case.ask_first()
        case.process.kill()
        case.process.wait(WAIT_SECONDS)
        assert gone(pid)


def test_wrong_address():
    done = subprocess.run([HOLDER, "--listen", "nowhere", "--", "true"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "nowhere" in done.stderr


def main():
    bad = 0
    for name, test in sorted(globals().items()):
        if name.startswith("test_"):
            label = "scripts/holder-" + name.removeprefix("test_").replace("_", "-")
            try:
                test()
                print(f"ok {label}", flush=True)
            except Exception as error:  # a test that falls over has failed, whatever it was
                print(f"FAILED {label}: {type(error).__name__} {error}", flush=True)
                bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main())
