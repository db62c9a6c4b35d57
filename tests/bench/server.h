/* A server as a child of a bench: started, found by the port in its ready line, weighed and stopped.
 * Included once; knows of the server only its ready line, and that SIGTERM ends it with 0. */
#ifndef GRADD_TESTS_BENCH_SERVER_H
#define GRADD_TESTS_BENCH_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct server {
    pid_t pid;
    FILE *out;
    int port;
};

static const char *bench_name; /* how failures are signed */

static _Noreturn void die(const char *what) {
    fprintf(stderr, "%s: %s\n", bench_name, what);
    exit(1);
}

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The port at the end of "gradd 0.1.0 listening on http://127.0.0.1:8080". */
static int ready_port(FILE *out) {
    char line[256];
    if (!fgets(line, sizeof line, out)) die("the server ended before it was ready");
    char *colon = strrchr(line, ':');
    int port = colon ? atoi(colon + 1) : 0;
    if (port <= 0) die("the server's first line does not end in an address");
    return port;
}

static struct server server_start(char *const *argv) {
    int out[2];
    if (pipe(out)) die("pipe failed");
    struct server s = {.pid = fork()};
    if (s.pid < 0) die("fork failed");
    if (s.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        execv(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
    close(out[1]);
    s.out = fdopen(out[0], "r");
    if (!s.out) die("fdopen failed");
    s.port = ready_port(s.out);
    return s;
}

static void server_stop(struct server *s) {
    int status;
    kill(s->pid, SIGTERM);
    if (waitpid(s->pid, &status, 0) != s->pid || !WIFEXITED(status) || WEXITSTATUS(status))
        die("the server did not exit with 0 after SIGTERM");
    fclose(s->out);
}

static int server_dial(const struct server *s) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)s->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to)) die("connect failed");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

__attribute__((unused)) static long server_resident_kib(const struct server *s) {
    char path[64], line[256];
    long kib = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)s->pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "VmRSS: %ld kB", &kib) == 1) break;
    }
    if (f) fclose(f);
    return kib;
}

/* Of all its processors, since it started. */
__attribute__((unused)) static double server_spent_us(const struct server *s) {
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(s->pid, &clock) || clock_gettime(clock, &t))
        die("the server's clock cannot be read");
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

#endif
