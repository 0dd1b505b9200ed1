/* OPEN, OPEN_DOWNGRADE, CLOSE, FREE_STATEID, and the judgement of stateids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/limits.h"
#include "proto/nfs4/lock.h"
#include "proto/nfs4/open.h"
#include "statestore/machine/attributes.h"
#include "statestore/machine/inode.h"
#include "tests/support/scene.h"

#define R OPEN4_SHARE_ACCESS_READ
#define W OPEN4_SHARE_ACCESS_WRITE
#define RW OPEN4_SHARE_ACCESS_BOTH

static struct inode stat_of(struct scene *scene, const char *name)
{
    struct inode inode;
    assert_true(inode_find(scene_read(scene), scene_lookup(scene, name), &scene->arena, &inode));
    return inode;
}

/* A directory, symlink or fifo in /data. */
static void make_special(struct scene *scene, struct scene_client *client, const char *name, enum nfs_ftype4 type)
{
    Qnfs__Create *body = arena_alloc(&scene->arena, sizeof(*body));
    Qnfs__Command *command = scene_command(scene);
    qnfs__create__init(body);
    body->directory = scene_file(scene, scene->root);
    body->name = scene_text(scene, name);
    body->type = (uint32_t)type;
    body->link_text = type == NF4LNK ? scene_text(scene, "to") : (ProtobufCBinaryData){0};
    body->attributes = scene_attributes(scene);
    command->body_case = QNFS__COMMAND__BODY_CREATE;
    command->create = body;
    assert_int_equal(scene_send(scene, client, command)->status, NFS4_OK);
}

static enum nfsstat4 open_status(struct scene *scene, struct scene_client *client, Qnfs__Command *command)
{
    return (enum nfsstat4)scene_send(scene, client, command)->status;
}

static void test_create_and_open(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    Qnfs__Result *result = scene_open(scene, &client, "o", "f", RW, 0);
    assert_int_equal(result->status, NFS4_OK);
    assert_int_equal(result->open->stateid->seqid, 1);
    assert_int_equal(result->open->rflags, OPEN4_RESULT_LOCKTYPE_POSIX | OPEN4_RESULT_PRESERVE_UNLINKED);
    assert_int_equal(result->open->attributes_set, ATTRIBUTE_MODE);
    assert_true(result->open->change->after > result->open->change->before);
    assert_int_equal(result->open->file->inode, result->number);
    assert_int_equal(stat_of(scene, "f").mode, 0644);
    struct stateid stateid = scene_result_stateid(result);
    static const uint8_t epoch[4] = {0, 0, 0, 1};
    assert_memory_equal(stateid.other, epoch, 4);
    /* Again by another owner: another stateid, nothing changed in the directory. */
    result = scene_open(scene, &client, "p", "f", R, 0);
    assert_int_equal(result->status, NFS4_OK);
    assert_int_equal(result->open->change->before, result->open->change->after);
    assert_int_equal(result->open->attributes_set, 0);
    assert_memory_not_equal(scene_result_stateid(result).other, stateid.other, 12);
}

static void test_names(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    Qnfs__Command *command = scene_open_command(scene, "o", "f", R, 0);
    command->open->create = false;
    assert_int_equal(open_status(scene, &client, command), NFS4ERR_NOENT);
    assert_int_equal(scene_open(scene, &client, "o", "", R, 0)->status, NFS4ERR_INVAL);
    assert_int_equal(scene_open(scene, &client, "o", ".", R, 0)->status, NFS4ERR_BADNAME);
    scene_open_ok(scene, &client, "o", "f", R, 0);
    command = scene_open_command(scene, "o", "g", R, 0);
    command->open->file = scene_file(scene, scene_lookup(scene, "f"));
    assert_int_equal(open_status(scene, &client, command), NFS4ERR_NOTDIR);
    command->open->file->inode = 777;
    assert_int_equal(open_status(scene, &client, command), NFS4ERR_STALE);
    command->open->file->volume = 9;
    assert_int_equal(open_status(scene, &client, command), NFS4ERR_STALE);
    make_special(scene, &client, "l", NF4LNK);
    command->open->file = scene_file(scene, scene_lookup(scene, "l"));
    assert_int_equal(open_status(scene, &client, command), NFS4ERR_SYMLINK);
}

static void test_types(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    make_special(scene, &client, "d", NF4DIR);
    make_special(scene, &client, "l", NF4LNK);
    make_special(scene, &client, "p", NF4FIFO);
    assert_int_equal(scene_open(scene, &client, "o", "d", R, 0)->status, NFS4ERR_ISDIR);
    assert_int_equal(scene_open(scene, &client, "o", "l", R, 0)->status, NFS4ERR_SYMLINK);
    assert_int_equal(scene_open(scene, &client, "o", "p", R, 0)->status, NFS4ERR_WRONG_TYPE);
}

static void test_pseudo(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    struct pseudo_node root;
    Qnfs__Command *command = scene_open_command(scene, "o", "data", R, 0);
    assert_true(pseudo_find(scene_read(scene), INODE_ROOT, &scene->arena, &root));
    command->open->file = scene_file(scene, (struct file_id){VOLUME_PSEUDO, root.inode, 0});
    assert_int_equal(open_status(scene, &client, command), NFS4ERR_ISDIR);
    command->open->name = scene_text(scene, "new");
    assert_int_equal(open_status(scene, &client, command), NFS4ERR_ROFS);
    command->open->create = false;
    assert_int_equal(open_status(scene, &client, command), NFS4ERR_NOENT);
    command->open->claim = CLAIM_FH;
    assert_int_equal(open_status(scene, &client, command), NFS4ERR_ISDIR);
}

static void test_arguments(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    static const struct {
        uint32_t access, deny, claim;
        enum nfsstat4 status;
    } cases[] = {
        {0, 0, CLAIM_NULL, NFS4ERR_INVAL},
        {4, 0, CLAIM_NULL, NFS4ERR_INVAL},
        {1, 4, CLAIM_NULL, NFS4ERR_INVAL},
        {1, 0, CLAIM_PREVIOUS, NFS4ERR_NO_GRACE},
        {1, 0, CLAIM_DELEGATE_CUR, NFS4ERR_BAD_STATEID},
        {1, 0, CLAIM_DELEG_CUR_FH, NFS4ERR_BAD_STATEID},
        {1, 0, CLAIM_DELEGATE_PREV, NFS4ERR_NOTSUPP},
        {1, 0, CLAIM_DELEG_PREV_FH, NFS4ERR_NOTSUPP},
        {1, 0, CLAIM_FH, NFS4ERR_INVAL}, /* with a create */
        {1, 0, 7, NFS4ERR_INVAL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        Qnfs__Command *command = scene_open_command(scene, "o", "f", cases[i].access, cases[i].deny);
        command->open->claim = cases[i].claim;
        assert_int_equal(open_status(scene, &client, command), cases[i].status);
    }
    Qnfs__Command *command = scene_open_command(scene, "o", "f", 1, 0);
    command->open->create_mode = 4;
    command->open->verifier = scene_text(scene, "12345678");
    assert_int_equal(open_status(scene, &client, command), NFS4ERR_INVAL);
}

static void test_no_delegation(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    static const struct {
        uint32_t want, reason;
    } cases[] = {
        {OPEN4_SHARE_ACCESS_WANT_NO_DELEG, WND4_NOT_WANTED},
        {OPEN4_SHARE_ACCESS_WANT_CANCEL, WND4_CANCELLED},
        {OPEN4_SHARE_ACCESS_WANT_READ_DELEG, WND4_NOT_SUPP_FTYPE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        Qnfs__Command *command = scene_open_command(scene, "o", "f", 1, 0);
        command->open->want = cases[i].want;
        assert_int_equal(scene_send(scene, &client, command)->open->no_delegation_reason, cases[i].reason);
    }
}

static void test_create_modes(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    Qnfs__Command *command = scene_open_command(scene, "o", "f", RW, 0);
    command->open->create_mode = GUARDED4;
    assert_int_equal(open_status(scene, &client, command), NFS4_OK);
    assert_int_equal(open_status(scene, &client, command), NFS4ERR_EXIST);

    static const enum createmode4 modes[] = {EXCLUSIVE4, EXCLUSIVE4_1};
    static const char *const names[] = {"x", "y"};
    for (size_t i = 0; i < 2; i++) {
        command = scene_open_command(scene, "o", names[i], RW, 0);
        command->open->create_mode = modes[i];
        command->open->verifier = scene_text(scene, "verifier");
        command->open->attributes->mode = 0; /* it is opened all the same */
        scene->uid = 1000;
        assert_int_equal(open_status(scene, &client, command), NFS4ERR_ACCESS); /* the directory is root's */
        scene->uid = 0;
        command->credential = NULL;
        Qnfs__Result *result = scene_send(scene, &client, command);
        assert_int_equal(result->status, NFS4_OK);
        assert_int_equal(result->open->attributes_set, modes[i] == EXCLUSIVE4 ? 0 : ATTRIBUTE_MODE);
        uint64_t inode = result->open->file->inode;
        /* The client does not know whether it was made: the same again finds it. */
        Qnfs__Result *again = scene_send(scene, &client, command);
        assert_int_equal(again->status, NFS4_OK);
        assert_int_equal(again->open->file->inode, inode);
        assert_int_equal(again->open->attributes_set, result->open->attributes_set);
        assert_int_equal(again->open->stateid->seqid, 2);
        command->open->verifier = scene_text(scene, "another1");
        assert_int_equal(open_status(scene, &client, command), NFS4ERR_EXIST);
    }
}

/* The first SETATTR ends the time in which the verifier counts. */
static void test_exclusive_after_setattr(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    Qnfs__Command *command = scene_open_command(scene, "o", "f", RW, 0);
    command->open->create_mode = EXCLUSIVE4_1;
    command->open->verifier = scene_text(scene, "verifier");
    assert_int_equal(open_status(scene, &client, command), NFS4_OK);
    Qnfs__Setattr body = QNFS__SETATTR__INIT;
    Qnfs__Command *setattr = scene_command(scene);
    body.file = scene_file(scene, scene_lookup(scene, "f"));
    body.stateid = scene_stateid(scene, (struct stateid){0});
    body.attributes = scene_attributes(scene);
    body.attributes->mask = ATTRIBUTE_MODE;
    body.attributes->mode = 0600;
    setattr->body_case = QNFS__COMMAND__BODY_SETATTR;
    setattr->setattr = &body;
    assert_int_equal(scene_send(scene, &client, setattr)->status, NFS4_OK);
    assert_int_equal(open_status(scene, &client, command), NFS4ERR_EXIST);
}

static void test_unchecked_truncates(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    Qnfs__Command *command = scene_open_command(scene, "o", "f", RW, 0);
    command->open->attributes->mask |= ATTRIBUTE_SIZE;
    command->open->attributes->size = 100;
    Qnfs__Result *result = scene_send(scene, &client, command);
    assert_int_equal(result->status, NFS4_OK);
    assert_int_equal(stat_of(scene, "f").size_bytes, 100);
    /* It exists: another size and the mode are ignored. */
    command->open->attributes->size = 50;
    command->open->attributes->mode = 0777;
    result = scene_send(scene, &client, command);
    assert_int_equal(result->open->attributes_set, 0);
    assert_int_equal(stat_of(scene, "f").size_bytes, 100);
    command->open->attributes->size = 0;
    command->open->access = R;
    assert_int_equal(open_status(scene, &client, command), NFS4ERR_INVAL);
    command->open->access = W;
    result = scene_send(scene, &client, command);
    assert_int_equal(result->status, NFS4_OK);
    assert_int_equal(result->open->attributes_set, ATTRIBUTE_SIZE);
    assert_int_equal(stat_of(scene, "f").size_bytes, 0);
    assert_int_equal(stat_of(scene, "f").mode, 0644);
}

static void test_permission(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    static const struct {
        uint32_t mode, access, deny;
        enum nfsstat4 status;
    } cases[] = {
        {0644, R, 0, NFS4_OK},         {0644, W, 0, NFS4ERR_ACCESS},  {0600, R, 0, NFS4ERR_ACCESS},
        {0602, W, 0, NFS4_OK},         {0602, RW, 0, NFS4ERR_ACCESS}, {0601, R, 0, NFS4_OK}, /* executing reads */
        {0601, RW, 0, NFS4ERR_ACCESS}, {0644, R, 1, NFS4ERR_ACCESS}, /* to deny reading is a write */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char name[2] = {(char)('a' + i), 0};
        Qnfs__Command *command = scene_open_command(scene, "root", name, RW, 0);
        command->open->attributes->mode = cases[i].mode;
        assert_int_equal(open_status(scene, &client, command), NFS4_OK);
        scene->uid = 1000;
        assert_int_equal(scene_open(scene, &client, "o", name, cases[i].access, cases[i].deny)->status,
                         cases[i].status);
        command = scene_open_command(scene, "o", name, cases[i].access, cases[i].deny);
        command->open->create = false;
        command->open->claim = CLAIM_FH;
        command->open->file = scene_file(scene, scene_lookup(scene, name));
        assert_int_equal(open_status(scene, &client, command), cases[i].status);
        assert_int_equal(scene_open(scene, &client, "o", "new", R, 0)->status, NFS4ERR_ACCESS);
        scene->uid = 0;
    }
}

static void test_read_only_export(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    scene_open_ok(scene, &client, "o", "f", R, 0);
    Qnfs__ExportSpec spec = QNFS__EXPORT_SPEC__INIT;
    Qnfs__ExportAdd body = QNFS__EXPORT_ADD__INIT;
    Qnfs__Command *command = scene_command(scene);
    spec.path = scene_text(scene, "/data");
    spec.squash = EXPORT_SQUASH_NONE;
    spec.read_only = true;
    body.spec = &spec;
    command->body_case = QNFS__COMMAND__BODY_EXPORT_ADD;
    command->export_add = &body;
    assert_int_equal(scene_apply(scene, command)->status, NFS4_OK);
    assert_int_equal(scene_open(scene, &client, "p", "f", R, 0)->status, NFS4_OK);
    assert_int_equal(scene_open(scene, &client, "p", "f", W, 0)->status, NFS4ERR_ROFS);
    assert_int_equal(scene_open(scene, &client, "p", "new", R, 0)->status, NFS4ERR_ROFS);
}

/* Every pair of (access, deny) against every other. */
static void test_share_conflicts(void **state)
{
    struct scene *scene = *state;
    struct scene_client a = scene_client(scene, "a", 1);
    struct scene_client b = scene_client(scene, "b", 1);
    struct stateid keep = scene_open_ok(scene, &a, "keep", "f", R, 0);
    struct file_id file = scene_lookup(scene, "f");
    scene_close(scene, &a, file, keep);
    for (uint32_t one = 0; one < 12; one++) {
        for (uint32_t two = 0; two < 12; two++) {
            uint32_t access = one / 4 + 1, deny = one % 4, other_access = two / 4 + 1, other_deny = two % 4;
            bool denied = (access & other_deny) != 0 || (deny & other_access) != 0;
            struct stateid stateid = scene_open_ok(scene, &a, "o", "f", access, deny);
            Qnfs__Result *result = scene_open(scene, &b, "o", "f", other_access, other_deny);
            assert_int_equal(result->status, denied ? NFS4ERR_SHARE_DENIED : NFS4_OK);
            if (!denied)
                scene_close(scene, &b, file, scene_result_stateid(result));
            /* Another owner of the same client is another one too. */
            result = scene_open(scene, &a, "p", "f", other_access, other_deny);
            assert_int_equal(result->status, denied ? NFS4ERR_SHARE_DENIED : NFS4_OK);
            if (!denied)
                scene_close(scene, &a, file, scene_result_stateid(result));
            scene_close(scene, &a, file, stateid);
        }
    }
    assert_false(open_any(scene_read(scene), file, &scene->arena));
}

static Qnfs__Result *downgrade(struct scene *scene, struct scene_client *client, struct file_id file,
                               struct stateid stateid, uint32_t access, uint32_t deny)
{
    Qnfs__OpenDowngrade *body = arena_alloc(&scene->arena, sizeof(*body));
    Qnfs__Command *command = scene_command(scene);
    qnfs__open_downgrade__init(body);
    body->file = scene_file(scene, file);
    body->stateid = scene_stateid(scene, stateid);
    body->access = access;
    body->deny = deny;
    command->body_case = QNFS__COMMAND__BODY_OPEN_DOWNGRADE;
    command->open_downgrade = body;
    return scene_send(scene, client, command);
}

/* A client may open a file with a million owners: what one OPEN looks at must not pile up in its memory. */
static void test_share_conflict_among_many(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    char owner[NFS4_OPAQUE_MAX_BYTES];
    for (int i = 0; i < 3000; i++) {
        memset(owner, 'o', sizeof(owner) - 1);
        owner[sizeof(owner) - 1] = '\0';
        owner[snprintf(owner, sizeof(owner), "%d", i)] = 'o';
        scene_open_ok(scene, &client, owner, "f", W, 0);
    }
    scene_open_ok(scene, &client, "reader", "f", R, 0);
    size_t before = scene->arena.reserved_bytes;
    assert_int_equal(scene_open(scene, &client, "other", "f", W, R)->status, NFS4ERR_SHARE_DENIED);
    assert_true(scene->arena.reserved_bytes - before <= (size_t)2 << 20);
}

static void test_upgrade_and_downgrade(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    struct stateid first = scene_open_ok(scene, &client, "o", "f", R, 0);
    struct file_id file = scene_lookup(scene, "f");
    assert_int_equal(downgrade(scene, &client, file, first, RW, 0)->status, NFS4ERR_INVAL);
    struct stateid second = scene_open_ok(scene, &client, "o", "f", W, OPEN4_SHARE_DENY_WRITE);
    assert_memory_equal(first.other, second.other, 12);
    assert_int_equal(second.seqid, 2);
    struct state open;
    assert_true(state_get(scene_read(scene), second.other, &scene->arena, &open));
    assert_int_equal(open.access, RW);
    assert_int_equal(open.deny, OPEN4_SHARE_DENY_WRITE);
    /* Only unions of what was opened: (R, none), (W, deny W). */
    assert_int_equal(downgrade(scene, &client, file, second, R, OPEN4_SHARE_DENY_WRITE)->status, NFS4ERR_INVAL);
    assert_int_equal(downgrade(scene, &client, file, second, W, 0)->status, NFS4ERR_INVAL);
    assert_int_equal(downgrade(scene, &client, file, second, 0, 0)->status, NFS4ERR_INVAL);
    assert_int_equal(downgrade(scene, &client, file, second, 5, 0)->status, NFS4ERR_INVAL);
    assert_int_equal(downgrade(scene, &client, file, first, R, 0)->status, NFS4ERR_OLD_STATEID);
    Qnfs__Result *result = downgrade(scene, &client, file, second, RW, OPEN4_SHARE_DENY_WRITE);
    assert_int_equal(result->status, NFS4_OK);
    struct stateid third = scene_result_stateid(result);
    assert_int_equal(third.seqid, 3);
    third.seqid = 0; /* the present one */
    result = downgrade(scene, &client, file, third, R, 0);
    assert_int_equal(result->status, NFS4_OK);
    third = scene_result_stateid(result);
    assert_int_equal(third.seqid, 4);
    /* The other combination is forgotten. */
    assert_int_equal(downgrade(scene, &client, file, third, W, OPEN4_SHARE_DENY_WRITE)->status, NFS4ERR_INVAL);
}

/* An upgrade is judged against all opens but its own. */
static void test_upgrade_denied(void **state)
{
    struct scene *scene = *state;
    struct scene_client a = scene_client(scene, "a", 1);
    struct scene_client b = scene_client(scene, "b", 1);
    scene_open_ok(scene, &a, "o", "f", R, OPEN4_SHARE_DENY_WRITE);
    scene_open_ok(scene, &a, "o", "f", R, OPEN4_SHARE_DENY_WRITE);
    scene_open_ok(scene, &b, "o", "f", R, 0);
    assert_int_equal(scene_open(scene, &b, "o", "f", W, 0)->status, NFS4ERR_SHARE_DENIED);
    assert_int_equal(scene_open(scene, &a, "o", "f", R, OPEN4_SHARE_DENY_READ)->status, NFS4ERR_SHARE_DENIED);
    /* Its own denial is not in its way. */
    assert_int_equal(scene_open(scene, &a, "o", "f", W, 0)->status, NFS4_OK);
}

static void test_close(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    struct stateid stateid = scene_open_ok(scene, &client, "o", "f", RW, 0);
    struct stateid other = scene_open_ok(scene, &client, "o", "g", RW, 0);
    struct file_id file = scene_lookup(scene, "f");
    assert_int_equal(scene_close(scene, &client, file, other)->status, NFS4ERR_BAD_STATEID);
    Qnfs__Result *locked = scene_lock_new(scene, &client, file, stateid, "l", WRITE_LT, 0, 10);
    assert_int_equal(locked->status, NFS4_OK);
    assert_int_equal(scene_close(scene, &client, file, scene_result_stateid(locked))->status, NFS4ERR_BAD_STATEID);
    Qnfs__Result *result = scene_close(scene, &client, file, stateid);
    assert_int_equal(result->status, NFS4_OK);
    struct stateid closed = scene_result_stateid(result);
    assert_int_equal(closed.seqid, UINT32_MAX);
    assert_int_equal(scene_close(scene, &client, file, stateid)->status, NFS4ERR_BAD_STATEID);
    struct state gone; /* the locks went along */
    assert_false(state_get(scene_read(scene), scene_result_stateid(locked).other, &scene->arena, &gone));
}

/* The last CLOSE of a removed file frees it. */
static void test_orphan(void **state)
{
    struct scene *scene = *state;
    struct scene_client a = scene_client(scene, "a", 1);
    struct scene_client b = scene_client(scene, "b", 1);
    struct stateid one = scene_open_ok(scene, &a, "o", "f", RW, 0);
    struct stateid two = scene_open_ok(scene, &b, "o", "f", RW, 0);
    struct file_id file = scene_lookup(scene, "f");
    assert_int_equal(scene_remove(scene, &a, "f")->status, NFS4_OK);
    struct inode inode;
    assert_true(inode_find(scene_read(scene), file, &scene->arena, &inode));
    assert_int_equal(inode.link_count, 0);
    /* It may be opened by its handle as long as somebody has it open. */
    Qnfs__Command *command = scene_open_command(scene, "p", "", R, 0);
    command->open->create = false;
    command->open->claim = CLAIM_FH;
    command->open->file = scene_file(scene, file);
    Qnfs__Result *result = scene_send(scene, &a, command);
    assert_int_equal(result->status, NFS4_OK);
    assert_int_equal(scene_close(scene, &a, file, scene_result_stateid(result))->status, NFS4_OK);
    assert_int_equal(scene_close(scene, &a, file, one)->status, NFS4_OK);
    assert_true(inode_find(scene_read(scene), file, &scene->arena, &inode));
    assert_int_equal(scene_close(scene, &b, file, two)->status, NFS4_OK);
    assert_false(inode_find(scene_read(scene), file, &scene->arena, &inode));
    assert_int_equal(open_status(scene, &a, command), NFS4ERR_STALE);
}

/* A courtesy client's open keeps an orphan; a client that opens it by its handle takes both away at once. */
static void test_orphan_goes_with_a_courtesy_client(void **state)
{
    struct scene *scene = *state;
    struct scene_client a = scene_client(scene, "a", 1);
    scene_open_ok(scene, &a, "o", "f", RW, OPEN4_SHARE_DENY_BOTH);
    struct file_id file = scene_lookup(scene, "f");
    assert_int_equal(scene_remove(scene, &a, "f")->status, NFS4_OK);
    scene_wait(scene, 76);
    scene_expire(scene);
    struct scene_client b = scene_client(scene, "b", 1);
    Qnfs__Command *command = scene_open_command(scene, "p", "", R, 0);
    command->open->create = false;
    command->open->claim = CLAIM_FH;
    command->open->file = scene_file(scene, file);
    assert_int_equal(open_status(scene, &b, command), NFS4ERR_STALE);
}

static struct stateid numbered(uint32_t seqid, uint8_t fill)
{
    struct stateid stateid = {.seqid = seqid};
    memset(stateid.other, fill, sizeof(stateid.other));
    return stateid;
}

static void test_stateids(void **state)
{
    struct scene *scene = *state;
    struct kv_read *read = scene_read(scene);
    struct arena *arena = &scene->arena;
    struct scene_client a = scene_client(scene, "a", 1);
    struct scene_client b = scene_client(scene, "b", 1);
    scene_open_ok(scene, &a, "o", "f", R, 0);
    struct stateid now = scene_open_ok(scene, &a, "o", "f", W, 0);
    assert_int_equal(stateid_judge(read, now, a.id, 1, arena), NFS4_OK);
    struct stateid changed = now;
    changed.seqid = 0;
    assert_int_equal(stateid_judge(read, changed, a.id, 1, arena), NFS4_OK);
    changed.seqid = now.seqid - 1;
    assert_int_equal(stateid_judge(read, changed, a.id, 1, arena), NFS4ERR_OLD_STATEID);
    changed.seqid = now.seqid + 1;
    assert_int_equal(stateid_judge(read, changed, a.id, 1, arena), NFS4ERR_BAD_STATEID);
    assert_int_equal(stateid_judge(read, now, b.id, 1, arena), NFS4ERR_BAD_STATEID);
    assert_int_equal(stateid_judge(read, now, a.id, 2, arena), NFS4ERR_STALE_STATEID);
    changed = now;
    changed.other[11] ^= 0x40;
    assert_int_equal(stateid_judge(read, changed, a.id, 1, arena), NFS4ERR_BAD_STATEID);
    assert_int_equal(stateid_judge(read, numbered(0, 0), a.id, 1, arena), NFS4ERR_BAD_STATEID);
    assert_int_equal(stateid_judge(read, numbered(1, 0), a.id, 1, arena), NFS4ERR_BAD_STATEID);
    assert_int_equal(stateid_judge(read, numbered(UINT32_MAX, 0xff), a.id, 1, arena), NFS4ERR_BAD_STATEID);
    assert_int_equal(stateid_judge(read, numbered(UINT32_MAX, 0), a.id, 1, arena), NFS4ERR_BAD_STATEID);
}

static enum nfsstat4 judge(struct scene *scene, struct file_id file, struct stateid stateid, struct client_id client,
                           bool is_write)
{
    return open_judge_io(scene_read(scene), file, stateid, client, is_write, 1, &scene->arena);
}

static void test_judge_io(void **state)
{
    struct scene *scene = *state;
    struct scene_client a = scene_client(scene, "a", 1);
    struct scene_client b = scene_client(scene, "b", 1);
    struct stateid read = scene_open_ok(scene, &a, "r", "f", R, 0);
    struct stateid write = scene_open_ok(scene, &a, "w", "f", W, 0);
    struct file_id file = scene_lookup(scene, "f");
    scene_open_ok(scene, &a, "o", "g", R, 0);
    struct file_id other = scene_lookup(scene, "g");
    assert_int_equal(judge(scene, file, read, a.id, false), NFS4_OK);
    assert_int_equal(judge(scene, file, read, a.id, true), NFS4ERR_OPENMODE);
    assert_int_equal(judge(scene, file, write, a.id, true), NFS4_OK);
    assert_int_equal(judge(scene, file, write, a.id, false), NFS4_OK); /* read, modify, write */
    assert_int_equal(judge(scene, other, read, a.id, false), NFS4ERR_BAD_STATEID);
    assert_int_equal(judge(scene, file, read, b.id, false), NFS4ERR_BAD_STATEID);
    /* By a lock stateid: as its open. */
    Qnfs__Result *locked = scene_lock_new(scene, &a, file, read, "l", READ_LT, 0, 1);
    assert_int_equal(locked->status, NFS4_OK);
    assert_int_equal(judge(scene, file, scene_result_stateid(locked), a.id, false), NFS4_OK);
    assert_int_equal(judge(scene, file, scene_result_stateid(locked), a.id, true), NFS4ERR_OPENMODE);
    /* The special ones. */
    assert_int_equal(judge(scene, file, numbered(0, 0), b.id, true), NFS4_OK);
    assert_int_equal(judge(scene, file, numbered(1, 0), b.id, true), NFS4ERR_BAD_STATEID);
    assert_int_equal(judge(scene, file, numbered(UINT32_MAX, 0xff), b.id, true), NFS4_OK);
    struct stateid deny = scene_open_ok(scene, &a, "d", "g", RW, OPEN4_SHARE_DENY_WRITE);
    assert_int_equal(judge(scene, other, numbered(0, 0), b.id, true), NFS4ERR_LOCKED);
    assert_int_equal(judge(scene, other, numbered(UINT32_MAX, 0xff), b.id, true), NFS4ERR_LOCKED);
    assert_int_equal(judge(scene, other, numbered(0, 0), b.id, false), NFS4_OK);
    assert_int_equal(scene_close(scene, &a, other, deny)->status, NFS4_OK);
    assert_int_equal(judge(scene, other, numbered(0, 0), b.id, true), NFS4_OK);
    scene_remove(scene, &a, "g");
}

static void test_read_bypass(void **state)
{
    struct scene *scene = *state;
    struct scene_client a = scene_client(scene, "a", 1);
    scene_open_ok(scene, &a, "o", "f", W, OPEN4_SHARE_DENY_READ);
    struct file_id file = scene_lookup(scene, "f");
    assert_int_equal(judge(scene, file, numbered(0, 0), a.id, false), NFS4ERR_LOCKED);
    assert_int_equal(judge(scene, file, numbered(UINT32_MAX, 0xff), a.id, false), NFS4_OK);
}

static Qnfs__Result *free_stateid(struct scene *scene, struct scene_client *client, struct stateid stateid)
{
    Qnfs__FreeStateid *body = arena_alloc(&scene->arena, sizeof(*body));
    Qnfs__Command *command = scene_command(scene);
    qnfs__free_stateid__init(body);
    body->stateid = scene_stateid(scene, stateid);
    command->body_case = QNFS__COMMAND__BODY_FREE_STATEID;
    command->free_stateid = body;
    return scene_send(scene, client, command);
}

static void test_free_stateid(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    struct stateid open = scene_open_ok(scene, &client, "o", "f", RW, 0);
    struct file_id file = scene_lookup(scene, "f");
    assert_int_equal(free_stateid(scene, &client, open)->status, NFS4ERR_LOCKS_HELD);
    assert_int_equal(free_stateid(scene, &client, numbered(3, 7))->status, NFS4ERR_STALE_STATEID);
    assert_int_equal(free_stateid(scene, &client, numbered(0, 0))->status, NFS4ERR_BAD_STATEID);
    struct stateid lock = scene_result_stateid(scene_lock_new(scene, &client, file, open, "l", WRITE_LT, 0, 10));
    assert_int_equal(free_stateid(scene, &client, lock)->status, NFS4ERR_LOCKS_HELD);
    struct stateid unlocked = scene_result_stateid(scene_unlock(scene, &client, file, lock, 0, UINT64_MAX));
    assert_int_equal(free_stateid(scene, &client, lock)->status, NFS4ERR_OLD_STATEID);
    assert_int_equal(free_stateid(scene, &client, unlocked)->status, NFS4_OK);
    assert_int_equal(free_stateid(scene, &client, unlocked)->status, NFS4ERR_BAD_STATEID);
}

/* seqid 1 and all zeros stands for what the compound has come to. */
static void test_current_stateid(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    struct stateid open = scene_open_ok(scene, &client, "o", "f", RW, 0);
    Qnfs__Close body = QNFS__CLOSE__INIT;
    Qnfs__Command *command = scene_command(scene);
    body.file = scene_file(scene, scene_lookup(scene, "f"));
    body.stateid = scene_stateid(scene, numbered(1, 0));
    command->body_case = QNFS__COMMAND__BODY_CLOSE;
    command->close = &body;
    assert_int_equal(scene_send(scene, &client, command)->status, NFS4ERR_BAD_STATEID); /* there is none */
    scene_slot(scene, &client, 0, command);
    command->slot_origin->current_stateid = scene_stateid(scene, open);
    assert_int_equal(scene_apply(scene, command)->status, NFS4_OK);
    assert_false(open_any(scene_read(scene), scene_lookup(scene, "f"), &scene->arena));
}

static void test_walks(void **state)
{
    struct scene *scene = *state;
    struct scene_client a = scene_client(scene, "a", 1);
    struct scene_client b = scene_client(scene, "b", 1);
    struct stateid one = scene_open_ok(scene, &a, "o", "f", R, 0);
    struct stateid two = scene_open_ok(scene, &b, "o", "f", W, 0);
    struct open_walk walk;
    struct state found;
    open_walk_open(scene_read(scene), scene_lookup(scene, "f"), &scene->arena, &walk);
    assert_true(open_walk_get(&walk, &found));
    assert_memory_equal(found.id.other, one.other, 12);
    assert_true(slice_equal(found.owner, slice_text("o")));
    open_walk_next(&walk);
    assert_true(open_walk_get(&walk, &found));
    assert_memory_equal(found.id.other, two.other, 12);
    open_walk_next(&walk);
    assert_false(open_walk_get(&walk, &found));
    open_walk_close(&walk);
    struct state_walk states;
    state_walk_open(scene_read(scene), b.id, &scene->arena, &states);
    assert_true(state_walk_get(&states, &found));
    assert_memory_equal(found.id.other, two.other, 12);
    state_walk_next(&states);
    assert_false(state_walk_get(&states, &found));
    state_walk_close(&states);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_create_and_open),
        TEST(test_names),
        TEST(test_types),
        TEST(test_pseudo),
        TEST(test_arguments),
        TEST(test_no_delegation),
        TEST(test_create_modes),
        TEST(test_exclusive_after_setattr),
        TEST(test_unchecked_truncates),
        TEST(test_permission),
        TEST(test_read_only_export),
        TEST(test_share_conflicts),
        TEST(test_share_conflict_among_many),
        TEST(test_upgrade_and_downgrade),
        TEST(test_upgrade_denied),
        TEST(test_close),
        TEST(test_orphan),
        TEST(test_orphan_goes_with_a_courtesy_client),
        TEST(test_stateids),
        TEST(test_judge_io),
        TEST(test_read_bypass),
        TEST(test_free_stateid),
        TEST(test_current_stateid),
        TEST(test_walks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
