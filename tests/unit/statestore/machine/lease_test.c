/* Leases, courtesy clients, and what happens to state that is in somebody's way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/limits.h"
#include "proto/nfs4/lock.h"
#include "proto/nfs4/open.h"
#include "statestore/machine/inode.h"
#include "statestore/machine/lease.h"
#include "statestore/machine/lock.h"
#include "statestore/machine/purge.h"
#include "tests/support/scene.h"

#define R OPEN4_SHARE_ACCESS_READ
#define RW OPEN4_SHARE_ACCESS_BOTH

static struct client_usage usage_of(struct scene *scene, struct client_id client)
{
    struct client_usage usage;
    assert_true(client_usage_get(scene_read(scene), client, &scene->arena, &usage));
    return usage;
}

static bool exists(struct scene *scene, struct client_id id)
{
    struct client client;
    return client_get(scene_read(scene), id, &scene->arena, &client);
}

static void renew(struct scene *scene, struct client_id client)
{
    uint64_t clients[] = {client.value, 999999 /* gone meanwhile */};
    Qnfs__Renew body = QNFS__RENEW__INIT;
    Qnfs__Command *command = scene_command(scene);
    body.n_clients = 2;
    body.clients = clients;
    command->body_case = QNFS__COMMAND__BODY_RENEW;
    command->renew = &body;
    assert_int_equal(scene_apply(scene, command)->status, NFS4_OK);
}

/* A lease of 60 seconds is judged 15 seconds after its end: renewals come late. */
static void test_renewal(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    assert_int_equal(usage_of(scene, client.id).lease_end_ms, scene->uptime_ms + 60000);
    scene_wait(scene, 74);
    scene_expire(scene);
    assert_false(usage_of(scene, client.id).courtesy);
    renew(scene, client.id);
    assert_int_equal(usage_of(scene, client.id).lease_end_ms, scene->uptime_ms + 60000);
    scene_wait(scene, 74);
    scene_expire(scene);
    assert_false(usage_of(scene, client.id).courtesy);
    scene_wait(scene, 1);
    scene_expire(scene);
    assert_true(usage_of(scene, client.id).courtesy);
    assert_int_equal(scene->machine.courtesy_count, 1);
    renew(scene, client.id);
    assert_false(usage_of(scene, client.id).courtesy);
    assert_int_equal(scene->machine.courtesy_count, 0);
}

/* The nodes of an earlier leader may have known of renewals that are in no log: a full period for everyone. */
static void test_new_leader(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    scene_wait(scene, 74);
    assert_false(lease_due(scene_read(scene), scene->uptime_ms + 999, &scene->arena));
    assert_true(lease_due(scene_read(scene), scene->uptime_ms + 1000, &scene->arena));
    scene->term++;
    scene_expire(scene);
    scene_wait(scene, 59);
    assert_false(lease_due(scene_read(scene), scene->uptime_ms, &scene->arena));
    scene_expire(scene);
    assert_false(usage_of(scene, client.id).courtesy);
    scene_wait(scene, 1);
    assert_true(lease_due(scene_read(scene), scene->uptime_ms, &scene->arena));
    scene_expire(scene);
    assert_true(usage_of(scene, client.id).courtesy);
}

static void test_lease_setting(void **state)
{
    struct scene *scene = *state;
    Qnfs__SettingSet body = QNFS__SETTING_SET__INIT;
    Qnfs__Command *command = scene_command(scene);
    body.name = scene_text(scene, "lease-seconds");
    body.value = scene_text(scene, "10");
    command->body_case = QNFS__COMMAND__BODY_SETTING_SET;
    command->setting_set = &body;
    assert_int_equal(scene_apply(scene, command)->status, NFS4_OK);
    struct scene_client client = scene_client(scene, "a", 1);
    assert_int_equal(usage_of(scene, client.id).lease_end_ms, scene->uptime_ms + 10000);
}

/* Time that nobody led does not count; a leader with a shorter uptime does not set it back. */
static void test_uptime_never_goes_back(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    scene_wait(scene, 30);
    renew(scene, client.id);
    uint64_t uptime_ms = scene->uptime_ms;
    scene->uptime_ms = 5;
    renew(scene, client.id);
    assert_int_equal(scene->machine.uptime_ms, uptime_ms);
    assert_int_equal(usage_of(scene, client.id).lease_end_ms, uptime_ms + 60000);
}

static void test_slot_command_revives(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    struct stateid stateid = scene_open_ok(scene, &client, "o", "f", RW, 0);
    scene_wait(scene, 1000);
    scene_expire(scene);
    assert_true(usage_of(scene, client.id).courtesy);
    assert_int_equal(scene_close(scene, &client, scene_lookup(scene, "f"), stateid)->status, NFS4_OK);
    assert_false(usage_of(scene, client.id).courtesy);
    scene_wait(scene, 1000);
    scene_expire(scene);
    scene_attach(scene, client.session, 1);
    assert_false(usage_of(scene, client.id).courtesy);
}

static void test_unconfirmed_ends_at_once(void **state)
{
    struct scene *scene = *state;
    struct client_id id = {scene_exchange_id(scene, "a", 1, 0)->exchange_id->client};
    scene_wait(scene, 75);
    scene_expire(scene);
    assert_false(exists(scene, id));
    assert_int_equal(scene->machine.client_count, 0);
}

static void test_expire_in_steps(void **state)
{
    struct scene *scene = *state;
    for (unsigned i = 0; i < LEASE_EXPIRE_STEP + 10; i++) {
        char name[16];
        snprintf(name, sizeof(name), "c%u", i);
        assert_int_equal(scene_exchange_id(scene, name, 1, 0)->status, NFS4_OK);
    }
    scene_wait(scene, 75);
    uint64_t before = scene->index;
    scene_expire(scene);
    assert_int_equal(scene->index - before, 2);
    assert_int_equal(scene->machine.client_count, 0);
}

/* An open in the way of a live client: the courtesy client loses all that it has. */
static void test_share_conflict(void **state)
{
    struct scene *scene = *state;
    struct scene_client a = scene_client(scene, "a", 1);
    scene_open_ok(scene, &a, "o", "f", RW, OPEN4_SHARE_DENY_BOTH);
    struct stateid g = scene_open_ok(scene, &a, "o", "g", RW, 0);
    struct scene_client b = scene_client(scene, "b", 1);
    assert_int_equal(scene_open(scene, &b, "o", "f", R, 0)->status, NFS4ERR_SHARE_DENIED);
    scene_wait(scene, 76);
    renew(scene, b.id);
    scene_expire(scene);
    assert_int_equal(scene_open(scene, &b, "o", "f", R, 0)->status, NFS4_OK);
    assert_int_equal(scene_effects(scene, EFFECT_CLIENT_GONE), 1);
    assert_int_equal(scene_effects(scene, EFFECT_SESSION_LEFT), 1);
    assert_false(exists(scene, a.id));
    assert_int_equal(scene_close(scene, &a, scene_lookup(scene, "g"), g)->status, NFS4ERR_BADSESSION);
}

static enum nfsstat4 write_anonymous(struct scene *scene, struct scene_client *client, const char *name)
{
    Qnfs__Write body = QNFS__WRITE__INIT;
    Qnfs__Command *command = scene_command(scene);
    body.file = scene_file(scene, scene_lookup(scene, name));
    body.stateid = scene_stateid(scene, (struct stateid){0});
    body.client = client->id.value;
    command->body_case = QNFS__COMMAND__BODY_WRITE;
    command->write = &body;
    scene->content = slice_text("x");
    enum nfsstat4 status = (enum nfsstat4)scene_send(scene, client, command)->status;
    scene->content = SLICE_EMPTY;
    return status;
}

/* I/O without an open is denied by live clients only. A READ takes nothing from a courtesy client, a WRITE does. */
static void test_anonymous_conflict(void **state)
{
    struct scene *scene = *state;
    struct scene_client a = scene_client(scene, "a", 1);
    struct scene_client b = scene_client(scene, "b", 1);
    scene_open_ok(scene, &a, "o", "f", RW, OPEN4_SHARE_DENY_BOTH);
    struct file_id file = scene_lookup(scene, "f");
    const struct stateid anonymous = {0};
    assert_int_equal(open_judge_io(scene_read(scene), file, anonymous, b.id, false, 1, &scene->arena), NFS4ERR_LOCKED);
    assert_int_equal(write_anonymous(scene, &b, "f"), NFS4ERR_LOCKED);
    scene_wait(scene, 76);
    renew(scene, b.id);
    scene_expire(scene);
    assert_int_equal(open_judge_io(scene_read(scene), file, anonymous, b.id, false, 1, &scene->arena), NFS4_OK);
    assert_true(exists(scene, a.id));
    assert_int_equal(write_anonymous(scene, &b, "f"), NFS4_OK);
    assert_false(exists(scene, a.id));
}

/* If a live client is in the way as well, the courtesy client keeps its state. */
static void test_conflict_with_both(void **state)
{
    struct scene *scene = *state;
    struct scene_client a = scene_client(scene, "a", 1);
    struct scene_client c = scene_client(scene, "c", 1);
    scene_open_ok(scene, &a, "o", "f", R, OPEN4_SHARE_DENY_WRITE);
    scene_open_ok(scene, &c, "o", "f", R, OPEN4_SHARE_DENY_WRITE);
    scene_wait(scene, 76);
    struct scene_client b = scene_client(scene, "b", 1);
    renew(scene, c.id);
    scene_expire(scene);
    assert_true(usage_of(scene, a.id).courtesy);
    assert_int_equal(scene_open(scene, &b, "o", "f", RW, 0)->status, NFS4ERR_SHARE_DENIED);
    assert_true(exists(scene, a.id));
}

static void test_lock_conflict(void **state)
{
    struct scene *scene = *state;
    struct scene_client a = scene_client(scene, "a", 1);
    struct scene_client b = scene_client(scene, "b", 1);
    struct stateid open_a = scene_open_ok(scene, &a, "o", "f", RW, 0);
    struct stateid open_b = scene_open_ok(scene, &b, "o", "f", RW, 0);
    struct file_id file = scene_lookup(scene, "f");
    assert_int_equal(scene_lock_new(scene, &a, file, open_a, "l", WRITE_LT, 0, 10)->status, NFS4_OK);
    assert_int_equal(scene_lock_new(scene, &b, file, open_b, "l", WRITE_LT, 5, 10)->status, NFS4ERR_DENIED);
    scene_wait(scene, 76);
    renew(scene, b.id);
    scene_expire(scene);
    /* LOCKT says what LOCK will do. */
    struct lock_conflict conflict;
    const struct lock_request request = {WRITE_LT, 5, 10};
    assert_int_equal(lock_test(scene_read(scene), file, b.id, slice_text("l"), &request, &scene->arena, &conflict),
                     NFS4_OK);
    assert_true(exists(scene, a.id));
    assert_int_equal(scene_lock_new(scene, &b, file, open_b, "l", WRITE_LT, 5, 10)->status, NFS4_OK);
    assert_false(exists(scene, a.id));
}

/* More state than one command frees: what is left belongs to nobody and stops nobody until Purge has freed it. */
static void test_large_client(void **state)
{
    struct scene *scene = *state;
    struct scene_client a = scene_client(scene, "a", 1);
    struct stateid f = scene_open_ok(scene, &a, "o", "f", RW, OPEN4_SHARE_DENY_BOTH);
    struct file_id file = scene_lookup(scene, "f");
    Qnfs__Result *result = scene_lock_new(scene, &a, file, f, "l", WRITE_LT, 0, 1);
    struct stateid lock = scene_result_stateid(result);
    for (unsigned i = 0; i < CLIENT_STEP_ROWS + 200; i++) {
        char owner[16];
        snprintf(owner, sizeof(owner), "o%u", i);
        scene_open_ok(scene, &a, owner, "g", R, OPEN4_SHARE_DENY_WRITE);
    }
    struct file_id g = scene_lookup(scene, "g");
    scene_lock(scene, &a, file, lock, WRITE_LT, 10, 1);
    scene_remove(scene, &a, "g");
    Qnfs__ClientEvict body = QNFS__CLIENT_EVICT__INIT;
    Qnfs__Command *command = scene_command(scene);
    command->body_case = QNFS__COMMAND__BODY_CLIENT_EVICT;
    command->client_evict = &body;
    body.client = a.id.value;
    assert_int_equal(scene_apply(scene, command)->status, NFS4_OK);
    assert_int_equal(scene_effects(scene, EFFECT_PURGE), 1);
    assert_false(exists(scene, a.id));
    assert_true(purge_pending(scene_read(scene), &scene->arena));
    scene_check(scene);
    assert_true(open_any(scene_read(scene), g, &scene->arena));
    /* What stands in the way is taken away on the spot, as much as one command may. */
    struct scene_client b = scene_client(scene, "b", 1);
    Qnfs__Command *open = scene_open_command(scene, "o", "", RW, 0);
    open->open->create = false;
    open->open->claim = CLAIM_FH;
    open->open->file = scene_file(scene, g);
    unsigned delays = 0;
    while (scene_send(scene, &b, open)->status == NFS4ERR_DELAY)
        delays++;
    assert_true(delays >= 2);
    scene_check(scene);
    bool more = true;
    while (more) {
        Qnfs__Purge purge = QNFS__PURGE__INIT;
        command = scene_command(scene);
        command->body_case = QNFS__COMMAND__BODY_PURGE;
        command->purge = &purge;
        more = scene_apply(scene, command)->purge->more;
    }
    assert_false(purge_pending(scene_read(scene), &scene->arena));
}

/* NFS4_CLIENTS_MAX: the oldest courtesy client makes room, else the new one waits. */
static void test_clients_bound(void **state)
{
    struct scene *scene = *state;
    struct scene_client a = scene_client(scene, "a", 1);
    scene_wait(scene, 10);
    struct scene_client b = scene_client(scene, "b", 1);
    uint64_t count = scene->machine.client_count;
    scene->machine.client_count = NFS4_CLIENTS_MAX; /* as if there were so many */
    assert_int_equal(scene_exchange_id(scene, "c", 1, 0)->status, NFS4ERR_DELAY);
    scene_wait(scene, 76);
    scene_expire(scene);
    assert_int_equal(scene_exchange_id(scene, "c", 1, 0)->status, NFS4_OK);
    assert_false(exists(scene, a.id));
    assert_true(exists(scene, b.id));
    assert_int_equal(scene->machine.client_count, NFS4_CLIENTS_MAX);
    scene->machine.client_count = count; /* for the check at the end: one went, one came */
    renew(scene, b.id);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_renewal),
        TEST(test_new_leader),
        TEST(test_lease_setting),
        TEST(test_uptime_never_goes_back),
        TEST(test_slot_command_revives),
        TEST(test_unconfirmed_ends_at_once),
        TEST(test_expire_in_steps),
        TEST(test_share_conflict),
        TEST(test_anonymous_conflict),
        TEST(test_conflict_with_both),
        TEST(test_lock_conflict),
        TEST(test_large_client),
        TEST(test_clients_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
