/* attributes.h: from an inode to what GETATTR shows, and from what a client sets to a command. */
#ifndef SERVER_NFS4_ATTRIBUTES_H
#define SERVER_NFS4_ATTRIBUTES_H

#include "proto/log.pb-c.h"
#include "proto/nfs4/attr.h"
#include "server/nfs4/compound.h"
#include "server/nfs4/filehandle.h"
#include "server/nfs4/owner.h"

/* The values of one file and the memory of those that are not numbers. */
struct attributes_shown {
    struct nfs4_attributes values;
    uint8_t handle[FILEHANDLE_BYTES];
    uint8_t owner[OWNER_TEXT_BYTES];
    uint8_t owner_group[OWNER_TEXT_BYTES];
};

/* All attributes of the file; `shown` must stay where it is while they are used. */
void attributes_show(struct compound *compound, const struct subject *subject, struct attributes_shown *shown);

/* What the values are without looking at any file: for those that cannot be looked at. */
void attributes_show_error(struct compound *compound, enum nfsstat4 error, struct attributes_shown *shown);

/* Whether an attribute is asked for that can only be set: NFS4ERR_INVAL (RFC 8881 section 5.5). */
bool attributes_readable(const struct compound *compound, const struct bitmap4 *requested);

/* What the client wants to set, as part of a command in the compound's arena: NFS4_OK, ATTRNOTSUPP, INVAL, BADXDR,
 * BADOWNER. */
enum nfsstat4 attributes_command(struct compound *compound, const struct fattr4 *fattr, Qnfs__Attributes **attributes);

/* Which of the attributes that were asked for have been set, from the mask in a result. */
struct bitmap4 attributes_set(const struct bitmap4 *asked, uint32_t mask);

#endif
