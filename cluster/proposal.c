#include "base/check.h"
#include "base/heap.h"
#include "cluster/replica.h"

static struct slice bytes_copy(struct slice bytes, uint8_t *target)
{
    if (bytes.size_bytes == 0)
        return SLICE_EMPTY;
    memcpy(target, bytes.data, bytes.size_bytes);
    return slice_make(target, bytes.size_bytes);
}

struct proposal *proposal_copy(struct slice command, struct slice content)
{
    CHECK(command.size_bytes > 0 && command.size_bytes + content.size_bytes <= COMMAND_MAX_BYTES);
    struct proposal *copy =
        (struct proposal *)heap_alloc(sizeof(struct proposal) + command.size_bytes + content.size_bytes);
    uint8_t *bytes = (uint8_t *)(copy + 1);
    copy->command = bytes_copy(command, bytes);
    copy->content = bytes_copy(content, bytes + command.size_bytes);
    copy->copied = true;
    return copy;
}

void proposal_done(struct proposal *proposal)
{
    CHECK(!proposal->copied || proposal->batch == NULL);
    if (proposal->copied)
        heap_free(proposal);
}
