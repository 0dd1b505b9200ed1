/* Messages keep their order, arrive once, and wake the reader. */
#include "server/daemon/inbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

struct note {
    struct list_link link;
    uint32_t poster;
    uint32_t number;
};

static uint64_t now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static struct note *next_note(struct list *taken)
{
    struct list_link *link = list_first(taken);
    if (link == NULL)
        return NULL;
    list_remove(link);
    return container_of(link, struct note, link);
}

static void messages_keep_their_order(void **state)
{
    (void)state;
    struct inbox inbox;
    struct note notes[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    struct list taken;
    inbox_init(&inbox, 3, NULL, NULL);
    inbox_take(&inbox, &taken);
    assert_true(list_empty(&taken));
    for (size_t i = 0; i < 3; i++)
        inbox_post(&inbox, &notes[i].link);
    inbox_take(&inbox, &taken);
    for (uint32_t i = 1; i <= 3; i++)
        assert_int_equal(next_note(&taken)->number, i);
    assert_null(next_note(&taken));
    inbox_take(&inbox, &taken);
    assert_true(list_empty(&taken));
    /* The places are free again. */
    for (size_t i = 0; i < 3; i++)
        inbox_post(&inbox, &notes[i].link);
    inbox_wait(&inbox, &taken, 10000);
    assert_int_equal(next_note(&taken)->number, 1);
    inbox_fini(&inbox);
}

static void count_wake(void *context)
{
    *(unsigned *)context += 1;
}

static void wake_is_called_once_until_taken(void **state)
{
    (void)state;
    unsigned wakes = 0;
    struct inbox inbox;
    struct note notes[3] = {0};
    struct list taken;
    inbox_init(&inbox, 10, count_wake, &wakes);
    inbox_post(&inbox, &notes[0].link);
    inbox_post(&inbox, &notes[1].link);
    assert_int_equal(wakes, 1);
    inbox_take(&inbox, &taken);
    inbox_post(&inbox, &notes[2].link);
    assert_int_equal(wakes, 2);
    inbox_take(&inbox, &taken);
    inbox_fini(&inbox);
}

static void waiting_ends_after_its_time(void **state)
{
    (void)state;
    struct inbox inbox;
    struct list taken;
    inbox_init(&inbox, 1, NULL, NULL);
    uint64_t began = now_ms();
    inbox_wait(&inbox, &taken, 30);
    assert_true(now_ms() - began >= 29);
    assert_true(list_empty(&taken));
    inbox_wait(&inbox, &taken, 0);
    assert_true(list_empty(&taken));
    inbox_fini(&inbox);
}

enum { POSTERS = 3, NOTES_EACH = 20000 };

struct poster {
    struct inbox *inbox;
    struct note *notes;
};

static void *poster_run(void *argument)
{
    struct poster *poster = argument;
    for (uint32_t i = 0; i < NOTES_EACH; i++)
        inbox_post(poster->inbox, &poster->notes[i].link);
    return NULL;
}

/* Several threads post, one reads: each message once, those of one thread in order. */
static void many_threads_post(void **state)
{
    (void)state;
    struct inbox inbox;
    inbox_init(&inbox, POSTERS * NOTES_EACH, NULL, NULL);
    struct poster posters[POSTERS];
    pthread_t threads[POSTERS];
    for (uint32_t p = 0; p < POSTERS; p++) {
        posters[p] = (struct poster){&inbox, calloc(NOTES_EACH, sizeof(struct note))};
        for (uint32_t i = 0; i < NOTES_EACH; i++)
            posters[p].notes[i] = (struct note){.poster = p, .number = i};
        assert_int_equal(pthread_create(&threads[p], NULL, poster_run, &posters[p]), 0);
    }
    uint32_t expected[POSTERS] = {0};
    for (uint32_t seen = 0; seen < POSTERS * NOTES_EACH;) {
        struct list taken;
        inbox_wait(&inbox, &taken, 10000);
        assert_false(list_empty(&taken));
        for (struct note *note; (note = next_note(&taken)) != NULL; seen++) {
            assert_int_equal(note->number, expected[note->poster]);
            expected[note->poster]++;
        }
    }
    for (uint32_t p = 0; p < POSTERS; p++) {
        pthread_join(threads[p], NULL);
        free(posters[p].notes);
    }
    inbox_fini(&inbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_keep_their_order),
        cmocka_unit_test(wake_is_called_once_until_taken),
        cmocka_unit_test(waiting_ends_after_its_time),
        cmocka_unit_test(many_threads_post),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
