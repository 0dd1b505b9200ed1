/* When a process has a floating address on: only while it owns it, is heard, and is sure of both. */
#include "cluster/address_keeper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct address_keeper keeper;
    struct keeper_action actions[KEEPER_ACTIONS_MAX];
    size_t count;
    uint64_t now_ms;
    struct keeper_address table[2];
    size_t table_count;
    uint64_t index;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    address_keeper_init(&fixture->keeper);
    fixture->now_ms = 1000;
    fixture->table[0] = (struct keeper_address){.id = 7, .epoch = 1, .bytes = {192, 0, 2, 10}, .prefix_bits = 24};
    fixture->table[1] = (struct keeper_address){.id = 9, .epoch = 1, .bytes = {192, 0, 2, 11}, .prefix_bits = 24};
    fixture->table_count = 1;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void step(struct fixture *fixture, struct keeper_message message)
{
    fixture->count = address_keeper_step(&fixture->keeper, &message, fixture->now_ms, fixture->actions);
}

/* The actions of the last step that are of this kind; the last of them. */
static const struct keeper_action *find(const struct fixture *fixture, enum keeper_action_kind kind)
{
    const struct keeper_action *found = NULL;
    for (size_t i = 0; i < fixture->count; i++) {
        if (fixture->actions[i].kind == kind)
            found = &fixture->actions[i];
    }
    return found;
}

static void table(struct fixture *fixture)
{
    step(fixture, (struct keeper_message){.kind = KEEPER_TABLE,
                                          .addresses = fixture->table,
                                          .count = fixture->table_count,
                                          .index = ++fixture->index});
}

static void alive(struct fixture *fixture, bool on)
{
    step(fixture, (struct keeper_message){.kind = KEEPER_ALIVE, .on = on});
}

static void barrier(struct fixture *fixture, uint64_t number, uint64_t index)
{
    step(fixture, (struct keeper_message){.kind = KEEPER_BARRIER, .number = number, .index = index});
}

static void tick(struct fixture *fixture, uint64_t ms)
{
    fixture->now_ms += ms;
    step(fixture, (struct keeper_message){.kind = KEEPER_TICK});
}

static void trouble(struct fixture *fixture, enum keeper_message_kind kind, const char *text)
{
    step(fixture, (struct keeper_message){.kind = kind, .id = 7, .trouble = text});
}

/* Alive, sure, and the owner. */
static void begin(struct fixture *fixture)
{
    alive(fixture, true);
    barrier(fixture, 1, 1);
    fixture->table[0].mine = true;
    fixture->table[0].epoch = 2;
    table(fixture);
    assert_non_null(find(fixture, KEEPER_DO_ADD));
}

static void on_needs_a_barrier(void **state)
{
    struct fixture *fixture = *state;
    fixture->table[0].mine = true;
    table(fixture);
    assert_int_equal(fixture->count, 0);
    alive(fixture, true);
    assert_int_equal(find(fixture, KEEPER_DO_ASK)->number, 1);
    assert_null(find(fixture, KEEPER_DO_ADD));
    barrier(fixture, 1, 2); /* the table is of entry 1 */
    assert_null(find(fixture, KEEPER_DO_ADD));
    table(fixture);
    assert_non_null(find(fixture, KEEPER_DO_ADD));
    assert_non_null(find(fixture, KEEPER_DO_ANNOUNCE));
    assert_true(address_keeper_has(&fixture->keeper, 7));
}

static void silence_takes_it_off_at_once(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    alive(fixture, false);
    assert_int_equal(fixture->count, 1);
    assert_non_null(find(fixture, KEEPER_DO_REMOVE));
    table(fixture); /* what the table says is not known to be new */
    assert_int_equal(fixture->count, 0);
    /* Heard again, it asks again, one question at a time. */
    alive(fixture, true);
    assert_int_equal(find(fixture, KEEPER_DO_ASK)->number, 2);
    alive(fixture, false);
    alive(fixture, true);
    assert_null(find(fixture, KEEPER_DO_ASK));
    barrier(fixture, 2, 1); /* asked before it was silent */
    assert_null(find(fixture, KEEPER_DO_ADD));
    assert_int_equal(find(fixture, KEEPER_DO_ASK)->number, 3);
    barrier(fixture, 3, fixture->index);
    assert_non_null(find(fixture, KEEPER_DO_ADD));
}

static void an_answer_that_comes_in_silence_counts_for_nothing(void **state)
{
    struct fixture *fixture = *state;
    fixture->table[0].mine = true;
    alive(fixture, true);
    alive(fixture, false);
    barrier(fixture, 1, 0);
    table(fixture);
    assert_int_equal(fixture->count, 0);
    alive(fixture, true);
    assert_int_equal(find(fixture, KEEPER_DO_ASK)->number, 2);
}

static void it_makes_room(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    fixture->table[0].give_up = true;
    table(fixture);
    assert_int_equal(fixture->actions[0].kind, KEEPER_DO_REMOVE); /* before anybody is told */
    assert_int_equal(fixture->actions[1].kind, KEEPER_DO_REPORT);
    assert_true(fixture->actions[1].released);
    assert_string_equal(fixture->actions[1].trouble, "");
    tick(fixture, ADDRESS_REPORT_AGAIN_MS - 1);
    assert_int_equal(fixture->count, 0);
    tick(fixture, 1); /* it may have been lost */
    assert_non_null(find(fixture, KEEPER_DO_REPORT));
    fixture->table[0] = (struct keeper_address){.id = 7, .epoch = 3, .bytes = {192, 0, 2, 10}};
    table(fixture);
    assert_int_equal(fixture->count, 0);
}

static void a_bad_link(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    trouble(fixture, KEEPER_LOOKED, "device eth0 has no link");
    assert_int_equal(fixture->actions[0].kind, KEEPER_DO_REMOVE);
    assert_string_equal(find(fixture, KEEPER_DO_REPORT)->trouble, "device eth0 has no link");
    assert_true(find(fixture, KEEPER_DO_REPORT)->released);
    strcpy(fixture->table[0].trouble, "device eth0 has no link");
    fixture->table[0].mine = false;
    table(fixture);
    assert_int_equal(fixture->count, 0);
    /* It is good only when it has been good for a while. */
    trouble(fixture, KEEPER_LOOKED, "");
    fixture->now_ms += ADDRESS_GOOD_MS - 1;
    trouble(fixture, KEEPER_LOOKED, "");
    assert_int_equal(fixture->count, 0);
    fixture->now_ms += 1;
    trouble(fixture, KEEPER_LOOKED, "");
    assert_string_equal(find(fixture, KEEPER_DO_REPORT)->trouble, "");
    assert_false(find(fixture, KEEPER_DO_REPORT)->released);
}

static void what_cannot_be_put_on(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    trouble(fixture, KEEPER_FAILED, "the kernel refuses");
    assert_null(find(fixture, KEEPER_DO_REMOVE));
    assert_string_equal(find(fixture, KEEPER_DO_REPORT)->trouble, "the kernel refuses");
    assert_true(find(fixture, KEEPER_DO_REPORT)->released);
    fixture->now_ms += ADDRESS_GOOD_MS;
    trouble(fixture, KEEPER_LOOKED, "");
    fixture->now_ms += ADDRESS_GOOD_MS;
    trouble(fixture, KEEPER_LOOKED, "");
    assert_string_equal(fixture->keeper.entries[0].trouble, "the kernel refuses");
    fixture->now_ms += ADDRESS_FAILED_MS;
    trouble(fixture, KEEPER_LOOKED, "");
    assert_string_equal(fixture->keeper.entries[0].trouble, "");
}

static void it_is_announced_and_renewed(void **state)
{
    struct fixture *fixture = *state;
    unsigned announced = 0;
    unsigned renewed = 0;
    begin(fixture);
    for (uint64_t ms = 0; ms < 2 * ADDRESS_ANNOUNCE_MS; ms += 50) {
        tick(fixture, 50);
        announced += find(fixture, KEEPER_DO_ANNOUNCE) != NULL;
        renewed += find(fixture, KEEPER_DO_RENEW) != NULL;
    }
    assert_int_equal(announced, ADDRESS_ANNOUNCE_MS / ADDRESS_ANNOUNCE_EVERY_MS - 1);
    assert_int_equal(renewed, 2 * ADDRESS_ANNOUNCE_MS / ADDRESS_RENEW_MS);
}

static void the_end_gives_all_up(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    assert_false(address_keeper_empty(&fixture->keeper));
    step(fixture, (struct keeper_message){.kind = KEEPER_STOP});
    assert_int_equal(fixture->actions[0].kind, KEEPER_DO_REMOVE);
    assert_true(find(fixture, KEEPER_DO_REPORT)->released);
    assert_true(find(fixture, KEEPER_DO_REPORT)->trouble[0] != '\0');
    fixture->table[0].mine = false;
    table(fixture);
    assert_true(address_keeper_empty(&fixture->keeper));
}

/* This process was closed while the operator removed the address: the row is gone before it could say anything. */
static void a_row_that_is_gone(void **state)
{
    struct fixture *fixture = *state;
    fixture->table_count = 2;
    begin(fixture);
    fixture->table[0] = fixture->table[1];
    fixture->table_count = 1;
    table(fixture);
    assert_int_equal(fixture->actions[0].kind, KEEPER_DO_REMOVE);
    assert_int_equal(fixture->actions[0].address->id, 7);
    assert_false(address_keeper_has(&fixture->keeper, 7));
    assert_int_equal(fixture->keeper.count, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(on_needs_a_barrier),
        TEST(silence_takes_it_off_at_once),
        TEST(an_answer_that_comes_in_silence_counts_for_nothing),
        TEST(it_makes_room),
        TEST(a_bad_link),
        TEST(what_cannot_be_put_on),
        TEST(it_is_announced_and_renewed),
        TEST(the_end_gives_all_up),
        TEST(a_row_that_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
