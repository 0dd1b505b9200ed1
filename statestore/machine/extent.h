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

#endif
