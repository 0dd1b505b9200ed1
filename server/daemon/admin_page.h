/* admin_page.h: lists in pages. `?limit=N` bounds the rows of one answer (ADMIN_ROWS_MAX at most), `?after=TOKEN` goes
 * on where an answer with `more` ended: its `next` is the token. Rows that come or go in between are seen or not; no
 * row that stays is seen twice or missed. */
#ifndef SERVER_DAEMON_ADMIN_PAGE_H
#define SERVER_DAEMON_ADMIN_PAGE_H

#include "server/daemon/admin_request.h"

struct admin_page {
    uint64_t limit;
    bool has_after;
    struct slice after; /* the token's bytes, in the request's arena */
    json_t *rows;       /* owned until admin_page_answer() */
    bool more;
    struct slice last; /* key of the last row, in the request's arena */
};

/* Reads the parameters. A token is `token_bytes` bytes. False with an answer: they are wrong. */
bool admin_page_begin(struct admin_page *page, struct admin_request *request, size_t token_bytes,
                      struct admin_answer *answer);

/* Whether one more row fits; if not, the page ends here and says that there is more. */
bool admin_page_has_room(struct admin_page *page);

/* Adds a row (consumed) whose key is `key` (token_bytes bytes). */
void admin_page_add(struct admin_page *page, struct admin_request *request, struct slice key, json_t *row);

/* {name: rows, "more": ..., "next": ...} */
void admin_page_answer(struct admin_page *page, const char *name, struct admin_answer *answer);

#endif
