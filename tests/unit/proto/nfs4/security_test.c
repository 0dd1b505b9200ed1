#include "proto/nfs4/security.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/support/wire.h"

static void secinfo_bytes(void **state)
{
    (void)state;
    union nfs4_args args = {.opsecinfo = {slice_text("d")}};
    wire_check_args(OP_SECINFO, &args, "00000001 64000000");
    struct secinfo4 entries[2] = {
        {.flavor = RPCSEC_GSS, .flavor_info = {slice_make("\52\206\110\206\367\22\1\2\2", 9), 0, RPC_GSS_SVC_PRIVACY}},
        {.flavor = AUTH_SYS}};
    union nfs4_result result = {.opsecinfo = {NFS4_OK, {entries, 2}}};
#define FLAVORS "00000000 00000002 00000006 00000009 2a864886 f7120102 02000000 00000000 00000003 00000001"
    wire_check_result(OP_SECINFO, &result, FLAVORS);
    wire_check_result(OP_SECINFO_NO_NAME, &result, FLAVORS);
}

static void secinfo_no_name_bytes(void **state)
{
    (void)state;
    union nfs4_args args = {.opsecinfo_no_name = {SECINFO_STYLE4_PARENT}};
    wire_check_args(OP_SECINFO_NO_NAME, &args, "00000001");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secinfo_bytes),
        cmocka_unit_test(secinfo_no_name_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
