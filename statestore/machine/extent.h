/* extent.h: which bytes of a file are where. Extents of a file do not overlap; what no extent covers is a hole. */
#ifndef STATESTORE_MACHINE_EXTENT_H
#define STATESTORE_MACHINE_EXTENT_H

#include "statestore/machine/id.h"
#include "statestore/machine/inode.h"
#include "statestore/store/kv.h"

struct extent {
    uint64_t offset; /* in the file */
    uint64_t length_bytes;
    bool is_inline;
    struct slice bytes;    /* inline: length_bytes of content; lives as long as the cursor's position */
    struct block_id block; /* otherwise: a range of this block */
    uint64_t block_offset;
    uint64_t number; /* the command that wrote it: older than the inode's cut and behind it means dead */
};

/* Walks the live extents that touch [offset, offset + length_bytes) in order, as they are (not clipped); those that the
 * inode's pending cut has killed are passed over. */
struct extent_walk {
    struct kv_cursor cursor;
    uint64_t end;
    uint64_t cut_offset;
    uint64_t cut_number;
};
void extent_walk_open(struct kv_read *read, const struct inode *inode, uint64_t offset, uint64_t length_bytes,
                      struct arena *arena, struct extent_walk *walk);
bool extent_walk_get(struct extent_walk *walk, struct extent *extent);
void extent_walk_next(struct extent_walk *walk);
void extent_walk_close(struct extent_walk *walk);

/* --- machine only (content.c, purge.c, check_files.c) --- */

/* Takes a row that a cursor found apart; its bytes point into `value`. Pure. */
void extent_decode_row(struct slice key, struct slice value, struct extent *extent);

/* Whether the inode's pending cut has killed the extent. Pure. */
bool extent_is_dead(const struct inode *inode, const struct extent *extent);

/* The first extents, dead ones too, that touch [offset, end), in order: at most `room` into `extents`; how many. Their
 * `bytes` are empty, so that collecting a thousand of them copies nothing: extent_ending_at() gives the bytes. */
size_t extent_collect(struct kv_read *read, struct file_id file, uint64_t offset, uint64_t end, size_t room,
                      struct arena *arena, struct extent *extents);

/* The extent, dead or live, that ends exactly at `end`, with its bytes; false if none does. */
bool extent_ending_at(struct kv_read *read, struct file_id file, uint64_t end, struct arena *arena,
                      struct extent *extent);

/* Writes or removes one row. The caller keeps rows from overlapping, and counts references (block.h). */
void extent_put(struct transaction *transaction, struct file_id file, const struct extent *extent, struct arena *arena);
void extent_delete(struct transaction *transaction, struct file_id file, const struct extent *extent,
                   struct arena *arena);

#endif
