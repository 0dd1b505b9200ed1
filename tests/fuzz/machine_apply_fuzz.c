/* Random sequences of commands against the whole machine. The input is read byte by byte: one says which command, the
 * next ones choose its arguments from small pools, so that commands meet each other.
 *
 * Every sequence runs twice side by side. One machine keeps what it has in memory, the other is loaded from its store
 * before each command; results, effects and chain hashes must agree. In the end everything that waits is freed, and the
 * whole state is looked through. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/check.h"
#include "proto/log_codec.h"
#include "proto/nfs4/client.h"
#include "proto/nfs4/lock.h"
#include "proto/nfs4/open.h"
#include "statestore/machine/attributes.h"
#include "statestore/machine/garbage.h"
#include "tests/support/scene.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define COMMANDS_MAX 250u
/* Commands that shattering may cost beside them. */
#define SHATTER_MAX 1500u
#define POOL 16u
#define CLIENTS 3u
#define CONTENT_BYTES 100000u
#define FLUSH_COMMANDS 16u

struct fuzz {
    const uint8_t *next;
    const uint8_t *end;
    struct scene cached;
    struct scene loaded;
    struct scene_client clients[CLIENTS];
    unsigned client_count; /* names given so far */
    struct file_id files[POOL];
    size_t file_count;
    struct stateid stateids[POOL];
    struct file_id stateid_files[POOL];
    uint32_t stateid_clients[POOL]; /* places in clients */
    uint32_t sender;                /* place of the client that sends the present command */
    size_t stateid_count;
    uint32_t shattered;  /* commands of do_shatter */
    Qnfs__Command *last; /* for retries */
    Qnfs__Result *last_result;
    uint8_t content[CONTENT_BYTES];
};

static uint8_t take(struct fuzz *fuzz)
{
    return fuzz->next < fuzz->end ? *fuzz->next++ : 0;
}

static uint32_t take_below(struct fuzz *fuzz, uint32_t bound)
{
    return take(fuzz) % bound;
}

static struct file_id take_file(struct fuzz *fuzz)
{
    struct file_id file = fuzz->files[take_below(fuzz, (uint32_t)fuzz->file_count)];
    if (take_below(fuzz, 32) == 31)
        file.generation++;
    return file;
}

static const char *take_name(struct fuzz *fuzz)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "..", "", "a/b"};
    uint32_t choice = take(fuzz);
    return names[choice < 224 ? choice % 5 : choice % 8];
}

static uint64_t take_offset(struct fuzz *fuzz)
{
    static const uint64_t offsets[] = {0, 1, 99, 4096, 16383, 65536, 99999, 200000, UINT64_MAX};
    return offsets[take_below(fuzz, 9)];
}

static ProtobufCBinaryData text(struct fuzz *fuzz, const char *bytes)
{
    return scene_text(&fuzz->cached, bytes);
}

static Qnfs__FileRef *file(struct fuzz *fuzz)
{
    return scene_file(&fuzz->cached, take_file(fuzz));
}

/* One that was given out, or a special one, with a seqid that may be wrong. */
static Qnfs__Stateid *stateid(struct fuzz *fuzz, uint32_t choice)
{
    struct stateid value = {0};
    uint32_t twist = take(fuzz);
    if (choice < fuzz->stateid_count) {
        value = fuzz->stateids[choice];
        if (twist % 8 != 0)
            fuzz->sender = fuzz->stateid_clients[choice];
    }
    if (twist < 8)
        value.seqid += twist - 4;
    if (twist == 9)
        memset(value.other, 0xff, sizeof(value.other));
    return scene_stateid(&fuzz->cached, value);
}

static void keep_file(struct fuzz *fuzz, const Qnfs__FileRef *reference)
{
    size_t place = fuzz->file_count < POOL ? fuzz->file_count++ : 1 + reference->inode % (POOL - 1);
    fuzz->files[place] = (struct file_id){{reference->volume}, {reference->inode}, reference->generation};
}

static void keep_stateid(struct fuzz *fuzz, const Qnfs__Stateid *given, const Qnfs__FileRef *reference)
{
    struct stateid value = apply_stateid(given);
    size_t place = 0;
    while (place < fuzz->stateid_count && memcmp(fuzz->stateids[place].other, value.other, sizeof(value.other)) != 0)
        place++;
    if (place == fuzz->stateid_count)
        place = fuzz->stateid_count < POOL ? fuzz->stateid_count++ : value.other[11] % POOL;
    fuzz->stateids[place] = value;
    fuzz->stateid_files[place] = apply_file(reference);
    fuzz->stateid_clients[place] = fuzz->sender;
}

/* Applies to both machines and compares. */
static Qnfs__Result *apply_both(struct fuzz *fuzz, Qnfs__Command *command)
{
    struct scene *cached = &fuzz->cached;
    struct scene *loaded = &fuzz->loaded;
    loaded->uptime_ms = cached->uptime_ms;
    loaded->incarnation = cached->incarnation;
    loaded->content = cached->content;
    machine_load(&loaded->machine, scene_read(loaded), &loaded->arena);
    Qnfs__Result *result = scene_apply(cached, command);
    Qnfs__Result *other = scene_apply(loaded, command);
    CHECK(slice_equal(log_result_pack(result, &cached->arena), log_result_pack(other, &loaded->arena)));
    CHECK(cached->answer.effect_count == loaded->answer.effect_count);
    CHECK(hash128_equal(cached->machine.chain, loaded->machine.chain));
    if (cached->index % FLUSH_COMMANDS == 0) {
        CHECK(kv_store_flush(cached->store) == STATUS_OK);
        CHECK(kv_store_flush(loaded->store) == STATUS_OK);
    }
    return result;
}

/* As a change of a client on one of its slots; sometimes of an older epoch or seqid. */
static Qnfs__Result *send(struct fuzz *fuzz, Qnfs__Command *command)
{
    struct scene_client *client = &fuzz->clients[fuzz->sender];
    scene_slot(&fuzz->cached, client, take_below(fuzz, 2), command);
    uint32_t twist = take(fuzz);
    if (twist == 1)
        command->slot_origin->epoch--;
    if (twist == 2)
        command->slot_origin->seqid--;
    fuzz->cached.uid = take_below(fuzz, 4) == 0 ? 1000 : 0;
    Qnfs__Result *result = apply_both(fuzz, command);
    fuzz->cached.uid = 0;
    fuzz->last = command;
    fuzz->last_result = result;
    return result;
}

#define BODY(fuzz, command, type, init)                                                                                \
    type *body = arena_alloc(&(fuzz)->cached.arena, sizeof(*body));                                                    \
    init(body);                                                                                                        \
    Qnfs__Command *command = scene_command(&(fuzz)->cached)

static Qnfs__Attributes *take_attributes(struct fuzz *fuzz)
{
    static const uint32_t sizes[] = {0, 1, 100, 16384, 70000, 300000};
    Qnfs__Attributes *attributes = scene_attributes(&fuzz->cached);
    attributes->mask = (uint32_t)(take(fuzz) | take_below(fuzz, 4) << 8);
    attributes->mode = (uint32_t)take(fuzz) << 4 | 0600;
    attributes->mode_mask = 0777;
    attributes->owner = take_below(fuzz, 2) * 1000;
    attributes->group = take_below(fuzz, 2) * 1000;
    attributes->size = sizes[take_below(fuzz, 6)];
    return attributes;
}

/* --- files --- */

static void do_create(struct fuzz *fuzz)
{
    BODY(fuzz, command, Qnfs__Create, qnfs__create__init);
    body->directory = file(fuzz);
    body->name = text(fuzz, take_name(fuzz));
    body->type = take_below(fuzz, 3) == 0 ? take_below(fuzz, 10) : NF4DIR;
    body->link_text = text(fuzz, "x");
    body->attributes = take_below(fuzz, 4) == 0 ? take_attributes(fuzz) : scene_attributes(&fuzz->cached);
    command->body_case = QNFS__COMMAND__BODY_CREATE;
    command->create = body;
    Qnfs__Result *result = send(fuzz, command);
    if (result->body_case == QNFS__RESULT__BODY_CREATE)
        keep_file(fuzz, result->create->file);
}

static void do_remove(struct fuzz *fuzz)
{
    BODY(fuzz, command, Qnfs__Remove, qnfs__remove__init);
    body->directory = file(fuzz);
    body->name = text(fuzz, take_name(fuzz));
    command->body_case = QNFS__COMMAND__BODY_REMOVE;
    command->remove = body;
    send(fuzz, command);
}

static void do_rename(struct fuzz *fuzz)
{
    BODY(fuzz, command, Qnfs__Rename, qnfs__rename__init);
    body->source_directory = file(fuzz);
    body->source_name = text(fuzz, take_name(fuzz));
    body->target_directory = take_below(fuzz, 3) == 0 ? body->source_directory : file(fuzz);
    body->target_name = text(fuzz, take_name(fuzz));
    command->body_case = QNFS__COMMAND__BODY_RENAME;
    command->rename = body;
    send(fuzz, command);
}

static void do_link(struct fuzz *fuzz)
{
    BODY(fuzz, command, Qnfs__Link, qnfs__link__init);
    body->file = file(fuzz);
    body->directory = file(fuzz);
    body->name = text(fuzz, take_name(fuzz));
    command->body_case = QNFS__COMMAND__BODY_LINK;
    command->link = body;
    send(fuzz, command);
}

static void do_setattr(struct fuzz *fuzz)
{
    BODY(fuzz, command, Qnfs__Setattr, qnfs__setattr__init);
    uint32_t choice = take_below(fuzz, 2 * POOL);
    body->stateid = stateid(fuzz, choice);
    body->file = choice < fuzz->stateid_count ? scene_file(&fuzz->cached, fuzz->stateid_files[choice]) : file(fuzz);
    body->attributes = take_attributes(fuzz);
    command->body_case = QNFS__COMMAND__BODY_SETATTR;
    command->setattr = body;
    send(fuzz, command);
}

static void do_write(struct fuzz *fuzz)
{
    static const uint32_t sizes[] = {0, 1, 2, 100, 5000, 16384, 65536, CONTENT_BYTES};
    BODY(fuzz, command, Qnfs__Write, qnfs__write__init);
    uint32_t choice = take_below(fuzz, 2 * POOL);
    body->stateid = stateid(fuzz, choice);
    body->file = choice < fuzz->stateid_count ? scene_file(&fuzz->cached, fuzz->stateid_files[choice]) : file(fuzz);
    body->offset = take_offset(fuzz);
    command->body_case = QNFS__COMMAND__BODY_WRITE;
    command->write = body;
    fuzz->cached.content = slice_make(fuzz->content, sizes[take_below(fuzz, 8)]);
    send(fuzz, command);
    fuzz->cached.content = SLICE_EMPTY;
}

/* Writes one byte. What it allocates is given back at once: there are many of these, and in a row of 64 KiB each of them
 * writes the row anew. */
static bool write_byte(struct fuzz *fuzz, struct file_id target, uint64_t offset)
{
    const struct arena kept_cached = fuzz->cached.arena;
    const struct arena kept_loaded = fuzz->loaded.arena;
    arena_init(&fuzz->cached.arena);
    arena_init(&fuzz->loaded.arena);
    BODY(fuzz, command, Qnfs__Write, qnfs__write__init);
    body->file = scene_file(&fuzz->cached, target);
    body->stateid = scene_stateid(&fuzz->cached, (struct stateid){0});
    body->offset = offset;
    command->body_case = QNFS__COMMAND__BODY_WRITE;
    command->write = body;
    fuzz->cached.content = slice_make(fuzz->content, 1);
    bool written = apply_both(fuzz, command)->status == NFS4_OK;
    fuzz->cached.content = SLICE_EMPTY;
    arena_fini(&fuzz->cached.arena);
    arena_fini(&fuzz->loaded.arena);
    fuzz->cached.arena = kept_cached;
    fuzz->loaded.arena = kept_loaded;
    return written;
}

/* Many small extents at once: only so do cuts and removals wait for Purge. */
static void do_shatter(struct fuzz *fuzz)
{
    struct file_id target = take_file(fuzz);
    uint32_t count = (uint32_t)take(fuzz) * 6;
    for (uint32_t i = 0; i < count && fuzz->shattered < SHATTER_MAX; i++, fuzz->shattered++) {
        if (!write_byte(fuzz, target, 2 * (uint64_t)i))
            break;
    }
}

static bool do_purge(struct fuzz *fuzz)
{
    BODY(fuzz, command, Qnfs__Purge, qnfs__purge__init);
    command->body_case = QNFS__COMMAND__BODY_PURGE;
    command->purge = body;
    return apply_both(fuzz, command)->purge->more;
}

/* Each node sweeps by itself: what one of them drops is nothing to the other. */
static void do_sweep(struct fuzz *fuzz)
{
    struct scene *scene = take_below(fuzz, 2) == 0 ? &fuzz->cached : &fuzz->loaded;
    struct garbage swept[8];
    size_t wanted = take_below(fuzz, 8);
    size_t count = 0;
    struct garbage_walk walk;
    struct transaction transaction;
    transaction_init(&transaction, scene_read(scene), &scene->arena);
    garbage_walk_open(scene_read(scene), &(struct garbage){0}, &scene->arena, &walk);
    for (; count < wanted && garbage_walk_get(&walk, &swept[count]); garbage_walk_next(&walk))
        count++;
    garbage_walk_close(&walk);
    for (size_t i = 0; i < count; i++)
        garbage_drop(&transaction, &swept[i], &scene->arena);
    CHECK(kv_store_write(scene->store, &transaction) == STATUS_OK);
}

/* --- opens and locks --- */

static void do_open(struct fuzz *fuzz)
{
    BODY(fuzz, command, Qnfs__Open, qnfs__open__init);
    body->client = fuzz->clients[fuzz->sender].id.value;
    body->owner = text(fuzz, take_below(fuzz, 2) == 0 ? "o" : "p");
    body->access = 1 + take_below(fuzz, 3);
    body->deny = take_below(fuzz, 8) < 6 ? 0 : take_below(fuzz, 4);
    body->claim = take_below(fuzz, 4) == 0 ? CLAIM_FH : take_below(fuzz, 32) == 0 ? CLAIM_PREVIOUS : CLAIM_NULL;
    body->create = take_below(fuzz, 3) != 0 && body->claim == CLAIM_NULL;
    body->create_mode = take_below(fuzz, 4);
    body->attributes = take_below(fuzz, 2) == 0 ? take_attributes(fuzz) : scene_attributes(&fuzz->cached);
    body->verifier = scene_bytes(&fuzz->cached, "verifier", 8);
    body->file = file(fuzz);
    body->name = text(fuzz, take_name(fuzz));
    command->body_case = QNFS__COMMAND__BODY_OPEN;
    command->open = body;
    Qnfs__Result *result = send(fuzz, command);
    if (result->body_case != QNFS__RESULT__BODY_OPEN)
        return;
    keep_file(fuzz, result->open->file);
    keep_stateid(fuzz, result->open->stateid, result->open->file);
}

/* The result of an operation that moves a stateid on. */
static void keep_moved(struct fuzz *fuzz, const Qnfs__Result *result, const Qnfs__FileRef *reference)
{
    if (result->body_case == QNFS__RESULT__BODY_STATEID)
        keep_stateid(fuzz, result->stateid->stateid, reference);
}

static Qnfs__FileRef *file_of(struct fuzz *fuzz, uint32_t choice)
{
    return choice < fuzz->stateid_count && take_below(fuzz, 16) != 0
               ? scene_file(&fuzz->cached, fuzz->stateid_files[choice])
               : file(fuzz);
}

static void do_close(struct fuzz *fuzz)
{
    BODY(fuzz, command, Qnfs__Close, qnfs__close__init);
    uint32_t choice = take_below(fuzz, POOL);
    body->stateid = stateid(fuzz, choice);
    body->file = file_of(fuzz, choice);
    command->body_case = QNFS__COMMAND__BODY_CLOSE;
    command->close = body;
    send(fuzz, command);
}

static void do_downgrade(struct fuzz *fuzz)
{
    BODY(fuzz, command, Qnfs__OpenDowngrade, qnfs__open_downgrade__init);
    uint32_t choice = take_below(fuzz, POOL);
    body->stateid = stateid(fuzz, choice);
    body->file = file_of(fuzz, choice);
    body->access = take_below(fuzz, 5);
    body->deny = take_below(fuzz, 5);
    command->body_case = QNFS__COMMAND__BODY_OPEN_DOWNGRADE;
    command->open_downgrade = body;
    keep_moved(fuzz, send(fuzz, command), body->file);
}

static void do_lock(struct fuzz *fuzz)
{
    BODY(fuzz, command, Qnfs__Lock, qnfs__lock__init);
    uint32_t choice = take_below(fuzz, POOL);
    body->type = take_below(fuzz, 6);
    body->offset = take_offset(fuzz);
    body->length = take_below(fuzz, 8) == 0 ? UINT64_MAX : take_below(fuzz, 8) * 50;
    body->reclaim = take_below(fuzz, 16) == 1;
    body->new_owner = take_below(fuzz, 2) == 0;
    body->open_stateid = stateid(fuzz, choice);
    body->lock_stateid = stateid(fuzz, choice);
    body->owner = text(fuzz, take_below(fuzz, 2) == 0 ? "l" : "m");
    body->file = file_of(fuzz, choice);
    body->client = fuzz->clients[fuzz->sender].id.value;
    command->body_case = QNFS__COMMAND__BODY_LOCK;
    command->lock = body;
    keep_moved(fuzz, send(fuzz, command), body->file);
}

static void do_locku(struct fuzz *fuzz)
{
    BODY(fuzz, command, Qnfs__Locku, qnfs__locku__init);
    uint32_t choice = take_below(fuzz, POOL);
    body->type = 1 + take_below(fuzz, 4);
    body->offset = take_offset(fuzz);
    body->length = take_below(fuzz, 8) == 0 ? UINT64_MAX : take_below(fuzz, 8) * 50;
    body->stateid = stateid(fuzz, choice);
    body->file = file_of(fuzz, choice);
    body->client = fuzz->clients[fuzz->sender].id.value;
    command->body_case = QNFS__COMMAND__BODY_LOCKU;
    command->locku = body;
    keep_moved(fuzz, send(fuzz, command), body->file);
}

static void do_free_stateid(struct fuzz *fuzz)
{
    BODY(fuzz, command, Qnfs__FreeStateid, qnfs__free_stateid__init);
    body->stateid = stateid(fuzz, take_below(fuzz, POOL));
    command->body_case = QNFS__COMMAND__BODY_FREE_STATEID;
    command->free_stateid = body;
    send(fuzz, command);
}

/* --- clients and the cluster --- */

/* EXCHANGE_ID and CREATE_SESSION; the name may be another client's, after a restart or not. */
static void do_client(struct fuzz *fuzz, unsigned place)
{
    static const char *const names[] = {"one", "two", "three"};
    const char *name = names[take_below(fuzz, CLIENTS)];
    BODY(fuzz, command, Qnfs__ExchangeId, qnfs__exchange_id__init);
    uint8_t verifier[8] = {take(fuzz)};
    body->owner = text(fuzz, fuzz->client_count < CLIENTS ? names[fuzz->client_count] : name);
    body->verifier = scene_bytes(&fuzz->cached, verifier, 8);
    body->flags = take_below(fuzz, 16) == 15 ? EXCHGID4_FLAG_UPD_CONFIRMED_REC_A : 0;
    body->minor_version = 1;
    body->identity = text(fuzz, "default");
    command->body_case = QNFS__COMMAND__BODY_EXCHANGE_ID;
    command->exchange_id = body;
    Qnfs__Result *result = apply_both(fuzz, command);
    fuzz->client_count++;
    if (result->body_case != QNFS__RESULT__BODY_EXCHANGE_ID)
        return;
    Qnfs__ChannelAttributes channel = QNFS__CHANNEL_ATTRIBUTES__INIT;
    Qnfs__CreateSession session = QNFS__CREATE_SESSION__INIT;
    channel.max_request_size = channel.max_response_size = channel.max_response_size_cached = 65536;
    channel.max_operations = channel.max_requests = 16;
    session.client = result->exchange_id->client;
    session.sequence = result->exchange_id->sequence;
    session.fore = session.back = &channel;
    session.incarnation = fuzz->cached.incarnation.value;
    session.digest = text(fuzz, "digestdigestdige");
    Qnfs__Command *create = scene_command(&fuzz->cached);
    create->body_case = QNFS__COMMAND__BODY_CREATE_SESSION;
    create->create_session = &session;
    result = apply_both(fuzz, create);
    if (result->body_case != QNFS__RESULT__BODY_CREATE_SESSION)
        return;
    struct scene_client *client = &fuzz->clients[place];
    *client = (struct scene_client){.id = {result->create_session->client}, .epoch = result->create_session->epoch};
    memcpy(client->session.bytes, result->create_session->session.data, sizeof(client->session.bytes));
}

static void do_client_end(struct fuzz *fuzz)
{
    const struct scene_client *client = &fuzz->clients[take_below(fuzz, CLIENTS)];
    Qnfs__DestroySession session = QNFS__DESTROY_SESSION__INIT;
    Qnfs__DestroyClientid clientid = QNFS__DESTROY_CLIENTID__INIT;
    Qnfs__ClientEvict evict = QNFS__CLIENT_EVICT__INIT;
    Qnfs__Command *command = scene_command(&fuzz->cached);
    session.session = scene_bytes(&fuzz->cached, client->session.bytes, sizeof(client->session.bytes));
    clientid.client = evict.client = client->id.value;
    switch (take_below(fuzz, 3)) {
    case 0:
        command->body_case = QNFS__COMMAND__BODY_DESTROY_SESSION;
        command->destroy_session = &session;
        break;
    case 1:
        command->body_case = QNFS__COMMAND__BODY_DESTROY_CLIENTID;
        command->destroy_clientid = &clientid;
        break;
    default: command->body_case = QNFS__COMMAND__BODY_CLIENT_EVICT; command->client_evict = &evict;
    }
    apply_both(fuzz, command);
}

static void do_attach(struct fuzz *fuzz)
{
    struct scene_client *client = &fuzz->clients[take_below(fuzz, CLIENTS)];
    BODY(fuzz, command, Qnfs__SessionAttach, qnfs__session_attach__init);
    body->session = scene_bytes(&fuzz->cached, client->session.bytes, sizeof(client->session.bytes));
    body->incarnation = fuzz->cached.incarnation.value;
    body->epoch = client->epoch - (take_below(fuzz, 8) == 7 ? 1 : 0);
    command->body_case = QNFS__COMMAND__BODY_SESSION_ATTACH;
    command->session_attach = body;
    Qnfs__Result *result = apply_both(fuzz, command);
    if (result->body_case == QNFS__RESULT__BODY_ATTACH)
        client->epoch = result->attach->epoch;
}

static void do_register(struct fuzz *fuzz)
{
    BODY(fuzz, command, Qnfs__NodeRegister, qnfs__node_register__init);
    body->node = 1 + take_below(fuzz, 2);
    body->nonce = take_below(fuzz, 8);
    command->body_case = QNFS__COMMAND__BODY_NODE_REGISTER;
    command->node_register = body;
    Qnfs__Result *result = apply_both(fuzz, command);
    if (result->body_case == QNFS__RESULT__BODY_REGISTERED)
        fuzz->cached.incarnation.value = result->registered->incarnation;
}

/* The fuzzer's own process, or what may be another one's. */
static void do_lost(struct fuzz *fuzz)
{
    BODY(fuzz, command, Qnfs__NodeLost, qnfs__node_lost__init);
    body->node = 1 + take_below(fuzz, 2);
    body->incarnation = fuzz->cached.incarnation.value - take_below(fuzz, 4);
    body->term = fuzz->cached.machine.led_term - take_below(fuzz, 2);
    command->body_case = QNFS__COMMAND__BODY_NODE_LOST;
    command->node_lost = body;
    apply_both(fuzz, command);
}

static void do_time(struct fuzz *fuzz)
{
    BODY(fuzz, command, Qnfs__Expire, qnfs__expire__init);
    fuzz->cached.uptime_ms += (uint64_t)take(fuzz) * 1000;
    command->body_case = QNFS__COMMAND__BODY_EXPIRE;
    command->expire = body;
    apply_both(fuzz, command);
}

static void do_renew(struct fuzz *fuzz)
{
    BODY(fuzz, command, Qnfs__Renew, qnfs__renew__init);
    uint64_t clients[2] = {fuzz->clients[take_below(fuzz, CLIENTS)].id.value, take(fuzz)};
    body->clients = clients;
    body->n_clients = 2;
    command->body_case = QNFS__COMMAND__BODY_RENEW;
    command->renew = body;
    apply_both(fuzz, command);
}

static void do_reclaim_complete(struct fuzz *fuzz)
{
    BODY(fuzz, command, Qnfs__ReclaimComplete, qnfs__reclaim_complete__init);
    body->client = fuzz->clients[take_below(fuzz, CLIENTS)].id.value;
    command->body_case = QNFS__COMMAND__BODY_RECLAIM_COMPLETE;
    command->reclaim_complete = body;
    send(fuzz, command);
}

static void do_export(struct fuzz *fuzz)
{
    static const char *const paths[] = {"/data", "/data/x", "/a/b", "/a", "//c/", "/"};
    Qnfs__ExportSpec spec = QNFS__EXPORT_SPEC__INIT;
    Qnfs__ExportAdd add = QNFS__EXPORT_ADD__INIT;
    Qnfs__ExportRemove remove = QNFS__EXPORT_REMOVE__INIT;
    Qnfs__Command *command = scene_command(&fuzz->cached);
    spec.path = remove.path = text(fuzz, paths[take_below(fuzz, 6)]);
    spec.squash = take_below(fuzz, 4);
    spec.read_only = take_below(fuzz, 8) == 7;
    add.spec = &spec;
    if (take_below(fuzz, 4) == 3) {
        command->body_case = QNFS__COMMAND__BODY_EXPORT_REMOVE;
        command->export_remove = &remove;
    } else {
        command->body_case = QNFS__COMMAND__BODY_EXPORT_ADD;
        command->export_add = &add;
    }
    apply_both(fuzz, command);
}

/* What a node asks for itself, with its own exactly-once record. */
static void do_node(struct fuzz *fuzz)
{
    Qnfs__NodeOrigin origin = QNFS__NODE_ORIGIN__INIT;
    Qnfs__NodeReport report = QNFS__NODE_REPORT__INIT;
    Qnfs__SettingSet setting = QNFS__SETTING_SET__INIT;
    Qnfs__Command *command = scene_command(&fuzz->cached);
    origin.node = 1;
    origin.incarnation = fuzz->cached.incarnation.value;
    origin.number = take_below(fuzz, 16);
    origin.low_water = take_below(fuzz, 8);
    report.node = take_below(fuzz, 2);
    report.low = take_below(fuzz, 8) == 7;
    setting.name = text(fuzz, "lease-seconds");
    setting.value = text(fuzz, take_below(fuzz, 2) == 0 ? "30" : "x");
    if (take_below(fuzz, 2) == 0) {
        command->origin_case = QNFS__COMMAND__ORIGIN_NODE_ORIGIN;
        command->node_origin = &origin;
    }
    if (take_below(fuzz, 2) == 0) {
        command->body_case = QNFS__COMMAND__BODY_SETTING_SET;
        command->setting_set = &setting;
    } else {
        command->body_case = QNFS__COMMAND__BODY_NODE_REPORT;
        command->node_report = &report;
    }
    apply_both(fuzz, command);
}

/* The last change of a client once more: never executed twice. */
static void do_retry(struct fuzz *fuzz)
{
    if (fuzz->last == NULL)
        return;
    Qnfs__Result *result = apply_both(fuzz, fuzz->last);
    CHECK(result->outcome != MACHINE_EXECUTED || result->status != NFS4_OK ||
          fuzz->last_result->outcome != MACHINE_EXECUTED);
    if (result->outcome == MACHINE_REPLAYED && fuzz->last_result->outcome == MACHINE_EXECUTED) {
        CHECK(result->status == fuzz->last_result->status);
        CHECK(result->body_case == fuzz->last_result->body_case);
    }
}

static void step(struct fuzz *fuzz)
{
    fuzz->sender = take_below(fuzz, CLIENTS);
    switch (take_below(fuzz, 41)) {
    case 0:
    case 1:
    case 2: do_create(fuzz); break;
    case 3:
    case 4: do_remove(fuzz); break;
    case 5:
    case 6:
    case 7: do_rename(fuzz); break;
    case 8: do_link(fuzz); break;
    case 9:
    case 10: do_setattr(fuzz); break;
    case 11:
    case 12:
    case 13: do_write(fuzz); break;
    case 14:
    case 15:
    case 16:
    case 17: do_open(fuzz); break;
    case 18:
    case 19: do_close(fuzz); break;
    case 20: do_downgrade(fuzz); break;
    case 21:
    case 22:
    case 23: do_lock(fuzz); break;
    case 24:
    case 25: do_locku(fuzz); break;
    case 26: do_purge(fuzz); break;
    case 27: do_sweep(fuzz); break;
    case 28: do_client(fuzz, take_below(fuzz, CLIENTS)); break;
    case 29: do_client_end(fuzz); break;
    case 30: do_attach(fuzz); break;
    case 31: do_register(fuzz); break;
    case 32: do_time(fuzz); break;
    case 33: do_renew(fuzz); break;
    case 34: do_reclaim_complete(fuzz); break;
    case 35: do_export(fuzz); break;
    case 36: do_node(fuzz); break;
    case 37: do_free_stateid(fuzz); break;
    case 38: do_shatter(fuzz); break;
    case 39: do_lost(fuzz); break;
    default: do_retry(fuzz);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz *fuzz = calloc(1, sizeof(*fuzz));
    CHECK(fuzz != NULL);
    fuzz->next = data;
    fuzz->end = data + size;
    scene_init(&fuzz->cached);
    scene_init(&fuzz->loaded);
    fuzz->files[fuzz->file_count++] = fuzz->cached.root;
    for (unsigned i = 0; i < CLIENTS; i++)
        do_client(fuzz, i);
    for (unsigned i = 0; i < COMMANDS_MAX && fuzz->next < fuzz->end; i++)
        step(fuzz);
    scene_check(&fuzz->cached);
    for (unsigned steps = 0; do_purge(fuzz); steps++)
        CHECK(steps < 1000);
    scene_check(&fuzz->cached);
    scene_check(&fuzz->loaded);
    scene_fini(&fuzz->cached);
    scene_fini(&fuzz->loaded);
    free(fuzz);
    return 0;
}
