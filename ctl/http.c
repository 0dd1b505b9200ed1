#include "ctl/http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct receiving {
    struct http_answer *answer;
    bool too_large;
};

static size_t on_piece(char *piece, size_t size, size_t count, void *context)
{
    struct receiving *receiving = context;
    struct http_answer *answer = receiving->answer;
    size_t piece_bytes = size * count;
    receiving->too_large = answer->body_bytes + piece_bytes > HTTP_ANSWER_MAX_BYTES;
    char *bigger = receiving->too_large ? NULL : realloc(answer->body, answer->body_bytes + piece_bytes + 1);
    if (bigger == NULL)
        return 0; /* curl ends the transfer */
    memcpy(bigger + answer->body_bytes, piece, piece_bytes);
    answer->body = bigger;
    answer->body_bytes += piece_bytes;
    answer->body[answer->body_bytes] = '\0';
    return piece_bytes;
}

static enum status http_judge(CURLcode code, const struct http_request *request, bool too_large, char *trouble,
                              size_t room)
{
    if (code == CURLE_OK)
        return STATUS_OK;
    if (too_large) {
        snprintf(trouble, room, "%s: the answer is over %u MiB", request->admin, HTTP_ANSWER_MAX_BYTES >> 20);
        return STATUS_TOO_LARGE;
    }
    if (code == CURLE_URL_MALFORMAT) {
        snprintf(trouble, room, "--admin: '%s' is not ADDRESS:PORT", request->admin);
        return STATUS_BAD_DATA;
    }
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST) {
        snprintf(trouble, room, "no node answers at %s: %s", request->admin, curl_easy_strerror(code));
        return STATUS_CLOSED;
    }
    snprintf(trouble, room, "%s: %s", request->admin, curl_easy_strerror(code));
    return STATUS_IO;
}

static void http_setup(CURL *curl, const struct http_request *request, struct curl_slist *headers,
                       struct receiving *receiving)
{
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*"); /* the node is on this machine or near it */
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, HTTP_CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, request->patient ? 0L : HTTP_ANSWER_SECONDS);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    if (request->body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(request->body));
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    }
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_piece);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, receiving);
}

enum status http_ask(const struct http_request *request, struct http_answer *answer, char *trouble, size_t room)
{
    *answer = (struct http_answer){0};
    size_t url_bytes = strlen(request->admin) + strlen(request->target) + sizeof("http://");
    char *url = malloc(url_bytes);
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    struct receiving receiving = {.answer = answer};
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (url != NULL && curl != NULL && headers != NULL) {
        snprintf(url, url_bytes, "http://%s%s", request->admin, request->target);
        http_setup(curl, request, headers, &receiving);
        curl_easy_setopt(curl, CURLOPT_URL, url);
        code = curl_easy_perform(curl);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    }
    enum status status = http_judge(code, request, receiving.too_large, trouble, room);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    free(url);
    if (status != STATUS_OK)
        http_answer_fini(answer);
    return status;
}

void http_answer_fini(struct http_answer *answer)
{
    free(answer->body);
    *answer = (struct http_answer){0};
}

char *http_escape(const char *text)
{
    char *escaped = curl_easy_escape(NULL, text, 0);
    char *copy = escaped == NULL ? NULL : strdup(escaped);
    curl_free(escaped);
    return copy;
}
