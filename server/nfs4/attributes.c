#include "server/nfs4/attributes.h"

#include "base/limits.h"
#include "server/nfs4/lease.h"
#include "server/nfs4/state.h"
#include "statestore/machine/attributes.h"

#define NANOSECONDS 1000000000
/* Inodes cost about this much disk: what is free for files follows from what is free. */
#define FILE_COST_BYTES 1024u
#define MODE_BITS 07777u

static struct nfstime4 time_encode(int64_t nanoseconds)
{
    int64_t seconds = nanoseconds / NANOSECONDS;
    int64_t rest = nanoseconds % NANOSECONDS;
    if (rest < 0) {
        seconds--;
        rest += NANOSECONDS;
    }
    return (struct nfstime4){.seconds = seconds, .nseconds = (uint32_t)rest};
}

/* What is equal for all files. */
static void show_server(struct compound *compound, struct nfs4_attributes *values)
{
    const struct nfs4_moment *moment = compound->moment;
    *values = (struct nfs4_attributes){
        .supported_attrs = nfs4_attributes_supported(compound->head.minorversion),
        .suppattr_exclcreat = nfs4_attributes_settable(compound->head.minorversion),
        .change_attr_type = NFS4_CHANGE_TYPE_IS_MONOTONIC_INCR,
        .fh_expire_type = FH4_PERSISTENT,
        .lease_time = (uint32_t)(lease_period_ms(compound->server, moment, compound_arena(compound)) / 1000),
        .time_delta = {.nseconds = 1},
        .files_avail = moment->free_bytes / FILE_COST_BYTES,
        .files_free = moment->free_bytes / FILE_COST_BYTES,
        .files_total = moment->total_bytes / FILE_COST_BYTES,
        .space_avail = moment->free_bytes,
        .space_free = moment->free_bytes,
        .space_total = moment->total_bytes,
        .maxfilesize = NFS4_FILE_SIZE_MAX_BYTES,
        .maxread = NFS4_IO_MAX_BYTES,
        .maxwrite = NFS4_IO_MAX_BYTES,
        .maxlink = NFS4_LINKS_MAX,
        .maxname = NFS4_NAME_MAX_BYTES,
        .fs_charset_cap = FSCHARSET_CAP4_ALLOWS_ONLY_UTF8,
        .link_support = true,
        .symlink_support = true,
        .unique_handles = true,
        .cansettime = true,
        .case_preserving = true,
        .chown_restricted = true,
        .homogeneous = true,
        .no_trunc = true,
    };
}

/* The file of the directory on which this one is mounted; the file itself if it is no export's root. */
static uint64_t mounted_on(struct compound *compound, const struct subject *subject)
{
    struct pseudo_node node;
    uint64_t fileid = subject->id.inode.value;
    if (subject->is_pseudo || fileid != INODE_ROOT.value)
        return fileid;
    uint64_t *remembered = view_cache_mounted_on(&compound->server->cache, &subject->export);
    if (remembered != NULL && *remembered != 0)
        return *remembered;
    if (subject_mount_point(compound, &subject->export, &node))
        fileid = node.inode.value;
    if (remembered != NULL)
        *remembered = fileid;
    return fileid;
}

void attributes_show(struct compound *compound, const struct subject *subject, struct attributes_shown *shown)
{
    struct nfs4_attributes *values = &shown->values;
    const struct inode *inode = &subject->inode;
    show_server(compound, values);
    values->type = inode->type;
    values->change = inode->change;
    values->size = inode->size_bytes;
    values->fsid = (struct fsid4){.major = subject->id.volume.value, .minor = 0};
    values->fileid = inode->id.inode.value;
    values->mounted_on_fileid = mounted_on(compound, subject);
    values->mode = inode->mode;
    values->numlinks = inode->link_count;
    values->owner = owner_encode(inode->owner, shown->owner);
    values->owner_group = owner_encode(inode->group, shown->owner_group);
    values->rawdev = (struct specdata4){inode->device_major, inode->device_minor};
    values->space_used = inode->used_bytes;
    values->time_access = time_encode(inode->access_time_ns);
    values->time_create = time_encode(inode->create_time_ns);
    values->time_metadata = time_encode(inode->metadata_time_ns);
    values->time_modify = time_encode(inode->modify_time_ns);
    filehandle_encode(&compound->server->config.mac_key, subject->id, shown->handle);
    values->filehandle = slice_make(shown->handle, sizeof(shown->handle));
}

void attributes_show_error(struct compound *compound, enum nfsstat4 error, struct attributes_shown *shown)
{
    show_server(compound, &shown->values);
    shown->values.rdattr_error = error;
}

bool attributes_readable(const struct compound *compound, const struct bitmap4 *requested)
{
    struct bitmap4 supported = nfs4_attributes_supported(compound->head.minorversion);
    struct bitmap4 readable = nfs4_attributes_readable(compound->head.minorversion);
    struct bitmap4 known = bitmap4_intersection(requested, &supported);
    return bitmap4_within(&known, &readable);
}

static Qnfs__Time *time_command(struct compound *compound, const struct nfstime4 *time)
{
    Qnfs__Time *message = ARENA_NEW(compound_arena(compound), Qnfs__Time);
    qnfs__time__init(message);
    message->seconds = time->seconds;
    message->nanoseconds = time->nseconds;
    return message;
}

static bool times_valid(const struct bitmap4 *mask, const struct nfs4_attributes *values)
{
    if (bitmap4_has(mask, FATTR4_TIME_ACCESS_SET) && values->time_access_set.set_it == SET_TO_CLIENT_TIME4 &&
        values->time_access_set.time.nseconds >= NANOSECONDS)
        return false;
    if (bitmap4_has(mask, FATTR4_TIME_MODIFY_SET) && values->time_modify_set.set_it == SET_TO_CLIENT_TIME4 &&
        values->time_modify_set.time.nseconds >= NANOSECONDS)
        return false;
    return !bitmap4_has(mask, FATTR4_TIME_CREATE) || values->time_create.nseconds < NANOSECONDS;
}

static void times_command(struct compound *compound, const struct bitmap4 *mask, const struct nfs4_attributes *values,
                          Qnfs__Attributes *message)
{
    if (bitmap4_has(mask, FATTR4_TIME_ACCESS_SET)) {
        bool given = values->time_access_set.set_it == SET_TO_CLIENT_TIME4;
        message->mask |= given ? ATTRIBUTE_ACCESS_TIME : ATTRIBUTE_ACCESS_NOW;
        if (given)
            message->access_time = time_command(compound, &values->time_access_set.time);
    }
    if (bitmap4_has(mask, FATTR4_TIME_MODIFY_SET)) {
        bool given = values->time_modify_set.set_it == SET_TO_CLIENT_TIME4;
        message->mask |= given ? ATTRIBUTE_MODIFY_TIME : ATTRIBUTE_MODIFY_NOW;
        if (given)
            message->modify_time = time_command(compound, &values->time_modify_set.time);
    }
    if (bitmap4_has(mask, FATTR4_TIME_CREATE)) {
        message->mask |= ATTRIBUTE_CREATE_TIME;
        message->create_time = time_command(compound, &values->time_create);
    }
}

/* The mode in its three forms; more than one at a time is NFS4ERR_INVAL (RFC 8881 section 6.4.1.1, RFC 8275 section 4). */
static enum nfsstat4 mode_command(const struct bitmap4 *mask, const struct nfs4_attributes *values,
                                  Qnfs__Attributes *message)
{
    bool plain = bitmap4_has(mask, FATTR4_MODE);
    bool masked = bitmap4_has(mask, FATTR4_MODE_SET_MASKED);
    bool umask = bitmap4_has(mask, FATTR4_MODE_UMASK);
    if ((plain && masked) || (plain && umask) || (masked && umask))
        return NFS4ERR_INVAL;
    if (plain) {
        message->mask |= ATTRIBUTE_MODE;
        message->mode = values->mode;
    }
    if (umask) {
        message->mask |= ATTRIBUTE_MODE;
        message->mode = values->mode_umask.mu_mode & ~(values->mode_umask.mu_umask & 0777u);
    }
    if (masked) {
        message->mask |= ATTRIBUTE_MODE_MASKED;
        message->mode = values->mode_set_masked.mm_value_to_set;
        message->mode_mask = values->mode_set_masked.mm_mask_bits;
    }
    bool valid = (message->mode & ~MODE_BITS) == 0 && (message->mode_mask & ~MODE_BITS) == 0;
    return valid ? NFS4_OK : NFS4ERR_INVAL;
}

enum nfsstat4 attributes_command(struct compound *compound, const struct fattr4 *fattr, Qnfs__Attributes **attributes)
{
    struct nfs4_attributes values;
    memset(&values, 0, sizeof(values));
    const struct bitmap4 *mask = &fattr->attrmask;
    struct bitmap4 supported = nfs4_attributes_supported(compound->head.minorversion);
    enum nfsstat4 status = nfs4_fattr_decode(fattr, &supported, NFS4_FATTR_SET, &values);
    if (status != NFS4_OK)
        return status;
    /* RFC 8275 section 3: mode_umask is for making files. */
    if (compound->number == OP_SETATTR && bitmap4_has(mask, FATTR4_MODE_UMASK))
        return NFS4ERR_INVAL;
    Qnfs__Attributes *message = ARENA_NEW(compound_arena(compound), Qnfs__Attributes);
    qnfs__attributes__init(message);
    *attributes = message;
    status = mode_command(mask, &values, message);
    if (status != NFS4_OK)
        return status;
    if (bitmap4_has(mask, FATTR4_OWNER)) {
        message->mask |= ATTRIBUTE_OWNER;
        if (!owner_decode(values.owner, &message->owner))
            return NFS4ERR_BADOWNER;
    }
    if (bitmap4_has(mask, FATTR4_OWNER_GROUP)) {
        message->mask |= ATTRIBUTE_GROUP;
        if (!owner_decode(values.owner_group, &message->group))
            return NFS4ERR_BADOWNER;
    }
    if (bitmap4_has(mask, FATTR4_SIZE)) {
        message->mask |= ATTRIBUTE_SIZE;
        message->size = values.size;
    }
    if (!times_valid(mask, &values))
        return NFS4ERR_INVAL;
    times_command(compound, mask, &values, message);
    return NFS4_OK;
}

struct bitmap4 attributes_set(const struct bitmap4 *asked, uint32_t mask)
{
    static const struct {
        uint32_t bits;
        uint32_t attribute;
    } rows[] = {
        {ATTRIBUTE_MODE, FATTR4_MODE},
        {ATTRIBUTE_MODE, FATTR4_MODE_UMASK},
        {ATTRIBUTE_MODE_MASKED, FATTR4_MODE_SET_MASKED},
        {ATTRIBUTE_OWNER, FATTR4_OWNER},
        {ATTRIBUTE_GROUP, FATTR4_OWNER_GROUP},
        {ATTRIBUTE_SIZE, FATTR4_SIZE},
        {ATTRIBUTE_ACCESS_TIME | ATTRIBUTE_ACCESS_NOW, FATTR4_TIME_ACCESS_SET},
        {ATTRIBUTE_MODIFY_TIME | ATTRIBUTE_MODIFY_NOW, FATTR4_TIME_MODIFY_SET},
        {ATTRIBUTE_CREATE_TIME, FATTR4_TIME_CREATE},
    };
    struct bitmap4 set = {0};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if ((mask & rows[i].bits) != 0 && bitmap4_has(asked, rows[i].attribute))
            bitmap4_add(&set, rows[i].attribute);
    }
    return set;
}
