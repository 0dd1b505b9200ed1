/* The two actors that move a copy of the state, alone and against each other, and what they say to each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/random.h"
#include "cluster/snapshot_receive.h"
#include "cluster/snapshot_send.h"

#define GIVER 1u
#define FETCHER 2u
#define FILES 4u
#define BLOCKS 260u

static const uint8_t cluster_id[16] = "cluster-cluster";

/* docs/formats/snapshot.md, the example of a marker. */
/* clang-format off */
static const uint8_t example[] = {
    0x51, 0x53, 0x4e, 0x52, /* QSNR */
    0x53, 0x19, 0x8b, 0xa9, /* CRC32C of the rest */
    0x00, 0x00, 0x00, 0x79, /* size of the body */
    0x5f, 0x63, 0xdb, 0xa9, /* its CRC32C */
    0x00, 0x00, 0x00, 0x75, /* size of the message */
    0xaa, 0x01, 0x72, /* snapshot_offer */
    0x0a, 0x70, /* manifest */
    0x08, 0x09, /* id */
    0x12, 0x10, 0x63, 0x6c, 0x75, 0x73, 0x74, 0x65, 0x72, 0x2d, 0x63, 0x6c, 0x75, 0x73, 0x74, 0x65, 0x72, 0x00, /* cluster */
    0x18, 0xf4, 0x03, /* index */
    0x20, 0x07, /* term */
    0x28, 0x90, 0x03, /* configuration of entry 400 */
    0x32, 0x18, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x31, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, /* the configuration */
    0x38, 0xa0, 0x1f, /* command number */
    0x42, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, /* chain hash */
    0x48, 0x03, /* blocks */
    0x50, 0xe0, 0xa7, 0x12, /* bytes of them */
    0x5a, 0x1d, /* a file */
    0x0a, 0x07, 0x43, 0x55, 0x52, 0x52, 0x45, 0x4e, 0x54, /* name */
    0x10, 0x10, /* size */
    0x1a, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, /* hash */
};
/* clang-format on */

/* --- what is said --- */

static struct snapshot_manifest *manifest_example(void)
{
    struct snapshot_manifest *manifest = snapshot_manifest_create(1);
    manifest->id = 9;
    memcpy(manifest->cluster_id, cluster_id, 16);
    manifest->log = (struct log_snapshot){500, 7, 500, 400, {1, {{1, MEMBER_VOTER}}}};
    manifest->command_number = 4000;
    manifest->chain = (struct hash128){.high = 1, .low = 2};
    manifest->block_count = 3;
    manifest->block_bytes = 300000;
    snprintf(manifest->files[0].name, sizeof(manifest->files[0].name), "CURRENT");
    manifest->files[0].size_bytes = 16;
    manifest->files[0].hash = (struct hash128){.high = 3, .low = 4};
    return manifest;
}

static void expect_manifest(const struct snapshot_manifest *a, const struct snapshot_manifest *b)
{
    assert_int_equal(a->id, b->id);
    assert_memory_equal(a->cluster_id, b->cluster_id, 16);
    assert_int_equal(a->log.configuration.count, b->log.configuration.count);
    for (uint32_t i = 0; i < a->log.configuration.count; i++) {
        assert_int_equal(a->log.configuration.members[i].id, b->log.configuration.members[i].id);
        assert_int_equal(a->log.configuration.members[i].role, b->log.configuration.members[i].role);
    }
    assert_int_equal(a->log.index, b->log.index);
    assert_int_equal(a->log.term, b->log.term);
    assert_int_equal(a->log.cut_index, b->log.cut_index);
    assert_int_equal(a->log.configuration_index, b->log.configuration_index);
    assert_int_equal(a->command_number, b->command_number);
    assert_true(hash128_equal(a->chain, b->chain));
    assert_int_equal(a->block_count, b->block_count);
    assert_int_equal(a->block_bytes, b->block_bytes);
    assert_int_equal(a->file_count, b->file_count);
    for (size_t i = 0; i < a->file_count; i++) {
        assert_string_equal(a->files[i].name, b->files[i].name);
        assert_int_equal(a->files[i].size_bytes, b->files[i].size_bytes);
        assert_true(hash128_equal(a->files[i].hash, b->files[i].hash));
    }
}

static void marker_is_these_bytes(void **state)
{
    (void)state;
    struct snapshot_manifest *manifest = manifest_example();
    struct buffer *bytes = snapshot_manifest_save(manifest);
    assert_int_equal(bytes->size_bytes, sizeof(example));
    assert_memory_equal(bytes->data, example, sizeof(example));
    struct snapshot_manifest *loaded = snapshot_manifest_load(buffer_slice(bytes));
    assert_non_null(loaded);
    expect_manifest(loaded, manifest);
    snapshot_manifest_free(loaded);
    for (size_t i = 0; i < bytes->size_bytes; i++) {
        bytes->data[i] ^= 0x40;
        assert_null(snapshot_manifest_load(buffer_slice(bytes)));
        bytes->data[i] ^= 0x40;
        assert_null(snapshot_manifest_load(slice_make(bytes->data, i)));
    }
    buffer_put(bytes);
    snapshot_manifest_free(manifest);
}

/* There and back through a frame. */
static struct snapshot_message *carried(const struct snapshot_message *message, uint64_t from)
{
    struct arena arena;
    struct slice data;
    struct peer_frame frame;
    arena_init(&arena);
    const Qnfs__Peer *peer = snapshot_message_encode(message, &arena, &data);
    size_t room = peer_frame_bytes(peer, &data, 1);
    struct slice packed = peer_frame_pack(peer, &data, 1, (struct span){arena_alloc(&arena, room), room});
    assert_int_equal(peer_frame_open(packed, &arena, &frame), STATUS_OK);
    struct snapshot_message *copy = snapshot_message_decode(from, &frame);
    arena_fini(&arena);
    assert_non_null(copy);
    assert_int_equal(copy->peer, from);
    return copy;
}

static void messages_go_over(void **state)
{
    (void)state;
    struct snapshot_message *message = snapshot_message_create(SNAPSHOT_OFFER, 5);
    message->manifest = manifest_example();
    struct snapshot_message *copy = carried(message, 6);
    assert_int_equal(copy->kind, SNAPSHOT_OFFER);
    expect_manifest(copy->manifest, message->manifest);
    snapshot_message_free(copy);
    snapshot_message_free(message);

    message = snapshot_message_create(SNAPSHOT_CHUNK, 5);
    message->id = 9;
    message->part = PEER_SNAPSHOT_BLOCK;
    message->item = UINT64_MAX;
    message->offset = 3 * SNAPSHOT_PIECE_BYTES;
    message->size_bytes = 5;
    message->data = buffer_create(5);
    memcpy(message->data->data, "hello", message->data->size_bytes = 5);
    copy = carried(message, 6);
    assert_true(copy->kind == SNAPSHOT_CHUNK && copy->id == 9 && copy->part == PEER_SNAPSHOT_BLOCK);
    assert_true(copy->item == UINT64_MAX && copy->offset == message->offset && copy->size_bytes == 5);
    assert_true(slice_equal(buffer_slice(copy->data), slice_text("hello")));
    snapshot_message_free(copy);
    snapshot_message_free(message);
}

/* --- the two against each other --- */

/* What the copy consists of: file f is files[f] bytes of f, block b (ids 10, 20, ...) sizes by b. */
static const size_t files[FILES] = {1, 3 * SNAPSHOT_PIECE_BYTES, 0, 2 * SNAPSHOT_PIECE_BYTES + 7};

static size_t block_bytes(size_t block)
{
    return block % 150 == 29 ? BLOCK_MAX_BYTES - block : 65537 + block;
}

static void fill(uint8_t *bytes, uint64_t seed, uint64_t offset, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++)
        bytes[i] = (uint8_t)((offset + i) * 7 + ((offset + i) >> 12) + seed);
}

struct pair {
    struct snapshot_send *send;
    struct snapshot_receive *receive;
    uint64_t now_ms;
    uint64_t giver_index;
    uint64_t fetcher_index;
    bool low;
    bool damaged; /* the giver hands out wrong bytes for block 30 */
    bool unreadable;
    uint64_t nonce;
    struct random_seeded seeded;
    struct random random;
    unsigned loss_percent;
    struct list net;     /* of messages */
    enum status failure; /* of the fetcher's disk, once */
    unsigned made;
    unsigned dropped;
    unsigned cleared;
    unsigned given_up;
    unsigned under_way_most;
    bool ready;
    size_t written[FILES];
    bool closed[FILES];
    size_t stored;
};

static bool pair_draw(struct pair *pair, unsigned percent)
{
    uint8_t draw;
    pair->random.fill(pair->random.context, &draw, 1);
    return draw % 100 < percent;
}

static void pair_post(struct pair *pair, struct snapshot_message *message)
{
    if (pair_draw(pair, pair->loss_percent)) {
        snapshot_message_free(message);
        return;
    }
    list_append(&pair->net, &message->link);
}

static struct snapshot_manifest *pair_manifest(const struct pair *pair)
{
    struct snapshot_manifest *manifest = snapshot_manifest_create(FILES);
    uint8_t *room = malloc(SNAPSHOT_PIECE_BYTES);
    CHECK(room != NULL);
    memcpy(manifest->cluster_id, cluster_id, 16);
    manifest->log = (struct log_snapshot){pair->giver_index, 7, pair->giver_index, 400, {1, {{1, MEMBER_VOTER}}}};
    for (size_t i = 0; i < FILES; i++) {
        snprintf(manifest->files[i].name, sizeof(manifest->files[i].name), "file%zu", i);
        manifest->files[i].size_bytes = files[i];
        for (size_t offset = 0; offset < files[i]; offset += SNAPSHOT_PIECE_BYTES) {
            size_t piece = files[i] - offset < SNAPSHOT_PIECE_BYTES ? files[i] - offset : SNAPSHOT_PIECE_BYTES;
            fill(room, i, offset, piece);
            manifest->files[i].hash = snapshot_hash(manifest->files[i].hash, slice_make(room, piece));
        }
    }
    manifest->block_count = BLOCKS;
    free(room);
    return manifest;
}

static void pair_read(struct pair *pair, const struct snapshot_message *fetch)
{
    struct snapshot_message *chunk = snapshot_message_create(SNAPSHOT_CHUNK, fetch->peer);
    chunk->id = fetch->id;
    chunk->part = fetch->part;
    chunk->item = fetch->item;
    chunk->offset = fetch->offset;
    chunk->size_bytes = fetch->size_bytes;
    chunk->data = buffer_create(fetch->size_bytes);
    chunk->data->size_bytes = fetch->size_bytes;
    fill(chunk->data->data, fetch->item, fetch->offset, fetch->size_bytes);
    if (pair->damaged && fetch->part == PEER_SNAPSHOT_BLOCK && fetch->item == 300)
        chunk->data->data[0] ^= 1;
    pair_post(pair, chunk);
}

static void give(struct pair *pair, struct snapshot_send_input *input)
{
    struct snapshot_send_moment moment = {pair->now_ms, pair->giver_index, pair->low};
    bool make = false;
    const struct snapshot_message *unreadable = NULL;
    for (struct snapshot_send_action *action = snapshot_send_step(pair->send, input, &moment); action != NULL;
         action = action->next) {
        switch (action->kind) {
        case SNAPSHOT_SEND_DO_SEND: pair_post(pair, action->message); break;
        case SNAPSHOT_SEND_DO_MAKE: make = true; break;
        case SNAPSHOT_SEND_DO_READ:
            if (pair->unreadable)
                unreadable = action->fetch;
            else
                pair_read(pair, action->fetch);
            break;
        case SNAPSHOT_SEND_DO_DROP: pair->dropped++; break;
        }
    }
    struct snapshot_send_input next = {.kind = SNAPSHOT_SEND_MADE};
    if (make) {
        pair->made++;
        next.manifest = pair_manifest(pair);
    } else if (unreadable != NULL) {
        next.kind = SNAPSHOT_SEND_UNREADABLE;
        next.message = unreadable;
    } else {
        return;
    }
    for (struct snapshot_send_action *action = snapshot_send_step(pair->send, &next, &moment); action != NULL;
         action = action->next) {
        if (action->kind == SNAPSHOT_SEND_DO_SEND)
            pair_post(pair, action->message);
        else if (action->kind == SNAPSHOT_SEND_DO_DROP)
            pair->dropped++;
    }
}

static void pair_write(struct pair *pair, const struct snapshot_receive_action *action)
{
    uint8_t *right = malloc(action->data.size_bytes);
    CHECK(right != NULL);
    fill(right, action->file, action->offset, action->data.size_bytes);
    assert_true(slice_equal(action->data, slice_make(right, action->data.size_bytes)));
    assert_int_equal(pair->written[action->file], action->offset);
    pair->written[action->file] += action->data.size_bytes;
    pair->closed[action->file] = action->last;
    free(right);
}

static void pair_store(struct pair *pair, const struct snapshot_receive_action *action)
{
    size_t size_bytes = block_bytes(pair->stored);
    uint8_t *right = malloc(size_bytes);
    CHECK(right != NULL);
    assert_int_equal(action->block.value, (pair->stored + 1) * 10);
    fill(right, action->block.value, 0, size_bytes);
    assert_true(slice_equal(action->data, slice_make(right, size_bytes)));
    pair->stored++;
    free(right);
}

static void pair_begin(struct pair *pair)
{
    memset(pair->written, 0, sizeof(pair->written));
    memset(pair->closed, 0, sizeof(pair->closed));
    pair->stored = 0;
}

static size_t pair_list(struct block_id after, struct snapshot_block *blocks)
{
    size_t count = 0;
    uint8_t *room = malloc(BLOCK_MAX_BYTES);
    CHECK(room != NULL);
    for (size_t block = (size_t)after.value / 10; block < BLOCKS && count < SNAPSHOT_BLOCKS_LISTED; block++) {
        fill(room, (block + 1) * 10, 0, block_bytes(block));
        blocks[count++] = (struct snapshot_block){
            {(block + 1) * 10}, block_bytes(block), hash_content(slice_make(room, block_bytes(block)))};
    }
    free(room);
    return count;
}

/* One step and all that follows from it. */
static void take(struct pair *pair, struct snapshot_receive_input *input)
{
    struct snapshot_block blocks[SNAPSHOT_BLOCKS_LISTED];
    struct snapshot_receive_input next = *input;
    bool more = true;
    while (more) {
        struct snapshot_receive_moment moment = {pair->now_ms, pair->fetcher_index};
        struct snapshot_receive_action *action = snapshot_receive_step(pair->receive, &next, &moment);
        next = (struct snapshot_receive_input){.kind = SNAPSHOT_RECEIVE_DONE};
        more = false;
        unsigned fetches = 0;
        for (; action != NULL; action = action->next) {
            bool works = action->kind == SNAPSHOT_RECEIVE_DO_BEGIN || action->kind == SNAPSHOT_RECEIVE_DO_WRITE ||
                         action->kind == SNAPSHOT_RECEIVE_DO_STORE || action->kind == SNAPSHOT_RECEIVE_DO_FINISH;
            if (works && pair->failure != STATUS_OK) {
                next.status = pair->failure;
                pair->failure = STATUS_OK;
                more = true;
            }
            if (next.status != STATUS_OK && action->kind != SNAPSHOT_RECEIVE_DO_SEND)
                continue;
            switch (action->kind) {
            case SNAPSHOT_RECEIVE_DO_SEND:
                fetches += action->message->kind == SNAPSHOT_FETCH;
                pair_post(pair, action->message);
                break;
            case SNAPSHOT_RECEIVE_DO_BEGIN:
                pair_begin(pair);
                more = true;
                break;
            case SNAPSHOT_RECEIVE_DO_WRITE: pair_write(pair, action); break;
            case SNAPSHOT_RECEIVE_DO_OPEN:
                for (size_t i = 0; i < FILES; i++)
                    assert_true(pair->written[i] == files[i] && pair->closed[i] == (files[i] > 0));
                more = true;
                break;
            case SNAPSHOT_RECEIVE_DO_LIST:
                next.kind = SNAPSHOT_RECEIVE_LISTED;
                next.blocks = blocks;
                next.block_count = pair_list(action->block, blocks);
                more = true;
                break;
            case SNAPSHOT_RECEIVE_DO_STORE: pair_store(pair, action); break;
            case SNAPSHOT_RECEIVE_DO_FINISH:
                assert_int_equal(pair->stored, BLOCKS);
                more = true;
                break;
            case SNAPSHOT_RECEIVE_DO_READY: pair->ready = true; break;
            case SNAPSHOT_RECEIVE_DO_CLEAR: pair->cleared++; break;
            case SNAPSHOT_RECEIVE_DO_GIVE_UP: pair->given_up++; break;
            }
        }
        if (fetches > pair->under_way_most)
            pair->under_way_most = fetches;
        if (next.status != STATUS_OK)
            next.kind = SNAPSHOT_RECEIVE_DONE;
    }
}

static void pair_tick(struct pair *pair)
{
    struct snapshot_send_input send = {.kind = SNAPSHOT_SEND_TICK};
    struct snapshot_receive_input receive = {.kind = SNAPSHOT_RECEIVE_TICK};
    pair->now_ms += SNAPSHOT_TICK_MS;
    give(pair, &send);
    take(pair, &receive);
}

/* Delivers what is under way, then time passes. */
static void pair_turn(struct pair *pair)
{
    struct list_link *link = list_first(&pair->net);
    if (link == NULL) {
        pair_tick(pair);
        return;
    }
    list_remove(link);
    struct snapshot_message *message = container_of(link, struct snapshot_message, link);
    message->peer = message->kind == SNAPSHOT_ASK || message->kind == SNAPSHOT_FETCH ? FETCHER : GIVER;
    if (message->peer == FETCHER) {
        struct snapshot_send_input input = {.kind = SNAPSHOT_SEND_HEARD, .message = message};
        give(pair, &input);
    } else {
        struct snapshot_receive_input input = {.kind = SNAPSHOT_RECEIVE_HEARD, .message = message};
        take(pair, &input);
    }
    snapshot_message_free(message);
}

static void pair_fetch(struct pair *pair)
{
    struct snapshot_receive_input input = {.kind = SNAPSHOT_RECEIVE_FETCH, .node = GIVER};
    take(pair, &input);
}

static void pair_empty_net(struct pair *pair)
{
    struct list_link *link;
    while ((link = list_first(&pair->net)) != NULL) {
        list_remove(link);
        snapshot_message_free(container_of(link, struct snapshot_message, link));
    }
}

static void pair_init(struct pair *pair, uint64_t seed)
{
    *pair = (struct pair){.now_ms = 100000, .giver_index = 500, .fetcher_index = 100, .nonce = 1000};
    pair->random = random_from_seed(&pair->seeded, seed);
    pair->send = snapshot_send_create(pair->nonce);
    pair->receive = snapshot_receive_create(cluster_id);
    list_init(&pair->net);
}

static void pair_fini(struct pair *pair)
{
    pair_empty_net(pair);
    snapshot_send_destroy(pair->send);
    snapshot_receive_destroy(pair->receive);
}

static void pair_until_ready(struct pair *pair)
{
    for (unsigned i = 0; i < 200000 && !pair->ready; i++)
        pair_turn(pair);
    assert_true(pair->ready);
}

static void copy_goes_over(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, 1);
    pair_fetch(&pair);
    pair_until_ready(&pair);
    assert_int_equal(pair.made, 1);
    assert_int_equal(pair.cleared, 0);
    assert_int_equal(pair.under_way_most, SNAPSHOT_PIECES_UNDER_WAY);
    struct snapshot_receive_status status;
    snapshot_receive_status(pair.receive, &status);
    assert_true(status.fetching && status.index == 500);
    for (unsigned i = 0; i < SNAPSHOT_KEEP_MS / SNAPSHOT_TICK_MS; i++)
        pair_tick(&pair);
    assert_int_equal(pair.dropped, 0); /* the member may be looking through what has come */
    pair_tick(&pair);
    pair_tick(&pair);
    assert_int_equal(pair.dropped, 1);
    pair_fini(&pair);
}

/* Frames are lost; either process starts anew now and then. */
static void copy_goes_over_whatever_happens(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct pair pair;
        pair_init(&pair, seed);
        pair.loss_percent = 3;
        pair_fetch(&pair);
        for (unsigned turn = 1; turn < 2000 && !pair.ready; turn++) {
            pair_turn(&pair);
            if (turn % 500 == 0) {
                snapshot_send_destroy(pair.send);
                pair.nonce += 1000;
                pair.send = snapshot_send_create(pair.nonce);
            }
            if (turn % 900 == 0) {
                snapshot_receive_destroy(pair.receive);
                pair.receive = snapshot_receive_create(cluster_id);
                pair_empty_net(&pair);
                pair_fetch(&pair);
            }
        }
        pair.loss_percent = 1;
        pair_until_ready(&pair);
        assert_true(pair.made > 1);
        pair_fini(&pair);
    }
}

/* Until the fetch ends. */
static void pair_until_given_up(struct pair *pair, unsigned times)
{
    for (unsigned i = 0; i < 200000 && pair->given_up < times; i++)
        pair_turn(pair);
    assert_int_equal(pair->given_up, times);
    assert_false(pair->ready);
}

static void nobody_answers(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, 1);
    pair.loss_percent = 100;
    uint64_t began_ms = pair.now_ms;
    pair_fetch(&pair);
    pair_until_given_up(&pair, 1);
    assert_true(pair.now_ms - began_ms >= SNAPSHOT_SILENCE_MS);
    assert_int_equal(pair.cleared, 1);
    pair.loss_percent = 0;
    pair_fetch(&pair); /* the leader said it again */
    pair_until_ready(&pair);
    pair_fini(&pair);
}

/* The member is down: soon another one may be asked. One that is back at once goes on. */
static void connection_ends(void **state)
{
    (void)state;
    struct pair pair;
    struct snapshot_receive_input lost = {.kind = SNAPSHOT_RECEIVE_LOST, .node = GIVER};
    pair_init(&pair, 1);
    pair_fetch(&pair);
    for (unsigned i = 0; i < 50; i++)
        pair_turn(&pair);
    pair_empty_net(&pair);
    take(&pair, &lost);
    for (unsigned i = 0; i < 200; i++)
        pair_turn(&pair);
    assert_int_equal(pair.given_up, 0);
    pair.loss_percent = 100;
    pair_empty_net(&pair);
    take(&pair, &lost);
    uint64_t began_ms = pair.now_ms;
    pair_until_given_up(&pair, 1);
    assert_true(pair.now_ms - began_ms <= SNAPSHOT_LOST_MS + 2 * SNAPSHOT_TICK_MS);
    pair_fini(&pair);
}

static void damage_and_full_disks_end_it(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, 1);
    pair.damaged = true;
    pair_fetch(&pair);
    pair_until_given_up(&pair, 1);
    assert_int_equal(pair.stored, 29);
    pair.damaged = false;
    pair.failure = STATUS_NO_SPACE;
    pair_fetch(&pair);
    pair_until_given_up(&pair, 2);
    pair_fetch(&pair);
    for (unsigned i = 0; i < 40; i++)
        pair_turn(&pair);
    pair.failure = STATUS_NO_SPACE; /* in the middle of it */
    pair_until_given_up(&pair, 3);
    pair_fetch(&pair);
    pair_until_ready(&pair);
    pair_fini(&pair);
}

/* What cannot be read is not tried at once again. */
static void unreadable_copies_are_not_made_in_a_row(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, 1);
    pair.unreadable = true;
    pair_fetch(&pair);
    uint64_t end_ms = pair.now_ms + 10 * SNAPSHOT_REST_MS;
    while (pair.now_ms < end_ms)
        pair_turn(&pair);
    assert_true(pair.made >= 5 && pair.made <= 11);
    pair.unreadable = false;
    pair_until_ready(&pair);
    pair_fini(&pair);
}

static void nothing_newer_is_there(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, 1);
    pair.fetcher_index = 500;
    pair_fetch(&pair);
    for (unsigned i = 0; i < 2000; i++)
        pair_turn(&pair);
    assert_int_equal(pair.made, 0);
    assert_int_equal(pair.given_up, 0); /* it is told to wait */
    pair_until_given_up(&pair, 1);      /* but not for ever */
    pair_fetch(&pair);
    pair.giver_index = 510;
    pair_until_ready(&pair);
    pair_fini(&pair);
    /* It gets further by itself while the copy comes. */
    pair_init(&pair, 1);
    pair_fetch(&pair);
    for (unsigned i = 0; i < 200; i++)
        pair_turn(&pair);
    pair.fetcher_index = 500;
    pair_until_given_up(&pair, 1);
    pair_fini(&pair);
}

static void low_disks_make_no_copy(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, 1);
    pair.low = true;
    pair_fetch(&pair);
    for (unsigned i = 0; i < 100; i++)
        pair_turn(&pair);
    assert_int_equal(pair.made, 0);
    pair.low = false;
    for (unsigned i = 0; i < 300; i++)
        pair_turn(&pair);
    assert_int_equal(pair.made, 1);
    pair.low = true;
    pair_tick(&pair);
    assert_int_equal(pair.dropped, 1);
    pair.low = false;
    pair_until_ready(&pair);
    assert_int_equal(pair.made, 2);
    pair_fini(&pair);
}

/* One step of a giver; returns the kind of what it said (0: nothing). */
static int asked(struct snapshot_send *send, uint64_t node, uint64_t applied_index, uint64_t giver_index,
                 uint64_t now_ms, bool *make)
{
    struct snapshot_message ask = {.kind = SNAPSHOT_ASK, .peer = node, .applied_index = applied_index};
    struct snapshot_send_input input = {.kind = SNAPSHOT_SEND_HEARD, .message = &ask};
    struct snapshot_send_moment moment = {now_ms, giver_index, false};
    int kind = 0;
    *make = false;
    for (struct snapshot_send_action *action = snapshot_send_step(send, &input, &moment); action != NULL;
         action = action->next) {
        *make |= action->kind == SNAPSHOT_SEND_DO_MAKE;
        if (action->kind == SNAPSHOT_SEND_DO_SEND) {
            kind = (int)action->message->kind;
            snapshot_message_free(action->message);
        }
    }
    return kind;
}

/* Several share a copy; one that it helps no more waits for the others; too many wait too. */
static void several_fetch(void **state)
{
    (void)state;
    struct pair pair;
    bool make;
    pair_init(&pair, 1);
    struct snapshot_send *send = pair.send;
    assert_int_equal(asked(send, 10, 100, 500, 1000, &make), SNAPSHOT_ANSWER);
    assert_true(make);
    assert_int_equal(asked(send, 10, 100, 500, 1000, &make), SNAPSHOT_ANSWER);
    assert_false(make);
    struct snapshot_send_input made = {.kind = SNAPSHOT_SEND_MADE, .manifest = pair_manifest(&pair)};
    struct snapshot_send_moment moment = {1000, 500, false};
    struct snapshot_send_action *action = snapshot_send_step(send, &made, &moment);
    assert_true(action != NULL && action->next == NULL && action->kind == SNAPSHOT_SEND_DO_SEND);
    assert_true(action->message->kind == SNAPSHOT_OFFER && action->message->peer == 10); /* it waits no longer */
    snapshot_message_free(action->message);
    for (uint64_t node = 10; node < 10 + SNAPSHOT_RECEIVERS_MAX; node++)
        assert_int_equal(asked(send, node, 100, 600, 1100, &make), SNAPSHOT_OFFER);
    assert_int_equal(asked(send, 99, 100, 600, 1200, &make), SNAPSHOT_ANSWER);
    assert_int_equal(asked(send, 10, 500, 600, 1300, &make), SNAPSHOT_ANSWER);
    assert_false(make);
    /* The others are silent since long. */
    assert_int_equal(asked(send, 10, 500, 600, 1400 + SNAPSHOT_SILENCE_MS, &make), SNAPSHOT_ANSWER);
    assert_true(make);
    pair_fini(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marker_is_these_bytes),
        cmocka_unit_test(messages_go_over),
        cmocka_unit_test(copy_goes_over),
        cmocka_unit_test(copy_goes_over_whatever_happens),
        cmocka_unit_test(nobody_answers),
        cmocka_unit_test(connection_ends),
        cmocka_unit_test(damage_and_full_disks_end_it),
        cmocka_unit_test(unreadable_copies_are_not_made_in_a_row),
        cmocka_unit_test(nothing_newer_is_there),
        cmocka_unit_test(low_disks_make_no_copy),
        cmocka_unit_test(several_fetch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
