/* What the lanes of takeover.h do: for each kind of request how it is chosen, built and judged, side by side. One file,
 * although a long one, because each is a few lines that read like its neighbours, and the table at the end is all that
 * others see. */
#include "tests/support/takeover_run.h"

#include <stdio.h>

/* --- parts --- */

static struct takeover_entry *entry_unused(struct takeover_lane *lane)
{
    for (uint32_t i = 0; i < TAKEOVER_ENTRIES; i++) {
        if (lane->entries[i].name[0] == '\0')
            return &lane->entries[i];
    }
    return NULL;
}

static struct takeover_entry *entry_pick(struct takeover_lane *lane, bool (*wanted)(const struct takeover_entry *entry))
{
    uint32_t start = takeover_random(lane->client, TAKEOVER_ENTRIES);
    for (uint32_t i = 0; i < TAKEOVER_ENTRIES; i++) {
        struct takeover_entry *entry = &lane->entries[(start + i) % TAKEOVER_ENTRIES];
        if (entry->name[0] != '\0' && wanted(entry))
            return entry;
    }
    return NULL;
}

static bool is_any(const struct takeover_entry *entry)
{
    (void)entry;
    return true;
}
static bool is_open(const struct takeover_entry *entry)
{
    return entry->open;
}
static bool is_closed(const struct takeover_entry *entry)
{
    return !entry->open;
}
static bool is_closed_file(const struct takeover_entry *entry)
{
    return entry->type == NF4REG && !entry->open;
}

static struct slice entry_handle(const struct takeover_entry *entry)
{
    return slice_make(entry->handle, entry->handle_bytes);
}

static void entry_set(struct takeover_entry *entry, const struct takeover_lane *lane, enum nfs_ftype4 type,
                      struct slice handle)
{
    *entry = (struct takeover_entry){.type = type, .directory = lane->directory, .handle_bytes = handle.size_bytes};
    memcpy(entry->name, lane->new_name, sizeof(entry->name));
    memcpy(entry->handle, handle.data, handle.size_bytes);
}

static void name_make(struct takeover_lane *lane)
{
    snprintf(lane->new_name, sizeof(lane->new_name), "c%u-%u-%u", lane->client->number, lane->slot, lane->next_name++);
}

static struct slice directory_of(const struct takeover_lane *lane, uint32_t directory)
{
    return lane->client->run->directories[directory];
}

static const char *status_text(struct takeover_lane *lane, const struct nfs_reply *reply)
{
    char *text = arena_alloc(&lane->arena, 64);
    snprintf(text, 64, "status %s", nfsstat4_name(reply->head.status));
    return text;
}

/* --- choosing --- */

static bool choose_new(struct takeover_lane *lane)
{
    static const enum createmode4 modes[] = {UNCHECKED4, GUARDED4, EXCLUSIVE4_1};
    lane->subject = entry_unused(lane);
    lane->directory = takeover_random(lane->client, TAKEOVER_DIRECTORIES);
    lane->mode = modes[takeover_random(lane->client, 3)];
    name_make(lane);
    return lane->subject != NULL;
}
static bool choose_open(struct takeover_lane *lane)
{
    lane->subject = entry_pick(lane, is_open);
    return lane->subject != NULL;
}
static bool choose_closed(struct takeover_lane *lane)
{
    lane->subject = entry_pick(lane, is_closed);
    lane->directory = takeover_random(lane->client, TAKEOVER_DIRECTORIES);
    name_make(lane);
    return lane->subject != NULL;
}
static bool choose_link(struct takeover_lane *lane)
{
    lane->other = entry_unused(lane);
    return choose_closed(lane) && (lane->subject = entry_pick(lane, is_closed_file)) != NULL && lane->other != NULL;
}
static bool choose_any(struct takeover_lane *lane)
{
    lane->subject = entry_pick(lane, is_any);
    return lane->subject != NULL;
}
static bool choose_pair(struct takeover_lane *lane)
{
    bool chosen = choose_new(lane);
    lane->directory = 1;
    return chosen;
}

/* --- making --- */

static void open_build(struct takeover_lane *lane, struct nfs_compound_builder *builder, const char *name,
                       uint32_t directory, enum createmode4 mode)
{
    const struct nfs_open open = {.clientid = lane->client->peer.session.clientid,
                                  .owner = name,
                                  .name = name,
                                  .mode = mode,
                                  .verifier = random_seeded_next(&lane->client->random)};
    nfs_add_putfh(builder, directory_of(lane, directory));
    nfs_add_open(builder, &open);
    nfs_compound_add(builder, OP_GETFH, NULL);
}

static void build_open(struct takeover_lane *lane, struct nfs_compound_builder *builder)
{
    open_build(lane, builder, lane->new_name, lane->directory, lane->mode);
}

static const char *accept_open_as(struct takeover_lane *lane, struct nfs_reply *reply, struct takeover_entry *entry,
                                  int32_t race)
{
    union nfs4_result opened;
    union nfs4_result handle;
    if (reply->head.status != NFS4_OK)
        return status_text(lane, reply);
    if (!nfs_reply_find(reply, OP_OPEN, &opened) || !nfs_reply_find(reply, OP_GETFH, &handle))
        return "OPEN or GETFH is missing";
    entry_set(entry, lane, NF4REG, handle.opgetfh.resok4.object);
    entry->open = true;
    entry->open_stateid = opened.opopen.resok4.stateid;
    if (entry->open_stateid.seqid != 1)
        return "the first stateid of an open has not seqid 1: it was opened twice";
    return takeover_link_note(lane, lane->directory, &opened.opopen.resok4.cinfo, race, true);
}
static const char *accept_open(struct takeover_lane *lane, struct nfs_reply *reply)
{
    return accept_open_as(lane, reply, lane->subject, -1);
}

static void build_mkdir(struct takeover_lane *lane, struct nfs_compound_builder *builder)
{
    nfs_add_putfh(builder, directory_of(lane, lane->directory));
    nfs_add_create(builder, NF4DIR, slice_text(lane->new_name));
    nfs_compound_add(builder, OP_GETFH, NULL);
}
static void build_symlink(struct takeover_lane *lane, struct nfs_compound_builder *builder)
{
    union nfs4_args args = {
        .opcreate = {.objtype = {NF4LNK, {.linkdata = slice_text("where/to")}}, .objname = slice_text(lane->new_name)}};
    nfs_add_putfh(builder, directory_of(lane, lane->directory));
    nfs_compound_add(builder, OP_CREATE, &args);
    nfs_compound_add(builder, OP_GETFH, NULL);
}
static const char *create_accept(struct takeover_lane *lane, struct nfs_reply *reply, enum nfs_ftype4 type)
{
    union nfs4_result created;
    union nfs4_result handle;
    if (reply->head.status != NFS4_OK)
        return status_text(lane, reply);
    if (!nfs_reply_find(reply, OP_CREATE, &created) || !nfs_reply_find(reply, OP_GETFH, &handle))
        return "CREATE or GETFH is missing";
    entry_set(lane->subject, lane, type, handle.opgetfh.resok4.object);
    return takeover_link_note(lane, lane->directory, &created.opcreate.resok4.cinfo, -1, true);
}
static const char *accept_mkdir(struct takeover_lane *lane, struct nfs_reply *reply)
{
    return create_accept(lane, reply, NF4DIR);
}
static const char *accept_symlink(struct takeover_lane *lane, struct nfs_reply *reply)
{
    return create_accept(lane, reply, NF4LNK);
}

/* Four changes in one compound: a directory, an entry in it, a move into the other directory, its mode. */
static void build_pair(struct takeover_lane *lane, struct nfs_compound_builder *builder)
{
    struct bitmap4 mask = {0};
    bitmap4_add(&mask, FATTR4_MODE);
    struct nfs4_attributes attributes = {.mode = 0700};
    union nfs4_args args = {.oprename = {slice_text(lane->new_name), slice_text(lane->new_name)}};
    nfs_add_putfh(builder, directory_of(lane, 0));
    nfs_compound_add(builder, OP_SAVEFH, NULL);
    nfs_add_create(builder, NF4DIR, slice_text(lane->new_name));
    nfs_add_create(builder, NF4DIR, slice_text("inside"));
    nfs_add_putfh(builder, directory_of(lane, 1));
    nfs_compound_add(builder, OP_RENAME, &args);
    nfs_add_lookup(builder, slice_text(lane->new_name));
    union nfs4_args set = {.opsetattr = {.obj_attributes = nfs4_fattr_for_set(&mask, &attributes, builder->arena)}};
    nfs_compound_add(builder, OP_SETATTR, &set);
    nfs_compound_add(builder, OP_GETFH, NULL);
}
static const char *accept_pair(struct takeover_lane *lane, struct nfs_reply *reply)
{
    union nfs4_result created;
    union nfs4_result renamed;
    union nfs4_result handle;
    if (reply->head.status != NFS4_OK)
        return status_text(lane, reply);
    if (!nfs_reply_find(reply, OP_CREATE, &created) || !nfs_reply_find(reply, OP_RENAME, &renamed) ||
        !nfs_reply_find(reply, OP_GETFH, &handle))
        return "CREATE, RENAME or GETFH is missing";
    entry_set(lane->subject, lane, NF4DIR, handle.opgetfh.resok4.object);
    lane->subject->inhabited = true;
    const char *wrong = takeover_link_note(lane, 0, &created.opcreate.resok4.cinfo, -1, true);
    if (wrong == NULL)
        wrong = takeover_link_note(lane, 0, &renamed.oprename.resok4.source_cinfo, -1, false);
    if (wrong == NULL)
        wrong = takeover_link_note(lane, 1, &renamed.oprename.resok4.target_cinfo, -1, true);
    return wrong;
}

/* --- names --- */

static void build_remove(struct takeover_lane *lane, struct nfs_compound_builder *builder)
{
    if (lane->subject->inhabited) {
        nfs_add_putfh(builder, entry_handle(lane->subject));
        nfs_add_remove(builder, slice_text("inside"));
    }
    nfs_add_putfh(builder, directory_of(lane, lane->subject->directory));
    nfs_add_remove(builder, slice_text(lane->subject->name));
}
static const char *accept_remove(struct takeover_lane *lane, struct nfs_reply *reply)
{
    union nfs4_result removed;
    if (reply->head.status != NFS4_OK)
        return status_text(lane, reply);
    uint32_t removals = lane->subject->inhabited ? 2 : 1;
    for (uint32_t i = 0; i < removals; i++) {
        if (!nfs_reply_find(reply, OP_REMOVE, &removed))
            return "REMOVE is missing";
    }
    lane->subject->name[0] = '\0';
    return takeover_link_note(lane, lane->subject->directory, &removed.opremove.resok4.cinfo, -1, false);
}

static void build_rename(struct takeover_lane *lane, struct nfs_compound_builder *builder)
{
    union nfs4_args args = {.oprename = {slice_text(lane->subject->name), slice_text(lane->new_name)}};
    nfs_add_putfh(builder, directory_of(lane, lane->subject->directory));
    nfs_compound_add(builder, OP_SAVEFH, NULL);
    nfs_add_putfh(builder, directory_of(lane, lane->directory));
    nfs_compound_add(builder, OP_RENAME, &args);
}
static const char *accept_rename(struct takeover_lane *lane, struct nfs_reply *reply)
{
    union nfs4_result renamed;
    if (reply->head.status != NFS4_OK)
        return status_text(lane, reply);
    if (!nfs_reply_find(reply, OP_RENAME, &renamed))
        return "RENAME is missing";
    const struct RENAME4resok *resok = &renamed.oprename.resok4;
    uint32_t source = lane->subject->directory;
    memcpy(lane->subject->name, lane->new_name, sizeof(lane->new_name));
    lane->subject->directory = lane->directory;
    const char *wrong = takeover_link_note(lane, source, &resok->source_cinfo, -1, false);
    if (wrong == NULL && source != lane->directory)
        wrong = takeover_link_note(lane, lane->directory, &resok->target_cinfo, -1, true);
    return wrong;
}

static void build_link(struct takeover_lane *lane, struct nfs_compound_builder *builder)
{
    union nfs4_args args = {.oplink = {slice_text(lane->new_name)}};
    nfs_add_putfh(builder, entry_handle(lane->subject));
    nfs_compound_add(builder, OP_SAVEFH, NULL);
    nfs_add_putfh(builder, directory_of(lane, lane->directory));
    nfs_compound_add(builder, OP_LINK, &args);
}
static const char *accept_link(struct takeover_lane *lane, struct nfs_reply *reply)
{
    union nfs4_result linked;
    if (reply->head.status != NFS4_OK)
        return status_text(lane, reply);
    if (!nfs_reply_find(reply, OP_LINK, &linked))
        return "LINK is missing";
    entry_set(lane->other, lane, NF4REG, entry_handle(lane->subject));
    return takeover_link_note(lane, lane->directory, &linked.oplink.resok4.cinfo, -1, true);
}

/* --- files --- */

static void close_build(struct nfs_compound_builder *builder, const struct takeover_entry *entry)
{
    union nfs4_args args = {.opclose = {.open_stateid = entry->open_stateid}};
    nfs_add_putfh(builder, entry_handle(entry));
    nfs_compound_add(builder, OP_CLOSE, &args);
}
static void build_close(struct takeover_lane *lane, struct nfs_compound_builder *builder)
{
    close_build(builder, lane->subject);
}
static const char *accept_close(struct takeover_lane *lane, struct nfs_reply *reply)
{
    lane->subject->open = false;
    return reply->head.status == NFS4_OK ? NULL : status_text(lane, reply);
}

static struct bitmap4 change_and_size(void)
{
    struct bitmap4 mask = {0};
    bitmap4_add(&mask, FATTR4_CHANGE);
    bitmap4_add(&mask, FATTR4_SIZE);
    return mask;
}

static bool choose_append(struct takeover_lane *lane)
{
    static const uint32_t most[] = {64, 64, 4000, 100000};
    lane->amount = 1 + takeover_random(lane->client, most[takeover_random(lane->client, 4)]);
    if (lane->data_size > 4u << 20)
        lane->amount = 1;
    return true;
}
static void build_append(struct takeover_lane *lane, struct nfs_compound_builder *builder)
{
    struct bitmap4 shown = change_and_size();
    uint8_t *bytes = arena_alloc(builder->arena, lane->amount);
    for (uint32_t i = 0; i < lane->amount; i++)
        bytes[i] = takeover_data_byte(lane, lane->data_size + i);
    union nfs4_args args = {.opwrite = {.stateid = lane->data.open_stateid,
                                        .offset = lane->data_size,
                                        .stable = FILE_SYNC4,
                                        .data = slice_make(bytes, lane->amount)}};
    nfs_add_putfh(builder, entry_handle(&lane->data));
    nfs_add_getattr(builder, &shown);
    nfs_compound_add(builder, OP_WRITE, &args);
    nfs_add_getattr(builder, &shown);
}
static const char *accept_append(struct takeover_lane *lane, struct nfs_reply *reply)
{
    union nfs4_result written;
    struct nfs4_attributes before;
    struct nfs4_attributes after;
    if (reply->head.status != NFS4_OK)
        return status_text(lane, reply);
    if (!nfs_reply_attributes(reply, &before) || !nfs_reply_find(reply, OP_WRITE, &written) ||
        !nfs_reply_attributes(reply, &after))
        return "GETATTR or WRITE is missing";
    if (written.opwrite.resok4.count != lane->amount || written.opwrite.resok4.committed != FILE_SYNC4)
        return "WRITE wrote less, or not stably";
    if (before.size != lane->data_size || before.change != lane->data_change)
        return "the file is not what the last append left: one was lost, or executed again";
    lane->data_size += lane->amount;
    lane->data_change = after.change;
    return after.size == lane->data_size && after.change > before.change ? NULL : "the file did not grow as it must";
}

/* --- looks: never older than what was acknowledged before --- */

static void build_look(struct takeover_lane *lane, struct nfs_compound_builder *builder)
{
    struct bitmap4 shown = change_and_size();
    uint32_t directory = lane->subject->directory;
    lane->seen_before = atomic_load(&lane->client->run->seen_change[directory]);
    nfs_add_putfh(builder, directory_of(lane, directory));
    nfs_add_getattr(builder, &shown);
    nfs_add_lookup(builder, slice_text(lane->subject->name));
    nfs_compound_add(builder, OP_GETFH, NULL);
}
static const char *accept_look(struct takeover_lane *lane, struct nfs_reply *reply)
{
    union nfs4_result handle;
    struct nfs4_attributes attributes;
    if (reply->head.status != NFS4_OK)
        return status_text(lane, reply);
    if (!nfs_reply_attributes(reply, &attributes) || !nfs_reply_find(reply, OP_GETFH, &handle))
        return "GETATTR or GETFH is missing";
    if (attributes.change < lane->seen_before)
        return "a stale read: older than an acknowledged change";
    return slice_equal(handle.opgetfh.resok4.object, entry_handle(lane->subject)) ? NULL : "a stale read: other handle";
}

static bool choose_missing(struct takeover_lane *lane)
{
    lane->directory = takeover_random(lane->client, TAKEOVER_DIRECTORIES);
    return true;
}
static void build_missing(struct takeover_lane *lane, struct nfs_compound_builder *builder)
{
    char name[TAKEOVER_NAME_BYTES];
    snprintf(name, sizeof(name), "c%u-%u-none", lane->client->number, lane->slot);
    nfs_add_putfh(builder, directory_of(lane, lane->directory));
    nfs_add_remove(builder, slice_text(name));
}
static const char *accept_missing(struct takeover_lane *lane, struct nfs_reply *reply)
{
    return reply->head.status == NFS4ERR_NOENT ? NULL : status_text(lane, reply);
}

/* --- races --- */

static bool choose_race(struct takeover_lane *lane)
{
    lane->race = (int32_t)takeover_random(lane->client, TAKEOVER_RACES);
    lane->directory = 0;
    snprintf(lane->new_name, sizeof(lane->new_name), "race-%d", lane->race);
    return !lane->raced.open;
}
static void miss_note(struct takeover_lane *lane, bool existed)
{
    struct takeover_miss *miss = takeover_list_add(&lane->client->misses, sizeof(*miss));
    *miss = (struct takeover_miss){
        .sent_us = lane->sent_us, .replied_us = takeover_now_us(), .race = lane->race, .existed = existed};
}
static void build_race_open(struct takeover_lane *lane, struct nfs_compound_builder *builder)
{
    open_build(lane, builder, lane->new_name, 0, GUARDED4);
}
static const char *accept_race_open(struct takeover_lane *lane, struct nfs_reply *reply)
{
    if (reply->head.status == NFS4ERR_EXIST) {
        miss_note(lane, true);
        return NULL;
    }
    return accept_open_as(lane, reply, &lane->raced, lane->race);
}
static const char *accept_race_mkdir(struct takeover_lane *lane, struct nfs_reply *reply)
{
    union nfs4_result created;
    if (reply->head.status == NFS4ERR_EXIST) {
        miss_note(lane, true);
        return NULL;
    }
    if (reply->head.status != NFS4_OK)
        return status_text(lane, reply);
    if (!nfs_reply_find(reply, OP_CREATE, &created))
        return "CREATE is missing";
    return takeover_link_note(lane, 0, &created.opcreate.resok4.cinfo, lane->race, true);
}
static void build_race_remove(struct takeover_lane *lane, struct nfs_compound_builder *builder)
{
    nfs_add_putfh(builder, directory_of(lane, 0));
    nfs_add_remove(builder, slice_text(lane->new_name));
}
static const char *accept_race_remove(struct takeover_lane *lane, struct nfs_reply *reply)
{
    union nfs4_result removed;
    if (reply->head.status == NFS4ERR_NOENT) {
        miss_note(lane, false);
        return NULL;
    }
    if (reply->head.status != NFS4_OK)
        return status_text(lane, reply);
    if (!nfs_reply_find(reply, OP_REMOVE, &removed))
        return "REMOVE is missing";
    return takeover_link_note(lane, 0, &removed.opremove.resok4.cinfo, lane->race, false);
}
static bool choose_race_close(struct takeover_lane *lane)
{
    return lane->raced.open;
}
static void build_race_close(struct takeover_lane *lane, struct nfs_compound_builder *builder)
{
    close_build(builder, &lane->raced);
}
static const char *accept_race_close(struct takeover_lane *lane, struct nfs_reply *reply)
{
    lane->raced.open = false;
    return reply->head.status == NFS4_OK ? NULL : status_text(lane, reply);
}

/* --- counting under a lock --- */

static bool choose_lock(struct takeover_lane *lane)
{
    if (lane->count == COUNT_NOTHING)
        lane->region = takeover_random(lane->client, TAKEOVER_REGIONS);
    return lane->count == COUNT_NOTHING;
}
static void build_lock(struct takeover_lane *lane, struct nfs_compound_builder *builder)
{
    char *owner = arena_alloc(builder->arena, 32);
    snprintf(owner, 32, "locker %u", lane->slot);
    union nfs4_args args = {.oplock = {.locktype = WRITE_LT,
                                       .offset = lane->region * TAKEOVER_REGION_BYTES,
                                       .length = TAKEOVER_REGION_BYTES}};
    args.oplock.locker.new_lock_owner = !lane->lock_known;
    if (lane->lock_known)
        args.oplock.locker.u.lock_owner.lock_stateid = lane->lock_stateid;
    else
        args.oplock.locker.u.open_owner =
            (struct open_to_lock_owner4){.open_stateid = lane->counters_open,
                                         .lock_owner = {lane->client->peer.session.clientid, slice_text(owner)}};
    nfs_add_putfh(builder, lane->client->run->counters);
    nfs_compound_add(builder, OP_LOCK, &args);
}
static const char *lock_moved(struct takeover_lane *lane, const struct stateid4 *stateid)
{
    uint32_t expected = lane->lock_known ? lane->lock_stateid.seqid + 1 : 1;
    lane->lock_stateid = *stateid;
    lane->lock_known = true;
    return stateid->seqid == expected ? NULL : "the lock stateid's seqid has not moved by one: it was executed twice";
}
static const char *accept_lock(struct takeover_lane *lane, struct nfs_reply *reply)
{
    union nfs4_result locked;
    if (reply->head.status == NFS4ERR_DENIED)
        return NULL;
    if (reply->head.status != NFS4_OK)
        return status_text(lane, reply);
    if (!nfs_reply_find(reply, OP_LOCK, &locked))
        return "LOCK is missing";
    lane->count = COUNT_LOCKED;
    return lock_moved(lane, &locked.oplock.u.resok4.lock_stateid);
}

static bool choose_count_read(struct takeover_lane *lane)
{
    return lane->count == COUNT_LOCKED;
}
static void build_count_read(struct takeover_lane *lane, struct nfs_compound_builder *builder)
{
    union nfs4_args args = {.opread = {.stateid = lane->lock_stateid,
                                       .offset = lane->region * TAKEOVER_REGION_BYTES,
                                       .count = TAKEOVER_REGION_BYTES}};
    nfs_add_putfh(builder, lane->client->run->counters);
    nfs_compound_add(builder, OP_READ, &args);
}
static const char *accept_count_read(struct takeover_lane *lane, struct nfs_reply *reply)
{
    union nfs4_result got;
    if (reply->head.status != NFS4_OK)
        return status_text(lane, reply);
    if (!nfs_reply_find(reply, OP_READ, &got) || got.opread.resok4.data.size_bytes != TAKEOVER_REGION_BYTES)
        return "READ of a counter is short";
    lane->counted = 0;
    for (uint32_t i = 0; i < TAKEOVER_REGION_BYTES; i++)
        lane->counted = lane->counted << 8 | got.opread.resok4.data.data[i];
    lane->count = COUNT_READ;
    uint64_t known = atomic_load(&lane->client->run->counted[lane->region]);
    return lane->counted == known ? NULL : "a counter read under its lock is not what was counted";
}

static bool choose_count_write(struct takeover_lane *lane)
{
    return lane->count == COUNT_READ;
}
static void build_count_write(struct takeover_lane *lane, struct nfs_compound_builder *builder)
{
    uint8_t *bytes = arena_alloc(builder->arena, TAKEOVER_REGION_BYTES);
    for (uint32_t i = 0; i < TAKEOVER_REGION_BYTES; i++)
        bytes[i] = (uint8_t)((lane->counted + 1) >> (8 * (TAKEOVER_REGION_BYTES - 1 - i)));
    union nfs4_args args = {.opwrite = {.stateid = lane->lock_stateid,
                                        .offset = lane->region * TAKEOVER_REGION_BYTES,
                                        .stable = FILE_SYNC4,
                                        .data = slice_make(bytes, TAKEOVER_REGION_BYTES)}};
    nfs_add_putfh(builder, lane->client->run->counters);
    nfs_compound_add(builder, OP_WRITE, &args);
}
static const char *accept_count_write(struct takeover_lane *lane, struct nfs_reply *reply)
{
    if (reply->head.status != NFS4_OK)
        return status_text(lane, reply);
    lane->count = COUNT_WRITTEN;
    uint64_t before = atomic_fetch_add(&lane->client->run->counted[lane->region], 1);
    return before == lane->counted ? NULL : "somebody else counted under this lane's lock";
}

static bool choose_unlock(struct takeover_lane *lane)
{
    return lane->count == COUNT_WRITTEN;
}
static void build_unlock(struct takeover_lane *lane, struct nfs_compound_builder *builder)
{
    union nfs4_args args = {.oplocku = {.locktype = WRITE_LT,
                                        .lock_stateid = lane->lock_stateid,
                                        .offset = lane->region * TAKEOVER_REGION_BYTES,
                                        .length = TAKEOVER_REGION_BYTES}};
    nfs_add_putfh(builder, lane->client->run->counters);
    nfs_compound_add(builder, OP_LOCKU, &args);
}
static const char *accept_unlock(struct takeover_lane *lane, struct nfs_reply *reply)
{
    union nfs4_result unlocked;
    if (reply->head.status != NFS4_OK)
        return status_text(lane, reply);
    if (!nfs_reply_find(reply, OP_LOCKU, &unlocked))
        return "LOCKU is missing";
    lane->count = COUNT_NOTHING;
    return lock_moved(lane, &unlocked.oplocku.lock_stateid);
}

const struct takeover_kind takeover_kinds[] = {
    {"open", 6, true, choose_new, build_open, accept_open},
    {"mkdir", 2, true, choose_new, build_mkdir, accept_mkdir},
    {"symlink", 1, true, choose_new, build_symlink, accept_symlink},
    {"several_changes", 3, true, choose_pair, build_pair, accept_pair},
    {"close", 5, true, choose_open, build_close, accept_close},
    {"remove", 5, true, choose_closed, build_remove, accept_remove},
    {"rename", 5, true, choose_closed, build_rename, accept_rename},
    {"link", 2, true, choose_link, build_link, accept_link},
    {"append", 5, true, choose_append, build_append, accept_append},
    {"look", 5, false, choose_any, build_look, accept_look},
    {"remove_missing", 1, true, choose_missing, build_missing, accept_missing},
    {"race_open", 2, true, choose_race, build_race_open, accept_race_open},
    {"race_mkdir", 2, true, choose_race, build_mkdir, accept_race_mkdir},
    {"race_remove", 4, true, choose_race, build_race_remove, accept_race_remove},
    {"race_close", 8, true, choose_race_close, build_race_close, accept_race_close},
    {"lock", 6, true, choose_lock, build_lock, accept_lock},
    {"count_read", 40, false, choose_count_read, build_count_read, accept_count_read},
    {"count_write", 40, true, choose_count_write, build_count_write, accept_count_write},
    {"unlock", 40, true, choose_unlock, build_unlock, accept_unlock},
};
const uint32_t takeover_kind_count = sizeof(takeover_kinds) / sizeof(takeover_kinds[0]);
