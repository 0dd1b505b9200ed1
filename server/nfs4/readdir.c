/* READDIR (RFC 8881 section 18.23). Cookies are those of the dirent rows, which are never reused or reordered, so there is
 * nothing for the cookie verifier to tell and it is zero. In the pseudo file system a cookie is a place in the sorted
 * list of names. */
#include "base/check.h"
#include "base/limits.h"
#include "server/nfs4/attributes.h"
#include "server/nfs4/handlers.h"
#include "server/nfs4/operation.h"
#include "statestore/machine/dirent.h"

/* A name of the longest kind with all attributes that a client asks for. */
#define ENTRY_ROOM_BYTES 1024u
/* entry4 without its attributes, as dircount counts: cookie, name, and the pointer to the next one. */
#define ENTRY_DIRECTORY_BYTES 16u

struct listing {
    struct compound *compound;
    const struct subject *directory;
    struct bitmap4 requested;
    struct attributes_shown *shown;
    struct xdr output;      /* entries */
    size_t directory_bytes; /* names and cookies so far: what dircount bounds */
    uint32_t count;
    bool full;
    enum nfsstat4 status; /* of an entry whose attributes cannot be had */
};

/* Adds one entry, or marks the listing as full. */
static void listing_add(struct listing *listing, struct slice name, uint64_t cookie)
{
    const struct READDIR4args *args = &listing->compound->args.opreaddir;
    struct entry4 entry = {
        .cookie = cookie,
        .name = name,
        .attrs = {.attrmask = listing->requested, .attributes = &listing->shown->values},
    };
    size_t directory_bytes = ENTRY_DIRECTORY_BYTES + xdr_padded(name.size_bytes);
    /* RFC 8881 section 18.23.3: dircount is a hint, so the first entry is given whatever it says. */
    bool hinted = args->dircount != 0 && listing->directory_bytes + directory_bytes > args->dircount;
    if ((hinted && listing->count > 0) || !xdr_entry4_append(&listing->output, &entry)) {
        listing->full = true;
        return;
    }
    listing->directory_bytes += directory_bytes;
    listing->count++;
}

/* An entry whose file cannot be shown: its error stands in its place if the client asked for that, else it is READDIR's
 * own (RFC 8881 section 5.8.1.12). */
static void listing_add_error(struct listing *listing, struct slice name, uint64_t cookie, enum nfsstat4 status)
{
    if (bitmap4_empty(&listing->requested)) {
        listing_add(listing, name, cookie);
        return;
    }
    if (!bitmap4_has(&listing->requested, FATTR4_RDATTR_ERROR)) {
        listing->status = status;
        return;
    }
    struct bitmap4 requested = listing->requested;
    struct bitmap4 only = {0};
    bitmap4_add(&only, FATTR4_RDATTR_ERROR);
    listing->requested = only;
    attributes_show_error(listing->compound, status, listing->shown);
    listing_add(listing, name, cookie);
    listing->requested = requested;
}

static void listing_add_file(struct listing *listing, struct slice name, uint64_t cookie, const struct subject *file)
{
    if (file->admission != NFS4_OK) {
        listing_add_error(listing, name, cookie, file->admission);
        return;
    }
    attributes_show(listing->compound, file, listing->shown);
    listing_add(listing, name, cookie);
}

/* Entries of a volume's directory. True: that was the last one. */
static bool list_directory(struct listing *listing, uint64_t after)
{
    struct compound *compound = listing->compound;
    const struct subject *directory = listing->directory;
    struct dirent_walk walk;
    struct dirent dirent;
    struct subject *file = arena_alloc(compound_arena(compound), sizeof(*file));
    bool more = false;
    dirent_walk_open(compound_view(compound), directory->id.volume, directory->id.inode, after,
                     compound_arena(compound), &walk);
    while (listing->status == NFS4_OK && (more = dirent_walk_get(&walk, &dirent))) {
        if (bitmap4_empty(&listing->requested))
            listing_add(listing, dirent.name, dirent.cookie);
        else if (subject_child(compound, directory, dirent.inode, file) == NFS4_OK)
            listing_add_file(listing, dirent.name, dirent.cookie, file);
        if (listing->full)
            break;
        dirent_walk_next(&walk);
    }
    dirent_walk_close(&walk);
    return !more;
}

/* Entries of a pseudo directory; what is not exported to this client is not shown. */
static bool list_pseudo(struct listing *listing, uint64_t after)
{
    struct compound *compound = listing->compound;
    const struct pseudo_entry *entries;
    size_t count =
        pseudo_list(compound_view(compound), listing->directory->id.inode, compound_arena(compound), &entries);
    size_t first = after < DIRENT_COOKIE_FIRST ? 0 : (size_t)(after - DIRENT_COOKIE_FIRST) + 1;
    for (size_t i = first; i < count && listing->status == NFS4_OK; i++) {
        struct subject file;
        if (subject_of_node(compound, &entries[i].node, &file) != NFS4_OK || file.admission == NFS4ERR_ACCESS)
            continue;
        listing_add_file(listing, entries[i].name, DIRENT_COOKIE_FIRST + i, &file);
        if (listing->full)
            return false;
    }
    return true;
}

static enum nfsstat4 readdir_check(struct compound *compound, struct subject **directory)
{
    static const struct verifier4 zero;
    const struct READDIR4args *args = &compound->args.opreaddir;
    enum nfsstat4 status = compound_subject(compound, directory);
    if (status != NFS4_OK)
        return status;
    if ((*directory)->inode.type != NF4DIR)
        return NFS4ERR_NOTDIR;
    if (!subject_allows(*directory, ACCESS_READ))
        return NFS4ERR_ACCESS;
    if (!attributes_readable(compound, &args->attr_request))
        return NFS4ERR_INVAL;
    if (args->cookie == 1 || args->cookie == 2)
        return NFS4ERR_BAD_COOKIE;
    if (args->cookie != 0 && memcmp(args->cookieverf.data, zero.data, sizeof(zero.data)) != 0)
        return NFS4ERR_NOT_SAME;
    return NFS4_OK;
}

/* Room for the entries: what the client takes, what the session takes, what there can be. */
static size_t readdir_room(struct compound *compound, const struct subject *directory)
{
    enum nfsstat4 too_big;
    size_t room = compound->args.opreaddir.maxcount;
    size_t limit = compound_limit(compound, &too_big);
    size_t frame = compound->operation->reply_bytes;
    limit = limit > frame ? limit - frame : 0;
    room = room > READDIR4_FRAME_BYTES ? room - READDIR4_FRAME_BYTES : 0;
    if (room > limit)
        room = limit;
    if (room > NFS4_IO_MAX_BYTES)
        room = NFS4_IO_MAX_BYTES;
    uint64_t entries = directory->is_pseudo ? EXPORTS_MAX : directory->inode.entry_count;
    if (room / ENTRY_ROOM_BYTES > entries)
        room = (size_t)(entries + 1) * ENTRY_ROOM_BYTES;
    return room & ~(size_t)3;
}

/* Number, status and cookie verifier. */
static void readdir_head(struct compound *compound)
{
    static struct verifier4 const zero;
    uint32_t number = OP_READDIR;
    uint32_t status = NFS4_OK;
    struct verifier4 verifier = zero;
    bool fits = xdr_uint32(&compound->reply, &number) && xdr_uint32(&compound->reply, &status) &&
                xdr_opaque_fixed(&compound->reply, verifier.data, sizeof(verifier.data));
    CHECK(fits);
}

/* The entries lie in the reply already: their bytes are taken into it, and the list is ended. */
static void readdir_tail(struct compound *compound, const struct listing *listing, bool eof)
{
    bool follows = false;
    bool fits = xdr_reserve(&compound->reply, xdr_position(&listing->output)) != NULL &&
                xdr_bool(&compound->reply, &follows) && xdr_bool(&compound->reply, &eof);
    CHECK(fits);
}

enum step readdir_step(struct compound *compound)
{
    const struct READDIR4args *args = &compound->args.opreaddir;
    struct subject *directory;
    enum nfsstat4 status = readdir_check(compound, &directory);
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    size_t room = readdir_room(compound, directory);
    size_t start = xdr_position(&compound->reply);
    compound_room(compound, compound->operation->reply_bytes + room);
    readdir_head(compound);
    struct listing listing = {
        .compound = compound,
        .directory = directory,
        .requested = args->attr_request,
        .shown = arena_alloc(compound_arena(compound), sizeof(*listing.shown)),
        .output = xdr_encoder((struct span){compound->reply.next, room}),
    };
    bool eof = directory->is_pseudo ? list_pseudo(&listing, args->cookie) : list_directory(&listing, args->cookie);
    status = listing.status;
    /* Even an empty listing has to fit; one that does not end has to have an entry. */
    if (status == NFS4_OK && (args->maxcount < READDIR4_FRAME_BYTES || (listing.count == 0 && !eof)))
        status = NFS4ERR_TOOSMALL;
    if (status != NFS4_OK) {
        xdr_rewind(&compound->reply, start);
        return compound_answer(compound, status);
    }
    readdir_tail(compound, &listing, eof);
    return STEP_ENCODED;
}
