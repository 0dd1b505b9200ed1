#include "server/nfs4/subject.h"

#include "server/nfs4/compound.h"
#include "server/nfs4/state.h"
#include "statestore/machine/apply.h"
#include "statestore/machine/dirent.h"

/* A pseudo directory is nobody's to change: every bit that would allow it is off. */
#define PSEUDO_MODE 0555u

static void subject_from_pseudo(struct compound *compound, const struct pseudo_node *node, struct subject *subject)
{
    *subject = (struct subject){
        .id = {.volume = VOLUME_PSEUDO, .inode = node->inode, .generation = 0},
        .is_pseudo = true,
        .pseudo = *node,
        .identity = compound->identity,
        .admission = NFS4_OK,
    };
    subject->inode = (struct inode){
        .id = subject->id,
        .type = NF4DIR,
        .mode = PSEUDO_MODE,
        .link_count = 2,
        .change = node->change,
        .parent = node->parent,
    };
}

static enum nfsstat4 subject_enter_export(struct compound *compound, struct volume_id volume, struct subject *subject)
{
    if (!view_cache_export(&compound->server->cache, compound->moment, volume, &subject->export))
        return NFS4ERR_STALE;
    subject->is_pseudo = false;
    subject->identity = compound->identity;
    subject->admission = export_admits(&subject->export, &subject->identity);
    export_squash_identity(&subject->export, &subject->identity);
    return NFS4_OK;
}

/* An inode without a name lives while it is open; what waits to be freed is gone. */
static bool inode_lives(struct compound *compound, const struct inode *inode)
{
    return inode->link_count > 0 || open_any(compound_view(compound), inode->id, compound_arena(compound));
}

enum nfsstat4 subject_find(struct compound *compound, struct file_id id, struct subject *subject)
{
    struct kv_read *view = compound_view(compound);
    struct arena *arena = compound_arena(compound);
    if (id.volume.value == VOLUME_PSEUDO.value) {
        struct pseudo_node node;
        if (!pseudo_find(view, id.inode, arena, &node) || node.is_export)
            return NFS4ERR_STALE;
        subject_from_pseudo(compound, &node, subject);
        return NFS4_OK;
    }
    enum nfsstat4 status = subject_enter_export(compound, id.volume, subject);
    if (status != NFS4_OK)
        return status;
    if (!inode_find(view, id, arena, &subject->inode) || !inode_lives(compound, &subject->inode))
        return NFS4ERR_STALE;
    subject->id = subject->inode.id;
    return NFS4_OK;
}

/* The generation of an export's root is in its inode. */
static enum nfsstat4 subject_export_root(struct compound *compound, struct volume_id volume, struct subject *subject)
{
    enum nfsstat4 status = subject_enter_export(compound, volume, subject);
    if (status != NFS4_OK)
        return status;
    if (!inode_get(compound_view(compound), volume, INODE_ROOT, compound_arena(compound), &subject->inode))
        return NFS4ERR_STALE;
    subject->id = subject->inode.id;
    return NFS4_OK;
}

enum nfsstat4 subject_of_node(struct compound *compound, const struct pseudo_node *node, struct subject *subject)
{
    if (node->is_export)
        return subject_export_root(compound, node->volume, subject);
    subject_from_pseudo(compound, node, subject);
    return NFS4_OK;
}

enum nfsstat4 subject_root(struct compound *compound, struct subject *found)
{
    struct pseudo_node node;
    if (!pseudo_find(compound_view(compound), INODE_ROOT, compound_arena(compound), &node))
        return NFS4ERR_STALE;
    return subject_of_node(compound, &node, found);
}

bool subject_mount_point(struct compound *compound, const struct export *export, struct pseudo_node *node)
{
    struct kv_read *view = compound_view(compound);
    struct arena *arena = compound_arena(compound);
    if (!pseudo_find(view, INODE_ROOT, arena, node))
        return false;
    size_t position = 0;
    while (position < export->path.size_bytes) {
        size_t start = position;
        while (position < export->path.size_bytes && export->path.data[position] != '/')
            position++;
        if (position > start) {
            struct slice name = slice_make(export->path.data + start, position - start);
            struct inode_id above = node->inode;
            if (!pseudo_lookup(view, above, name, arena, node))
                return false;
        }
        position++;
    }
    return true;
}

enum nfsstat4 subject_child(struct compound *compound, const struct subject *directory, struct inode_id inode,
                            struct subject *found)
{
    *found = *directory;
    if (!inode_get(compound_view(compound), directory->id.volume, inode, compound_arena(compound), &found->inode))
        return NFS4ERR_STALE;
    found->id = found->inode.id;
    return NFS4_OK;
}

/* RFC 8881 sections 18.13.3 and 18.14.3 name the error for a link apart. */
static enum nfsstat4 subject_directory(const struct subject *subject)
{
    if (subject->inode.type == NF4DIR)
        return NFS4_OK;
    return subject->inode.type == NF4LNK ? NFS4ERR_SYMLINK : NFS4ERR_NOTDIR;
}

enum nfsstat4 subject_lookup(struct compound *compound, const struct subject *directory, struct slice name,
                             struct subject *found)
{
    struct kv_read *view = compound_view(compound);
    struct arena *arena = compound_arena(compound);
    enum nfsstat4 status = subject_directory(directory);
    if (status == NFS4_OK)
        status = name_check(name);
    if (status != NFS4_OK)
        return status;
    if (!subject_allows(directory, ACCESS_EXECUTE))
        return NFS4ERR_ACCESS;
    if (directory->is_pseudo) {
        struct pseudo_node node;
        if (!pseudo_lookup(view, directory->id.inode, name, arena, &node))
            return NFS4ERR_NOENT;
        return subject_of_node(compound, &node, found);
    }
    struct dirent dirent;
    if (!dirent_get(view, directory->id.volume, directory->id.inode, name, arena, &dirent))
        return NFS4ERR_NOENT;
    return subject_child(compound, directory, dirent.inode, found);
}

enum nfsstat4 subject_parent(struct compound *compound, const struct subject *directory, struct subject *found)
{
    struct kv_read *view = compound_view(compound);
    struct arena *arena = compound_arena(compound);
    struct pseudo_node node;
    enum nfsstat4 status = subject_directory(directory);
    if (status != NFS4_OK)
        return status;
    if (!subject_allows(directory, ACCESS_EXECUTE))
        return NFS4ERR_ACCESS;
    if (!directory->is_pseudo && directory->id.inode.value != INODE_ROOT.value)
        return subject_child(compound, directory, directory->inode.parent, found);
    if (directory->is_pseudo)
        node = directory->pseudo;
    else if (!subject_mount_point(compound, &directory->export, &node))
        return NFS4ERR_STALE;
    /* RFC 8881 section 18.14.3: "If there is no parent directory, an NFS4ERR_NOENT error must be returned." */
    if (node.inode.value == INODE_ROOT.value)
        return NFS4ERR_NOENT;
    struct inode_id above = node.parent;
    if (!pseudo_find(view, above, arena, &node))
        return NFS4ERR_STALE;
    return subject_of_node(compound, &node, found);
}
