#include "server/daemon/founding_run.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "base/check.h"
#include "base/heap.h"
#include "cluster/founding.h"
#include "cluster/peer_transport.h"
#include "server/daemon/version.h"

#define TICK_MS 100u

/* A connection whose end was found out while another event was being carried out. */
struct late_close {
    struct late_close *next;
    uint32_t peer;
    bool called;
    char text[FOUNDING_TEXT_BYTES];
};

struct founding_shell {
    const struct founding_request *request;
    char *trouble;
    size_t room;
    uv_loop_t loop;
    uv_timer_t timer;
    struct peer_transport *transport;
    struct founding founding;
    struct founding_record begun; /* what this node is a member of, when it is */
    struct arena arena;
    bool stepping;
    struct late_close *late;
    enum status status; /* of the whole; CLOSED: a signal came */
    bool ended;
    char said[1024]; /* what it waits for, as it was last logged */
    uint64_t said_ms;
    uint64_t stranger_ms; /* when one was last logged */
};

static uint64_t now_of(const struct founding_shell *shell)
{
    return shell->request->clock.boot_ms(shell->request->clock.context);
}

static void shell_end(struct founding_shell *shell, enum status status)
{
    if (shell->ended)
        return;
    shell->ended = true;
    shell->status = status;
    uv_stop(&shell->loop);
}

/* --- actions --- */

/* Log, members, then `node`: a crash before the last one leaves a node that has promised. */
static enum status member_make(const struct founding_request *request, const struct founding_record *record,
                               uint64_t node)
{
    struct configuration configuration = {.count = record->members.count};
    struct node_identity identity = {.node_id = node};
    for (uint32_t i = 0; i < record->members.count; i++)
        configuration.members[i] = (struct member){record->members.items[i].node, MEMBER_VOTER};
    memcpy(identity.cluster_id, record->cluster_id, sizeof(identity.cluster_id));
    enum status status = log_create(&request->log_options, &configuration);
    if (status == STATUS_OK)
        status = data_directory_store_members(request->disk, &record->members);
    if (status == STATUS_OK)
        status = data_directory_store(request->disk, &identity);
    if (status == STATUS_OK)
        status = data_directory_forget_founding(request->disk);
    return status;
}

static void carry_out(struct founding_shell *shell, const struct founding_action *action)
{
    const struct founding_request *request = shell->request;
    const struct endpoint_list *members = &shell->founding.options.members;
    enum status status = STATUS_OK;
    switch (action->kind) {
    case FOUNDING_DO_PROMISE:
        status = data_directory_store_founding(request->disk, action->record);
        if (status != STATUS_OK)
            snprintf(shell->trouble, shell->room, "data-dir: saving the promise: %s", status_name(status));
        break;
    case FOUNDING_DO_SEND:
        /* What is not sent is said again; the close that is its cause comes by itself. */
        (void)!peer_transport_send_to(shell->transport, &members->items[action->peer], PEER_CHANNEL_RAFT,
                                      action->message);
        break;
    case FOUNDING_DO_BEGIN:
        status = member_make(request, action->record, shell->founding.options.self + 1);
        if (status != STATUS_OK) {
            snprintf(shell->trouble, shell->room, "data-dir: making the new cluster: %s", status_name(status));
            break;
        }
        shell->begun = *action->record;
        shell_end(shell, STATUS_OK);
        break;
    case FOUNDING_DO_REFUSE:
        snprintf(shell->trouble, shell->room, "%s", action->text);
        shell_end(shell, STATUS_REFUSED);
        break;
    }
    if (status != STATUS_OK)
        shell_end(shell, status);
}

static void step_one(struct founding_shell *shell, const struct founding_event *event)
{
    struct founding_actions actions;
    founding_step(&shell->founding, event, now_of(shell), &shell->arena, &actions);
    for (const struct founding_action *action = actions.first; action != NULL && !shell->ended; action = action->next)
        carry_out(shell, action);
}

static void step(struct founding_shell *shell, const struct founding_event *event)
{
    if (shell->ended)
        return;
    shell->stepping = true;
    step_one(shell, event);
    while (shell->late != NULL) {
        struct late_close *late = shell->late;
        struct founding_event closed = {
            .kind = FOUNDING_CLOSED, .peer = late->peer, .called = late->called, .text = late->text};
        shell->late = late->next;
        step_one(shell, &closed);
        heap_free(late);
    }
    shell->stepping = false;
    arena_reset(&shell->arena);
}

static void step_closed(struct founding_shell *shell, uint32_t peer, bool called, const char *text)
{
    if (!shell->stepping) {
        step(shell, &(struct founding_event){.kind = FOUNDING_CLOSED, .peer = peer, .called = called, .text = text});
        return;
    }
    struct late_close *late = HEAP_NEW(struct late_close); /* at most one a connection */
    struct late_close **last = &shell->late;
    late->peer = peer;
    late->called = called;
    snprintf(late->text, sizeof(late->text), "%s", text);
    while (*last != NULL)
        last = &(*last)->next;
    *last = late;
}

/* --- what the transport tells --- */

static uint32_t place_of(const struct founding_shell *shell, const struct peer_endpoint *peer)
{
    int place = peer == NULL ? -1 : endpoint_list_find(&shell->founding.options.members, peer);
    CHECK(peer == NULL || place >= 0);
    return place < 0 ? FOUNDING_NOBODY : (uint32_t)place;
}

static void on_opened(void *context, const struct peer_endpoint *peer, const struct peer_hello *hello, bool called)
{
    struct founding_shell *shell = context;
    if (hello->channel != PEER_CHANNEL_RAFT)
        return;
    if (called)
        log_line(shell->request->log, LOG_INFO, "%s: called", endpoint_print(peer).text);
    step(shell, &(struct founding_event){.kind = FOUNDING_OPENED, .peer = place_of(shell, peer), .called = called});
}

static void on_frame(void *context, const struct peer_endpoint *peer, const struct peer_hello *hello,
                     const struct peer_frame *frame)
{
    struct founding_shell *shell = context;
    if (hello->channel == PEER_CHANNEL_RAFT)
        step(shell, &(struct founding_event){
                        .kind = FOUNDING_MESSAGE, .peer = place_of(shell, peer), .message = frame->message});
}

/* Somebody of a cluster, which says to which if it called. */
static void member_met(struct founding_shell *shell, const struct peer_endpoint *peer, const struct peer_end *end)
{
    char name[ENDPOINT_TEXT_BYTES + 40];
    bool said = end->hello != NULL && end->hello->in_cluster;
    if (said)
        snprintf(name, sizeof(name), "node %" PRIu64 " at %.255s", end->hello->node, end->host);
    else
        snprintf(name, sizeof(name), "%s", endpoint_print(peer).text);
    step(shell, &(struct founding_event){.kind = FOUNDING_MEMBER,
                                         .peer = place_of(shell, peer),
                                         .cluster = said ? end->hello->cluster : NULL,
                                         .node = said ? end->hello->node : 0,
                                         .name = name});
}

/* A node that is not in our list: one of the two lists is wrong. */
static void stranger_met(struct founding_shell *shell, const struct peer_end *end)
{
    uint8_t list[512];
    if (shell->stranger_ms != 0 && now_of(shell) < shell->stranger_ms + FOUNDING_LOG_MIN_MS)
        return; /* anybody can make these lines */
    shell->stranger_ms = now_of(shell);
    endpoint_list_print(&shell->founding.options.members, (struct span){list, sizeof(list)});
    if (end->reason == PEER_REASON_UNKNOWN_NODE && end->hello != NULL)
        log_line(shell->request->log, LOG_WARN, "%s calls from %s, but is not among the --peers of this node: %s",
                 end->hello->advertise[0] == '\0' ? "a node without --advertise" : end->hello->advertise, end->host,
                 (char *)list);
    else
        log_line(shell->request->log, LOG_WARN, "a caller from %s%s%s: %s", end->host,
                 end->hello == NULL ? "" : ", reached at ", end->hello == NULL ? "" : end->hello->advertise, end->text);
}

static void on_closed(void *context, const struct peer_endpoint *peer, const struct peer_end *end)
{
    struct founding_shell *shell = context;
    bool in_cluster = end->hello != NULL && end->hello->in_cluster;
    if (in_cluster || (peer != NULL && end->told && end->reason == PEER_REASON_NO_CLUSTER)) {
        member_met(shell, peer, end);
    } else if (peer == NULL) {
        stranger_met(shell, end);
        return;
    }
    if (peer == NULL || end->channel != PEER_CHANNEL_RAFT || (!end->called && !end->was_open))
        return;
    char text[FOUNDING_TEXT_BYTES];
    if (end->told && end->reason == PEER_REASON_UNKNOWN_NODE)
        snprintf(text, sizeof(text), "this node (%s) is not among its --peers",
                 endpoint_print(&shell->founding.options.members.items[shell->founding.options.self]).text);
    else
        snprintf(text, sizeof(text), "%s", end->text);
    step_closed(shell, place_of(shell, peer), end->called, text);
}

/* --- time and signals --- */

static void say_what_is_missing(struct founding_shell *shell)
{
    char line[sizeof(shell->said)];
    uint64_t now_ms = now_of(shell);
    if (now_ms < shell->said_ms + FOUNDING_LOG_MIN_MS)
        return;
    founding_waits_for(&shell->founding, (struct span){(uint8_t *)line, sizeof(line)});
    if (line[0] == '\0' || (strcmp(line, shell->said) == 0 && now_ms < shell->said_ms + FOUNDING_LOG_MAX_MS))
        return;
    log_line(shell->request->log, LOG_INFO, "%s", line);
    memcpy(shell->said, line, sizeof(line));
    shell->said_ms = now_ms;
}

static void on_timer(uv_timer_t *timer)
{
    struct founding_shell *shell = timer->data;
    const struct timespec no_wait = {0};
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    int signal_number = sigtimedwait(&signals, NULL, &no_wait);
    if (signal_number > 0) {
        snprintf(shell->trouble, shell->room, "signal %d while the cluster was being made", signal_number);
        shell_end(shell, STATUS_CLOSED);
        return;
    }
    step(shell, &(struct founding_event){.kind = FOUNDING_TICK});
    if (!shell->ended)
        say_what_is_missing(shell);
}

/* --- the run --- */

/* The list of all, with this node's place in it. */
static void members_list(const struct config *config, struct founding_options *options)
{
    struct peer_endpoint self;
    struct endpoint_list *members = &options->members;
    CHECK(endpoint_make(config->advertise.host, config->advertise.port, &self) == STATUS_OK);
    CHECK(endpoint_list_add(members, &self));
    for (size_t i = 0; i < config->peer_count; i++) {
        struct peer_endpoint peer;
        CHECK(endpoint_parse(slice_text(config->peers[i]), &peer) == STATUS_OK);
        if (endpoint_compare(&peer, &self) != 0)
            CHECK(endpoint_list_add(members, &peer));
    }
    CHECK(members->count == config->bootstrap_expect); /* config_read has counted */
    endpoint_list_sort(members);
    options->self = (uint32_t)endpoint_list_find(members, &self);
}

static enum status shell_prepare(struct founding_shell *shell)
{
    const struct founding_request *request = shell->request;
    struct founding_options options = {0};
    members_list(request->config, &options);
    enum status status = data_directory_load_founding(request->disk, &options.promised);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        snprintf(shell->trouble, shell->room, "data-dir: the file `founding`: %s", status_name(status));
        return status;
    }
    options.has_promised = status == STATUS_OK;
    request->random.fill(request->random.context, options.fresh_id, sizeof(options.fresh_id));
    while (options.nonce == 0)
        request->random.fill(request->random.context, &options.nonce, sizeof(options.nonce));
    return founding_init(&shell->founding, &options, (struct span){(uint8_t *)shell->trouble, shell->room});
}

static enum status shell_connect(struct founding_shell *shell)
{
    const struct founding_request *request = shell->request;
    const struct endpoint_list *members = &shell->founding.options.members;
    const struct peer_endpoint *self = &members->items[shell->founding.options.self];
    int64_t wall_ns = request->clock.wall_ns(request->clock.context);
    struct peer_transport_options options = {
        .loop = &shell->loop,
        .tls = request->tls,
        .handler = {.context = shell, .opened = on_opened, .frame = on_frame, .closed = on_closed},
        /* A node that lost its disk counts from the beginning again; so the clock tells its processes apart. */
        .self = {.incarnation = wall_ns > 0 ? (uint64_t)wall_ns : 1, .feature_level = QNFS_FEATURE_LEVEL},
        .feature_level_min = QNFS_FEATURE_LEVEL_MIN,
    };
    struct peer_endpoint others[CLUSTER_MEMBERS_MAX];
    uint32_t count = 0;
    char trouble[300];
    snprintf(options.self.advertise, sizeof(options.self.advertise), "%s", endpoint_print(self).text);
    shell->transport = peer_transport_create(&options);
    enum status status = peer_transport_listen(shell->transport, request->config->peer.host, request->config->peer.port,
                                               (struct span){(uint8_t *)trouble, sizeof(trouble)});
    if (status != STATUS_OK) {
        snprintf(shell->trouble, shell->room, "peer: %s", trouble);
        return status;
    }
    for (uint32_t i = 0; i < members->count; i++) {
        if (i == shell->founding.options.self)
            continue;
        others[count] = members->items[i];
        others[count++].node = 0;
    }
    peer_transport_members(shell->transport, others, count);
    return STATUS_OK;
}

static void shell_close(struct founding_shell *shell)
{
    peer_transport_close(shell->transport);
    uv_close((uv_handle_t *)&shell->timer, NULL);
    CHECK(uv_run(&shell->loop, UV_RUN_DEFAULT) == 0);
    CHECK(peer_transport_closed(shell->transport) && uv_loop_close(&shell->loop) == 0);
    peer_transport_destroy(shell->transport);
    CHECK(shell->late == NULL);
}

enum status founding_run(const struct founding_request *request, struct node_identity *identity,
                         struct endpoint_list *members, char *trouble, size_t room)
{
    struct founding_shell *shell = HEAP_NEW(struct founding_shell);
    *shell = (struct founding_shell){.request = request, .trouble = trouble, .room = room};
    arena_init(&shell->arena);
    enum status status = shell_prepare(shell);
    if (status == STATUS_OK) {
        uint8_t list[512];
        endpoint_list_print(&shell->founding.options.members, (struct span){list, sizeof(list)});
        log_line(request->log, LOG_INFO, "making a cluster of %u nodes: %s", shell->founding.options.members.count,
                 (char *)list);
        CHECK(uv_loop_init(&shell->loop) == 0 && uv_timer_init(&shell->loop, &shell->timer) == 0);
        shell->timer.data = shell;
        shell->said_ms = now_of(shell);
        status = shell_connect(shell);
        if (status == STATUS_OK) {
            CHECK(uv_timer_start(&shell->timer, on_timer, 0, TICK_MS) == 0);
            while (!shell->ended)
                uv_run(&shell->loop, UV_RUN_DEFAULT);
            status = shell->status;
        }
        shell->ended = true;
        shell_close(shell);
    }
    if (status == STATUS_OK) {
        identity->node_id = shell->founding.options.self + 1;
        memcpy(identity->cluster_id, shell->begun.cluster_id, sizeof(identity->cluster_id));
        *members = shell->begun.members;
        log_line(request->log, LOG_INFO, "a member of the new cluster, as node %" PRIu64, identity->node_id);
    }
    arena_fini(&shell->arena);
    heap_free(shell);
    return status;
}
