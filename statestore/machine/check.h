/* check.h: looking through the whole state for broken invariants (machine_check). Each half of the machine looks
 * through its own rows and reports each find as one line. */
#ifndef STATESTORE_MACHINE_CHECK_H
#define STATESTORE_MACHINE_CHECK_H

#include "statestore/store/kv.h"

struct check {
    struct kv_read *read;
    struct arena *arena; /* for what lives as long as the check */
    char *text;          /* the caller's; always ends in NUL if room > 0 */
    size_t room;
    size_t used;
    size_t count;     /* finds, also those that did not fit into the text */
    size_t pairs_max; /* references that are counted at a time; 0: CHECK_PAIRS_MAX */
};

/* Counts a find and adds its line while there is room. */
void check_report(struct check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Inodes, names, extents, blocks, exports (check_files.c). */
void check_files(struct check *check);

/* Clients, sessions, slots, nodes (check_state.c), and with them opens and locks (check_opens.c). */
void check_state(struct check *check);
void check_opens(struct check *check);

/* How many rows there are whose key begins with the byte and has this length. */
uint64_t check_count_rows(struct check *check, uint8_t prefix, size_t key_bytes);

#endif
