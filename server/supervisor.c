/* The protocols of sd_listen_fds(3) and sd_notify(3), which are a few variables and one datagram
 * socket. Owns that socket; knows nothing of what the process does. */
#include "server/supervisor.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_SOCKET = 3 };

static struct {
    int fd; /* 0: nobody wants to be told */
    struct sockaddr_un to;
    socklen_t size;
    int64_t patience_us, beaten_us; /* 0: there is no watchdog */
} manager;

/* A variable that is a whole number, or 0. */
static int64_t number_of(const char *name) {
    const char *text = getenv(name);
    if (!text || !*text || text[strspn(text, "0123456789")] || strlen(text) > 18) return 0;
    return strtoll(text, NULL, 10);
}

static bool is_for_us(const char *name) { return number_of(name) == (int64_t)getpid(); }

bool supervisor_sockets(struct listen_sockets *out, char *problem, size_t size) {
    const int64_t n = is_for_us("LISTEN_PID") ? number_of("LISTEN_FDS") : 0;
    out->n = 0;
    for (int64_t i = 0; i < n; i++) {
        const int fd = FIRST_SOCKET + (int)i;
        if (i < LISTEN_MOST && listen_adopt(out, fd)) continue;
        snprintf(problem, size,
                 "the service manager passed file %d, expected at most %d listening stream sockets",
                 fd, LISTEN_MOST);
        return false;
    }
    return true;
}

static int64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void supervisor_start(void) {
    const char *path = getenv("NOTIFY_SOCKET");
    const size_t n = path ? strlen(path) : 0;
    if (n < 2 || n >= sizeof manager.to.sun_path || (path[0] != '/' && path[0] != '@')) return;
    manager.to.sun_family = AF_UNIX;
    memcpy(manager.to.sun_path, path, n);
    /* The name of an abstract socket begins with a NUL, and ends where its length says. */
    if (path[0] == '@') manager.to.sun_path[0] = '\0';
    manager.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (path[0] == '/'));
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd > 0) manager.fd = fd;
    if (!getenv("WATCHDOG_PID") || is_for_us("WATCHDOG_PID"))
        manager.patience_us = number_of("WATCHDOG_USEC");
}

static void notify(const char *state) {
    if (!manager.fd) return;
    sendto(manager.fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&manager.to,
           manager.size);
}

void supervisor_ready(void) { notify("READY=1"); }

void supervisor_reloading(void) {
    char state[64];
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, now_us());
    notify(state);
}

void supervisor_stopping(void) { notify("STOPPING=1"); }

void supervisor_beat(void) {
    const int64_t now = now_us();
    if (!manager.patience_us || now - manager.beaten_us < manager.patience_us / 4) return;
    manager.beaten_us = now;
    notify("WATCHDOG=1");
}

long supervisor_patience_ms(long most) {
    const long half = (long)(manager.patience_us / 2000);
    return half > 0 && half < most ? half : most;
}
