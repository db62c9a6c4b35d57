/* What is kept of an operation: a line of JSON that says what it is, its events, and its answer. What it
 * was to do is not kept: a run that was interrupted is not begun again. */
#include "api/operation_keep.h"

#include <stdlib.h>
#include <string.h>

#include "api/session_io.h"

/* Of a row: step, loss, norm of the gradient, dtype; little-endian. */
enum { ROW_BYTES = 25, HEAD_BYTES = 64 << 10 };

static void put_64(unsigned char *at, uint64_t x) {
    for (int i = 0; i < 8; i++) at[i] = (unsigned char)(x >> 8 * i);
}

static uint64_t get_64(const unsigned char *at) {
    uint64_t x = 0;
    for (int i = 8; i-- > 0;) x = x << 8 | at[i];
    return x;
}

static uint64_t bits_of(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static double of_bits(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void write_row(struct writer *out, const struct progress_row *row) {
    unsigned char bytes[ROW_BYTES];
    put_64(bytes, (uint64_t)row->step);
    put_64(bytes + 8, bits_of(row->loss));
    put_64(bytes + 16, bits_of(row->gradient_norm));
    bytes[24] = (unsigned char)row->dtype;
    write_bytes(out, (const char *)bytes, sizeof bytes);
}

static struct progress_row read_row(const char *from) {
    const unsigned char *bytes = (const unsigned char *)from;
    return (struct progress_row){.step = (int64_t)get_64(bytes),
                                 .loss = of_bits(get_64(bytes + 8)),
                                 .gradient_norm = of_bits(get_64(bytes + 16)),
                                 .dtype = (enum dtype)bytes[24]};
}

static uint64_t rows_kept(uint64_t n) { return n < EVENTS_KEPT ? n : EVENTS_KEPT; }

static void write_number(struct writer *out, const char *member, double x) {
    write_text(out, member);
    write_double(out, x);
}

bool operation_encode(const void *object, struct writer *out) {
    struct operation *op = (struct operation *)(uintptr_t)object; /* for its locks */
    struct operation_moment m;
    operation_look(op, &m);
    write_text(out, "{\"id\":");
    write_string(out, op->id);
    write_text(out, ",\"method\":");
    write_string(out, op->method);
    write_text(out, ",\"session\":");
    write_string(out, op->session);
    write_number(out, ",\"created_at\":", op->created_at);
    write_number(out, ",\"started_at\":", m.started_at);
    write_number(out, ",\"done_at\":", m.done_at);
    write_text(out, m.answered ? ",\"done\":true" : ",\"done\":false");
    write_text(out, m.answered && op->failed ? ",\"failed\":true" : ",\"failed\":false");
    pthread_mutex_lock(&op->log.lock);
    const uint64_t n = op->log.n;
    write_text(out, ",\"events\":");
    write_int(out, (int64_t)n);
    write_text(out, op->log.any ? ",\"latest\":true}\n" : ",\"latest\":false}\n");
    write_row(out, &op->log.latest);
    for (uint64_t i = n - rows_kept(n) + 1; i <= n; i++)
        write_row(out, &op->log.rows[i % EVENTS_KEPT]);
    pthread_mutex_unlock(&op->log.lock);
    if (m.answered) write_bytes(out, op->answer.data, op->answer.length);
    return !out->full;
}

/* ---- reading ---- */

static bool is_true(const struct json *head, const char *member) {
    const struct json *v = json_member(head, member);
    return v && json_type(v) == JSON_BOOL && json_bool(v);
}

static bool read_text(const struct json *head, const char *member, char *out, size_t size) {
    const struct json *v = json_member(head, member);
    if (!v || json_type(v) != JSON_STRING || strlen(json_string(v)) >= size) return false;
    strcpy(out, json_string(v));
    return true;
}

static bool read_time(const struct json *head, const char *member, double *out) {
    const struct json *v = json_member(head, member);
    return v && json_double(v, out);
}

/* What stands behind the head. */
static bool read_tail(struct operation *op, const struct json *head, const char *at,
                      const char *end) {
    const struct json *events = json_member(head, "events");
    int64_t n;
    if (!events || !json_int(events, &n) || n < 0) return false;
    const uint64_t kept = rows_kept((uint64_t)n);
    if ((uint64_t)(end - at) < (kept + 1) * ROW_BYTES) return false;
    op->log.latest = read_row(at);
    op->log.any = is_true(head, "latest");
    op->log.n = (uint64_t)n;
    for (uint64_t i = 0; i < kept; i++)
        op->log.rows[(op->log.n - kept + 1 + i) % EVENTS_KEPT] = read_row(at += ROW_BYTES);
    at += ROW_BYTES;
    op->answer.ceiling = SIZE_MAX;
    write_bytes(&op->answer, at, (size_t)(end - at));
    return !op->answer.full;
}

static bool read_all(struct operation *op, const struct writer *kept, struct arena *arena,
                     bool *done, struct error *error) {
    char method[32];
    const char *end = kept->data + kept->length,
               *line = kept->length ? memchr(kept->data, '\n', kept->length) : NULL;
    struct json *head;
    if (!line || !json_parse(arena, kept->data, (size_t)(line - kept->data), 4, &head, error))
        return false;
    if (!read_text(head, "id", op->id, sizeof op->id) ||
        !read_text(head, "session", op->session, sizeof op->session) ||
        !read_text(head, "method", method, sizeof method) ||
        !read_time(head, "created_at", &op->created_at) ||
        !read_time(head, "started_at", &op->started_at) ||
        !read_time(head, "done_at", &op->done_at))
        return false;
    op->method = operation_method(method);
    op->failed = is_true(head, "failed");
    *done = is_true(head, "done");
    return op->method && read_tail(op, head, line + 1, end);
}

struct operation *operation_decode(const struct writer *kept, bool *was_interrupted,
                                   struct error *error) {
    struct arena arena;
    struct error why;
    bool done = false;
    struct operation *op = operation_new(error);
    if (!op) return NULL;
    arena_init(&arena, HEAD_BYTES);
    error_clear(&why);
    const bool ok = read_all(op, kept, &arena, &done, &why);
    arena_free(&arena);
    if (!ok) {
        operation_release(op);
        error_set(error, ERROR_STORE_FAILED, "what is kept of an operation is damaged");
        return NULL;
    }
    *was_interrupted = !done;
    if (done) return op;
    error_set(&why, ERROR_INTERRUPTED,
              "the server ended before the job was done; what it had committed stays");
    operation_fail(op, &why);
    op->done_at = wall_clock();
    return op;
}
