#include "cluster/peer_tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/heap.h"

#define TROUBLE_BYTES 320u
#define NAME_BYTES 65u

struct peer_tls_context {
    SSL_CTX *ssl;
};

struct peer_tls {
    SSL *ssl;
    BIO *incoming; /* the SSL's; cipher bytes that came */
    BIO *outgoing; /* the SSL's; cipher bytes to send */
    char host[256];
    char name[NAME_BYTES];
    bool ready;
    bool closed; /* by the other side, properly */
    bool failed;
    char trouble[TROUBLE_BYTES];
};

/* --- context --- */

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

/* A file that OpenSSL did not take. */
static enum status complain_file(struct span trouble, const char *path, const char *wants)
{
    unsigned long error = ERR_peek_error();
    const char *reason = ERR_GET_LIB(error) == ERR_LIB_SYS ? strerror(ERR_GET_REASON(error)) : wants;
    ERR_clear_error();
    return complain(trouble, STATUS_IO, "%s: %s", path, reason);
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

/* Our own certificate, as the others will judge it. */
static enum status own_judge(SSL_CTX *ssl, const struct peer_tls_files *files, struct span trouble)
{
    X509_STORE_CTX *verification = X509_STORE_CTX_new();
    CHECK(verification != NULL);
    CHECK(X509_STORE_CTX_init(verification, SSL_CTX_get_cert_store(ssl), SSL_CTX_get0_certificate(ssl), NULL) == 1);
    X509_STORE_CTX_set_purpose(verification, X509_PURPOSE_SSL_CLIENT);
    enum status status = STATUS_OK;
    if (X509_verify_cert(verification) != 1)
        status = complain(trouble, STATUS_REFUSED, "%s: not good under %s: %s", files->certificate, files->authority,
                          X509_verify_cert_error_string(X509_STORE_CTX_get_error(verification)));
    X509_STORE_CTX_free(verification);
    ERR_clear_error();
    return status;
}

static enum status context_fill(SSL_CTX *ssl, const struct peer_tls_files *files, struct span trouble)
{
    SSL_CTX_set_default_passwd_cb(ssl, no_password);
    ERR_clear_error();
    if (SSL_CTX_load_verify_file(ssl, files->authority) != 1)
        return complain_file(trouble, files->authority, "holds no certificate");
    if (SSL_CTX_use_certificate_chain_file(ssl, files->certificate) != 1)
        return complain_file(trouble, files->certificate, "holds no certificate");
    if (SSL_CTX_use_PrivateKey_file(ssl, files->key, SSL_FILETYPE_PEM) != 1) {
        bool mismatch = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH;
        return complain_file(trouble, files->key,
                             mismatch ? "is not the key of the certificate" : "holds no key without a password");
    }
    if (SSL_CTX_check_private_key(ssl) != 1)
        return complain_file(trouble, files->key, "is not the key of the certificate");
    return own_judge(ssl, files, trouble);
}

enum status peer_tls_context_create(const struct peer_tls_files *files, struct peer_tls_context **context,
                                    struct span trouble)
{
    *context = NULL;
    SSL_CTX *ssl = SSL_CTX_new(TLS_method());
    CHECK(ssl != NULL);
    CHECK(SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) == 1);
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    /* Every connection shows both certificates anew: one that has expired since is not resumed. */
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ssl, 0);
    SSL_CTX_set_mode(ssl, SSL_MODE_AUTO_RETRY);
    enum status status = context_fill(ssl, files, trouble);
    if (status != STATUS_OK) {
        SSL_CTX_free(ssl);
        return status;
    }
    *context = HEAP_NEW(struct peer_tls_context);
    (*context)->ssl = ssl;
    return STATUS_OK;
}

void peer_tls_context_destroy(struct peer_tls_context *context)
{
    if (context == NULL)
        return;
    SSL_CTX_free(context->ssl);
    heap_free(context);
}

/* --- one end --- */

static bool is_address(const char *host)
{
    uint8_t bytes[16];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static void fail(struct peer_tls *tls, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void fail(struct peer_tls *tls, const char *format, ...)
{
    va_list arguments;
    if (tls->failed)
        return;
    tls->failed = true;
    va_start(arguments, format);
    vsnprintf(tls->trouble, sizeof(tls->trouble), format, arguments);
    va_end(arguments);
}

/* Why OpenSSL gave up, in words for an operator. */
static void fail_openssl(struct peer_tls *tls)
{
    unsigned long error = ERR_peek_error();
    int reason = ERR_GET_REASON(error);
    long verdict = SSL_get_verify_result(tls->ssl);
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verdict == X509_V_ERR_HOSTNAME_MISMATCH)
        fail(tls, "its certificate does not cover the host '%s'", tls->host);
    else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verdict == X509_V_ERR_IP_ADDRESS_MISMATCH)
        fail(tls, "its certificate does not cover the address '%s'", tls->host);
    else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
        fail(tls, "its certificate is not good: %s", X509_verify_cert_error_string(verdict));
    else if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        fail(tls, "it shows no certificate");
    else if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET)
        fail(tls, "it does not accept us: %s", SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
    else if (error == 0)
        fail(tls, "it ended the connection within TLS");
    else
        fail(tls, "no TLS connection: %s", ERR_reason_error_string(error));
    ERR_clear_error();
}

static struct peer_tls *tls_create(struct peer_tls_context *context)
{
    struct peer_tls *tls = HEAP_NEW(struct peer_tls);
    tls->ssl = SSL_new(context->ssl);
    tls->incoming = BIO_new(BIO_s_mem());
    tls->outgoing = BIO_new(BIO_s_mem());
    CHECK(tls->ssl != NULL && tls->incoming != NULL && tls->outgoing != NULL);
    BIO_set_mem_eof_return(tls->incoming, -1); /* empty is not the end */
    SSL_set_bio(tls->ssl, tls->incoming, tls->outgoing);
    return tls;
}

static void name_read(struct peer_tls *tls)
{
    X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    CHECK(certificate != NULL); /* no handshake ends without one */
    if (X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, tls->name, NAME_BYTES) < 0)
        tls->name[0] = '\0';
}

static void handshake(struct peer_tls *tls)
{
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    if (result == 1) {
        tls->ready = true;
        name_read(tls);
    } else if (SSL_get_error(tls->ssl, result) != SSL_ERROR_WANT_READ) {
        fail_openssl(tls);
    }
}

struct peer_tls *peer_tls_call(struct peer_tls_context *context, const char *host)
{
    struct peer_tls *tls = tls_create(context);
    X509_VERIFY_PARAM *parameters = SSL_get0_param(tls->ssl);
    snprintf(tls->host, sizeof(tls->host), "%s", host);
    SSL_set_connect_state(tls->ssl);
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_WILDCARDS);
    bool good = is_address(host) ? X509_VERIFY_PARAM_set1_ip_asc(parameters, host) == 1
                                 : host[0] != '\0' && X509_VERIFY_PARAM_set1_host(parameters, host, 0) == 1;
    if (!good)
        fail(tls, "'%.200s' is no host", host); /* an empty one would mean: any */
    else
        handshake(tls);
    return tls;
}

struct peer_tls *peer_tls_answer(struct peer_tls_context *context)
{
    struct peer_tls *tls = tls_create(context);
    SSL_set_accept_state(tls->ssl);
    return tls;
}

void peer_tls_destroy(struct peer_tls *tls)
{
    if (tls == NULL)
        return;
    SSL_free(tls->ssl);
    heap_free(tls);
}

enum status peer_tls_receive(struct peer_tls *tls, struct slice cipher)
{
    while (cipher.size_bytes > 0 && !tls->failed) {
        int piece = cipher.size_bytes > INT32_MAX ? INT32_MAX : (int)cipher.size_bytes;
        CHECK(BIO_write(tls->incoming, cipher.data, piece) == piece);
        cipher = slice_from(cipher, (size_t)piece);
    }
    if (!tls->failed && !tls->ready)
        handshake(tls);
    if (tls->failed)
        return STATUS_REFUSED;
    return tls->closed ? STATUS_CLOSED : STATUS_OK;
}

size_t peer_tls_read(struct peer_tls *tls, struct span room)
{
    size_t count = 0;
    if (!tls->ready || tls->failed || tls->closed || room.size_bytes == 0)
        return 0;
    ERR_clear_error();
    if (SSL_read_ex(tls->ssl, room.data, room.size_bytes, &count) == 1)
        return count;
    switch (SSL_get_error(tls->ssl, 0)) {
    case SSL_ERROR_WANT_READ: break;
    case SSL_ERROR_ZERO_RETURN: tls->closed = true; break;
    default: fail_openssl(tls); break;
    }
    return 0;
}

bool peer_tls_ready(const struct peer_tls *tls)
{
    return tls->ready && !tls->failed;
}

bool peer_tls_failed(const struct peer_tls *tls)
{
    return tls->failed || tls->closed;
}

void peer_tls_write(struct peer_tls *tls, struct slice plain)
{
    size_t count = 0;
    if (!peer_tls_ready(tls) || plain.size_bytes == 0)
        return;
    ERR_clear_error();
    if (SSL_write_ex(tls->ssl, plain.data, plain.size_bytes, &count) != 1)
        fail_openssl(tls);
    else
        CHECK(count == plain.size_bytes); /* memory takes everything */
}

void peer_tls_shut(struct peer_tls *tls)
{
    if (!peer_tls_ready(tls))
        return;
    ERR_clear_error();
    SSL_shutdown(tls->ssl);
    ERR_clear_error();
}

size_t peer_tls_waiting(const struct peer_tls *tls)
{
    return BIO_ctrl_pending(tls->outgoing);
}

size_t peer_tls_output(struct peer_tls *tls, struct span room)
{
    size_t count = 0;
    if (room.size_bytes == 0 || BIO_read_ex(tls->outgoing, room.data, room.size_bytes, &count) != 1)
        return 0;
    return count;
}

static bool certificate_covers(X509 *certificate, const char *host)
{
    CHECK(certificate != NULL);
    if (is_address(host))
        return X509_check_ip_asc(certificate, host, 0) == 1;
    return X509_check_host(certificate, host, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_WILDCARDS,
                           NULL) == 1;
}

bool peer_tls_covers(const struct peer_tls *tls, const char *host)
{
    return peer_tls_ready(tls) && host[0] != '\0' && certificate_covers(SSL_get0_peer_certificate(tls->ssl), host);
}

bool peer_tls_context_covers(const struct peer_tls_context *context, const char *host)
{
    return host[0] != '\0' && certificate_covers(SSL_CTX_get0_certificate(context->ssl), host);
}

const char *peer_tls_name(const struct peer_tls *tls)
{
    return tls->name;
}

const char *peer_tls_trouble(const struct peer_tls *tls)
{
    return tls->trouble;
}
