/* steward_thread.h: the thread of the steward actor, and how the admin door waits for it. */
#ifndef SERVER_DAEMON_STEWARD_THREAD_H
#define SERVER_DAEMON_STEWARD_THREAD_H

#include "base/clock.h"
#include "base/log.h"
#include "blockstore/block.h"
#include "server/daemon/published.h"
#include "server/daemon/steward.h"

struct steward_ports {
    void *context;
    void (*propose)(void *context, struct proposal *proposal);
    /* The node is registered; called once, in the steward's thread. */
    void (*serve)(void *context, struct incarnation_id incarnation, const struct machine *machine);
    /* STEWARD_DO_RESTART. */
    void (*restart)(void *context);
    /* Some time has passed. */
    void (*ticked)(void *context, struct kv_read *view);
    /* The state should be flushed soon. */
    void (*flush)(void *context);
    /* The bytes of all garbage up to this one are removed. */
    void (*swept)(void *context, const struct garbage *garbage);
    void (*failed)(void *context, enum status status, const char *what);
};

struct steward_thread;

/* Takes over the steward and starts the thread; store, blocks and published must outlive the thread. */
struct steward_thread *steward_thread_start(struct steward *steward, struct kv_store *store, struct block_store *blocks,
                                            const struct published *published, const struct steward_ports *ports,
                                            struct clock clock, const struct log *log);

/* Any thread: proposals are taken from now on. Once, before steward_thread_lead. */
void steward_thread_begin(struct steward_thread *thread);
/* Any thread: this node leads, and another node's process is certainly silent (RAFT_LOOP_DO_LOST). */
void steward_thread_lost(struct steward_thread *thread, uint64_t node, struct incarnation_id incarnation,
                         uint64_t term);
/* Any thread: this node leads, or no longer does. */
void steward_thread_lead(struct steward_thread *thread, bool leader);
/* The result of a proposal; one owner of the bytes goes along. */
void steward_thread_result(struct steward_thread *thread, uint64_t place, struct buffer *bytes);
void steward_thread_effect(struct steward_thread *thread, const struct machine_effect *effect);

/* A request that nobody waits for; it is dropped if the node does not serve. Any other thread. */
void steward_thread_propose(struct steward_thread *thread, const Qnfs__Command *command);

/* admin.h's `execute`: waits for the command's result. STATUS_REFUSED, STATUS_CLOSED as there. Any other thread. */
MUST_CHECK enum status steward_thread_execute(struct steward_thread *thread, const Qnfs__Command *command,
                                              uint32_t timeout_ms, struct arena *arena, Qnfs__Result **result);

/* The same without waiting: `tell` is called in the steward's thread with the packed result (its own until it returns), or NULL:
 * refused, this node does not serve. Not called if the thread ends before. Any thread. */
void steward_thread_ask(struct steward_thread *thread, const Qnfs__Command *command,
                        void (*tell)(void *context, uint64_t token, const struct buffer *bytes), void *context,
                        uint64_t token);

/* Ends the thread; nobody waits in steward_thread_execute any more. */
void steward_thread_stop(struct steward_thread *thread);

/* Frees it with the steward, when nobody holds its proposals any more. */
void steward_thread_destroy(struct steward_thread *thread);

#endif
