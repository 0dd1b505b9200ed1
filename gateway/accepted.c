#include "gateway/accepted.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"

void accepted_init(struct accepted *accepted)
{
    accepted->count = 0;
    CHECK(pthread_mutex_init(&accepted->mutex, NULL) == 0);
}

void accepted_fini(struct accepted *accepted)
{
    pthread_mutex_destroy(&accepted->mutex);
}

/* An IPv4 client on an IPv6 socket is an IPv4 client. */
static bool end_read(const struct sockaddr_storage *storage, uint8_t address[4], uint16_t *port)
{
    if (storage->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)storage;
        memcpy(address, &in->sin_addr, 4);
        *port = ntohs(in->sin_port);
        return true;
    }
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)storage;
    if (storage->ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
        return false;
    memcpy(address, (const uint8_t *)&in6->sin6_addr + 12, 4);
    *port = ntohs(in6->sin6_port);
    return true;
}

void accepted_note(struct accepted *accepted, int descriptor)
{
    struct sockaddr_storage local;
    struct sockaddr_storage remote;
    socklen_t local_size = sizeof(local);
    socklen_t remote_size = sizeof(remote);
    struct accepted_connection connection;
    if (getsockname(descriptor, (struct sockaddr *)&local, &local_size) != 0 ||
        getpeername(descriptor, (struct sockaddr *)&remote, &remote_size) != 0 ||
        !end_read(&local, connection.local, &connection.local_port) ||
        !end_read(&remote, connection.remote, &connection.remote_port))
        return;
    pthread_mutex_lock(&accepted->mutex);
    accepted->newest[accepted->count++ % ADDRESS_CONNECTIONS_MAX] = connection;
    pthread_mutex_unlock(&accepted->mutex);
}

size_t accepted_take(struct accepted *accepted, uint64_t *seen, struct accepted_connection *connections, size_t room)
{
    size_t taken = 0;
    pthread_mutex_lock(&accepted->mutex);
    if (accepted->count - *seen > ADDRESS_CONNECTIONS_MAX)
        *seen = accepted->count - ADDRESS_CONNECTIONS_MAX;
    for (; taken < room && *seen < accepted->count; ++*seen)
        connections[taken++] = accepted->newest[*seen % ADDRESS_CONNECTIONS_MAX];
    pthread_mutex_unlock(&accepted->mutex);
    return taken;
}
