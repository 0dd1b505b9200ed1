#include "server/nfs4/session_table.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/limits.h"

static struct session session_numbered(uint8_t number, uint32_t slots)
{
    struct session session = {.fore = {.max_requests = slots}};
    memset(session.id.bytes, number, sizeof(session.id.bytes));
    return session;
}

static void sessions_are_found_by_id(void **state)
{
    (void)state;
    struct session_table table;
    session_table_init(&table);
    struct session_entry *entries[100];
    for (uint8_t i = 0; i < 100; i++) {
        struct session session = session_numbered(i, 4);
        assert_null(session_table_find(&table, session.id));
        entries[i] = session_table_add(&table, &session, SESSION_ATTACHED);
    }
    for (uint8_t i = 0; i < 100; i++)
        assert_ptr_equal(session_table_find(&table, session_numbered(i, 4).id), entries[i]);
    session_table_remove(&table, entries[17]);
    assert_null(session_table_find(&table, session_numbered(17, 4).id));
    session_table_fini(&table);
}

static void slots_grow_to_what_was_granted(void **state)
{
    (void)state;
    struct session_table table;
    struct session session = session_numbered(1, 10);
    session_table_init(&table);
    struct session_entry *entry = session_table_add(&table, &session, SESSION_ATTACHED);
    session_slot(entry, 0)->seqid = 5;
    assert_int_equal(entry->slot_count, 4);
    session_slot(entry, 9)->seqid = 7;
    assert_int_equal(entry->slot_count, 10);
    assert_int_equal(session_slot(entry, 0)->seqid, 5);
    session_table_fini(&table);
}

static void kept_replies_are_counted(void **state)
{
    (void)state;
    struct session_table table;
    struct session session = session_numbered(1, 2);
    session_table_init(&table);
    struct session_entry *entry = session_table_add(&table, &session, SESSION_ATTACHED);
    session_slot_keep(&table, session_slot(entry, 0), slice_text("a reply"));
    session_slot_keep(&table, session_slot(entry, 1), slice_text("another"));
    assert_int_equal(table.cached_bytes, 14);
    session_slot_keep(&table, session_slot(entry, 0), slice_text("x"));
    assert_int_equal(table.cached_bytes, 8);
    assert_true(slice_equal(buffer_slice(session_slot(entry, 0)->reply), slice_text("x")));
    session_slot_keep(&table, session_slot(entry, 0), SLICE_EMPTY);
    assert_null(session_slot(entry, 0)->reply);
    session_table_remove(&table, entry);
    assert_int_equal(table.cached_bytes, 0);
    session_table_fini(&table);
}

static void a_closed_connection_is_bound_to_nothing(void **state)
{
    (void)state;
    struct session_table table;
    struct session first = session_numbered(1, 2);
    struct session second = session_numbered(2, 2);
    session_table_init(&table);
    struct session_entry *a = session_table_add(&table, &first, SESSION_ATTACHED);
    struct session_entry *b = session_table_add(&table, &second, SESSION_ATTACHED);
    struct connection_id one = {11};
    struct connection_id two = {12};
    session_bind(&table, a, one, false);
    session_bind(&table, a, one, false);
    assert_true(a->binding_count == 1 && a->back_count == 0);
    session_bind(&table, a, one, true);
    assert_true(a->binding_count == 1 && a->back_count == 1);
    session_bind(&table, a, two, true);
    session_bind(&table, b, two, false);
    assert_true(a->binding_count == 2 && a->back_count == 2 && b->binding_count == 1);
    session_unbind_connection(&table, two);
    assert_true(a->binding_count == 1 && a->back_count == 1 && b->binding_count == 0);
    session_unbind_connection(&table, two);
    session_bind(&table, b, two, false);
    assert_int_equal(b->binding_count, 1);
    session_table_fini(&table);
}

static void connections_over_the_bound_are_not_bound(void **state)
{
    (void)state;
    struct session_table table;
    struct session session = session_numbered(1, 2);
    session_table_init(&table);
    struct session_entry *entry = session_table_add(&table, &session, SESSION_ATTACHED);
    for (uint64_t i = 1; i <= NFS4_CONNECTIONS_PER_SESSION_MAX + 5; i++)
        session_bind(&table, entry, (struct connection_id){i}, true);
    assert_int_equal(entry->binding_count, NFS4_CONNECTIONS_PER_SESSION_MAX);
    session_table_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_are_found_by_id),
        cmocka_unit_test(slots_grow_to_what_was_granted),
        cmocka_unit_test(kept_replies_are_counted),
        cmocka_unit_test(a_closed_connection_is_bound_to_nothing),
        cmocka_unit_test(connections_over_the_bound_are_not_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
