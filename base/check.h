/* check.h: CHECK(condition) says what must be true if our own code is right. It is always on: a server that
 * goes on after a broken invariant would replicate the damage. Never CHECK bytes that came from outside. */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (__builtin_expect(!(condition), 0))                                                                         \
            check_failed(__FILE__, __LINE__, #condition);                                                              \
    } while (0)

/* Prints one line on stderr and aborts. */
_Noreturn void check_failed(const char *file, int line, const char *condition);

#endif
