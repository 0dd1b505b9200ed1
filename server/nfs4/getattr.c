/* GETATTR, VERIFY and NVERIFY (RFC 8881 sections 18.7, 18.31 and 18.15). */
#include "server/nfs4/attributes.h"
#include "server/nfs4/handlers.h"

enum step getattr_step(struct compound *compound)
{
    struct subject *subject;
    const struct bitmap4 *requested = &compound->args.opgetattr.attr_request;
    enum nfsstat4 status = compound_subject(compound, &subject);
    if (status == NFS4_OK && !attributes_readable(compound, requested))
        status = NFS4ERR_INVAL;
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    struct attributes_shown *shown = ARENA_NEW(compound_arena(compound), struct attributes_shown);
    attributes_show(compound, subject, shown);
    compound->result.opgetattr.resok4.obj_attributes =
        (struct fattr4){.attrmask = *requested, .attributes = &shown->values};
    return compound_answer(compound, NFS4_OK);
}

/* NFS4ERR_SAME or NFS4ERR_NOT_SAME, or why it could not be told. */
static enum nfsstat4 compare(struct compound *compound, const struct fattr4 *given)
{
    struct subject *subject;
    enum nfsstat4 status = compound_subject(compound, &subject);
    if (status != NFS4_OK)
        return status;
    struct nfs4_attributes theirs;
    struct bitmap4 supported = nfs4_attributes_supported(compound->head.minorversion);
    status = nfs4_fattr_decode(given, &supported, NFS4_FATTR_VERIFY, &theirs);
    if (status != NFS4_OK)
        return status;
    struct attributes_shown *shown = ARENA_NEW(compound_arena(compound), struct attributes_shown);
    attributes_show(compound, subject, shown);
    return nfs4_fattr_equal(given, &shown->values, compound_arena(compound)) ? NFS4ERR_SAME : NFS4ERR_NOT_SAME;
}

enum step verify_step(struct compound *compound)
{
    enum nfsstat4 status = compare(compound, &compound->args.opverify.obj_attributes);
    return compound_answer(compound, status == NFS4ERR_SAME ? NFS4_OK : status);
}

enum step nverify_step(struct compound *compound)
{
    enum nfsstat4 status = compare(compound, &compound->args.opnverify.obj_attributes);
    return compound_answer(compound, status == NFS4ERR_NOT_SAME ? NFS4_OK : status);
}
