/* ACCESS and READLINK (RFC 8881 sections 18.1 and 18.24). */
#include "server/nfs4/handlers.h"

#define ACCESS4_OF_FILE (ACCESS4_READ | ACCESS4_MODIFY | ACCESS4_EXTEND | ACCESS4_EXECUTE)
#define ACCESS4_OF_DIRECTORY (ACCESS4_READ | ACCESS4_LOOKUP | ACCESS4_MODIFY | ACCESS4_EXTEND | ACCESS4_DELETE)

enum step access_step(struct compound *compound)
{
    struct subject *subject;
    enum nfsstat4 status = compound_subject(compound, &subject);
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    uint32_t asked = compound->args.opaccess.access;
    uint32_t known = subject->inode.type == NF4DIR ? ACCESS4_OF_DIRECTORY : ACCESS4_OF_FILE;
    uint32_t rights = access_rights(&subject->inode, &subject->identity);
    if (subject->is_pseudo || subject->export.read_only)
        rights &= ~(ACCESS4_MODIFY | ACCESS4_EXTEND | ACCESS4_DELETE);
    compound->result.opaccess.resok4.supported = asked & known;
    compound->result.opaccess.resok4.access = asked & known & rights;
    return compound_answer(compound, NFS4_OK);
}

enum step readlink_step(struct compound *compound)
{
    struct subject *subject;
    enum nfsstat4 status = compound_subject(compound, &subject);
    /* RFC 8881 section 18.24.3: "The server should return the error NFS4ERR_WRONG_TYPE" for anything but a link. */
    if (status == NFS4_OK && subject->inode.type != NF4LNK)
        status = NFS4ERR_WRONG_TYPE;
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    compound->result.opreadlink.resok4.link = subject->inode.link_text;
    return compound_answer(compound, NFS4_OK);
}
