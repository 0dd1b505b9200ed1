#include "statestore/machine/cluster.h"

#include <stdio.h>

#include "base/check.h"
#include "base/limits.h"
#include "statestore/machine/apply.h"
#include "statestore/machine/row.h"
#include "statestore/machine/settings.h"
#include "statestore/store/schema.h"

/* Stateids of the first epoch begin with 0, 0, 0, 1, so none looks like a special one. */
#define CLUSTER_FIRST_EPOCH 1u

static const uint8_t cluster_key_bytes[] = {SCHEMA_META, 'c', 'l', 'u', 's', 't', 'e', 'r'};

static struct slice cluster_key(void)
{
    return slice_make(cluster_key_bytes, sizeof(cluster_key_bytes));
}

static void cluster_codec(struct row *row, void *value)
{
    struct machine *machine = value;
    row_version(row, 1);
    row_fixed(row, machine->cluster_id, sizeof(machine->cluster_id));
    row_fixed(row, machine->mac_key.bytes, sizeof(machine->mac_key.bytes));
    row_u32(row, &machine->server_epoch);
}

void cluster_load(struct machine *machine, struct kv_read *read, struct arena *arena)
{
    struct slice bytes;
    machine->created = kv_get(read, cluster_key(), arena, &bytes);
    if (machine->created)
        row_decode(cluster_codec, bytes, machine);
}

static void lease_seconds_put(struct apply *apply, uint32_t seconds)
{
    char text[16];
    if (seconds < NFS4_LEASE_MIN_SECONDS)
        seconds = NFS4_LEASE_MIN_SECONDS;
    if (seconds > NFS4_LEASE_MAX_SECONDS)
        seconds = NFS4_LEASE_MAX_SECONDS;
    int length = snprintf(text, sizeof(text), "%u", (unsigned)seconds);
    CHECK(length > 0 && (size_t)length < sizeof(text));
    setting_put(apply->transaction, SETTING_LEASE_SECONDS, slice_make(text, (size_t)length), apply->arena);
}

void cluster_create_apply(struct apply *apply, const Qnfs__ClusterCreate *command)
{
    struct machine *machine = apply->machine;
    if (machine->created) { /* a second leader of the empty cluster proposed one too */
        apply_answer(apply, NFS4_OK);
        return;
    }
    for (size_t i = 0; i < command->n_exports; i++) {
        struct slice why;
        enum nfsstat4 status = export_add(apply, command->exports[i], &why);
        if (status != NFS4_OK) {
            transaction_clear(apply->transaction);
            apply->effect_count = 0;
            apply_refuse(apply, status, why);
            return;
        }
    }
    memcpy(machine->cluster_id, command->cluster_id.data, sizeof(machine->cluster_id));
    memcpy(machine->mac_key.bytes, command->mac_key.data, sizeof(machine->mac_key.bytes));
    machine->server_epoch = CLUSTER_FIRST_EPOCH;
    machine->created = true;
    transaction_put(apply->transaction, cluster_key(), row_encode(cluster_codec, machine, apply->arena));
    if (command->lease_seconds != 0)
        lease_seconds_put(apply, command->lease_seconds);
    apply_answer(apply, NFS4_OK);
}
