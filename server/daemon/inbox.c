#include "server/daemon/inbox.h"

#include <time.h>

#include "base/check.h"

void inbox_init(struct inbox *inbox, uint32_t capacity, void (*wake)(void *context), void *wake_context)
{
    pthread_condattr_t attributes;
    CHECK(pthread_condattr_init(&attributes) == 0);
    CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_mutex_init(&inbox->mutex, NULL) == 0);
    CHECK(pthread_cond_init(&inbox->condition, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
    list_init(&inbox->messages);
    inbox->count = 0;
    inbox->capacity = capacity;
    inbox->waiting = false;
    inbox->wake = wake;
    inbox->wake_context = wake_context;
}

void inbox_fini(struct inbox *inbox)
{
    CHECK(list_empty(&inbox->messages));
    pthread_cond_destroy(&inbox->condition);
    pthread_mutex_destroy(&inbox->mutex);
}

void inbox_post(struct inbox *inbox, struct list_link *message)
{
    pthread_mutex_lock(&inbox->mutex);
    CHECK(inbox->count < inbox->capacity);
    list_append(&inbox->messages, message);
    bool first = inbox->count++ == 0;
    bool waiting = inbox->waiting;
    pthread_mutex_unlock(&inbox->mutex);
    if (inbox->wake != NULL) {
        if (first)
            inbox->wake(inbox->wake_context);
    } else if (waiting) {
        pthread_cond_signal(&inbox->condition);
    }
}

/* With the lock held. */
static void inbox_move(struct inbox *inbox, struct list *taken)
{
    list_init(taken);
    if (!list_empty(&inbox->messages)) {
        taken->head = inbox->messages.head;
        taken->head.next->previous = &taken->head;
        taken->head.previous->next = &taken->head;
        list_init(&inbox->messages);
    }
    inbox->count = 0;
}

void inbox_take(struct inbox *inbox, struct list *taken)
{
    pthread_mutex_lock(&inbox->mutex);
    inbox_move(inbox, taken);
    pthread_mutex_unlock(&inbox->mutex);
}

void inbox_wait(struct inbox *inbox, struct list *taken, uint32_t timeout_ms)
{
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += timeout_ms / 1000;
    deadline.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (deadline.tv_nsec >= 1000000000) {
        deadline.tv_sec++;
        deadline.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&inbox->mutex);
    inbox->waiting = true;
    while (list_empty(&inbox->messages)) {
        if (pthread_cond_timedwait(&inbox->condition, &inbox->mutex, &deadline) != 0)
            break;
    }
    inbox->waiting = false;
    inbox_move(inbox, taken);
    pthread_mutex_unlock(&inbox->mutex);
}
