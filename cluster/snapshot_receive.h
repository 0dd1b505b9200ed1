/* snapshot_receive.h: the actor that fetches another member's state into the staging folder.
 *
 * It asks; it is offered a manifest; it fetches the files of the state, piece by piece, a few of them under way, in order; it
 * has the staged state opened and looked through; it fetches the blocks that the state's rows name; it has everything
 * made durable, and a final marker written. Then the node starts anew and puts it in the state's place (install.h).
 *
 * What is lost on the way is asked for again, from the last piece that came on. A copy that is gone at the sender is begun
 * anew with another one. Silence, damage and a full disk end the fetch; it is given up, after a rest unless the member is
 * just gone, and the leader, which repeats its message, may cause another one. Nothing of this touches the running state.
 * Pure. */
#ifndef CLUSTER_SNAPSHOT_RECEIVE_H
#define CLUSTER_SNAPSHOT_RECEIVE_H

#include "base/block_id.h"
#include "cluster/snapshot_message.h"

struct snapshot_receive;

/* A block that the staged state refers to. */
struct snapshot_block {
    struct block_id id;
    uint64_t size_bytes;
    struct hash128 checksum; /* hash_content() of its bytes */
};

struct snapshot_receive_moment {
    uint64_t now_ms;
    uint64_t applied_index; /* of this node */
};

enum snapshot_receive_input_kind {
    SNAPSHOT_RECEIVE_FETCH,  /* fetch the state of member `node`; ignored while another fetch is under way */
    SNAPSHOT_RECEIVE_HEARD,  /* `message`: an OFFER, a CHUNK or an ANSWER; what is taken out of it is set to NULL */
    SNAPSHOT_RECEIVE_LOST,   /* the connection over which `node` was heard has ended */
    SNAPSHOT_RECEIVE_DONE,   /* BEGIN, OPEN or FINISH has ended with `status`; or WRITE or STORE has failed */
    SNAPSHOT_RECEIVE_LISTED, /* the answer to LIST: `blocks` (read now), none: there are no more */
    SNAPSHOT_RECEIVE_TICK,
};

struct snapshot_receive_input {
    enum snapshot_receive_input_kind kind;
    uint64_t node;
    struct snapshot_message *message;
    enum status status;
    const struct snapshot_block *blocks;
    size_t block_count; /* at most SNAPSHOT_BLOCKS_LISTED */
};

enum snapshot_receive_action_kind {
    SNAPSHOT_RECEIVE_DO_SEND,    /* `message` (owner goes along) */
    SNAPSHOT_RECEIVE_DO_BEGIN,   /* empty the staging folder, see that there is room for `manifest`, make its files */
    SNAPSHOT_RECEIVE_DO_WRITE,   /* `data` at `offset` of file `file`; `last`: sync it, it is whole */
    SNAPSHOT_RECEIVE_DO_OPEN,    /* open the staged state: is it what `manifest` says, and sound? */
    SNAPSHOT_RECEIVE_DO_LIST,    /* the next blocks of the staged state behind `block` (0: from the first) */
    SNAPSHOT_RECEIVE_DO_STORE,   /* `data` is block `block` */
    SNAPSHOT_RECEIVE_DO_FINISH,  /* close and sync everything, then write the marker with `manifest` */
    SNAPSHOT_RECEIVE_DO_READY,   /* it is all there: start anew */
    SNAPSHOT_RECEIVE_DO_CLEAR,   /* close what is open, empty the staging folder; `status`: why */
    SNAPSHOT_RECEIVE_DO_GIVE_UP, /* the fetch has come to nothing */
};

struct snapshot_receive_action {
    struct snapshot_receive_action *next;
    enum snapshot_receive_action_kind kind;
    struct snapshot_message *message;
    const struct snapshot_manifest *manifest;
    size_t file;
    uint64_t offset;
    struct slice data;
    bool last;
    struct block_id block;
    enum status status;
};

struct snapshot_receive *snapshot_receive_create(const uint8_t cluster_id[16]);
void snapshot_receive_destroy(struct snapshot_receive *receive);

/* The actions live until the next step. */
struct snapshot_receive_action *snapshot_receive_step(struct snapshot_receive *receive,
                                                      struct snapshot_receive_input *input,
                                                      const struct snapshot_receive_moment *moment);

/* For status pages: whether a fetch is under way, and how far it is. */
struct snapshot_receive_status {
    bool fetching;
    uint64_t node;
    uint64_t index; /* of the copy; 0: not known yet */
    uint64_t bytes;
    uint64_t total_bytes;
};
void snapshot_receive_status(const struct snapshot_receive *receive, struct snapshot_receive_status *status);

#endif
