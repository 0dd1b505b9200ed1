#include "cluster/founding.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"

#define ID_BYTES 16u

struct id_text {
    char text[2 * ID_BYTES + 1];
};

static struct id_text id_print(const uint8_t *id)
{
    struct id_text out;
    for (unsigned i = 0; i < ID_BYTES; i++)
        snprintf(out.text + (size_t)2 * i, 3, "%02x", id[i]);
    return out;
}

static struct endpoint_text name_of(const struct founding *founding, uint32_t place)
{
    return endpoint_print(&founding->options.members.items[place]);
}

static bool is_first(const struct founding *founding)
{
    return founding->options.self == 0;
}

static const uint8_t *own_promise(const struct founding *founding)
{
    return founding->options.promised.cluster_id;
}

/* --- actions --- */

static struct founding_action *act(struct founding_actions *actions, enum founding_action_kind kind)
{
    struct founding_action *action = ARENA_NEW(actions->arena, struct founding_action);
    action->kind = kind;
    *actions->last = action;
    actions->last = &action->next;
    return action;
}

static void refuse(struct founding *founding, struct founding_actions *actions, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void refuse(struct founding *founding, struct founding_actions *actions, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    founding->state = FOUNDING_REFUSED;
    act(actions, FOUNDING_DO_REFUSE)->text = arena_text(actions->arena, slice_text(text));
}

static void begin(struct founding *founding, struct founding_actions *actions)
{
    CHECK(founding->state == FOUNDING_PROMISED);
    founding->state = FOUNDING_DONE;
    act(actions, FOUNDING_DO_BEGIN)->record = &founding->options.promised;
}

/* The one way out of FREE. All shall hear of it, behind the record in the list. */
static void promise(struct founding *founding, struct founding_actions *actions, const uint8_t *cluster)
{
    struct founding_record *record = &founding->options.promised;
    CHECK(founding->state == FOUNDING_FREE && !founding->options.has_promised);
    memcpy(record->cluster_id, cluster, ID_BYTES);
    record->members = founding->options.members;
    founding->options.has_promised = true;
    founding->state = FOUNDING_PROMISED;
    act(actions, FOUNDING_DO_PROMISE)->record = record;
    for (uint32_t i = 0; i < founding->options.members.count; i++)
        founding->peers[i].report_due = true;
}

static struct founding_action *send(struct founding_actions *actions, uint32_t peer, Qnfs__Peer *message)
{
    struct founding_action *action = act(actions, FOUNDING_DO_SEND);
    action->peer = peer;
    action->message = message;
    return action;
}

static void send_report(struct founding *founding, struct founding_actions *actions, uint32_t peer)
{
    struct arena *arena = actions->arena;
    const struct endpoint_list *members = &founding->options.members;
    Qnfs__FoundingReport *report = ARENA_NEW(arena, Qnfs__FoundingReport);
    Qnfs__Peer *message = ARENA_NEW(arena, Qnfs__Peer);
    qnfs__founding_report__init(report);
    qnfs__peer__init(message);
    report->nonce = founding->options.nonce;
    report->heard = founding->peers[peer].reported ? founding->peers[peer].nonce : 0;
    report->n_peers = members->count;
    report->peers = arena_alloc_array(arena, members->count, sizeof(*report->peers));
    for (uint32_t i = 0; i < members->count; i++)
        report->peers[i] = arena_text(arena, slice_text(name_of(founding, i).text));
    if (founding->options.has_promised)
        report->promised = (ProtobufCBinaryData){ID_BYTES, founding->options.promised.cluster_id};
    message->body_case = QNFS__PEER__BODY_FOUNDING_REPORT;
    message->founding_report = report;
    send(actions, peer, message);
    founding->peers[peer].report_due = false;
}

static void send_proposal(struct founding *founding, struct founding_actions *actions, uint32_t peer)
{
    Qnfs__FoundingProposal *proposal = ARENA_NEW(actions->arena, Qnfs__FoundingProposal);
    Qnfs__Peer *message = ARENA_NEW(actions->arena, Qnfs__Peer);
    CHECK(is_first(founding) && founding->options.has_promised);
    qnfs__founding_proposal__init(proposal);
    qnfs__peer__init(message);
    proposal->nonce = founding->options.nonce;
    proposal->heard = founding->peers[peer].nonce;
    proposal->cluster = (ProtobufCBinaryData){ID_BYTES, founding->options.promised.cluster_id};
    message->body_case = QNFS__PEER__BODY_FOUNDING_PROPOSAL;
    message->founding_proposal = proposal;
    send(actions, peer, message);
    founding->peers[peer].was_offered = true;
}

/* --- what the first decides --- */

/* It is connected both ways, agrees, and what it reported was said to this very process. */
static bool is_current(const struct founding *founding, const struct founding_peer *peer)
{
    return peer->open && peer->reported && peer->agrees && peer->heard == founding->options.nonce;
}

/* The promise that somebody has made already, this node included; NULL: nobody. False: there are two. */
static bool promise_find(const struct founding *founding, const uint8_t **found)
{
    *found = founding->options.has_promised ? own_promise(founding) : NULL;
    for (uint32_t i = 0; i < founding->options.members.count; i++) {
        const struct founding_peer *peer = &founding->peers[i];
        if (i == founding->options.self || !peer->has_promised)
            continue;
        if (*found != NULL && memcmp(*found, peer->promised, ID_BYTES) != 0)
            return false;
        *found = peer->promised;
    }
    return true;
}

static void first_decide(struct founding *founding, struct founding_actions *actions)
{
    const uint8_t *found;
    bool all_promised = true;
    for (uint32_t i = 1; i < founding->options.members.count; i++) {
        if (!is_current(founding, &founding->peers[i]))
            return;
    }
    if (!promise_find(founding, &found))
        return; /* cannot be, unless disks were moved about: founding_waits_for says it */
    if (!founding->options.has_promised)
        promise(founding, actions, found != NULL ? found : founding->options.fresh_id);
    for (uint32_t i = 1; i < founding->options.members.count; i++) {
        struct founding_peer *peer = &founding->peers[i];
        all_promised = all_promised && peer->has_promised;
        if (!peer->has_promised && !peer->was_offered)
            send_proposal(founding, actions, i);
    }
    if (all_promised)
        begin(founding, actions);
}

/* --- what comes --- */

static void reported(struct founding *founding, uint32_t place, const Qnfs__FoundingReport *report)
{
    struct founding_peer *peer = &founding->peers[place];
    struct endpoint_list list = {0};
    bool readable = true;
    for (size_t i = 0; i < report->n_peers; i++) {
        struct peer_endpoint endpoint;
        readable = readable && endpoint_parse(slice_text(report->peers[i]), &endpoint) == STATUS_OK &&
                   endpoint_list_add(&list, &endpoint);
    }
    /* It must learn our nonce before its report counts, and a new process knows nothing of us. */
    if (!peer->reported || peer->nonce != report->nonce || report->heard != founding->options.nonce)
        peer->report_due = true;
    peer->reported = true;
    peer->in_cluster = false;
    peer->was_offered = false;
    peer->nonce = report->nonce;
    peer->heard = report->heard;
    peer->agrees = readable && endpoint_list_equal(&list, &founding->options.members);
    peer->has_promised = report->promised.len == ID_BYTES;
    if (peer->has_promised)
        memcpy(peer->promised, report->promised.data, ID_BYTES);
    peer->list[0] = '\0';
    if (!peer->agrees)
        endpoint_list_print(&list, (struct span){(uint8_t *)peer->list, sizeof(peer->list)});
}

static void proposed(struct founding *founding, struct founding_actions *actions, uint32_t place,
                     const Qnfs__FoundingProposal *proposal)
{
    struct founding_peer *peer = &founding->peers[place];
    /* Of the first, to this process, by the process of it that we have heard of last. */
    bool current = place == 0 && !is_first(founding) && peer->reported && peer->agrees &&
                   proposal->nonce == peer->nonce && proposal->heard == founding->options.nonce;
    if (current && founding->state == FOUNDING_FREE)
        promise(founding, actions, proposal->cluster.data);
    peer->report_due = true;
}

/* Somebody belongs to a cluster. */
static void member_heard(struct founding *founding, struct founding_actions *actions,
                         const struct founding_event *event)
{
    if (founding->state == FOUNDING_FREE) {
        char where[64] = "a cluster";
        if (event->cluster != NULL)
            snprintf(where, sizeof(where), "cluster %s", id_print(event->cluster).text);
        refuse(
            founding, actions,
            "bootstrap-expect: %s belongs to %s already, and this data directory is empty: a new node, or one that has "
            "lost its disk, joins it with --join",
            event->name, where);
    } else if (event->cluster == NULL) {
        if (event->peer != FOUNDING_NOBODY)
            founding->peers[event->peer].in_cluster = true; /* it will call us, and say which */
    } else if (memcmp(event->cluster, own_promise(founding), ID_BYTES) != 0) {
        refuse(
            founding, actions,
            "bootstrap-expect: %s belongs to cluster %s, but this node has promised to be a member of %s; they are two "
            "clusters",
            event->name, id_print(event->cluster).text, id_print(own_promise(founding)).text);
    } else if (event->node == (uint64_t)founding->options.self + 1) {
        refuse(founding, actions, "bootstrap-expect: %s has this node's own id %llu; is its data directory a copy?",
               event->name, (unsigned long long)event->node);
    } else {
        begin(founding, actions);
    }
}

static void opened(struct founding *founding, const struct founding_event *event)
{
    struct founding_peer *peer = &founding->peers[event->peer];
    if (!event->called)
        return;
    peer->open = true;
    peer->report_due = true;
    peer->was_offered = false;
    peer->trouble[0] = '\0';
}

static void closed(struct founding *founding, const struct founding_event *event)
{
    struct founding_peer *peer = &founding->peers[event->peer];
    if (event->called) {
        peer->open = false;
        snprintf(peer->trouble, sizeof(peer->trouble), "%s", event->text == NULL ? "no connection" : event->text);
    } else {
        peer->reported = false; /* what it says next is said anew */
        peer->has_promised = false;
        peer->heard = 0;
    }
}

/* --- the actor --- */

enum status founding_init(struct founding *founding, const struct founding_options *options, struct span trouble)
{
    *founding = (struct founding){.options = *options};
    struct endpoint_list *members = &founding->options.members;
    CHECK(options->nonce != 0 && options->self < members->count);
    for (uint32_t i = 0; i < members->count; i++) {
        CHECK(i == 0 || endpoint_compare(&members->items[i - 1], &members->items[i]) < 0);
        members->items[i].node = i + 1;
    }
    if (!options->has_promised)
        return STATUS_OK;
    founding->state = FOUNDING_PROMISED;
    if (endpoint_list_equal(members, &options->promised.members))
        return STATUS_OK;
    uint8_t list[600];
    endpoint_list_print(&options->promised.members, (struct span){list, sizeof(list)});
    snprintf((char *)trouble.data, trouble.size_bytes,
             "peers: this data directory has begun to make a cluster with other --peers: %s; name the same ones, or "
             "empty the "
             "data directories of all of them",
             (char *)list);
    return STATUS_REFUSED;
}

static void founding_hear(struct founding *founding, const struct founding_event *event, uint64_t now_ms,
                          struct founding_actions *actions)
{
    CHECK(event->kind == FOUNDING_TICK || event->kind == FOUNDING_MEMBER ||
          (event->peer < founding->options.members.count && event->peer != founding->options.self));
    switch (event->kind) {
    case FOUNDING_TICK:
        for (uint32_t i = 0; now_ms >= founding->report_ms && i < founding->options.members.count; i++) {
            founding->peers[i].report_due = true;
            founding->peers[i].was_offered = false;
        }
        if (now_ms >= founding->report_ms)
            founding->report_ms = now_ms + FOUNDING_REPORT_MS;
        break;
    case FOUNDING_OPENED: opened(founding, event); break;
    case FOUNDING_CLOSED: closed(founding, event); break;
    case FOUNDING_MESSAGE:
        if (event->message->body_case == QNFS__PEER__BODY_FOUNDING_REPORT)
            reported(founding, event->peer, event->message->founding_report);
        else if (event->message->body_case == QNFS__PEER__BODY_FOUNDING_PROPOSAL)
            proposed(founding, actions, event->peer, event->message->founding_proposal);
        break;
    case FOUNDING_MEMBER: member_heard(founding, actions, event); break;
    }
}

void founding_step(struct founding *founding, const struct founding_event *event, uint64_t now_ms, struct arena *arena,
                   struct founding_actions *actions)
{
    *actions = (struct founding_actions){.arena = arena, .last = &actions->first};
    if (founding->state == FOUNDING_DONE || founding->state == FOUNDING_REFUSED)
        return;
    founding_hear(founding, event, now_ms, actions);
    if (is_first(founding) && (founding->state == FOUNDING_FREE || founding->state == FOUNDING_PROMISED))
        first_decide(founding, actions);
    if (founding->state == FOUNDING_DONE || founding->state == FOUNDING_REFUSED)
        return;
    for (uint32_t i = 0; i < founding->options.members.count; i++) {
        if (i != founding->options.self && founding->peers[i].open && founding->peers[i].report_due)
            send_report(founding, actions, i);
    }
}

/* --- what it waits for --- */

struct line {
    struct span room;
    size_t used;
};

static void line_add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void line_add(struct line *line, const char *format, ...)
{
    va_list arguments;
    if (line->used >= line->room.size_bytes)
        return;
    va_start(arguments, format);
    int size_bytes =
        vsnprintf((char *)line->room.data + line->used, line->room.size_bytes - line->used, format, arguments);
    va_end(arguments);
    CHECK(size_bytes >= 0);
    line->used += (size_t)size_bytes;
}

/* False: nothing stands between it and us. */
static bool peer_waits(const struct founding *founding, uint32_t place, struct line *line)
{
    const struct founding_peer *peer = &founding->peers[place];
    struct endpoint_text name = name_of(founding, place);
    const char *between = line->used == 0 ? "waiting for " : "; ";
    if (peer->in_cluster) {
        line_add(line, "%s%s: it belongs to a cluster, and will call and say to which", between, name.text);
    } else if (!peer->open) {
        line_add(line, "%s%s: %s", between, name.text, peer->trouble[0] == '\0' ? "no connection" : peer->trouble);
    } else if (!peer->reported || peer->heard != founding->options.nonce) {
        line_add(line, "%s%s: it has not called back", between, name.text);
    } else if (!peer->agrees) {
        uint8_t own[512];
        endpoint_list_print(&founding->options.members, (struct span){own, sizeof(own)});
        line_add(line, "%s%s: its --peers are others: %s (here: %s)", between, name.text, peer->list, (char *)own);
    } else {
        return false;
    }
    return true;
}

void founding_waits_for(const struct founding *founding, struct span room)
{
    struct line line = {room, 0};
    const uint8_t *found;
    bool waits = false;
    CHECK(room.size_bytes > 0);
    room.data[0] = '\0';
    for (uint32_t i = 0; i < founding->options.members.count; i++) {
        if (i != founding->options.self)
            waits = peer_waits(founding, i, &line) || waits;
    }
    if (!promise_find(founding, &found))
        line_add(&line, "%sthe nodes have promised to two clusters: their data directories do not belong together",
                 waits ? "; " : "");
    else if (!waits && !is_first(founding))
        line_add(&line, "waiting for %s, which makes the cluster", name_of(founding, 0).text);
    else if (!waits)
        line_add(&line, "waiting for the others to save their promise");
}
