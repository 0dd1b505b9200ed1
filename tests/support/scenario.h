/* scenario.h: scenarios as text (tests/golden): lines that begin with "> " are what happens, the lines below each are what
 * comes of it. A run reads the first and writes the whole text anew; it passes if nothing changed.
 *
 *   > connect A                             a client: EXCHANGE_ID, CREATE_SESSION, RECLAIM_COMPLETE
 *   > call A.0 PUTROOTFH; LOOKUP data; GETATTR type,mode
 *     SEQUENCE OK
 *     ...                                   a compound on slot 0, SEQUENCE is put before it; one line a result
 *   > call A.0 cache uid=1000 conn=7 ...    sa_cachethis; another user; another connection
 *   > raw conn=1 minor=2 EXCHANGE_ID x      a compound as it is
 *   > again A.0 [conn=N]                    the last request of the slot once more: "the same reply", or the results
 *   > restart                               kill -9 and a start
 *   > hold, apply [one], release, lose      proposals wait; are applied; need not wait any more; are applied, but the
 *                                           node dies before it has their results
 *   > commands                              how many commands were applied since the last time
 *   > node 1|2                              requests go to this node from now on
 *   > stop N                                SIGSTOP of a node; then, in any order:
 *   > wake N, catch-up N, deliver N         it reads what slept in its sockets; its state is that of the others; the
 *                                           effects and results that piled up reach its loop
 *   > lost N                                the node that requests go to has node N declared lost
 *   > lease N on|off, answer                whether a node knows barriers by itself; the answer to what it asked
 *   > blocks ok|bad                         what waits for blocks gets them, or does not
 *   > advance MS, expire                    time passes; the timekeeper looks for leases that have run out
 *   > behind N                              the view lacks the last N entries
 *   > export PATH OPTIONS...                export add: read-only, flavor=N, squash=all|root|none, client=CIDR
 *   > check                                 the invariants of the whole state
 *
 * Values that depend on numbers of the machine have names in the order in which they appear: h1 (file handles), s1
 * (stateids, with seqid: s1.2), c1 (client ids), n1 (sessions), v1 (verifiers). Arguments use the same names. */
#ifndef TESTS_SUPPORT_SCENARIO_H
#define TESTS_SUPPORT_SCENARIO_H

#include "tests/support/nfs_client.h"
#include "tests/support/single_node.h"

#define SCENARIO_NAMES_MAX 256u
#define SCENARIO_CLIENTS_MAX 8u
#define SCENARIO_TEXT_MAX (1u << 20)

enum scenario_kind {
    SCENARIO_HANDLE,
    SCENARIO_STATEID,
    SCENARIO_CLIENT,
    SCENARIO_SESSION,
    SCENARIO_VERIFIER,
    SCENARIO_KINDS
};

struct scenario_names {
    struct slice values[SCENARIO_NAMES_MAX];
    size_t count;
};

struct scenario_client {
    char name;
    struct nfs_session session;
    struct nfs_request last[NFS_SESSION_SLOTS_MAX];
    struct slice replies[NFS_SESSION_SLOTS_MAX];
    bool answered[NFS_SESSION_SLOTS_MAX];
};

struct scenario {
    struct single_node node;
    struct arena arena;
    struct scenario_names names[SCENARIO_KINDS];
    struct scenario_client clients[SCENARIO_CLIENTS_MAX];
    size_t client_count;
    uint32_t next_xid;
    int64_t start_ns;
    uint64_t commands_seen;
    char *text; /* what has come of it so far */
    size_t text_bytes;
    uint64_t served[OPNUM4_TABLE_SIZE]; /* results of operations that were not refused as NOTSUPP */
    const char *problem;                /* a line that means nothing */
};

/* Runs a whole text; the result, in the scenario's arena, is what the text should be. NULL: scenario->problem. */
const char *scenario_run(struct scenario *scenario, const char *text);
void scenario_init(struct scenario *scenario);
void scenario_fini(struct scenario *scenario);

/* --- between the files of scenario --- */

/* One operation as words: the number, then what stands behind it. */
struct scenario_words {
    const char *word[32];
    size_t count;
};

void scenario_say(struct scenario *scenario, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The value's name ("h1"), given if it is new. */
const char *scenario_name(struct scenario *scenario, enum scenario_kind kind, struct slice value);
/* The value of a name; empty if there is none. */
struct slice scenario_value(struct scenario *scenario, enum scenario_kind kind, const char *name);

/* The option KEY=VALUE among the words, NULL if it is not there. */
const char *scenario_option(const struct scenario_words *words, const char *key);
uint64_t scenario_number(const struct scenario_words *words, const char *key, uint64_t otherwise);

/* Words to arguments (scenario_args.c); false: scenario->problem. */
bool scenario_args(struct scenario *scenario, const struct scenario_words *words, enum opnum4 *op,
                   union nfs4_args *args);

/* A result as one line (scenario_show.c). */
void scenario_show(struct scenario *scenario, enum opnum4 op, const union nfs4_result *result);

/* "mode,size" to a mask; values "mode=0644" to a fattr4; and back. */
struct bitmap4 scenario_mask(struct scenario *scenario, const char *text);
struct fattr4 scenario_fattr(struct scenario *scenario, const struct scenario_words *words, bool to_compare);
void scenario_show_fattr(struct scenario *scenario, const struct fattr4 *fattr);
void scenario_show_mask(struct scenario *scenario, const struct bitmap4 *mask);

#endif
