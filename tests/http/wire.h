/* What wire.c, sessions.c and streams.c speak and hear with: gradd as a child process, sockets, answers,
 * the numbers of /v1/stats, and the program around the tests. Each uses what it needs; nothing here knows what is
 * tested. */
#ifndef GRADD_TESTS_HTTP_WIRE_H
#define GRADD_TESTS_HTTP_WIRE_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 1 << 20 };

static const char *gradd; /* the binary */
static int patience = 1;  /* by how much it is slower than usual here */
/* What a child does last before it becomes gradd; NULL: nothing. */
static void (*in_child)(void);

/* ---- time ---- */

static inline int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline void sleep_ms(int ms) {
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

/* ---- gradd as a child ---- */

struct child {
    pid_t pid;
    int out, err; /* its standard output and error */
    int port;
};

static inline struct child spawn(const char *const *arguments) {
    int out[2], err[2];
    if (pipe(out) != 0 || pipe(err) != 0) abort();
    struct child child = {.pid = fork(), .out = out[0], .err = err[0]};
    if (child.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(out[1], STDOUT_FILENO);
        dup2(err[1], STDERR_FILENO);
        for (int fd = 3; fd < 1024; fd++) close(fd);
        if (in_child) in_child();
        const char *argv[16] = {gradd};
        for (int i = 0; arguments[i]; i++) argv[i + 1] = arguments[i];
        execv(gradd, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(out[1]);
    close(err[1]);
    return child;
}

static inline size_t read_all(int fd, char *text, size_t size) {
    size_t n = 0;
    for (ssize_t got; n + 1 < size && (got = read(fd, text + n, size - 1 - n)) > 0;)
        n += (size_t)got;
    text[n] = '\0';
    return n;
}

/* Waits for the end and returns the exit code, or -1 after `ms` milliseconds. */
static inline int reap(struct child *child, int ms) {
    int status = 0;
    int64_t end = now_ms() + (int64_t)ms * patience;
    while (waitpid(child->pid, &status, WNOHANG) == 0) {
        if (now_ms() > end) return -1;
        sleep_ms(2);
    }
    close(child->out);
    close(child->err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* Reads the line with which gradd says that it listens; the port in its first address, if any. */
static char ready_line[1024];
static inline bool get_ready(struct child *child) {
    size_t n = 0;
    while (n + 1 < sizeof ready_line && read(child->out, ready_line + n, 1) == 1 &&
           ready_line[n] != '\n')
        n++;
    ready_line[n] = '\0';
    const char *at = strstr(ready_line, " listening on "), *port = at ? strstr(at, "://") : NULL;
    if (port) port += 3 + strcspn(port + 3, "]:");
    if (port && *port == ']') port++;
    child->port = port && *port == ':' ? atoi(port + 1) : 0;
    return at;
}

/* A gradd that listens on a port of its own. What it logs is of no interest. */
static inline struct child start(const char *first, const char *second) {
    const char *arguments[] = {"--listen", "127.0.0.1:0", "--log-level", "error", "--allowed-host",
                               "gradd",    first,         second,        NULL};
    struct child child = spawn(arguments);
    if (get_ready(&child) && child.port > 0) return child;
    fprintf(stderr, "wire: gradd did not get ready: %s\n", ready_line);
    exit(1);
}

static inline bool stop(struct child *child) {
    kill(child->pid, SIGTERM);
    return reap(child, 10000) == 0;
}

/* ---- sockets ---- */

/* What was received of each socket and not read yet: a stream that is read between other requests
 * loses nothing. */
enum { SOCKETS = 1024 };
static struct {
    char bytes[4 << 10];
    size_t at, have;
} heard[SOCKETS];

/* A new socket may have the number of an old one. */
static inline int new_socket(int family) {
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < SOCKETS) {
        if (fd >= 0) heard[fd].at = heard[fd].have = 0;
        return fd;
    }
    close(fd);
    return -1;
}

static inline int dial(const struct child *child) {
    int fd = new_socket(AF_INET);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((in_port_t)child->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) return fd;
    close(fd);
    return -1;
}

/* The Unix socket at a path. */
static inline int dial_local(const char *path) {
    int fd = new_socket(AF_UNIX);
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) return fd;
    close(fd);
    return -1;
}

static inline bool say_bytes(int fd, const char *bytes, size_t n) {
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent < 0) return false;
        bytes += sent;
        n -= (size_t)sent;
    }
    return true;
}

static inline bool say(int fd, const char *format, ...) {
    static char text[64 << 10];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return say_bytes(fd, text, (size_t)n);
}

/* ---- answers ---- */

struct reply {
    int status; /* 0: none came */
    char head[4096];
    char body[BUFFER];
    size_t length;
};

static struct reply reply;

/* Reads one byte of what has come; false at the end, or where nothing comes in time. */
static inline bool read_byte(int fd, char *c, int64_t end) {
    if (fd < 0) return false;
    if (heard[fd].at == heard[fd].have) {
        int64_t left = end - now_ms();
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (left <= 0 || poll(&wait, 1, (int)left) <= 0) return false;
        ssize_t n = recv(fd, heard[fd].bytes, sizeof heard[fd].bytes, 0);
        if (n <= 0) return false;
        heard[fd].at = 0;
        heard[fd].have = (size_t)n;
    }
    *c = heard[fd].bytes[heard[fd].at++];
    return true;
}

static inline const char *header(const char *name) {
    size_t n = strlen(name);
    for (const char *line = reply.head; (line = strchr(line, '\n'));) {
        line++;
        if (strncasecmp(line, name, n) == 0 && line[n] == ':')
            return line + n + 1 + strspn(line + n + 1, " ");
    }
    return NULL;
}

static inline bool header_is(const char *name, const char *value) {
    const char *found = header(name);
    size_t n = strlen(value);
    return found && strncmp(found, value, n) == 0 && found[n] == '\r';
}

/* Reads an answer into `reply`, and returns its status; `bodiless` where it is to have no body. */
static inline int hear_one(int fd, bool bodiless, int ms) {
    int64_t end = now_ms() + (int64_t)ms * patience;
    size_t n = 0;
    reply.status = 0;
    reply.length = 0;
    reply.body[0] = reply.head[0] = '\0';
    while (n + 1 < sizeof reply.head &&
           !(n > 3 && memcmp(reply.head + n - 4, "\r\n\r\n", 4) == 0)) {
        if (!read_byte(fd, &reply.head[n], end)) return 0;
        n++;
    }
    reply.head[n] = '\0';
    if (sscanf(reply.head, "HTTP/1.%*c %d", &reply.status) != 1) return reply.status = 0;
    const char *length = header("Content-Length");
    size_t wanted = bodiless || !length ? 0 : strtoul(length, NULL, 10);
    while (reply.length < wanted && reply.length + 1 < BUFFER) {
        if (!read_byte(fd, &reply.body[reply.length], end)) return reply.status = 0;
        reply.length++;
    }
    reply.body[reply.length] = '\0';
    return reply.status;
}

static inline int hear(int fd) { return hear_one(fd, false, 10000); }

/* The other side closes, cleanly or not, and says nothing more. */
static inline bool hears_end(int fd) {
    char c;
    int64_t begin = now_ms();
    bool more = read_byte(fd, &c, begin + 5000 * patience);
    return !more && now_ms() - begin < 5000 * patience;
}

static inline bool says(const char *part) { return strstr(reply.body, part) != NULL; }

/* A number out of /v1/stats, or -1. */
static inline long stat_of(const struct child *child, const char *group, const char *name) {
    int fd = dial(child);
    char quoted[64];
    long value = -1;
    if (fd >= 0 && say(fd, "GET /v1/stats HTTP/1.1\r\nHost: gradd\r\n\r\n") && hear(fd) == 200) {
        snprintf(quoted, sizeof quoted, "\"%s\":{", group);
        const char *at = strstr(reply.body, quoted);
        snprintf(quoted, sizeof quoted, "\"%s\":", name);
        at = at ? strstr(at, quoted) : NULL;
        if (at) value = strtol(at + strlen(quoted), NULL, 10);
    }
    if (fd >= 0) close(fd);
    return value;
}

/* Waits until a number of /v1/stats is at least (or, where `below`, at most) `wanted`; false after `ms`. */
static inline bool stat_becomes(const struct child *child, const char *group, const char *name,
                                long wanted, bool below, int ms) {
    int64_t end = now_ms() + (int64_t)ms * patience;
    for (;;) {
        long value = stat_of(child, group, name);
        if (value >= 0 && (below ? value <= wanted : value >= wanted)) return true;
        if (now_ms() > end) return false;
        sleep_ms(2);
    }
}

/* ---- what tests are made of ---- */

#define HEAD(method, path) method " " path " HTTP/1.1\r\nHost: gradd\r\n"
#define GET(path) HEAD("GET", path) "\r\n"

/* In a test, which returns whether all went well. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("      line %d: %s\n", __LINE__, #condition);                                   \
            if (reply.status) printf("      last answer: %d %.300s\n", reply.status, reply.body);  \
            return false;                                                                          \
        }                                                                                          \
    } while (0)

/* ---- the program ---- */

static struct child usual; /* the gradd of most tests */

struct test {
    const char *name;
    bool (*run)(void);
};

#define TEST(name) {#name, name},

/* What the program is given; false where that makes no sense. */
static inline bool take_arguments(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s GRADD\n", argv[0]);
        return false;
    }
    gradd = argv[1];
    const char *factor = getenv("GRADD_TEST_PATIENCE");
    if (factor && atoi(factor) > 0) patience = atoi(factor);
    /* A gradd that is slow needs more time than it would give a request. */
    if (patience > 1) setenv("GRADD_MAX_SECONDS", "1200", 1);
    return true;
}

/* Runs the tests against one gradd with an option (NULL, NULL: none), which must end well in the end. */
static inline int run_tests(int argc, char **argv, const char *option, const char *value,
                            const struct test *tests, size_t n) {
    if (!take_arguments(argc, argv)) return 2;
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    usual = start(option, value);
    int passed = 0, failed = 0;
    for (size_t i = 0; i < n; i++) {
        const bool ok = tests[i].run();
        printf("%s  %s\n", ok ? "ok  " : "FAIL", tests[i].name);
        *(ok ? &passed : &failed) += 1;
    }
    const bool ended = stop(&usual);
    printf("%s  ends_with_0_when_told_to\n", ended ? "ok  " : "FAIL");
    *(ended ? &passed : &failed) += 1;
    printf("%d passed, %d failed\n", passed, failed);
    return failed ? 1 : 0;
}

#endif
