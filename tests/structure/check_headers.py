"""Every header compiles alone, so whoever includes it needs nothing before it."""

import concurrent.futures
import os
import subprocess


def header_compile(root, generated, path):
    """The compiler's first complaint about a header on its own, or None."""
    command = ["gcc", "-std=c17", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Werror", "-I", root]
    command += ["-isystem", generated, "-x", "c", "-include", path, os.devnull]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode == 0:
        return None
    errors = [line for line in done.stderr.splitlines() if "error:" in line]
    return f"{path}: is not self-contained: {(errors or done.stderr.splitlines() or ['?'])[0]}"


def check_self_contained(tree, build_dir):
    """Compiles each header alone; generated headers come from the build folder."""
    headers = [path for path in tree.includes if path.endswith(".h")]
    generated = os.path.join(build_dir, "generated")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        results = pool.map(lambda path: header_compile(tree.root, generated, path), headers)
    return [text for text in results if text is not None]


CHECKS = [check_self_contained]
