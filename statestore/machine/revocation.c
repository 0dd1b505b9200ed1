#include "statestore/machine/revocation.h"

#include "base/check.h"
#include "statestore/machine/apply.h"
#include "statestore/machine/client.h"
#include "statestore/machine/lock.h"
#include "statestore/machine/open.h"

static bool has_client(const struct revocation *revocation, struct client_id client)
{
    for (size_t i = 0; i < revocation->client_count; i++)
        if (revocation->clients[i].value == client.value)
            return true;
    return false;
}

static bool add_client(struct revocation *revocation, struct client_id client)
{
    if (revocation->client_count == REVOCATION_MAX)
        revocation->full = true;
    else
        revocation->clients[revocation->client_count++] = client;
    return true;
}

bool revocation_add(struct revocation *revocation, struct kv_read *read, const struct state *state, struct arena *arena)
{
    struct client_usage usage;
    if (has_client(revocation, state->client))
        return true;
    if (client_usage_get(read, state->client, arena, &usage))
        return usage.courtesy && add_client(revocation, state->client);
    for (size_t i = 0; i < revocation->state_count; i++)
        if (memcmp(revocation->states[i].id.other, state->id.other, sizeof(state->id.other)) == 0)
            return true;
    if (revocation->state_count == REVOCATION_MAX) {
        revocation->full = true;
    } else {
        struct state *kept = &revocation->states[revocation->state_count++];
        *kept = *state;
        kept->owner = arena_copy(arena, state->owner);
    }
    return true;
}

enum nfsstat4 revocation_execute(const struct revocation *revocation, struct apply *apply)
{
    for (size_t i = 0; i < revocation->client_count; i++) {
        struct client client;
        bool found = client_get(apply->read, revocation->clients[i], apply->arena, &client);
        CHECK(found || apply->read->failed);
        client_remove(apply, &client);
    }
    for (size_t i = 0; i < revocation->state_count; i++) {
        struct state state;
        /* Locks may have gone with their open. */
        if (state_get(apply->read, revocation->states[i].id.other, apply->arena, &state) &&
            !state_free_whole(apply, &state))
            return NFS4ERR_DELAY;
    }
    return revocation->full ? NFS4ERR_DELAY : NFS4_OK;
}
