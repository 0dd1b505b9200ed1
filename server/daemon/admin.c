#include "server/daemon/admin.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/limits.h"
#include "server/daemon/admin_request.h"

struct admin {
    struct admin_shared shared;
    struct MHD_Daemon *daemon;
    int socket;
};

/* A request while its body comes; on the heap, owned by the connection. */
struct exchange {
    char *body;
    size_t body_bytes;
};

static const char *query_parameter(void *context, const char *name)
{
    return MHD_lookup_connection_value(context, MHD_GET_ARGUMENT_KIND, name);
}

/* The body becomes the response's. */
static enum MHD_Result exchange_send(struct MHD_Connection *connection, const struct admin_answer *answer)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(answer->body_bytes, answer->body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(answer->body);
        return MHD_NO;
    }
    enum MHD_Result result = MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
    if (result == MHD_YES)
        result = MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (result == MHD_YES)
        result = MHD_queue_response(connection, answer->status, response);
    MHD_destroy_response(response);
    return result;
}

static bool exchange_take(struct exchange *exchange, const char *piece, size_t piece_bytes)
{
    if (exchange->body_bytes + piece_bytes > ADMIN_BODY_MAX_BYTES)
        return false;
    char *bigger = realloc(exchange->body, exchange->body_bytes + piece_bytes);
    if (bigger == NULL)
        return false;
    memcpy(bigger + exchange->body_bytes, piece, piece_bytes);
    exchange->body = bigger;
    exchange->body_bytes += piece_bytes;
    return true;
}

/* The head of a request: what follows is too large, or room for it. */
static enum MHD_Result exchange_begin(struct MHD_Connection *connection, void **context)
{
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (length != NULL && strtoull(length, NULL, 10) > ADMIN_BODY_MAX_BYTES) {
        struct admin_answer answer = {0};
        admin_answer_error(&answer, MHD_HTTP_CONTENT_TOO_LARGE, "the body is over %u bytes", ADMIN_BODY_MAX_BYTES);
        return exchange_send(connection, &answer);
    }
    *context = calloc(1, sizeof(struct exchange));
    return *context != NULL ? MHD_YES : MHD_NO;
}

static enum MHD_Result on_request(void *admin_context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *piece, size_t *piece_bytes,
                                  void **context)
{
    (void)version;
    struct admin *admin = admin_context;
    struct exchange *exchange = *context;
    if (exchange == NULL)
        return exchange_begin(connection, context);
    if (*piece_bytes > 0) {
        bool taken = exchange_take(exchange, piece, *piece_bytes);
        *piece_bytes = 0;
        return taken ? MHD_YES : MHD_NO;
    }
    struct arena arena;
    arena_init(&arena);
    struct admin_request request = {
        .shared = &admin->shared,
        .arena = &arena,
        .method = method,
        .path = url,
        .is_cross_site = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ORIGIN) != NULL,
        .body = slice_make(exchange->body, exchange->body_bytes),
        .parameter = query_parameter,
        .parameter_context = connection,
    };
    struct admin_answer answer;
    admin_handle(&request, &answer);
    arena_fini(&arena);
    return exchange_send(connection, &answer);
}

static void on_completed(void *admin_context, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code)
{
    (void)admin_context;
    (void)connection;
    (void)code;
    struct exchange *exchange = *context;
    if (exchange == NULL)
        return;
    free(exchange->body);
    free(exchange);
    *context = NULL;
}

/* --- listening --- */

/* A listening socket, or -1 with errno. */
static int listen_at(const struct addrinfo *address)
{
    int descriptor = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return -1;
    int on = 1;
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(descriptor, address->ai_addr, address->ai_addrlen) == 0 && listen(descriptor, ADMIN_CONNECTIONS_MAX) == 0)
        return descriptor;
    int error = errno;
    close(descriptor);
    errno = error;
    return -1;
}

static enum status admin_listen(const struct config_address *address, int *listening, char *trouble, size_t room)
{
    char port[8];
    snprintf(port, sizeof(port), "%u", address->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found;
    int error = getaddrinfo(address->host, port, &hints, &found);
    if (error != 0) {
        snprintf(trouble, room, "admin: %s: %s", address->host, gai_strerror(error));
        return STATUS_REFUSED;
    }
    int descriptor = -1;
    for (const struct addrinfo *next = found; next != NULL && descriptor < 0; next = next->ai_next)
        descriptor = listen_at(next);
    int cause = errno;
    freeaddrinfo(found);
    *listening = descriptor;
    if (descriptor >= 0)
        return STATUS_OK;
    snprintf(trouble, room, "admin: cannot listen on %s:%u: %s", address->host, address->port, strerror(cause));
    return cause == EACCES || cause == EADDRNOTAVAIL ? STATUS_REFUSED : STATUS_IO;
}

static void admin_free(struct admin *admin)
{
    pthread_mutex_destroy(&admin->shared.mutex);
    free(admin);
}

enum status admin_start(const struct config_address *address, const struct admin_ports *ports, const struct log *log,
                        struct clock clock, struct admin **admin, char *trouble, size_t room)
{
    int descriptor;
    enum status status = admin_listen(address, &descriptor, trouble, room);
    if (status != STATUS_OK)
        return status;
    struct admin *made = calloc(1, sizeof(*made));
    CHECK(made != NULL);
    made->shared.ports = *ports;
    made->shared.log = log;
    made->shared.clock = clock;
    made->socket = descriptor;
    CHECK(pthread_mutex_init(&made->shared.mutex, NULL) == 0);
    /* poll, not select: a busy node has more descriptors than select can name. A thread a connection: a check that
     * takes minutes must not keep /readyz from answering. */
    made->daemon =
        MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC,
                         0, NULL, NULL, on_request, made, MHD_OPTION_LISTEN_SOCKET, descriptor,
                         MHD_OPTION_CONNECTION_LIMIT, ADMIN_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                         ADMIN_IDLE_TIMEOUT_SECONDS, MHD_OPTION_NOTIFY_COMPLETED, on_completed, made, MHD_OPTION_END);
    if (made->daemon == NULL) {
        snprintf(trouble, room, "admin: cannot serve on %s:%u: %s", address->host, address->port, strerror(errno));
        close(descriptor);
        admin_free(made);
        return STATUS_IO;
    }
    *admin = made;
    return STATUS_OK;
}

void admin_stop(struct admin *admin)
{
    MHD_stop_daemon(admin->daemon); /* closes the socket */
    admin_free(admin);
}
