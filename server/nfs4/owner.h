/* owner.h: owners and groups on the wire are strings (RFC 8881 section 5.9). This server speaks numbers, "1000", as the
 * Linux client does with AUTH_SYS. */
#ifndef SERVER_NFS4_OWNER_H
#define SERVER_NFS4_OWNER_H

#include "base/slice.h"

#define OWNER_TEXT_BYTES 10u

/* The decimal number; returns the bytes used of `text`. Pure. */
struct slice owner_encode(uint32_t id, uint8_t text[OWNER_TEXT_BYTES]);

/* A decimal number without leading zeros, or "root" or "nobody" with or without "@domain". False: NFS4ERR_BADOWNER.
 * Pure. */
bool owner_decode(struct slice text, uint32_t *id);

#endif
