#include "tests/support/scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto/log_codec.h"
#include "proto/nfs4/client.h"
#include "proto/nfs4/open.h"
#include "proto/nfs4/session.h"
#include "statestore/machine/attributes.h"
#include "statestore/machine/dirent.h"

#define SCENE_START_MS 1000u

struct kv_read *scene_read(struct scene *scene)
{
    return kv_store_present(scene->store);
}

void scene_init_empty(struct scene *scene)
{
    *scene = (struct scene){
        .store = kv_memory_create(), .term = 1, .uptime_ms = SCENE_START_MS, .wall_ns = 1000000000, .node = 1};
    arena_init(&scene->arena);
    machine_load(&scene->machine, scene_read(scene), &scene->arena);
}

void scene_init(struct scene *scene)
{
    scene_init_empty(scene);
    Qnfs__Command *command = scene_command(scene);
    Qnfs__ClusterCreate *create = arena_alloc(&scene->arena, sizeof(*create));
    Qnfs__ExportSpec *spec = arena_alloc(&scene->arena, sizeof(*spec));
    qnfs__cluster_create__init(create);
    qnfs__export_spec__init(spec);
    spec->path = scene_text(scene, "/data");
    spec->squash = EXPORT_SQUASH_NONE;
    create->cluster_id = scene_bytes(scene, "cluster-cluster-", 16);
    create->mac_key = scene_bytes(scene, "keykeykeykeykeyk", 16);
    create->n_exports = 1;
    create->exports = arena_alloc(&scene->arena, sizeof(*create->exports));
    create->exports[0] = spec;
    command->body_case = QNFS__COMMAND__BODY_CLUSTER_CREATE;
    command->cluster_create = create;
    assert_int_equal(scene_apply(scene, command)->status, NFS4_OK);
    scene_register(scene);
    scene->root = (struct file_id){{1}, INODE_ROOT, 1};
}

void scene_fini(struct scene *scene)
{
    arena_fini(&scene->arena);
    kv_store_destroy(scene->store);
}

int scene_setup(void **state)
{
    struct scene *scene = malloc(sizeof(*scene));
    assert_non_null(scene);
    scene_init(scene);
    *state = scene;
    return 0;
}

int scene_teardown(void **state)
{
    struct scene *scene = *state;
    scene_check(scene);
    scene_fini(scene);
    free(scene);
    return 0;
}

void scene_check(struct scene *scene)
{
    char text[4096];
    struct arena arena;
    arena_init(&arena);
    size_t finds = machine_check(scene_read(scene), &arena, text, sizeof(text));
    arena_fini(&arena);
    if (finds > 0)
        fail_msg("%zu finds:\n%s", finds, text);
}

/* One credential for all: AUTH_SYS from the loopback address. */
static Qnfs__Credential *credential(struct scene *scene)
{
    static const uint8_t address[4] = {127, 0, 0, 1};
    Qnfs__Credential *made = arena_alloc(&scene->arena, sizeof(*made));
    qnfs__credential__init(made);
    made->flavor = 1;
    made->uid = made->gid = scene->uid;
    made->address = scene_bytes(scene, address, sizeof(address));
    return made;
}

Qnfs__Result *scene_apply_at(struct scene *scene, Qnfs__Command *command, uint32_t place, uint32_t count)
{
    struct arena *arena = &scene->arena;
    if (command->credential == NULL)
        command->credential = credential(scene);
    if (command->ticket == NULL) {
        command->ticket = arena_alloc(arena, sizeof(*command->ticket));
        qnfs__ticket__init(command->ticket);
        command->ticket->incarnation = scene->incarnation.value;
    }
    Qnfs__Command *unpacked;
    assert_int_equal(log_command_unpack(log_command_pack(command, arena), arena, &unpacked), STATUS_OK);

    struct machine_position position = {.index = scene->index,
                                        .term = scene->term,
                                        .command = place,
                                        .command_count = count,
                                        .feature_level = 1,
                                        .uptime_ms = scene->uptime_ms,
                                        .wall_ns = scene->wall_ns};
    struct transaction transaction;
    transaction_init(&transaction, scene_read(scene), arena);
    machine_apply(&scene->machine, &transaction, &position, unpacked, scene->content, arena, &scene->answer);
    assert_int_equal(kv_store_write(scene->store, &transaction), STATUS_OK);

    Qnfs__Result *result;
    assert_int_equal(log_result_unpack(log_result_pack(scene->answer.result, arena), arena, &result), STATUS_OK);
    return result;
}

Qnfs__Result *scene_apply(struct scene *scene, Qnfs__Command *command)
{
    scene->index++;
    scene->wall_ns += 1000;
    return scene_apply_at(scene, command, 0, 1);
}

unsigned scene_effects(const struct scene *scene, enum machine_effect_kind kind)
{
    unsigned count = 0;
    for (size_t i = 0; i < scene->answer.effect_count; i++)
        count += scene->answer.effects[i].kind == kind ? 1 : 0;
    return count;
}

void scene_register(struct scene *scene)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__NodeRegister *body = arena_alloc(&scene->arena, sizeof(*body));
    qnfs__node_register__init(body);
    body->node = scene->node;
    body->advertise = scene_text(scene, "localhost:2049");
    command->body_case = QNFS__COMMAND__BODY_NODE_REGISTER;
    command->node_register = body;
    Qnfs__Result *result = scene_apply(scene, command);
    assert_int_equal(result->status, NFS4_OK);
    scene->incarnation = (struct incarnation_id){result->registered->incarnation};
}

void scene_wait(struct scene *scene, uint64_t seconds)
{
    scene->uptime_ms += 1000 * seconds;
    scene->wall_ns += (int64_t)(1000000000 * seconds);
}

void scene_expire(struct scene *scene)
{
    bool more = true;
    while (more) {
        Qnfs__Command *command = scene_command(scene);
        Qnfs__Expire *body = arena_alloc(&scene->arena, sizeof(*body));
        qnfs__expire__init(body);
        command->body_case = QNFS__COMMAND__BODY_EXPIRE;
        command->expire = body;
        Qnfs__Result *result = scene_apply(scene, command);
        assert_int_equal(result->status, NFS4_OK);
        more = result->purge->more;
    }
}

Qnfs__Command *scene_command(struct scene *scene)
{
    Qnfs__Command *command = arena_alloc(&scene->arena, sizeof(*command));
    qnfs__command__init(command);
    return command;
}

ProtobufCBinaryData scene_bytes(struct scene *scene, const void *bytes, size_t size_bytes)
{
    struct slice copy = arena_copy(&scene->arena, slice_make(bytes, size_bytes));
    return (ProtobufCBinaryData){copy.size_bytes, (uint8_t *)(uintptr_t)copy.data};
}

ProtobufCBinaryData scene_text(struct scene *scene, const char *text)
{
    return scene_bytes(scene, text, strlen(text));
}

Qnfs__FileRef *scene_file(struct scene *scene, struct file_id id)
{
    Qnfs__FileRef *reference = arena_alloc(&scene->arena, sizeof(*reference));
    qnfs__file_ref__init(reference);
    reference->volume = id.volume.value;
    reference->inode = id.inode.value;
    reference->generation = id.generation;
    return reference;
}

Qnfs__Stateid *scene_stateid(struct scene *scene, struct stateid stateid)
{
    Qnfs__Stateid *made = arena_alloc(&scene->arena, sizeof(*made));
    qnfs__stateid__init(made);
    made->seqid = stateid.seqid;
    made->other = scene_bytes(scene, stateid.other, sizeof(stateid.other));
    return made;
}

Qnfs__Attributes *scene_attributes(struct scene *scene)
{
    Qnfs__Attributes *attributes = arena_alloc(&scene->arena, sizeof(*attributes));
    qnfs__attributes__init(attributes);
    return attributes;
}

Qnfs__Result *scene_exchange_id(struct scene *scene, const char *name, uint8_t boot, uint32_t flags)
{
    uint8_t verifier[8];
    Qnfs__Command *command = scene_command(scene);
    Qnfs__ExchangeId *body = arena_alloc(&scene->arena, sizeof(*body));
    qnfs__exchange_id__init(body);
    memset(verifier, boot, sizeof(verifier));
    body->owner = scene_text(scene, name);
    body->verifier = scene_bytes(scene, verifier, sizeof(verifier));
    body->flags = flags;
    body->minor_version = 1;
    body->identity = scene_text(scene, "default");
    body->implementation_name = scene_text(scene, "scene");
    command->body_case = QNFS__COMMAND__BODY_EXCHANGE_ID;
    command->exchange_id = body;
    return scene_apply(scene, command);
}

static Qnfs__ChannelAttributes *channel(struct scene *scene)
{
    Qnfs__ChannelAttributes *attributes = arena_alloc(&scene->arena, sizeof(*attributes));
    qnfs__channel_attributes__init(attributes);
    attributes->max_request_size = attributes->max_response_size = 65536;
    attributes->max_response_size_cached = 8192;
    attributes->max_operations = 16;
    attributes->max_requests = SCENE_SLOTS;
    return attributes;
}

Qnfs__Result *scene_create_session(struct scene *scene, uint64_t client, uint32_t sequence, uint8_t digest)
{
    uint8_t digest_bytes[16];
    Qnfs__Command *command = scene_command(scene);
    Qnfs__CreateSession *body = arena_alloc(&scene->arena, sizeof(*body));
    qnfs__create_session__init(body);
    memset(digest_bytes, digest, sizeof(digest_bytes));
    body->client = client;
    body->sequence = sequence;
    body->flags = CREATE_SESSION4_FLAG_PERSIST | CREATE_SESSION4_FLAG_CONN_BACK_CHAN | CREATE_SESSION4_FLAG_CONN_RDMA;
    body->fore = channel(scene);
    body->back = channel(scene);
    body->incarnation = scene->incarnation.value;
    body->digest = scene_bytes(scene, digest_bytes, sizeof(digest_bytes));
    command->body_case = QNFS__COMMAND__BODY_CREATE_SESSION;
    command->create_session = body;
    return scene_apply(scene, command);
}

Qnfs__Result *scene_reclaim_complete(struct scene *scene, const struct scene_client *client)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__ReclaimComplete *body = arena_alloc(&scene->arena, sizeof(*body));
    qnfs__reclaim_complete__init(body);
    body->client = client->id.value;
    command->body_case = QNFS__COMMAND__BODY_RECLAIM_COMPLETE;
    command->reclaim_complete = body;
    return scene_apply(scene, command);
}

struct scene_client scene_client_reclaiming(struct scene *scene, const char *name, uint8_t boot)
{
    struct scene_client client = {.uid = scene->uid};
    Qnfs__Result *result = scene_exchange_id(scene, name, boot, 0);
    assert_int_equal(result->status, NFS4_OK);
    client.id = (struct client_id){result->exchange_id->client};
    uint32_t sequence = result->exchange_id->sequence;
    result = scene_create_session(scene, client.id.value, sequence, (uint8_t)sequence);
    assert_int_equal(result->status, NFS4_OK);
    client.create_sequence = sequence + 1;
    client.epoch = result->create_session->epoch;
    memcpy(client.session.bytes, result->create_session->session.data, sizeof(client.session.bytes));
    return client;
}

struct scene_client scene_client(struct scene *scene, const char *name, uint8_t boot)
{
    struct scene_client client = scene_client_reclaiming(scene, name, boot);
    assert_int_equal(scene_reclaim_complete(scene, &client)->status, NFS4_OK);
    return client;
}

Qnfs__Result *scene_attach(struct scene *scene, struct session_id session, uint64_t epoch)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__SessionAttach *body = arena_alloc(&scene->arena, sizeof(*body));
    qnfs__session_attach__init(body);
    body->session = scene_bytes(scene, session.bytes, sizeof(session.bytes));
    body->incarnation = scene->incarnation.value;
    body->epoch = epoch;
    command->body_case = QNFS__COMMAND__BODY_SESSION_ATTACH;
    command->session_attach = body;
    return scene_apply(scene, command);
}

void scene_slot(struct scene *scene, struct scene_client *client, uint32_t slot, Qnfs__Command *command)
{
    uint8_t digest[16] = {0};
    Qnfs__SlotOrigin *origin = arena_alloc(&scene->arena, sizeof(*origin));
    qnfs__slot_origin__init(origin);
    assert_true(slot < SCENE_SLOTS);
    origin->session = scene_bytes(scene, client->session.bytes, sizeof(client->session.bytes));
    origin->slot = slot;
    origin->seqid = ++client->seqids[slot];
    origin->operation = 1;
    origin->epoch = client->epoch;
    memcpy(digest, &origin->seqid, sizeof(origin->seqid));
    origin->digest = scene_bytes(scene, digest, sizeof(digest));
    origin->prefix = scene_text(scene, "prefix");
    origin->prefix_count = 1;
    command->origin_case = QNFS__COMMAND__ORIGIN_SLOT_ORIGIN;
    command->slot_origin = origin;
}

Qnfs__Result *scene_send(struct scene *scene, struct scene_client *client, Qnfs__Command *command)
{
    scene_slot(scene, client, 0, command);
    return scene_apply(scene, command);
}

Qnfs__Command *scene_open_command(struct scene *scene, const char *owner, const char *name, uint32_t access,
                                  uint32_t deny)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__Open *body = arena_alloc(&scene->arena, sizeof(*body));
    qnfs__open__init(body);
    body->owner = scene_text(scene, owner);
    body->access = access;
    body->deny = deny;
    body->claim = CLAIM_NULL;
    body->create = true;
    body->create_mode = UNCHECKED4;
    body->attributes = scene_attributes(scene);
    body->attributes->mask = ATTRIBUTE_MODE;
    body->attributes->mode = 0644;
    body->file = scene_file(scene, scene->root);
    body->name = scene_text(scene, name);
    command->body_case = QNFS__COMMAND__BODY_OPEN;
    command->open = body;
    return command;
}

Qnfs__Result *scene_open(struct scene *scene, struct scene_client *client, const char *owner, const char *name,
                         uint32_t access, uint32_t deny)
{
    return scene_send(scene, client, scene_open_command(scene, owner, name, access, deny));
}

struct stateid scene_result_stateid(const Qnfs__Result *result)
{
    if (result->body_case == QNFS__RESULT__BODY_OPEN)
        return apply_stateid(result->open->stateid);
    assert_int_equal(result->body_case, QNFS__RESULT__BODY_STATEID);
    return apply_stateid(result->stateid->stateid);
}

struct stateid scene_open_ok(struct scene *scene, struct scene_client *client, const char *owner, const char *name,
                             uint32_t access, uint32_t deny)
{
    Qnfs__Result *result = scene_open(scene, client, owner, name, access, deny);
    assert_int_equal(result->outcome, MACHINE_EXECUTED);
    assert_int_equal(result->status, NFS4_OK);
    return scene_result_stateid(result);
}

Qnfs__Result *scene_close(struct scene *scene, struct scene_client *client, struct file_id file, struct stateid stateid)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__Close *body = arena_alloc(&scene->arena, sizeof(*body));
    qnfs__close__init(body);
    body->file = scene_file(scene, file);
    body->stateid = scene_stateid(scene, stateid);
    command->body_case = QNFS__COMMAND__BODY_CLOSE;
    command->close = body;
    return scene_send(scene, client, command);
}

Qnfs__Result *scene_remove(struct scene *scene, struct scene_client *client, const char *name)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__Remove *body = arena_alloc(&scene->arena, sizeof(*body));
    qnfs__remove__init(body);
    body->directory = scene_file(scene, scene->root);
    body->name = scene_text(scene, name);
    command->body_case = QNFS__COMMAND__BODY_REMOVE;
    command->remove = body;
    return scene_send(scene, client, command);
}

struct file_id scene_lookup(struct scene *scene, const char *name)
{
    struct dirent dirent;
    assert_true(
        dirent_get(scene_read(scene), scene->root.volume, scene->root.inode, slice_text(name), &scene->arena, &dirent));
    return (struct file_id){scene->root.volume, dirent.inode, 1};
}

static Qnfs__Lock *lock_body(struct scene *scene, struct file_id file, uint32_t type, uint64_t offset, uint64_t length)
{
    Qnfs__Lock *body = arena_alloc(&scene->arena, sizeof(*body));
    qnfs__lock__init(body);
    body->file = scene_file(scene, file);
    body->type = type;
    body->offset = offset;
    body->length = length;
    return body;
}

Qnfs__Result *scene_lock_new(struct scene *scene, struct scene_client *client, struct file_id file, struct stateid open,
                             const char *owner, uint32_t type, uint64_t offset, uint64_t length)
{
    Qnfs__Command *command = scene_command(scene);
    command->body_case = QNFS__COMMAND__BODY_LOCK;
    command->lock = lock_body(scene, file, type, offset, length);
    command->lock->new_owner = true;
    command->lock->owner = scene_text(scene, owner);
    command->lock->open_stateid = scene_stateid(scene, open);
    return scene_send(scene, client, command);
}

Qnfs__Result *scene_lock(struct scene *scene, struct scene_client *client, struct file_id file, struct stateid lock,
                         uint32_t type, uint64_t offset, uint64_t length)
{
    Qnfs__Command *command = scene_command(scene);
    command->body_case = QNFS__COMMAND__BODY_LOCK;
    command->lock = lock_body(scene, file, type, offset, length);
    command->lock->lock_stateid = scene_stateid(scene, lock);
    return scene_send(scene, client, command);
}

Qnfs__Result *scene_unlock(struct scene *scene, struct scene_client *client, struct file_id file, struct stateid lock,
                           uint64_t offset, uint64_t length)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__Locku *body = arena_alloc(&scene->arena, sizeof(*body));
    qnfs__locku__init(body);
    body->file = scene_file(scene, file);
    body->stateid = scene_stateid(scene, lock);
    body->type = 1;
    body->offset = offset;
    body->length = length;
    command->body_case = QNFS__COMMAND__BODY_LOCKU;
    command->locku = body;
    return scene_send(scene, client, command);
}
