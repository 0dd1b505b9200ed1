/* step.h: what a simulated client asks for: one change or one read, with its operands in terms of the model, its place
 * in a compound, and what came of it. A request is a compound of a few steps. */
#ifndef TESTS_SIM_STEP_H
#define TESTS_SIM_STEP_H

#include "proto/nfs4/types.h"

enum step_kind {
    /* changes: a command each */
    STEP_OPEN,
    STEP_CLOSE,
    STEP_WRITE,
    STEP_RESIZE,
    STEP_CHMOD,
    STEP_LOCK,
    STEP_UNLOCK,
    STEP_MKDIR,
    STEP_LINK,
    STEP_RENAME,
    STEP_REMOVE,
    STEP_RECLAIMED, /* RECLAIM_COMPLETE: once, at the begin */
    /* reads */
    STEP_READ,
    STEP_GETATTR,
    STEP_LOOKUP,
    STEP_READDIR,
    STEP_VERIFY,
    STEP_ROOT, /* finds the export's root from the server's */
    STEP_KIND_COUNT
};

static inline bool step_kind_changes(enum step_kind kind)
{
    return kind < STEP_READ;
}

const char *step_kind_name(enum step_kind kind);

enum step_create { CREATE_NOT, CREATE_UNCHECKED, CREATE_GUARDED, CREATE_EXCLUSIVE };

/* How a READ, WRITE or SETATTR names what allows it. */
enum step_allowed_by { BY_OPEN, BY_LOCK, BY_NOTHING };

#define STEP_NAME_BYTES 12u
/* Length of a lock to the end of whatever the file will be. */
#define STEP_TO_END UINT64_MAX
/* No inode of the model. */
#define MODEL_NO_INODE UINT16_MAX

/* What the model says a step does. */
struct outcome {
    enum nfsstat4 status;
    uint16_t inode;  /* made, opened, looked up */
    bool made;       /* by OPEN */
    bool split;      /* a lock, by UNLOCK */
    uint64_t before; /* of the directory (RENAME: the source's) */
    uint64_t after;  /* the same */
    uint64_t target_before;
    uint64_t target_after;
};

struct step {
    enum step_kind kind;
    bool follows;  /* works on the current file handle and stateid that the step before has left */
    uint16_t file; /* also the directory of LOOKUP, READDIR, OPEN, MKDIR, LINK, REMOVE, RENAME's source */
    uint16_t target_directory;
    uint16_t linked; /* LINK: what gets another name */
    char name[STEP_NAME_BYTES];
    char target_name[STEP_NAME_BYTES];

    uint32_t owner; /* OPEN, CLOSE, LOCK, UNLOCK and what is allowed by one */
    uint32_t access;
    uint32_t deny;
    enum step_create create;
    bool truncate;
    uint64_t verifier;

    enum step_allowed_by allowed_by;
    uint64_t offset;
    uint64_t length;  /* READ, WRITE, LOCK, UNLOCK */
    uint64_t pattern; /* WRITE: what the bytes are made from */
    uint64_t size;    /* RESIZE, VERIFY */
    uint64_t change;  /* VERIFY: this instead of the size, unless it is 0 */
    uint32_t mode;    /* CHMOD, OPEN and MKDIR that create */
    bool exclusive;   /* LOCK */

    /* The wire. */
    struct stateid4 stateid;
    bool new_lock_owner;
    uint32_t first_operation;
    uint32_t main_operation;
    uint32_t operation_count;

    /* The truth. */
    bool executed;
    uint64_t version; /* of the model that holds it, if executed */
    struct outcome expected;
};

/* The bytes of a pattern at an offset of the file. */
void pattern_fill(uint64_t pattern, uint64_t offset, uint8_t *bytes, size_t size_bytes);

#endif
