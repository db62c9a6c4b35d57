/* TLS. Owns keys and certificates, and the one place where they are exchanged; knows neither HTTP nor
 * options. Each connection holds on to what was read when it began, so that nothing is freed under a
 * handshake. */
#include "server/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_BYTES = 1 << 20, PATIENCE_MS = 5000 };

const char tls_priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

struct tls_identity {
    atomic_int users;
    gnutls_certificate_credentials_t credentials;
    char *certificate, *key;
    bool wants_clients;
};

struct tls {
    struct tls_files files;
    gnutls_datum_t ticket_key; /* with which clients come back without a new exchange of keys */
    pthread_mutex_t lock;
    struct tls_identity *current; /* under the lock */
};

/* ---- files ---- */

static char *read_text(const char *path, char *problem, size_t size) {
    char reason[128];
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = fd >= 0 ? malloc(MOST_BYTES) : NULL;
    ssize_t n = 1;
    size_t have = 0;
    while (text && have + 1 < MOST_BYTES && n > 0)
        if ((n = read(fd, text + have, MOST_BYTES - 1 - have)) > 0) have += (size_t)n;
    if (!text || n < 0) {
        snprintf(problem, size, "cannot read %s: %s", path,
                 strerror_r(errno, reason, sizeof reason));
        free(text);
        text = NULL;
    }
    if (fd >= 0) close(fd);
    if (!text) return NULL;
    text[have] = '\0';
    char *fitting = realloc(text, have + 1);
    return fitting ? fitting : text;
}

static gnutls_datum_t datum_of(char *text) {
    return (gnutls_datum_t){(unsigned char *)text, (unsigned)strlen(text)};
}

static void identity_free(struct tls_identity *identity) {
    if (identity->credentials) gnutls_certificate_free_credentials(identity->credentials);
    /* A key is not left lying about. */
    if (identity->key) explicit_bzero(identity->key, strlen(identity->key));
    free(identity->key);
    free(identity->certificate);
    free(identity);
}

static bool trust_clients(struct tls_identity *identity, const char *path, char *problem,
                          size_t size) {
    if (!path) return true;
    char *text = read_text(path, problem, size);
    if (!text) return false;
    const gnutls_datum_t ca = datum_of(text);
    const int n =
        gnutls_certificate_set_x509_trust_mem(identity->credentials, &ca, GNUTLS_X509_FMT_PEM);
    free(text);
    identity->wants_clients = n > 0;
    if (n <= 0)
        snprintf(problem, size, "%s holds no certificate of an authority: %s", path,
                 n < 0 ? gnutls_strerror(n) : "it is empty");
    return n > 0;
}

static bool read_pair(struct tls_identity *identity, const struct tls_files *files, char *problem,
                      size_t size) {
    identity->certificate = read_text(files->certificate, problem, size);
    if (identity->certificate) identity->key = read_text(files->key, problem, size);
    if (!identity->certificate || !identity->key) return false;
    const gnutls_datum_t certificate = datum_of(identity->certificate),
                         key = datum_of(identity->key);
    const int code = gnutls_certificate_set_x509_key_mem2(identity->credentials, &certificate, &key,
                                                          GNUTLS_X509_FMT_PEM, NULL, 0);
    if (code < 0)
        snprintf(problem, size, "%s and %s are no certificate with its key: %s", files->certificate,
                 files->key, gnutls_strerror(code));
    return code >= 0;
}

static struct tls_identity *identity_read(const struct tls_files *files, char *problem,
                                          size_t size) {
    struct tls_identity *identity = calloc(1, sizeof *identity);
    snprintf(problem, size, "out of memory");
    if (!identity) return NULL;
    atomic_init(&identity->users, 1);
    if (gnutls_certificate_allocate_credentials(&identity->credentials) == GNUTLS_E_SUCCESS &&
        read_pair(identity, files, problem, size) &&
        trust_clients(identity, files->client_ca, problem, size))
        return identity;
    identity_free(identity);
    return NULL;
}

struct tls *tls_open(const struct tls_files *files, char *problem, size_t size) {
    struct tls_identity *identity = identity_read(files, problem, size);
    if (!identity) return NULL;
    struct tls *t = calloc(1, sizeof *t);
    if (t && gnutls_session_ticket_key_generate(&t->ticket_key) == GNUTLS_E_SUCCESS) {
        t->files = *files;
        t->current = identity;
        pthread_mutex_init(&t->lock, NULL);
        return t;
    }
    snprintf(problem, size, "out of memory");
    identity_free(identity);
    free(t);
    return NULL;
}

void tls_close(struct tls *t) {
    tls_end(t->current);
    gnutls_memset(t->ticket_key.data, 0, t->ticket_key.size);
    gnutls_free(t->ticket_key.data);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

bool tls_reload(struct tls *t, char *problem, size_t size) {
    struct tls_identity *fresh = identity_read(&t->files, problem, size);
    if (!fresh) return false;
    pthread_mutex_lock(&t->lock);
    struct tls_identity *old = t->current;
    t->current = fresh;
    pthread_mutex_unlock(&t->lock);
    tls_end(old);
    return true;
}

const char *tls_certificate_text(const struct tls *t) { return t->current->certificate; }

const char *tls_key_text(const struct tls *t) { return t->current->key; }

/* ---- connections ---- */

/* Called in the handshake. What it refuses is told why: the library of HTTP only closes. */
static int verify_client(gnutls_session_t session) {
    unsigned n = 0, status = 0;
    int alert = 0;
    if (!gnutls_certificate_get_peers(session, &n) || n == 0)
        alert = gnutls_protocol_get_version(session) == GNUTLS_TLS1_3
                    ? GNUTLS_A_CERTIFICATE_REQUIRED
                    : GNUTLS_A_HANDSHAKE_FAILURE;
    else if (gnutls_certificate_verify_peers3(session, NULL, &status) < 0)
        alert = GNUTLS_A_BAD_CERTIFICATE;
    else if (status & GNUTLS_CERT_EXPIRED)
        alert = GNUTLS_A_CERTIFICATE_EXPIRED;
    else if (status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA))
        alert = GNUTLS_A_UNKNOWN_CA;
    else if (status)
        alert = GNUTLS_A_BAD_CERTIFICATE;
    if (!alert) return 0;
    gnutls_alert_send(session, GNUTLS_AL_FATAL, (gnutls_alert_description_t)alert);
    return GNUTLS_E_CERTIFICATE_ERROR;
}

struct tls_identity *tls_begin(struct tls *t, void *session) {
    pthread_mutex_lock(&t->lock);
    struct tls_identity *identity = t->current;
    atomic_fetch_add(&identity->users, 1);
    pthread_mutex_unlock(&t->lock);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, identity->credentials);
    if (identity->wants_clients) {
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
        gnutls_session_set_verify_function(session, verify_client);
    } else {
        /* A client that comes back is not verified again, and so has no ticket where it must be. */
        gnutls_session_ticket_enable_server(session, &t->ticket_key);
    }
    return identity;
}

void tls_end(struct tls_identity *identity) {
    if (atomic_fetch_sub(&identity->users, 1) == 1) identity_free(identity);
}

bool tls_wants_clients(const struct tls_identity *identity) { return identity->wants_clients; }

bool tls_subject(void *session, char *out, size_t size) {
    unsigned n = 0;
    gnutls_x509_crt_t certificate;
    const gnutls_datum_t *peer = gnutls_certificate_get_peers(session, &n);
    if (!peer || n == 0 || gnutls_x509_crt_init(&certificate) < 0) return false;
    gnutls_datum_t name = {NULL, 0};
    const bool found =
        gnutls_x509_crt_import(certificate, peer, GNUTLS_X509_FMT_DER) == GNUTLS_E_SUCCESS &&
        gnutls_x509_crt_get_dn3(certificate, &name, 0) == GNUTLS_E_SUCCESS &&
        snprintf(out, size, "%s", (const char *)name.data) < (int)size;
    gnutls_free(name.data);
    gnutls_x509_crt_deinit(certificate);
    return found;
}

void tls_send(void *session, const struct iovec *parts, int n) {
    gnutls_record_cork(session);
    for (int i = 0; i < n; i++) gnutls_record_send(session, parts[i].iov_base, parts[i].iov_len);
    gnutls_record_uncork(session, 0);
}

/* ---- as a client ---- */

static bool shake_hands(gnutls_session_t session, gnutls_certificate_credentials_t nobody, int fd) {
    int code = gnutls_priority_set_direct(session, tls_priorities, NULL);
    if (code >= 0) code = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, nobody);
    if (code < 0) return false;
    gnutls_transport_set_int(session, fd);
    gnutls_handshake_set_timeout(session, PATIENCE_MS);
    gnutls_record_set_timeout(session, PATIENCE_MS);
    do code = gnutls_handshake(session);
    while (code < 0 && !gnutls_error_is_fatal(code));
    return code >= 0;
}

bool tls_ask(int fd, const char *request, char *answer, size_t size) {
    gnutls_session_t session = NULL;
    gnutls_certificate_credentials_t nobody = NULL;
    size_t have = 0;
    if (gnutls_certificate_allocate_credentials(&nobody) >= 0 &&
        gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS) >= 0 &&
        shake_hands(session, nobody, fd) &&
        gnutls_record_send(session, request, strlen(request)) > 0) {
        /* A new ticket, or two, are told as an interruption. */
        int interruptions = 0;
        for (ssize_t n = 1; have + 1 < size && (n > 0 || ++interruptions < 8);) {
            n = gnutls_record_recv(session, answer + have, size - 1 - have);
            if (n > 0) have += (size_t)n;
            if (n == 0 || gnutls_error_is_fatal((int)n)) break;
        }
    }
    answer[have] = '\0';
    if (session) gnutls_deinit(session);
    if (nobody) gnutls_certificate_free_credentials(nobody);
    return have > 0;
}
