#include "server/nfs4/session_table.h"

#include "base/check.h"
#include "base/heap.h"
#include "base/limits.h"

#define SESSION_FIRST_SLOTS 4u

/* A connection with at least one binding. */
struct connection_entry {
    struct hashtable_link link;
    struct connection_id id;
    struct list bindings;
};

void session_table_init(struct session_table *table)
{
    hashtable_init(&table->sessions);
    hashtable_init(&table->connections);
    table->cached_bytes = 0;
}

/* The id has a keyed MAC in its second half, so a client cannot choose its hash. */
static uint64_t session_hash(struct session_id id)
{
    uint64_t half;
    memcpy(&half, id.bytes + 8, sizeof(half));
    return half;
}

struct session_entry *session_table_find(const struct session_table *table, struct session_id id)
{
    struct hashtable_link *link = hashtable_find(&table->sessions, session_hash(id));
    for (; link != NULL; link = hashtable_next(link)) {
        struct session_entry *entry = container_of(link, struct session_entry, link);
        if (session_id_equal(entry->session.id, id))
            return entry;
    }
    return NULL;
}

struct session_entry *session_table_add(struct session_table *table, const struct session *session,
                                        enum session_state state)
{
    CHECK(session_table_find(table, session->id) == NULL);
    struct session_entry *entry = HEAP_NEW(struct session_entry);
    entry->session = *session;
    entry->state = state;
    list_init(&entry->waiting);
    list_init(&entry->compounds);
    list_init(&entry->bindings);
    entry->renew_link = (struct list_link){&entry->renew_link, &entry->renew_link};
    entry->revive_link = (struct list_link){&entry->revive_link, &entry->revive_link};
    hashtable_insert(&table->sessions, &entry->link, session_hash(session->id));
    return entry;
}

static struct connection_entry *connection_find(const struct session_table *table, struct connection_id id)
{
    struct hashtable_link *link = hashtable_find(&table->connections, hashtable_hash_number(id.value));
    for (; link != NULL; link = hashtable_next(link)) {
        struct connection_entry *entry = container_of(link, struct connection_entry, link);
        if (entry->id.value == id.value)
            return entry;
    }
    return NULL;
}

static void binding_remove(struct session_table *table, struct session_binding *binding)
{
    struct session_entry *session = binding->session;
    CHECK(session->binding_count > 0);
    session->binding_count--;
    if (binding->back)
        session->back_count--;
    if (session->last_binding.value == binding->connection.value)
        session->last_binding = (struct connection_id){0};
    list_remove(&binding->session_link);
    list_remove(&binding->connection_link);
    struct connection_entry *connection = connection_find(table, binding->connection);
    CHECK(connection != NULL);
    if (list_empty(&connection->bindings)) {
        hashtable_remove(&table->connections, &connection->link);
        heap_free(connection);
    }
    heap_free(binding);
}

void session_table_remove(struct session_table *table, struct session_entry *entry)
{
    CHECK(list_empty(&entry->waiting) && list_empty(&entry->compounds));
    while (!list_empty(&entry->bindings))
        binding_remove(table, container_of(list_first(&entry->bindings), struct session_binding, session_link));
    for (uint32_t i = 0; i < entry->slot_count; i++) {
        CHECK(entry->slots[i].busy == NULL);
        session_slot_keep(table, &entry->slots[i], SLICE_EMPTY);
    }
    heap_free(entry->slots);
    list_remove(&entry->renew_link);
    list_remove(&entry->revive_link);
    hashtable_remove(&table->sessions, &entry->link);
    heap_free(entry);
}

void session_table_drop_waiting(struct session_table *table, void (*drop)(struct list *waiting))
{
    for (size_t i = 0; i < table->sessions.bucket_count; i++) {
        for (struct hashtable_link *link = table->sessions.buckets[i]; link != NULL; link = link->next)
            drop(&container_of(link, struct session_entry, link)->waiting);
    }
}

void session_table_fini(struct session_table *table)
{
    size_t bucket = 0;
    struct hashtable_link *link;
    while ((link = hashtable_any(&table->sessions, &bucket)) != NULL)
        session_table_remove(table, container_of(link, struct session_entry, link));
    CHECK(table->connections.count == 0 && table->cached_bytes == 0);
    hashtable_fini(&table->sessions);
    hashtable_fini(&table->connections);
}

struct slot_entry *session_slot(struct session_entry *entry, uint32_t slot)
{
    CHECK(slot < entry->session.fore.max_requests);
    if (slot >= entry->slot_count) {
        uint32_t count = entry->slot_count == 0 ? SESSION_FIRST_SLOTS : entry->slot_count * 2;
        while (count <= slot)
            count *= 2;
        if (count > entry->session.fore.max_requests)
            count = entry->session.fore.max_requests;
        entry->slots = heap_grow(entry->slots, entry->slot_count, count, sizeof(*entry->slots));
        entry->slot_count = count;
    }
    return &entry->slots[slot];
}

void session_slot_keep(struct session_table *table, struct slot_entry *slot, struct slice reply)
{
    if (slot->reply != NULL) {
        table->cached_bytes -= slot->reply->size_bytes;
        buffer_put(slot->reply);
        slot->reply = NULL;
    }
    if (reply.size_bytes > 0) {
        slot->reply = buffer_create(reply.size_bytes);
        memcpy(slot->reply->data, reply.data, reply.size_bytes);
        slot->reply->size_bytes = reply.size_bytes;
        table->cached_bytes += reply.size_bytes;
    }
}

static struct session_binding *binding_find(struct session_entry *entry, struct connection_id connection)
{
    for (struct list_link *link = list_first(&entry->bindings); link != NULL;
         link = list_next(&entry->bindings, link)) {
        struct session_binding *binding = container_of(link, struct session_binding, session_link);
        if (binding->connection.value == connection.value)
            return binding;
    }
    return NULL;
}

bool session_is_bound(struct session_entry *entry, struct connection_id connection)
{
    return binding_find(entry, connection) != NULL;
}

void session_bind(struct session_table *table, struct session_entry *entry, struct connection_id connection, bool back)
{
    if (!back && entry->last_binding.value == connection.value)
        return;
    struct session_binding *binding = binding_find(entry, connection);
    if (binding == NULL) {
        if (entry->binding_count >= NFS4_CONNECTIONS_PER_SESSION_MAX)
            return;
        struct connection_entry *owner = connection_find(table, connection);
        if (owner == NULL) {
            owner = HEAP_NEW(struct connection_entry);
            owner->id = connection;
            list_init(&owner->bindings);
            hashtable_insert(&table->connections, &owner->link, hashtable_hash_number(connection.value));
        }
        binding = HEAP_NEW(struct session_binding);
        binding->session = entry;
        binding->connection = connection;
        list_append(&entry->bindings, &binding->session_link);
        list_append(&owner->bindings, &binding->connection_link);
        entry->binding_count++;
    }
    if (back && !binding->back) {
        binding->back = true;
        entry->back_count++;
    }
    entry->last_binding = connection;
}

void session_unbind_connection(struct session_table *table, struct connection_id connection)
{
    struct connection_entry *entry;
    while ((entry = connection_find(table, connection)) != NULL)
        binding_remove(table, container_of(list_first(&entry->bindings), struct session_binding, connection_link));
}
