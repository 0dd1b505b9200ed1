/* open.h: what LOCK and LOCKU have in common with OPEN_DOWNGRADE and CLOSE. */
#ifndef SERVER_NFS4_OPEN_H
#define SERVER_NFS4_OPEN_H

#include "proto/log.pb-c.h"
#include "server/nfs4/compound.h"

/* The stateid of a StateidResult, which becomes the compound's current one. */
struct stateid4 open_result_stateid(struct compound *compound, const Qnfs__Result *result);

#endif
