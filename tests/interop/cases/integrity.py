"""Several processes with files of their own against a model in memory, on both clients at once."""
import threading


def run(env, report):
    directory = env.directory("integrity")
    seconds = 300 if env.long_form else 8 if env.killing else 5
    results = {}

    def work(client, seed):
        results[client.name] = env.program(client, "integrity", "%s/%s" % (directory, client.name), seed, 3, seconds)
    threads = [threading.Thread(target=work, args=(c, env.seed + i)) for i, c in enumerate((env.a, env.b))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for name in sorted(results):
        report.program("client " + name, *results[name])
    report.equal(sorted(results), ["a", "b"], "both clients worked")
