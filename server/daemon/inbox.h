/* inbox.h: how threads meet: a list of messages under a lock, and a way to wake the one who reads it.
 *
 * Posting never fails and never waits: whoever may post has reserved its place before (a parked compound for its
 * result, the replica's window for its entries), so the bound is that of the reservations; over `capacity` is a bug. */
#ifndef SERVER_DAEMON_INBOX_H
#define SERVER_DAEMON_INBOX_H

#include <pthread.h>
#include <stdint.h>

#include "base/list.h"

struct inbox {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    struct list messages;
    uint32_t count;
    uint32_t capacity;
    bool waiting;                /* the reader sleeps in inbox_wait */
    void (*wake)(void *context); /* NULL: the reader sleeps in inbox_wait */
    void *wake_context;
};

/* wake may be NULL; it is called in the poster's thread, at most once until the reader has taken. */
void inbox_init(struct inbox *inbox, uint32_t capacity, void (*wake)(void *context), void *wake_context);
void inbox_fini(struct inbox *inbox);

/* Any thread. The reader becomes the message's owner. */
void inbox_post(struct inbox *inbox, struct list_link *message);

/* Moves all messages to `taken` (initialised here). Reader only. */
void inbox_take(struct inbox *inbox, struct list *taken);

/* The same, but sleeps until there is a message or timeout_ms has passed (taken is then empty). Reader only. */
void inbox_wait(struct inbox *inbox, struct list *taken, uint32_t timeout_ms);

#endif
