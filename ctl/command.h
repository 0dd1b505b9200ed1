/* command.h: what the commands share: asking the node, telling what is wrong. */
#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

#include <jansson.h>
#include <stdio.h>

#include "ctl/arguments.h"

/* One run. */
struct ctl {
    const struct ctl_arguments *arguments;
    FILE *out;
    FILE *error;
};

#define CTL_DONE 0
#define CTL_FAILED 1
#define CTL_WRONG 2

/* Asks and parses. NULL after a line on ctl->error: nobody answers, or the node refuses. The caller owns the value. */
json_t *ctl_ask(struct ctl *ctl, const char *method, const char *target, const json_t *body);

/* The same of `path` with `text` behind it, escaped: the end of a path, or a parameter's value. */
json_t *ctl_ask_about(struct ctl *ctl, const char *method, const char *path, const char *text, const json_t *body);

/* The same, with all the time that it takes. */
json_t *ctl_ask_patiently(struct ctl *ctl, const char *method, const char *target);

/* A list with all its pages: the answer of "/v1/NAME" with all rows in it. */
json_t *ctl_ask_list(struct ctl *ctl, const char *name);

/* Prints a value as JSON in one line. */
void ctl_print_json(struct ctl *ctl, const json_t *value);

/* With --json the answer (consumed), otherwise nothing; CTL_DONE. For commands that have nothing to tell but that they
 * were done. NULL: CTL_FAILED. */
int ctl_finish(struct ctl *ctl, json_t *answer);

/* Parts of an answer; "" and 0 for what is not there. */
const char *ctl_text(const json_t *object, const char *key);
long long ctl_number(const json_t *object, const char *key);
/* A list of texts with commas between; `empty` for none. On the heap. */
char *ctl_join(const json_t *list, const char *empty);

/* The commands, one file a noun. */
int command_status(struct ctl *ctl);
int command_export_add(struct ctl *ctl);
int command_export_list(struct ctl *ctl);
int command_export_remove(struct ctl *ctl);
int command_client_list(struct ctl *ctl);
int command_client_evict(struct ctl *ctl);
int command_session_list(struct ctl *ctl);
int command_lock_list(struct ctl *ctl);
int command_settings_get(struct ctl *ctl);
int command_settings_set(struct ctl *ctl);
int command_node_list(struct ctl *ctl);
int command_node_add(struct ctl *ctl);
int command_node_remove(struct ctl *ctl);
int command_node_promote(struct ctl *ctl);
int command_leader_transfer(struct ctl *ctl);
int command_address_add(struct ctl *ctl);
int command_address_list(struct ctl *ctl);
int command_address_remove(struct ctl *ctl);
int command_address_move(struct ctl *ctl);
int command_check(struct ctl *ctl);
int command_ca_init(struct ctl *ctl);
int command_ca_issue(struct ctl *ctl);

#endif
