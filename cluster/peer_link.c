#include "cluster/peer_link.h"

#include "base/check.h"
#include "base/heap.h"
#include "base/limits.h"

/* The first input buffer. */
#define INPUT_MIN_BYTES 4096u

struct output_frame {
    struct list_link link;
    struct buffer *bytes;
    size_t sent_bytes;
};

/* --- out --- */

static void output_append(struct peer_link *link, const Qnfs__Peer *message, const struct slice *data,
                          size_t data_count, uint64_t now_ms)
{
    size_t size_bytes = peer_frame_bytes(message, data, data_count);
    struct output_frame *frame = HEAP_NEW(struct output_frame);
    frame->bytes = buffer_create(size_bytes);
    frame->bytes->size_bytes = size_bytes;
    peer_frame_pack(message, data, data_count, (struct span){frame->bytes->data, size_bytes});
    if (link->output_bytes == 0)
        link->progress_ms = now_ms; /* it could not be sent before it was there */
    list_append(&link->output, &frame->link);
    link->output_bytes += size_bytes;
    link->sent_ms = now_ms;
}

static void frame_free(struct peer_link *link, struct output_frame *frame)
{
    size_t left_bytes = frame->bytes->size_bytes - frame->sent_bytes;
    CHECK(link->output_bytes >= left_bytes);
    link->output_bytes -= left_bytes;
    list_remove(&frame->link);
    buffer_put(frame->bytes);
    heap_free(frame);
}

/* All but a frame that is half sent: what follows it must still be a frame. */
static void output_drop(struct peer_link *link)
{
    struct list_link *next;
    for (struct list_link *at = list_first(&link->output); at != NULL; at = next) {
        struct output_frame *frame = container_of(at, struct output_frame, link);
        next = list_next(&link->output, at);
        if (frame->sent_bytes == 0)
            frame_free(link, frame);
    }
}

static void hello_send(struct peer_link *link, uint64_t now_ms)
{
    struct peer_hello *self = &link->options.self;
    Qnfs__Hello hello = QNFS__HELLO__INIT;
    Qnfs__Peer message = QNFS__PEER__INIT;
    if (self->in_cluster)
        hello.cluster = (ProtobufCBinaryData){sizeof(self->cluster), self->cluster};
    hello.node = self->node;
    hello.incarnation = self->incarnation;
    hello.feature_level = self->feature_level;
    hello.session_epoch = self->session_epoch;
    hello.channel = self->channel;
    if (!self->in_cluster)
        hello.advertise = self->advertise;
    hello.join = self->join;
    message.body_case = QNFS__PEER__BODY_HELLO;
    message.hello = &hello;
    output_append(link, &message, NULL, 0, now_ms);
}

static void refusal_send(struct peer_link *link, enum peer_reason reason, uint64_t now_ms)
{
    Qnfs__Refusal refusal = QNFS__REFUSAL__INIT;
    Qnfs__Peer message = QNFS__PEER__INIT;
    refusal.reason = reason;
    message.body_case = QNFS__PEER__BODY_REFUSAL;
    message.refusal = &refusal;
    output_append(link, &message, NULL, 0, now_ms);
}

enum status peer_link_send(struct peer_link *link, const Qnfs__Peer *message, const struct slice *data,
                           size_t data_count, uint64_t now_ms)
{
    CHECK(link->options.caller);
    if (link->state == PEER_LINK_ENDED)
        return STATUS_CLOSED;
    if (link->state != PEER_LINK_OPEN)
        return STATUS_REFUSED;
    size_t size_bytes = peer_frame_bytes(message, data, data_count);
    size_t bound = PEER_OUTPUT_MAX_BYTES + (size_bytes <= PEER_SMALL_FRAME_BYTES ? PEER_OUTPUT_RESERVE_BYTES : 0);
    CHECK(size_bytes <= PEER_OUTPUT_MAX_BYTES); /* an empty queue takes any frame */
    if (link->output_bytes > bound - size_bytes) {
        link->dropped++;
        return STATUS_FULL;
    }
    output_append(link, message, data, data_count, now_ms);
    return STATUS_OK;
}

struct slice peer_link_output(const struct peer_link *link)
{
    struct list_link *first = list_first(&link->output);
    if (first == NULL)
        return SLICE_EMPTY;
    const struct output_frame *frame = container_of(first, struct output_frame, link);
    return slice_from(buffer_slice(frame->bytes), frame->sent_bytes);
}

void peer_link_sent(struct peer_link *link, size_t size_bytes, uint64_t now_ms)
{
    CHECK(size_bytes <= peer_link_output(link).size_bytes);
    if (size_bytes == 0)
        return;
    struct output_frame *frame = container_of(list_first(&link->output), struct output_frame, link);
    frame->sent_bytes += size_bytes;
    link->output_bytes -= size_bytes;
    link->progress_ms = now_ms;
    if (frame->sent_bytes == frame->bytes->size_bytes)
        frame_free(link, frame);
}

/* --- beginning and end --- */

void peer_link_init(struct peer_link *link, const struct peer_link_options *options, uint64_t now_ms)
{
    *link = (struct peer_link){.options = *options,
                               .state = PEER_LINK_GREETING,
                               .heard_ms = now_ms,
                               .begun_ms = now_ms,
                               .sent_ms = now_ms,
                               .progress_ms = now_ms};
    CHECK(options->self.in_cluster == (options->self.node != 0));
    list_init(&link->output);
    if (options->caller)
        hello_send(link, now_ms);
}

void peer_link_fini(struct peer_link *link)
{
    for (struct list_link *at = list_first(&link->output); at != NULL; at = list_first(&link->output))
        frame_free(link, container_of(at, struct output_frame, link));
    CHECK(link->output_bytes == 0);
    buffer_put(link->input);
    link->input = NULL;
}

static void link_end(struct peer_link *link, enum peer_reason reason, bool told)
{
    link->state = PEER_LINK_ENDED;
    link->reason = reason;
    link->told = told;
    output_drop(link);
}

void peer_link_end(struct peer_link *link, enum peer_reason reason, uint64_t now_ms)
{
    if (link->state == PEER_LINK_ENDED)
        return;
    link_end(link, reason, false);
    refusal_send(link, reason, now_ms);
}

void peer_link_lost(struct peer_link *link)
{
    if (link->state != PEER_LINK_ENDED)
        link_end(link, PEER_REASON_NONE, false);
}

void peer_link_tick(struct peer_link *link, uint64_t now_ms)
{
    bool greeting = link->state == PEER_LINK_GREETING || link->state == PEER_LINK_GREETED;
    if (greeting && now_ms >= link->begun_ms + PEER_GREETING_TIMEOUT_MS)
        peer_link_end(link, PEER_REASON_SILENT, now_ms);
    if (link->state != PEER_LINK_OPEN)
        return;
    if (!link->options.caller) {
        if (now_ms >= link->heard_ms + PEER_SILENCE_TIMEOUT_MS)
            peer_link_end(link, PEER_REASON_SILENT, now_ms);
        return;
    }
    if (link->output_bytes > 0 && now_ms >= link->progress_ms + PEER_SEND_TIMEOUT_MS) {
        peer_link_end(link, PEER_REASON_SLOW, now_ms);
    } else if (link->output_bytes == 0 && now_ms >= link->sent_ms + PEER_ALIVE_MS) {
        Qnfs__Alive alive = QNFS__ALIVE__INIT;
        Qnfs__Peer message = QNFS__PEER__INIT;
        message.body_case = QNFS__PEER__BODY_ALIVE;
        message.alive = &alive;
        output_append(link, &message, NULL, 0, now_ms);
    }
}

/* --- in --- */

static size_t input_bytes(const struct peer_link *link)
{
    return link->input == NULL ? 0 : link->input->size_bytes - link->input_begin;
}

static struct slice input_slice(const struct peer_link *link)
{
    return link->input == NULL ? SLICE_EMPTY : slice_from(buffer_slice(link->input), link->input_begin);
}

/* Room for `more` behind what waits: for the whole frame if its size is known, so that it is copied once. */
static void input_reserve(struct peer_link *link, size_t more)
{
    size_t waiting = input_bytes(link);
    size_t wanted = waiting + more;
    size_t frame_bytes = 0;
    if (peer_frame_measure(input_slice(link), &frame_bytes) == STATUS_OK && frame_bytes > wanted)
        wanted = frame_bytes;
    bool shrink = link->input != NULL && waiting == 0 && link->input->capacity_bytes > PEER_INPUT_KEEP_BYTES &&
                  wanted <= PEER_INPUT_KEEP_BYTES;
    if (link->input != NULL && !shrink && link->input->capacity_bytes >= wanted) {
        if (waiting > 0 && link->input_begin > 0)
            memmove(link->input->data, link->input->data + link->input_begin, waiting);
    } else {
        struct buffer *larger = buffer_create(wanted < INPUT_MIN_BYTES ? INPUT_MIN_BYTES : wanted);
        if (waiting > 0)
            memcpy(larger->data, link->input->data + link->input_begin, waiting);
        buffer_put(link->input);
        link->input = larger;
    }
    link->input->size_bytes = waiting;
    link->input_begin = 0;
}

void peer_link_receive(struct peer_link *link, struct slice bytes, uint64_t now_ms)
{
    if (link->state == PEER_LINK_ENDED || bytes.size_bytes == 0)
        return;
    link->heard_ms = now_ms;
    input_reserve(link, bytes.size_bytes);
    memcpy(link->input->data + link->input->size_bytes, bytes.data, bytes.size_bytes);
    link->input->size_bytes += bytes.size_bytes;
    CHECK(link->input->size_bytes <= link->input->capacity_bytes);
}

/* What is wrong about a hello, from what every node can see. */
static enum peer_reason hello_judge(const struct peer_link_options *options, const struct peer_hello *other)
{
    const struct peer_hello *self = &options->self;
    if (!options->caller && self->in_cluster && !other->in_cluster && other->join != 0)
        return other->channel == PEER_CHANNEL_RAFT ? PEER_REASON_NONE : PEER_REASON_CHANNEL; /* the owner answers */
    if (self->in_cluster && !other->in_cluster)
        return PEER_REASON_NO_CLUSTER;
    if (!self->in_cluster && other->in_cluster)
        return PEER_REASON_WE_HAVE_NONE;
    if (self->in_cluster && memcmp(self->cluster, other->cluster, sizeof(self->cluster)) != 0)
        return PEER_REASON_OTHER_CLUSTER;
    if (self->in_cluster && self->node == other->node)
        return PEER_REASON_SAME_NODE;
    if (options->expected_node != 0 && options->expected_node != other->node)
        return PEER_REASON_WRONG_NODE;
    if (other->feature_level < options->feature_level_min)
        return PEER_REASON_FEATURE_LEVEL;
    if (other->channel >= PEER_CHANNEL_COUNT)
        return PEER_REASON_CHANNEL;
    if (options->caller && (other->channel != self->channel || other->session_epoch != self->session_epoch))
        return PEER_REASON_PROTOCOL; /* not the answer to our call */
    return PEER_REASON_NONE;
}

static void hello_heard(struct peer_link *link, const Qnfs__Hello *hello, uint64_t now_ms)
{
    struct peer_hello *other = &link->other;
    *other = (struct peer_hello){.in_cluster = hello->cluster.len == sizeof(other->cluster),
                                 .node = hello->node,
                                 .incarnation = hello->incarnation,
                                 .feature_level = hello->feature_level,
                                 .session_epoch = hello->session_epoch,
                                 .channel = hello->channel,
                                 .join = hello->join};
    if (other->in_cluster)
        memcpy(other->cluster, hello->cluster.data, sizeof(other->cluster));
    _Static_assert(sizeof(other->advertise) > PEER_ADVERTISE_MAX_BYTES, "the codec has looked at its length");
    strcpy(other->advertise, hello->advertise);
    enum peer_reason reason = hello_judge(&link->options, other);
    if (reason != PEER_REASON_NONE)
        peer_link_end(link, reason, now_ms);
    else
        link->state = link->options.caller ? PEER_LINK_OPEN : PEER_LINK_GREETED;
}

void peer_link_accept(struct peer_link *link, uint64_t now_ms)
{
    CHECK(!link->options.caller);
    if (link->state == PEER_LINK_ENDED)
        return;
    CHECK(link->state == PEER_LINK_GREETED && link->other.join == 0);
    link->options.self.session_epoch = link->other.session_epoch;
    link->options.self.channel = link->other.channel;
    link->state = PEER_LINK_OPEN;
    hello_send(link, now_ms);
}

void peer_link_answer(struct peer_link *link, const Qnfs__Peer *message, uint64_t now_ms)
{
    CHECK(!link->options.caller && message->body_case == QNFS__PEER__BODY_JOIN_ANSWER);
    if (link->state == PEER_LINK_ENDED)
        return;
    CHECK(link->state == PEER_LINK_GREETED && link->other.join != 0);
    link_end(link, PEER_REASON_NONE, false);
    output_append(link, message, NULL, 0, now_ms);
}

/* A frame in its place; true: it is for the owner. */
static bool frame_heard(struct peer_link *link, const struct peer_frame *frame, uint64_t now_ms)
{
    const Qnfs__Peer *message = frame->message;
    if (message->body_case == QNFS__PEER__BODY_REFUSAL) {
        uint32_t reason = message->refusal->reason;
        link_end(link, reason < PEER_REASON_COUNT ? (enum peer_reason)reason : PEER_REASON_COUNT, true);
    } else if (link->state == PEER_LINK_GREETING) {
        if (message->body_case == QNFS__PEER__BODY_HELLO)
            hello_heard(link, message->hello, now_ms);
        else if (message->body_case == QNFS__PEER__BODY_JOIN_ANSWER && link->options.self.join != 0)
            return true;
        else
            peer_link_end(link, PEER_REASON_PROTOCOL, now_ms);
    } else if (message->body_case == QNFS__PEER__BODY_HELLO || link->options.caller || link->state != PEER_LINK_OPEN) {
        peer_link_end(link, PEER_REASON_PROTOCOL, now_ms); /* only a caller sends frames, and only when accepted */
    } else {
        return message->body_case != QNFS__PEER__BODY_ALIVE;
    }
    return false;
}

/* The next whole frame. */
static bool frame_next(struct peer_link *link, struct arena *arena, uint64_t now_ms, struct peer_frame *frame)
{
    size_t size_bytes;
    struct slice input = input_slice(link);
    enum status status = peer_frame_measure(input, &size_bytes);
    if (status == STATUS_NOT_FOUND || (status == STATUS_OK && size_bytes > input.size_bytes))
        return false;
    if (status == STATUS_OK)
        status = peer_frame_open(slice_make(input.data, size_bytes), arena, frame);
    if (status != STATUS_OK) {
        peer_link_end(link, PEER_REASON_PROTOCOL, now_ms);
        return false;
    }
    link->input_begin += size_bytes;
    return true;
}

bool peer_link_next(struct peer_link *link, struct arena *arena, uint64_t now_ms, struct peer_event *event)
{
    *event = (struct peer_event){.kind = PEER_EVENT_ENDED};
    while (link->state != PEER_LINK_ENDED) {
        if (!link->greeting_seen && link->state != PEER_LINK_GREETING) {
            link->greeting_seen = true;
            event->kind = PEER_EVENT_GREETED;
            return true;
        }
        if (!frame_next(link, arena, now_ms, &event->frame))
            break;
        if (frame_heard(link, &event->frame, now_ms)) {
            event->kind = PEER_EVENT_FRAME;
            return true;
        }
    }
    if (link->state != PEER_LINK_ENDED || link->end_seen)
        return false;
    link->end_seen = true;
    return true;
}

/* --- reasons and sessions --- */

const char *peer_reason_text(enum peer_reason reason)
{
    static const char *const texts[] = {
        [PEER_REASON_NONE] = "lost the connection",
        [PEER_REASON_OTHER_CLUSTER] = "belongs to another cluster",
        [PEER_REASON_NO_CLUSTER] = "belongs to no cluster; a new node joins with --join",
        [PEER_REASON_WE_HAVE_NONE] = "belongs to a cluster already; a new node joins it with --join",
        [PEER_REASON_SAME_NODE] = "has the node id of the one that it talks to",
        [PEER_REASON_WRONG_NODE] = "is not the node that was called",
        [PEER_REASON_UNKNOWN_NODE] = "is no member of the cluster",
        [PEER_REASON_WRONG_CERTIFICATE] = "has a certificate that does not cover the host of its node",
        [PEER_REASON_OLD_PROCESS] = "is an older process than another one with its node id",
        [PEER_REASON_OLD_CONNECTION] = "came on an older connection than another one of its process",
        [PEER_REASON_FEATURE_LEVEL] = "runs a program that is too old for this cluster",
        [PEER_REASON_CHANNEL] = "asks for an unknown channel",
        [PEER_REASON_PROTOCOL] = "sent what is no frame, or one out of place",
        [PEER_REASON_REPLACED] = "has a later connection",
        [PEER_REASON_SILENT] = "was silent for too long",
        [PEER_REASON_SLOW] = "took nothing for too long",
        [PEER_REASON_LEAVING] = "hears no more, as the other is going away",
        [PEER_REASON_REMOVED] = "was removed from the cluster",
        [PEER_REASON_COUNT] = "is refused for a reason that this program does not know",
    };
    _Static_assert(sizeof(texts) / sizeof(texts[0]) == PEER_REASON_COUNT + 1, "every reason has its text");
    CHECK(reason <= PEER_REASON_COUNT);
    return texts[reason];
}

enum peer_reason peer_session_admit(struct peer_session *latest, const struct peer_hello *hello)
{
    if (hello->incarnation < latest->incarnation)
        return PEER_REASON_OLD_PROCESS;
    if (hello->incarnation == latest->incarnation && hello->session_epoch <= latest->epoch)
        return PEER_REASON_OLD_CONNECTION;
    *latest = (struct peer_session){hello->incarnation, hello->session_epoch};
    return PEER_REASON_NONE;
}
