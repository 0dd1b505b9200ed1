/* peer_codec.h: frames between nodes (docs/formats/peer.md). All numbers outside protobuf are big-endian.
 *
 *   0  u32 size of the body        4  u32 CRC32C of the body
 *   8  the body: u32 size of the message, the message (a qnfs.Peer), data
 *
 * Data is what the message announces: the entries of an AppendEntries, or each command and its content of a
 * ForwardedCommands, or the piece of a SnapshotChunk; nothing for other messages. */
#ifndef PROTO_PEER_CODEC_H
#define PROTO_PEER_CODEC_H

#include "base/arena.h"
#include "base/check.h"
#include "base/slice.h"
#include "base/status.h"
#include "proto/peer.pb-c.h"

/* Before the body. */
#define PEER_FRAME_HEAD_BYTES 8u

/* A sentence in a JoinAnswer; longer: the connection is closed. */
#define PEER_JOIN_TEXT_MAX_BYTES 511u
/* HOST:PORT in a hello or a report; longer: the connection is closed. */
#define PEER_ADVERTISE_MAX_BYTES 263u

/* No log gets there: an entry that somebody is to wait for. */
#define PEER_INDEX_MAX (UINT64_C(1) << 62)

/* --- values of fields --- */

/* Hello.channel. Files do not stand in the way of heartbeats. */
enum peer_channel { PEER_CHANNEL_RAFT, PEER_CHANNEL_BULK, PEER_CHANNEL_COUNT };

/* Refusal.reason: why a side ends the connection. */
enum peer_reason {
    PEER_REASON_NONE,
    PEER_REASON_OTHER_CLUSTER,     /* the other node belongs to another cluster */
    PEER_REASON_NO_CLUSTER,        /* it belongs to none, and we do */
    PEER_REASON_WE_HAVE_NONE,      /* we belong to none, and it does */
    PEER_REASON_SAME_NODE,         /* it says that it is us */
    PEER_REASON_WRONG_NODE,        /* it is not the node that was called */
    PEER_REASON_UNKNOWN_NODE,      /* it is no member */
    PEER_REASON_WRONG_CERTIFICATE, /* it is a member, with a certificate for other hosts */
    PEER_REASON_OLD_PROCESS,       /* a later process of the same node has come before it */
    PEER_REASON_OLD_CONNECTION,    /* a later connection of the same process has come before it */
    PEER_REASON_FEATURE_LEVEL,     /* its program is too old for what the cluster uses */
    PEER_REASON_CHANNEL,           /* it wants a channel that we do not know */
    PEER_REASON_PROTOCOL,          /* bytes that are no frame, or a message out of place */
    PEER_REASON_REPLACED,          /* a later connection has taken this one's place */
    PEER_REASON_SILENT,            /* nothing came for too long */
    PEER_REASON_SLOW,              /* nothing could be sent for too long */
    PEER_REASON_LEAVING,           /* the side goes away, and means no harm */
    PEER_REASON_REMOVED,           /* it was a member, and is none any more, for good */
    PEER_REASON_COUNT
};

/* JoinAnswer.outcome. */
enum peer_join {
    PEER_JOIN_DONE,
    PEER_JOIN_REFUSED, /* nothing will change that by itself */
    PEER_JOIN_LATER,   /* ask again */
    PEER_JOIN_COUNT
};

/* PeerEntry.kind; as enum replica_entry_kind. */
enum peer_entry_kind { PEER_ENTRY_COMMANDS, PEER_ENTRY_CONFIGURATION, PEER_ENTRY_BARRIER, PEER_ENTRY_KIND_COUNT };

/* ForwardedAnswer.outcome and ReadAnswer.outcome. */
enum peer_outcome {
    PEER_OUTCOME_DONE,       /* packed; or the index is the one to wait for */
    PEER_OUTCOME_NOT_LEADER, /* ask another */
    PEER_OUTCOME_FULL,       /* too much waits already: later */
    PEER_OUTCOME_COUNT
};

/* SnapshotFetch.part and SnapshotChunk.part: what the item is. */
enum peer_snapshot_part { PEER_SNAPSHOT_FILE, PEER_SNAPSHOT_BLOCK, PEER_SNAPSHOT_PART_COUNT };

/* SnapshotAnswer.outcome. */
enum peer_snapshot_outcome {
    PEER_SNAPSHOT_WAIT, /* it is being made, or the others come first: ask again */
    PEER_SNAPSHOT_GONE, /* that copy is no more: ask for another one */
    PEER_SNAPSHOT_OUTCOME_COUNT
};

/* Names of the state's files are plain, and not longer. */
#define PEER_SNAPSHOT_NAME_MAX_BYTES 63u

/* Of one connection in AddressConnections. */
#define PEER_ADDRESS_CONNECTION_BYTES 14u

/* --- frames --- */

struct peer_frame {
    const Qnfs__Peer *message; /* in an arena */
    struct slice data;         /* the bytes behind it, where the frame was read */
};

/* The size of the frame that begins here, head included. STATUS_NOT_FOUND: fewer than PEER_FRAME_HEAD_BYTES are there yet;
 * STATUS_TOO_LARGE, STATUS_BAD_DATA: no frame begins like this. Pure. */
MUST_CHECK enum status peer_frame_measure(struct slice bytes, size_t *size_bytes);

/* Opens one whole frame. What it gives is complete: a body is set, no field is unknown, every value is in its range, and
 * the data are exactly what the message announces. STATUS_BAD_DATA. Pure. */
MUST_CHECK enum status peer_frame_open(struct slice bytes, struct arena *arena, struct peer_frame *frame);

/* What a frame of this message with these data takes. Pure. */
size_t peer_frame_bytes(const Qnfs__Peer *message, const struct slice *data, size_t data_count);

/* Writes it; returns its bytes. CHECKs that it fits and that peer_frame_open would take it. Pure. */
struct slice peer_frame_pack(const Qnfs__Peer *message, const struct slice *data, size_t data_count, struct span room);

/* The next part of a frame's data; the sizes are those of its message. Pure. */
static inline struct slice peer_data_take(struct slice *data, size_t size_bytes)
{
    CHECK(size_bytes <= data->size_bytes);
    struct slice part = slice_make(data->data, size_bytes);
    *data = slice_from(*data, size_bytes);
    return part;
}

#endif
