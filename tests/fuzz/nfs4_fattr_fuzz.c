/* nfs4_fattr_fuzz.c: attribute values of any mask and use. What decodes for VERIFY encodes to the same values and is
 * equal to itself; what decodes for SETATTR is what a client would have made. The input: one byte for minor version and
 * use, then a fattr4. */
#include <stdlib.h>

#include "base/check.h"
#include "proto/nfs4/attr.h"
#include "proto/xdr/xdr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_encodes(const struct fattr4 *fattr, struct nfs4_attributes *decoded, size_t size)
{
    /* supported_attrs is also an attribute's value: keep what encode needs apart from what came. */
    if (bitmap4_has(&fattr->attrmask, FATTR4_SUPPORTED_ATTRS) ||
        bitmap4_has(&fattr->attrmask, FATTR4_SUPPATTR_EXCLCREAT))
        return;
    decoded->supported_attrs = nfs4_attributes_supported(2);
    struct span room = {malloc(size + 64), size + 64};
    CHECK(room.data != NULL);
    struct xdr x = xdr_encoder(room);
    bool fits = nfs4_fattr_encode(&x, &fattr->attrmask, decoded);
    CHECK(fits);
    struct fattr4 again;
    struct xdr y = xdr_decoder(xdr_encoded(&x), NULL);
    bool decodes = xdr_fattr4(&y, &again);
    CHECK(decodes && slice_equal(again.attr_vals, fattr->attr_vals));
    free(room.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct arena arena;
    arena_init(&arena);
    enum nfs4_fattr_use use = (enum nfs4_fattr_use)(data[0] % 3);
    struct bitmap4 supported = nfs4_attributes_supported(data[0] / 3 % 3);
    struct xdr x = xdr_decoder(slice_make(data + 1, size - 1), &arena);
    struct fattr4 fattr;
    struct nfs4_attributes attributes = {0};
    if (xdr_fattr4(&x, &fattr) && nfs4_fattr_decode(&fattr, &supported, use, &attributes) == NFS4_OK) {
        if (use == NFS4_FATTR_VERIFY)
            check_encodes(&fattr, &attributes, size);
        if (use == NFS4_FATTR_SET) {
            struct fattr4 made = nfs4_fattr_for_set(&fattr.attrmask, &attributes, &arena);
            CHECK(slice_equal(made.attr_vals, fattr.attr_vals));
        }
    }
    arena_fini(&arena);
    return 0;
}
