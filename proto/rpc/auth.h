/* auth.h: RPC authentication flavors and the AUTH_SYS body (RFC 5531 section 8 and appendix A). */
#ifndef PROTO_RPC_AUTH_H
#define PROTO_RPC_AUTH_H

#include "base/limits.h"
#include "base/slice.h"

struct xdr;

enum auth_flavor { AUTH_NONE = 0, AUTH_SYS = 1, AUTH_SHORT = 2, AUTH_DH = 3, RPCSEC_GSS = 6, AUTH_TLS = 7 };

struct opaque_auth {
    uint32_t flavor; /* enum auth_flavor, or one that we do not know */
    struct slice body;
};

struct authsys_parms {
    uint32_t stamp;
    struct slice machinename;
    uint32_t uid;
    uint32_t gid;
    uint32_t gids_count; /* at most RPC_AUTH_SYS_GROUPS_MAX */
    uint32_t gids[RPC_AUTH_SYS_GROUPS_MAX];
};

/* The body of an AUTH_SYS credential, in either direction; false if it is damaged, over a bound, or if there is no room
 * for it. It does not look at what follows: whoever decodes a whole body checks xdr_remaining. Pure. */
bool xdr_authsys_parms(struct xdr *x, struct authsys_parms *parms);

/* Flavor and body; a body over RPC_AUTH_MAX_BYTES fails. Pure. */
bool xdr_opaque_auth(struct xdr *x, struct opaque_auth *auth);

#endif
