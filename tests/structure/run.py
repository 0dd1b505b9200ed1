#!/usr/bin/env python3
"""The structure of the tree: runs every check, then proves that each can fail.

    tests/structure/run.py BUILD_DIR      a debug build of this tree

Prints `ok structure/CHECK` or its violations and `FAILED structure/CHECK`."""

import os
import sys

import check_headers
import check_includes
import check_symbols
import self_test
from tree import Tree


def report(name, violations):
    name = name.removeprefix("check_").replace("_", "-")
    for text in violations:
        print(f"    {text}")
    print(f"FAILED structure/{name}: {len(violations)}" if violations else f"ok structure/{name}", flush=True)
    return not violations


def main():
    if len(sys.argv) != 2:
        print("usage: tests/structure/run.py BUILD_DIR", file=sys.stderr)
        return 2
    root = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    build_dir = os.path.realpath(sys.argv[1])
    tree = Tree(root)
    objects = check_symbols.Objects(tree, build_dir)
    good = True
    for check in check_includes.CHECKS:
        good &= report(check.__name__, check(tree))
    for check in check_headers.CHECKS:
        good &= report(check.__name__, check(tree, build_dir))
    for check in check_symbols.CHECKS:
        good &= report(check.__name__, check(objects))
    missed = [f"a planted violation was not found: {name}" for name, caught in self_test.run_all(root, build_dir) if not caught]
    missed += [f"{name} has no planted violation" for name in self_test.untested_checks()]
    good &= report("planted-violations", missed)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
