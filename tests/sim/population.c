#include "tests/sim/population.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "tests/sim/client.h"

static struct client *client_of(struct population *population, const struct wire *wire)
{
    CHECK(wire->client < population->client_count);
    return &population->clients[wire->client];
}

static void on_opened(void *context, struct wire *wire)
{
    client_opened(client_of(context, wire), wire);
}

static void on_received(void *context, struct wire *wire, struct slice bytes)
{
    client_received(client_of(context, wire), wire, bytes);
}

static void on_closed(void *context, struct wire *wire)
{
    client_closed(client_of(context, wire), wire);
}

struct network_ports population_ports(struct population *population)
{
    return (struct network_ports){
        .context = population, .opened = on_opened, .received = on_received, .closed = on_closed};
}

void population_start(struct population *population)
{
    for (uint32_t i = 0; i < population->client_count; i++)
        client_init(&population->clients[i], population, i);
    for (uint32_t i = 0; i < population->client_count; i++)
        client_start(&population->clients[i]);
}

void population_fini(struct population *population)
{
    for (uint32_t i = 0; i < population->client_count; i++)
        client_fini(&population->clients[i]);
    for (size_t i = 0; i < population->ghost_count; i++)
        request_destroy(population->ghosts[i].request);
    free(population->ghosts);
}

/* --- for the oracle --- */

static struct request *find_request(void *context, const uint8_t session[16], uint32_t slot)
{
    struct population *population = context;
    for (uint32_t i = 0; i < population->client_count; i++) {
        struct client *client = &population->clients[i];
        if (client->phase == PHASE_WORK && slot < CLIENT_SLOTS_MAX && memcmp(client->session.id.data, session, 16) == 0)
            return client->slots[slot];
    }
    for (size_t i = 0; i < population->ghost_count; i++) {
        const struct ghost *ghost = &population->ghosts[i];
        if (memcmp(ghost->session, session, 16) == 0 && ghost->request->slot == slot)
            return ghost->request;
    }
    return NULL;
}

static struct client_record *record_of(struct population *population, uint64_t clientid)
{
    for (uint32_t i = 0; i < population->record_count; i++) {
        if (population->records[i].clientid == clientid)
            return &population->records[i];
    }
    return NULL;
}

/* The lease is renewed when a request comes, and its reply is heard so much later. */
#define REPLY_MS 2000u

/* A lease cannot have run out before the client was silent for its length, while the node served. */
static void judge_lease(struct population *population, struct client_record *record, const char *what)
{
    const struct client *client = &population->clients[record->client];
    if (client->identity != record->identity || record->expired)
        return; /* an earlier boot, or it had run out before */
    uint64_t heard_ms = client->heard_ms > population->restarted_ms ? client->heard_ms : population->restarted_ms;
    uint64_t silent_ms = population_clock_ms(population) - heard_ms;
    if (silent_ms + REPLY_MS < NFS4_LEASE_DEFAULT_SECONDS * 1000u)
        world_violation(population->world, "client %u %s after %llu ms of silence", client->number, what,
                        (unsigned long long)silent_ms);
    world_count(population->world, COUNT_courtesy, 1);
}

static uint32_t client_gone(void *context, uint64_t clientid)
{
    struct population *population = context;
    struct client_record *record = record_of(population, clientid);
    if (record == NULL)
        return POPULATION_NOBODY;
    judge_lease(population, record, "is removed");
    if (population->clients[record->client].identity == record->identity)
        world_count(population->world, COUNT_clients_lost, 1);
    record->gone = true;
    return record->identity;
}

static uint32_t client_lease(void *context, uint64_t clientid, bool ended)
{
    struct population *population = context;
    struct client_record *record = record_of(population, clientid);
    if (record == NULL)
        return POPULATION_NOBODY;
    if (ended)
        judge_lease(population, record, "lost its lease");
    record->expired = ended;
    return record->identity;
}

static bool session_may_be_unknown(void *context, const uint8_t session[16])
{
    const struct population *population = context;
    for (uint32_t i = 0; i < population->record_count; i++) {
        const struct client_record *record = &population->records[i];
        if (memcmp(record->session, session, 16) == 0)
            return record->gone;
    }
    return false;
}

struct oracle_ports population_oracle_ports(struct population *population)
{
    return (struct oracle_ports){.context = population,
                                 .find = find_request,
                                 .gone = client_gone,
                                 .lease = client_lease,
                                 .may_be_unknown = session_may_be_unknown};
}

/* --- boots --- */

void population_restarted(struct population *population)
{
    population->restarted_ms = population_clock_ms(population);
}

uint64_t population_clock_ms(const struct population *population)
{
    return world_now_ms(population->world) - population->stopped_ms;
}

void population_keep_ghost(struct population *population, const uint8_t session[16], struct request *request)
{
    if (population->ghost_count == population->ghost_room) {
        population->ghost_room = population->ghost_room == 0 ? 16 : population->ghost_room * 2;
        population->ghosts = realloc(population->ghosts, population->ghost_room * sizeof(struct ghost));
        CHECK(population->ghosts != NULL);
    }
    struct ghost *ghost = &population->ghosts[population->ghost_count++];
    memcpy(ghost->session, session, sizeof(ghost->session));
    ghost->request = request;
}

void population_record(struct population *population, const struct client *client)
{
    CHECK(population->record_count < POPULATION_RECORDS_MAX);
    struct client_record *record = &population->records[population->record_count++];
    *record = (struct client_record){
        .clientid = client->session.clientid, .client = client->number, .identity = client->identity};
    memcpy(record->session, client->session.id.data, sizeof(record->session));
}

bool population_is_gone(const struct population *population, uint32_t identity)
{
    for (uint32_t i = 0; i < population->record_count; i++) {
        if (population->records[i].identity == identity)
            return population->records[i].gone;
    }
    return false;
}

void population_reboot(struct population *population)
{
    if (population->record_count + POPULATION_CLIENTS_MAX < POPULATION_RECORDS_MAX)
        client_reboot(&population->clients[world_draw(population->world, population->client_count)], true);
}

void population_sleep(struct population *population)
{
    if (population->slow)
        client_sleep(&population->clients[world_draw(population->world, population->client_count)]);
}

void population_move(struct population *population)
{
    client_move(&population->clients[world_draw(population->world, population->client_count)]);
}

void population_leave(struct population *population, uint32_t node)
{
    for (uint32_t i = 0; i < population->client_count; i++) {
        if (population->clients[i].node == node)
            client_move(&population->clients[i]);
    }
}

size_t population_outstanding(const struct population *population)
{
    size_t count = 0;
    for (uint32_t i = 0; i < population->client_count; i++) {
        const struct client *client = &population->clients[i];
        count += client->phase != PHASE_WORK ? 1 : 0;
        for (uint32_t slot = 0; slot < CLIENT_SLOTS_MAX; slot++)
            count += client->slots[slot] != NULL ? 1 : 0;
    }
    return count;
}

uint64_t population_oldest(const struct population *population)
{
    uint64_t oldest = oracle_visible(population->oracle);
    for (uint32_t i = 0; i < population->client_count; i++) {
        for (uint32_t slot = 0; slot < CLIENT_SLOTS_MAX; slot++) {
            const struct request *request = population->clients[i].slots[slot];
            if (request != NULL && request->number_sent < oldest)
                oldest = request->number_sent;
        }
    }
    return oldest;
}

uint64_t population_longest_ms(const struct population *population, char *text, size_t room)
{
    uint64_t longest = 0;
    snprintf(text, room, "nothing");
    for (uint32_t i = 0; i < population->client_count; i++) {
        const struct client *client = &population->clients[i];
        for (uint32_t slot = 0; slot < CLIENT_SLOTS_MAX; slot++) {
            const struct request *request = client->slots[slot];
            if (request == NULL)
                continue;
            uint64_t waited = world_now_ms(population->world) - request->begun_ms;
            if (waited < longest)
                continue;
            longest = waited;
            snprintf(text, room, "client %u slot %u seqid %u %s, sent %u times", i, slot, request->seqid,
                     step_kind_name(request->steps[0].kind), request->sends);
        }
    }
    return longest;
}
