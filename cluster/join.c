#include "cluster/join.h"

#include <stdio.h>

#include "base/check.h"

const Qnfs__Peer *join_answer_encode(const struct join_answer *answer, struct arena *arena)
{
    Qnfs__Peer *message = ARENA_NEW(arena, Qnfs__Peer);
    Qnfs__JoinAnswer *body = ARENA_NEW(arena, Qnfs__JoinAnswer);
    qnfs__peer__init(message);
    qnfs__join_answer__init(body);
    message->body_case = QNFS__PEER__BODY_JOIN_ANSWER;
    message->join_answer = body;
    body->outcome = answer->outcome;
    if (answer->outcome != PEER_JOIN_DONE) {
        body->text = arena_text(arena, slice_text(answer->text));
        return message;
    }
    CHECK(answer->node != 0 && answer->members.count > 0);
    body->node = answer->node;
    body->cluster.data = arena_alloc(arena, sizeof(answer->cluster));
    body->cluster.len = sizeof(answer->cluster);
    memcpy(body->cluster.data, answer->cluster, sizeof(answer->cluster));
    body->n_members = answer->members.count;
    body->members = arena_alloc_array(arena, body->n_members, sizeof(*body->members));
    for (uint32_t i = 0; i < answer->members.count; i++) {
        Qnfs__JoinMember *member = ARENA_NEW(arena, Qnfs__JoinMember);
        qnfs__join_member__init(member);
        member->node = answer->members.items[i].node;
        member->advertise = arena_text(arena, slice_text(endpoint_print(&answer->members.items[i]).text));
        body->members[i] = member;
    }
    return message;
}

enum status join_answer_decode(const Qnfs__JoinAnswer *message, struct join_answer *answer)
{
    *answer = (struct join_answer){.outcome = (enum peer_join)message->outcome, .node = message->node};
    CHECK(message->outcome < PEER_JOIN_COUNT);
    snprintf(answer->text, sizeof(answer->text), "%s", message->text);
    if (answer->outcome != PEER_JOIN_DONE)
        return STATUS_OK;
    bool found = false;
    memcpy(answer->cluster, message->cluster.data, sizeof(answer->cluster));
    for (size_t i = 0; i < message->n_members; i++) {
        struct peer_endpoint endpoint;
        if (endpoint_parse(slice_text(message->members[i]->advertise), &endpoint) != STATUS_OK)
            return STATUS_BAD_DATA;
        endpoint.node = message->members[i]->node;
        found = found || endpoint.node == answer->node;
        if (!endpoint_list_add(&answer->members, &endpoint))
            return STATUS_BAD_DATA;
    }
    return found ? STATUS_OK : STATUS_BAD_DATA;
}
