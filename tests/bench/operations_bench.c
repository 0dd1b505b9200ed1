/* operations_bench.c: how many operations a second a server gives one connection, and what they cost it in CPU.
 *
 *   operations_bench --server HOST:PORT --export /data [--pid SERVER,...] [--in-flight N] [--seconds S | --count N]
 *                    [OPERATION ...]
 *
 * Operations: getattr, lookup, read (4 KiB), write (1 MiB, stable, over the same 64 MiB again and again), create (one OPEN compound, durable), mkdir, remove (of what
 * create and mkdir made in this run). It keeps N requests under way,
 * each on its own slot, and prints operations per second, microseconds of the server's CPU per operation (with --pid,
 * from /proc) and of its own. Any NFSv4.1 server will do, so two can be compared in one run. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "tests/bench/process_cpu.h"
#include "tests/support/rpc_peer.h"

#define SLOTS_MAX 64u
#define REQUEST_BYTES 1024u
#define WRITE_BYTES (1u << 20)
#define WRITE_PLACES 64u

struct bench {
    struct rpc_peer peer;
    struct slice root;
    struct slice file;
    const char *operation;
    uint32_t in_flight;
    double seconds;
    const char *pids; /* of the servers; NULL: not known */
    uint64_t names;   /* made so far */
    uint64_t removed; /* of them, in the order in which they were made */
    uint64_t writes;  /* sent so far */
    uint64_t count;   /* operations of a run; 0: as many as `seconds` allow */
    uint64_t errors;
    uint32_t xid_of_slot[SLOTS_MAX];
};

static void add_getattr(struct nfs_compound_builder *builder)
{
    struct bitmap4 mask = {0};
    static const uint32_t wanted[] = {FATTR4_TYPE,        FATTR4_CHANGE,
                                      FATTR4_SIZE,        FATTR4_FSID,
                                      FATTR4_FILEID,      FATTR4_MODE,
                                      FATTR4_NUMLINKS,    FATTR4_OWNER,
                                      FATTR4_OWNER_GROUP, FATTR4_SPACE_USED,
                                      FATTR4_TIME_ACCESS, FATTR4_TIME_METADATA,
                                      FATTR4_TIME_MODIFY, FATTR4_MOUNTED_ON_FILEID};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        bitmap4_add(&mask, wanted[i]);
    nfs_add_getattr(builder, &mask);
}

static void add_create(struct bench *bench, struct nfs_compound_builder *builder, struct arena *arena)
{
    char *name = arena_alloc(arena, 64);
    snprintf(name, 64, "bench-%d-%llu", (int)getpid(), (unsigned long long)bench->names++);
    if (strcmp(bench->operation, "mkdir") == 0) {
        nfs_add_create(builder, NF4DIR, slice_text(name));
        return;
    }
    union nfs4_args args = {0};
    args.opopen.share_access = OPEN4_SHARE_ACCESS_BOTH;
    args.opopen.owner.clientid = bench->peer.session.clientid;
    args.opopen.owner.owner = slice_text(name);
    args.opopen.openhow.opentype = OPEN4_CREATE;
    args.opopen.openhow.how.mode = UNCHECKED4;
    args.opopen.claim.claim = CLAIM_NULL;
    args.opopen.claim.u.file = slice_text(name);
    nfs_compound_add(builder, OP_OPEN, &args);
    nfs_compound_add(builder, OP_GETFH, NULL);
    add_getattr(builder);
}

static void add_write(struct bench *bench, struct nfs_compound_builder *builder, struct arena *arena)
{
    union nfs4_args args = {0};
    args.opwrite.offset = bench->writes++ % WRITE_PLACES * WRITE_BYTES;
    args.opwrite.stable = FILE_SYNC4;
    args.opwrite.data = slice_make(arena_alloc_zeroed(arena, WRITE_BYTES), WRITE_BYTES);
    nfs_add_putfh(builder, bench->file);
    nfs_compound_add(builder, OP_WRITE, &args);
}

static void send_on_slot(struct bench *bench, uint32_t slot)
{
    struct arena arena;
    struct nfs_compound_builder builder;
    arena_init(&arena);
    bool write = strcmp(bench->operation, "write") == 0;
    size_t room = write ? REQUEST_BYTES + WRITE_BYTES : REQUEST_BYTES;
    nfs_session_start(&bench->peer.session, &builder, &arena, room, slot, false);
    if (write) {
        add_write(bench, &builder, &arena);
    } else if (strcmp(bench->operation, "getattr") == 0) {
        nfs_add_putfh(&builder, bench->file);
        add_getattr(&builder);
    } else if (strcmp(bench->operation, "lookup") == 0) {
        nfs_add_putfh(&builder, bench->root);
        nfs_add_lookup(&builder, slice_text("bench-file"));
        nfs_compound_add(&builder, OP_GETFH, NULL);
        add_getattr(&builder);
    } else if (strcmp(bench->operation, "read") == 0) {
        union nfs4_args args = {0};
        args.opread.count = 4096;
        nfs_add_putfh(&builder, bench->file);
        nfs_compound_add(&builder, OP_READ, &args);
    } else if (strcmp(bench->operation, "remove") == 0) {
        char *name = arena_alloc(&arena, 64);
        snprintf(name, 64, "bench-%d-%llu", (int)getpid(), (unsigned long long)bench->removed++);
        nfs_add_putfh(&builder, bench->root);
        nfs_add_remove(&builder, slice_text(name));
    } else {
        nfs_add_putfh(&builder, bench->root);
        add_create(bench, &builder, &arena);
    }
    struct nfs_request request = nfs_compound_finish(&builder);
    bench->xid_of_slot[slot] = request.xid;
    struct slice record = slice_make(request.record.data, request.record.size_bytes);
    CHECK(rpc_socket_send(&bench->peer.socket, record, 10000) == RPC_IO_OK);
    arena_fini(&arena);
}

static void receive_one(struct bench *bench, bool send_again)
{
    struct arena arena;
    struct slice record;
    struct nfs_reply reply;
    arena_init(&arena);
    CHECK(rpc_socket_receive(&bench->peer.socket, &arena, &record, 30000) == RPC_IO_OK);
    CHECK(nfs_reply_open(&reply, record, &arena));
    uint32_t slot = 0;
    while (slot < bench->in_flight && bench->xid_of_slot[slot] != reply.rpc.xid)
        slot++;
    CHECK(slot < bench->in_flight);
    if (reply.head.status != NFS4_OK)
        bench->errors++;
    nfs_session_done(&bench->peer.session, slot);
    bench->xid_of_slot[slot] = 0;
    arena_fini(&arena);
    if (send_again)
        send_on_slot(bench, slot);
}

static void run(struct bench *bench, const char *operation)
{
    bench->operation = operation;
    bench->errors = 0;
    for (uint32_t slot = 0; slot < bench->in_flight; slot++)
        send_on_slot(bench, slot);
    double server_cpu = process_cpu_seconds(bench->pids);
    double own_cpu = own_cpu_seconds();
    uint64_t begin_ms = test_now_ms();
    uint64_t count = 0;
    while (bench->count > 0 ? count + bench->in_flight < bench->count
                            : test_now_ms() - begin_ms < (uint64_t)(bench->seconds * 1000)) {
        receive_one(bench, true);
        count++;
    }
    double elapsed = (double)(test_now_ms() - begin_ms) / 1000;
    server_cpu = process_cpu_seconds(bench->pids) - server_cpu;
    own_cpu = own_cpu_seconds() - own_cpu;
    for (uint32_t slot = 0; slot < bench->in_flight; slot++)
        receive_one(bench, false);
    printf("%-8s in flight %2u: %8.0f/s", operation, bench->in_flight, (double)count / elapsed);
    if (bench->pids != NULL)
        printf("  server CPU %6.2f us", server_cpu * 1e6 / (double)count);
    printf("  client CPU %6.2f us  errors %llu\n", own_cpu * 1e6 / (double)count, (unsigned long long)bench->errors);
    fflush(stdout);
}

/* The file that getattr, lookup and read look at: 4 KiB. */
static void prepare(struct bench *bench, const char *export, struct arena *arena)
{
    struct nfs_compound_builder builder;
    struct nfs_reply reply;
    union nfs4_args args = {0};
    union nfs4_result result;
    CHECK(rpc_peer_walk(&bench->peer, export, arena, &bench->root) == NFS4_OK);
    nfs_session_start(&bench->peer.session, &builder, arena, 16384, 0, false);
    nfs_add_putfh(&builder, bench->root);
    args.opopen.share_access = OPEN4_SHARE_ACCESS_BOTH;
    args.opopen.owner.clientid = bench->peer.session.clientid;
    args.opopen.owner.owner = slice_text("bench");
    args.opopen.openhow.opentype = OPEN4_CREATE;
    args.opopen.openhow.how.mode = UNCHECKED4;
    args.opopen.claim.claim = CLAIM_NULL;
    args.opopen.claim.u.file = slice_text("bench-file");
    nfs_compound_add(&builder, OP_OPEN, &args);
    nfs_compound_add(&builder, OP_GETFH, NULL);
    union nfs4_args write = {0};
    uint8_t *bytes = arena_alloc_zeroed(arena, 4096);
    write.opwrite.stateid.seqid = 1; /* the current stateid (RFC 8881 section 16.2.3.1.2) */
    write.opwrite.stable = FILE_SYNC4;
    write.opwrite.data = slice_make(bytes, 4096);
    nfs_compound_add(&builder, OP_WRITE, &write);
    enum nfsstat4 status = rpc_peer_run(&bench->peer, &builder, &reply);
    if (status != NFS4_OK || !nfs_reply_find(&reply, OP_GETFH, &result)) {
        fprintf(stderr, "operations_bench: cannot make a file: status %d\n", (int)status);
        exit(1);
    }
    bench->file = arena_copy(arena, result.opgetfh.resok4.object);
}

int main(int argument_count, char **arguments)
{
    static struct bench bench;
    struct sockaddr_in address;
    const char *server = "127.0.0.1:2049";
    const char *export = "/data";
    bench.in_flight = 16;
    bench.seconds = 2;
    int next = 1;
    for (; next + 1 < argument_count && strncmp(arguments[next], "--", 2) == 0; next += 2) {
        const char *value = arguments[next + 1];
        if (strcmp(arguments[next], "--server") == 0)
            server = value;
        else if (strcmp(arguments[next], "--export") == 0)
            export = value;
        else if (strcmp(arguments[next], "--pid") == 0)
            bench.pids = value;
        else if (strcmp(arguments[next], "--in-flight") == 0)
            bench.in_flight = (uint32_t)strtoul(value, NULL, 10);
        else if (strcmp(arguments[next], "--count") == 0)
            bench.count = strtoull(value, NULL, 10);
        else if (strcmp(arguments[next], "--seconds") == 0)
            bench.seconds = strtod(value, NULL);
        else
            break;
    }
    bool bad = next < argument_count && strncmp(arguments[next], "--", 2) == 0;
    if (bad || !rpc_address_parse(server, &address) || bench.in_flight < 1 || bench.in_flight > SLOTS_MAX) {
        fprintf(stderr,
                "usage: operations_bench [--server HOST:PORT] [--export PATH] [--pid PID,...] [--in-flight 1..64]"
                " [--seconds S | --count N] [getattr|lookup|read|write|create|mkdir|remove ...]\n");
        return 2;
    }
    static const struct nfs_identity identity = {.machine = "bench"};
    char owner[64];
    struct arena arena;
    arena_init(&arena);
    rpc_peer_init(&bench.peer, &address, &identity, 1);
    snprintf(owner, sizeof(owner), "operations_bench %d", (int)getpid());
    CHECK(rpc_peer_connect(&bench.peer));
    enum nfsstat4 status = rpc_peer_login(&bench.peer, slice_text(owner), (uint64_t)getpid(), SLOTS_MAX);
    if (status != NFS4_OK) {
        fprintf(stderr, "operations_bench: no session: status %d\n", (int)status);
        return 1;
    }
    if (bench.in_flight > bench.peer.session.slot_count)
        bench.in_flight = bench.peer.session.slot_count;
    prepare(&bench, export, &arena);
    if (next == argument_count) {
        run(&bench, "getattr");
        run(&bench, "lookup");
        run(&bench, "read");
        run(&bench, "create");
    }
    for (; next < argument_count; next++)
        run(&bench, arguments[next]);
    rpc_peer_fini(&bench.peer);
    arena_fini(&arena);
    return 0;
}
