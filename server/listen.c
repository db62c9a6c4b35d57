/* Addresses as text, and the listening socket. Knows neither options nor HTTP. */
#include "server/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HOST_TEXT = 64 };

const char listen_syntax[] =
    "an address and a port, such as 127.0.0.1:8080, [::1]:8080 or localhost:8080";

static bool parse_port(const char *text, in_port_t *out) {
    unsigned port = 0;
    size_t n = strspn(text, "0123456789");
    if (n == 0 || n > 5 || text[n]) return false;
    for (size_t i = 0; i < n; i++) port = port * 10 + (unsigned)(text[i] - '0');
    if (port > 65535) return false;
    *out = htons((in_port_t)port);
    return true;
}

bool listen_parse(const char *text, struct listen_address *out) {
    const char *colon = strrchr(text, ':');
    in_port_t port;
    if (!colon || colon == text || !parse_port(colon + 1, &port)) return false;
    size_t n = (size_t)(colon - text);
    bool brackets = text[0] == '[' && text[n - 1] == ']';
    if (brackets) text++, n -= 2;
    char host[HOST_TEXT];
    if (n >= sizeof host) return false;
    memcpy(host, text, n);
    host[n] = '\0';

    memset(out, 0, sizeof *out);
    if (brackets) {
        out->to.v6.sin6_family = AF_INET6;
        out->to.v6.sin6_port = port;
        out->size = sizeof out->to.v6;
        return inet_pton(AF_INET6, host, &out->to.v6.sin6_addr) == 1;
    }
    out->to.v4.sin_family = AF_INET;
    out->to.v4.sin_port = port;
    out->size = sizeof out->to.v4;
    return inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host,
                     &out->to.v4.sin_addr) == 1;
}

bool listen_is_loopback(const struct listen_address *address) {
    if (address->to.any.sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&address->to.v6.sin6_addr);
    return ntohl(address->to.v4.sin_addr.s_addr) >> 24 == 127;
}

const char *listen_url(const struct listen_address *address, char out[LISTEN_URL]) {
    char host[HOST_TEXT] = "";
    if (address->to.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &address->to.v6.sin6_addr, host, sizeof host);
        snprintf(out, LISTEN_URL, "http://[%s]:%u", host, ntohs(address->to.v6.sin6_port));
    } else {
        inet_ntop(AF_INET, &address->to.v4.sin_addr, host, sizeof host);
        snprintf(out, LISTEN_URL, "http://%s:%u", host, ntohs(address->to.v4.sin_port));
    }
    return out;
}

const char *listen_socket_url(int fd, char out[LISTEN_URL]) {
    struct listen_address address = {.size = sizeof address.to};
    getsockname(fd, &address.to.any, &address.size);
    return listen_url(&address, out);
}

static int fail(const struct listen_address *address, int fd, char *problem, size_t size) {
    int why = errno;
    char url[LISTEN_URL], reason[128];
    const char *text =
        why == EADDRINUSE ? "the port is in use" : strerror_r(why, reason, sizeof reason);
    snprintf(problem, size, "cannot listen on %s: %s", listen_url(address, url), text);
    if (fd >= 0) close(fd);
    return -1;
}

int listen_open(const struct listen_address *address, char *problem, size_t size) {
    int yes = 1;
    int fd = socket(address->to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return fail(address, fd, problem, size);
    /* A restart must not wait for the connections of the last run to leave TIME_WAIT. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, &address->to.any, address->size) != 0 || listen(fd, SOMAXCONN) != 0)
        return fail(address, fd, problem, size);
    return fd;
}
