/* Events to the raft core, and what its updates ask for. */
#include "cluster/replica_state.h"

#include "base/check.h"
#include "base/heap.h"

static enum replica_entry_kind kind_of(enum raft_entry_type type)
{
    switch (type) {
    case RAFT_COMMAND: return REPLICA_ENTRY_COMMANDS;
    case RAFT_CHANGE: return REPLICA_ENTRY_CONFIGURATION;
    case RAFT_BARRIER: return REPLICA_ENTRY_BARRIER;
    }
    CHECK(false);
    return REPLICA_ENTRY_BARRIER;
}

static enum raft_entry_type type_of(enum replica_entry_kind kind)
{
    switch (kind) {
    case REPLICA_ENTRY_COMMANDS: return RAFT_COMMAND;
    case REPLICA_ENTRY_CONFIGURATION: return RAFT_CHANGE;
    case REPLICA_ENTRY_BARRIER: return RAFT_BARRIER;
    }
    CHECK(false);
    return RAFT_BARRIER;
}

void replica_configuration_convert(const struct configuration *configuration, struct raft_configuration *target)
{
    raft_configuration_init(target);
    for (uint32_t i = 0; i < configuration->count; i++) {
        const struct member *member = &configuration->members[i];
        char address[32];
        (void)configuration_address(member->id, (struct span){(uint8_t *)address, sizeof address});
        int role = member->role == MEMBER_VOTER ? RAFT_VOTER : RAFT_STANDBY;
        CHECK(raft_configuration_add(target, member->id, address, role) == 0);
    }
}

/* --- updates --- */

static void update_vote(struct replica *replica)
{
    struct log_request *request = replica_log(replica, LOG_REQUEST_VOTE);
    request->term = raft_current_term(&replica->guard.raft);
    request->vote = raft_voted_for(&replica->guard.raft);
    replica->saving_vote = true;
}

/* The core replaces what it had from index on: only on a follower, never entries that were committed before the step. */
static void log_truncate(struct replica *replica, uint64_t index)
{
    CHECK(index > replica->core_commit_index && index > replica->snapshot.index && !replica_leads(replica));
    /* A state that was installed is ahead of a log that does not lead to it. */
    CHECK(index > replica->handed_index || replica->install_state == INSTALL_PLACED);
    log_terms_truncate(&replica->terms, index);
    log_sizes_truncate(&replica->sizes, index);
    if (index >= replica->window.first_index)
        entry_window_truncate(&replica->window, index);
    else
        entry_window_reset(&replica->window, index);
    while (replica->change_count > 0 && replica->changes[replica->change_count - 1].index >= index)
        replica->change_count--;
    replica->last_index = index - 1;
    if (replica->durable_index >= index)
        replica->durable_index = index - 1;
    if (replica->reported_index >= index)
        replica->reported_index = index - 1;
    if (replica->epoch_floor >= index)
        replica->epoch_floor = index - 1;
    struct log_request *request = replica_log(replica, LOG_REQUEST_TRUNCATE);
    request->index = index;
    request->epoch = ++replica->epoch;
}

/* One entry behind the last one, in memory and for the log writer. */
static void log_append(struct replica *replica, struct replica_entry *entry, struct replica_entry *for_writer)
{
    CHECK(entry->index == replica->last_index + 1 && entry->index == entry_window_next(&replica->window));
    log_terms_append(&replica->terms, entry->term);
    log_sizes_append(&replica->sizes, entry->index, entry->bytes->size_bytes);
    if (entry->kind == REPLICA_ENTRY_CONFIGURATION) {
        struct configuration configuration;
        CHECK(configuration_decode(buffer_slice(entry->bytes), &configuration) == STATUS_OK);
        replica_add_change(replica, entry->index, &configuration);
    }
    *for_writer = *entry;
    for_writer->bytes = buffer_get(entry->bytes);
    entry_window_append(&replica->window, entry->kind, entry->bytes);
    replica->last_index = entry->index;
}

static void update_entries(struct replica *replica, const struct raft_update *update, const struct core_entries *given)
{
    uint64_t index = update->entries.index;
    uint32_t count = update->entries.n;
    struct raft_entry *batch = update->entries.batch;
    CHECK(count > 0 && index <= replica->last_index + 1);
    if (index <= replica->last_index)
        log_truncate(replica, index);
    struct log_request *request = replica_log(replica, LOG_REQUEST_APPEND);
    request->epoch = replica->epoch;
    request->count = count;
    request->entries = (struct replica_entry *)heap_alloc(count * sizeof(struct replica_entry));
    for (uint32_t i = 0; i < count; i++) {
        struct replica_entry entry = {index + i, batch[i].term, kind_of(batch[i].type), NULL};
        /* The core's own barrier is none of the entries that it was given. */
        bool own = given->count == 0 || batch < given->raft || batch >= given->raft + given->count;
        CHECK(!own || entry.kind == REPLICA_ENTRY_BARRIER);
        entry.bytes = own ? buffer_create(0) : buffer_get(given->entries[batch + i - given->raft].bytes);
        log_append(replica, &entry, &request->entries[i]);
    }
    raft_free(batch[0].batch);
}

static void update_state(struct replica *replica)
{
    if (guard_state(&replica->guard) != RAFT_LEADER)
        return;
    replica->led_since_ms = replica->now_ms;
    /* A barrier of the core's own is in the log already, but has no uptime. */
    replica->led_from_index = replica->last_index;
}

/* Whom the core counts is who stands in the newest configuration of the log. */
static bool configuration_agrees(const struct replica *replica)
{
    uint64_t index;
    const struct raft_configuration *core = &replica->guard.raft.configuration;
    const struct configuration *ours = replica_configuration(replica, replica->last_index, &index);
    if (replica->install_state >= INSTALL_SAVING)
        return true; /* the core takes it when it is durable */
    if (core->n != ours->count)
        return false;
    for (unsigned i = 0; i < core->n; i++) {
        int role = ours->members[i].role == MEMBER_VOTER ? RAFT_VOTER : RAFT_STANDBY;
        if (core->servers[i].id != ours->members[i].id || core->servers[i].role != role)
            return false;
    }
    return true;
}

static void core_update(struct replica *replica, struct raft_update *update, const struct core_entries *given,
                        bool submitted)
{
    if (update->flags & (RAFT_UPDATE_CURRENT_TERM | RAFT_UPDATE_VOTED_FOR))
        update_vote(replica);
    if (update->flags & (RAFT_UPDATE_STATE))
        replica_send_reset(replica);
    if (update->flags & (RAFT_UPDATE_ENTRIES))
        update_entries(replica, update, given);
    if (update->flags & (RAFT_UPDATE_SNAPSHOT))
        replica_install_begin(replica, update);
    if (update->flags & (RAFT_UPDATE_MESSAGES))
        replica_send_take(replica, update, submitted);
    if (update->flags & (RAFT_UPDATE_STATE))
        update_state(replica);
    CHECK(raft_last_index(&replica->guard.raft) == replica->last_index && configuration_agrees(replica));
    replica->deadline_ms = guard_deadline(&replica->guard);
}

static void core_step(struct replica *replica, struct raft_event *event, const struct core_entries *given)
{
    CHECK(!replica->saving_vote);
    struct raft_update update;
    event->time = replica->now_ms;
    replica->core_commit_index = replica->guard.commit_index;
    CHECK(guard_step(&replica->guard, event, &update) == 0);
    core_update(replica, &update, given, event->type == RAFT_SUBMIT);
}

/* --- events --- */

/* All entries in the library's form; the bytes only of configurations. */
static struct raft_entry *start_entries(const struct replica *replica, struct span room)
{
    const struct log_terms *terms = &replica->terms;
    uint64_t count = replica->last_index - terms->first_index + 1;
    struct raft_entry *entries = (struct raft_entry *)heap_alloc((count + 1) * sizeof(struct raft_entry));
    size_t run = 0;
    for (uint64_t i = 0; i < count; i++) {
        while (run + 1 < terms->count && terms->runs[run + 1].first_index <= terms->first_index + i)
            run++;
        entries[i].term = terms->runs[run].term;
        entries[i].type = RAFT_COMMAND;
        entries[i].batch = entries; /* must not be NULL; stays ours */
    }
    for (size_t i = 0; i < replica->change_count; i++) {
        struct raft_entry *entry = &entries[replica->changes[i].index - terms->first_index];
        struct span part = {room.data + i * CONFIGURATION_MAX_BYTES, CONFIGURATION_MAX_BYTES};
        entry->type = RAFT_CHANGE;
        entry->buf.base = part.data;
        entry->buf.len = configuration_encode(&replica->changes[i].configuration, part);
    }
    return entries;
}

void replica_core_start(struct replica *replica)
{
    struct span room = {NULL, replica->change_count * CONFIGURATION_MAX_BYTES};
    room.data = (uint8_t *)heap_alloc(room.size_bytes);
    struct raft_entry *entries = start_entries(replica, room);
    struct raft_snapshot_metadata metadata = {.index = replica->snapshot.index, .term = replica->snapshot.term};
    struct raft_event event = {.type = RAFT_START};
    if (replica->snapshot.index > 0) {
        replica_configuration_convert(&replica->snapshot.configuration,
                                      &metadata.configuration); /* the library takes it */
        metadata.configuration_index = replica->snapshot.configuration_index;
        event.start.metadata = &metadata;
    }
    event.start.term = replica->start_term;
    event.start.voted_for = replica->start_vote;
    event.start.start_index = replica->terms.first_index;
    event.start.n_entries = (unsigned)(replica->last_index - replica->terms.first_index + 1);
    event.start.entries = event.start.n_entries == 0 ? NULL : entries;
    replica->started = true;
    core_step(replica, &event, &(struct core_entries){0});
    heap_free(entries);
    heap_free(room.data);
    /* G9: configurations between what the core takes as committed and what the state has applied are told to it. */
    replica->scanned_index = replica->snapshot.index;
    if (replica->snapshot.index == 0 && replica->last_index > 0)
        replica->scanned_index = 1;
#ifdef QNFS_PLANT_G9_OFF
    if (replica->applied_index > replica->scanned_index)
        replica->scanned_index = replica->applied_index;
#endif
    if (replica->applied_index > replica->guard.commit_index && replica->applied_index <= replica->last_index)
        replica->guard.commit_index = replica->applied_index;
}

void replica_core_timeout(struct replica *replica)
{
    struct raft_event event = {.type = RAFT_TIMEOUT};
    core_step(replica, &event, &(struct core_entries){0});
}

void replica_core_persisted(struct replica *replica)
{
    CHECK(replica->durable_index > replica->reported_index && replica->durable_index <= replica->last_index);
    replica->reported_index = replica->durable_index;
    struct raft_event event = {.type = RAFT_PERSISTED_ENTRIES};
    event.persisted_entries.index = replica->durable_index;
    core_step(replica, &event, &(struct core_entries){0});
}

void replica_core_receive(struct replica *replica, struct raft_message *message, const struct core_entries *given)
{
    struct raft_event event = {.type = RAFT_RECEIVE};
    event.receive.message = message;
    core_step(replica, &event, given);
}

static void configuration_tell(struct replica *replica, const struct replica_change *change)
{
    struct raft_event event = {.type = RAFT_CONFIGURATION};
    event.configuration.index = change->index;
    replica_configuration_convert(&change->configuration, &event.configuration.conf); /* the library takes it */
    core_step(replica, &event, &(struct core_entries){0});
}

void replica_core_confirm(struct replica *replica, uint64_t index)
{
    for (size_t i = 0; i < replica->change_count; i++) {
        if (replica->changes[i].index == index)
            configuration_tell(replica, &replica->changes[i]);
    }
}

bool replica_core_configure(struct replica *replica)
{
    for (size_t i = 0; i < replica->change_count; i++) {
        const struct replica_change *change = &replica->changes[i];
        if (change->index <= replica->scanned_index || change->index > replica->guard.commit_index)
            continue;
        replica->scanned_index = change->index;
        configuration_tell(replica, change);
        return true;
    }
    replica->scanned_index = replica->guard.commit_index;
    return false;
}

void replica_core_snapshot(struct replica *replica)
{
    const struct log_snapshot *next = &replica->next_snapshot;
    CHECK(next->index > replica->snapshot.index && next->index <= replica->scanned_index);
    struct raft_event event = {.type = RAFT_SNAPSHOT};
    event.snapshot.metadata.index = next->index;
    event.snapshot.metadata.term = next->term;
    event.snapshot.metadata.configuration_index = next->configuration_index;
    replica_configuration_convert(&next->configuration,
                                  &event.snapshot.metadata.configuration); /* the library takes it */
    event.snapshot.trailing = (unsigned)(next->index - next->cut_index);
    core_step(replica, &event, &(struct core_entries){0});
    replica->snapshot = *next;
    log_terms_cut(&replica->terms, next->cut_index, next->index, next->term);
    log_sizes_cut(&replica->sizes, next->cut_index);
    size_t gone = 0;
    while (gone < replica->change_count && replica->changes[gone].index <= next->cut_index)
        gone++;
    replica->change_count -= gone;
    if (gone > 0)
        memmove(replica->changes, replica->changes + gone, replica->change_count * sizeof(struct replica_change));
    replica_window_trim(replica);
    (void)replica_log(replica, LOG_REQUEST_CUT);
}

void replica_core_installed(struct replica *replica)
{
    const struct log_snapshot *snapshot = &replica->snapshot;
    struct raft_event event = {.type = RAFT_PERSISTED_SNAPSHOT};
    event.persisted_snapshot.metadata.index = snapshot->index;
    event.persisted_snapshot.metadata.term = snapshot->term;
    event.persisted_snapshot.metadata.configuration_index = snapshot->configuration_index;
    replica_configuration_convert(&snapshot->configuration,
                                  &event.persisted_snapshot.metadata.configuration); /* the library takes it */
    event.persisted_snapshot.last = true;
    core_step(replica, &event, &(struct core_entries){0});
}

void replica_core_transfer(struct replica *replica, uint64_t id)
{
    CHECK(!replica->saving_vote);
    struct raft_update update;
    struct raft_event event = {.type = RAFT_TRANSFER, .time = replica->now_ms};
    event.transfer.server_id = id;
    if (guard_step(&replica->guard, &event, &update) == 0)
        core_update(replica, &update, &(struct core_entries){0}, false);
}

void replica_core_submit(struct replica *replica, enum replica_entry_kind kind, struct buffer *bytes)
{
    CHECK(guard_state(&replica->guard) == RAFT_LEADER);
    struct raft_entry raft_entry = {.term = raft_current_term(&replica->guard.raft), .type = type_of(kind)};
    struct replica_entry entry = {.kind = kind, .bytes = bytes};
    /* The core keeps no payload: a token stands for the bytes, but a configuration it decodes. */
    size_t token_bytes = kind == REPLICA_ENTRY_CONFIGURATION ? bytes->size_bytes : 8;
    raft_entry.batch = raft_malloc(token_bytes);
    CHECK(raft_entry.batch != NULL);
    memset(raft_entry.batch, 0, token_bytes);
    if (kind == REPLICA_ENTRY_CONFIGURATION)
        memcpy(raft_entry.batch, bytes->data, token_bytes);
    raft_entry.buf = (struct raft_buffer){raft_entry.batch, token_bytes};
    struct raft_event event = {.type = RAFT_SUBMIT};
    event.submit.entries = &raft_entry;
    event.submit.n = 1;
    core_step(replica, &event, &(struct core_entries){&entry, &raft_entry, 1});
    buffer_put(bytes);
}
