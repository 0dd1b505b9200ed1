#include "tests/sim/learn.h"

#include "base/check.h"

bool handle_agrees(const struct population *population, uint16_t inode, struct slice handle)
{
    for (uint16_t i = 0; i < MODEL_INODES_MAX; i++) {
        const struct known_handle *known = &population->handles[i];
        if (known->size_bytes == 0)
            continue;
        bool same = slice_equal(handle, slice_make(known->bytes, known->size_bytes));
        if (same != (i == inode))
            return false;
    }
    return handle.size_bytes > 0 && handle.size_bytes <= NFS4_FHANDLE_MAX_BYTES;
}

static void learn_handle(struct client *client, const struct step *step, uint16_t inode, struct slice handle)
{
    struct population *population = client->population;
    if (!handle_agrees(population, inode, handle))
        world_violation(population->world, "client %u: %s gives inode %u a handle that is another's, or another one",
                        client->number, step_kind_name(step->kind), inode);
    struct known_handle *known = &population->handles[inode];
    known->size_bytes = handle.size_bytes;
    memcpy(known->bytes, handle.data, handle.size_bytes);
}

struct held_open *client_open_of(struct client *client, uint32_t owner, uint16_t inode)
{
    for (size_t i = 0; i < CLIENT_OPENS_MAX; i++) {
        struct held_open *open = &client->opens[i];
        if (open->used && open->owner == owner && open->inode == inode)
            return open;
    }
    return NULL;
}

/* RFC 8881 section 8.2.2: the seqid of a stateid begins at 1 and rises by one with each change of what it stands for. */
static void expect_stateid(struct client *client, const struct step *step, const struct stateid4 *before,
                           const struct stateid4 *now)
{
    bool right = before == NULL
                     ? now->seqid == 1
                     : now->seqid == before->seqid + 1 && memcmp(now->other, before->other, sizeof(now->other)) == 0;
    if (!right)
        world_violation(client->population->world, "client %u: %s gives a stateid with seqid %u, the one before had %u",
                        client->number, step_kind_name(step->kind), now->seqid, before == NULL ? 0 : before->seqid);
}

static void learn_open(struct client *client, const struct step *step, const struct step_reply *got)
{
    uint16_t inode = step->expected.inode;
    const struct stateid4 *stateid = &got->main.opopen.resok4.stateid;
    struct held_open *open = client_open_of(client, step->owner, inode);
    expect_stateid(client, step, open == NULL ? NULL : &open->stateid, stateid);
    learn_handle(client, step, inode, got->handle);
    for (size_t i = 0; open == NULL; i++) {
        CHECK(i < CLIENT_OPENS_MAX);
        if (!client->opens[i].used) {
            open = &client->opens[i];
            *open = (struct held_open){.used = true, .inode = inode, .owner = step->owner};
        }
    }
    open->access |= step->access;
    open->stateid = *stateid;
}

static void learn_lock(struct client *client, const struct step *step, const struct stateid4 *stateid)
{
    struct held_open *open = client_open_of(client, step->owner, step->file);
    CHECK(open != NULL);
    expect_stateid(client, step, open->has_locks ? &open->lock_stateid : NULL, stateid);
    open->has_locks = true;
    open->lock_stateid = *stateid;
}

void learn_from_change(struct client *client, const struct step *step, const struct step_reply *got)
{
    struct held_open *open;
    if (step->kind == STEP_OPEN) {
        learn_open(client, step, got);
    } else if (step->kind == STEP_CLOSE) {
        open = client_open_of(client, step->owner, step->file);
        CHECK(open != NULL);
        open->used = false;
    } else if (step->kind == STEP_LOCK) {
        learn_lock(client, step, &got->main.oplock.u.resok4.lock_stateid);
    } else if (step->kind == STEP_UNLOCK) {
        learn_lock(client, step, &got->main.oplocku.lock_stateid);
    } else if (step->kind == STEP_MKDIR) {
        learn_handle(client, step, step->expected.inode, got->handle);
    } else if (step->kind == STEP_RECLAIMED) {
        client->reclaimed = true;
    }
}

void learn_from_read(struct client *client, const struct step *step, const struct step_reply *got, struct model *model)
{
    if (got->status != NFS4_OK)
        return;
    if (step->kind == STEP_ROOT) {
        learn_handle(client, step, MODEL_ROOT, got->handle);
    } else if (step->kind == STEP_LOOKUP) {
        struct outcome outcome = model_execute(model, step, client->number, 0, true);
        learn_handle(client, step, outcome.inode, got->handle);
    }
}
