#include "tests/sim/generate.h"

#include <stdio.h>

#include "base/check.h"
#include "proto/nfs4/open.h"

/* What one request is made with. */
struct generation {
    struct client *client;
    struct world *world;
    const struct model *model;
    struct request *request;
};

static struct step *add_step(struct generation *g, enum step_kind kind)
{
    CHECK(g->request->step_count < REQUEST_STEPS_MAX);
    struct step *step = &g->request->steps[g->request->step_count++];
    *step = (struct step){.kind = kind, .file = MODEL_NO_INODE};
    return step;
}

static void draw_name(struct generation *g, char name[STEP_NAME_BYTES])
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "naïve", "long name"};
    /* Where leases can run out, clients should want the same. */
    uint64_t count = g->client->population->slow ? 3 : sizeof(names) / sizeof(names[0]);
    snprintf(name, STEP_NAME_BYTES, "%s", names[world_draw(g->world, count)]);
}

/* An inode of the kind whose handle is known: one that exists, or now and then one that did. */
static bool draw_inode(struct generation *g, bool directory, uint16_t *inode)
{
    const struct population *population = g->client->population;
    if (directory && (population->slow ? !world_chance(g->world, 6) : world_chance(g->world, 2))) { /* to meet there */
        *inode = MODEL_ROOT;
        return true;
    }
    bool gone = world_chance(g->world, 40);
    uint64_t candidates = 0;
    for (uint16_t i = 0; i < g->model->inode_count; i++) {
        const struct model_inode *row = &g->model->inodes[i];
        if (row->is_directory == directory && row->exists != gone && population->handles[i].size_bytes > 0 &&
            world_draw(g->world, ++candidates) == 0)
            *inode = i;
    }
    if (candidates > 0 && gone)
        world_count(g->world, COUNT_stale, 1);
    return candidates > 0;
}

/* Marks the owner as needed or changed by the request; false if others under way forbid that. */
static bool claim_owner(struct generation *g, uint32_t owner, bool exclusive)
{
    const struct client *client = g->client;
    uint64_t bit = UINT64_C(1) << owner;
    if (client->owner_exclusive[owner] || (exclusive && client->owner_shared[owner] > 0))
        return false;
    if (exclusive)
        g->request->owners_exclusive |= bit;
    else
        g->request->owners_shared |= bit;
    return true;
}

static struct held_open *draw_open(struct generation *g)
{
    struct held_open *chosen = NULL;
    uint64_t candidates = 0;
    for (size_t i = 0; i < CLIENT_OPENS_MAX; i++) {
        struct held_open *open = &g->client->opens[i];
        if (open->used && world_draw(g->world, ++candidates) == 0)
            chosen = open;
    }
    return chosen;
}

static size_t open_count(const struct client *client)
{
    size_t count = 0;
    for (size_t i = 0; i < CLIENT_OPENS_MAX; i++)
        count += client->opens[i].used ? 1 : 0;
    return count;
}

/* --- single steps --- */

static bool make_open(struct generation *g, struct step **made)
{
    uint16_t directory;
    uint32_t owner = (uint32_t)world_draw(g->world, CLIENT_OWNERS);
    if (open_count(g->client) + 4 >= CLIENT_OPENS_MAX || !draw_inode(g, true, &directory) ||
        !claim_owner(g, owner, true))
        return false;
    struct step *step = add_step(g, STEP_OPEN);
    step->file = directory;
    draw_name(g, step->name);
    step->owner = owner;
    step->access = world_chance(g->world, 3) ? (uint32_t)world_draw(g->world, 3) + 1 : OPEN4_SHARE_ACCESS_BOTH;
    step->deny = world_chance(g->world, g->client->population->slow ? 2 : 8) ? (uint32_t)world_draw(g->world, 3) + 1
                                                                             : OPEN4_SHARE_DENY_NONE;
    step->mode = 0600u + (uint32_t)world_draw(g->world, 8);
    switch (world_draw(g->world, 6)) {
    case 0:
    case 1: step->create = CREATE_NOT; break;
    case 2: step->create = CREATE_GUARDED; break;
    case 3:
        step->create = CREATE_EXCLUSIVE;
        step->verifier = world_draw(g->world, 3); /* few, so that some are met again */
        break;
    default:
        step->create = CREATE_UNCHECKED;
        step->truncate = (step->access & OPEN4_SHARE_ACCESS_WRITE) != 0 && world_chance(g->world, 4);
        break;
    }
    *made = step;
    return true;
}

/* What allows the step: an open, its locks, or nothing at all. */
static bool draw_permission(struct generation *g, struct step *step)
{
    struct held_open *open = draw_open(g);
    if (open == NULL || world_chance(g->world, 8)) {
        step->allowed_by = BY_NOTHING;
        return draw_inode(g, false, &step->file);
    }
    if (!claim_owner(g, open->owner, false))
        return false;
    step->file = open->inode;
    step->owner = open->owner;
    step->allowed_by = open->has_locks && world_chance(g->world, 2) ? BY_LOCK : BY_OPEN;
    step->stateid = step->allowed_by == BY_LOCK ? open->lock_stateid : open->stateid;
    if (world_chance(g->world, 2))
        step->stateid.seqid = 0; /* whatever it is now */
    return true;
}

static void draw_range(struct generation *g, struct step *step)
{
    switch (world_draw(g->world, 12)) {
    case 0: /* goes into a block file */
        step->offset = world_draw(g->world, 4) * 65536;
        step->length = CONTENT_INLINE_MAX_BYTES + 1 + world_draw(g->world, 100000);
        break;
    case 1:
        step->offset = world_draw(g->world, 200000);
        step->length = 1 + world_draw(g->world, 70000);
        break;
    default:
        step->offset = world_draw(g->world, 20) * 512;
        step->length = 1 + world_draw(g->world, 2000);
        break;
    }
    CHECK(step->offset + step->length <= MODEL_FILE_MAX_BYTES);
}

static bool make_write(struct generation *g)
{
    struct step *step = add_step(g, STEP_WRITE);
    draw_range(g, step);
    step->pattern = random_seeded_next(&g->world->random);
    return draw_permission(g, step);
}

static bool make_read(struct generation *g)
{
    struct step *step = add_step(g, STEP_READ);
    draw_range(g, step);
    if (world_chance(g->world, 3)) {
        step->offset = 0;
        step->length = MODEL_FILE_MAX_BYTES;
    }
    return draw_permission(g, step);
}

static bool make_resize(struct generation *g)
{
    struct step *step = add_step(g, STEP_RESIZE);
    step->size = world_chance(g->world, 3) ? 0 : world_draw(g->world, world_chance(g->world, 4) ? 200000 : 12000);
    return draw_permission(g, step);
}

static bool make_chmod(struct generation *g)
{
    struct step *step = add_step(g, STEP_CHMOD);
    step->mode = (uint32_t)world_draw(g->world, 01000);
    return draw_inode(g, world_chance(g->world, 4), &step->file);
}

static bool make_close(struct generation *g)
{
    struct held_open *open = draw_open(g);
    if (open == NULL || !claim_owner(g, open->owner, true))
        return false;
    struct step *step = add_step(g, STEP_CLOSE);
    step->file = open->inode;
    step->owner = open->owner;
    step->stateid = open->stateid;
    return true;
}

static bool make_lock(struct generation *g, bool locks)
{
    struct held_open *open = draw_open(g);
    if (open == NULL || (!locks && !open->has_locks) || !claim_owner(g, open->owner, true))
        return false;
    struct step *step = add_step(g, locks ? STEP_LOCK : STEP_UNLOCK);
    step->file = open->inode;
    step->owner = open->owner;
    step->exclusive = world_chance(g->world, 2);
    step->offset = world_draw(g->world, 12) * 10;
    step->length = world_chance(g->world, 6) ? STEP_TO_END : (1 + world_draw(g->world, 6)) * 10;
    step->new_lock_owner = !open->has_locks;
    step->stateid = open->has_locks ? open->lock_stateid : open->stateid;
    return true;
}

static bool make_named(struct generation *g, enum step_kind kind)
{
    struct step *step = add_step(g, kind);
    draw_name(g, step->name);
    draw_name(g, step->target_name);
    step->mode = 0755;
    if (!draw_inode(g, true, &step->file) || !draw_inode(g, true, &step->target_directory))
        return false;
    return kind != STEP_LINK || draw_inode(g, world_chance(g->world, 10), &step->linked);
}

static bool make_look(struct generation *g, enum step_kind kind)
{
    struct step *step = add_step(g, kind);
    draw_name(g, step->name);
    step->size = world_chance(g->world, 2) ? 0 : world_draw(g->world, 3000);
    bool directory = kind == STEP_LOOKUP || kind == STEP_READDIR || (kind == STEP_GETATTR && world_chance(g->world, 3));
    return draw_inode(g, directory, &step->file);
}

/* --- several changes in one compound --- */

/* OPEN, WRITE, CLOSE: what a small file takes. */
static bool make_small_file(struct generation *g)
{
    struct step *open;
    if (!make_open(g, &open))
        return false;
    open->access = OPEN4_SHARE_ACCESS_BOTH;
    open->create = CREATE_UNCHECKED;
    struct step *write = add_step(g, STEP_WRITE);
    write->follows = true;
    write->owner = open->owner;
    write->pattern = random_seeded_next(&g->world->random);
    draw_range(g, write);
    if (world_chance(g->world, 3)) {
        struct step *look = add_step(g, STEP_GETATTR);
        look->follows = true;
    }
    struct step *close = add_step(g, STEP_CLOSE);
    close->follows = true;
    close->owner = open->owner;
    return true;
}

/* Two changes of names, often in one directory. */
static bool make_two_names(struct generation *g)
{
    static const enum step_kind kinds[] = {STEP_MKDIR, STEP_REMOVE, STEP_RENAME, STEP_LINK};
    uint64_t count = 2 + world_draw(g->world, 2);
    for (uint64_t i = 0; i < count; i++) {
        if (!make_named(g, kinds[world_draw(g->world, 4)]))
            return false;
        if (i > 0 && world_chance(g->world, 2))
            g->request->steps[i].file = g->request->steps[0].file;
    }
    return true;
}

/* A change that is made only if the size is what the client thinks. */
static bool make_guarded_resize(struct generation *g)
{
    struct step *verify = add_step(g, STEP_VERIFY);
    struct step *resize = add_step(g, STEP_RESIZE);
    if (!draw_permission(g, resize))
        return false;
    verify->file = resize->file;
    verify->size = world_chance(g->world, 4) ? 12345 : model_size(g->model, resize->file);
    resize->size = world_draw(g->world, 5000);
    if (world_chance(g->world, 2)) {
        struct step *look = add_step(g, STEP_GETATTR);
        look->follows = true;
        look->file = resize->file;
    }
    return true;
}

/* A name is changed only if the directory is as the client knows it: what one server still finds so, the next one may not
 * any more. */
static bool make_guarded_name(struct generation *g)
{
    static const enum step_kind kinds[] = {STEP_MKDIR, STEP_REMOVE, STEP_OPEN};
    struct step *verify = add_step(g, STEP_VERIFY);
    struct step *open;
    if (!draw_inode(g, true, &verify->file))
        return false;
    verify->change = g->model->inodes[verify->file].change;
    enum step_kind kind = kinds[world_draw(g->world, 3)];
    if (verify->change == 0 || !(kind == STEP_OPEN ? make_open(g, &open) : make_named(g, kind)))
        return false;
    g->request->steps[1].file = verify->file;
    return true;
}

/* WRITE, then two looks at the file. */
static bool make_write_and_look(struct generation *g)
{
    if (!make_write(g))
        return false;
    struct step *write = &g->request->steps[0];
    struct step *look = add_step(g, STEP_GETATTR);
    struct step *read = add_step(g, STEP_READ);
    *look = (struct step){.kind = STEP_GETATTR, .file = write->file};
    *read = *write;
    read->kind = STEP_READ;
    read->length = write->length + 10;
    return true;
}

static bool make_any(struct generation *g)
{
    struct step *ignored;
    uint64_t draw = world_draw(g->world, g->client->population->node_count > 1 ? 36 : 31);
    /* Names that stay for a while are opened by several clients. */
    if (g->client->population->slow && ((draw >= 16 && draw <= 20) || draw == 26 || draw == 27) &&
        !world_chance(g->world, 5))
        draw = world_draw(g->world, 6);
    switch (draw) {
    case 0:
    case 1:
    case 2:
    case 3: return make_open(g, &ignored);
    case 4:
    case 5: return make_close(g);
    case 6:
    case 7:
    case 8: return make_write(g);
    case 9:
    case 10: return make_read(g);
    case 11: return make_resize(g);
    case 12: return make_chmod(g);
    case 13:
    case 14: return make_lock(g, true);
    case 15: return make_lock(g, false);
    case 16: return make_named(g, STEP_MKDIR);
    case 17: return make_named(g, STEP_LINK);
    case 18: return make_named(g, STEP_RENAME);
    case 19:
    case 20: return make_named(g, STEP_REMOVE);
    case 21:
    case 22: return make_look(g, STEP_GETATTR);
    case 23: return make_look(g, STEP_LOOKUP);
    case 24: return make_look(g, STEP_READDIR);
    case 25: return make_small_file(g);
    case 26:
    case 27: return make_two_names(g);
    case 28: return make_guarded_resize(g);
    case 29: return make_write_and_look(g);
    default: return make_guarded_name(g);
    }
}

/* At the end: what is there? */
static bool make_any_look(struct generation *g)
{
    static const enum step_kind kinds[] = {STEP_GETATTR, STEP_LOOKUP, STEP_READDIR};
    return world_chance(g->world, 2) ? make_read(g) : make_look(g, kinds[world_draw(g->world, 3)]);
}

static bool is_growth(const struct request *request)
{
    for (uint32_t i = 0; i < request->step_count; i++) {
        enum step_kind kind = request->steps[i].kind;
        if (kind == STEP_OPEN || kind == STEP_MKDIR || kind == STEP_LINK || kind == STEP_RENAME || kind == STEP_LOCK)
            return true;
    }
    return false;
}

/* Whether the reply has bounded size: ca_maxresponsesize_cached is small. */
static bool can_be_cached(const struct request *request)
{
    for (uint32_t i = 0; i < request->step_count; i++) {
        if (request->steps[i].kind == STEP_READ || request->steps[i].kind == STEP_READDIR)
            return false;
    }
    return true;
}

bool generate_request(struct client *client, struct request *request)
{
    struct generation g = {.client = client,
                           .world = client->population->world,
                           .model = oracle_present(client->population->oracle),
                           .request = request};
    request->step_count = 0;
    request->owners_shared = request->owners_exclusive = 0;
    if (client->population->handles[MODEL_ROOT].size_bytes == 0) {
        add_step(&g, STEP_ROOT)->file = MODEL_ROOT;
    } else if (!client->reclaimed) {
        if (client->reclaiming)
            return false;
        client->reclaiming = true;
        add_step(&g, STEP_RECLAIMED);
    } else if (client->population->looking) {
        if (!make_any_look(&g))
            return false;
    } else if (!make_any(&g) || (is_growth(request) && !model_has_room(g.model))) {
        return false;
    }
    request->cache_this = world_chance(g.world, 4) && can_be_cached(request);
    request->wants_repeat = world_chance(g.world, 10) && request_changes(request);
    request->wants_false_retry = !request->wants_repeat && world_chance(g.world, 25) && request_changes(request);
    return true;
}
