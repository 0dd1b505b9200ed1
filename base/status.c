#include "base/status.h"

const char *status_name(enum status status)
{
    static const char *const names[STATUS_COUNT] = {
        "OK", "NOT_FOUND", "BAD_DATA", "TOO_LARGE", "FULL", "NO_SPACE", "IO", "REFUSED", "CLOSED",
    };
    unsigned index = (unsigned)status;
    return index < STATUS_COUNT ? names[index] : "UNKNOWN";
}
