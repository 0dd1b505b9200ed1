/* bad_input.h: what no client should send, over real connections: broken records, lying lengths, unknown programs, huge
 * compounds, clients that are slow, silent or never read. Each has its expected answer, or the connection is closed; and
 * after each an ordinary request must work. */
#ifndef TESTS_SUPPORT_BAD_INPUT_H
#define TESTS_SUPPORT_BAD_INPUT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct bad_input_options {
    struct sockaddr_in address;
    const char *export_path;
    uint64_t seed;
    uint32_t idle_connections;
    bool patient; /* also the cases that wait for a time-out of a minute */
};

/* Runs all cases; prints a line `ok` or `FAILED` for each. True if all is well. */
bool bad_input_run(const struct bad_input_options *options);

#endif
