"""Holes, sizes and large offsets."""
import os


def run(env, report):
    base = env.strict + "/" + env.directory("sparse")
    with env.a.actor() as a, env.b.actor() as b:
        for actor in (a, b):
            actor.chdir(base)
        holes(report, a, b)
        truncation(report, a, b)
        large(report, a, b)
        mapping(report, a, b)
        seeking(report, a, b)


def holes(report, a, b):
    mega = 1 << 20
    fd = a.open("hole", os.O_CREAT | os.O_RDWR)
    a.pwrite(fd, b"start", 0)
    a.pwrite(fd, b"end", 10 * mega)
    a.fsync(fd)
    a.close(fd)
    found = b.stat("hole")
    report.equal(found["st_size"], 10 * mega + 3, "size of a sparse file")
    report.check(found["st_blocks"] * 512 <= 2 * mega, "it takes little room", found["st_blocks"])
    content = b.read_file("hole")
    report.equal((content[:5], content[-3:], content[5:-3].count(0)), (b"start", b"end", 10 * mega - 5), "a hole reads as zero")
    report.equal(b.run("cp", "--sparse=always", "hole", "copy")[0], 0, "cp --sparse")
    report.equal(a.run("cmp", "hole", "copy"), (0, ""), "the copy is equal")
    fd = b.open("hole", os.O_RDWR)
    b.pwrite(fd, b"middle", 5 * mega - 3)
    b.close(fd)
    expected = bytearray(10 * mega + 3)
    expected[:5], expected[-3:], expected[5 * mega - 3:5 * mega + 3] = b"start", b"end", b"middle"
    report.equal(a.read_file("hole") == bytes(expected), True, "written into the middle of a hole by the other client")
    a.write_file("dense", b"\1" * mega)
    report.check(b.stat("dense")["st_blocks"] * 512 >= mega, "a dense file takes its room", b.stat("dense")["st_blocks"])


def truncation(report, a, b):
    for size in (0, 1, 4095, 4096, 65535, 65536, 65537, 300001):
        name = "t%d" % size
        a.write_file(name, b"\xff" * 200000)
        a.truncate(name, size)
        report.equal(b.stat(name)["st_size"], size, "truncated to %d" % size)
        a.truncate(name, 400000)
        kept = min(size, 200000)
        report.equal(b.read_file(name) == b"\xff" * kept + bytes(400000 - kept), True, "what lay beyond %d reads as zero when it grows again" % size)
    a.truncate("t0", 0)
    report.equal((b.stat("t0")["st_size"], b.stat("t0")["st_blocks"]), (0, 0), "an empty file takes no room")
    fd = a.open("grow", os.O_CREAT | os.O_RDWR)
    for size in (100, 1 << 30, 1 << 40):
        a.ftruncate(fd, size)
        report.equal(b.stat("grow")["st_size"], size, "a file without content of %d bytes" % size)
    report.equal(b.run("sh", "-c", "dd if=grow bs=4096 count=3 skip=1000000 2>/dev/null | tr -d '\\0' | wc -c")[1].strip(), "0", "it reads as zero")
    report.equal(b.stat("grow")["st_blocks"], 0, "and takes no room")
    a.close(fd)


def large(report, a, b):
    fd = a.open("large", os.O_CREAT | os.O_RDWR)
    places = [(1 << 31) - 3, (1 << 32) - 3, (1 << 40) + 1]
    for place in places:
        a.pwrite(fd, b"across", place)
    a.fsync(fd)
    report.equal(b.stat("large")["st_size"], places[-1] + 6, "size beyond 1 TiB")
    with_b = b.open("large", os.O_RDONLY)
    for place in places:
        report.equal(b.pread(with_b, 6, place), b"across", "read at %d" % place)
        report.equal(b.pread(with_b, 8, place - 8), bytes(8), "zero before it")
    b.close(with_b)
    a.close(fd)
    a.unlink("large")
    data = bytes(range(256)) * (8 << 12)        # 8 MiB
    a.write_file("big", data)
    report.equal(b.read_file("big") == data, True, "8 MiB written at once")
    fd = b.open("big", os.O_RDWR | os.O_DSYNC)
    b.pwrite(fd, b"sync", 4 << 20)
    b.close(fd)
    report.equal(a.read_file("big") == data[:4 << 20] + b"sync" + data[(4 << 20) + 4:], True, "an O_DSYNC write in its middle")


def mapping(report, a, b):
    a.write_file("map", bytes(10000))
    fd = a.open("map", os.O_RDWR)
    a.map_write(fd, 5000, b"through a map")
    a.close(fd)
    content = b.read_file("map")
    report.equal((len(content), content[5000:5013], content.count(0)), (10000, b"through a map", 10000 - 13), "written through a map")
    fd = b.open("map", os.O_RDONLY)
    report.equal(b.map_read(fd, 4998, 17), b"\0\0through a map\0\0", "read through a map")
    b.close(fd)


def seeking(report, a, b):
    """SEEK_DATA and SEEK_HOLE may say that all is data; they must not call data a hole."""
    fd = a.open("seek", os.O_CREAT | os.O_RDWR)
    a.pwrite(fd, b"x" * 65536, 1 << 20)
    a.ftruncate(fd, 3 << 20)
    a.fsync(fd)
    first = report.works("SEEK_DATA", a.lseek, fd, 0, os.SEEK_DATA)
    report.check(first is not None and 0 <= first <= 1 << 20, "SEEK_DATA finds the data", first)
    hole = report.works("SEEK_HOLE", a.lseek, fd, 1 << 20, os.SEEK_HOLE)
    report.check(hole is not None and (1 << 20) + 65536 <= hole <= 3 << 20, "SEEK_HOLE skips the data", hole)
    status = a.run("fallocate", "-l", "1048576", "reserved")
    report.check(status[0] == 0 or "not supported" in status[1], "fallocate works or is not supported", status)
    a.close(fd)
