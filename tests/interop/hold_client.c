/* hold_client.c: an NFSv4.1 client that has something for `qnfsctl client|session|lock list` to show: it opens a file,
 * locks two ranges of it, prints `holding`, and waits until its standard input ends.
 *
 *   hold_client --server HOST:PORT DIRECTORY NAME [OWNER]
 *
 * It then leaves without a word, as a client that loses its power, so what it holds stays in the state. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/nfs4/lock.h"
#include "proto/nfs4/open.h"
#include "tests/support/rpc_peer.h"

struct holder {
    struct rpc_peer peer;
    struct arena arena;
    struct slice directory;
    struct slice file;
    struct stateid4 open_stateid;
};

static enum nfsstat4 holder_open(struct holder *holder, const char *name)
{
    struct nfs_compound_builder builder;
    struct nfs_reply reply;
    union nfs4_result opened;
    union nfs4_result handle;
    union nfs4_args args = {.opopen = {.share_access = OPEN4_SHARE_ACCESS_BOTH | OPEN4_SHARE_ACCESS_WANT_NO_DELEG,
                                       .owner = {holder->peer.session.clientid, slice_text("opener")},
                                       .openhow = {.opentype = OPEN4_CREATE, .how = {.mode = UNCHECKED4}},
                                       .claim = {CLAIM_NULL, {.file = slice_text(name)}}}};
    struct bitmap4 mask = {0};
    struct nfs4_attributes attributes = {.mode = 0644};
    bitmap4_add(&mask, FATTR4_MODE);
    args.opopen.openhow.how.u.createattrs = nfs4_fattr_for_set(&mask, &attributes, &holder->arena);
    nfs_session_start(&holder->peer.session, &builder, &holder->arena, 4096, 0, false);
    nfs_add_putfh(&builder, holder->directory);
    nfs_compound_add(&builder, OP_OPEN, &args);
    nfs_compound_add(&builder, OP_GETFH, NULL);
    enum nfsstat4 status = rpc_peer_run(&holder->peer, &builder, &reply);
    if (status != NFS4_OK)
        return status;
    if (!nfs_reply_find(&reply, OP_OPEN, &opened) || !nfs_reply_find(&reply, OP_GETFH, &handle))
        return NFS4ERR_BADXDR;
    holder->open_stateid = opened.opopen.resok4.stateid;
    holder->file = arena_copy(&holder->arena, handle.opgetfh.resok4.object);
    return NFS4_OK;
}

static enum nfsstat4 holder_lock(struct holder *holder, const char *owner, enum nfs_lock_type4 type, uint64_t offset,
                                 uint64_t length)
{
    struct nfs_compound_builder builder;
    struct nfs_reply reply;
    union nfs4_args args = {.oplock = {.locktype = type, .offset = offset, .length = length}};
    args.oplock.locker.new_lock_owner = true;
    args.oplock.locker.u.open_owner = (struct open_to_lock_owner4){
        .open_stateid = holder->open_stateid,
        .lock_owner = {holder->peer.session.clientid, slice_text(owner)},
    };
    nfs_session_start(&holder->peer.session, &builder, &holder->arena, 4096, 0, false);
    nfs_add_putfh(&builder, holder->file);
    nfs_compound_add(&builder, OP_LOCK, &args);
    return rpc_peer_run(&holder->peer, &builder, &reply);
}

static int usage(void)
{
    fprintf(stderr, "usage: hold_client --server HOST:PORT DIRECTORY NAME [OWNER]\n");
    return 2;
}

static int fail(const char *what, enum nfsstat4 status)
{
    fprintf(stderr, "hold_client: %s: %s\n", what, nfsstat4_name(status));
    return 1;
}

int main(int argument_count, char **arguments)
{
    struct sockaddr_in address;
    const struct nfs_identity identity = {.uid = 0, .gid = 0, .machine = "hold-client"};
    struct holder holder = {0};
    if (argument_count < 5 || argument_count > 6 || strcmp(arguments[1], "--server") != 0 ||
        !rpc_address_parse(arguments[2], &address))
        return usage();
    const char *owner = argument_count == 6 ? arguments[5] : "hold-client";
    arena_init(&holder.arena);
    rpc_peer_init(&holder.peer, &address, &identity, 1);
    enum nfsstat4 status = rpc_peer_login(&holder.peer, slice_text(owner), (uint64_t)getpid(), 4);
    if (status != NFS4_OK)
        return fail("login", status);
    status = rpc_peer_walk(&holder.peer, arguments[3], &holder.arena, &holder.directory);
    if (status != NFS4_OK)
        return fail(arguments[3], status);
    status = holder_open(&holder, arguments[4]);
    if (status != NFS4_OK)
        return fail("open", status);
    status = holder_lock(&holder, "writer", WRITE_LT, 10, 90);
    if (status == NFS4_OK)
        status = holder_lock(&holder, "reader", READ_LT, 1000, UINT64_MAX);
    if (status != NFS4_OK)
        return fail("lock", status);
    printf("holding\n");
    fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
    rpc_peer_fini(&holder.peer);
    arena_fini(&holder.arena);
    return 0;
}
