/* Commands on their way into the log: those that wait, and those in entries that are not handed out yet. A packed one is
 * found again by its entry: what the entry that is handed out at some index is, decides about all that were packed there, and
 * its term about those that were packed further up in earlier terms, which no later leader can bring back any more. */
#include "base/check.h"
#include "base/heap.h"
#include "cluster/replica_state.h"
#include "proto/log_entry.h"

/* The proposals of one entry, but for those of batches. */
struct packed_entry {
    struct list_link link;
    uint64_t index;
    uint64_t term;
    struct list proposals;
    uint32_t copied;
};

void replica_proposals_init(struct replica *replica)
{
    list_init(&replica->waiting);
    list_init(&replica->packed);
}

static void proposals_drop(struct list *proposals)
{
    struct list_link *link;
    while ((link = list_first(proposals)) != NULL) {
        list_remove(link);
        proposal_done(container_of(link, struct proposal, link));
    }
}

void replica_proposals_fini(struct replica *replica)
{
    struct list_link *link;
    while ((link = list_first(&replica->packed)) != NULL) {
        struct packed_entry *packed = container_of(link, struct packed_entry, link);
        list_remove(link);
        proposals_drop(&packed->proposals);
        heap_free(packed);
    }
    proposals_drop(&replica->waiting);
}

/* --- waiting --- */

static uint64_t item_bytes(const struct proposal *proposal)
{
    return log_entry_item_bytes(proposal->command.size_bytes, proposal->content.size_bytes);
}

/* It is in the list already. */
static void waiting_count_in(struct replica *replica, const struct proposal *proposal)
{
    replica->waiting_count++;
    replica->waiting_bytes += item_bytes(proposal);
    replica->waiting_foreign += proposal->batch != NULL;
}

static void waiting_remove(struct replica *replica, struct proposal *proposal)
{
    list_remove(&proposal->link);
    replica->waiting_count--;
    replica->waiting_bytes -= item_bytes(proposal);
    replica->waiting_foreign -= proposal->batch != NULL;
}

void replica_proposals_take(struct replica *replica, struct list *proposals)
{
    struct list_link *link;
    while ((link = list_first(proposals)) != NULL) {
        struct proposal *proposal = container_of(link, struct proposal, link);
        list_remove(link);
        CHECK(proposal->command.size_bytes > 0 &&
              proposal->command.size_bytes + proposal->content.size_bytes <= COMMAND_MAX_BYTES);
        /* The forwarder bounds what is copied or comes from others. */
        if (replica->waiting_count >= REPLICA_WAITING_MAX && !proposal->copied && proposal->batch == NULL) {
            replica_act(replica, REPLICA_ACTION_REFUSED)->proposal = proposal;
            continue;
        }
        list_append(&replica->waiting, link);
        waiting_count_in(replica, proposal);
    }
}

void replica_proposals_drop(struct replica *replica)
{
    struct list_link *link = list_first(&replica->waiting);
    while (link != NULL && replica->waiting_foreign > 0) {
        struct proposal *proposal = container_of(link, struct proposal, link);
        struct proposal_batch *batch = proposal->batch;
        link = list_next(&replica->waiting, link);
        if (batch == NULL)
            continue;
        waiting_remove(replica, proposal);
        CHECK(batch->left > 0);
        batch->left--;
        batch->dropped = true;
    }
    CHECK(replica->waiting_foreign == 0);
}

void replica_proposals_forward(struct replica *replica)
{
    if (replica_leads(replica))
        return;
    replica_proposals_drop(replica);
    uint64_t leader = replica_leader(replica);
    struct list_link *link;
    if (leader == 0 || leader == replica->options.id)
        return;
    while ((link = list_first(&replica->waiting)) != NULL) {
        struct proposal *proposal = container_of(link, struct proposal, link);
        waiting_remove(replica, proposal);
        struct replica_action *action = replica_act(replica, REPLICA_ACTION_FORWARD);
        action->proposal = proposal;
        action->leader = leader;
    }
    CHECK(replica->waiting_count == 0 && replica->waiting_bytes == 0);
}

/* --- packing --- */

static uint64_t uptime_stamp(struct replica *replica)
{
    uint64_t uptime_ms = replica->uptime_base_ms + (replica->now_ms - replica->led_since_ms);
#ifdef QNFS_PLANT_WALL_CLOCK_LEASES
    uptime_ms = (uint64_t)(replica->wall_ns / 1000000);
#endif
    if (uptime_ms > replica->uptime_stamped_ms)
        replica->uptime_stamped_ms = uptime_ms;
    return replica->uptime_stamped_ms;
}

/* Bytes of the next entry: as many proposals as fit ENTRY_PACK_BYTES, but at least one. */
static size_t pack_bytes(const struct replica *replica)
{
    size_t size_bytes = LOG_ENTRY_HEADER_BYTES;
    uint32_t count = 0;
    for (const struct list_link *link = list_first(&replica->waiting); link != NULL && count < ENTRY_COMMANDS_MAX;
         link = list_next(&replica->waiting, link), count++) {
        const struct proposal *proposal = container_of(link, const struct proposal, link);
        size_t item = log_entry_item_bytes(proposal->command.size_bytes, proposal->content.size_bytes);
        if (count > 0 && size_bytes + item > ENTRY_PACK_BYTES)
            break;
        size_bytes += item;
    }
    return size_bytes;
}

/* It is in the entry that comes next. */
static void proposal_packed(struct replica *replica, struct proposal *proposal, struct packed_entry *packed)
{
    struct proposal_batch *batch = proposal->batch;
    waiting_remove(replica, proposal);
    if (batch == NULL) {
        list_append(&packed->proposals, &proposal->link);
        packed->copied += proposal->copied;
        return;
    }
    CHECK(batch->left > 0 && !batch->dropped && (batch->index == 0 || batch->term == packed->term));
    batch->left--;
    batch->index = packed->index;
    batch->term = packed->term;
}

static struct buffer *entry_pack(struct replica *replica, struct packed_entry *packed)
{
    struct buffer *bytes = buffer_create(pack_bytes(replica));
    struct log_entry_header header = {replica->options.feature_level, uptime_stamp(replica), replica->wall_ns};
    struct log_entry_builder builder;
    log_entry_begin(&builder, (struct span){bytes->data, bytes->capacity_bytes}, &header);
    struct list_link *link;
    while ((link = list_first(&replica->waiting)) != NULL) {
        struct proposal *proposal = container_of(link, struct proposal, link);
        if (!log_entry_append(&builder, proposal->command, proposal->content))
            break;
        proposal_packed(replica, proposal, packed);
    }
    bytes->size_bytes = log_entry_finish(&builder).size_bytes;
    return bytes;
}

static bool may_pack(const struct replica *replica)
{
    if (replica->waiting_count == 0 || guard_state(&replica->guard) != RAFT_LEADER ||
        raft_transferee(&replica->guard.raft) != 0 || replica->space == LOG_SPACE_FULL)
        return false;
    if (replica->last_index - replica->applied_index >= REPLICA_WINDOW_ENTRIES ||
        replica->window.size_bytes >= REPLICA_WINDOW_BYTES || replica->packed_count >= REPLICA_PACKED_ENTRIES_MAX)
        return false;
    /* While the disk syncs, what comes is packed together; a full entry need not wait. */
    return replica->last_index - replica->durable_index < REPLICA_APPENDS_MAX ||
           replica->waiting_bytes >= ENTRY_PACK_BYTES || replica->waiting_count >= ENTRY_COMMANDS_MAX;
}

bool replica_proposals_pack(struct replica *replica)
{
    if (!may_pack(replica))
        return false;
    struct packed_entry *packed = HEAP_NEW(struct packed_entry);
    packed->index = replica->last_index + 1;
    packed->term = raft_current_term(&replica->guard.raft);
    list_init(&packed->proposals);
    struct buffer *bytes = entry_pack(replica, packed);
    if (list_empty(&packed->proposals)) {
        heap_free(packed);
    } else {
        list_append(&replica->packed, &packed->link);
        replica->packed_count++;
    }
    uint64_t index = replica->last_index + 1;
    replica_core_submit(replica, REPLICA_ENTRY_COMMANDS, bytes);
    CHECK(replica->last_index == index);
    return true;
}

/* --- packed --- */

static void packed_forget(struct replica *replica, struct packed_entry *packed)
{
    list_remove(&packed->link);
    replica->packed_count--;
}

/* The entry is handed out: their senders get their results, and may free them. */
static void packed_done(struct packed_entry *packed)
{
    if (packed->copied > 0) /* the others are not even touched: their memory may be far away */
        proposals_drop(&packed->proposals);
    heap_free(packed);
}

/* In front of all others, in the order in which they were packed. */
static void packed_return(struct replica *replica, struct list *lost)
{
    while (!list_empty(lost)) {
        struct packed_entry *packed = container_of(lost->head.previous, struct packed_entry, link);
        list_remove(&packed->link);
        while (!list_empty(&packed->proposals)) {
            struct list_link *link = packed->proposals.head.previous;
            list_remove(link);
            list_prepend(&replica->waiting, link);
            waiting_count_in(replica, container_of(link, struct proposal, link));
        }
        heap_free(packed);
    }
}

bool replica_proposals_handed(struct replica *replica, uint64_t index, uint64_t term)
{
    struct list lost;
    list_init(&lost);
    struct list_link *next;
    for (struct list_link *link = list_first(&replica->packed); link != NULL; link = next) {
        struct packed_entry *packed = container_of(link, struct packed_entry, link);
        const struct packed_entry *last = container_of(replica->packed.head.previous, const struct packed_entry, link);
        next = list_next(&replica->packed, link);
        CHECK(packed->index >= index);
        if (packed->index > index && packed->term >= term) {
            if (packed->term == last->term) /* the others are of the same term, and further up */
                break;
            continue;
        }
        packed_forget(replica, packed);
        if (packed->index == index && packed->term == term)
            packed_done(packed);
        else
            list_append(&lost, link);
    }
    bool any = !list_empty(&lost);
    packed_return(replica, &lost);
    return any;
}

void replica_proposals_jumped(struct replica *replica, uint64_t index)
{
    struct list unknown;
    list_init(&unknown);
    struct list_link *next;
    for (struct list_link *link = list_first(&replica->packed); link != NULL; link = next) {
        struct packed_entry *packed = container_of(link, struct packed_entry, link);
        next = list_next(&replica->packed, link);
        if (packed->index > index)
            continue;
        packed_forget(replica, packed);
        list_append(&unknown, link);
    }
    packed_return(replica, &unknown);
}
