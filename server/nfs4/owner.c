#include "server/nfs4/owner.h"

#include "statestore/machine/access.h"

struct slice owner_encode(uint32_t id, uint8_t text[OWNER_TEXT_BYTES])
{
    size_t start = OWNER_TEXT_BYTES;
    do {
        text[--start] = (uint8_t)('0' + id % 10);
        id /= 10;
    } while (id != 0);
    return slice_make(text + start, OWNER_TEXT_BYTES - start);
}

static bool number_decode(struct slice text, uint32_t *id)
{
    if (text.size_bytes == 0 || text.size_bytes > OWNER_TEXT_BYTES || (text.data[0] == '0' && text.size_bytes > 1))
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < text.size_bytes; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    *id = (uint32_t)value;
    return value <= UINT32_MAX;
}

bool owner_decode(struct slice text, uint32_t *id)
{
    if (number_decode(text, id))
        return true;
    const uint8_t *at = text.size_bytes == 0 ? NULL : memchr(text.data, '@', text.size_bytes);
    struct slice name = at == NULL ? text : slice_make(text.data, (size_t)(at - text.data));
    if (slice_equal(name, slice_text("root"))) {
        *id = 0;
        return true;
    }
    if (slice_equal(name, slice_text("nobody"))) {
        *id = ACCESS_UID_NOBODY;
        return true;
    }
    return false;
}
