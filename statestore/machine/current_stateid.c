#include "statestore/machine/current_stateid.h"

#include "statestore/machine/state.h"

static bool is_current(const Qnfs__Stateid *stateid)
{
    return stateid != NULL && stateid_is_current(apply_stateid(stateid));
}

/* X(BODY, member, message, field): where commands carry a stateid. */
#define CURRENT_STATEID_PLACES(X)                                                                                      \
    X(FREE_STATEID, free_stateid, FreeStateid, stateid)                                                                \
    X(OPEN_DOWNGRADE, open_downgrade, OpenDowngrade, stateid)                                                          \
    X(CLOSE, close, Close, stateid)                                                                                    \
    X(WRITE, write, Write, stateid)                                                                                    \
    X(SETATTR, setattr, Setattr, stateid)                                                                              \
    X(LOCK, lock, Lock, open_stateid)                                                                                  \
    X(LOCK, lock, Lock, lock_stateid)                                                                                  \
    X(LOCKU, locku, Locku, stateid)

/* Each function copies the command and its body only if the field holds the special stateid. */
#define CURRENT_STATEID_RESOLVE(body, member, message, field)                                                          \
    static const Qnfs__Command *resolve_##member##_##field(struct apply *apply, const Qnfs__Command *command,          \
                                                           Qnfs__Stateid *current)                                     \
    {                                                                                                                  \
        if (command->body_case != QNFS__COMMAND__BODY_##body || !is_current(command->member->field))                   \
            return command;                                                                                            \
        Qnfs__Command *copy = arena_alloc(apply->arena, sizeof(*copy));                                                \
        Qnfs__##message *inner = arena_alloc(apply->arena, sizeof(*inner));                                            \
        *copy = *command;                                                                                              \
        *inner = *command->member;                                                                                     \
        inner->field = current;                                                                                        \
        copy->member = inner;                                                                                          \
        return copy;                                                                                                   \
    }
CURRENT_STATEID_PLACES(CURRENT_STATEID_RESOLVE)

const Qnfs__Command *current_stateid_resolve(struct apply *apply, const Qnfs__SlotOrigin *origin)
{
    const Qnfs__Command *command = apply->command;
    if (origin->current_stateid == NULL)
        return command;
#define CURRENT_STATEID_TRY(body, member, message, field)                                                              \
    command = resolve_##member##_##field(apply, command, origin->current_stateid);
    CURRENT_STATEID_PLACES(CURRENT_STATEID_TRY)
    return command;
}
