"""A name that is replaced by rename all the time is never missing and never half, on either client.

Two rounds, because the Linux client itself is not atomic when the file that goes is open on the same client:
it first moves that file aside by a RENAME of its own ("silly rename"), so another client rightly finds no name
for a moment. In the second round nobody on the writer's client has the file open."""
import threading


def run(env, report):
    seconds = 120 if env.long_form else 6 if env.killing else 4
    near = [("near reader", env.a, "/mnt", "near")]
    far = [("far reader", env.b, "/mnt", "far"), ("far reader, no caching", env.b, env.strict, "far")]
    for directory, readers in ((env.directory("rename-near"), near), (env.directory("rename-far"), far)):
        results = {}

        def work(name, client, *arguments):
            results[name] = env.program(client, "rename", *arguments)
        threads = [threading.Thread(target=work, args=("writer", env.a, "write", directory, seconds))]
        for name, client, mount, kind in readers:
            threads.append(threading.Thread(target=work, args=(name, client, "read", mount + "/" + directory, seconds - 1, kind)))
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        report.equal(len(results), len(readers) + 1, "%s: all programs ended" % directory)
        for name in sorted(results):
            report.program(name, *results[name])
