#include "tests/support/bad_input_case.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"

/* A NULL call as a whole record. */
#define NULL_CALL_BYTES 40u
static void null_call_encode(struct bad *bad, uint8_t stream[RPC_MARK_BYTES + NULL_CALL_BYTES])
{
    struct rpc_call call = bad_call(bad);
    struct xdr x = xdr_encoder((struct span){stream + RPC_MARK_BYTES, NULL_CALL_BYTES});
    bool fits = rpc_call_encode(&x, &call);
    CHECK(fits && xdr_position(&x) == NULL_CALL_BYTES);
    record_mark_write(stream, NULL_CALL_BYTES);
}

const char *bad_case_one_byte_at_a_time(struct bad *bad)
{
    uint8_t stream[RPC_MARK_BYTES + NULL_CALL_BYTES];
    null_call_encode(bad, stream);
    if (!bad_connect(bad))
        return "cannot connect";
    for (size_t i = 0; i < sizeof(stream); i++) {
        if (!bad_send(bad, stream + i, 1))
            return "the connection was closed";
        test_sleep_us(2000);
    }
    struct slice record;
    return rpc_socket_receive(&bad->socket, &bad->arena, &record, BAD_ANSWER_MS) == RPC_IO_OK ? NULL : "no answer";
}

/* Half a record, then nothing: the connection may stay for a while, but nobody else must notice. */
const char *bad_case_silent(struct bad *bad)
{
    const uint8_t half[12] = {0x80, 0x10, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0};
    for (uint32_t i = 0; i < 100; i++) {
        struct rpc_socket silent;
        rpc_socket_init(&silent);
        if (rpc_socket_connect(&silent, &bad->options->address, BAD_ANSWER_MS) != RPC_IO_OK)
            return "cannot connect";
        (void)rpc_socket_send(&silent, slice_make(half, sizeof(half)), BAD_ANSWER_MS);
        const char *wrong = i % 20 == 0 ? bad_ordinary(bad) : NULL;
        rpc_socket_close(&silent);
        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}

/* The same for longer than GATEWAY_RECORD_TIMEOUT_MS: the connection is closed. */
const char *bad_case_record_timeout(struct bad *bad)
{
    const uint8_t half[8] = {0x80, 0, 1, 0, 1, 2, 3, 4};
    if (!bad_connect(bad) || !bad_send(bad, half, sizeof(half)))
        return "cannot connect and send";
    uint64_t start_ms = test_now_ms();
    struct slice record;
    enum rpc_io outcome =
        rpc_socket_receive(&bad->socket, &bad->arena, &record, (int)GATEWAY_RECORD_TIMEOUT_MS + BAD_ANSWER_MS);
    if (outcome != RPC_IO_CLOSED)
        return "the connection stays open";
    return test_now_ms() - start_ms + 1000 >= GATEWAY_RECORD_TIMEOUT_MS ? NULL : "the connection was closed too early";
}

/* Sends calls and never reads: the server must stop reading from it, and serve others. */
const char *bad_case_never_reads(struct bad *bad)
{
    struct nfs_compound_builder builder;
    nfs_compound_start(&builder, &bad->arena, 2048, &bad->peer.session.identity, 77, 1);
    nfs_compound_add(&builder, OP_PUTROOTFH, NULL);
    struct nfs_request request = nfs_compound_finish(&builder);
    if (!bad_connect(bad))
        return "cannot connect";
    size_t sent_bytes = 0;
    const size_t enough_bytes = (size_t)64 << 20;
    while (sent_bytes < enough_bytes) {
        ssize_t sent =
            send(bad->socket.descriptor, request.record.data, request.record.size_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < (ssize_t)request.record.size_bytes)
            break;
        sent_bytes += (size_t)sent;
    }
    const char *wrong = bad_ordinary(bad);
    if (wrong != NULL)
        return wrong;
    return sent_bytes < enough_bytes ? NULL : "the server takes 64 MiB of requests from a client that reads nothing";
}

/* Many connections that do nothing. */
const char *bad_case_idle_connections(struct bad *bad)
{
    uint32_t count = bad->options->idle_connections;
    int *descriptors = calloc(count + 1, sizeof(*descriptors));
    CHECK(descriptors != NULL);
    const char *wrong = NULL;
    uint32_t opened = 0;
    for (; opened < count && wrong == NULL; opened++) {
        struct rpc_socket *one = &bad->socket;
        if (rpc_socket_connect(one, &bad->options->address, BAD_ANSWER_MS) != RPC_IO_OK)
            wrong = "cannot connect any more";
        descriptors[opened] = one->descriptor;
        one->descriptor = -1;
    }
    if (wrong == NULL)
        wrong = bad_ordinary(bad);
    /* Some of them speak after all. */
    for (uint32_t i = 0; wrong == NULL && i < 50 && count > 0; i++) {
        uint32_t which = (uint32_t)(random_seeded_next(&bad->random) % count);
        uint8_t stream[RPC_MARK_BYTES + NULL_CALL_BYTES];
        null_call_encode(bad, stream);
        rpc_socket_init(&bad->socket);
        bad->socket.descriptor = descriptors[which];
        struct slice record;
        if (!bad_send(bad, stream, sizeof(stream)) ||
            rpc_socket_receive(&bad->socket, &bad->arena, &record, BAD_ANSWER_MS) != RPC_IO_OK)
            wrong = "an idle connection does not answer any more";
        bad->socket.descriptor = -1;
        rpc_socket_close(&bad->socket);
    }
    for (uint32_t i = 0; i < opened; i++) {
        if (descriptors[i] >= 0)
            close(descriptors[i]);
    }
    free(descriptors);
    return wrong;
}
