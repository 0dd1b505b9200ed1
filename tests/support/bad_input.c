#include "tests/support/bad_input.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "tests/support/bad_input_case.h"

/* --- parts --- */

static const char *text_of(struct bad *bad, const char *what, const char *detail)
{
    const size_t text_bytes = 160;
    char *text = arena_alloc(&bad->arena, text_bytes);
    snprintf(text, text_bytes, "%s: %s", what, detail);
    return text;
}

bool bad_connect(struct bad *bad)
{
    return rpc_socket_connect(&bad->socket, &bad->options->address, BAD_ANSWER_MS) == RPC_IO_OK;
}

bool bad_send(struct bad *bad, const void *bytes, size_t size_bytes)
{
    return rpc_socket_send(&bad->socket, slice_make(bytes, size_bytes), BAD_ANSWER_MS) == RPC_IO_OK;
}

/* Sends bytes over a fresh connection, which the server must close without an answer. */
static const char *expect_close(struct bad *bad, const void *bytes, size_t size_bytes)
{
    if (!bad_connect(bad))
        return "cannot connect";
    (void)bad_send(bad, bytes, size_bytes);
    struct slice record;
    switch (rpc_socket_receive(&bad->socket, &bad->arena, &record, BAD_ANSWER_MS)) {
    case RPC_IO_OK: return "an answer came";
    case RPC_IO_CLOSED: return NULL;
    case RPC_IO_TIMEOUT: return "the connection stays open";
    }
    return NULL;
}

/* A call with a header as given and `body` behind it, as one record; gives the reply's head. */
static const char *call_raw(struct bad *bad, struct rpc_call *call, struct slice body, struct nfs_reply *reply)
{
    size_t room_bytes = 1024 + body.size_bytes;
    struct xdr x = xdr_encoder((struct span){arena_alloc(&bad->arena, room_bytes), room_bytes});
    uint8_t *mark = xdr_reserve(&x, RPC_MARK_BYTES);
    bool fits = rpc_call_encode(&x, call);
    CHECK(mark != NULL && fits);
    if (body.size_bytes > 0)
        memcpy(x.next, body.data, body.size_bytes);
    size_t size_bytes = xdr_position(&x) + body.size_bytes;
    record_mark_write(mark, size_bytes - RPC_MARK_BYTES);
    if (!bad_connect(bad) || !bad_send(bad, x.start, size_bytes))
        return "cannot connect and send";
    struct slice record;
    enum rpc_io outcome = rpc_socket_receive(&bad->socket, &bad->arena, &record, BAD_ANSWER_MS);
    if (outcome != RPC_IO_OK)
        return outcome == RPC_IO_CLOSED ? "the connection was closed" : "no answer";
    if (!nfs_reply_open(reply, record, &bad->arena) && reply->x.failed && !reply->rpc.denied &&
        reply->rpc.accept_stat == RPC_SUCCESS && call->proc != NFSPROC4_NULL)
        return "the answer does not decode";
    return reply->rpc.xid == call->xid ? NULL : "the answer has another xid";
}

struct rpc_call bad_call(struct bad *bad)
{
    return (struct rpc_call){.xid = (uint32_t)random_seeded_next(&bad->random),
                             .rpcvers = RPC_VERSION,
                             .prog = NFS4_PROGRAM,
                             .vers = NFS4_VERSION,
                             .proc = NFSPROC4_NULL};
}

static const char *expect_accept(struct bad *bad, struct rpc_call *call, enum rpc_accept_stat stat)
{
    struct nfs_reply reply;
    const char *wrong = call_raw(bad, call, SLICE_EMPTY, &reply);
    if (wrong != NULL)
        return wrong;
    return !reply.rpc.denied && reply.rpc.accept_stat == stat ? NULL : "another accept_stat";
}

/* A finished compound with its bytes cut or patched; the reply's compound status must be the given one. */
static const char *expect_status(struct bad *bad, struct nfs_request *request, enum nfsstat4 expected)
{
    struct slice record;
    struct nfs_reply reply;
    if (!rpc_peer_call(&bad->peer, request, &bad->arena, &record))
        return "no answer";
    if (!nfs_reply_open(&reply, record, &bad->arena))
        return "not a COMPOUND's reply";
    return reply.head.status == expected ? NULL : text_of(bad, "another status", nfsstat4_name(reply.head.status));
}

static void compound_start(struct bad *bad, struct nfs_compound_builder *builder, size_t max_bytes)
{
    nfs_session_start(&bad->peer.session, builder, &bad->arena, max_bytes, 0, false);
}

/* What follows each case: an ordinary client must be served. */
const char *bad_ordinary(struct bad *bad)
{
    struct nfs_compound_builder builder;
    struct bitmap4 mask = {0};
    bitmap4_add(&mask, FATTR4_TYPE);
    compound_start(bad, &builder, 1024);
    nfs_add_putfh(&builder, bad->top);
    nfs_add_getattr(&builder, &mask);
    struct nfs_reply reply;
    enum nfsstat4 status = rpc_peer_run(&bad->peer, &builder, &reply);
    return status == NFS4_OK ? NULL : text_of(bad, "afterwards an ordinary GETATTR fails", nfsstat4_name(status));
}

/* --- records --- */

static const char *case_oversized_fragment(struct bad *bad)
{
    const uint8_t mark[8] = {0xff, 0xff, 0xff, 0xff, 'a', 'b', 'c', 'd'};
    return expect_close(bad, mark, sizeof(mark));
}
static const char *case_oversized_record(struct bad *bad)
{
    /* Fragments of 64 KiB, each allowed, together too much. */
    const size_t fragment_bytes = 65536;
    size_t total_bytes = 20 * (fragment_bytes + RPC_MARK_BYTES);
    uint8_t *stream = arena_alloc_zeroed(&bad->arena, total_bytes);
    for (size_t i = 0; i < total_bytes; i += fragment_bytes + RPC_MARK_BYTES)
        stream[i + 1] = 1;
    return expect_close(bad, stream, total_bytes);
}
static const char *case_too_many_fragments(struct bad *bad)
{
    size_t total_bytes = (RPC_FRAGMENTS_MAX + 1) * RPC_MARK_BYTES;
    return expect_close(bad, arena_alloc_zeroed(&bad->arena, total_bytes), total_bytes);
}
static const char *case_short_record(struct bad *bad)
{
    const uint8_t stream[7] = {0x80, 0, 0, 3, 'a', 'b', 'c'};
    return expect_close(bad, stream, sizeof(stream));
}
static const char *case_empty_record(struct bad *bad)
{
    const uint8_t stream[4] = {0x80, 0, 0, 0};
    return expect_close(bad, stream, sizeof(stream));
}
static const char *case_reply_instead_of_call(struct bad *bad)
{
    const uint8_t stream[28] = {0x80, 0, 0, 24, 0, 0, 0, 7, 0, 0, 0, 1};
    return expect_close(bad, stream, sizeof(stream));
}
static const char *case_random_bytes(struct bad *bad)
{
    uint8_t stream[512];
    for (size_t i = 0; i < sizeof(stream); i++)
        stream[i] = (uint8_t)random_seeded_next(&bad->random);
    stream[0] = 0x7f;
    return expect_close(bad, stream, sizeof(stream));
}
static const char *case_http(struct bad *bad)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    return expect_close(bad, request, sizeof(request) - 1);
}

/* --- RPC --- */

static const char *case_null_works(struct bad *bad)
{
    struct rpc_call call = bad_call(bad);
    return expect_accept(bad, &call, RPC_SUCCESS);
}
static const char *case_rpc_version(struct bad *bad)
{
    struct rpc_call call = bad_call(bad);
    call.rpcvers = 3;
    struct nfs_reply reply;
    const char *wrong = call_raw(bad, &call, SLICE_EMPTY, &reply);
    if (wrong != NULL)
        return wrong;
    return reply.rpc.denied && reply.rpc.reject_stat == RPC_MISMATCH && reply.rpc.low == 2 && reply.rpc.high == 2
               ? NULL
               : "not RPC_MISMATCH 2, 2";
}
static const char *case_unknown_program(struct bad *bad)
{
    struct rpc_call call = bad_call(bad);
    call.prog = 300999;
    return expect_accept(bad, &call, RPC_PROG_UNAVAIL);
}
static const char *case_unknown_version(struct bad *bad)
{
    struct rpc_call call = bad_call(bad);
    call.vers = 9;
    struct nfs_reply reply;
    const char *wrong = call_raw(bad, &call, SLICE_EMPTY, &reply);
    if (wrong != NULL)
        return wrong;
    return !reply.rpc.denied && reply.rpc.accept_stat == RPC_PROG_MISMATCH && reply.rpc.low <= 4 && reply.rpc.high == 4
               ? NULL
               : "not PROG_MISMATCH up to 4";
}
static const char *case_unknown_procedure(struct bad *bad)
{
    struct rpc_call call = bad_call(bad);
    call.proc = 7;
    return expect_accept(bad, &call, RPC_PROC_UNAVAIL);
}

static const char *expect_auth_error(struct bad *bad, struct rpc_call *call, struct slice body)
{
    struct nfs_reply reply;
    const char *wrong = call_raw(bad, call, body, &reply);
    if (wrong != NULL)
        return wrong;
    return reply.rpc.denied && reply.rpc.reject_stat == RPC_AUTH_ERROR ? NULL : "not AUTH_ERROR";
}
static const char *case_unknown_flavor(struct bad *bad)
{
    struct rpc_call call = bad_call(bad);
    call.proc = NFSPROC4_COMPOUND;
    call.cred = (struct opaque_auth){99, slice_text("body")};
    return expect_auth_error(bad, &call, SLICE_EMPTY);
}
static const char *case_lying_auth_sys(struct bad *bad)
{
    struct rpc_call call = bad_call(bad);
    call.proc = NFSPROC4_COMPOUND;
    static const uint8_t body[8] = {0, 0, 0, 1, 0, 0, 0, 200};
    call.cred = (struct opaque_auth){AUTH_SYS, slice_make(body, sizeof(body))};
    return expect_auth_error(bad, &call, SLICE_EMPTY);
}
static const char *case_oversized_credential(struct bad *bad)
{
    /* The encoder would refuse it: a header by hand. */
    uint8_t stream[RPC_MARK_BYTES + 32 + 404 + 8] = {0};
    record_mark_write(stream, sizeof(stream) - RPC_MARK_BYTES);
    const uint8_t head[32] = {1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0x86, 0xa3,
                              0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1,    0x94};
    memcpy(stream + RPC_MARK_BYTES, head, sizeof(head));
    if (!bad_connect(bad) || !bad_send(bad, stream, sizeof(stream)))
        return "cannot connect and send";
    struct slice record;
    struct nfs_reply reply;
    if (rpc_socket_receive(&bad->socket, &bad->arena, &record, BAD_ANSWER_MS) != RPC_IO_OK)
        return "no answer";
    (void)nfs_reply_open(&reply, record, &bad->arena);
    return reply.rpc.denied && reply.rpc.auth_stat == RPC_AUTH_BADCRED ? NULL : "not AUTH_BADCRED";
}

/* --- XDR and compounds --- */

static const char *case_truncated_compound(struct bad *bad)
{
    struct rpc_call call = bad_call(bad);
    call.proc = NFSPROC4_COMPOUND;
    static const uint8_t body[8] = {0xff, 0xff, 0xff, 0xf0, 1, 2, 3, 4};
    struct nfs_reply reply;
    const char *wrong = call_raw(bad, &call, slice_make(body, sizeof(body)), &reply);
    if (wrong != NULL)
        return wrong;
    if (!reply.rpc.denied && reply.rpc.accept_stat == RPC_GARBAGE_ARGS)
        return NULL;
    return !reply.rpc.denied && reply.head.status == NFS4ERR_BADXDR ? NULL : "neither GARBAGE_ARGS nor BADXDR";
}
static const char *case_lying_operation_count(struct bad *bad)
{
    struct nfs_compound_builder builder;
    compound_start(bad, &builder, 1024);
    nfs_compound_add(&builder, OP_PUTROOTFH, NULL);
    builder.operation_count += 3;
    struct nfs_request request = nfs_compound_finish(&builder);
    const char *wrong = expect_status(bad, &request, NFS4ERR_BADXDR);
    nfs_session_done(&bad->peer.session, 0);
    return wrong;
}
static const char *case_lying_name_length(struct bad *bad)
{
    struct nfs_compound_builder builder;
    compound_start(bad, &builder, 1024);
    nfs_compound_add(&builder, OP_PUTROOTFH, NULL);
    nfs_add_lookup(&builder, slice_text("name"));
    xdr_patch_uint32(&builder.x, xdr_position(&builder.x) - 8, 0xfffffff0);
    struct nfs_request request = nfs_compound_finish(&builder);
    const char *wrong = expect_status(bad, &request, NFS4ERR_BADXDR);
    nfs_session_done(&bad->peer.session, 0);
    return wrong;
}
static const char *case_lying_stateid_count(struct bad *bad)
{
    struct stateid4 stateid = {0};
    union nfs4_args args = {.optest_stateid = {&stateid, 1}};
    struct nfs_compound_builder builder;
    compound_start(bad, &builder, 1024);
    nfs_compound_add(&builder, OP_TEST_STATEID, &args);
    xdr_patch_uint32(&builder.x, xdr_position(&builder.x) - 20, 0x7fffffff);
    struct nfs_request request = nfs_compound_finish(&builder);
    const char *wrong = expect_status(bad, &request, NFS4ERR_BADXDR);
    nfs_session_done(&bad->peer.session, 0);
    return wrong;
}
static const char *case_padding_not_zero(struct bad *bad)
{
    struct nfs_compound_builder builder;
    compound_start(bad, &builder, 1024);
    nfs_compound_add(&builder, OP_PUTROOTFH, NULL);
    nfs_add_lookup(&builder, slice_text("name1"));
    builder.x.next[-1] = 'x';
    struct nfs_request request = nfs_compound_finish(&builder);
    const char *wrong = expect_status(bad, &request, NFS4ERR_BADXDR);
    nfs_session_done(&bad->peer.session, 0);
    return wrong;
}
static const char *case_illegal_operation(struct bad *bad)
{
    struct nfs_compound_builder builder;
    compound_start(bad, &builder, 1024);
    nfs_compound_add(&builder, OP_PUTROOTFH, NULL);
    xdr_patch_uint32(&builder.x, xdr_position(&builder.x) - 4, 9999);
    struct nfs_request request = nfs_compound_finish(&builder);
    const char *wrong = expect_status(bad, &request, NFS4ERR_OP_ILLEGAL);
    nfs_session_done(&bad->peer.session, 0);
    return wrong;
}
static const char *case_operation_not_served(struct bad *bad)
{
    struct nfs_compound_builder builder;
    compound_start(bad, &builder, 1024);
    nfs_compound_add(&builder, OP_PUTROOTFH, NULL);
    xdr_patch_uint32(&builder.x, xdr_position(&builder.x) - 4, OP_LAYOUTGET);
    struct nfs_request request = nfs_compound_finish(&builder);
    const char *wrong = expect_status(bad, &request, NFS4ERR_NOTSUPP);
    nfs_session_done(&bad->peer.session, 0);
    return wrong;
}
static const char *case_minor_version(struct bad *bad)
{
    struct nfs_compound_builder builder;
    nfs_compound_start(&builder, &bad->arena, 1024, &bad->peer.session.identity, bad->peer.session.next_xid++, 9);
    nfs_compound_add(&builder, OP_PUTROOTFH, NULL);
    struct nfs_request request = nfs_compound_finish(&builder);
    return expect_status(bad, &request, NFS4ERR_MINOR_VERS_MISMATCH);
}
static const char *case_no_sequence(struct bad *bad)
{
    struct nfs_compound_builder builder;
    nfs_compound_start(&builder, &bad->arena, 1024, &bad->peer.session.identity, bad->peer.session.next_xid++, 1);
    nfs_compound_add(&builder, OP_PUTROOTFH, NULL);
    struct nfs_request request = nfs_compound_finish(&builder);
    return expect_status(bad, &request, NFS4ERR_OP_NOT_IN_SESSION);
}
static const char *case_ten_thousand_operations(struct bad *bad)
{
    struct nfs_compound_builder builder;
    compound_start(bad, &builder, 65536);
    for (uint32_t i = 1; i < 10000; i++)
        nfs_compound_add(&builder, OP_PUTROOTFH, NULL);
    struct nfs_request request = nfs_compound_finish(&builder);
    /* SEQUENCE itself fails: the slot stays where it is. */
    return expect_status(bad, &request, NFS4ERR_TOO_MANY_OPS);
}
static const char *case_ten_thousand_without_session(struct bad *bad)
{
    struct nfs_compound_builder builder;
    nfs_compound_start(&builder, &bad->arena, 65536, &bad->peer.session.identity, bad->peer.session.next_xid++, 1);
    for (uint32_t i = 0; i < 10000; i++)
        nfs_compound_add(&builder, OP_PUTROOTFH, NULL);
    struct nfs_request request = nfs_compound_finish(&builder);
    struct slice record;
    if (!rpc_peer_call(&bad->peer, &request, &bad->arena, &record))
        return "no answer";
    enum nfsstat4 status = nfs_reply_status(record, &bad->arena);
    return status == NFS4ERR_RESOURCE || status == NFS4ERR_TOO_MANY_OPS || status == NFS4ERR_OP_NOT_IN_SESSION
               ? NULL
               : text_of(bad, "another status", nfsstat4_name(status));
}
static const char *case_misordered_slot(struct bad *bad)
{
    struct nfs_compound_builder builder;
    bad->peer.session.seqids[0] += 5;
    compound_start(bad, &builder, 1024);
    bad->peer.session.seqids[0] -= 5;
    nfs_compound_add(&builder, OP_PUTROOTFH, NULL);
    struct nfs_request request = nfs_compound_finish(&builder);
    return expect_status(bad, &request, NFS4ERR_SEQ_MISORDERED);
}
static const char *case_bad_slot_and_session(struct bad *bad)
{
    struct nfs_compound_builder builder;
    struct sessionid4 id = bad->peer.session.id;
    bad->peer.session.id.data[3] ^= 0x40;
    compound_start(bad, &builder, 1024);
    bad->peer.session.id = id;
    struct nfs_request request = nfs_compound_finish(&builder);
    const char *wrong = expect_status(bad, &request, NFS4ERR_BADSESSION);
    if (wrong != NULL)
        return wrong;
    compound_start(bad, &builder, 1024);
    xdr_patch_uint32(&builder.x, builder.highest_slot_position - 4, 100000);
    request = nfs_compound_finish(&builder);
    return expect_status(bad, &request, NFS4ERR_BADSLOT);
}
static const char *case_names(struct bad *bad)
{
    char name[256];
    memset(name, 'n', sizeof(name));
    const struct {
        struct slice name;
        enum nfsstat4 expected;
    } names[] = {
        {slice_make(name, 256), NFS4ERR_NAMETOOLONG}, {slice_make("a\0b", 3), NFS4ERR_BADCHAR},
        {slice_text("a/b"), NFS4ERR_BADCHAR},         {SLICE_EMPTY, NFS4ERR_INVAL},
        {slice_text(".."), NFS4ERR_BADNAME},          {slice_make("\xff\xfe", 2), NFS4ERR_INVAL},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct nfs_compound_builder builder;
        compound_start(bad, &builder, 2048);
        nfs_add_putfh(&builder, bad->top);
        nfs_add_create(&builder, NF4DIR, names[i].name);
        struct nfs_reply reply;
        enum nfsstat4 status = rpc_peer_run(&bad->peer, &builder, &reply);
        if (status != names[i].expected)
            return text_of(bad, nfsstat4_name(names[i].expected), nfsstat4_name(status));
    }
    return NULL;
}
static const char *case_handles(struct bad *bad)
{
    /* Each byte of a handle is covered by its MAC. */
    for (size_t i = 0; i < bad->top.size_bytes; i++) {
        uint8_t handle[NFS4_FHANDLE_MAX_BYTES];
        memcpy(handle, bad->top.data, bad->top.size_bytes);
        handle[i] ^= 0x10;
        struct nfs_compound_builder builder;
        struct bitmap4 mask = {{1u << FATTR4_TYPE, 0, 0}, false};
        compound_start(bad, &builder, 1024);
        nfs_add_putfh(&builder, slice_make(handle, bad->top.size_bytes));
        nfs_add_getattr(&builder, &mask);
        struct nfs_reply reply;
        enum nfsstat4 status = rpc_peer_run(&bad->peer, &builder, &reply);
        if (status != NFS4ERR_BADHANDLE && status != NFS4ERR_STALE)
            return text_of(bad, "a forged handle", nfsstat4_name(status));
    }
    return NULL;
}

/* --- all of them --- */

struct bad_case {
    const char *name;
    const char *(*run)(struct bad *bad);
    bool patient; /* takes a minute */
};

static const struct bad_case cases[] = {
    {"null_works", case_null_works, false},
    {"oversized_fragment", case_oversized_fragment, false},
    {"oversized_record", case_oversized_record, false},
    {"too_many_fragments", case_too_many_fragments, false},
    {"short_record", case_short_record, false},
    {"empty_record", case_empty_record, false},
    {"reply_instead_of_call", case_reply_instead_of_call, false},
    {"random_bytes", case_random_bytes, false},
    {"http", case_http, false},
    {"rpc_version", case_rpc_version, false},
    {"unknown_program", case_unknown_program, false},
    {"unknown_version", case_unknown_version, false},
    {"unknown_procedure", case_unknown_procedure, false},
    {"unknown_flavor", case_unknown_flavor, false},
    {"lying_auth_sys", case_lying_auth_sys, false},
    {"oversized_credential", case_oversized_credential, false},
    {"truncated_compound", case_truncated_compound, false},
    {"lying_operation_count", case_lying_operation_count, false},
    {"lying_name_length", case_lying_name_length, false},
    {"lying_stateid_count", case_lying_stateid_count, false},
    {"padding_not_zero", case_padding_not_zero, false},
    {"illegal_operation", case_illegal_operation, false},
    {"operation_not_served", case_operation_not_served, false},
    {"minor_version", case_minor_version, false},
    {"no_sequence", case_no_sequence, false},
    {"ten_thousand_operations", case_ten_thousand_operations, false},
    {"ten_thousand_without_session", case_ten_thousand_without_session, false},
    {"misordered_slot", case_misordered_slot, false},
    {"bad_slot_and_session", case_bad_slot_and_session, false},
    {"names", case_names, false},
    {"handles", case_handles, false},
    {"one_byte_at_a_time", bad_case_one_byte_at_a_time, false},
    {"silent", bad_case_silent, false},
    {"record_timeout", bad_case_record_timeout, true},
    {"never_reads", bad_case_never_reads, false},
    {"idle_connections", bad_case_idle_connections, false},
};

bool bad_input_run(const struct bad_input_options *options)
{
    struct bad *bad = calloc(1, sizeof(*bad));
    CHECK(bad != NULL);
    bad->options = options;
    bad->random.state = options->seed;
    arena_init(&bad->arena);
    arena_init(&bad->lasting);
    rpc_socket_init(&bad->socket);
    const struct nfs_identity identity = {0, 0, "bad-input"};
    rpc_peer_init(&bad->peer, &options->address, &identity, 1);
    char owner[64];
    snprintf(owner, sizeof(owner), "bad input %u", (unsigned)getpid());
    bool good = rpc_peer_login(&bad->peer, slice_text(owner), options->seed, 4) == NFS4_OK &&
                rpc_peer_walk(&bad->peer, options->export_path, &bad->lasting, &bad->top) == NFS4_OK;
    if (!good)
        printf("FAILED bad_input/setup: no session, or no export\n");
    bool ready = good;
    for (size_t i = 0; ready && i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (cases[i].patient && !options->patient)
            continue;
        arena_reset(&bad->arena);
        uint64_t start_ms = test_now_ms();
        const char *wrong = cases[i].run(bad);
        rpc_socket_close(&bad->socket);
        if (wrong == NULL)
            wrong = bad_ordinary(bad);
        if (wrong == NULL)
            printf("ok bad_input/%s (%llu ms)\n", cases[i].name, (unsigned long long)(test_now_ms() - start_ms));
        else
            printf("FAILED bad_input/%s: %s\n", cases[i].name, wrong);
        good = good && wrong == NULL;
        fflush(stdout);
    }
    (void)rpc_peer_logout(&bad->peer);
    rpc_peer_fini(&bad->peer);
    arena_fini(&bad->arena);
    arena_fini(&bad->lasting);
    free(bad);
    return good;
}
