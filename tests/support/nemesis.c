#include "tests/support/nemesis.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void nemesis_init(struct nemesis *nemesis, int descriptor)
{
    *nemesis = (struct nemesis){.descriptor = descriptor};
}

/* The next line, without its end. */
static bool line_read(struct nemesis *nemesis)
{
    nemesis->line_bytes = 0;
    while (nemesis->line_bytes + 1 < sizeof(nemesis->line)) {
        char *next = &nemesis->line[nemesis->line_bytes];
        ssize_t got = read(nemesis->descriptor, next, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        if (*next == '\n') {
            *next = '\0';
            return true;
        }
        nemesis->line_bytes++;
    }
    return false;
}

static bool line_until(struct nemesis *nemesis, const char *wanted)
{
    while (line_read(nemesis)) {
        if (strcmp(nemesis->line, "end") == 0)
            nemesis->under_way = false;
        if (strncmp(nemesis->line, wanted, strlen(wanted)) == 0)
            return true;
    }
    return false;
}

bool nemesis_begin(struct nemesis *nemesis, struct nemesis_fault *fault)
{
    static const char request[] = "fault\n";
    const ssize_t request_bytes = (ssize_t)sizeof(request) - 1;
    if (nemesis->under_way && !nemesis_wait_end(nemesis))
        return false;
    if (write(nemesis->descriptor, request, sizeof(request) - 1) != request_bytes || !line_until(nemesis, "begin "))
        return false;
    nemesis->under_way = true;
    return sscanf(nemesis->line, "begin %31s %u", fault->kind, &fault->node) == 2;
}

bool nemesis_wait_up(struct nemesis *nemesis)
{
    return line_until(nemesis, "up");
}

bool nemesis_wait_end(struct nemesis *nemesis)
{
    return line_until(nemesis, "end");
}
