/* address_choice.h: which floating address the leader gives to which node next.
 *
 * An address that nobody has goes at once to the node with the fewest, among those that run, are not about to be given up, and
 * have said nothing against it; of equal ones to the one with the smallest id. An address that somebody has moves only to even
 * the nodes out: when its owner has two more than another node could have, and both the address has stayed and that node has
 * run for ADDRESS_HOLD_MS. So a node that comes and goes gets nothing back, and the operator's moves stay if they leave no
 * such difference. Pure. */
#ifndef SERVER_DAEMON_ADDRESS_CHOICE_H
#define SERVER_DAEMON_ADDRESS_CHOICE_H

#include "statestore/machine/address.h"

struct address_choice {
    uint8_t bytes[4];
    uint64_t epoch; /* of the row that was seen */
    uint64_t node;
};

/* The next move, if there is one to make. `lost` are processes that are about to be given up. Pure over the view. */
bool address_choose(struct kv_read *view, uint64_t uptime_ms, const struct incarnation_id *lost, size_t lost_count,
                    struct arena *arena, struct address_choice *choice);

#endif
