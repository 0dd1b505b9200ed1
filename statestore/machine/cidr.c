#include "statestore/machine/cidr.h"

/* Longest text: an IPv6 address with an IPv4 tail, and "/128". */
#define CIDR_TEXT_MAX_BYTES 49u
#define CIDR_MAPPED_BITS 96u
#define CIDR_GROUPS 8u
#define CIDR_NO_GAP SIZE_MAX

static const uint8_t cidr_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* Takes a decimal number of one to three digits without needless zeros, at most `most`, off the text. */
static bool cidr_take_decimal(struct slice *text, uint32_t most, uint32_t *value)
{
    size_t digits = 0;
    *value = 0;
    for (; digits < text->size_bytes && text->data[digits] >= '0' && text->data[digits] <= '9'; digits++) {
        if (digits == 3 || (digits > 0 && *value == 0))
            return false;
        *value = *value * 10 + (uint32_t)(text->data[digits] - '0');
    }
    *text = slice_from(*text, digits);
    return digits > 0 && *value <= most;
}

static bool cidr_take(struct slice *text, uint8_t wanted)
{
    if (text->size_bytes == 0 || text->data[0] != wanted)
        return false;
    *text = slice_from(*text, 1);
    return true;
}

/* "192.0.2.7", all of the text. */
static bool cidr_parse_ipv4(struct slice text, uint8_t *bytes)
{
    for (size_t i = 0; i < 4; i++) {
        uint32_t value;
        if ((i > 0 && !cidr_take(&text, '.')) || !cidr_take_decimal(&text, 255, &value))
            return false;
        bytes[i] = (uint8_t)value;
    }
    return text.size_bytes == 0;
}

static int cidr_hex_digit(uint8_t character)
{
    if (character >= '0' && character <= '9')
        return character - '0';
    uint8_t lower = character | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* One group of up to four hexadecimal digits. */
static bool cidr_take_group(struct slice *text, uint8_t *bytes)
{
    uint32_t value = 0;
    size_t digits = 0;
    for (; digits < text->size_bytes && cidr_hex_digit(text->data[digits]) >= 0; digits++) {
        if (digits == 4)
            return false;
        value = value << 4 | (uint32_t)cidr_hex_digit(text->data[digits]);
    }
    *text = slice_from(*text, digits);
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
    return digits > 0;
}

/* RFC 4291 section 2.2: groups, "::" at most once for at least one group of zeros, an IPv4 address as the last two. */
static bool cidr_parse_ipv6(struct slice text, uint8_t *bytes)
{
    uint8_t groups[2 * CIDR_GROUPS] = {0};
    size_t count = 0;         /* bytes of groups so far */
    size_t gap = CIDR_NO_GAP; /* where "::" stands; none yet */
    if (text.size_bytes >= 2 && text.data[0] == ':' && text.data[1] == ':') {
        text = slice_from(text, 2);
        gap = 0;
    }
    while (text.size_bytes > 0) {
        if (count > 0 && gap != count && !cidr_take(&text, ':'))
            return false;
        if (count > 0 && gap == CIDR_NO_GAP && cidr_take(&text, ':')) {
            gap = count;
            continue;
        }
        if (count + 4 <= sizeof(groups) && memchr(text.data, ':', text.size_bytes) == NULL &&
            cidr_parse_ipv4(text, groups + count)) {
            count += 4;
            break;
        }
        if (count == sizeof(groups) || !cidr_take_group(&text, groups + count))
            return false;
        count += 2;
    }
    if (gap == CIDR_NO_GAP ? count != sizeof(groups) : count == sizeof(groups))
        return false;
    if (gap == CIDR_NO_GAP)
        gap = count;
    memset(bytes, 0, sizeof(groups));
    memcpy(bytes, groups, gap);
    memcpy(bytes + sizeof(groups) - (count - gap), groups + gap, count - gap);
    return true;
}

/* IPv4 inside IPv6 becomes plain IPv4, if the range lies wholly in there. */
static void cidr_unmap(struct cidr *cidr)
{
    if (cidr->prefix_bits < CIDR_MAPPED_BITS || memcmp(cidr->bytes, cidr_mapped, sizeof(cidr_mapped)) != 0)
        return;
    memmove(cidr->bytes, cidr->bytes + sizeof(cidr_mapped), 4);
    memset(cidr->bytes + 4, 0, sizeof(cidr->bytes) - 4);
    cidr->prefix_bits -= CIDR_MAPPED_BITS;
    cidr->is_ipv4 = true;
}

bool cidr_parse(struct slice text, struct cidr *cidr)
{
    if (text.size_bytes == 0 || text.size_bytes > CIDR_TEXT_MAX_BYTES)
        return false;
    const uint8_t *slash = memchr(text.data, '/', text.size_bytes);
    struct slice address = slice_make(text.data, slash == NULL ? text.size_bytes : (size_t)(slash - text.data));
    if (address.size_bytes == 0)
        return false;
    *cidr = (struct cidr){.is_ipv4 = memchr(address.data, ':', address.size_bytes) == NULL};
    if (!(cidr->is_ipv4 ? cidr_parse_ipv4(address, cidr->bytes) : cidr_parse_ipv6(address, cidr->bytes)))
        return false;
    const uint32_t most = cidr->is_ipv4 ? 32 : 128;
    cidr->prefix_bits = most;
    if (slash != NULL) {
        struct slice length = slice_make(slash + 1, text.size_bytes - address.size_bytes - 1);
        if (!cidr_take_decimal(&length, most, &cidr->prefix_bits) || length.size_bytes != 0)
            return false;
    }
    if (!cidr->is_ipv4)
        cidr_unmap(cidr);
    return true;
}

bool cidr_contains(const struct cidr *cidr, struct slice address)
{
    if (address.size_bytes == 16 && memcmp(address.data, cidr_mapped, sizeof(cidr_mapped)) == 0)
        address = slice_from(address, sizeof(cidr_mapped));
    if (address.size_bytes != (cidr->is_ipv4 ? 4 : 16))
        return false;
    uint32_t whole = cidr->prefix_bits / 8;
    uint32_t rest = cidr->prefix_bits % 8;
    if (memcmp(cidr->bytes, address.data, whole) != 0)
        return false;
    return rest == 0 || (cidr->bytes[whole] ^ address.data[whole]) >> (8 - rest) == 0;
}
