/* The raft library's encoding: u8 1, u64 count, then for each server u64 id, address with its end, u8 role; all little
 * endian; zeros up to a multiple of 8. We write and check it ourselves, since the library's decoder trusts lengths. */
#include "cluster/configuration.h"

#include "base/check.h"

#define FORMAT 1u
#define HEAD_BYTES 9u
/* Decimal digits of an id and the end of the text. */
#define ADDRESS_MAX_BYTES 21u

int configuration_find(const struct configuration *configuration, uint64_t id)
{
    CHECK(configuration->count <= CLUSTER_MEMBERS_MAX);
    for (uint32_t i = 0; i < configuration->count; i++) {
        if (configuration->members[i].id == id)
            return (int)i;
    }
    return -1;
}

uint32_t configuration_voters(const struct configuration *configuration)
{
    uint32_t voters = 0;
    for (uint32_t i = 0; i < configuration->count; i++)
        voters += configuration->members[i].role == MEMBER_VOTER;
    return voters;
}

bool configuration_sole_voter(const struct configuration *configuration, uint64_t id)
{
    int position = configuration_find(configuration, id);
    return position >= 0 && configuration->members[position].role == MEMBER_VOTER &&
           configuration_voters(configuration) == 1;
}

static void put_u64_little(uint8_t *at, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get_u64_little(const uint8_t *at)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

size_t configuration_address(uint64_t id, struct span room)
{
    char digits[ADDRESS_MAX_BYTES];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + id % 10);
        id /= 10;
    } while (id > 0);
    CHECK(room.size_bytes > count);
    for (size_t i = 0; i < count; i++)
        room.data[i] = (uint8_t)digits[count - 1 - i];
    room.data[count] = 0;
    return count + 1;
}

size_t configuration_encode(const struct configuration *configuration, struct span room)
{
    CHECK(configuration->count > 0 && configuration->count <= CLUSTER_MEMBERS_MAX);
    CHECK(room.size_bytes >= CONFIGURATION_MAX_BYTES);
    room.data[0] = FORMAT;
    put_u64_little(room.data + 1, configuration->count);
    size_t size_bytes = HEAD_BYTES;
    for (uint32_t i = 0; i < configuration->count; i++) {
        const struct member *member = &configuration->members[i];
        CHECK(member->id != 0);
        put_u64_little(room.data + size_bytes, member->id);
        size_bytes += 8;
        size_bytes += configuration_address(member->id, (struct span){room.data + size_bytes, ADDRESS_MAX_BYTES});
        room.data[size_bytes++] = member->role == MEMBER_VOTER ? 1 : 0;
    }
    while (size_bytes % 8 != 0)
        room.data[size_bytes++] = 0;
    CHECK(size_bytes <= CONFIGURATION_MAX_BYTES);
    return size_bytes;
}

/* One member at *offset; false if the bytes are not what configuration_encode writes. */
static bool member_decode(struct slice bytes, size_t *offset, struct member *member)
{
    uint8_t address[ADDRESS_MAX_BYTES];
    if (bytes.size_bytes - *offset < 8)
        return false;
    member->id = get_u64_little(bytes.data + *offset);
    *offset += 8;
    size_t address_bytes = configuration_address(member->id, (struct span){address, sizeof address});
    if (member->id == 0 || bytes.size_bytes - *offset < address_bytes + 1 ||
        memcmp(bytes.data + *offset, address, address_bytes) != 0)
        return false;
    *offset += address_bytes;
    uint8_t role = bytes.data[(*offset)++];
    member->role = role == 1 ? MEMBER_VOTER : MEMBER_STANDBY;
    return role <= 1;
}

enum status configuration_decode(struct slice bytes, struct configuration *configuration)
{
    *configuration = (struct configuration){0};
    if (bytes.size_bytes < HEAD_BYTES || bytes.size_bytes > CONFIGURATION_MAX_BYTES || bytes.data[0] != FORMAT)
        return STATUS_BAD_DATA;
    uint64_t count = get_u64_little(bytes.data + 1);
    if (count == 0 || count > CLUSTER_MEMBERS_MAX)
        return STATUS_BAD_DATA;
    size_t offset = HEAD_BYTES;
    for (uint32_t i = 0; i < count; i++) {
        struct member member;
        if (!member_decode(bytes, &offset, &member) || configuration_find(configuration, member.id) >= 0)
            return STATUS_BAD_DATA;
        configuration->members[configuration->count++] = member;
    }
    if (bytes.size_bytes - offset >= 8 || bytes.size_bytes % 8 != 0)
        return STATUS_BAD_DATA;
    for (; offset < bytes.size_bytes; offset++) {
        if (bytes.data[offset] != 0)
            return STATUS_BAD_DATA;
    }
    return STATUS_OK;
}
