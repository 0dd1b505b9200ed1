/* snapshot_manifest.h: what a copy of the state consists of: where it stands in the log, and its files
 * (docs/formats/snapshot.md). On the heap; one owner. */
#ifndef CLUSTER_SNAPSHOT_MANIFEST_H
#define CLUSTER_SNAPSHOT_MANIFEST_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/hash.h"
#include "cluster/log_writer.h"
#include "proto/peer_codec.h"

struct snapshot_file {
    char name[PEER_SNAPSHOT_NAME_MAX_BYTES + 1];
    uint64_t size_bytes;
    struct hash128 hash; /* snapshot_hash over its pieces */
};

struct snapshot_manifest {
    uint64_t id; /* of this copy; never 0 */
    uint8_t cluster_id[16];
    struct log_snapshot log; /* cut_index is index: what a log that follows it begins behind */
    uint64_t command_number;
    struct hash128 chain;
    uint64_t block_count;
    uint64_t block_bytes;
    size_t file_count;
    struct snapshot_file files[];
};

/* Zeroed, with so many files (at most SNAPSHOT_FILES_MAX). */
struct snapshot_manifest *snapshot_manifest_create(size_t file_count);
struct snapshot_manifest *snapshot_manifest_copy(const struct snapshot_manifest *manifest);
/* NULL is allowed. */
void snapshot_manifest_free(struct snapshot_manifest *manifest);

/* The next piece of a file, SNAPSHOT_PIECE_BYTES of it or its end; the first one follows the zero hash. Pure. */
static inline struct hash128 snapshot_hash(struct hash128 previous, struct slice piece)
{
    return hash_chain(previous, piece);
}

/* Bytes of all its files and blocks. Pure. */
uint64_t snapshot_manifest_bytes(const struct snapshot_manifest *manifest);

/* To and from the message. The message has been checked by peer_codec, but for the configuration: NULL if it is none. */
Qnfs__SnapshotManifest *snapshot_manifest_encode(const struct snapshot_manifest *manifest, struct arena *arena);
struct snapshot_manifest *snapshot_manifest_decode(const Qnfs__SnapshotManifest *message);

/* As a file: "QSNR", u32 CRC32C of the rest, and a frame (peer_codec.h) with the offer. */
struct buffer *snapshot_manifest_save(const struct snapshot_manifest *manifest);
/* NULL: the bytes are damaged. */
struct snapshot_manifest *snapshot_manifest_load(struct slice bytes);

#endif
