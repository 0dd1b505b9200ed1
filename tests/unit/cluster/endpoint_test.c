/* HOST:PORT: what is one, what is none, and lists of them. */
#include "cluster/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct peer_endpoint good(const char *text)
{
    struct peer_endpoint endpoint;
    if (endpoint_parse(slice_text(text), &endpoint) != STATUS_OK)
        fail_msg("'%s' is refused", text);
    assert_int_equal(endpoint.node, 0);
    return endpoint;
}

static void test_good_ones(void **state)
{
    (void)state;
    static const char *const same[] = {"a:1", "127.0.0.1:7049", "node-1.example_x.org:65535", "[::1]:7049",
                                       "[fe80::1%eth0]:1"};
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        struct peer_endpoint endpoint = good(same[i]);
        assert_string_equal(endpoint_print(&endpoint).text, same[i]);
    }
    struct peer_endpoint large = good("Node-A.Example:007");
    assert_string_equal(large.host, "node-a.example");
    assert_int_equal(large.port, 7);
    char longest[PEER_HOST_MAX_BYTES + 7];
    memset(longest, 'x', PEER_HOST_MAX_BYTES);
    strcpy(longest + PEER_HOST_MAX_BYTES, ":65535");
    struct peer_endpoint long_one = good(longest);
    assert_string_equal(endpoint_print(&long_one).text, longest);
}

static void test_made_of_two_parts(void **state)
{
    (void)state;
    struct peer_endpoint endpoint;
    assert_int_equal(endpoint_make("Node-1", 7049, &endpoint), STATUS_OK);
    assert_string_equal(endpoint_print(&endpoint).text, "node-1:7049");
    assert_int_equal(endpoint_make("fe80::1%eth0", 1, &endpoint), STATUS_OK);
    assert_string_equal(endpoint_print(&endpoint).text, "[fe80::1%eth0]:1");
    assert_int_equal(endpoint_make("", 1, &endpoint), STATUS_BAD_DATA);
    assert_int_equal(endpoint_make("a", 0, &endpoint), STATUS_BAD_DATA);
    assert_int_equal(endpoint_make("a b", 1, &endpoint), STATUS_BAD_DATA);
    char longer[PEER_HOST_MAX_BYTES + 2];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(endpoint_make(longer, 1, &endpoint), STATUS_TOO_LARGE);
}

static void test_bad_ones(void **state)
{
    (void)state;
    static const char *const bad[] = {"",     ":",     "a",     "a:",     ":1",     "a:0",  "a:65536", "a:100000",
                                      "a:1x", "a:-1",  "a b:1", "a,b:1",  "::1:5",  "[]:1", "[a]:1",   "[::1]",
                                      "[:1",  "a/b:1", "a\n:1", "[::1:1", "::1]:1", "a: 1"};
    struct peer_endpoint endpoint;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (endpoint_parse(slice_text(bad[i]), &endpoint) != STATUS_BAD_DATA)
            fail_msg("'%s' is taken", bad[i]);
    }
    char longer[PEER_HOST_MAX_BYTES + 4];
    memset(longer, 'x', PEER_HOST_MAX_BYTES + 1);
    strcpy(longer + PEER_HOST_MAX_BYTES + 1, ":1");
    assert_int_equal(endpoint_parse(slice_text(longer), &endpoint), STATUS_TOO_LARGE);
}

static void test_lists(void **state)
{
    (void)state;
    struct endpoint_list list = {0};
    struct endpoint_list other = {0};
    static const char *const mixed[] = {"b:1", "a:10000", "a:9", "c:1"};
    static const char *const sorted[] = {"a:9", "a:10000", "b:1", "c:1"};
    for (size_t i = 0; i < 4; i++) {
        struct peer_endpoint endpoint = good(mixed[i]);
        assert_true(endpoint_list_add(&list, &endpoint));
        endpoint = good(sorted[i]);
        endpoint.node = i + 1;
        assert_true(endpoint_list_add(&other, &endpoint));
    }
    assert_false(endpoint_list_equal(&list, &other));
    endpoint_list_sort(&list);
    assert_true(endpoint_list_equal(&list, &other));
    struct peer_endpoint wanted = good("B:1");
    assert_int_equal(endpoint_list_find(&list, &wanted), 2);
    wanted.port = 2;
    assert_int_equal(endpoint_list_find(&list, &wanted), -1);
    uint8_t room[64];
    endpoint_list_print(&list, (struct span){room, sizeof(room)});
    assert_string_equal((char *)room, "a:9,a:10000,b:1,c:1");
    endpoint_list_print(&list, (struct span){room, 6});
    assert_string_equal((char *)room, "a:9,a");
    while (list.count < CLUSTER_MEMBERS_MAX)
        assert_true(endpoint_list_add(&list, &wanted));
    assert_false(endpoint_list_add(&list, &wanted));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_ones),
        cmocka_unit_test(test_made_of_two_parts),
        cmocka_unit_test(test_bad_ones),
        cmocka_unit_test(test_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
