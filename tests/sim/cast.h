/* cast.h: who is who in the log: the node of each incarnation, and where each session is. */
#ifndef TESTS_SIM_CAST_H
#define TESTS_SIM_CAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAST_PROCESSES_MAX 4096u
#define CAST_SESSIONS_MAX 512u

struct cast {
    struct {
        uint64_t incarnation;
        uint32_t node;
    } processes[CAST_PROCESSES_MAX];
    size_t process_count;
    struct {
        uint8_t id[16];
        uint64_t incarnation;
    } sessions[CAST_SESSIONS_MAX];
    size_t session_count;
};

/* A process is registered; true if it was already. */
bool cast_register(struct cast *cast, uint32_t node, uint64_t incarnation);
/* 0: nobody's. */
uint32_t cast_node(const struct cast *cast, uint64_t incarnation);
/* A session is at the incarnation now; the node where it was before, 0 if it is new. */
uint32_t cast_session(struct cast *cast, const uint8_t id[16], uint64_t incarnation);
/* Where it is; 0: not known. */
uint64_t cast_holder(const struct cast *cast, const uint8_t id[16]);

#endif
