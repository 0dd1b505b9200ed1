/* Every flag, every key of the file, and one clear line for everything that is wrong. */
#include "server/daemon/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "statestore/machine/export.h"

struct fixture {
    struct arena arena;
    struct config config;
    char trouble[512];
    char file[64];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    arena_init(&fixture->arena);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->file[0] != '\0')
        unlink(fixture->file);
    arena_fini(&fixture->arena);
    free(fixture);
    return 0;
}

/* Reads arguments given as a NULL-ended list. */
static enum status read_list(struct fixture *fixture, char **arguments)
{
    int count = 0;
    while (arguments[count] != NULL)
        count++;
    fixture->trouble[0] = '\0';
    return config_read(count, arguments, &fixture->arena, &fixture->config, fixture->trouble, sizeof(fixture->trouble));
}

#define READ(fixture, ...) read_list((fixture), (char *[]){"qnfsd", __VA_ARGS__, NULL})

/* With what is needed as soon as there are other nodes; this one is b:2. */
#define READ_NODES(fixture, ...)                                                                                       \
    READ(fixture, "--advertise", "b:2", "--peer-ca", "ca", "--peer-cert", "cert", "--peer-key", "key", __VA_ARGS__)

/* Whatever is wrong is one line, and names what it is about. */
#define REFUSE(fixture, word, ...)                                                                                     \
    do {                                                                                                               \
        assert_int_equal(READ(fixture, __VA_ARGS__), STATUS_BAD_DATA);                                                 \
        assert_non_null(strstr((fixture)->trouble, (word)));                                                           \
        assert_null(strchr((fixture)->trouble, '\n'));                                                                 \
    } while (0)

#define REFUSE_NODES(fixture, word, ...)                                                                               \
    REFUSE(fixture, word, "--advertise", "b:2", "--peer-ca", "ca", "--peer-cert", "cert", "--peer-key", "key",         \
           __VA_ARGS__)

static const char *write_file(struct fixture *fixture, const char *text)
{
    if (fixture->file[0] == '\0') {
        strcpy(fixture->file, "/tmp/qnfs-config-test-XXXXXX");
        int descriptor = mkstemp(fixture->file);
        assert_true(descriptor >= 0);
        close(descriptor);
    }
    FILE *file = fopen(fixture->file, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    return fixture->file;
}

static void assert_address(const struct config_address *address, const char *host, uint16_t port)
{
    assert_string_equal(address->host, host);
    assert_int_equal(address->port, port);
}

static void the_defaults_are_those_of_the_documentation(void **state)
{
    struct fixture *fixture = *state;
    struct config *config = &fixture->config;
    char *none[] = {"qnfsd", NULL};
    assert_int_equal(read_list(fixture, none), STATUS_OK);
    assert_string_equal(config->data_dir, "./qnfs-data");
    assert_address(&config->nfs, "0.0.0.0", 2049);
    assert_address(&config->peer, "0.0.0.0", 7049);
    assert_address(&config->admin, "127.0.0.1", 8049);
    assert_null(config->advertise.host);
    assert_false(config->bootstrap);
    assert_int_equal(config->bootstrap_expect, 0);
    assert_int_equal(config->log_level, LOG_INFO);
    assert_false(config->log_json);
    assert_int_equal(config->gateway_threads, 0);
    assert_false(config->force_grace);
    assert_int_equal(config->export_count, 0);
    assert_null(config->peer_ca);
    assert_false(config->help);
    assert_false(config->version);
}

static void every_flag_is_read(void **state)
{
    struct fixture *fixture = *state;
    struct config *config = &fixture->config;
    assert_int_equal(READ(fixture, "--data-dir", "/d", "--nfs", "1.2.3.4:20", "--peer=5.6.7.8:30", "--advertise",
                          "node-1.example:31", "--admin", "[::1]:40", "--peer-ca", "ca", "--peer-cert", "cert",
                          "--peer-key", "key", "--bootstrap", "--log-level", "debug", "--log-format", "json",
                          "--gateway-threads", "3", "--force-grace"),
                     STATUS_OK);
    assert_string_equal(config->data_dir, "/d");
    assert_address(&config->nfs, "1.2.3.4", 20);
    assert_address(&config->peer, "5.6.7.8", 30);
    assert_address(&config->advertise, "node-1.example", 31);
    assert_address(&config->admin, "::1", 40);
    assert_string_equal(config->peer_ca, "ca");
    assert_string_equal(config->peer_cert, "cert");
    assert_string_equal(config->peer_key, "key");
    assert_true(config->bootstrap);
    assert_int_equal(config->log_level, LOG_DEBUG);
    assert_true(config->log_json);
    assert_int_equal(config->gateway_threads, 3);
    assert_true(config->force_grace);

    assert_int_equal(READ_NODES(fixture, "--bootstrap-expect", "3", "--peers", "a:1,b:2,,c:3"), STATUS_OK);
    assert_int_equal(config->bootstrap_expect, 3);
    assert_int_equal(config->peer_count, 3);
    assert_string_equal(config->peers[0], "a:1");
    assert_string_equal(config->peers[2], "c:3");

    assert_int_equal(READ_NODES(fixture, "--join=a:1"), STATUS_OK);
    assert_int_equal(config->join_count, 1);
    assert_string_equal(config->join[0], "a:1");

    static const struct {
        char *text;
        enum log_level level;
    } levels[] = {{"debug", LOG_DEBUG}, {"info", LOG_INFO}, {"warn", LOG_WARN}, {"error", LOG_ERROR}};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(READ(fixture, "--log-level", levels[i].text), STATUS_OK);
        assert_int_equal(config->log_level, levels[i].level);
    }
    assert_int_equal(READ(fixture, "--bootstrap=false", "--log-format=text"), STATUS_OK);
    assert_false(config->bootstrap);
    assert_false(config->log_json);
}

static void help_and_version_are_told(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(READ(fixture, "--help"), STATUS_OK);
    assert_true(fixture->config.help);
    assert_int_equal(READ(fixture, "--version"), STATUS_OK);
    assert_true(fixture->config.version);
    static const char *const flags[] = {
        "--config",      "--data-dir",         "--nfs",       "--peer",      "--advertise",
        "--admin",       "--peer-ca",          "--peer-cert", "--peer-key",  "--bootstrap",
        "--peers",       "--bootstrap-expect", "--join",      "--log-level", "--log-format",
        "--force-grace", "--gateway-threads",  "--help",      "--version"};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        assert_non_null(strstr(config_usage(), flags[i]));
}

static void wrong_flags_are_one_line(void **state)
{
    struct fixture *fixture = *state;
    REFUSE(fixture, "--no-such", "--no-such", "1");
    REFUSE(fixture, "stray", "stray");
    REFUSE(fixture, "-x", "-x");
    REFUSE(fixture, "--", "--");
    REFUSE(fixture, "--nfs", "--nfs");
    REFUSE(fixture, "nfs", "--nfs", "2049");
    REFUSE(fixture, "nfs", "--nfs", ":2049");
    REFUSE(fixture, "nfs", "--nfs", "0.0.0.0:0");
    REFUSE(fixture, "nfs", "--nfs", "0.0.0.0:65536");
    REFUSE(fixture, "nfs", "--nfs", "0.0.0.0:12x");
    REFUSE(fixture, "nfs", "--nfs", "0.0.0.0:");
    REFUSE(fixture, "admin", "--admin", "::1:40");
    REFUSE(fixture, "data-dir", "--data-dir", "");
    REFUSE(fixture, "log-level", "--log-level", "loud");
    REFUSE(fixture, "log-format", "--log-format", "xml");
    REFUSE(fixture, "gateway-threads", "--gateway-threads", "0");
    REFUSE(fixture, "gateway-threads", "--gateway-threads", "65");
    REFUSE(fixture, "gateway-threads", "--gateway-threads", "-1");
    REFUSE(fixture, "gateway-threads", "--gateway-threads", "99999999999999999999");
    REFUSE(fixture, "bootstrap", "--bootstrap=maybe");
    REFUSE(fixture, "bootstrap-expect", "--bootstrap-expect", "10");
    REFUSE(fixture, "only one of", "--bootstrap", "--join", "a:1");
    REFUSE(fixture, "only one of", "--bootstrap-expect", "3", "--join", "a:1");
    REFUSE(fixture, "/no/such/file", "--config", "/no/such/file");
    REFUSE(fixture, "--config", "--config");
}

/* What several nodes need, and how their lists must fit. */
static void nodes_must_fit_together(void **state)
{
    struct fixture *fixture = *state;
    struct config *config = &fixture->config;
    /* This node may be among the peers, or not. */
    assert_int_equal(READ_NODES(fixture, "--bootstrap-expect", "3", "--peers", "a:1,c:3"), STATUS_OK);
    assert_int_equal(READ_NODES(fixture, "--bootstrap-expect", "2", "--peers", "a:1,B:2"), STATUS_OK);
    assert_int_equal(config->bootstrap_expect, 2);
    /* One node alone. */
    assert_int_equal(READ(fixture, "--bootstrap-expect", "1"), STATUS_OK);
    assert_true(config->bootstrap && config->bootstrap_expect == 0);
    assert_int_equal(READ_NODES(fixture, "--bootstrap-expect", "1", "--peers", "b:2"), STATUS_OK);
    assert_true(config->bootstrap);
    /* A member's start: no mode, but certificates. */
    assert_int_equal(READ_NODES(fixture, "--nfs", "0.0.0.0:1"), STATUS_OK);
    REFUSE_NODES(fixture, "names 2", "--bootstrap-expect", "3", "--peers", "a:1,b:2");
    REFUSE_NODES(fixture, "names 3", "--bootstrap-expect", "2", "--peers", "a:1,c:3");
    REFUSE_NODES(fixture, "names 2", "--bootstrap-expect", "1", "--peers", "a:1");
    REFUSE_NODES(fixture, "twice", "--bootstrap-expect", "3", "--peers", "a:1,c:3,A:1");
    REFUSE_NODES(fixture, "'a' is not HOST:PORT", "--bootstrap-expect", "2", "--peers", "a,b:2");
    REFUSE_NODES(fixture, "'a:0' is not", "--bootstrap-expect", "2", "--peers", "a:0,b:2");
    REFUSE_NODES(fixture, "wants --peers", "--bootstrap-expect", "3");
    REFUSE_NODES(fixture, "peers: only", "--peers", "a:1");
    REFUSE_NODES(fixture, "peers: only", "--bootstrap", "--peers", "a:1");
    REFUSE_NODES(fixture, "only one of", "--bootstrap", "--bootstrap-expect", "2", "--peers", "a:1");
    REFUSE_NODES(fixture, "join: 'x' is not", "--join", "a:1,x");
    REFUSE_NODES(fixture, "join: 'a:1' stands there twice", "--join", "a:1,a:1");
    REFUSE(fixture, "peer: 'localhost' is not a numeric address", "--bootstrap", "--peer", "localhost:7049");
    assert_int_equal(READ(fixture, "--bootstrap", "--peer", "[::1]:7049"), STATUS_OK);
    REFUSE(fixture, "advertise: wanted with bootstrap-expect", "--bootstrap-expect", "2", "--peers", "a:1,b:2");
    REFUSE(fixture, "advertise: wanted with join", "--join", "a:1");
    REFUSE(fixture, "no address that others can call", "--bootstrap", "--advertise", "0.0.0.0:7049");
    REFUSE(fixture, "no address that others can call", "--bootstrap", "--advertise", "[::]:7049");
    REFUSE(fixture, "advertise: 'a b:1' is not", "--bootstrap", "--advertise", "a b:1");
    REFUSE(fixture, "peer-key is missing", "--bootstrap", "--peer-ca", "ca", "--peer-cert", "cert");
    REFUSE(fixture, "peer-ca is missing", "--bootstrap", "--peer-key", "key");
    REFUSE(fixture, "peer-cert is missing", "--bootstrap", "--peer-ca", "ca", "--peer-key", "key");
    REFUSE(fixture, "wanted as soon as", "--advertise", "b:2", "--bootstrap-expect", "2", "--peers", "a:1");
    REFUSE(fixture, "wanted as soon as", "--advertise", "b:2", "--join", "a:1");
}

static void the_file_has_the_same_keys(void **state)
{
    struct fixture *fixture = *state;
    struct config *config = &fixture->config;
    const char *file = write_file(fixture, "# a comment\n"
                                           "data-dir: /var/lib/qnfs\n"
                                           "nfs: \"0.0.0.0:3049\"\n"
                                           "peer: 1.1.1.1:1\n"
                                           "advertise: here:2\n"
                                           "admin: 127.0.0.1:9049\n"
                                           "peer-ca: ca\npeer-cert: cert\npeer-key: key\n"
                                           "bootstrap-expect: 2\n"
                                           "peers: [a:1, here:2]\n"
                                           "log-level: warn\n"
                                           "log-format: json\n"
                                           "gateway-threads: 2\n"
                                           "force-grace: no\n"
                                           "exports:\n"
                                           "  - path: /data\n"
                                           "    squash: none\n"
                                           "    read-only: false\n"
                                           "    clients: []\n"
                                           "    sec: [sys]\n"
                                           "  - path: /archive\n"
                                           "    read-only: yes\n"
                                           "    squash: all\n"
                                           "    clients: [192.0.2.0/24, \"2001:db8::/32\"]\n"
                                           "  - path: /home\n");
    assert_int_equal(READ(fixture, "--config", (char *)file), STATUS_OK);
    assert_string_equal(config->data_dir, "/var/lib/qnfs");
    assert_address(&config->nfs, "0.0.0.0", 3049);
    assert_address(&config->peer, "1.1.1.1", 1);
    assert_address(&config->advertise, "here", 2);
    assert_address(&config->admin, "127.0.0.1", 9049);
    assert_string_equal(config->peer_key, "key");
    assert_int_equal(config->bootstrap_expect, 2);
    assert_int_equal(config->peer_count, 2);
    assert_string_equal(config->peers[1], "here:2");
    assert_int_equal(config->log_level, LOG_WARN);
    assert_true(config->log_json);
    assert_int_equal(config->gateway_threads, 2);
    assert_false(config->force_grace);

    assert_int_equal(config->export_count, 3);
    const struct config_export *exports = config->exports;
    assert_string_equal(exports[0].path, "/data");
    assert_int_equal(exports[0].squash, EXPORT_SQUASH_NONE);
    assert_false(exports[0].read_only);
    assert_int_equal(exports[0].client_count, 0);
    assert_int_equal(exports[0].flavor_count, 1);
    assert_int_equal(exports[0].flavors[0], 1);
    assert_string_equal(exports[1].path, "/archive");
    assert_true(exports[1].read_only);
    assert_int_equal(exports[1].squash, EXPORT_SQUASH_ALL);
    assert_int_equal(exports[1].client_count, 2);
    assert_string_equal(exports[1].clients[1], "2001:db8::/32");
    assert_string_equal(exports[2].path, "/home");
    assert_int_equal(exports[2].squash, EXPORT_SQUASH_ROOT);
}

static void a_flag_beats_the_file_wherever_it_stands(void **state)
{
    struct fixture *fixture = *state;
    char *file = (char *)write_file(fixture, "nfs: 0.0.0.0:1\nlog-level: error\nbootstrap: true\n");
    assert_int_equal(READ(fixture, "--nfs", "0.0.0.0:2", "--config", file, "--bootstrap=false"), STATUS_OK);
    assert_int_equal(fixture->config.nfs.port, 2);
    assert_int_equal(fixture->config.log_level, LOG_ERROR);
    assert_false(fixture->config.bootstrap);
    assert_int_equal(READ(fixture, "--config", (char *)write_file(fixture, "")), STATUS_OK);
    assert_int_equal(READ(fixture, "--config", (char *)write_file(fixture, "# nothing\n")), STATUS_OK);
}

static void wrong_files_are_one_line_with_the_name(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *text;
        const char *word;
    } cases[] = {
        {"no-such-key: 1\n", "no-such-key"},
        {"nfs: [1, 2]\n", "nfs"},
        {"nfs: 2049\n", "nfs"},
        {"nfs:\n", "nfs"},
        {"- a\n- b\n", "key: value"},
        {"{[: 1\n", ":1:"},
        {"a: b: c\n", ":1:"},
        {"[a]: 1\n", "no text"},
        {"peers: {a: 1}\n", "peers"},
        {"exports: /data\n", "exports"},
        {"exports: [/data]\n", "entry 1"},
        {"exports:\n  - squash: none\n", "no path"},
        {"exports:\n  - path: /a\n    sqash: none\n", "sqash"},
        {"exports:\n  - path: /a\n    squash: some\n", "squash"},
        {"exports:\n  - path: /a\n    read-only: perhaps\n", "read-only"},
        {"exports:\n  - path: [a]\n", "path"},
        {"exports:\n  - path: /a\n    clients: {a: b}\n", "clients"},
        {"exports:\n  - path: /a\n    sec: [krb5]\n", "krb5"},
        {"exports:\n  - path: /a\n    sec: {a: b}\n", "sec"},
        {"bootstrap: true\njoin: [a:1]\n", "only one of"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *file = (char *)write_file(fixture, cases[i].text);
        REFUSE(fixture, cases[i].word, "--config", file);
        if (strcmp(cases[i].word, "only one of") != 0)
            assert_non_null(strstr(fixture->trouble, file));
    }
}

static void a_short_room_is_enough(void **state)
{
    struct fixture *fixture = *state;
    char trouble[8];
    char *arguments[] = {"qnfsd", "--no-such-flag-as-this-one"};
    assert_int_equal(config_read(2, arguments, &fixture->arena, &fixture->config, trouble, sizeof(trouble)),
                     STATUS_BAD_DATA);
    assert_int_equal(strlen(trouble), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_defaults_are_those_of_the_documentation, setup, teardown),
        cmocka_unit_test_setup_teardown(every_flag_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(help_and_version_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_flags_are_one_line, setup, teardown),
        cmocka_unit_test_setup_teardown(nodes_must_fit_together, setup, teardown),
        cmocka_unit_test_setup_teardown(the_file_has_the_same_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flag_beats_the_file_wherever_it_stands, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_files_are_one_line_with_the_name, setup, teardown),
        cmocka_unit_test_setup_teardown(a_short_room_is_enough, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
