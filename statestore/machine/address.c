#include "statestore/machine/address.h"

#include <stdio.h>

#include "base/check.h"
#include "statestore/machine/apply.h"
#include "statestore/machine/node.h"
#include "statestore/machine/row.h"
#include "statestore/store/schema.h"

static void address_codec(struct row *row, void *value)
{
    struct address *address = value;
    row_version(row, 1);
    row_fixed(row, address->bytes, sizeof(address->bytes));
    row_u8(row, &address->prefix_bits);
    row_u64(row, &address->owner.value);
    row_u64(row, &address->owner_node);
    row_u64(row, &address->next.value);
    row_u64(row, &address->next_node);
    row_bool(row, &address->leaving);
    row_u64(row, &address->epoch);
    row_u64(row, &address->since_ms);
    row_i64(row, &address->since_wall_ns);
    row_slice(row, &address->device);
}

static void trouble_codec(struct row *row, void *value)
{
    row_version(row, 1);
    row_slice(row, value);
}

static struct slice address_key(uint64_t id, struct arena *arena)
{
    struct row_key key = row_key(arena, SCHEMA_ADDRESS, 8);
    row_key_u64(&key, id);
    return row_key_done(&key);
}

static struct slice trouble_key(uint64_t id, struct incarnation_id incarnation, struct arena *arena)
{
    struct row_key key = row_key(arena, SCHEMA_ADDRESS_TROUBLE, 16);
    row_key_u64(&key, id);
    row_key_u64(&key, incarnation.value);
    return row_key_done(&key);
}

bool address_get(struct kv_read *read, uint64_t id, struct arena *arena, struct address *address)
{
    struct slice bytes;
    if (!kv_get(read, address_key(id, arena), arena, &bytes))
        return false;
    row_decode(address_codec, bytes, address);
    address->id = id;
    return true;
}

size_t address_list(struct kv_read *read, struct arena *arena, struct address **addresses)
{
    struct row_key prefix = row_key(arena, SCHEMA_ADDRESS, 0);
    struct kv_cursor cursor;
    size_t count = 0;
    *addresses = arena_alloc_array(arena, ADDRESSES_MAX, sizeof(**addresses));
    kv_cursor_open(read, row_key_done(&prefix), SLICE_EMPTY, arena, &cursor);
    for (; cursor.valid && count < ADDRESSES_MAX; kv_cursor_next(&cursor)) {
        struct address *address = &(*addresses)[count++];
        row_decode(address_codec, cursor.value, address);
        address->id = row_key_get_u64(cursor.key, 1);
        address->device = arena_copy(arena, address->device); /* the cursor moves on */
    }
    kv_cursor_close(&cursor);
    return count;
}

struct slice address_trouble(struct kv_read *read, uint64_t id, struct incarnation_id incarnation, struct arena *arena)
{
    struct slice bytes;
    struct slice trouble = SLICE_EMPTY;
    if (kv_get(read, trouble_key(id, incarnation, arena), arena, &bytes))
        row_decode(trouble_codec, bytes, &trouble);
    return trouble;
}

void address_text(const struct address *address, char *text)
{
    int length = snprintf(text, ADDRESS_TEXT_BYTES, "%u.%u.%u.%u/%u", address->bytes[0], address->bytes[1],
                          address->bytes[2], address->bytes[3], address->prefix_bits);
    CHECK(length > 0 && (size_t)length < ADDRESS_TEXT_BYTES);
}

/* --- changes --- */

static void address_put(struct apply *apply, const struct address *address)
{
    CHECK(address->owner.value != 0 || (address->next.value == 0 && !address->leaving));
    transaction_put(apply->transaction, address_key(address->id, apply->arena),
                    row_encode(address_codec, address, apply->arena));
    apply_effect(apply, (struct machine_effect){.kind = EFFECT_ADDRESSES_CHANGED});
}

static void address_give(struct apply *apply, struct address *address, struct incarnation_id owner, uint64_t node)
{
    address->owner = owner;
    address->owner_node = node;
    address->next = (struct incarnation_id){0};
    address->next_node = 0;
    address->epoch++;
    address->since_ms = apply->uptime_ms;
    address->since_wall_ns = apply->wall_ns;
    address_put(apply, address);
}

/* Forgets the object with all that nodes have said about it. */
static void address_delete(struct apply *apply, uint64_t id)
{
    struct incarnation open[NODE_PROCESSES_MAX];
    size_t count = incarnation_list(apply->read, apply->arena, open, NODE_PROCESSES_MAX);
    for (size_t i = 0; i < count; i++)
        transaction_delete(apply->transaction, trouble_key(id, open[i].id, apply->arena));
    transaction_delete(apply->transaction, address_key(id, apply->arena));
    apply_effect(apply, (struct machine_effect){.kind = EFFECT_ADDRESSES_CHANGED});
}

/* Its owner does not have it on a device any more. */
static void address_release(struct apply *apply, struct address *address)
{
    struct incarnation incarnation;
    if (address->leaving) {
        address_delete(apply, address->id);
        return;
    }
    if (!incarnation_get(apply->read, address->next, apply->arena, &incarnation)) {
        address->next = (struct incarnation_id){0};
        address->next_node = 0;
    }
    address_give(apply, address, address->next, address->next_node);
}

void address_forget_process(struct apply *apply, struct incarnation_id incarnation)
{
    struct address *addresses;
    size_t count = address_list(apply->read, apply->arena, &addresses);
    for (size_t i = 0; i < count; i++) {
        transaction_delete(apply->transaction, trouble_key(addresses[i].id, incarnation, apply->arena));
        if (addresses[i].next.value == incarnation.value) {
            addresses[i].next = (struct incarnation_id){0};
            addresses[i].next_node = 0;
            address_put(apply, &addresses[i]);
        }
        if (addresses[i].owner.value == incarnation.value)
            address_release(apply, &addresses[i]);
    }
}

static bool address_find(struct apply *apply, ProtobufCBinaryData bytes, struct address *found, size_t *count)
{
    struct address *addresses;
    *count = address_list(apply->read, apply->arena, &addresses);
    for (size_t i = 0; i < *count && bytes.len == sizeof(found->bytes); i++) {
        if (memcmp(addresses[i].bytes, bytes.data, bytes.len) != 0)
            continue;
        *found = addresses[i];
        return true;
    }
    return false;
}

/* The network's own first and last address, and what no host can have. */
static bool address_usable(const uint8_t bytes[4], uint32_t prefix_bits)
{
    uint32_t number = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    if (bytes[0] == 0 || bytes[0] == 127 || bytes[0] >= 224 || prefix_bits == 0 || prefix_bits > 32)
        return false;
    if (prefix_bits >= 31)
        return true;
    uint32_t host = number & (UINT32_MAX >> prefix_bits);
    return host != 0 && host != UINT32_MAX >> prefix_bits;
}

void address_add_apply(struct apply *apply, const Qnfs__AddressAdd *command)
{
    struct address address;
    size_t count;
    if (command->address.len != 4 || !address_usable(command->address.data, command->prefix_bits)) {
        apply_refuse(apply, NFS4ERR_INVAL, slice_text("no host can have this address"));
        return;
    }
    if (command->device.len > ADDRESS_DEVICE_MAX_BYTES) {
        apply_refuse(apply, NFS4ERR_INVAL, slice_text("a device's name has at most 15 characters"));
        return;
    }
    if (address_find(apply, command->address, &address, &count)) {
        apply_refuse(apply, NFS4ERR_EXIST, slice_text("it is a floating address already; remove it first"));
        return;
    }
    if (count >= ADDRESSES_MAX) {
        apply_refuse(apply, NFS4ERR_NOSPC, slice_text("there are too many floating addresses"));
        return;
    }
    address = (struct address){.id = apply->number,
                               .prefix_bits = (uint8_t)command->prefix_bits,
                               .epoch = 1,
                               .device = slice_make(command->device.data, command->device.len),
                               .since_ms = apply->uptime_ms,
                               .since_wall_ns = apply->wall_ns};
    memcpy(address.bytes, command->address.data, sizeof(address.bytes));
    address_put(apply, &address);
    apply_answer(apply, NFS4_OK);
}

void address_remove_apply(struct apply *apply, const Qnfs__AddressRemove *command)
{
    struct address address;
    size_t count;
    if (!address_find(apply, command->address, &address, &count)) {
        apply_refuse(apply, NFS4ERR_NOENT, slice_text("there is no such floating address"));
        return;
    }
    apply_answer(apply, NFS4_OK);
    if (address.owner.value == 0) {
        address_delete(apply, address.id);
        return;
    }
    address.leaving = true;
    address_put(apply, &address);
}

/* The running process of a node. */
static bool process_of(struct apply *apply, uint64_t node, struct incarnation *incarnation)
{
    struct node_member member;
    return node_get(apply->read, node, apply->arena, &member) &&
           incarnation_get(apply->read, member.incarnation, apply->arena, incarnation);
}

void address_move_apply(struct apply *apply, const Qnfs__AddressMove *command)
{
    struct address address;
    struct incarnation target;
    size_t count;
    if (!address_find(apply, command->address, &address, &count) || address.leaving) {
        apply_refuse(apply, NFS4ERR_NOENT, slice_text("there is no such floating address"));
        return;
    }
    if (!process_of(apply, command->node, &target)) {
        apply_refuse(apply, NFS4ERR_NOENT, slice_text("no such node runs"));
        return;
    }
    struct slice trouble = address_trouble(apply->read, address.id, target.id, apply->arena);
    if (trouble.size_bytes > 0) {
        apply_refuse(apply, NFS4ERR_INVAL, trouble);
        return;
    }
    apply_answer(apply, NFS4_OK);
    if (command->epoch != 0 && command->epoch != address.epoch)
        return; /* it has moved since */
    if (address.owner.value == 0) {
        address_give(apply, &address, target.id, target.node);
        return;
    }
    bool stays = address.owner.value == target.id.value;
    address.next = stays ? (struct incarnation_id){0} : target.id;
    address.next_node = stays ? 0 : target.node;
    address_put(apply, &address);
}

void address_report_apply(struct apply *apply, const Qnfs__AddressReport *command)
{
    struct address address;
    struct incarnation_id sender = {command->incarnation};
    apply_answer(apply, NFS4_OK);
    if (sender.value != apply_sender(apply).value ||
        !address_get(apply->read, command->address, apply->arena, &address))
        return;
    struct slice trouble = slice_make(command->trouble.data, command->trouble.len);
    if (trouble.size_bytes > ADDRESS_TROUBLE_MAX_BYTES)
        trouble.size_bytes = ADDRESS_TROUBLE_MAX_BYTES;
    struct slice key = trouble_key(address.id, sender, apply->arena);
    if (trouble.size_bytes > 0)
        transaction_put(apply->transaction, key, row_encode(trouble_codec, &trouble, apply->arena));
    else
        transaction_delete(apply->transaction, key);
    apply_effect(apply, (struct machine_effect){.kind = EFFECT_ADDRESSES_CHANGED});
    if (command->released && address.owner.value == sender.value && command->epoch == address.epoch)
        address_release(apply, &address);
}
