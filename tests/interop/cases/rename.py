"""A name that is replaced by rename all the time is never missing and never half, on either client."""
import threading


def run(env, report):
    directory = env.directory("rename")
    seconds = 120 if env.long_form else 15 if env.killing else 5
    results = {}

    def work(name, client, *arguments):
        results[name] = env.program(client, "rename", *arguments)
    threads = [threading.Thread(target=work, args=("writer", env.a, "write", directory, seconds)),
               threading.Thread(target=work, args=("near reader", env.a, "read", directory, seconds - 1, "near")),
               threading.Thread(target=work, args=("far reader", env.b, "read", directory, seconds - 1, "far")),
               threading.Thread(target=work, args=("far reader, no caching", env.b, "read", env.strict + "/" + directory, seconds - 1, "far"))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for name in sorted(results):
        report.program(name, *results[name])
