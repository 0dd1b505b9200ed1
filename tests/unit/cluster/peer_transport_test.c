/* Transports over real sockets, each with a loop of its own that the test turns: so a node can stand still. */
#include "cluster/peer_transport.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <uv.h>

#include "base/limits.h"
#include "tests/support/certificates.h"

#define NODES 4
#define PORT 20850
#define WAIT_MS 20000u

struct told {
    uint64_t notices;     /* that came from this node */
    uint64_t last_notice; /* its index */
    uint64_t commands;
    int opened; /* minus closed; called by us */
    int heard;  /* the same, called by it */
    char text[256];
    enum peer_reason reason;
    bool by_other;
};

struct node {
    struct fixture *fixture;
    uv_loop_t loop;
    bool paused;
    struct peer_tls_context *tls;
    struct peer_transport *transport; /* NULL: not there */
    struct peer_hello self;
    uint32_t feature_level_min;
    char host[32];
    struct told told[NODES + 2]; /* by node id; 0: strangers and nodes without an id */
};

struct fixture {
    struct certificates certificates;
    struct node nodes[NODES + 1]; /* from 1 on */
};

/* --- what a transport tells --- */

static struct told *told_of(struct node *node, const struct peer_endpoint *peer)
{
    uint64_t id = peer == NULL ? 0 : peer->node;
    assert_true(id < NODES + 2);
    return &node->told[id];
}

static void on_opened(void *context, const struct peer_endpoint *peer, const struct peer_hello *hello, bool called)
{
    struct told *told = told_of(context, peer);
    assert_int_equal(hello->node, peer->node);
    if (hello->channel == PEER_CHANNEL_RAFT)
        called ? told->opened++ : told->heard++;
}

static void on_frame(void *context, const struct peer_endpoint *peer, const struct peer_hello *hello,
                     const struct peer_frame *frame)
{
    struct told *told = told_of(context, peer);
    assert_int_equal(hello->node, peer->node);
    if (frame->message->body_case == QNFS__PEER__BODY_READ_QUESTION) {
        assert_true(frame->message->read_question->number > told->last_notice); /* never an older one */
        told->last_notice = frame->message->read_question->number;
        told->notices++;
    } else {
        assert_int_equal(frame->message->body_case, QNFS__PEER__BODY_FORWARDED_COMMANDS);
        told->commands++;
    }
}

static void on_closed(void *context, const struct peer_endpoint *peer, const struct peer_end *end)
{
    struct told *told = told_of(context, peer);
    snprintf(told->text, sizeof(told->text), "%s", end->text);
    told->reason = end->reason;
    told->by_other = end->told;
    if (end->was_open && end->channel == PEER_CHANNEL_RAFT)
        end->called ? told->opened-- : told->heard--;
    assert_true(told->opened >= 0 && told->heard >= 0);
}

/* --- nodes --- */

static struct peer_endpoint endpoint_of(const struct node *node, uint64_t id)
{
    struct peer_endpoint endpoint = {.node = node->self.node, .port = (uint16_t)(PORT + id)};
    snprintf(endpoint.host, sizeof(endpoint.host), "%s", node->host);
    return endpoint;
}

static void node_start(struct fixture *fixture, uint64_t id)
{
    struct node *node = &fixture->nodes[id];
    struct peer_transport_options options = {
        .loop = &node->loop,
        .tls = node->tls,
        .handler = {.context = node, .opened = on_opened, .frame = on_frame, .closed = on_closed},
        .self = node->self,
        .feature_level_min = node->feature_level_min};
    uint8_t trouble[256];
    assert_null(node->transport);
    node->transport = peer_transport_create(&options);
    /* The port may still be held by a connection that just ended; SO_REUSEADDR is libuv's default. */
    if (peer_transport_listen(node->transport, strcmp(node->host, "::1") == 0 ? "::1" : "127.0.0.1",
                              (uint16_t)(PORT + id), (struct span){trouble, sizeof(trouble)}) != STATUS_OK)
        fail_msg("%s", (char *)trouble);
}

/* Tells a node of all nodes up to `count`. */
static void node_meet(struct fixture *fixture, uint64_t id, uint64_t count)
{
    struct peer_endpoint members[NODES];
    uint32_t member_count = 0;
    for (uint64_t other = 1; other <= count; other++) {
        if (other != id)
            members[member_count++] = endpoint_of(&fixture->nodes[other], other);
    }
    peer_transport_members(fixture->nodes[id].transport, members, member_count);
}

static void node_tls(struct fixture *fixture, uint64_t id, const char *authority, const char *hosts)
{
    struct node *node = &fixture->nodes[id];
    char name[16];
    char trouble[256];
    snprintf(name, sizeof(name), "node-%u", (unsigned)id);
    struct certificate_paths paths = certificates_issue(&fixture->certificates, authority, name, hosts);
    struct peer_tls_files files = {paths.authority, paths.certificate, paths.key};
    peer_tls_context_destroy(node->tls);
    if (peer_tls_context_create(&files, &node->tls, (struct span){(uint8_t *)trouble, sizeof(trouble)}) != STATUS_OK)
        fail_msg("%s", trouble);
}

static void turn(struct fixture *fixture)
{
    for (unsigned id = 1; id <= NODES; id++) {
        if (!fixture->nodes[id].paused)
            uv_run(&fixture->nodes[id].loop, UV_RUN_NOWAIT);
    }
    usleep(500);
}

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

/* Turns the loops until it is so. */
#define UNTIL(fixture, condition)                                                                                      \
    do {                                                                                                               \
        uint64_t limit_ms = now_ms() + WAIT_MS;                                                                        \
        while (!(condition)) {                                                                                         \
            if (now_ms() > limit_ms)                                                                                   \
                fail_msg("never: %s (last: '%s', '%s')", #condition, (fixture)->nodes[1].told[2].text,                 \
                         (fixture)->nodes[2].told[1].text);                                                            \
            turn(fixture);                                                                                             \
        }                                                                                                              \
    } while (false)

static void node_stop(struct fixture *fixture, uint64_t id)
{
    struct node *node = &fixture->nodes[id];
    node->paused = false;
    peer_transport_close(node->transport);
    UNTIL(fixture, peer_transport_closed(node->transport));
    peer_transport_destroy(node->transport);
    node->transport = NULL;
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    certificates_init(&fixture->certificates);
    for (unsigned id = 1; id <= NODES; id++) {
        struct node *node = &fixture->nodes[id];
        node->fixture = fixture;
        node->self = (struct peer_hello){true, "0123456789abcdef", id, 100 + id, 4, 0, 0, "", 0};
        node->feature_level_min = 3;
        snprintf(node->host, sizeof(node->host), "127.0.0.1");
        assert_int_equal(uv_loop_init(&node->loop), 0);
        node_tls(fixture, id, "ca", "127.0.0.1,::1,localhost");
    }
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned id = 1; id <= NODES; id++) {
        if (fixture->nodes[id].transport != NULL)
            node_stop(fixture, id);
    }
    for (unsigned id = 1; id <= NODES; id++) {
        struct node *node = &fixture->nodes[id];
        assert_int_equal(uv_run(&node->loop, UV_RUN_DEFAULT), 0);
        assert_int_equal(uv_loop_close(&node->loop), 0); /* nothing of the transport's is left in it */
        peer_tls_context_destroy(node->tls);
    }
    certificates_fini(&fixture->certificates);
    free(fixture);
    return 0;
}

static void start_all(struct fixture *fixture, uint64_t count)
{
    for (uint64_t id = 1; id <= count; id++) {
        node_start(fixture, id);
        node_meet(fixture, id, count);
    }
}

static bool joined(const struct node *node, uint64_t other)
{
    return node->told[other].opened == 1 && node->told[other].heard == 1;
}

static bool all_joined(const struct fixture *fixture, uint64_t count)
{
    for (uint64_t id = 1; id <= count; id++) {
        for (uint64_t other = 1; other <= count; other++) {
            if (id != other && !joined(&fixture->nodes[id], other))
                return false;
        }
    }
    return true;
}

static enum status notify(struct fixture *fixture, uint64_t from, uint64_t to, uint64_t index)
{
    Qnfs__ReadQuestion notice = QNFS__READ_QUESTION__INIT;
    Qnfs__Peer message = QNFS__PEER__INIT;
    notice.number = index;
    message.body_case = QNFS__PEER__BODY_READ_QUESTION;
    message.read_question = &notice;
    return peer_transport_send(fixture->nodes[from].transport, to, PEER_CHANNEL_RAFT, &message, NULL, 0);
}

static enum status forward(struct fixture *fixture, uint64_t from, uint64_t to, enum peer_channel channel)
{
    static const uint8_t zeros[COMMAND_MAX_BYTES];
    Qnfs__ForwardedCommand command = QNFS__FORWARDED_COMMAND__INIT;
    Qnfs__ForwardedCommand *commands[] = {&command};
    Qnfs__ForwardedCommands forwarded = QNFS__FORWARDED_COMMANDS__INIT;
    Qnfs__Peer message = QNFS__PEER__INIT;
    struct slice data = slice_make(zeros, sizeof(zeros));
    command.command_bytes = sizeof(zeros);
    forwarded.commands = commands;
    forwarded.n_commands = 1;
    message.body_case = QNFS__PEER__BODY_FORWARDED_COMMANDS;
    message.forwarded_commands = &forwarded;
    return peer_transport_send(fixture->nodes[from].transport, to, channel, &message, &data, 1);
}

/* Breaks every connection of this process that has a port of the test at either end. */
static unsigned cut_all(void)
{
    unsigned count = 0;
    for (int descriptor = 3; descriptor < 512; descriptor++) {
        struct sockaddr_in here;
        struct sockaddr_in there;
        socklen_t here_bytes = sizeof(here);
        socklen_t there_bytes = sizeof(there);
        if (getsockname(descriptor, (struct sockaddr *)&here, &here_bytes) == 0 && here.sin_family == AF_INET &&
            getpeername(descriptor, (struct sockaddr *)&there, &there_bytes) == 0 &&
            (ntohs(here.sin_port) / 50 == PORT / 50 || ntohs(there.sin_port) / 50 == PORT / 50)) {
            shutdown(descriptor, SHUT_RDWR);
            count++;
        }
    }
    return count;
}

/* --- tests --- */

static void three_nodes_talk(void **state)
{
    struct fixture *fixture = *state;
    start_all(fixture, 3);
    assert_int_equal(notify(fixture, 1, 2, 1), STATUS_REFUSED);
    assert_int_equal(notify(fixture, 1, 4, 1), STATUS_NOT_FOUND);
    UNTIL(fixture, all_joined(fixture, 3));
    for (uint64_t index = 1; index <= 200; index++) {
        for (uint64_t from = 1; from <= 3; from++) {
            for (uint64_t to = 1; to <= 3; to++) {
                if (from != to)
                    assert_int_equal(notify(fixture, from, to, index), STATUS_OK);
            }
        }
    }
    assert_int_equal(forward(fixture, 2, 1, PEER_CHANNEL_RAFT), STATUS_OK);
    UNTIL(fixture, forward(fixture, 3, 1, PEER_CHANNEL_BULK) == STATUS_OK);
    UNTIL(fixture, fixture->nodes[1].told[2].commands == 1 && fixture->nodes[1].told[3].commands == 1);
    for (uint64_t from = 1; from <= 3; from++) {
        for (uint64_t to = 1; to <= 3; to++) {
            if (from != to)
                UNTIL(fixture, fixture->nodes[to].told[from].notices == 200);
        }
    }
    assert_int_equal(peer_transport_waiting(fixture->nodes[1].transport, 2, PEER_CHANNEL_RAFT), 0);
}

/* Cut again and again while messages flow: all come back, and none comes late (on_frame looks). */
static void cut_connections_come_back(void **state)
{
    struct fixture *fixture = *state;
    uint64_t index = 1;
    start_all(fixture, 3);
    for (unsigned round = 0; round < 8; round++) {
        UNTIL(fixture, all_joined(fixture, 3));
        for (unsigned i = 0; i < 50; i++) {
            assert_int_not_equal(notify(fixture, 1, 2, index), STATUS_NOT_FOUND);
            assert_int_not_equal(notify(fixture, 3, 2, index++), STATUS_NOT_FOUND);
            if (i % 10 == round)
                turn(fixture);
        }
        assert_true(cut_all() >= 12);
        UNTIL(fixture, !all_joined(fixture, 3));
    }
    UNTIL(fixture, all_joined(fixture, 3));
    assert_int_equal(notify(fixture, 1, 2, index), STATUS_OK);
    UNTIL(fixture, fixture->nodes[2].told[1].last_notice == index);
}

/* Node 3 stands still: its queue fills up to the bound, then it is given up; 1 and 2 do not notice. */
static void a_node_that_never_reads(void **state)
{
    struct fixture *fixture = *state;
    uint64_t index = 1;
    start_all(fixture, 3);
    UNTIL(fixture, all_joined(fixture, 3));
    fixture->nodes[3].paused = true;
    unsigned taken = 0;
    uint64_t begun_ms = now_ms();
    while (forward(fixture, 1, 3, PEER_CHANNEL_RAFT) == STATUS_OK && taken < 100) {
        turn(fixture);
        taken++;
    }
    assert_true(taken >= 3 && taken < 100);
    assert_true(peer_transport_waiting(fixture->nodes[1].transport, 3, PEER_CHANNEL_RAFT) <= PEER_OUTPUT_MAX_BYTES);
    assert_int_equal(notify(fixture, 1, 3, 1), STATUS_OK); /* small ones have their reserve */
    while (fixture->nodes[1].told[3].opened == 1) {
        assert_true(now_ms() < begun_ms + 2 * PEER_SEND_TIMEOUT_MS + 2000);
        assert_int_equal(notify(fixture, 1, 2, index++), STATUS_OK);
        turn(fixture);
        assert_true(fixture->nodes[2].told[1].last_notice + 100 > index); /* it flows */
    }
    assert_true(fixture->nodes[1].told[3].reason == PEER_REASON_SLOW || fixture->nodes[1].told[3].text[0] != '\0');
    assert_int_not_equal(forward(fixture, 1, 3, PEER_CHANNEL_RAFT), STATUS_OK);
    assert_true(joined(&fixture->nodes[1], 2) && joined(&fixture->nodes[2], 1));
    fixture->nodes[3].paused = false;
    UNTIL(fixture, all_joined(fixture, 3));
    assert_int_equal(notify(fixture, 1, 3, 9), STATUS_OK);
    UNTIL(fixture, fixture->nodes[3].told[1].last_notice == 9);
}

static void a_node_that_starts_again_is_found(void **state)
{
    struct fixture *fixture = *state;
    start_all(fixture, 3);
    UNTIL(fixture, all_joined(fixture, 3));
    node_stop(fixture, 2);
    UNTIL(fixture, fixture->nodes[1].told[2].opened == 0 && fixture->nodes[1].told[2].heard == 0);
    UNTIL(fixture, strstr(fixture->nodes[1].told[2].text, "cannot be reached: connection refused") != NULL);
    memset(fixture->nodes[2].told, 0, sizeof(fixture->nodes[2].told));
    fixture->nodes[2].self.incarnation += 100;
    node_start(fixture, 2);
    node_meet(fixture, 2, 3);
    UNTIL(fixture, all_joined(fixture, 3));
}

static void members_come_and_go(void **state)
{
    struct fixture *fixture = *state;
    start_all(fixture, 2);
    UNTIL(fixture, all_joined(fixture, 2));
    node_start(fixture, 3);
    node_meet(fixture, 3, 3);
    UNTIL(fixture, fixture->nodes[3].told[1].by_other);
    assert_int_equal(fixture->nodes[3].told[1].reason, PEER_REASON_UNKNOWN_NODE);
    assert_non_null(strstr(fixture->nodes[3].told[1].text, "is no member"));
    node_meet(fixture, 1, 3);
    node_meet(fixture, 2, 3);
    assert_true(joined(&fixture->nodes[1], 2)); /* the others stay */
    UNTIL(fixture, all_joined(fixture, 3));
    node_meet(fixture, 1, 2);
    assert_int_equal(fixture->nodes[1].told[3].opened, 0);
    assert_int_equal(fixture->nodes[1].told[3].heard, 0);
    assert_true(joined(&fixture->nodes[1], 2));
    assert_int_equal(notify(fixture, 1, 3, 1), STATUS_NOT_FOUND);
    UNTIL(fixture, fixture->nodes[3].told[1].opened == 0);
}

/* Node 3 as it must not be; it says why, or is told why, and 1 and 2 go on. */
static void third_is_wrong(struct fixture *fixture, const char *says)
{
    node_start(fixture, 3);
    node_meet(fixture, 3, 2);
    UNTIL(fixture, strstr(fixture->nodes[3].told[1].text, says) != NULL);
    assert_int_equal(fixture->nodes[3].told[1].opened, 0);
    assert_int_equal(fixture->nodes[1].told[3].heard, 0);
    assert_true(joined(&fixture->nodes[1], 2) && joined(&fixture->nodes[2], 1));
    node_stop(fixture, 3);
    memset(fixture->nodes[3].told, 0, sizeof(fixture->nodes[3].told));
}

static void wrong_nodes_are_told_apart(void **state)
{
    struct fixture *fixture = *state;
    struct node *third = &fixture->nodes[3];
    const struct peer_hello good = third->self;
    start_all(fixture, 2);
    node_meet(fixture, 1, 3);
    node_meet(fixture, 2, 3);
    UNTIL(fixture, all_joined(fixture, 2));
    third->self.cluster[0]++;
    third_is_wrong(fixture, "belongs to another cluster");
    third->self = (struct peer_hello){.incarnation = 1, .feature_level = 4};
    third_is_wrong(fixture, "join");
    third->self = good;
    third->self.feature_level = 2;
    third_is_wrong(fixture, "too old");
}

/* A second process with node 2's id and certificate, and an older incarnation. */
static void two_nodes_with_one_id(void **state)
{
    struct fixture *fixture = *state;
    struct node *third = &fixture->nodes[3];
    start_all(fixture, 2);
    UNTIL(fixture, all_joined(fixture, 2));
    third->self = fixture->nodes[2].self;
    third->self.incarnation--;
    third_is_wrong(fixture, "older process");
    third->self.incarnation++;
    third->self.session_epoch = 0;
    /* A copy of the very process: the connection that came first stays. */
    node_start(fixture, 3);
    node_meet(fixture, 3, 1);
    UNTIL(fixture, third->told[1].text[0] != '\0');
    assert_true(joined(&fixture->nodes[1], 2));
    /* A node that claims to be the one that it calls. */
    node_stop(fixture, 3);
    memset(third->told, 0, sizeof(third->told));
    third->self.node = 4;
    node_start(fixture, 3);
    node_meet(fixture, 3, 1);
    UNTIL(fixture, strstr(third->told[1].text, "is no member") != NULL);
}

static void wrong_certificates_are_refused(void **state)
{
    struct fixture *fixture = *state;
    start_all(fixture, 2);
    node_meet(fixture, 1, 3);
    node_meet(fixture, 2, 3);
    UNTIL(fixture, all_joined(fixture, 2));
    node_tls(fixture, 3, "other", "127.0.0.1");
    third_is_wrong(fixture, "no trust: its certificate is not good");
    node_tls(fixture, 3, "ca", "elsewhere.example.org");
    third_is_wrong(fixture, "a certificate that does not cover the host");
    UNTIL(fixture, strstr(fixture->nodes[1].told[3].text, "cannot be reached") != NULL);
    /* And who calls it finds out by itself. */
    node_start(fixture, 3);
    UNTIL(fixture, strstr(fixture->nodes[1].told[3].text, "its certificate does not cover the address") != NULL);
    node_stop(fixture, 3);
    node_tls(fixture, 3, "ca", "127.0.0.1");
    memset(fixture->nodes[3].told, 0, sizeof(fixture->nodes[3].told));
    node_start(fixture, 3);
    node_meet(fixture, 3, 3);
    UNTIL(fixture, all_joined(fixture, 3));
}

/* Whoever talks no TLS, or nothing at all, is sent away; before a cluster exists nodes know each other by where they are reached. */
static void nodes_without_a_cluster_and_strangers(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned id = 1; id <= 3; id++) {
        struct node *node = &fixture->nodes[id];
        snprintf(node->host, sizeof(node->host), "localhost");
        node->self = (struct peer_hello){.incarnation = id, .feature_level = 4};
        snprintf(node->self.advertise, sizeof(node->self.advertise), "localhost:%u", PORT + id);
    }
    start_all(fixture, 3);
    for (unsigned id = 1; id <= 3; id++)
        UNTIL(fixture, fixture->nodes[id].told[0].opened == 2 && fixture->nodes[id].told[0].heard == 2);
    struct peer_endpoint second = endpoint_of(&fixture->nodes[2], 2);
    Qnfs__ReadQuestion notice = QNFS__READ_QUESTION__INIT;
    Qnfs__Peer message = QNFS__PEER__INIT;
    notice.number = 7;
    message.body_case = QNFS__PEER__BODY_READ_QUESTION;
    message.read_question = &notice;
    assert_int_equal(peer_transport_send_to(fixture->nodes[1].transport, &second, PEER_CHANNEL_RAFT, &message),
                     STATUS_OK);
    UNTIL(fixture, fixture->nodes[2].told[0].notices == 1);
    assert_int_equal(fixture->nodes[3].told[0].notices, 0);
    second.port = PORT + 9;
    assert_int_equal(peer_transport_send_to(fixture->nodes[1].transport, &second, PEER_CHANNEL_RAFT, &message),
                     STATUS_NOT_FOUND);
    node_stop(fixture, 3);
    UNTIL(fixture, fixture->nodes[1].told[0].heard == 1 && fixture->nodes[2].told[0].heard == 1);
    node_meet(fixture, 1, 2); /* what its calls of the third come to would hide what becomes of strangers */

    int stranger = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT + 1)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(stranger, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_true(send(stranger, "GET / HTTP/1.0\r\n\r\n", 18, 0) == 18);
    UNTIL(fixture, strstr(fixture->nodes[1].told[0].text, "no trust: no TLS connection") != NULL);
    close(stranger);
    stranger = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(stranger, (struct sockaddr *)&address, sizeof(address)), 0);
    UNTIL(fixture, strstr(fixture->nodes[1].told[0].text, "silent") != NULL);
    close(stranger);
    assert_int_equal(fixture->nodes[1].told[0].heard, 1);

    /* A cluster is made: who they are changes, and the connections are made anew. */
    for (unsigned id = 1; id <= 2; id++) {
        fixture->nodes[id].self = (struct peer_hello){true, "0123456789abcdef", id, 100 + id, 4, 0, 0, "", 0};
        peer_transport_identify(fixture->nodes[id].transport, &fixture->nodes[id].self, 3);
    }
    node_meet(fixture, 1, 2);
    node_meet(fixture, 2, 2);
    UNTIL(fixture, all_joined(fixture, 2));
}

static void names_that_do_not_resolve_and_ipv6(void **state)
{
    struct fixture *fixture = *state;
    snprintf(fixture->nodes[1].host, sizeof(fixture->nodes[1].host), "::1");
    snprintf(fixture->nodes[2].host, sizeof(fixture->nodes[2].host), "::1");
    snprintf(fixture->nodes[3].host, sizeof(fixture->nodes[3].host), "no-such-node.invalid");
    int probe = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool has_ipv6 = probe >= 0 && bind(probe, (struct sockaddr *)&address, sizeof(address)) == 0;
    close(probe);
    if (!has_ipv6) { /* the machine has none: the name alone */
        snprintf(fixture->nodes[1].host, sizeof(fixture->nodes[1].host), "127.0.0.1");
        snprintf(fixture->nodes[2].host, sizeof(fixture->nodes[2].host), "127.0.0.1");
    }
    for (unsigned id = 1; id <= 2; id++) {
        node_start(fixture, id);
        node_meet(fixture, id, 3);
    }
    UNTIL(fixture, all_joined(fixture, 2));
    UNTIL(fixture, strstr(fixture->nodes[1].told[3].text, "cannot be reached") != NULL);
    /* It is found once its name means something. */
    snprintf(fixture->nodes[3].host, sizeof(fixture->nodes[3].host), "localhost");
    node_start(fixture, 3);
    node_meet(fixture, 3, 3);
    node_meet(fixture, 1, 3);
    node_meet(fixture, 2, 3);
    UNTIL(fixture, all_joined(fixture, 3));
    /* A port that is taken is one clear line. */
    struct peer_transport_options options = {
        .loop = &fixture->nodes[4].loop,
        .tls = fixture->nodes[4].tls,
        .handler = {.context = &fixture->nodes[4], .opened = on_opened, .frame = on_frame, .closed = on_closed},
        .self = fixture->nodes[4].self};
    char trouble[256];
    fixture->nodes[4].transport = peer_transport_create(&options);
    assert_int_equal(peer_transport_listen(fixture->nodes[4].transport, "127.0.0.1", PORT + 3,
                                           (struct span){(uint8_t *)trouble, sizeof(trouble)}),
                     STATUS_IO);
    assert_non_null(strstr(trouble, "address already in use"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(three_nodes_talk),
        TEST(cut_connections_come_back),
        TEST(a_node_that_never_reads),
        TEST(a_node_that_starts_again_is_found),
        TEST(members_come_and_go),
        TEST(wrong_nodes_are_told_apart),
        TEST(two_nodes_with_one_id),
        TEST(wrong_certificates_are_refused),
        TEST(nodes_without_a_cluster_and_strangers),
        TEST(names_that_do_not_resolve_and_ipv6),
    };
#undef TEST
    signal(SIGPIPE, SIG_IGN); /* as in the server */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
