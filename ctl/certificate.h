/* certificate.h: the cluster's own certificate authority, in files: made once, offline, by whoever runs the cluster; it
 * signs one certificate a node. Nodes show them to each other (mutual TLS); nothing else trusts them.
 *
 *   DIRECTORY/ca.pem, DIRECTORY/ca-key.pem   the authority; the key is what must be kept safe
 *   OUT/cert.pem, OUT/key.pem                a node's; together with ca.pem all that a node needs
 *
 * Keys are EC P-256, in files that only their owner may read. */
#ifndef CTL_CERTIFICATE_H
#define CTL_CERTIFICATE_H

#include <stdint.h>

#include "base/slice.h"
#include "base/status.h"

/* From when to when a certificate is good, in seconds from now on; negative ones have gone by. */
struct certificate_period {
    int64_t begins_seconds;
    int64_t ends_seconds;
};

/* Longest node name (RFC 5280 ub-common-name), most hosts of one certificate. */
#define CERTIFICATE_NAME_MAX_BYTES 64u
#define CERTIFICATE_HOSTS_MAX 32u

struct certificate_order {
    const char *directory; /* the authority's */
    const char *name;      /* the node's: letters, digits, '-', '.', '_' */
    const char *hosts;     /* "HOST[,HOST...]": DNS names and addresses that other nodes reach it by */
    const char *out;       /* made if it is not there; an older certificate in it is replaced */
    struct certificate_period period;
};

/* Makes an authority. STATUS_REFUSED: there is one already, it is left alone; STATUS_IO. `trouble` (room bytes) says why,
 * in one line. */
MUST_CHECK enum status certificate_authority_create(const char *directory, const struct certificate_period *period,
                                                    struct span trouble);

/* Signs a certificate for a new key. STATUS_BAD_DATA: a name or host that cannot be; STATUS_NOT_FOUND: no authority
 * there; STATUS_REFUSED: the authority ends before the certificate would; STATUS_IO: also an authority that cannot be
 * read. */
MUST_CHECK enum status certificate_issue(const struct certificate_order *order, struct span trouble);

#endif
