/* Start to first answer: runs a server, waits for its ready line, sends one request on a raw socket and
 * reads the whole answer. Prints the median time from exec to the last byte in milliseconds and the
 * largest resident set after it in KiB. Knows of the server only its ready line and its HTTP.
 *
 *     start RUNS PATH WANTED PROGRAM [ARGUMENT...]      the body to POST is read from standard input
 *
 * The server must end its first line of output with the address it listens on, as gradd does. */
#include "server.h"

enum { RUNS_MAX = 1000 };

/* The body of the one answer; the connection is closed by the server after it. */
static const char *ask(const struct server *server, const char *request, size_t length) {
    static char answer[65536];
    int s = server_dial(server);
    if (write(s, request, length) != (ssize_t)length) die("the request was not taken whole");
    size_t n = 0;
    for (;;) {
        ssize_t got = read(s, answer + n, sizeof answer - 1 - n);
        if (got <= 0) break;
        n += (size_t)got;
    }
    close(s);
    answer[n] = '\0';
    if (strncmp(answer, "HTTP/1.1 200 ", 13) != 0) die("the answer is not 200");
    char *body = strstr(answer, "\r\n\r\n");
    if (!body) die("the answer has no body");
    return body + 4;
}

int main(int argc, char **argv) {
    bench_name = "start";
    int runs = argc > 4 ? atoi(argv[1]) : 0;
    if (runs < 1 || runs > RUNS_MAX) die("usage: start RUNS PATH WANTED PROGRAM [ARGUMENT...]");
    char body[4096], request[8192];
    size_t n = fread(body, 1, sizeof body - 1, stdin);
    body[n] = '\0';
    int length = snprintf(request, sizeof request,
                          "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
                          "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                          argv[2], n, body);
    double ms[RUNS_MAX];
    long kib = 0;
    for (int i = 0; i < runs; i++) {
        double start = now_ms();
        struct server server = server_start(argv + 4);
        const char *answer = ask(&server, request, (size_t)length);
        ms[i] = now_ms() - start;
        if (strcmp(answer, argv[3]) != 0) die("the answer is another than wanted");
        long held = server_resident_kib(&server);
        if (held > kib) kib = held;
        server_stop(&server);
    }
    qsort(ms, (size_t)runs, sizeof *ms, compare_doubles);
    printf("%.2f %ld\n", ms[runs / 2], kib);
    return 0;
}
