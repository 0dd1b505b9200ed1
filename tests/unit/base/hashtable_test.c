#include "base/hashtable.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/list.h"

#define ELEMENTS 1000u

struct element {
    struct hashtable_link link;
    uint32_t number;
};

static struct element *element_find(const struct hashtable *table, uint32_t number, uint64_t hash)
{
    struct hashtable_link *link = hashtable_find(table, hash);
    for (; link != NULL; link = hashtable_next(link)) {
        struct element *element = container_of(link, struct element, link);
        if (element->number == number)
            return element;
    }
    return NULL;
}

static void what_is_in_is_found(void **state)
{
    (void)state;
    struct hashtable table;
    static struct element elements[ELEMENTS];
    hashtable_init(&table);
    assert_null(hashtable_find(&table, 0));
    for (uint32_t i = 0; i < ELEMENTS; i++) {
        elements[i].number = i;
        hashtable_insert(&table, &elements[i].link, hashtable_hash_number(i));
    }
    for (uint32_t i = 0; i < ELEMENTS; i++)
        assert_ptr_equal(element_find(&table, i, hashtable_hash_number(i)), &elements[i]);
    for (uint32_t i = 0; i < ELEMENTS; i += 2)
        hashtable_remove(&table, &elements[i].link);
    for (uint32_t i = 0; i < ELEMENTS; i++)
        assert_int_equal(element_find(&table, i, hashtable_hash_number(i)) != NULL, i % 2);
    assert_int_equal(table.count, ELEMENTS / 2);
    hashtable_fini(&table);
}

static void equal_hashes_are_told_apart(void **state)
{
    (void)state;
    struct hashtable table;
    struct element elements[20];
    hashtable_init(&table);
    for (uint32_t i = 0; i < 20; i++) {
        elements[i].number = i;
        hashtable_insert(&table, &elements[i].link, 42 + 1024 * (i % 2));
    }
    for (uint32_t i = 0; i < 20; i++) {
        assert_ptr_equal(element_find(&table, i, 42 + 1024 * (i % 2)), &elements[i]);
        assert_null(element_find(&table, i, 42 + 1024 * ((i + 1) % 2)));
    }
    hashtable_fini(&table);
}

static void any_empties_a_table(void **state)
{
    (void)state;
    struct hashtable table;
    struct element elements[50];
    size_t bucket = 0;
    struct hashtable_link *link;
    unsigned count = 0;
    hashtable_init(&table);
    assert_null(hashtable_any(&table, &bucket));
    for (uint32_t i = 0; i < 50; i++)
        hashtable_insert(&table, &elements[i].link, hashtable_hash_number(i));
    for (bucket = 0; (link = hashtable_any(&table, &bucket)) != NULL; count++)
        hashtable_remove(&table, link);
    assert_int_equal(count, 50);
    hashtable_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_in_is_found),
        cmocka_unit_test(equal_hashes_are_told_apart),
        cmocka_unit_test(any_empties_a_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
