#include "server/daemon/admin_text.h"

#include <arpa/inet.h>
#include <stdlib.h>

static bool has_control(struct slice bytes)
{
    for (size_t i = 0; i < bytes.size_bytes; i++) {
        if (bytes.data[i] < 0x20 || bytes.data[i] == 0x7f)
            return true;
    }
    return false;
}

json_t *admin_text(struct slice bytes)
{
    if (bytes.size_bytes == 0)
        return json_string("");
    if (!has_control(bytes)) {
        json_t *text = json_stringn((const char *)bytes.data, bytes.size_bytes);
        if (text != NULL)
            return text;
    }
    static const char digits[] = "0123456789abcdef";
    char *escaped = malloc(bytes.size_bytes * 4);
    if (escaped == NULL)
        return NULL;
    size_t used = 0;
    for (size_t i = 0; i < bytes.size_bytes; i++) {
        uint8_t byte = bytes.data[i];
        if (byte >= 0x20 && byte < 0x7f && byte != '\\') {
            escaped[used++] = (char)byte;
            continue;
        }
        escaped[used++] = '\\';
        escaped[used++] = 'x';
        escaped[used++] = digits[byte >> 4];
        escaped[used++] = digits[byte & 15];
    }
    json_t *text = json_stringn(escaped, used);
    free(escaped);
    return text;
}

json_t *admin_hex(struct slice bytes)
{
    static const char digits[] = "0123456789abcdef";
    char *hex = malloc(bytes.size_bytes * 2 + 1);
    if (hex == NULL)
        return NULL;
    for (size_t i = 0; i < bytes.size_bytes; i++) {
        hex[2 * i] = digits[bytes.data[i] >> 4];
        hex[2 * i + 1] = digits[bytes.data[i] & 15];
    }
    json_t *text = json_stringn(hex, bytes.size_bytes * 2);
    free(hex);
    return text;
}

json_t *admin_address(struct slice bytes)
{
    char text[INET6_ADDRSTRLEN] = "";
    if (bytes.size_bytes == 4)
        inet_ntop(AF_INET, bytes.data, text, sizeof(text));
    else if (bytes.size_bytes == 16)
        inet_ntop(AF_INET6, bytes.data, text, sizeof(text));
    return json_string(text);
}
