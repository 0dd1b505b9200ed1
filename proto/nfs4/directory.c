#include "proto/nfs4/directory.h"

#include "proto/nfs4/attr.h"
#include "proto/nfs4/codec.h"

bool xdr_LOOKUP4args(struct xdr *x, struct LOOKUP4args *args)
{
    return xdr_component4(x, &args->objname);
}

static bool xdr_createtype4(struct xdr *x, struct createtype4 *type)
{
    if (!xdr_enum(x, &type->type))
        return false;
    switch (type->type) {
    case NF4LNK: return xdr_component4(x, &type->u.linkdata);
    case NF4BLK:
    case NF4CHR: return xdr_specdata4(x, &type->u.devdata);
    case NF4REG:
    case NF4DIR:
    case NF4SOCK:
    case NF4FIFO:
    case NF4ATTRDIR:
    case NF4NAMEDATTR: break;
    }
    return true;
}

bool xdr_CREATE4args(struct xdr *x, struct CREATE4args *args)
{
    return xdr_createtype4(x, &args->objtype) && xdr_component4(x, &args->objname) && xdr_fattr4(x, &args->createattrs);
}

bool xdr_CREATE4res(struct xdr *x, struct CREATE4res *res)
{
    if (!xdr_enum(x, &res->status))
        return false;
    return res->status != NFS4_OK || (xdr_change_info4(x, &res->resok4.cinfo) && xdr_bitmap4(x, &res->resok4.attrset));
}

bool xdr_REMOVE4args(struct xdr *x, struct REMOVE4args *args)
{
    return xdr_component4(x, &args->target);
}

bool xdr_REMOVE4res(struct xdr *x, struct REMOVE4res *res)
{
    if (!xdr_enum(x, &res->status))
        return false;
    return res->status != NFS4_OK || xdr_change_info4(x, &res->resok4.cinfo);
}

bool xdr_RENAME4args(struct xdr *x, struct RENAME4args *args)
{
    return xdr_component4(x, &args->oldname) && xdr_component4(x, &args->newname);
}

bool xdr_RENAME4res(struct xdr *x, struct RENAME4res *res)
{
    if (!xdr_enum(x, &res->status))
        return false;
    return res->status != NFS4_OK ||
           (xdr_change_info4(x, &res->resok4.source_cinfo) && xdr_change_info4(x, &res->resok4.target_cinfo));
}

bool xdr_LINK4args(struct xdr *x, struct LINK4args *args)
{
    return xdr_component4(x, &args->newname);
}

bool xdr_LINK4res(struct xdr *x, struct LINK4res *res)
{
    if (!xdr_enum(x, &res->status))
        return false;
    return res->status != NFS4_OK || xdr_change_info4(x, &res->resok4.cinfo);
}

bool xdr_READDIR4args(struct xdr *x, struct READDIR4args *args)
{
    return xdr_uint64(x, &args->cookie) && xdr_verifier4(x, &args->cookieverf) && xdr_uint32(x, &args->dircount) &&
           xdr_uint32(x, &args->maxcount) && xdr_bitmap4(x, &args->attr_request);
}

static bool xdr_entry4(struct xdr *x, struct entry4 *entry)
{
    return xdr_uint64(x, &entry->cookie) && xdr_component4(x, &entry->name) && xdr_fattr4(x, &entry->attrs);
}

bool xdr_entry4_append(struct xdr *x, struct entry4 *entry)
{
    if (x->failed)
        return false;
    size_t before = xdr_position(x);
    bool follows = true;
    if (xdr_present(x, &follows) && xdr_entry4(x, entry))
        return true;
    xdr_rewind(x, before);
    return false;
}

static bool entries_decode(struct xdr *x, struct entry4 **link)
{
    bool follows = false;
    while (xdr_present(x, &follows) && follows) {
        *link = ARENA_NEW(x->arena, struct entry4);
        if (!xdr_entry4(x, *link))
            return false;
        link = &(*link)->nextentry;
    }
    *link = NULL;
    return !x->failed;
}

static bool entries_encode(struct xdr *x, const struct dirlist4 *list)
{
    if (list->encoded.data != NULL) {
        uint8_t *place = xdr_reserve(x, list->encoded.size_bytes);
        if (place == NULL)
            return false;
        memcpy(place, list->encoded.data, list->encoded.size_bytes);
    } else {
        bool follows = true;
        for (struct entry4 *entry = list->entries; entry != NULL; entry = entry->nextentry) {
            if (!xdr_present(x, &follows) || !xdr_entry4(x, entry))
                return false;
        }
    }
    bool end = false;
    return xdr_present(x, &end);
}

static bool xdr_dirlist4(struct xdr *x, struct dirlist4 *list)
{
    if (x->mode == XDR_DECODE) {
        list->encoded = SLICE_EMPTY;
        return entries_decode(x, &list->entries) && xdr_bool(x, &list->eof);
    }
    return entries_encode(x, list) && xdr_bool(x, &list->eof);
}

bool xdr_READDIR4res(struct xdr *x, struct READDIR4res *res)
{
    if (!xdr_enum(x, &res->status))
        return false;
    return res->status != NFS4_OK || (xdr_verifier4(x, &res->resok4.cookieverf) && xdr_dirlist4(x, &res->resok4.reply));
}
