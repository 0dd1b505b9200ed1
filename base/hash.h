/* hash.h: CRC32C for log and frames, XXH3-128 for chain hash and blocks, SipHash-2-4 with 128 bits where somebody
 * could profit from a collision (replay digests, handles, session ids). DESIGN.md section 12. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/slice.h"

struct hash128 {
    uint64_t low;
    uint64_t high;
};

struct siphash_key {
    uint8_t bytes[16];
};

/* CRC-32C (Castagnoli, RFC 3720 appendix B.4) of the bytes, continuing from `crc` (0 at the start). Pure. */
uint32_t crc32c(uint32_t crc, struct slice bytes);

/* XXH3-128 of the bytes. Pure. */
struct hash128 hash_content(struct slice bytes);

/* XXH3-128 over the previous value and the bytes: a link of the chain. Pure. */
struct hash128 hash_chain(struct hash128 previous, struct slice bytes);

/* XXH3-128 of the bytes with a seed: bytes that are right but in a wrong place do not match. Pure. */
struct hash128 hash_seeded(uint64_t seed, struct slice bytes);

/* SipHash-2-4-128 (Aumasson and Bernstein, 2012, with the 128-bit extension of the reference code). Pure. */
struct hash128 siphash128(const struct siphash_key *key, struct slice bytes);

static inline bool hash128_equal(struct hash128 a, struct hash128 b)
{
    return a.low == b.low && a.high == b.high;
}

#endif
