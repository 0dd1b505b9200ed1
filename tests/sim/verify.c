#include "tests/sim/verify.h"

#include <stdlib.h>

#include "base/check.h"
#include "proto/nfs4/open.h"
#include "tests/sim/encode.h"
#include "tests/sim/learn.h"

struct verification {
    struct client *client;
    struct request *request;
    struct world *world;
    struct oracle *oracle;
    struct nfs_reply *reply;
    struct step *step;
    struct step_reply got;
    uint64_t first; /* versions that a read of the step at hand may have seen */
    uint64_t last;
};

_Noreturn static void wrong(const struct verification *v, const char *what, uint64_t got, uint64_t want)
{
    const struct request *request = v->request;
    world_violation(
        v->world, "client %u slot %u seqid %u step %s on inode %u: %s is %llu, want %llu (versions %llu-%llu)",
        request->client, request->slot, request->seqid, step_kind_name(v->step->kind), v->step->file, what,
        (unsigned long long)got, (unsigned long long)want, (unsigned long long)v->first, (unsigned long long)v->last);
}

static void expect(const struct verification *v, const char *what, uint64_t got, uint64_t want)
{
    if (got != want)
        wrong(v, what, got, want);
}

/* Reads the step's results off the reply, up to the first that failed. */
static void take_results(struct verification *v)
{
    struct step_reply *got = &v->got;
    *got = (struct step_reply){.status = NFS4_OK};
    for (uint32_t i = 0; i < v->step->operation_count && got->status == NFS4_OK; i++) {
        enum opnum4 op;
        union nfs4_result result;
        if (!nfs_reply_next(v->reply, &op, &result))
            wrong(v, "result at operation", i, v->step->operation_count);
        got->status = result.status.status;
        if (op == OP_GETFH && got->status == NFS4_OK)
            got->handle = result.opgetfh.resok4.object;
        if (v->step->first_operation + i == v->step->main_operation) {
            got->main_done = true;
            got->main = result;
        }
    }
}

/* --- changes --- */

static void expect_change_info(const struct verification *v, const struct change_info4 *info, uint64_t before,
                               uint64_t after)
{
    expect(v, "atomic", info->atomic, true);
    if (before != 0) /* the root as the cluster's first command left it */
        expect(v, "change before", info->before, before);
    expect(v, "change after", info->after, after != 0 ? after : info->before);
}

static void verify_success(const struct verification *v)
{
    const struct outcome *expected = &v->step->expected;
    const union nfs4_result *main = &v->got.main;
    switch (v->step->kind) {
    case STEP_OPEN: expect_change_info(v, &main->opopen.resok4.cinfo, expected->before, expected->after); break;
    case STEP_MKDIR: expect_change_info(v, &main->opcreate.resok4.cinfo, expected->before, expected->after); break;
    case STEP_LINK: expect_change_info(v, &main->oplink.resok4.cinfo, expected->before, expected->after); break;
    case STEP_REMOVE: expect_change_info(v, &main->opremove.resok4.cinfo, expected->before, expected->after); break;
    case STEP_RENAME:
        expect_change_info(v, &main->oprename.resok4.source_cinfo, expected->before, expected->after);
        expect_change_info(v, &main->oprename.resok4.target_cinfo, expected->target_before, expected->target_after);
        break;
    case STEP_WRITE:
        expect(v, "count", main->opwrite.resok4.count, v->step->length);
        expect(v, "committed", main->opwrite.resok4.committed, FILE_SYNC4);
        break;
    case STEP_CLOSE:
    case STEP_RESIZE:
    case STEP_CHMOD:
    case STEP_LOCK:
    case STEP_UNLOCK:
    case STEP_RECLAIMED:
    case STEP_READ:
    case STEP_GETATTR:
    case STEP_LOOKUP:
    case STEP_READDIR:
    case STEP_VERIFY:
    case STEP_ROOT:
    case STEP_KIND_COUNT: break;
    }
}

static void verify_executed(struct verification *v)
{
    expect(v, "status", v->got.status, v->step->expected.status);
    if (v->got.status != NFS4_OK)
        return;
    verify_success(v);
    learn_from_change(v->client, v->step, &v->got);
}

/* --- reads, and what was refused before it became a command --- */

static bool content_agrees(const struct model *model, const struct step *step, const struct READ4resok *read)
{
    uint64_t size = model_size(model, step->file);
    uint64_t end = step->offset + step->length < size ? step->offset + step->length : size;
    uint64_t count = step->offset < end ? end - step->offset : 0;
    if (read->data.size_bytes != count || read->eof != (step->offset + count >= size))
        return false;
    return count == 0 ||
           memcmp(read->data.data, model->inodes[step->file].content->bytes + step->offset, (size_t)count) == 0;
}

static bool attributes_agree(const struct model *model, const struct step *step, const struct fattr4 *attributes)
{
    const struct model_inode *inode = &model->inodes[step->file];
    struct bitmap4 mask = encode_look_mask();
    struct nfs4_attributes values;
    if (nfs4_fattr_decode(attributes, &mask, NFS4_FATTR_ANY, &values) != NFS4_OK)
        return false;
    bool same = values.type == (inode->is_directory ? NF4DIR : NF4REG) && values.numlinks == inode->link_count;
    /* The root was made by the cluster's first command, whose number the model does not know. */
    if (step->file != MODEL_ROOT)
        same = same && values.mode == inode->mode;
    if (inode->change != 0)
        same = same && values.change == inode->change;
    return same && (inode->is_directory || values.size == model_size(model, step->file));
}

static bool listing_agrees(const struct model *model, const struct step *step, const struct READDIR4resok *listing)
{
    uint32_t count = 0;
    uint64_t cookie = 0;
    for (const struct entry4 *entry = listing->reply.entries; entry != NULL; entry = entry->nextentry) {
        char name[STEP_NAME_BYTES];
        if (entry->name.size_bytes >= sizeof(name) || entry->cookie <= cookie)
            return false;
        memcpy(name, entry->name.data, entry->name.size_bytes);
        name[entry->name.size_bytes] = '\0';
        if (model_find(model, step->file, name) == NULL)
            return false;
        cookie = entry->cookie;
        count++;
    }
    return listing->reply.eof && count == model_entry_count(model, step->file);
}

/* Whether the reply is right if the step was carried out in this version. */
static bool agrees(const struct verification *v, struct model *model)
{
    const struct step *step = v->step;
    const struct step_reply *got = &v->got;
    struct outcome outcome = model_execute(model, step, v->request->identity, 0, true);
    if (outcome.status != got->status)
        return false;
    if (got->status != NFS4_OK)
        return true;
    switch (step->kind) {
    case STEP_READ: return content_agrees(model, step, &got->main.opread.resok4);
    case STEP_GETATTR: return attributes_agree(model, step, &got->main.opgetattr.resok4.obj_attributes);
    case STEP_LOOKUP: return handle_agrees(v->client->population, outcome.inode, got->handle);
    case STEP_READDIR: return listing_agrees(model, step, &got->main.opreaddir.resok4);
    case STEP_VERIFY:
    case STEP_ROOT: return true;
    case STEP_OPEN:
    case STEP_CLOSE:
    case STEP_WRITE:
    case STEP_RESIZE:
    case STEP_CHMOD:
    case STEP_LOCK:
    case STEP_UNLOCK:
    case STEP_MKDIR:
    case STEP_LINK:
    case STEP_RENAME:
    case STEP_REMOVE:
    case STEP_RECLAIMED:
    case STEP_KIND_COUNT: return false; /* a change cannot succeed without having been executed */
    }
    return false;
}

/* The file that a LOOKUP finds in a version of the model. */
static uint16_t looked_up(const struct verification *v, struct model *model)
{
    if (v->step->kind != STEP_LOOKUP)
        return MODEL_NO_INODE;
    return model_execute(model, v->step, v->request->identity, 0, true).inode;
}

static void verify_at_some_moment(struct verification *v)
{
    uint64_t right = 0;
    struct model *before = NULL;
    struct model *agreed = NULL;
    bool told = true;
    for (uint64_t number = v->first; number <= v->last; number++) {
        struct model *model = oracle_at(v->oracle, number);
        CHECK(model != NULL);
        if (model == before)
            continue;
        before = model;
        if (agrees(v, model)) {
            /* Two files may have had the name meanwhile; which one the handle is of is then not to be told. */
            told = told && (agreed == NULL || looked_up(v, agreed) == looked_up(v, model));
            agreed = model;
            right++;
        }
    }
    if (agreed == NULL) {
        struct model *newest = oracle_at(v->oracle, v->last);
        wrong(v, "status", v->got.status,
              (uint64_t)model_execute(newest, v->step, v->request->identity, 0, true).status);
    }
    world_count(v->world, COUNT_reads, 1);
    if (before != NULL && oracle_at(v->oracle, v->first) != before)
        world_count(v->world, COUNT_reads_raced, 1);
    if (v->step->kind == STEP_READ && v->got.status == NFS4_OK && v->got.main.opread.resok4.data.size_bytes > 65536)
        world_count(v->world, COUNT_blocks_read, 1);
    if (v->step->kind == STEP_VERIFY && v->got.status != NFS4_OK)
        world_count(v->world, COUNT_verify_failed, 1);
    if (told)
        learn_from_read(v->client, v->step, &v->got, agreed);
}

/* A step that goes on where a change has ended works on that file. */
static void resolve_follower(struct verification *v)
{
    struct step *step = v->step;
    if (!step->follows || step->executed)
        return;
    const struct step *before = step - 1;
    while (before > v->request->steps && !step_kind_changes(before->kind))
        before--;
    step->file = before->executed && before->expected.inode != MODEL_NO_INODE ? before->expected.inode : before->file;
}

/* The newest change of the request before the step, and the oldest after it, bound what the step can have seen. */
static void bound_versions(struct verification *v)
{
    v->first = v->request->number_sent;
    v->last = oracle_visible(v->oracle);
    for (uint32_t i = 0; i < v->request->step_count; i++) {
        const struct step *other = &v->request->steps[i];
        if (!other->executed)
            continue;
        if (other < v->step)
            v->first = other->version > v->first ? other->version : v->first;
        else if (other > v->step)
            v->last = other->version - 1 < v->last ? other->version - 1 : v->last;
    }
    if (v->first > v->last)
        wrong(v, "order of changes around it", v->first, v->last);
}

static void verify_sequence(struct verification *v)
{
    enum opnum4 op;
    union nfs4_result result;
    if (!nfs_reply_next(v->reply, &op, &result) || op != OP_SEQUENCE)
        world_violation(v->world, "client %u: a reply without SEQUENCE", v->request->client);
    if (result.status.status != NFS4_OK)
        world_violation(v->world, "client %u slot %u seqid %u: SEQUENCE says %d", v->request->client, v->request->slot,
                        v->request->seqid, result.status.status);
    const struct SEQUENCE4resok *resok = &result.opsequence.sr_resok4;
    if (resok->sr_slotid != v->request->slot || resok->sr_sequenceid != v->request->seqid)
        world_violation(v->world, "client %u: the reply is for slot %u seqid %u, want %u and %u", v->request->client,
                        resok->sr_slotid, resok->sr_sequenceid, v->request->slot, v->request->seqid);
    uint32_t trouble = SEQ4_STATUS_EXPIRED_ALL_STATE_REVOKED | SEQ4_STATUS_EXPIRED_SOME_STATE_REVOKED |
                       SEQ4_STATUS_ADMIN_STATE_REVOKED | SEQ4_STATUS_RESTART_RECLAIM_NEEDED | SEQ4_STATUS_LEASE_MOVED;
    if ((resok->sr_status_flags & trouble) != 0)
        world_violation(v->world, "client %u: SEQUENCE shows flags %x", v->request->client, resok->sr_status_flags);
}

void verify_reply(struct client *client, struct request *request, struct nfs_reply *reply)
{
    struct verification v = {.client = client,
                             .request = request,
                             .world = client->population->world,
                             .oracle = client->population->oracle,
                             .reply = reply};
    verify_sequence(&v);
    bool ended = false;
    for (uint32_t i = 0; i < request->step_count; i++) {
        v.step = &request->steps[i];
        if (ended) {
            if (v.step->executed)
                wrong(&v, "executed after the compound had ended", v.step->version, 0);
            continue;
        }
        resolve_follower(&v);
        take_results(&v);
        bound_versions(&v);
        if (v.step->executed)
            verify_executed(&v);
        else
            verify_at_some_moment(&v);
        ended = v.got.status != NFS4_OK;
    }
    if (!ended && reply->next != reply->head.result_count)
        world_violation(v.world, "client %u: %u results, want %u", request->client, reply->head.result_count,
                        reply->next);
}
