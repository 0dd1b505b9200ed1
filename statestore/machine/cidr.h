/* cidr.h: client address ranges of an export: "10.0.0.0/8", "192.0.2.7", "2001:db8::/32". */
#ifndef STATESTORE_MACHINE_CIDR_H
#define STATESTORE_MACHINE_CIDR_H

#include "base/slice.h"

struct cidr {
    uint8_t bytes[16];    /* network order; the first 4 for IPv4 */
    uint32_t prefix_bits; /* up to 32 or 128 */
    bool is_ipv4;
};

/* Takes the text apart: an address of either family, with or without a prefix length. An IPv4 address inside IPv6
 * (::ffff:a.b.c.d) counts as IPv4. False if it is no such text. Bits behind the prefix do not matter. Pure. */
bool cidr_parse(struct slice text, struct cidr *cidr);

/* Whether the address, 4 or 16 bytes, lies in the range. Pure. */
bool cidr_contains(const struct cidr *cidr, struct slice address);

#endif
