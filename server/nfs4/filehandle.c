#include "server/nfs4/filehandle.h"

/* Offset  bytes  meaning (numbers are big-endian)
 *      0      1  version, 1
 *      1      3  zero
 *      4      4  volume
 *      8      8  inode
 *     16      4  generation
 *     20      8  MAC: the first half of SipHash-2-4-128 over "qfh1" and bytes 0 to 19 */
#define FILEHANDLE_VERSION 1u
#define FILEHANDLE_MAC_OFFSET 20u
#define FILEHANDLE_DOMAIN_BYTES 4u

/* Keeps these MACs apart from the others that are made with the key. */
static const uint8_t filehandle_domain[FILEHANDLE_DOMAIN_BYTES] = {'q', 'f', 'h', '1'};

static void number_put(uint8_t *bytes, uint64_t value, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++)
        bytes[i] = (uint8_t)(value >> (8 * (size_bytes - 1 - i)));
}

static uint64_t number_get(const uint8_t *bytes, size_t size_bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size_bytes; i++)
        value = value << 8 | bytes[i];
    return value;
}

static uint64_t filehandle_mac(const struct siphash_key *key, const uint8_t *bytes)
{
    uint8_t input[FILEHANDLE_DOMAIN_BYTES + FILEHANDLE_MAC_OFFSET];
    memcpy(input, filehandle_domain, FILEHANDLE_DOMAIN_BYTES);
    memcpy(input + FILEHANDLE_DOMAIN_BYTES, bytes, FILEHANDLE_MAC_OFFSET);
    return siphash128(key, slice_make(input, sizeof(input))).low;
}

void filehandle_encode(const struct siphash_key *key, struct file_id id, uint8_t bytes[FILEHANDLE_BYTES])
{
    memset(bytes, 0, FILEHANDLE_BYTES);
    bytes[0] = FILEHANDLE_VERSION;
    number_put(bytes + 4, id.volume.value, 4);
    number_put(bytes + 8, id.inode.value, 8);
    number_put(bytes + 16, id.generation, 4);
    number_put(bytes + FILEHANDLE_MAC_OFFSET, filehandle_mac(key, bytes), 8);
}

bool filehandle_decode(const struct siphash_key *key, struct slice bytes, struct file_id *id)
{
    if (bytes.size_bytes != FILEHANDLE_BYTES || bytes.data[0] != FILEHANDLE_VERSION ||
        number_get(bytes.data + FILEHANDLE_MAC_OFFSET, 8) != filehandle_mac(key, bytes.data))
        return false;
    id->volume.value = (uint32_t)number_get(bytes.data + 4, 4);
    id->inode.value = number_get(bytes.data + 8, 8);
    id->generation = (uint32_t)number_get(bytes.data + 16, 4);
    return true;
}
