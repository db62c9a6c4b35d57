/* Start to first answer: runs a server, waits for its ready line, sends one request on a raw socket and
 * reads the whole answer. Prints the median time from exec to the last byte in milliseconds and the
 * largest resident set after it in KiB. Knows of the server only its ready line and its HTTP.
 *
 *     start RUNS PATH WANTED PROGRAM [ARGUMENT...]      the body to POST is read from standard input
 *
 * The server must end its first line of output with the address it listens on, as gradd does. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RUNS_MAX = 1000 };

static pid_t server = -1;

static void die(const char *what) {
    fprintf(stderr, "start: %s\n", what);
    if (server > 0) kill(server, SIGKILL);
    exit(1);
}

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* The server's standard output. */
static FILE *spawn(char **argv) {
    int out[2];
    if (pipe(out)) die("pipe failed");
    server = fork();
    if (server < 0) die("fork failed");
    if (server == 0) {
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        execv(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
    close(out[1]);
    FILE *f = fdopen(out[0], "r");
    if (!f) die("fdopen failed");
    return f;
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

/* The body of the one answer; the connection is closed by the server after it. */
static const char *ask(int port, const char *request, size_t length) {
    static char answer[65536];
    int s = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (s < 0 || connect(s, (struct sockaddr *)&to, sizeof to)) die("connect failed");
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

static long resident_kib(void) {
    char path[64], line[256];
    long kib = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)server);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "VmRSS: %ld kB", &kib) == 1) break;
    }
    if (f) fclose(f);
    return kib;
}

static void stop(FILE *out) {
    int status;
    kill(server, SIGTERM);
    if (waitpid(server, &status, 0) != server || !WIFEXITED(status) || WEXITSTATUS(status)) {
        die("the server did not exit with 0 after SIGTERM");
    }
    server = -1;
    fclose(out);
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
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
        FILE *out = spawn(argv + 4);
        int port = ready_port(out);
        const char *answer = ask(port, request, (size_t)length);
        ms[i] = now_ms() - start;
        if (strcmp(answer, argv[3]) != 0) die("the answer is another than wanted");
        long held = resident_kib();
        if (held > kib) kib = held;
        stop(out);
    }
    qsort(ms, (size_t)runs, sizeof *ms, compare_doubles);
    printf("%.2f %ld\n", ms[runs / 2], kib);
    return 0;
}
