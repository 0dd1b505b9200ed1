#include "cluster/address_keeper.h"

#include <string.h>

#include "base/check.h"

struct step {
    struct address_keeper *keeper;
    uint64_t now_ms;
    struct keeper_action *actions;
    size_t count;
};

void address_keeper_init(struct address_keeper *keeper)
{
    *keeper = (struct address_keeper){.barrier_index = UINT64_MAX};
}

static struct keeper_action *step_act(struct step *step, enum keeper_action_kind kind, const struct keeper_entry *entry)
{
    CHECK(step->count < KEEPER_ACTIONS_MAX);
    struct keeper_action *action = &step->actions[step->count++];
    *action = (struct keeper_action){.kind = kind, .address = entry == NULL ? NULL : &entry->address, .trouble = ""};
    return action;
}

static void text_copy(char *target, const char *source)
{
    size_t length = strnlen(source, ADDRESS_TROUBLE_MAX_BYTES);
    memcpy(target, source, length);
    target[length] = '\0';
}

static struct keeper_entry *entry_find(struct address_keeper *keeper, uint64_t id)
{
    for (size_t i = 0; i < keeper->count; i++) {
        if (keeper->entries[i].address.id == id)
            return &keeper->entries[i];
    }
    return NULL;
}

static bool keeper_sure(const struct address_keeper *keeper)
{
    return keeper->alive && keeper->table_index >= keeper->barrier_index;
}

static void entry_switch(struct step *step, struct keeper_entry *entry, bool on)
{
    if (entry->on == on)
        return;
    entry->on = on;
    step_act(step, on ? KEEPER_DO_ADD : KEEPER_DO_REMOVE, entry);
    if (!on)
        return;
    entry->announce_next_ms = step->now_ms;
    entry->announce_until_ms = step->now_ms + ADDRESS_ANNOUNCE_MS;
    entry->renew_ms = step->now_ms + ADDRESS_RENEW_MS;
}

/* What the machine must know and does not yet: that it cannot be had here, that it can again, or that it is off. */
static void entry_report(struct step *step, struct keeper_entry *entry, const char *trouble)
{
    const struct keeper_address *address = &entry->address;
    bool released = address->mine && !entry->on && (address->give_up || trouble[0] != '\0');
    bool known = strcmp(trouble, address->trouble) == 0;
    if (!keeper_sure(step->keeper) || (known && !released))
        return;
    bool again =
        entry->sent_ms != 0 && entry->sent_epoch == address->epoch && strcmp(entry->sent_trouble, trouble) == 0;
    if (again && step->now_ms < entry->sent_ms + ADDRESS_REPORT_AGAIN_MS)
        return;
    entry->sent_ms = step->now_ms;
    entry->sent_epoch = address->epoch;
    text_copy(entry->sent_trouble, trouble);
    struct keeper_action *report = step_act(step, KEEPER_DO_REPORT, entry);
    report->trouble = entry->sent_trouble;
    report->released = released;
}

/* Brings one address from what is to what should be. */
static void entry_settle(struct step *step, struct keeper_entry *entry)
{
    const struct keeper_address *address = &entry->address;
    const char *trouble = step->keeper->stopping ? "the node stops" : entry->trouble;
    bool wanted = keeper_sure(step->keeper) && address->mine && !address->give_up && trouble[0] == '\0';
    entry_switch(step, entry, wanted);
    entry_report(step, entry, trouble);
    if (!entry->on)
        return;
    if (step->now_ms >= entry->announce_next_ms && step->now_ms < entry->announce_until_ms) {
        entry->announce_next_ms = step->now_ms + ADDRESS_ANNOUNCE_EVERY_MS;
        step_act(step, KEEPER_DO_ANNOUNCE, entry);
    }
    if (step->now_ms >= entry->renew_ms) {
        entry->renew_ms = step->now_ms + ADDRESS_RENEW_MS;
        step_act(step, KEEPER_DO_RENEW, entry);
    }
}

/* The table is new: what is no longer in it goes, what is in it keeps what is known about it here. */
static void keeper_table(struct step *step, const struct keeper_message *message)
{
    struct address_keeper *keeper = step->keeper;
    CHECK(message->count <= ADDRESSES_MAX);
    keeper->table_index = message->index;
    size_t kept = 0;
    size_t gone = 0;
    for (size_t i = 0; i < keeper->count; i++) {
        bool found = false;
        for (size_t j = 0; j < message->count && !found; j++)
            found = message->addresses[j].id == keeper->entries[i].address.id;
        if (!found && keeper->entries[i].on) { /* this process was given up: the table asked nobody */
            keeper->gone[gone] = keeper->entries[i].address;
            step_act(step, KEEPER_DO_REMOVE, NULL)->address = &keeper->gone[gone++];
        }
        if (found)
            keeper->entries[kept++] = keeper->entries[i];
    }
    keeper->count = kept;
    for (size_t j = 0; j < message->count; j++) {
        struct keeper_entry *entry = entry_find(keeper, message->addresses[j].id);
        if (entry == NULL) {
            entry = &keeper->entries[keeper->count++];
            *entry = (struct keeper_entry){0};
        }
        entry->address = message->addresses[j];
    }
}

static void keeper_alive(struct step *step, bool alive)
{
    struct address_keeper *keeper = step->keeper;
    if (keeper->alive == alive)
        return;
    keeper->alive = alive;
    keeper->barrier_index = UINT64_MAX;
    if (!alive)
        return;
    keeper->ask_again = keeper->asked != keeper->answered;
    if (!keeper->ask_again)
        step_act(step, KEEPER_DO_ASK, NULL)->number = ++keeper->asked;
}

static void keeper_barrier(struct step *step, const struct keeper_message *message)
{
    struct address_keeper *keeper = step->keeper;
    CHECK(message->number == keeper->asked && keeper->answered < keeper->asked);
    keeper->answered = message->number;
    if (!keeper->alive)
        return;
    if (!keeper->ask_again) {
        keeper->barrier_index = message->index;
        return;
    }
    keeper->ask_again = false;
    step_act(step, KEEPER_DO_ASK, NULL)->number = ++keeper->asked;
}

static void entry_failed(struct keeper_entry *entry, const char *trouble, uint64_t now_ms)
{
    entry->on = false;
    text_copy(entry->trouble, trouble);
    entry->failed_until_ms = now_ms + ADDRESS_FAILED_MS;
    entry->good_since_ms = 0;
}

static void entry_looked(struct keeper_entry *entry, const char *trouble, uint64_t now_ms)
{
    if (trouble[0] != '\0') {
        text_copy(entry->trouble, trouble);
        entry->good_since_ms = 0;
        return;
    }
    if (entry->good_since_ms == 0)
        entry->good_since_ms = now_ms;
    if (entry->trouble[0] != '\0' && now_ms >= entry->failed_until_ms &&
        now_ms >= entry->good_since_ms + ADDRESS_GOOD_MS)
        entry->trouble[0] = '\0';
}

size_t address_keeper_step(struct address_keeper *keeper, const struct keeper_message *message, uint64_t now_ms,
                           struct keeper_action *actions)
{
    struct step step = {.keeper = keeper, .now_ms = now_ms, .actions = actions};
    struct keeper_entry *entry = entry_find(keeper, message->id);
    switch (message->kind) {
    case KEEPER_TABLE: keeper_table(&step, message); break;
    case KEEPER_ALIVE: keeper_alive(&step, message->on); break;
    case KEEPER_BARRIER: keeper_barrier(&step, message); break;
    case KEEPER_LOOKED:
        if (entry != NULL)
            entry_looked(entry, message->trouble, now_ms);
        break;
    case KEEPER_FAILED:
        if (entry != NULL)
            entry_failed(entry, message->trouble, now_ms);
        break;
    case KEEPER_STOP: keeper->stopping = true; break;
    case KEEPER_TICK: break;
    }
    for (size_t i = 0; i < keeper->count; i++)
        entry_settle(&step, &keeper->entries[i]);
    return step.count;
}

bool address_keeper_has(const struct address_keeper *keeper, uint64_t id)
{
    for (size_t i = 0; i < keeper->count; i++) {
        if (keeper->entries[i].address.id == id)
            return keeper->entries[i].on;
    }
    return false;
}

bool address_keeper_empty(const struct address_keeper *keeper)
{
    for (size_t i = 0; i < keeper->count; i++) {
        if (keeper->entries[i].address.mine || keeper->entries[i].on)
            return false;
    }
    return true;
}
