/* A view is renewed exactly when what is published has moved. */
#include "server/daemon/published.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "statestore/store/kv_memory.h"

static void put(struct kv_store *store, uint8_t number)
{
    struct arena arena;
    arena_init(&arena);
    struct transaction transaction;
    transaction_init(&transaction, kv_store_present(store), &arena);
    transaction_put(&transaction, slice_text("row"), slice_make(&number, 1));
    assert_int_equal(kv_store_write(store, &transaction), STATUS_OK);
    arena_fini(&arena);
}

static int get(struct view *view)
{
    struct arena arena;
    arena_init(&arena);
    struct slice value;
    int number = kv_get(view->read, slice_text("row"), &arena, &value) ? value.data[0] : -1;
    arena_fini(&arena);
    return number;
}

static void publish(struct published *published, uint64_t index, uint64_t number)
{
    atomic_store(&published->number, number);
    atomic_store(&published->index, index);
}

static void a_view_moves_with_what_is_published(void **state)
{
    (void)state;
    struct kv_store *store = kv_memory_create();
    struct published published = {0};
    struct view view;
    view_init(&view, store, &published);
    assert_null(view.read);
    assert_true(view_refresh(&view)); /* the first snapshot */
    assert_int_equal(get(&view), -1);
    assert_false(view_refresh(&view));

    put(store, 1); /* written, not yet published */
    assert_false(view_refresh(&view));
    assert_int_equal(get(&view), -1);

    publish(&published, 7, 1);
    assert_true(view_refresh(&view));
    assert_int_equal(get(&view), 1);
    assert_int_equal(view.index, 7);
    assert_int_equal(view.number, 1);
    assert_false(view_refresh(&view));

    put(store, 2); /* a command in the middle of an entry: the number moves alone */
    publish(&published, 7, 2);
    assert_true(view_refresh(&view));
    assert_int_equal(get(&view), 2);

    publish(&published, 8, 2); /* an entry without commands: the index moves alone */
    assert_true(view_refresh(&view));
    assert_int_equal(view.index, 8);

    view_fini(&view);
    assert_null(view.read);
    kv_store_destroy(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_view_moves_with_what_is_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
