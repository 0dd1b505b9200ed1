#include "server/nfs4/lease.h"

#include "base/check.h"
#include "base/heap.h"
#include "base/limits.h"
#include "server/nfs4/attach.h"
#include "server/nfs4/command.h"
#include "server/nfs4/state.h"
#include "statestore/machine/client.h"
#include "statestore/machine/settings.h"

/* A client's lease is asked for anew when this part of it has passed; batches leave twice as often. */
#define LEASE_RENEW_PART 10u
/* A lease that was renewed within this part cannot have run out: the client's row is not looked at. */
#define LEASE_SAFE_PART 2u
/* A lease with less than this part left is renewed before the answer: a batch might come too late, and the client, that
 * has just been answered, would lose its locks to another one. */
#define LEASE_LATE_PART 4u

uint64_t lease_period_ms(struct nfs4_server *server, const struct nfs4_moment *moment, struct arena *arena)
{
    view_cache_enter(&server->cache, moment);
    if (!server->cache.lease_known)
        server->lease_ms = (uint64_t)settings_lease_seconds(moment->view, arena) * 1000;
    server->cache.lease_known = true;
    return server->lease_ms;
}

static void lease_want(struct nfs4_server *server, struct session_entry *entry)
{
    if (entry->renew_wanted)
        return;
    entry->renew_wanted = true;
    list_append(&server->renewals, &entry->renew_link);
}

void lease_note(struct compound *compound, struct session_entry *entry)
{
    struct nfs4_server *server = compound->server;
    uint64_t period_ms = lease_period_ms(server, compound->moment, compound_arena(compound));
    if (compound->moment->now_ms - entry->renewed_ms >= period_ms / LEASE_RENEW_PART || entry->renewed_ms == 0)
        lease_want(server, entry);
}

bool lease_must_revive(struct compound *compound, struct session_entry *entry)
{
    struct nfs4_server *server = compound->server;
    struct arena *arena = compound_arena(compound);
    if (entry->reviving)
        return true;
    uint64_t period_ms = lease_period_ms(server, compound->moment, arena);
    if (entry->renewed_ms != 0 && compound->moment->now_ms - entry->renewed_ms < period_ms / LEASE_SAFE_PART)
        return false;
    struct client_usage usage;
    if (!client_usage_get(compound_view(compound), entry->session.client, arena, &usage))
        return false;
    if (!usage.courtesy && usage.lease_end_ms > compound->moment->uptime_ms + period_ms / LEASE_LATE_PART)
        return false;
    entry->reviving = true;
    list_append(&server->revivals, &entry->revive_link);
    lease_want(server, entry);
    lease_advance(server, compound->moment, compound->outbox);
    return true;
}

/* A slot whose row is left behind by pure reads: it is brought up before the distance could be mistaken. */
static size_t lease_slots(struct session_entry *entry, struct arena *arena, Qnfs__SlotAdvance **advances, size_t room)
{
    size_t count = 0;
    for (uint32_t i = 0; i < entry->slot_count && count < room; i++) {
        struct slot_entry *slot = &entry->slots[i];
        if (!slot->loaded || slot->busy != NULL || slot->seqid - slot->row_seqid < NFS4_SLOT_RUN_MAX)
            continue;
        Qnfs__SlotAdvance *advance = ARENA_NEW(arena, Qnfs__SlotAdvance);
        qnfs__slot_advance__init(advance);
        advance->session = command_bytes(slice_make(entry->session.id.bytes, sizeof(entry->session.id.bytes)));
        advance->slot = i;
        advance->seqid = slot->seqid;
        slot->row_seqid = slot->seqid;
        advances[count++] = advance;
    }
    return count;
}

static void lease_propose(struct nfs4_server *server, const struct nfs4_moment *moment, struct nfs4_outbox *outbox)
{
    struct task *task = HEAP_NEW(struct task);
    task->kind = TASK_RENEW;
    arena_init(&task->arena);
    Qnfs__Renew body = QNFS__RENEW__INIT;
    body.clients = arena_alloc_array(&task->arena, NFS4_RENEW_BATCH_MAX, sizeof(*body.clients));
    body.slots = arena_alloc_array(&task->arena, NFS4_RENEW_BATCH_MAX, sizeof(Qnfs__SlotAdvance *));
    struct list_link *link;
    while (body.n_clients < NFS4_RENEW_BATCH_MAX && (link = list_first(&server->renewals)) != NULL) {
        struct session_entry *entry = container_of(link, struct session_entry, renew_link);
        list_remove(link);
        entry->renew_wanted = false;
        entry->renewed_ms = moment->now_ms;
        body.clients[body.n_clients++] = entry->session.client.value;
        body.n_slots +=
            lease_slots(entry, &task->arena, body.slots + body.n_slots, NFS4_RENEW_BATCH_MAX - body.n_slots);
    }
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_RENEW;
    command.renew = &body;
    server->renew_proposed = true;
    command_propose_node(server, task, &command, outbox);
}

void lease_advance(struct nfs4_server *server, const struct nfs4_moment *moment, struct nfs4_outbox *outbox)
{
    if (server->renew_proposed || list_empty(&server->renewals))
        return;
    if (moment->now_ms < server->renew_next_ms && list_empty(&server->revivals))
        return;
    server->renew_next_ms = moment->now_ms + server->lease_ms / (2 * LEASE_RENEW_PART);
    lease_propose(server, moment, outbox);
}

void lease_on_result(struct nfs4_server *server, struct task *task, struct slice packed,
                     const struct nfs4_moment *moment, struct nfs4_outbox *outbox)
{
    command_returned(server, task);
    bool superseded = command_result(packed, &task->arena)->outcome == MACHINE_SUPERSEDED;
    arena_fini(&task->arena);
    heap_free(task);
    if (superseded)
        return; /* this process has no say any more: it promises nobody a lease */
    server->renew_proposed = false;
    /* Those that were in the batch are alive again; who came later waits for the next one. */
    struct list_link *link = list_first(&server->revivals);
    while (link != NULL) {
        struct list_link *next = list_next(&server->revivals, link);
        struct session_entry *entry = container_of(link, struct session_entry, revive_link);
        if (!entry->renew_wanted) {
            list_remove(link);
            entry->reviving = false;
            attach_wake(server, &entry->waiting);
        }
        link = next;
    }
    lease_advance(server, moment, outbox);
}
