/* table.h: rows of text under headings, each column as wide as its widest cell. */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 12

struct table {
    size_t column_count;
    size_t cell_count; /* headings first */
    size_t cell_room;
    char **cells; /* owned, with their texts; row by row */
};

/* `headings` are column_count texts; they are copied. */
void table_init(struct table *table, const char *const *headings, size_t column_count);
void table_fini(struct table *table);

/* Puts the next cell in its place; after the last column the next row begins. printf form. */
void table_add(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* CHECKs that the last row is whole. */
void table_print(const struct table *table, FILE *out);

#endif
