/* Server-sent events as the client hears them: lines to events, progress to the caller's function, the last
 * one to the answer. It does not know connections. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/client_own.h"

enum { ROW_DEPTH = 8, ROW_MEMORY = 64 << 10 };

static bool add(struct client_stream *s, struct client_text *text, const char *bytes, size_t n) {
    const enum gradd_status status = client_text_add(text, bytes, n, s->most);
    if (status == GRADD_TOO_LARGE)
        answer_fail(s->answer, status, "an event is longer than %zu bytes", s->most);
    else if (status != GRADD_OK)
        answer_fail(s->answer, status, "no memory for an event");
    return status == GRADD_OK;
}

/* ---- events ------------------------------------------------------------------------------------ */

static double number_of(const struct json *row, const char *name) {
    double x;
    const struct json *v = json_member(row, name);
    return v && json_double(v, &x) ? x : (double)NAN;
}

static bool read_row(struct client_stream *s, struct gradd_progress *out) {
    struct arena arena;
    struct error error = {0};
    struct json *row;
    arena_init(&arena, ROW_MEMORY);
    const bool read = json_parse(&arena, s->data.data, s->data.length, ROW_DEPTH, &row, &error) &&
                      json_type(row) == JSON_OBJECT;
    if (read) {
        const struct json *step = json_member(row, "step");
        *out = (struct gradd_progress){.loss = number_of(row, "loss"),
                                       .gradient_norm = number_of(row, "gradient_norm")};
        if (step) json_int(step, &out->step);
    } else {
        answer_fail(s->answer,
                    error.code == ERROR_MEMORY_BUDGET ? GRADD_OUT_OF_MEMORY : GRADD_PROTOCOL,
                    "a line of progress cannot be read: %s", error.detail);
    }
    arena_free(&arena);
    return read;
}

static bool take_progress(struct client_stream *s) {
    struct gradd_progress row;
    if (!s->progress) return true;
    if (!read_row(s, &row)) return false;
    if (s->progress(s->context, &row) == 0) return true;
    answer_fail(s->answer, GRADD_STOPPED, "the progress function wanted no more");
    return false;
}

/* What the event says is the answer. */
static bool take_end(struct client_stream *s, bool failed) {
    static const char type[] = "Content-Type: application/json";
    s->done = true;
    s->answer->is_failed_run = failed;
    answer_take_header(s->answer, type, sizeof type - 1);
    return answer_take_body(s->answer, s->data.data ? s->data.data : "", s->data.length, s->most);
}

/* A line without anything ends an event. */
static bool end_event(struct client_stream *s) {
    bool wanted = true;
    if (strcmp(s->event, "progress") == 0) wanted = take_progress(s);
    if (strcmp(s->event, "done") == 0) wanted = take_end(s, false);
    if (strcmp(s->event, "error") == 0) wanted = take_end(s, true);
    if (s->id[0] && strcmp(s->id, s->last_id) != 0) {
        memcpy(s->last_id, s->id, sizeof s->last_id);
        s->moved = true;
    }
    s->event[0] = s->id[0] = '\0';
    s->data.length = 0;
    return wanted;
}

/* ---- lines ------------------------------------------------------------------------------------- */

/* A field's value, where the line is of it. */
static const char *value_of(const char *line, const char *field) {
    const size_t n = strlen(field);
    if (strncmp(line, field, n) != 0 || line[n] != ':') return NULL;
    return line + n + 1 + (line[n + 1] == ' ');
}

static void keep(char *to, size_t size, const char *value) {
    const size_t n = strlen(value);
    if (n < size && !strchr(value, '\r')) memcpy(to, value, n + 1);
}

static bool end_line(struct client_stream *s) {
    const char *value;
    const char *line = s->line.data;
    size_t n = s->line.length;
    if (n && line[n - 1] == '\r') s->line.data[--n] = '\0';
    s->line.length = 0;
    if (!n) return end_event(s);
    if ((value = value_of(line, "event"))) keep(s->event, sizeof s->event, value);
    if ((value = value_of(line, "id"))) keep(s->id, sizeof s->id, value);
    if (!(value = value_of(line, "data"))) return true;
    return (!s->data.length || add(s, &s->data, "\n", 1)) &&
           add(s, &s->data, value, n - (size_t)(value - line));
}

bool stream_take(struct client_stream *s, const char *bytes, size_t n) {
    while (n) {
        const char *end = memchr(bytes, '\n', n);
        const size_t part = end ? (size_t)(end - bytes) : n;
        if (!add(s, &s->line, bytes, part)) return false;
        if (end && !end_line(s)) return false;
        bytes += part + (end != NULL);
        n -= part + (end != NULL);
    }
    return true;
}

void stream_break(struct client_stream *s) {
    const char *type = gradd_answer_header(s->answer, "Content-Type");
    s->line.length = s->data.length = 0;
    s->event[0] = s->id[0] = '\0';
    if (!s->done && s->answer->http == 200 && type && strncmp(type, "text/event-stream", 17) == 0)
        answer_fail(s->answer, GRADD_NO_CONNECTION, "the stream ended before its answer");
}

void stream_free(struct client_stream *s) {
    free(s->line.data);
    free(s->data.data);
}
