/* status.h: the outcome of our own work, as opposed to an answer to a client (enum nfsstat4 ...). */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#define MUST_CHECK __attribute__((warn_unused_result))

/* One list for every folder; a function's docstring names the ones that it can return. */
enum status {
    STATUS_OK = 0,
    STATUS_NOT_FOUND, /* no such row, file, name */
    STATUS_BAD_DATA,  /* bytes that do not decode: wire input, or a damaged file */
    STATUS_TOO_LARGE, /* over a bound of base/limits.h, or over the room given */
    STATUS_FULL,      /* a queue or table is at its bound: try again later */
    STATUS_NO_SPACE,  /* the disk is full */
    STATUS_IO,        /* the operating system or a library reports a broken device */
    STATUS_REFUSED,   /* not allowed in the present state */
    STATUS_CLOSED,    /* the other side is gone or going */
    STATUS_COUNT
};

/* The name of a status for log lines, "OK", "NOT_FOUND", ...; never NULL. Pure. */
const char *status_name(enum status status);

#endif
