/* stateid.h: arguments and results of TEST_STATEID and FREE_STATEID (RFC 8881 sections 18.48, 18.38). */
#ifndef PROTO_NFS4_STATEID_H
#define PROTO_NFS4_STATEID_H

#include "proto/nfs4/types.h"

struct xdr;

struct TEST_STATEID4args {
    struct stateid4 *ts_stateids;
    uint32_t ts_stateids_count;
};
struct TEST_STATEID4resok {
    enum nfsstat4 *tsr_status_codes;
    uint32_t tsr_status_codes_count;
};
struct TEST_STATEID4res {
    enum nfsstat4 tsr_status;
    struct TEST_STATEID4resok tsr_resok4;
};

struct FREE_STATEID4args {
    struct stateid4 fsa_stateid;
};

bool xdr_TEST_STATEID4args(struct xdr *x, struct TEST_STATEID4args *args);
bool xdr_TEST_STATEID4res(struct xdr *x, struct TEST_STATEID4res *res);
bool xdr_FREE_STATEID4args(struct xdr *x, struct FREE_STATEID4args *args);

#endif
