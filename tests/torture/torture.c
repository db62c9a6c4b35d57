/* Plays the requests of data files (tests/http) to two servers without a transport. One answers undisturbed.
 * The other is denied each allocation of each request in turn: it must then say so with a 507 or 503, or
 * answer as the first does, and hold what it held before; and in the end answer what the first answered.
 * Prints `N passed, N failed`, a test being a data file.
 *
 *     torture [--whole] [--durable] DATA_FILE...
 *
 * Without --whole of a request's many allocations only some are denied, the first ones all; with it all, but for
 * bodies of more than 64 KiB. --durable: the other keeps everything in a store, and finds it there alone when it
 * is asked. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/json.h"
#include "api/known.h"
#include "server/engine.h"
#include "server/stats.h"
#include "tests/http/run.h"
#include "tests/torture/ask.h"
#include "tests/torture/same.h"
#include "tests/torture/twins.h"

/* To fork takes long beside the shadow of AddressSanitizer. */
#ifdef __SANITIZE_ADDRESS__
enum { FIRST = 1, SPARSE = 1, LARGE = 64 << 10 };
#else
enum { FIRST = 8, SPARSE = 4, LARGE = 64 << 10 };
#endif
/* A large body is large since it repeats itself: the allocations of its thousands of pieces are the same. */
enum { REPEATS = 64 };

static bool whole, durable;
static long denied, requests, failures;

static void complain(const struct suite *suite, const struct test *t, const char *what, long at,
                     const char *found, const char *wanted) {
    failures++;
    printf("%s:%d: %s\n  %s (allocation %ld)\n  found:    %.2000s\n", suite->path, t->line, t->name,
           what, at, found);
    if (wanted) printf("  expected: %.2000s\n", wanted);
    fflush(stdout);
}

/* Whether the body is a problem of this status, as a stream's last event or as an answer. */
static bool is_problem(const struct reply *r, int status) {
    struct arena arena;
    struct json *root;
    struct error error;
    char member[24];
    snprintf(member, sizeof member, "\"status\":%d", status);
    arena_init(&arena, 1 << 20);
    error_clear(&error);
    const bool is_json = json_parse(&arena, r->body, r->length, 16, &root, &error);
    arena_free(&arena);
    return is_json && strstr(r->body, member) && strstr(r->body, "\"detail\":\"");
}

/* The same failure, if in other words: advice and estimates may be wanting. */
static bool is_same_failure(const struct reply *want, const struct reply *got) {
    const char *a = strstr(want->body, "\"code\""), *b = strstr(got->body, "\"code\"");
    return want->status >= 400 && want->status == got->status && a && b &&
           strncmp(a, b, strcspn(a, ",")) == 0;
}

/* A problem that says that memory is short, or what is wrong in any case; or an answer that says what it
 * lacks. */
static bool is_honest(const struct reply *want, const struct reply *got) {
    if (got->status == 200 && strstr(got->body, "{\"code\":\"mean_loss\"")) return true;
    if (strcmp(got->type, "text/event-stream") == 0)
        return is_problem(got, 507) || is_problem(got, 503);
    return strcmp(got->type, "application/problem+json") == 0 && is_problem(got, got->status) &&
           (got->status == 507 || got->status == 503 || is_same_failure(want, got));
}

/* What tells of the process, such as how much it has done; where a page ends is counted by what was to be kept,
 * and was not, as well. */
static bool is_live(const struct test *t) {
    return strncmp(t->target, "/v1/stats", 9) == 0 || strncmp(t->target, "/metrics", 8) == 0 ||
           (durable && strstr(t->target, "limit="));
}

/* The allocation to be denied next: all of them, or ever fewer of many, and fewest where each takes long. */
static long next(const struct test *t, long at) {
    const bool is_large = t->body.length > LARGE;
    if (whole) return is_large && at >= REPEATS ? at + at / REPEATS : at + 1;
    return at < FIRST ? at + 1 : at + 1 + (is_large ? at : at / SPARSE);
}

/* One request of which an allocation is denied, and what came of it. */
struct trial {
    const struct suite *suite;
    const struct test *test;
    struct twins *w;
    const struct reply *want;
    bool stays;    /* the request changes nothing */
    bool failed;   /* the allocation was there to be denied */
    bool changed;  /* the request was answered, and has left its trace */
    bool answered; /* so in this process, with this answer */
    struct reply answer;
};

static void deny(struct trial *t, const char *before, long at, bool cold) {
    struct reply got;
    const size_t n_pairs = t->w->pairs.n;
    twins_attempt(t->w, at, cold, &got, &t->failed);
    denied += t->failed;
    char *after = twins_look(t->w, 1);
    pairs_learn(&t->w->pairs, t->want->location, got.location);
    const bool same =
        same_reply(t->want, &got, &t->w->pairs) || (is_live(t->test) && got.status == 200);
    t->changed = strcmp(before, after) != 0;
    if (!same && !(t->failed && is_honest(t->want, &got)))
        complain(t->suite, t->test, "neither an honest refusal nor the answer", at, got.body,
                 t->want->body);
    if (!same && t->changed)
        complain(t->suite, t->test, "what failed has changed something", at, after, before);
    t->w->pairs.n = n_pairs;
    free(after);
    t->answered = same && t->changed;
    if (t->answered)
        t->answer = got;
    else
        reply_free(&got);
}

/* What was done, and has a key, is answered again, and not done a second time; in memory alone, where its answer could
 * not be kept, that is what it says. */
static void ask_again(struct trial *t, const struct reply *first, long at) {
    bool failed;
    struct reply got;
    char *before = twins_look(t->w, 1);
    twins_attempt(t->w, -1, true, &got, &failed);
    char *after = twins_look(t->w, 1);
    const bool is_lost = !durable && is_problem(&got, 507) && strstr(got.body, "\"answer_lost\"");
    const bool is_stream = strcmp(first->type, "text/event-stream") == 0; /* answered by its end */
    const bool is_same = got.status == first->status &&
                         (is_stream || (got.length == first->length &&
                                        memcmp(got.body, first->body, got.length) == 0));
    if (!is_same && !is_lost)
        complain(t->suite, t->test, "with its key it is not answered again", at, got.body,
                 first->body);
    if (strcmp(before, after) != 0)
        complain(t->suite, t->test, "in spite of its key it is done again", at, after, before);
    free(before);
    free(after);
    reply_free(&got);
}

static bool has_key(const struct test *t) {
    for (size_t i = 0; i < t->n_headers; i++)
        if (strncmp(t->headers[i], "Idempotency-Key:", 16) == 0) return true;
    return false;
}

/* The same in a process of its own, since it may change something; there the request must be answered
 * behind it as if nothing had been. */
static void deny_apart(struct trial *t, const char *before, long at, bool cold) {
    int status = 0;
    enum { FAILED = 1, CHANGED = 2, WRONG = 4 };
    fflush(stdout);
    const pid_t child = fork();
    if (child < 0) die("fork: %s", strerror(errno));
    if (child == 0) {
        const long found = failures;
        deny(t, before, at, cold);
        const bool failed = t->failed, changed = t->changed;
        if (failed && !changed) deny(t, before, -1, cold);
        if (t->answered && has_key(t->test)) ask_again(t, &t->answer, at);
        _exit((failed ? FAILED : 0) | (changed ? CHANGED : 0) | (failures > found ? WRONG : 0));
    }
    waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) > (FAILED | CHANGED | WRONG))
        complain(t->suite, t->test, "the process has died", at, "", NULL);
    failures += WIFEXITED(status) && WEXITSTATUS(status) & WRONG;
    t->failed = WIFEXITED(status) && WEXITSTATUS(status) & FAILED;
    denied += t->failed;
    t->changed = WIFEXITED(status) && WEXITSTATUS(status) & CHANGED;
}

/* First with no plan cached, and then with all. What leaves no trace is done in this process as well, where
 * leaks are found; where it needs one allocation less than the process of its own did, it is answered there. */
static void torture(struct trial *t, long count) {
    const long most = durable ? LONG_MAX : count; /* of what comes from a store there are more */
    char *before = twins_look(t->w, 1);
    for (int cold = 1; cold >= 0; cold--) {
        long at = 0;
        t->failed = true;
        for (; t->failed && !t->answered && at < most; at = next(t->test, at)) {
            if (!t->stays) deny_apart(t, before, at, cold);
            if (t->stays || (t->failed && !t->changed)) deny(t, before, at, cold);
        }
        if (cold && !t->stays && at < count / 2)
            complain(t->suite, t->test, "so few allocations were there to be denied", at, "", NULL);
    }
    free(before);
}

static void run_test(const struct suite *suite, const struct test *test, struct twins *w) {
    struct reply want, got;
    bool has_failed;
    twins_ask(w, test);
    char *before = twins_look(w, 0);
    const long count = twins_undisturbed(w, &want);
    char *here = twins_look(w, 0);
    struct trial t = {
        .suite = suite, .test = test, .w = w, .want = &want, .stays = strcmp(before, here) == 0};
    torture(&t, count);
    if (t.answered)
        got = t.answer;
    else
        twins_attempt(w, -1, true, &got, &has_failed);
    twins_remember(w, test, &want, &got);
    if (!is_live(test) && !same_reply(&want, &got, &w->pairs))
        complain(suite, test, "at last it is answered otherwise", -1, got.body, want.body);
    char *there = twins_look(w, 1);
    if (!same_text(here, there, &w->pairs))
        complain(suite, test, "at last there is something else", -1, there, here);
    free(before);
    free(here);
    free(there);
    reply_free(&want);
    reply_free(&got);
    requests++;
}

static bool run_file(const char *path) {
    struct suite suite;
    struct twins w;
    const long before = failures;
    data_read(&suite, path);
    twins_start(&w, durable);
    for (size_t i = 0; i < suite.n_tests; i++) run_test(&suite, &suite.tests[i], &w);
    twins_stop(&w);
    data_free(&suite);
    return failures == before;
}

int main(int argc, char **argv) {
    int passed = 0, failed = 0, first = 1;
    for (; first < argc && argv[first][0] == '-'; first++) {
        whole = whole || strcmp(argv[first], "--whole") == 0;
        durable = durable || strcmp(argv[first], "--durable") == 0;
    }
    if (argc <= first) die("usage: torture [--whole] [--durable] DATA_FILE...");
    stats_start();
    for (int i = first; i < argc; i++) run_file(argv[i]) ? passed++ : failed++;
    printf("%ld allocations of %ld requests were denied\n", denied, requests);
    printf("%d passed, %d failed\n", passed, failed);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
