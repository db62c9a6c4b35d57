/* Server-sent events as the client hears them: lines to events, progress to the caller's function, the last
 * one to the answer. It does not know connections. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/client_own.h"

enum { FIRST_CAPACITY = 256, ROW_DEPTH = 8, ROW_MEMORY = 64 << 10 };

/* Adds to a growing text, and its NUL. */
static bool add(struct client_stream *s, char **text, size_t *n, size_t *capacity,
                const char *bytes, size_t more) {
    if (more > s->most || *n > s->most - more) {
        answer_fail(s->answer, GRADD_TOO_LARGE, "an event is longer than %zu bytes", s->most);
        return false;
    }
    if (*n + more + 1 > *capacity) {
        size_t wanted = *capacity ? 2 * *capacity : FIRST_CAPACITY;
        if (wanted < *n + more + 1) wanted = *n + more + 1;
        char *larger = realloc(*text, wanted);
        if (!larger) {
            answer_fail(s->answer, GRADD_OUT_OF_MEMORY, "no memory for an event");
            return false;
        }
        *text = larger;
        *capacity = wanted;
    }
    memcpy(*text + *n, bytes, more);
    *n += more;
    (*text)[*n] = '\0';
    return true;
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
    const bool read = json_parse(&arena, s->data, s->n_data, ROW_DEPTH, &row, &error) &&
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
    return answer_take_body(s->answer, s->data ? s->data : "", s->n_data, s->most);
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
    s->n_data = 0;
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
    if (s->n_line && s->line[s->n_line - 1] == '\r') s->line[--s->n_line] = '\0';
    const char *line = s->n_line ? s->line : "";
    const size_t n = s->n_line;
    s->n_line = 0;
    if (!n) return end_event(s);
    if ((value = value_of(line, "event"))) keep(s->event, sizeof s->event, value);
    if ((value = value_of(line, "id"))) keep(s->id, sizeof s->id, value);
    if (!(value = value_of(line, "data"))) return true;
    return (!s->n_data || add(s, &s->data, &s->n_data, &s->data_capacity, "\n", 1)) &&
           add(s, &s->data, &s->n_data, &s->data_capacity, value, n - (size_t)(value - line));
}

bool stream_take(struct client_stream *s, const char *bytes, size_t n) {
    while (n) {
        const char *end = memchr(bytes, '\n', n);
        const size_t part = end ? (size_t)(end - bytes) : n;
        if (!add(s, &s->line, &s->n_line, &s->line_capacity, bytes, part)) return false;
        if (end && !end_line(s)) return false;
        bytes += part + (end != NULL);
        n -= part + (end != NULL);
    }
    return true;
}

void stream_break(struct client_stream *s) {
    const char *type = gradd_answer_header(s->answer, "Content-Type");
    s->n_line = s->n_data = 0;
    s->event[0] = s->id[0] = '\0';
    if (!s->done && s->answer->http == 200 && type && strncmp(type, "text/event-stream", 17) == 0)
        answer_fail(s->answer, GRADD_NO_CONNECTION, "the stream ended before its answer");
}

void stream_free(struct client_stream *s) {
    free(s->line);
    free(s->data);
}
