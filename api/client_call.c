/* One call of the client: its path, its key, its tries and the waits between them. It does not know what
 * carries a try, nor what answers mean beyond whether to ask again. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "api/client_own.h"

enum { PATH_MOST = 64 << 10 };

/* ---- paths ------------------------------------------------------------------------------------- */

void call_path(struct client_call *call, const char *format, ...) {
    va_list args;
    struct writer *w = &call->path;
    writer_init(w, PATH_MOST);
    writer_init(&call->body, CLIENT_BODY);
    va_start(args, format);
    for (size_t n; *format; format += n) {
        n = strcspn(format, "%");
        write_bytes(w, format, n);
        if (format[n] != '%') continue;
        const char *text = va_arg(args, const char *);
        if (!text || !*text) call->is_invalid = true;
        if (text) write_place(w, text);
        n++;
    }
    va_end(args);
}

void call_query(struct client_call *call, const char *name, const char *value) {
    struct writer *w = &call->path;
    write_text(w, w->length && memchr(w->data, '?', w->length) ? "&" : "?");
    write_text(w, name);
    write_text(w, "=");
    write_place(w, value);
}

/* ---- tries ------------------------------------------------------------------------------------- */

/* What a POST below these changes stays. */
static bool changes_state(const struct client_call *call) {
    static const char *const places[] = {"/v1/sessions", "/v1/jobs"};
    if (strcmp(call->method, "POST") != 0) return false;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const size_t n = strlen(places[i]);
        if (call->path.length >= n && memcmp(call->path.data, places[i], n) == 0) return true;
    }
    return false;
}

/* A key makes gradd keep the answer for a day, so that none is sent where nobody would ask again. */
static bool set_key(const struct gradd_client *c, struct client_call *call) {
    unsigned char bytes[(CLIENT_KEY - 1) / 2];
    if (!changes_state(call) || call->once || c->options.tries == 1) return true;
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) return false;
    for (size_t i = 0; i < sizeof bytes; i++) snprintf(call->key + 2 * i, 3, "%02x", bytes[i]);
    return true;
}

bool call_may_repeat(const struct client_call *call) {
    /* A stream that is answered again is its end; one that is run again would show its steps twice. */
    if (call->stream) return strcmp(call->method, "GET") == 0 || call->key[0];
    return strcmp(call->method, "POST") != 0 || call->key[0] || !changes_state(call);
}

static bool is_code(const struct gradd_answer *a, const char *code) {
    return strcmp(a->problem.code, code) == 0;
}

/* Whether a failed try is followed by another. `again`: it was one already. */
static bool is_worth_another(const struct client_call *call, const struct gradd_answer *a,
                             bool sent, bool again) {
    switch (a->status) {
    case GRADD_REFUSED:
        if (a->http == 503) return gradd_answer_header(a, "Retry-After");
        /* Time does not help against the other limits. */
        if (a->http == 429) return is_code(a, "too_many_requests");
        /* An earlier try still runs. */
        return a->http == 409 && again && call->key[0] && is_code(a, "in_progress");
    case GRADD_NO_CONNECTION:
    case GRADD_TIMEOUT:
        return !sent || call_may_repeat(call);
    default:
        return false;
    }
}

/* Doubles from a tenth of a second on, a random part of it, so that many clients do not come together. */
static double pause_before(const struct gradd_client *c, const struct gradd_answer *a, int tried) {
    unsigned char chance = 0;
    const char *said = gradd_answer_header(a, "Retry-After");
    const double most = c->options.wait_seconds;
    double wait = 0.1;
    for (int i = 1; i < tried && wait < most; i++) wait *= 2;
    if (getrandom(&chance, 1, 0) == 1) wait *= 0.5 + chance / 510.0;
    const double least = said && a->http ? strtod(said, NULL) : 0;
    if (least > wait) wait = least;
    return wait < most ? wait : most;
}

static void wait_for(double seconds) {
    struct timespec t = {.tv_sec = (time_t)seconds};
    t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
    while (nanosleep(&t, &t) != 0 && errno == EINTR) {
    }
}

static void make_tries(struct gradd_client *c, struct client_call *call, struct gradd_answer *a) {
    for (int tried = 1;; tried++) {
        bool sent;
        client_try(c, call, a, &sent);
        if (call->stream) stream_break(call->stream);
        answer_read(a);
        /* A stream that went on for a while has its tries again. */
        if (call->stream && call->stream->moved) call->stream->moved = false, tried = 1;
        if (a->status == GRADD_OK || call->once || tried >= c->options.tries ||
            !is_worth_another(call, a, sent, tried > 1))
            return;
        wait_for(pause_before(c, a, tried));
        answer_clear(a);
    }
}

/* Whether it may stand in a header. */
static bool is_line(const char *text) {
    return strlen(text) < CLIENT_HEADER && !strpbrk(text, "\r\n");
}

struct gradd_answer *call_make(struct gradd_client *c, struct client_call *call) {
    struct gradd_answer *a = c ? answer_new(c) : NULL;
    if (a && call->stream) {
        call->stream->answer = a;
        call->stream->most = c->options.answer_bytes;
    }
    if (!a)
        ; /* no memory, which NULL says */
    else if (call->is_invalid || (call->if_match && !is_line(call->if_match)))
        answer_fail(
            a, GRADD_INVALID,
            "a name or id is missing, a method or path is none, or a text is no JSON object");
    else if (call->path.full || call->body.full)
        answer_fail(a, GRADD_OUT_OF_MEMORY,
                    "no memory for a request, or it is longer than a gigabyte");
    else if (!set_key(c, call))
        answer_fail(a, GRADD_INVALID, "the system has no random bytes");
    else
        make_tries(c, call, a);
    writer_free(&call->path);
    writer_free(&call->body);
    return a;
}

struct gradd_answer *call_follow(struct gradd_client *c, struct client_call *call,
                                 gradd_progress_function *progress, void *context) {
    struct client_stream stream = {.progress = progress, .context = context};
    call->stream = &stream;
    struct gradd_answer *a = call_make(c, call);
    stream_free(&stream);
    return a;
}
