#include "server/nfs4/owner.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void numbers_both_ways(void **state)
{
    (void)state;
    static const struct {
        uint32_t id;
        const char *text;
    } rows[] = {{0, "0"}, {7, "7"}, {1000, "1000"}, {65534, "65534"}, {UINT32_MAX, "4294967295"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t text[OWNER_TEXT_BYTES];
        uint32_t id;
        assert_true(slice_equal(owner_encode(rows[i].id, text), slice_text(rows[i].text)));
        assert_true(owner_decode(slice_text(rows[i].text), &id));
        assert_int_equal(id, rows[i].id);
    }
}

static void names_of_two_users(void **state)
{
    (void)state;
    uint32_t id = 1;
    assert_true(owner_decode(slice_text("root"), &id) && id == 0);
    assert_true(owner_decode(slice_text("nobody@example.org"), &id) && id == 65534);
    assert_true(owner_decode(slice_text("root@localdomain"), &id) && id == 0);
}

static void what_is_no_owner(void **state)
{
    (void)state;
    static const char *const texts[] = {"",  "01",          "1 ",       "-1",  "+1",    "4294967296", "99999999999",
                                        "@", "1000@domain", "somebody", "0x1", "roots", "ro"};
    uint32_t id;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(owner_decode(slice_text(texts[i]), &id));
    assert_false(owner_decode(SLICE_EMPTY, &id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_both_ways),
        cmocka_unit_test(names_of_two_users),
        cmocka_unit_test(what_is_no_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
