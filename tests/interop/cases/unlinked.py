"""Files that lose their names while they are open: by their own client, by the other, by a rename.

Servers differ in what still works on a file that another client has removed: reading and writing through the
open state does everywhere, attributes and new locks (by the file handle) do not. Ours keeps such a file whole
until the last close; a server that is only a reference is not asked for that."""
import os

from errno import ENOENT, ESTALE


def run(env, report):
    base = env.strict + "/" + env.directory("unlinked")
    with env.a.actor() as a, env.b.actor() as b:
        for actor in (a, b):
            actor.chdir(base)
        own(report, a, b)
        other(report, a, b, env.ours)
        renamed_over(report, a, b, env.ours)
        both(report, a, b)
        gone_directory(report, a, b)
        report.equal([n for n in a.listdir(base) if n.startswith(".nfs")], [], "no .nfs file is left")


def use(report, actor, fd, text, whole=True):
    """A file without a name is a file in every respect."""
    report.equal(actor.pread(fd, 100, 0), b"content", "%s: read" % text)
    actor.pwrite(fd, b"CON", 0)
    actor.fsync(fd)
    report.equal(actor.pread(fd, 100, 0), b"CONtent", "%s: write" % text)
    report.works("%s: truncate" % text, actor.ftruncate, fd, 100000)
    if whole:
        report.equal(actor.fstat(fd)["st_size"], 100000, "%s: size" % text)
        report.works("%s: chmod" % text, actor.fchmod, fd, 0o600)
        report.works("%s: lock" % text, actor.lock, fd, "w", 0, 10)
    big = b"z" * 200000
    actor.pwrite(fd, big, 0)
    actor.fsync(fd)
    report.equal(actor.pread(fd, 200001, 0) == big, True, "%s: 200,000 bytes" % text)


def own(report, a, b):
    a.write_file("own", b"content")
    fd = a.open("own", os.O_RDWR)
    report.works("unlink of a file that this client has open", a.unlink, "own")
    report.fails(ENOENT, "its name", b.open, "own", os.O_RDONLY)
    use(report, a, fd, "unlinked here")
    a.write_file("own", b"another")
    report.equal(b.read_file("own"), b"another", "a new file of the same name")
    a.close(fd)
    report.equal([n for n in b.listdir(".") if n != "own"], [], "after the last close nothing is left of it")


def other(report, a, b, whole):
    a.write_file("other", b"content")
    fd = a.open("other", os.O_RDWR)
    a.pread(fd, 10, 0)
    report.works("unlink of a file that the other client has open", b.unlink, "other")
    report.fails(ENOENT, "its name", a.stat, "other")
    use(report, a, fd, "unlinked there", whole)
    b.write_file("other", b"another")
    report.equal(a.read_file("other"), b"another", "a new file of the same name")
    if whole:
        report.equal(a.fstat(fd)["st_size"], 200000, "the old one is still the old one")
    report.works("close", a.close, fd)


def renamed_over(report, a, b, whole):
    a.write_file("target", b"content")
    fd = a.open("target", os.O_RDWR)
    b.write_file("source", b"new content")
    report.works("rename over a file that the other client has open", b.rename, "source", "target")
    report.equal(a.read_file("target"), b"new content", "the name leads to the new file")
    use(report, a, fd, "renamed over", whole)
    a.close(fd)


def both(report, a, b):
    a.write_file("both", b"content")
    near, far = a.open("both", os.O_RDWR), b.open("both", os.O_RDONLY)
    b.pread(far, 10, 0)
    b.unlink("both")
    a.pwrite(near, b"written after the unlink", 0)
    a.close(near)
    report.equal(b.pread(far, 7, 0) in (b"content", b"written"), True, "the second opener reads on after the first has closed")
    b.close(far)
    report.equal([n for n in a.listdir(".") if "both" in n], [], "no name is left")
    a.write_file("linked", b"content")
    a.link("linked", "second")
    fd = a.open("linked", os.O_RDWR)
    a.unlink("linked")
    b.unlink("second")
    report.equal(a.pread(fd, 100, 0), b"content", "both names gone, one here and one there")
    a.close(fd)


def gone_directory(report, a, b):
    a.mkdir("d")
    b.chdir("d")
    report.works("rmdir of the other's working directory", a.rmdir, "d")
    report.fails((ENOENT, ESTALE), "create in a directory that is gone", b.write_file, "f", b"")
    report.fails((ENOENT, ESTALE), "mkdir in it", b.mkdir, "e")
    b.chdir("/")
