#include "tests/sim/population.h"

#include <stdio.h>

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
}

struct request *population_find(void *context, const uint8_t session[16], uint32_t slot)
{
    struct population *population = context;
    for (uint32_t i = 0; i < population->client_count; i++) {
        struct client *client = &population->clients[i];
        if (client->phase == PHASE_WORK && slot < CLIENT_SLOTS_MAX && memcmp(client->session.id.data, session, 16) == 0)
            return client->slots[slot];
    }
    return NULL;
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
