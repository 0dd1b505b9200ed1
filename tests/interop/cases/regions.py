"""Regions of one file, protected by byte-range locks, rewritten by processes of both clients."""
import threading


def run(env, report):
    directory = env.directory("regions")
    seconds = 300 if env.long_form else 8 if env.killing else 4
    file = directory + "/shared"
    results = {}

    def work(client, seed):
        results[client.name] = env.program(client, "regions", "work", file, seed, client.name, 3, seconds)
    threads = [threading.Thread(target=work, args=(c, env.seed + i)) for i, c in enumerate((env.a, env.b))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for name in sorted(results):
        report.program("client " + name, *results[name])
    for client in (env.a, env.b):
        report.program("sums seen by " + client.name, *env.program(client, "regions", "verify", file, "a", "b"))
