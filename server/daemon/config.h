/* config.h: what qnfsd is told at its start: the file named by --config, and a flag of the same name for every key. A
 * flag beats the file. */
#ifndef SERVER_DAEMON_CONFIG_H
#define SERVER_DAEMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/status.h"

struct config_address {
    const char *host; /* "0.0.0.0", "::", "127.0.0.1", a DNS name where it is to be connected to */
    uint16_t port;
};

struct config_export {
    const char *path;
    bool read_only;
    uint32_t squash; /* enum export_squash */
    const char *const *clients;
    size_t client_count;
    const uint32_t *flavors;
    size_t flavor_count;
};

struct config {
    const char *data_dir;
    struct config_address nfs;
    struct config_address peer;
    struct config_address advertise; /* host NULL: not given */
    struct config_address admin;
    const char *peer_ca;
    const char *peer_cert;
    const char *peer_key;
    bool bootstrap;
    uint32_t bootstrap_expect; /* 0: not given */
    const char *const *peers;
    size_t peer_count;
    const char *const *join;
    size_t join_count;
    enum log_level log_level;
    bool log_json;
    uint32_t gateway_threads; /* 0: one a core */
    bool force_grace;
    const struct config_export *exports; /* made at the first start of a fresh cluster */
    size_t export_count;
    bool help;
    bool version;
};

/* Reads the arguments and the file. Everything lives in the arena. STATUS_BAD_DATA: `trouble` (room bytes) is the line
 * to show; the process then exits with 2. */
MUST_CHECK enum status config_read(int argument_count, char **arguments, struct arena *arena, struct config *config,
                                   char *trouble, size_t room);

/* The text of --help. */
const char *config_usage(void);

#endif
