#include "server/daemon/join_run.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "base/check.h"
#include "base/heap.h"
#include "cluster/join.h"
#include "cluster/peer_transport.h"
#include "server/daemon/version.h"

#define TICK_MS 100u

struct join_shell {
    const struct founding_request *request;
    char *trouble;
    size_t room;
    uv_loop_t loop;
    uv_timer_t timer;
    struct peer_transport *transport;
    struct endpoint_list peers; /* whom to ask */
    struct join_answer answer;
    bool answered;
    bool ended;
    enum status status;
    char said[CLUSTER_MEMBERS_MAX][512]; /* what is in the way at each peer, as it was last logged */
    uint64_t said_ms[CLUSTER_MEMBERS_MAX];
};

static uint64_t now_of(const struct join_shell *shell)
{
    return shell->request->clock.boot_ms(shell->request->clock.context);
}

static void shell_end(struct join_shell *shell, enum status status)
{
    if (shell->ended)
        return;
    shell->ended = true;
    shell->status = status;
    uv_stop(&shell->loop);
}

/* Once each time that it changes, and once a minute. */
static void say(struct join_shell *shell, const struct peer_endpoint *peer, const char *text)
{
    int place = endpoint_list_find(&shell->peers, peer);
    CHECK(place >= 0);
    if (strncmp(shell->said[place], text, sizeof(shell->said[place]) - 1) == 0 &&
        now_of(shell) < shell->said_ms[place] + JOIN_LOG_MS)
        return;
    snprintf(shell->said[place], sizeof(shell->said[place]), "%s", text);
    shell->said_ms[place] = now_of(shell);
    log_line(shell->request->log, LOG_WARN, "joining: %s: %s", endpoint_print(peer).text, text);
}

static void on_opened(void *context, const struct peer_endpoint *peer, const struct peer_hello *hello, bool called)
{
    (void)context, (void)peer, (void)hello, (void)called; /* nobody accepts who wants to join: it is answered */
}

static void on_frame(void *context, const struct peer_endpoint *peer, const struct peer_hello *hello,
                     const struct peer_frame *frame)
{
    struct join_shell *shell = context;
    (void)hello;
    if (shell->answered)
        return;
    if (join_answer_decode(frame->message->join_answer, &shell->answer) != STATUS_OK) {
        say(shell, peer, "its answer makes no sense");
        return;
    }
    switch (shell->answer.outcome) {
    case PEER_JOIN_DONE: shell->answered = true; break;
    case PEER_JOIN_REFUSED:
        snprintf(shell->trouble, shell->room, "join: %s: %s", endpoint_print(peer).text, shell->answer.text);
        shell_end(shell, STATUS_REFUSED);
        break;
    case PEER_JOIN_LATER:
    case PEER_JOIN_COUNT: say(shell, peer, shell->answer.text); break;
    }
}

static void on_closed(void *context, const struct peer_endpoint *peer, const struct peer_end *end)
{
    struct join_shell *shell = context;
    if (peer == NULL || shell->ended || shell->answered)
        return;
    if (end->reason == PEER_REASON_SILENT) /* told so, or it was heard no more: whose clock is faster decides */
        say(shell, peer, "it could not decide in time: does a majority of the cluster run?");
    else if (end->told && end->reason == PEER_REASON_NO_CLUSTER)
        say(shell, peer, "it belongs to no cluster itself");
    else if (end->told && end->reason == PEER_REASON_FEATURE_LEVEL)
        say(shell, peer, "the cluster uses what this program does not know: install the version of the other nodes");
    else if (end->told && end->reason == PEER_REASON_WRONG_CERTIFICATE)
        say(shell, peer, "the certificate of this node does not cover the host of --advertise");
    else if (end->reason != PEER_REASON_NONE || strstr(end->text, "lost the connection") == NULL)
        say(shell, peer, end->text);
}

static void on_timer(uv_timer_t *timer)
{
    static const struct timespec at_once = {0};
    struct join_shell *shell = timer->data;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    int signal_number = sigtimedwait(&signals, NULL, &at_once);
    if (signal_number > 0) {
        snprintf(shell->trouble, shell->room, "signal %d while this node was joining", signal_number);
        shell_end(shell, STATUS_CLOSED);
    } else if (shell->answered) {
        shell_end(shell, STATUS_OK);
    }
}

/* Log, members, then `node`: a crash before the last one leaves a node that asks again, with the same nonce. */
static enum status member_make(const struct founding_request *request, const struct join_answer *answer)
{
    struct node_identity identity = {.node_id = answer->node};
    memcpy(identity.cluster_id, answer->cluster, sizeof(identity.cluster_id));
    enum status status = log_create(&request->log_options, NULL);
    if (status == STATUS_OK)
        status = data_directory_store_members(request->disk, &answer->members);
    if (status == STATUS_OK)
        status = data_directory_store(request->disk, &identity);
    if (status == STATUS_OK)
        status = data_directory_forget_joining(request->disk);
    return status;
}

static void shell_connect(struct join_shell *shell, uint64_t nonce)
{
    const struct founding_request *request = shell->request;
    const struct config *config = request->config;
    int64_t wall_ns = request->clock.wall_ns(request->clock.context);
    struct peer_endpoint self;
    struct peer_transport_options options = {
        .loop = &shell->loop,
        .tls = request->tls,
        .handler = {.context = shell, .opened = on_opened, .frame = on_frame, .closed = on_closed},
        .self = {.incarnation = wall_ns > 0 ? (uint64_t)wall_ns : 1,
                 .feature_level = QNFS_FEATURE_LEVEL,
                 .join = nonce},
        .feature_level_min = QNFS_FEATURE_LEVEL_MIN,
    };
    CHECK(endpoint_make(config->advertise.host, config->advertise.port, &self) == STATUS_OK);
    snprintf(options.self.advertise, sizeof(options.self.advertise), "%s", endpoint_print(&self).text);
    for (size_t i = 0; i < config->join_count; i++) {
        struct peer_endpoint peer;
        CHECK(endpoint_parse(slice_text(config->join[i]), &peer) == STATUS_OK); /* config_read has looked at it */
        if (endpoint_compare(&peer, &self) != 0 && endpoint_list_find(&shell->peers, &peer) < 0)
            CHECK(endpoint_list_add(&shell->peers, &peer));
    }
    shell->transport = peer_transport_create(&options);
    peer_transport_members(shell->transport, shell->peers.items, shell->peers.count);
}

static void shell_close(struct join_shell *shell)
{
    peer_transport_close(shell->transport);
    uv_close((uv_handle_t *)&shell->timer, NULL);
    CHECK(uv_run(&shell->loop, UV_RUN_DEFAULT) == 0);
    CHECK(peer_transport_closed(shell->transport) && uv_loop_close(&shell->loop) == 0);
    peer_transport_destroy(shell->transport);
}

enum status join_run(const struct founding_request *request, struct node_identity *identity,
                     struct endpoint_list *members, char *trouble, size_t room)
{
    uint64_t fresh = 0;
    uint64_t nonce;
    while (fresh == 0)
        request->random.fill(request->random.context, &fresh, sizeof(fresh));
    enum status status = data_directory_joining(request->disk, fresh, &nonce);
    if (status != STATUS_OK) {
        snprintf(trouble, room, "data-dir: the file `joining`: %s", status_name(status));
        return status;
    }
    struct join_shell *shell = HEAP_NEW(struct join_shell);
    *shell = (struct join_shell){.request = request, .trouble = trouble, .room = room};
    CHECK(uv_loop_init(&shell->loop) == 0 && uv_timer_init(&shell->loop, &shell->timer) == 0);
    shell->timer.data = shell;
    shell_connect(shell, nonce);
    log_line(request->log, LOG_INFO, "joining a cluster: asking %u of its nodes for an id", shell->peers.count);
    CHECK(uv_timer_start(&shell->timer, on_timer, 0, TICK_MS) == 0);
    while (!shell->ended)
        uv_run(&shell->loop, UV_RUN_DEFAULT);
    status = shell->status;
    shell_close(shell);
    if (status == STATUS_OK) {
        status = member_make(request, &shell->answer);
        if (status != STATUS_OK)
            snprintf(trouble, room, "data-dir: joining the cluster: %s", status_name(status));
    }
    if (status == STATUS_OK) {
        identity->node_id = shell->answer.node;
        memcpy(identity->cluster_id, shell->answer.cluster, sizeof(identity->cluster_id));
        *members = shell->answer.members;
        log_line(request->log, LOG_INFO, "a member of the cluster, as node %" PRIu64, identity->node_id);
    }
    heap_free(shell);
    return status;
}
