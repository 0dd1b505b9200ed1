/* record.h: record marking (RFC 5531 section 11): a TCP stream is cut into records, a record into fragments, each with
 * four bytes before it (last-fragment bit, length). Pure: the reader gets pieces as they were received and says what
 * they contain; buffers belong to the caller.
 *
 * The story of a read: the connection receives into a pooled buffer and offers the new bytes with
 * record_reader_feed(). If the piece contains a whole record of one fragment (almost always), the result is a slice of
 * the piece: nothing is copied. Otherwise the bytes are appended to the connection's assembly buffer through
 * `append`, and when the last byte has come the result is a slice of that buffer. */
#ifndef PROTO_RPC_RECORD_H
#define PROTO_RPC_RECORD_H

#include "base/slice.h"

#define RPC_MARK_BYTES 4u
#define RPC_LAST_FRAGMENT 0x80000000u

/* Where the bytes of a record that came in parts are put together. */
struct record_assembly {
    uint8_t *data;     /* of the caller; may move while it grows */
    size_t size_bytes; /* used */
    size_t capacity_bytes;
    void *context;
    /* Makes the capacity at least capacity_bytes (never over RPC_RECORD_MAX_BYTES), keeping the used bytes; false if
     * there is no memory to be had: the record then fails with RECORD_NO_ROOM. */
    bool (*grow)(struct record_assembly *assembly, size_t capacity_bytes);
};

struct record_reader {
    uint8_t mark[RPC_MARK_BYTES]; /* of the fragment that is coming, as far as it has come */
    uint32_t mark_bytes;
    uint32_t fragment_left; /* bytes of the present fragment still to come */
    uint32_t fragments;     /* of the present record, including the present one */
    uint32_t record_bytes;  /* of the present record that have come */
    bool last;              /* the present fragment is the last one */
    bool in_fragment;       /* its mark is complete */
};

enum record_outcome {
    RECORD_NEED_MORE,          /* the whole piece is consumed; there is no complete record */
    RECORD_COMPLETE,           /* *record is set; feed the rest of the piece after it is dealt with */
    RECORD_TOO_LARGE,          /* over RPC_RECORD_MAX_BYTES: close the connection */
    RECORD_TOO_MANY_FRAGMENTS, /* over RPC_FRAGMENTS_MAX: close the connection */
    RECORD_NO_ROOM             /* `grow` said no: close the connection */
};

/* A reader at the start of a stream. */
void record_reader_init(struct record_reader *reader);

/* Whether a record has begun and is not complete (the gateway's time-out GATEWAY_RECORD_TIMEOUT_MS asks). */
bool record_reader_in_record(const struct record_reader *reader);

/* Takes bytes from the front of *piece (it is shortened by what was taken) until a record is complete or the piece is
 * used up. *record points into the piece or into the assembly; it is valid until the piece is given back or the next
 * call. An empty record is possible. After one of the three errors the reader must not be used any more. Pure. */
enum record_outcome record_reader_feed(struct record_reader *reader, struct slice *piece,
                                       struct record_assembly *assembly, struct slice *record);

/* Writes the four bytes before a record of size_bytes in one fragment. CHECKs that it fits in 31 bits. Pure. */
void record_mark_write(uint8_t mark[RPC_MARK_BYTES], size_t size_bytes);

#endif
