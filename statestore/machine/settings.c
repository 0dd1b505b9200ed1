#include "statestore/machine/settings.h"

#include "base/check.h"
#include "base/limits.h"
#include "statestore/machine/apply.h"
#include "statestore/machine/row.h"
#include "statestore/store/schema.h"

/* The texts below cannot be made from limits.h by the preprocessor: its numbers end in u. */
_Static_assert(NFS4_LEASE_DEFAULT_SECONDS == 60, "the default of lease-seconds below");
_Static_assert(NFS4_LEASE_MIN_SECONDS == 5 && NFS4_LEASE_MAX_SECONDS == 3600, "the sentence of lease-seconds below");

static bool lease_seconds_parse(struct slice value, uint32_t *seconds)
{
    uint32_t number = 0;
    if (value.size_bytes == 0 || value.size_bytes > 5)
        return false;
    for (size_t i = 0; i < value.size_bytes; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return false;
        number = number * 10 + (uint32_t)(value.data[i] - '0');
    }
    *seconds = number;
    return number >= NFS4_LEASE_MIN_SECONDS && number <= NFS4_LEASE_MAX_SECONDS;
}

static bool lease_seconds_valid(struct slice value)
{
    uint32_t seconds;
    return lease_seconds_parse(value, &seconds);
}

static bool read_mode_valid(struct slice value)
{
    return slice_equal(value, slice_text("lease")) || slice_equal(value, slice_text("index"));
}

static bool switch_valid(struct slice value)
{
    return slice_equal(value, slice_text("on")) || slice_equal(value, slice_text("off"));
}

struct setting_row {
    const char *name;
    const char *otherwise;
    bool (*valid)(struct slice value);
    const char *values; /* a sentence for the operator */
};

static const struct setting_row setting_rows[] = {
    [SETTING_LEASE_SECONDS] = {"lease-seconds", "60", lease_seconds_valid,
                               "lease-seconds must be a whole number from 5 to 3600"},
    [SETTING_READ_MODE] = {"read-mode", "lease", read_mode_valid, "read-mode must be \"lease\" or \"index\""},
    [SETTING_AUTO_PROMOTE] = {"auto-promote", "on", switch_valid, "auto-promote must be \"on\" or \"off\""},
};
_Static_assert(sizeof(setting_rows) / sizeof(setting_rows[0]) == SETTING_COUNT, "one row a setting");

static struct slice setting_key(enum setting setting, struct arena *arena)
{
    struct slice name = slice_text(setting_name(setting));
    struct row_key key = row_key(arena, SCHEMA_SETTINGS, name.size_bytes);
    row_key_bytes(&key, name);
    return row_key_done(&key);
}

const char *setting_name(enum setting setting)
{
    CHECK((unsigned)setting < SETTING_COUNT);
    return setting_rows[setting].name;
}

struct slice setting_get(struct kv_read *read, enum setting setting, struct arena *arena)
{
    struct slice value;
    if (kv_get(read, setting_key(setting, arena), arena, &value))
        return value;
    return slice_text(setting_rows[setting].otherwise);
}

uint32_t settings_lease_seconds(struct kv_read *read, struct arena *arena)
{
    uint32_t seconds = 0;
    bool valid = lease_seconds_parse(setting_get(read, SETTING_LEASE_SECONDS, arena), &seconds);
    CHECK(valid || read->failed);
    return valid ? seconds : NFS4_LEASE_DEFAULT_SECONDS;
}

enum read_mode settings_read_mode(struct kv_read *read, struct arena *arena)
{
    struct slice value = setting_get(read, SETTING_READ_MODE, arena);
    return slice_equal(value, slice_text("index")) ? READ_MODE_INDEX : READ_MODE_LEASE;
}

bool settings_auto_promote(struct kv_read *read, struct arena *arena)
{
    return slice_equal(setting_get(read, SETTING_AUTO_PROMOTE, arena), slice_text("on"));
}

void setting_put(struct transaction *transaction, enum setting setting, struct slice value, struct arena *arena)
{
    CHECK(setting_rows[setting].valid(value));
    transaction_put(transaction, setting_key(setting, arena), value);
}

void setting_set_apply(struct apply *apply, const Qnfs__SettingSet *command)
{
    struct slice name = slice_make(command->name.data, command->name.len);
    struct slice value = slice_make(command->value.data, command->value.len);
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        const struct setting_row *row = &setting_rows[i];
        if (!slice_equal(name, slice_text(row->name)))
            continue;
        if (!row->valid(value)) {
            apply_refuse(apply, NFS4ERR_INVAL, slice_text(row->values));
            return;
        }
        setting_put(apply->transaction, (enum setting)i, value, apply->arena);
        apply_effect(apply, (struct machine_effect){.kind = EFFECT_SETTINGS_CHANGED});
        apply_answer(apply, NFS4_OK);
        return;
    }
    apply_refuse(apply, NFS4ERR_NOENT,
                 slice_text("no setting of that name; there are lease-seconds, read-mode and auto-promote"));
}
