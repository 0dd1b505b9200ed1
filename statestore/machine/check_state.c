/* check_state.c: clients, sessions, slots and nodes. Each row is compared with those that it names; that no index row is
 * too many follows from counting. Opens and locks are in check_opens.c. */
#include <inttypes.h>

#include "base/check.h"
#include "base/limits.h"
#include "statestore/machine/address.h"
#include "statestore/machine/check.h"
#include "statestore/machine/client.h"
#include "statestore/machine/lease.h"
#include "statestore/machine/machine.h"
#include "statestore/machine/node.h"
#include "statestore/machine/row.h"
#include "statestore/machine/session.h"
#include "statestore/machine/space.h"
#include "statestore/machine/state.h"
#include "statestore/store/schema.h"

#define SESSION_KEY_BYTES 17u
#define SESSION_INDEX_KEY_BYTES 25u
#define LEASE_KEY_BYTES 18u

uint64_t check_count_rows(struct check *check, uint8_t prefix, size_t key_bytes)
{
    struct row_key key = row_key(check->arena, prefix, 0);
    struct kv_cursor cursor;
    uint64_t count = 0;
    kv_cursor_open(check->read, row_key_done(&key), SLICE_EMPTY, check->arena, &cursor);
    for (; cursor.valid; kv_cursor_next(&cursor))
        count += cursor.key.size_bytes == key_bytes ? 1 : 0;
    kv_cursor_close(&cursor);
    return count;
}

/* What the client holds, counted. */
static void check_client_counts(struct check *check, const struct client *client, const struct client_usage *usage,
                                struct arena *scratch)
{
    uint64_t states = 0;
    uint64_t ranges = 0;
    struct state_walk walk;
    struct state state;
    struct arena row; /* a client may have a million */
    arena_init(&row);
    state_walk_open(check->read, client->id, scratch, &walk);
    walk.arena = &row;
    for (; state_walk_get(&walk, &state); state_walk_next(&walk)) {
        states++;
        ranges += state.kind == STATE_LOCK ? state.range_count : 0;
        arena_reset(&row);
    }
    state_walk_close(&walk);
    arena_fini(&row);
    if (states != usage->state_count || ranges != usage->range_count)
        check_report(
            check, "client %" PRIu64 " counts %" PRIu64 " states and %" PRIu64 " ranges, has %" PRIu64 " and %" PRIu64,
            client->id.value, usage->state_count, usage->range_count, states, ranges);
    uint32_t sessions = session_count(check->read, client->id, NFS4_SESSIONS_PER_CLIENT_MAX + 1, scratch);
    if (sessions > NFS4_SESSIONS_PER_CLIENT_MAX)
        check_report(check, "client %" PRIu64 " has more sessions than the bound", client->id.value);
    if (!client->confirmed && (states > 0 || sessions > 0))
        check_report(check, "client %" PRIu64 " is not confirmed and holds something", client->id.value);
}

static void check_client(struct check *check, const struct client *client, const struct client_usage *usage,
                         struct arena *scratch)
{
    struct client_owner records;
    if (!lease_is_indexed(check->read, client->id, usage, scratch))
        check_report(check, "client %" PRIu64 " has no lease row at its lease's end", client->id.value);
    client_owner_get(check->read, client->identity, client->owner, scratch, &records);
    struct client_id listed = client->confirmed ? records.confirmed : records.unconfirmed;
    if (listed.value != client->id.value)
        check_report(check, "client %" PRIu64 " is not its owner's: that is %" PRIu64, client->id.value, listed.value);
    if (usage->reclaims_until_ms != 0 && (!client->confirmed || client->reclaim_complete))
        check_report(check, "client %" PRIu64 " is not confirmed, or done with reclaiming, and waits for that",
                     client->id.value);
    check_client_counts(check, client, usage, scratch);
}

static void check_clients(struct check *check, struct arena *scratch)
{
    struct machine machine;
    struct client_walk walk;
    struct client client;
    struct client_usage usage;
    uint64_t clients = 0;
    uint64_t courtesy = 0;
    machine_load(&machine, check->read, check->arena);
    client_walk_open(check->read, (struct client_id){0}, check->arena, &walk);
    walk.arena = scratch;
    for (; client_walk_get(&walk, &client, &usage); client_walk_next(&walk)) {
        check_client(check, &client, &usage, scratch);
        clients++;
        courtesy += usage.courtesy ? 1 : 0;
        arena_reset(scratch);
    }
    client_walk_close(&walk);
    if (clients != machine.client_count || courtesy != machine.courtesy_count)
        check_report(check,
                     "the counters say %" PRIu64 " clients, %" PRIu64 " by courtesy; there are %" PRIu64 ", %" PRIu64,
                     machine.client_count, machine.courtesy_count, clients, courtesy);
    struct client_id gone;
    uint64_t leases = check_count_rows(check, SCHEMA_CLIENT_LEASE, LEASE_KEY_BYTES);
    if (leases != clients && !lease_first_gone(check->read, check->arena, &gone))
        check_report(check, "%" PRIu64 " lease rows for %" PRIu64 " clients", leases, clients);
}

static struct session_id session_id_in(struct slice key, size_t offset)
{
    struct session_id id;
    CHECK(key.size_bytes >= offset + sizeof(id.bytes));
    memcpy(id.bytes, key.data + offset, sizeof(id.bytes));
    return id;
}

static void check_sessions(struct check *check, struct arena *scratch)
{
    struct row_key prefix = row_key(check->arena, SCHEMA_SESSION, 0);
    struct kv_cursor cursor;
    uint64_t sessions = 0;
    kv_cursor_open(check->read, row_key_done(&prefix), SLICE_EMPTY, check->arena, &cursor);
    for (; cursor.valid; kv_cursor_next(&cursor)) {
        struct session session;
        struct client client;
        sessions++;
        if (!session_get(check->read, session_id_in(cursor.key, 1), scratch, &session))
            break;
        uint64_t number = row_key_get_u64(cursor.key, 1);
        if (!client_get(check->read, session.client, scratch, &client))
            check_report(check, "session of command %" PRIu64 " is of no client", number);
        else if (!client.confirmed)
            check_report(check, "session of command %" PRIu64 " is of an unconfirmed client", number);
        arena_reset(scratch);
    }
    kv_cursor_close(&cursor);
    uint64_t indexed = check_count_rows(check, SCHEMA_SESSION_BY_CLIENT, SESSION_INDEX_KEY_BYTES);
    if (sessions != indexed)
        check_report(check, "%" PRIu64 " sessions, but clients list %" PRIu64, sessions, indexed);
}

/* Every index row of a session leads to it, and it back. */
static void check_session_index(struct check *check, struct arena *scratch)
{
    struct row_key prefix = row_key(check->arena, SCHEMA_SESSION_BY_CLIENT, 0);
    struct kv_cursor cursor;
    kv_cursor_open(check->read, row_key_done(&prefix), SLICE_EMPTY, check->arena, &cursor);
    for (; cursor.valid; kv_cursor_next(&cursor)) {
        struct session session;
        uint64_t client = row_key_get_u64(cursor.key, 1);
        if (!session_get(check->read, session_id_in(cursor.key, 9), scratch, &session) ||
            session.client.value != client)
            check_report(check, "client %" PRIu64 " lists a session that is not its own", client);
        arena_reset(scratch);
    }
    kv_cursor_close(&cursor);
}

static void check_slots(struct check *check, struct arena *scratch)
{
    struct row_key prefix = row_key(check->arena, SCHEMA_SLOT, 0);
    struct kv_cursor cursor;
    kv_cursor_open(check->read, row_key_done(&prefix), SLICE_EMPTY, check->arena, &cursor);
    for (; cursor.valid; kv_cursor_next(&cursor)) {
        struct session session;
        struct slot slot;
        uint32_t number = row_key_get_u32(cursor.key, SESSION_KEY_BYTES);
        struct session_id id = session_id_in(cursor.key, 1);
        if (!session_get(check->read, id, scratch, &session))
            check_report(check, "slot %" PRIu32 " is of no session", number);
        else if (!slot_get(check->read, id, number, scratch, &slot) || number >= session.fore.max_requests)
            check_report(check, "slot %" PRIu32 " is beyond its session's", number);
        arena_reset(scratch);
    }
    kv_cursor_close(&cursor);
}

static void check_nodes(struct check *check, struct arena *scratch)
{
    struct node_walk walk;
    struct node_member member;
    uint64_t processes = 0;
    node_walk_open(check->read, check->arena, &walk);
    for (; node_walk_get(&walk, &member); node_walk_next(&walk)) {
        struct incarnation incarnation;
        if (incarnation_get(check->read, member.incarnation, scratch, &incarnation)) {
            processes++;
            if (incarnation.node != member.node)
                check_report(check, "node %" PRIu64 " has the incarnation %" PRIu64 " of node %" PRIu64, member.node,
                             member.incarnation.value, incarnation.node);
            if (member.gone)
                check_report(check, "node %" PRIu64 " was removed, and its incarnation %" PRIu64 " is open",
                             member.node, member.incarnation.value);
        }
        if (member.gone && (!member.removed || space_node_low(check->read, member.node, scratch)))
            check_report(check, "node %" PRIu64 " is gone, and not forgotten", member.node);
        arena_reset(scratch);
    }
    node_walk_close(&walk);
    uint64_t open = check_count_rows(check, SCHEMA_INCARNATION, 9);
    if (open != processes)
        check_report(check, "%" PRIu64 " open incarnations, of them %" PRIu64 " of nodes", open, processes);
}

/* An owner is a process that is open, and of its node; so is whom it makes room for; no two objects have one address. */
static void check_addresses(struct check *check, struct arena *scratch)
{
    struct address *addresses;
    size_t count = address_list(check->read, scratch, &addresses);
    for (size_t i = 0; i < count; i++) {
        const struct address *address = &addresses[i];
        struct incarnation incarnation;
        char text[ADDRESS_TEXT_BYTES];
        address_text(address, text);
        if (address->owner.value != 0 && (!incarnation_get(check->read, address->owner, scratch, &incarnation) ||
                                          incarnation.node != address->owner_node))
            check_report(check, "address %s is owned by a process that does not run", text);
        if (address->next.value != 0 && (!incarnation_get(check->read, address->next, scratch, &incarnation) ||
                                         incarnation.node != address->next_node))
            check_report(check, "address %s is to go to a process that does not run", text);
        if (address->owner.value == 0 && (address->next.value != 0 || address->leaving))
            check_report(check, "address %s waits for nobody", text);
        for (size_t j = 0; j < i; j++) {
            if (memcmp(addresses[j].bytes, address->bytes, sizeof(address->bytes)) == 0)
                check_report(check, "address %s is there twice", text);
        }
    }
    uint64_t rows = check_count_rows(check, SCHEMA_ADDRESS, 9);
    if (rows != count)
        check_report(check, "%" PRIu64 " addresses are more than the bound", rows);
    arena_reset(scratch);
}

/* What the walks below rely on: a client's two rows stand together, and an index row of a stateid leads to one. */
static bool check_walkable(struct check *check, struct arena *scratch)
{
    static const struct {
        uint8_t prefix;
        size_t key_bytes;
        size_t other_offset;
    } indexes[] = {{SCHEMA_STATEID_BY_CLIENT, 21, 9}, {SCHEMA_OPEN_BY_FILE, 25, 13}, {SCHEMA_STATEID, 25, 13}};
    size_t before = check->count;
    uint64_t rows = check_count_rows(check, SCHEMA_CLIENT, 10);
    struct row_key prefix = row_key(check->arena, SCHEMA_CLIENT, 0);
    struct kv_cursor cursor;
    uint64_t pairs = 0;
    kv_cursor_open(check->read, row_key_done(&prefix), SLICE_EMPTY, check->arena, &cursor);
    for (; cursor.valid; kv_cursor_next(&cursor)) {
        struct client_id id = {row_key_get_u64(cursor.key, 1)};
        struct client client;
        struct client_usage usage;
        pairs += client_get(check->read, id, scratch, &client) && client_usage_get(check->read, id, scratch, &usage);
        arena_reset(scratch);
    }
    kv_cursor_close(&cursor);
    if (pairs != rows || rows % 2 != 0)
        check_report(check, "%" PRIu64 " client rows, %" PRIu64 " of them in pairs", rows, pairs);
    for (size_t i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++) {
        prefix = row_key(check->arena, indexes[i].prefix, 0);
        kv_cursor_open(check->read, row_key_done(&prefix), SLICE_EMPTY, check->arena, &cursor);
        for (; cursor.valid; kv_cursor_next(&cursor)) {
            struct state state;
            if (cursor.key.size_bytes == indexes[i].key_bytes &&
                !state_get(check->read, cursor.key.data + indexes[i].other_offset, scratch, &state))
                check_report(check, "a row %s leads to no stateid", schema_row_name(indexes[i].prefix));
            arena_reset(scratch);
        }
        kv_cursor_close(&cursor);
    }
    return check->count == before;
}

void check_state(struct check *check)
{
    struct arena scratch;
    arena_init(&scratch);
    if (!check_walkable(check, &scratch)) {
        check_report(check, "clients and opens are not looked at further");
        arena_fini(&scratch);
        return;
    }
    check_nodes(check, &scratch);
    check_addresses(check, &scratch);
    check_clients(check, &scratch);
    check_sessions(check, &scratch);
    check_session_index(check, &scratch);
    check_slots(check, &scratch);
    arena_fini(&scratch);
    check_opens(check);
}
