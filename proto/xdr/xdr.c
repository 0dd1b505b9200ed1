#include "proto/xdr/xdr.h"

#include "base/check.h"

struct xdr xdr_decoder(struct slice input, struct arena *arena)
{
    /* The cursor has one type for both directions; a decoder never writes through it. */
    uint8_t *start = (uint8_t *)(uintptr_t)input.data;
    return (struct xdr){XDR_DECODE, false, start, start, start + input.size_bytes, arena};
}

struct xdr xdr_encoder(struct span output)
{
    return (struct xdr){XDR_ENCODE, false, output.data, output.data, output.data + output.size_bytes, NULL};
}

bool xdr_fail(struct xdr *x)
{
    x->failed = true;
    return false;
}

void xdr_rewind(struct xdr *x, size_t position)
{
    CHECK(position <= xdr_position(x));
    x->next = x->start + position;
    x->failed = false;
}

/* The next size_bytes bytes, or NULL. */
static uint8_t *xdr_take(struct xdr *x, size_t size_bytes)
{
    if (x->failed || xdr_remaining(x) < size_bytes) {
        x->failed = true;
        return NULL;
    }
    uint8_t *bytes = x->next;
    x->next += size_bytes;
    return bytes;
}

static void number_put(uint8_t bytes[4], uint32_t value)
{
    bytes[0] = (uint8_t)(value >> 24);
    bytes[1] = (uint8_t)(value >> 16);
    bytes[2] = (uint8_t)(value >> 8);
    bytes[3] = (uint8_t)value;
}

static uint32_t number_get(const uint8_t bytes[4])
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

bool xdr_uint32(struct xdr *x, uint32_t *value)
{
    uint8_t *bytes = xdr_take(x, 4);
    if (bytes == NULL)
        return false;
    if (x->mode == XDR_ENCODE)
        number_put(bytes, *value);
    else
        *value = number_get(bytes);
    return true;
}

bool xdr_uint64(struct xdr *x, uint64_t *value)
{
    uint8_t *bytes = xdr_take(x, 8);
    if (bytes == NULL)
        return false;
    if (x->mode == XDR_ENCODE) {
        number_put(bytes, (uint32_t)(*value >> 32));
        number_put(bytes + 4, (uint32_t)*value);
    } else {
        *value = (uint64_t)number_get(bytes) << 32 | number_get(bytes + 4);
    }
    return true;
}

bool xdr_int64(struct xdr *x, int64_t *value)
{
    uint64_t bits = (uint64_t)*value;
    if (!xdr_uint64(x, &bits))
        return false;
    if (x->mode == XDR_DECODE)
        *value = (int64_t)bits;
    return true;
}

bool xdr_uint32_below(struct xdr *x, uint32_t *value, uint32_t count)
{
    if (!xdr_uint32(x, value))
        return false;
    return *value < count || xdr_fail(x);
}

bool xdr_bool(struct xdr *x, bool *value)
{
    uint32_t number = x->mode == XDR_ENCODE && *value ? 1 : 0;
    if (!xdr_uint32_below(x, &number, 2))
        return false;
    if (x->mode == XDR_DECODE)
        *value = number == 1;
    return true;
}

bool xdr_enum_bytes(struct xdr *x, void *value, size_t size_bytes)
{
    CHECK(size_bytes == sizeof(uint32_t));
    uint32_t number = 0;
    if (x->mode == XDR_ENCODE)
        memcpy(&number, value, sizeof(number));
    if (!xdr_uint32(x, &number))
        return false;
    if (x->mode == XDR_DECODE)
        memcpy(value, &number, sizeof(number));
    return true;
}

/* Data and padding; the padding is written, or checked: RFC 4506 section 4.9, "residual zero bytes". */
static uint8_t *xdr_take_padded(struct xdr *x, size_t size_bytes)
{
    size_t padded = xdr_padded(size_bytes);
    uint8_t *bytes = xdr_take(x, padded);
    if (bytes == NULL)
        return NULL;
    for (size_t i = size_bytes; i < padded; i++) {
        if (x->mode == XDR_ENCODE) {
            bytes[i] = 0;
        } else if (bytes[i] != 0) {
            x->failed = true;
            return NULL;
        }
    }
    return bytes;
}

bool xdr_opaque_fixed(struct xdr *x, void *bytes, size_t size_bytes)
{
    uint8_t *wire = xdr_take_padded(x, size_bytes);
    if (wire == NULL)
        return false;
    if (x->mode == XDR_ENCODE)
        memcpy(wire, bytes, size_bytes);
    else
        memcpy(bytes, wire, size_bytes);
    return true;
}

bool xdr_opaque(struct xdr *x, struct slice *bytes, size_t max_bytes)
{
    if (x->mode == XDR_ENCODE && bytes->size_bytes > max_bytes)
        return xdr_fail(x);
    uint32_t size_bytes = x->mode == XDR_ENCODE ? (uint32_t)bytes->size_bytes : 0;
    if (!xdr_uint32(x, &size_bytes))
        return false;
    if (size_bytes > max_bytes)
        return xdr_fail(x);
    uint8_t *wire = xdr_take_padded(x, size_bytes);
    if (wire == NULL)
        return false;
    if (x->mode == XDR_DECODE)
        *bytes = slice_make(wire, size_bytes);
    else if (size_bytes > 0)
        memcpy(wire, bytes->data, size_bytes);
    return true;
}

bool xdr_string(struct xdr *x, struct slice *text, size_t max_bytes)
{
    return xdr_opaque(x, text, max_bytes);
}

bool xdr_count(struct xdr *x, uint32_t *count, uint32_t max_count, size_t element_wire_bytes)
{
    CHECK(element_wire_bytes > 0);
    if (!xdr_uint32(x, count))
        return false;
    if (*count > max_count || *count > xdr_remaining(x) / element_wire_bytes)
        return xdr_fail(x);
    return true;
}

bool xdr_array(struct xdr *x, void **elements, uint32_t *count, uint32_t max_count, size_t element_wire_bytes,
               size_t element_bytes, bool (*codec)(struct xdr *x, void *element))
{
    if (!xdr_count(x, count, max_count, element_wire_bytes))
        return false;
    if (x->mode == XDR_DECODE)
        *elements = *count == 0 ? NULL : arena_alloc_array(x->arena, *count, element_bytes);
    for (uint32_t i = 0; i < *count; i++) {
        if (!codec(x, (uint8_t *)*elements + (size_t)i * element_bytes))
            return false;
    }
    return true;
}

bool xdr_present(struct xdr *x, bool *present)
{
    return xdr_bool(x, present);
}

uint8_t *xdr_reserve(struct xdr *x, size_t size_bytes)
{
    CHECK(x->mode == XDR_ENCODE && size_bytes % 4 == 0);
    return xdr_take(x, size_bytes);
}

void xdr_patch_uint32(struct xdr *x, size_t position, uint32_t value)
{
    CHECK(x->mode == XDR_ENCODE && position + 4 <= xdr_position(x));
    number_put(x->start + position, value);
}

bool xdr_reserve_opaque(struct xdr *x, size_t max_bytes, struct span *place)
{
    CHECK(x->mode == XDR_ENCODE && max_bytes <= XDR_UNBOUNDED);
    if (x->failed || xdr_remaining(x) < 4 || xdr_remaining(x) - 4 < xdr_padded(max_bytes))
        return xdr_fail(x);
    x->next += 4;
    *place = (struct span){x->next, max_bytes};
    return true;
}

void xdr_commit_opaque(struct xdr *x, struct span place, size_t size_bytes)
{
    CHECK(!x->failed && place.data == x->next && size_bytes <= place.size_bytes);
    number_put(x->next - 4, (uint32_t)size_bytes);
    bool fits = xdr_take_padded(x, size_bytes) != NULL;
    CHECK(fits);
}
