#include "server/daemon/heap_trim.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "base/limits.h"

struct process_memory process_memory_read(void)
{
    unsigned long resident_pages;
    unsigned long shared_pages;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return (struct process_memory){0};
    int fields = fscanf(file, "%*u %lu %lu", &resident_pages, &shared_pages);
    fclose(file);
    if (fields != 2 || shared_pages > resident_pages)
        return (struct process_memory){0};
    uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    return (struct process_memory){resident_pages * page_bytes, shared_pages * page_bytes};
}

bool heap_trim_judge(struct heap_trim *trim, uint64_t resident_bytes, uint64_t used_bytes)
{
    bool much = resident_bytes > used_bytes && resident_bytes - used_bytes > HEAP_FREE_MAX_BYTES;
    trim->looks = much ? trim->looks + 1 : 0;
    if (trim->looks < HEAP_TRIM_LOOKS)
        return false;
    trim->looks = 0;
    return true;
}

void heap_trim_tick(struct heap_trim *trim, uint64_t now_ms)
{
    if (now_ms < trim->next_ms)
        return;
    trim->next_ms = now_ms + HEAP_LOOK_MS;
    struct process_memory memory = process_memory_read();
    uint64_t resident_bytes = memory.resident_bytes - memory.shared_bytes;
    uint64_t used_bytes = 0;
    if (resident_bytes > HEAP_FREE_MAX_BYTES) { /* it locks each heap for a moment: not without need */
        struct mallinfo2 heap = mallinfo2();
        used_bytes = heap.uordblks + heap.hblkhd;
    }
    if (heap_trim_judge(trim, resident_bytes, used_bytes))
        malloc_trim(0);
}
