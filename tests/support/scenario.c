#include "tests/support/scenario.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

#define REQUEST_ROOM_BYTES (NFS4_MESSAGE_MAX_BYTES + 65536u)

void scenario_init(struct scenario *scenario)
{
    *scenario = (struct scenario){.next_xid = 1};
    arena_init(&scenario->arena);
    single_node_init(&scenario->node);
    scenario->start_ns = scenario->node.wall_ns;
    scenario->text = arena_alloc(&scenario->arena, SCENARIO_TEXT_MAX);
    scenario->text[0] = '\0';
}

void scenario_fini(struct scenario *scenario)
{
    single_node_fini(&scenario->node);
    arena_fini(&scenario->arena);
}

void scenario_say(struct scenario *scenario, const char *format, ...)
{
    va_list values;
    size_t room = SCENARIO_TEXT_MAX - scenario->text_bytes;
    va_start(values, format);
    int length = vsnprintf(scenario->text + scenario->text_bytes, room, format, values);
    va_end(values);
    CHECK(length >= 0 && (size_t)length < room);
    scenario->text_bytes += (size_t)length;
}

/* --- names --- */

static const char kind_letters[SCENARIO_KINDS] = {'h', 's', 'c', 'n', 'v'};

const char *scenario_name(struct scenario *scenario, enum scenario_kind kind, struct slice value)
{
    struct scenario_names *names = &scenario->names[kind];
    size_t index = 0;
    while (index < names->count && !slice_equal(names->values[index], value))
        index++;
    if (index == names->count) {
        CHECK(names->count < SCENARIO_NAMES_MAX);
        names->values[names->count++] = arena_copy(&scenario->arena, value);
    }
    char *name = arena_alloc(&scenario->arena, 24);
    snprintf(name, 24, "%c%zu", kind_letters[kind], index + 1);
    return name;
}

struct slice scenario_value(struct scenario *scenario, enum scenario_kind kind, const char *name)
{
    const struct scenario_names *names = &scenario->names[kind];
    size_t index = name[0] == kind_letters[kind] ? strtoul(name + 1, NULL, 10) : 0;
    return index >= 1 && index <= names->count ? names->values[index - 1] : SLICE_EMPTY;
}

/* --- words --- */

/* Splits at spaces; double quotes hold a word with spaces together. The text is cut. */
static void words_split(char *text, struct scenario_words *words)
{
    words->count = 0;
    while (*text != '\0') {
        while (*text == ' ')
            text++;
        if (*text == '\0')
            return;
        CHECK(words->count < sizeof(words->word) / sizeof(words->word[0]));
        bool quoted = *text == '"';
        if (quoted)
            text++;
        words->word[words->count++] = text;
        while (*text != '\0' && *text != (quoted ? '"' : ' '))
            text++;
        if (*text != '\0')
            *text++ = '\0';
    }
}

static struct scenario_client *find_client(struct scenario *scenario, char name)
{
    for (size_t i = 0; i < scenario->client_count; i++) {
        if (scenario->clients[i].name == name)
            return &scenario->clients[i];
    }
    return NULL;
}

/* --- requests and replies --- */

static void add_operations(struct scenario *scenario, struct nfs_compound_builder *builder, char *text)
{
    while (text != NULL && *text != '\0') {
        char *next = strchr(text, ';');
        if (next != NULL)
            *next++ = '\0';
        struct scenario_words words;
        enum opnum4 op;
        union nfs4_args args;
        words_split(text, &words);
        if (words.count == 0 || !scenario_args(scenario, &words, &op, &args)) {
            scenario->problem = "an operation or argument that is none";
            return;
        }
        const struct nfs4_operation *operation = nfs4_operation_find(op);
        if (operation != NULL && operation->served) {
            nfs_compound_add(builder, op, &args);
        } else {
            bool fits = xdr_enum(&builder->x, &op);
            CHECK(fits);
            builder->operation_count++;
        }
        text = next;
    }
}

static void show_reply(struct scenario *scenario, struct slice record)
{
    struct nfs_reply reply;
    enum opnum4 op;
    union nfs4_result result;
    if (!nfs_reply_open(&reply, record, &scenario->arena)) {
        scenario_say(scenario, "  RPC denied %d accept %u\n", reply.rpc.denied, (unsigned)reply.rpc.accept_stat);
        return;
    }
    if (reply.head.result_count == 0)
        scenario_say(scenario, "  compound %s\n", nfsstat4_name(reply.head.status));
    while (nfs_reply_next(&reply, &op, &result)) {
        scenario_show(scenario, op, &result);
        if (op < OPNUM4_TABLE_SIZE && result.status.status != NFS4ERR_NOTSUPP)
            scenario->served[op]++;
    }
    CHECK(!reply.x.failed && reply.next == reply.head.result_count && xdr_remaining(&reply.x) == 0);
}

/* The reply without its mark; SLICE_EMPTY if there is none yet. */
static struct slice take_reply(struct scenario *scenario, uint64_t connection, bool *ended)
{
    struct buffer *buffer = single_node_reply(&scenario->node, connection, ended);
    if (buffer == NULL)
        return SLICE_EMPTY;
    struct slice record = arena_copy(&scenario->arena, slice_from(buffer_slice(buffer), 4));
    buffer_put(buffer);
    return record;
}

/* A kept reply is equal but for its xid: that is compared by the caller. */
static struct slice without_xid(struct slice record)
{
    return record.size_bytes >= 4 ? slice_from(record, 4) : SLICE_EMPTY;
}

static uint64_t connection_of(const struct scenario_words *words)
{
    return scenario_number(words, "conn", 1);
}

static void note_effects(struct scenario *scenario, uint64_t closed_before)
{
    const struct nfs4_flap *flap = &scenario->node.flap;
    if (flap->moves > 0)
        scenario_say(scenario, "  session %s of %s has moved %llu times in %llu ms\n",
                     scenario_name(scenario, SCENARIO_SESSION, slice_make(flap->session.bytes, 16)),
                     scenario_name(scenario, SCENARIO_CLIENT, slice_make(&flap->client.value, sizeof(uint64_t))),
                     (unsigned long long)flap->moves, (unsigned long long)flap->period_ms);
    scenario->node.flap.moves = 0;
    if (scenario->node.closed_connections > closed_before)
        scenario_say(scenario, "  closed %llu connections\n",
                     (unsigned long long)(scenario->node.closed_connections - closed_before));
}

static void expect_reply(struct scenario *scenario, uint64_t connection, struct scenario_client *client, uint32_t slot)
{
    bool ended;
    struct slice record = take_reply(scenario, connection, &ended);
    if (record.size_bytes == 0) {
        scenario_say(scenario, ended ? "  (ended without a reply)\n" : "  (waits)\n");
        return;
    }
    show_reply(scenario, record);
    if (client == NULL)
        return;
    client->replies[slot] = record;
    if (!client->answered[slot]) {
        client->answered[slot] = true;
        nfs_session_done(&client->session, slot);
    }
}

/* What was answered on other connections, or ended there. */
static void pending_replies(struct scenario *scenario)
{
    for (uint64_t connection = 1; connection < 10; connection++) {
        bool ended = true;
        for (;;) {
            struct slice record = take_reply(scenario, connection, &ended);
            if (record.size_bytes == 0 && !ended)
                break;
            scenario_say(scenario, "  on connection %llu:\n", (unsigned long long)connection);
            if (record.size_bytes == 0) {
                scenario_say(scenario, "  (ended without a reply)\n");
                continue;
            }
            show_reply(scenario, record);
            for (size_t i = 0; i < scenario->client_count; i++) {
                struct scenario_client *client = &scenario->clients[i];
                for (uint32_t slot = 0; slot < NFS_SESSION_SLOTS_MAX; slot++) {
                    bool its = client->last[slot].record.size_bytes > 8 && !client->answered[slot] &&
                               memcmp(client->last[slot].record.data + 4, record.data, 4) == 0;
                    if (its) {
                        client->replies[slot] = record;
                        client->answered[slot] = true;
                        nfs_session_done(&client->session, slot);
                    }
                }
            }
        }
    }
}

/* "A.0": the client and the slot. */
static struct scenario_client *client_and_slot(struct scenario *scenario, const char *text, uint32_t *slot)
{
    struct scenario_client *client = find_client(scenario, text[0]);
    *slot = text[0] != '\0' && text[1] == '.' ? (uint32_t)strtoul(text + 2, NULL, 10) : 0;
    if (client == NULL || *slot >= NFS_SESSION_SLOTS_MAX)
        scenario->problem = "a client or slot that is none";
    return scenario->problem == NULL ? client : NULL;
}

/* Options before the operations: lower case, the operations begin with a capital. */
static char *split_options(char *text, struct scenario_words *options)
{
    char *rest = text;
    while (*rest != '\0' && !(rest[0] >= 'A' && rest[0] <= 'Z' && (rest == text || rest[-1] == ' ') && rest[1] != '.'))
        rest++;
    if (rest > text)
        rest[-1] = '\0';
    static char empty[] = "";
    words_split(rest > text ? text : empty, options);
    return rest;
}

static void line_call(struct scenario *scenario, char *text)
{
    struct scenario_words options;
    uint32_t slot;
    struct nfs_compound_builder builder;
    char *operations = split_options(text, &options);
    struct scenario_client *client = options.count < 2 ? NULL : client_and_slot(scenario, options.word[1], &slot);
    if (client == NULL)
        return;
    uint32_t uid = client->session.identity.uid;
    client->session.identity.uid = (uint32_t)scenario_number(&options, "uid", uid);
    client->session.identity.gid = client->session.identity.uid;
    client->session.minorversion = (uint32_t)scenario_number(&options, "minor", 1);
    bool cache = false;
    for (size_t i = 1; i < options.count; i++)
        cache = cache || strcmp(options.word[i], "cache") == 0;
    nfs_session_start(&client->session, &builder, &scenario->arena, REQUEST_ROOM_BYTES, slot, cache);
    client->session.identity.uid = client->session.identity.gid = uid;
    add_operations(scenario, &builder, operations);
    if (scenario->problem != NULL)
        return;
    client->last[slot] = nfs_compound_finish(&builder);
    client->answered[slot] = false;
    client->replies[slot] = SLICE_EMPTY;
    struct slice record = slice_make(client->last[slot].record.data, client->last[slot].record.size_bytes);
    single_node_call(&scenario->node, connection_of(&options), record);
    expect_reply(scenario, connection_of(&options), client, slot);
    pending_replies(scenario);
}

static void line_raw(struct scenario *scenario, char *text)
{
    struct scenario_words options;
    char *operations = split_options(text, &options);
    struct nfs_compound_builder builder;
    uint32_t uid = (uint32_t)scenario_number(&options, "uid", 0);
    struct nfs_identity identity = {uid, uid, "raw"};
    nfs_compound_start(&builder, &scenario->arena, REQUEST_ROOM_BYTES, &identity, 0x1000 + scenario->next_xid++,
                       (uint32_t)scenario_number(&options, "minor", 1));
    add_operations(scenario, &builder, operations);
    if (scenario->problem != NULL)
        return;
    struct nfs_request request = nfs_compound_finish(&builder);
    single_node_call(&scenario->node, connection_of(&options),
                     slice_make(request.record.data, request.record.size_bytes));
    expect_reply(scenario, connection_of(&options), NULL, 0);
    pending_replies(scenario);
}

/* The same request as a client sends it again: another xid, and another sa_highest_slotid, as Linux does. */
static void again(struct scenario *scenario, const struct scenario_words *words)
{
    uint32_t slot;
    bool ended;
    struct scenario_client *client = words->count < 2 ? NULL : client_and_slot(scenario, words->word[1], &slot);
    if (client == NULL)
        return;
    struct nfs_request *request = &client->last[slot];
    uint64_t connection = connection_of(words);
    nfs_request_set_xid(request, 0x2000 + scenario->next_xid++);
    nfs_request_set_highest_slot(request, slot);
    single_node_call(&scenario->node, connection, slice_make(request->record.data, request->record.size_bytes));
    struct slice before = client->replies[slot];
    struct slice record = take_reply(scenario, connection, &ended);
    if (record.size_bytes == 0) {
        scenario_say(scenario, ended ? "  (ended without a reply)\n" : "  (waits)\n");
        return;
    }
    CHECK(record.size_bytes >= 4 && memcmp(record.data, request->record.data + 4, 4) == 0);
    if (before.size_bytes > 0 && slice_equal(without_xid(before), without_xid(record))) {
        scenario_say(scenario, "  the same reply\n");
        return;
    }
    if (before.size_bytes > 0)
        scenario_say(scenario, "  another reply\n");
    show_reply(scenario, record);
    client->replies[slot] = record;
    if (!client->answered[slot]) {
        client->answered[slot] = true;
        nfs_session_done(&client->session, slot);
    }
}

static void line_again(struct scenario *scenario, const struct scenario_words *words)
{
    again(scenario, words);
    pending_replies(scenario);
    note_effects(scenario, scenario->node.closed_connections);
}

static void line_connect(struct scenario *scenario, const struct scenario_words *words)
{
    static const struct nfs_identity root = {0, 0, "scenario"};
    CHECK(scenario->client_count < SCENARIO_CLIENTS_MAX && words->count >= 2);
    struct scenario_client *client = find_client(scenario, words->word[1][0]);
    if (client == NULL)
        client = &scenario->clients[scenario->client_count++];
    *client = (struct scenario_client){.name = words->word[1][0]};
    nfs_session_init(&client->session, &root, 0x100000u * (uint32_t)scenario->client_count);
    client->session.identity.uid = client->session.identity.gid = (uint32_t)scenario_number(words, "uid", 0);
    struct verifier4 verifier = {{(uint8_t)scenario_number(words, "boot", 1)}};
    uint64_t connection = connection_of(words);
    bool ended;
    struct nfs_request request =
        nfs_session_exchange_id(&client->session, &scenario->arena,
                                slice_text(arena_text(&scenario->arena, slice_make(words->word[1], 1))), &verifier);
    single_node_call(&scenario->node, connection, slice_make(request.record.data, request.record.size_bytes));
    enum nfsstat4 status =
        nfs_session_exchanged(&client->session, take_reply(scenario, connection, &ended), &scenario->arena);
    if (status == NFS4_OK) {
        request = nfs_session_create(&client->session, &scenario->arena, (uint32_t)scenario_number(words, "slots", 8));
        single_node_call(&scenario->node, connection, slice_make(request.record.data, request.record.size_bytes));
        status = nfs_session_created(&client->session, take_reply(scenario, connection, &ended), &scenario->arena);
    }
    scenario_say(scenario, "  %s\n", nfsstat4_name(status));
    if (status != NFS4_OK)
        return;
    scenario_say(scenario, "  client %s session %s\n",
                 scenario_name(scenario, SCENARIO_CLIENT, slice_make(&client->session.clientid, sizeof(uint64_t))),
                 scenario_name(scenario, SCENARIO_SESSION, slice_make(client->session.id.data, 16)));
    struct nfs_compound_builder builder;
    union nfs4_args args = {.opreclaim_complete = {.rca_one_fs = false}};
    nfs_session_start(&client->session, &builder, &scenario->arena, 4096, 0, false);
    nfs_compound_add(&builder, OP_RECLAIM_COMPLETE, &args);
    client->last[0] = nfs_compound_finish(&builder);
    single_node_call(&scenario->node, connection,
                     slice_make(client->last[0].record.data, client->last[0].record.size_bytes));
    expect_reply(scenario, connection, client, 0);
}

/* --- what happens around requests --- */

static void line_export(struct scenario *scenario, const struct scenario_words *words)
{
    Qnfs__ExportSpec spec = QNFS__EXPORT_SPEC__INIT;
    Qnfs__ExportAdd body = QNFS__EXPORT_ADD__INIT;
    Qnfs__ExportRemove remove = QNFS__EXPORT_REMOVE__INIT;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    const char *squash = scenario_option(words, "squash");
    const char *client = scenario_option(words, "client");
    uint32_t flavor = (uint32_t)scenario_number(words, "flavor", AUTH_SYS);
    ProtobufCBinaryData path = {strlen(words->word[1]), (uint8_t *)(uintptr_t)words->word[1]};
    ProtobufCBinaryData cidr = {client == NULL ? 0 : strlen(client), (uint8_t *)(uintptr_t)client};
    spec.path = path;
    spec.squash = squash == NULL || strcmp(squash, "none") == 0 ? 2 : (strcmp(squash, "all") == 0 ? 1 : 0);
    spec.n_flavors = 1;
    spec.flavors = &flavor;
    spec.n_clients = client == NULL ? 0 : 1;
    spec.clients = &cidr;
    bool removes = false;
    for (size_t i = 2; i < words->count; i++) {
        spec.read_only = spec.read_only || strcmp(words->word[i], "read-only") == 0;
        removes = removes || strcmp(words->word[i], "remove") == 0;
    }
    body.spec = &spec;
    remove.path = path;
    command.body_case = removes ? QNFS__COMMAND__BODY_EXPORT_REMOVE : QNFS__COMMAND__BODY_EXPORT_ADD;
    if (removes)
        command.export_remove = &remove;
    else
        command.export_add = &body;
    scenario_say(scenario, "  %s\n", nfsstat4_name(single_node_command(&scenario->node, &command)));
}

static void line_expire(struct scenario *scenario)
{
    Qnfs__Expire body = QNFS__EXPIRE__INIT;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_EXPIRE;
    command.expire = &body;
    scenario_say(scenario, "  %s\n", nfsstat4_name(single_node_command(&scenario->node, &command)));
}

static void line_check(struct scenario *scenario)
{
    char text[4096];
    size_t broken = machine_check(kv_store_present(scenario->node.store), &scenario->arena, text, sizeof(text));
    scenario_say(scenario, broken == 0 ? "  all invariants hold\n" : "  %zu broken: %s\n", broken, text);
}

static bool line_node(struct scenario *scenario, const struct scenario_words *words)
{
    struct single_node *node = &scenario->node;
    const char *verb = words->word[0];
    uint64_t closed = node->closed_connections;
    size_t number = words->count > 1 ? strtoul(words->word[1], NULL, 10) : 1;
    if (strcmp(verb, "restart") == 0) {
        single_node_restart(node);
    } else if (strcmp(verb, "hold") == 0) {
        node->hold = true;
    } else if (strcmp(verb, "lose") == 0) {
        node->lose_results = true;
        single_node_apply(node);
        single_node_restart(node);
    } else if (strcmp(verb, "apply") == 0 && words->count > 1) {
        single_node_apply_one(node);
    } else if (strcmp(verb, "apply") == 0) {
        single_node_apply(node);
    } else if (strcmp(verb, "release") == 0) {
        node->hold = false;
        single_node_advance(node, 0);
    } else if (strcmp(verb, "blocks") == 0) {
        single_node_read_blocks(node, words->count > 1 && strcmp(words->word[1], "ok") == 0);
    } else if (strcmp(verb, "advance") == 0) {
        single_node_advance(node, words->count > 1 ? strtoull(words->word[1], NULL, 10) : 0);
    } else if (strcmp(verb, "behind") == 0) {
        node->behind = words->count > 1 ? strtoull(words->word[1], NULL, 10) : 0;
    } else if (strcmp(verb, "commands") == 0) {
        scenario_say(scenario, "  %llu\n", (unsigned long long)(node->commands - scenario->commands_seen));
        scenario->commands_seen = node->commands;
    } else if (strcmp(verb, "node") == 0) {
        single_node_switch(node, number);
    } else if (strcmp(verb, "stop") == 0) {
        single_node_stop(node, number);
    } else if (strcmp(verb, "wake") == 0) {
        single_node_wake(node, number);
    } else if (strcmp(verb, "catch-up") == 0) {
        single_node_catch_up(node, number);
    } else if (strcmp(verb, "deliver") == 0) {
        single_node_deliver(node, number);
    } else if (strcmp(verb, "lost") == 0) {
        single_node_lose(node, number);
    } else if (strcmp(verb, "lease") == 0) {
        single_node_lease(node, number, strcmp(words->word[2], "on") == 0);
    } else if (strcmp(verb, "answer") == 0) {
        single_node_answer(node);
    } else if (strcmp(verb, "close") == 0) {
        nfs4_connection_closed(node->server, (struct connection_id){strtoull(words->word[1], NULL, 10)});
    } else {
        return false;
    }
    pending_replies(scenario);
    note_effects(scenario, closed);
    return true;
}

static void line_run(struct scenario *scenario, char *line)
{
    struct scenario_words words;
    if (strncmp(line, "call ", 5) == 0) {
        line_call(scenario, line);
        return;
    }
    if (strncmp(line, "raw ", 4) == 0) {
        line_raw(scenario, line);
        return;
    }
    words_split(line, &words);
    if (words.count == 0)
        scenario->problem = "an empty line";
    else if (strcmp(words.word[0], "connect") == 0)
        line_connect(scenario, &words);
    else if (strcmp(words.word[0], "again") == 0)
        line_again(scenario, &words);
    else if (strcmp(words.word[0], "export") == 0)
        line_export(scenario, &words);
    else if (strcmp(words.word[0], "expire") == 0)
        line_expire(scenario);
    else if (strcmp(words.word[0], "check") == 0)
        line_check(scenario);
    else if (!line_node(scenario, &words))
        scenario->problem = "a verb that is none";
}

const char *scenario_run(struct scenario *scenario, const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        char *line = arena_text(&scenario->arena, slice_make(text, length));
        text += length + (text[length] == '\n' ? 1 : 0);
        bool kept = line[0] == '#' || line[0] == '\0' || line[0] == '>';
        if (!kept)
            continue;
        scenario_say(scenario, "%s\n", line);
        if (line[0] == '>' && line[1] == ' ')
            line_run(scenario, line + 2);
        if (scenario->problem != NULL) {
            scenario_say(scenario, "  PROBLEM: %s\n", scenario->problem);
            return NULL;
        }
    }
    return scenario->text;
}
