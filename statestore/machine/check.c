#include "statestore/machine/check.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "statestore/machine/machine.h"

void check_report(struct check *check, const char *format, ...)
{
    check->count++;
    if (check->used >= check->room)
        return;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(check->text + check->used, check->room - check->used, format, arguments);
    va_end(arguments);
    CHECK(length >= 0);
    check->used += (size_t)length;
    if (check->used + 1 < check->room) {
        check->text[check->used++] = '\n';
        check->text[check->used] = '\0';
    } else {
        check->used = check->room; /* full: only counted from now on */
    }
}

size_t machine_check(struct kv_read *read, struct arena *arena, char *text, size_t room)
{
    struct check check = {.read = read, .arena = arena, .text = text, .room = room};
    if (room > 0)
        text[0] = '\0';
    check_files(&check);
    check_state(&check);
    return check.count;
}
