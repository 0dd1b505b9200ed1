/* The authority and its certificates: chains that OpenSSL verifies, files and their modes, and what is refused. */
#include "ctl/certificate.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define DAY 86400
static const struct certificate_period ten_days = {-3600, 10 * DAY};

struct fixture {
    char home[64];
    char paths[6][128];
    char trouble[512];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    snprintf(fixture->home, sizeof(fixture->home), "/tmp/qnfs-certificate-XXXXXX");
    assert_non_null(mkdtemp(fixture->home));
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", fixture->home);
    int status = system(command);
    free(fixture);
    return status;
}

/* A path below the test's folder; six at a time. */
static const char *at(struct fixture *fixture, unsigned place, const char *name)
{
    snprintf(fixture->paths[place], sizeof(fixture->paths[place]), "%s/%s", fixture->home, name);
    return fixture->paths[place];
}

static struct span trouble_of(struct fixture *fixture)
{
    fixture->trouble[0] = '\0';
    return (struct span){(uint8_t *)fixture->trouble, sizeof(fixture->trouble)};
}

static void make_authority(struct fixture *fixture, const char *name)
{
    if (certificate_authority_create(at(fixture, 0, name), &ten_days, trouble_of(fixture)) != STATUS_OK)
        fail_msg("%s", fixture->trouble);
}

static enum status issue(struct fixture *fixture, const char *authority, const char *name, const char *hosts,
                         struct certificate_period period)
{
    char out[64];
    snprintf(out, sizeof(out), "%.40s-out", authority);
    struct certificate_order order = {at(fixture, 0, authority), name, hosts, at(fixture, 1, out), period};
    return certificate_issue(&order, trouble_of(fixture));
}

static X509 *certificate_of(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);
    assert_non_null(certificate);
    fclose(file);
    return certificate;
}

/* OpenSSL's verdict about a certificate under an authority, for a purpose. */
static int verdict(X509 *authority, X509 *certificate, int purpose)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    X509_STORE_add_cert(store, authority);
    X509_STORE_CTX_init(context, store, certificate, NULL);
    X509_STORE_CTX_set_flags(context, X509_V_FLAG_X509_STRICT);
    X509_STORE_CTX_set_purpose(context, purpose);
    int result = X509_verify_cert(context) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    return result;
}

static unsigned mode_of(const char *path)
{
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    return about.st_mode & 0777;
}

static void a_certificate_is_good_under_its_authority_only(void **state)
{
    struct fixture *fixture = *state;
    make_authority(fixture, "a");
    make_authority(fixture, "b");
    struct certificate_period nine_days = {-3600, 9 * DAY};
    assert_int_equal(issue(fixture, "a", "node-1", "node-1.example.org,192.0.2.7,2001:db8::7", nine_days), STATUS_OK);
    X509 *a = certificate_of(at(fixture, 0, "a/ca.pem"));
    X509 *b = certificate_of(at(fixture, 0, "b/ca.pem"));
    X509 *node = certificate_of(at(fixture, 0, "a-out/cert.pem"));
    assert_int_equal(verdict(a, node, X509_PURPOSE_SSL_SERVER), X509_V_OK);
    assert_int_equal(verdict(a, node, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
    assert_int_not_equal(verdict(b, node, X509_PURPOSE_SSL_SERVER), X509_V_OK);
    assert_int_equal(X509_check_ca(node), 0);
    assert_int_not_equal(X509_check_ca(a), 0);
    assert_int_not_equal(X509_NAME_cmp(X509_get_subject_name(a), X509_get_subject_name(b)), 0);

    char name[64];
    X509_NAME_get_text_by_NID(X509_get_subject_name(node), NID_commonName, name, sizeof(name));
    assert_string_equal(name, "node-1");
    assert_int_equal(X509_check_host(node, "node-1.example.org", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(node, "node-2.example.org", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ip_asc(node, "192.0.2.7", 0), 1);
    assert_int_equal(X509_check_ip_asc(node, "2001:db8::7", 0), 1);
    assert_int_equal(X509_check_ip_asc(node, "192.0.2.8", 0), 0);
    X509_free(a);
    X509_free(b);
    X509_free(node);
}

static void time_is_judged(void **state)
{
    struct fixture *fixture = *state;
    make_authority(fixture, "a");
    X509 *a = certificate_of(at(fixture, 0, "a/ca.pem"));
    assert_int_equal(issue(fixture, "a", "old", "h", (struct certificate_period){-7200, -3600}), STATUS_OK);
    X509 *old = certificate_of(at(fixture, 0, "a-out/cert.pem"));
    assert_int_equal(verdict(a, old, X509_PURPOSE_SSL_CLIENT), X509_V_ERR_CERT_HAS_EXPIRED);
    assert_int_equal(issue(fixture, "a", "soon", "h", (struct certificate_period){3600, 7200}), STATUS_OK);
    X509 *soon = certificate_of(at(fixture, 0, "a-out/cert.pem"));
    assert_int_equal(verdict(a, soon, X509_PURPOSE_SSL_CLIENT), X509_V_ERR_CERT_NOT_YET_VALID);
    X509_free(a);
    X509_free(old);
    X509_free(soon);
    assert_int_equal(issue(fixture, "a", "long", "h", (struct certificate_period){0, 11 * DAY}), STATUS_REFUSED);
    assert_non_null(strstr(fixture->trouble, "--days"));
}

static void files_are_whole_and_keys_private(void **state)
{
    struct fixture *fixture = *state;
    make_authority(fixture, "a");
    assert_int_equal(issue(fixture, "a", "n", "h", (struct certificate_period){0, DAY}), STATUS_OK);
    assert_int_equal(mode_of(at(fixture, 0, "a")), 0700);
    assert_int_equal(mode_of(at(fixture, 0, "a/ca-key.pem")), 0600);
    assert_int_equal(mode_of(at(fixture, 0, "a/ca.pem")), 0644);
    assert_int_equal(mode_of(at(fixture, 0, "a-out/key.pem")), 0600);
    assert_int_equal(mode_of(at(fixture, 0, "a-out/cert.pem")), 0644);

    /* Issued again: replaced. Made again: refused, and left alone. */
    X509 *first = certificate_of(at(fixture, 0, "a-out/cert.pem"));
    assert_int_equal(issue(fixture, "a", "n", "h", (struct certificate_period){0, DAY}), STATUS_OK);
    X509 *second = certificate_of(at(fixture, 0, "a-out/cert.pem"));
    assert_int_not_equal(X509_cmp(first, second), 0);
    X509 *a = certificate_of(at(fixture, 0, "a/ca.pem"));
    assert_int_equal(certificate_authority_create(at(fixture, 0, "a"), &ten_days, trouble_of(fixture)), STATUS_REFUSED);
    assert_non_null(strstr(fixture->trouble, "is there already"));
    unlink(at(fixture, 0, "a/ca.pem"));
    assert_int_equal(certificate_authority_create(at(fixture, 0, "a"), &ten_days, trouble_of(fixture)), STATUS_REFUSED);
    assert_non_null(strstr(fixture->trouble, "ca-key.pem"));
    X509_free(first);
    X509_free(second);
    X509_free(a);
}

static void wrong_words_are_told(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *name;
        const char *hosts;
        const char *says;
    } cases[] = {
        {"", "h", "--name"},
        {"two words", "h", "two words"},
        {"a/b", "h", "a/b"},
        {"ninety-characters-ninety-characters-ninety-characters-ninety-charact", "h", "--name"},
        {"n", "", "''"},
        {"n", "a,,b", "''"},
        {"n", "a,", "''"},
        {"n", "-a", "'-a'"},
        {"n", "a-", "'a-'"},
        {"n", "a-.b", "'a-.b'"},
        {"n", "a..b", "'a..b'"},
        {"n", "*.example.org", "'*.example.org'"},
        {"n", "h:7049", "'h:7049'"},
        {"n", "a b", "'a b'"},
        {"n", "DNS:x", "'DNS:x'"},
        {"n", "1:2:3", "'1:2:3'"},
        {"n", "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcd", "neither"},
        {"n", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33", "32"},
    };
    make_authority(fixture, "a");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(issue(fixture, "a", cases[i].name, cases[i].hosts, (struct certificate_period){0, DAY}),
                         STATUS_BAD_DATA);
        if (strstr(fixture->trouble, cases[i].says) == NULL || strchr(fixture->trouble, '\n') != NULL)
            fail_msg("'%s' '%s': %s", cases[i].name, cases[i].hosts, fixture->trouble);
    }
    assert_int_not_equal(access(at(fixture, 0, "a-out"), F_OK), 0);
}

static void authorities_that_cannot_sign(void **state)
{
    struct fixture *fixture = *state;
    struct certificate_period day = {0, DAY};
    assert_int_equal(issue(fixture, "a", "n", "h", day), STATUS_NOT_FOUND);
    assert_non_null(strstr(fixture->trouble, "ca init"));
    make_authority(fixture, "a");
    make_authority(fixture, "b");
    char command[512];
    snprintf(command, sizeof(command), "cp %s %s", at(fixture, 2, "b/ca-key.pem"), at(fixture, 3, "a/ca-key.pem"));
    assert_int_equal(system(command), 0);
    assert_int_equal(issue(fixture, "a", "n", "h", day), STATUS_IO);
    assert_non_null(strstr(fixture->trouble, "not the key of"));
    snprintf(command, sizeof(command), "echo nothing > %s", at(fixture, 3, "a/ca-key.pem"));
    assert_int_equal(system(command), 0);
    assert_int_equal(issue(fixture, "a", "n", "h", day), STATUS_IO);
    snprintf(command, sizeof(command), "echo nothing > %s", at(fixture, 3, "b/ca.pem"));
    assert_int_equal(system(command), 0);
    assert_int_equal(issue(fixture, "b", "n", "h", day), STATUS_IO);
    assert_non_null(strstr(fixture->trouble, "no certificate"));
    assert_int_equal(unlink(at(fixture, 3, "a/ca-key.pem")), 0);
    assert_int_equal(issue(fixture, "a", "n", "h", day), STATUS_NOT_FOUND);
    assert_int_equal(certificate_authority_create("/proc/no-such", &ten_days, trouble_of(fixture)), STATUS_IO);
    assert_int_equal(certificate_authority_create(at(fixture, 0, "b/ca.pem/x"), &ten_days, trouble_of(fixture)),
                     STATUS_IO);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_certificate_is_good_under_its_authority_only),
        TEST(time_is_judged),
        TEST(files_are_whole_and_keys_private),
        TEST(wrong_words_are_told),
        TEST(authorities_that_cannot_sign),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
