/* Which messages of other members are looked at. */
#include "cluster/peer_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/heap.h"
#include "cluster/log_writer.h"

static struct peer_message *append_make(void)
{
    struct peer_message *message = peer_message_create(PEER_MESSAGE_APPEND, 2);
    message->term = 7;
    message->previous_index = 10;
    message->previous_term = 5;
    message->entry_count = 2;
    message->entries = heap_alloc(2 * sizeof(struct replica_entry));
    message->entries[0] = (struct replica_entry){11, 5, REPLICA_ENTRY_BARRIER, buffer_create(0)};
    message->entries[1] = (struct replica_entry){12, 7, REPLICA_ENTRY_COMMANDS, buffer_create(3)};
    message->entries[1].bytes->size_bytes = 3;
    return message;
}

static void test_append(void **state)
{
    (void)state;
    struct peer_message *message = append_make();
    struct replica_entry *entries = message->entries;
    assert_true(peer_message_sound(message));
    assert_int_equal(peer_message_bytes(message), 3);
    entries[1].index = 13; /* a gap */
    assert_false(peer_message_sound(message));
    entries[1].index = 12;
    entries[1].term = 4; /* terms go back */
    assert_false(peer_message_sound(message));
    entries[1].term = 8; /* newer than the leader's */
    assert_false(peer_message_sound(message));
    entries[1].term = 7;
    entries[1].kind = REPLICA_ENTRY_BARRIER; /* with bytes */
    assert_false(peer_message_sound(message));
    entries[1].kind = REPLICA_ENTRY_CONFIGURATION; /* that is none */
    assert_false(peer_message_sound(message));
    entries[1].kind = (enum replica_entry_kind)9;
    assert_false(peer_message_sound(message));
    entries[1].kind = REPLICA_ENTRY_COMMANDS;
    message->previous_term = 0; /* of an entry that is there */
    assert_false(peer_message_sound(message));
    message->previous_term = 8;
    assert_false(peer_message_sound(message));
    message->previous_term = 5;
    message->peer = 0;
    assert_false(peer_message_sound(message));
    peer_message_free(message);
}

static void test_snapshot(void **state)
{
    (void)state;
    struct peer_message *message = peer_message_create(PEER_MESSAGE_SNAPSHOT, 2);
    message->term = 7;
    assert_false(peer_message_sound(message)); /* of what? */
    message->snapshot = HEAP_NEW(struct log_snapshot);
    *message->snapshot = (struct log_snapshot){40, 6, 30, 12, {1, {{1, MEMBER_VOTER}}}};
    assert_true(peer_message_sound(message));
    message->snapshot->configuration_index = 41;
    assert_false(peer_message_sound(message));
    message->snapshot->configuration_index = 12;
    message->snapshot->configuration.members[0].role = MEMBER_STANDBY; /* nobody votes */
    assert_false(peer_message_sound(message));
    message->snapshot->configuration.members[0].role = MEMBER_VOTER;
    message->kind = PEER_MESSAGE_VOTE; /* does not carry one */
    assert_false(peer_message_sound(message));
    peer_message_free(message);
    peer_message_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_append), cmocka_unit_test(test_snapshot)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
