/* SECINFO and SECINFO_NO_NAME (RFC 8881 sections 18.29 and 18.45). */
#include "base/limits.h"
#include "server/nfs4/handlers.h"

/* What the pseudo file system and an export without a list take. */
static const uint32_t default_flavors[] = {AUTH_SYS, AUTH_NONE};

/* The flavors of a file's export, the most wanted first. The current handle is used up (RFC 8881 section 2.6.3.1.1.8). */
static enum step answer_flavors(struct compound *compound, const struct subject *subject)
{
    const uint32_t *flavors = default_flavors;
    uint32_t count = sizeof(default_flavors) / sizeof(default_flavors[0]);
    if (!subject->is_pseudo) {
        flavors = subject->export.flavor_count == 0 ? default_flavors : subject->export.flavors;
        count = subject->export.flavor_count == 0 ? 1 : subject->export.flavor_count;
    }
    if (count > NFS4_SECINFO_MAX)
        count = NFS4_SECINFO_MAX;
    struct SECINFO4resok *resok = &compound->result.opsecinfo.resok4;
    resok->entries = arena_alloc_array(compound_arena(compound), count, sizeof(*resok->entries));
    for (uint32_t i = 0; i < count; i++)
        resok->entries[i].flavor = flavors[i];
    resok->entries_count = count;
    compound->current_set = false;
    compound->current_stateid_set = false;
    compound->subject_known = false;
    return compound_answer(compound, NFS4_OK);
}

/* The current file, also if its export does not take the caller's flavor: to find that out is what SECINFO is for. */
static enum nfsstat4 security_subject(struct compound *compound, struct subject **subject)
{
    enum nfsstat4 status = compound_subject(compound, subject);
    return status == NFS4ERR_WRONGSEC ? NFS4_OK : status;
}

enum step secinfo_step(struct compound *compound)
{
    struct subject *directory;
    struct subject found;
    enum nfsstat4 status = security_subject(compound, &directory);
    if (status == NFS4_OK)
        status = subject_lookup(compound, directory, compound->args.opsecinfo.name, &found);
    if (status == NFS4_OK && found.admission == NFS4ERR_ACCESS)
        status = NFS4ERR_ACCESS;
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    return answer_flavors(compound, &found);
}

enum step secinfo_no_name_step(struct compound *compound)
{
    struct subject *subject;
    struct subject parent;
    enum nfsstat4 status = security_subject(compound, &subject);
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    switch (compound->args.opsecinfo_no_name.style) {
    case SECINFO_STYLE4_CURRENT_FH: return answer_flavors(compound, subject);
    case SECINFO_STYLE4_PARENT:
        status = subject_parent(compound, subject, &parent);
        if (status != NFS4_OK)
            return compound_answer(compound, status);
        return answer_flavors(compound, &parent);
    default: return compound_answer(compound, NFS4ERR_INVAL);
    }
}
