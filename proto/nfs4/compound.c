#include "proto/nfs4/compound.h"

#include <assert.h>

#include "proto/nfs4/codec.h"

/* Argument codecs: member of union nfs4_args, type. */
#define ARGS_LIST(X)                                                                                                   \
    X(opaccess, ACCESS4args)                                                                                           \
    X(opclose, CLOSE4args)                                                                                             \
    X(opcommit, COMMIT4args)                                                                                           \
    X(opcreate, CREATE4args)                                                                                           \
    X(opgetattr, GETATTR4args)                                                                                         \
    X(oplink, LINK4args)                                                                                               \
    X(oplock, LOCK4args)                                                                                               \
    X(oplockt, LOCKT4args)                                                                                             \
    X(oplocku, LOCKU4args)                                                                                             \
    X(oplookup, LOOKUP4args)                                                                                           \
    X(opnverify, VERIFY4args)                                                                                          \
    X(opopen, OPEN4args)                                                                                               \
    X(opopen_downgrade, OPEN_DOWNGRADE4args)                                                                           \
    X(opputfh, PUTFH4args)                                                                                             \
    X(opread, READ4args)                                                                                               \
    X(opreaddir, READDIR4args)                                                                                         \
    X(opremove, REMOVE4args)                                                                                           \
    X(oprename, RENAME4args)                                                                                           \
    X(opsecinfo, SECINFO4args)                                                                                         \
    X(opsetattr, SETATTR4args)                                                                                         \
    X(opverify, VERIFY4args)                                                                                           \
    X(opwrite, WRITE4args)                                                                                             \
    X(opbackchannel_ctl, BACKCHANNEL_CTL4args)                                                                         \
    X(opbind_conn_to_session, BIND_CONN_TO_SESSION4args)                                                               \
    X(opexchange_id, EXCHANGE_ID4args)                                                                                 \
    X(opcreate_session, CREATE_SESSION4args)                                                                           \
    X(opdestroy_session, DESTROY_SESSION4args)                                                                         \
    X(opfree_stateid, FREE_STATEID4args)                                                                               \
    X(opsecinfo_no_name, SECINFO_NO_NAME4args)                                                                         \
    X(opsequence, SEQUENCE4args)                                                                                       \
    X(optest_stateid, TEST_STATEID4args)                                                                               \
    X(opdestroy_clientid, DESTROY_CLIENTID4args)                                                                       \
    X(opreclaim_complete, RECLAIM_COMPLETE4args)

#define ARGS_CODEC(member, type)                                                                                       \
    static bool member##_args(struct xdr *x, union nfs4_args *args)                                                    \
    {                                                                                                                  \
        return xdr_##type(x, &args->member);                                                                           \
    }
ARGS_LIST(ARGS_CODEC)
#undef ARGS_CODEC

/* Result codecs: member of union nfs4_result, type. */
#define RESULT_LIST(X)                                                                                                 \
    X(status, STATUS4res)                                                                                              \
    X(opaccess, ACCESS4res)                                                                                            \
    X(opclose, CLOSE4res)                                                                                              \
    X(opcommit, COMMIT4res)                                                                                            \
    X(opcreate, CREATE4res)                                                                                            \
    X(opgetattr, GETATTR4res)                                                                                          \
    X(opgetfh, GETFH4res)                                                                                              \
    X(oplink, LINK4res)                                                                                                \
    X(oplock, LOCK4res)                                                                                                \
    X(oplockt, LOCKT4res)                                                                                              \
    X(oplocku, LOCKU4res)                                                                                              \
    X(opopen, OPEN4res)                                                                                                \
    X(opopen_downgrade, OPEN_DOWNGRADE4res)                                                                            \
    X(opread, READ4res)                                                                                                \
    X(opreaddir, READDIR4res)                                                                                          \
    X(opreadlink, READLINK4res)                                                                                        \
    X(opremove, REMOVE4res)                                                                                            \
    X(oprename, RENAME4res)                                                                                            \
    X(opsecinfo, SECINFO4res)                                                                                          \
    X(opsetattr, SETATTR4res)                                                                                          \
    X(opwrite, WRITE4res)                                                                                              \
    X(opbind_conn_to_session, BIND_CONN_TO_SESSION4res)                                                                \
    X(opexchange_id, EXCHANGE_ID4res)                                                                                  \
    X(opcreate_session, CREATE_SESSION4res)                                                                            \
    X(opsequence, SEQUENCE4res)                                                                                        \
    X(optest_stateid, TEST_STATEID4res)

#define RESULT_CODEC(member, type)                                                                                     \
    static bool member##_result(struct xdr *x, union nfs4_result *result)                                              \
    {                                                                                                                  \
        return xdr_##type(x, &result->member);                                                                         \
    }
RESULT_LIST(RESULT_CODEC)
#undef RESULT_CODEC

/* Name, first and last minor version, served, codecs. */
static const struct nfs4_operation operation_table[] = {
    [OP_ACCESS] = {"ACCESS", 0, 2, true, opaccess_args, opaccess_result},
    [OP_CLOSE] = {"CLOSE", 0, 2, true, opclose_args, opclose_result},
    [OP_COMMIT] = {"COMMIT", 0, 2, true, opcommit_args, opcommit_result},
    [OP_CREATE] = {"CREATE", 0, 2, true, opcreate_args, opcreate_result},
    [OP_DELEGPURGE] = {"DELEGPURGE", 0, 2, false, NULL, status_result},
    [OP_DELEGRETURN] = {"DELEGRETURN", 0, 2, false, NULL, status_result},
    [OP_GETATTR] = {"GETATTR", 0, 2, true, opgetattr_args, opgetattr_result},
    [OP_GETFH] = {"GETFH", 0, 2, true, NULL, opgetfh_result},
    [OP_LINK] = {"LINK", 0, 2, true, oplink_args, oplink_result},
    [OP_LOCK] = {"LOCK", 0, 2, true, oplock_args, oplock_result},
    [OP_LOCKT] = {"LOCKT", 0, 2, true, oplockt_args, oplockt_result},
    [OP_LOCKU] = {"LOCKU", 0, 2, true, oplocku_args, oplocku_result},
    [OP_LOOKUP] = {"LOOKUP", 0, 2, true, oplookup_args, status_result},
    [OP_LOOKUPP] = {"LOOKUPP", 0, 2, true, NULL, status_result},
    [OP_NVERIFY] = {"NVERIFY", 0, 2, true, opnverify_args, status_result},
    [OP_OPEN] = {"OPEN", 0, 2, true, opopen_args, opopen_result},
    [OP_OPENATTR] = {"OPENATTR", 0, 2, false, NULL, status_result},
    [OP_OPEN_CONFIRM] = {"OPEN_CONFIRM", 0, 0, false, NULL, status_result},
    [OP_OPEN_DOWNGRADE] = {"OPEN_DOWNGRADE", 0, 2, true, opopen_downgrade_args, opopen_downgrade_result},
    [OP_PUTFH] = {"PUTFH", 0, 2, true, opputfh_args, status_result},
    [OP_PUTPUBFH] = {"PUTPUBFH", 0, 2, true, NULL, status_result},
    [OP_PUTROOTFH] = {"PUTROOTFH", 0, 2, true, NULL, status_result},
    [OP_READ] = {"READ", 0, 2, true, opread_args, opread_result},
    [OP_READDIR] = {"READDIR", 0, 2, true, opreaddir_args, opreaddir_result},
    [OP_READLINK] = {"READLINK", 0, 2, true, NULL, opreadlink_result},
    [OP_REMOVE] = {"REMOVE", 0, 2, true, opremove_args, opremove_result},
    [OP_RENAME] = {"RENAME", 0, 2, true, oprename_args, oprename_result},
    [OP_RENEW] = {"RENEW", 0, 0, false, NULL, status_result},
    [OP_RESTOREFH] = {"RESTOREFH", 0, 2, true, NULL, status_result},
    [OP_SAVEFH] = {"SAVEFH", 0, 2, true, NULL, status_result},
    [OP_SECINFO] = {"SECINFO", 0, 2, true, opsecinfo_args, opsecinfo_result},
    [OP_SETATTR] = {"SETATTR", 0, 2, true, opsetattr_args, opsetattr_result},
    [OP_SETCLIENTID] = {"SETCLIENTID", 0, 0, false, NULL, status_result},
    [OP_SETCLIENTID_CONFIRM] = {"SETCLIENTID_CONFIRM", 0, 0, false, NULL, status_result},
    [OP_VERIFY] = {"VERIFY", 0, 2, true, opverify_args, status_result},
    [OP_WRITE] = {"WRITE", 0, 2, true, opwrite_args, opwrite_result},
    [OP_RELEASE_LOCKOWNER] = {"RELEASE_LOCKOWNER", 0, 0, false, NULL, status_result},
    [OP_BACKCHANNEL_CTL] = {"BACKCHANNEL_CTL", 1, 2, true, opbackchannel_ctl_args, status_result},
    [OP_BIND_CONN_TO_SESSION] = {"BIND_CONN_TO_SESSION", 1, 2, true, opbind_conn_to_session_args,
                                 opbind_conn_to_session_result},
    [OP_EXCHANGE_ID] = {"EXCHANGE_ID", 1, 2, true, opexchange_id_args, opexchange_id_result},
    [OP_CREATE_SESSION] = {"CREATE_SESSION", 1, 2, true, opcreate_session_args, opcreate_session_result},
    [OP_DESTROY_SESSION] = {"DESTROY_SESSION", 1, 2, true, opdestroy_session_args, status_result},
    [OP_FREE_STATEID] = {"FREE_STATEID", 1, 2, true, opfree_stateid_args, status_result},
    [OP_GET_DIR_DELEGATION] = {"GET_DIR_DELEGATION", 1, 2, false, NULL, status_result},
    [OP_GETDEVICEINFO] = {"GETDEVICEINFO", 1, 2, false, NULL, status_result},
    [OP_GETDEVICELIST] = {"GETDEVICELIST", 1, 2, false, NULL, status_result},
    [OP_LAYOUTCOMMIT] = {"LAYOUTCOMMIT", 1, 2, false, NULL, status_result},
    [OP_LAYOUTGET] = {"LAYOUTGET", 1, 2, false, NULL, status_result},
    [OP_LAYOUTRETURN] = {"LAYOUTRETURN", 1, 2, false, NULL, status_result},
    [OP_SECINFO_NO_NAME] = {"SECINFO_NO_NAME", 1, 2, true, opsecinfo_no_name_args, opsecinfo_result},
    [OP_SEQUENCE] = {"SEQUENCE", 1, 2, true, opsequence_args, opsequence_result},
    [OP_SET_SSV] = {"SET_SSV", 1, 2, false, NULL, status_result},
    [OP_TEST_STATEID] = {"TEST_STATEID", 1, 2, true, optest_stateid_args, optest_stateid_result},
    [OP_WANT_DELEGATION] = {"WANT_DELEGATION", 1, 2, false, NULL, status_result},
    [OP_DESTROY_CLIENTID] = {"DESTROY_CLIENTID", 1, 2, true, opdestroy_clientid_args, status_result},
    [OP_RECLAIM_COMPLETE] = {"RECLAIM_COMPLETE", 1, 2, true, opreclaim_complete_args, status_result},
    [OP_ALLOCATE] = {"ALLOCATE", 2, 2, false, NULL, status_result},
    [OP_COPY] = {"COPY", 2, 2, false, NULL, status_result},
    [OP_COPY_NOTIFY] = {"COPY_NOTIFY", 2, 2, false, NULL, status_result},
    [OP_DEALLOCATE] = {"DEALLOCATE", 2, 2, false, NULL, status_result},
    [OP_IO_ADVISE] = {"IO_ADVISE", 2, 2, false, NULL, status_result},
    [OP_LAYOUTERROR] = {"LAYOUTERROR", 2, 2, false, NULL, status_result},
    [OP_LAYOUTSTATS] = {"LAYOUTSTATS", 2, 2, false, NULL, status_result},
    [OP_OFFLOAD_CANCEL] = {"OFFLOAD_CANCEL", 2, 2, false, NULL, status_result},
    [OP_OFFLOAD_STATUS] = {"OFFLOAD_STATUS", 2, 2, false, NULL, status_result},
    [OP_READ_PLUS] = {"READ_PLUS", 2, 2, false, NULL, status_result},
    [OP_SEEK] = {"SEEK", 2, 2, false, NULL, status_result},
    [OP_WRITE_SAME] = {"WRITE_SAME", 2, 2, false, NULL, status_result},
    [OP_CLONE] = {"CLONE", 2, 2, false, NULL, status_result},
    [OP_GETXATTR] = {"GETXATTR", 2, 2, false, NULL, status_result},
    [OP_SETXATTR] = {"SETXATTR", 2, 2, false, NULL, status_result},
    [OP_LISTXATTRS] = {"LISTXATTRS", 2, 2, false, NULL, status_result},
    [OP_REMOVEXATTR] = {"REMOVEXATTR", 2, 2, false, NULL, status_result},
};
static_assert(sizeof(operation_table) / sizeof(operation_table[0]) == OPNUM4_TABLE_SIZE, "one row an operation");

static const struct nfs4_operation operation_illegal = {"ILLEGAL", 0, 2, false, NULL, status_result};

const struct nfs4_operation *nfs4_operation_find(uint32_t op)
{
    if (op == OP_ILLEGAL)
        return &operation_illegal;
    if (op >= OPNUM4_TABLE_SIZE || operation_table[op].name == NULL)
        return NULL;
    return &operation_table[op];
}

bool nfs4_args_codec(struct xdr *x, enum opnum4 op, union nfs4_args *args)
{
    const struct nfs4_operation *operation = nfs4_operation_find(op);
    if (operation == NULL || !operation->served)
        return xdr_fail(x);
    if (x->mode == XDR_DECODE)
        memset(args, 0, sizeof(*args));
    return operation->args_codec == NULL || operation->args_codec(x, args);
}

bool nfs4_result_codec(struct xdr *x, enum opnum4 op, union nfs4_result *result)
{
    const struct nfs4_operation *operation = nfs4_operation_find(op);
    if (operation == NULL)
        return xdr_fail(x);
    if (x->mode == XDR_DECODE)
        memset(result, 0, sizeof(*result));
    return operation->result_codec(x, result);
}

bool xdr_nfs4_compound_args(struct xdr *x, struct nfs4_compound_args *head)
{
    return xdr_string(x, &head->tag, XDR_UNBOUNDED) && xdr_uint32(x, &head->minorversion) &&
           xdr_uint32(x, &head->operation_count);
}

bool xdr_nfs4_compound_result(struct xdr *x, struct nfs4_compound_result *head)
{
    return xdr_enum(x, &head->status) && xdr_string(x, &head->tag, XDR_UNBOUNDED) && xdr_uint32(x, &head->result_count);
}

bool nfs4_compound_begin(struct xdr *x, struct slice tag, struct nfs4_compound_frame *frame)
{
    frame->status_position = xdr_position(x);
    struct nfs4_compound_result head = {.status = NFS4_OK, .tag = tag, .result_count = 0};
    if (!xdr_nfs4_compound_result(x, &head))
        return false;
    frame->count_position = xdr_position(x) - 4;
    return true;
}

void nfs4_compound_end(struct xdr *x, const struct nfs4_compound_frame *frame, enum nfsstat4 status,
                       uint32_t result_count)
{
    xdr_patch_uint32(x, frame->status_position, (uint32_t)status);
    xdr_patch_uint32(x, frame->count_position, result_count);
}
