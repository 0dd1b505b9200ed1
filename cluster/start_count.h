/* start_count.h: how often processes of this node have begun: tells its peers a later process from an earlier one, before it is
 * registered as an incarnation, and without trusting a clock. File `starts` of the data directory:
 *
 *   0 "QSTA"   4 u32 version, 1   8 u64 the count   16 u32 CRC32C of what is before   (big-endian) */
#ifndef CLUSTER_START_COUNT_H
#define CLUSTER_START_COUNT_H

#include "cluster/disk.h"

/* Counts this start, durably; *count is at least 1 and higher than at any start before. Once a process, with the directory
 * locked. STATUS_BAD_DATA: the file is damaged. STATUS_NO_SPACE, STATUS_IO. */
MUST_CHECK enum status start_count_next(const struct disk *disk, uint64_t *count);

#endif
