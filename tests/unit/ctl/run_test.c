/* qnfsctl against an admin door: what it prints, and its statuses. */
#include "ctl/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/support/admin_node.h"

struct fixture {
    struct admin_node node;
    char admin[32];
    char *out; /* of the last run */
    char *error;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    admin_node_init(&fixture->node);
    snprintf(fixture->admin, sizeof(fixture->admin), "127.0.0.1:%u", fixture->node.address.port);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    admin_node_fini(&fixture->node);
    free(fixture->out);
    free(fixture->error);
    free(fixture);
    return 0;
}

/* Runs a line, cut at its blanks, against the node. */
static int run(struct fixture *fixture, const char *line)
{
    char copy[512];
    char *words[32] = {"qnfsctl", "--admin", fixture->admin};
    int count = 3;
    snprintf(copy, sizeof(copy), "%s", line);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
        words[count++] = word;
    free(fixture->out);
    free(fixture->error);
    size_t out_bytes;
    size_t error_bytes;
    FILE *out = open_memstream(&fixture->out, &out_bytes);
    FILE *error = open_memstream(&fixture->error, &error_bytes);
    int status = ctl_run(count, words, "1.2.3", out, error);
    fclose(out);
    fclose(error);
    return status;
}

static void done(struct fixture *fixture, const char *line, const char *out)
{
    int status = run(fixture, line);
    if (status != 0 || strcmp(fixture->out, out) != 0 || fixture->error[0] != '\0')
        fail_msg("'%s': status %d, out '%s', error '%s'", line, status, fixture->out, fixture->error);
}

/* One line that begins with the program's name and says the word. */
static void fails(struct fixture *fixture, int status, const char *line, const char *word)
{
    int got = run(fixture, line);
    const char *end = strchr(fixture->error, '\n');
    if (got != status || fixture->out[0] != '\0' || end == NULL || end[1] != '\0' ||
        strncmp(fixture->error, "qnfsctl: ", 9) != 0 || strstr(fixture->error, word) == NULL)
        fail_msg("'%s': status %d, out '%s', error '%s'", line, got, fixture->out, fixture->error);
}

static json_t *json_of(struct fixture *fixture, const char *line)
{
    assert_int_equal(run(fixture, line), 0);
    json_t *value = json_loads(fixture->out, 0, NULL);
    assert_non_null(value);
    return value;
}

static void the_status_is_a_page(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(run(fixture, "status"), 0);
    static const char *const parts[] = {
        "cluster   ab010000000000000000000000000000\n",
        "node      1, incarnation 77, version ",
        "state     serving, healthy, leader in term 3\n",
        ", since 1970-01-01T00:00:01Z\n",
        "log       committed 40, applied 39 (command 123), flushed 0, 5.0 MiB, 0 flushes\n",
        "disk      1.0 GiB free of 2.0 GiB\n",
        "clients   0, with 0 sessions, 0 opens, 0 locked ranges, 7 connections\n",
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (strstr(fixture->out, parts[i]) == NULL)
            fail_msg("no '%s' in '%s'", parts[i], fixture->out);
    }
    fixture->node.status.serving = fixture->node.status.healthy = fixture->node.status.leader = false;
    assert_int_equal(run(fixture, "status"), 0);
    assert_non_null(strstr(fixture->out, "state     not serving, NOT HEALTHY, not leader in term 3\n"));
    assert_null(strstr(fixture->out, "fetching"));
    fixture->node.status.fetches_from = 2;
    fixture->node.status.fetched_bytes = 1 << 20;
    fixture->node.status.fetch_bytes = 8 << 20;
    assert_int_equal(run(fixture, "status"), 0);
    assert_non_null(strstr(fixture->out, "fetching  the state of node 2, 1.0 MiB of 8.0 MiB\n"));
    json_t *value = json_of(fixture, "--json status");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(value, "fetch"), "node")), 2);
    assert_true(json_is_false(json_object_get(json_object_get(value, "node"), "serving")));
    json_decref(value);
}

static void exports_are_managed(void **state)
{
    struct fixture *fixture = *state;
    done(fixture, "export add /projects --read-only --squash all --clients 192.0.2.0/24,2001:db8::/32", "");
    done(fixture, "export add /with%odd&name --sec sys", "");
    done(fixture, "export list",
         "PATH            ACCESS      SQUASH  SEC  CLIENTS\n"
         "/data           read-write  none    sys  everyone\n"
         "/projects       read-only   all     sys  192.0.2.0/24,2001:db8::/32\n"
         "/with%odd&name  read-write  root    sys  everyone\n");
    done(fixture, "export remove /with%odd&name", "");
    done(fixture, "export remove /projects", "");
    fails(fixture, 1, "export remove /projects", "");
    fails(fixture, 1, "export add relative", "");
    fails(fixture, 1, "export add /a --clients nonsense", "nonsense");
    fails(fixture, 2, "export add /a --squash most", "most");
    json_t *value = json_of(fixture, "export list --json");
    assert_int_equal(json_array_size(json_object_get(value, "exports")), 1);
    json_decref(value);
    value = json_of(fixture, "export add /b --json");
    assert_string_equal(json_string_value(json_object_get(value, "path")), "/b");
    json_decref(value);
}

static void clients_sessions_and_locks_are_tables(void **state)
{
    struct fixture *fixture = *state;
    uint64_t client = admin_node_client(&fixture->node, "Linux alpha");
    struct files *files = &fixture->node.files;
    admin_node_hold(&fixture->node, client, files_make(files, files->root, "file", 0644), 50);
    struct file_id gone = files_make(files, files->root, "gone", 0644);
    admin_node_hold(&fixture->node, client, gone, UINT64_MAX);
    assert_int_equal(files_remove(files, files->root, "gone"), NFS4_OK);
    char wanted[512];
    snprintf(wanted, sizeof(wanted),
             "ID  ADDRESS    STATE   LEASE LEFT  SESSIONS  STATEIDS  RANGES  OWNER\n"
             "%llu   127.0.0.1  active  55 s        1         4         2       Linux alpha\n",
             (unsigned long long)client);
    done(fixture, "client list", wanted);
    assert_int_equal(run(fixture, "session list"), 0);
    assert_non_null(strstr(fixture->out, "ID                                CLIENT  INCARNATION  HERE  EPOCH  SLOTS"));
    assert_non_null(strstr(fixture->out, "  77           yes   "));
    snprintf(wanted, sizeof(wanted),
             "KIND  CLIENT  HELD           FILE        OWNER\n"
             "open  %llu       both           /data/file  me\\x01\\x5c\n"
             "open  %llu       both           1:%llu         me\\x01\\x5c\n"
             "lock  %llu       write 100-149  /data/file  locker\n"
             "lock  %llu       write 100-end  1:%llu         locker\n",
             (unsigned long long)client, (unsigned long long)client, (unsigned long long)gone.inode.value,
             (unsigned long long)client, (unsigned long long)client, (unsigned long long)gone.inode.value);
    done(fixture, "lock list", wanted);
    char line[64];
    snprintf(line, sizeof(line), "client evict %llu", (unsigned long long)client);
    done(fixture, line, "");
    fails(fixture, 1, line, "client");
    fails(fixture, 2, "client evict alpha", "alpha");
    fails(fixture, 2, "client evict 1x", "1x");
}

static void settings_are_read_and_set(void **state)
{
    struct fixture *fixture = *state;
    done(fixture, "settings get",
         "NAME           VALUE\n"
         "lease-seconds  60\n"
         "read-mode      lease\n"
         "auto-promote   on\n");
    done(fixture, "settings set lease-seconds 30", "");
    done(fixture, "settings get lease-seconds", "30\n");
    done(fixture, "--json settings get lease-seconds", "{\"lease-seconds\":\"30\"}\n");
    fails(fixture, 1, "settings get colour", "colour");
    fails(fixture, 1, "settings set lease-seconds 4", "lease-seconds");
    fails(fixture, 1, "settings set colour/../x blue", "setting");
}

static void a_check_that_finds_something_fails(void **state)
{
    struct fixture *fixture = *state;
    struct files *files = &fixture->node.files;
    struct file_id made = files_make(files, files->root, "file", 0644);
    assert_int_equal(run(fixture, "check"), 0);
    assert_int_equal(strncmp(fixture->out, "0 broken invariants (", 21), 0);
    struct apply *apply = files_begin(files);
    inode_delete(apply->transaction, made.volume, made.inode, apply->arena);
    files_end(files);
    assert_int_equal(run(fixture, "check"), 1);
    assert_non_null(strstr(fixture->out, "entry without its inode"));
    assert_int_equal(fixture->error[0], '\0');
    assert_int_equal(run(fixture, "check --json"), 1);
    assert_int_equal(fixture->out[0], '{');
}

static void nodes_are_listed(void **state)
{
    struct fixture *fixture = *state;
    fixture->node.status.leader_node = 2;
    fixture->node.status.leader = false;
    fixture->node.members[0] = (struct admin_member){.node = 1, .voter = true};
    fixture->node.members[1] = (struct admin_member){.node = 2, .voter = true, .connected = true, .match_index = 9};
    fixture->node.members[2] = (struct admin_member){.node = 3, .connected = false};
    fixture->node.member_count = 3;
    json_t *value = json_of(fixture, "--json node list");
    json_t *rows = json_object_get(value, "nodes");
    assert_int_equal(json_array_size(rows), 3);
    assert_int_equal(json_integer_value(json_object_get(value, "leader")), 2);
    assert_true(json_is_true(json_object_get(json_array_get(rows, 1), "leader")));
    assert_true(json_is_null(json_object_get(json_array_get(rows, 1), "match_index"))); /* only a leader knows */
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 2), "role")), "standby");
    json_decref(value);
    assert_int_equal(run(fixture, "node list"), 0);
    assert_non_null(strstr(fixture->out, "leader"));
    assert_non_null(strstr(fixture->out, "not running"));
}

static void leadership_is_handed_over_by_the_leader(void **state)
{
    struct fixture *fixture = *state;
    struct admin_node *node = &fixture->node;
    node->members[0] = (struct admin_member){.node = 1, .voter = true};
    node->member_count = 1;
    node->status.leader = true;
    node->status.leader_node = 1;
    fails(fixture, 1, "leader transfer", "no other voter");
    node->members[1] = (struct admin_member){.node = 2, .voter = true, .connected = true};
    node->members[2] = (struct admin_member){.node = 3, .voter = true};
    node->members[3] = (struct admin_member){.node = 4, .connected = true};
    node->member_count = 4;
    done(fixture, "leader transfer", "");
    assert_int_equal(node->transferred, 1);
    assert_int_equal(node->transfer_to, 0);
    done(fixture, "leader transfer 2", "");
    assert_int_equal(node->transfer_to, 2);
    done(fixture, "leader transfer 1", ""); /* it leads already */
    assert_int_equal(node->transferred, 2);
    fails(fixture, 1, "leader transfer 3", "node 3 cannot be reached");
    fails(fixture, 1, "leader transfer 4", "node 4 is no voter");
    fails(fixture, 1, "leader transfer 9", "there is no node 9");
    fails(fixture, 2, "leader transfer two", "no node id");
    node->status.leader = false;
    node->status.leader_node = 2;
    fails(fixture, 1, "leader transfer", "node 2 leads");
    node->status.leader_node = 0;
    fails(fixture, 1, "leader transfer", "no node leads");
    assert_int_equal(node->transferred, 2);
}

static void trouble_is_one_line(void **state)
{
    struct fixture *fixture = *state;
    fixture->node.execute_status = STATUS_REFUSED;
    fails(fixture, 1, "export add /a", "does not serve");
    fails(fixture, 2, "node drain 1", "node drain: not in this version");
    fails(fixture, 1, "node add x", "'x' is no HOST:PORT");
    fails(fixture, 2, "node remove x", "'x' is no node id");
    fails(fixture, 2, "statsu", "statsu");
    fails(fixture, 2, "", "no command");
    fails(fixture, 1, "status --admin 127.0.0.1:1", "no node answers at 127.0.0.1:1");
    fails(fixture, 1, "status --admin no-such-host.invalid:1", "no node answers");
    fails(fixture, 1, "status --admin 127.0.0.1:port", "--admin");
    done(fixture, "--version", "qnfsctl 1.2.3\n");
    assert_int_equal(run(fixture, "--help"), 0);
    assert_non_null(strstr(fixture->out, "export add PATH"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_status_is_a_page),
        TEST(exports_are_managed),
        TEST(clients_sessions_and_locks_are_tables),
        TEST(settings_are_read_and_set),
        TEST(a_check_that_finds_something_fails),
        TEST(nodes_are_listed),
        TEST(leadership_is_handed_over_by_the_leader),
        TEST(trouble_is_one_line),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
