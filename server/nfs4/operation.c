#include "server/nfs4/operation.h"

#include <assert.h>

#include "server/nfs4/handlers.h"

#define CURRENT OPERATION_CURRENT
#define SAVED OPERATION_SAVED
#define FIRST_ALONE OPERATION_FIRST_ALONE
#define ALWAYS_ALONE OPERATION_ALWAYS_ALONE
#define CHANGES OPERATION_CHANGES
#define PUTS_HANDLE OPERATION_PUTS_HANDLE
#define FINDS_FLAVOR OPERATION_FINDS_FLAVOR

/* Number and status: what every result begins with. */
#define HEAD 8u
#define STATEID 16u
#define CHANGE_INFO 20u
#define BITMAP (4u + 4u * NFS4_BITMAP_WORDS)
#define DENIED (8u + 8u + 4u + 8u + 4u + NFS4_OPAQUE_MAX_BYTES)
#define CHANNEL (7u * 4u + 4u)
/* All attributes of a file at once. */
#define ATTRIBUTES 1024u

/* X(operation, first and last minor version, flags, reply bytes, handler, finish); in the order of the numbers. */
#define OPERATION_LIST(X)                                                                                              \
    X(OP_ACCESS, 0, 2, CURRENT, HEAD + 8, access_step, NULL)                                                           \
    X(OP_CLOSE, 0, 2, CURRENT | CHANGES, HEAD + STATEID, close_step, close_finish)                                     \
    X(OP_COMMIT, 0, 2, CURRENT, HEAD + 8, commit_step, NULL)                                                           \
    X(OP_CREATE, 0, 2, CURRENT | CHANGES, HEAD + CHANGE_INFO + BITMAP, create_step, create_finish)                     \
    X(OP_DELEGPURGE, 0, 2, 0, HEAD, NULL, NULL)                                                                        \
    X(OP_DELEGRETURN, 0, 2, CURRENT, HEAD, NULL, NULL)                                                                 \
    X(OP_GETATTR, 0, 2, CURRENT, HEAD + ATTRIBUTES, getattr_step, NULL)                                                \
    X(OP_GETFH, 0, 2, CURRENT, HEAD + 4 + NFS4_FHANDLE_MAX_BYTES, getfh_step, NULL)                                    \
    X(OP_LINK, 0, 2, CURRENT | SAVED | CHANGES, HEAD + CHANGE_INFO, link_step, link_finish)                            \
    X(OP_LOCK, 0, 2, CURRENT | CHANGES, HEAD + DENIED, lock_step, lock_finish)                                         \
    X(OP_LOCKT, 0, 2, CURRENT, HEAD + DENIED, lockt_step, NULL)                                                        \
    X(OP_LOCKU, 0, 2, CURRENT | CHANGES, HEAD + STATEID, locku_step, locku_finish)                                     \
    X(OP_LOOKUP, 0, 2, CURRENT | FINDS_FLAVOR, HEAD, lookup_step, NULL)                                                \
    X(OP_LOOKUPP, 0, 2, CURRENT | FINDS_FLAVOR, HEAD, lookupp_step, NULL)                                              \
    X(OP_NVERIFY, 0, 2, CURRENT, HEAD, nverify_step, NULL)                                                             \
    X(OP_OPEN, 0, 2, CURRENT | CHANGES | FINDS_FLAVOR, HEAD + STATEID + CHANGE_INFO + 4 + BITMAP + 12, open_step,      \
      open_finish)                                                                                                     \
    X(OP_OPENATTR, 0, 2, CURRENT, HEAD, NULL, NULL)                                                                    \
    X(OP_OPEN_CONFIRM, 0, 0, CURRENT, HEAD, NULL, NULL)                                                                \
    X(OP_OPEN_DOWNGRADE, 0, 2, CURRENT | CHANGES, HEAD + STATEID, open_downgrade_step, open_downgrade_finish)          \
    X(OP_PUTFH, 0, 2, PUTS_HANDLE | FINDS_FLAVOR, HEAD, putfh_step, NULL)                                              \
    X(OP_PUTPUBFH, 0, 2, PUTS_HANDLE | FINDS_FLAVOR, HEAD, putrootfh_step, NULL)                                       \
    X(OP_PUTROOTFH, 0, 2, PUTS_HANDLE | FINDS_FLAVOR, HEAD, putrootfh_step, NULL)                                      \
    X(OP_READ, 0, 2, CURRENT, HEAD + 8, read_step, NULL)                                                               \
    X(OP_READDIR, 0, 2, CURRENT, HEAD + READDIR4_FRAME_BYTES, readdir_step, NULL)                                      \
    X(OP_READLINK, 0, 2, CURRENT, HEAD + 8 + NFS4_LINKTEXT_MAX_BYTES, readlink_step, NULL)                             \
    X(OP_REMOVE, 0, 2, CURRENT | CHANGES, HEAD + CHANGE_INFO, remove_step, remove_finish)                              \
    X(OP_RENAME, 0, 2, CURRENT | SAVED | CHANGES, HEAD + 2 * CHANGE_INFO, rename_step, rename_finish)                  \
    X(OP_RENEW, 0, 0, 0, HEAD, NULL, NULL)                                                                             \
    X(OP_RESTOREFH, 0, 2, PUTS_HANDLE | FINDS_FLAVOR, HEAD, restorefh_step, NULL)                                      \
    X(OP_SAVEFH, 0, 2, CURRENT, HEAD, savefh_step, NULL)                                                               \
    X(OP_SECINFO, 0, 2, CURRENT | FINDS_FLAVOR, HEAD + 256, secinfo_step, NULL)                                        \
    X(OP_SETATTR, 0, 2, CURRENT | CHANGES, HEAD + BITMAP, setattr_step, setattr_finish)                                \
    X(OP_SETCLIENTID, 0, 0, 0, HEAD, NULL, NULL)                                                                       \
    X(OP_SETCLIENTID_CONFIRM, 0, 0, 0, HEAD, NULL, NULL)                                                               \
    X(OP_VERIFY, 0, 2, CURRENT, HEAD, verify_step, NULL)                                                               \
    X(OP_WRITE, 0, 2, CURRENT | CHANGES, HEAD + 16, write_step, write_finish)                                          \
    X(OP_RELEASE_LOCKOWNER, 0, 0, 0, HEAD, NULL, NULL)                                                                 \
    X(OP_BACKCHANNEL_CTL, 1, 2, CHANGES, HEAD, backchannel_ctl_step, status_finish)                                    \
    X(OP_BIND_CONN_TO_SESSION, 1, 2, FIRST_ALONE | ALWAYS_ALONE, HEAD + 24, bind_conn_to_session_step, NULL)           \
    X(OP_EXCHANGE_ID, 1, 2, FIRST_ALONE | CHANGES, HEAD + 512, exchange_id_step, exchange_id_finish)                   \
    X(OP_CREATE_SESSION, 1, 2, FIRST_ALONE | CHANGES, HEAD + 24 + 2 * CHANNEL, create_session_step,                    \
      create_session_finish)                                                                                           \
    X(OP_DESTROY_SESSION, 1, 2, FIRST_ALONE | CHANGES, HEAD, destroy_session_step, status_finish)                      \
    X(OP_FREE_STATEID, 1, 2, CHANGES, HEAD, free_stateid_step, status_finish)                                          \
    X(OP_GET_DIR_DELEGATION, 1, 2, CURRENT, HEAD, NULL, NULL)                                                          \
    X(OP_GETDEVICEINFO, 1, 2, 0, HEAD, NULL, NULL)                                                                     \
    X(OP_GETDEVICELIST, 1, 2, CURRENT, HEAD, NULL, NULL)                                                               \
    X(OP_LAYOUTCOMMIT, 1, 2, CURRENT, HEAD, NULL, NULL)                                                                \
    X(OP_LAYOUTGET, 1, 2, CURRENT, HEAD, NULL, NULL)                                                                   \
    X(OP_LAYOUTRETURN, 1, 2, CURRENT, HEAD, NULL, NULL)                                                                \
    X(OP_SECINFO_NO_NAME, 1, 2, CURRENT | FINDS_FLAVOR, HEAD + 256, secinfo_no_name_step, NULL)                        \
    X(OP_SEQUENCE, 1, 2, FIRST_ALONE, HEAD + 36, sequence_step, NULL)                                                  \
    X(OP_SET_SSV, 1, 2, 0, HEAD, NULL, NULL)                                                                           \
    X(OP_TEST_STATEID, 1, 2, 0, HEAD + 64, test_stateid_step, NULL)                                                    \
    X(OP_WANT_DELEGATION, 1, 2, CURRENT, HEAD, NULL, NULL)                                                             \
    X(OP_DESTROY_CLIENTID, 1, 2, FIRST_ALONE | CHANGES, HEAD, destroy_clientid_step, status_finish)                    \
    X(OP_RECLAIM_COMPLETE, 1, 2, CHANGES, HEAD, reclaim_complete_step, status_finish)                                  \
    X(OP_ALLOCATE, 2, 2, CURRENT, HEAD, NULL, NULL)                                                                    \
    X(OP_COPY, 2, 2, CURRENT | SAVED, HEAD, NULL, NULL)                                                                \
    X(OP_COPY_NOTIFY, 2, 2, CURRENT, HEAD, NULL, NULL)                                                                 \
    X(OP_DEALLOCATE, 2, 2, CURRENT, HEAD, NULL, NULL)                                                                  \
    X(OP_IO_ADVISE, 2, 2, CURRENT, HEAD, NULL, NULL)                                                                   \
    X(OP_LAYOUTERROR, 2, 2, CURRENT, HEAD, NULL, NULL)                                                                 \
    X(OP_LAYOUTSTATS, 2, 2, CURRENT, HEAD, NULL, NULL)                                                                 \
    X(OP_OFFLOAD_CANCEL, 2, 2, CURRENT, HEAD, NULL, NULL)                                                              \
    X(OP_OFFLOAD_STATUS, 2, 2, CURRENT, HEAD, NULL, NULL)                                                              \
    X(OP_READ_PLUS, 2, 2, CURRENT, HEAD, NULL, NULL)                                                                   \
    X(OP_SEEK, 2, 2, CURRENT, HEAD, NULL, NULL)                                                                        \
    X(OP_WRITE_SAME, 2, 2, CURRENT, HEAD, NULL, NULL)                                                                  \
    X(OP_CLONE, 2, 2, CURRENT | SAVED, HEAD, NULL, NULL)                                                               \
    X(OP_GETXATTR, 2, 2, CURRENT, HEAD, NULL, NULL)                                                                    \
    X(OP_SETXATTR, 2, 2, CURRENT, HEAD, NULL, NULL)                                                                    \
    X(OP_LISTXATTRS, 2, 2, CURRENT, HEAD, NULL, NULL)                                                                  \
    X(OP_REMOVEXATTR, 2, 2, CURRENT, HEAD, NULL, NULL)

#define OPERATION_FIRST OP_ACCESS

static const struct operation operation_table[] = {
#define OPERATION_ROW(number, first, last, flags, reply, handler, finish)                                              \
    {number, first, last, flags, reply, handler, finish},
    OPERATION_LIST(OPERATION_ROW)
#undef OPERATION_ROW
};

/* Each row stands at its number. */
enum operation_row_position {
#define OPERATION_POSITION(number, first, last, flags, reply, handler, finish) ROW_##number,
    OPERATION_LIST(OPERATION_POSITION)
#undef OPERATION_POSITION
};
static_assert(sizeof(operation_table) / sizeof(operation_table[0]) == OPNUM4_TABLE_SIZE - OPERATION_FIRST,
              "one row an operation");
#define OPERATION_ORDER(number, first, last, flags, reply, handler, finish)                                            \
    static_assert((unsigned)ROW_##number + OPERATION_FIRST == (unsigned)(number), "rows in the order of the numbers");
OPERATION_LIST(OPERATION_ORDER)
#undef OPERATION_ORDER

const struct operation *operation_find(uint32_t number)
{
    if (number < OPERATION_FIRST || number >= OPNUM4_TABLE_SIZE)
        return NULL;
    return &operation_table[number - OPERATION_FIRST];
}
