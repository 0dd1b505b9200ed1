"""Checks on the compiled objects of a debug build: what pure code calls, mutable variables, recursion.

The names that an object leaves undefined are all that it can call outside itself, so this sees what no reading of
includes can see. It sees names, not function pointers: a clock handed in as a parameter is allowed, and meant."""

import collections
import os
import re
import subprocess

from tree import FOLDERS, KV_PORT, find_cycles, folder_of, is_pure

# What pure code may call of the C library: no state, no allocation, no I/O.
LIBC = {
    "memcpy", "memmove", "memset", "memcmp", "memchr", "memrchr",
    "strlen", "strnlen", "strcmp", "strncmp", "strchr",
    "snprintf", "vsnprintf",  # into a buffer of ours; numbers only, so no locale
    "abort",
    "bsearch",  # unlike qsort it never allocates
}  # fmt: skip
FOREIGN_CALLS = [
    # one-shot and streaming hashes; createState would allocate
    re.compile(r"^XXH(32|64|3_64bits|3_128bits|128)(?!_createState|_freeState)"),
    # packing and unpacking with the allocator that the caller names (an arena)
    re.compile(r"^protobuf_c_"),
]
TOOLCHAIN = re.compile(r"^(_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|__(asan|ubsan|tsan|sanitizer)_.*)$")
# Few, each with its reason. Everything else in the folder stays pure.
EXCEPTIONS = {
    "base/arena.c": {"malloc", "free"},  # the one allocator behind all arenas
    "base/buffer.c": {"malloc", "free"},  # counted buffers: records, replies and log entries that cross threads
    "base/heap.c": {"calloc", "free"},  # what the programs in server/ keep longer than a request
    "base/check.c": {"fprintf", "stderr"},  # the last words of a broken process
    "base/clock.c": {"clock_gettime"},  # the system clock behind the port
    "base/log.c": {"clock_gettime", "gmtime_r", "strftime", "write"},  # the shell's log
    "base/random.c": {"getrandom"},  # the system generator behind the port
}
# Functions of pure folders that are the shell's: other pure code must not call them.
SHELL_ONLY = {"clock_system", "random_system", "log_line"}
# The heap is for what a program in server/ keeps in memory (slot tables, parked compounds) or hands to the shell (a reply
# in a counted buffer). The machine's truth is in its store and a codec's in its arena: they have no use for it.
HEAP = {"heap_alloc", "heap_grow", "heap_free", "buffer_create"}
HEAP_USERS = ("base/", "server/")

# Mutable file-scope variables that are allowed; a reason stands behind each.
MUTABLE_ALLOWED = {}


class Objects:
    """The object files of a build folder that belong to sources of the tree."""

    def __init__(self, tree, build_dir):
        self.tree = tree
        self.files = {}  # source path -> object file
        self.defined = {}  # global symbol -> source path (generated code: proto/...)
        self.undefined = {}  # source path -> set of symbols
        objects_dir = os.path.join(build_dir, "CMakeFiles")
        for target in sorted(os.listdir(objects_dir)):
            if target.startswith("qnfs_") and target.endswith(".dir"):
                base = os.path.join(objects_dir, target)
                for folder, _, names in os.walk(base):
                    for name in names:
                        if name.endswith(".c.o"):
                            path = os.path.join(folder, name)
                            self.add(os.path.relpath(path, base)[: -len(".o")], path)

    def add(self, source, path):
        generated = source.startswith("generated/")
        source = source.removeprefix("generated/")
        # An object whose source was removed is a leftover of an older build.
        if not generated and not os.path.exists(os.path.join(self.tree.root, source)):
            return
        if not generated and folder_of(source) is None:
            return
        undefined = set()
        for line in run("nm", "-P", path).splitlines():
            name, kind = line.split()[:2]
            if kind == "U":
                undefined.add(name)
            elif kind.isupper():
                self.defined[name] = source
        if not generated:
            self.files[source] = path
            self.undefined[source] = undefined


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def check_pure_calls(objects):
    """Pure folders call only what lies below them, a short libc list, and the foreign calls that are pure."""
    found = []
    for source, undefined in sorted(objects.undefined.items()):
        if not is_pure(source):
            continue
        own = folder_of(source)
        allowed = FOLDERS[own][0] + (own,)
        for name in sorted(undefined - EXCEPTIONS.get(source, set())):
            home = objects.defined.get(name)
            if name in LIBC or TOOLCHAIN.match(name):
                continue
            if name in SHELL_ONLY and home != source:
                found.append(f"{source}: calls {name}, which only the shell may")
            elif name in HEAP and not source.startswith(HEAP_USERS):
                found.append(f"{source}: calls {name}, which only server/ may")
            elif home is not None:
                below = is_pure(home) and any(home.startswith(a + "/") for a in allowed if not a.endswith(".h"))
                # The store is reached through its port, whose functions live beside it.
                port = KV_PORT in allowed and home.startswith(os.path.dirname(KV_PORT) + "/")
                if not below and not port:
                    found.append(f"{source}: calls {name} of {home}, which is not pure code below {own}/")
            elif not any(pattern.match(name) for pattern in FOREIGN_CALLS):
                found.append(f"{source}: calls {name}, which pure code may not")
    return found


def check_mutable_variables(objects):
    """No variable outside a function, and no static inside one, can change. Constants with pointers in them lie in
    .data.rel.ro, which is read-only once the program runs."""
    found = []
    for source, path in sorted(objects.files.items()):
        for line in run("objdump", "-t", path).splitlines():
            match = re.match(r"^\S+ .{7} (\S+)\t\S+\s+(?:\.hidden )?(\S+)$", line)
            if match is None:
                continue
            section, name = match.groups()
            writable = re.match(r"^(\.data|\.bss|\.tdata|\.tbss|\*COM\*)", section)
            if not writable or section.startswith(".data.rel.ro") or name == section:
                continue
            if re.sub(r"\.\d+$", "", name) not in MUTABLE_ALLOWED.get(source, ()):
                found.append(f"{source}: variable {name} in {section} can change")
    return found


def calls_of(source, path):
    """Edges (caller, callee) of one object. A static function is named source:name, so equal names stay apart."""
    local = set()
    for line in run("nm", "-P", path).splitlines():
        name, kind = line.split()[:2]
        if kind == "t":
            local.add(name)

    def qualify(name):
        return f"{source}:{name}" if name in local else name

    caller = None
    direct = None  # the target that the last instruction seems to have, until the next line is seen
    for line in run("objdump", "-dr", "--no-show-raw-insn", path).splitlines() + [""]:
        # A call through the linker shows its name in a relocation on the next line, and a meaningless target itself.
        relocation = re.match(r"^\s+[0-9a-f]+: R_\w+_(PLT32|CALL26|JUMP26|\w+)\s+([\w.]+)", line)
        if relocation is None and direct is not None:
            yield caller, qualify(direct)
        elif relocation is not None and relocation.group(1) in ("PLT32", "CALL26", "JUMP26"):
            yield caller, qualify(relocation.group(2))
        start = re.match(r"^[0-9a-f]+ <([^>]+)>:$", line)
        if start is not None:
            caller = qualify(start.group(1))
        # A call inside the section is shown as <name>; a jump within a function would be <name+offset>.
        target = re.match(r"^\s+[0-9a-f]+:\s+(?:call|bl)\s+[0-9a-f]+ <([\w.]+)>$", line)
        direct = target.group(1) if target is not None else None


def whole_function(name):
    """gcc splits a function into name.part.0, name.cold and the like; they are one function."""
    return re.sub(r"\.(part|cold|isra|constprop)(\.\d+)*", "", name)


def check_recursion(objects):
    """No function of the pure folders reaches itself through direct calls: stack depth is bounded and known."""
    graph = collections.defaultdict(set)
    for source, path in objects.files.items():
        if is_pure(source):
            for caller, callee in calls_of(source, path):
                graph[whole_function(caller)].add(whole_function(callee))
    return [" -> ".join(cycle) + ": recursion" for cycle in find_cycles(graph)]


CHECKS = [check_pure_calls, check_mutable_variables, check_recursion]
