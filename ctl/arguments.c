#include "ctl/arguments.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* Options beside --admin, --json and --help, which all commands have. */
enum option {
    OPTION_READ_ONLY = 1,
    OPTION_SQUASH = 2,
    OPTION_CLIENTS = 4,
    OPTION_SEC = 8,
    OPTION_DIR = 16,
    OPTION_DAYS = 32,
    OPTION_NAME = 64,
    OPTION_HOST = 128,
    OPTION_OUT = 256,
    OPTION_DEVICE = 512,
};
#define OPTIONS_EXPORT (OPTION_READ_ONLY | OPTION_SQUASH | OPTION_CLIENTS | OPTION_SEC)
#define OPTIONS_NODE (OPTION_DIR | OPTION_NAME | OPTION_HOST | OPTION_OUT)
/* A hundred years. */
#define DAYS_MAX 36500

struct command_row {
    const char *noun;
    const char *verb; /* NULL: the noun alone is the command */
    const char *operands;
    size_t operands_min;
    size_t operands_max;
    unsigned options;
    unsigned wanted; /* of the options: cannot be left out */
    const char *does;
};

static const struct command_row rows[] = {
    [CTL_STATUS] = {"status", NULL, "", 0, 0, 0, 0, "how the node and its cluster are"},
    [CTL_EXPORT_ADD] = {"export", "add", "PATH", 1, 1, OPTIONS_EXPORT, 0,
                        "serves PATH; an export that is there already is changed"},
    [CTL_EXPORT_LIST] = {"export", "list", "", 0, 0, 0, 0, "what is served to whom"},
    [CTL_EXPORT_REMOVE] = {"export", "remove", "PATH", 1, 1, 0, 0, "no longer serves PATH; its files are kept"},
    [CTL_CLIENT_LIST] = {"client", "list", "", 0, 0, 0, 0, "NFS clients and their leases"},
    [CTL_CLIENT_EVICT] = {"client", "evict", "ID", 1, 1, 0, 0, "forgets a client with its sessions, opens and locks"},
    [CTL_SESSION_LIST] = {"session", "list", "", 0, 0, 0, 0, "NFSv4.1 sessions"},
    [CTL_LOCK_LIST] = {"lock", "list", "", 0, 0, 0, 0, "open files and locked byte ranges"},
    [CTL_SETTINGS_GET] = {"settings", "get", "[NAME]", 0, 1, 0, 0, "all settings of the cluster, or one"},
    [CTL_SETTINGS_SET] = {"settings", "set", "NAME VALUE", 2, 2, 0, 0, "changes a setting of the cluster"},
    [CTL_NODE_LIST] = {"node", "list", "", 0, 0, 0, 0, "the nodes of the cluster, and how they are"},
    [CTL_NODE_ADD] = {"node", "add", "HOST:PORT", 1, 1, 0, 0,
                      "gives an id to the node that will come with that --advertise"},
    [CTL_NODE_REMOVE] = {"node", "remove", "ID", 1, 1, 0, 0, "takes a node out of the cluster, for good"},
    [CTL_NODE_PROMOTE] = {"node", "promote", "ID", 1, 1, 0, 0, "lets a standby vote as soon as it has caught up"},
    [CTL_LEADER_TRANSFER] = {"leader", "transfer", "[ID]", 0, 1, 0, 0,
                             "lets another node lead; asked of the one that does"},
    [CTL_ADDRESS_ADD] = {"address", "add", "CIDR", 1, 1, OPTION_DEVICE, 0,
                         "a floating address of the cluster: the nodes give it to each other"},
    [CTL_ADDRESS_LIST] = {"address", "list", "", 0, 0, 0, 0, "floating addresses, and which node has each"},
    [CTL_ADDRESS_REMOVE] = {"address", "remove", "ADDRESS", 1, 1, 0, 0, "no node has the address any longer"},
    [CTL_ADDRESS_MOVE] = {"address", "move", "ADDRESS NODE", 2, 2, 0, 0, "gives the address to that node"},
    [CTL_CHECK] = {"check", NULL, "", 0, 0, 0, 0, "looks through the whole state for broken invariants"},
    [CTL_CA_INIT] = {"ca", "init", "--dir DIR", 0, 0, OPTION_DIR | OPTION_DAYS, OPTION_DIR,
                     "makes the authority that signs nodes' certificates"},
    [CTL_CA_ISSUE] = {"ca", "issue", "--dir DIR ...", 0, 0, OPTIONS_NODE | OPTION_DAYS, OPTIONS_NODE,
                      "makes a node's key and certificate"},
};
_Static_assert(sizeof(rows) / sizeof(rows[0]) == CTL_COMMAND_COUNT, "every command has its row");

/* Commands of a cluster of several nodes: known, and not there yet. */
static const char *const later_nouns[] = {"node", "grace", "backup", "restore"};

struct reading {
    struct ctl_arguments *arguments;
    const char *words[CTL_OPERANDS_MAX + 3]; /* noun, verb, operands, and one that is too many */
    size_t word_count;
    unsigned options; /* those given */
    char *trouble;
    size_t room;
};

static bool complain(struct reading *reading, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool complain(struct reading *reading, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reading->trouble, reading->room, format, arguments);
    va_end(arguments);
    return false;
}

/* A command of a later version, whatever stands behind it. */
static bool is_later(const struct reading *reading)
{
    for (size_t i = 0; reading->word_count > 0 && i < sizeof(later_nouns) / sizeof(later_nouns[0]); i++) {
        if (strcmp(later_nouns[i], reading->words[0]) == 0)
            return true;
    }
    return false;
}

/* --- options --- */

struct option_row {
    const char *name;
    bool has_value;
    unsigned option; /* 0: for every command */
};

enum {
    FOR_ADMIN,
    FOR_JSON,
    FOR_HELP,
    FOR_VERSION,
    FOR_READ_ONLY,
    FOR_SQUASH,
    FOR_CLIENTS,
    FOR_SEC,
    FOR_DIR,
    FOR_DAYS,
    FOR_NAME,
    FOR_HOST,
    FOR_OUT,
    FOR_DEVICE,
    FOR_COUNT
};

static const struct option_row options[] = {
    [FOR_ADMIN] = {"--admin", true, 0},
    [FOR_JSON] = {"--json", false, 0},
    [FOR_HELP] = {"--help", false, 0},
    [FOR_VERSION] = {"--version", false, 0},
    [FOR_READ_ONLY] = {"--read-only", false, OPTION_READ_ONLY},
    [FOR_SQUASH] = {"--squash", true, OPTION_SQUASH},
    [FOR_CLIENTS] = {"--clients", true, OPTION_CLIENTS},
    [FOR_SEC] = {"--sec", true, OPTION_SEC},
    [FOR_DIR] = {"--dir", true, OPTION_DIR},
    [FOR_DAYS] = {"--days", true, OPTION_DAYS},
    [FOR_NAME] = {"--name", true, OPTION_NAME},
    [FOR_HOST] = {"--host", true, OPTION_HOST},
    [FOR_OUT] = {"--out", true, OPTION_OUT},
    [FOR_DEVICE] = {"--device", true, OPTION_DEVICE},
};
_Static_assert(sizeof(options) / sizeof(options[0]) == FOR_COUNT, "every option has its row");

static bool days_read(struct reading *reading, const char *value)
{
    char *end;
    errno = 0;
    long days = strtol(value, &end, 10);
    if (errno != 0 || value[0] < '0' || value[0] > '9' || *end != '\0' || days < 1 || days > DAYS_MAX)
        return complain(reading, "--days: '%s' is not a number from 1 to %d", value, DAYS_MAX);
    reading->arguments->days = (int)days;
    return true;
}

static bool option_set(struct reading *reading, unsigned which, const char *value)
{
    struct ctl_arguments *arguments = reading->arguments;
    reading->options |= options[which].option;
    switch (which) {
    case FOR_ADMIN: arguments->admin = value; break;
    case FOR_JSON: arguments->json = true; break;
    case FOR_HELP: arguments->help = true; break;
    case FOR_VERSION: arguments->version = true; break;
    case FOR_READ_ONLY: arguments->read_only = true; break;
    case FOR_SQUASH:
        if (strcmp(value, "root") != 0 && strcmp(value, "all") != 0 && strcmp(value, "none") != 0)
            return complain(reading, "--squash: '%s' is none of root, all, none", value);
        arguments->squash = value;
        break;
    case FOR_CLIENTS: arguments->clients = value; break;
    case FOR_SEC:
        if (strcmp(value, "sys") != 0)
            return complain(reading, "--sec: '%s' is not known; this version serves sys", value);
        arguments->sec = value;
        break;
    case FOR_DIR: arguments->directory = value; break;
    case FOR_DAYS: return days_read(reading, value);
    case FOR_NAME: arguments->name = value; break;
    case FOR_HOST: arguments->hosts = value; break;
    case FOR_OUT: arguments->out = value; break;
    case FOR_DEVICE: arguments->device = value; break;
    default: CHECK(false);
    }
    return true;
}

/* Takes the option at *next and its value. */
static bool option_read(struct reading *reading, int count, char *const *words, int *next)
{
    const char *word = words[(*next)++];
    const char *equals = strchr(word, '=');
    size_t length = equals == NULL ? strlen(word) : (size_t)(equals - word);
    for (unsigned which = 0; which < FOR_COUNT; which++) {
        const struct option_row *row = &options[which];
        if (strlen(row->name) != length || strncmp(row->name, word, length) != 0)
            continue;
        const char *value = equals == NULL ? NULL : equals + 1;
        if (!row->has_value && value != NULL)
            return complain(reading, "%s takes no value", row->name);
        if (row->has_value && value == NULL && *next < count)
            value = words[(*next)++];
        if (row->has_value && (value == NULL || value[0] == '\0'))
            return complain(reading, "%s wants a value", row->name);
        return option_set(reading, which, value);
    }
    if (is_later(reading))
        return complain(reading, "%s: not in this version", reading->words[0]);
    return complain(reading, "unknown option %.*s; see --help", (int)length, word);
}

/* --- commands --- */

static bool noun_known(const char *noun)
{
    for (unsigned i = 0; i < CTL_COMMAND_COUNT; i++) {
        if (strcmp(rows[i].noun, noun) == 0)
            return true;
    }
    return false;
}

/* How many words name the row's command, 0 if the words do not. */
static size_t row_matches(const struct command_row *row, const struct reading *reading)
{
    if (reading->word_count < 1 || strcmp(row->noun, reading->words[0]) != 0)
        return 0;
    if (row->verb == NULL)
        return 1;
    return reading->word_count >= 2 && strcmp(row->verb, reading->words[1]) == 0 ? 2 : 0;
}

static bool command_find(struct reading *reading, size_t *named)
{
    const char *noun = reading->words[0];
    for (unsigned i = 0; i < CTL_COMMAND_COUNT; i++) {
        *named = row_matches(&rows[i], reading);
        if (*named > 0) {
            reading->arguments->command = (enum ctl_command)i;
            return true;
        }
    }
    if (is_later(reading) && !(noun_known(noun) && reading->word_count == 1))
        return complain(reading, "%s%s%s: not in this version", noun, noun_known(noun) ? " " : "",
                        noun_known(noun) ? reading->words[1] : "");
    if (!noun_known(noun))
        return complain(reading, "unknown command '%s'; see --help", noun);
    if (reading->word_count == 1)
        return complain(reading, "%s: what about it? see --help", noun);
    return complain(reading, "%s: unknown command '%s'; see --help", noun, reading->words[1]);
}

static bool command_judge(struct reading *reading)
{
    struct ctl_arguments *arguments = reading->arguments;
    size_t named;
    if (arguments->version || (reading->word_count == 0 && arguments->help))
        return true;
    if (reading->word_count == 0)
        return complain(reading, "no command; see --help");
    if (!command_find(reading, &named))
        /* `qnfsctl export --help` */
        return arguments->help && reading->word_count == 1 && noun_known(reading->words[0]);
    if (arguments->help)
        return true;
    const struct command_row *row = &rows[arguments->command];
    const char *verb = row->verb == NULL ? "" : row->verb;
    const char *space = row->verb == NULL ? "" : " ";
    arguments->operand_count = reading->word_count - named;
    if (arguments->operand_count < row->operands_min)
        return complain(reading, "%s%s%s: wants %s", row->noun, space, verb, row->operands);
    if (arguments->operand_count > row->operands_max)
        return complain(reading, "%s%s%s: unexpected argument '%s'", row->noun, space, verb,
                        reading->words[named + row->operands_max]);
    for (size_t i = 0; i < arguments->operand_count; i++)
        arguments->operands[i] = reading->words[named + i];
    for (unsigned which = 0; which < FOR_COUNT; which++) {
        if ((reading->options & options[which].option & ~row->options) != 0)
            return complain(reading, "%s%s%s: has no option %s", row->noun, space, verb, options[which].name);
        if ((row->wanted & options[which].option & ~reading->options) != 0)
            return complain(reading, "%s%s%s: wants %s", row->noun, space, verb, options[which].name);
    }
    return true;
}

bool arguments_read(int count, char *const *words, struct ctl_arguments *arguments, char *trouble, size_t room)
{
    *arguments = (struct ctl_arguments){
        .command = CTL_COMMAND_COUNT, .admin = CTL_ADMIN_DEFAULT, .squash = "root", .sec = "sys"};
    struct reading reading = {.arguments = arguments, .trouble = trouble, .room = room};
    bool only_words = false; /* behind "--" */
    for (int next = 0; next < count;) {
        const char *word = words[next];
        if (!only_words && strcmp(word, "--") == 0) {
            only_words = true;
            next++;
        } else if (!only_words && word[0] == '-' && word[1] != '\0') {
            if (!option_read(&reading, count, words, &next))
                return false;
        } else {
            size_t most = sizeof(reading.words) / sizeof(reading.words[0]);
            if (reading.word_count < most)
                reading.words[reading.word_count++] = word;
            next++;
        }
    }
    return command_judge(&reading);
}

/* --- help --- */

static const char all_head[] = "qnfsctl: asks and tells a node of a QuorumNFS cluster\n\n"
                               "  qnfsctl [--admin ADDRESS:PORT] [--json] COMMAND\n\n";
static const char all_options[] =
    "\n  --admin ADDRESS:PORT  the node's admin door (" CTL_ADMIN_DEFAULT ")\n"
    "  --json                the answer as JSON instead of a table\n"
    "  --help                also behind a command\n"
    "  --version\n"
    "\nStatus: 0 done; 1 it failed, or `check` found something; 2 the command line is wrong.\n";
static const char export_options[] = "\n  --read-only           nobody may change anything\n"
                                     "  --squash root|all|none\n"
                                     "                        who becomes nobody: root (default), everyone, no one\n"
                                     "  --clients CIDR,...    who may use it (everyone)\n"
                                     "  --sec sys             how users are told apart\n";

static const char address_options[] =
    "\n  --device DEVICE       where clients reach it (the one with an address in its network)\n";

static const char ca_options[] = "\n  --dir DIR             the authority: DIR/ca.pem, DIR/ca-key.pem\n"
                                 "  --days N              how long it is good (ca init: 3650, ca issue: 730)\n"
                                 "  --name NAME           ca issue: the node's name\n"
                                 "  --host HOST,...       ca issue: names and addresses by which the others reach it\n"
                                 "  --out DIR             ca issue: where cert.pem and key.pem go\n";

static size_t usage_line(const struct command_row *row, char *text, size_t room)
{
    char words[64];
    snprintf(words, sizeof(words), "%s%s%s%s%s", row->noun, row->verb == NULL ? "" : " ",
             row->verb == NULL ? "" : row->verb, row->operands[0] == '\0' ? "" : " ", row->operands);
    int used = snprintf(text, room, "  %-26s%s\n", words, row->does);
    return used < 0 || (size_t)used >= room ? 0 : (size_t)used;
}

void arguments_usage(enum ctl_command command, char *text, size_t room)
{
    size_t used = 0;
    snprintf(text, room, "%s", all_head);
    used = strlen(text);
    for (unsigned i = 0; i < CTL_COMMAND_COUNT; i++) {
        if (command == CTL_COMMAND_COUNT || command == (enum ctl_command)i)
            used += usage_line(&rows[i], text + used, room - used);
    }
    if (command == CTL_COMMAND_COUNT || command == CTL_EXPORT_ADD) {
        snprintf(text + used, room - used, "%s%s", command == CTL_COMMAND_COUNT ? "\nexport add:" : "", export_options);
        used += strlen(text + used);
    }
    if (command == CTL_COMMAND_COUNT || command == CTL_ADDRESS_ADD) {
        snprintf(text + used, room - used, "%s%s", command == CTL_COMMAND_COUNT ? "\naddress add:" : "",
                 address_options);
        used += strlen(text + used);
    }
    if (command == CTL_COMMAND_COUNT || command == CTL_CA_INIT || command == CTL_CA_ISSUE) {
        snprintf(text + used, room - used, "%s%s", command == CTL_COMMAND_COUNT ? "\nca:" : "", ca_options);
        used += strlen(text + used);
    }
    snprintf(text + used, room - used, "%s", all_options);
}
