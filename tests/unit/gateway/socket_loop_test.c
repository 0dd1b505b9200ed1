/* socket_loop_test.c: real sockets under a loop in a thread of its own; the test decides what waits when it polls. */
#include "gateway/socket_loop.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"

#define PLACES 16u

/* A loop whose connections get the lowest free place, as those of gateway/connection.c nearly do. */
struct scene {
    struct socket_loop *loop;
    struct socket_budget budget;
    struct sockaddr_in address;
    int listener;
    pthread_t thread;
    sem_t paused; /* the loop stands still ... */
    sem_t go;     /* ... until this */
    sem_t event;  /* something was noted below */
    bool stop;    /* at the next wake */
    bool detach;  /* whoever sends something */
    bool used[PLACES];
    uint64_t generation;
    unsigned opened;
    unsigned closed;
    unsigned received;
    int detached;
};

static struct connection_id on_opened(void *context, struct slice address)
{
    struct scene *scene = context;
    uint64_t place = 0;
    assert_int_equal(address.size_bytes, 4);
    while (scene->used[place])
        place++;
    scene->used[place] = true;
    scene->opened++;
    sem_post(&scene->event);
    return (struct connection_id){++scene->generation << 20 | place};
}

static void on_received(void *context, struct connection_id id, struct buffer *buffer, struct slice piece)
{
    struct scene *scene = context;
    (void)buffer;
    scene->received += (unsigned)piece.size_bytes;
    if (scene->detach) {
        scene->used[id.value & 0xfffff] = false; /* as the frontend does, before the loop hears of it */
        scene->detached = socket_loop_detach(scene->loop, id);
    }
    sem_post(&scene->event);
}

static void on_sent(void *context, struct connection_id id, size_t size_bytes)
{
    (void)context;
    (void)id;
    (void)size_bytes;
}

static void on_closed(void *context, struct connection_id id)
{
    struct scene *scene = context;
    scene->used[id.value & 0xfffff] = false;
    scene->closed++;
    sem_post(&scene->event);
}

static void on_woken(void *context)
{
    struct scene *scene = context;
    sem_post(&scene->paused);
    sem_wait(&scene->go);
    if (scene->stop)
        socket_loop_stop(scene->loop);
}

static void on_tick(void *context)
{
    (void)context;
}

static void *loop_main(void *context)
{
    struct scene *scene = context;
    socket_loop_run(scene->loop);
    return NULL;
}

static void scene_open(struct scene *scene)
{
    static const struct log quiet = {.level = LOG_ERROR, .descriptor = STDERR_FILENO};
    *scene = (struct scene){.detached = -1, .budget = {.most = 8}};
    scene->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(scene->address);
    scene->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(scene->listener, (struct sockaddr *)&scene->address, size), 0);
    assert_int_equal(listen(scene->listener, 16), 0);
    assert_int_equal(getsockname(scene->listener, (struct sockaddr *)&scene->address, &size), 0);
    sem_init(&scene->paused, 0, 0);
    sem_init(&scene->go, 0, 0);
    sem_init(&scene->event, 0, 0);
    const struct socket_loop_handler handler = {scene, on_opened, on_received, on_sent, on_closed, on_woken, on_tick};
    assert_int_equal(socket_loop_create(&handler, scene->listener, &scene->budget, &quiet, &scene->loop), STATUS_OK);
    assert_int_equal(socket_loop_accept(scene->loop), STATUS_OK);
    assert_int_equal(pthread_create(&scene->thread, NULL, loop_main, scene), 0);
}

/* The loop stands still until scene_go. */
static void scene_pause(struct scene *scene)
{
    socket_loop_wake(scene->loop);
    sem_wait(&scene->paused);
}

static void scene_go(struct scene *scene)
{
    sem_post(&scene->go);
}

static void scene_close(struct scene *scene)
{
    scene_pause(scene);
    scene->stop = true;
    scene_go(scene);
    pthread_join(scene->thread, NULL);
    socket_loop_destroy(scene->loop);
    assert_int_equal(scene->budget.used, 0);
    close(scene->listener);
    sem_destroy(&scene->paused);
    sem_destroy(&scene->go);
    sem_destroy(&scene->event);
}

static int scene_connect(struct scene *scene)
{
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(descriptor, (struct sockaddr *)&scene->address, sizeof(scene->address)), 0);
    return descriptor;
}

/* A connection that leaves for another loop and one that comes in the same round of the loop: the new one may get the
 * place of the old one, whose handle is not yet closed. */
static void test_place_of_a_moved_connection(void **state)
{
    (void)state;
    struct scene scene;
    char byte = 'x';
    scene_open(&scene);
    int first = scene_connect(&scene);
    sem_wait(&scene.event);
    scene_pause(&scene);
    scene.detach = true;
    assert_int_equal(send(first, &byte, 1, 0), 1);
    int second = scene_connect(&scene);
    scene_go(&scene);
    sem_wait(&scene.event);
    sem_wait(&scene.event);
    scene_pause(&scene);
    assert_int_equal(scene.opened, 2);
    assert_int_equal(scene.received, 1);
    assert_int_equal(scene.closed, 0); /* who moves is not told that it closed */
    assert_int_equal(scene.budget.used, 2);
    assert_true(scene.detached >= 0);
    scene_go(&scene);

    assert_int_equal(send(scene.detached, &byte, 1, 0), 1); /* its client has noticed nothing */
    assert_int_equal(recv(first, &byte, 1, 0), 1);
    close(scene.detached);
    scene.budget.used--; /* who closes it counts it out */
    close(first);
    close(second);
    scene_close(&scene);
}

/* A detached socket is served on, under a new name. */
static void test_adopted_connection(void **state)
{
    (void)state;
    struct scene scene;
    char byte = 'x';
    scene_open(&scene);
    int client = scene_connect(&scene);
    sem_wait(&scene.event);
    scene_pause(&scene);
    scene.detach = true;
    assert_int_equal(send(client, &byte, 1, 0), 1);
    scene_go(&scene);
    sem_wait(&scene.event);
    scene_pause(&scene);
    scene.detach = false;
    assert_int_not_equal(socket_loop_adopt(scene.loop, scene.detached).value, 0);
    scene_go(&scene);
    sem_wait(&scene.event);
    assert_int_equal(send(client, &byte, 1, 0), 1);
    sem_wait(&scene.event);
    close(client);
    sem_wait(&scene.event);
    scene_pause(&scene);
    assert_int_equal(scene.received, 2);
    assert_int_equal(scene.closed, 1);
    scene_go(&scene);
    scene_close(&scene);
}

/* Over the budget of all loops a client is turned away, and served when another one has left. */
static void test_budget(void **state)
{
    (void)state;
    struct scene scene;
    char byte;
    scene_open(&scene);
    scene.budget.most = 2;
    int first = scene_connect(&scene);
    int second = scene_connect(&scene);
    sem_wait(&scene.event);
    sem_wait(&scene.event);
    int third = scene_connect(&scene);
    assert_true(recv(third, &byte, 1, 0) <= 0);
    close(third);
    close(first);
    sem_wait(&scene.event);
    third = scene_connect(&scene);
    sem_wait(&scene.event);
    scene_pause(&scene);
    assert_int_equal(scene.opened, 3);
    assert_int_equal(scene.closed, 1);
    scene_go(&scene);
    close(second);
    close(third);
    scene_close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_place_of_a_moved_connection),
        cmocka_unit_test(test_adopted_connection),
        cmocka_unit_test(test_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
