/* compound_bench.c: what the NFS server itself spends on a compound, without sockets, threads or the log: SEQUENCE, PUTFH
 * and one operation, over RocksDB (as in the product) or over the memory store.
 *
 *   compound_bench [memory|rocksdb] [rounds] */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "proto/rpc/record.h"
#include "statestore/store/kv_rocksdb.h"
#include "tests/support/nfs_client.h"
#include "tests/support/single_node.h"

struct bench {
    struct single_node node;
    struct nfs_session session;
    struct arena arena;
    uint8_t handle[NFS4_FHANDLE_MAX_BYTES];
    size_t handle_bytes;
};

static double now_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static struct slice exchange(struct bench *bench, const struct nfs_request *request)
{
    bool ended;
    single_node_call(&bench->node, 1, slice_make(request->record.data, request->record.size_bytes));
    struct buffer *buffer = single_node_reply(&bench->node, 1, &ended);
    CHECK(buffer != NULL);
    struct slice reply = arena_copy(&bench->arena, slice_from(buffer_slice(buffer), RPC_MARK_BYTES));
    buffer_put(buffer);
    return reply;
}

static void bench_begin(struct bench *bench, struct kv_store *store)
{
    static const struct nfs_identity root = {0, 0, "bench"};
    struct verifier4 verifier = {{1}};
    arena_init(&bench->arena);
    single_node_init_over(&bench->node, store);
    nfs_session_init(&bench->session, &root, 1);
    struct nfs_request request =
        nfs_session_exchange_id(&bench->session, &bench->arena, slice_text("bench"), &verifier);
    enum nfsstat4 status = nfs_session_exchanged(&bench->session, exchange(bench, &request), &bench->arena);
    CHECK(status == NFS4_OK);
    request = nfs_session_create(&bench->session, &bench->arena, 1);
    status = nfs_session_created(&bench->session, exchange(bench, &request), &bench->arena);
    CHECK(status == NFS4_OK);
    struct nfs_compound_builder builder;
    nfs_session_start(&bench->session, &builder, &bench->arena, 4096, 0, false);
    nfs_compound_add(&builder, OP_PUTROOTFH, NULL);
    nfs_add_lookup(&builder, slice_text("data"));
    nfs_add_create(&builder, NF4DIR, slice_text("d"));
    nfs_compound_add(&builder, OP_GETFH, NULL);
    request = nfs_compound_finish(&builder);
    nfs_session_done(&bench->session, 0);
    struct nfs_reply reply;
    union nfs4_result result;
    bool found =
        nfs_reply_open(&reply, exchange(bench, &request), &bench->arena) && nfs_reply_find(&reply, OP_GETFH, &result);
    CHECK(found && result.status.status == NFS4_OK);
    bench->handle_bytes = result.opgetfh.resok4.object.size_bytes;
    memcpy(bench->handle, result.opgetfh.resok4.object.data, bench->handle_bytes);
}

/* The same record again and again; only SEQUENCE's sa_sequenceid moves on. */
static void bench_run(struct bench *bench, const char *name, enum opnum4 op, const union nfs4_args *args,
                      uint32_t rounds)
{
    struct nfs_compound_builder builder;
    struct rpc_call header;
    struct arena arena;
    arena_init(&arena);
    nfs_session_start(&bench->session, &builder, &arena, 4096, 0, false);
    nfs_add_putfh(&builder, slice_make(bench->handle, bench->handle_bytes));
    if (op != OP_ILLEGAL)
        nfs_compound_add(&builder, op, args);
    struct nfs_request request = nfs_compound_finish(&builder);
    struct buffer *record = buffer_create(request.record.size_bytes);
    memcpy(record->data, request.record.data, request.record.size_bytes);
    record->size_bytes = request.record.size_bytes;
    struct nfs4_moment moment = single_node_moment(&bench->node);
    static const uint8_t address[4] = {192, 0, 2, 7};
    size_t seqid_position = request.highest_slot_position - 8;
    double start = now_us();
    for (uint32_t i = 0; i < rounds; i++) {
        struct xdr patch = xdr_encoder((struct span){record->data, record->size_bytes});
        patch.next = patch.end;
        xdr_patch_uint32(&patch, seqid_position, bench->session.seqids[0]++);
        struct xdr x = xdr_decoder(slice_from(buffer_slice(record), RPC_MARK_BYTES), &arena);
        enum rpc_call_verdict verdict = rpc_call_decode(&x, &header);
        CHECK(verdict == RPC_CALL_OK);
        struct nfs4_call call = {
            .connection = {1},
            .address = slice_make(address, sizeof(address)),
            .header = &header,
            .body = slice_make(x.next, xdr_remaining(&x)),
            .record = record,
        };
        nfs4_call(bench->node.server, &call, &moment, &bench->node.outbox);
        struct nfs4_action *action = bench->node.outbox.first;
        CHECK(action != NULL && action->kind == NFS4_REPLY);
        buffer_put(action->reply);
        nfs4_outbox_reset(&bench->node.outbox);
    }
    printf("%-28s %8.3f us CPU\n", name, (now_us() - start) / rounds);
    kv_store_release(bench->node.store, moment.view);
    buffer_put(record);
    arena_fini(&arena);
}

int main(int argc, char **argv)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    bool memory = argc > 1 && argv[1][0] == 'm';
    uint32_t rounds = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 200000;
    char directory[] = "/tmp/qnfs-bench-XXXXXX";
    struct kv_store *store = NULL;
    if (!memory) {
        CHECK(mkdtemp(directory) != NULL);
        struct kv_rocksdb_options options = {0};
        enum status status = kv_rocksdb_open(directory, &options, &store);
        CHECK(status == STATUS_OK);
    }
    bench_begin(bench, store);
    union nfs4_args getattr = {.opgetattr = {{{0x0010011a, 0x00b0a23a, 0}, false}}};
    union nfs4_args access = {.opaccess = {0x1f}};
    union nfs4_args readdir = {.opreaddir = {.dircount = 4096, .maxcount = 4096}};
    bench_run(bench, "SEQUENCE PUTFH", OP_ILLEGAL, NULL, rounds);
    bench_run(bench, "SEQUENCE PUTFH GETATTR", OP_GETATTR, &getattr, rounds);
    bench_run(bench, "SEQUENCE PUTFH ACCESS", OP_ACCESS, &access, rounds);
    bench_run(bench, "SEQUENCE PUTFH READDIR (0)", OP_READDIR, &readdir, rounds);
    single_node_fini(&bench->node);
    arena_fini(&bench->arena);
    free(bench);
    if (!memory) {
        char command[128];
        snprintf(command, sizeof(command), "rm -rf %s", directory);
        return system(command) == 0 ? 0 : 1;
    }
    return 0;
}
