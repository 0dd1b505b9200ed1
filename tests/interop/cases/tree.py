"""A tree of thousands of files, copied in by one client, compared by the other and by itself, and removed."""


def run(env, report):
    directory = env.directory("tree")
    count = 30000 if env.long_form else 600 if env.killing else 1000
    arguments = (env.seed, count)
    report.program("make", *env.program(env.a, "tree", "make", "/tmp/tree", *arguments, planted=False))

    def shell(client, command):
        status, output = client.execute(command, "/mnt", 3000)
        report.check(status == 0, command, output.decode(errors="replace")[-500:])
    shell(env.a, "cp -a /tmp/tree %s/copy" % directory)
    report.program("compare, other client", *env.program(env.b, "tree", "verify", directory + "/copy", *arguments))
    shell(env.a, "echo 3 > /proc/sys/vm/drop_caches")
    report.program("compare, cold", *env.program(env.a, "tree", "verify", directory + "/copy", *arguments))
    if not env.planted:
        shell(env.b, "cp -a %s/copy /tmp/back" % directory)
        report.program("compare, copied back", *env.program(env.b, "tree", "verify", "/tmp/back", *arguments))
        shell(env.b, "rm -rf /tmp/back")
    shell(env.a, "rm -rf /tmp/tree %s/copy && test -z \"$(ls -A %s)\"" % (directory, directory))
