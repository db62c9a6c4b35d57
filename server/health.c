/* One GET over a plain socket, in HTTP/1.0. Owns no more than that socket, and gives up soon. */
#include "server/health.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "server/tls.h"

enum { ANSWER = 8 << 10, PATIENCE_SECONDS = 5 };

struct target {
    struct listen_address address;
    bool tls;
    const char *path;
};

/* A path alone keeps the address. */
static bool read_target(struct target *t, const char *what) {
    char host[LISTEN_URL];
    if (!what || what[0] == '/') {
        if (what) t->path = what;
        return true;
    }
    t->tls = strncmp(what, "https://", 8) == 0;
    if (strncmp(what, "unix:", 5) == 0) return listen_parse(what, &t->address);
    if (!t->tls && strncmp(what, "http://", 7) != 0) return false;
    const char *at = strstr(what, "://") + 3;
    const size_t n = strcspn(at, "/");
    if (n >= sizeof host) return false;
    memcpy(host, at, n);
    host[n] = '\0';
    if (at[n]) t->path = at + n;
    return listen_parse(host, &t->address);
}

static int dial(const struct listen_address *address) {
    const struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    const int fd = socket(address->to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, &address->to.any, address->size) == 0) return fd;
    const int why = errno;
    close(fd);
    errno = why;
    return -1;
}

/* Whether an answer came whole; it ends with the connection. */
static bool ask(int fd, bool tls, const char *path, char answer[ANSWER]) {
    char request[1024];
    const int n =
        snprintf(request, sizeof request, "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n", path);
    if (n >= (int)sizeof request) return false;
    if (tls) return tls_ask(fd, request, answer, ANSWER);
    if (send(fd, request, (size_t)n, MSG_NOSIGNAL) != n) return false;
    size_t have = 0;
    ssize_t got = 1;
    while (have + 1 < ANSWER && (got = recv(fd, answer + have, ANSWER - 1 - have, 0)) > 0)
        have += (size_t)got;
    answer[have] = '\0';
    return got == 0;
}

int health_ask(const struct listen_address *address, bool tls, const char *what) {
    static char answer[ANSWER];
    char url[LISTEN_URL], reason[128];
    struct target t = {.address = *address, .tls = tls, .path = "/healthz"};
    if (!read_target(&t, what)) {
        fprintf(
            stderr,
            "gradd health: found \"%s\", expected a path, http://HOST:PORT/path with an address "
            "for HOST, or unix:/path\n",
            what);
        return EXIT_FAILURE;
    }
    listen_socket_url(&(struct listen_socket){.address = t.address, .tls = t.tls}, url);
    errno = 0;
    const int fd = dial(&t.address);
    const bool came = fd >= 0 && ask(fd, t.tls, t.path, answer);
    if (!came)
        fprintf(stderr, "gradd health: no answer from %s: %s\n", url,
                fd >= 0 && errno == 0 ? "it was cut" : strerror_r(errno, reason, sizeof reason));
    if (fd >= 0) close(fd);
    if (!came) return EXIT_FAILURE;
    const char *body = strstr(answer, "\r\n\r\n");
    if (strncmp(answer, "HTTP/1.", 7) != 0 || !body) {
        fprintf(stderr, "gradd health: what %s answers is no HTTP\n", url);
        return EXIT_FAILURE;
    }
    const bool well = strncmp(answer + strlen("HTTP/1.1"), " 200 ", 5) == 0;
    fprintf(well ? stdout : stderr, "%s\n", body + 4);
    return well ? EXIT_SUCCESS : EXIT_FAILURE;
}
