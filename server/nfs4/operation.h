/* operation.h: the properties of each NFSv4 operation, one row each. The loop in compound.c does all checks from here;
 * names, minor versions and codecs are in the table of proto/nfs4/compound.h. */
#ifndef SERVER_NFS4_OPERATION_H
#define SERVER_NFS4_OPERATION_H

#include "proto/nfs4/compound.h"
#include "server/nfs4/compound.h"

enum operation_flag {
    OPERATION_CURRENT = 1,      /* needs a current file handle */
    OPERATION_SAVED = 2,        /* and a saved one */
    OPERATION_FIRST_ALONE = 4,  /* may stand without SEQUENCE, if it is the only one (RFC 8881 section 2.10.6.4) */
    OPERATION_ALWAYS_ALONE = 8, /* must be the only one */
    OPERATION_CHANGES = 16,     /* changes the state: by a command */
    OPERATION_PUTS_HANDLE = 32, /* sets the current handle without looking a name up (RFC 8881 section 2.6.3.1.1) */
    OPERATION_FINDS_FLAVOR = 64 /* looks at the security of what it finds, so nobody before it needs to */
};

struct operation {
    enum opnum4 number;
    uint8_t first_minor_version;
    uint8_t last_minor_version;
    uint32_t flags;
    /* Largest result with its number, in bytes. Exact for what changes state: it is checked against the session's
     * limits before the change. For the others a guess, made good when it was too small. */
    uint32_t reply_bytes;
    enum step (*handler)(struct compound *compound); /* NULL: NFS4ERR_NOTSUPP */
    /* Makes compound->result, and what follows for current handle and stateid, from the machine's result: for the
     * first answer as for a replay. Set exactly if the operation can propose a command. */
    void (*finish)(struct compound *compound, const Qnfs__Result *result);
};

/* The row, NULL for a number that is no operation. */
const struct operation *operation_find(uint32_t number);

#endif
