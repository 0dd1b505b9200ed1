/* scene.h: the whole machine under a test's hand: a store, one node, the export /data, and clients with sessions. Each
 * command is packed, unpacked and applied as the apply thread does it, and every result is unpacked from its bytes. */
#ifndef TESTS_SUPPORT_SCENE_H
#define TESTS_SUPPORT_SCENE_H

#include "statestore/machine/apply.h"
#include "statestore/machine/client.h"
#include "statestore/machine/open.h"
#include "statestore/machine/session.h"
#include "statestore/store/kv_memory.h"

#define SCENE_SLOTS 8u

/* A 4.1 client with one session. */
struct scene_client {
    struct client_id id;
    uint32_t create_sequence; /* next csa_sequence */
    struct session_id session;
    uint64_t epoch;
    uint32_t seqids[SCENE_SLOTS]; /* last one used */
    uint32_t uid;
};

struct scene {
    struct kv_store *store; /* owned */
    struct machine machine;
    struct arena arena; /* of everything until scene_fini */
    uint64_t index;
    uint64_t term; /* of the next commands: a higher one is another leader's */
    uint64_t uptime_ms;
    int64_t wall_ns;
    uint64_t node;
    struct incarnation_id incarnation; /* put on tickets */
    uint32_t uid;                      /* of credentials */
    struct file_id root;               /* of /data */
    struct slice content;              /* rides beside the next commands */
    struct machine_answer answer;      /* of the last command */
};

/* A cluster with a registered node 1 and the export /data (squash none). */
void scene_init(struct scene *scene);
/* An empty store: no cluster, no node. */
void scene_init_empty(struct scene *scene);
void scene_fini(struct scene *scene);
int scene_setup(void **state);
/* Also looks through the whole state. */
int scene_teardown(void **state);

struct kv_read *scene_read(struct scene *scene);

/* Fails the test with the finds of machine_check. */
void scene_check(struct scene *scene);

/* Applies a command as an entry of its own, with this scene's ticket and credential if it has none. */
Qnfs__Result *scene_apply(struct scene *scene, Qnfs__Command *command);
/* The same as the command at `place` of the present entry of `count` commands. */
Qnfs__Result *scene_apply_at(struct scene *scene, Qnfs__Command *command, uint32_t place, uint32_t count);
/* How many effects of a kind the last command had. */
unsigned scene_effects(const struct scene *scene, enum machine_effect_kind kind);

/* A new incarnation of the node. */
void scene_register(struct scene *scene);
/* Time goes on. */
void scene_wait(struct scene *scene, uint64_t seconds);
/* Expire until there is no more. */
void scene_expire(struct scene *scene);

/* --- builders: messages in the scene's arena --- */
Qnfs__Command *scene_command(struct scene *scene);
ProtobufCBinaryData scene_bytes(struct scene *scene, const void *bytes, size_t size_bytes);
ProtobufCBinaryData scene_text(struct scene *scene, const char *text);
Qnfs__FileRef *scene_file(struct scene *scene, struct file_id id);
Qnfs__Stateid *scene_stateid(struct scene *scene, struct stateid stateid);
Qnfs__Attributes *scene_attributes(struct scene *scene);

/* EXCHANGE_ID as owner `name` with a verifier of `boot` bytes. */
Qnfs__Result *scene_exchange_id(struct scene *scene, const char *name, uint8_t boot, uint32_t flags);
Qnfs__Result *scene_create_session(struct scene *scene, uint64_t client, uint32_t sequence, uint8_t digest);
/* RECLAIM_COMPLETE without a slot, so that tests count their seqids from 1. */
Qnfs__Result *scene_reclaim_complete(struct scene *scene, const struct scene_client *client);
/* EXCHANGE_ID and CREATE_SESSION; fails the test if they fail. */
struct scene_client scene_client_reclaiming(struct scene *scene, const char *name, uint8_t boot);
/* All three, as real clients begin. */
struct scene_client scene_client(struct scene *scene, const char *name, uint8_t boot);
Qnfs__Result *scene_attach(struct scene *scene, struct session_id session, uint64_t epoch);

/* Gives the command the client's slot as its origin, with the next seqid, operation 1. */
void scene_slot(struct scene *scene, struct scene_client *client, uint32_t slot, Qnfs__Command *command);
/* scene_slot on slot 0 and scene_apply. */
Qnfs__Result *scene_send(struct scene *scene, struct scene_client *client, Qnfs__Command *command);

/* --- operations, each with a slot of its client --- */
Qnfs__Command *scene_open_command(struct scene *scene, const char *owner, const char *name, uint32_t access,
                                  uint32_t deny);
/* Opens /data/name, made if it does not exist. */
Qnfs__Result *scene_open(struct scene *scene, struct scene_client *client, const char *owner, const char *name,
                         uint32_t access, uint32_t deny);
/* Fails the test unless it is NFS4_OK; gives the stateid. */
struct stateid scene_open_ok(struct scene *scene, struct scene_client *client, const char *owner, const char *name,
                             uint32_t access, uint32_t deny);
Qnfs__Result *scene_close(struct scene *scene, struct scene_client *client, struct file_id file,
                          struct stateid stateid);
Qnfs__Result *scene_remove(struct scene *scene, struct scene_client *client, const char *name);
/* The file /data/name. */
struct file_id scene_lookup(struct scene *scene, const char *name);
/* LOCK by a new lock owner under an open, or by an existing one's stateid. */
Qnfs__Result *scene_lock_new(struct scene *scene, struct scene_client *client, struct file_id file, struct stateid open,
                             const char *owner, uint32_t type, uint64_t offset, uint64_t length);
Qnfs__Result *scene_lock(struct scene *scene, struct scene_client *client, struct file_id file, struct stateid lock,
                         uint32_t type, uint64_t offset, uint64_t length);
Qnfs__Result *scene_unlock(struct scene *scene, struct scene_client *client, struct file_id file, struct stateid lock,
                           uint64_t offset, uint64_t length);
/* The stateid in a result. */
struct stateid scene_result_stateid(const Qnfs__Result *result);

#endif
