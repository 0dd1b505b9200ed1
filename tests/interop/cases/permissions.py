"""Permissions, owners, and the special mode bits, as several users and groups. The clients trust the server:
what is checked here is its answer."""
import os, stat

from errno import EACCES, EPERM

R, W, X = os.R_OK, os.W_OK, os.X_OK
ALICE, BOB, CAROL = 1001, 1002, 1003
STAFF, GUESTS, THIRD = 2001, 2002, 2003


class People:
    """Processes of four users on client a, and of root and bob on client b."""
    def __init__(self, env):
        self.root = env.a.actor()
        self.alice = env.a.actor(uid=ALICE, gid=STAFF, groups=[THIRD])
        self.bob = env.a.actor(uid=BOB, gid=STAFF, groups=[])
        self.carol = env.a.actor(uid=CAROL, gid=GUESTS, groups=[STAFF])
        self.nobody = env.a.actor(uid=65534, gid=65534, groups=[])
        self.far = env.b.actor()
        self.far_bob = env.b.actor(uid=BOB, gid=STAFF, groups=[])
        self.far_alice = env.b.actor(uid=ALICE, gid=STAFF, groups=[THIRD])
        self.all = list(vars(self).values())


def run(env, report):
    base = env.strict + "/" + env.directory("permissions") + "/"
    people = People(env)
    for part in (ownership, read_write, directories, changing_modes, changing_owners, set_id_bits, setgid_directory, sticky_directory, groups, access,
                 open_modes, times, links, execution):
        where = base + part.__name__
        people.root.mkdir(where)
        people.root.chmod(where, 0o777)
        for actor in people.all:
            actor.chdir(where)
        part(report, people)
    for actor in people.all:
        actor.end()


def mode(actor, path):
    return actor.stat(path)["st_mode"] & 0o7777


def owner(actor, path):
    found = actor.lstat(path)
    return found["st_uid"], found["st_gid"]


def ownership(report, p):
    p.alice.write_file("f", b"x")
    p.alice.mkdir("d")
    p.alice.symlink("f", "s")
    p.alice.mkfifo("p")
    for name in ("f", "d", "s", "p"):
        report.equal(owner(p.far, name), (ALICE, STAFF), "a user owns what it makes (%s)" % name)
    p.carol.write_file("g", b"x")
    report.equal(owner(p.far, "g"), (CAROL, GUESTS), "the group is the process's first")


def read_write(report, p):
    """Who may read and write a file of alice's, by its mode: the first class that fits decides."""
    p.alice.write_file("f", b"secret")
    who = (("owner", p.alice), ("group", p.bob), ("supplementary group", p.carol), ("other", p.nobody))
    table = ((0o600, "rw,--,--,--"), (0o640, "rw,r-,r-,--"), (0o644, "rw,r-,r-,r-"), (0o622, "rw,-w,-w,-w"), (0o660, "rw,rw,rw,--"),
             (0o606, "rw,--,--,rw"), (0o066, "--,rw,rw,rw"), (0o060, "--,rw,rw,--"), (0o000, "--,--,--,--"), (0o004, "--,--,--,r-"))
    for bits, expected in table:
        p.root.chmod("f", bits)
        found = []
        for _, actor in who:
            letters = ""
            for flag, letter in ((os.O_RDONLY, "r"), (os.O_WRONLY, "w")):
                try:
                    actor.close(actor.open("f", flag))
                    letters += letter
                except OSError as e:
                    letters += "-" if e.errno == EACCES else "?"
            found.append(letters)
        report.equal(",".join(found), expected, "open of a file with mode 0%03o by owner, group, other group, others" % bits)
    report.works("root reads what nobody may", p.root.read_file, "f")
    report.works("root writes what nobody may", p.root.write_file, "f", b"root was here")
    p.root.chmod("f", 0o644)
    report.fails(EACCES, "truncate by one who may only read", p.bob.truncate, "f", 0)
    report.works("truncate by the owner", p.alice.truncate, "f", 3)
    report.fails(EACCES, "O_TRUNC by one who may only read", p.far_bob.open, "f", os.O_WRONLY | os.O_TRUNC)
    report.equal(p.far.stat("f")["st_size"], 3, "size after refused truncations")


def directories(report, p):
    p.alice.mkdir("d", 0o700)
    p.alice.write_file("d/f", b"x")
    p.alice.chmod("d/f", 0o666)
    report.fails(EACCES, "open below a directory without x", p.bob.open, "d/f", os.O_RDONLY)
    report.fails(EACCES, "stat below a directory without x", p.far_bob.stat, "d/f")
    report.fails(EACCES, "listing of a directory without r", p.bob.listdir, "d")
    p.alice.chmod("d", 0o711)
    report.works("open with x alone", p.bob.read_file, "d/f")
    report.fails(EACCES, "listing with x alone", p.bob.listdir, "d")
    p.alice.chmod("d", 0o744)
    report.equal(p.far_bob.listdir("d"), ["f"], "listing with r alone")
    report.fails(EACCES, "open with r alone", p.bob.open, "d/f", os.O_RDONLY)
    p.alice.chmod("d", 0o755)
    for text, function, arguments in (("create", p.bob.write_file, ("d/g", b"")), ("mkdir", p.bob.mkdir, ("d/g",)), ("symlink", p.bob.symlink, ("x", "d/g")),
                                      ("unlink", p.bob.unlink, ("d/f",)), ("rename away", p.bob.rename, ("d/f", "g")), ("mkfifo", p.bob.mkfifo, ("d/g",)),
                                      ("link", p.bob.link, ("d/f", "d/g"))):
        report.fails(EACCES, "%s in a directory without w" % text, function, *arguments)
    p.alice.chmod("d", 0o777)
    p.alice.chmod("d/f", 0o400)
    report.works("unlink of another's file needs w on the directory alone", p.bob.unlink, "d/f")
    report.works("a new file by another", p.bob.write_file, "d/g", b"")
    report.works("the directory's owner removes it", p.alice.unlink, "d/g")
    p.alice.chmod("d", 0o733)
    report.works("create with w and x alone", p.far_bob.write_file, "d/h", b"drop")
    report.fails(EACCES, "listing of such a directory", p.far_bob.listdir, "d")


def changing_modes(report, p):
    p.alice.write_file("f", b"x")
    report.works("chmod by the owner", p.alice.chmod, "f", 0o640)
    report.equal(mode(p.far, "f"), 0o640, "the mode that the owner set")
    report.fails(EPERM, "chmod by another", p.bob.chmod, "f", 0o777)
    report.works("chmod by root", p.far.chmod, "f", 0o4755)
    report.equal(mode(p.root, "f"), 0o4755, "the mode that root set")
    p.alice.umask(0o077)
    p.alice.mkdir("d", 0o777)
    p.alice.write_file("g", b"", mode=0o666)
    p.alice.umask(0o022)
    report.equal((mode(p.far, "d"), mode(p.far, "g")), (0o700, 0o600), "modes under a umask")
    p.root.write_file("r", b"")
    p.root.chown("r", ALICE, GUESTS)
    report.works("chmod g+s by an owner who is not in the group", p.alice.chmod, "r", 0o2755)
    report.equal(mode(p.far, "r"), 0o755, "the setgid bit does not stay")
    p.root.chown("r", ALICE, THIRD)
    report.works("chmod g+s by an owner in the group", p.alice.chmod, "r", 0o2755)
    report.equal(mode(p.far, "r"), 0o2755, "the setgid bit stays")


def changing_owners(report, p):
    p.alice.write_file("f", b"x")
    report.fails(EPERM, "chown to another by the owner", p.alice.chown, "f", BOB, -1)
    report.fails(EPERM, "chown by another", p.bob.chown, "f", BOB, -1)
    report.works("chgrp to a group that the owner is in", p.alice.chown, "f", -1, THIRD)
    report.equal(owner(p.far, "f"), (ALICE, THIRD), "owner after chgrp")
    report.fails(EPERM, "chgrp to a group that the owner is not in", p.alice.chown, "f", -1, GUESTS)
    report.fails(EPERM, "chgrp by another", p.bob.chown, "f", -1, STAFF)
    report.works("chown by root", p.far.chown, "f", CAROL, GUESTS)
    report.equal(owner(p.root, "f"), (CAROL, GUESTS), "owner after chown by root")
    report.works("chown to an id beyond 31 bits", p.root.chown, "f", 4000000000, 4000000001)
    report.equal(owner(p.far, "f"), (4000000000, 4000000001), "such an id")
    p.alice.symlink("nowhere", "s")
    report.works("chown of a symbolic link itself", p.root.lchown, "s", BOB, GUESTS)
    report.equal(owner(p.far, "s"), (BOB, GUESTS), "owner of the symbolic link")


def set_id_bits(report, p):
    def fresh(bits):
        p.root.write_file("f", b"program")
        p.root.chown("f", ALICE, STAFF)
        p.root.chmod("f", bits)

    fresh(0o6777)
    p.bob.write_file("f", b"overwritten", flags=os.O_WRONLY)
    report.equal(mode(p.far, "f"), 0o777, "a write by another clears setuid and setgid")
    fresh(0o6755)
    p.alice.write_file("f", b"overwritten", flags=os.O_WRONLY)
    report.equal(mode(p.far, "f"), 0o755, "a write by the owner clears them")
    fresh(0o6777)
    p.bob.truncate("f", 1)
    report.equal(mode(p.far, "f") & 0o1777, 0o777, "a truncation leaves the permissions (POSIX lets it clear setuid and setgid or not)")
    fresh(0o6755)
    p.alice.chown("f", -1, THIRD)
    report.equal(mode(p.far, "f"), 0o755, "chgrp by the owner clears them")
    fresh(0o6755)
    p.root.chown("f", BOB, STAFF)
    report.equal(mode(p.far, "f"), 0o755, "chown by root clears them on a file that can be executed")
    fresh(0o2666)
    p.bob.write_file("f", b"overwritten", flags=os.O_WRONLY)
    report.equal(mode(p.far, "f") & ~stat.S_ISGID, 0o666, "setgid without x is another thing; the rest of the mode stays")
    fresh(0o1777)
    p.bob.write_file("f", b"overwritten", flags=os.O_WRONLY)
    report.equal(mode(p.far, "f") & 0o777, 0o777, "permissions stay after a write")


def setgid_directory(report, p):
    p.root.mkdir("d")
    p.root.chown("d", ALICE, GUESTS)
    p.root.chmod("d", 0o2777)
    report.equal(mode(p.far, "d"), 0o2777, "a setgid directory")
    p.bob.write_file("d/f", b"")
    p.bob.mkdir("d/e")
    p.bob.symlink("f", "d/s")
    for name in ("d/f", "d/e", "d/s"):
        report.equal(owner(p.far, name), (BOB, GUESTS), "what is made below it has its group (%s)" % name)
    report.check(mode(p.far, "d/e") & stat.S_ISGID, "a directory below it is setgid too")
    report.check(not mode(p.far, "d/f") & stat.S_ISGID, "a file below it is not")
    p.far_bob.write_file("d/e/deep", b"")
    report.equal(owner(p.root, "d/e/deep"), (BOB, GUESTS), "and so on below")


def sticky_directory(report, p):
    p.root.mkdir("d")
    p.root.chown("d", ALICE, STAFF)
    p.root.chmod("d", 0o1777)
    report.equal(mode(p.far, "d"), 0o1777, "a sticky directory")
    for name in ("f", "g", "h", "i"):
        p.bob.write_file("d/" + name, b"")
        p.bob.chmod("d/" + name, 0o666)
    p.bob.mkdir("d/sub")
    p.carol.write_file("d/c", b"")
    for actor, text in ((p.carol, "another"), (p.nobody, "a stranger")):
        report.fails((EPERM, EACCES), "unlink by %s" % text, actor.unlink, "d/f")
        report.fails((EPERM, EACCES), "rename by %s" % text, actor.rename, "d/f", "d/mine")
        report.fails((EPERM, EACCES), "rmdir by %s" % text, actor.rmdir, "d/sub")
    report.fails((EPERM, EACCES), "rename of one's own file over another's", p.carol.rename, "d/c", "d/f")
    report.works("a write into another's file", p.carol.write_file, "d/f", b"allowed", flags=os.O_WRONLY)
    report.works("unlink by the file's owner", p.far_bob.unlink, "d/f")
    report.works("rename by the file's owner", p.bob.rename, "d/g", "d/g2")
    report.works("unlink by the directory's owner", p.alice.unlink, "d/h")
    report.works("unlink by root", p.root.unlink, "d/i")
    report.works("rename of one's own over nothing", p.carol.rename, "d/c", "d/c2")


def groups(report, p):
    """AUTH_SYS carries sixteen groups beside the first."""
    p.root.write_file("f", b"x")
    p.root.chown("f", 0, 3016)
    p.root.chmod("f", 0o640)
    with p.root.client.actor(uid=ALICE, gid=STAFF, groups=list(range(3001, 3017))) as many:
        many.chdir(p.root.getcwd())
        report.works("read by the last of sixteen groups", many.read_file, "f")
    with p.root.client.actor(uid=ALICE, gid=STAFF, groups=list(range(3001, 3016))) as fewer:
        fewer.chdir(p.root.getcwd())
        report.fails(EACCES, "read without it", fewer.open, "f", os.O_RDONLY)


def access(report, p):
    """What access(2) says is what open then does."""
    p.alice.write_file("f", b"x")
    p.alice.mkdir("d")
    for bits, expected in ((0o754, ((True, True, True), (True, False, True), (True, False, False))), (0o421, ((True, False, False), (False, True, False), (False, False, True)))):
        for name in ("f", "d"):
            p.alice.chmod(name, bits)
            found = tuple(tuple(actor.access(name, what) for what in (R, W, X)) for actor in (p.alice, p.bob, p.nobody))
            if name == "d" and bits == 0o421:       # a server may say that w without x on a directory is of no use
                found = (found[0], (found[1][0], True, found[1][2]), found[2])
            report.equal(found, expected, "access(%s) with mode 0%o by owner, group, others" % (name, bits))
    p.alice.chmod("f", 0o600)
    report.equal((p.root.access("f", R), p.root.access("f", W), p.root.access("f", X)), (True, True, False), "root may all but execute what nobody may")


def open_modes(report, p):
    fd = report.works("create with mode 0, for writing", p.alice.open, "zero", os.O_CREAT | os.O_RDWR, 0)
    report.equal(p.alice.write(fd, b"mine"), 4, "the creator writes through its descriptor")
    p.alice.fsync(fd)
    report.equal(p.alice.pread(fd, 10, 0), b"mine", "and reads")
    p.alice.close(fd)
    report.fails(EACCES, "a second open of it", p.alice.open, "zero", os.O_RDWR)
    report.works("the owner makes it readable", p.alice.chmod, "zero", 0o400)
    report.equal(p.far_alice.read_file("zero"), b"mine", "content of it")
    fd = p.alice.open("held", os.O_CREAT | os.O_RDWR, 0o644)
    p.alice.write(fd, b"x")
    p.alice.chmod("held", 0)
    report.equal(p.alice.pwrite(fd, b"yz", 1), 2, "a descriptor writes on after chmod 0")
    p.alice.fsync(fd)
    report.equal(p.alice.pread(fd, 10, 0), b"xyz", "and reads on")
    p.alice.close(fd)


def times(report, p):
    p.alice.write_file("f", b"x")
    p.alice.chmod("f", 0o664)
    report.fails(EPERM, "another sets times", p.bob.utime, "f", (1, 1))
    report.works("another who may write sets the time to now", p.bob.utime, "f")
    report.works("the owner sets times", p.alice.utime, "f", (1, 2))
    report.equal(p.far.stat("f")["st_mtime"], 2.0, "the time that the owner set")
    p.alice.chmod("f", 0o644)
    report.fails(EACCES, "another who may not write sets the time to now", p.bob.utime, "f")


def links(report, p):
    p.alice.write_file("f", b"x")
    p.alice.mkdir("closed", 0o755)
    report.fails((EACCES, EPERM), "link into a directory without w", p.bob.link, "f", "closed/f")
    report.works("link by the owner", p.alice.link, "f", "closed/f")
    p.alice.symlink("f", "s")
    report.equal(p.nobody.read_file("s"), b"x", "reading through another's symbolic link")


def execution(report, p):
    # A client reads a program in order to run it, so the server lets those read who may execute.
    p.alice.write_file("true", p.root.read_file("/bin/true"))
    p.alice.chmod("true", 0o711)
    report.equal(p.alice.run("./true")[0], 0, "the owner runs a program on the export")
    report.equal(p.far_bob.run("./true")[0], 0, "another runs a program that it may execute but not read")
    report.fails(EACCES, "it may not read it", p.far_bob.open, "true", os.O_RDONLY)
    p.alice.chmod("true", 0o744)
    report.fails(EACCES, "one who may read but not execute", p.bob.run, "./true")
