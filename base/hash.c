#include "base/hash.h"

#include <endian.h>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#if defined(__x86_64__)
#include <nmmintrin.h>

/* SSE4.2's instruction; the shell refuses to start on a processor without it (x86-64-v2, 2009). */
__attribute__((target("sse4.2"))) uint32_t crc32c(uint32_t crc, struct slice bytes)
{
    uint64_t state = ~crc;
    const uint8_t *next = bytes.data;
    size_t left = bytes.size_bytes;
    while (left >= 8) {
        uint64_t word;
        memcpy(&word, next, 8);
        state = _mm_crc32_u64(state, word);
        next += 8;
        left -= 8;
    }
    while (left > 0) {
        state = _mm_crc32_u8((uint32_t)state, *next);
        next++;
        left--;
    }
    return ~(uint32_t)state;
}
#else
uint32_t crc32c(uint32_t crc, struct slice bytes)
{
    uint32_t state = ~crc;
    for (size_t i = 0; i < bytes.size_bytes; i++) {
        state ^= bytes.data[i];
        for (int bit = 0; bit < 8; bit++)
            state = (state >> 1) ^ (0x82f63b78u & (0u - (state & 1u)));
    }
    return ~state;
}
#endif

struct hash128 hash_content(struct slice bytes)
{
    XXH128_hash_t hash = XXH3_128bits(bytes.data, bytes.size_bytes);
    return (struct hash128){hash.low64, hash.high64};
}

struct hash128 hash_seeded(uint64_t seed, struct slice bytes)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(bytes.data, bytes.size_bytes, seed);
    return (struct hash128){hash.low64, hash.high64};
}

struct hash128 hash_chain(struct hash128 previous, struct slice bytes)
{
    struct hash128 content = hash_content(bytes);
    uint64_t words[4] = {previous.low, previous.high, content.low, content.high};
    return hash_content(slice_make(words, sizeof(words)));
}

static inline uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return (value << bits) | (value >> (64 - bits));
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate_left(v[1], 13) ^ v[0];
    v[0] = rotate_left(v[0], 32);
    v[2] += v[3];
    v[3] = rotate_left(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate_left(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate_left(v[1], 17) ^ v[2];
    v[2] = rotate_left(v[2], 32);
}

static uint64_t little_endian_word(const uint8_t *bytes, size_t size_bytes)
{
    uint64_t word = 0;
    for (size_t i = 0; i < size_bytes; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

struct hash128 siphash128(const struct siphash_key *key, struct slice bytes)
{
    uint64_t k0 = little_endian_word(key->bytes, 8);
    uint64_t k1 = little_endian_word(key->bytes + 8, 8);
    uint64_t v[4] = {
        0x736f6d6570736575u ^ k0,
        0x646f72616e646f6du ^ k1 ^ 0xee,
        0x6c7967656e657261u ^ k0,
        0x7465646279746573u ^ k1,
    };
    size_t whole = bytes.size_bytes & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8) {
        uint64_t word;
        memcpy(&word, bytes.data + i, 8);
        word = le64toh(word);
        v[3] ^= word;
        sip_round(v);
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)(bytes.size_bytes & 0xff) << 56;
    if (bytes.size_bytes > whole)
        last |= little_endian_word(bytes.data + whole, bytes.size_bytes - whole);
    v[3] ^= last;
    sip_round(v);
    sip_round(v);
    v[0] ^= last;
    struct hash128 result;
    v[2] ^= 0xee;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    result.low = v[0] ^ v[1] ^ v[2] ^ v[3];
    v[1] ^= 0xdd;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    result.high = v[0] ^ v[1] ^ v[2] ^ v[3];
    return result;
}
