/* TLS: the certificate that the server shows, the clients' that it wants, and both of them anew while
 * the server runs. A session is a gnutls_session_t; its header is known to tls.c alone. */
#ifndef GRADD_SERVER_TLS_H
#define GRADD_SERVER_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

struct tls;
struct tls_identity; /* what was read of the files at one time */

/* Which versions and ciphers there are: TLS 1.2 and 1.3. */
extern const char tls_priorities[];

struct tls_files {
    const char *certificate, *key; /* PEM; the certificate with those between it and its root */
    const char *client_ca;         /* who signs the clients'; NULL: they need none */
};

/* Reads the files, whose names must outlive it. NULL, with one sentence, where they are no pair. */
struct tls *tls_open(const struct tls_files *files, char *problem, size_t size);
void tls_close(struct tls *t);

/* Reads the files again: connections that begin from now on are shown what is in them. False, with one
 * sentence, where they are no pair; then all is as before. */
bool tls_reload(struct tls *t, char *problem, size_t size);

/* The pair as text, as long as nobody reloads it. */
const char *tls_certificate_text(const struct tls *t);
const char *tls_key_text(const struct tls *t);

/* Sets up a session before its handshake; tls_end when the session is no more. */
struct tls_identity *tls_begin(struct tls *t, void *session);
void tls_end(struct tls_identity *identity);

/* Whether clients have certificates, and the subject of this one's (RFC 4514); false where it is too long. */
bool tls_wants_clients(const struct tls_identity *identity);
bool tls_subject(void *session, char *out, size_t size);

/* Sends what fits without waiting. */
void tls_send(void *session, const struct iovec *parts, int n);

/* As a client, of whom nothing is asked but an answer: sends a request and reads until the end. Whether
 * an answer came. The server's certificate is not verified. */
bool tls_ask(int fd, const char *request, char *answer, size_t size);

#endif
