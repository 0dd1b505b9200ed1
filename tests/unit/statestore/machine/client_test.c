/* EXCHANGE_ID, CREATE_SESSION, DESTROY_CLIENTID, RECLAIM_COMPLETE: the cases of RFC 8881 sections 18.35, 18.36, 18.50,
 * 18.51, by their numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/limits.h"
#include "proto/nfs4/client.h"
#include "proto/nfs4/open.h"
#include "proto/nfs4/session.h"
#include "tests/support/scene.h"

#define UPDATE EXCHGID4_FLAG_UPD_CONFIRMED_REC_A

static Qnfs__Result *destroy_clientid(struct scene *scene, uint64_t client)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__DestroyClientid *body = arena_alloc(&scene->arena, sizeof(*body));
    qnfs__destroy_clientid__init(body);
    body->client = client;
    command->body_case = QNFS__COMMAND__BODY_DESTROY_CLIENTID;
    command->destroy_clientid = body;
    return scene_apply(scene, command);
}

static Qnfs__Command *destroy_session(struct scene *scene, struct session_id session)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__DestroySession *body = arena_alloc(&scene->arena, sizeof(*body));
    qnfs__destroy_session__init(body);
    body->session = scene_bytes(scene, session.bytes, sizeof(session.bytes));
    command->body_case = QNFS__COMMAND__BODY_DESTROY_SESSION;
    command->destroy_session = body;
    return command;
}

/* Case 1: a new owner is unconfirmed until CREATE_SESSION. */
static void test_new_owner(void **state)
{
    struct scene *scene = *state;
    Qnfs__Result *result = scene_exchange_id(scene, "a", 1, EXCHGID4_FLAG_SUPP_MOVED_REFER);
    assert_int_equal(result->status, NFS4_OK);
    assert_int_equal(result->exchange_id->client, result->number);
    assert_int_equal(result->exchange_id->sequence, 1);
    assert_int_equal(result->exchange_id->flags, EXCHGID4_FLAG_USE_NON_PNFS);
    struct client client;
    assert_true(client_get(scene_read(scene), (struct client_id){result->number}, &scene->arena, &client));
    assert_false(client.confirmed);
    assert_int_equal(scene->machine.client_count, 1);
}

static void test_bad_flags(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(scene_exchange_id(scene, "a", 1, 0x00000008)->status, NFS4ERR_INVAL);
    assert_int_equal(scene_exchange_id(scene, "a", 1, EXCHGID4_FLAG_CONFIRMED_R)->status, NFS4ERR_INVAL);
    assert_int_equal(scene->machine.client_count, 0);
}

/* Case 2: the same again gives the same client. */
static void test_same_again(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    Qnfs__Result *result = scene_exchange_id(scene, "a", 1, 0);
    assert_int_equal(result->status, NFS4_OK);
    assert_int_equal(result->exchange_id->client, client.id.value);
    assert_int_equal(result->exchange_id->flags, EXCHGID4_FLAG_USE_NON_PNFS | EXCHGID4_FLAG_CONFIRMED_R);
    assert_int_equal(result->exchange_id->sequence, 2);
}

/* Case 3: another principal. */
static void test_collision(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    scene->uid = 7;
    assert_int_equal(scene_exchange_id(scene, "a", 1, 0)->status, NFS4ERR_CLID_INUSE);
    assert_int_equal(scene_exchange_id(scene, "a", 2, 0)->status, NFS4ERR_CLID_INUSE);
    scene->uid = 0;
    assert_int_equal(scene_apply(scene, destroy_session(scene, client.session))->status, NFS4_OK);
    scene->uid = 7; /* nothing depends on the record any more */
    Qnfs__Result *result = scene_exchange_id(scene, "a", 2, 0);
    assert_int_equal(result->status, NFS4_OK);
    assert_int_not_equal(result->exchange_id->client, client.id.value);
    /* The new one takes the owner over when it is confirmed. */
    assert_int_equal(scene_create_session(scene, result->exchange_id->client, 1, 1)->status, NFS4_OK);
    struct client gone;
    assert_false(client_get(scene_read(scene), client.id, &scene->arena, &gone));
}

/* Case 3, but the first client's lease has run out. */
static void test_collision_expired(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    scene_wait(scene, 76);
    scene_expire(scene);
    scene->uid = 7;
    Qnfs__Result *result = scene_exchange_id(scene, "a", 1, 0);
    assert_int_equal(result->status, NFS4_OK);
    assert_int_not_equal(result->exchange_id->client, client.id.value);
    /* It comes back before the other has confirmed: then it keeps what it has. */
    scene->uid = 0;
    scene_open_ok(scene, &client, "o", "f", OPEN4_SHARE_ACCESS_READ, 0);
    scene->uid = 7;
    assert_int_equal(scene_create_session(scene, result->exchange_id->client, 1, 1)->status, NFS4ERR_CLID_INUSE);
}

/* Case 4: an unconfirmed record is replaced. */
static void test_unconfirmed_replaced(void **state)
{
    struct scene *scene = *state;
    uint64_t first = scene_exchange_id(scene, "a", 1, 0)->exchange_id->client;
    uint64_t second = scene_exchange_id(scene, "a", 1, 0)->exchange_id->client;
    assert_int_not_equal(first, second);
    assert_int_equal(scene->machine.client_count, 1);
    assert_int_equal(scene_create_session(scene, first, 1, 1)->status, NFS4ERR_STALE_CLIENTID);
    assert_int_equal(scene_create_session(scene, second, 1, 1)->status, NFS4_OK);
}

/* Case 5: the client has booted anew: what the earlier boot held goes when the new one is confirmed, not before. */
static void test_restart(void **state)
{
    struct scene *scene = *state;
    struct scene_client old = scene_client(scene, "a", 1);
    struct stateid stateid = scene_open_ok(scene, &old, "o", "f", OPEN4_SHARE_ACCESS_BOTH, 0);
    struct file_id file = scene_lookup(scene, "f");
    assert_int_equal(scene_lock_new(scene, &old, file, stateid, "l", 2, 0, 10)->status, NFS4_OK);
    Qnfs__Result *result = scene_exchange_id(scene, "a", 2, 0);
    uint64_t new_id = result->exchange_id->client;
    assert_int_equal(result->exchange_id->flags, EXCHGID4_FLAG_USE_NON_PNFS);
    assert_true(open_any(scene_read(scene), file, &scene->arena));
    assert_int_equal(scene_create_session(scene, new_id, 1, 1)->status, NFS4_OK);
    assert_int_equal(scene_effects(scene, EFFECT_SESSION_LEFT), 1);
    assert_int_equal(scene_effects(scene, EFFECT_CLIENT_GONE), 1);
    assert_false(open_any(scene_read(scene), file, &scene->arena));
    assert_int_equal(scene_open(scene, &old, "o", "f", 1, 0)->status, NFS4ERR_BADSESSION);
    assert_int_equal(scene->machine.client_count, 1);
}

/* Cases 6 to 9: updates. */
static void test_update(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(scene_exchange_id(scene, "a", 1, UPDATE)->status, NFS4ERR_NOENT);
    scene_exchange_id(scene, "a", 1, 0);
    assert_int_equal(scene_exchange_id(scene, "a", 1, UPDATE)->status, NFS4ERR_NOENT); /* not confirmed */
    struct scene_client client = scene_client(scene, "a", 1);
    Qnfs__Result *result = scene_exchange_id(scene, "a", 1, UPDATE | EXCHGID4_FLAG_SUPP_MOVED_MIGR);
    assert_int_equal(result->status, NFS4_OK);
    assert_int_equal(result->exchange_id->client, client.id.value);
    assert_int_equal(result->exchange_id->flags, EXCHGID4_FLAG_USE_NON_PNFS | EXCHGID4_FLAG_CONFIRMED_R);
    assert_int_equal(scene_exchange_id(scene, "a", 2, UPDATE)->status, NFS4ERR_NOT_SAME);
    scene->uid = 9;
    assert_int_equal(scene_exchange_id(scene, "a", 2, UPDATE)->status, NFS4ERR_PERM);
}

static void test_gss_principal(void **state)
{
    struct scene *scene = *state;
    Qnfs__Credential credential = QNFS__CREDENTIAL__INIT;
    credential.flavor = 1;
    struct slice system = client_principal(&credential, &scene->arena);
    credential.uid = 1;
    assert_false(slice_equal(system, client_principal(&credential, &scene->arena)));
    credential.flavor = 6;
    credential.principal = scene_text(scene, "nfs/host@REALM");
    struct slice gss = client_principal(&credential, &scene->arena);
    credential.uid = 2; /* the mapping of a principal to a uid may change */
    assert_true(slice_equal(gss, client_principal(&credential, &scene->arena)));
    assert_int_equal(client_principal(NULL, &scene->arena).size_bytes, 4);
}

static void test_create_session_result(void **state)
{
    struct scene *scene = *state;
    uint64_t client = scene_exchange_id(scene, "a", 1, 0)->exchange_id->client;
    Qnfs__Result *result = scene_create_session(scene, client, 1, 1);
    assert_int_equal(result->status, NFS4_OK);
    const Qnfs__CreateSessionResult *made = result->create_session;
    assert_int_equal(made->sequence, 1);
    assert_int_equal(made->flags, CREATE_SESSION4_FLAG_PERSIST | CREATE_SESSION4_FLAG_CONN_BACK_CHAN);
    assert_int_equal(made->epoch, 1);
    assert_int_equal(made->client, client);
    assert_int_equal(made->fore->max_requests, SCENE_SLOTS);
    assert_true(made->back->max_requests <= NFS4_CALLBACK_SLOTS_MAX);
    struct session_id id;
    memcpy(id.bytes, made->session.data, sizeof(id.bytes));
    assert_true(session_id_genuine(&scene->machine.mac_key, id));
    id.bytes[15] ^= 1;
    assert_false(session_id_genuine(&scene->machine.mac_key, id));
    struct session session;
    id.bytes[15] ^= 1;
    assert_true(session_get(scene_read(scene), id, &scene->arena, &session));
    assert_int_equal(session.incarnation.value, scene->incarnation.value);
}

/* CREATE_SESSION is a slot of its own: (client, csa_sequence). */
static void test_create_session_replay(void **state)
{
    struct scene *scene = *state;
    uint64_t client = scene_exchange_id(scene, "a", 1, 0)->exchange_id->client;
    assert_int_equal(scene_create_session(scene, client, 0, 1)->status, NFS4ERR_SEQ_MISORDERED);
    assert_int_equal(scene_create_session(scene, client, 2, 1)->status, NFS4ERR_SEQ_MISORDERED);
    Qnfs__Result *first = scene_create_session(scene, client, 1, 1);
    Qnfs__Result *again = scene_create_session(scene, client, 1, 1);
    assert_int_equal(first->outcome, MACHINE_EXECUTED);
    assert_int_equal(again->outcome, MACHINE_REPLAYED);
    assert_int_equal(again->number, first->number);
    assert_memory_equal(again->create_session->session.data, first->create_session->session.data, 16);
    assert_int_equal(scene_create_session(scene, client, 1, 2)->status, NFS4ERR_SEQ_MISORDERED);
    assert_int_equal(scene_create_session(scene, client, 2, 3)->status, NFS4_OK);
    assert_int_equal(scene_create_session(scene, client, 1, 1)->status, NFS4ERR_SEQ_MISORDERED);
    assert_int_equal(session_count(scene_read(scene), (struct client_id){client}, 10, &scene->arena), 2);
}

static void test_create_session_principal(void **state)
{
    struct scene *scene = *state;
    uint64_t client = scene_exchange_id(scene, "a", 1, 0)->exchange_id->client;
    scene->uid = 5;
    assert_int_equal(scene_create_session(scene, client, 1, 2)->status, NFS4ERR_CLID_INUSE);
    scene->uid = 0; /* the sequence is not used up by a stranger */
    assert_int_equal(scene_create_session(scene, client, 1, 1)->status, NFS4_OK);
    scene->uid = 5; /* a confirmed client ID may be used by others (RFC 8881 section 18.36.4) */
    assert_int_equal(scene_create_session(scene, client, 2, 1)->status, NFS4_OK);
}

static void test_create_session_stale(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(scene_create_session(scene, 12345, 1, 1)->status, NFS4ERR_STALE_CLIENTID);
}

/* An error is a result like any other: the retry sees it, the next sequence goes on. */
static void test_create_session_error_kept(void **state)
{
    struct scene *scene = *state;
    uint64_t client = scene_exchange_id(scene, "a", 1, 0)->exchange_id->client;
    for (unsigned bad = 0; bad < 2; bad++) {
        Qnfs__Command *command = scene_command(scene);
        Qnfs__CreateSession *body = arena_alloc(&scene->arena, sizeof(*body));
        Qnfs__ChannelAttributes channel = QNFS__CHANNEL_ATTRIBUTES__INIT;
        qnfs__create_session__init(body);
        channel.max_requests = bad == 0 ? 0 : 1;
        channel.max_operations = 2;
        channel.max_request_size = 10;
        channel.max_response_size = 1000;
        body->client = client;
        body->sequence = 1 + bad;
        body->fore = body->back = &channel;
        body->digest = scene_bytes(scene, "0123456789abcdef", 16);
        command->body_case = QNFS__COMMAND__BODY_CREATE_SESSION;
        command->create_session = body;
        enum nfsstat4 expected = bad == 0 ? NFS4ERR_INVAL : NFS4ERR_TOOSMALL;
        assert_int_equal(scene_apply(scene, command)->status, expected);
        Qnfs__Result *again = scene_apply(scene, command);
        assert_int_equal(again->status, expected);
        assert_int_equal(again->outcome, MACHINE_REPLAYED);
    }
    assert_int_equal(scene_create_session(scene, client, 3, 1)->status, NFS4_OK);
}

static void test_session_bound(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    for (uint32_t i = 2; i <= NFS4_SESSIONS_PER_CLIENT_MAX; i++)
        assert_int_equal(scene_create_session(scene, client.id.value, i, 1)->status, NFS4_OK);
    uint32_t next = NFS4_SESSIONS_PER_CLIENT_MAX + 1;
    assert_int_equal(scene_create_session(scene, client.id.value, next, 1)->status, NFS4ERR_NOSPC);
    assert_int_equal(scene_apply(scene, destroy_session(scene, client.session))->status, NFS4_OK);
    assert_int_equal(scene_create_session(scene, client.id.value, next + 1, 1)->status, NFS4_OK);
}

static void test_destroy_session(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    scene_open_ok(scene, &client, "o", "f", OPEN4_SHARE_ACCESS_READ, 0);
    struct session_id forged = client.session;
    forged.bytes[0] ^= 1;
    assert_int_equal(scene_apply(scene, destroy_session(scene, forged))->status, NFS4ERR_BADSESSION);
    scene->uid = 3;
    assert_int_equal(scene_apply(scene, destroy_session(scene, client.session))->status, NFS4ERR_WRONG_CRED);
    scene->uid = 0;
    /* In a compound of its own session. */
    assert_int_equal(scene_send(scene, &client, destroy_session(scene, client.session))->status, NFS4_OK);
    assert_int_equal(scene_effects(scene, EFFECT_SESSION_LEFT), 1);
    struct slot slot;
    assert_false(slot_get(scene_read(scene), client.session, 0, &scene->arena, &slot));
    assert_int_equal(scene_send(scene, &client, destroy_session(scene, client.session))->status, NFS4ERR_BADSESSION);
}

static void test_destroy_clientid(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(destroy_clientid(scene, 99)->status, NFS4ERR_STALE_CLIENTID);
    struct scene_client client = scene_client(scene, "a", 1);
    struct stateid stateid = scene_open_ok(scene, &client, "o", "f", OPEN4_SHARE_ACCESS_READ, 0);
    assert_int_equal(destroy_clientid(scene, client.id.value)->status, NFS4ERR_CLIENTID_BUSY);
    scene_close(scene, &client, scene_lookup(scene, "f"), stateid);
    assert_int_equal(destroy_clientid(scene, client.id.value)->status, NFS4ERR_CLIENTID_BUSY);
    scene_apply(scene, destroy_session(scene, client.session));
    assert_int_equal(destroy_clientid(scene, client.id.value)->status, NFS4_OK);
    assert_int_equal(destroy_clientid(scene, client.id.value)->status, NFS4ERR_STALE_CLIENTID);
    assert_int_equal(scene->machine.client_count, 0);
}

static void test_destroy_clientid_open_without_session(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    scene_open_ok(scene, &client, "o", "f", OPEN4_SHARE_ACCESS_READ, 0);
    scene_apply(scene, destroy_session(scene, client.session));
    assert_int_equal(destroy_clientid(scene, client.id.value)->status, NFS4ERR_CLIENTID_BUSY);
}

/* RFC 8881 section 18.51.3. */
static void test_reclaim_complete_comes_first(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client_reclaiming(scene, "a", 1);
    struct scene_client other = scene_client(scene, "b", 1);
    struct stateid open = scene_open_ok(scene, &other, "o", "f", OPEN4_SHARE_ACCESS_BOTH, 0);
    assert_int_equal(scene_open(scene, &client, "o", "f", OPEN4_SHARE_ACCESS_READ, 0)->status, NFS4ERR_GRACE);
    assert_int_equal(scene_open(scene, &client, "o", "new", OPEN4_SHARE_ACCESS_READ, 0)->status, NFS4ERR_GRACE);
    Qnfs__Command *reclaim = scene_open_command(scene, "o", "f", OPEN4_SHARE_ACCESS_READ, 0);
    reclaim->open->claim = CLAIM_PREVIOUS;
    reclaim->open->create = false;
    assert_int_equal(scene_send(scene, &client, reclaim)->status, NFS4ERR_NO_GRACE);
    struct file_id file = scene_lookup(scene, "f");
    assert_int_equal(scene_lock_new(scene, &client, file, open, "l", 2, 0, 1)->status, NFS4ERR_GRACE);
    assert_int_equal(scene_lock_new(scene, &other, file, open, "l", 2, 0, 1)->status, NFS4_OK);
    assert_int_equal(scene_reclaim_complete(scene, &client)->status, NFS4_OK);
    scene_open_ok(scene, &client, "o", "f", OPEN4_SHARE_ACCESS_READ, 0);
}

/* A client that never sends it waits for one lease period after its confirmation, whatever it renews meanwhile. */
static void test_reclaim_complete_never_comes(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client_reclaiming(scene, "a", 1);
    uint64_t confirmed_ms = scene->machine.uptime_ms;
    scene->uptime_ms = confirmed_ms + 59000;
    Qnfs__Result *result = scene_create_session(scene, client.id.value, client.create_sequence, 9);
    assert_int_equal(result->status, NFS4_OK);
    scene->uptime_ms = confirmed_ms + 59999;
    assert_int_equal(scene_open(scene, &client, "o", "f", OPEN4_SHARE_ACCESS_READ, 0)->status, NFS4ERR_GRACE);
    scene->uptime_ms = confirmed_ms + 60000;
    scene_open_ok(scene, &client, "o", "f", OPEN4_SHARE_ACCESS_READ, 0);
    assert_int_equal(scene_reclaim_complete(scene, &client)->status, NFS4_OK);
    scene_open_ok(scene, &client, "o", "f", OPEN4_SHARE_ACCESS_READ, 0);
}

/* Each boot of a client reclaims anew. */
static void test_reclaim_complete_after_restart(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    scene_open_ok(scene, &client, "o", "f", OPEN4_SHARE_ACCESS_READ, 0);
    client = scene_client_reclaiming(scene, "a", 2);
    assert_int_equal(scene_open(scene, &client, "o", "f", OPEN4_SHARE_ACCESS_READ, 0)->status, NFS4ERR_GRACE);
    assert_int_equal(scene_reclaim_complete(scene, &client)->status, NFS4_OK);
    scene_open_ok(scene, &client, "o", "f", OPEN4_SHARE_ACCESS_READ, 0);
}

static void test_reclaim_complete(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client_reclaiming(scene, "a", 1);
    Qnfs__ReclaimComplete body = QNFS__RECLAIM_COMPLETE__INIT;
    Qnfs__Command *command = scene_command(scene);
    command->body_case = QNFS__COMMAND__BODY_RECLAIM_COMPLETE;
    command->reclaim_complete = &body;
    body.one_fs = true;
    assert_int_equal(scene_send(scene, &client, command)->status, NFS4_OK);
    body.one_fs = false;
    assert_int_equal(scene_send(scene, &client, command)->status, NFS4_OK);
    assert_int_equal(scene_send(scene, &client, command)->status, NFS4ERR_COMPLETE_ALREADY);
    body.one_fs = true;
    assert_int_equal(scene_send(scene, &client, command)->status, NFS4_OK);
}

static void test_evict(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    scene_open_ok(scene, &client, "o", "f", OPEN4_SHARE_ACCESS_READ, 0);
    Qnfs__ClientEvict body = QNFS__CLIENT_EVICT__INIT;
    Qnfs__Command *command = scene_command(scene);
    command->body_case = QNFS__COMMAND__BODY_CLIENT_EVICT;
    command->client_evict = &body;
    body.client = 4711;
    Qnfs__Result *result = scene_apply(scene, command);
    assert_int_equal(result->status, NFS4ERR_NOENT);
    assert_int_equal(result->body_case, QNFS__RESULT__BODY_TEXT);
    body.client = client.id.value;
    assert_int_equal(scene_apply(scene, command)->status, NFS4_OK);
    assert_int_equal(scene_effects(scene, EFFECT_CLIENT_GONE), 1);
    assert_int_equal(scene_open(scene, &client, "o", "f", 1, 0)->status, NFS4ERR_BADSESSION);
}

static void test_walk(void **state)
{
    struct scene *scene = *state;
    struct scene_client a = scene_client(scene, "a", 1);
    struct scene_client b = scene_client(scene, "b", 1);
    struct client_walk walk;
    struct client client;
    struct client_usage usage;
    client_walk_open(scene_read(scene), (struct client_id){0}, &scene->arena, &walk);
    assert_true(client_walk_get(&walk, &client, &usage));
    assert_int_equal(client.id.value, a.id.value);
    assert_true(slice_equal(client.owner, slice_text("a")));
    client_walk_next(&walk);
    assert_true(client_walk_get(&walk, &client, &usage));
    assert_int_equal(client.id.value, b.id.value);
    client_walk_next(&walk);
    assert_false(client_walk_get(&walk, &client, &usage));
    client_walk_close(&walk);
    client_walk_open(scene_read(scene), a.id, &scene->arena, &walk);
    assert_true(client_walk_get(&walk, &client, &usage));
    assert_int_equal(client.id.value, b.id.value);
    client_walk_close(&walk);
    client_walk_open(scene_read(scene), (struct client_id){UINT64_MAX}, &scene->arena, &walk);
    assert_false(client_walk_get(&walk, &client, &usage));
    client_walk_close(&walk);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_new_owner),
        TEST(test_bad_flags),
        TEST(test_same_again),
        TEST(test_collision),
        TEST(test_collision_expired),
        TEST(test_unconfirmed_replaced),
        TEST(test_restart),
        TEST(test_update),
        TEST(test_gss_principal),
        TEST(test_create_session_result),
        TEST(test_create_session_replay),
        TEST(test_create_session_principal),
        TEST(test_create_session_stale),
        TEST(test_create_session_error_kept),
        TEST(test_session_bound),
        TEST(test_destroy_session),
        TEST(test_destroy_clientid),
        TEST(test_destroy_clientid_open_without_session),
        TEST(test_reclaim_complete_comes_first),
        TEST(test_reclaim_complete_never_comes),
        TEST(test_reclaim_complete_after_restart),
        TEST(test_reclaim_complete),
        TEST(test_evict),
        TEST(test_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
