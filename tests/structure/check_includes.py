"""Checks on #include lines alone: directions, cycles, full paths, foreign libraries. Each check takes a Tree and
returns a list of violations, one text each."""

import os
import statistics

from tree import (
    C_HEADERS,
    FOLDERS,
    FOREIGN,
    FOREIGN_LIMITS,
    PURE_HEADER_EXCEPTIONS,
    find_cycles,
    folder_of,
    is_generated,
    is_pure,
)

MEDIAN_HEADER_LINES = 2500  # what the median source file may see of our own headers


def library_of(include):
    for library, pattern in FOREIGN:
        if pattern.match(include):
            return library
    return None


def check_folders_known(tree):
    """A new folder needs a row in the table before it may hold code."""
    return [f"{path}: its folder has no row in tree.py" for path in tree.includes if folder_of(path) is None]


def check_directions(tree):
    """Includes point down only."""
    found = []
    for path, includes in tree.includes.items():
        own = folder_of(path)
        if own is None:
            continue
        allowed = FOLDERS[own][0] + (own,)
        for include, foreign in includes:
            if foreign:
                continue
            if include.startswith("server/daemon/") and own != "server/daemon":
                found.append(f"{path}: includes {include}, and only the daemon may know the daemon")
            elif not any(include == a or (not a.endswith(".h") and include.startswith(a + "/")) for a in allowed):
                found.append(f"{path}: includes {include}, but {own}/ may include only {', '.join(allowed)}")
    return found


def check_full_paths(tree):
    """Includes in quotes are paths from the root of files that exist."""
    return [
        f"{path}: includes \"{include}\", which is no file of the tree by its full path"
        for path in tree.includes
        for include in tree.ours(path)
        if not tree.exists(include)
    ]


def check_own_header_first(tree):
    """X.c includes X.h before anything else, so each header is seen once without help."""
    found = []
    for path, includes in tree.includes.items():
        header = path[:-2] + ".h"
        if path.endswith(".c") and header in tree.includes and includes and includes[0] != (header, False):
            found.append(f"{path}: the first include must be {header}")
    return found


def check_cycles(tree):
    """No header includes itself through others."""
    graph = {path: tree.ours(path) for path in tree.includes}
    return [" -> ".join(cycle) + ": a cycle of headers" for cycle in find_cycles(graph)]


def check_foreign(tree):
    """A folder includes only the foreign libraries of its row; pure folders only plain C headers beside them."""
    found = []
    for path, includes in tree.includes.items():
        own = folder_of(path)
        if own is None:
            continue
        for include, foreign in includes:
            library = library_of(include)
            if library is not None:
                if library not in FOLDERS[own][1]:
                    found.append(f"{path}: includes {include}, but {own}/ may not use {library}")
            elif foreign and is_pure(path) and include not in C_HEADERS | PURE_HEADER_EXCEPTIONS.get(path, set()):
                found.append(f"{path}: includes <{include}>, which pure code has no use for")
    return found


def check_foreign_limits(tree):
    """One thin file (or a few) a foreign library."""
    found = []
    for library, scope, most in FOREIGN_LIMITS:
        files = [
            path
            for path, includes in tree.includes.items()
            if path.startswith(scope) and any(library_of(include) == library for include, _ in includes)
        ]
        if len(files) > most:
            found.append(f"{', '.join(files)}: {len(files)} files include {library}, at most {most} may")
    return found


def lines_seen(tree, path):
    """Lines of our own headers that a file sees, each header once."""
    seen = set()
    waiting = list(tree.ours(path))
    while waiting:
        include = waiting.pop()
        if include in seen or is_generated(include):
            continue
        seen.add(include)
        waiting.extend(tree.ours(include))
    return sum(tree.lines.get(include, 0) for include in seen)


def check_median(tree):
    """The median source file sees few lines of our headers."""
    counts = [lines_seen(tree, path) for path in tree.includes if path.endswith(".c")]
    median = statistics.median(counts) if counts else 0
    if median > MEDIAN_HEADER_LINES:
        return [f"the median source file sees {median:.0f} lines of our headers, at most {MEDIAN_HEADER_LINES} are wanted"]
    return []


def check_guards(tree):
    """Each header has an include guard named after its path."""
    found = []
    for path in tree.includes:
        if not path.endswith(".h"):
            continue
        with open(os.path.join(tree.root, path), encoding="utf-8") as file:
            text = file.read()
        guard = path.upper().replace("/", "_").replace(".", "_").replace("-", "_")
        if f"#ifndef {guard}\n#define {guard}\n" not in text:
            found.append(f"{path}: has no include guard {guard}")
    return found


CHECKS = [
    check_folders_known,
    check_directions,
    check_full_paths,
    check_own_header_first,
    check_cycles,
    check_foreign,
    check_foreign_limits,
    check_median,
    check_guards,
]
