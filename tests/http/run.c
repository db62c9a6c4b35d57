/* Sends the requests of data files to a real gradd and compares what comes back. Knows HTTP through
 * libcurl and JSON through cJSON, and nothing of gradd but its command line and its ready line.
 *
 *     run [--transcript FILE] GRADD DATA_FILE...
 *
 * Each data file gets a gradd of its own on a free port. A data file is text, one test after another:
 *
 *     ### the first request                      the test's name, a sentence
 *     POST /v1/gradient                          method and target
 *     Accept: application/json                   header lines, where wanted
 *     {"graph":"z = x ** 2","variables":{"x":3}} the body, as many lines as it likes
 *     => 200                                     the status
 *     Cache-Control: no-store                    headers that must be there
 *     {"value":9.0,"gradient":{"x":6.0}}         the body that must come back
 *
 * A line `Name: value` under the first line is a header; the first line that is not one, or an empty
 * line, begins the body. A body goes as application/json unless a header says otherwise (`Name:`
 * without a value leaves a header out). In a body, sent or expected, these lines stand for bytes; a
 * line break beside them does not count:
 *
 *     @file ../data/iris.json                    a file, seen from the data file
 *     @repeat 1000 "x{i}" "+"                    x0+x1+...+x999; the separator may be left out
 *     @bytes 22 ff 22                            bytes in hexadecimal
 *
 * JSON is compared value by value, whatever the order of members; a number must have the same digits
 * (63.0 is not 63), and "<any>" stands for any value. Other bodies are compared as text, line breaks at
 * their end aside. No expected body: none is looked at. After the status:
 *
 *     contains       members and elements that the expectation does not name may be there too
 *     within 1e-6    numbers may differ by that much, relative to the larger of 1 and the expected
 *     under 5s       and the answer must have come by then (times GRADD_TEST_PATIENCE)
 *     taking 8M      and gradd's resident memory must not have grown by more meanwhile
 *     empty          no body
 *
 * What asks for a value or a derivative and changes nothing is sent twice, and must be answered with the
 * same bytes again.
 *
 * An expected header value of `*` asks that the header be there, `(absent)` that it be not, `$name`
 * remembers it, and a request header `$name` sends what was remembered; a target that begins with
 * `$name` goes on from it (`GET $where/variables`). An answer of 400 or more must
 * be a problem (RFC 9457) whose type and status agree with its code and whose title and request_id
 * are there; the expectation need not repeat these four. `@start --max-body 1000` before the first
 * test gives options to gradd; each such line runs the whole file once more with its own. A
 * line that begins with `# ` outside request bodies is a comment. */
#include "run.h"

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TRANSCRIPT_BODY_MAX = 1 << 20 };

static struct {
    pid_t pid;
    int out; /* its standard output */
    char base[64];
} gradd;

static int passed, failed;
static double patience = 1;
static FILE *transcript;

static void kill_gradd(void) {
    if (gradd.pid > 0) kill(gradd.pid, SIGKILL);
}

/* Reads the ready line and finds the port in it. */
static void wait_until_ready(void) {
    char line[256];
    size_t n = 0;
    while (n < sizeof line - 1 && (n == 0 || line[n - 1] != '\n')) {
        struct pollfd p = {.fd = gradd.out, .events = POLLIN};
        if (poll(&p, 1, (int)(20000 * patience)) <= 0) die("gradd was not ready within 20 seconds");
        if (read(gradd.out, line + n, 1) != 1) die("gradd ended before it was ready");
        n++;
    }
    line[n] = '\0';
    unsigned port;
    char version[32];
    if (sscanf(line, "gradd %31s listening on http://127.0.0.1:%u", version, &port) != 2)
        die("gradd's ready line is not the documented one: %s", line);
    snprintf(gradd.base, sizeof gradd.base, "http://127.0.0.1:%u", port);
}

static void start_gradd(const char *binary, char *const *options) {
    char *args[ARGS_MAX + 3] = {(char[]){"gradd"}, (char[]){"--listen"}, (char[]){"127.0.0.1:0"}};
    memcpy(args + 3, options, ARGS_MAX * sizeof *args);
    int ends[2];
    if (pipe(ends)) die("pipe: %s", strerror(errno));
    gradd.pid = fork();
    if (gradd.pid < 0) die("fork: %s", strerror(errno));
    if (gradd.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        execv(binary, args);
        fprintf(stderr, "%s: %s\n", binary, strerror(errno));
        _exit(127);
    }
    close(ends[1]);
    gradd.out = ends[0];
    wait_until_ready();
}

static void result(const struct suite *suite, int line, const char *name, const char *why) {
    if (!why) {
        passed++;
        return;
    }
    failed++;
    printf("%s:%d: %s\n%s\n", suite->path, line, name, why);
    fflush(stdout);
}

/* Asks gradd to end, and it must: with exit code 0, soon, and with nothing more on its output. */
static void stop_gradd(const struct suite *suite) {
    int status = 0;
    pid_t ended = 0;
    kill(gradd.pid, SIGTERM);
    for (int i = 0; i < 1000 * patience && ended == 0; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        ended = waitpid(gradd.pid, &status, WNOHANG);
    }
    char why[128] = "", more;
    if (ended == 0) {
        kill_gradd();
        waitpid(gradd.pid, &status, 0);
        snprintf(why, sizeof why, "  still running 10 seconds after SIGTERM");
    } else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        snprintf(why, sizeof why, "  expected: exit 0\n  found:    %s %d",
                 WIFEXITED(status) ? "exit" : "signal",
                 WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    } else if (read(gradd.out, &more, 1) == 1) {
        snprintf(why, sizeof why, "  expected: one line on standard output\n  found:    more");
    }
    close(gradd.out);
    gradd.pid = 0;
    result(suite, 1, "gradd ends cleanly on SIGTERM", *why ? why : NULL);
}

static size_t on_bytes(char *bytes, size_t size, size_t n, void *to) {
    text_add(to, bytes, size * n);
    return size * n;
}

static struct curl_slist *add_request_header(struct curl_slist *list, const char *header) {
    const char *dollar = strstr(header, ": $");
    const char *value = dollar ? remembered_value(dollar + 3) : NULL;
    if (!value) return curl_slist_append(list, header);
    struct text full = {0};
    text_add(&full, header, (size_t)(dollar - header) + 2);
    text_say(&full, value);
    list = curl_slist_append(list, full.data);
    text_free(&full);
    return list;
}

/* The target with what was remembered in the place of `$name`, copied. */
static char *full_target(const char *target) {
    struct text full = {0};
    if (*target != '$') return copy(target);
    const size_t n = strcspn(target, "/?");
    char *name = copy(target + 1);
    name[n - 1] = '\0';
    const char *value = remembered_value(name);
    if (!value) die("nothing is remembered as %s", target);
    text_say(&full, value);
    text_say(&full, target + n);
    free(name);
    return full.data;
}

static bool has_header(const struct test *test, const char *name) {
    for (size_t i = 0; i < test->n_headers; i++)
        if (!strncasecmp(test->headers[i], name, strlen(name))) return true;
    return false;
}

static CURLcode perform(CURL *curl, const struct test *test, const char *target,
                        struct answer *answer) {
    curl_easy_reset(curl);
    struct curl_slist *headers = NULL;
    for (size_t i = 0; i < test->n_headers; i++)
        headers = add_request_header(headers, test->headers[i]);
    if (test->has_body && !has_header(test, "Content-Type:"))
        headers = curl_slist_append(headers, "Content-Type: application/json");
    curl_easy_setopt(curl, CURLOPT_URL, gradd.base);
    curl_easy_setopt(curl, CURLOPT_REQUEST_TARGET, target);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)(120 * patience));
    if (test->has_body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, test->body.data ? test->body.data : "");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)test->body.length);
    }
    if (!strcmp(test->method, "HEAD")) curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, test->method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, (void *)&answer->body);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, (void *)&answer->headers);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_easy_getinfo(curl, CURLINFO_TOTAL_TIME, &answer->seconds);
    curl_slist_free_all(headers);
    return code;
}

/* What is sent as bytes is nothing for the transcript. */
static bool is_bytes(const struct test *test) {
    return has_header(test, "Content-Type: application/octet-stream") ||
           has_header(test, "Content-Type: application/x-npy") ||
           (unsigned char)test->body.data[0] >= 0x80;
}

static void record(const struct test *test, const char *target, const struct answer *answer) {
    if (!transcript) return;
    cJSON *line = cJSON_CreateObject();
    char *kind = header_value(&answer->headers, "Content-Type");
    char *path = copy(target);
    path[strcspn(path, "?")] = '\0';
    cJSON_AddStringToObject(line, "name", test->name);
    cJSON_AddStringToObject(line, "method", test->method);
    cJSON_AddStringToObject(line, "path", path);
    if (strchr(target, '?')) cJSON_AddStringToObject(line, "query", strchr(target, '?') + 1);
    cJSON_AddNumberToObject(line, "status", (double)answer->status);
    if (kind) cJSON_AddStringToObject(line, "content_type", kind);
    if (answer->headers.data) cJSON_AddStringToObject(line, "headers", answer->headers.data);
    if (test->has_body && answer->status < 400 && test->body.length <= TRANSCRIPT_BODY_MAX &&
        test->body.length && !is_bytes(test))
        cJSON_AddStringToObject(line, "request", test->body.data);
    if (answer->body.length && answer->body.length <= TRANSCRIPT_BODY_MAX)
        cJSON_AddStringToObject(line, "body", answer->body.data);
    char *printed = cJSON_PrintUnformatted(line);
    fprintf(transcript, "%s\n", printed);
    free(printed);
    free(path);
    free(kind);
    cJSON_Delete(line);
}

/* A field of /proc/PID/status in bytes. */
static double process_bytes(const char *field) {
    char path[64], line[256];
    double kilobytes = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)gradd.pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, field, strlen(field))) kilobytes = atof(line + strlen(field) + 1);
    if (f) fclose(f);
    return 1024 * kilobytes;
}

/* Makes the peak of gradd's resident memory begin anew; returns what is resident now. */
static double forget_peak(void) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/clear_refs", (int)gradd.pid);
    FILE *f = fopen(path, "w");
    if (f) {
        fputs("5", f);
        fclose(f);
    }
    return process_bytes("VmRSS:");
}

/* Whether it asks for a value or a derivative and changes nothing. */
static bool is_repeatable(const char *target) {
    static const char *const ends[] = {"evaluate", "gradient", "jacobian", "hessian",
                                       "jvp",      "vjp",      "hvp"};
    const size_t n = strcspn(target, "?");
    if (strncmp(target, "/v1/", 4) || !strncmp(target, "/v1/sessions/", 13)) return false;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const size_t length = strlen(ends[i]);
        if (n > length && target[n - length - 1] == '/' &&
            !strncmp(target + n - length, ends[i], length))
            return true;
    }
    return false;
}

/* Blanks the value of a problem's request_id, which no two answers share. */
static void blank_id(struct text *body) {
    char *at = body->data ? strstr(body->data, "\"request_id\":\"") : NULL;
    for (at = at ? at + 14 : NULL; at && *at && *at != '"'; at++) *at = '-';
}

/* What was asked once is answered with the same bytes again, however gradd came by them. */
static bool same_again(CURL *curl, const struct test *test, const char *target,
                       struct answer *first, struct text *why) {
    struct answer again = {0};
    bool same = perform(curl, test, target, &again) == CURLE_OK && again.status == first->status &&
                again.body.length == first->body.length;
    blank_id(&first->body);
    blank_id(&again.body);
    same = same &&
           (!again.body.length || !memcmp(again.body.data, first->body.data, again.body.length));
    if (!same) {
        text_say(why, "  asked again it is answered otherwise:\n  ");
        text_say(why, again.body.data ? again.body.data : "no body");
    }
    text_free(&again.headers);
    text_free(&again.body);
    return same;
}

static void run_test(CURL *curl, const struct suite *suite, const struct test *test) {
    struct answer answer = {0};
    struct text why = {0};
    double before = test->taking > 0 ? forget_peak() : 0;
    char *target = full_target(test->target);
    CURLcode code = perform(curl, test, target, &answer);
    if (test->taking > 0) answer.taken = process_bytes("VmHWM:") - before;
    bool good = false;
    if (code != CURLE_OK) {
        text_say(&why, "  no answer: ");
        text_say(&why, curl_easy_strerror(code));
    } else {
        good = compare(test, &answer, patience, &why);
        record(test, target, &answer);
        if (good && is_repeatable(target)) good = same_again(curl, test, target, &answer, &why);
    }
    result(suite, test->line, test->name, good ? NULL : why.data);
    free(target);
    text_free(&answer.headers);
    text_free(&answer.body);
    text_free(&why);
}

static void run_file(const char *binary, const char *path) {
    struct suite suite;
    data_read(&suite, path);
    for (size_t start = 0; start < suite.n_starts; start++) {
        start_gradd(binary, suite.starts[start]);
        CURL *curl = curl_easy_init();
        if (!curl) die("run: libcurl did not start");
        for (size_t i = 0; i < suite.n_tests; i++) run_test(curl, &suite, &suite.tests[i]);
        curl_easy_cleanup(curl);
        stop_gradd(&suite);
        remembered_forget();
    }
    data_free(&suite);
}

static void on_signal(int number) {
    kill_gradd();
    _exit(128 + number);
}

int main(int argc, char **argv) {
    int first = 1;
    if (argc > 2 && !strcmp(argv[1], "--transcript")) {
        transcript = fopen(argv[2], "w");
        if (!transcript) die("%s: %s", argv[2], strerror(errno));
        first = 3;
    }
    if (argc < first + 2) die("usage: run [--transcript FILE] GRADD DATA_FILE...");
    const char *wish = getenv("GRADD_TEST_PATIENCE");
    if (wish && atof(wish) >= 1) patience = atof(wish);
    atexit(kill_gradd);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    signal(SIGPIPE, SIG_IGN);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    for (int i = first + 1; i < argc; i++) run_file(argv[first], argv[i]);
    curl_global_cleanup();
    if (transcript) fclose(transcript);
    printf("%d passed, %d failed\n", passed, failed);
    return failed ? 1 : 0;
}
