/* Frames between nodes: the examples of docs/formats/peer.md, every message there and back, and what is no frame. */
#include "proto/peer_codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/limits.h"

/* The examples of docs/formats/peer.md. */
static const uint8_t ping_example[] = {
    0x00, 0x00, 0x00, 0x0e, /* size of the body */
    0xd2, 0x69, 0x4b, 0x2f, /* CRC32C */
    0x00, 0x00, 0x00, 0x0a, /* size of the message */
    0x2a, 0x08,             /* ping */
    0x08, 0x07,             /* term */
    0x10, 0xe8, 0x07,       /* sent */
    0x18, 0xf4, 0x03,       /* promise */
};
static const uint8_t append_example[] = {
    0x00, 0x00, 0x00, 0x21,             /* size of the body */
    0x5e, 0x41, 0x5c, 0x7e,             /* CRC32C */
    0x00, 0x00, 0x00, 0x18,             /* size of the message */
    0x22, 0x16,                         /* raft */
    0x10, 0x07,                         /* term */
    0x62, 0x12,                         /* append_entries */
    0x08, 0x28,                         /* previous index */
    0x10, 0x06,                         /* previous term */
    0x18, 0x27,                         /* leader's commit */
    0x22, 0x04, 0x08, 0x06, 0x18, 0x05, /* commands of term 6, 5 bytes */
    0x22, 0x04, 0x08, 0x07, 0x10, 0x02, /* a barrier of term 7 */
    'e',  'n',  't',  'r',  'y',        /* data */
};

static const uint8_t node_ping_example[] = {0x00, 0x00, 0x00, 0x24, 0x15, 0x35, 0xf4, 0x2f, 0x00, 0x00, 0x00,
                                            0x20, 0x62, 0x1e, 0x08, 0xe9, 0x07, 0x10, 0x88, 0x27, 0x18, 0x50,
                                            0x20, 0x46, 0x28, 0x40, 0x32, 0x10, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4,
                                            0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf};
static const uint8_t node_pong_example[] = {0x00, 0x00, 0x00, 0x0e, 0x40, 0x12, 0x4b, 0x6e, 0x00, 0x00, 0x00,
                                            0x0a, 0x6a, 0x08, 0x08, 0x88, 0x27, 0x10, 0x03, 0x20, 0x80, 0x01};

static const uint8_t commands_example[] = {0x00, 0x00, 0x00, 0x1c, 0x13, 0x89, 0x32, 0x8c, 0x00, 0x00, 0x00, 0x0e,
                                           0x42, 0x0c, 0x08, 0x09, 0x12, 0x02, 0x08, 0x03, 0x12, 0x04, 0x08, 0x03,
                                           0x10, 0x04, 0x6f, 0x6e, 0x65, 0x74, 0x77, 0x6f, 0x64, 0x61, 0x74, 0x61};
static const uint8_t answer_example[] = {0x00, 0x00, 0x00, 0x0e, 0x2d, 0xe4, 0x51, 0xcd, 0x00, 0x00, 0x00,
                                         0x0a, 0x4a, 0x08, 0x08, 0x09, 0x18, 0x02, 0x20, 0x28, 0x28, 0x07};

#define ROOM_BYTES ((size_t)PEER_FRAME_HEAD_BYTES + PEER_FRAME_MAX_BYTES)

struct fixture {
    struct arena arena;
    struct span room;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    arena_init(&fixture->arena);
    fixture->room = (struct span){malloc(ROOM_BYTES), ROOM_BYTES};
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    arena_fini(&fixture->arena);
    free(fixture->room.data);
    free(fixture);
    return 0;
}

static struct peer_frame opened(struct fixture *fixture, struct slice bytes)
{
    struct peer_frame frame;
    size_t size_bytes;
    assert_int_equal(peer_frame_measure(bytes, &size_bytes), STATUS_OK);
    assert_int_equal(size_bytes, bytes.size_bytes);
    assert_int_equal(peer_frame_open(bytes, &fixture->arena, &frame), STATUS_OK);
    return frame;
}

static void the_examples_are_these_bytes(void **state)
{
    struct fixture *fixture = *state;
    struct peer_frame frame = opened(fixture, slice_make(ping_example, sizeof(ping_example)));
    assert_int_equal(frame.message->body_case, QNFS__PEER__BODY_PING);
    assert_int_equal(frame.message->ping->term, 7);
    assert_int_equal(frame.message->ping->sent_ms, 1000);
    assert_int_equal(frame.message->ping->promise_ms, 500);
    struct slice packed = peer_frame_pack(frame.message, NULL, 0, fixture->room);
    assert_true(slice_equal(packed, slice_make(ping_example, sizeof(ping_example))));

    frame = opened(fixture, slice_make(commands_example, sizeof(commands_example)));
    assert_int_equal(frame.message->forwarded_commands->number, 9);
    assert_int_equal(frame.message->forwarded_commands->n_commands, 2);
    assert_int_equal(frame.message->forwarded_commands->commands[1]->content_bytes, 4);
    assert_true(slice_equal(frame.data, slice_text("onetwodata")));
    frame = opened(fixture, slice_make(answer_example, sizeof(answer_example)));
    assert_int_equal(frame.message->forwarded_answer->outcome, PEER_OUTCOME_DONE);
    assert_int_equal(frame.message->forwarded_answer->leader, 2);
    assert_int_equal(frame.message->forwarded_answer->index, 40);
    assert_int_equal(frame.message->forwarded_answer->term, 7);

    frame = opened(fixture, slice_make(append_example, sizeof(append_example)));
    assert_int_equal(frame.message->body_case, QNFS__PEER__BODY_RAFT);
    const Qnfs__RaftMessage *raft = frame.message->raft;
    assert_int_equal(raft->term, 7);
    assert_int_equal(raft->body_case, QNFS__RAFT_MESSAGE__BODY_APPEND_ENTRIES);
    assert_int_equal(raft->append_entries->previous_index, 40);
    assert_int_equal(raft->append_entries->leader_commit, 39);
    assert_int_equal(raft->append_entries->n_entries, 2);
    assert_int_equal(raft->append_entries->entries[1]->kind, PEER_ENTRY_BARRIER);
    struct slice data = frame.data;
    assert_true(slice_equal(peer_data_take(&data, 5), slice_text("entry")));
    assert_int_equal(data.size_bytes, 0);
    packed = peer_frame_pack(frame.message, &frame.data, 1, fixture->room);
    assert_true(slice_equal(packed, slice_make(append_example, sizeof(append_example))));
}

/* --- there and back --- */

/* Packs, opens, packs again: equal bytes. The message that was opened lives until the test ends. */
static struct peer_frame returns(struct fixture *fixture, const Qnfs__Peer *message, struct slice data)
{
    struct slice packed = peer_frame_pack(message, &data, 1, fixture->room);
    assert_int_equal(packed.size_bytes, peer_frame_bytes(message, &data, 1));
    struct slice kept = arena_copy(&fixture->arena, packed);
    struct peer_frame frame = opened(fixture, kept);
    assert_int_equal(frame.message->body_case, message->body_case);
    assert_true(slice_equal(frame.data, data));
    assert_true(slice_equal(peer_frame_pack(frame.message, &frame.data, 1, fixture->room), kept));
    return frame;
}

#define PEER(member, tag, value)                                                                                       \
    ((Qnfs__Peer){PROTOBUF_C_MESSAGE_INIT(&qnfs__peer__descriptor), tag, {.member = (value)}})

static void connections_are_spoken_of(void **state)
{
    struct fixture *fixture = *state;
    uint8_t cluster[16] = "0123456789abcdef";
    Qnfs__Hello hello = QNFS__HELLO__INIT;
    Qnfs__Peer message = PEER(hello, QNFS__PEER__BODY_HELLO, &hello);
    returns(fixture, &message, SLICE_EMPTY); /* a node without a cluster */
    hello.cluster = (ProtobufCBinaryData){16, cluster};
    hello.node = UINT64_MAX;
    hello.incarnation = UINT64_MAX;
    hello.feature_level = UINT32_MAX;
    hello.session_epoch = UINT64_MAX;
    hello.channel = PEER_CHANNEL_BULK;
    struct peer_frame frame = returns(fixture, &message, SLICE_EMPTY);
    assert_memory_equal(frame.message->hello->cluster.data, cluster, 16);
    assert_true(frame.message->hello->session_epoch == UINT64_MAX);

    Qnfs__Refusal refusal = QNFS__REFUSAL__INIT;
    refusal.reason = PEER_REASON_COUNT + 7; /* a later program may know more of them */
    message = PEER(refusal, QNFS__PEER__BODY_REFUSAL, &refusal);
    returns(fixture, &message, SLICE_EMPTY);
    Qnfs__Alive alive = QNFS__ALIVE__INIT;
    message = PEER(alive, QNFS__PEER__BODY_ALIVE, &alive);
    returns(fixture, &message, SLICE_EMPTY);
}

#define RAFT(member, tag, value)                                                                                       \
    ((Qnfs__RaftMessage){PROTOBUF_C_MESSAGE_INIT(&qnfs__raft_message__descriptor), 2, 9, tag, {.member = (value)}})

static const Qnfs__RaftMessage *raft_returns(struct fixture *fixture, Qnfs__RaftMessage raft, struct slice data)
{
    Qnfs__Peer message = PEER(raft, QNFS__PEER__BODY_RAFT, &raft);
    const Qnfs__RaftMessage *got = returns(fixture, &message, data).message->raft;
    assert_int_equal(got->version, 2);
    assert_int_equal(got->term, 9);
    assert_int_equal(got->body_case, raft.body_case);
    return got;
}

static void raft_is_carried(void **state)
{
    struct fixture *fixture = *state;
    Qnfs__RequestVote vote = QNFS__REQUEST_VOTE__INIT;
    vote.last_index = UINT64_MAX;
    vote.last_term = 8;
    vote.disrupt_leader = vote.pre_vote = true;
    const Qnfs__RaftMessage *got =
        raft_returns(fixture, RAFT(request_vote, QNFS__RAFT_MESSAGE__BODY_REQUEST_VOTE, &vote), SLICE_EMPTY);
    assert_true(got->request_vote->last_index == UINT64_MAX && got->request_vote->disrupt_leader);

    Qnfs__RequestVoteResult vote_result = QNFS__REQUEST_VOTE_RESULT__INIT;
    vote_result.granted = true;
    vote_result.features = vote_result.capacity = UINT16_MAX;
    raft_returns(fixture, RAFT(request_vote_result, QNFS__RAFT_MESSAGE__BODY_REQUEST_VOTE_RESULT, &vote_result),
                 SLICE_EMPTY);

    Qnfs__AppendEntries append = QNFS__APPEND_ENTRIES__INIT; /* a heartbeat */
    append.previous_index = 4;
    raft_returns(fixture, RAFT(append_entries, QNFS__RAFT_MESSAGE__BODY_APPEND_ENTRIES, &append), SLICE_EMPTY);

    Qnfs__AppendEntriesResult result = QNFS__APPEND_ENTRIES_RESULT__INIT;
    result.rejected = 7;
    result.last_index = 6;
    got = raft_returns(fixture, RAFT(append_entries_result, QNFS__RAFT_MESSAGE__BODY_APPEND_ENTRIES_RESULT, &result),
                       SLICE_EMPTY);
    assert_int_equal(got->append_entries_result->rejected, 7);

    uint8_t *configuration = calloc(1, PEER_CONFIGURATION_MAX_BYTES);
    Qnfs__InstallSnapshot install = QNFS__INSTALL_SNAPSHOT__INIT;
    install.last_index = 100;
    install.last_term = 8;
    install.configuration_index = 50;
    install.configuration = (ProtobufCBinaryData){PEER_CONFIGURATION_MAX_BYTES, configuration};
    raft_returns(fixture, RAFT(install_snapshot, QNFS__RAFT_MESSAGE__BODY_INSTALL_SNAPSHOT, &install), SLICE_EMPTY);
    free(configuration);

    Qnfs__TimeoutNow timeout = QNFS__TIMEOUT_NOW__INIT;
    timeout.last_index = 5;
    raft_returns(fixture, RAFT(timeout_now, QNFS__RAFT_MESSAGE__BODY_TIMEOUT_NOW, &timeout), SLICE_EMPTY);
}

/* The largest entry and the most entries. */
static void entries_are_carried(void **state)
{
    struct fixture *fixture = *state;
    static Qnfs__PeerEntry entries[PEER_ITEMS_MAX + 1];
    static Qnfs__PeerEntry *pointers[PEER_ITEMS_MAX + 1];
    uint8_t *bytes = calloc(1, ENTRY_MAX_BYTES);
    Qnfs__AppendEntries append = QNFS__APPEND_ENTRIES__INIT;
    for (size_t i = 0; i <= PEER_ITEMS_MAX; i++) {
        entries[i] = (Qnfs__PeerEntry)QNFS__PEER_ENTRY__INIT;
        entries[i].term = UINT64_MAX;
        entries[i].kind = PEER_ENTRY_CONFIGURATION;
        entries[i].size_bytes = 1;
        pointers[i] = &entries[i];
    }
    append.entries = pointers;
    append.n_entries = PEER_ITEMS_MAX;
    raft_returns(fixture, RAFT(append_entries, QNFS__RAFT_MESSAGE__BODY_APPEND_ENTRIES, &append),
                 slice_make(bytes, PEER_ITEMS_MAX));
    append.n_entries = 1;
    entries[0].size_bytes = ENTRY_MAX_BYTES;
    raft_returns(fixture, RAFT(append_entries, QNFS__RAFT_MESSAGE__BODY_APPEND_ENTRIES, &append),
                 slice_make(bytes, ENTRY_MAX_BYTES));
    free(bytes);
}

static void leases_commands_and_reads_are_carried(void **state)
{
    struct fixture *fixture = *state;
    Qnfs__Pong pong = QNFS__PONG__INIT;
    pong.sent_ms = UINT64_MAX;
    Qnfs__Peer message = PEER(pong, QNFS__PEER__BODY_PONG, &pong);
    assert_true(returns(fixture, &message, SLICE_EMPTY).message->pong->sent_ms == UINT64_MAX);

    Qnfs__ForwardedCommand first = QNFS__FORWARDED_COMMAND__INIT;
    Qnfs__ForwardedCommand second = QNFS__FORWARDED_COMMAND__INIT;
    Qnfs__ForwardedCommand *pointers[] = {&first, &second};
    Qnfs__ForwardedCommands commands = QNFS__FORWARDED_COMMANDS__INIT;
    first.command_bytes = 3;
    second.command_bytes = 2;
    second.content_bytes = 4;
    commands.number = 12;
    commands.commands = pointers;
    commands.n_commands = 2;
    message = PEER(forwarded_commands, QNFS__PEER__BODY_FORWARDED_COMMANDS, &commands);
    struct peer_frame frame = returns(fixture, &message, slice_text("onetwdata"));
    assert_int_equal(frame.message->forwarded_commands->number, 12);
    assert_true(slice_equal(peer_data_take(&frame.data, 3), slice_text("one")));
    assert_true(slice_equal(peer_data_take(&frame.data, 2), slice_text("tw")));
    assert_true(slice_equal(peer_data_take(&frame.data, 4), slice_text("data")));

    Qnfs__ForwardedAnswer answer = QNFS__FORWARDED_ANSWER__INIT;
    answer.outcome = PEER_OUTCOME_NOT_LEADER;
    answer.leader = 2;
    message = PEER(forwarded_answer, QNFS__PEER__BODY_FORWARDED_ANSWER, &answer);
    assert_int_equal(returns(fixture, &message, SLICE_EMPTY).message->forwarded_answer->leader, 2);
    Qnfs__ReadQuestion question = QNFS__READ_QUESTION__INIT;
    question.number = 5;
    message = PEER(read_question, QNFS__PEER__BODY_READ_QUESTION, &question);
    returns(fixture, &message, SLICE_EMPTY);
    Qnfs__ReadAnswer read = QNFS__READ_ANSWER__INIT;
    read.outcome = PEER_OUTCOME_FULL;
    read.index = 99;
    message = PEER(read_answer, QNFS__PEER__BODY_READ_ANSWER, &read);
    assert_int_equal(returns(fixture, &message, SLICE_EMPTY).message->read_answer->index, 99);
}

static enum status open_body(struct fixture *fixture, struct slice message, struct slice data);

/* Who is alive, and in which state. */
static void liveness_is_spoken_of(void **state)
{
    struct fixture *fixture = *state;
    const Qnfs__Peer *example = opened(fixture, slice_make(node_ping_example, sizeof(node_ping_example))).message;
    assert_int_equal(example->node_ping->incarnation, 1001);
    assert_int_equal(example->node_ping->hash_index, 64);
    assert_int_equal(example->node_ping->hash.data[15], 0xaf);
    example = opened(fixture, slice_make(node_pong_example, sizeof(node_pong_example))).message;
    assert_int_equal(example->node_pong->sent_ms, 5000);
    assert_int_equal(example->node_pong->compare_index, 128);

    uint8_t hash[16] = "0123456789abcdef";
    Qnfs__NodePing ping = QNFS__NODE_PING__INIT;
    ping.incarnation = 7;
    ping.sent_ms = UINT64_MAX;
    Qnfs__Peer message = PEER(node_ping, QNFS__PEER__BODY_NODE_PING, &ping);
    assert_int_equal(returns(fixture, &message, SLICE_EMPTY).message->node_ping->incarnation, 7);
    ping.hash_index = 64;
    ping.hash = (ProtobufCBinaryData){16, hash};
    assert_memory_equal(returns(fixture, &message, SLICE_EMPTY).message->node_ping->hash.data, hash, 16);
    Qnfs__NodePong pong = QNFS__NODE_PONG__INIT;
    pong.sent_ms = pong.term = 1;
    pong.compare_index = 128;
    message = PEER(node_pong, QNFS__PEER__BODY_NODE_PONG, &pong);
    assert_int_equal(returns(fixture, &message, SLICE_EMPTY).message->node_pong->compare_index, 128);

    static const struct {
        const char *bytes;
        size_t size_bytes;
        enum status status;
    } bodies[] = {
#define BODY(text, status) {text, sizeof(text) - 1, status}
        BODY("\x62\x02\x10\x01", STATUS_OK),                        /* a ping: sent */
        BODY("\x62\x02\x08\x01", STATUS_BAD_DATA),                  /* not sent */
        BODY("\x62\x04\x10\x01\x28\x40", STATUS_BAD_DATA),          /* a point without its hash */
        BODY("\x62\x07\x10\x01\x28\x40\x32\x01x", STATUS_BAD_DATA), /* a hash of one byte */
        BODY("\x62\x14\x10\x01\x32\x10"
             "0123456789abcdef",
             STATUS_BAD_DATA),                       /* a hash of no point */
        BODY("\x5a\x04\x08\x05\x20\x63", STATUS_OK), /* a read waits for entry 99 */
        BODY("\x5a\x0d\x08\x05\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", STATUS_BAD_DATA), /* for ever */
        BODY("\x4a\x0d\x08\x05\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", STATUS_BAD_DATA), /* a command */
        BODY("\x6a\x04\x08\x01\x10\x01", STATUS_OK),                                           /* a pong */
        BODY("\x6a\x02\x10\x01", STATUS_BAD_DATA),                                             /* of no ping */
        BODY("\x6a\x02\x08\x01", STATUS_BAD_DATA),                                             /* of no leader */
#undef BODY
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        assert_int_equal(open_body(fixture, slice_make(bodies[i].bytes, bodies[i].size_bytes), SLICE_EMPTY),
                         bodies[i].status);
}

/* Messages of nodes without a cluster. What does not obey cannot be packed, so it is unpacked from bytes. */
static void foundings_are_spoken_of(void **state)
{
    struct fixture *fixture = *state;
    uint8_t cluster[16] = "0123456789abcdef";
    char longest[PEER_ADVERTISE_MAX_BYTES + 1];
    char *peers[CLUSTER_MEMBERS_MAX];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    for (unsigned i = 0; i < CLUSTER_MEMBERS_MAX; i++)
        peers[i] = longest;
    Qnfs__Hello hello = QNFS__HELLO__INIT;
    hello.advertise = longest;
    Qnfs__Peer message = PEER(hello, QNFS__PEER__BODY_HELLO, &hello);
    assert_string_equal(returns(fixture, &message, SLICE_EMPTY).message->hello->advertise, longest);
    Qnfs__FoundingReport report = QNFS__FOUNDING_REPORT__INIT;
    report.nonce = UINT64_MAX;
    report.peers = peers;
    report.n_peers = CLUSTER_MEMBERS_MAX;
    message = PEER(founding_report, QNFS__PEER__BODY_FOUNDING_REPORT, &report);
    returns(fixture, &message, SLICE_EMPTY);
    report.promised = (ProtobufCBinaryData){16, cluster};
    struct peer_frame frame = returns(fixture, &message, SLICE_EMPTY);
    assert_memory_equal(frame.message->founding_report->promised.data, cluster, 16);
    Qnfs__FoundingProposal proposal = QNFS__FOUNDING_PROPOSAL__INIT;
    proposal.nonce = 1;
    proposal.heard = 2;
    proposal.cluster = (ProtobufCBinaryData){16, cluster};
    message = PEER(founding_proposal, QNFS__PEER__BODY_FOUNDING_PROPOSAL, &proposal);
    returns(fixture, &message, SLICE_EMPTY);

    static const struct {
        const char *bytes;
        size_t size_bytes;
        enum status status;
    } bodies[] = {
#define BODY(text, status) {text, sizeof(text) - 1, status}
        BODY("\x72\x07\x08\x01\x1a\x03"
             "a:1",
             STATUS_OK), /* nonce 1, one peer */
        BODY("\x72\x05\x1a\x03"
             "a:1",
             STATUS_BAD_DATA),                     /* no nonce */
        BODY("\x72\x02\x08\x01", STATUS_BAD_DATA), /* no peers */
        BODY("\x72\x0a\x08\x01\x1a\x03"
             "a:1\x22\x01x",
             STATUS_BAD_DATA),                             /* a promise of one byte */
        BODY("\x7a\x04\x08\x01\x10\x01", STATUS_BAD_DATA), /* a proposal of no cluster */
        BODY("\x0a\x03\x3a\x01x", STATUS_OK),              /* a hello with advertise */
#undef BODY
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        assert_int_equal(open_body(fixture, slice_make(bodies[i].bytes, bodies[i].size_bytes), SLICE_EMPTY),
                         bodies[i].status);
    uint8_t many[2 + 2 + (CLUSTER_MEMBERS_MAX + 1) * 5] = {0x72, 2 + (CLUSTER_MEMBERS_MAX + 1) * 3, 0x08, 0x01};
    for (unsigned i = 0; i <= CLUSTER_MEMBERS_MAX; i++)
        memcpy(many + 4 + (size_t)3 * i, "\x1a\x01x", 3);
    assert_int_equal(open_body(fixture, slice_make(many, 4 + (CLUSTER_MEMBERS_MAX + 1) * 3), SLICE_EMPTY),
                     STATUS_BAD_DATA);
}

/* --- what is no frame --- */

static void sizes_are_judged_first(void **state)
{
    (void)state;
    size_t size_bytes;
    for (size_t size = 0; size < PEER_FRAME_HEAD_BYTES; size++)
        assert_int_equal(peer_frame_measure(slice_make(ping_example, size), &size_bytes), STATUS_NOT_FOUND);
    uint8_t head[PEER_FRAME_HEAD_BYTES] = {0xff, 0xff, 0xff, 0xff};
    assert_int_equal(peer_frame_measure(slice_make(head, sizeof(head)), &size_bytes), STATUS_TOO_LARGE);
    for (unsigned i = 0; i < 4; i++)
        head[i] = (uint8_t)(PEER_FRAME_MAX_BYTES >> (24 - 8 * i));
    assert_int_equal(peer_frame_measure(slice_make(head, sizeof(head)), &size_bytes), STATUS_OK);
    assert_int_equal(size_bytes, ROOM_BYTES);
    head[3]++;
    assert_int_equal(peer_frame_measure(slice_make(head, sizeof(head)), &size_bytes), STATUS_TOO_LARGE);
    memcpy(head, "\0\0\0\3", 4);
    assert_int_equal(peer_frame_measure(slice_make(head, sizeof(head)), &size_bytes), STATUS_BAD_DATA);
}

/* Cut anywhere, with a byte too many, and with any bit turned over. */
static void damage_is_found(void **state)
{
    struct fixture *fixture = *state;
    struct peer_frame frame;
    uint8_t bytes[sizeof(append_example) + 1] = {0};
    memcpy(bytes, append_example, sizeof(append_example));
    for (size_t size = 0; size <= sizeof(bytes); size++) {
        if (size != sizeof(append_example))
            assert_int_equal(peer_frame_open(slice_make(bytes, size), &fixture->arena, &frame), STATUS_BAD_DATA);
    }
    for (size_t bit = 0; bit < sizeof(append_example) * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_int_equal(peer_frame_open(slice_make(bytes, sizeof(append_example)), &fixture->arena, &frame),
                         STATUS_BAD_DATA);
        assert_null(frame.message);
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
}

/* A body with a right checksum. */
static enum status open_body(struct fixture *fixture, struct slice message, struct slice data)
{
    uint8_t *bytes = fixture->room.data;
    size_t body_bytes = 4 + message.size_bytes + data.size_bytes;
    memcpy(bytes + 12, message.data, message.size_bytes);
    if (data.size_bytes > 0)
        memcpy(bytes + 12 + message.size_bytes, data.data, data.size_bytes);
    for (unsigned i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)(body_bytes >> (24 - 8 * i));
        bytes[8 + i] = (uint8_t)(message.size_bytes >> (24 - 8 * i));
    }
    uint32_t crc = crc32c(0, slice_make(bytes + 8, body_bytes));
    for (unsigned i = 0; i < 4; i++)
        bytes[4 + i] = (uint8_t)(crc >> (24 - 8 * i));
    struct peer_frame frame;
    return peer_frame_open(slice_make(bytes, body_bytes + 8), &fixture->arena, &frame);
}

#define BYTES(text) slice_make((text), sizeof(text) - 1)

/* Right checksums over what must not be; the first is right and shows that the rest fails for its own reason. */
static void lies_are_refused(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(open_body(fixture, BYTES("\x2a\x00"), SLICE_EMPTY), STATUS_OK); /* an empty ping */
    static const struct {
        const char *what;
        const char *bytes;
        size_t size_bytes;
    } cases[] = {
#define CASE(what, bytes) {what, bytes, sizeof(bytes) - 1}
        CASE("no body", ""),
        CASE("an unknown body", "\x7a\x00"),
        CASE("an unknown field beside the body", "\x2a\x00\xf8\x01\x01"),
        CASE("an unknown field within", "\x2a\x02\x78\x01"),
        CASE("cut within", "\x2a\x05\x08"),
        CASE("raft without a body", "\x22\x02\x10\x07"),
        CASE("version 256", "\x22\x05\x08\x80\x02\x7a\x00"),
        CASE("features 65536", "\x22\x06\x5a\x04\x18\x80\x80\x04"),
        CASE("capacity 65536", "\x22\x06\x6a\x04\x20\x80\x80\x04"),
        CASE("a node without a cluster", "\x0a\x02\x10\x01"),
        CASE("a cluster id of 15 bytes", "\x0a\x13\x0a\x0f"
                                         "0123456789abcde\x10\x01"),
        CASE("node 0 of a cluster", "\x0a\x12\x0a\x10"
                                    "0123456789abcdef"),
        CASE("an entry of an unknown kind", "\x22\x08\x62\x06\x22\x04\x10\x03\x18\x00"),
        CASE("an empty entry of commands", "\x22\x06\x62\x04\x22\x02\x10\x00"),
        CASE("an entry that is not there", "\x22\x06\x62\x04\x22\x02\x18\x05"),
        CASE("no forwarded command", "\x42\x00"),
        CASE("an empty forwarded command", "\x42\x02\x12\x00"),
        CASE("a forwarded command that is not there", "\x42\x04\x12\x02\x08\x05"),
        CASE("outcome 3", "\x4a\x02\x10\x03"),
        CASE("outcome 3 of a read", "\x5a\x02\x10\x03"),
#undef CASE
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (open_body(fixture, slice_make(cases[i].bytes, cases[i].size_bytes), SLICE_EMPTY) != STATUS_BAD_DATA)
            fail_msg("%s is taken", cases[i].what);
    }
    assert_int_equal(open_body(fixture, BYTES("\x2a\x00"), BYTES("x")), STATUS_BAD_DATA); /* data for nobody */
    assert_int_equal(open_body(fixture, BYTES("\x42\x04\x12\x02\x08\x02"), BYTES("abc")), STATUS_BAD_DATA);
    assert_int_equal(open_body(fixture, BYTES("\x42\x04\x12\x02\x08\x02"), BYTES("ab")), STATUS_OK);
}

static bool manifest_is_taken(struct fixture *fixture, Qnfs__SnapshotManifest *manifest)
{
    Qnfs__Peer peer = QNFS__PEER__INIT;
    Qnfs__SnapshotOffer offer = QNFS__SNAPSHOT_OFFER__INIT;
    uint8_t bytes[1024];
    offer.manifest = manifest;
    peer.body_case = QNFS__PEER__BODY_SNAPSHOT_OFFER;
    peer.snapshot_offer = &offer;
    assert_true(protobuf_c_message_get_packed_size(&peer.base) <= sizeof(bytes));
    return open_body(fixture, slice_make(bytes, protobuf_c_message_pack(&peer.base, bytes)), SLICE_EMPTY) == STATUS_OK;
}

/* What would lead out of the folder, or over a bound, in the manifest of a copy of the state. */
static void manifests_are_judged(void **state)
{
    struct fixture *fixture = *state;
    static uint8_t sixteen[17];
    char long_name[PEER_SNAPSHOT_NAME_MAX_BYTES + 2];
    Qnfs__SnapshotManifest manifest = QNFS__SNAPSHOT_MANIFEST__INIT;
    Qnfs__SnapshotFile file = QNFS__SNAPSHOT_FILE__INIT;
    Qnfs__SnapshotFile *files[] = {&file};
    memset(long_name, 'a', sizeof(long_name));
    long_name[sizeof(long_name) - 1] = 0;
    manifest.id = manifest.index = manifest.term = manifest.configuration_index = 1;
    manifest.cluster = manifest.chain = file.hash = (ProtobufCBinaryData){16, sixteen};
    manifest.n_files = 1;
    manifest.files = files;
    char right[] = "000123.sst";
    file.name = right;
    assert_true(manifest_is_taken(fixture, &manifest));
    char *const wrong_names[] = {(char[]){""},    (char[]){"."},   (char[]){".."},       (char[]){"../x"},
                                 (char[]){"a/b"}, (char[]){"a b"}, (char[]){"\xc3\xa4"}, long_name};
    for (size_t i = 0; i < sizeof(wrong_names) / sizeof(wrong_names[0]); i++) {
        file.name = wrong_names[i];
        assert_false(manifest_is_taken(fixture, &manifest));
    }
    file.name = long_name + 1;
    assert_true(manifest_is_taken(fixture, &manifest));
    file.size_bytes = SNAPSHOT_FILE_MAX_BYTES + 1;
    assert_false(manifest_is_taken(fixture, &manifest));
    file.size_bytes = 0;
    file.hash.len = 17;
    assert_false(manifest_is_taken(fixture, &manifest));
    file.hash.len = 16;
    manifest.configuration_index = 2;
    assert_false(manifest_is_taken(fixture, &manifest));
    manifest.configuration_index = 1;
    manifest.id = 0;
    assert_false(manifest_is_taken(fixture, &manifest));
    manifest.id = 1;
    manifest.n_files = 0;
    assert_false(manifest_is_taken(fixture, &manifest));
    assert_false(manifest_is_taken(fixture, NULL));
}

static bool piece_is_taken(struct fixture *fixture, Qnfs__SnapshotFetch fetch)
{
    Qnfs__Peer peer = QNFS__PEER__INIT;
    uint8_t bytes[256];
    fetch.base.descriptor = &qnfs__snapshot_fetch__descriptor;
    peer.body_case = QNFS__PEER__BODY_SNAPSHOT_FETCH;
    peer.snapshot_fetch = &fetch;
    return open_body(fixture, slice_make(bytes, protobuf_c_message_pack(&peer.base, bytes)), SLICE_EMPTY) == STATUS_OK;
}

static void pieces_are_judged(void **state)
{
    struct fixture *fixture = *state;
    const uint32_t most = SNAPSHOT_PIECE_BYTES;
#define PIECE(...) piece_is_taken(fixture, (Qnfs__SnapshotFetch){__VA_ARGS__})
    assert_true(PIECE(.id = 1, .part = PEER_SNAPSHOT_BLOCK, .item = UINT64_MAX, .offset = most, .size_bytes = most));
    assert_true(PIECE(.id = 1, .item = SNAPSHOT_FILES_MAX - 1, .size_bytes = 1));
    assert_false(PIECE(.id = 0, .size_bytes = 1));
    assert_false(PIECE(.id = 1, .size_bytes = 0));
    assert_false(PIECE(.id = 1, .size_bytes = most + 1));
    assert_false(PIECE(.id = 1, .offset = 1, .size_bytes = 1));
    assert_false(PIECE(.id = 1, .part = PEER_SNAPSHOT_PART_COUNT, .size_bytes = 1));
    assert_false(PIECE(.id = 1, .item = SNAPSHOT_FILES_MAX, .size_bytes = 1));
    assert_false(PIECE(.id = 1, .part = PEER_SNAPSHOT_BLOCK, .offset = BLOCK_MAX_BYTES, .size_bytes = 1));
    assert_false(PIECE(.id = 1, .offset = SNAPSHOT_FILE_MAX_BYTES, .size_bytes = 1));
#undef PIECE
    /* A chunk has exactly the bytes that it announces: id 1, 5 bytes. */
    assert_int_equal(open_body(fixture, BYTES("\xba\x01\x04\x08\x01\x28\x05"), BYTES("hello")), STATUS_OK);
    assert_int_equal(open_body(fixture, BYTES("\xba\x01\x04\x08\x01\x28\x05"), BYTES("hell")), STATUS_BAD_DATA);
    assert_int_equal(open_body(fixture, BYTES("\xc2\x01\x02\x10\x01"), SLICE_EMPTY), STATUS_OK); /* an answer */
    assert_int_equal(open_body(fixture, BYTES("\xc2\x01\x02\x10\x02"), SLICE_EMPTY), STATUS_BAD_DATA);
}

/* More items than may be, each as short as possible; and a message over its bound: the arena must not run full. */
static void many_are_refused(void **state)
{
    struct fixture *fixture = *state;
    size_t count = PEER_MESSAGE_MAX_BYTES / 2 - 4;
    uint8_t *bytes = calloc(1, 2 * PEER_MESSAGE_MAX_BYTES);
    size_t inner = 2 * count;
    bytes[0] = 0x42;
    bytes[1] = (uint8_t)(inner & 0x7f) | 0x80;
    bytes[2] = (uint8_t)((inner >> 7) & 0x7f) | 0x80;
    bytes[3] = (uint8_t)(inner >> 14);
    for (size_t i = 0; i < count; i++)
        bytes[4 + 2 * i] = 0x12;
    assert_int_equal(open_body(fixture, slice_make(bytes, 4 + inner), SLICE_EMPTY), STATUS_BAD_DATA);
    assert_int_equal(open_body(fixture, slice_make(bytes, PEER_MESSAGE_MAX_BYTES + 1), SLICE_EMPTY), STATUS_BAD_DATA);
    free(bytes);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_examples_are_these_bytes),
        TEST(connections_are_spoken_of),
        TEST(raft_is_carried),
        TEST(entries_are_carried),
        TEST(leases_commands_and_reads_are_carried),
        TEST(sizes_are_judged_first),
        TEST(damage_is_found),
        TEST(liveness_is_spoken_of),
        TEST(foundings_are_spoken_of),
        TEST(lies_are_refused),
        TEST(many_are_refused),
        TEST(manifests_are_judged),
        TEST(pieces_are_judged),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
