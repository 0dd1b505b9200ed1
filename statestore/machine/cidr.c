#include "statestore/machine/cidr.h"

#include <arpa/inet.h>

/* Longest text: an IPv6 address with an IPv4 tail, and "/128". */
#define CIDR_TEXT_MAX_BYTES (INET6_ADDRSTRLEN + 4u)
#define CIDR_MAPPED_BITS 96u

static const uint8_t cidr_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* A prefix length: one to three digits, at most `most`. */
static bool cidr_parse_length(const char *text, uint32_t most, uint32_t *bits)
{
    size_t digits = strlen(text);
    if (digits == 0 || digits > 3)
        return false;
    *bits = 0;
    for (size_t i = 0; i < digits; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *bits = *bits * 10 + (uint32_t)(text[i] - '0');
    }
    return *bits <= most;
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
    char copy[CIDR_TEXT_MAX_BYTES + 1];
    if (text.size_bytes == 0 || text.size_bytes > CIDR_TEXT_MAX_BYTES || memchr(text.data, 0, text.size_bytes) != NULL)
        return false;
    memcpy(copy, text.data, text.size_bytes);
    copy[text.size_bytes] = '\0';
    char *slash = strchr(copy, '/');
    if (slash != NULL)
        *slash = '\0';

    *cidr = (struct cidr){.is_ipv4 = strchr(copy, ':') == NULL};
    if (inet_pton(cidr->is_ipv4 ? AF_INET : AF_INET6, copy, cidr->bytes) != 1)
        return false;
    uint32_t most = cidr->is_ipv4 ? 32 : 128;
    cidr->prefix_bits = most;
    if (slash != NULL && !cidr_parse_length(slash + 1, most, &cidr->prefix_bits))
        return false;
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
