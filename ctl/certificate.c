#include "ctl/certificate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

#define PATH_ROOM 4096u
/* RFC 1035: a DNS name, and one of its labels. */
#define HOST_MAX_BYTES 253u
#define LABEL_MAX_BYTES 63u

static enum status complain(struct span trouble, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum status complain(struct span trouble, enum status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf((char *)trouble.data, trouble.size_bytes, format, arguments);
    va_end(arguments);
    return status;
}

/* What OpenSSL says about its newest failure. */
static enum status complain_openssl(struct span trouble, const char *about)
{
    char reason[256];
    ERR_error_string_n(ERR_peek_last_error(), reason, sizeof(reason));
    ERR_clear_error();
    return complain(trouble, STATUS_IO, "%s: %s", about, reason);
}

/* --- files --- */

static enum status path_join(const char *directory, const char *name, char path[PATH_ROOM], struct span trouble)
{
    int length = snprintf(path, PATH_ROOM, "%s/%s", directory, name);
    if (length < 0 || (size_t)length >= PATH_ROOM)
        return complain(trouble, STATUS_IO, "%.64s...: the path is too long", directory);
    return STATUS_OK;
}

static enum status directory_make(const char *directory, struct span trouble)
{
    if (mkdir(directory, 0700) != 0 && errno != EEXIST)
        return complain(trouble, STATUS_IO, "%s: %s", directory, strerror(errno));
    return STATUS_OK;
}

/* So that the new names outlive a loss of power. */
static enum status directory_sync(const char *directory, struct span trouble)
{
    int descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0 || fsync(descriptor) != 0) {
        int error = errno;
        if (descriptor >= 0)
            close(descriptor);
        return complain(trouble, STATUS_IO, "%s: %s", directory, strerror(error));
    }
    close(descriptor);
    return STATUS_OK;
}

static bool bytes_write(int descriptor, struct slice bytes)
{
    while (bytes.size_bytes > 0) {
        ssize_t count = write(descriptor, bytes.data, bytes.size_bytes);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        bytes = slice_from(bytes, (size_t)count);
    }
    return true;
}

/* Writes a file whole or not at all. Without `replace`: STATUS_REFUSED if the name is taken, also by somebody who was
 * faster just now. */
static enum status file_write(const char *path, struct slice bytes, mode_t mode, bool replace, struct span trouble)
{
    char draft[PATH_ROOM + 16];
    snprintf(draft, sizeof(draft), "%s.XXXXXX", path);
    int descriptor = mkostemp(draft, O_CLOEXEC); /* 0600 */
    if (descriptor < 0)
        return complain(trouble, STATUS_IO, "%s: %s", path, strerror(errno));
    bool good = bytes_write(descriptor, bytes) && fchmod(descriptor, mode) == 0 && fsync(descriptor) == 0;
    int error = errno;
    if (close(descriptor) != 0 && good) {
        good = false;
        error = errno;
    }
    if (good && (replace ? rename(draft, path) : link(draft, path)) != 0) {
        good = false;
        error = errno;
    }
    if (!good || !replace)
        unlink(draft);
    if (!good && error == EEXIST)
        return complain(trouble, STATUS_REFUSED, "%s is there already; it is left as it is", path);
    if (!good)
        return complain(trouble, STATUS_IO, "%s: %s", path, strerror(error));
    return STATUS_OK;
}

/* The bytes of a memory BIO to a file. */
static enum status pem_write(const char *directory, const char *name, BIO *pem, mode_t mode, bool replace,
                             struct span trouble)
{
    char path[PATH_ROOM];
    char *data;
    long size = BIO_get_mem_data(pem, &data);
    CHECK(size > 0);
    enum status status = path_join(directory, name, path, trouble);
    if (status == STATUS_OK)
        status = file_write(path, slice_make(data, (size_t)size), mode, replace, trouble);
    return status;
}

/* Key first: a certificate without its key is of no use to anybody, and would look complete. */
static enum status pair_write(const char *directory, const char *const names[2], EVP_PKEY *key, X509 *certificate,
                              bool replace, struct span trouble)
{
    BIO *key_pem = BIO_new(BIO_s_mem());
    BIO *certificate_pem = BIO_new(BIO_s_mem());
    CHECK(key_pem != NULL && certificate_pem != NULL);
    enum status status = STATUS_OK;
    if (PEM_write_bio_PrivateKey(key_pem, key, NULL, NULL, 0, NULL, NULL) != 1 ||
        PEM_write_bio_X509(certificate_pem, certificate) != 1)
        status = complain_openssl(trouble, directory);
    if (status == STATUS_OK)
        status = pem_write(directory, names[0], key_pem, 0600, replace, trouble);
    if (status == STATUS_OK)
        status = pem_write(directory, names[1], certificate_pem, 0644, replace, trouble);
    if (status == STATUS_OK)
        status = directory_sync(directory, trouble);
    BIO_free(key_pem);
    BIO_free(certificate_pem);
    return status;
}

/* --- names and hosts --- */

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static enum status name_judge(const char *name, struct span trouble)
{
    size_t length = strlen(name);
    bool good = length > 0 && length <= CERTIFICATE_NAME_MAX_BYTES;
    for (size_t i = 0; good && i < length; i++)
        good = is_letter_or_digit(name[i]) || strchr("-._", name[i]) != NULL;
    if (!good)
        return complain(trouble, STATUS_BAD_DATA, "--name: '%.80s' is not 1 to %u letters, digits, '-', '.', '_'", name,
                        CERTIFICATE_NAME_MAX_BYTES);
    return STATUS_OK;
}

static bool is_dns_name(const char *host)
{
    size_t length = strlen(host);
    size_t label = 0;
    if (length == 0 || length > HOST_MAX_BYTES)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (host[i] == '.') {
            if (label == 0 || host[i - 1] == '-')
                return false;
            label = 0;
        } else if (!is_letter_or_digit(host[i]) && host[i] != '_' && (host[i] != '-' || label == 0)) {
            return false;
        } else if (++label > LABEL_MAX_BYTES) {
            return false;
        }
    }
    return label > 0 && host[length - 1] != '-';
}

static bool is_address(const char *host)
{
    uint8_t bytes[16];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* "DNS:a,IP:b" for OpenSSL from "a,b"; every host was looked at, so none can smuggle in another kind. */
static enum status hosts_read(const char *hosts, char *names, size_t room, struct span trouble)
{
    size_t used = 0;
    size_t count = 0;
    for (const char *next = hosts; next != NULL;) {
        char host[HOST_MAX_BYTES + 2];
        const char *comma = strchr(next, ',');
        size_t length = comma == NULL ? strlen(next) : (size_t)(comma - next);
        if (length > HOST_MAX_BYTES)
            length = HOST_MAX_BYTES + 1; /* too long for a name, cut for the message */
        memcpy(host, next, length);
        host[length] = '\0';
        bool address = is_address(host);
        if (!address && !is_dns_name(host))
            return complain(trouble, STATUS_BAD_DATA, "--host: '%.80s' is neither a DNS name nor an address", host);
        if (++count > CERTIFICATE_HOSTS_MAX)
            return complain(trouble, STATUS_BAD_DATA, "--host: more than %u hosts", CERTIFICATE_HOSTS_MAX);
        int written =
            snprintf(names + used, room - used, "%s%s:%s", used == 0 ? "" : ",", address ? "IP" : "DNS", host);
        CHECK(written > 0 && (size_t)written < room - used);
        used += (size_t)written;
        next = comma == NULL ? NULL : comma + 1;
    }
    return STATUS_OK;
}

/* --- certificates --- */

struct extension {
    int identifier;
    const char *value;
};

static bool extensions_add(X509 *certificate, X509 *issuer, const struct extension *extensions, size_t count)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    for (size_t i = 0; i < count; i++) {
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, extensions[i].identifier, extensions[i].value);
        bool good = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
        X509_EXTENSION_free(extension);
        if (!good)
            return false;
    }
    return true;
}

/* 127 random bits: a certificate is known by its number. */
static bool serial_draw(X509 *certificate)
{
    uint8_t bytes[16];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return false;
    bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40); /* positive, and always of this length */
    BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    bool good = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return good;
}

static bool time_set(ASN1_TIME *time, int64_t seconds)
{
    const int64_t day = 86400;
    return X509_time_adj_ex(time, (int)(seconds / day), (long)(seconds % day), NULL) != NULL;
}

/* An unsigned certificate for the key. NULL: OpenSSL's error says why. */
static X509 *certificate_draft(const char *name, EVP_PKEY *key, const struct certificate_period *period)
{
    X509 *certificate = X509_new();
    if (certificate == NULL)
        return NULL;
    if (X509_set_version(certificate, X509_VERSION_3) == 1 && serial_draw(certificate) &&
        time_set(X509_getm_notBefore(certificate), period->begins_seconds) &&
        time_set(X509_getm_notAfter(certificate), period->ends_seconds) &&
        X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_commonName, MBSTRING_ASC,
                                   (const unsigned char *)name, -1, -1, 0) == 1 &&
        X509_set_pubkey(certificate, key) == 1)
        return certificate;
    X509_free(certificate);
    return NULL;
}

enum status certificate_authority_create(const char *directory, const struct certificate_period *period,
                                         struct span trouble)
{
    static const char *const names[] = {"ca-key.pem", "ca.pem"};
    static const struct extension extensions[] = {
        {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
        {NID_key_usage, "critical,keyCertSign,cRLSign"},
        {NID_subject_key_identifier, "hash"},
    };
    char path[PATH_ROOM];
    enum status status = directory_make(directory, trouble);
    for (size_t i = 0; status == STATUS_OK && i < 2; i++) {
        status = path_join(directory, names[i], path, trouble);
        if (status == STATUS_OK && access(path, F_OK) == 0)
            return complain(trouble, STATUS_REFUSED, "%s is there already; it is left as it is", path);
    }
    if (status != STATUS_OK)
        return status;
    /* Authorities of two clusters must not have one name: a wrong one should be told apart by what it is called. */
    uint32_t mark = 0;
    char name[64];
    RAND_bytes((unsigned char *)&mark, sizeof(mark));
    snprintf(name, sizeof(name), "QuorumNFS CA %08x", mark);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = key == NULL ? NULL : certificate_draft(name, key, period);
    if (certificate != NULL && X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) == 1 &&
        extensions_add(certificate, certificate, extensions, sizeof(extensions) / sizeof(extensions[0])) &&
        X509_sign(certificate, key, EVP_sha256()) != 0)
        status = pair_write(directory, names, key, certificate, false, trouble);
    else
        status = complain_openssl(trouble, "the authority cannot be made");
    X509_free(certificate);
    EVP_PKEY_free(key);
    return status;
}

struct authority {
    X509 *certificate;
    EVP_PKEY *key;
};

static void authority_fini(struct authority *authority)
{
    X509_free(authority->certificate);
    EVP_PKEY_free(authority->key);
}

/* Never asks at the terminal. */
static int no_password(char *buffer, int size, int writing, void *context)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

static enum status file_open(const char *directory, const char *name, FILE **file, struct span trouble)
{
    char path[PATH_ROOM];
    enum status status = path_join(directory, name, path, trouble);
    if (status != STATUS_OK)
        return status;
    *file = fopen(path, "re");
    if (*file == NULL && errno == ENOENT)
        return complain(trouble, STATUS_NOT_FOUND, "%s is not there; `qnfsctl ca init --dir %s` makes an authority",
                        path, directory);
    return *file == NULL ? complain(trouble, STATUS_IO, "%s: %s", path, strerror(errno)) : STATUS_OK;
}

static enum status authority_read(const char *directory, struct authority *authority, struct span trouble)
{
    FILE *file;
    *authority = (struct authority){NULL, NULL};
    enum status status = file_open(directory, "ca.pem", &file, trouble);
    if (status != STATUS_OK)
        return status;
    authority->certificate = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    if (authority->certificate == NULL) {
        ERR_clear_error();
        return complain(trouble, STATUS_IO, "%s/ca.pem holds no certificate", directory);
    }
    status = file_open(directory, "ca-key.pem", &file, trouble);
    if (status != STATUS_OK)
        return status;
    authority->key = PEM_read_PrivateKey(file, NULL, no_password, NULL);
    fclose(file);
    bool fits = authority->key != NULL && X509_check_private_key(authority->certificate, authority->key) == 1;
    ERR_clear_error();
    if (authority->key == NULL)
        return complain(trouble, STATUS_IO, "%s/ca-key.pem holds no key without a password", directory);
    if (!fits)
        return complain(trouble, STATUS_IO, "%s: ca-key.pem is not the key of ca.pem", directory);
    return STATUS_OK;
}

/* A certificate that outlives its authority would end with it, unannounced. */
static enum status period_judge(const struct authority *authority, const struct certificate_period *period,
                                struct span trouble)
{
    int days = 0;
    int seconds = 0;
    if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(authority->certificate)) != 1)
        return complain_openssl(trouble, "the authority's end");
    if (period->ends_seconds <= (int64_t)days * 86400 + seconds)
        return STATUS_OK;
    if (days <= 0)
        return complain(trouble, STATUS_REFUSED, "the authority has expired, or will today");
    return complain(trouble, STATUS_REFUSED, "the authority ends in %d days; ask for fewer with --days", days);
}

enum status certificate_issue(const struct certificate_order *order, struct span trouble)
{
    static const char *const file_names[] = {"key.pem", "cert.pem"};
    char hosts[CERTIFICATE_HOSTS_MAX * (HOST_MAX_BYTES + 8)];
    struct authority authority = {NULL, NULL};
    enum status status = name_judge(order->name, trouble);
    if (status == STATUS_OK)
        status = hosts_read(order->hosts, hosts, sizeof(hosts), trouble);
    if (status == STATUS_OK)
        status = authority_read(order->directory, &authority, trouble);
    if (status == STATUS_OK)
        status = period_judge(&authority, &order->period, trouble);
    if (status == STATUS_OK)
        status = directory_make(order->out, trouble);
    if (status != STATUS_OK) {
        authority_fini(&authority);
        return status;
    }
    const struct extension extensions[] = {
        {NID_basic_constraints, "critical,CA:FALSE"},
        {NID_key_usage, "critical,digitalSignature"},
        {NID_ext_key_usage, "serverAuth,clientAuth"}, /* a node calls and is called */
        {NID_subject_alt_name, hosts},
        {NID_subject_key_identifier, "hash"},
        {NID_authority_key_identifier, "keyid:always"},
    };
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = key == NULL ? NULL : certificate_draft(order->name, key, &order->period);
    if (certificate != NULL && X509_set_issuer_name(certificate, X509_get_subject_name(authority.certificate)) == 1 &&
        extensions_add(certificate, authority.certificate, extensions, sizeof(extensions) / sizeof(extensions[0])) &&
        X509_sign(certificate, authority.key, EVP_sha256()) != 0)
        status = pair_write(order->out, file_names, key, certificate, true, trouble);
    else
        status = complain_openssl(trouble, "the certificate cannot be made");
    X509_free(certificate);
    EVP_PKEY_free(key);
    authority_fini(&authority);
    return status;
}
