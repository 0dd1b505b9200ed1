"""A large directory: every entry listed exactly once, also while others come and go, on both clients."""
import threading


def run(env, report):
    directory = env.directory("bigdir") + "/many"
    count = 100000 if env.long_form else 3000 if env.killing else 6000
    report.program("fill", *env.program(env.a, "bigdir", "fill", directory, count))
    results = {}

    def work(name, client, *arguments):
        results[name] = env.program(client, "bigdir", *arguments)
    threads = [threading.Thread(target=work, args=("churn", env.a, "churn", directory, count, 30)),
               threading.Thread(target=work, args=("list near", env.a, "list", directory, count, 2)),
               threading.Thread(target=work, args=("list far", env.b, "list", directory, count, 3)),
               threading.Thread(target=work, args=("list far, no caching", env.b, "list", env.strict + "/" + directory, count, 2))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for name in sorted(results):
        report.program(name, *results[name])
    report.program("list at rest", *env.program(env.b, "bigdir", "list", directory, count, 1))
    report.program("empty", *env.program(env.b, "bigdir", "empty", directory))
    with env.a.actor() as root:
        report.equal(root.listdir(env.strict + "/bigdir"), [], "nothing is left, seen from the other client")
