/* admin_text.h: bytes of the state as JSON values. */
#ifndef SERVER_DAEMON_ADMIN_TEXT_H
#define SERVER_DAEMON_ADMIN_TEXT_H

#include <jansson.h>

#include "base/slice.h"

/* Names and owners come from clients and need not be text. Valid UTF-8 without control characters stays as it is; of
 * anything else, every byte that is not printable ASCII, and the backslash, becomes \xNN. */
json_t *admin_text(struct slice bytes);

/* Bytes as hexadecimal digits. */
json_t *admin_hex(struct slice bytes);

/* An address of 4 or 16 bytes as text, "" for none. */
json_t *admin_address(struct slice bytes);

/* A number of ours, which fits. */
static inline json_t *admin_number(uint64_t number)
{
    return json_integer((json_int_t)number);
}

#endif
