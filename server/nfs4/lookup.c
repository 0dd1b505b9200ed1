/* LOOKUP and LOOKUPP (RFC 8881 sections 18.13 and 18.14). */
#include "server/nfs4/handlers.h"

/* The found file becomes the current one, if its export admits the caller (RFC 8881 section 2.6.3.1.1.5). */
static enum step lookup_found(struct compound *compound, const struct subject *found)
{
    enum nfsstat4 status = found->admission;
    if (status == NFS4_OK) {
        compound_set_current(compound, found->id);
        compound->subject = *found;
        compound->subject_known = true;
    }
    return compound_answer(compound, status);
}

enum step lookup_step(struct compound *compound)
{
    struct subject *directory;
    struct subject found;
    enum nfsstat4 status = compound_subject(compound, &directory);
    if (status == NFS4_OK)
        status = subject_lookup(compound, directory, compound->args.oplookup.objname, &found);
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    return lookup_found(compound, &found);
}

enum step lookupp_step(struct compound *compound)
{
    struct subject *directory;
    struct subject found;
    enum nfsstat4 status = compound_subject(compound, &directory);
    if (status == NFS4_OK)
        status = subject_parent(compound, directory, &found);
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    return lookup_found(compound, &found);
}
