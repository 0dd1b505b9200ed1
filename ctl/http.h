/* http.h: one request to a node's admin door. The only file of ctl/ that knows libcurl is http.c. */
#ifndef CTL_HTTP_H
#define CTL_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

/* Largest answer that is taken: a page of the longest rows is far below. */
#define HTTP_ANSWER_MAX_BYTES (64u << 20)
#define HTTP_CONNECT_SECONDS 5L
/* How long a node may take to answer; its own commands end after 10 s. */
#define HTTP_ANSWER_SECONDS 30L

struct http_request {
    const char *admin;  /* HOST:PORT */
    const char *method; /* "GET", "POST", "PUT", "DELETE" */
    const char *target; /* "/v1/exports?path=%2Fdata" */
    const char *body;   /* JSON; NULL: none */
    bool patient;       /* no limit to the time of the answer (a check) */
};

struct http_answer {
    long status; /* of HTTP */
    char *body;  /* owned, ends in NUL */
    size_t body_bytes;
};

/* STATUS_CLOSED: nobody answers at that address; STATUS_BAD_DATA: the address is none; STATUS_IO: the answer broke off;
 * STATUS_TOO_LARGE. `trouble` is then one line. */
MUST_CHECK enum status http_ask(const struct http_request *request, struct http_answer *answer, char *trouble,
                                size_t room);
void http_answer_fini(struct http_answer *answer);

/* The text as a part of a target, on the heap; NULL without memory. */
char *http_escape(const char *text);

#endif
