#include "tests/support/certificates.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"

static void must(enum status status, const char *trouble)
{
    if (status != STATUS_OK)
        fprintf(stderr, "%s\n", trouble);
    CHECK(status == STATUS_OK);
}

void certificates_init(struct certificates *certificates)
{
    snprintf(certificates->home, sizeof(certificates->home), "/tmp/qnfs-certificates-XXXXXX");
    CHECK(mkdtemp(certificates->home) != NULL);
}

void certificates_fini(struct certificates *certificates)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", certificates->home);
    CHECK(system(command) == 0);
}

struct certificate_paths certificates_issue_for(struct certificates *certificates, const char *authority,
                                                const char *name, const char *hosts, struct certificate_period period)
{
    const struct certificate_period year = {-90000, 365 * 86400};
    char directory[96];
    char out[128];
    char trouble[512];
    struct span room = {(uint8_t *)trouble, sizeof(trouble)};
    struct certificate_paths paths;
    snprintf(directory, sizeof(directory), "%s/%.20s", certificates->home, authority);
    snprintf(out, sizeof(out), "%s/%.20s.%.20s", certificates->home, authority, name);
    snprintf(paths.authority, CERTIFICATE_PATH_BYTES, "%s/ca.pem", directory);
    snprintf(paths.certificate, CERTIFICATE_PATH_BYTES, "%s/cert.pem", out);
    snprintf(paths.key, CERTIFICATE_PATH_BYTES, "%s/key.pem", out);
    if (access(paths.authority, F_OK) != 0)
        must(certificate_authority_create(directory, &year, room), trouble);
    struct certificate_order order = {directory, name, hosts, out, period};
    must(certificate_issue(&order, room), trouble);
    return paths;
}

struct certificate_paths certificates_issue(struct certificates *certificates, const char *authority, const char *name,
                                            const char *hosts)
{
    return certificates_issue_for(certificates, authority, name, hosts, (struct certificate_period){-3600, 86400});
}
