"""The folders, what each may include, and the parsed sources: the facts that all structure checks share."""

import os
import re

# Folder -> (folders it may include, foreign libraries it may include). The first matching prefix counts, so the
# narrow ones stand first. A name that ends in .h is that one header.
# This is the table of docs/architecture.md: includes point down only.
KV_PORT = "statestore/store/kv.h"
SCHEMA = "statestore/store/schema.h"  # the key prefixes: a const table
FOLDERS = {
    "base": ((), ("xxhash",)),
    "proto": (("base",), ("protobuf-c",)),
    "statestore/machine": (("base", "proto", KV_PORT, SCHEMA), ()),
    "statestore/store": (("base", "proto"), ("rocksdb",)),
    "blockstore": (("base",), ("uv", "curl")),
    "cluster": (("base", "proto"), ("uv", "raft", "openssl")),
    "gateway": (("base", "proto/rpc", "proto/xdr"), ("uv", "gssapi", "openssl")),
    "server/daemon": (
        ("base", "proto", "statestore", "blockstore", "cluster", "gateway", "server"),
        ("uv", "microhttpd", "jansson", "yaml", "openssl"),
    ),
    "server": (("base", "proto", "statestore/machine", KV_PORT, SCHEMA, "blockstore", "cluster", "gateway", "server"), ()),
    "ctl": (("base", "proto"), ("curl", "jansson", "openssl")),
}

# Folders whose code reads no clock, draws no random number, does no I/O, takes no lock and allocates only from
# arenas. A sub-folder that is listed in SHELL is not pure.
PURE = ("base", "proto", "statestore/machine", "server")
SHELL = ("server/daemon",)

# What a pure folder may include between < and >.
C_HEADERS = {
    "assert.h", "ctype.h", "endian.h", "errno.h", "inttypes.h", "limits.h", "stdalign.h", "stdarg.h", "stdatomic.h",
    "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "stdnoreturn.h", "string.h",
}  # fmt: skip
PURE_HEADER_EXCEPTIONS = {
    "base/clock.c": {"time.h"},  # the system clock behind the port
    "base/hash.c": {"nmmintrin.h"},  # the CRC32C instruction
    "base/log.c": {"time.h", "unistd.h"},  # the shell's log
    "base/random.c": {"sys/random.h"},  # the system generator behind the port
}

FOREIGN = [
    ("raft", re.compile(r"^raft(\.h|/)")),
    ("uv", re.compile(r"^uv(\.h|/)")),
    ("rocksdb", re.compile(r"^rocksdb/")),
    ("protobuf-c", re.compile(r"^(protobuf-c|google/protobuf-c)/")),
    ("xxhash", re.compile(r"^xxh")),
    ("openssl", re.compile(r"^openssl/")),
    ("curl", re.compile(r"^curl/")),
    ("jansson", re.compile(r"^jansson")),
    ("microhttpd", re.compile(r"^microhttpd")),
    ("yaml", re.compile(r"^yaml\.h")),
    ("gssapi", re.compile(r"^(gssapi|krb5)")),
    ("cmocka", re.compile(r"^cmocka")),
]

# One thin file a foreign library: library -> (scope, most files that may include it).
FOREIGN_LIMITS = [
    ("raft", "", 3),
    ("rocksdb", "", 2),
    ("gssapi", "", 1),
    ("curl", "blockstore", 1),
    ("curl", "ctl", 1),
    ("openssl", "cluster", 1),
    ("openssl", "ctl", 1),
    ("microhttpd", "", 1),
    ("yaml", "", 1),
]

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)


def folder_of(path):
    """The FOLDERS key that a path belongs to, or None."""
    for folder in FOLDERS:
        if path.startswith(folder + "/"):
            return folder
    return None


def is_pure(path):
    return path.startswith(tuple(f + "/" for f in PURE)) and not path.startswith(tuple(f + "/" for f in SHELL))


def is_generated(include):
    return re.match(r"^proto/\w+\.pb-c\.h$", include) is not None


class Tree:
    """All C files of the product folders below a root, with their includes."""

    def __init__(self, root):
        self.root = root
        self.includes = {}  # path -> [(include, is_foreign)]
        self.lines = {}  # path -> number of lines
        for top in sorted({folder.split("/")[0] for folder in FOLDERS}):
            for folder, _, names in os.walk(os.path.join(root, top)):
                for name in sorted(names):
                    if name.endswith((".c", ".h")):
                        self.parse(os.path.relpath(os.path.join(folder, name), root))

    def parse(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8") as file:
            text = file.read()
        self.lines[path] = text.count("\n")
        code = COMMENT.sub("", text)
        self.includes[path] = [
            (match.group(1) or match.group(2), match.group(1) is None) for match in INCLUDE.finditer(code)
        ]

    def exists(self, include):
        """Whether an include in quotes names a file of the tree by its path from the root, or a generated one."""
        if is_generated(include):
            return os.path.exists(os.path.join(self.root, include.replace(".pb-c.h", ".proto")))
        return os.path.exists(os.path.join(self.root, include))

    def ours(self, path):
        """The headers of the tree that a file includes directly."""
        return [include for include, foreign in self.includes.get(path, []) if not foreign]


def find_cycles(graph):
    """The cycles of a graph {node: successors}: one for each edge that closes one, as [node, ..., node].
    A depth-first search with its own stack; nodes that are no key have no successors."""
    found = []
    done = set()
    for start in sorted(graph):
        if start in done:
            continue
        on_path = {start: None}  # ordered: the path from start
        stack = [(start, iter(sorted(graph[start])))]
        while stack:
            node, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                on_path.pop(node)
                done.add(node)
            elif following in on_path:
                names = list(on_path)
                found.append(names[names.index(following) :] + [following])
            elif following not in done:
                on_path[following] = None
                stack.append((following, iter(sorted(graph.get(following, ())))))
    return found
