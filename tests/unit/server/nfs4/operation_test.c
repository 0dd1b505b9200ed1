#include "server/nfs4/operation.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Two tables know the operations: the codecs' and the server's. They must tell the same story. */
static void the_tables_agree(void **state)
{
    (void)state;
    for (uint32_t number = 0; number < OPNUM4_TABLE_SIZE + 10; number++) {
        const struct operation *ours = operation_find(number);
        const struct nfs4_operation *codec = nfs4_operation_find(number);
        if (ours == NULL || codec == NULL) {
            assert_true(ours == NULL && codec == NULL);
            continue;
        }
        assert_int_equal(ours->number, number);
        assert_int_equal(ours->first_minor_version, codec->first_minor_version);
        assert_int_equal(ours->last_minor_version, codec->last_minor_version);
        assert_int_equal(ours->handler != NULL, codec->served);
    }
    assert_null(operation_find(OP_ILLEGAL));
}

static void changes_have_a_finish_and_reads_have_none(void **state)
{
    (void)state;
    for (uint32_t number = 0; number < OPNUM4_TABLE_SIZE; number++) {
        const struct operation *operation = operation_find(number);
        if (operation == NULL)
            continue;
        bool changes = (operation->flags & OPERATION_CHANGES) != 0 && operation->handler != NULL;
        assert_int_equal(changes, operation->finish != NULL);
        assert_true(operation->reply_bytes >= 8);
    }
}

/* RFC 8881 section 2.10.6.4: what may stand without SEQUENCE. */
static void five_may_stand_alone(void **state)
{
    (void)state;
    unsigned alone = 0;
    for (uint32_t number = 0; number < OPNUM4_TABLE_SIZE; number++) {
        const struct operation *operation = operation_find(number);
        if (operation != NULL && number != OP_SEQUENCE && (operation->flags & OPERATION_FIRST_ALONE) != 0)
            alone++;
    }
    assert_int_equal(alone, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tables_agree),
        cmocka_unit_test(changes_have_a_finish_and_reads_have_none),
        cmocka_unit_test(five_may_stand_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
