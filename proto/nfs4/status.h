/* status.h: enum nfsstat4, the answer of every NFSv4 operation and of the whole compound. Numbers and names are those
 * of RFC 7530 (4.0), RFC 8881 section 15 (4.1), RFC 7862 section 11 (4.2) and RFC 8276 section 8.5 (xattr). */
#ifndef PROTO_NFS4_STATUS_H
#define PROTO_NFS4_STATUS_H

#define NFSSTAT4_LIST(X)                                                                                               \
    X(NFS4_OK, 0)                                                                                                      \
    X(NFS4ERR_PERM, 1)                                                                                                 \
    X(NFS4ERR_NOENT, 2)                                                                                                \
    X(NFS4ERR_IO, 5)                                                                                                   \
    X(NFS4ERR_NXIO, 6)                                                                                                 \
    X(NFS4ERR_ACCESS, 13)                                                                                              \
    X(NFS4ERR_EXIST, 17)                                                                                               \
    X(NFS4ERR_XDEV, 18)                                                                                                \
    X(NFS4ERR_NOTDIR, 20)                                                                                              \
    X(NFS4ERR_ISDIR, 21)                                                                                               \
    X(NFS4ERR_INVAL, 22)                                                                                               \
    X(NFS4ERR_FBIG, 27)                                                                                                \
    X(NFS4ERR_NOSPC, 28)                                                                                               \
    X(NFS4ERR_ROFS, 30)                                                                                                \
    X(NFS4ERR_MLINK, 31)                                                                                               \
    X(NFS4ERR_NAMETOOLONG, 63)                                                                                         \
    X(NFS4ERR_NOTEMPTY, 66)                                                                                            \
    X(NFS4ERR_DQUOT, 69)                                                                                               \
    X(NFS4ERR_STALE, 70)                                                                                               \
    X(NFS4ERR_BADHANDLE, 10001)                                                                                        \
    X(NFS4ERR_BAD_COOKIE, 10003)                                                                                       \
    X(NFS4ERR_NOTSUPP, 10004)                                                                                          \
    X(NFS4ERR_TOOSMALL, 10005)                                                                                         \
    X(NFS4ERR_SERVERFAULT, 10006)                                                                                      \
    X(NFS4ERR_BADTYPE, 10007)                                                                                          \
    X(NFS4ERR_DELAY, 10008)                                                                                            \
    X(NFS4ERR_SAME, 10009)                                                                                             \
    X(NFS4ERR_DENIED, 10010)                                                                                           \
    X(NFS4ERR_EXPIRED, 10011)                                                                                          \
    X(NFS4ERR_LOCKED, 10012)                                                                                           \
    X(NFS4ERR_GRACE, 10013)                                                                                            \
    X(NFS4ERR_FHEXPIRED, 10014)                                                                                        \
    X(NFS4ERR_SHARE_DENIED, 10015)                                                                                     \
    X(NFS4ERR_WRONGSEC, 10016)                                                                                         \
    X(NFS4ERR_CLID_INUSE, 10017)                                                                                       \
    X(NFS4ERR_RESOURCE, 10018)                                                                                         \
    X(NFS4ERR_MOVED, 10019)                                                                                            \
    X(NFS4ERR_NOFILEHANDLE, 10020)                                                                                     \
    X(NFS4ERR_MINOR_VERS_MISMATCH, 10021)                                                                              \
    X(NFS4ERR_STALE_CLIENTID, 10022)                                                                                   \
    X(NFS4ERR_STALE_STATEID, 10023)                                                                                    \
    X(NFS4ERR_OLD_STATEID, 10024)                                                                                      \
    X(NFS4ERR_BAD_STATEID, 10025)                                                                                      \
    X(NFS4ERR_BAD_SEQID, 10026)                                                                                        \
    X(NFS4ERR_NOT_SAME, 10027)                                                                                         \
    X(NFS4ERR_LOCK_RANGE, 10028)                                                                                       \
    X(NFS4ERR_SYMLINK, 10029)                                                                                          \
    X(NFS4ERR_RESTOREFH, 10030)                                                                                        \
    X(NFS4ERR_LEASE_MOVED, 10031)                                                                                      \
    X(NFS4ERR_ATTRNOTSUPP, 10032)                                                                                      \
    X(NFS4ERR_NO_GRACE, 10033)                                                                                         \
    X(NFS4ERR_RECLAIM_BAD, 10034)                                                                                      \
    X(NFS4ERR_RECLAIM_CONFLICT, 10035)                                                                                 \
    X(NFS4ERR_BADXDR, 10036)                                                                                           \
    X(NFS4ERR_LOCKS_HELD, 10037)                                                                                       \
    X(NFS4ERR_OPENMODE, 10038)                                                                                         \
    X(NFS4ERR_BADOWNER, 10039)                                                                                         \
    X(NFS4ERR_BADCHAR, 10040)                                                                                          \
    X(NFS4ERR_BADNAME, 10041)                                                                                          \
    X(NFS4ERR_BAD_RANGE, 10042)                                                                                        \
    X(NFS4ERR_LOCK_NOTSUPP, 10043)                                                                                     \
    X(NFS4ERR_OP_ILLEGAL, 10044)                                                                                       \
    X(NFS4ERR_DEADLOCK, 10045)                                                                                         \
    X(NFS4ERR_FILE_OPEN, 10046)                                                                                        \
    X(NFS4ERR_ADMIN_REVOKED, 10047)                                                                                    \
    X(NFS4ERR_CB_PATH_DOWN, 10048)                                                                                     \
    X(NFS4ERR_BADIOMODE, 10049)                                                                                        \
    X(NFS4ERR_BADLAYOUT, 10050)                                                                                        \
    X(NFS4ERR_BAD_SESSION_DIGEST, 10051)                                                                               \
    X(NFS4ERR_BADSESSION, 10052)                                                                                       \
    X(NFS4ERR_BADSLOT, 10053)                                                                                          \
    X(NFS4ERR_COMPLETE_ALREADY, 10054)                                                                                 \
    X(NFS4ERR_CONN_NOT_BOUND_TO_SESSION, 10055)                                                                        \
    X(NFS4ERR_DELEG_ALREADY_WANTED, 10056)                                                                             \
    X(NFS4ERR_BACK_CHAN_BUSY, 10057)                                                                                   \
    X(NFS4ERR_LAYOUTTRYLATER, 10058)                                                                                   \
    X(NFS4ERR_LAYOUTUNAVAILABLE, 10059)                                                                                \
    X(NFS4ERR_NOMATCHING_LAYOUT, 10060)                                                                                \
    X(NFS4ERR_RECALLCONFLICT, 10061)                                                                                   \
    X(NFS4ERR_UNKNOWN_LAYOUTTYPE, 10062)                                                                               \
    X(NFS4ERR_SEQ_MISORDERED, 10063)                                                                                   \
    X(NFS4ERR_SEQUENCE_POS, 10064)                                                                                     \
    X(NFS4ERR_REQ_TOO_BIG, 10065)                                                                                      \
    X(NFS4ERR_REP_TOO_BIG, 10066)                                                                                      \
    X(NFS4ERR_REP_TOO_BIG_TO_CACHE, 10067)                                                                             \
    X(NFS4ERR_RETRY_UNCACHED_REP, 10068)                                                                               \
    X(NFS4ERR_UNSAFE_COMPOUND, 10069)                                                                                  \
    X(NFS4ERR_TOO_MANY_OPS, 10070)                                                                                     \
    X(NFS4ERR_OP_NOT_IN_SESSION, 10071)                                                                                \
    X(NFS4ERR_HASH_ALG_UNSUPP, 10072)                                                                                  \
    X(NFS4ERR_CLIENTID_BUSY, 10074)                                                                                    \
    X(NFS4ERR_PNFS_IO_HOLE, 10075)                                                                                     \
    X(NFS4ERR_SEQ_FALSE_RETRY, 10076)                                                                                  \
    X(NFS4ERR_BAD_HIGH_SLOT, 10077)                                                                                    \
    X(NFS4ERR_DEADSESSION, 10078)                                                                                      \
    X(NFS4ERR_ENCR_ALG_UNSUPP, 10079)                                                                                  \
    X(NFS4ERR_PNFS_NO_LAYOUT, 10080)                                                                                   \
    X(NFS4ERR_NOT_ONLY_OP, 10081)                                                                                      \
    X(NFS4ERR_WRONG_CRED, 10082)                                                                                       \
    X(NFS4ERR_WRONG_TYPE, 10083)                                                                                       \
    X(NFS4ERR_DIRDELEG_UNAVAIL, 10084)                                                                                 \
    X(NFS4ERR_REJECT_DELEG, 10085)                                                                                     \
    X(NFS4ERR_RETURNCONFLICT, 10086)                                                                                   \
    X(NFS4ERR_DELEG_REVOKED, 10087)                                                                                    \
    X(NFS4ERR_PARTNER_NOTSUPP, 10088)                                                                                  \
    X(NFS4ERR_PARTNER_NO_AUTH, 10089)                                                                                  \
    X(NFS4ERR_UNION_NOTSUPP, 10090)                                                                                    \
    X(NFS4ERR_OFFLOAD_DENIED, 10091)                                                                                   \
    X(NFS4ERR_WRONG_LFS, 10092)                                                                                        \
    X(NFS4ERR_BADLABEL, 10093)                                                                                         \
    X(NFS4ERR_OFFLOAD_NO_REQS, 10094)                                                                                  \
    X(NFS4ERR_NOXATTR, 10095)                                                                                          \
    X(NFS4ERR_XATTR2BIG, 10096)

enum nfsstat4 {
#define NFSSTAT4_ENUM(name, number) name = number,
    NFSSTAT4_LIST(NFSSTAT4_ENUM)
#undef NFSSTAT4_ENUM
};

/* The RFC's spelling, "NFS4ERR_NOENT"; "nfsstat4(?)" for a number that is none. Never NULL. Pure. */
const char *nfsstat4_name(enum nfsstat4 status);

#endif
