/* nfs4_results_fuzz.c: a reply is decoded as a client does it, operation by operation; what decodes must encode, and
 * the encoding must decode and encode to itself. (Not to the input: a bitmap may come with empty words.) */
#include <stdlib.h>

#include "base/check.h"
#include "proto/nfs4/compound.h"
#include "proto/xdr/xdr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Decodes a result from the encoding and encodes it a second time. */
static void check_stable(enum opnum4 op, struct slice encoding, struct arena *arena)
{
    union nfs4_result result;
    struct xdr x = xdr_decoder(encoding, arena);
    bool decodes = nfs4_result_codec(&x, op, &result);
    CHECK(decodes && xdr_remaining(&x) == 0);
    struct span room = {malloc(encoding.size_bytes + 1), encoding.size_bytes};
    CHECK(room.data != NULL);
    struct xdr y = xdr_encoder(room);
    bool fits = nfs4_result_codec(&y, op, &result);
    CHECK(fits && slice_equal(xdr_encoded(&y), encoding));
    free(room.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena);
    struct xdr x = xdr_decoder(slice_make(data, size), &arena);
    struct span room = {malloc(size + 1), size};
    CHECK(room.data != NULL);

    struct nfs4_compound_result head;
    bool good = xdr_nfs4_compound_result(&x, &head);
    for (uint32_t i = 0; good && i < head.result_count && i < NFS4_OPERATIONS_MAX; i++) {
        enum opnum4 op;
        union nfs4_result result;
        good = xdr_enum(&x, &op) && nfs4_result_codec(&x, op, &result);
        if (good) {
            struct xdr y = xdr_encoder(room);
            bool fits = nfs4_result_codec(&y, op, &result);
            CHECK(fits);
            check_stable(op, xdr_encoded(&y), &arena);
        }
    }
    free(room.data);
    arena_fini(&arena);
    return 0;
}
