#include "server/nfs4/task.h"

#include "base/check.h"
#include "base/heap.h"

#define TASK_FIRST_ENTRIES 64u

void task_table_init(struct task_table *table)
{
    *table = (struct task_table){0};
}

void task_table_fini(struct task_table *table)
{
    heap_free(table->entries);
    *table = (struct task_table){0};
}

static void task_table_grow(struct task_table *table)
{
    uint32_t count = table->entry_count == 0 ? TASK_FIRST_ENTRIES : table->entry_count * 2;
    CHECK(count > table->entry_count);
    table->entries = heap_grow(table->entries, table->entry_count, count, sizeof(*table->entries));
    for (uint32_t i = count; i > table->entry_count; i--) {
        table->entries[i - 1].generation = 1; /* so that no place is 0 */
        table->entries[i - 1].next_free = table->first_free;
        table->first_free = i;
    }
    table->entry_count = count;
}

void task_table_add(struct task_table *table, struct task *task)
{
    if (task->place != 0)
        return;
    if (table->first_free == 0)
        task_table_grow(table);
    uint32_t index = table->first_free - 1;
    struct task_entry *entry = &table->entries[index];
    CHECK(entry->task == NULL);
    table->first_free = entry->next_free;
    entry->task = task;
    task->place = (uint64_t)entry->generation << 32 | index;
    table->used++;
}

struct task *task_table_find(const struct task_table *table, uint64_t place)
{
    uint32_t index = (uint32_t)place;
    if (index >= table->entry_count || table->entries[index].generation != place >> 32)
        return NULL;
    return table->entries[index].task;
}

void task_table_remove(struct task_table *table, struct task *task)
{
    if (task->place == 0)
        return;
    CHECK(task_table_find(table, task->place) == task);
    uint32_t index = (uint32_t)task->place;
    struct task_entry *entry = &table->entries[index];
    entry->task = NULL;
    entry->generation = entry->generation == UINT32_MAX ? 1 : entry->generation + 1;
    entry->next_free = table->first_free;
    table->first_free = index + 1;
    task->place = 0;
    CHECK(table->used > 0);
    table->used--;
}
