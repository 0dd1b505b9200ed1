#include "proto/nfs4/attr.h"

#include <assert.h>

#include "base/check.h"
#include "proto/nfs4/codec.h"

/* What may be done with an attribute. */
#define READ 1u
#define SET 2u
/* RFC 8881 section 5.6: REQUIRED; a client may count on these. */
#define REQUIRED 4u

static bool xdr_mode_masked4(struct xdr *x, struct mode_masked4 *mode)
{
    return xdr_uint32(x, &mode->mm_value_to_set) && xdr_uint32(x, &mode->mm_mask_bits);
}

static bool xdr_mode_umask4(struct xdr *x, struct mode_umask4 *mode)
{
    return xdr_uint32(x, &mode->mu_mode) && xdr_uint32(x, &mode->mu_umask);
}

/* The one list of attributes that the server knows: number, field, codec, use, first minor version. */
#define ATTRIBUTE_LIST(X)                                                                                              \
    X(FATTR4_SUPPORTED_ATTRS, supported_attrs, xdr_bitmap4, READ | REQUIRED, 0)                                        \
    X(FATTR4_TYPE, type, xdr_enum, READ | REQUIRED, 0)                                                                 \
    X(FATTR4_FH_EXPIRE_TYPE, fh_expire_type, xdr_uint32, READ | REQUIRED, 0)                                           \
    X(FATTR4_CHANGE, change, xdr_uint64, READ | REQUIRED, 0)                                                           \
    X(FATTR4_SIZE, size, xdr_uint64, READ | SET | REQUIRED, 0)                                                         \
    X(FATTR4_LINK_SUPPORT, link_support, xdr_bool, READ | REQUIRED, 0)                                                 \
    X(FATTR4_SYMLINK_SUPPORT, symlink_support, xdr_bool, READ | REQUIRED, 0)                                           \
    X(FATTR4_NAMED_ATTR, named_attr, xdr_bool, READ | REQUIRED, 0)                                                     \
    X(FATTR4_FSID, fsid, xdr_fsid4, READ | REQUIRED, 0)                                                                \
    X(FATTR4_UNIQUE_HANDLES, unique_handles, xdr_bool, READ | REQUIRED, 0)                                             \
    X(FATTR4_LEASE_TIME, lease_time, xdr_uint32, READ | REQUIRED, 0)                                                   \
    X(FATTR4_RDATTR_ERROR, rdattr_error, xdr_enum, READ | REQUIRED, 0)                                                 \
    X(FATTR4_ACLSUPPORT, aclsupport, xdr_uint32, READ, 0)                                                              \
    X(FATTR4_CANSETTIME, cansettime, xdr_bool, READ, 0)                                                                \
    X(FATTR4_CASE_INSENSITIVE, case_insensitive, xdr_bool, READ, 0)                                                    \
    X(FATTR4_CASE_PRESERVING, case_preserving, xdr_bool, READ, 0)                                                      \
    X(FATTR4_CHOWN_RESTRICTED, chown_restricted, xdr_bool, READ, 0)                                                    \
    X(FATTR4_FILEHANDLE, filehandle, xdr_fh4, READ | REQUIRED, 0)                                                      \
    X(FATTR4_FILEID, fileid, xdr_uint64, READ, 0)                                                                      \
    X(FATTR4_FILES_AVAIL, files_avail, xdr_uint64, READ, 0)                                                            \
    X(FATTR4_FILES_FREE, files_free, xdr_uint64, READ, 0)                                                              \
    X(FATTR4_FILES_TOTAL, files_total, xdr_uint64, READ, 0)                                                            \
    X(FATTR4_HOMOGENEOUS, homogeneous, xdr_bool, READ, 0)                                                              \
    X(FATTR4_MAXFILESIZE, maxfilesize, xdr_uint64, READ, 0)                                                            \
    X(FATTR4_MAXLINK, maxlink, xdr_uint32, READ, 0)                                                                    \
    X(FATTR4_MAXNAME, maxname, xdr_uint32, READ, 0)                                                                    \
    X(FATTR4_MAXREAD, maxread, xdr_uint64, READ, 0)                                                                    \
    X(FATTR4_MAXWRITE, maxwrite, xdr_uint64, READ, 0)                                                                  \
    X(FATTR4_MODE, mode, xdr_uint32, READ | SET, 0)                                                                    \
    X(FATTR4_NO_TRUNC, no_trunc, xdr_bool, READ, 0)                                                                    \
    X(FATTR4_NUMLINKS, numlinks, xdr_uint32, READ, 0)                                                                  \
    X(FATTR4_OWNER, owner, xdr_component4, READ | SET, 0)                                                              \
    X(FATTR4_OWNER_GROUP, owner_group, xdr_component4, READ | SET, 0)                                                  \
    X(FATTR4_RAWDEV, rawdev, xdr_specdata4, READ, 0)                                                                   \
    X(FATTR4_SPACE_AVAIL, space_avail, xdr_uint64, READ, 0)                                                            \
    X(FATTR4_SPACE_FREE, space_free, xdr_uint64, READ, 0)                                                              \
    X(FATTR4_SPACE_TOTAL, space_total, xdr_uint64, READ, 0)                                                            \
    X(FATTR4_SPACE_USED, space_used, xdr_uint64, READ, 0)                                                              \
    X(FATTR4_TIME_ACCESS, time_access, xdr_nfstime4, READ, 0)                                                          \
    X(FATTR4_TIME_ACCESS_SET, time_access_set, xdr_settime4, SET, 0)                                                   \
    X(FATTR4_TIME_CREATE, time_create, xdr_nfstime4, READ | SET, 0)                                                    \
    X(FATTR4_TIME_DELTA, time_delta, xdr_nfstime4, READ, 0)                                                            \
    X(FATTR4_TIME_METADATA, time_metadata, xdr_nfstime4, READ, 0)                                                      \
    X(FATTR4_TIME_MODIFY, time_modify, xdr_nfstime4, READ, 0)                                                          \
    X(FATTR4_TIME_MODIFY_SET, time_modify_set, xdr_settime4, SET, 0)                                                   \
    X(FATTR4_MOUNTED_ON_FILEID, mounted_on_fileid, xdr_uint64, READ, 0)                                                \
    X(FATTR4_MODE_SET_MASKED, mode_set_masked, xdr_mode_masked4, SET, 1)                                               \
    X(FATTR4_SUPPATTR_EXCLCREAT, suppattr_exclcreat, xdr_bitmap4, READ | REQUIRED, 1)                                  \
    X(FATTR4_FS_CHARSET_CAP, fs_charset_cap, xdr_uint32, READ, 1)                                                      \
    X(FATTR4_CHANGE_ATTR_TYPE, change_attr_type, xdr_enum, READ, 2)                                                    \
    X(FATTR4_MODE_UMASK, mode_umask, xdr_mode_umask4, SET, 2)                                                          \
    X(FATTR4_XATTR_SUPPORT, xattr_support, xdr_bool, READ, 2)

#define ATTRIBUTE_CODEC(number, field, codec, use, minor)                                                              \
    static bool field##_codec(struct xdr *x, struct nfs4_attributes *attributes)                                       \
    {                                                                                                                  \
        return codec(x, &attributes->field);                                                                           \
    }
ATTRIBUTE_LIST(ATTRIBUTE_CODEC)
#undef ATTRIBUTE_CODEC

struct attribute {
    const char *name;
    bool (*codec)(struct xdr *x, struct nfs4_attributes *attributes);
};

static const struct attribute attribute_table[NFS4_BITMAP_WORDS * 32] = {
#define ATTRIBUTE_ROW(number, field, codec, use, minor) [number] = {#field, field##_codec},
    ATTRIBUTE_LIST(ATTRIBUTE_ROW)
#undef ATTRIBUTE_ROW
};

static_assert(FATTR4_OPEN_ARGUMENTS < NFS4_BITMAP_WORDS * 32, "every known attribute has a bit");

static bool minor_reached(uint32_t minorversion, uint32_t first)
{
    return minorversion >= first;
}

/* The attributes that have one of the uses; the compiler folds this into three constants for each minor version. */
static struct bitmap4 attributes_with(uint32_t minorversion, uint32_t uses)
{
    struct bitmap4 mask = {0};
#define ATTRIBUTE_BIT(number, field, codec, use, minor)                                                                \
    if (minor_reached(minorversion, minor) && ((use)&uses) != 0)                                                       \
        mask.words[(number) / 32] |= 1u << ((number) % 32);
    ATTRIBUTE_LIST(ATTRIBUTE_BIT)
#undef ATTRIBUTE_BIT
    return mask;
}

struct bitmap4 nfs4_attributes_supported(uint32_t minorversion)
{
    return attributes_with(minorversion, READ | SET);
}

struct bitmap4 nfs4_attributes_settable(uint32_t minorversion)
{
    return attributes_with(minorversion, SET);
}

struct bitmap4 nfs4_attributes_readable(uint32_t minorversion)
{
    return attributes_with(minorversion, READ);
}

struct bitmap4 nfs4_attributes_required(uint32_t minorversion)
{
    return attributes_with(minorversion, REQUIRED);
}

/* Newest minor version: for masks that were bounded by the right one before. */
#define ANY_MINOR 2u

/* The values of a mask's attributes in the order of their numbers, without mask and length. */
static bool values_codec(struct xdr *x, const struct bitmap4 *mask, struct nfs4_attributes *attributes)
{
    for (uint32_t word = 0; word < NFS4_BITMAP_WORDS; word++) {
        for (uint32_t bits = mask->words[word]; bits != 0; bits &= bits - 1) {
            uint32_t number = word * 32 + (uint32_t)__builtin_ctz(bits);
            CHECK(attribute_table[number].codec != NULL);
            if (!attribute_table[number].codec(x, attributes))
                return false;
        }
    }
    return true;
}

/* An encoding codec only reads its value, so a constant may be given to it. */
static struct nfs4_attributes *for_encode(const struct nfs4_attributes *attributes)
{
    return (struct nfs4_attributes *)(uintptr_t)attributes;
}

bool nfs4_fattr_encode(struct xdr *x, const struct bitmap4 *requested, const struct nfs4_attributes *attributes)
{
    CHECK(x->mode == XDR_ENCODE);
    struct bitmap4 readable = nfs4_attributes_readable(ANY_MINOR);
    struct bitmap4 mask = bitmap4_intersection(requested, &attributes->supported_attrs);
    mask = bitmap4_intersection(&mask, &readable);

    if (!xdr_bitmap4(x, &mask))
        return false;
    size_t length_position = xdr_position(x);
    if (xdr_reserve(x, 4) == NULL || !values_codec(x, &mask, for_encode(attributes)))
        return false;
    xdr_patch_uint32(x, length_position, (uint32_t)(xdr_position(x) - length_position - 4));
    return true;
}

struct fattr4 nfs4_fattr_for_set(const struct bitmap4 *mask, const struct nfs4_attributes *attributes,
                                 struct arena *arena)
{
    struct bitmap4 settable = nfs4_attributes_settable(ANY_MINOR);
    CHECK(bitmap4_within(mask, &settable));
    /* All settable attributes but the two owners together are far below the constant. */
    size_t room_bytes = 256 + xdr_padded(attributes->owner.size_bytes) + xdr_padded(attributes->owner_group.size_bytes);
    struct xdr x = xdr_encoder((struct span){arena_alloc(arena, room_bytes), room_bytes});
    bool fits = values_codec(&x, mask, for_encode(attributes));
    CHECK(fits);
    return (struct fattr4){.attrmask = *mask, .attr_vals = xdr_encoded(&x)};
}

enum nfsstat4 nfs4_fattr_decode(const struct fattr4 *fattr, const struct bitmap4 *supported, enum nfs4_fattr_use use,
                                struct nfs4_attributes *attributes)
{
    struct bitmap4 known = nfs4_attributes_supported(ANY_MINOR);
    known = bitmap4_intersection(&known, supported);
    if (!bitmap4_within(&fattr->attrmask, &known))
        return NFS4ERR_ATTRNOTSUPP;
    struct bitmap4 allowed = known;
    if (use == NFS4_FATTR_SET)
        allowed = nfs4_attributes_settable(ANY_MINOR);
    if (use == NFS4_FATTR_VERIFY) {
        allowed = nfs4_attributes_readable(ANY_MINOR);
        bitmap4_remove(&allowed, FATTR4_RDATTR_ERROR);
    }
    if (!bitmap4_within(&fattr->attrmask, &allowed))
        return NFS4ERR_INVAL;

    struct xdr x = xdr_decoder(fattr->attr_vals, NULL);
    if (!values_codec(&x, &fattr->attrmask, attributes) || xdr_remaining(&x) != 0)
        return NFS4ERR_BADXDR;
    return NFS4_OK;
}

bool nfs4_fattr_equal(const struct fattr4 *given, const struct nfs4_attributes *ours, struct arena *arena)
{
    /* XDR has one encoding for a value, so values are equal when their bytes are. */
    size_t room_bytes = given->attr_vals.size_bytes;
    struct xdr x = xdr_encoder((struct span){arena_alloc(arena, room_bytes), room_bytes});
    return values_codec(&x, &given->attrmask, for_encode(ours)) && slice_equal(xdr_encoded(&x), given->attr_vals);
}

bool xdr_fattr4(struct xdr *x, struct fattr4 *fattr)
{
    if (x->mode == XDR_ENCODE && fattr->attributes != NULL)
        return nfs4_fattr_encode(x, &fattr->attrmask, fattr->attributes);
    if (x->mode == XDR_DECODE)
        fattr->attributes = NULL;
    return xdr_bitmap4(x, &fattr->attrmask) && xdr_opaque(x, &fattr->attr_vals, XDR_UNBOUNDED);
}

const char *fattr4_name(uint32_t number)
{
    if (number >= NFS4_BITMAP_WORDS * 32 || attribute_table[number].name == NULL)
        return "?";
    return attribute_table[number].name;
}
