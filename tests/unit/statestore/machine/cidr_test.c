/* Address ranges: examples, and the address parser against the C library's on random texts. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <cmocka.h>

#include "base/random.h"
#include "statestore/machine/cidr.h"

static bool address_bytes(const char *text, uint8_t *bytes, size_t *size_bytes)
{
    bool is_ipv4 = strchr(text, ':') == NULL;
    *size_bytes = is_ipv4 ? 4 : 16;
    return inet_pton(is_ipv4 ? AF_INET : AF_INET6, text, bytes) == 1;
}

static bool contains(const char *range, const char *address)
{
    struct cidr cidr;
    uint8_t bytes[16];
    size_t size_bytes;
    assert_true(cidr_parse(slice_text(range), &cidr));
    assert_true(address_bytes(address, bytes, &size_bytes));
    return cidr_contains(&cidr, slice_make(bytes, size_bytes));
}

static void test_contains(void **state)
{
    (void)state;
    assert_true(contains("10.0.0.0/8", "10.255.1.2"));
    assert_false(contains("10.0.0.0/8", "11.0.0.0"));
    assert_true(contains("10.1.2.3/8", "10.9.9.9")); /* bits behind the prefix do not matter */
    assert_true(contains("192.0.2.7", "192.0.2.7"));
    assert_false(contains("192.0.2.7", "192.0.2.6"));
    assert_true(contains("192.0.2.6/31", "192.0.2.7"));
    assert_false(contains("192.0.2.6/31", "192.0.2.8"));
    assert_true(contains("0.0.0.0/0", "1.2.3.4"));
    assert_false(contains("0.0.0.0/0", "2001:db8::1"));
    assert_true(contains("2001:db8::/32", "2001:db8:ffff::1"));
    assert_false(contains("2001:db8::/32", "2001:db9::1"));
    assert_true(contains("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(contains("2001:db8::/33", "2001:db8:8000::1"));
    assert_true(contains("::/0", "fe80::1"));
    assert_false(contains("::/0", "10.0.0.1"));
    /* IPv4 inside IPv6, on either side */
    assert_true(contains("10.0.0.0/8", "::ffff:10.1.1.1"));
    assert_true(contains("::ffff:10.0.0.0/104", "10.1.1.1"));
    assert_false(contains("::ffff:10.0.0.0/104", "11.1.1.1"));
    struct cidr cidr;
    assert_true(cidr_parse(slice_text("10.0.0.0/8"), &cidr));
    assert_false(cidr_contains(&cidr, SLICE_EMPTY));
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "/8",
                                        "10.0.0.0/",
                                        "10.0.0.0/33",
                                        "10.0.0.0/-1",
                                        "10.0.0.0/08",
                                        "10.0.0.0/8 ",
                                        "10.0.0/8",
                                        "10.0.0.0.0",
                                        "10.0.0.256",
                                        "10.0.00.1",
                                        "example.org",
                                        "::1/129",
                                        ":::",
                                        "1::2::3",
                                        "1:2:3:4:5:6:7",
                                        "1:2:3:4:5:6:7:8:9",
                                        "1:2:3:4:5:6:7:8::",
                                        "12345::",
                                        ":1",
                                        "1:",
                                        "::g",
                                        "fe80::1%eth0",
                                        "::ffff:1.2.3.4.5"};
    struct cidr cidr;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (cidr_parse(slice_text(texts[i]), &cidr))
            fail_msg("'%s' was taken", texts[i]);
    }
    assert_false(cidr_parse(slice_make("10.0.0.1\0", 9), &cidr));
}

/* Random texts of the characters of addresses: we take what the C library takes, and see the same bytes. */
static void test_like_inet_pton(void **state)
{
    (void)state;
    static const char *const parts[] = {":", "::", ":", ".", "0", "1", "ab", "FFFF", "10", "255", "ffff", "1.2.3.4"};
    struct random_seeded random = {7};
    unsigned taken = 0;
    for (unsigned i = 0; i < 400000; i++) {
        char text[64] = "";
        uint64_t count = 1 + random_seeded_next(&random) % 16;
        for (uint64_t j = 0; j < count && strlen(text) < 40; j++) {
            strcat(text,
                   j % 2 == 0 ? parts[4 + random_seeded_next(&random) % 8] : parts[random_seeded_next(&random) % 4]);
        }
        char shown[66];
        strcpy(shown, random_seeded_next(&random) % 4 == 0 ? "::" : "");
        strcat(shown, text);
        uint8_t bytes[16];
        size_t size_bytes;
        struct cidr cidr;
        bool expected = address_bytes(shown, bytes, &size_bytes);
        bool got = cidr_parse(slice_text(shown), &cidr);
        if (got != expected || (got && !cidr_contains(&cidr, slice_make(bytes, size_bytes))))
            fail_msg("'%s': %d, the C library says %d", shown, got, expected);
        taken += got;
    }
    assert_true(taken > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contains),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_like_inet_pton),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
