/* What one compound may take. */
#include "server/nfs4/compound.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/limits.h"
#include "proto/rpc/record.h"
#include "tests/support/nfs_client.h"
#include "tests/support/single_node.h"

struct fixture {
    struct single_node node;
    struct nfs_session session;
    struct arena arena;
};

/* The call's reply, in the arena, without the record's mark. */
static struct slice exchange(struct fixture *fixture, const struct nfs_request *request)
{
    bool ended;
    single_node_call(&fixture->node, 1, slice_make(request->record.data, request->record.size_bytes));
    struct buffer *buffer = single_node_reply(&fixture->node, 1, &ended);
    assert_non_null(buffer);
    struct slice reply = arena_copy(&fixture->arena, slice_from(buffer_slice(buffer), RPC_MARK_BYTES));
    buffer_put(buffer);
    return reply;
}

static struct fixture *fixture_create(void)
{
    static const struct nfs_identity root = {0, 0, "test"};
    static const struct verifier4 verifier = {{1}};
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    CHECK(fixture != NULL);
    arena_init(&fixture->arena);
    single_node_init(&fixture->node);
    nfs_session_init(&fixture->session, &root, 1);
    struct nfs_request request =
        nfs_session_exchange_id(&fixture->session, &fixture->arena, slice_text("test"), &verifier);
    assert_int_equal(nfs_session_exchanged(&fixture->session, exchange(fixture, &request), &fixture->arena), NFS4_OK);
    request = nfs_session_create(&fixture->session, &fixture->arena, 1);
    assert_int_equal(nfs_session_created(&fixture->session, exchange(fixture, &request), &fixture->arena), NFS4_OK);
    return fixture;
}

static void fixture_destroy(struct fixture *fixture)
{
    single_node_fini(&fixture->node);
    arena_fini(&fixture->arena);
    free(fixture);
}

/* An export with as many clients as it may have. */
static void add_export(struct fixture *fixture, const char *path)
{
    static ProtobufCBinaryData clients[EXPORT_CLIENTS_MAX];
    static uint32_t flavors[] = {AUTH_SYS};
    Qnfs__ExportSpec spec = QNFS__EXPORT_SPEC__INIT;
    Qnfs__ExportAdd body = QNFS__EXPORT_ADD__INIT;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    for (unsigned i = 0; i < EXPORT_CLIENTS_MAX; i++) {
        char text[32];
        int length = snprintf(text, sizeof(text), "192.%u.%u.0/24", i % 200, i / 200);
        struct slice copy = arena_copy(&fixture->arena, slice_make(text, (size_t)length));
        clients[i] = (ProtobufCBinaryData){copy.size_bytes, (uint8_t *)(uintptr_t)copy.data};
    }
    spec.path = (ProtobufCBinaryData){strlen(path), (uint8_t *)(uintptr_t)path};
    spec.squash = 2;
    spec.n_flavors = 1;
    spec.flavors = flavors;
    spec.n_clients = EXPORT_CLIENTS_MAX;
    spec.clients = clients;
    body.spec = &spec;
    command.body_case = QNFS__COMMAND__BODY_EXPORT_ADD;
    command.export_add = &body;
    assert_int_equal(single_node_command(&fixture->node, &command), NFS4_OK);
}

/* Each PUTFH of a directory above exports reads hundreds of rows. Together they would take more than an arena may have. */
static void memory_is_that_of_one_operation(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_create();
    struct nfs_compound_builder builder;
    struct nfs_reply reply;
    union nfs4_result result;
    char path[32];
    for (unsigned i = 0; i < 800; i++) {
        snprintf(path, sizeof(path), "/a/%u", i);
        add_export(fixture, path);
    }
    add_export(fixture, "/z/1");

    nfs_session_start(&fixture->session, &builder, &fixture->arena, 4096, 0, false);
    nfs_compound_add(&builder, OP_PUTROOTFH, NULL);
    nfs_add_lookup(&builder, slice_text("z"));
    nfs_compound_add(&builder, OP_GETFH, NULL);
    struct nfs_request request = nfs_compound_finish(&builder);
    assert_true(nfs_reply_open(&reply, exchange(fixture, &request), &fixture->arena));
    assert_true(nfs_reply_find(&reply, OP_GETFH, &result));
    struct slice handle = arena_copy(&fixture->arena, result.opgetfh.resok4.object);
    nfs_session_done(&fixture->session, 0);

    nfs_session_start(&fixture->session, &builder, &fixture->arena, 16384, 0, false);
    for (unsigned i = 0; i < 60; i++)
        nfs_add_putfh(&builder, handle);
    request = nfs_compound_finish(&builder);
    assert_int_equal(nfs_reply_status(exchange(fixture, &request), &fixture->arena), NFS4_OK);
    fixture_destroy(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_that_of_one_operation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
