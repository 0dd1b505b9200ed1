/* heap_trim.h: the C library keeps what was freed below something that is still in use; after a flood of requests that can
 * be most of the process's memory. Here it is given back, when it was not needed for a while. */
#ifndef SERVER_DAEMON_HEAP_TRIM_H
#define SERVER_DAEMON_HEAP_TRIM_H

#include <stdbool.h>
#include <stdint.h>

struct heap_trim {
    uint64_t next_ms; /* the next look */
    unsigned looks;   /* since the last time that little was free */
};

struct process_memory {
    uint64_t resident_bytes; /* 0: /proc does not say */
    uint64_t shared_bytes;   /* of those: with files */
};

/* Any thread. */
struct process_memory process_memory_read(void);

/* One look: resident_bytes of memory that no file backs, used_bytes of them in use. Whether more than HEAP_FREE_MAX_BYTES were free at each of the
 * last HEAP_TRIM_LOOKS looks: then the next one counts from zero. Pure. */
bool heap_trim_judge(struct heap_trim *trim, uint64_t resident_bytes, uint64_t used_bytes);

/* Looks every HEAP_LOOK_MS, and gives free memory back. One thread, which has time for it: it is milliseconds of work when
 * there is much to give. `now_ms` never goes backwards. */
void heap_trim_tick(struct heap_trim *trim, uint64_t now_ms);

#endif
