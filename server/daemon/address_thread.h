/* address_thread.h: the thread of the address keeper (cluster/address_keeper.h): it reads the table from the state, looks at the
 * links, and speaks with the kernel. */
#ifndef SERVER_DAEMON_ADDRESS_THREAD_H
#define SERVER_DAEMON_ADDRESS_THREAD_H

#include "base/clock.h"
#include "base/log.h"
#include "gateway/accepted.h"
#include "proto/log.pb-c.h"
#include "server/daemon/published.h"
#include "statestore/machine/id.h"

struct address_ports {
    void *context;
    /* The command goes through the log some time, or is lost; read now, not kept. */
    void (*propose)(void *context, const Qnfs__Command *command);
    /* Asks for a read barrier; the answer comes by address_thread_barrier. */
    void (*ask)(void *context, uint64_t number);
    /* Tells all other nodes of connections, as address_thread_told hears of them; read now, not kept. */
    void (*tell)(void *context, struct slice bytes);
};

struct address_thread;

/* Starts it; store, published and accepted must outlive it. `listens_everywhere`: to any address of the host; else this node can
 * have none of the floating ones. */
struct address_thread *address_thread_start(struct kv_store *store, const struct published *published,
                                            struct accepted *accepted, bool listens_everywhere,
                                            const struct address_ports *ports, struct clock clock,
                                            const struct log *log);

/* Any thread: this process is registered as this incarnation. */
void address_thread_registered(struct address_thread *thread, struct incarnation_id incarnation);
/* Any thread: the node's lease has lapsed, or it is heard again. */
void address_thread_alive(struct address_thread *thread, bool alive);
/* Any thread: the answer to a question. */
void address_thread_barrier(struct address_thread *thread, uint64_t number, uint64_t index);
/* Any thread: another node has told of connections (AddressConnections). */
void address_thread_told(struct address_thread *thread, struct slice bytes);
/* Any thread, when it is visible: the table has changed, or a process has opened or closed. */
void address_thread_changed(struct address_thread *thread);
/* Any thread: whether the address is on a device here. */
bool address_thread_has(struct address_thread *thread, uint64_t id);

/* Gives all addresses up, and waits ADDRESS_LEAVE_MS at most until others may have them. Then no address is on. */
void address_thread_leave(struct address_thread *thread);
/* Ends the thread, and frees it. Nobody posts any more. */
void address_thread_stop(struct address_thread *thread);
void address_thread_destroy(struct address_thread *thread);

#endif
