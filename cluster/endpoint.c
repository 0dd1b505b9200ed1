#include "cluster/endpoint.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

static bool port_parse(struct slice text, uint16_t *port)
{
    uint32_t value = 0;
    if (text.size_bytes == 0 || text.size_bytes > 5)
        return false;
    for (size_t i = 0; i < text.size_bytes; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (uint32_t)(text.data[i] - '0');
    }
    *port = (uint16_t)value;
    return value >= 1 && value <= UINT16_MAX;
}

/* Letters, digits and what else stands in names and addresses: nothing that could break a line or a list. */
static bool host_byte_good(uint8_t byte, bool bracketed)
{
    bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
    bool digit = byte >= '0' && byte <= '9';
    return letter || digit || byte == '.' || byte == '-' || byte == '_' || (bracketed && (byte == ':' || byte == '%'));
}

static const char *endpoint_form(const char *host)
{
    return strchr(host, ':') == NULL ? "%s:%u" : "[%s]:%u";
}

enum status endpoint_parse(struct slice text, struct peer_endpoint *endpoint)
{
    size_t colon = text.size_bytes;
    *endpoint = (struct peer_endpoint){0};
    while (colon > 0 && text.data[colon - 1] != ':')
        colon--;
    if (colon == 0 || !port_parse(slice_from(text, colon), &endpoint->port))
        return STATUS_BAD_DATA;
    struct slice host = slice_make(text.data, colon - 1);
    bool bracketed = host.size_bytes >= 2 && host.data[0] == '[' && host.data[host.size_bytes - 1] == ']';
    if (bracketed)
        host = slice_make(host.data + 1, host.size_bytes - 2);
    if (host.size_bytes == 0)
        return STATUS_BAD_DATA;
    if (host.size_bytes > PEER_HOST_MAX_BYTES)
        return STATUS_TOO_LARGE;
    bool has_colon = false;
    for (size_t i = 0; i < host.size_bytes; i++) {
        uint8_t byte = host.data[i];
        if (!host_byte_good(byte, bracketed))
            return STATUS_BAD_DATA;
        has_colon = has_colon || byte == ':';
        endpoint->host[i] = (char)(byte >= 'A' && byte <= 'Z' ? byte - 'A' + 'a' : byte);
    }
    return bracketed == has_colon ? STATUS_OK
                                  : STATUS_BAD_DATA; /* brackets are for IPv6 addresses, and only for them */
}

enum status endpoint_make(const char *host, uint16_t port, struct peer_endpoint *endpoint)
{
    char text[ENDPOINT_TEXT_BYTES];
    int size_bytes = snprintf(text, sizeof(text), endpoint_form(host), host, (unsigned)port);
    return size_bytes > 0 && (size_t)size_bytes < sizeof(text) ? endpoint_parse(slice_text(text), endpoint)
                                                               : STATUS_TOO_LARGE;
}

struct endpoint_text endpoint_print(const struct peer_endpoint *endpoint)
{
    struct endpoint_text out;
    int size_bytes =
        snprintf(out.text, sizeof(out.text), endpoint_form(endpoint->host), endpoint->host, (unsigned)endpoint->port);
    CHECK(size_bytes > 0 && (size_t)size_bytes < sizeof(out.text));
    return out;
}

int endpoint_compare(const struct peer_endpoint *a, const struct peer_endpoint *b)
{
    int order = strcmp(a->host, b->host);
    if (order != 0)
        return order;
    return a->port < b->port ? -1 : a->port > b->port;
}

bool endpoint_list_add(struct endpoint_list *list, const struct peer_endpoint *endpoint)
{
    if (list->count == CLUSTER_MEMBERS_MAX)
        return false;
    list->items[list->count++] = *endpoint;
    return true;
}

void endpoint_list_sort(struct endpoint_list *list)
{
    CHECK(list->count <= CLUSTER_MEMBERS_MAX);
    for (uint32_t i = 1; i < list->count; i++) {
        struct peer_endpoint moving = list->items[i];
        uint32_t at = i;
        for (; at > 0 && endpoint_compare(&list->items[at - 1], &moving) > 0; at--)
            list->items[at] = list->items[at - 1];
        list->items[at] = moving;
    }
}

int endpoint_list_find(const struct endpoint_list *list, const struct peer_endpoint *endpoint)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (endpoint_compare(&list->items[i], endpoint) == 0)
            return (int)i;
    }
    return -1;
}

bool endpoint_list_equal(const struct endpoint_list *a, const struct endpoint_list *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        if (endpoint_compare(&a->items[i], &b->items[i]) != 0)
            return false;
    }
    return true;
}

bool endpoint_list_same(const struct endpoint_list *a, const struct endpoint_list *b)
{
    bool same = endpoint_list_equal(a, b);
    for (uint32_t i = 0; same && i < a->count; i++)
        same = a->items[i].node == b->items[i].node;
    return same;
}

void endpoint_list_print(const struct endpoint_list *list, struct span room)
{
    size_t used = 0;
    CHECK(room.size_bytes > 0);
    room.data[0] = '\0';
    for (uint32_t i = 0; i < list->count; i++) {
        struct endpoint_text name = endpoint_print(&list->items[i]);
        int size_bytes =
            snprintf((char *)room.data + used, room.size_bytes - used, "%s%s", i == 0 ? "" : ",", name.text);
        CHECK(size_bytes > 0);
        used += (size_t)size_bytes;
        if (used >= room.size_bytes)
            return;
    }
}
