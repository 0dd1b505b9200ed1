/* Every command and option of qnfsctl, and what is wrong about a command line. */
#include "ctl/arguments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char trouble[256];

/* Cuts a line at its blanks and reads it. */
static bool read_line(const char *line, struct ctl_arguments *arguments)
{
    static char copy[512];
    char *words[32];
    int count = 0;
    snprintf(copy, sizeof(copy), "%s", line);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
        words[count++] = word;
    trouble[0] = '\0';
    return arguments_read(count, words, arguments, trouble, sizeof(trouble));
}

static struct ctl_arguments reads(const char *line)
{
    struct ctl_arguments arguments;
    if (!read_line(line, &arguments))
        fail_msg("'%s': %s", line, trouble);
    return arguments;
}

static void refuses(const char *line, const char *word)
{
    struct ctl_arguments arguments;
    if (read_line(line, &arguments))
        fail_msg("'%s' is taken", line);
    if (strstr(trouble, word) == NULL)
        fail_msg("'%s': '%s' does not say '%s'", line, trouble, word);
    assert_null(strchr(trouble, '\n'));
}

static void every_command_is_known(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum ctl_command command;
        size_t operands;
    } cases[] = {
        {"status", CTL_STATUS, 0},
        {"export add /data", CTL_EXPORT_ADD, 1},
        {"export list", CTL_EXPORT_LIST, 0},
        {"export remove /data", CTL_EXPORT_REMOVE, 1},
        {"client list", CTL_CLIENT_LIST, 0},
        {"client evict 7", CTL_CLIENT_EVICT, 1},
        {"session list", CTL_SESSION_LIST, 0},
        {"lock list", CTL_LOCK_LIST, 0},
        {"settings get", CTL_SETTINGS_GET, 0},
        {"settings get lease-seconds", CTL_SETTINGS_GET, 1},
        {"settings set lease-seconds 30", CTL_SETTINGS_SET, 2},
        {"check", CTL_CHECK, 0},
        {"ca init --dir x", CTL_CA_INIT, 0},
        {"ca issue --dir x --name n --host h --out o", CTL_CA_ISSUE, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ctl_arguments arguments = reads(cases[i].line);
        assert_int_equal(arguments.command, cases[i].command);
        assert_int_equal(arguments.operand_count, cases[i].operands);
        assert_false(arguments.help);
        assert_false(arguments.json);
        assert_string_equal(arguments.admin, CTL_ADMIN_DEFAULT);
    }
    assert_string_equal(reads("settings set lease-seconds 30").operands[1], "30");
}

static void options_stand_anywhere(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "--admin 10.0.0.1:9 --json status",
        "status --json --admin=10.0.0.1:9",
        "--json status --admin 10.0.0.1:9",
    };
    for (size_t i = 0; i < 3; i++) {
        struct ctl_arguments arguments = reads(lines[i]);
        assert_int_equal(arguments.command, CTL_STATUS);
        assert_string_equal(arguments.admin, "10.0.0.1:9");
        assert_true(arguments.json);
    }
    struct ctl_arguments arguments =
        reads("export --read-only add --squash none /data --clients 10.0.0.0/8,::1 --sec=sys");
    assert_int_equal(arguments.command, CTL_EXPORT_ADD);
    assert_string_equal(arguments.operands[0], "/data");
    assert_true(arguments.read_only);
    assert_string_equal(arguments.squash, "none");
    assert_string_equal(arguments.clients, "10.0.0.0/8,::1");
    assert_string_equal(arguments.sec, "sys");
}

static void certificates_are_ordered(void **state)
{
    (void)state;
    struct ctl_arguments arguments = reads("ca issue --dir d --name n1 --host a,::1 --out=o --days 90");
    assert_string_equal(arguments.directory, "d");
    assert_string_equal(arguments.name, "n1");
    assert_string_equal(arguments.hosts, "a,::1");
    assert_string_equal(arguments.out, "o");
    assert_int_equal(arguments.days, 90);
    assert_int_equal(reads("ca init --dir d").days, 0);
}

static void root_is_squashed_unless_said_otherwise(void **state)
{
    (void)state;
    struct ctl_arguments arguments = reads("export add /data");
    assert_string_equal(arguments.squash, "root");
    assert_false(arguments.read_only);
    assert_null(arguments.clients);
    assert_string_equal(reads("export add /data --squash all").squash, "all");
}

static void operands_may_look_like_options(void **state)
{
    (void)state;
    assert_string_equal(reads("export remove -- --odd").operands[0], "--odd");
    assert_string_equal(reads("settings set read-mode -").operands[1], "-");
}

static void wrong_lines_say_what_is_wrong(void **state)
{
    (void)state;
    refuses("", "no command");
    refuses("--json", "no command");
    refuses("statsu", "statsu");
    refuses("export", "export");
    refuses("export ad /data", "'ad'");
    refuses("export add", "PATH");
    refuses("export add /a /b", "/b");
    refuses("export add /a /b /c /d /e", "/b");
    refuses("export list /a", "/a");
    refuses("client evict", "ID");
    refuses("settings set lease-seconds", "VALUE");
    refuses("settings get a b", "'b'");
    refuses("check now", "now");
    refuses("status --admin", "--admin");
    refuses("status --admin=", "--admin");
    refuses("status --json=yes", "--json");
    refuses("status --read-only", "--read-only");
    refuses("export remove /a --squash all", "--squash");
    refuses("export add /a --squash most", "most");
    refuses("export add /a --sec krb5", "krb5");
    refuses("export add /a --sec sys,krb5", "krb5");
    refuses("status --no-such", "--no-such");
    refuses("status --no-such=1", "--no-such");
    refuses("status -v", "-v");
    refuses("ca", "ca: what about it?");
    refuses("ca init", "--dir");
    refuses("ca init --dir", "--dir");
    refuses("ca init --dir x --days 0", "'0'");
    refuses("ca init --dir x --days 36501", "'36501'");
    refuses("ca init --dir x --days +5", "'+5'");
    refuses("ca init --dir x --days 1y", "'1y'");
    refuses("ca init --dir x --days 99999999999999999999", "--days");
    refuses("ca init --dir x --out y", "has no option --out");
    refuses("ca init x --dir y", "'x'");
    refuses("ca issue --dir x --name n --host h", "wants --out");
    refuses("ca issue --dir x --name n --out o", "wants --host");
    refuses("ca issue --dir x --host h --out o", "wants --name");
    refuses("ca issue --name n --host h --out o", "wants --dir");
    refuses("ca renew --dir x", "'renew'");
    refuses("check --dir x", "--dir");
}

static void later_commands_are_told_apart(void **state)
{
    (void)state;
    static const char *const lines[] = {"node drain 2", "grace end",    "grace start", "grace status",
                                        "backup there", "restore here", "node drain 1"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        refuses(lines[i], "not in this version");
}

static void help_is_for_each_command(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum ctl_command command;
        const char *word;
    } cases[] = {
        {"--help", CTL_COMMAND_COUNT, "client evict ID"},
        {"export --help", CTL_COMMAND_COUNT, "export remove PATH"},
        {"status --help", CTL_STATUS, "status"},
        {"--help export add", CTL_EXPORT_ADD, "--squash root|all|none"},
        {"export list --help", CTL_EXPORT_LIST, "export list"},
        {"export remove --help", CTL_EXPORT_REMOVE, "export remove PATH"},
        {"client list --help", CTL_CLIENT_LIST, "client list"},
        {"client evict --help", CTL_CLIENT_EVICT, "client evict ID"},
        {"session list --help", CTL_SESSION_LIST, "session list"},
        {"lock list --help", CTL_LOCK_LIST, "lock list"},
        {"settings get --help", CTL_SETTINGS_GET, "settings get [NAME]"},
        {"settings set --help", CTL_SETTINGS_SET, "settings set NAME VALUE"},
        {"check --help", CTL_CHECK, "check"},
        {"ca init --help", CTL_CA_INIT, "--days N"},
        {"ca issue --help", CTL_CA_ISSUE, "--host HOST,..."},
        {"ca --help", CTL_COMMAND_COUNT, "ca issue --dir DIR"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ctl_arguments arguments = reads(cases[i].line);
        char text[4096];
        assert_true(arguments.help);
        assert_int_equal(arguments.command, cases[i].command);
        arguments_usage(arguments.command, text, sizeof(text));
        assert_non_null(strstr(text, cases[i].word));
        assert_non_null(strstr(text, "--admin"));
        assert_true(strlen(text) < sizeof(text) - 1);
    }
    assert_true(reads("--version").version);
    char shorter[100];
    arguments_usage(CTL_COMMAND_COUNT, shorter, sizeof(shorter));
    assert_int_equal(strlen(shorter), sizeof(shorter) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_is_known),         cmocka_unit_test(options_stand_anywhere),
        cmocka_unit_test(certificates_are_ordered),       cmocka_unit_test(root_is_squashed_unless_said_otherwise),
        cmocka_unit_test(operands_may_look_like_options), cmocka_unit_test(wrong_lines_say_what_is_wrong),
        cmocka_unit_test(later_commands_are_told_apart),  cmocka_unit_test(help_is_for_each_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
