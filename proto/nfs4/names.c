#include "proto/nfs4/opnum.h"
#include "proto/nfs4/status.h"

#include <stddef.h>

const char *nfsstat4_name(enum nfsstat4 status)
{
    switch (status) {
#define NFSSTAT4_NAME(name, number)                                                                                    \
    case name: return #name;
        NFSSTAT4_LIST(NFSSTAT4_NAME)
#undef NFSSTAT4_NAME
    }
    return "nfsstat4(?)";
}

const char *opnum4_name(enum opnum4 op)
{
    const size_t prefix_chars = sizeof("OP_") - 1;
    switch (op) {
#define OPNUM4_NAME(name, number)                                                                                      \
    case name: return &#name[prefix_chars];
        OPNUM4_LIST(OPNUM4_NAME)
#undef OPNUM4_NAME
    }
    return "ILLEGAL";
}
