"""Close-to-open: what one client has written and closed, the other sees when it opens. On the usual mounts."""
import os


def run(env, report):
    base = "/mnt/" + env.directory("consistency")
    with env.a.actor() as a, env.b.actor() as b:
        for actor in (a, b):
            actor.chdir(base)
        rounds(report, a, b, 30 if env.killing else 60)
        sizes(report, a, b)
        synced(report, a, b)
        appenders(env, report, base)
        for actor in (a, b):
            actor.chdir(env.strict + "/consistency")
        replaced(report, a, b)


def rounds(report, a, b, count):
    a.write_file("ball", b"0")
    wrong = []
    for number in range(count):
        here, there = (a, b) if number % 2 else (b, a)
        content = (b"%d " % number) * (1 + number * 37 % 3000)
        here.write_file("ball", content)
        if there.read_file("ball") != content:
            wrong.append(number)
    report.equal(wrong, [], "%d rounds of write here, read there" % count)


def sizes(report, a, b):
    a.write_file("s", b"x" * 100000)
    report.equal(len(b.read_file("s")), 100000, "read it all")
    a.truncate("s", 10)
    report.equal(b.read_file("s"), b"x" * 10, "cut short by the other client")
    fd = a.open("s", os.O_WRONLY | os.O_APPEND)
    a.write(fd, b"more")
    a.close(fd)
    fd = b.open("s", os.O_RDONLY)
    report.equal((b.fstat(fd)["st_size"], b.pread(fd, 100, 0)), (14, b"x" * 10 + b"more"), "appended by the other client")
    b.close(fd)


def synced(report, a, b):
    """fsync is enough for one who opens later; O_DIRECT readers see it at once."""
    fd = a.open("d", os.O_CREAT | os.O_RDWR)
    a.pwrite(fd, b"a" * 4096, 0)
    a.fsync(fd)
    far = b.open("d", os.O_RDONLY)
    report.equal(b.pread(far, 4096, 0) == b"a" * 4096, True, "open after fsync")
    a.pwrite(fd, b"b" * 4096, 0)
    a.fsync(fd)
    b.close(far)
    far = b.open("d", os.O_RDONLY)
    report.equal(b.pread(far, 4096, 0) == b"b" * 4096, True, "open again after fsync")
    b.close(far)
    a.close(fd)


def appenders(env, report, base):
    """Processes of one client that append to one file lose nothing: the client orders them."""
    actors = [env.a.actor() for _ in range(3)]
    descriptors = [actor.open(base + "/log", os.O_CREAT | os.O_WRONLY | os.O_APPEND) for actor in actors]
    lines = 40
    for number in range(lines):
        calls = [actor.start("write", fd, b"%d:%06d\n" % (i, number)) for i, (actor, fd) in enumerate(zip(actors, descriptors))]
        for call in calls:
            call.result()
    for actor, fd in zip(actors, descriptors):
        actor.close(fd)
        actor.end()
    with env.b.actor() as b:
        found = b.read_file(base + "/log").split(b"\n")
    report.equal(sorted(found), sorted([b""] + [b"%d:%06d" % (i, n) for i in range(len(actors)) for n in range(lines)]), "appends of three processes are all there")


def replaced(report, a, b):
    """A name that leads to another file than before (without caching of names: else an old one may live on for a while)."""
    a.write_file("r", b"first")
    report.equal(b.read_file("r"), b"first", "the first file")
    a.write_file("r.new", b"second")
    a.rename("r.new", "r")
    report.equal(b.read_file("r"), b"second", "the file that was renamed over it")
    a.unlink("r")
    a.write_file("r", b"third")
    report.equal(b.read_file("r"), b"third", "the file that was made anew")
