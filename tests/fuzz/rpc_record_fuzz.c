/* rpc_record_fuzz.c: the same stream, cut in two ways, gives the same records and the same end. The input's first byte
 * seeds the cuts, the rest is the stream. */
#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/limits.h"
#include "proto/rpc/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool grow(struct record_assembly *assembly, size_t capacity_bytes)
{
    CHECK(capacity_bytes <= RPC_RECORD_MAX_BYTES && capacity_bytes > assembly->capacity_bytes);
    uint8_t *moved = malloc(capacity_bytes);
    CHECK(moved != NULL);
    if (assembly->size_bytes > 0)
        memcpy(moved, assembly->data, assembly->size_bytes);
    free(assembly->data);
    assembly->data = moved;
    assembly->capacity_bytes = capacity_bytes;
    return true;
}

struct run {
    struct record_reader reader;
    struct record_assembly assembly;
    struct hash128 records; /* chain over their content */
    uint32_t count;
    enum record_outcome outcome;
};

static void run_feed(struct run *run, struct slice piece)
{
    while (run->outcome == RECORD_NEED_MORE || run->outcome == RECORD_COMPLETE) {
        struct slice record = SLICE_EMPTY;
        run->outcome = record_reader_feed(&run->reader, &piece, &run->assembly, &record);
        if (run->outcome == RECORD_COMPLETE) {
            run->records = hash_chain(run->records, record);
            run->count++;
        } else {
            CHECK(run->outcome != RECORD_NEED_MORE || piece.size_bytes == 0);
            return;
        }
    }
}

static void run_stream(struct run *run, struct slice stream, uint32_t seed)
{
    *run = (struct run){.assembly = {.grow = grow}, .outcome = RECORD_NEED_MORE};
    record_reader_init(&run->reader);
    while (stream.size_bytes > 0) {
        size_t size_bytes = stream.size_bytes;
        if (seed != 0) {
            seed = seed * 1103515245u + 12345u;
            size_bytes = (seed >> 16) % (seed & 1 ? 7u : 300u) + 1;
            if (size_bytes > stream.size_bytes)
                size_bytes = stream.size_bytes;
        }
        run_feed(run, slice_make(stream.data, size_bytes));
        stream = slice_from(stream, size_bytes);
    }
    free(run->assembly.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct slice stream = slice_make(data + 1, size - 1);
    struct run whole;
    struct run cut;
    run_stream(&whole, stream, 0);
    run_stream(&cut, stream, data[0] + 1u);
    CHECK(whole.count == cut.count && whole.outcome == cut.outcome);
    CHECK(hash128_equal(whole.records, cut.records));
    return 0;
}
