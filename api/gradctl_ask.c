/* The server, through the C client: who it is, what it answers, and how a long answer is waited for. No
 * other file of gradctl knows the client; what is asked for is not known here. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "api/client.h"
#include "api/gradctl.h"

enum { WAITING = 10 }; /* seconds beyond those of a wait, in which its last answer comes */

static struct gradd_client *client;
static struct gradd_answer *latest; /* whose text is in use */
static const char *if_match;        /* of whatever is asked, or NULL */

static const char *variable(const char *name) {
    const char *text = getenv(name);
    return text && *text ? text : NULL;
}

/* An entity tag has quotes, which shells are fond of. */
static const char *etag_of(struct ctl *ctl, const char *text) {
    if (!text || *text == '"' || strcmp(text, "*") == 0 || strncmp(text, "W/", 2) == 0) return text;
    char *quoted = arena_alloc(&ctl->arena, strlen(text) + 3);
    if (quoted) sprintf(quoted, "\"%s\"", text);
    return quoted;
}

void ask_open(struct ctl *ctl) {
    const long timeout = ctl_number(ctl, "timeout", 0, 1, 86400),
               more = timeout && ctl->command->run == run_wait ? WAITING : 0;
    const char *reason = NULL, *url = ctl_said(ctl, "url"), *file = ctl_said(ctl, "token-file");
    if (!url) url = variable("GRADCTL_URL");
    if (!url) url = variable("GRADD_URL");
    const struct gradd_options options = {
        .url = url,
        .token = file ? NULL : variable("GRADD_TOKEN"),
        .token_file = file,
        .ca_file = ctl_said(ctl, "cacert"),
        .cert_file = ctl_said(ctl, "cert"),
        .key_file = ctl_said(ctl, "key"),
        .user_agent = "gradctl/" GRADD_VERSION,
        .timeout_seconds = (double)(timeout + more),
    };
    if_match = etag_of(ctl, ctl_said(ctl, "if-match"));
    client = gradd_client_new(&options, &reason);
    if (!client) ctl_wrong("%s", reason ? reason : "no memory");
}

void ask_close(void) {
    gradd_answer_free(latest);
    gradd_client_free(client);
    latest = NULL, client = NULL;
}

/* Takes an answer over from the client; exits where there is none. */
static struct ctl_answer take(struct gradd_answer *answer) {
    const enum gradd_status status = gradd_answer_status(answer);
    struct ctl_answer out = {.status = gradd_answer_http_status(answer)};
    gradd_answer_free(latest);
    latest = answer;
    if (status != GRADD_OK && status != GRADD_REFUSED) {
        const char *detail = gradd_answer_problem(answer)->detail;
        fflush(stdout);
        fprintf(stderr, "gradctl: %s\n", *detail ? detail : gradd_strerror(status));
        exit(status == GRADD_INVALID ? CTL_USAGE : CTL_UNREACHABLE);
    }
    const char *type = gradd_answer_header(answer, "Content-Type");
    out.text = gradd_answer_text(answer, &out.length);
    out.is_json = type && strstr(type, "json");
    out.etag = gradd_answer_header(answer, "ETag");
    return out;
}

struct ctl_answer ask(const char *method, const char *path, const char *json) {
    return take(gradd_call(client, method, path, json, if_match));
}

bool ask_once(const char *method, const char *path, const char *json, int *status) {
    struct gradd_answer *answer = gradd_call(client, method, path, json, NULL);
    const bool ok = gradd_answer_status(answer) == GRADD_OK;
    *status = gradd_answer_http_status(answer);
    gradd_answer_free(answer);
    return ok;
}

/* ---- an operation that is followed ---- */

struct follow {
    const char *operation;
    ask_progress *progress;
    void *user;
    pthread_t waiter;
    sigset_t ends, signals; /* that cancel it; those, and the one that ends the waiting */
    atomic_bool over, interrupted;
};

static int on_progress(void *context, const struct gradd_progress *p) {
    struct follow *f = context;
    if (f->progress) f->progress(f->user, (long)p->step, p->loss, p->gradient_norm);
    return 0;
}

/* Waits for a signal, which all other threads have blocked, and cancels the operation: what follows it
 * then sees its end. A second one ends gradctl, also where the server says nothing to the first. */
static void *wait_for_interrupt(void *context) {
    struct follow *f = context;
    int number;
    do
        if (sigwait(&f->signals, &number) != 0 || f->over) return NULL;
    while (!sigismember(&f->ends, number));
    f->interrupted = true;
    pthread_sigmask(SIG_UNBLOCK, &f->ends, NULL);
    gradd_answer_free(gradd_operation_delete(client, f->operation));
    sigemptyset(&f->signals);
    sigaddset(&f->signals, SIGUSR1);
    while (!f->over) sigwait(&f->signals, &number);
    return NULL;
}

struct ctl_answer ask_follow(const char *operation, bool is_own, ask_progress *progress, void *user,
                             bool *interrupted) {
    struct follow f = {.operation = operation, .progress = progress, .user = user};
    sigset_t before;
    sigemptyset(&f.ends);
    sigaddset(&f.ends, SIGINT);
    if (is_own) sigaddset(&f.ends, SIGTERM), sigaddset(&f.ends, SIGHUP);
    f.signals = f.ends;
    sigaddset(&f.signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &f.signals, &before);
    const bool waits = pthread_create(&f.waiter, NULL, wait_for_interrupt, &f) == 0;
    struct gradd_answer *answer = gradd_operation_follow(client, operation, on_progress, &f);
    f.over = true;
    if (waits) pthread_kill(f.waiter, SIGUSR1);
    if (waits) pthread_join(f.waiter, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    *interrupted = f.interrupted;
    return take(answer);
}
