/* peer_link.h: one connection between two nodes, without its socket and its TLS: bytes in, frames out, and back.
 *
 * A connection's life: the caller's link begins with its hello. The callee's link gives PEER_EVENT_GREETED; its owner
 * looks at the hello (is it a member? is it its certificate? is there a later connection?) and accepts or refuses. Then the
 * caller's link gives PEER_EVENT_GREETED too, and the caller may send. The callee only hears. Either side ends it with a
 * reason, which the other side is told.
 *
 * Pure of sockets and clocks; memory from the heap, bounded by base/limits.h. One thread. */
#ifndef CLUSTER_PEER_LINK_H
#define CLUSTER_PEER_LINK_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/list.h"
#include "cluster/endpoint.h"
#include "proto/peer_codec.h"

/* What a hello says. */
struct peer_hello {
    bool in_cluster;
    uint8_t cluster[16];
    uint64_t node; /* 0 outside a cluster */
    uint64_t incarnation;
    uint32_t feature_level;
    uint64_t session_epoch;
    uint32_t channel;
    char advertise[ENDPOINT_TEXT_BYTES]; /* outside a cluster: HOST:PORT by which the node is reached; else "" */
    uint64_t join; /* outside a cluster: the nonce of a node that wants to be in that of the callee; else 0 */
};

struct peer_link_options {
    bool caller;
    struct peer_hello self;     /* of a callee, session_epoch and channel are the caller's */
    uint32_t feature_level_min; /* what the cluster uses: a program that does not know it is refused */
    uint64_t expected_node;     /* who was called; 0: whoever answers */
};

enum peer_link_state {
    PEER_LINK_GREETING, /* the other side's hello has not come */
    PEER_LINK_GREETED,  /* callee: it has, and waits for peer_link_accept */
    PEER_LINK_OPEN,
    PEER_LINK_ENDED, /* what peer_link_output still gives should be sent; nothing is heard any more */
};

struct peer_link {
    struct peer_link_options options;
    enum peer_link_state state;
    struct peer_hello other; /* after the greeting */
    enum peer_reason reason; /* after the end */
    bool told;               /* the reason is the other side's, about us */
    bool end_seen;           /* PEER_EVENT_ENDED was given */
    bool greeting_seen;      /* PEER_EVENT_GREETED was given */
    struct buffer *input;    /* bytes from input_begin on are not yet frames */
    size_t input_begin;
    struct list output; /* of struct output_frame */
    size_t output_bytes;
    uint64_t heard_ms;    /* the last byte came; before the first, the beginning */
    uint64_t begun_ms;    /* the connection */
    uint64_t sent_ms;     /* the last frame was queued */
    uint64_t progress_ms; /* the last byte was taken, or the output was empty */
    uint64_t dropped;     /* frames that found no room */
};

/* The caller's hello waits in the output at once. */
void peer_link_init(struct peer_link *link, const struct peer_link_options *options, uint64_t now_ms);
void peer_link_fini(struct peer_link *link);

/* --- in --- */

enum peer_event_kind { PEER_EVENT_GREETED, PEER_EVENT_FRAME, PEER_EVENT_ENDED };

struct peer_event {
    enum peer_event_kind kind;
    struct peer_frame
        frame; /* its message is in the arena, its data lie in the link until the next peer_link_receive */
};

/* Bytes that came, whatever their pieces. Drain peer_link_next before the next call. */
void peer_link_receive(struct peer_link *link, struct slice bytes, uint64_t now_ms);

/* The next thing that happened; false: nothing more. ENDED comes once, as the last. */
bool peer_link_next(struct peer_link *link, struct arena *arena, uint64_t now_ms, struct peer_event *event);

/* Callee, after GREETED: answers with a hello. */
void peer_link_accept(struct peer_link *link, uint64_t now_ms);

/* Callee, after GREETED with a hello that wants to join: the JoinAnswer, as the last frame. */
void peer_link_answer(struct peer_link *link, const Qnfs__Peer *message, uint64_t now_ms);

/* Ends it, and tells the other side why. What waited to be sent is dropped; harmless on a link that has ended. */
void peer_link_end(struct peer_link *link, enum peer_reason reason, uint64_t now_ms);

/* The connection itself is gone: nothing is told. */
void peer_link_lost(struct peer_link *link);

/* Time-outs and signs of life: a few times a second. */
void peer_link_tick(struct peer_link *link, uint64_t now_ms);

/* --- out --- */

/* Queues a frame (copied). Caller's link only. STATUS_FULL: the other side is slow, the frame is dropped; STATUS_REFUSED:
 * not greeted yet; STATUS_CLOSED. */
MUST_CHECK enum status peer_link_send(struct peer_link *link, const Qnfs__Peer *message, const struct slice *data,
                                      size_t data_count, uint64_t now_ms);

/* The bytes to send next (empty: none), until the next call on the link; and that so many of them were taken. */
struct slice peer_link_output(const struct peer_link *link);
void peer_link_sent(struct peer_link *link, size_t size_bytes, uint64_t now_ms);

/* --- reasons and sessions --- */

/* What is wrong about the side that is judged, to be put behind its name: "belongs to another cluster". */
const char *peer_reason_text(enum peer_reason reason);

/* The latest connection of one node on one channel. */
struct peer_session {
    uint64_t incarnation;
    uint64_t epoch;
};

/* Whether a connection is later than the latest one, whose place it then takes. OLD_PROCESS, OLD_CONNECTION. */
MUST_CHECK enum peer_reason peer_session_admit(struct peer_session *latest, const struct peer_hello *hello);

#endif
