"""Names: what creating, linking, renaming and removing answers, seen from both clients."""
import os, stat, threading

from errno import EACCES, EEXIST, EINVAL, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, ENOTEMPTY, EPERM, EROFS, EXDEV


def run(env, report):
    base = env.strict + "/" + env.directory("names") + "/"
    with env.a.actor() as a, env.b.actor() as b:
        for part in (directories, files, links, symlinks, long_names, odd_names, rename_files, rename_directories, nodes, listing):
            where = base + part.__name__
            a.mkdir(where)
            a.chdir(where)
            b.chdir(where)
            part(report, a, b)
        exclusive(env, report, base + "exclusive")
        file_system(report, a)
        exports(env, report, a)


def directories(report, a, b):
    report.works("mkdir", a.mkdir, "d", 0o750)
    found = b.stat("d")
    report.equal((stat.S_IFMT(found["st_mode"]), found["st_mode"] & 0o7777, found["st_nlink"]), (stat.S_IFDIR, 0o750, 2), "a new directory")
    report.fails(EEXIST, "mkdir of what is there", b.mkdir, "d")
    report.works("mkdir below", b.mkdir, "d/e")
    report.equal(a.stat("d")["st_nlink"], 3, "a directory's link count counts its subdirectories")
    report.fails(ENOTEMPTY, "rmdir of a directory with an entry", a.rmdir, "d")
    report.fails(ENOENT, "mkdir below what is not there", a.mkdir, "x/y")
    a.write_file("f", b"")
    report.fails(ENOTDIR, "mkdir below a file", a.mkdir, "f/y")
    report.fails(ENOTDIR, "rmdir of a file", b.rmdir, "f")
    report.fails(EISDIR, "unlink of a directory", a.unlink, "d")
    report.fails(EISDIR, "open of a directory for writing", a.open, "d", os.O_RDWR)
    report.fails(ENOENT, "rmdir of what is not there", a.rmdir, "x")
    report.works("rmdir", a.rmdir, "d/e")
    report.equal(b.stat("d")["st_nlink"], 2, "the link count goes down again")
    report.works("rmdir by the other client", b.rmdir, "d")
    report.fails(ENOENT, "stat of a removed directory", a.stat, "d")


def files(report, a, b):
    fd = report.works("O_CREAT|O_EXCL", a.open, "f", os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o640)
    a.write(fd, b"hello")
    a.close(fd)
    report.fails(EEXIST, "O_CREAT|O_EXCL of what is there", b.open, "f", os.O_CREAT | os.O_EXCL | os.O_RDWR)
    report.equal(b.read_file("f"), b"hello", "content seen by the other client")
    found = b.stat("f")
    report.equal((found["st_mode"], found["st_size"], found["st_nlink"]), (stat.S_IFREG | 0o640, 5, 1), "mode, size, links of a new file")
    fd = report.works("O_CREAT of what is there", b.open, "f", os.O_CREAT | os.O_RDWR, 0o600)
    report.equal(b.fstat(fd)["st_mode"] & 0o7777, 0o640, "O_CREAT leaves the mode of what is there alone")
    b.close(fd)
    report.works("O_TRUNC", b.close, b.open("f", os.O_WRONLY | os.O_TRUNC))
    report.equal(a.stat("f")["st_size"], 0, "O_TRUNC makes the file empty")
    report.works("O_CREAT|O_TRUNC of what is there", a.write_file, "f", b"once more")
    report.equal(b.read_file("f"), b"once more", "written after O_TRUNC")
    report.fails(ENOENT, "open of what is not there", a.open, "x", os.O_RDONLY)
    report.fails(ENOENT, "O_CREAT below what is not there", a.open, "x/y", os.O_CREAT | os.O_RDWR)
    report.fails(ENOTDIR, "open below a file", a.open, "f/y", os.O_RDONLY)
    report.fails(ENOTDIR, "O_DIRECTORY of a file", a.open, "f", os.O_RDONLY | os.O_DIRECTORY)
    for number in range(20):        # appends of two clients, one after the other, each on what the other left
        (a, b)[number % 2].write_file("log", b"%04d\n" % number, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    report.equal(a.read_file("log"), b"".join(b"%04d\n" % n for n in range(20)), "O_APPEND by two clients in turn")
    report.works("unlink", a.unlink, "f")
    report.fails(ENOENT, "unlink of what is not there", b.unlink, "f")
    report.fails(ENOENT, "stat of a removed file", b.stat, "f")


def links(report, a, b):
    a.write_file("f", b"one")
    report.works("link", b.link, "f", "g")
    one, two = a.stat("f"), a.stat("g")
    report.equal((one["st_ino"], one["st_nlink"], two["st_nlink"]), (two["st_ino"], 2, 2), "two names of one file")
    report.fails(EEXIST, "link to a name that is there", a.link, "f", "g")
    report.fails(ENOENT, "link of what is not there", a.link, "x", "y")
    a.mkdir("d")
    report.fails((EPERM, EACCES), "link of a directory", a.link, "d", "e")
    report.works("link into another directory", a.link, "f", "d/h")
    b.write_file("d/h", b"changed")
    report.equal(a.read_file("f"), b"changed", "written through one name, read through another")
    report.works("unlink of one name", b.unlink, "f")
    report.equal((a.stat("g")["st_nlink"], a.read_file("g")), (2, b"changed"), "the file stays under its other names")
    a.symlink("g", "s")
    report.works("link of a symbolic link itself", a.link, "s", "s2", follow_symlinks=False)
    report.equal((b.lstat("s2")["st_nlink"], b.readlink("s2")), (2, "g"), "two names of one symbolic link")
    for number in range(50):
        a.link("g", "d/many%d" % number)
    report.equal(b.stat("g")["st_nlink"], 52, "fifty more names")


def symlinks(report, a, b):
    report.works("symlink", a.symlink, "target", "s")
    found = b.lstat("s")
    report.equal((stat.S_IFMT(found["st_mode"]), found["st_size"]), (stat.S_IFLNK, 6), "type and size of a symbolic link")
    report.equal(b.readlink("s"), "target", "readlink by the other client")
    report.fails(ENOENT, "stat of one that leads nowhere", b.stat, "s")
    report.fails(EEXIST, "symlink to a name that is there", b.symlink, "other", "s")
    report.fails(EEXIST, "O_EXCL on a symbolic link that leads nowhere", b.open, "s", os.O_CREAT | os.O_EXCL | os.O_RDWR)
    report.fails(ELOOP, "O_NOFOLLOW", b.open, "s", os.O_RDONLY | os.O_NOFOLLOW)
    report.works("O_CREAT through a symbolic link", b.write_file, "s", b"through")
    report.equal(a.read_file("target"), b"through", "the target is made")
    report.fails(EINVAL, "readlink of a file", a.readlink, "target")
    a.symlink("loop2", "loop1")
    a.symlink("loop1", "loop2")
    report.fails(ELOOP, "two that lead to each other", b.stat, "loop1")
    for length in (1, 255, 1023, 1024, 4095):
        text = ("x" * 99 + "/") * 41
        report.works("symlink of %d bytes" % length, a.symlink, text[:length], "len%d" % length)
        report.equal(b.readlink("len%d" % length), text[:length], "readlink of %d bytes" % length)
    report.works("unlink of a symbolic link", a.unlink, "s")
    report.equal(b.exists("target"), True, "its target stays")


def long_names(report, a, b):
    fits, long = "n" * 255, "n" * 256
    report.works("create with 255 bytes", a.write_file, fits, b"x")
    report.works("mkdir with 255 bytes", a.mkdir, "d" + fits[1:])
    report.equal(sorted(b.listdir(".")), sorted([fits, "d" + fits[1:]]), "names of 255 bytes are listed whole")
    a.write_file("f", b"")
    for text, function, arguments in (("create", a.write_file, (long, b"")), ("mkdir", a.mkdir, (long,)), ("symlink", a.symlink, ("t", long)),
                                      ("link", a.link, ("f", long)), ("rename", a.rename, ("f", long)), ("stat", a.stat, (long,)),
                                      ("unlink", a.unlink, (long,)), ("mkfifo", a.mkfifo, (long,))):
        report.fails(ENAMETOOLONG, "%s with 256 bytes" % text, function, *arguments)
    umlauts = "ä" * 127 + "x"
    report.works("255 bytes of UTF-8", a.mkdir, umlauts)
    report.works("the same from the other client", b.rmdir, umlauts)


def odd_names(report, a, b):
    names = ["with blank", " ", "-", "--help", "...", "a\nb", "tab\t", "q'\"`", "back\\slash", "*?[]", "\x01\x7f", "Käse", "日本語", "🐘",
             "e\u0301", "\u00e9", "%s%n", "CON", "a:b", "~"]
    for name in names:
        a.write_file(name, os.fsencode(name))
    report.equal(sorted(b.listdir(".")), sorted(names), "odd names are listed as they were made")
    report.equal([b.read_file(n) for n in names], [os.fsencode(n) for n in names], "odd names are found again")
    report.works("names that differ in case are two", b.write_file, "käse", b"small")
    report.equal(a.read_file("Käse"), "Käse".encode(), "the other of two names that differ in case")
    for name in names:
        b.unlink(name)
    report.equal(a.listdir("."), ["käse"], "odd names are removed")


def rename_files(report, a, b):
    a.write_file("f", b"f")
    ino = a.stat("f")["st_ino"]
    report.works("rename", a.rename, "f", "g")
    report.fails(ENOENT, "the old name", b.stat, "f")
    report.equal((b.stat("g")["st_ino"], b.read_file("g")), (ino, b"f"), "the new name is the same file")
    a.write_file("h", b"h")
    report.works("rename over a file", b.rename, "g", "h")
    report.equal((a.read_file("h"), a.stat("h")["st_ino"], sorted(a.listdir("."))), (b"f", ino, ["h"]), "the file that was there is gone")
    report.fails(ENOENT, "rename of what is not there", a.rename, "x", "y")
    a.mkdir("d")
    report.fails(EISDIR, "rename of a file over a directory", a.rename, "h", "d")
    report.fails(ENOTDIR, "rename of a directory over a file", a.rename, "d", "h")
    report.works("rename into another directory", a.rename, "h", "d/moved")
    report.equal(b.read_file("d/moved"), b"f", "read after the move")
    b.link("d/moved", "second")
    report.works("rename of a file over its own other name", a.rename, "second", "d/moved")
    report.equal((b.exists("second"), b.stat("d/moved")["st_nlink"]), (True, 2), "does nothing")
    a.write_file("busy", b"old")
    fd = a.open("busy", os.O_RDONLY)
    a.write_file("new", b"new")
    report.works("rename over an open file", a.rename, "new", "busy")
    report.equal((a.pread(fd, 10, 0), b.read_file("busy")), (b"old", b"new"), "old content through the descriptor, new by the name")
    a.close(fd)
    a.symlink("nowhere", "s")
    report.works("rename of a symbolic link", b.rename, "s", "s2")
    report.equal(a.readlink("s2"), "nowhere", "it is the link that moves")
    for round_number in range(10):
        a.rename("busy", "there")
        b.rename("there", "busy")
    report.equal(a.read_file("busy"), b"new", "renamed to and fro by two clients")


def rename_directories(report, a, b):
    a.mkdir("one")
    a.mkdir("two")
    a.mkdir("one/sub")
    a.write_file("one/sub/f", b"deep")
    report.equal((a.stat("one")["st_nlink"], a.stat("two")["st_nlink"]), (3, 2), "link counts before")
    report.works("rename of a directory into another", a.rename, "one/sub", "two/sub")
    report.equal(b.read_file("two/sub/f"), b"deep", "its content goes with it")
    report.equal((b.stat("one")["st_nlink"], b.stat("two")["st_nlink"]), (2, 3), "link counts after")
    report.equal(b.stat("two/sub/..")["st_ino"], b.stat("two")["st_ino"], "its '..' is the new parent")
    report.works("rename over an empty directory", b.rename, "two/sub", "one")
    report.equal(a.read_file("one/f"), b"deep", "found under the other name")
    a.mkdir("full")
    a.write_file("full/f", b"")
    report.fails((ENOTEMPTY, EEXIST), "rename over a directory with an entry", a.rename, "one", "full")
    report.fails(EINVAL, "rename into itself", a.rename, "full", "full/below")
    a.mkdir("full/mid")
    report.fails(EINVAL, "rename into its own subdirectory", b.rename, "full", "full/mid/below")
    path = "deep"
    a.mkdir(path)
    for level in range(40):
        path += "/%d" % level
        a.mkdir(path)
    a.write_file(path + "/end", b"bottom")
    report.works("rename at the top of a deep tree", a.rename, "deep", "moved")
    report.equal(b.read_file("moved" + path[4:] + "/end"), b"bottom", "read at the bottom")


def nodes(report, a, b):
    report.works("mkfifo", a.mkfifo, "fifo", 0o640)
    report.works("mknod of a character device", a.mknod, "char", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    report.works("mknod of a block device", a.mknod, "block", stat.S_IFBLK | 0o600, os.makedev(259, 70000))
    report.works("mknod of a socket", a.mknod, "socket", stat.S_IFSOCK | 0o600)
    report.works("mknod of a file", a.mknod, "file", stat.S_IFREG | 0o600)
    for name, kind, device in (("fifo", stat.S_IFIFO, 0), ("char", stat.S_IFCHR, os.makedev(1, 3)), ("block", stat.S_IFBLK, os.makedev(259, 70000)),
                               ("socket", stat.S_IFSOCK, 0), ("file", stat.S_IFREG, 0)):
        found = b.lstat(name)
        report.equal((stat.S_IFMT(found["st_mode"]), found["st_rdev"]), (kind, device), "type and device of the %s" % name)
    report.fails(EEXIST, "mkfifo of what is there", b.mkfifo, "fifo")
    report.works("rename of a fifo", b.rename, "fifo", "fifo2")
    report.works("unlink of a socket", b.unlink, "socket")


def listing(report, a, b):
    report.equal(b.listdir("."), [], "an empty directory lists nothing")
    names = ["entry%04d" % n for n in range(600)]
    a.each([("mkdir", (n,)) for n in names])
    report.equal(sorted(b.listdir(".")), names, "600 entries, seen by the other client")
    b.each([("rmdir", (n,)) for n in names[::2]])
    report.equal(sorted(a.listdir(".")), names[1::2], "half of them removed")
    a.each([("rename", (n, "moved-" + n)) for n in names[1::2]])
    report.equal(sorted(b.listdir(".")), ["moved-" + n for n in names[1::2]], "the rest renamed")


def exclusive(env, report, where):
    """Processes of both clients race for the same names; each name must be won once."""
    rounds = 40
    actors = [c.actor() for c in (env.a, env.a, env.b, env.b)]
    actors[0].mkdir(where)
    wins = [0] * len(actors)
    lost = [0] * len(actors)
    other = []

    def race(index, actor):
        for number in range(rounds):
            name = "%s/%d" % (where, number)
            try:
                if number % 2:
                    actor.mkdir(name)
                else:
                    actor.close(actor.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
                wins[index] += 1
            except OSError as e:
                if e.errno == EEXIST:
                    lost[index] += 1
                else:
                    other.append(e)
    threads = [threading.Thread(target=race, args=(i, actor)) for i, actor in enumerate(actors)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    report.check(not other, "no other error in a race for names", other[:2])
    report.equal((sum(wins), sum(lost)), (rounds, rounds * 3), "each name of a race is won exactly once (%s)" % wins)
    for actor in actors:
        actor.end()


def file_system(report, a):
    found = a.statvfs(".")
    report.equal(found["f_namemax"], 255, "statfs: longest name")
    report.check(found["f_blocks"] > 0 and 0 < found["f_bfree"] <= found["f_blocks"] and found["f_bavail"] <= found["f_bfree"], "statfs: blocks", found)
    report.check(found["f_files"] > 0 and 0 < found["f_ffree"] <= found["f_files"], "statfs: files", found)
    report.check(found["f_bsize"] >= 512 and found["f_frsize"] >= 512, "statfs: block sizes", found)


def exports(env, report, a):
    """The pseudo root joins the exports, is read-only, and files do not move between exports."""
    if len(env.server.exports) < 2:
        report.line("one export only: no check across exports")
        return
    one, two = env.server.exports[:2]
    root = "/tmp/root"
    a.mkdir(root)
    options = "vers=%s,port=%d" % (env.version, env.server.port)
    host = a.text("/proc/mounts").split(":" + one)[0].split()[-1]
    status, output = a.run("mount.nfs", host + ":/", root, "-o", options)
    if not report.check(status == 0, "mount of the pseudo root", output):
        return
    report.equal(sorted(a.listdir(root)), sorted(e[1:] for e in env.server.exports), "the pseudo root lists the exports")
    report.fails((EROFS, EACCES, EPERM), "mkdir in the pseudo root", a.mkdir, root + "/new")
    report.fails((EROFS, EACCES, EPERM), "create in the pseudo root", a.write_file, root + "/new", b"")
    a.write_file(root + one + "/names/across", b"across")
    report.fails(EXDEV, "rename to another export", a.rename, root + one + "/names/across", root + two + "/across")
    report.fails(EXDEV, "link to another export", a.link, root + one + "/names/across", root + two + "/across")
    report.works("a file in the second export", a.write_file, root + two + "/only-here", b"2")
    report.equal(a.exists(env.strict + "/only-here"), False, "it is not in the first")
    report.check(a.stat(root + one)["st_dev"] != a.stat(root + two)["st_dev"], "exports are file systems of their own")
    report.equal(a.run("umount", "-R", root)[0], 0, "umount of the pseudo root")
