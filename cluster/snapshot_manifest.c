#include "cluster/snapshot_manifest.h"

#include "base/check.h"
#include "base/heap.h"
#include "cluster/big_endian.h"

/* Before the frame in a file. */
#define READY_MAGIC 0x51534e52u
#define READY_HEAD_BYTES 8u

static size_t manifest_size(size_t file_count)
{
    CHECK(file_count <= SNAPSHOT_FILES_MAX);
    return sizeof(struct snapshot_manifest) + file_count * sizeof(struct snapshot_file);
}

struct snapshot_manifest *snapshot_manifest_create(size_t file_count)
{
    struct snapshot_manifest *manifest = heap_alloc(manifest_size(file_count));
    manifest->file_count = file_count;
    return manifest;
}

struct snapshot_manifest *snapshot_manifest_copy(const struct snapshot_manifest *manifest)
{
    struct snapshot_manifest *copy = heap_alloc(manifest_size(manifest->file_count));
    memcpy(copy, manifest, manifest_size(manifest->file_count));
    return copy;
}

void snapshot_manifest_free(struct snapshot_manifest *manifest)
{
    heap_free(manifest);
}

uint64_t snapshot_manifest_bytes(const struct snapshot_manifest *manifest)
{
    uint64_t sum = manifest->block_bytes;
    for (size_t i = 0; i < manifest->file_count; i++)
        sum += manifest->files[i].size_bytes;
    return sum;
}

static ProtobufCBinaryData hash_encode(struct hash128 hash, struct arena *arena)
{
    uint8_t *bytes = arena_alloc(arena, 16);
    put_u64(bytes, hash.high);
    put_u64(bytes + 8, hash.low);
    return (ProtobufCBinaryData){16, bytes};
}

static struct hash128 hash_decode(ProtobufCBinaryData bytes)
{
    CHECK(bytes.len == 16);
    return (struct hash128){.high = get_u64(bytes.data), .low = get_u64(bytes.data + 8)};
}

Qnfs__SnapshotManifest *snapshot_manifest_encode(const struct snapshot_manifest *manifest, struct arena *arena)
{
    Qnfs__SnapshotManifest *message = arena_alloc(arena, sizeof(*message));
    qnfs__snapshot_manifest__init(message);
    message->id = manifest->id;
    message->cluster = (ProtobufCBinaryData){16, arena_alloc(arena, 16)};
    memcpy(message->cluster.data, manifest->cluster_id, 16);
    message->index = manifest->log.index;
    message->term = manifest->log.term;
    message->configuration_index = manifest->log.configuration_index;
    struct span room = {arena_alloc(arena, CONFIGURATION_MAX_BYTES), CONFIGURATION_MAX_BYTES};
    message->configuration = (ProtobufCBinaryData){configuration_encode(&manifest->log.configuration, room), room.data};
    message->command_number = manifest->command_number;
    message->chain = hash_encode(manifest->chain, arena);
    message->block_count = manifest->block_count;
    message->block_bytes = manifest->block_bytes;
    message->n_files = manifest->file_count;
    message->files = arena_alloc_array(arena, manifest->file_count, sizeof(void *));
    for (size_t i = 0; i < manifest->file_count; i++) {
        Qnfs__SnapshotFile *file = arena_alloc(arena, sizeof(*file));
        qnfs__snapshot_file__init(file);
        file->name = arena_text(arena, slice_text(manifest->files[i].name));
        file->size_bytes = manifest->files[i].size_bytes;
        file->hash = hash_encode(manifest->files[i].hash, arena);
        message->files[i] = file;
    }
    return message;
}

struct snapshot_manifest *snapshot_manifest_decode(const Qnfs__SnapshotManifest *message)
{
    struct configuration configuration;
    struct slice bytes = slice_make(message->configuration.data, message->configuration.len);
    if (configuration_decode(bytes, &configuration) != STATUS_OK || configuration_voters(&configuration) == 0)
        return NULL;
    struct snapshot_manifest *manifest = snapshot_manifest_create(message->n_files);
    manifest->id = message->id;
    memcpy(manifest->cluster_id, message->cluster.data, sizeof(manifest->cluster_id));
    manifest->log = (struct log_snapshot){.index = message->index,
                                          .term = message->term,
                                          .cut_index = message->index,
                                          .configuration_index = message->configuration_index,
                                          .configuration = configuration};
    manifest->command_number = message->command_number;
    manifest->chain = hash_decode(message->chain);
    manifest->block_count = message->block_count;
    manifest->block_bytes = message->block_bytes;
    for (size_t i = 0; i < message->n_files; i++) {
        const Qnfs__SnapshotFile *file = message->files[i];
        CHECK(strlen(file->name) < sizeof(manifest->files[i].name));
        memcpy(manifest->files[i].name, file->name, strlen(file->name));
        manifest->files[i].size_bytes = file->size_bytes;
        manifest->files[i].hash = hash_decode(file->hash);
    }
    return manifest;
}

struct buffer *snapshot_manifest_save(const struct snapshot_manifest *manifest)
{
    struct arena arena;
    arena_init(&arena);
    Qnfs__Peer peer = QNFS__PEER__INIT;
    Qnfs__SnapshotOffer offer = QNFS__SNAPSHOT_OFFER__INIT;
    offer.manifest = snapshot_manifest_encode(manifest, &arena);
    peer.body_case = QNFS__PEER__BODY_SNAPSHOT_OFFER;
    peer.snapshot_offer = &offer;
    size_t frame_bytes = peer_frame_bytes(&peer, NULL, 0);
    struct buffer *bytes = buffer_create(READY_HEAD_BYTES + frame_bytes);
    struct slice frame = peer_frame_pack(&peer, NULL, 0, (struct span){bytes->data + READY_HEAD_BYTES, frame_bytes});
    put_u32(bytes->data, READY_MAGIC);
    put_u32(bytes->data + 4, crc32c(0, frame));
    bytes->size_bytes = READY_HEAD_BYTES + frame.size_bytes;
    arena_fini(&arena);
    return bytes;
}

struct snapshot_manifest *snapshot_manifest_load(struct slice bytes)
{
    if (bytes.size_bytes < READY_HEAD_BYTES || get_u32(bytes.data) != READY_MAGIC)
        return NULL;
    struct slice packed = slice_from(bytes, READY_HEAD_BYTES);
    struct snapshot_manifest *manifest = NULL;
    struct peer_frame frame;
    struct arena arena;
    arena_init(&arena);
    if (crc32c(0, packed) == get_u32(bytes.data + 4) && peer_frame_open(packed, &arena, &frame) == STATUS_OK &&
        frame.message->body_case == QNFS__PEER__BODY_SNAPSHOT_OFFER)
        manifest = snapshot_manifest_decode(frame.message->snapshot_offer->manifest);
    arena_fini(&arena);
    return manifest;
}
