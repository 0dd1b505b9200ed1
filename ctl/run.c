#include "ctl/run.h"

#include "base/check.h"
#include "ctl/command.h"

static int (*const commands[])(struct ctl *ctl) = {
    [CTL_STATUS] = command_status,
    [CTL_EXPORT_ADD] = command_export_add,
    [CTL_EXPORT_LIST] = command_export_list,
    [CTL_EXPORT_REMOVE] = command_export_remove,
    [CTL_CLIENT_LIST] = command_client_list,
    [CTL_CLIENT_EVICT] = command_client_evict,
    [CTL_SESSION_LIST] = command_session_list,
    [CTL_LOCK_LIST] = command_lock_list,
    [CTL_SETTINGS_GET] = command_settings_get,
    [CTL_SETTINGS_SET] = command_settings_set,
    [CTL_NODE_LIST] = command_node_list,
    [CTL_NODE_ADD] = command_node_add,
    [CTL_NODE_REMOVE] = command_node_remove,
    [CTL_NODE_PROMOTE] = command_node_promote,
    [CTL_LEADER_TRANSFER] = command_leader_transfer,
    [CTL_ADDRESS_ADD] = command_address_add,
    [CTL_ADDRESS_LIST] = command_address_list,
    [CTL_ADDRESS_REMOVE] = command_address_remove,
    [CTL_ADDRESS_MOVE] = command_address_move,
    [CTL_CHECK] = command_check,
    [CTL_CA_INIT] = command_ca_init,
    [CTL_CA_ISSUE] = command_ca_issue,
};
_Static_assert(sizeof(commands) / sizeof(commands[0]) == CTL_COMMAND_COUNT, "every command has its function");

int ctl_run(int count, char *const *words, const char *version, FILE *out, FILE *error)
{
    struct ctl_arguments arguments;
    char text[4096];
    if (!arguments_read(count - 1, words + 1, &arguments, text, sizeof(text))) {
        fprintf(error, "qnfsctl: %s\n", text);
        return CTL_WRONG;
    }
    if (arguments.version) {
        fprintf(out, "qnfsctl %s\n", version);
        return CTL_DONE;
    }
    if (arguments.help) {
        arguments_usage(arguments.command, text, sizeof(text));
        fputs(text, out);
        return CTL_DONE;
    }
    CHECK(arguments.command < CTL_COMMAND_COUNT);
    struct ctl ctl = {.arguments = &arguments, .out = out, .error = error};
    int status = commands[arguments.command](&ctl);
    if (fflush(out) != 0 && status == CTL_DONE) {
        fprintf(error, "qnfsctl: the answer cannot be written\n");
        return CTL_FAILED;
    }
    return status;
}
