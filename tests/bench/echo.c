/* The baseline of the HTTP bench: libmicrohttpd alone, set up as server/http.c sets it up, which reads the
 * whole body and answers a constant of the size of gradd's first answer. Knows nothing of gradd.
 *
 *     echo PORT THREADS       0: a free port; prints a ready line as gradd does; SIGTERM ends it */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static int usage(void) {
    fprintf(stderr, "usage: echo PORT THREADS\n");
    return 2;
}

int main(int argc, char **argv) {
    if (argc != 3) return usage();
    int port = atoi(argv[1]), threads = atoi(argv[2]);
    if (port < 0 || threads < 1) return usage();

    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);

    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, (uint16_t)port, NULL, NULL,
        handle, NULL, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&to, MHD_OPTION_NOTIFY_COMPLETED,
        completed, NULL, MHD_OPTION_THREAD_POOL_SIZE, (unsigned int)threads,
        MHD_OPTION_CONNECTION_LIMIT, 1000u, MHD_OPTION_CONNECTION_TIMEOUT, 60u, MHD_OPTION_END);
    if (!daemon) {
        fprintf(stderr, "echo: cannot listen on port %d\n", port);
        return 1;
    }
    printf("echo listening on http://127.0.0.1:%d\n",
           MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    int got;
    sigwait(&signals, &got);
    MHD_stop_daemon(daemon);
    return 0;
}
