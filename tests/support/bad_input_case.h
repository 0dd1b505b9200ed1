/* bad_input_case.h: what the cases of bad_input.h share. Internal to bad_input. */
#ifndef TESTS_SUPPORT_BAD_INPUT_CASE_H
#define TESTS_SUPPORT_BAD_INPUT_CASE_H

#include "base/random.h"
#include "tests/support/bad_input.h"
#include "tests/support/rpc_peer.h"

#define BAD_ANSWER_MS 20000

struct bad {
    const struct bad_input_options *options;
    struct rpc_peer peer;     /* the ordinary client, with a session */
    struct rpc_socket socket; /* the one that misbehaves */
    struct random_seeded random;
    struct arena arena; /* of one case */
    struct slice top;   /* handle of the export, in `lasting` */
    struct arena lasting;
};

/* A fresh connection in bad->socket, and bytes over it. */
bool bad_connect(struct bad *bad);
bool bad_send(struct bad *bad, const void *bytes, size_t size_bytes);

/* The head of a NULL call with a fresh xid. */
struct rpc_call bad_call(struct bad *bad);

/* What must work whatever others do: NULL, or what is wrong. */
const char *bad_ordinary(struct bad *bad);

/* The cases of slow, silent and many clients; NULL, or what is wrong. */
const char *bad_case_one_byte_at_a_time(struct bad *bad);
const char *bad_case_silent(struct bad *bad);
const char *bad_case_record_timeout(struct bad *bad);
const char *bad_case_never_reads(struct bad *bad);
const char *bad_case_idle_connections(struct bad *bad);

#endif
