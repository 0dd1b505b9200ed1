/* Changes of the export table: ExportAdd, ExportRemove, and the exports of a fresh cluster. Refusals say why, for the
 * operator who typed the command. */
#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/limits.h"
#include "statestore/machine/cidr.h"
#include "statestore/machine/create.h"
#include "statestore/machine/meta.h"

#define EXPORT_WHY_MAX_BYTES 512u
/* Above this, paths in the texts are cut. */
#define EXPORT_WHY_PATH_BYTES 200

static struct slice export_why(struct apply *apply, const char *format, ...) __attribute__((format(printf, 2, 3)));

static struct slice export_why(struct apply *apply, const char *format, ...)
{
    char *text = arena_alloc(apply->arena, EXPORT_WHY_MAX_BYTES);
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, EXPORT_WHY_MAX_BYTES, format, arguments);
    va_end(arguments);
    CHECK(length >= 0);
    return slice_make(text, (size_t)length < EXPORT_WHY_MAX_BYTES ? (size_t)length : EXPORT_WHY_MAX_BYTES - 1);
}

static int export_shown(struct slice text)
{
    return text.size_bytes < EXPORT_WHY_PATH_BYTES ? (int)text.size_bytes : EXPORT_WHY_PATH_BYTES;
}

bool export_path_normalise(struct slice given, struct arena *arena, struct slice *path, const char **why)
{
    uint8_t *bytes = arena_alloc(arena, given.size_bytes + 1);
    size_t size = 0;
    *why = "an export path begins with '/'";
    if (given.size_bytes == 0 || given.data[0] != '/')
        return false;
    for (size_t at = 0; at < given.size_bytes;) {
        if (given.data[at] == '/') {
            at++;
            continue;
        }
        size_t end = at;
        while (end < given.size_bytes && given.data[end] != '/')
            end++;
        struct slice component = slice_make(given.data + at, end - at);
        *why = "each part of an export path is valid UTF-8 of at most 255 bytes, and neither '.' nor '..'";
        if (name_check(component) != NFS4_OK)
            return false;
        bytes[size++] = '/';
        memcpy(bytes + size, component.data, component.size_bytes);
        size += component.size_bytes;
        at = end;
    }
    *why = "'/' is the directory that leads to all exports: give the export a name, for example /data";
    if (size == 0)
        return false;
    *why = "the export path is longer than 1024 bytes";
    if (size > EXPORT_PATH_MAX_BYTES)
        return false;
    *path = slice_make(bytes, size);
    return true;
}

/* Pseudo-flavors of RFC 2623 and RFC 5531. */
static bool export_flavor_valid(uint32_t flavor)
{
    return flavor <= 1 || (flavor >= 390003 && flavor <= 390005);
}

static enum nfsstat4 export_check_options(struct apply *apply, const Qnfs__ExportSpec *spec, struct slice *why)
{
    if (spec->squash > EXPORT_SQUASH_NONE) {
        *why = export_why(apply, "squash is root, all or none");
        return NFS4ERR_INVAL;
    }
    if (spec->n_clients > EXPORT_CLIENTS_MAX) {
        *why = export_why(apply, "%zu client ranges are too many: at most %u", spec->n_clients, EXPORT_CLIENTS_MAX);
        return NFS4ERR_INVAL;
    }
    for (size_t i = 0; i < spec->n_clients; i++) {
        struct slice text = slice_make(spec->clients[i].data, spec->clients[i].len);
        struct cidr range;
        if (!cidr_parse(text, &range)) {
            *why = export_why(apply, "'%.*s' is no address range: want for example 10.0.0.0/8 or 2001:db8::/32",
                              export_shown(text), (const char *)text.data);
            return NFS4ERR_INVAL;
        }
    }
    for (size_t i = 0; i < spec->n_flavors; i++) {
        if (!export_flavor_valid(spec->flavors[i]) || spec->n_flavors > EXPORT_FLAVORS_MAX) {
            *why = export_why(apply, "the security flavors are none, sys, krb5, krb5i and krb5p");
            return NFS4ERR_INVAL;
        }
    }
    return NFS4_OK;
}

/* An export inside another would make one directory both a pseudo directory and a file of a volume
 * (docs/decisions/0005-exports-do-not-nest.md). */
static enum nfsstat4 export_check_nesting(struct apply *apply, struct slice path, struct slice *why)
{
    struct export other;
    for (size_t end = 1; end < path.size_bytes; end++) {
        if (path.data[end] != '/')
            continue;
        struct slice above = slice_make(path.data, end);
        if (export_find(apply->read, above, apply->arena, &other) && other.active) {
            *why = export_why(apply, "exports do not nest: %.*s is an export already", export_shown(above),
                              (const char *)above.data);
            return NFS4ERR_EXIST;
        }
    }
    uint8_t *below = arena_alloc(apply->arena, path.size_bytes + 1);
    memcpy(below, path.data, path.size_bytes);
    below[path.size_bytes] = '/';
    enum nfsstat4 status = NFS4_OK;
    struct export_walk walk;
    export_walk_below(apply->read, slice_make(below, path.size_bytes + 1), apply->arena, &walk);
    for (; status == NFS4_OK && export_walk_get(&walk, &other); export_walk_next(&walk)) {
        if (!other.active)
            continue;
        *why = export_why(apply, "exports do not nest: %.*s is an export already", export_shown(other.path),
                          (const char *)other.path.data);
        status = NFS4ERR_EXIST;
    }
    export_walk_close(&walk);
    return status;
}

static bool export_table_full(struct apply *apply)
{
    struct export_walk walk;
    uint32_t count = 0;
    export_walk_open(apply->read, apply->arena, &walk);
    for (; walk.cursor.valid; export_walk_next(&walk))
        count++;
    export_walk_close(&walk);
    return count >= EXPORTS_MAX;
}

/* The volume behind a new path: its number and its root directory. */
static struct volume_id export_make_volume(struct apply *apply)
{
    uint64_t next = meta_get(apply->read, META_VOLUME_NEXT, 1, apply->arena);
    const struct volume_id volume = {(uint32_t)next};
    meta_put(apply->transaction, META_VOLUME_NEXT, next + 1, apply->arena);
    struct inode root = create_inode((struct file_id){volume, INODE_ROOT, CREATE_GENERATION}, NF4DIR,
                                     apply_change(apply), apply->wall_ns);
    root.mode = 0755;
    root.parent = INODE_ROOT;
    inode_put(apply->transaction, &root, apply->arena);
    return volume;
}

static void export_changed(struct apply *apply)
{
    meta_put(apply->transaction, META_EXPORTS_CHANGED, apply->number, apply->arena);
    apply_effect(apply, (struct machine_effect){.kind = EFFECT_EXPORTS_CHANGED});
}

static void export_store(struct apply *apply, const Qnfs__ExportSpec *spec, struct export *export)
{
    struct slice *clients = arena_alloc_array(apply->arena, spec->n_clients, sizeof(*clients));
    for (size_t i = 0; i < spec->n_clients; i++)
        clients[i] = slice_make(spec->clients[i].data, spec->clients[i].len);
    export->active = true;
    export->read_only = spec->read_only;
    export->squash = (enum export_squash)spec->squash;
    export->clients = clients;
    export->client_count = (uint32_t)spec->n_clients;
    export->flavors = spec->flavors;
    export->flavor_count = (uint32_t)spec->n_flavors;
    export_put(apply->transaction, export, apply->arena);
    export_changed(apply);
}

enum nfsstat4 export_add(struct apply *apply, const Qnfs__ExportSpec *spec, struct slice *why)
{
    const char *path_why;
    struct slice path;
    if (!export_path_normalise(slice_make(spec->path.data, spec->path.len), apply->arena, &path, &path_why)) {
        *why = export_why(apply, "%s", path_why);
        return NFS4ERR_INVAL;
    }
    enum nfsstat4 status = export_check_options(apply, spec, why);
    if (status == NFS4_OK)
        status = export_check_nesting(apply, path, why);
    if (status != NFS4_OK)
        return status;
    struct export export;
    if (!export_find(apply->read, path, apply->arena, &export)) {
        if (export_table_full(apply)) {
            *why = export_why(apply, "%u exports are too many", EXPORTS_MAX + 1);
            return NFS4ERR_NOSPC;
        }
        export = (struct export){.volume = export_make_volume(apply), .path = path};
    }
    export_store(apply, spec, &export);
    *why = export_why(apply, "%.*s is exported as volume %u", export_shown(path), (const char *)path.data,
                      export.volume.value);
    return NFS4_OK;
}

static void export_answer(struct apply *apply, enum nfsstat4 status, struct slice text)
{
    Qnfs__TextResult *result = arena_alloc(apply->arena, sizeof(*result));
    qnfs__text_result__init(result);
    result->text = (ProtobufCBinaryData){text.size_bytes, (uint8_t *)(uintptr_t)text.data};
    apply->result->body_case = QNFS__RESULT__BODY_TEXT;
    apply->result->text = result;
    apply_answer(apply, status);
}

void export_add_apply(struct apply *apply, const Qnfs__ExportAdd *command)
{
    static const Qnfs__ExportSpec nothing = QNFS__EXPORT_SPEC__INIT;
    struct slice text;
    enum nfsstat4 status = export_add(apply, command->spec == NULL ? &nothing : command->spec, &text);
    export_answer(apply, status, text);
}

void export_remove_apply(struct apply *apply, const Qnfs__ExportRemove *command)
{
    const char *why;
    struct slice path;
    struct export export;
    if (!export_path_normalise(slice_make(command->path.data, command->path.len), apply->arena, &path, &why)) {
        export_answer(apply, NFS4ERR_INVAL, export_why(apply, "%s", why));
        return;
    }
    if (!export_find(apply->read, path, apply->arena, &export) || !export.active) {
        export_answer(apply, NFS4ERR_NOENT,
                      export_why(apply, "%.*s is no export", export_shown(path), (const char *)path.data));
        return;
    }
    export.active = false;
    export_put(apply->transaction, &export, apply->arena);
    export_changed(apply);
    export_answer(apply, NFS4_OK,
                  export_why(apply, "%.*s is no longer exported; its files are kept", export_shown(path),
                             (const char *)path.data));
}
