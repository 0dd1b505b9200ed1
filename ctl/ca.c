#include "base/check.h"
#include "ctl/certificate.h"
#include "ctl/command.h"

#define DAY_SECONDS 86400
/* The nodes' clocks need not agree to the second: a new certificate is good since an hour ago. */
#define SKEW_SECONDS 3600
#define CA_DAYS_DEFAULT 3650
#define NODE_DAYS_DEFAULT 730

static struct certificate_period period_of(const struct ctl *ctl, int64_t default_days)
{
    int64_t days = ctl->arguments->days == 0 ? default_days : ctl->arguments->days;
    return (struct certificate_period){-SKEW_SECONDS, days * DAY_SECONDS};
}

/* Says what is wrong, or with --json which files were written. */
static int files_finish(struct ctl *ctl, enum status status, const char *trouble, const char *directory,
                        const char *certificate, const char *key)
{
    if (status != STATUS_OK) {
        fprintf(ctl->error, "qnfsctl: %s\n", trouble);
        return status == STATUS_BAD_DATA ? CTL_WRONG : CTL_FAILED;
    }
    json_t *answer = json_pack("{s:o, s:o}", "certificate", json_sprintf("%s/%s", directory, certificate), "key",
                               json_sprintf("%s/%s", directory, key));
    CHECK(answer != NULL);
    return ctl_finish(ctl, answer);
}

int command_ca_init(struct ctl *ctl)
{
    const struct ctl_arguments *arguments = ctl->arguments;
    struct certificate_period period = period_of(ctl, CA_DAYS_DEFAULT);
    uint8_t trouble[1024];
    enum status status =
        certificate_authority_create(arguments->directory, &period, (struct span){trouble, sizeof(trouble)});
    return files_finish(ctl, status, (const char *)trouble, arguments->directory, "ca.pem", "ca-key.pem");
}

int command_ca_issue(struct ctl *ctl)
{
    const struct ctl_arguments *arguments = ctl->arguments;
    struct certificate_order order = {
        .directory = arguments->directory,
        .name = arguments->name,
        .hosts = arguments->hosts,
        .out = arguments->out,
        .period = period_of(ctl, NODE_DAYS_DEFAULT),
    };
    uint8_t trouble[1024];
    enum status status = certificate_issue(&order, (struct span){trouble, sizeof(trouble)});
    return files_finish(ctl, status, (const char *)trouble, arguments->out, "cert.pem", "key.pem");
}
