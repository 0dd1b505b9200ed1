/* open.c: OPEN (RFC 8881 section 18.16): finds or makes the file, judges permission and share reservations, gives out or
 * upgrades the owner's stateid. All is judged before anything is written. */
#include "statestore/machine/open.h"

#include "base/check.h"
#include "base/limits.h"
#include "proto/nfs4/open.h"
#include "statestore/machine/apply.h"
#include "statestore/machine/attributes.h"
#include "statestore/machine/client.h"
#include "statestore/machine/inode.h"
#include "statestore/machine/name.h"

#define MODE_READ 4u
#define MODE_WRITE 2u
#define MODE_EXECUTE 1u

/* One OPEN while it is judged. */
struct opening {
    const Qnfs__Open *command;
    struct client_id client;
    struct client_usage usage;
    struct slice owner;
    bool is_read_only; /* the export */
    bool by_name;
    struct inode directory; /* by_name */
    struct slice name;
    bool exists;       /* before this command */
    bool is_ours;      /* exists, and an earlier try of this exclusive create made it */
    bool is_truncated; /* exists, and its size is to become 0 */
    struct inode file;
    bool has_state; /* the owner has it open: an upgrade */
    struct state state;
    uint64_t change_before;
    uint64_t change_after;
    uint32_t attributes_set;
};

static enum nfsstat4 opening_check_arguments(const Qnfs__Open *command)
{
    if (command->access == 0 || command->access > OPEN4_SHARE_ACCESS_BOTH || command->deny > OPEN4_SHARE_DENY_BOTH)
        return NFS4ERR_INVAL;
    if (command->create && command->create_mode > EXCLUSIVE4_1)
        return NFS4ERR_INVAL;
    switch ((enum open_claim_type4)command->claim) {
    case CLAIM_NULL: return NFS4_OK;
    /* RFC 8881 section 18.16.3: only CLAIM_NULL creates. */
    case CLAIM_FH: return command->create ? NFS4ERR_INVAL : NFS4_OK;
    /* There is no grace period: nothing was forgotten that could be reclaimed. */
    case CLAIM_PREVIOUS: return NFS4ERR_NO_GRACE;
    /* No delegation was ever given. */
    case CLAIM_DELEGATE_CUR:
    case CLAIM_DELEG_CUR_FH: return NFS4ERR_BAD_STATEID;
    case CLAIM_DELEGATE_PREV:
    case CLAIM_DELEG_PREV_FH: return NFS4ERR_NOTSUPP;
    default: return NFS4ERR_INVAL;
    }
}

static enum nfsstat4 opening_check_client(struct apply *apply, struct opening *opening)
{
    if (!client_usage_get(apply->read, opening->client, apply->arena, &opening->usage))
        return NFS4ERR_EXPIRED;
    return client_judge_reclaiming(apply, &opening->usage);
}

/* In the pseudo file system there are only directories, and nothing can be made. */
static enum nfsstat4 opening_in_pseudo(struct apply *apply, const struct opening *opening)
{
    struct pseudo_node node;
    const struct inode_id directory = apply_file(opening->command->file).inode;
    if (!opening->by_name)
        return NFS4ERR_ISDIR;
    enum nfsstat4 status = name_check(opening->name);
    if (status != NFS4_OK)
        return status;
    if (pseudo_lookup(apply->read, directory, opening->name, apply->arena, &node))
        return NFS4ERR_ISDIR;
    return opening->command->create ? NFS4ERR_ROFS : NFS4ERR_NOENT;
}

static enum nfsstat4 opening_find_by_name(struct apply *apply, struct opening *opening)
{
    struct dirent dirent;
    if (!inode_find(apply->read, apply_file(opening->command->file), apply->arena, &opening->directory))
        return NFS4ERR_STALE;
    if (opening->directory.type == NF4LNK)
        return NFS4ERR_SYMLINK;
    enum nfsstat4 status = name_lookup(apply, &opening->directory, opening->name, &dirent, &opening->exists);
    if (status != NFS4_OK)
        return status;
    opening->change_before = opening->change_after = opening->directory.change;
    if (!opening->exists)
        return opening->command->create ? NFS4_OK : NFS4ERR_NOENT;
    bool found = inode_get(apply->read, opening->directory.id.volume, dirent.inode, apply->arena, &opening->file);
    CHECK(found || apply->read->failed);
    return NFS4_OK;
}

static enum nfsstat4 opening_find_by_handle(struct apply *apply, struct opening *opening)
{
    opening->exists = inode_find(apply->read, apply_file(opening->command->file), apply->arena, &opening->file);
    if (!opening->exists)
        return NFS4ERR_STALE;
    /* Removed, and nobody has it open: it is being freed. */
    if (opening->file.link_count == 0 && !open_any(apply->read, opening->file.id, apply->arena))
        return NFS4ERR_STALE;
    return NFS4_OK;
}

static enum nfsstat4 opening_find(struct apply *apply, struct opening *opening)
{
    const struct file_id target = apply_file(opening->command->file);
    enum nfsstat4 status = apply_admit_volume(apply, target.volume, &opening->is_read_only);
    if (status != NFS4_OK)
        return status;
    if (target.volume.value == VOLUME_PSEUDO.value)
        return opening_in_pseudo(apply, opening);
    return opening->by_name ? opening_find_by_name(apply, opening) : opening_find_by_handle(apply, opening);
}

/* An existing file under a create: what the create mode makes of it. */
static enum nfsstat4 opening_judge_create(struct opening *opening)
{
    const Qnfs__Open *command = opening->command;
    if (!command->create || !opening->exists)
        return NFS4_OK;
    switch ((enum createmode4)command->create_mode) {
    case UNCHECKED4:
        /* RFC 8881 section 18.16.3: "the server will ... truncate the file if size 0 is specified, and ignore the rest" */
        opening->is_truncated = (command->attributes->mask & ATTRIBUTE_SIZE) != 0 && command->attributes->size == 0;
        return NFS4_OK;
    case GUARDED4: return NFS4ERR_EXIST;
    case EXCLUSIVE4:
    case EXCLUSIVE4_1:
        opening->is_ours = opening->file.type == NF4REG && opening->file.verifier_set &&
                           memcmp(opening->file.verifier, command->verifier.data, sizeof(opening->file.verifier)) == 0;
        return opening->is_ours ? NFS4_OK : NFS4ERR_EXIST;
    default: return NFS4ERR_INVAL;
    }
}

static enum nfsstat4 opening_judge_type(const struct opening *opening)
{
    if (!opening->exists || opening->file.type == NF4REG)
        return NFS4_OK;
    if (opening->file.type == NF4DIR)
        return NFS4ERR_ISDIR;
    return opening->file.type == NF4LNK ? NFS4ERR_SYMLINK : NFS4ERR_WRONG_TYPE;
}

/* A file that this owner has just made is opened whatever its mode says: open(2) promises that. Denying others is a
 * write in disguise, so it needs what writing needs. */
static enum nfsstat4 opening_judge_permission(struct apply *apply, const struct opening *opening)
{
    const Qnfs__Open *command = opening->command;
    bool writes = (command->access & OPEN4_SHARE_ACCESS_WRITE) != 0 || opening->is_truncated;
    if (opening->is_read_only && (writes || !opening->exists))
        return NFS4ERR_ROFS;
    if (!opening->exists || opening->is_ours)
        return NFS4_OK;
    uint32_t bits = access_mode_bits(&opening->file, &apply->identity);
    /* Who may execute a file reads it to do so. */
    if ((bits & MODE_EXECUTE) != 0 && !writes)
        bits |= MODE_READ;
    if ((command->access & OPEN4_SHARE_ACCESS_READ) != 0 && (bits & MODE_READ) == 0)
        return NFS4ERR_ACCESS;
    if ((writes || (command->deny & OPEN4_SHARE_DENY_READ) != 0) && (bits & MODE_WRITE) == 0)
        return NFS4ERR_ACCESS;
    /* A client that truncates says that it writes. */
    if (opening->is_truncated && (command->access & OPEN4_SHARE_ACCESS_WRITE) == 0)
        return NFS4ERR_INVAL;
    return NFS4_OK;
}

static enum nfsstat4 opening_judge_state(struct apply *apply, struct opening *opening)
{
    if (opening->exists)
        opening->has_state = state_of_owner(apply->read, STATE_OPEN, opening->client, opening->owner, opening->file.id,
                                            apply->arena, &opening->state);
    if (!opening->has_state && opening->usage.state_count >= NFS4_OPENS_PER_CLIENT_MAX)
        return NFS4ERR_DELAY;
    if (!opening->exists)
        return NFS4_OK;
    enum nfsstat4 status = open_judge_share(apply, opening->file.id, opening->command->access, opening->command->deny,
                                            opening->has_state ? &opening->state : NULL);
    /* An orphan may have gone with the courtesy client that had it open. */
    if (status == NFS4_OK && opening->file.link_count == 0 &&
        !inode_find(apply->read, opening->file.id, apply->arena, &opening->file))
        status = NFS4ERR_STALE;
    return status;
}

static enum nfsstat4 opening_make_file(struct apply *apply, struct opening *opening)
{
    const Qnfs__Open *command = opening->command;
    const Qnfs__Attributes none = QNFS__ATTRIBUTES__INIT;
    bool exclusive = command->create_mode == EXCLUSIVE4 || command->create_mode == EXCLUSIVE4_1;
    const Qnfs__Attributes *attributes = command->create_mode == EXCLUSIVE4 ? &none : command->attributes;
    if (opening->is_ours) {
        opening->attributes_set = attributes->mask;
        return NFS4_OK;
    }
    if (opening->exists) {
        opening->attributes_set = opening->is_truncated ? ATTRIBUTE_SIZE : 0;
        return opening->is_truncated ? file_truncate(apply, &opening->file, 0) : NFS4_OK;
    }
    return file_create(apply, &opening->directory, opening->name, attributes, exclusive ? command->verifier.data : NULL,
                       &opening->file, &opening->change_before, &opening->change_after, &opening->attributes_set);
}

static uint16_t combination(uint32_t access, uint32_t deny)
{
    CHECK(access >= 1 && access <= 3 && deny <= 3);
    return (uint16_t)(1u << ((access - 1) * 4 + deny));
}

static void opening_make_state(struct apply *apply, struct opening *opening)
{
    const Qnfs__Open *command = opening->command;
    struct state *state = &opening->state;
    if (opening->has_state) {
        uint32_t access_before = state->access;
        uint32_t deny_before = state->deny;
        state->access |= command->access;
        state->deny |= command->deny;
        state->combinations |= combination(command->access, command->deny);
        state_advance(state);
        open_change(apply, state, access_before, deny_before);
        return;
    }
    *state = (struct state){.id = state_make_id(apply),
                            .kind = STATE_OPEN,
                            .client = opening->client,
                            .file = opening->file.id,
                            .owner = opening->owner,
                            .access = command->access,
                            .deny = command->deny,
                            .combinations = combination(command->access, command->deny)};
    open_make(apply, state);
}

/* Delegations are never given; a client that asked for one learns why. */
static uint32_t no_delegation_reason(uint32_t want)
{
    switch (want & OPEN4_SHARE_ACCESS_WANT_DELEG_MASK) {
    case OPEN4_SHARE_ACCESS_WANT_NO_DELEG: return WND4_NOT_WANTED;
    case OPEN4_SHARE_ACCESS_WANT_CANCEL: return WND4_CANCELLED;
    default: return WND4_NOT_SUPP_FTYPE;
    }
}

static void opening_answer(struct apply *apply, const struct opening *opening)
{
    Qnfs__OpenResult *result = arena_alloc(apply->arena, sizeof(*result));
    qnfs__open_result__init(result);
    result->stateid = apply_stateid_result(apply, opening->state.id);
    result->change = apply_change_result(apply, opening->change_before, opening->change_after);
    result->rflags = OPEN4_RESULT_LOCKTYPE_POSIX | OPEN4_RESULT_PRESERVE_UNLINKED;
    result->attributes_set = opening->attributes_set;
    result->file = apply_file_result(apply, opening->file.id);
    result->no_delegation_reason = no_delegation_reason(opening->command->want);
    apply->result->body_case = QNFS__RESULT__BODY_OPEN;
    apply->result->open = result;
    apply_answer(apply, NFS4_OK);
}

void open_apply(struct apply *apply, const Qnfs__Open *command)
{
    struct opening opening = {.command = command,
                              .client = apply_client(apply, command->client),
                              .owner = slice_make(command->owner.data, command->owner.len),
                              .by_name = command->claim == CLAIM_NULL,
                              .name = slice_make(command->name.data, command->name.len)};
    enum nfsstat4 status = opening_check_arguments(command);
    if (status == NFS4_OK)
        status = opening_check_client(apply, &opening);
    if (status == NFS4_OK)
        status = opening_find(apply, &opening);
    if (status == NFS4_OK)
        status = opening_judge_create(&opening);
    if (status == NFS4_OK)
        status = opening_judge_type(&opening);
    if (status == NFS4_OK)
        status = opening_judge_permission(apply, &opening);
    if (status == NFS4_OK)
        status = opening_judge_state(apply, &opening);
    if (status == NFS4_OK)
        status = opening_make_file(apply, &opening);
    if (status != NFS4_OK) {
        apply_answer(apply, status);
        return;
    }
    opening_make_state(apply, &opening);
    opening_answer(apply, &opening);
}
