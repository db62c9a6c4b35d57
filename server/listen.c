/* Addresses as text, and the listening sockets. Knows neither options nor HTTP. */
#include "server/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HOST_TEXT = 64 };

const char listen_syntax[] = "an address and a port, such as 127.0.0.1:8080, [::1]:8080 or "
                             "localhost:8080, or unix:/path of a socket";

/* ---- as text ---- */

static bool parse_port(const char *text, in_port_t *out) {
    unsigned port = 0;
    size_t n = strspn(text, "0123456789");
    if (n == 0 || n > 5 || text[n]) return false;
    for (size_t i = 0; i < n; i++) port = port * 10 + (unsigned)(text[i] - '0');
    if (port > 65535) return false;
    *out = htons((in_port_t)port);
    return true;
}

static bool parse_path(const char *path, struct listen_address *out) {
    const size_t n = strlen(path);
    memset(out, 0, sizeof *out);
    if (path[0] != '/' || n >= sizeof out->to.local.sun_path) return false;
    out->to.local.sun_family = AF_UNIX;
    memcpy(out->to.local.sun_path, path, n);
    out->size = sizeof out->to.local;
    return true;
}

bool listen_parse(const char *text, struct listen_address *out) {
    if (strncmp(text, "unix:", 5) == 0) return parse_path(text + 5, out);
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

bool listen_parse_list(const char *text, struct listen_list *out) {
    char one[LISTEN_URL];
    out->n = 0;
    for (;; text++) {
        const size_t n = strcspn(text, ",");
        if (n >= sizeof one || out->n == LISTEN_MOST) return false;
        memcpy(one, text, n);
        one[n] = '\0';
        if (!listen_parse(one, &out->at[out->n])) return false;
        out->n++;
        text += n;
        if (!*text) return true;
    }
}

bool listen_is_loopback(const struct listen_address *address) {
    switch (address->to.any.sa_family) {
    case AF_INET:
        return ntohl(address->to.v4.sin_addr.s_addr) >> 24 == 127;
    case AF_INET6:
        return IN6_IS_ADDR_LOOPBACK(&address->to.v6.sin6_addr);
    default:
        return true;
    }
}

const char *listen_url(const struct listen_address *address, char out[LISTEN_URL]) {
    char host[HOST_TEXT] = "";
    switch (address->to.any.sa_family) {
    case AF_UNIX:
        snprintf(out, LISTEN_URL, "unix:%s", address->to.local.sun_path);
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &address->to.v6.sin6_addr, host, sizeof host);
        snprintf(out, LISTEN_URL, "http://[%s]:%u", host, ntohs(address->to.v6.sin6_port));
        break;
    default:
        inet_ntop(AF_INET, &address->to.v4.sin_addr, host, sizeof host);
        snprintf(out, LISTEN_URL, "http://%s:%u", host, ntohs(address->to.v4.sin_port));
    }
    return out;
}

const char *listen_socket_url(const struct listen_socket *s, char out[LISTEN_URL]) {
    listen_url(&s->address, out);
    char *scheme_end = strchr(out, ':');
    if (!s->tls) return out;
    /* The URL of a port is far shorter than the room for it. */
    memmove(scheme_end + 1, scheme_end, strlen(scheme_end) + 1);
    *scheme_end = 's';
    return out;
}

/* ---- sockets ---- */

static bool fail(const struct listen_address *address, char *problem, size_t size) {
    int why = errno;
    char url[LISTEN_URL], reason[128];
    const char *text = why != EADDRINUSE ? strerror_r(why, reason, sizeof reason)
                       : address->to.any.sa_family == AF_UNIX
                           ? "another server or another file is there"
                           : "the port is in use";
    snprintf(problem, size, "cannot listen on %s: %s", listen_url(address, url), text);
    return false;
}

/* Whether the file is a socket on which nobody listens. */
static bool is_stale(const struct listen_address *address) {
    struct stat file;
    if (lstat(address->to.local.sun_path, &file) != 0 || !S_ISSOCK(file.st_mode)) return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    const bool refused = connect(fd, &address->to.any, address->size) != 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

/* Locks the directory of a Unix socket: of two servers that start at a time one alone finds the same
 * file stale. Without the right to read it the start goes on unlocked. */
static int lock_directory(const char *path) {
    char directory[sizeof(struct sockaddr_un)];
    snprintf(directory, sizeof directory, "%s", path);
    char *slash = strrchr(directory, '/');
    slash[slash == directory] = '\0';
    const int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) flock(fd, LOCK_EX);
    return fd;
}

static bool bind_local(struct listen_socket *s, mode_t mode) {
    const char *path = s->address.to.local.sun_path;
    const int lock = lock_directory(path);
    const mode_t before = umask(0777 & ~mode);
    int bound = bind(s->fd, &s->address.to.any, s->address.size);
    if (bound != 0 && errno == EADDRINUSE) {
        if (is_stale(&s->address) && unlink(path) == 0)
            bound = bind(s->fd, &s->address.to.any, s->address.size);
        else
            errno = EADDRINUSE;
    }
    umask(before);
    struct stat file;
    s->made = bound == 0 && lstat(path, &file) == 0;
    if (s->made) s->device = file.st_dev, s->inode = file.st_ino;
    const bool listens = bound == 0 && listen(s->fd, SOMAXCONN) == 0;
    const int why = errno;
    if (lock >= 0) close(lock);
    errno = why;
    return listens;
}

static bool bind_port(struct listen_socket *s) {
    int yes = 1;
    /* A restart must not wait for the connections of the last run to leave TIME_WAIT. */
    setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(s->fd, &s->address.to.any, s->address.size) != 0 || listen(s->fd, SOMAXCONN) != 0)
        return false;
    return getsockname(s->fd, &s->address.to.any, &(socklen_t){sizeof s->address.to}) == 0;
}

static bool open_one(struct listen_socket *s, mode_t mode) {
    const int family = s->address.to.any.sa_family;
    s->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0) return false;
    return family == AF_UNIX ? bind_local(s, mode) : bind_port(s);
}

static void close_all(struct listen_sockets *sockets) {
    const int why = errno;
    listen_unlink(sockets);
    for (int i = 0; i < sockets->n; i++)
        if (sockets->at[i].fd >= 0) close(sockets->at[i].fd);
    sockets->n = 0;
    errno = why;
}

bool listen_open(const struct listen_list *list, mode_t mode, struct listen_sockets *out,
                 char *problem, size_t size) {
    out->n = 0;
    for (int i = 0; i < list->n; i++) {
        struct listen_socket *s = &out->at[out->n++];
        *s = (struct listen_socket){.address = list->at[i]};
        if (open_one(s, mode)) continue;
        close_all(out);
        return fail(&list->at[i], problem, size);
    }
    return true;
}

bool listen_adopt(struct listen_sockets *sockets, int fd) {
    int type = 0, listens = 0;
    socklen_t n = sizeof(int);
    if (sockets->n == LISTEN_MOST) return false;
    struct listen_socket s = {.fd = fd, .address.size = sizeof s.address.to};
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) != 0 || type != SOCK_STREAM) return false;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) != 0 || !listens) return false;
    if (getsockname(fd, &s.address.to.any, &s.address.size) != 0) return false;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return false;
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return false;
    sockets->at[sockets->n++] = s;
    return true;
}

void listen_unlink(const struct listen_sockets *sockets) {
    for (int i = 0; i < sockets->n; i++) {
        const struct listen_socket *s = &sockets->at[i];
        struct stat file;
        if (s->made && lstat(s->address.to.local.sun_path, &file) == 0 &&
            file.st_dev == s->device && file.st_ino == s->inode)
            unlink(s->address.to.local.sun_path);
    }
}
