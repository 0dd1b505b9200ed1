"""Proves that each structure check can fail: plants one violation in a copy of the tree, and wants it caught.

A planted case is (check, files to write, what the violation must name). Symbol checks get an object that is compiled
from the planted file as the build would do it."""

import os
import shutil
import subprocess
import tempfile

import check_headers
import check_includes
import check_symbols
from tree import FOLDERS, Tree

GUARD = "#ifndef {0}\n#define {0}\n{1}\n#endif\n"


def header(path, body):
    return {path: GUARD.format(path.upper().replace("/", "_").replace(".", "_"), body)}


def source(path, body):
    return {path: body}


INCLUDE_CASES = [
    ("check_folders_known", source("statestore/odd/x.c", "int x;\n"), "statestore/odd/x.c"),
    ("check_directions", source("base/planted.c", '#include "proto/planted.h"\n') | header("proto/planted.h", ""), "base/planted.c"),
    ("check_directions", source("statestore/machine/planted.c", '#include "statestore/store/kv_rocksdb.h"\n'), "kv_rocksdb.h"),
    ("check_directions", source("server/nfs4/planted.c", '#include "server/daemon/node.h"\n'), "daemon"),
    ("check_directions", source("gateway/planted.c", '#include "proto/nfs4/types.h"\n'), "gateway/planted.c"),
    ("check_full_paths", source("base/planted.c", '#include "planted_sibling.h"\n'), "planted_sibling.h"),
    ("check_own_header_first", header("base/planted.h", "") | source("base/planted.c", '#include <stdint.h>\n#include "base/planted.h"\n'), "base/planted.c"),
    (
        "check_cycles",
        header("base/planted_a.h", '#include "base/planted_b.h"') | header("base/planted_b.h", '#include "base/planted_a.h"'),
        "base/planted_a.h -> base/planted_b.h -> base/planted_a.h",
    ),
    ("check_foreign", source("gateway/planted.c", "#include <rocksdb/c.h>\n"), "gateway/planted.c"),
    ("check_foreign", source("server/nfs4/planted.c", "#include <uv.h>\n"), "server/nfs4/planted.c"),
    ("check_foreign", source("statestore/machine/planted.c", "#include <time.h>\n"), "<time.h>"),
    ("check_foreign", source("proto/planted.c", "#include <pthread.h>\n"), "<pthread.h>"),
    ("check_foreign_limits", {k: v for i in range(4) for k, v in source(f"cluster/planted{i}.c", "#include <raft.h>\n").items()}, "include raft"),
    ("check_foreign_limits", {k: v for i in range(3) for k, v in source(f"statestore/store/planted{i}.c", "#include <rocksdb/c.h>\n").items()}, "include rocksdb"),
    ("check_foreign_limits", {k: v for i in range(2) for k, v in source(f"blockstore/planted{i}.c", "#include <curl/curl.h>\n").items()}, "include curl"),
    ("check_guards", {"base/planted.h": "#pragma once\n"}, "base/planted.h"),
    ("check_median", None, "median"),
]  # fmt: skip

SYMBOL_CASES = [
    ("check_pure_calls", "statestore/machine/planted.c", "#include <stdlib.h>\nvoid *f(void);\nvoid *f(void) { return malloc(8); }\n", "calls malloc"),
    ("check_pure_calls", "server/nfs4/planted.c", "long time(long *);\nlong f(void);\nlong f(void) { return time(0); }\n", "calls time"),
    ("check_pure_calls", "proto/planted.c", "int printf(const char *, ...);\nint f(int x);\nint f(int x) { return printf(\"%d\", x); }\n", "calls printf"),
    ("check_pure_calls", "statestore/machine/planted.c", "struct c { void *a; void *b; void *c; };\nstruct c clock_system(void);\nstruct c f(void);\nstruct c f(void) { return clock_system(); }\n", "clock_system"),
    ("check_pure_calls", "statestore/machine/planted.c", "int pthread_mutex_lock(void *);\nint f(void *x);\nint f(void *x) { return pthread_mutex_lock(x); }\n", "pthread_mutex_lock"),
    ("check_pure_calls", "proto/planted.c", "void *buffer_create(unsigned long);\nvoid *f(void);\nvoid *f(void) { return buffer_create(8); }\n", "buffer_create"),
    ("check_pure_calls", "statestore/machine/planted.c", "void *heap_alloc(unsigned long);\nvoid *f(void);\nvoid *f(void) { return heap_alloc(8); }\n", "heap_alloc"),
    ("check_mutable_variables", "cluster/planted.c", "int f(void);\nint f(void) { static int count; return count++; }\n", "variable count"),
    ("check_mutable_variables", "gateway/planted.c", "int planted_total = 5;\n", "planted_total"),
    ("check_mutable_variables", "base/planted.c", "_Thread_local int planted_thread;\n", "planted_thread"),
    ("check_recursion", "server/nfs4/planted.c", "int f(int x);\nint f(int x) { return x ? f(x - 1) * 3 : 1; }\n", "f -> "),
    ("check_recursion", "proto/planted.c", "int g(int x);\n__attribute__((noinline)) static int f(int x) { return x ? g(x - 1) * 3 : 1; }\nint g(int x) { return f(x) + 1; }\n", "recursion"),
]  # fmt: skip


def write(root, files):
    for path, text in files.items():
        target = os.path.join(root, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "w", encoding="utf-8") as file:
            file.write(text)


def copy_tree(root, target):
    for top in sorted({folder.split("/")[0] for folder in FOLDERS}):
        if os.path.isdir(os.path.join(root, top)):
            shutil.copytree(os.path.join(root, top), os.path.join(target, top))


def long_headers():
    """Sources that see a header of 3,000 lines, more of them than the tree has others."""
    files = header("base/planted.h", "\n" * 3000)
    for number in range(1000):
        files[f"base/planted{number}.c"] = '#include "base/planted.h"\n'
    return files


def include_case(root, check, files, wanted):
    with tempfile.TemporaryDirectory(prefix="qnfs-structure-") as copy:
        copy_tree(root, copy)
        write(copy, files if files is not None else long_headers())
        return any(wanted in text for text in getattr(check_includes, check)(Tree(copy)))


def header_case(root, build_dir):
    with tempfile.TemporaryDirectory(prefix="qnfs-structure-") as copy:
        copy_tree(root, copy)
        write(copy, header("base/planted.h", "uint64_t f(void);"))
        return any("base/planted.h" in text for text in check_headers.check_self_contained(Tree(copy), build_dir))


def symbol_case(root, build_dir, check, path, text, wanted):
    """The copy's build folder holds symbolic links to the real objects and one new object."""
    with tempfile.TemporaryDirectory(prefix="qnfs-structure-") as copy:
        copy_tree(root, copy)
        write(copy, {path: text})
        copied_objects = os.path.join(copy, "build", "CMakeFiles")
        shutil.copytree(os.path.abspath(os.path.join(build_dir, "CMakeFiles")), copied_objects, copy_function=os.symlink)
        output = os.path.join(copied_objects, "qnfs_planted.dir", path + ".o")
        os.makedirs(os.path.dirname(output))
        command = ["gcc", "-std=c17", "-Og", "-fPIE", "-I", copy, "-c", os.path.join(copy, path), "-o", output]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        objects = check_symbols.Objects(Tree(copy), os.path.join(copy, "build"))
        return any(wanted in found for found in getattr(check_symbols, check)(objects))


def run_all(root, build_dir):
    """Yields (name, caught) for every planted violation."""
    for check, files, wanted in INCLUDE_CASES:
        yield f"{check} ({wanted})", include_case(root, check, files, wanted)
    yield "check_self_contained", header_case(root, build_dir)
    for check, path, text, wanted in SYMBOL_CASES:
        yield f"{check} ({path}: {wanted})", symbol_case(root, build_dir, check, path, text, wanted)


def untested_checks():
    """Checks that no planted case covers."""
    covered = {case[0] for case in INCLUDE_CASES} | {case[0] for case in SYMBOL_CASES} | {"check_self_contained"}
    checks = check_includes.CHECKS + check_headers.CHECKS + check_symbols.CHECKS
    return [check.__name__ for check in checks if check.__name__ not in covered]
