/* peer_tls.h: mutual TLS 1.3 between nodes, over memory: cipher bytes and plain bytes in and out, no socket. Both sides
 * show a certificate that the cluster's own authority has signed; nothing else is trusted. The caller also wants the
 * certificate to cover the host that it called; the callee learns which node calls from its hello, and asks
 * peer_tls_covers then.
 *
 * The only file of this folder that knows OpenSSL. One thread a peer_tls; a context may be shared. */
#ifndef CLUSTER_PEER_TLS_H
#define CLUSTER_PEER_TLS_H

#include "base/slice.h"
#include "base/status.h"

struct peer_tls_files {
    const char *authority;   /* ca.pem */
    const char *certificate; /* cert.pem */
    const char *key;         /* key.pem */
};

struct peer_tls_context;

/* Reads the files and judges them: the key is the certificate's, the certificate is the authority's and good now. STATUS_IO,
 * STATUS_REFUSED; `trouble` says which file and why, in one line. */
MUST_CHECK enum status peer_tls_context_create(const struct peer_tls_files *files, struct peer_tls_context **context,
                                               struct span trouble);
/* Whether our own certificate covers the host, so that others may call us by it. */
bool peer_tls_context_covers(const struct peer_tls_context *context, const char *host);

/* Connections that still use it keep what they need. */
void peer_tls_context_destroy(struct peer_tls_context *context);

struct peer_tls;

/* The caller's end: `host` (a DNS name or an address) is what was called. The first bytes wait in the output at once. */
struct peer_tls *peer_tls_call(struct peer_tls_context *context, const char *host);
/* The callee's end. */
struct peer_tls *peer_tls_answer(struct peer_tls_context *context);
void peer_tls_destroy(struct peer_tls *tls);

/* Cipher bytes that came. STATUS_CLOSED: the other side has ended it, properly; STATUS_REFUSED: this side does not trust the
 * other, or it does not trust us, or these are no TLS bytes: peer_tls_trouble says which. The output may still hold what
 * the other side should be told. */
MUST_CHECK enum status peer_tls_receive(struct peer_tls *tls, struct slice cipher);

/* Plain bytes that the other side has sent; returns how many, 0: none are there. Read them all after each receive, and look
 * at peer_tls_failed then. */
size_t peer_tls_read(struct peer_tls *tls, struct span room);

/* Whether both sides may trust each other, as far as this one knows: TLS 1.3 lets the caller be done before the callee has
 * judged its certificate, so a refusal may still come. */
bool peer_tls_ready(const struct peer_tls *tls);
/* Whether it has ended, for whatever reason. */
bool peer_tls_failed(const struct peer_tls *tls);

/* Plain bytes to send; all are taken. Only when ready, and not failed: otherwise they are dropped. The caller keeps an eye on
 * peer_tls_waiting: nothing is bounded here. */
void peer_tls_write(struct peer_tls *tls, struct slice plain);
/* Says that no more will be written. */
void peer_tls_shut(struct peer_tls *tls);

/* Cipher bytes to send: how many wait, and the next of them. */
size_t peer_tls_waiting(const struct peer_tls *tls);
size_t peer_tls_output(struct peer_tls *tls, struct span room);

/* Whether the other side's certificate covers the host. False also before it is ready. */
bool peer_tls_covers(const struct peer_tls *tls, const char *host);
/* The name in the other side's certificate, for messages; "" before it is ready. */
const char *peer_tls_name(const struct peer_tls *tls);
/* Why it failed, in one line; "" if it did not. */
const char *peer_tls_trouble(const struct peer_tls *tls);

#endif
