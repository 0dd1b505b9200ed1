#include "server/daemon/descriptors.h"

#include <sys/resource.h>

#include "base/limits.h"

void descriptors_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

unsigned descriptors_for_clients(const struct log *log)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= GATEWAY_CONNECTIONS_MAX + NODE_DESCRIPTORS_RESERVED)
        return GATEWAY_CONNECTIONS_MAX;
    /* The rest is for RocksDB's tables, log, blocks, and the admin door; of a small limit, half. */
    unsigned descriptors = (unsigned)limit.rlim_cur;
    unsigned most =
        descriptors >= 2 * NODE_DESCRIPTORS_RESERVED ? descriptors - NODE_DESCRIPTORS_RESERVED : descriptors / 2;
    log_line(log, LOG_INFO, "%u open files are allowed: at most %u client connections", descriptors, most);
    return most;
}
