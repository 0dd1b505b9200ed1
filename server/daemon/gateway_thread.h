/* gateway_thread.h: the thread of one gateway loop: it carries messages between sockets, other threads and the frontend
 * actor, and carries out what the actor wants. */
#ifndef SERVER_DAEMON_GATEWAY_THREAD_H
#define SERVER_DAEMON_GATEWAY_THREAD_H

#include "base/clock.h"
#include "base/log.h"
#include "gateway/socket_loop.h"
#include "server/daemon/frontend.h"
#include "server/daemon/inbox.h"

struct gateway_thread;

/* What other threads send to a loop; on the heap, freed by the loop. */
enum gateway_post_kind {
    GATEWAY_POST_RESULT,  /* `buffer`: a packed result for `place` */
    GATEWAY_POST_BLOCKS,  /* block reads of `place` are done; `ok` */
    GATEWAY_POST_CALL,    /* `call` */
    GATEWAY_POST_ADOPT,   /* the socket `descriptor` and the `call` that it brings along */
    GATEWAY_POST_REPLY,   /* `buffer` (may be NULL) for `connection` */
    GATEWAY_POST_ABORT,   /* `connection` */
    GATEWAY_POST_GONE,    /* `connection` of another loop */
    GATEWAY_POST_EFFECT,  /* `effect` */
    GATEWAY_POST_ADVANCE, /* the state has moved */
    GATEWAY_POST_BARRIER, /* the answer to ask_barrier: `number`, `index` */
    GATEWAY_POST_DRAIN,   /* accept no more connections and begin no more calls; what is under way ends */
    GATEWAY_POST_STOP,    /* close everything and end the thread */
};
struct gateway_post {
    struct list_link link;
    enum gateway_post_kind kind;
    struct connection_id connection;
    uint64_t place;
    bool ok;
    struct buffer *buffer;
    struct frontend_call *call;
    int descriptor;
    struct machine_effect effect;
    uint64_t number;
    uint64_t index;
};

/* How a loop reaches the rest of the node; any of them may be called in the loop's thread. */
struct gateway_ports {
    void *context;
    void (*propose)(void *context, struct proposal *proposal);
    void (*read_blocks)(void *context, uint32_t loop, uint64_t place, struct nfs4_block_read *reads, size_t count);
    /* The post goes to another loop, which becomes its owner. */
    void (*post)(void *context, uint32_t loop, struct gateway_post *post);
    /* Asks the raft loop (RAFT_LOOP_READ); the answer is GATEWAY_POST_BARRIER with the number. One at a time. */
    void (*ask_barrier)(void *context, uint32_t loop, uint64_t number);
};

struct gateway_thread_config {
    struct frontend_config frontend;
    struct gateway_ports ports;
    struct kv_store *store;
    const struct published *published;
    struct clock clock;
    const struct log *log;
    int listen_descriptor;        /* duplicated */
    struct socket_budget *budget; /* of all loops */
};

/* A loop that can be posted to, but does not run yet. STATUS_IO. */
MUST_CHECK enum status gateway_thread_create(const struct gateway_thread_config *config,
                                             struct gateway_thread **thread);

/* Starts the thread; it serves at once. Once. */
void gateway_thread_run(struct gateway_thread *thread);

/* A new post with a kind. */
struct gateway_post *gateway_post_create(enum gateway_post_kind kind);

/* Hands a post to the loop; any thread. */
void gateway_thread_post(struct gateway_thread *thread, struct gateway_post *post);

/* Waits for the thread's end after GATEWAY_POST_STOP. It can still be posted to: nobody looks. */
void gateway_thread_join(struct gateway_thread *thread);

/* Frees it, when nobody posts any more. */
void gateway_thread_destroy(struct gateway_thread *thread);

/* Whether something in the loop waits for the state to move: then it wants GATEWAY_POST_ADVANCE. Any thread. */
bool gateway_thread_waits(const struct gateway_thread *thread);

/* Copies of the loop's counters, at most a tick old; any thread. */
struct gateway_thread_counters {
    struct gateway_counters gateway;
    struct nfs4_counters nfs4;
};
void gateway_thread_counters(struct gateway_thread *thread, struct gateway_thread_counters *counters);

/* When the loop last turned over with nothing left to do, boot time in ms (health). Any thread. */
uint64_t gateway_thread_alive_ms(const struct gateway_thread *thread);

#endif
