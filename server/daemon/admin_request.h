/* admin_request.h: one request of the admin door as its handlers see it, free of the HTTP library, and its answer.
 *
 * The story of a request: admin.c collects its body and calls admin_handle(). The route's row says what it needs; a
 * snapshot of the state is taken if it reads; the handler fills the answer; the snapshot goes; admin.c sends the
 * answer. A handler that changes something sends a command through the log with admin_execute(). */
#ifndef SERVER_DAEMON_ADMIN_REQUEST_H
#define SERVER_DAEMON_ADMIN_REQUEST_H

#include <jansson.h>
#include <pthread.h>

#include "server/daemon/admin.h"
#include "server/daemon/admin_count.h"

/* What all requests share. Owned by struct admin. */
struct admin_shared {
    struct admin_ports ports;
    const struct log *log;
    struct clock clock;
    pthread_mutex_t mutex; /* of what follows */
    bool checking;         /* a check runs: one at a time */
    struct admin_count_cache count;
};

struct admin_request {
    struct admin_shared *shared;
    struct arena *arena;  /* of the request */
    struct kv_read *view; /* a snapshot; NULL for routes that do not read the state */
    const char *method;   /* "GET" ... */
    const char *path;     /* decoded */
    const char *tail;     /* what follows the route's path: an id, a name */
    bool is_cross_site;   /* a web page sent it: it may not change anything */
    struct slice body;
    /* A parameter of the query, decoded; NULL if it is not there. */
    const char *(*parameter)(void *context, const char *name);
    void *parameter_context;
};

struct admin_answer {
    unsigned status; /* of HTTP */
    const char *content_type;
    char *body; /* on the heap; whoever sends it frees it */
    size_t body_bytes;
};

/* Answers any request; the answer is always filled. Any thread. */
void admin_handle(struct admin_request *request, struct admin_answer *answer);

/* --- for the handlers --- */

/* The value becomes the body; it is consumed. NULL: no memory, 500. */
void admin_answer_json(struct admin_answer *answer, unsigned status, json_t *value);

/* {"error": "..."} */
void admin_answer_error(struct admin_answer *answer, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The request's body; the caller gives it back (json_decref). NULL: it is no JSON, and the answer says so. */
json_t *admin_body(struct admin_request *request, struct admin_answer *answer);

/* The number that ends the request's path: what is called `what` ("node id"). False: it is none, and the answer says so. */
bool admin_tail_number(const struct admin_request *request, const char *what, struct admin_answer *answer,
                       uint64_t *number);

/* A plain text. */
void admin_answer_text(struct admin_answer *answer, unsigned status, const char *text);

/* Sends the command through the log. True: it was done, *result is its result (NFS4_OK). False: the answer says why
 * not. The operator's own words about it are `what`, for the log. */
bool admin_execute(struct admin_request *request, Qnfs__Command *command, const char *what, struct admin_answer *answer,
                   Qnfs__Result **result);

/* --- the handlers, one file a noun --- */
void admin_health(struct admin_request *request, struct admin_answer *answer);
void admin_ready(struct admin_request *request, struct admin_answer *answer);
void admin_status(struct admin_request *request, struct admin_answer *answer);
void admin_metrics(struct admin_request *request, struct admin_answer *answer);
void admin_export_list(struct admin_request *request, struct admin_answer *answer);
void admin_export_add(struct admin_request *request, struct admin_answer *answer);
void admin_export_remove(struct admin_request *request, struct admin_answer *answer);
void admin_client_list(struct admin_request *request, struct admin_answer *answer);
void admin_client_evict(struct admin_request *request, struct admin_answer *answer);
void admin_session_list(struct admin_request *request, struct admin_answer *answer);
void admin_lock_list(struct admin_request *request, struct admin_answer *answer);
void admin_setting_list(struct admin_request *request, struct admin_answer *answer);
void admin_setting_set(struct admin_request *request, struct admin_answer *answer);
void admin_node_list(struct admin_request *request, struct admin_answer *answer);
void admin_node_add(struct admin_request *request, struct admin_answer *answer);
void admin_node_remove(struct admin_request *request, struct admin_answer *answer);
void admin_node_promote(struct admin_request *request, struct admin_answer *answer);
void admin_leader_transfer(struct admin_request *request, struct admin_answer *answer);
void admin_address_list(struct admin_request *request, struct admin_answer *answer);
void admin_address_add(struct admin_request *request, struct admin_answer *answer);
void admin_address_remove(struct admin_request *request, struct admin_answer *answer);
void admin_address_move(struct admin_request *request, struct admin_answer *answer);
void admin_check(struct admin_request *request, struct admin_answer *answer);

#endif
