/* task.h: what waits for the cluster: a parked compound, or a request of the node itself. Each has a place, which is the
 * ticket of its command: an index and a generation, so that a late answer finds nobody instead of somebody else. */
#ifndef SERVER_NFS4_TASK_H
#define SERVER_NFS4_TASK_H

#include "base/arena.h"
#include "cluster/replica.h"

enum task_kind { TASK_COMPOUND, TASK_ATTACH, TASK_RENEW };

/* Embedded as the first field of what it is. */
struct task {
    enum task_kind kind;
    uint64_t place;           /* 0: not in the table */
    struct arena arena;       /* all memory of the task, also its command's bytes */
    struct proposal proposal; /* under way while `proposed` */
    bool proposed;
    uint64_t request_number;       /* of a node request (NodeOrigin); 0: none */
    struct list_link request_link; /* in the order of the numbers */
};

struct task_entry {
    struct task *task; /* NULL: free */
    uint32_t generation;
    uint32_t next_free; /* index + 1; 0: the end */
};

struct task_table {
    struct task_entry *entries; /* owned */
    uint32_t entry_count;
    uint32_t first_free; /* index + 1 */
    uint32_t used;
};

void task_table_init(struct task_table *table);
void task_table_fini(struct task_table *table);

/* Gives the task a place (it may have one). The table grows; its bound is the caller's. */
void task_table_add(struct task_table *table, struct task *task);
/* The task at a place, NULL if it is gone. */
struct task *task_table_find(const struct task_table *table, uint64_t place);
/* Takes it out; a task without a place is let be. */
void task_table_remove(struct task_table *table, struct task *task);

#endif
