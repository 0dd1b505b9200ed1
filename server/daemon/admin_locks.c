#include "base/check.h"
#include "base/limits.h"
#include "proto/nfs4/open.h"
#include "server/daemon/admin_page.h"
#include "server/daemon/admin_path.h"
#include "server/daemon/admin_text.h"
#include "statestore/machine/lock.h"
#include "statestore/machine/open.h"
#include "statestore/machine/row.h"
#include "statestore/store/schema.h"

#define OTHER_BYTES 12u
/* Keys: prefix, volume, inode; then for an open its stateid's `other`, for a range its first byte and `other`. A file
 * that is open has a row of its own without an `other`. */
#define FILE_KEY_BYTES 13u
#define OPEN_KEY_BYTES (FILE_KEY_BYTES + OTHER_BYTES)
#define RANGE_KEY_BYTES (FILE_KEY_BYTES + 8u + OTHER_BYTES)
/* What a page's token holds: a key of either kind, filled up with zeros. */
#define TOKEN_BYTES RANGE_KEY_BYTES

/* One open or one range, before it has its path. */
struct lock_item {
    struct state state;
    bool is_range;
    struct lock_range range;
};

struct lock_list {
    struct admin_request *request;
    struct admin_page page;
    struct lock_item *items; /* in the arena; as many as the page has rows */
    size_t count;
};

static json_t *item_range(const struct lock_range *range)
{
    if (range->last == UINT64_MAX)
        return json_null(); /* to the end of the file, however far */
    return admin_number(range->last - range->first + 1);
}

static json_t *item_json(const struct lock_item *item, struct slice path)
{
    static const char *const access_names[] = {"none", "read", "write", "both"};
    const struct state *state = &item->state;
    json_t *row = json_pack("{s:s,s:o,s:o,s:o,s:o,s:o,s:o}", "kind", item->is_range ? "lock" : "open", "client",
                            admin_number(state->client.value), "owner", admin_text(state->owner), "path",
                            path.size_bytes == 0 ? json_null() : admin_text(path), "volume",
                            admin_number(state->file.volume.value), "inode", admin_number(state->file.inode.value),
                            "stateid", admin_hex(slice_make(state->id.other, OTHER_BYTES)));
    if (item->is_range) {
        json_object_set_new(row, "type", json_string(item->range.is_write ? "write" : "read"));
        json_object_set_new(row, "offset", admin_number(item->range.first));
        json_object_set_new(row, "length", item_range(&item->range));
    } else {
        json_object_set_new(row, "access", json_string(access_names[state->access & OPEN4_SHARE_ACCESS_BOTH]));
        json_object_set_new(row, "deny", json_string(access_names[state->deny & OPEN4_SHARE_DENY_BOTH]));
    }
    return row;
}

/* A range as a cursor found it, read with the walk that knows its row. */
static void item_read_range(struct lock_item *item, const struct kv_cursor *cursor)
{
    struct lock_walk walk = {.cursor = *cursor};
    bool found = lock_walk_get(&walk, &item->range);
    CHECK(found);
    item->is_range = true;
}

/* All rows with the prefix from the page's token on; false: the page is full. */
static bool list_rows(struct lock_list *list, enum schema_row row, size_t key_bytes)
{
    struct admin_request *request = list->request;
    struct admin_page *page = &list->page;
    struct row_key prefix = row_key(request->arena, (uint8_t)row, 0);
    struct slice start = SLICE_EMPTY;
    if (page->has_after && page->after.data[0] > (uint8_t)row)
        return true;
    if (page->has_after && page->after.data[0] == (uint8_t)row)
        start = slice_make(page->after.data, key_bytes);
    bool room = true;
    struct kv_cursor cursor;
    for (kv_cursor_open(request->view, row_key_done(&prefix), start, request->arena, &cursor); cursor.valid;
         kv_cursor_next(&cursor)) {
        if (cursor.key.size_bytes != key_bytes || slice_equal(cursor.key, start))
            continue;
        room = list->count < page->limit;
        page->more = !room;
        if (!room)
            break;
        struct lock_item *item = &list->items[list->count];
        *item = (struct lock_item){0};
        if (!state_get(request->view, cursor.key.data + key_bytes - OTHER_BYTES, request->arena, &item->state))
            continue;
        if (row == SCHEMA_LOCK)
            item_read_range(item, &cursor);
        list->count++;
        uint8_t *token = arena_alloc_zeroed(request->arena, TOKEN_BYTES);
        memcpy(token, cursor.key.data, key_bytes);
        page->last = slice_make(token, TOKEN_BYTES);
    }
    kv_cursor_close(&cursor);
    return room;
}

void admin_lock_list(struct admin_request *request, struct admin_answer *answer)
{
    struct lock_list list = {.request = request};
    if (!admin_page_begin(&list.page, request, TOKEN_BYTES, answer))
        return;
    list.items = arena_alloc_array(request->arena, list.page.limit, sizeof(*list.items));
    if (list_rows(&list, SCHEMA_OPEN_BY_FILE, OPEN_KEY_BYTES))
        list_rows(&list, SCHEMA_LOCK, RANGE_KEY_BYTES);
    struct admin_paths paths;
    admin_paths_init(&paths, request->view, request->arena);
    for (size_t i = 0; i < list.count; i++)
        admin_paths_want(&paths, list.items[i].state.file.volume, list.items[i].state.file.inode);
    admin_paths_search(&paths);
    for (size_t i = 0; i < list.count; i++) {
        const struct file_id *file = &list.items[i].state.file;
        json_array_append_new(list.page.rows,
                              item_json(&list.items[i], admin_paths_get(&paths, file->volume, file->inode)));
    }
    admin_page_answer(&list.page, "locks", answer);
}
