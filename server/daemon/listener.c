#include "server/daemon/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static bool listener_inherit(int *descriptor)
{
    const char *count = getenv("LISTEN_FDS");
    const char *process = getenv("LISTEN_PID");
    if (count == NULL || process == NULL || strtol(process, NULL, 10) != getpid() || strtol(count, NULL, 10) < 1)
        return false;
    int listening = 0;
    socklen_t size = sizeof(listening);
    if (getsockopt(3, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0)
        return false;
    fcntl(3, F_SETFD, FD_CLOEXEC);
    *descriptor = 3;
    return true;
}

/* One address of the list; -1 with errno. */
static int listener_bind(const struct addrinfo *info)
{
    int descriptor = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0)
        return -1;
    int on = 1;
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(descriptor, info->ai_addr, info->ai_addrlen) == 0 && listen(descriptor, 1024) == 0)
        return descriptor;
    int cause = errno;
    close(descriptor);
    errno = cause;
    return -1;
}

enum status listener_open(const struct config_address *address, int *descriptor, bool *inherited, char *trouble,
                          size_t room)
{
    *inherited = listener_inherit(descriptor);
    if (*inherited)
        return STATUS_OK;
    char port[8];
    snprintf(port, sizeof(port), "%u", address->port);
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    int failure = getaddrinfo(address->host, port, &hints, &list);
    if (failure != 0) {
        snprintf(trouble, room, "nfs: %s: %s", address->host, gai_strerror(failure));
        return STATUS_REFUSED;
    }
    *descriptor = listener_bind(list);
    int cause = errno;
    freeaddrinfo(list);
    if (*descriptor >= 0)
        return STATUS_OK;
    snprintf(trouble, room, "nfs: %s:%u: %s", address->host, address->port, strerror(cause));
    return cause == EACCES || cause == EADDRNOTAVAIL ? STATUS_REFUSED : STATUS_IO;
}

bool listener_is_everywhere(int descriptor)
{
    struct sockaddr_storage storage;
    socklen_t size = sizeof(storage);
    if (getsockname(descriptor, (struct sockaddr *)&storage, &size) != 0)
        return false;
    if (storage.ss_family == AF_INET)
        return ((const struct sockaddr_in *)(const void *)&storage)->sin_addr.s_addr == htonl(INADDR_ANY);
    return storage.ss_family == AF_INET6 &&
           IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)(const void *)&storage)->sin6_addr);
}
