#include "cluster/log_records.h"

#include "base/check.h"
#include "cluster/big_endian.h"

size_t log_vote_encode(const struct log_vote *vote, uint8_t *room)
{
    CHECK(vote->term > 0);
    put_u64(room, vote->term);
    put_u64(room + 8, vote->vote);
    return LOG_VOTE_BYTES;
}

enum status log_vote_decode(struct slice bytes, struct log_vote *vote)
{
    if (bytes.size_bytes != LOG_VOTE_BYTES)
        return STATUS_BAD_DATA;
    vote->term = get_u64(bytes.data);
    vote->vote = get_u64(bytes.data + 8);
    return vote->term > 0 ? STATUS_OK : STATUS_BAD_DATA;
}

/* 0 u64 index, 8 u64 term, 16 u64 cut index, 24 u64 configuration index, 32 u32 size, 36 configuration. */
size_t log_snapshot_encode(const struct log_snapshot *snapshot, uint8_t *room)
{
    CHECK(snapshot->cut_index <= snapshot->index && snapshot->configuration_index <= snapshot->index);
    CHECK((snapshot->index == 0) == (snapshot->configuration.count == 0));
    put_u64(room, snapshot->index);
    put_u64(room + 8, snapshot->term);
    put_u64(room + 16, snapshot->cut_index);
    put_u64(room + 24, snapshot->configuration_index);
    size_t size_bytes = 0;
    if (snapshot->index > 0)
        size_bytes = configuration_encode(&snapshot->configuration, (struct span){room + 36, CONFIGURATION_MAX_BYTES});
    put_u32(room + 32, (uint32_t)size_bytes);
    return 36 + size_bytes;
}

enum status log_snapshot_decode(struct slice bytes, struct log_snapshot *snapshot)
{
    *snapshot = (struct log_snapshot){0};
    if (bytes.size_bytes < 36 || bytes.size_bytes - 36 != get_u32(bytes.data + 32))
        return STATUS_BAD_DATA;
    snapshot->index = get_u64(bytes.data);
    snapshot->term = get_u64(bytes.data + 8);
    snapshot->cut_index = get_u64(bytes.data + 16);
    snapshot->configuration_index = get_u64(bytes.data + 24);
    if (snapshot->index == 0)
        return bytes.size_bytes == 36 && snapshot->term == 0 && snapshot->cut_index == 0 ? STATUS_OK : STATUS_BAD_DATA;
    if (snapshot->cut_index > snapshot->index || snapshot->configuration_index > snapshot->index || snapshot->term == 0)
        return STATUS_BAD_DATA;
    return configuration_decode(slice_from(bytes, 36), &snapshot->configuration);
}
