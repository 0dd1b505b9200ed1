/* Every new connection is told once, in order, however many came; of too many the oldest are lost. */
#include "gateway/accepted.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"

static int setup(void **state)
{
    struct accepted *accepted = calloc(1, sizeof(*accepted));
    CHECK(accepted != NULL);
    accepted_init(accepted);
    *state = accepted;
    return 0;
}

static int teardown(void **state)
{
    accepted_fini(*state);
    free(*state);
    return 0;
}

/* Two sockets that are connected over the loopback. */
static void pair_open(int family, int ends[2], uint16_t *port)
{
    struct sockaddr_storage storage = {.ss_family = (sa_family_t)family};
    socklen_t size = sizeof(storage);
    if (family == AF_INET)
        ((struct sockaddr_in *)(void *)&storage)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        ((struct sockaddr_in6 *)(void *)&storage)->sin6_addr = in6addr_loopback;
    int listener = socket(family, SOCK_STREAM, 0);
    assert_true(listener >= 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&storage, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&storage, &size), 0);
    *port = ntohs(((struct sockaddr_in *)(void *)&storage)->sin_port);
    ends[0] = socket(family, SOCK_STREAM, 0);
    assert_int_equal(connect(ends[0], (struct sockaddr *)&storage, size), 0);
    ends[1] = accept(listener, NULL, NULL);
    assert_true(ends[1] >= 0);
    close(listener);
}

static void both_ends_are_noted(void **state)
{
    struct accepted *accepted = *state;
    struct accepted_connection found[2];
    uint64_t seen = 0;
    uint16_t port;
    int ends[2];
    pair_open(AF_INET, ends, &port);
    accepted_note(accepted, ends[1]);
    assert_int_equal(accepted_take(accepted, &seen, found, 2), 1);
    assert_int_equal(found[0].local_port, port);
    assert_memory_equal(found[0].local, "\x7f\0\0\1", 4);
    assert_memory_equal(found[0].remote, "\x7f\0\0\1", 4);
    assert_int_not_equal(found[0].remote_port, port);
    assert_int_equal(accepted_take(accepted, &seen, found, 2), 0);
    close(ends[0]);
    close(ends[1]);
}

static void what_is_not_ipv4_is_passed_by(void **state)
{
    struct accepted *accepted = *state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    accepted_note(accepted, ends[0]);
    assert_int_equal(accepted->count, 0);
    close(ends[0]);
    close(ends[1]);
}

/* As accepted_note does it, without a socket. */
static void note(struct accepted *accepted, uint16_t port)
{
    accepted->newest[accepted->count++ % ADDRESS_CONNECTIONS_MAX] = (struct accepted_connection){.remote_port = port};
}

static void a_crowd_is_told_in_pieces(void **state)
{
    struct accepted *accepted = *state;
    struct accepted_connection found[256];
    uint64_t seen = 0;
    size_t count;
    uint16_t next = 0;
    for (uint16_t port = 0; port < 1000; port++)
        note(accepted, port);
    do {
        count = accepted_take(accepted, &seen, found, 256);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(found[i].remote_port, next++);
    } while (count == 256);
    assert_int_equal(next, 1000);
}

static void of_too_many_the_oldest_are_lost(void **state)
{
    struct accepted *accepted = *state;
    struct accepted_connection found[1];
    uint64_t seen = 3;
    for (uint16_t port = 0; port < ADDRESS_CONNECTIONS_MAX + 10; port++)
        note(accepted, port);
    assert_int_equal(accepted_take(accepted, &seen, found, 1), 1);
    assert_int_equal(found[0].remote_port, 10);
    assert_int_equal(seen, 11);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(both_ends_are_noted),
        TEST(what_is_not_ipv4_is_passed_by),
        TEST(a_crowd_is_told_in_pieces),
        TEST(of_too_many_the_oldest_are_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
