/* certificates.h: authorities and nodes' certificates for tests, in a folder that goes away. */
#ifndef TESTS_SUPPORT_CERTIFICATES_H
#define TESTS_SUPPORT_CERTIFICATES_H

#include <stdbool.h>
#include <stddef.h>

#include "ctl/certificate.h"

struct certificates {
    char home[64];
};

#define CERTIFICATE_PATH_BYTES 160u

struct certificate_paths {
    char authority[CERTIFICATE_PATH_BYTES];
    char certificate[CERTIFICATE_PATH_BYTES];
    char key[CERTIFICATE_PATH_BYTES];
};

void certificates_init(struct certificates *certificates);
void certificates_fini(struct certificates *certificates);

/* A certificate of the authority of that name (made when it is first named), good for the period. */
struct certificate_paths certificates_issue_for(struct certificates *certificates, const char *authority,
                                                const char *name, const char *hosts, struct certificate_period period);
/* The same, good now. */
struct certificate_paths certificates_issue(struct certificates *certificates, const char *authority, const char *name,
                                            const char *hosts);

#endif
