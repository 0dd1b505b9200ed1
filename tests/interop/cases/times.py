"""Times and the change attribute: what moves them, what does not, and that values come back exactly."""
import os, time


def run(env, report):
    base = env.strict + "/" + env.directory("times")
    with env.a.actor() as a, env.b.actor() as b:
        for actor in (a, b):
            actor.chdir(base)
        creation(report, a, b)
        changes(report, a, b)
        parents(report, a, b)
        values(report, a, b)


def stamps(actor, path):
    found = actor.lstat(path)
    return found["st_mtime_ns"], found["st_ctime_ns"]


def creation(report, a, b):
    before = time.time()
    a.write_file("new", b"x")
    a.mkdir("newdir")
    a.symlink("x", "newlink")
    after = time.time()
    for name in ("new", "newdir", "newlink"):
        found = b.lstat(name)
        # The guests, the server and this program have one clock; coarse clocks lag by a tick.
        inside = all(before - 1 < found[k] < after + 1 for k in ("st_atime", "st_mtime", "st_ctime"))
        report.check(inside, "times of a new %s" % name, (before, after, found))


def step(report, a, b, text, path, moves_mtime, moves_ctime, call, *arguments):
    """Makes one call and compares which times went forward, seen by the other client."""
    before = stamps(b, path)
    a.sleep(0.02)
    call(*arguments)
    after = stamps(b, path)
    report.equal((after[0] > before[0], after[1] > before[1]), (moves_mtime, moves_ctime), "%s moves (mtime, ctime)" % text)


def changes(report, a, b):
    a.write_file("f", b"content")
    fd = a.open("f", os.O_RDWR)

    def write():
        a.pwrite(fd, b"x", 2)
        a.fsync(fd)
    step(report, a, b, "write", "f", True, True, write)
    step(report, a, b, "truncate", "f", True, True, a.ftruncate, fd, 3)
    step(report, a, b, "extension", "f", True, True, a.ftruncate, fd, 30)
    step(report, a, b, "chmod", "f", False, True, a.chmod, "f", 0o600)
    step(report, a, b, "chown", "f", False, True, a.chown, "f", 1234, 1234)
    step(report, a, b, "link", "f", False, True, a.link, "f", "f2")
    step(report, a, b, "unlink of another name", "f", False, True, a.unlink, "f2")
    step(report, a, b, "read", "f", False, False, a.pread, fd, 10, 0)
    step(report, a, b, "O_TRUNC", "f", True, True, lambda: a.close(a.open("f", os.O_WRONLY | os.O_TRUNC)))
    step(report, a, b, "open for writing alone", "f", False, False, lambda: a.close(a.open("f", os.O_WRONLY)))
    a.close(fd)


def parents(report, a, b):
    a.mkdir("d")
    a.mkdir("e")

    def made(name):
        a.write_file(name, b"")
    step(report, a, b, "create below", "d", True, True, made, "d/f")
    step(report, a, b, "mkdir below", "d", True, True, a.mkdir, "d/g")
    step(report, a, b, "symlink below", "d", True, True, a.symlink, "x", "d/s")
    step(report, a, b, "link below", "d", True, True, a.link, "d/f", "d/f2")
    step(report, a, b, "unlink below", "d", True, True, a.unlink, "d/f2")
    step(report, a, b, "rename below", "d", True, True, a.rename, "d/f", "d/f3")
    step(report, a, b, "rename out of it", "d", True, True, a.rename, "d/f3", "e/f3")
    step(report, a, b, "rename into it", "d", True, True, a.rename, "e/f3", "d/f3")
    step(report, a, b, "rmdir below", "d", True, True, a.rmdir, "d/g")
    step(report, a, b, "listing", "d", False, False, a.listdir, "d")
    step(report, a, b, "write into a file below", "d", False, False, a.write_file, "d/f3", b"x")


def values(report, a, b):
    a.write_file("v", b"x")
    for text, atime, mtime in (("nanoseconds", 1234567890123456789, 987654321987654321), ("the epoch", 0, 0), ("before the epoch", -86400 * 10**9, -1500000000),
                               ("beyond 2038", 2500000000 * 10**9 + 1, 3000000000 * 10**9 + 999999999)):
        a.utime("v", ns=(atime, mtime))
        found = b.stat("v")
        report.equal((found["st_atime_ns"], found["st_mtime_ns"]), (atime, mtime), "times that come back: %s" % text)
    a.mkdir("vd")
    a.utime("vd", ns=(5 * 10**9 + 5, 6 * 10**9 + 6))
    report.equal(stamps(b, "vd")[0], 6 * 10**9 + 6, "times of a directory")
    a.symlink("x", "vs")
    a.utime("vs", ns=(7 * 10**9, 8 * 10**9 + 8), follow_symlinks=False)
    report.equal(stamps(b, "vs")[0], 8 * 10**9 + 8, "times of a symbolic link")
    before = b.stat("v")["st_ctime_ns"]
    a.sleep(0.02)
    a.utime("v", ns=(1, 1))
    report.check(b.stat("v")["st_ctime_ns"] > before, "setting times moves ctime")
    report.check(abs(b.stat("v")["st_ctime"] - time.time()) < 5, "ctime is the server's own")
    a.utime("v")
    report.check(abs(b.stat("v")["st_mtime"] - time.time()) < 5, "times set to now")
