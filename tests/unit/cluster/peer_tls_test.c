/* Two ends of TLS in memory: who is trusted, and what each side says about whom it does not trust. */
#include "cluster/peer_tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "tests/support/certificates.h"

struct fixture {
    struct certificates certificates;
    struct peer_tls_context *contexts[8];
    unsigned context_count;
    struct peer_tls *caller;
    struct peer_tls *callee;
    char trouble[512];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    certificates_init(&fixture->certificates);
    *state = fixture;
    return 0;
}

static void hang_up(struct fixture *fixture)
{
    peer_tls_destroy(fixture->caller);
    peer_tls_destroy(fixture->callee);
    fixture->caller = fixture->callee = NULL;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    hang_up(fixture);
    for (unsigned i = 0; i < fixture->context_count; i++)
        peer_tls_context_destroy(fixture->contexts[i]);
    certificates_fini(&fixture->certificates);
    free(fixture);
    return 0;
}

static enum status context_try(struct fixture *fixture, const char *authority, const char *certificate, const char *key,
                               struct peer_tls_context **context)
{
    struct peer_tls_files files = {authority, certificate, key};
    struct span trouble = {(uint8_t *)fixture->trouble, sizeof(fixture->trouble)};
    return peer_tls_context_create(&files, context, trouble);
}

static struct peer_tls_context *context_of(struct fixture *fixture, const struct certificate_paths *paths)
{
    struct peer_tls_context **context = &fixture->contexts[fixture->context_count];
    if (context_try(fixture, paths->authority, paths->certificate, paths->key, context) != STATUS_OK)
        fail_msg("%s", fixture->trouble);
    fixture->context_count++;
    return *context;
}

static struct peer_tls_context *node(struct fixture *fixture, const char *authority, const char *name,
                                     const char *hosts)
{
    struct certificate_paths paths = certificates_issue(&fixture->certificates, authority, name, hosts);
    return context_of(fixture, &paths);
}

/* Carries what waits at one end, in pieces; true if there was something. */
static bool carry(struct peer_tls *from, struct peer_tls *to, size_t piece_bytes)
{
    uint8_t bytes[4096];
    bool some = false;
    size_t count;
    while ((count = peer_tls_output(from, (struct span){bytes, piece_bytes})) > 0) {
        some = true;
        if (peer_tls_receive(to, slice_make(bytes, count)) != STATUS_OK)
            break;
    }
    return some;
}

/* Reads at both ends, so that what was refused is seen. */
static void talk(struct fixture *fixture, size_t piece_bytes)
{
    uint8_t bytes[16];
    bool some = true;
    while (some) {
        some = carry(fixture->caller, fixture->callee, piece_bytes);
        some = carry(fixture->callee, fixture->caller, piece_bytes) || some;
    }
    peer_tls_read(fixture->caller, (struct span){bytes, 0});
}

static void call(struct fixture *fixture, struct peer_tls_context *caller, const char *host,
                 struct peer_tls_context *callee)
{
    fixture->caller = peer_tls_call(caller, host);
    fixture->callee = peer_tls_answer(callee);
    talk(fixture, 4096);
}

/* The bytes that one end sends come out at the other. */
static void says(struct peer_tls *from, struct peer_tls *to, const uint8_t *bytes, size_t size_bytes,
                 size_t piece_bytes)
{
    uint8_t *got = malloc(size_bytes + 1);
    uint8_t cipher[4096];
    size_t count;
    size_t used = 0;
    peer_tls_write(from, slice_make(bytes, size_bytes));
    while ((count = peer_tls_output(from, (struct span){cipher, piece_bytes})) > 0) {
        assert_int_equal(peer_tls_receive(to, slice_make(cipher, count)), STATUS_OK);
        while ((count = peer_tls_read(to, (struct span){got + used, size_bytes + 1 - used})) > 0)
            used += count;
    }
    assert_int_equal(used, size_bytes);
    assert_memory_equal(got, bytes, size_bytes);
    free(got);
}

static void nodes_of_one_authority_talk(void **state)
{
    struct fixture *fixture = *state;
    struct peer_tls_context *one = node(fixture, "ca", "node-1", "one.example.org,192.0.2.1");
    struct peer_tls_context *two = node(fixture, "ca", "node-2", "two.example.org,2001:db8::2");
    static const char *const hosts[] = {"two.example.org", "TWO.example.org", "2001:db8::2", "2001:db8:0::2"};
    static uint8_t bytes[100000];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 31 + i / 256);
    for (size_t i = 0; i < 4; i++) {
        call(fixture, one, hosts[i], two);
        if (!peer_tls_ready(fixture->caller) || !peer_tls_ready(fixture->callee))
            fail_msg("%s: %s %s", hosts[i], peer_tls_trouble(fixture->caller), peer_tls_trouble(fixture->callee));
        assert_string_equal(peer_tls_name(fixture->caller), "node-2");
        assert_string_equal(peer_tls_name(fixture->callee), "node-1");
        assert_true(peer_tls_covers(fixture->callee, "one.example.org"));
        assert_true(peer_tls_covers(fixture->callee, "192.0.2.1"));
        assert_false(peer_tls_covers(fixture->callee, "two.example.org"));
        assert_false(peer_tls_covers(fixture->callee, "192.0.2.2"));
        assert_false(peer_tls_covers(fixture->callee, "node-1")); /* the name is no host */
        assert_false(peer_tls_covers(fixture->callee, ""));
        says(fixture->caller, fixture->callee, bytes, sizeof(bytes), 4096);
        says(fixture->callee, fixture->caller, bytes, 5000, 100);
        hang_up(fixture);
    }
}

static void bytes_come_one_by_one(void **state)
{
    struct fixture *fixture = *state;
    struct peer_tls_context *one = node(fixture, "ca", "node-1", "one");
    fixture->caller = peer_tls_call(one, "one");
    fixture->callee = peer_tls_answer(one);
    talk(fixture, 1);
    assert_true(peer_tls_ready(fixture->caller));
    assert_true(peer_tls_ready(fixture->callee));
    says(fixture->caller, fixture->callee, (const uint8_t *)"hello", 5, 1);
    says(fixture->callee, fixture->caller, (const uint8_t *)"and back", 8, 1);
    /* A proper end. */
    uint8_t bytes[16];
    peer_tls_shut(fixture->caller);
    carry(fixture->caller, fixture->callee, 1);
    assert_int_equal(peer_tls_read(fixture->callee, (struct span){bytes, sizeof(bytes)}), 0);
    assert_true(peer_tls_failed(fixture->callee));
    assert_string_equal(peer_tls_trouble(fixture->callee), "");
    assert_int_equal(peer_tls_receive(fixture->callee, SLICE_EMPTY), STATUS_CLOSED);
}

/* One end refuses with these words, the other one says that it was refused. */
static void refuses(struct peer_tls *judge, struct peer_tls *judged, const char *says_judge, const char *says_judged)
{
    uint8_t bytes[16];
    assert_int_equal(peer_tls_read(judge, (struct span){bytes, sizeof(bytes)}), 0);
    assert_int_equal(peer_tls_read(judged, (struct span){bytes, sizeof(bytes)}), 0);
    assert_true(peer_tls_failed(judge));
    assert_true(peer_tls_failed(judged));
    if (strstr(peer_tls_trouble(judge), says_judge) == NULL || strstr(peer_tls_trouble(judged), says_judged) == NULL)
        fail_msg("'%s' and '%s'", peer_tls_trouble(judge), peer_tls_trouble(judged));
    assert_false(peer_tls_ready(judge));
    assert_false(peer_tls_covers(judge, "two"));
    peer_tls_write(judge, slice_text("nobody hears this"));
}

static void other_authorities_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct peer_tls_context *one = node(fixture, "ca", "node-1", "one");
    struct peer_tls_context *stranger = node(fixture, "other", "node-2", "two");
    call(fixture, one, "two", stranger);
    refuses(fixture->caller, fixture->callee, "its certificate is not good: ", "it does not accept us: ");
    hang_up(fixture);

    /* The caller trusts both, the callee only its own. */
    struct certificate_paths paths = certificates_issue(&fixture->certificates, "other", "node-2", "two");
    struct certificate_paths mine = certificates_issue(&fixture->certificates, "ca", "node-3", "three");
    char command[512];
    snprintf(command, sizeof(command), "cat '%s' >> '%s'", mine.authority, paths.authority);
    assert_int_equal(system(command), 0);
    struct peer_tls_context *trusting = context_of(fixture, &paths);
    call(fixture, trusting, "one", one);
    refuses(fixture->callee, fixture->caller, "its certificate is not good: ", "it does not accept us: ");
}

/* A context that was good when it was made: the certificate expires afterwards. */
static void expired_certificates_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct peer_tls_context *one = node(fixture, "ca", "node-1", "one");
    struct certificate_paths paths = certificates_issue_for(
        &fixture->certificates, "ca", "node-2", "two",
        (struct certificate_period){-7200, 3}); /* long enough to be read once on a busy machine */
    struct peer_tls_context *old = context_of(fixture, &paths);
    struct peer_tls_context *again;
    for (unsigned i = 0; i < 100; i++) {
        enum status status = context_try(fixture, paths.authority, paths.certificate, paths.key, &again);
        if (status != STATUS_OK)
            break;
        peer_tls_context_destroy(again);
        struct timespec tenth = {0, 100000000};
        nanosleep(&tenth, NULL);
    }
    assert_non_null(strstr(fixture->trouble, "certificate has expired"));
    call(fixture, one, "two", old);
    refuses(fixture->caller, fixture->callee, "certificate has expired", "it does not accept us: ");
    hang_up(fixture);
    call(fixture, old, "one", one);
    refuses(fixture->callee, fixture->caller, "certificate has expired", "it does not accept us: ");
    hang_up(fixture);
    paths = certificates_issue_for(&fixture->certificates, "ca", "node-3", "three",
                                   (struct certificate_period){3600, 7200});
    assert_int_equal(context_try(fixture, paths.authority, paths.certificate, paths.key, &again), STATUS_REFUSED);
    assert_non_null(strstr(fixture->trouble, "not yet valid"));
}

static void other_hosts_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct peer_tls_context *one = node(fixture, "ca", "node-1", "one");
    struct peer_tls_context *two = node(fixture, "ca", "node-2", "two,192.0.2.2");
    static const char *const hosts[] = {"three", "192.0.2.3", "node-2", "two.example.org", "::1"};
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        call(fixture, one, hosts[i], two);
        refuses(fixture->caller, fixture->callee, hosts[i], "it does not accept us: ");
        hang_up(fixture);
    }
    fixture->caller = peer_tls_call(one, "");
    assert_true(peer_tls_failed(fixture->caller));
    assert_non_null(strstr(peer_tls_trouble(fixture->caller), "no host"));
}

static void other_bytes_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct peer_tls_context *one = node(fixture, "ca", "node-1", "one");
    static const char *const garbage[] = {"GET / HTTP/1.0\r\n\r\n", "\x80\x00\x00\x28\x00\x00\x00\x01",
                                          "\x16\x03\x01\xff\xff\xff\xff", "SSH-2.0-OpenSSH_9.2\r\n"};
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        fixture->callee = peer_tls_answer(one);
        fixture->caller = peer_tls_call(one, "one");
        /* Some are the beginning of what could still come: then more of it. */
        enum status status = peer_tls_receive(fixture->callee, slice_make(garbage[i], 7));
        for (unsigned more = 0; status == STATUS_OK && more < 10000; more++)
            status = peer_tls_receive(fixture->callee, slice_make(garbage[i], 7));
        assert_int_equal(status, STATUS_REFUSED);
        assert_true(peer_tls_failed(fixture->callee));
        assert_true(peer_tls_trouble(fixture->callee)[0] != '\0');
        assert_int_equal(peer_tls_receive(fixture->caller, slice_make(garbage[3], 19)), STATUS_REFUSED);
        hang_up(fixture);
    }
    /* A byte that was changed on the way. */
    uint8_t bytes[4096];
    call(fixture, one, "one", one);
    peer_tls_write(fixture->caller, slice_text("something"));
    size_t count = peer_tls_output(fixture->caller, (struct span){bytes, sizeof(bytes)});
    bytes[count - 1] ^= 1;
    assert_int_equal(peer_tls_receive(fixture->callee, slice_make(bytes, count)), STATUS_OK);
    assert_int_equal(peer_tls_read(fixture->callee, (struct span){bytes, sizeof(bytes)}), 0);
    assert_true(peer_tls_failed(fixture->callee));
}

static void files_that_do_not_fit(void **state)
{
    struct fixture *fixture = *state;
    struct peer_tls_context *context;
    struct certificate_paths one = certificates_issue(&fixture->certificates, "ca", "node-1", "one");
    struct certificate_paths two = certificates_issue(&fixture->certificates, "ca", "node-2", "two");
    struct certificate_paths other = certificates_issue(&fixture->certificates, "other", "node-3", "three");
    const struct {
        const char *authority;
        const char *certificate;
        const char *key;
        enum status status;
        const char *says;
    } cases[] = {
        {"/no/ca.pem", one.certificate, one.key, STATUS_IO, "/no/ca.pem: No such file"},
        {one.authority, "/no/cert.pem", one.key, STATUS_IO, "/no/cert.pem: No such file"},
        {one.authority, one.certificate, "/no/key.pem", STATUS_IO, "/no/key.pem: No such file"},
        {one.key, one.certificate, one.key, STATUS_IO, "holds no certificate"},
        {one.authority, one.key, one.key, STATUS_IO, "holds no certificate"},
        {one.authority, one.certificate, one.certificate, STATUS_IO, "holds no key"},
        {one.authority, one.certificate, two.key, STATUS_IO, "is not the key of the certificate"},
        {other.authority, one.certificate, one.key, STATUS_REFUSED, "not good under"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(context_try(fixture, cases[i].authority, cases[i].certificate, cases[i].key, &context),
                         cases[i].status);
        assert_null(context);
        if (strstr(fixture->trouble, cases[i].says) == NULL || strchr(fixture->trouble, '\n') != NULL)
            fail_msg("'%s' instead of '%s'", fixture->trouble, cases[i].says);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(nodes_of_one_authority_talk),   TEST(bytes_come_one_by_one),
        TEST(other_authorities_are_refused), TEST(expired_certificates_are_refused),
        TEST(other_hosts_are_refused),       TEST(other_bytes_are_refused),
        TEST(files_that_do_not_fit),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
