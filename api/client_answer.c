/* Answers of the client: collecting one, and reading it by JSON Pointer. It does not know how answers come
 * nor which there are. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/client_own.h"

enum { DEPTH = 128, FIRST_CAPACITY = 256 };

/* ---- collecting -------------------------------------------------------------------------------- */

enum gradd_status client_text_add(struct client_text *text, const char *bytes, size_t n,
                                  size_t most) {
    if (n > most || text->length > most - n) return GRADD_TOO_LARGE;
    const size_t needed = text->length + n + 1;
    if (needed > text->capacity) {
        size_t capacity = text->capacity ? 2 * text->capacity : FIRST_CAPACITY;
        if (capacity < needed) capacity = needed;
        char *data = realloc(text->data, capacity);
        if (!data) return GRADD_OUT_OF_MEMORY;
        text->data = data;
        text->capacity = capacity;
    }
    memcpy(text->data + text->length, bytes, n);
    text->length += n;
    text->data[text->length] = '\0';
    return GRADD_OK;
}

static const char *const header_names[CLIENT_HEADERS] = {"ETag", "Location", "Retry-After",
                                                         "X-Request-Id", "Content-Type"};

static const struct gradd_problem no_problem = {
    .code = "", .detail = "", .pointer = "", .node = "", .request_id = ""};

struct gradd_answer *answer_new(const struct gradd_client *client) {
    struct gradd_answer *a = calloc(1, sizeof *a);
    if (!a) return NULL;
    const size_t most = client->options.answer_bytes;
    arena_init(&a->arena, most < SIZE_MAX / 8 ? 4 * most + (1 << 20) : SIZE_MAX / 2);
    a->problem = no_problem;
    return a;
}

void answer_clear(struct gradd_answer *a) {
    free(a->body.data);
    arena_free(&a->arena);
    *a = (struct gradd_answer){.problem = no_problem, .arena = a->arena};
}

void gradd_answer_free(struct gradd_answer *a) {
    if (!a) return;
    answer_clear(a);
    free(a);
}

struct gradd_answer *answer_fail(struct gradd_answer *a, enum gradd_status status,
                                 const char *format, ...) {
    if (a->status != GRADD_OK) return a;
    va_list args;
    va_start(args, format);
    vsnprintf(a->detail, sizeof a->detail, format, args);
    va_end(args);
    a->status = status;
    a->problem.detail = a->detail;
    return a;
}

void answer_take_header(struct gradd_answer *a, const char *line, size_t n) {
    /* Another head begins: of a 100 before, or of the same request again. */
    if (n >= 5 && memcmp(line, "HTTP/", 5) == 0) memset(a->headers, 0, sizeof a->headers);
    for (size_t i = 0; i < CLIENT_HEADERS; i++) {
        const size_t name = strlen(header_names[i]);
        if (n <= name || line[name] != ':' || strncasecmp(line, header_names[i], name) != 0)
            continue;
        size_t from = name + 1, to = n;
        while (from < to && (line[from] == ' ' || line[from] == '\t')) from++;
        while (to > from && strchr(" \t\r\n", line[to - 1])) to--;
        if (to - from >= CLIENT_HEADER) to = from; /* none of gradd's is so long */
        memcpy(a->headers[i], line + from, to - from);
        a->headers[i][to - from] = '\0';
    }
}

bool answer_take_body(struct gradd_answer *a, const char *bytes, size_t n, size_t most) {
    const enum gradd_status status = client_text_add(&a->body, bytes, n, most);
    if (status == GRADD_TOO_LARGE)
        answer_fail(a, status, "the answer is longer than %zu bytes", most);
    else if (status != GRADD_OK)
        answer_fail(a, status, "no memory for an answer");
    return status == GRADD_OK;
}

static const char *text_at(struct gradd_answer *a, const char *pointer) {
    const char *text = gradd_answer_string(a, pointer);
    return text ? text : "";
}

static int int_at(struct gradd_answer *a, const char *pointer) {
    int64_t x = 0;
    return gradd_answer_int(a, pointer, &x) && x > 0 && x < INT32_MAX ? (int)x : 0;
}

static void read_problem(struct gradd_answer *a) {
    struct gradd_problem *p = &a->problem;
    if (a->status != GRADD_OK) return;
    a->status = GRADD_REFUSED;
    p->code = text_at(a, "/code");
    p->detail = text_at(a, "/detail");
    p->pointer = text_at(a, "/pointer");
    p->node = text_at(a, "/node");
    p->request_id = text_at(a, "/request_id");
    p->line = int_at(a, "/line");
    p->column = int_at(a, "/column");
    if (*p->detail) return;
    snprintf(a->detail, sizeof a->detail, "the answer is %d", a->http);
    p->detail = a->detail;
}

/* "application/json", "application/problem+json", "application/json; charset=utf-8" */
static bool is_json(const char *type) {
    const size_t n = type ? strcspn(type, "; ") : 0;
    return n >= 4 && strncasecmp(type + n - 4, "json", 4) == 0;
}

void answer_read(struct gradd_answer *a) {
    struct error error = {0};
    struct json *root = NULL;
    a->problem.status = a->http;
    if (a->status != GRADD_OK) return;
    const bool json = is_json(gradd_answer_header(a, "Content-Type"));
    if (json && a->body.length &&
        !json_parse(&a->arena, a->body.data, a->body.length, DEPTH, &root, &error)) {
        const bool full = error.code == ERROR_MEMORY_BUDGET;
        answer_fail(a, full ? GRADD_OUT_OF_MEMORY : GRADD_PROTOCOL, "the answer cannot be read: %s",
                    full ? "no memory" : error.detail);
        return;
    }
    a->root = root;
    if (a->is_failed_run) a->http = a->problem.status = int_at(a, "/status");
    if (!a->is_failed_run && a->http >= 200 && a->http < 300) return;
    if (root && (a->http >= 400 || a->is_failed_run)) {
        read_problem(a);
        return;
    }
    answer_fail(a, GRADD_PROTOCOL, "an answer of %d (%s) that is not gradd's", a->http,
                gradd_answer_header(a, "Content-Type") ? gradd_answer_header(a, "Content-Type")
                                                       : "without a type");
}

/* ---- what is said beside the body -------------------------------------------------------------- */

const char *gradd_strerror(enum gradd_status status) {
    switch (status) {
    case GRADD_OK:
        return "no failure";
    case GRADD_REFUSED:
        return "refused by gradd";
    case GRADD_INVALID:
        return "the call makes no sense";
    case GRADD_OUT_OF_MEMORY:
        return "out of memory";
    case GRADD_TOO_LARGE:
        return "the answer is too large";
    case GRADD_NO_CONNECTION:
        return "no connection";
    case GRADD_TIMEOUT:
        return "it took too long";
    case GRADD_TLS:
        return "no trust over TLS";
    case GRADD_PROTOCOL:
        return "what answers is not gradd";
    case GRADD_STOPPED:
        return "stopped by the progress function";
    }
    return "unknown";
}

enum gradd_status gradd_answer_status(const struct gradd_answer *a) {
    return a ? a->status : GRADD_OUT_OF_MEMORY;
}

const struct gradd_problem *gradd_answer_problem(const struct gradd_answer *a) {
    static const struct gradd_problem no_memory = {
        .code = "", .detail = "out of memory", .pointer = "", .node = "", .request_id = ""};
    return a ? &a->problem : &no_memory;
}

int gradd_answer_http_status(const struct gradd_answer *a) { return a ? a->http : 0; }

const char *gradd_answer_header(const struct gradd_answer *a, const char *name) {
    for (size_t i = 0; a && i < CLIENT_HEADERS; i++) {
        if (strcasecmp(name, header_names[i]) == 0) return a->headers[i][0] ? a->headers[i] : NULL;
    }
    return NULL;
}

const char *gradd_answer_text(const struct gradd_answer *a, size_t *n) {
    if (n) *n = a ? a->body.length : 0;
    return a && a->body.data ? a->body.data : "";
}
