#include "server/daemon/peers.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "server/daemon/version.h"

/* What was given, or the machine's name, which may be none that others can use. */
static struct endpoint_text advertise_text(const struct config *config)
{
    char name[PEER_HOST_MAX_BYTES + 1] = "";
    struct peer_endpoint endpoint;
    if (config->advertise.host != NULL) /* config_read has looked at it */
        CHECK(endpoint_make(config->advertise.host, config->advertise.port, &endpoint) == STATUS_OK);
    else if (gethostname(name, sizeof(name) - 1) != 0 || endpoint_make(name, config->peer.port, &endpoint) != STATUS_OK)
        CHECK(endpoint_make("localhost", config->peer.port, &endpoint) == STATUS_OK);
    return endpoint_print(&endpoint);
}

enum status peers_open(struct peers *peers, const struct config *config, const struct disk *disk, char *trouble,
                       size_t room)
{
    *peers = (struct peers){.advertise = advertise_text(config)};
    enum status status = data_directory_count_start(disk, &peers->starts);
    if (status != STATUS_OK) {
        snprintf(trouble, room, "data-dir: counting the start: %s", status_name(status));
        return status;
    }
    if (config->peer_ca == NULL)
        return STATUS_OK;
    struct peer_tls_files files = {config->peer_ca, config->peer_cert, config->peer_key};
    char problem[512];
    if (peer_tls_context_create(&files, &peers->tls, (struct span){(uint8_t *)problem, sizeof(problem)}) != STATUS_OK) {
        snprintf(trouble, room, "peer-ca, peer-cert, peer-key: %s", problem);
        return STATUS_REFUSED;
    }
    if (config->advertise.host != NULL && !peer_tls_context_covers(peers->tls, config->advertise.host)) {
        snprintf(trouble, room, "peer-cert: %s does not cover %s, the host of advertise: issue it with --host %s",
                 config->peer_cert, config->advertise.host, config->advertise.host);
        return STATUS_REFUSED;
    }
    return STATUS_OK;
}

enum status peers_fit(struct peers *peers, const struct node_identity *identity, const struct endpoint_list *members,
                      const struct config *config, char *trouble, size_t room)
{
    if (members->count > 1 && peers->tls == NULL) {
        snprintf(trouble, room, "peer-ca, peer-cert, peer-key: wanted: this is node %llu of a cluster of several",
                 (unsigned long long)identity->node_id);
        return STATUS_REFUSED;
    }
    for (uint32_t i = 0; i < members->count && config->advertise.host == NULL; i++) {
        if (members->items[i].node == identity->node_id)
            peers->advertise = endpoint_print(&members->items[i]);
    }
    return STATUS_OK;
}

void peers_close(struct peers *peers)
{
    if (peers->tls != NULL)
        peer_tls_context_destroy(peers->tls);
}

struct peer_hello peers_hello(const struct peers *peers, const struct node_identity *identity)
{
    struct peer_hello hello = {
        .in_cluster = true,
        .node = identity->node_id,
        .incarnation = peers->starts,
        .feature_level = QNFS_FEATURE_LEVEL,
    };
    memcpy(hello.cluster, identity->cluster_id, sizeof(hello.cluster));
    return hello;
}
