/* flood_client.c: clients that ask for more than is good, to see that a server neither falls nor grows without bound.
 *
 *   flood_client --server HOST:PORT [--export /data] storm THREADS SECONDS
 *       each thread connects, makes a session, runs some compounds, and leaves in one of several rude ways
 *   flood_client --server HOST:PORT [--export /data] unread CONNECTIONS REQUESTS SECONDS
 *       each connection asks REQUESTS times for 1 MiB of a file that is one hole, reads nothing, and stays for SECONDS
 *   flood_client --server HOST:PORT [--export /data] write CONNECTIONS REQUESTS SECONDS
 *       each connection keeps SLOTS WRITEs of 128 KiB under way, REQUESTS in all
 *   flood_client --server HOST:PORT [--export /data] remove
 *       the file of the two before goes
 *   flood_client --server HOST:PORT [--export /data] idle CONNECTIONS SECONDS
 *       connections with a session each, on which nothing happens
 *
 * Prints what it did; the status is 0 unless the server could not be reached at all. What matters is what the server
 * looks like meanwhile, which is for the caller to measure. */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/random.h"
#include "tests/support/rpc_peer.h"

#define IO_BYTES (1u << 20)
#define WRITE_BYTES 131072u
#define FILE_BYTES ((uint64_t)1 << 30)
#define CALL_ROOM_BYTES 1024u
#define SLOTS 16u

struct flood {
    struct sockaddr_in address;
    const char *export_path;
    uint64_t seconds;
    uint64_t requests;
    atomic_uint_least64_t sessions;
    atomic_uint_least64_t failures;
};

static const struct nfs_identity identity = {.machine = "flood"};

static bool peer_begin(struct flood *flood, struct rpc_peer *peer, uint64_t number)
{
    char owner[64];
    snprintf(owner, sizeof(owner), "flood %d %llu", (int)getpid(), (unsigned long long)number);
    rpc_peer_init(peer, &flood->address, &identity, 1);
    bool good = rpc_peer_connect(peer) && rpc_peer_login(peer, slice_text(owner), number, SLOTS) == NFS4_OK;
    atomic_fetch_add(good ? &flood->sessions : &flood->failures, 1);
    return good;
}

/* --- storm --- */

struct storm_thread {
    struct flood *flood;
    pthread_t thread;
    unsigned number;
};

static enum nfsstat4 storm_compound(struct rpc_peer *peer, struct arena *arena)
{
    struct nfs_compound_builder builder;
    struct nfs_reply reply;
    struct bitmap4 mask = {0};
    bitmap4_add(&mask, FATTR4_CHANGE);
    nfs_session_start(&peer->session, &builder, arena, CALL_ROOM_BYTES, 0, false);
    nfs_compound_add(&builder, OP_PUTROOTFH, NULL);
    nfs_add_getattr(&builder, &mask);
    return rpc_peer_run(peer, &builder, &reply);
}

/* Ends a connection: at once, with a reset, half closed, or with a request that nobody waits for. */
static void storm_leave(struct rpc_peer *peer, struct arena *arena, unsigned way)
{
    struct nfs_compound_builder builder;
    const struct linger at_once = {.l_onoff = 1};
    int descriptor = peer->socket.descriptor;
    if (way >= 2) {
        nfs_session_start(&peer->session, &builder, arena, CALL_ROOM_BYTES, 0, false);
        nfs_compound_add(&builder, OP_PUTROOTFH, NULL);
        struct nfs_request request = nfs_compound_finish(&builder);
        (void)rpc_socket_send(&peer->socket, slice_make(request.record.data, request.record.size_bytes), 1000);
    }
    if (way == 1 || way == 3)
        (void)setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    if (way == 4)
        (void)shutdown(descriptor, SHUT_WR);
}

static void *storm_main(void *context)
{
    struct storm_thread *thread = context;
    struct arena arena;
    struct random_seeded random;
    arena_init(&arena);
    random.state = thread->number + 1;
    uint64_t end_ms = test_now_ms() + thread->flood->seconds * 1000;
    for (uint64_t round = 0; test_now_ms() < end_ms; round++) {
        struct rpc_peer peer;
        bool good = peer_begin(thread->flood, &peer, (uint64_t)thread->number << 32 | round);
        for (unsigned i = 0; good && i < 3; i++) {
            if (storm_compound(&peer, &arena) != NFS4_OK)
                atomic_fetch_add(&thread->flood->failures, 1);
        }
        if (good && round % 4 == 0)
            (void)rpc_peer_logout(&peer);
        else if (good)
            storm_leave(&peer, &arena, (unsigned)(random_seeded_next(&random) % 5));
        rpc_peer_fini(&peer);
        arena_reset(&arena);
    }
    arena_fini(&arena);
    return NULL;
}

static void storm(struct flood *flood, unsigned count)
{
    struct storm_thread *threads = calloc(count, sizeof(*threads));
    CHECK(threads != NULL);
    for (unsigned i = 0; i < count; i++) {
        threads[i] = (struct storm_thread){.flood = flood, .number = i};
        CHECK(pthread_create(&threads[i].thread, NULL, storm_main, &threads[i]) == 0);
    }
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i].thread, NULL);
    free(threads);
}

/* --- many connections --- */

struct crowd_member {
    struct rpc_peer peer;
    bool good;
    struct slice request; /* the last one, what is not sent of it yet */
    uint8_t *memory;      /* that it lies in; owned */
    uint64_t sent;
    uint64_t answered; /* in mode write */
    uint8_t mark[RPC_MARK_BYTES];
    size_t mark_bytes;
    size_t record_left; /* of the reply that is coming */
};

/* An open file of FILE_BYTES without content. */
static struct slice big_file(struct flood *flood, struct arena *arena)
{
    struct rpc_peer peer;
    struct nfs_compound_builder builder;
    struct nfs_reply reply;
    struct slice folder;
    union nfs4_args args = {0};
    union nfs4_result result;
    CHECK(peer_begin(flood, &peer, 0));
    CHECK(rpc_peer_walk(&peer, flood->export_path, arena, &folder) == NFS4_OK);
    nfs_session_start(&peer.session, &builder, arena, 16384, 0, false);
    nfs_add_putfh(&builder, folder);
    args.opopen.share_access = OPEN4_SHARE_ACCESS_BOTH;
    args.opopen.owner.clientid = peer.session.clientid;
    args.opopen.owner.owner = slice_text("flood");
    args.opopen.openhow.opentype = OPEN4_CREATE;
    args.opopen.openhow.how.mode = UNCHECKED4;
    args.opopen.claim.claim = CLAIM_NULL;
    args.opopen.claim.u.file = slice_text("flood-file");
    nfs_compound_add(&builder, OP_OPEN, &args);
    nfs_compound_add(&builder, OP_GETFH, NULL);
    union nfs4_args write = {0};
    static const uint8_t last[1] = {1};
    write.opwrite.stateid.seqid = 1; /* the current stateid */
    write.opwrite.offset = FILE_BYTES - 1;
    write.opwrite.stable = FILE_SYNC4;
    write.opwrite.data = slice_make(last, sizeof(last));
    nfs_compound_add(&builder, OP_WRITE, &write);
    CHECK(rpc_peer_run(&peer, &builder, &reply) == NFS4_OK && nfs_reply_find(&reply, OP_GETFH, &result));
    struct slice file = arena_copy(arena, result.opgetfh.resok4.object);
    rpc_peer_fini(&peer); /* the session stays, and the file open */
    return file;
}

/* The next request of a member; READs on slot 0 with the next sequence id, whether or not the one before was answered. */
static void member_next(struct crowd_member *member, struct slice file, bool writes)
{
    struct arena arena;
    struct nfs_compound_builder builder;
    arena_init(&arena);
    uint32_t slot = writes ? (uint32_t)(member->sent % SLOTS) : 0;
    nfs_session_start(&member->peer.session, &builder, &arena, CALL_ROOM_BYTES + (writes ? WRITE_BYTES : 0), slot,
                      false);
    nfs_add_putfh(&builder, file);
    union nfs4_args args = {0};
    if (writes) {
        args.opwrite.offset = (member->sent * 7919 % 1024) * IO_BYTES;
        args.opwrite.stable = FILE_SYNC4;
        args.opwrite.data = slice_make(arena_alloc_zeroed(&arena, WRITE_BYTES), WRITE_BYTES);
        nfs_compound_add(&builder, OP_WRITE, &args);
    } else {
        args.opread.offset = member->sent % 1000 * IO_BYTES;
        args.opread.count = IO_BYTES;
        nfs_compound_add(&builder, OP_READ, &args);
    }
    struct nfs_request request = nfs_compound_finish(&builder);
    nfs_session_done(&member->peer.session, slot);
    free(member->memory);
    member->memory = malloc(request.record.size_bytes);
    CHECK(member->memory != NULL);
    memcpy(member->memory, request.record.data, request.record.size_bytes);
    member->request = slice_make(member->memory, request.record.size_bytes);
    member->sent++;
    arena_fini(&arena);
}

/* Counts the replies that have come; they are in the order of the requests nearly always, and nothing hangs on it. */
static void member_pull(struct crowd_member *member)
{
    uint8_t bytes[4096];
    ssize_t got;
    while (member->good && (got = recv(member->peer.socket.descriptor, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            if (member->record_left > 0) {
                member->answered += --member->record_left == 0;
                continue;
            }
            member->mark[member->mark_bytes++] = bytes[i];
            if (member->mark_bytes < RPC_MARK_BYTES)
                continue;
            member->mark_bytes = 0;
            member->record_left = (size_t)(member->mark[1] << 16 | member->mark[2] << 8 | member->mark[3]);
        }
    }
}

/* Sends what the socket takes. */
static void member_push(struct flood *flood, struct crowd_member *member, struct slice file, bool writes)
{
    while (member->good) {
        if (member->request.size_bytes == 0) {
            if (member->sent == flood->requests || (writes && member->sent - member->answered == SLOTS))
                return;
            member_next(member, file, writes);
        }
        ssize_t taken = send(member->peer.socket.descriptor, member->request.data, member->request.size_bytes,
                             MSG_DONTWAIT | MSG_NOSIGNAL);
        if (taken < 0)
            return;
        member->request = slice_from(member->request, (size_t)taken);
    }
}

static void crowd_report(const struct crowd_member *members, unsigned count)
{
    uint64_t sent = 0;
    uint64_t answered = 0;
    uint64_t waiting = 0;
    unsigned open = 0;
    for (unsigned i = 0; i < count; i++) {
        int bytes = 0;
        char byte;
        sent += members[i].sent;
        answered += members[i].answered;
        if (!members[i].good)
            continue;
        if (ioctl(members[i].peer.socket.descriptor, FIONREAD, &bytes) == 0)
            waiting += (uint64_t)bytes;
        open += recv(members[i].peer.socket.descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
    }
    printf("flood: %u connections open, %llu requests sent, %llu answers read, %llu bytes of answers unread\n", open,
           (unsigned long long)sent, (unsigned long long)answered, (unsigned long long)waiting);
    fflush(stdout);
}

static void crowd(struct flood *flood, unsigned count, bool writes)
{
    struct arena arena;
    struct slice file = SLICE_EMPTY;
    struct crowd_member *members = calloc(count, sizeof(*members));
    CHECK(members != NULL);
    arena_init(&arena);
    if (flood->requests > 0)
        file = big_file(flood, &arena);
    for (unsigned i = 0; i < count; i++)
        members[i].good = peer_begin(flood, &members[i].peer, i + 1);
    crowd_report(members, count);
    uint64_t end_ms = test_now_ms() + flood->seconds * 1000;
    while (test_now_ms() < end_ms) {
        for (unsigned i = 0; i < count; i++) {
            if (writes)
                member_pull(&members[i]);
            member_push(flood, &members[i], file, writes);
        }
        test_sleep_us(writes ? 1000 : 20000);
    }
    crowd_report(members, count);
    for (unsigned i = 0; i < count; i++) {
        rpc_peer_fini(&members[i].peer);
        free(members[i].memory);
    }
    free(members);
    arena_fini(&arena);
}

static enum nfsstat4 remove_file(struct flood *flood)
{
    struct arena arena;
    struct rpc_peer peer;
    struct nfs_compound_builder builder;
    struct nfs_reply reply;
    struct slice folder;
    arena_init(&arena);
    CHECK(peer_begin(flood, &peer, 0));
    enum nfsstat4 status = rpc_peer_walk(&peer, flood->export_path, &arena, &folder);
    if (status == NFS4_OK) {
        nfs_session_start(&peer.session, &builder, &arena, CALL_ROOM_BYTES, 0, false);
        nfs_add_putfh(&builder, folder);
        nfs_add_remove(&builder, slice_text("flood-file"));
        status = rpc_peer_run(&peer, &builder, &reply);
    }
    printf("flood: remove: status %d\n", (int)status);
    rpc_peer_fini(&peer);
    arena_fini(&arena);
    return status;
}

/* --- options --- */

static int usage(void)
{
    fprintf(stderr, "usage: flood_client --server HOST:PORT [--export PATH] storm THREADS SECONDS\n"
                    "       ... unread|write CONNECTIONS REQUESTS SECONDS\n"
                    "       ... idle CONNECTIONS SECONDS\n"
                    "       ... remove\n");
    return 2;
}

int main(int argument_count, char **arguments)
{
    static struct flood flood = {.export_path = "/data"};
    int next = 1;
    bool known = false;
    for (; next + 1 < argument_count && strncmp(arguments[next], "--", 2) == 0; next += 2) {
        if (strcmp(arguments[next], "--server") == 0)
            known = rpc_address_parse(arguments[next + 1], &flood.address);
        else if (strcmp(arguments[next], "--export") == 0)
            flood.export_path = arguments[next + 1];
        else
            return usage();
    }
    int left = argument_count - next;
    if (known && left == 1 && strcmp(arguments[next], "remove") == 0)
        return remove_file(&flood) == NFS4_OK ? 0 : 1;
    if (!known || left < 3)
        return usage();
    const char *what = arguments[next];
    unsigned count = (unsigned)strtoul(arguments[next + 1], NULL, 10);
    bool fills = strcmp(what, "unread") == 0 || strcmp(what, "write") == 0;
    if (left != (fills ? 4 : 3) || count == 0)
        return usage();
    flood.seconds = strtoul(arguments[argument_count - 1], NULL, 10);
    if (fills)
        flood.requests = strtoul(arguments[next + 2], NULL, 10);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    if (strcmp(what, "storm") == 0)
        storm(&flood, count);
    else if (fills || strcmp(what, "idle") == 0)
        crowd(&flood, count, strcmp(what, "write") == 0);
    else
        return usage();
    printf("flood: %llu sessions made, %llu failures\n", (unsigned long long)flood.sessions,
           (unsigned long long)flood.failures);
    return flood.sessions > 0 ? 0 : 1;
}
