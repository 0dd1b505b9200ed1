#include "server/nfs4/task.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void a_place_is_found_until_it_is_left(void **state)
{
    (void)state;
    struct task_table table;
    struct task tasks[200] = {{0}};
    task_table_init(&table);
    assert_null(task_table_find(&table, 0));
    for (size_t i = 0; i < 200; i++) {
        task_table_add(&table, &tasks[i]);
        assert_int_not_equal(tasks[i].place, 0);
    }
    uint64_t place = tasks[70].place;
    task_table_add(&table, &tasks[70]);
    assert_int_equal(tasks[70].place, place);
    assert_int_equal(table.used, 200);
    for (size_t i = 0; i < 200; i++)
        assert_ptr_equal(task_table_find(&table, tasks[i].place), &tasks[i]);
    task_table_remove(&table, &tasks[70]);
    task_table_remove(&table, &tasks[70]);
    assert_null(task_table_find(&table, place));
    assert_int_equal(table.used, 199);
    task_table_fini(&table);
}

static void a_late_answer_finds_nobody(void **state)
{
    (void)state;
    struct task_table table;
    struct task first = {0};
    struct task second = {0};
    task_table_init(&table);
    task_table_add(&table, &first);
    uint64_t place = first.place;
    task_table_remove(&table, &first);
    task_table_add(&table, &second);
    /* The same index, another generation. */
    assert_int_equal((uint32_t)second.place, (uint32_t)place);
    assert_null(task_table_find(&table, place));
    assert_ptr_equal(task_table_find(&table, second.place), &second);
    assert_null(task_table_find(&table, UINT64_MAX));
    task_table_remove(&table, &second);
    task_table_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_place_is_found_until_it_is_left),
        cmocka_unit_test(a_late_answer_finds_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
