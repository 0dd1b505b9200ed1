/* log.h: log lines of a node, to stderr, as text or JSON. Only the shell logs; pure code returns what happened. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Where lines go; filled once in main, then read-only, so every thread may use it. */
struct log {
    enum log_level level;
    bool json;
    int descriptor;
};

/* Writes one line: time, level, the text (printf form). Lines over LOG_LINE_MAX_BYTES are cut; control characters from
 * outside are shown as '?'. Any thread of the shell. */
void log_line(const struct log *log, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
