#include "tests/support/exactly_once.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "tests/support/exactly_once_world.h"

#define REPLY_TIMEOUT_MS 30000

/* How a reply gets lost. */
enum loss {
    LOSS_CLOSE,       /* the connection is closed as soon as the request is sent */
    LOSS_CLOSE_LATER, /* a moment later, unread */
    LOSS_READ,        /* the reply is read, and compared with the others in the end */
    LOSS_LEAVE_OPEN,  /* the old connection stays open beside the new one */
    LOSS_COUNT
};

struct tally {
    uint32_t done;
    uint32_t wrong;
};

struct run {
    const struct exactly_once_options *options;
    struct world world;
    struct rpc_socket left_open;
    struct tally *tallies; /* one a kind, and one for sessions */
    uint32_t false_retries;
    uint32_t losses[LOSS_COUNT];
};

static const char *text_make(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
static const char *text_make(struct arena *arena, const char *format, ...)
{
    const size_t text_bytes = 256;
    char *text = arena_alloc(arena, text_bytes);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, text_bytes, format, arguments);
    va_end(arguments);
    return text;
}

/* Sends the request and loses the reply; with LOSS_READ *reply gets it if it came. NULL, or what went wrong. */
static const char *send_and_lose(struct run *run, struct rpc_peer *peer, const struct nfs_request *request,
                                 struct slice *reply)
{
    enum loss loss = (enum loss)world_random(&run->world, LOSS_COUNT);
    run->losses[loss]++;
    world_move(&run->world, peer);
    if (!rpc_peer_connect(peer))
        return "the server cannot be reached";
    struct slice bytes = slice_make(request->record.data, request->record.size_bytes);
    (void)rpc_socket_send(&peer->socket, bytes, REPLY_TIMEOUT_MS);
    if (loss == LOSS_CLOSE)
        rpc_socket_close(&peer->socket);
    if (!world_maybe_kill(&run->world))
        return "the kill command failed";
    if (loss == LOSS_CLOSE_LATER)
        test_sleep_us(world_random(&run->world, 4000));
    if (loss == LOSS_READ &&
        rpc_socket_receive(&peer->socket, &run->world.scratch, reply, REPLY_TIMEOUT_MS) != RPC_IO_OK)
        *reply = SLICE_EMPTY;
    if (loss == LOSS_LEAVE_OPEN) {
        rpc_socket_close(&run->left_open);
        run->left_open.descriptor = peer->socket.descriptor;
        peer->socket.descriptor = -1;
    }
    rpc_socket_close(&peer->socket);
    return NULL;
}

/* Sends the same bytes over a new connection and reads the reply. */
static const char *send_again(struct run *run, struct rpc_peer *peer, const struct nfs_request *request,
                              struct slice *reply)
{
    rpc_socket_close(&peer->socket);
    if (world_random(&run->world, 4) == 0) {
        /* And once more, with a kill between request and reply. */
        struct slice ignored = SLICE_EMPTY;
        const char *wrong = send_and_lose(run, peer, request, &ignored);
        if (wrong != NULL)
            return wrong;
    }
    world_move(&run->world, peer);
    return rpc_peer_call(peer, request, &run->world.scratch, reply) ? NULL : "no reply";
}

/* Whether two replies are equal but for the xid; a message with the first difference, in the arena, if not. */
static const char *replies_compare(struct arena *arena, const char *which, struct slice first, struct slice other)
{
    size_t shared = first.size_bytes < other.size_bytes ? first.size_bytes : other.size_bytes;
    size_t at = 4;
    while (at < shared && first.data[at] == other.data[at])
        at++;
    if (at >= shared && first.size_bytes == other.size_bytes)
        return NULL;
    return text_make(arena, "%s reply differs from the first at byte %zu (%zu and %zu bytes, status %s and %s)", which,
                     at, first.size_bytes, other.size_bytes, nfsstat4_name(nfs_reply_status(first, arena)),
                     nfsstat4_name(nfs_reply_status(other, arena)));
}

/* The observer's view must be what it was. */
static const char *unchanged(struct run *run, const struct world_snapshot *known, const char *after_what)
{
    struct world_snapshot now;
    if (!world_look(&run->world, &run->world.scratch, &now))
        return "the observer gets no answer";
    if (slice_equal(now.bytes, known->bytes))
        return NULL;
    return text_make(&run->world.scratch, "executed once more: the observer sees a change after %s", after_what);
}

/* Other operations with the sequence id that is used up. */
static const char *false_retry(struct run *run, uint32_t slot, const struct world_snapshot *known)
{
    struct world *world = &run->world;
    struct nfs_compound_builder builder;
    nfs_session_start(&world->worker.session, &builder, &world->scratch, 4096, slot, true);
    nfs_add_putfh(&builder, world->directory);
    nfs_add_create(&builder, NF4DIR, slice_text("false-retry"));
    struct nfs_request request = nfs_compound_finish(&builder);
    struct slice reply;
    if (!rpc_peer_call(&world->worker, &request, &world->scratch, &reply))
        return "no reply to a false retry";
    run->false_retries++;
    if (nfs_reply_status(reply, &world->scratch) != NFS4ERR_SEQ_FALSE_RETRY)
        return "a false retry is not answered NFS4ERR_SEQ_FALSE_RETRY";
    return unchanged(run, known, "a false retry");
}

/* What the reply says, held against model and snapshot. */
static const char *judge(struct run *run, const struct world_kind *kind, struct slice record,
                         const struct world_snapshot *before, const struct world_snapshot *after)
{
    struct nfs_reply reply;
    struct arena *arena = &run->world.scratch;
    if (!nfs_reply_open(&reply, record, arena))
        return "the reply does not decode";
    if (reply.head.status != kind->expected) {
        return text_make(arena, "status %s, expected %s", nfsstat4_name(reply.head.status),
                         nfsstat4_name(kind->expected));
    }
    const char *wrong = kind->accept(&run->world, &reply, before->directory_change, after->directory_change);
    return wrong != NULL ? wrong : world_compare(&run->world, after);
}

/* The three resends of a request whose reply was lost, and what was seen between. */
static const char *resend_and_compare(struct run *run, const struct world_kind *kind, struct nfs_request *request,
                                      uint32_t slot, struct slice lost, const struct world_snapshot *before)
{
    struct world *world = &run->world;
    struct arena *arena = &world->scratch;
    struct world_snapshot between;
    struct world_snapshot after;
    struct slice first = SLICE_EMPTY;
    struct slice other = SLICE_EMPTY;

    if (!world_look(world, arena, &between))
        return "the observer gets no answer";
    const char *wrong = send_again(run, &world->worker, request, &first);
    if (wrong != NULL)
        return wrong;
    if (!world_look(world, arena, &after))
        return "the observer gets no answer";
    if (!kind->in_steps && !slice_equal(between.bytes, before->bytes) && !slice_equal(between.bytes, after.bytes))
        return "executed by the lost request and again by the first resend";
    wrong = judge(run, kind, first, before, &after);
    if (wrong == NULL && lost.size_bytes > 0)
        wrong = replies_compare(arena, "the discarded", first, lost);
    if (wrong == NULL)
        wrong = send_again(run, &world->worker, request, &other);
    if (wrong == NULL)
        wrong = replies_compare(arena, "the second", first, other);
    if (wrong == NULL)
        wrong = unchanged(run, &after, "the second resend");
    nfs_request_set_xid(request, world->worker.session.next_xid++);
    nfs_request_set_highest_slot(request, slot);
    if (wrong == NULL)
        wrong = send_again(run, &world->worker, request, &other);
    if (wrong == NULL)
        wrong = replies_compare(arena, "the third (other xid and sa_highest_slotid)", first, other);
    if (wrong == NULL)
        wrong = unchanged(run, &after, "the third resend");
    if (wrong == NULL && world_random(world, 6) == 0)
        wrong = false_retry(run, slot, &after);
    return wrong;
}

static const char *operation_run(struct run *run, const struct world_kind *kind)
{
    struct world *world = &run->world;
    struct world_snapshot before;
    if (!world_look(world, &world->scratch, &before))
        return "the observer gets no answer";
    struct nfs_compound_builder builder;
    uint32_t slot = world_random(world, world->worker.session.slot_count);
    nfs_session_start(&world->worker.session, &builder, &world->scratch, 262144, slot,
                      run->options->cache_always || world_random(world, 2) == 0);
    kind->build(world, &builder);
    struct nfs_request request = nfs_compound_finish(&builder);
    struct slice lost = SLICE_EMPTY;
    const char *wrong = send_and_lose(run, &world->worker, &request, &lost);
    if (wrong == NULL)
        wrong = resend_and_compare(run, kind, &request, slot, lost, &before);
    nfs_session_done(&world->worker.session, slot);
    return wrong;
}

/* CREATE_SESSION is replayed by client id and csa_sequence (RFC 8881 section 18.36.4). */
static const char *session_run(struct run *run, uint32_t number)
{
    struct world *world = &run->world;
    struct arena *arena = &world->scratch;
    struct rpc_peer peer;
    struct slice first = SLICE_EMPTY;
    struct slice other = SLICE_EMPTY;
    char owner[96];
    rpc_peer_init_servers(&peer, &run->options->servers, &world->worker.session.identity, number << 8);
    snprintf(owner, sizeof(owner), "session %u of %s", number, world->directory_name);
    struct verifier4 verifier = {{1}};

    struct nfs_request request = nfs_session_exchange_id(&peer.session, arena, slice_text(owner), &verifier);
    const char *wrong = rpc_peer_call(&peer, &request, arena, &first) ? NULL : "no reply to EXCHANGE_ID";
    if (wrong == NULL && nfs_session_exchanged(&peer.session, first, arena) != NFS4_OK)
        wrong = "EXCHANGE_ID failed";
    request = nfs_session_create(&peer.session, arena, 4);
    if (wrong == NULL)
        wrong = send_and_lose(run, &peer, &request, &other);
    if (wrong == NULL)
        wrong = send_again(run, &peer, &request, &first);
    if (wrong == NULL && other.size_bytes > 0)
        wrong = replies_compare(arena, "the discarded", first, other);
    if (wrong == NULL)
        wrong = send_again(run, &peer, &request, &other);
    if (wrong == NULL)
        wrong = replies_compare(arena, "the second", first, other);
    if (wrong == NULL && nfs_session_created(&peer.session, first, arena) != NFS4_OK)
        wrong = "CREATE_SESSION failed";
    enum nfsstat4 status = wrong == NULL ? rpc_peer_logout(&peer) : NFS4_OK;
    if (status != NFS4_OK)
        wrong = text_make(arena, "session or client cannot be destroyed: %s", nfsstat4_name(status));
    rpc_peer_fini(&peer);
    return wrong;
}

/* Numbers of the two kinds that are not in the table. */
static uint32_t kind_session(void)
{
    return world_kind_count;
}
static uint32_t kind_burst(void)
{
    return world_kind_count + 1;
}
static const char *kind_name(uint32_t kind)
{
    if (kind == kind_burst())
        return "burst";
    return kind == kind_session() ? "create_session" : world_kinds[kind].name;
}

static void tally_add(struct run *run, uint32_t kind, const char *wrong, uint32_t number)
{
    const char *name = kind_name(kind);
    run->tallies[kind].done++;
    run->tallies[kind].wrong += wrong != NULL;
    if (wrong != NULL)
        printf("    operation %u, %s: %s (seed %llu)\n", number, name, wrong, (unsigned long long)run->options->seed);
    else if (run->options->verbose)
        printf("    operation %u, %s\n", number, name);
}

/* A kind that has something to do now. */
static uint32_t kind_choose(struct run *run)
{
    for (;;) {
        uint32_t kind = world_random(&run->world, world_kind_count + 2);
        if (kind >= world_kind_count || world_kinds[kind].choose(&run->world))
            return kind;
    }
}

static bool report(const struct run *run)
{
    bool good = true;
    for (uint32_t kind = 0; kind <= kind_burst(); kind++) {
        const char *name = kind_name(kind);
        const struct tally *tally = &run->tallies[kind];
        good = good && tally->wrong == 0;
        if (tally->wrong > 0)
            printf("FAILED exactly_once/%s: %u of %u (seed %llu)\n", name, tally->wrong, tally->done,
                   (unsigned long long)run->options->seed);
        else if (tally->done > 0)
            printf("ok exactly_once/%s (%u)\n", name, tally->done);
    }
    if ((run->options->kill_command != NULL || run->options->nemesis_descriptor >= 0) &&
        run->options->operations >= 100 && run->world.kills == 0) {
        printf("FAILED exactly_once/kills: none in %u operations (seed %llu)\n", run->options->operations,
               (unsigned long long)run->options->seed);
        good = false;
    }
    printf("    %u kills, %u false retries; replies lost: %u by closing, %u by closing later, %u read and dropped, %u "
           "left open\n",
           run->world.kills, run->false_retries, run->losses[LOSS_CLOSE], run->losses[LOSS_CLOSE_LATER],
           run->losses[LOSS_READ], run->losses[LOSS_LEAVE_OPEN]);
    return good;
}

bool exactly_once_run(const struct exactly_once_options *options)
{
    struct run *run = calloc(1, sizeof(*run));
    CHECK(run != NULL);
    run->options = options;
    run->tallies = calloc(world_kind_count + 2, sizeof(*run->tallies));
    CHECK(run->tallies != NULL);
    rpc_socket_init(&run->left_open);

    const char *wrong = world_begin(&run->world, &options->servers, options->export_path, options->seed);
    run->world.kill_command = options->kill_command;
    run->world.kill_percent = options->kill_percent;
    nemesis_init(&run->world.nemesis, options->nemesis_descriptor);
    bool good = wrong == NULL;
    if (!good)
        printf("FAILED exactly_once/setup: %s (seed %llu)\n", wrong, (unsigned long long)options->seed);
    /* After a wrong answer the model and the server differ: what followed would only repeat it. */
    for (uint32_t i = 0; good && i < options->operations; i++) {
        arena_reset(&run->world.scratch);
        uint32_t kind = kind_choose(run);
        if (kind == kind_burst())
            wrong = world_burst(&run->world);
        else
            wrong = kind == kind_session() ? session_run(run, i) : operation_run(run, &world_kinds[kind]);
        tally_add(run, kind, wrong, i);
        good = wrong == NULL;
        fflush(stdout);
    }
    good = report(run) && good;
    rpc_socket_close(&run->left_open);
    world_end(&run->world);
    free(run->tallies);
    free(run);
    return good;
}
