/* Problems on the wire: the status and the title of every code. What went wrong in a particular
 * request is in the error; nothing here looks at it. */
#include "api/problem.h"

#include <assert.h>

/* In the order of ERROR_CODES. NONE is no failure; its row answers for a bug of ours. */
#define PROBLEMS(X)                                                                                \
    X(NONE, 500, "Internal error")                                                                 \
    X(INVALID_FRAMING, 400, "The request is not well-formed HTTP")                                 \
    X(INVALID_JSON, 400, "The body is not valid JSON")                                             \
    X(INVALID_REQUEST, 400, "The request does not have the expected form")                         \
    X(INVALID_VALUE, 400, "A value is not usable")                                                 \
    X(SYNTAX_ERROR, 400, "The expression has a syntax error")                                      \
    X(UNKNOWN_OP, 400, "No op has this name")                                                      \
    X(UNBOUND_NAME, 400, "A name has no value")                                                    \
    X(DUPLICATE_NAME, 400, "A name is defined twice")                                              \
    X(CYCLE, 400, "The graph has a cycle")                                                         \
    X(SHAPE_MISMATCH, 400, "Shapes do not broadcast")                                              \
    X(DTYPE_MISMATCH, 400, "Dtypes do not match")                                                  \
    X(MISSING_GRADIENT, 400, "A gradient that does not exist was used")                            \
    X(INVALID_ARGUMENT, 400, "An argument is not usable")                                          \
    X(UNAUTHENTICATED, 401, "The request has no valid token")                                      \
    X(FORBIDDEN, 403, "The request is not allowed")                                                \
    X(NOT_FOUND, 404, "Not found")                                                                 \
    X(METHOD_NOT_ALLOWED, 405, "The method is not allowed here")                                   \
    X(NOT_ACCEPTABLE, 406, "No acceptable representation")                                         \
    X(UNSUPPORTED_MEDIA_TYPE, 415, "The media type is not supported")                              \
    X(ALREADY_EXISTS, 409, "It exists already")                                                    \
    X(IN_PROGRESS, 409, "It is in use by a job")                                                   \
    X(TAPE_CONSUMED, 409, "The tape is used up")                                                   \
    X(TAPE_RECORDING_STATE, 409, "The tape is in another state")                                   \
    X(PRECONDITION_FAILED, 412, "It has changed since")                                            \
    X(NON_FINITE, 422, "A number is not finite")                                                   \
    X(BODY_TOO_LARGE, 413, "The body is too large")                                                \
    X(GRAPH_TOO_LARGE, 413, "The graph is too large")                                              \
    X(TOO_MANY_ELEMENTS, 413, "A tensor has too many elements")                                    \
    X(TOO_MUCH_WORK, 413, "The request asks for too much work")                                    \
    X(SESSION_TOO_LARGE, 413, "The session's program is too large")                                \
    X(QUOTA_EXCEEDED, 429, "The tenant's quota is used up")                                        \
    X(TOO_MANY_REQUESTS, 429, "There are too many requests")                                       \
    X(TOO_MANY_SESSIONS, 429, "There are too many sessions")                                       \
    X(TOO_MANY_TAPES, 429, "The session has too many tapes")                                       \
    X(TOO_MANY_FUNCTIONS, 429, "There are too many functions")                                     \
    X(OVERLOADED, 503, "The server is overloaded")                                                 \
    X(DRAINING, 503, "The server is shutting down")                                                \
    X(CANCELLED, 503, "The request was cancelled")                                                 \
    X(DEADLINE_EXCEEDED, 504, "The deadline has passed")                                           \
    X(MEMORY_BUDGET, 507, "The request needs too much memory")                                     \
    X(SESSION_MEMORY, 507, "The session holds too much memory")                                    \
    X(DISK_FULL, 507, "The disk is full")                                                          \
    X(STORE_FAILED, 503, "The store does not work")                                                \
    X(INTERRUPTED, 503, "The work was interrupted")                                                \
    X(IDEMPOTENCY_MISMATCH, 422, "The key was used for another request")

enum {
#define PROBLEM_ROW(tag, status, title) ROW_##tag,
    PROBLEMS(PROBLEM_ROW)
#undef PROBLEM_ROW
        ROW_COUNT
};

static_assert((int)ROW_COUNT == (int)ERROR_CODE_COUNT, "a code has no status and title");
#define PROBLEM_PLACE(tag, status, title)                                                          \
    static_assert((int)ROW_##tag == (int)ERROR_##tag, "not in the order of ERROR_CODES: " #tag);
PROBLEMS(PROBLEM_PLACE)
#undef PROBLEM_PLACE

static const struct {
    int status;
    const char *title;
} problems[] = {
#define PROBLEM_ENTRY(tag, status, title) {status, title},
    PROBLEMS(PROBLEM_ENTRY)
#undef PROBLEM_ENTRY
};

int problem_status(enum error_code code) { return problems[code].status; }

static void write_member(struct writer *w, const char *name, const char *text) {
    write_text(w, ",\"");
    write_text(w, name);
    write_text(w, "\":");
    write_string(w, text);
}

void problem_write(struct writer *w, const struct error *e, const char *request_id) {
    const char *code = error_name(e->code);
    write_text(w, "{\"type\":\"/problems/");
    write_text(w, code);
    write_text(w, "\"");
    write_member(w, "title", problems[e->code].title);
    write_text(w, ",\"status\":");
    write_int(w, problems[e->code].status);
    write_member(w, "code", code);
    write_member(w, "detail", e->detail);
    if (e->pointer[0]) write_member(w, "pointer", e->pointer);
    if (e->line) {
        write_text(w, ",\"line\":");
        write_int(w, e->line);
        write_text(w, ",\"column\":");
        write_int(w, e->column);
    }
    if (e->node[0]) write_member(w, "node", e->node);
    if (request_id) write_member(w, "request_id", request_id);
    write_text(w, "}");
}
