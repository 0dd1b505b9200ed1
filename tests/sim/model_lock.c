/* model_lock.c: byte ranges: who holds what, in the plainest form. */
#include "base/check.h"
#include "tests/sim/model.h"

/* The last byte of a step's range. */
static uint64_t range_last(const struct step *step)
{
    return step->length == STEP_TO_END ? UINT64_MAX : step->offset + step->length - 1;
}

static bool lock_is_of(const struct model_lock *lock, const struct step *step, uint32_t client)
{
    return lock->used && lock->client == client && lock->owner == step->owner && lock->inode == step->file;
}

static bool lock_overlaps(const struct model_lock *lock, uint64_t first, uint64_t last)
{
    return lock->first <= last && first <= lock->last;
}

const struct model_lock *model_lock_conflict(const struct model *model, const struct step *step, uint32_t client)
{
    for (size_t i = 0; i < MODEL_LOCKS_MAX; i++) {
        const struct model_lock *lock = &model->locks[i];
        if (lock->used && lock->inode == step->file && !lock_is_of(lock, step, client) &&
            (lock->exclusive || step->exclusive) && lock_overlaps(lock, step->offset, range_last(step)))
            return lock;
    }
    return NULL;
}

static struct model_lock *lock_add(struct model *model)
{
    size_t at = 0;
    while (at < MODEL_LOCKS_MAX && model->locks[at].used)
        at++;
    CHECK(at < MODEL_LOCKS_MAX);
    return &model->locks[at];
}

bool model_lock_set(struct model *model, const struct step *step, uint32_t client, bool locked)
{
    uint64_t first = step->offset;
    uint64_t last = range_last(step);
    bool split = false;
    for (size_t i = 0; i < MODEL_LOCKS_MAX; i++) {
        struct model_lock *lock = &model->locks[i];
        if (!lock_is_of(lock, step, client) || !lock_overlaps(lock, first, last))
            continue;
        struct model_lock old = *lock;
        lock->used = false;
        if (old.first < first) {
            *lock = old;
            lock->last = first - 1;
        }
        if (old.last > last) {
            struct model_lock *rest = lock->used ? lock_add(model) : lock;
            split = lock->used;
            *rest = old;
            rest->first = last + 1;
        }
    }
    if (locked)
        *lock_add(model) = (struct model_lock){.used = true,
                                               .exclusive = step->exclusive,
                                               .inode = step->file,
                                               .client = client,
                                               .owner = step->owner,
                                               .first = first,
                                               .last = last};
    return split;
}

void model_lock_drop(struct model *model, uint32_t client, uint32_t owner, uint16_t inode)
{
    for (size_t i = 0; i < MODEL_LOCKS_MAX; i++) {
        struct model_lock *lock = &model->locks[i];
        if (lock->used && lock->client == client && lock->owner == owner && lock->inode == inode)
            lock->used = false;
    }
}
