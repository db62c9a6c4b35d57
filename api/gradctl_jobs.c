/* Long work: jobs that are started, operations that are waited for or followed, and their progress. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/gradctl.h"

enum { BODY_MOST = 1 << 30, WAIT = 30, BETWEEN_MS = 50 };

bool jobs_shows(const struct ctl *ctl) {
    const char *terminal = getenv("TERM");
    return isatty(STDERR_FILENO) && terminal && strcmp(terminal, "dumb") != 0 &&
           !ctl_said(ctl, "no-progress");
}

/* ---- progress ---- */

struct watch {
    long steps;
    double shown; /* when, in milliseconds */
};

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void on_progress(void *user, long step, double loss, double gradient_norm) {
    struct watch *w = user;
    const double now = now_ms();
    if (now - w->shown < BETWEEN_MS) return;
    w->shown = now;
    plot_progress(step, w->steps, loss, gradient_norm);
}

/* How many steps there will be; 0 where nobody knows. */
static long steps_of(const struct ctl *ctl) {
    const char *text = ctl_said(ctl, "method") ? NULL : ctl_said(ctl, "steps");
    return text ? strtol(text, NULL, 10) : 0;
}

struct ctl_answer jobs_follow(struct ctl *ctl, const char *name, bool is_own, bool *interrupted) {
    struct watch w = {.steps = steps_of(ctl)};
    const bool shows = jobs_shows(ctl);
    const struct ctl_answer answer =
        ask_follow(name, is_own, shows ? on_progress : NULL, &w, interrupted);
    if (shows) plot_progress_end();
    return answer;
}

/* ---- jobs ---- */

/* The session in which the command works, or NULL. */
static const char *session_of(const struct ctl *ctl) {
    const char *said = ctl_said(ctl, "session");
    if (said || !ctl->command->path || !strstr(ctl->command->path, "{SESSION}")) return said;
    return ctl->words[0];
}

/* Sends the request as a job; exits where it is refused. */
static struct ctl_answer start(struct ctl *ctl, const char *method) {
    const char *session = session_of(ctl), *function = ctl_said(ctl, "function");
    struct writer body, path;
    writer_init(&body, BODY_MOST);
    writer_init(&path, BODY_MOST);
    write_text(&path, session ? "/v1/sessions/" : "/v1/jobs");
    if (session) write_place(&path, session);
    if (session) write_text(&path, "/jobs");
    write_bytes(&path, "", 1);
    write_text(&body, "{\"method\":");
    write_string(&body, method);
    if (function) write_text(&body, ",\"function\":");
    if (function) write_string(&body, function);
    write_text(&body, ",\"request\":");
    body_write(&ctl->body, &body);
    write_bytes(&body, "}", 2);
    if (body.full || path.full) ctl_wrong("no memory for the request");
    const struct ctl_answer answer = ask("POST", path.data, body.data);
    writer_free(&body);
    writer_free(&path);
    const int code = run_refused(ctl, &answer);
    if (code != CTL_OK) exit(code);
    return answer;
}

/* The name in an answer that is an operation. */
static const char *name_in(struct ctl *ctl, const struct ctl_answer *answer) {
    const struct json *name = json_member(show_parse(ctl, answer->text, answer->length), "name");
    if (!name || json_type(name) != JSON_STRING) ctl_wrong("the answer names no operation");
    return show_text(ctl, name);
}

const char *jobs_start(struct ctl *ctl, const char *method) {
    const struct ctl_answer answer = start(ctl, method);
    return name_in(ctl, &answer);
}

/* Nobody else knows of it. */
void jobs_forget(const char *name) {
    char path[128];
    int status;
    snprintf(path, sizeof path, "/v1/%s", name);
    ask_once("DELETE", path, NULL, &status);
}

/* Shows an answer that was waited for. */
static int show_end(struct ctl *ctl, const struct ctl_answer *answer) {
    const int code = run_refused(ctl, answer);
    if (code == CTL_OK) show_answer(ctl, answer);
    return code;
}

static int follow(struct ctl *ctl, const char *name) {
    bool interrupted;
    const struct ctl_answer answer = jobs_follow(ctl, name, false, &interrupted);
    const int code = show_end(ctl, &answer);
    return interrupted ? CTL_INTERRUPTED : code;
}

int run_job(struct ctl *ctl) {
    words_place(ctl);
    const struct ctl_answer answer = start(ctl, ctl->words[0]);
    if (ctl_said(ctl, "follow")) return follow(ctl, name_in(ctl, &answer));
    show_answer(ctl, &answer);
    return CTL_OK;
}

int run_follow(struct ctl *ctl) {
    words_place(ctl);
    return follow(ctl, ctl->words[0]);
}

/* A timeout is that of the waiting, and not of one answer. */
int run_wait(struct ctl *ctl) {
    const long most = ctl_number(ctl, "timeout", 0, 1, 86400);
    const double end_ms = now_ms() + (double)most * 1e3;
    words_place(ctl);
    const char *path = run_path(ctl);
    const size_t n = strlen(path) + sizeof "?wait=30";
    char *waiting = arena_alloc(&ctl->arena, n);
    if (!waiting) ctl_wrong("no memory for the request");
    for (;;) {
        const double left = most ? (end_ms - now_ms()) / 1e3 : WAIT;
        if (left <= 0) {
            fprintf(stderr, "gradctl: %s is not done after %ld s\n", ctl->words[0], most);
            return CTL_UNMET;
        }
        snprintf(waiting, n, "%s?wait=%d", path, left < WAIT ? (int)ceil(left) : WAIT);
        const struct ctl_answer answer = ask("GET", waiting, NULL);
        if (run_refused(ctl, &answer) != CTL_OK) return CTL_REFUSED;
        const struct json *operation = show_parse(ctl, answer.text, answer.length);
        const struct json *done = json_member(operation, "done"),
                          *response = json_member(operation, "response"),
                          *error = json_member(operation, "error");
        if (!done || json_type(done) != JSON_BOOL) ctl_wrong("the answer is no operation");
        if (!json_bool(done)) continue;
        const char *text = show_text(ctl, response ? response : error ? error : operation);
        const struct ctl_answer end = {
            .status = error ? 400 : 200, .text = text, .length = strlen(text), .is_json = true};
        return show_end(ctl, &end);
    }
}
