/* block_id.h: the name of a block of file content, known to the machine that maps it and the store that keeps it. */
#ifndef BASE_BLOCK_ID_H
#define BASE_BLOCK_ID_H

#include <stdint.h>

struct block_id {
    uint64_t value; /* the command number of its WRITE */
};

#endif
