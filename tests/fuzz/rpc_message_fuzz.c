/* rpc_message_fuzz.c: what decodes as a call, a credential or a reply encodes to the same bytes. */
#include <stdlib.h>

#include "base/check.h"
#include "proto/rpc/message.h"
#include "proto/xdr/xdr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes that the decoder has taken must come out again. */
static void check_same(const struct xdr *decoder, const struct xdr *encoder)
{
    CHECK(slice_equal(xdr_encoded(encoder), slice_make(decoder->start, xdr_position(decoder))));
}

static void call_check(struct slice input, struct span room)
{
    struct rpc_call call;
    struct xdr x = xdr_decoder(input, NULL);
    if (rpc_call_decode(&x, &call) != RPC_CALL_OK)
        return;
    struct xdr y = xdr_encoder(room);
    bool fits = rpc_call_encode(&y, &call);
    CHECK(fits);
    check_same(&x, &y);

    struct authsys_parms parms;
    struct xdr body = xdr_decoder(call.cred.body, NULL);
    if (call.cred.flavor == AUTH_SYS && xdr_authsys_parms(&body, &parms)) {
        struct xdr z = xdr_encoder(room);
        fits = xdr_authsys_parms(&z, &parms);
        CHECK(fits);
        check_same(&body, &z);
    }
}

static void reply_check(struct slice input, struct span room)
{
    struct rpc_reply reply = {0};
    struct xdr x = xdr_decoder(input, NULL);
    if (!xdr_rpc_reply(&x, &reply))
        return;
    struct xdr y = xdr_encoder(room);
    bool fits = xdr_rpc_reply(&y, &reply);
    CHECK(fits);
    check_same(&x, &y);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span room = {malloc(size + 1), size};
    CHECK(room.data != NULL);
    call_check(slice_make(data, size), room);
    reply_check(slice_make(data, size), room);
    free(room.data);
    return 0;
}
