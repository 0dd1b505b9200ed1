/* steward.h: the actor that does what no client asks for: the first commands of a cluster, this process's registration,
 * leases that run out, freeing in steps, reports of free space; and what the operator asks for. All of these are commands
 * like those of clients; their origin is the node's own request number. And it sweeps up the node's own garbage: blocks that
 * the state no longer refers to. Pure. */
#ifndef SERVER_DAEMON_STEWARD_H
#define SERVER_DAEMON_STEWARD_H

#include "base/buffer.h"
#include "base/random.h"
#include "cluster/replica.h"
#include "proto/log.pb-c.h"
#include "server/daemon/config.h"
#include "statestore/machine/garbage.h"
#include "statestore/machine/machine.h"

struct steward;

struct steward_moment {
    uint64_t now_ms;
    struct kv_read *view;
    uint64_t uptime_ms;      /* the cluster's clock, as the leader would stamp it now */
    uint64_t command_number; /* of the last command in the state */
    uint64_t flushed_number; /* commands up to it survive a crash of this node */
    uint64_t pinned_number;  /* garbage of later commands stays; 0: none does */
    uint64_t free_bytes;
    uint64_t total_bytes;
    bool log_low; /* the log lives from its reserve */
};

enum steward_message_kind {
    STEWARD_START,  /* the raft loop takes proposals, whether or not it knows a leader: the first message but ticks */
    STEWARD_LEADER, /* this node leads (`on`), or no longer does; on: also what STEWARD_START says */
    STEWARD_LOST,   /* leading in `term`: process `incarnation` of `node` is certainly silent (RAFT_LOOP_DO_LOST) */
    STEWARD_RESULT, /* `bytes`: a packed result for `place` */
    STEWARD_EFFECT, /* `effect` of the machine */
    STEWARD_TICK,   /* time has passed, or a flush has ended */
    STEWARD_REQUEST, /* the operator's `command` (body alone is set; read now, not kept), answered under `token` (0: nobody waits) */
    STEWARD_GARBAGE_REMOVED, /* what STEWARD_DO_REMOVE named is gone */
};

struct steward_message {
    enum steward_message_kind kind;
    bool on;
    uint64_t place;
    struct slice bytes;
    const struct machine_effect *effect;
    Qnfs__Command *command;
    uint64_t token;
    uint64_t node;
    struct incarnation_id incarnation;
    uint64_t term;
};

enum steward_action_kind {
    STEWARD_DO_PROPOSE, /* `proposal`, until its result */
    STEWARD_DO_SERVE,   /* the node is registered as `incarnation`: open the gates; `machine` has keys and ids */
    STEWARD_DO_ANSWER,  /* `bytes` (packed result, one owner goes along) for `token`; NULL: refused, not serving */
    STEWARD_DO_REMOVE,  /* remove the blocks of `garbage`, then STEWARD_GARBAGE_REMOVED */
    STEWARD_DO_FORGET,  /* tell the applier that all garbage up to the one in `garbage` is removed */
    STEWARD_DO_FLUSH,   /* ask the applier for a flush */
    /* This process's incarnation was closed by others: what it holds of clients is void. It must close their connections
     * unread and start anew. Given once. */
    STEWARD_DO_RESTART,
};

struct steward_action {
    struct steward_action *next;
    enum steward_action_kind kind;
    struct proposal *proposal;
    struct incarnation_id incarnation;
    const struct machine *machine;
    uint64_t token;
    struct buffer *bytes;
    const struct garbage *garbage;
    size_t garbage_count;
};

struct steward_config {
    uint64_t node;
    uint64_t nonce; /* stands for the incarnation in tickets before there is one; the highest bit is set */
    uint8_t cluster_id[16];
    const char *advertise;
    const char *version;
    const struct config_export *exports; /* for a fresh cluster */
    size_t export_count;
};

/* `config` and what it points to must live as long; random is used for a fresh cluster's key. */
struct steward *steward_create(const struct steward_config *config, struct random random);
void steward_destroy(struct steward *steward);

/* One step; the actions live until the next one. */
struct steward_action *steward_step(struct steward *steward, const struct steward_message *message,
                                    const struct steward_moment *moment);

/* Whether STEWARD_DO_SERVE has been given. */
bool steward_serving(const struct steward *steward);

#endif
