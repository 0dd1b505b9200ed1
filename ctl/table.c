#include "ctl/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define TABLE_GAP 2

static void table_take(struct table *table, char *text)
{
    CHECK(text != NULL);
    if (table->cell_count == table->cell_room) {
        table->cell_room = table->cell_room == 0 ? 64 : table->cell_room * 2;
        table->cells = realloc(table->cells, table->cell_room * sizeof(*table->cells));
        CHECK(table->cells != NULL);
    }
    table->cells[table->cell_count++] = text;
}

void table_init(struct table *table, const char *const *headings, size_t column_count)
{
    CHECK(column_count > 0 && column_count <= TABLE_COLUMNS_MAX);
    *table = (struct table){.column_count = column_count};
    for (size_t i = 0; i < column_count; i++)
        table_take(table, strdup(headings[i]));
}

void table_fini(struct table *table)
{
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct table){0};
}

void table_add(struct table *table, const char *format, ...)
{
    va_list arguments;
    char *text = NULL;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    CHECK(length >= 0);
    table_take(table, text);
}

/* Characters, not bytes: what continues a UTF-8 sequence takes no place. */
static size_t text_width(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

void table_print(const struct table *table, FILE *out)
{
    size_t widths[TABLE_COLUMNS_MAX] = {0};
    CHECK(table->cell_count % table->column_count == 0);
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t width = text_width(table->cells[i]);
        if (width > widths[i % table->column_count])
            widths[i % table->column_count] = width;
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t column = i % table->column_count;
        fputs(table->cells[i], out);
        if (column + 1 == table->column_count)
            fputc('\n', out);
        else
            fprintf(out, "%*s", (int)(widths[column] - text_width(table->cells[i]) + TABLE_GAP), "");
    }
}
