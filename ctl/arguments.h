/* arguments.h: the words of a qnfsctl command line, judged before anything is asked of a node. */
#ifndef CTL_ARGUMENTS_H
#define CTL_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

/* In the order of the table in arguments.c. */
enum ctl_command {
    CTL_STATUS,
    CTL_EXPORT_ADD,
    CTL_EXPORT_LIST,
    CTL_EXPORT_REMOVE,
    CTL_CLIENT_LIST,
    CTL_CLIENT_EVICT,
    CTL_SESSION_LIST,
    CTL_LOCK_LIST,
    CTL_SETTINGS_GET,
    CTL_SETTINGS_SET,
    CTL_NODE_LIST,
    CTL_NODE_ADD,
    CTL_NODE_REMOVE,
    CTL_NODE_PROMOTE,
    CTL_LEADER_TRANSFER,
    CTL_ADDRESS_ADD,
    CTL_ADDRESS_LIST,
    CTL_ADDRESS_REMOVE,
    CTL_ADDRESS_MOVE,
    CTL_CHECK,
    CTL_CA_INIT,
    CTL_CA_ISSUE,
    CTL_COMMAND_COUNT
};

#define CTL_OPERANDS_MAX 2
#define CTL_ADMIN_DEFAULT "127.0.0.1:8049"

/* All texts are those of the command line. */
struct ctl_arguments {
    bool help; /* show the usage of `command`, or of everything if it is CTL_COMMAND_COUNT */
    bool version;
    enum ctl_command command;
    const char *admin; /* HOST:PORT of the node that is asked */
    bool json;
    const char *operands[CTL_OPERANDS_MAX]; /* NULL: not given */
    size_t operand_count;
    /* export add */
    bool read_only;
    const char *squash;  /* "root", "all", "none" */
    const char *clients; /* "CIDR,...", NULL: everyone */
    const char *sec;     /* "sys" */
    const char *device;  /* address add; NULL: by the network */
    /* ca init, ca issue */
    const char *directory; /* of the authority */
    int days;              /* how long a certificate is good; 0: not given */
    const char *name;      /* of the node */
    const char *hosts;     /* "HOST,..." */
    const char *out;       /* where the node's files go */
};

/* Reads the words behind the program's name. False: `trouble` (room bytes) is the line to show, and the status is 2. */
bool arguments_read(int count, char *const *words, struct ctl_arguments *arguments, char *trouble, size_t room);

/* The text of --help for one command, or for all (CTL_COMMAND_COUNT), in at most `room` bytes. */
void arguments_usage(enum ctl_command command, char *text, size_t room);

#endif
