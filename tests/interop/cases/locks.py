"""Byte-range locks between processes of two clients."""
import fcntl, os, time

from errno import EACCES, EAGAIN, EBADF

BUSY = (EAGAIN, EACCES)
TO_END = 0
# A Linux client without lock callbacks asks again after 1 s, 2 s, 4 s ... up to 30 s.
HANDOFF_SECONDS = 45


def run(env, report):
    base = env.strict + "/" + env.directory("locks")
    path = base + "/f"
    with env.a.actor() as maker:
        maker.write_file(path, bytes(1000))
    for part in (exclusion, sharing, ranges, change_of_kind, same_process, other_descriptions, whole_files, open_modes, end_of_process, handoff,
                 handoff_shared, waiter_gives_up, content):
        a, b = env.a.actor(), env.b.actor()
        try:
            part(report, env, a, b, a.open(path, os.O_RDWR), b.open(path, os.O_RDWR), path)
        finally:
            a.end()
            b.end()
        free(report, env, path, part.__name__)


def free(report, env, path, after):
    """Ended processes hold nothing: the whole file can be locked. (A process ends a moment after its connection.)"""
    with env.b.actor() as probe:
        fd = probe.open(path, os.O_RDWR)
        for _ in range(100):
            try:
                probe.lock(fd, "w", 0, TO_END)
                break
            except OSError as e:
                if e.errno not in BUSY:
                    raise
                probe.sleep(0.1)
        else:
            report.check(False, "nothing is locked after '%s'" % after, probe.getlk(fd, "w", 0, TO_END))
            return
        report.check(True, "nothing is locked after '%s'" % after)


def busy(report, text, actor, fd, kind, start=0, length=TO_END):
    return report.fails(BUSY, text, actor.lock, fd, kind, start, length)


def exclusion(report, env, a, b, fa, fb, path):
    report.works("write lock", a.lock, fa, "w", 0, 100)
    busy(report, "write lock against a write lock", b, fb, "w", 0, 100)
    busy(report, "read lock against a write lock", b, fb, "r", 50, 10)
    report.equal(b.getlk(fb, "w", 0, TO_END), ("w", 0, 100), "F_GETLK names kind and range of what is in the way")
    report.equal(b.getlk(fb, "w", 100, TO_END), None, "F_GETLK beside it")
    report.works("write lock beside it", b.lock, fb, "w", 100, 100)
    busy(report, "and the other way round", a, fa, "w", 199, 1)
    report.works("unlock", a.lock, fa, "u", 0, 100)
    report.works("write lock after the unlock", b.lock, fb, "w", 0, 100)
    report.equal(a.getlk(fa, "r", 0, TO_END), ("w", 0, 200), "two ranges that touch are one")


def sharing(report, env, a, b, fa, fb, path):
    report.works("read lock", a.lock, fa, "r", 0, 100)
    report.works("a second read lock", b.lock, fb, "r", 50, 100)
    busy(report, "write lock against the other's read lock", b, fb, "w", 0, 50)
    report.equal(b.getlk(fb, "w", 0, 100), ("r", 0, 100), "F_GETLK names a read lock")
    report.equal(b.getlk(fb, "r", 0, 100), None, "F_GETLK for a read lock")
    report.works("write lock where only this client has one", b.lock, fb, "w", 100, 50)
    busy(report, "read lock against it", a, fa, "r", 120, 1)


def ranges(report, env, a, b, fa, fb, path):
    report.works("lock of 0..99", a.lock, fa, "w", 0, 100)
    report.works("unlock of 40..59 splits it", a.lock, fa, "u", 40, 20)
    report.works("the gap is free", b.lock, fb, "w", 40, 20)
    busy(report, "the byte before the gap is not", b, fb, "w", 39, 1)
    busy(report, "the byte behind it is not", b, fb, "w", 60, 1)
    report.works("unlock of more than there is", a.lock, fa, "u", 0, 1000)
    report.works("what it freed", b.lock, fb, "w", 0, 40)
    report.works("lock to the end", a.lock, fa, "w", 1000, TO_END)
    busy(report, "a byte far behind", b, fb, "w", (1 << 62) + 5, 1)
    report.equal(b.getlk(fb, "r", 5000, 1), ("w", 1000, TO_END), "F_GETLK names a lock to the end")
    report.works("unlock from 2000 to the end", a.lock, fa, "u", 2000, TO_END)
    report.works("behind it", b.lock, fb, "w", 2000, TO_END)
    busy(report, "before it", b, fb, "w", 1999, 1)
    report.works("the last byte of all", a.getlk, fa, "r", (1 << 63) - 2, 1)
    many = [(offset, 1) for offset in range(3000, 3100, 2)]
    report.works("unlock", b.lock, fb, "u", 0, TO_END)
    a.each([("lock", (fa, "w", start, length)) for start, length in many])
    report.works("between fifty locks of one byte", b.lock, fb, "w", 3051, 1)
    busy(report, "on one of them", b, fb, "w", 3050, 1)
    report.works("they become one", a.lock, fa, "w", 3052, 1000)
    report.works("unlock of all", a.lock, fa, "u", 0, TO_END)
    report.works("all is free", b.lock, fb, "w", 0, TO_END)


def change_of_kind(report, env, a, b, fa, fb, path):
    a.lock(fa, "r", 0, 100)
    b.lock(fb, "r", 0, 100)
    busy(report, "upgrade while another reads", a, fa, "w", 0, 100)
    report.equal(b.getlk(fb, "w", 0, 100), ("r", 0, 100), "the refused upgrade leaves the read lock")
    b.lock(fb, "u", 0, 100)
    report.works("upgrade when nobody does", a.lock, fa, "w", 0, 100)
    busy(report, "reading is refused then", b, fb, "r", 0, 100)
    report.works("downgrade of the middle", a.lock, fa, "r", 30, 40)
    report.works("reading in the middle", b.lock, fb, "r", 30, 40)
    busy(report, "reading before the middle", b, fb, "r", 29, 1)
    busy(report, "reading behind the middle", b, fb, "r", 70, 1)
    busy(report, "upgrade of all", a, fa, "w", 0, 100)


def same_process(report, env, a, b, fa, fb, path):
    """POSIX locks belong to the process: any close of the file drops them."""
    second = a.open(path, os.O_RDWR)
    a.lock(fa, "w", 0, 100)
    report.works("another descriptor of the process", a.lock, second, "w", 50, 100)
    busy(report, "the other client", b, fb, "w", 120, 1)
    with env.a.actor() as neighbour:
        fn = neighbour.open(path, os.O_RDWR)
        busy(report, "another process of the same client", neighbour, fn, "w", 0, 10)
    a.close(second)
    report.works("a close drops all of the process's locks", b.lock, fb, "w", 0, TO_END)


def other_descriptions(report, env, a, b, fa, fb, path):
    """Open file description locks belong to the open file, also within one process."""
    second = a.open(path, os.O_RDWR)
    report.works("lock of a description", a.lock_ofd, fa, "w", 0, 100)
    report.fails(BUSY, "another description of the same process", a.lock_ofd, second, "w", 0, 100)
    report.fails(BUSY, "a description on the other client", b.lock_ofd, fb, "r", 0, 100)
    a.close(second)
    busy(report, "closing another description drops nothing", b, fb, "w", 0, 100)
    a.close(fa)
    report.works("closing its own does", b.lock_ofd, fb, "w", 0, 100)


def whole_files(report, env, a, b, fa, fb, path):
    """flock(2), which an NFS client turns into a lock of the whole file."""
    report.works("flock exclusive", a.flock, fa, fcntl.LOCK_EX | fcntl.LOCK_NB)
    report.fails(BUSY, "flock on the other client", b.flock, fb, fcntl.LOCK_SH | fcntl.LOCK_NB)
    report.works("flock to shared", a.flock, fa, fcntl.LOCK_SH | fcntl.LOCK_NB)
    report.works("flock shared on the other client", b.flock, fb, fcntl.LOCK_SH | fcntl.LOCK_NB)
    report.works("unlock", a.flock, fa, fcntl.LOCK_UN)
    report.works("to exclusive", b.flock, fb, fcntl.LOCK_EX | fcntl.LOCK_NB)


def open_modes(report, env, a, b, fa, fb, path):
    reading, writing = a.open(path, os.O_RDONLY), a.open(path, os.O_WRONLY)
    report.fails(EBADF, "write lock through a descriptor for reading", a.lock, reading, "w", 0, 10)
    report.fails(EBADF, "read lock through a descriptor for writing", a.lock, writing, "r", 0, 10)
    report.works("read lock through a descriptor for reading", a.lock, reading, "r", 0, 10)
    report.works("write lock through a descriptor for writing", a.lock, writing, "w", 10, 10)
    busy(report, "the first excludes a writer", b, fb, "w", 5, 1)
    busy(report, "the second excludes a reader", b, fb, "r", 15, 1)


def end_of_process(report, env, a, b, fa, fb, path):
    a.lock(fa, "w", 0, TO_END)
    busy(report, "while the process lives", b, fb, "w", 0, 1)
    a.kill()
    started = time.monotonic()
    report.works("a waiting lock after kill -9 of the holder", b.lock, fb, "w", 0, TO_END, True)
    report.check(time.monotonic() - started < HANDOFF_SECONDS, "it does not take a lease", time.monotonic() - started)


def handoff(report, env, a, b, fa, fb, path):
    a.lock(fa, "w", 0, 100)
    waiting = b.start("lock", fb, "w", 0, 100, True)
    report.check(not waiting.done(1.5), "a waiting lock waits")
    a.pwrite(fa, b"before the handoff", 0)
    started = time.monotonic()
    a.lock(fa, "u", 0, 100)
    report.works("a waiting lock is granted after the unlock", waiting.result, HANDOFF_SECONDS)
    report.line("granted %.1f s after the unlock" % (time.monotonic() - started))
    report.equal(b.pread(fb, 18, 0), b"before the handoff", "what was written under the lock is seen under the next")
    busy(report, "it excludes", a, fa, "w", 0, 100)


def handoff_shared(report, env, a, b, fa, fb, path):
    """A writer that waits gets its turn when the last of two readers unlocks."""
    with env.a.actor() as second:
        fs = second.open(path, os.O_RDWR)
        a.lock(fa, "r", 0, 100)
        second.lock(fs, "r", 0, 100)
        waiting = b.start("lock", fb, "w", 0, 100, True)
        report.check(not waiting.done(0.5), "a writer waits for two readers")
        a.lock(fa, "u", 0, 100)
        report.check(not waiting.done(1.5), "it waits for the second")
        second.lock(fs, "u", 0, 100)
        report.works("it is granted after the second", waiting.result, HANDOFF_SECONDS)


def waiter_gives_up(report, env, a, b, fa, fb, path):
    """A process that is killed while it waits leaves no lock behind."""
    a.lock(fa, "w", 0, 100)
    waiting = b.start("lock", fb, "w", 0, 100, True)
    report.check(not waiting.done(0.5), "the waiter waits")
    b.kill()
    a.lock(fa, "u", 0, 100)
    a.sleep(2.0)
    report.works("the lock can be had again", a.lock, fa, "w", 0, 100)
    report.works("and given back", a.lock, fa, "u", 0, 100)


def content(report, env, a, b, fa, fb, path):
    """A counter in the file, raised under a lock by two clients in turn, on the usual mounts with their caches."""
    usual = "/mnt" + path[len(env.strict):]
    fa, fb = a.open(usual, os.O_RDWR), b.open(usual, os.O_RDWR)
    a.pwrite(fa, b"%08d" % 0, 200)
    a.fsync(fa)
    rounds = 40
    for number in range(rounds):
        actor, fd = ((a, fa), (b, fb))[number % 2]
        actor.lock(fd, "w", 200, 8)
        value = int(actor.pread(fd, 8, 200))
        actor.pwrite(fd, b"%08d" % (value + 1), 200)
        actor.lock(fd, "u", 200, 8)
    a.lock(fa, "r", 200, 8)
    report.equal(int(a.pread(fa, 8, 200)), rounds, "a counter raised %d times under a lock" % rounds)
