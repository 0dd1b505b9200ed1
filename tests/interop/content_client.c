/* content_client.c: file content over real connections: writes files whose bytes follow from a seed, and reads them back.
 *
 *   content_client --server HOST:PORT [--export /data] --directory NAME [--files N] [--bytes B] [--seed S] write|verify
 *
 * `write` makes the directory if need be, and fills file-0 to file-(N-1) with B bytes each, in WRITEs of 1 MiB; every other one
 * is written twice, so that blocks become garbage. `verify` reads them and compares. The status is 0 only if all is well. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tests/support/rpc_peer.h"

#define PIECE_BYTES (1u << 20)
#define NAME_BYTES 64u

struct run {
    struct rpc_peer peer;
    struct rpc_servers servers;
    const char *export_path;
    const char *directory;
    uint64_t files;
    uint64_t bytes;
    uint64_t seed;
    bool verify;
    struct arena lasting;
    struct slice folder; /* its handle */
    uint8_t *piece;      /* PIECE_BYTES */
};

static bool number_take(const char *text, uint64_t *number)
{
    char *end = NULL;
    *number = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0';
}

static bool run_take(struct run *run, int count, char **words)
{
    for (int i = 1; i + 1 < count; i += 2) {
        const char *name = words[i];
        const char *value = words[i + 1];
        bool good = false;
        if (strcmp(name, "--server") == 0)
            good = rpc_servers_parse(value, &run->servers);
        else if (strcmp(name, "--export") == 0)
            good = (run->export_path = value) != NULL;
        else if (strcmp(name, "--directory") == 0)
            good = (run->directory = value) != NULL;
        else if (strcmp(name, "--files") == 0)
            good = number_take(value, &run->files);
        else if (strcmp(name, "--bytes") == 0)
            good = number_take(value, &run->bytes);
        else if (strcmp(name, "--seed") == 0)
            good = number_take(value, &run->seed);
        if (!good)
            return false;
    }
    if (count % 2 != 0 || run->servers.count == 0 || run->directory == NULL)
        return false;
    run->verify = strcmp(words[count - 1], "verify") == 0;
    return run->verify || strcmp(words[count - 1], "write") == 0;
}

/* The bytes of a file; `version` 0 is written over by 1. */
static void piece_fill(struct run *run, uint64_t file, uint64_t offset, size_t size_bytes, unsigned version)
{
    uint64_t state = run->seed * UINT64_C(0x9e3779b97f4a7c15) + file * 1000003 + offset + version;
    for (size_t i = 0; i < size_bytes; i++) {
        if (i % 8 == 0)
            state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        run->piece[i] = (uint8_t)(state >> (i % 8 * 8));
    }
}

static size_t piece_size(const struct run *run, uint64_t offset)
{
    return run->bytes - offset < PIECE_BYTES ? (size_t)(run->bytes - offset) : PIECE_BYTES;
}

static struct rpc_peer *peer_start(struct run *run, struct nfs_compound_builder *builder, struct arena *arena)
{
    nfs_session_start(&run->peer.session, builder, arena, PIECE_BYTES + 4096, 0, false);
    return &run->peer;
}

static const char *folder_find(struct run *run)
{
    struct nfs_compound_builder builder;
    struct nfs_reply reply;
    struct arena arena;
    struct slice top;
    char path[512];
    const char *wrong = NULL;
    arena_init(&arena);
    if (!run->verify) {
        if (rpc_peer_walk(&run->peer, run->export_path, &arena, &top) != NFS4_OK)
            wrong = "the export cannot be reached";
        if (wrong == NULL) {
            struct rpc_peer *peer = peer_start(run, &builder, &arena);
            nfs_add_putfh(&builder, top);
            nfs_add_create(&builder, NF4DIR, slice_text(run->directory));
            enum nfsstat4 status = rpc_peer_run(peer, &builder, &reply);
            wrong = status == NFS4_OK || status == NFS4ERR_EXIST ? NULL : "the directory cannot be made";
        }
    }
    snprintf(path, sizeof(path), "%s/%s", run->export_path, run->directory);
    if (wrong == NULL && rpc_peer_walk(&run->peer, path, &run->lasting, &run->folder) != NFS4_OK)
        wrong = "the directory cannot be reached";
    arena_fini(&arena);
    return wrong;
}

/* One compound for each piece: OPEN, WRITE, CLOSE. */
static const char *piece_write(struct run *run, const char *name, uint64_t offset, size_t size_bytes)
{
    struct nfs_compound_builder builder;
    struct nfs_reply reply;
    struct arena arena;
    arena_init(&arena);
    struct rpc_peer *peer = peer_start(run, &builder, &arena);
    union nfs4_args open = {.opopen = {.share_access = OPEN4_SHARE_ACCESS_BOTH | OPEN4_SHARE_ACCESS_WANT_NO_DELEG,
                                       .owner = {peer->session.clientid, slice_text("content")},
                                       .openhow = {.opentype = OPEN4_CREATE, .how = {.mode = UNCHECKED4}},
                                       .claim = {CLAIM_NULL, {.file = slice_text(name)}}}};
    union nfs4_args write = {.opwrite = {.stateid = {.seqid = 1}, .offset = offset, .stable = FILE_SYNC4}};
    union nfs4_args close = {.opclose = {.open_stateid = {.seqid = 1}}};
    write.opwrite.data = slice_make(run->piece, size_bytes);
    nfs_add_putfh(&builder, run->folder);
    nfs_compound_add(&builder, OP_OPEN, &open);
    nfs_compound_add(&builder, OP_WRITE, &write); /* with the current stateid (RFC 8881 section 16.2.3.1.2) */
    nfs_compound_add(&builder, OP_CLOSE, &close);
    enum nfsstat4 status = rpc_peer_run(peer, &builder, &reply);
    union nfs4_result result;
    bool whole =
        status == NFS4_OK && nfs_reply_find(&reply, OP_WRITE, &result) && result.opwrite.resok4.count == size_bytes;
    arena_fini(&arena);
    return whole ? NULL : "a piece cannot be written";
}

static const char *piece_compare(struct run *run, const char *name, uint64_t offset, size_t size_bytes)
{
    struct nfs_compound_builder builder;
    struct nfs_reply reply;
    struct arena arena;
    arena_init(&arena);
    struct rpc_peer *peer = peer_start(run, &builder, &arena);
    union nfs4_args read = {.opread = {.offset = offset, .count = (uint32_t)size_bytes}};
    nfs_add_putfh(&builder, run->folder);
    nfs_add_lookup(&builder, slice_text(name));
    nfs_compound_add(&builder, OP_READ, &read);
    enum nfsstat4 status = rpc_peer_run(peer, &builder, &reply);
    union nfs4_result result;
    bool same = status == NFS4_OK && nfs_reply_find(&reply, OP_READ, &result) &&
                slice_equal(result.opread.resok4.data, slice_make(run->piece, size_bytes));
    arena_fini(&arena);
    return same ? NULL : "a piece is not what was written";
}

static const char *file_run(struct run *run, uint64_t file)
{
    char name[NAME_BYTES];
    const char *wrong = NULL;
    snprintf(name, sizeof(name), "file-%llu", (unsigned long long)file);
    for (uint64_t offset = 0; offset < run->bytes && wrong == NULL; offset += PIECE_BYTES) {
        size_t size_bytes = piece_size(run, offset);
        if (!run->verify && file % 2 == 0) {
            piece_fill(run, file, offset, size_bytes, 0);
            wrong = piece_write(run, name, offset, size_bytes);
        }
        piece_fill(run, file, offset, size_bytes, 1);
        if (wrong == NULL)
            wrong =
                run->verify ? piece_compare(run, name, offset, size_bytes) : piece_write(run, name, offset, size_bytes);
    }
    if (wrong != NULL)
        printf("%s: ", name);
    return wrong;
}

int main(int count, char **words)
{
    static const struct nfs_identity identity = {0, 0, "content"};
    struct run run = {.export_path = "/data", .files = 10, .bytes = 3 * PIECE_BYTES, .seed = 1};
    if (!run_take(&run, count, words)) {
        fprintf(stderr, "usage: content_client --server HOST:PORT[,...] --directory NAME [--export PATH] [--files N] "
                        "[--bytes B] [--seed S] write|verify\n");
        return 2;
    }
    arena_init(&run.lasting);
    run.piece = malloc(PIECE_BYTES);
    CHECK(run.piece != NULL);
    rpc_peer_init_servers(&run.peer, &run.servers, &identity, 1);
    const char *wrong = rpc_peer_login(&run.peer, slice_text("content"), test_now_ms(), 1) == NFS4_OK
                            ? folder_find(&run)
                            : "there is no session";
    for (uint64_t file = 0; file < run.files && wrong == NULL; file++)
        wrong = file_run(&run, file);
    if (wrong == NULL && rpc_peer_logout(&run.peer) != NFS4_OK)
        wrong = "the client cannot log out";
    printf("%s\n", wrong == NULL ? "ok" : wrong);
    rpc_peer_fini(&run.peer);
    arena_fini(&run.lasting);
    free(run.piece);
    return wrong == NULL ? 0 : 1;
}
