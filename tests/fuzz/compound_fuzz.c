/* compound_fuzz.c: whole compounds through the server with the machine behind it. Whatever comes, each call ends exactly
 * once, a retry of an answered request that changed something has the same reply, and the state's invariants hold.
 *
 * The input: requests one after the other, each one byte of flags, two bytes of length, and so many bytes.
 *   0x01  the bytes are COMPOUND4args; otherwise one byte of count and the operations behind a SEQUENCE that is right
 *   0x02  what the server proposes waits; the request comes once more meanwhile
 *   0x04  kill -9 and a start afterwards, and the request once more
 *   0x08  the request comes twice
 *   0x10  sa_cachethis
 *   0x20  slot 1
 *   0x40  minor version 2
 *   0x80  the view is behind; the request comes once more meanwhile */
#include "base/check.h"
#include "proto/rpc/record.h"
#include "tests/support/nfs_client.h"
#include "tests/support/single_node.h"

#define FLAG_RAW 0x01u
#define FLAG_HOLD 0x02u
#define FLAG_RESTART 0x04u
#define FLAG_TWICE 0x08u
#define FLAG_CACHE 0x10u
#define FLAG_SLOT 0x20u
#define FLAG_MINOR 0x40u
#define FLAG_BEHIND 0x80u
#define REQUESTS_MAX 16u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
    struct single_node node;
    struct nfs_session session;
    struct arena arena;
    uint64_t calls; /* each on a connection of its own */
};

/* How often the connection's call has ended; *reply is its reply, in the arena, without the mark. */
static unsigned call_ends(struct fuzz *fuzz, uint64_t connection, struct slice *reply)
{
    unsigned ends = 0;
    for (;;) {
        bool ended;
        struct buffer *buffer = single_node_reply(&fuzz->node, connection, &ended);
        if (buffer == NULL && !ended)
            return ends;
        ends++;
        if (buffer != NULL) {
            *reply = arena_copy(&fuzz->arena, slice_from(buffer_slice(buffer), RPC_MARK_BYTES));
            buffer_put(buffer);
        }
    }
}

static struct slice exchange(struct fuzz *fuzz, const struct nfs_request *request)
{
    struct slice reply = SLICE_EMPTY;
    single_node_call(&fuzz->node, ++fuzz->calls, slice_make(request->record.data, request->record.size_bytes));
    CHECK(call_ends(fuzz, fuzz->calls, &reply) == 1);
    return reply;
}

static void begin(struct fuzz *fuzz)
{
    static const struct nfs_identity root = {0, 0, "fuzz"};
    struct verifier4 verifier = {{1}};
    *fuzz = (struct fuzz){.calls = 0};
    arena_init(&fuzz->arena);
    single_node_init(&fuzz->node);
    nfs_session_init(&fuzz->session, &root, 1);
    struct nfs_request request = nfs_session_exchange_id(&fuzz->session, &fuzz->arena, slice_text("fuzz"), &verifier);
    enum nfsstat4 status = nfs_session_exchanged(&fuzz->session, exchange(fuzz, &request), &fuzz->arena);
    CHECK(status == NFS4_OK);
    request = nfs_session_create(&fuzz->session, &fuzz->arena, 2);
    status = nfs_session_created(&fuzz->session, exchange(fuzz, &request), &fuzz->arena);
    CHECK(status == NFS4_OK);
    struct nfs_compound_builder builder;
    nfs_session_start(&fuzz->session, &builder, &fuzz->arena, 4096, 0, false);
    nfs_compound_add(&builder, OP_RECLAIM_COMPLETE, NULL);
    request = nfs_compound_finish(&builder);
    CHECK(nfs_reply_status(exchange(fuzz, &request), &fuzz->arena) == NFS4_OK);
    nfs_session_done(&fuzz->session, 0);
}

/* The record: header and credential are right, the rest is the fuzzer's. */
static struct nfs_request make_request(struct fuzz *fuzz, uint8_t flags, struct slice bytes)
{
    struct nfs_compound_builder builder;
    size_t room = 4096 + xdr_padded(bytes.size_bytes);
    uint32_t slot = (flags & FLAG_SLOT) != 0 ? 1 : 0;
    fuzz->session.minorversion = (flags & FLAG_MINOR) != 0 ? 2 : 1;
    if ((flags & FLAG_RAW) != 0 || bytes.size_bytes == 0) {
        nfs_compound_start(&builder, &fuzz->arena, room, &fuzz->session.identity, 0x10000 + (uint32_t)fuzz->calls, 1);
        /* COMPOUND4args without a tag are 12 bytes: they are written over. */
        xdr_rewind(&builder.x, xdr_position(&builder.x) - 12);
    } else {
        nfs_session_start(&fuzz->session, &builder, &fuzz->arena, room, slot, (flags & FLAG_CACHE) != 0);
        xdr_patch_uint32(&builder.x, builder.count_position, 1u + bytes.data[0]);
        bytes = slice_from(bytes, 1);
    }
    uint8_t *place = xdr_reserve(&builder.x, xdr_padded(bytes.size_bytes));
    CHECK(place != NULL);
    memset(place, 0, xdr_padded(bytes.size_bytes));
    if (bytes.size_bytes > 0)
        memcpy(place, bytes.data, bytes.size_bytes);
    size_t size_bytes = xdr_position(&builder.x);
    record_mark_write(builder.x.start, size_bytes - RPC_MARK_BYTES);
    return (struct nfs_request){.record = {builder.x.start, size_bytes}, .xid = builder.xid};
}

/* A reply whose SEQUENCE was taken: the client goes on to the next sequence id. */
static bool sequence_taken(struct fuzz *fuzz, struct slice record)
{
    struct nfs_reply reply;
    enum opnum4 op;
    union nfs4_result result;
    return nfs_reply_open(&reply, record, &fuzz->arena) && nfs_reply_next(&reply, &op, &result) && op == OP_SEQUENCE &&
           result.status.status == NFS4_OK;
}

static void run_one(struct fuzz *fuzz, uint8_t flags, struct slice bytes)
{
    struct nfs_request request = make_request(fuzz, flags, bytes);
    struct slice record = slice_make(request.record.data, request.record.size_bytes);
    struct slice first = SLICE_EMPTY;
    struct slice second = SLICE_EMPTY;
    uint64_t commands = fuzz->node.commands;
    fuzz->node.hold = (flags & FLAG_HOLD) != 0;
    fuzz->node.behind = (flags & FLAG_BEHIND) != 0 ? 1 : 0;
    single_node_call(&fuzz->node, ++fuzz->calls, record);
    unsigned ends = call_ends(fuzz, fuzz->calls, &first);
    CHECK(ends <= 1);
    if (ends == 0) {
        /* It waits: the same once more takes its reply over, or waits beside it. */
        single_node_call(&fuzz->node, ++fuzz->calls, record);
        unsigned both = call_ends(fuzz, fuzz->calls - 1, &first) + call_ends(fuzz, fuzz->calls, &first);
        fuzz->node.hold = false;
        fuzz->node.behind = 0;
        single_node_advance(&fuzz->node, 1);
        both += call_ends(fuzz, fuzz->calls - 1, &first) + call_ends(fuzz, fuzz->calls, &first);
        CHECK(both == 2);
    }
    bool changed = fuzz->node.commands != commands;
    if ((flags & FLAG_RESTART) != 0)
        single_node_restart(&fuzz->node);
    if ((flags & (FLAG_RESTART | FLAG_TWICE)) != 0 && (flags & FLAG_RAW) == 0) {
        single_node_call(&fuzz->node, ++fuzz->calls, record);
        CHECK(call_ends(fuzz, fuzz->calls, &second) == 1);
        /* On the same node a change's reply comes back byte for byte. */
        bool kept = changed && ends == 1 && (flags & FLAG_RESTART) == 0 && sequence_taken(fuzz, first) &&
                    first.size_bytes < NFS4_CACHED_RESPONSE_MAX_BYTES && sequence_taken(fuzz, second);
        CHECK(!kept || slice_equal(first, second));
    }
    if ((flags & FLAG_RAW) == 0 && sequence_taken(fuzz, first))
        nfs_session_done(&fuzz->session, (flags & FLAG_SLOT) != 0 ? 1 : 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz;
    begin(&fuzz);
    for (unsigned count = 0; size >= 3 && count < REQUESTS_MAX; count++) {
        size_t length = (size_t)data[1] << 8 | data[2];
        if (length > size - 3)
            length = size - 3;
        run_one(&fuzz, data[0], slice_make(data + 3, length));
        data += 3 + length;
        size -= 3 + length;
    }
    char text[512];
    CHECK(machine_check(kv_store_present(fuzz.node.store), &fuzz.arena, text, sizeof(text)) == 0);
    single_node_fini(&fuzz.node);
    arena_fini(&fuzz.arena);
    return 0;
}
