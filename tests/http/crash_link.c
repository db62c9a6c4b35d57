/* HTTP over one connection, as plainly as a client can: a request, then its answer. It knows that the
 * other side may be killed at any byte. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crash.h"

enum { WAIT_SECONDS = 120 };

/* ---- texts ---- */

static void reserve(struct text *t, size_t more) {
    if (t->length + more + 1 <= t->capacity) return;
    t->capacity = 2 * (t->length + more) + 256;
    t->data = realloc(t->data, t->capacity);
    if (!t->data) abort();
}

void text_bytes(struct text *t, const char *bytes, size_t n) {
    reserve(t, n);
    memcpy(t->data + t->length, bytes, n);
    t->length += n;
    t->data[t->length] = '\0';
}

void text_say(struct text *t, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    reserve(t, (size_t)n);
    vsnprintf(t->data + t->length, (size_t)n + 1, format, again);
    va_end(again);
    t->length += (size_t)n;
}

/* ---- a connection ---- */

void link_close(struct link *l) {
    if (l->fd >= 0) close(l->fd);
    l->fd = -1;
}

void link_free(struct link *l) {
    link_close(l);
    free(l->text);
}

static bool dial(struct link *l) {
    const struct timeval wait = {.tv_sec = WAIT_SECONDS};
    const int on = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((in_port_t)l->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l->fd < 0) return false;
    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(l->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    if (connect(l->fd, (struct sockaddr *)&to, sizeof to) == 0) return true;
    link_close(l);
    return false;
}

static bool send_all(int fd, const struct text *t) {
    for (size_t at = 0; at < t->length;) {
        const ssize_t n = send(fd, t->data + at, t->length - at, MSG_NOSIGNAL);
        if (n <= 0) return false;
        at += (size_t)n;
    }
    return true;
}

/* The value of a header, "" where there is none. */
static void find_header(const char *head, const char *name, char *out, size_t size) {
    const size_t n = strlen(name);
    out[0] = '\0';
    for (const char *line = head; (line = strstr(line, "\r\n")) && line[2] != '\r';) {
        line += 2;
        if (strncasecmp(line, name, n) != 0 || line[n] != ':') continue;
        const char *value = line + n + 1 + strspn(line + n + 1, " ");
        snprintf(out, size, "%.*s", (int)strcspn(value, "\r"), value);
        return;
    }
}

static bool receive(struct link *l, struct answer *out) {
    size_t have = 0, all = 0;
    const char *end = NULL;
    char length[32];
    while (!end || have < all) {
        if (have + 1 >= l->capacity) {
            l->capacity = 2 * l->capacity + (64 << 10);
            l->text = realloc(l->text, l->capacity);
            if (!l->text) abort();
            if (end) end = strstr(l->text, "\r\n\r\n");
        }
        const ssize_t n = recv(l->fd, l->text + have, l->capacity - 1 - have, 0);
        if (n <= 0) return false;
        have += (size_t)n;
        l->text[have] = '\0';
        if (end || !(end = strstr(l->text, "\r\n\r\n"))) continue;
        find_header(l->text, "Content-Length", length, sizeof length);
        all = (size_t)(end + 4 - l->text) + strtoul(length, NULL, 10);
    }
    out->status = atoi(l->text + 9);
    out->body = end + 4;
    out->length = all - (size_t)(end + 4 - l->text);
    find_header(l->text, "ETag", out->etag, sizeof out->etag);
    return true;
}

bool link_ask(struct link *l, const char *method, const char *path, const char *key,
              const char *body, struct answer *out) {
    struct text request = {0};
    out->status = 0;
    if (l->fd < 0 && !dial(l)) return false;
    text_say(&request, "%s %s HTTP/1.1\r\nHost: localhost\r\n", method, path);
    if (key[0]) text_say(&request, "Idempotency-Key: \"%s\"\r\n", key);
    text_say(&request, "Content-Length: %zu\r\n\r\n", strlen(body));
    text_bytes(&request, body, strlen(body));
    const bool ok = send_all(l->fd, &request) && receive(l, out);
    free(request.data);
    char connection[16];
    if (ok) find_header(l->text, "Connection", connection, sizeof connection);
    if (!ok || strcasecmp(connection, "close") == 0) link_close(l);
    return ok;
}
