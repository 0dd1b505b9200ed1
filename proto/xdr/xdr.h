/* xdr.h: external data representation (RFC 4506) as one cursor that either decodes or encodes, so each type has exactly
 * one codec function for the server, the test client and the fuzzers.
 *
 * A decoding cursor walks over bytes of the caller; variable opaque data becomes slices into them (they live as long as
 * those bytes) and only arrays are allocated, in the arena, after their count was checked against the bytes left. An
 * encoding cursor writes into a span of the caller. The first failure sticks: every later call fails too and touches
 * nothing, so a codec may chain its fields with && and needs no other check. An encoding codec only reads its value. */
#ifndef PROTO_XDR_XDR_H
#define PROTO_XDR_XDR_H

#include "base/arena.h"
#include "base/slice.h"

enum xdr_mode { XDR_DECODE, XDR_ENCODE };

struct xdr {
    enum xdr_mode mode;
    bool failed;    /* damaged or missing input; or no room left */
    uint8_t *start; /* not owned; read-only when decoding */
    uint8_t *next;  /* start <= next <= end */
    uint8_t *end;
    struct arena *arena; /* for decoded arrays; NULL when encoding */
};

/* A cursor over input; the decoded slices point into it, arrays lie in the arena. Pure. */
struct xdr xdr_decoder(struct slice input, struct arena *arena);

/* A cursor that writes into output, from its start. Pure. */
struct xdr xdr_encoder(struct span output);

/* Bytes that are left to read or to write. */
static inline size_t xdr_remaining(const struct xdr *x)
{
    return (size_t)(x->end - x->next);
}

/* Offset of the cursor from its start; for xdr_rewind and xdr_patch_uint32. */
static inline size_t xdr_position(const struct xdr *x)
{
    return (size_t)(x->next - x->start);
}

/* What an encoder has written up to now; points into its output. */
static inline struct slice xdr_encoded(const struct xdr *x)
{
    return slice_make(x->start, xdr_position(x));
}

/* Marks the cursor as failed; returns false, so a codec can say `return xdr_fail(x)`. */
bool xdr_fail(struct xdr *x);

/* Goes back to an earlier position of the same cursor and forgets a failure since then. CHECKs the position. */
void xdr_rewind(struct xdr *x, size_t position);

/* Numbers, big-endian. xdr_bool takes 0 and 1 only. */
bool xdr_uint32(struct xdr *x, uint32_t *value);
bool xdr_uint64(struct xdr *x, uint64_t *value);
bool xdr_int64(struct xdr *x, int64_t *value);
bool xdr_bool(struct xdr *x, bool *value);

/* A number below `count`, for enums and discriminants that have no other answer than BADXDR. */
bool xdr_uint32_below(struct xdr *x, uint32_t *value, uint32_t count);

/* Enums are uint32_t on the wire and in memory (both compilers give an enum without negative values that type). Any
 * value is accepted; whoever uses it judges it. */
#define xdr_enum(x, value) xdr_enum_bytes((x), (value), sizeof(*(value)))
bool xdr_enum_bytes(struct xdr *x, void *value, size_t size_bytes);

/* Exactly size_bytes bytes and their padding, which must be zero (RFC 4506 section 4.9). Copied: these are verifiers,
 * session ids and the like. */
bool xdr_opaque_fixed(struct xdr *x, void *bytes, size_t size_bytes);

/* Length, bytes, padding; more than max_bytes fails. Decoding copies nothing. */
bool xdr_opaque(struct xdr *x, struct slice *bytes, size_t max_bytes);

/* The same; strings are bytes here, UTF-8 is judged by who uses them. */
bool xdr_string(struct xdr *x, struct slice *text, size_t max_bytes);

/* "No bound but the record": for names and other data whose bound is an NFS error of its own. */
#define XDR_UNBOUNDED ((size_t)UINT32_MAX)

/* The count of an array whose elements take at least element_wire_bytes each. A count over max_count, or one that the
 * bytes left cannot hold, fails before anything is allocated. */
bool xdr_count(struct xdr *x, uint32_t *count, uint32_t max_count, size_t element_wire_bytes);

/* A counted array: decodes into the arena, encodes from *elements. The element codec gets each element in turn. */
bool xdr_array(struct xdr *x, void **elements, uint32_t *count, uint32_t max_count, size_t element_wire_bytes,
               size_t element_bytes, bool (*codec)(struct xdr *x, void *element));

/* An optional value ("type *value" in XDR): *present tells whether one follows. */
bool xdr_present(struct xdr *x, bool *present);

/* --- writing what is known only later; encode only --- */

/* Makes room for size_bytes (a multiple of 4), which the caller fills in later; NULL, and failed, without room. */
uint8_t *xdr_reserve(struct xdr *x, size_t size_bytes);

/* Writes the number at a position that was passed before; CHECKs that it was. */
void xdr_patch_uint32(struct xdr *x, size_t position, uint32_t value);

/* Writes the length word of an opaque and gives the place for up to max_bytes of its data; the caller puts in as many
 * as it has and then says how many with xdr_commit_opaque. Nothing else may be encoded in between. False, and failed,
 * without room for max_bytes and their padding. */
bool xdr_reserve_opaque(struct xdr *x, size_t max_bytes, struct span *place);

/* Ends it: sets the length, pads with zeros, moves the cursor. */
void xdr_commit_opaque(struct xdr *x, struct span place, size_t size_bytes);

/* Bytes with their padding. */
static inline size_t xdr_padded(size_t size_bytes)
{
    return (size_bytes + 3u) & ~(size_t)3u;
}

#endif
