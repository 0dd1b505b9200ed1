#include <string.h>

#include "ctl/command.h"
#include "ctl/table.h"

/* The file's path, or volume:inode where it is not known. */
static void add_file(struct table *table, const json_t *row)
{
    const char *path = ctl_text(row, "path");
    if (path[0] != '\0')
        table_add(table, "%s", path);
    else
        table_add(table, "%lld:%lld", ctl_number(row, "volume"), ctl_number(row, "inode"));
}

/* What is held: an open's access and denial, or a range. */
static void add_held(struct table *table, const json_t *row)
{
    if (strcmp(ctl_text(row, "kind"), "open") == 0) {
        const char *deny = ctl_text(row, "deny");
        if (strcmp(deny, "none") == 0)
            table_add(table, "%s", ctl_text(row, "access"));
        else
            table_add(table, "%s, denies %s", ctl_text(row, "access"), deny);
        return;
    }
    long long offset = ctl_number(row, "offset");
    if (json_is_null(json_object_get(row, "length")))
        table_add(table, "%s %lld-end", ctl_text(row, "type"), offset);
    else
        table_add(table, "%s %lld-%lld", ctl_text(row, "type"), offset, offset + ctl_number(row, "length") - 1);
}

int command_lock_list(struct ctl *ctl)
{
    static const char *const headings[] = {"KIND", "CLIENT", "HELD", "FILE", "OWNER"};
    json_t *answer = ctl_ask_list(ctl, "locks");
    if (answer == NULL || ctl->arguments->json)
        return ctl_finish(ctl, answer);
    struct table table;
    table_init(&table, headings, 5);
    size_t index;
    json_t *row;
    json_array_foreach(json_object_get(answer, "locks"), index, row)
    {
        table_add(&table, "%s", ctl_text(row, "kind"));
        table_add(&table, "%lld", ctl_number(row, "client"));
        add_held(&table, row);
        add_file(&table, row);
        table_add(&table, "%s", ctl_text(row, "owner"));
    }
    table_print(&table, ctl->out);
    table_fini(&table);
    json_decref(answer);
    return CTL_DONE;
}
