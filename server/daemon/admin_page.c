#include "server/daemon/admin_page.h"

#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/limits.h"
#include "server/daemon/admin_text.h"

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return -1;
}

/* False unless the text is 2 * token_bytes hexadecimal digits. */
static bool token_read(const char *text, size_t token_bytes, struct arena *arena, struct slice *token)
{
    if (strlen(text) != 2 * token_bytes)
        return false;
    uint8_t *bytes = arena_alloc(arena, token_bytes);
    for (size_t i = 0; i < token_bytes; i++) {
        int high = hex_digit(text[2 * i]);
        int low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    *token = slice_make(bytes, token_bytes);
    return true;
}

bool admin_page_begin(struct admin_page *page, struct admin_request *request, size_t token_bytes,
                      struct admin_answer *answer)
{
    *page = (struct admin_page){.limit = ADMIN_ROWS_MAX};
    const char *limit = request->parameter(request->parameter_context, "limit");
    if (limit != NULL) {
        char *end;
        errno = 0;
        page->limit = strtoull(limit, &end, 10);
        if (errno != 0 || end == limit || *end != '\0' || page->limit < 1 || page->limit > ADMIN_ROWS_MAX) {
            admin_answer_error(answer, 400, "limit: want a number from 1 to %u", ADMIN_ROWS_MAX);
            return false;
        }
    }
    const char *after = request->parameter(request->parameter_context, "after");
    if (after != NULL) {
        page->has_after = true;
        if (!token_read(after, token_bytes, request->arena, &page->after)) {
            admin_answer_error(answer, 400, "after: want the `next` of an earlier answer");
            return false;
        }
    }
    page->rows = json_array();
    return true;
}

bool admin_page_has_room(struct admin_page *page)
{
    page->more = json_array_size(page->rows) >= page->limit;
    return !page->more;
}

void admin_page_add(struct admin_page *page, struct admin_request *request, struct slice key, json_t *row)
{
    CHECK(json_array_size(page->rows) < page->limit);
    page->last = arena_copy(request->arena, key);
    json_array_append_new(page->rows, row);
}

void admin_page_answer(struct admin_page *page, const char *name, struct admin_answer *answer)
{
    json_t *next = page->more ? admin_hex(page->last) : json_null();
    admin_answer_json(answer, 200, json_pack("{s:o,s:b,s:o}", name, page->rows, "more", page->more, "next", next));
}
