/* nemesis.h: a test client's way to ask for trouble. Somebody else (tests/interop/cluster) breaks the servers; over one
 * stream the client asks for the next fault and learns when it begins and ends.
 *
 *   client: "fault\n"
 *   nemesis: "begin KIND NODE\n"   just before it does it; NODE 0: all nodes
 *            "up\n"                nothing is held down any more
 *            "end\n"               all nodes are ready again; the next one may be asked for */
#ifndef TESTS_SUPPORT_NEMESIS_H
#define TESTS_SUPPORT_NEMESIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NEMESIS_LINE_BYTES 96u
#define NEMESIS_KIND_BYTES 32u

struct nemesis {
    int descriptor; /* -1: there is none */
    bool under_way; /* a fault has begun, its "end" is not read yet */
    size_t line_bytes;
    char line[NEMESIS_LINE_BYTES];
};

struct nemesis_fault {
    char kind[NEMESIS_KIND_BYTES];
    uint32_t node; /* the node that is hit; 0: all */
};

void nemesis_init(struct nemesis *nemesis, int descriptor);

/* Asks for a fault and returns when it begins; waits for the end of the one before. False: the nemesis is gone. */
bool nemesis_begin(struct nemesis *nemesis, struct nemesis_fault *fault);

/* Returns when nothing is held down any more, and when all is ready. False: the nemesis is gone. */
bool nemesis_wait_up(struct nemesis *nemesis);
bool nemesis_wait_end(struct nemesis *nemesis);

#endif
