/* What nodes know of each other's connections with floating addresses. */
#include "cluster/address_connections.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct address_connection connection(uint16_t port, uint64_t seen_ms, bool own)
{
    return (struct address_connection){.local = {192, 0, 2, 10},
                                       .local_port = 2049,
                                       .remote = {192, 0, 2, 77},
                                       .remote_port = port,
                                       .seen_ms = seen_ms,
                                       .own = own};
}

static bool add(struct address_connections *connections, uint16_t port, uint64_t seen_ms, bool own)
{
    struct address_connection item = connection(port, seen_ms, own);
    return address_connections_add(connections, &item);
}

static void told_and_forgotten(void **state)
{
    (void)state;
    struct address_connections *one = calloc(1, sizeof(*one));
    struct address_connections *other = calloc(1, sizeof(*other));
    uint8_t bytes[4 * PEER_ADDRESS_CONNECTION_BYTES];
    static const uint8_t first[] = {192, 0, 2, 10, 0x08, 0x01, 192, 0, 2, 77, 0x03, 0x84, 0, 5};
    assert_true(add(one, 900, 5000, true));
    assert_false(add(one, 900, 4000, false)); /* known, and newer than that */
    assert_true(one->items[0].own);
    assert_true(add(one, 901, 9000, true));
    assert_int_equal(address_connections_pack(one, 0, 10000, bytes), 2 * PEER_ADDRESS_CONNECTION_BYTES);
    assert_memory_equal(bytes, first, sizeof(first));
    size_t size = address_connections_pack(one, 6000, 10000, bytes); /* what is new */
    assert_int_equal(size, PEER_ADDRESS_CONNECTION_BYTES);
    size = address_connections_pack(one, 0, 10000, bytes);
    address_connections_unpack(other, slice_make(bytes, size), 100000);
    assert_int_equal(other->count, 2);
    assert_false(other->items[0].own);
    assert_int_equal(other->items[0].seen_ms, 95000);
    /* A node's own stay as new as now, until the address leaves it. */
    address_connections_age(one, 10000 + 2 * ADDRESS_CONNECTION_MS);
    assert_int_equal(one->count, 2);
    address_connections_leave(one, (const uint8_t[]){192, 0, 2, 10});
    address_connections_age(one, 10000 + 4 * ADDRESS_CONNECTION_MS);
    assert_int_equal(one->count, 0);
    /* What is told again and again by those that only heard of it grows old all the same. */
    address_connections_age(other, 95000 + ADDRESS_CONNECTION_MS - 1);
    assert_int_equal(other->count, 2);
    size = address_connections_pack(other, 0, 95000 + ADDRESS_CONNECTION_MS, bytes);
    address_connections_unpack(one, slice_make(bytes, size), 500000);
    assert_int_equal(one->count, 1);
    address_connections_age(other, 95000 + ADDRESS_CONNECTION_MS);
    assert_int_equal(other->count, 1);
    free(one);
    free(other);
}

static void the_bound(void **state)
{
    (void)state;
    struct address_connections *connections = calloc(1, sizeof(*connections));
    for (uint32_t i = 0; i < ADDRESS_CONNECTIONS_MAX; i++)
        assert_true(add(connections, (uint16_t)i, i == 5 ? 10 : 1000 + i, false));
    assert_true(add(connections, 60000, 9000, true));
    assert_int_equal(connections->count, ADDRESS_CONNECTIONS_MAX);
    assert_int_equal(connections->items[5].remote_port, 60000); /* in place of the one seen longest ago */
    free(connections);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(told_and_forgotten), cmocka_unit_test(the_bound)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
