#include "tests/sim/encode.h"

#include "base/check.h"
#include "proto/nfs4/open.h"

struct encoding {
    struct client *client;
    struct request *request;
    struct nfs_compound_builder builder;
};

static void add(struct encoding *e, enum opnum4 op, const union nfs4_args *args)
{
    nfs_compound_add(&e->builder, op, args);
}

static void add_handle(struct encoding *e, uint16_t inode)
{
    CHECK(inode < MODEL_INODES_MAX);
    const struct known_handle *handle = &e->client->population->handles[inode];
    CHECK(handle->size_bytes > 0);
    nfs_add_putfh(&e->builder, slice_make(handle->bytes, handle->size_bytes));
}

/* The operation that the step is about: everything before it only leads there. */
static void add_main(struct encoding *e, struct step *step, enum opnum4 op, const union nfs4_args *args)
{
    step->main_operation = e->builder.operation_count;
    add(e, op, args);
}

/* RFC 8881 section 16.2.3.1.2: seqid 1 and all zeros stand for the current stateid. */
static struct stateid4 step_stateid(const struct step *step)
{
    return step->follows ? (struct stateid4){.seqid = 1} : step->stateid;
}

static struct fattr4 attributes_of(struct encoding *e, uint32_t number, uint64_t value)
{
    struct bitmap4 mask = {0};
    struct nfs4_attributes attributes = {0};
    bitmap4_add(&mask, number);
    if (number == FATTR4_SIZE)
        attributes.size = value;
    else
        attributes.mode = (uint32_t)value;
    return nfs4_fattr_for_set(&mask, &attributes, e->builder.arena);
}

static struct fattr4 change_attribute(struct encoding *e, uint64_t change)
{
    uint8_t bytes[8];
    struct fattr4 fattr = {0};
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(change >> (56 - 8 * i));
    bitmap4_add(&fattr.attrmask, FATTR4_CHANGE);
    fattr.attr_vals = arena_copy(e->builder.arena, slice_make(bytes, sizeof(bytes)));
    return fattr;
}

static struct fattr4 open_attributes(struct encoding *e, const struct step *step)
{
    struct bitmap4 mask = {0};
    struct nfs4_attributes attributes = {.mode = step->mode, .size = 0};
    bitmap4_add(&mask, FATTR4_MODE);
    if (step->truncate)
        bitmap4_add(&mask, FATTR4_SIZE);
    return nfs4_fattr_for_set(&mask, &attributes, e->builder.arena);
}

static struct slice owner_name(struct encoding *e, const struct step *step, char kind)
{
    uint8_t name[2] = {(uint8_t)kind, (uint8_t)('0' + step->owner)};
    return arena_copy(e->builder.arena, slice_make(name, sizeof(name)));
}

static void encode_open(struct encoding *e, struct step *step)
{
    union nfs4_args args = {.opopen = {.share_access = step->access,
                                       .share_deny = step->deny,
                                       .owner = {e->client->session.clientid, owner_name(e, step, 'o')},
                                       .claim = {.claim = CLAIM_NULL, .u.file = slice_text(step->name)}}};
    struct openflag4 *flag = &args.opopen.openhow;
    if (step->create != CREATE_NOT) {
        flag->opentype = OPEN4_CREATE;
        flag->how.mode = step->create == CREATE_UNCHECKED ? UNCHECKED4
                         : step->create == CREATE_GUARDED ? GUARDED4
                                                          : EXCLUSIVE4_1;
        if (step->create == CREATE_EXCLUSIVE) {
            memcpy(flag->how.u.ch_createboth.cva_verf.data, &step->verifier, sizeof(step->verifier));
            flag->how.u.ch_createboth.cva_attrs = open_attributes(e, step);
        } else {
            flag->how.u.createattrs = open_attributes(e, step);
        }
    }
    add_main(e, step, OP_OPEN, &args);
    add(e, OP_GETFH, NULL);
}

static void encode_write(struct encoding *e, struct step *step)
{
    uint8_t *bytes = arena_alloc(e->builder.arena, (size_t)step->length);
    pattern_fill(step->pattern, step->offset, bytes, (size_t)step->length);
    union nfs4_args args = {.opwrite = {.stateid = step_stateid(step),
                                        .offset = step->offset,
                                        .stable = step->pattern % 2 == 0 ? UNSTABLE4 : FILE_SYNC4,
                                        .data = slice_make(bytes, (size_t)step->length)}};
    add_main(e, step, OP_WRITE, &args);
}

static void encode_lock(struct encoding *e, struct step *step)
{
    if (step->kind == STEP_UNLOCK) {
        union nfs4_args args = {.oplocku = {.locktype = WRITE_LT,
                                            .lock_stateid = step_stateid(step),
                                            .offset = step->offset,
                                            .length = step->length}};
        add_main(e, step, OP_LOCKU, &args);
        return;
    }
    union nfs4_args args = {.oplock = {.locktype = step->exclusive ? WRITE_LT : READ_LT,
                                       .offset = step->offset,
                                       .length = step->length,
                                       .locker = {.new_lock_owner = step->new_lock_owner}}};
    if (step->new_lock_owner)
        args.oplock.locker.u.open_owner = (struct open_to_lock_owner4){
            .open_stateid = step_stateid(step),
            .lock_owner = {e->client->session.clientid, owner_name(e, step, 'l')},
        };
    else
        args.oplock.locker.u.lock_owner.lock_stateid = step_stateid(step);
    add_main(e, step, OP_LOCK, &args);
}

static void encode_mkdir(struct encoding *e, struct step *step)
{
    union nfs4_args args = {.opcreate = {.objtype = {.type = NF4DIR}, .objname = slice_text(step->name)}};
    args.opcreate.createattrs = attributes_of(e, FATTR4_MODE, step->mode);
    add_main(e, step, OP_CREATE, &args);
    add(e, OP_GETFH, NULL);
}

static void encode_change(struct encoding *e, struct step *step)
{
    union nfs4_args args = {.opremove = {slice_text(step->name)}};
    switch (step->kind) {
    case STEP_OPEN: encode_open(e, step); break;
    case STEP_CLOSE:
        args = (union nfs4_args){.opclose = {.open_stateid = step_stateid(step)}};
        add_main(e, step, OP_CLOSE, &args);
        break;
    case STEP_WRITE: encode_write(e, step); break;
    case STEP_RESIZE:
    case STEP_CHMOD:
        args = (union nfs4_args){.opsetattr = {.stateid = step_stateid(step)}};
        args.opsetattr.obj_attributes = step->kind == STEP_RESIZE ? attributes_of(e, FATTR4_SIZE, step->size)
                                                                  : attributes_of(e, FATTR4_MODE, step->mode);
        add_main(e, step, OP_SETATTR, &args);
        break;
    case STEP_LOCK:
    case STEP_UNLOCK: encode_lock(e, step); break;
    case STEP_MKDIR: encode_mkdir(e, step); break;
    case STEP_LINK:
        args = (union nfs4_args){.oplink = {slice_text(step->name)}};
        add_main(e, step, OP_LINK, &args);
        break;
    case STEP_RENAME:
        args = (union nfs4_args){.oprename = {slice_text(step->name), slice_text(step->target_name)}};
        add_main(e, step, OP_RENAME, &args);
        break;
    case STEP_REMOVE: add_main(e, step, OP_REMOVE, &args); break;
    case STEP_RECLAIMED:
        args = (union nfs4_args){.opreclaim_complete = {.rca_one_fs = false}};
        add_main(e, step, OP_RECLAIM_COMPLETE, &args);
        break;
    case STEP_READ:
    case STEP_GETATTR:
    case STEP_LOOKUP:
    case STEP_READDIR:
    case STEP_VERIFY:
    case STEP_ROOT:
    case STEP_KIND_COUNT: CHECK(step_kind_changes(step->kind));
    }
}

struct bitmap4 encode_look_mask(void)
{
    struct bitmap4 mask = {0};
    bitmap4_add(&mask, FATTR4_TYPE);
    bitmap4_add(&mask, FATTR4_CHANGE);
    bitmap4_add(&mask, FATTR4_SIZE);
    bitmap4_add(&mask, FATTR4_MODE);
    bitmap4_add(&mask, FATTR4_NUMLINKS);
    return mask;
}

static void encode_look(struct encoding *e, struct step *step)
{
    union nfs4_args args;
    memset(&args, 0, sizeof(args));
    if (step->kind == STEP_READ) {
        args.opread = (struct READ4args){step_stateid(step), step->offset, (uint32_t)step->length};
        add_main(e, step, OP_READ, &args);
    } else if (step->kind == STEP_GETATTR) {
        args.opgetattr.attr_request = encode_look_mask();
        add_main(e, step, OP_GETATTR, &args);
    } else if (step->kind == STEP_LOOKUP) {
        args.oplookup.objname = slice_text(step->name);
        add_main(e, step, OP_LOOKUP, &args);
        add(e, OP_GETFH, NULL);
    } else if (step->kind == STEP_READDIR) {
        args.opreaddir = (struct READDIR4args){.dircount = 32768, .maxcount = 65536};
        add_main(e, step, OP_READDIR, &args);
    } else {
        CHECK(step->kind == STEP_VERIFY);
        args.opverify.obj_attributes =
            step->change != 0 ? change_attribute(e, step->change) : attributes_of(e, FATTR4_SIZE, step->size);
        add_main(e, step, OP_VERIFY, &args);
    }
}

static void encode_step(struct encoding *e, struct step *step)
{
    step->first_operation = e->builder.operation_count;
    if (step->kind == STEP_ROOT) {
        add(e, OP_PUTROOTFH, NULL);
        nfs_add_lookup(&e->builder, slice_text("data"));
        add_main(e, step, OP_GETFH, NULL);
    } else {
        if (step->kind == STEP_LINK) {
            add_handle(e, step->linked);
            add(e, OP_SAVEFH, NULL);
        }
        if (!step->follows && step->kind != STEP_RECLAIMED)
            add_handle(e, step->file);
        if (step->kind == STEP_RENAME) {
            add(e, OP_SAVEFH, NULL);
            add_handle(e, step->target_directory);
        }
        if (step_kind_changes(step->kind))
            encode_change(e, step);
        else
            encode_look(e, step);
    }
    step->operation_count = e->builder.operation_count - step->first_operation;
}

static size_t room_for(const struct request *request)
{
    size_t room = 8192;
    for (uint32_t i = 0; i < request->step_count; i++)
        room += request->steps[i].kind == STEP_WRITE ? (size_t)request->steps[i].length : 0;
    return room;
}

void encode_request(struct client *client, struct request *request)
{
    struct encoding e = {.client = client, .request = request};
    nfs_session_start(&client->session, &e.builder, &request->arena, room_for(request), request->slot,
                      request->cache_this);
    for (uint32_t i = 0; i < request->step_count; i++)
        encode_step(&e, &request->steps[i]);
    request->wire = nfs_compound_finish(&e.builder);
}

void encode_false_retry(struct client *client, struct request *request)
{
    struct encoding e = {.client = client, .request = request};
    nfs_session_start(&client->session, &e.builder, &request->arena, 8192, request->slot, request->cache_this);
    add_handle(&e, MODEL_ROOT);
    nfs_add_remove(&e.builder, slice_text("false retry"));
    request->wire = nfs_compound_finish(&e.builder);
}
