/* The baseline of the HTTP bench: libmicrohttpd alone, set up as server/http.c sets it up (one daemon a
 * thread, to which accepted connections are dealt; the same flags and limits), which reads the whole
 * body and answers a constant of the size of gradd's first answer. Knows nothing of gradd.
 *
 *     echo THREADS       prints a ready line with its address as gradd does; SIGTERM ends it */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { THREADS_MAX = 64 };

static const char answer[] = "{\"value\":63.0,\"gradient\":{\"x1\":9.0,\"x2\":42.0}}";

struct exchange {
    char *body;
    size_t length, capacity;
};

static bool keep(struct exchange *x, const char *data, size_t n) {
    if (x->capacity - x->length < n) {
        size_t capacity = (x->length + n) * 2;
        char *body = realloc(x->body, capacity);
        if (!body) return false;
        x->body = body;
        x->capacity = capacity;
    }
    memcpy(x->body + x->length, data, n);
    x->length += n;
    return true;
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data, size_t *n,
                              void **state) {
    (void)context, (void)url, (void)method, (void)version;
    struct exchange *x = *state;
    if (!x) {
        *state = calloc(1, sizeof *x);
        return *state ? MHD_YES : MHD_NO;
    }
    if (*n) {
        if (!keep(x, data, *n)) return MHD_NO;
        *n = 0;
        return MHD_YES;
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(
        sizeof answer - 1, (void *)(uintptr_t)answer, MHD_RESPMEM_PERSISTENT);
    if (!response) return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    enum MHD_Result queued = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return queued;
}

static void completed(void *context, struct MHD_Connection *connection, void **state,
                      enum MHD_RequestTerminationCode how) {
    (void)context, (void)connection, (void)how;
    struct exchange *x = *state;
    if (x) free(x->body);
    free(x);
    *state = NULL;
}

static struct MHD_Daemon *start_daemon(void) {
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET, 0,
        NULL, NULL, handle, NULL, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
        MHD_OPTION_CONNECTION_LIMIT, 11024u, MHD_OPTION_CONNECTION_TIMEOUT, 75u,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)16 << 10, MHD_OPTION_THREAD_STACK_SIZE,
        (size_t)1 << 20, MHD_OPTION_END);
}

static int fail(const char *problem) {
    fprintf(stderr, "echo: %s\n", problem);
    return 1;
}

/* A listening socket on a free loopback port. */
static int listen_anywhere(struct sockaddr_in *address) {
    socklen_t size = sizeof *address;
    *address = (struct sockaddr_in){.sin_family = AF_INET};
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)address, size) || listen(fd, SOMAXCONN) ||
        getsockname(fd, (struct sockaddr *)address, &size))
        return -1;
    return fd;
}

static void leave(int signal) {
    (void)signal;
    _exit(0);
}

int main(int argc, char **argv) {
    struct MHD_Daemon *daemons[THREADS_MAX];
    int threads = argc == 2 ? atoi(argv[1]) : 0;
    if (threads < 1 || threads > THREADS_MAX) return fail("usage: echo THREADS");
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, leave);
    for (int i = 0; i < threads; i++)
        if (!(daemons[i] = start_daemon())) return fail("cannot start a thread");

    struct sockaddr_in address;
    int door = listen_anywhere(&address);
    if (door < 0) return fail("cannot listen");
    printf("echo listening on http://127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (int i = 0;; i = (i + 1) % threads) {
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        int fd = accept4(door, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) MHD_add_connection(daemons[i], fd, (struct sockaddr *)&from, size);
    }
}
