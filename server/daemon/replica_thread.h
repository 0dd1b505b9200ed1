/* replica_thread.h: the raft loop's thread and the log writer's. */
#ifndef SERVER_DAEMON_REPLICA_THREAD_H
#define SERVER_DAEMON_REPLICA_THREAD_H

#include "base/clock.h"
#include "base/log.h"
#include "cluster/log_writer.h"
#include "cluster/replica.h"
#include "server/daemon/published.h"

/* What comes out; called in the raft loop's thread, `failed` also in the log writer's. */
struct replica_ports {
    void *context;
    /* One owner of the entry's bytes goes along. */
    void (*apply)(void *context, const struct replica_entry *entry);
    void (*role)(void *context, enum replica_role role, uint64_t term, uint64_t leader);
    void (*space)(void *context, enum log_space space);
    void (*failed)(void *context, enum status status, const char *what);
};

struct replica_thread;

/* Takes over replica and writer. Can be posted to; the threads start with replica_thread_run. */
struct replica_thread *replica_thread_create(struct replica *replica, struct log_writer *writer,
                                             struct published *published, const struct replica_ports *ports,
                                             struct clock clock, const struct log *log);

void replica_thread_run(struct replica_thread *thread);

/* Any thread. The proposal stays the sender's (cluster/replica.h). */
void replica_thread_propose(struct replica_thread *thread, struct proposal *proposal);

/* The applier's word: applied up to index, the machine's uptime. Any thread. */
void replica_thread_applied(struct replica_thread *thread, uint64_t index, uint64_t uptime_ms);

/* A flush that covers index is complete. Any thread. */
void replica_thread_flushed(struct replica_thread *thread, uint64_t index);

/* A copy of the replica's status, at most a step old. Any thread. */
void replica_thread_status(struct replica_thread *thread, struct replica_status *status);

/* When the slower of both threads last turned over, boot time in ms. Any thread. */
uint64_t replica_thread_alive_ms(const struct replica_thread *thread);

/* Ends both threads; what was not yet synced is not waited for. */
void replica_thread_stop(struct replica_thread *thread);

/* Frees it with replica and writer, before those whose proposals it was given. */
void replica_thread_destroy(struct replica_thread *thread);

#endif
