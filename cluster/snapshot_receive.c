#include "cluster/snapshot_receive.h"

#include "base/check.h"
#include "base/heap.h"

enum receive_state {
    RECEIVE_IDLE,
    RECEIVE_ASKING,    /* for a copy */
    RECEIVE_BEGINNING, /* the shell prepares the folder */
    RECEIVE_FETCHING,  /* the items in hand: the state's files, then some blocks at a time */
    RECEIVE_OPENING,
    RECEIVE_LISTING,
    RECEIVE_FINISHING,
    RECEIVE_READY,
    RECEIVE_RESTING, /* failed */
};

/* A file or a block that is being fetched. */
struct receive_item {
    enum peer_snapshot_part part;
    uint64_t item; /* as in the messages */
    uint64_t size_bytes;
    struct hash128 hash;
};

/* A place in the items in hand. */
struct receive_place {
    size_t item;
    uint64_t offset;
};

struct snapshot_receive {
    uint8_t cluster_id[16];
    enum receive_state state;
    uint64_t member;
    struct snapshot_manifest *manifest; /* NULL: none yet */
    struct receive_item *items;         /* room for the larger of both batches */
    size_t item_count;
    struct receive_place next;  /* the piece that is expected */
    struct receive_place asked; /* the first one that is not under way */
    uint32_t under_way;
    struct hash128 hash;    /* of the file's pieces so far */
    struct buffer *block;   /* content of the block so far, or NULL */
    struct block_id listed; /* the last block of the items */
    uint64_t block_count;   /* that came */
    uint64_t bytes;         /* that came */
    uint64_t asking_ms;     /* first ask for the copy */
    uint64_t asked_ms;      /* last ask, or last progress while pieces are under way */
    uint64_t heard_ms;      /* anything of use from the member */
    uint64_t lost_ms;       /* when its connection ended; 0: it has been heard since */
    uint64_t rest_until_ms;
    struct arena arena;
    struct snapshot_receive_action *first;
    struct snapshot_receive_action **last;
};

struct snapshot_receive *snapshot_receive_create(const uint8_t cluster_id[16])
{
    struct snapshot_receive *receive = HEAP_NEW(struct snapshot_receive);
    memcpy(receive->cluster_id, cluster_id, sizeof(receive->cluster_id));
    receive->items = heap_grow(NULL, 0, SNAPSHOT_FILES_MAX, sizeof(*receive->items));
    static_assert(SNAPSHOT_BLOCKS_LISTED <= SNAPSHOT_FILES_MAX, "one array for both");
    arena_init(&receive->arena);
    return receive;
}

void snapshot_receive_destroy(struct snapshot_receive *receive)
{
    snapshot_manifest_free(receive->manifest);
    buffer_put(receive->block);
    heap_free(receive->items);
    arena_fini(&receive->arena);
    heap_free(receive);
}

static struct snapshot_receive_action *receive_act(struct snapshot_receive *receive,
                                                   enum snapshot_receive_action_kind kind)
{
    struct snapshot_receive_action *action = ARENA_NEW(&receive->arena, struct snapshot_receive_action);
    action->kind = kind;
    action->manifest = receive->manifest;
    *receive->last = action;
    receive->last = &action->next;
    return action;
}

static void receive_forget(struct snapshot_receive *receive)
{
    snapshot_manifest_free(receive->manifest);
    receive->manifest = NULL;
    buffer_put(receive->block);
    receive->block = NULL;
    receive->item_count = 0;
    receive->under_way = 0;
    receive->bytes = 0;
    receive->block_count = 0;
    receive->listed = (struct block_id){0};
}

/* The fetch has failed. Before it may be tried again, whatever was wrong gets time to become better. */
static void receive_fail(struct snapshot_receive *receive, enum status status,
                         const struct snapshot_receive_moment *moment)
{
    CHECK(status != STATUS_OK);
    receive_act(receive, SNAPSHOT_RECEIVE_DO_CLEAR)->status = status;
    receive->state = RECEIVE_RESTING;
    /* A member that is gone may be gone because another one leads: that one's state may be had at once. */
    receive->rest_until_ms = moment->now_ms + (status == STATUS_CLOSED ? 0 : SNAPSHOT_REST_MS);
}

/* --- asking --- */

static void receive_ask(struct snapshot_receive *receive, const struct snapshot_receive_moment *moment)
{
    struct snapshot_message *message = snapshot_message_create(SNAPSHOT_ASK, receive->member);
    message->applied_index = moment->applied_index;
    receive_act(receive, SNAPSHOT_RECEIVE_DO_SEND)->message = message;
    if (receive->state != RECEIVE_ASKING)
        receive->asking_ms = moment->now_ms;
    receive->state = RECEIVE_ASKING;
    receive->asked_ms = moment->now_ms;
}

/* --- fetching --- */

static uint32_t piece_bytes(const struct receive_item *item, uint64_t offset)
{
    uint64_t left = item->size_bytes - offset;
    return left < SNAPSHOT_PIECE_BYTES ? (uint32_t)left : SNAPSHOT_PIECE_BYTES;
}

/* Behind the piece; an item that is through is followed by the next one. */
static void place_advance(const struct snapshot_receive *receive, struct receive_place *place)
{
    const struct receive_item *item = &receive->items[place->item];
    place->offset += piece_bytes(item, place->offset);
    if (place->offset == item->size_bytes)
        *place = (struct receive_place){place->item + 1, 0};
}

/* Has as many pieces under way as may be. */
static void receive_request(struct snapshot_receive *receive)
{
    while (receive->under_way < SNAPSHOT_PIECES_UNDER_WAY && receive->asked.item < receive->item_count) {
        const struct receive_item *item = &receive->items[receive->asked.item];
        struct snapshot_message *message = snapshot_message_create(SNAPSHOT_FETCH, receive->member);
        message->id = receive->manifest->id;
        message->part = item->part;
        message->item = item->item;
        message->offset = receive->asked.offset;
        message->size_bytes = piece_bytes(item, receive->asked.offset);
        receive_act(receive, SNAPSHOT_RECEIVE_DO_SEND)->message = message;
        place_advance(receive, &receive->asked);
        receive->under_way++;
    }
}

/* What was under way is taken for lost. */
static void receive_again(struct snapshot_receive *receive, const struct snapshot_receive_moment *moment)
{
    receive->asked = receive->next;
    receive->under_way = 0;
    receive->asked_ms = moment->now_ms;
    receive_request(receive);
}

static void receive_start_items(struct snapshot_receive *receive, const struct snapshot_receive_moment *moment)
{
    receive->state = RECEIVE_FETCHING;
    receive->next = (struct receive_place){0};
    receive->hash = (struct hash128){0};
    receive_again(receive, moment);
}

/* All items in hand are here. */
static void receive_items_done(struct snapshot_receive *receive)
{
    if (receive->listed.value == 0 && receive->block_count == 0) {
        receive->state = RECEIVE_OPENING;
        receive_act(receive, SNAPSHOT_RECEIVE_DO_OPEN);
    } else {
        receive->state = RECEIVE_LISTING;
        receive_act(receive, SNAPSHOT_RECEIVE_DO_LIST)->block = receive->listed;
    }
}

static bool receive_file_piece(struct snapshot_receive *receive, const struct receive_item *item, struct slice data,
                               bool last)
{
    receive->hash = snapshot_hash(receive->hash, data);
    struct snapshot_receive_action *action = receive_act(receive, SNAPSHOT_RECEIVE_DO_WRITE);
    action->file = (size_t)item->item;
    action->offset = receive->next.offset;
    action->data = data;
    action->last = last;
    if (!last)
        return true;
    bool good = hash128_equal(receive->hash, item->hash);
    receive->hash = (struct hash128){0};
    return good;
}

static bool receive_block_piece(struct snapshot_receive *receive, const struct receive_item *item, struct slice data,
                                bool last)
{
    if (receive->block == NULL)
        receive->block = buffer_create((size_t)item->size_bytes);
    struct buffer *block = receive->block;
    CHECK(block->size_bytes == receive->next.offset && data.size_bytes <= block->capacity_bytes - block->size_bytes);
    memcpy(block->data + block->size_bytes, data.data, data.size_bytes);
    block->size_bytes += data.size_bytes;
    if (!last)
        return true;
    if (!hash128_equal(hash_content(buffer_slice(block)), item->hash))
        return false;
    struct snapshot_receive_action *action = receive_act(receive, SNAPSHOT_RECEIVE_DO_STORE);
    action->block = (struct block_id){item->item};
    action->data = arena_copy(&receive->arena, buffer_slice(block));
    buffer_put(block);
    receive->block = NULL;
    receive->block_count++;
    return true;
}

static void receive_chunk(struct snapshot_receive *receive, const struct snapshot_message *chunk,
                          const struct snapshot_receive_moment *moment)
{
    if (receive->state != RECEIVE_FETCHING || chunk->id != receive->manifest->id)
        return;
    const struct receive_item *item = &receive->items[receive->next.item];
    if (chunk->part != item->part || chunk->item != item->item || chunk->offset != receive->next.offset ||
        chunk->size_bytes != piece_bytes(item, receive->next.offset))
        return; /* asked for twice, or one before it was lost */
    CHECK(receive->under_way > 0);
    receive->under_way--;
    receive->heard_ms = receive->asked_ms = moment->now_ms;
    receive->bytes += chunk->size_bytes;
    bool last = receive->next.offset + chunk->size_bytes == item->size_bytes;
    struct slice data = arena_copy(&receive->arena, buffer_slice(chunk->data));
    bool good = item->part == PEER_SNAPSHOT_FILE ? receive_file_piece(receive, item, data, last)
                                                 : receive_block_piece(receive, item, data, last);
    if (!good) {
        receive_fail(receive, STATUS_BAD_DATA, moment);
        return;
    }
    place_advance(receive, &receive->next);
    if (receive->next.item == receive->item_count)
        receive_items_done(receive);
    else
        receive_request(receive);
}

/* --- the copy --- */

static void receive_offer(struct snapshot_receive *receive, struct snapshot_message *offer,
                          const struct snapshot_receive_moment *moment)
{
    if (receive->state != RECEIVE_ASKING)
        return;
    receive->heard_ms = moment->now_ms;
    if (memcmp(offer->manifest->cluster_id, receive->cluster_id, sizeof(receive->cluster_id)) != 0) {
        receive_fail(receive, STATUS_BAD_DATA, moment);
        return;
    }
    if (offer->manifest->log.index <= moment->applied_index)
        return; /* ask again, for a newer one */
    receive->manifest = offer->manifest;
    offer->manifest = NULL;
    receive->state = RECEIVE_BEGINNING;
    receive_act(receive, SNAPSHOT_RECEIVE_DO_BEGIN);
}

/* The folder is there: the state's files. Empty ones have been made with it. */
static void receive_begun(struct snapshot_receive *receive, const struct snapshot_receive_moment *moment)
{
    receive->item_count = 0;
    for (size_t i = 0; i < receive->manifest->file_count; i++) {
        const struct snapshot_file *file = &receive->manifest->files[i];
        if (file->size_bytes > 0)
            receive->items[receive->item_count++] =
                (struct receive_item){PEER_SNAPSHOT_FILE, i, file->size_bytes, file->hash};
    }
    if (receive->item_count == 0)
        receive_fail(receive, STATUS_BAD_DATA, moment);
    else
        receive_start_items(receive, moment);
}

static void receive_listed(struct snapshot_receive *receive, const struct snapshot_receive_input *input,
                           const struct snapshot_receive_moment *moment)
{
    CHECK(receive->state == RECEIVE_LISTING && input->block_count <= SNAPSHOT_BLOCKS_LISTED);
    receive->item_count = 0;
    for (size_t i = 0; i < input->block_count; i++) {
        const struct snapshot_block *block = &input->blocks[i];
        CHECK(block->id.value > receive->listed.value);
        if (block->size_bytes == 0 || block->size_bytes > BLOCK_MAX_BYTES) {
            receive_fail(receive, STATUS_BAD_DATA, moment);
            return;
        }
        receive->items[receive->item_count++] =
            (struct receive_item){PEER_SNAPSHOT_BLOCK, block->id.value, block->size_bytes, block->checksum};
        receive->listed = block->id;
    }
    if (receive->item_count > 0) {
        receive_start_items(receive, moment);
        return;
    }
    if (receive->block_count != receive->manifest->block_count) {
        receive_fail(receive, STATUS_BAD_DATA, moment);
        return;
    }
    /* This node may have got further by itself meanwhile. */
    if (receive->manifest->log.index <= moment->applied_index) {
        receive_fail(receive, STATUS_REFUSED, moment);
        return;
    }
    receive->state = RECEIVE_FINISHING;
    receive_act(receive, SNAPSHOT_RECEIVE_DO_FINISH);
}

static void receive_done(struct snapshot_receive *receive, enum status status,
                         const struct snapshot_receive_moment *moment)
{
    if (receive->state == RECEIVE_RESTING)
        return; /* a write failed beside something else */
    if (status != STATUS_OK) {
        receive_fail(receive, status, moment);
        return;
    }
    receive->heard_ms = moment->now_ms; /* our own work is not the member's silence */
    if (receive->lost_ms != 0)
        receive->lost_ms = moment->now_ms;
    switch (receive->state) {
    case RECEIVE_BEGINNING: receive_begun(receive, moment); break;
    case RECEIVE_OPENING:
        receive->state = RECEIVE_LISTING;
        receive_act(receive, SNAPSHOT_RECEIVE_DO_LIST);
        break;
    case RECEIVE_FINISHING:
        receive->state = RECEIVE_READY;
        receive_act(receive, SNAPSHOT_RECEIVE_DO_READY);
        break;
    case RECEIVE_IDLE:
    case RECEIVE_ASKING:
    case RECEIVE_FETCHING:
    case RECEIVE_LISTING:
    case RECEIVE_READY:
    case RECEIVE_RESTING: CHECK(false);
    }
}

static void receive_answer(struct snapshot_receive *receive, const struct snapshot_message *answer,
                           const struct snapshot_receive_moment *moment)
{
    if (receive->state == RECEIVE_ASKING && answer->id == 0) {
        receive->heard_ms = moment->now_ms; /* WAIT: the next ask is due soon */
    } else if (receive->state == RECEIVE_FETCHING && answer->id == receive->manifest->id &&
               answer->outcome == PEER_SNAPSHOT_GONE) {
        receive_act(receive, SNAPSHOT_RECEIVE_DO_CLEAR)->status = STATUS_NOT_FOUND;
        receive_forget(receive);
        receive_ask(receive, moment);
    }
}

static void receive_heard(struct snapshot_receive *receive, struct snapshot_message *message,
                          const struct snapshot_receive_moment *moment)
{
    if (message->peer != receive->member || receive->state == RECEIVE_IDLE)
        return;
    receive->lost_ms = 0;
    if (message->kind == SNAPSHOT_OFFER)
        receive_offer(receive, message, moment);
    else if (message->kind == SNAPSHOT_CHUNK)
        receive_chunk(receive, message, moment);
    else if (message->kind == SNAPSHOT_ANSWER)
        receive_answer(receive, message, moment);
}

/* --- time --- */

static void receive_tick(struct snapshot_receive *receive, const struct snapshot_receive_moment *moment)
{
    if (receive->state == RECEIVE_RESTING && moment->now_ms >= receive->rest_until_ms) {
        receive_forget(receive);
        receive->state = RECEIVE_IDLE;
        receive_act(receive, SNAPSHOT_RECEIVE_DO_GIVE_UP);
        return;
    }
    if (receive->state != RECEIVE_ASKING && receive->state != RECEIVE_FETCHING)
        return;
    bool lost = receive->lost_ms != 0 && moment->now_ms - receive->lost_ms >= SNAPSHOT_LOST_MS;
    if (lost || moment->now_ms - receive->heard_ms >= SNAPSHOT_SILENCE_MS)
        receive_fail(receive, STATUS_CLOSED, moment);
    else if (receive->state == RECEIVE_ASKING && moment->now_ms - receive->asking_ms >= SNAPSHOT_ASK_MAX_MS)
        receive_fail(receive, STATUS_FULL, moment); /* by now another one may lead, which can give one */
    else if (moment->now_ms - receive->asked_ms < SNAPSHOT_AGAIN_MS)
        return;
    else if (receive->state == RECEIVE_ASKING)
        receive_ask(receive, moment);
    else
        receive_again(receive, moment);
}

struct snapshot_receive_action *snapshot_receive_step(struct snapshot_receive *receive,
                                                      struct snapshot_receive_input *input,
                                                      const struct snapshot_receive_moment *moment)
{
    arena_reset(&receive->arena);
    receive->first = NULL;
    receive->last = &receive->first;
    switch (input->kind) {
    case SNAPSHOT_RECEIVE_FETCH:
        if (receive->state != RECEIVE_IDLE)
            break;
        receive->member = input->node;
        receive->heard_ms = moment->now_ms;
        receive->lost_ms = 0;
        receive_ask(receive, moment);
        break;
    case SNAPSHOT_RECEIVE_HEARD: receive_heard(receive, input->message, moment); break;
    case SNAPSHOT_RECEIVE_LOST:
        if (input->node == receive->member)
            receive->lost_ms = moment->now_ms;
        break;
    case SNAPSHOT_RECEIVE_DONE: receive_done(receive, input->status, moment); break;
    case SNAPSHOT_RECEIVE_LISTED: receive_listed(receive, input, moment); break;
    case SNAPSHOT_RECEIVE_TICK: receive_tick(receive, moment); break;
    }
    return receive->first;
}

void snapshot_receive_status(const struct snapshot_receive *receive, struct snapshot_receive_status *status)
{
    *status = (struct snapshot_receive_status){
        .fetching = receive->state != RECEIVE_IDLE,
        .node = receive->member,
        .index = receive->manifest == NULL ? 0 : receive->manifest->log.index,
        .bytes = receive->bytes,
        .total_bytes = receive->manifest == NULL ? 0 : snapshot_manifest_bytes(receive->manifest),
    };
}
