#include "statestore/machine/meta.h"

#include "base/check.h"
#include "statestore/machine/row.h"
#include "statestore/store/schema.h"

static struct slice meta_key(const char *name, struct arena *arena)
{
    struct slice text = slice_text(name);
    struct row_key key = row_key(arena, SCHEMA_META, text.size_bytes);
    row_key_bytes(&key, text);
    return row_key_done(&key);
}

static void meta_codec(struct row *row, void *value)
{
    row_u64(row, value);
}

uint64_t meta_get(struct kv_read *read, const char *name, uint64_t otherwise, struct arena *arena)
{
    struct slice bytes;
    if (!kv_get(read, meta_key(name, arena), arena, &bytes))
        return otherwise;
    uint64_t value;
    row_decode(meta_codec, bytes, &value);
    return value;
}

void meta_put(struct transaction *transaction, const char *name, uint64_t value, struct arena *arena)
{
    CHECK(name[0] != '\0');
    transaction_put(transaction, meta_key(name, arena), row_encode(meta_codec, &value, arena));
}
