/* types.h: the types that several NFSv4 operations share, spelled as in RFC 8881, RFC 7862 and RFC 7530. Opaque data,
 * strings, file handles and names are slices: after a decode they point into the received record, before an encode
 * they point wherever the caller keeps the bytes. The arguments and results of the operations stand in the headers of
 * their nouns; compound.h ties them together. */
#ifndef PROTO_NFS4_TYPES_H
#define PROTO_NFS4_TYPES_H

#include "base/slice.h"
#include "proto/nfs4/opnum.h"
#include "proto/nfs4/status.h"

#define NFS4_PROGRAM 100003u
#define NFS4_VERSION 4u
#define NFSPROC4_NULL 0u
#define NFSPROC4_COMPOUND 1u

#define NFS4_VERIFIER_SIZE 8u
#define NFS4_OTHER_SIZE 12u
#define NFS4_SESSIONID_SIZE 16u
#define NFS4_UINT64_MAX UINT64_MAX

enum nfs_ftype4 {
    NF4REG = 1,
    NF4DIR = 2,
    NF4BLK = 3,
    NF4CHR = 4,
    NF4LNK = 5,
    NF4SOCK = 6,
    NF4FIFO = 7,
    NF4ATTRDIR = 8,
    NF4NAMEDATTR = 9
};

struct verifier4 {
    uint8_t data[NFS4_VERIFIER_SIZE];
};

struct sessionid4 {
    uint8_t data[NFS4_SESSIONID_SIZE];
};

struct stateid4 {
    uint32_t seqid;
    uint8_t other[NFS4_OTHER_SIZE];
};

/* Attribute numbers 0 to 95. A longer bitmap from the wire keeps in `unknown` that a bit above was set. */
#define NFS4_BITMAP_WORDS 3u
/* Words taken from the wire; a longer bitmap is BADXDR. */
#define NFS4_BITMAP_WIRE_WORDS_MAX 8u

struct bitmap4 {
    uint32_t words[NFS4_BITMAP_WORDS];
    bool unknown;
};

struct nfstime4 {
    int64_t seconds;
    uint32_t nseconds;
};

enum time_how4 { SET_TO_SERVER_TIME4 = 0, SET_TO_CLIENT_TIME4 = 1 };

struct settime4 {
    enum time_how4 set_it;
    struct nfstime4 time; /* with SET_TO_CLIENT_TIME4 */
};

struct fsid4 {
    uint64_t major;
    uint64_t minor;
};

struct specdata4 {
    uint32_t specdata1; /* major device number */
    uint32_t specdata2; /* minor device number */
};

struct change_info4 {
    bool atomic;
    uint64_t before;
    uint64_t after;
};

/* RFC 8881 section 5.12: mode_set_masked. */
struct mode_masked4 {
    uint32_t mm_value_to_set;
    uint32_t mm_mask_bits;
};

struct nfs4_attributes;

/* Attribute values. Decoded: attr_vals points into the record, `attributes` is NULL; nfs4_fattr_decode (attr.h) takes
 * it apart. To encode either attr_vals is given as it is, or `attributes`: then what is encoded is the intersection of
 * attrmask and attributes->supported_attrs, straight into the output. */
struct fattr4 {
    struct bitmap4 attrmask;
    struct slice attr_vals;
    const struct nfs4_attributes *attributes;
};

/* open_owner4, lock_owner4 and state_owner4 of the RFCs. */
struct state_owner4 {
    uint64_t clientid;
    struct slice owner; /* at most NFS4_OPAQUE_MAX_BYTES */
};

struct nfs_impl_id4 {
    struct slice nii_domain;
    struct slice nii_name;
    struct nfstime4 nii_date;
};

/* --- bitmaps --- */

static inline bool bitmap4_has(const struct bitmap4 *bitmap, uint32_t number)
{
    return number < NFS4_BITMAP_WORDS * 32 && (bitmap->words[number / 32] >> (number % 32) & 1u) != 0;
}

/* Numbers above the bitmap are remembered as unknown. */
static inline void bitmap4_add(struct bitmap4 *bitmap, uint32_t number)
{
    if (number < NFS4_BITMAP_WORDS * 32)
        bitmap->words[number / 32] |= 1u << (number % 32);
    else
        bitmap->unknown = true;
}

static inline void bitmap4_remove(struct bitmap4 *bitmap, uint32_t number)
{
    if (number < NFS4_BITMAP_WORDS * 32)
        bitmap->words[number / 32] &= ~(1u << (number % 32));
}

static inline bool bitmap4_empty(const struct bitmap4 *bitmap)
{
    return (bitmap->words[0] | bitmap->words[1] | bitmap->words[2]) == 0 && !bitmap->unknown;
}

static inline struct bitmap4 bitmap4_intersection(const struct bitmap4 *a, const struct bitmap4 *b)
{
    return (struct bitmap4){{a->words[0] & b->words[0], a->words[1] & b->words[1], a->words[2] & b->words[2]}, false};
}

/* Whether every bit of `part` is also in `whole`; false if part has unknown bits. */
static inline bool bitmap4_within(const struct bitmap4 *part, const struct bitmap4 *whole)
{
    return !part->unknown && (part->words[0] & ~whole->words[0]) == 0 && (part->words[1] & ~whole->words[1]) == 0 &&
           (part->words[2] & ~whole->words[2]) == 0;
}

/* --- stateids --- */

static inline bool stateid4_equal(const struct stateid4 *a, const struct stateid4 *b)
{
    return a->seqid == b->seqid && memcmp(a->other, b->other, NFS4_OTHER_SIZE) == 0;
}

#endif
