#include "tests/support/exactly_once_world.h"

/* --- parts --- */

/* An entry at random that `wanted` likes. */
static struct world_entry *entry_pick(struct world *world, bool (*wanted)(const struct world_entry *entry))
{
    uint32_t start = world_random(world, WORLD_ENTRIES_MAX);
    for (uint32_t i = 0; i < WORLD_ENTRIES_MAX; i++) {
        struct world_entry *entry = &world->entries[(start + i) % WORLD_ENTRIES_MAX];
        if (entry->name[0] != '\0' && wanted(entry))
            return entry;
    }
    return NULL;
}

static bool is_closed(const struct world_entry *entry)
{
    return !entry->open;
}
static bool is_open(const struct world_entry *entry)
{
    return entry->open;
}
static bool is_downgradable(const struct world_entry *entry)
{
    return entry->open && entry->opened_read;
}
static bool is_closed_file(const struct world_entry *entry)
{
    return entry->type == NF4REG && !entry->open;
}
static bool is_file(const struct world_entry *entry)
{
    return entry->type == NF4REG;
}

static struct slice entry_handle(const struct world_entry *entry)
{
    return slice_make(entry->handle, entry->handle_bytes);
}

static bool choose_new(struct world *world)
{
    world->subject = world_entry_unused(world);
    world_name_make(world, world->new_name);
    return world->subject != NULL;
}
static bool choose_any(struct world *world)
{
    world->subject = entry_pick(world, is_closed);
    world_name_make(world, world->new_name);
    return world->subject != NULL;
}
static bool choose_open(struct world *world)
{
    world->subject = entry_pick(world, is_open);
    return world->subject != NULL;
}
static bool choose_downgradable(struct world *world)
{
    world->subject = entry_pick(world, is_downgradable);
    return world->subject != NULL;
}
static bool choose_file(struct world *world)
{
    world->subject = entry_pick(world, is_file);
    world->amount = world_random(world, 0777) | 0400;
    return world->subject != NULL;
}
static bool choose_link(struct world *world)
{
    /* Only of closed files: the model keeps an open with one name. */
    world->subject = entry_pick(world, is_closed_file);
    world_name_make(world, world->new_name);
    return world->subject != NULL && world_entry_unused(world) != NULL;
}

static const char *change_info_check(const struct change_info4 *info, uint64_t before, uint64_t after)
{
    if (!info->atomic)
        return "cinfo is not atomic";
    if (info->before != before)
        return "cinfo.before is not what the observer saw before";
    return info->after == after ? NULL : "cinfo.after is not what the observer sees now";
}

/* --- creating --- */

static void build_open(struct world *world, struct nfs_compound_builder *builder, enum createmode4 mode)
{
    const struct nfs_open open = {.clientid = world->worker.session.clientid,
                                  .owner = world->new_name,
                                  .name = world->new_name,
                                  .mode = mode,
                                  .verifier = random_seeded_next(&world->random)};
    nfs_add_putfh(builder, world->directory);
    nfs_add_open(builder, &open);
    nfs_compound_add(builder, OP_GETFH, NULL);
}
static void build_unchecked(struct world *world, struct nfs_compound_builder *builder)
{
    build_open(world, builder, UNCHECKED4);
}
static void build_guarded(struct world *world, struct nfs_compound_builder *builder)
{
    build_open(world, builder, GUARDED4);
}
static void build_exclusive(struct world *world, struct nfs_compound_builder *builder)
{
    build_open(world, builder, EXCLUSIVE4_1);
}

static const char *accept_open(struct world *world, struct nfs_reply *reply, uint64_t before, uint64_t after)
{
    union nfs4_result opened;
    union nfs4_result handle;
    if (!nfs_reply_find(reply, OP_OPEN, &opened) || !nfs_reply_find(reply, OP_GETFH, &handle))
        return "OPEN or GETFH is missing";
    world_entry_set(world->subject, world->new_name, NF4REG, handle.opgetfh.resok4.object);
    world->subject->open = true;
    world->subject->open_stateid = opened.opopen.resok4.stateid;
    if (opened.opopen.resok4.stateid.seqid != 1)
        return "the first stateid of an open has not seqid 1";
    return change_info_check(&opened.opopen.resok4.cinfo, before, after);
}

static void build_directory(struct world *world, struct nfs_compound_builder *builder)
{
    nfs_add_putfh(builder, world->directory);
    nfs_add_create(builder, NF4DIR, slice_text(world->new_name));
    nfs_compound_add(builder, OP_GETFH, NULL);
}
static void build_symlink(struct world *world, struct nfs_compound_builder *builder)
{
    nfs_add_putfh(builder, world->directory);
    union nfs4_args args = {.opcreate = {.objtype = {NF4LNK, {.linkdata = slice_text("where/to")}},
                                         .objname = slice_text(world->new_name)}};
    nfs_compound_add(builder, OP_CREATE, &args);
    nfs_compound_add(builder, OP_GETFH, NULL);
}
static const char *accept_create(struct world *world, struct nfs_reply *reply, enum nfs_ftype4 type, uint64_t before,
                                 uint64_t after)
{
    union nfs4_result created;
    union nfs4_result handle;
    if (!nfs_reply_find(reply, OP_CREATE, &created) || !nfs_reply_find(reply, OP_GETFH, &handle))
        return "CREATE or GETFH is missing";
    world_entry_set(world->subject, world->new_name, type, handle.opgetfh.resok4.object);
    return change_info_check(&created.opcreate.resok4.cinfo, before, after);
}
static const char *accept_directory(struct world *world, struct nfs_reply *reply, uint64_t before, uint64_t after)
{
    return accept_create(world, reply, NF4DIR, before, after);
}
static const char *accept_symlink(struct world *world, struct nfs_reply *reply, uint64_t before, uint64_t after)
{
    return accept_create(world, reply, NF4LNK, before, after);
}

/* --- names --- */

static void build_remove(struct world *world, struct nfs_compound_builder *builder)
{
    nfs_add_putfh(builder, world->directory);
    nfs_add_remove(builder, slice_text(world->subject->name));
}
static const char *accept_remove(struct world *world, struct nfs_reply *reply, uint64_t before, uint64_t after)
{
    union nfs4_result result;
    if (!nfs_reply_find(reply, OP_REMOVE, &result))
        return "REMOVE is missing";
    world->subject->name[0] = '\0';
    return change_info_check(&result.opremove.resok4.cinfo, before, after);
}

static void build_rename(struct world *world, struct nfs_compound_builder *builder)
{
    nfs_add_putfh(builder, world->directory);
    nfs_compound_add(builder, OP_SAVEFH, NULL);
    union nfs4_args args = {.oprename = {slice_text(world->subject->name), slice_text(world->new_name)}};
    nfs_compound_add(builder, OP_RENAME, &args);
}
static const char *accept_rename(struct world *world, struct nfs_reply *reply, uint64_t before, uint64_t after)
{
    union nfs4_result result;
    if (!nfs_reply_find(reply, OP_RENAME, &result))
        return "RENAME is missing";
    memcpy(world->subject->name, world->new_name, sizeof(world->new_name));
    const char *wrong = change_info_check(&result.oprename.resok4.source_cinfo, before, after);
    return wrong != NULL ? wrong : change_info_check(&result.oprename.resok4.target_cinfo, before, after);
}

static void build_link(struct world *world, struct nfs_compound_builder *builder)
{
    nfs_add_putfh(builder, entry_handle(world->subject));
    nfs_compound_add(builder, OP_SAVEFH, NULL);
    nfs_add_putfh(builder, world->directory);
    union nfs4_args args = {.oplink = {slice_text(world->new_name)}};
    nfs_compound_add(builder, OP_LINK, &args);
}
static const char *accept_link(struct world *world, struct nfs_reply *reply, uint64_t before, uint64_t after)
{
    union nfs4_result result;
    if (!nfs_reply_find(reply, OP_LINK, &result))
        return "LINK is missing";
    world_entry_set(world_entry_unused(world), world->new_name, NF4REG, entry_handle(world->subject));
    return change_info_check(&result.oplink.resok4.cinfo, before, after);
}

static const char *accept_nothing(struct world *world, struct nfs_reply *reply, uint64_t before, uint64_t after)
{
    (void)world;
    (void)reply;
    return before == after ? NULL : "a change that failed has changed the directory";
}
static void build_remove_missing(struct world *world, struct nfs_compound_builder *builder)
{
    nfs_add_putfh(builder, world->directory);
    nfs_add_remove(builder, slice_text(world->new_name));
}

/* --- files --- */

static void build_close(struct world *world, struct nfs_compound_builder *builder)
{
    nfs_add_putfh(builder, entry_handle(world->subject));
    union nfs4_args args = {.opclose = {.open_stateid = world->subject->open_stateid}};
    nfs_compound_add(builder, OP_CLOSE, &args);
}
static const char *accept_close(struct world *world, struct nfs_reply *reply, uint64_t before, uint64_t after)
{
    (void)reply;
    world->subject->open = false;
    return before == after ? NULL : "CLOSE has changed the directory";
}

/* --- opens that are there already: executed twice, the stateid's seqid would have moved by two --- */

static const char *open_moved(struct world_entry *entry, const struct stateid4 *stateid, bool opened_read)
{
    bool right = stateid->seqid == entry->open_stateid.seqid + 1 &&
                 memcmp(stateid->other, entry->open_stateid.other, sizeof(stateid->other)) == 0;
    entry->open_stateid = *stateid;
    entry->opened_read = opened_read;
    return right ? NULL : "the open stateid's seqid has not moved by one";
}

static void build_open_again(struct world *world, struct nfs_compound_builder *builder)
{
    union nfs4_args args = {.opopen = {.share_access = OPEN4_SHARE_ACCESS_READ | OPEN4_SHARE_ACCESS_WANT_NO_DELEG,
                                       .owner = {world->worker.session.clientid, slice_text(world->subject->name)},
                                       .openhow = {.opentype = OPEN4_NOCREATE},
                                       .claim = {.claim = CLAIM_FH}}};
    nfs_add_putfh(builder, entry_handle(world->subject));
    nfs_compound_add(builder, OP_OPEN, &args);
}
static const char *accept_open_again(struct world *world, struct nfs_reply *reply, uint64_t before, uint64_t after)
{
    (void)before;
    (void)after;
    union nfs4_result result;
    if (!nfs_reply_find(reply, OP_OPEN, &result))
        return "OPEN is missing";
    return open_moved(world->subject, &result.opopen.resok4.stateid, true);
}

static void build_downgrade(struct world *world, struct nfs_compound_builder *builder)
{
    union nfs4_args args = {
        .opopen_downgrade = {.open_stateid = world->subject->open_stateid, .share_access = OPEN4_SHARE_ACCESS_READ}};
    nfs_add_putfh(builder, entry_handle(world->subject));
    nfs_compound_add(builder, OP_OPEN_DOWNGRADE, &args);
}
static const char *accept_downgrade(struct world *world, struct nfs_reply *reply, uint64_t before, uint64_t after)
{
    (void)before;
    (void)after;
    union nfs4_result result;
    if (!nfs_reply_find(reply, OP_OPEN_DOWNGRADE, &result))
        return "OPEN_DOWNGRADE is missing";
    return open_moved(world->subject, &result.opopen_downgrade.resok4.open_stateid, false);
}

/* --- attributes and data --- */

static struct bitmap4 change_and_size(void)
{
    struct bitmap4 mask = {0};
    bitmap4_add(&mask, FATTR4_CHANGE);
    bitmap4_add(&mask, FATTR4_SIZE);
    return mask;
}

static void build_setattr(struct world *world, struct nfs_compound_builder *builder)
{
    struct bitmap4 mask = {0};
    bitmap4_add(&mask, FATTR4_MODE);
    bitmap4_add(&mask, FATTR4_SIZE);
    struct nfs4_attributes attributes = {.mode = world->amount, .size = world->amount};
    union nfs4_args args = {.opsetattr = {.obj_attributes = nfs4_fattr_for_set(&mask, &attributes, builder->arena)}};
    struct bitmap4 shown = change_and_size();
    nfs_add_putfh(builder, entry_handle(world->subject));
    nfs_compound_add(builder, OP_SETATTR, &args);
    nfs_add_getattr(builder, &shown);
}

static const char *size_check(struct nfs_reply *reply, uint64_t size)
{
    struct nfs4_attributes attributes;
    if (!nfs_reply_attributes(reply, &attributes))
        return "GETATTR is missing";
    return attributes.size == size ? NULL : "the size is wrong";
}

static const char *accept_setattr(struct world *world, struct nfs_reply *reply, uint64_t before, uint64_t after)
{
    (void)before;
    (void)after;
    return size_check(reply, world->amount);
}

static bool choose_append(struct world *world)
{
    world->amount = world_random(world, 10) == 0 ? 100000 : 1 + world_random(world, 300);
    return true;
}
static void build_append(struct world *world, struct nfs_compound_builder *builder)
{
    struct bitmap4 shown = change_and_size();
    uint8_t *data = arena_alloc(builder->arena, world->amount);
    memset(data, 'a' + (int)(world->data_size % 26), world->amount);
    nfs_add_putfh(builder, world->data.handle_bytes > 0 ? entry_handle(&world->data) : world->directory);
    union nfs4_args args = {.opwrite = {.stateid = world->data.open_stateid,
                                        .offset = world->data_size,
                                        .stable = FILE_SYNC4,
                                        .data = slice_make(data, world->amount)}};
    nfs_compound_add(builder, OP_WRITE, &args);
    nfs_add_getattr(builder, &shown);
}
static const char *accept_append(struct world *world, struct nfs_reply *reply, uint64_t before, uint64_t after)
{
    (void)before;
    (void)after;
    union nfs4_result result;
    if (!nfs_reply_find(reply, OP_WRITE, &result))
        return "WRITE is missing";
    if (result.opwrite.resok4.count != world->amount || result.opwrite.resok4.committed != FILE_SYNC4)
        return "WRITE wrote less, or not stably";
    world->data_size += world->amount;
    return size_check(reply, world->data_size);
}

/* --- locks: executed twice, the stateid's seqid would have moved by two --- */

static bool choose_lock(struct world *world)
{
    world->lock_offset = world->locked ? world->lock_offset : world_random(world, 1000);
    return !world->locked;
}
static void build_lock(struct world *world, struct nfs_compound_builder *builder)
{
    union nfs4_args args = {.oplock = {.locktype = WRITE_LT, .offset = world->lock_offset, .length = 10}};
    args.oplock.locker.new_lock_owner = !world->lock_owner_known;
    if (world->lock_owner_known)
        args.oplock.locker.u.lock_owner.lock_stateid = world->lock_stateid;
    else
        args.oplock.locker.u.open_owner =
            (struct open_to_lock_owner4){.open_stateid = world->data.open_stateid,
                                         .lock_owner = {world->worker.session.clientid, slice_text("locker")}};
    nfs_add_putfh(builder, entry_handle(&world->data));
    nfs_compound_add(builder, OP_LOCK, &args);
}
static const char *lock_moved(struct world *world, const struct stateid4 *stateid, bool locked)
{
    uint32_t expected = world->lock_owner_known ? world->lock_stateid.seqid + 1 : 1;
    world->lock_stateid = *stateid;
    world->lock_owner_known = true;
    world->locked = locked;
    return stateid->seqid == expected ? NULL : "the lock stateid's seqid has not moved by one";
}
static const char *accept_lock(struct world *world, struct nfs_reply *reply, uint64_t before, uint64_t after)
{
    (void)before;
    (void)after;
    union nfs4_result result;
    if (!nfs_reply_find(reply, OP_LOCK, &result))
        return "LOCK is missing";
    return lock_moved(world, &result.oplock.u.resok4.lock_stateid, true);
}

static bool choose_unlock(struct world *world)
{
    return world->locked;
}
static void build_unlock(struct world *world, struct nfs_compound_builder *builder)
{
    union nfs4_args args = {
        .oplocku = {
            .locktype = WRITE_LT, .lock_stateid = world->lock_stateid, .offset = world->lock_offset, .length = 10}};
    nfs_add_putfh(builder, entry_handle(&world->data));
    nfs_compound_add(builder, OP_LOCKU, &args);
}
static const char *accept_unlock(struct world *world, struct nfs_reply *reply, uint64_t before, uint64_t after)
{
    (void)before;
    (void)after;
    union nfs4_result result;
    if (!nfs_reply_find(reply, OP_LOCKU, &result))
        return "LOCKU is missing";
    return lock_moved(world, &result.oplocku.lock_stateid, false);
}

/* --- several changes in one compound --- */

/* A directory, one inside, and that one away again. */
static void build_nested(struct world *world, struct nfs_compound_builder *builder)
{
    nfs_add_putfh(builder, world->directory);
    nfs_add_create(builder, NF4DIR, slice_text(world->new_name));
    nfs_compound_add(builder, OP_GETFH, NULL);
    nfs_compound_add(builder, OP_SAVEFH, NULL);
    nfs_add_create(builder, NF4DIR, slice_text("inside"));
    nfs_compound_add(builder, OP_RESTOREFH, NULL);
    nfs_add_remove(builder, slice_text("inside"));
}

/* A directory that gets another name at once. */
static void build_make_and_rename(struct world *world, struct nfs_compound_builder *builder)
{
    nfs_add_putfh(builder, world->directory);
    nfs_add_create(builder, NF4DIR, slice_text("first-name"));
    nfs_compound_add(builder, OP_GETFH, NULL);
    nfs_add_putfh(builder, world->directory);
    nfs_compound_add(builder, OP_SAVEFH, NULL);
    union nfs4_args args = {.oprename = {slice_text("first-name"), slice_text(world->new_name)}};
    nfs_compound_add(builder, OP_RENAME, &args);
}
static const char *accept_make_and_rename(struct world *world, struct nfs_reply *reply, uint64_t before, uint64_t after)
{
    union nfs4_result created;
    union nfs4_result handle;
    union nfs4_result renamed;
    if (!nfs_reply_find(reply, OP_CREATE, &created) || !nfs_reply_find(reply, OP_GETFH, &handle) ||
        !nfs_reply_find(reply, OP_RENAME, &renamed))
        return "CREATE, GETFH or RENAME is missing";
    world_entry_set(world->subject, world->new_name, NF4DIR, handle.opgetfh.resok4.object);
    const char *wrong =
        change_info_check(&created.opcreate.resok4.cinfo, before, renamed.oprename.resok4.source_cinfo.before);
    return wrong != NULL
               ? wrong
               : change_info_check(&renamed.oprename.resok4.target_cinfo, created.opcreate.resok4.cinfo.after, after);
}

/* The second change fails: the first one stays. */
static void build_twice(struct world *world, struct nfs_compound_builder *builder)
{
    build_directory(world, builder);
    nfs_add_putfh(builder, world->directory);
    nfs_add_create(builder, NF4DIR, slice_text(world->new_name));
}

const struct world_kind world_kinds[] = {
    {"open_unchecked", NFS4_OK, false, choose_new, build_unchecked, accept_open},
    {"open_guarded", NFS4_OK, false, choose_new, build_guarded, accept_open},
    {"open_exclusive", NFS4_OK, false, choose_new, build_exclusive, accept_open},
    {"open_again", NFS4_OK, false, choose_open, build_open_again, accept_open_again},
    {"open_downgrade", NFS4_OK, false, choose_downgradable, build_downgrade, accept_downgrade},
    {"close", NFS4_OK, false, choose_open, build_close, accept_close},
    {"mkdir", NFS4_OK, false, choose_new, build_directory, accept_directory},
    {"symlink", NFS4_OK, false, choose_new, build_symlink, accept_symlink},
    {"remove", NFS4_OK, false, choose_any, build_remove, accept_remove},
    {"rename", NFS4_OK, false, choose_any, build_rename, accept_rename},
    {"link", NFS4_OK, false, choose_link, build_link, accept_link},
    {"lock", NFS4_OK, false, choose_lock, build_lock, accept_lock},
    {"unlock", NFS4_OK, false, choose_unlock, build_unlock, accept_unlock},
    {"append", NFS4_OK, false, choose_append, build_append, accept_append},
    {"setattr", NFS4_OK, false, choose_file, build_setattr, accept_setattr},
    {"remove_missing", NFS4ERR_NOENT, false, choose_new, build_remove_missing, accept_nothing},
    {"nested_changes", NFS4_OK, true, choose_new, build_nested, accept_directory},
    {"make_and_rename", NFS4_OK, true, choose_new, build_make_and_rename, accept_make_and_rename},
    {"second_change_fails", NFS4ERR_EXIST, false, choose_new, build_twice, accept_directory},
};
const uint32_t world_kind_count = sizeof(world_kinds) / sizeof(world_kinds[0]);
