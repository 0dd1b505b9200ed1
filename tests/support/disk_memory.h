/* disk_memory.h: cluster/disk.h in memory, with a seed. A crash loses any subset of what was not synced: sectors of
 * writes, sizes, and creates, renames and removes. Operations can fail at a chosen moment, and the power can go off in
 * the middle of somebody's work. */
#ifndef TESTS_SUPPORT_DISK_MEMORY_H
#define TESTS_SUPPORT_DISK_MEMORY_H

#include "base/random.h"
#include "cluster/disk.h"

struct memory_inode;
struct memory_change;

#define DISK_MEMORY_NAMES_MAX 256u

struct memory_name {
    char path[DISK_PATH_MAX_BYTES + 1];
    struct memory_inode *inode; /* NULL: a directory */
};

struct memory_names {
    struct memory_name list[DISK_MEMORY_NAMES_MAX];
    size_t count;
};

/* What a crash leaves of the unsynced. */
enum disk_memory_loss { DISK_MEMORY_ANY, DISK_MEMORY_ALL_LOST, DISK_MEMORY_ALL_KEPT };

struct disk_memory {
    struct random_seeded random;
    uint32_t sector_bytes;   /* 512 or 4096 */
    uint64_t capacity_bytes; /* UINT64_MAX: no bound */
    enum disk_memory_loss loss;

    uint64_t operations;   /* counted so far: those that may change something, and syncs */
    uint64_t fail_at;      /* from this operation on ... (0: never) */
    uint64_t fail_count;   /* ... so many ... */
    enum status fail_with; /* ... fail so, without effect */
    uint64_t power_off_at; /* from this operation on nothing has an effect and all fails (0: never) */

    uint64_t used_bytes;
    struct memory_inode *inodes; /* all, owned */
    struct memory_names now;
    struct memory_names durable;
    struct memory_change *changes; /* of names, not yet durable, oldest first */
    struct memory_change **changes_end;
    bool locked;
};

void disk_memory_init(struct disk_memory *memory, uint64_t seed);
void disk_memory_fini(struct disk_memory *memory);

/* All files must be closed before the next crash or fini. */
struct disk disk_memory_port(struct disk_memory *memory);

static inline bool disk_memory_is_off(const struct disk_memory *memory)
{
    return memory->power_off_at != 0 && memory->operations >= memory->power_off_at;
}

/* The power goes off and on again: what was unsynced is lost as `loss` says; failures and power_off_at end. */
void disk_memory_crash(struct disk_memory *memory);

/* The bytes of a file as they are now; empty if there is none. Valid until the next operation. */
struct slice disk_memory_file(struct disk_memory *memory, const char *path);
/* Flips bits of one byte of a file, on the device too. */
void disk_memory_damage(struct disk_memory *memory, const char *path, uint64_t offset, uint8_t mask);

#endif
