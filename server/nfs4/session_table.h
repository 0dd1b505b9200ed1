/* session_table.h: the sessions that live on this loop (RFC 8881 section 2.10), in memory: their slots with the replies
 * that are kept, and which connections are bound to them. What must outlive the process is in the state (slot rows);
 * what is here can be dropped and is made again from there. */
#ifndef SERVER_NFS4_SESSION_TABLE_H
#define SERVER_NFS4_SESSION_TABLE_H

#include "base/buffer.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/hashtable.h"
#include "gateway/connection_id.h"
#include "statestore/machine/session.h"

struct compound;

/* One slot. "The request" is the one with `seqid`. */
struct slot_entry {
    uint32_t seqid;        /* of the last request that was taken */
    uint32_t row_seqid;    /* of the slot's row; 0 also if it has none */
    bool loaded;           /* the row has been looked at since the session came here */
    bool used;             /* there was a request with `seqid`: 0 alone does not tell */
    bool may_jump;         /* until the first change after an attach: pure reads left no trace in the row */
    bool has_digest;       /* the request is known by its digest */
    bool has_change;       /* the request changed something: its row answers */
    struct hash128 digest; /* of the request */
    struct buffer *reply;  /* the encoded COMPOUND4res, if it is kept; owned */
    struct compound *busy; /* the request is being executed */
};

enum session_state {
    SESSION_ATTACHING, /* asked for: everything waits */
    SESSION_ATTACHED
};

struct session_entry {
    struct hashtable_link link; /* by id */
    enum session_state state;
    struct session session; /* the row as it was at the attach */
    uint64_t found_epoch;   /* the row's before that: nobody else has had the session since */
    uint64_t seen_moved;    /* moment.sessions_moved when the row was last seen to be `session` */
    bool is_new;            /* made in this incarnation and never moved: slots begin at 0, strictly */
    struct slot_entry *slots;
    uint32_t slot_count;   /* that there is memory for; grows to session.fore.max_requests */
    struct list waiting;   /* compounds (their `link`) that wait for the attach, or for the client's revival */
    struct list compounds; /* that run on a slot (their `session_link`) */
    struct list bindings;
    uint32_t binding_count;
    uint32_t back_count;               /* bindings that are back channels */
    struct connection_id last_binding; /* the one found last: nearly always the one looked for */
    struct list_link renew_link;       /* in the list of those whose lease is to be renewed */
    bool renew_wanted;
    bool reviving;                /* the client is a courtesy client: nothing is answered before its renewal */
    struct list_link revive_link; /* in the list of those, while reviving */
    uint64_t renewed_ms;          /* when the last renewal was asked for; 0: not since the session is here */
};

/* A connection that is associated with a session. */
struct session_binding {
    struct list_link session_link;
    struct list_link connection_link;
    struct session_entry *session;
    struct connection_id connection;
    bool back;
};

struct session_table {
    struct hashtable sessions;
    struct hashtable connections;
    uint64_t cached_bytes; /* of all kept replies */
};

void session_table_init(struct session_table *table);
void session_table_fini(struct session_table *table);

/* The session, NULL if it is not in memory. */
struct session_entry *session_table_find(const struct session_table *table, struct session_id id);
/* A new entry in the given state. */
struct session_entry *session_table_add(struct session_table *table, const struct session *session,
                                        enum session_state state);
/* Drops slots, kept replies and bindings; no compound may be on its lists any more. */
void session_table_remove(struct session_table *table, struct session_entry *entry);

/* Hands each session's list of waiting compounds to `drop`: at the end. */
void session_table_drop_waiting(struct session_table *table, void (*drop)(struct list *waiting));

/* The slot, whose number is below fore.max_requests; valid until the next call for the same session. */
struct slot_entry *session_slot(struct session_entry *entry, uint32_t slot);

/* Keeps a reply (copied) for the slot, or none. */
void session_slot_keep(struct session_table *table, struct slot_entry *slot, struct slice reply);

/* Associates the connection; `back`: also as back channel. At NFS4_CONNECTIONS_PER_SESSION_MAX it is served, not bound. */
void session_bind(struct session_table *table, struct session_entry *entry, struct connection_id connection, bool back);

/* Whether the connection is associated with the session. */
bool session_is_bound(struct session_entry *entry, struct connection_id connection);

/* The connection is gone: forgets its bindings. */
void session_unbind_connection(struct session_table *table, struct connection_id connection);

#endif
