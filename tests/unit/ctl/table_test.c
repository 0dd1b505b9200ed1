/* Columns as wide as what stands in them. */
#include "ctl/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void prints(const struct table *table, const char *wanted)
{
    char *text = NULL;
    size_t text_bytes = 0;
    FILE *out = open_memstream(&text, &text_bytes);
    table_print(table, out);
    fclose(out);
    assert_string_equal(text, wanted);
    free(text);
}

static void columns_are_aligned(void **state)
{
    (void)state;
    static const char *const headings[] = {"NAME", "N", "LAST"};
    struct table table;
    table_init(&table, headings, 3);
    prints(&table, "NAME  N  LAST\n");
    table_add(&table, "%s", "a");
    table_add(&table, "%d", 12345);
    table_add(&table, "%s", "x");
    table_add(&table, "%s",
              "gr\xc3\xb6\xc3\x9f"
              "er"); /* six characters in eight bytes */
    table_add(&table, "%d", 1);
    table_add(&table, "%s", "");
    prints(&table, "NAME    N      LAST\n"
                   "a       12345  x\n"
                   "gr\xc3\xb6\xc3\x9f"
                   "er  1      \n");
    table_fini(&table);
}

static void tables_grow(void **state)
{
    (void)state;
    static const char *const headings[] = {"I"};
    struct table table;
    char wanted[1000 * 4 + 8] = "I\n";
    size_t used = 2;
    table_init(&table, headings, 1);
    for (int i = 0; i < 1000; i++) {
        table_add(&table, "%d", i);
        used += (size_t)snprintf(wanted + used, sizeof(wanted) - used, "%d\n", i);
    }
    prints(&table, wanted);
    table_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_aligned),
        cmocka_unit_test(tables_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
