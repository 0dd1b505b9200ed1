/* Which names a directory takes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/limits.h"
#include "statestore/machine/apply.h"

static enum nfsstat4 check(const char *text)
{
    return name_check(slice_text(text));
}

static void test_taken(void **state)
{
    (void)state;
    static const char *const names[] = {"a",
                                        "...",
                                        ".a",
                                        " ",
                                        "\\",
                                        "caf\xc3\xa9",
                                        "\xe2\x82\xac",
                                        "\xf0\x9f\x90\xa7",
                                        "\xf4\x8f\xbf\xbf",
                                        "\xed\x9f\xbf",
                                        "\x7f"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(check(names[i]), NFS4_OK);
}

static void test_refused(void **state)
{
    (void)state;
    assert_int_equal(check(""), NFS4ERR_INVAL);
    assert_int_equal(check("."), NFS4ERR_BADNAME);
    assert_int_equal(check(".."), NFS4ERR_BADNAME);
    assert_int_equal(check("/"), NFS4ERR_BADCHAR);
    assert_int_equal(check("a/b"), NFS4ERR_BADCHAR);
    assert_int_equal(name_check(slice_make("a\0b", 3)), NFS4ERR_BADCHAR);
}

static void test_not_utf8(void **state)
{
    (void)state;
    static const char *const names[] = {"\x80",                 /* a continuation alone */
                                        "a\xc3",                /* cut off */
                                        "\xc3(",                /* no continuation */
                                        "\xc0\xaf",             /* overlong '/' */
                                        "\xc1\xbf",             /* overlong */
                                        "\xe0\x80\xaf",         /* overlong */
                                        "\xe0\x9f\xbf",         /* overlong */
                                        "\xf0\x80\x80\xaf",     /* overlong */
                                        "\xf0\x8f\xbf\xbf",     /* overlong */
                                        "\xed\xa0\x80",         /* a surrogate */
                                        "\xf4\x90\x80\x80",     /* above U+10FFFF */
                                        "\xf5\x80\x80\x80",     /* above U+10FFFF */
                                        "\xf8\x88\x80\x80\x80", /* five bytes */
                                        "\xff"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(check(names[i]), NFS4ERR_INVAL);
}

static void test_length(void **state)
{
    (void)state;
    char name[NFS4_NAME_MAX_BYTES + 1];
    memset(name, 'n', sizeof(name));
    assert_int_equal(name_check(slice_make(name, NFS4_NAME_MAX_BYTES)), NFS4_OK);
    assert_int_equal(name_check(slice_make(name, NFS4_NAME_MAX_BYTES + 1)), NFS4ERR_NAMETOOLONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_not_utf8),
        cmocka_unit_test(test_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
