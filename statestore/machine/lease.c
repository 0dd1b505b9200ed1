#include "statestore/machine/lease.h"

#include "base/check.h"
#include "base/limits.h"
#include "statestore/machine/row.h"
#include "statestore/machine/session.h"
#include "statestore/machine/settings.h"
#include "statestore/store/schema.h"

enum lease_state { LEASE_ACTIVE = 0, LEASE_COURTESY = 1, LEASE_GONE = 2 };

static struct row_key lease_prefix(enum lease_state state, struct arena *arena)
{
    struct row_key key = row_key(arena, SCHEMA_CLIENT_LEASE, 17);
    row_key_u8(&key, (uint8_t)state);
    return key;
}

static struct slice lease_key(enum lease_state state, uint64_t end_ms, struct client_id client, struct arena *arena)
{
    struct row_key key = lease_prefix(state, arena);
    row_key_u64(&key, end_ms);
    row_key_u64(&key, client.value);
    return row_key_done(&key);
}

static enum lease_state lease_state_of(const struct client_usage *usage)
{
    return usage->courtesy ? LEASE_COURTESY : LEASE_ACTIVE;
}

/* The first row of a state; its end goes to *end_ms. */
static bool lease_first(struct kv_read *read, enum lease_state state, struct arena *arena, uint64_t *end_ms,
                        struct client_id *client)
{
    struct row_key prefix = lease_prefix(state, arena);
    struct kv_cursor cursor;
    kv_cursor_open(read, row_key_done(&prefix), SLICE_EMPTY, arena, &cursor);
    bool found = cursor.valid;
    if (found) {
        *end_ms = row_key_get_u64(cursor.key, 2);
        client->value = row_key_get_u64(cursor.key, 10);
    }
    kv_cursor_close(&cursor);
    return found;
}

void lease_drop(struct apply *apply, struct client_id client, const struct client_usage *usage)
{
    transaction_delete(apply->transaction, lease_key(lease_state_of(usage), usage->lease_end_ms, client, apply->arena));
    if (usage->courtesy) {
        CHECK(apply->machine->courtesy_count > 0);
        apply->machine->courtesy_count--;
    }
}

/* Puts the row that *usage says, and *usage. */
static void lease_put(struct apply *apply, struct client_id client, const struct client_usage *usage)
{
    transaction_put(apply->transaction, lease_key(lease_state_of(usage), usage->lease_end_ms, client, apply->arena),
                    SLICE_EMPTY);
    client_usage_put(apply->transaction, client, usage, apply->arena);
    if (usage->courtesy)
        apply->machine->courtesy_count++;
}

uint64_t lease_end_ms(struct apply *apply)
{
    return apply->uptime_ms + 1000ull * settings_lease_seconds(apply->read, apply->arena);
}

void lease_start(struct apply *apply, struct client_id client, struct client_usage *usage)
{
    *usage = (struct client_usage){.lease_end_ms = lease_end_ms(apply)};
    lease_put(apply, client, usage);
}

void lease_renew(struct apply *apply, struct client_id client, struct client_usage *usage, uint64_t end_ms)
{
    if (!usage->courtesy && usage->lease_end_ms == end_ms)
        return;
    lease_drop(apply, client, usage);
    usage->courtesy = false;
    usage->lease_end_ms = end_ms;
    lease_put(apply, client, usage);
}

void lease_revive(struct apply *apply, struct client_id client)
{
    struct client_usage usage;
    if (apply->machine->courtesy_count == 0)
        return;
    if (client_usage_get(apply->read, client, apply->arena, &usage) && usage.courtesy)
        lease_renew(apply, client, &usage, lease_end_ms(apply));
}

bool lease_first_courtesy(struct kv_read *read, struct arena *arena, struct client_id *client)
{
    uint64_t end_ms;
    return lease_first(read, LEASE_COURTESY, arena, &end_ms, client);
}

/* A lease is promised with each answer, but nodes report that in batches, a client at most ten times a period: the log
 * hears of a promise up to 3/20 of a period later, and then some. */
static uint64_t lease_judged_ms(struct kv_read *read, uint64_t end_ms, struct arena *arena)
{
    return end_ms + 1000ull * settings_lease_seconds(read, arena) / LEASE_SLACK_DIVISOR;
}

/* Renewals that an earlier leader's nodes knew of may never have reached the log. */
static bool lease_judgeable(struct kv_read *read, const struct machine *machine, uint64_t uptime_ms,
                            struct arena *arena)
{
    return uptime_ms >= machine->led_since_ms + 1000ull * settings_lease_seconds(read, arena);
}

bool lease_due(struct kv_read *read, uint64_t uptime_ms, struct arena *arena)
{
    uint64_t end_ms;
    struct client_id client;
    struct machine machine;
    machine_load(&machine, read, arena);
    return lease_judgeable(read, &machine, uptime_ms, arena) &&
           lease_first(read, LEASE_ACTIVE, arena, &end_ms, &client) &&
           lease_judged_ms(read, end_ms, arena) <= uptime_ms;
}

void lease_mark_gone(struct apply *apply, struct client_id client)
{
    transaction_put(apply->transaction, lease_key(LEASE_GONE, 0, client, apply->arena), SLICE_EMPTY);
}

void lease_unmark_gone(struct apply *apply, struct client_id client)
{
    transaction_delete(apply->transaction, lease_key(LEASE_GONE, 0, client, apply->arena));
}

bool lease_first_gone(struct kv_read *read, struct arena *arena, struct client_id *client)
{
    uint64_t end_ms;
    return lease_first(read, LEASE_GONE, arena, &end_ms, client);
}

bool lease_is_gone(struct kv_read *read, struct client_id client, struct arena *arena)
{
    struct slice value;
    return kv_get(read, lease_key(LEASE_GONE, 0, client, arena), arena, &value);
}

bool lease_is_indexed(struct kv_read *read, struct client_id client, const struct client_usage *usage,
                      struct arena *arena)
{
    struct slice value;
    return kv_get(read, lease_key(lease_state_of(usage), usage->lease_end_ms, client, arena), arena, &value);
}

/* Only the node that a session is attached to knows how far its slots are. */
static void slot_advance(struct apply *apply, const Qnfs__SlotAdvance *advance, struct incarnation_id sender,
                         struct arena *scratch)
{
    struct session session;
    struct slot slot;
    if (!session_get(apply->read, apply_session_id(advance->session), scratch, &session) ||
        session.incarnation.value != sender.value || advance->slot >= session.fore.max_requests)
        return;
    bool found = slot_get(apply->read, session.id, advance->slot, scratch, &slot);
    if (found && (int32_t)(advance->seqid - slot.seqid) <= 0)
        return;
    slot = (struct slot){.slot = advance->slot, .seqid = advance->seqid};
    slot_put(apply->transaction, session.id, &slot, apply->arena);
}

void renew_apply(struct apply *apply, const Qnfs__Renew *command)
{
    uint64_t end_ms = lease_end_ms(apply);
    for (size_t i = 0; i < command->n_clients; i++) {
        struct client_id client = {command->clients[i]};
        struct client_usage usage;
        if (client_usage_get(apply->read, client, apply->arena, &usage))
            lease_renew(apply, client, &usage, end_ms);
    }
    struct arena scratch;
    arena_init(&scratch);
    for (size_t i = 0; i < command->n_slots; i++) {
        slot_advance(apply, command->slots[i], apply_sender(apply), &scratch);
        arena_reset(&scratch); /* rows of slots may be long */
    }
    arena_fini(&scratch);
    apply_answer(apply, NFS4_OK);
}

/* A client that never confirmed its record has nothing to keep. */
static void lease_end(struct apply *apply, struct client_id id)
{
    struct client client;
    struct client_usage usage;
    bool found =
        client_get(apply->read, id, apply->arena, &client) && client_usage_get(apply->read, id, apply->arena, &usage);
    CHECK(found || apply->read->failed);
    if (!found)
        return;
    if (!client.confirmed) {
        client_remove(apply, &client);
        return;
    }
    lease_drop(apply, id, &usage);
    usage.courtesy = true;
    lease_put(apply, id, &usage);
}

void expire_apply(struct apply *apply, const Qnfs__Expire *command)
{
    (void)command;
    uint64_t end_ms;
    struct client_id client;
    unsigned ended = 0;
    bool due = false;
    bool judgeable = lease_judgeable(apply->read, apply->machine, apply->uptime_ms, apply->arena);
    while (judgeable && !apply->read->failed) {
        due = lease_first(apply->read, LEASE_ACTIVE, apply->arena, &end_ms, &client) &&
              lease_judged_ms(apply->read, end_ms, apply->arena) <= apply->uptime_ms;
        if (!due || ended == LEASE_EXPIRE_STEP)
            break;
        lease_end(apply, client);
        ended++;
    }
    Qnfs__PurgeResult *result = arena_alloc(apply->arena, sizeof(*result));
    qnfs__purge_result__init(result);
    result->more = due;
    apply->result->body_case = QNFS__RESULT__BODY_PURGE;
    apply->result->purge = result;
    apply_answer(apply, NFS4_OK);
}
