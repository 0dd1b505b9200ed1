#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"

static size_t json_escape(char *target, size_t room, const char *source)
{
    size_t used = 0;
    for (; *source != '\0' && used + 2 < room; source++) {
        if (*source == '"' || *source == '\\')
            target[used++] = '\\';
        target[used++] = *source;
    }
    target[used] = '\0';
    return used;
}

void log_line(const struct log *log, enum log_level level, const char *format, ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    if (level < log->level)
        return;
    char text[LOG_LINE_MAX_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    for (char *next = text; *next != '\0'; next++) {
        if ((unsigned char)*next < 0x20 || *next == 0x7f)
            *next = '?';
    }
    struct timespec now;
    struct tm utc;
    char stamp[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
    char line[LOG_LINE_MAX_BYTES * 2 + 128];
    int size;
    if (log->json) {
        char escaped[LOG_LINE_MAX_BYTES * 2];
        json_escape(escaped, sizeof(escaped), text);
        size = snprintf(line, sizeof(line), "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"message\":\"%s\"}\n", stamp,
                        now.tv_nsec / 1000000, names[level], escaped);
    } else {
        size = snprintf(line, sizeof(line), "%s.%03ldZ %-5s %s\n", stamp, now.tv_nsec / 1000000, names[level], text);
    }
    if (size > 0 && (size_t)size >= sizeof(line))
        size = (int)sizeof(line) - 1;
    /* One write, so lines of several threads do not mix. A log that cannot be written must not stop the server. */
    if (size > 0 && write(log->descriptor, line, (size_t)size) < 0)
        return;
}
