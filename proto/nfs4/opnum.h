/* opnum.h: enum opnum4, the number of every NFSv4 operation: RFC 7530 (3 to 39), RFC 8881 section 16.2 (40 to 58),
 * RFC 7862 section 15 (59 to 71), RFC 8276 section 8.3 (72 to 75). What the server knows about each of them stands in
 * the table of compound.h. */
#ifndef PROTO_NFS4_OPNUM_H
#define PROTO_NFS4_OPNUM_H

#define OPNUM4_LIST(X)                                                                                                 \
    X(OP_ACCESS, 3)                                                                                                    \
    X(OP_CLOSE, 4)                                                                                                     \
    X(OP_COMMIT, 5)                                                                                                    \
    X(OP_CREATE, 6)                                                                                                    \
    X(OP_DELEGPURGE, 7)                                                                                                \
    X(OP_DELEGRETURN, 8)                                                                                               \
    X(OP_GETATTR, 9)                                                                                                   \
    X(OP_GETFH, 10)                                                                                                    \
    X(OP_LINK, 11)                                                                                                     \
    X(OP_LOCK, 12)                                                                                                     \
    X(OP_LOCKT, 13)                                                                                                    \
    X(OP_LOCKU, 14)                                                                                                    \
    X(OP_LOOKUP, 15)                                                                                                   \
    X(OP_LOOKUPP, 16)                                                                                                  \
    X(OP_NVERIFY, 17)                                                                                                  \
    X(OP_OPEN, 18)                                                                                                     \
    X(OP_OPENATTR, 19)                                                                                                 \
    X(OP_OPEN_CONFIRM, 20)                                                                                             \
    X(OP_OPEN_DOWNGRADE, 21)                                                                                           \
    X(OP_PUTFH, 22)                                                                                                    \
    X(OP_PUTPUBFH, 23)                                                                                                 \
    X(OP_PUTROOTFH, 24)                                                                                                \
    X(OP_READ, 25)                                                                                                     \
    X(OP_READDIR, 26)                                                                                                  \
    X(OP_READLINK, 27)                                                                                                 \
    X(OP_REMOVE, 28)                                                                                                   \
    X(OP_RENAME, 29)                                                                                                   \
    X(OP_RENEW, 30)                                                                                                    \
    X(OP_RESTOREFH, 31)                                                                                                \
    X(OP_SAVEFH, 32)                                                                                                   \
    X(OP_SECINFO, 33)                                                                                                  \
    X(OP_SETATTR, 34)                                                                                                  \
    X(OP_SETCLIENTID, 35)                                                                                              \
    X(OP_SETCLIENTID_CONFIRM, 36)                                                                                      \
    X(OP_VERIFY, 37)                                                                                                   \
    X(OP_WRITE, 38)                                                                                                    \
    X(OP_RELEASE_LOCKOWNER, 39)                                                                                        \
    X(OP_BACKCHANNEL_CTL, 40)                                                                                          \
    X(OP_BIND_CONN_TO_SESSION, 41)                                                                                     \
    X(OP_EXCHANGE_ID, 42)                                                                                              \
    X(OP_CREATE_SESSION, 43)                                                                                           \
    X(OP_DESTROY_SESSION, 44)                                                                                          \
    X(OP_FREE_STATEID, 45)                                                                                             \
    X(OP_GET_DIR_DELEGATION, 46)                                                                                       \
    X(OP_GETDEVICEINFO, 47)                                                                                            \
    X(OP_GETDEVICELIST, 48)                                                                                            \
    X(OP_LAYOUTCOMMIT, 49)                                                                                             \
    X(OP_LAYOUTGET, 50)                                                                                                \
    X(OP_LAYOUTRETURN, 51)                                                                                             \
    X(OP_SECINFO_NO_NAME, 52)                                                                                          \
    X(OP_SEQUENCE, 53)                                                                                                 \
    X(OP_SET_SSV, 54)                                                                                                  \
    X(OP_TEST_STATEID, 55)                                                                                             \
    X(OP_WANT_DELEGATION, 56)                                                                                          \
    X(OP_DESTROY_CLIENTID, 57)                                                                                         \
    X(OP_RECLAIM_COMPLETE, 58)                                                                                         \
    X(OP_ALLOCATE, 59)                                                                                                 \
    X(OP_COPY, 60)                                                                                                     \
    X(OP_COPY_NOTIFY, 61)                                                                                              \
    X(OP_DEALLOCATE, 62)                                                                                               \
    X(OP_IO_ADVISE, 63)                                                                                                \
    X(OP_LAYOUTERROR, 64)                                                                                              \
    X(OP_LAYOUTSTATS, 65)                                                                                              \
    X(OP_OFFLOAD_CANCEL, 66)                                                                                           \
    X(OP_OFFLOAD_STATUS, 67)                                                                                           \
    X(OP_READ_PLUS, 68)                                                                                                \
    X(OP_SEEK, 69)                                                                                                     \
    X(OP_WRITE_SAME, 70)                                                                                               \
    X(OP_CLONE, 71)                                                                                                    \
    X(OP_GETXATTR, 72)                                                                                                 \
    X(OP_SETXATTR, 73)                                                                                                 \
    X(OP_LISTXATTRS, 74)                                                                                               \
    X(OP_REMOVEXATTR, 75)                                                                                              \
    X(OP_ILLEGAL, 10044)

enum opnum4 {
#define OPNUM4_ENUM(name, number) name = number,
    OPNUM4_LIST(OPNUM4_ENUM)
#undef OPNUM4_ENUM
};

/* One past the highest number below OP_ILLEGAL: the size of a table indexed by operation. */
#define OPNUM4_TABLE_SIZE 76u

/* The RFC's name without "OP_", "LOOKUP"; "ILLEGAL" for a number that is none. Never NULL. Pure. */
const char *opnum4_name(enum opnum4 op);

#endif
