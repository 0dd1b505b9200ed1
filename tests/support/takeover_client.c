#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "tests/support/takeover_run.h"

#define POLL_MS 20
#define EVENTS_SHOWN 60u

uint32_t takeover_random(struct takeover_client *client, uint32_t count)
{
    return (uint32_t)(random_seeded_next(&client->random) % count);
}

uint8_t takeover_data_byte(const struct takeover_lane *lane, uint64_t offset)
{
    return (uint8_t)(offset * 131 + offset / 256 * 17 + lane->client->number * 7 + lane->slot * 3);
}

const char *takeover_link_note(struct takeover_lane *lane, uint32_t directory, const struct change_info4 *info,
                               int32_t race, bool made)
{
    struct takeover_link *link = takeover_list_add(&lane->client->links, sizeof(*link));
    *link = (struct takeover_link){.before = info->before,
                                   .after = info->after,
                                   .sent_us = lane->sent_us,
                                   .replied_us = takeover_now_us(),
                                   .directory = directory,
                                   .client = lane->client->number,
                                   .race = race,
                                   .made = made};
    atomic_uint_least64_t *seen = &lane->client->run->seen_change[directory];
    uint64_t known = atomic_load(seen);
    while (known < info->after && !atomic_compare_exchange_weak(seen, &known, info->after))
        ;
    if (!info->atomic)
        return "cinfo is not atomic";
    return info->after > info->before ? NULL : "cinfo does not move";
}

/* --- set-up --- */

/* OPEN with creation if it is not there. */
static const char *file_open(struct takeover_client *client, struct takeover_lane *lane, uint32_t directory,
                             const char *name, const char *owner, struct takeover_entry *entry)
{
    struct nfs_compound_builder builder;
    struct nfs_reply reply;
    union nfs4_result opened;
    union nfs4_result handle;
    struct arena *arena = &lane->arena;
    const struct nfs_open open = {client->peer.session.clientid, owner, name, UNCHECKED4, 0};
    nfs_session_start(&client->peer.session, &builder, arena, 4096, 0, true);
    nfs_add_putfh(&builder, client->run->directories[directory]);
    nfs_add_open(&builder, &open);
    nfs_compound_add(&builder, OP_GETFH, NULL);
    if (rpc_peer_run(&client->peer, &builder, &reply) != NFS4_OK || !nfs_reply_find(&reply, OP_OPEN, &opened) ||
        !nfs_reply_find(&reply, OP_GETFH, &handle))
        return "a file cannot be opened";
    struct slice bytes = handle.opgetfh.resok4.object;
    *entry = (struct takeover_entry){.directory = directory,
                                     .type = NF4REG,
                                     .open = true,
                                     .open_stateid = opened.opopen.resok4.stateid,
                                     .handle_bytes = bytes.size_bytes};
    memcpy(entry->name, name, strlen(name) + 1);
    memcpy(entry->handle, bytes.data, bytes.size_bytes);
    return NULL;
}

static const char *lane_begin(struct takeover_client *client, struct takeover_lane *lane)
{
    char name[TAKEOVER_NAME_BYTES];
    char owner[TAKEOVER_NAME_BYTES];
    struct takeover_entry counters = {0};
    snprintf(name, sizeof(name), "data-%u-%u", client->number, lane->slot);
    const char *wrong = file_open(client, lane, lane->slot % TAKEOVER_DIRECTORIES, name, name, &lane->data);
    snprintf(owner, sizeof(owner), "counter %u", lane->slot);
    if (wrong == NULL)
        wrong = file_open(client, lane, 0, "counters", owner, &counters);
    if (wrong == NULL &&
        !takeover_change(&client->peer, slice_make(lane->data.handle, lane->data.handle_bytes), &lane->data_change))
        wrong = "a new file has no change number";
    lane->counters_open = counters.open_stateid;
    return wrong;
}

const char *takeover_client_begin(struct takeover_client *client)
{
    const struct takeover_options *options = client->run->options;
    static const struct nfs_identity identity = {0, 0, "takeover"};
    char owner[96];
    client->random.state = options->seed * 1000003u + client->number;
    rpc_peer_init_servers(&client->peer, &options->servers, &identity,
                          (uint32_t)random_seeded_next(&client->random) >> 2);
    rpc_peer_move(&client->peer, client->number % options->servers.count);
    snprintf(owner, sizeof(owner), "client %u of %s", client->number, client->run->directory_name[0]);
    uint64_t verifier = random_seeded_next(&client->random);
    if (rpc_peer_login(&client->peer, slice_text(owner), verifier, options->lanes) != NFS4_OK)
        return "a client gets no session";
    client->lane_count =
        options->lanes < client->peer.session.slot_count ? options->lanes : client->peer.session.slot_count;
    const char *wrong = NULL;
    for (uint32_t slot = 0; slot < client->lane_count && wrong == NULL; slot++) {
        struct takeover_lane *lane = &client->lanes[slot];
        lane->client = client;
        lane->slot = slot;
        arena_init(&lane->arena);
        wrong = lane_begin(client, lane);
    }
    return wrong;
}

/* --- what happened --- */

static void event_note(struct takeover_client *client, const char *what, uint32_t slot)
{
    client->events[client->event_count++ % TAKEOVER_EVENTS] = (struct takeover_event){
        .at_us = takeover_now_us(),
        .what = what,
        .slot = slot,
        .seqid = slot < TAKEOVER_LANES_MAX ? client->peer.session.seqids[slot] : 0,
        .node = client->peer.current + 1,
    };
}

/* The latest of a slot and of its connections. */
static void events_print(const struct takeover_client *client, uint32_t slot)
{
    uint64_t now_us = takeover_now_us();
    uint32_t first = client->event_count > TAKEOVER_EVENTS ? client->event_count - TAKEOVER_EVENTS : 0;
    uint32_t from = client->event_count;
    for (uint32_t shown = 0; from > first && shown < EVENTS_SHOWN; from--) {
        uint32_t of_slot = client->events[(from - 1) % TAKEOVER_EVENTS].slot;
        shown += of_slot == slot || of_slot == TAKEOVER_LANES_MAX;
    }
    pthread_mutex_lock(&client->run->print);
    for (uint32_t i = from; i < client->event_count; i++) {
        const struct takeover_event *event = &client->events[i % TAKEOVER_EVENTS];
        if (event->slot != slot && event->slot != TAKEOVER_LANES_MAX)
            continue;
        printf("        %9.3f s ago: %-16s node %u", (double)(now_us - event->at_us) / 1e6, event->what, event->node);
        if (event->slot == slot)
            printf(", sequence id %u", event->seqid);
        printf("\n");
    }
    pthread_mutex_unlock(&client->run->print);
}

/* --- requests --- */

static void lane_wrong(struct takeover_lane *lane, const char *wrong)
{
    events_print(lane->client, lane->slot);
    takeover_wrong(lane->client->run, "client %u, slot %u, %s of %s in directory %u (%s): %s", lane->client->number,
                   lane->slot, lane->kind->name, lane->new_name, lane->directory,
                   lane->subject != NULL ? lane->subject->name : "", wrong);
}

/* The next request of an idle lane: a kind by weight that has something to do. */
static void lane_start(struct takeover_lane *lane)
{
    struct takeover_client *client = lane->client;
    uint32_t sum = 0;
    for (uint32_t i = 0; i < takeover_kind_count; i++)
        sum += takeover_kinds[i].weight;
    const struct takeover_kind *kind = NULL;
    while (kind == NULL) {
        uint32_t draw = takeover_random(client, sum);
        const struct takeover_kind *drawn = takeover_kinds;
        while (draw >= drawn->weight)
            draw -= drawn++->weight;
        lane->subject = NULL;
        if (drawn->choose(lane))
            kind = drawn;
    }
    arena_reset(&lane->arena);
    struct nfs_compound_builder builder;
    size_t room = TAKEOVER_REQUEST_BYTES + lane->amount;
    nfs_session_start(&client->peer.session, &builder, &lane->arena, room, lane->slot, takeover_random(client, 2) == 0);
    kind->build(lane, &builder);
    lane->request = nfs_compound_finish(&builder);
    lane->kind = kind;
    lane->first = SLICE_EMPTY;
    lane->state = LANE_WAITS;
    lane->sent = false;
    lane->sent_us = takeover_now_us();
}

static void lane_done(struct takeover_lane *lane)
{
    nfs_session_done(&lane->client->peer.session, lane->slot);
    lane->state = LANE_IDLE;
    lane->ready_us = takeover_now_us() + lane->client->run->options->pace_ms * 1000u;
    lane->client->operations++;
}

/* --- connections --- */

static void client_drop(struct takeover_client *client)
{
    rpc_socket_close(&client->peer.socket);
    for (uint32_t slot = 0; slot < client->lane_count; slot++)
        client->lanes[slot].sent = false;
}

/* To another node, if there is one. */
static void client_move(struct takeover_client *client)
{
    uint32_t count = client->peer.servers.count;
    client_drop(client);
    client->moves++;
    event_note(client, "leaves", TAKEOVER_LANES_MAX);
    if (count > 1)
        rpc_peer_move(&client->peer, (client->peer.current + 1 + takeover_random(client, count - 1)) % count);
}

static bool client_connect(struct takeover_client *client)
{
    struct rpc_peer *peer = &client->peer;
    if (peer->socket.descriptor >= 0)
        return true;
    if (rpc_socket_connect(&peer->socket, &peer->servers.addresses[peer->current],
                           (int)client->run->options->silence_ms) != RPC_IO_OK) {
        event_note(client, "is not let in by", TAKEOVER_LANES_MAX);
        test_sleep_us(10000);
        client_move(client);
        return false;
    }
    event_note(client, "is let in by", TAKEOVER_LANES_MAX);
    client->progress_us = takeover_now_us();
    return true;
}

/* Sends what was not sent over this connection; returns how many requests are under way. */
static uint32_t client_send(struct takeover_client *client)
{
    uint32_t under_way = 0;
    for (uint32_t slot = 0; slot < client->lane_count; slot++) {
        struct takeover_lane *lane = &client->lanes[slot];
        if (lane->state == LANE_IDLE)
            continue;
        under_way++;
        if (lane->sent)
            continue;
        struct slice bytes = slice_make(lane->request.record.data, lane->request.record.size_bytes);
        if (rpc_socket_send(&client->peer.socket, bytes, (int)client->run->options->silence_ms) != RPC_IO_OK) {
            client_move(client);
            return under_way;
        }
        event_note(client, lane->kind->name, slot);
        lane->sent = true;
    }
    return under_way;
}

/* --- replies --- */

/* Equal but for the xid and what SEQUENCE says about the session in general, which each node knows for itself. */
static const char *replies_compare(struct takeover_lane *lane, struct slice again)
{
    struct nfs_reply one;
    struct nfs_reply two;
    enum opnum4 op;
    union nfs4_result a;
    union nfs4_result b;
    if (!nfs_reply_open(&one, lane->first, &lane->arena) || !nfs_reply_open(&two, again, &lane->arena))
        return "a repeated reply does not decode";
    if (one.head.status != two.head.status) {
        char *text = arena_alloc(&lane->arena, 96);
        snprintf(text, 96, "answered %s at first, and %s when it was sent again", nfsstat4_name(one.head.status),
                 nfsstat4_name(two.head.status));
        return text;
    }
    if (!nfs_reply_next(&one, &op, &a) || op != OP_SEQUENCE || !nfs_reply_next(&two, &op, &b) || op != OP_SEQUENCE)
        return "a repeated reply lacks SEQUENCE";
    const struct SEQUENCE4resok *x = &a.opsequence.sr_resok4;
    const struct SEQUENCE4resok *y = &b.opsequence.sr_resok4;
    if (memcmp(&x->sr_sessionid, &y->sr_sessionid, sizeof(x->sr_sessionid)) != 0 ||
        x->sr_sequenceid != y->sr_sequenceid || x->sr_slotid != y->sr_slotid)
        return "a repeated reply has another slot or sequence id";
    struct slice rest_one = slice_make(one.x.next, xdr_remaining(&one.x));
    struct slice rest_two = slice_make(two.x.next, xdr_remaining(&two.x));
    return slice_equal(rest_one, rest_two) ? NULL : "the reply differs from the first one";
}

/* A retransmission may have another xid and another sa_highest_slotid. */
static void lane_again(struct takeover_lane *lane)
{
    struct takeover_client *client = lane->client;
    lane->again--;
    lane->sent = false;
    client->resends++;
    if (takeover_random(client, 2) == 0) {
        nfs_request_set_xid(&lane->request, client->peer.session.next_xid++);
        nfs_request_set_highest_slot(&lane->request,
                                     lane->slot + takeover_random(client, client->lane_count - lane->slot));
    }
    if (takeover_random(client, 3) == 0)
        client_move(client);
}

static void gap_note(struct takeover_client *client)
{
    uint64_t now_us = takeover_now_us();
    if (client->reply_us != 0 && now_us - client->reply_us >= TAKEOVER_GAP_US) {
        struct takeover_gap *gap = takeover_list_add(&client->gaps, sizeof(*gap));
        *gap = (struct takeover_gap){client->reply_us, now_us};
    }
    client->reply_us = now_us;
    atomic_store(&client->reply_node, client->peer.current + 1);
    client->progress_us = now_us;
}

static const char *lane_reply_first(struct takeover_lane *lane, struct slice record)
{
    struct nfs_reply reply;
    lane->first = arena_copy(&lane->arena, record);
    if (!nfs_reply_open(&reply, lane->first, &lane->arena))
        return "the reply does not decode";
    return lane->kind->accept(lane, &reply);
}

static void lane_reply(struct takeover_lane *lane, struct slice record)
{
    struct takeover_client *client = lane->client;
    const char *wrong = NULL;
    event_note(client, lane->state == LANE_WAITS ? "is answered" : "is answered again", lane->slot);
    if (lane->state == LANE_WAITS) {
        wrong = lane_reply_first(lane, record);
        lane->state = LANE_WAITS_AGAIN;
        lane->again = lane->kind->change && takeover_random(client, 100) < client->run->options->again_percent
                          ? 1 + takeover_random(client, 2)
                          : 0;
    } else {
        wrong = replies_compare(lane, record);
    }
    if (wrong != NULL)
        lane_wrong(lane, wrong);
    if (lane->again == 0)
        lane_done(lane);
    else
        lane_again(lane);
}

static void client_reply(struct takeover_client *client, struct slice record)
{
    uint32_t xid = 0;
    struct xdr x = xdr_decoder(record, NULL);
    (void)xdr_uint32(&x, &xid);
    gap_note(client);
    for (uint32_t slot = 0; slot < client->lane_count; slot++) {
        struct takeover_lane *lane = &client->lanes[slot];
        if (lane->state != LANE_IDLE && lane->sent && lane->request.xid == xid) {
            lane_reply(lane, record);
            break;
        }
    }
    if (takeover_random(client, 1000) < client->run->options->roam_permille)
        client_move(client);
}

/* --- the thread --- */

/* A request must not wait for ever: counted from its sending, or from when the last fault was over. */
static void client_patience(struct takeover_client *client)
{
    struct takeover *run = client->run;
    if (atomic_load(&run->down))
        return;
    uint64_t now_us = takeover_now_us();
    uint64_t up_us = atomic_load(&run->up_us);
    for (uint32_t slot = 0; slot < client->lane_count; slot++) {
        struct takeover_lane *lane = &client->lanes[slot];
        uint64_t since_us = lane->sent_us > up_us ? lane->sent_us : up_us;
        if (lane->state != LANE_IDLE && now_us > since_us + TAKEOVER_PATIENCE_US)
            lane_wrong(lane, "no reply for a minute");
    }
}

static void client_receive(struct takeover_client *client, struct arena *arena)
{
    struct slice record;
    arena_reset(arena);
    enum rpc_io outcome = rpc_socket_receive(&client->peer.socket, arena, &record, POLL_MS);
    if (outcome == RPC_IO_OK) {
        client_reply(client, record);
    } else if (outcome == RPC_IO_CLOSED) {
        client_move(client);
    } else if (takeover_now_us() > client->progress_us + client->run->options->silence_ms * 1000u) {
        client->silences++;
        event_note(client, "hears nothing of", TAKEOVER_LANES_MAX);
        client_move(client);
    }
}

void *takeover_client_run(void *context)
{
    struct takeover_client *client = context;
    struct takeover *run = client->run;
    struct arena arena;
    arena_init(&arena);
    for (;;) {
        bool stop = atomic_load(&run->stop);
        uint64_t now_us = takeover_now_us();
        for (uint32_t slot = 0; slot < client->lane_count && !stop; slot++) {
            struct takeover_lane *lane = &client->lanes[slot];
            if (lane->state == LANE_IDLE && now_us >= lane->ready_us)
                lane_start(lane);
        }
        if (atomic_load(&run->failed))
            break;
        uint32_t under_way = client_connect(client) ? client_send(client) : 1;
        if (under_way == 0) {
            if (stop)
                break;
            client->progress_us = takeover_now_us();
            test_sleep_us(500);
        } else if (client->peer.socket.descriptor >= 0) {
            client_receive(client, &arena);
        }
        client_patience(client);
    }
    arena_fini(&arena);
    return NULL;
}

static void close_quietly(struct takeover_client *client, struct arena *arena, struct slice handle,
                          struct stateid4 stateid)
{
    struct nfs_compound_builder builder;
    struct nfs_reply reply;
    nfs_session_start(&client->peer.session, &builder, arena, 4096, 0, true);
    union nfs4_args args = {.opclose = {.open_stateid = stateid}};
    nfs_add_putfh(&builder, handle);
    nfs_compound_add(&builder, OP_CLOSE, &args);
    (void)rpc_peer_run(&client->peer, &builder, &reply);
}

static void entry_close_quietly(struct takeover_client *client, struct arena *arena, const struct takeover_entry *entry)
{
    if (entry->open)
        close_quietly(client, arena, slice_make(entry->handle, entry->handle_bytes), entry->open_stateid);
}

void takeover_client_end(struct takeover_client *client)
{
    for (uint32_t slot = 0; slot < client->lane_count; slot++) {
        struct takeover_lane *lane = &client->lanes[slot];
        if (!atomic_load(&client->run->failed)) {
            entry_close_quietly(client, &lane->arena, &lane->data);
            entry_close_quietly(client, &lane->arena, &lane->raced);
            for (uint32_t i = 0; i < TAKEOVER_ENTRIES; i++)
                entry_close_quietly(client, &lane->arena, &lane->entries[i]);
            close_quietly(client, &lane->arena, client->run->counters, lane->counters_open);
        }
        arena_fini(&lane->arena);
    }
    if (client->lane_count > 0 && !atomic_load(&client->run->failed)) {
        enum nfsstat4 status = rpc_peer_logout(&client->peer);
        if (status != NFS4_OK)
            takeover_wrong(client->run, "client %u cannot log out: %s", client->number, nfsstat4_name(status));
    }
    rpc_peer_fini(&client->peer);
    free(client->links.items);
    free(client->misses.items);
    free(client->gaps.items);
}
