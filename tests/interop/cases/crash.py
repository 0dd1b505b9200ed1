"""Long: a client that crashes loses its locks after its lease, to the one who wants them, not before."""
import os, re, time

import client

LEASE_SLACK_SECONDS = 45        # the waiting client asks more and more rarely


def run(env, report):
    with env.a.actor() as a:
        lease = int(re.search(r"lease_time=(\d+)", a.text("/proc/self/mountstats")).group(1))
    base = env.directory("crash")
    third = client.Client(env.a.state, "c", env.server.port, env.version, [("/mnt", env.server.exports[0], "")], server=env.server.host)
    try:
        third.start().wait()
        with env.a.actor() as a:
            doomed = third.actor()
            path = "/mnt/%s/f" % base
            a.write_file(path, b"x")
            fd = doomed.open(path, os.O_RDWR)
            doomed.lock(fd, "w", 0, 100)
            mine = a.open(path, os.O_RDWR)
            try:
                a.lock(mine, "w", 0, 100)
                report.check(False, "the doomed client's lock excludes")
            except BlockingIOError:
                report.check(True, "the doomed client's lock excludes")
            third.kill()
            died = time.monotonic()
            waiting = a.start("lock", mine, "w", 0, 100, True)
            report.check(not waiting.done(lease / 2), "nothing is given away within half a lease")
            report.works("the lock is given to the one who waits", waiting.result, lease * 5 / 4 + LEASE_SLACK_SECONDS)
            report.line("%.0f s after the crash, with a lease of %d s" % (time.monotonic() - died, lease))
    finally:
        third.kill()
