/* Problems on the wire: the status, the title and the meaning of every code. What went wrong in a particular
 * request is in the error; nothing here looks at it. */
#include "api/problem.h"

#include <assert.h>

#include "api/service.h"

/* In the order of ERROR_CODES: code, status, title, and what it means. NONE is no failure; its row answers for a
 * bug of ours. */
#define PROBLEMS(X)                                                                                \
    X(NONE, 500, "Internal error", "A mistake of gradd's own.")                                    \
    X(INVALID_FRAMING, 400, "The request is not well-formed HTTP",                                 \
      "Headers contradict each other, are there twice, or are malformed. The connection is "       \
      "closed.")                                                                                   \
    X(INVALID_JSON, 400, "The body is not valid JSON",                                             \
      "The body breaks the grammar of JSON; the sentence says where.")                             \
    X(INVALID_REQUEST, 400, "The request does not have the expected form",                         \
      "A member is missing, unknown, or of another type than expected.")                           \
    X(INVALID_VALUE, 400, "A value is not usable",                                                 \
      "A value has the right type, but is out of range, ragged, or none of the words expected.")   \
    X(SYNTAX_ERROR, 400, "The expression has a syntax error",                                      \
      "The graph's text breaks the grammar of expressions at the line and column given.")          \
    X(UNKNOWN_OP, 400, "No op has this name",                                                      \
      "The graph calls what is no op; the nearest name is proposed.")                              \
    X(UNBOUND_NAME, 400, "A name has no value",                                                    \
      "The graph or the request reads a name that nothing binds.")                                 \
    X(DUPLICATE_NAME, 400, "A name is defined twice",                                              \
      "A name is assigned or bound a second time.")                                                \
    X(CYCLE, 400, "The graph has a cycle",                                                         \
      "Nodes of the graph need each other; the sentence has the path.")                            \
    X(SHAPE_MISMATCH, 400, "Shapes do not broadcast",                                              \
      "Shapes do not go together in the op or binding named.")                                     \
    X(DTYPE_MISMATCH, 400, "Dtypes do not match",                                                  \
      "Dtypes do not go together: bindings never promote. cast converts.")                         \
    X(MISSING_GRADIENT, 400, "A gradient that does not exist was used",                            \
      "A gradient that is null was computed with, or no gradient was given at all.")               \
    X(INVALID_ARGUMENT, 400, "An argument is not usable",                                          \
      "An op, optimizer or method does not take this argument, or not with these tensors.")        \
    X(UNAUTHENTICATED, 401, "The request has no valid token",                                      \
      "The header Authorization is missing, or its token is not one of those of --tokens.")        \
    X(FORBIDDEN, 403, "The request is not allowed",                                                \
      "The token has not the scope, or the web origin or the host's name is not allowed.")         \
    X(NOT_FOUND, 404, "Not found",                                                                 \
      "There is no such route, session, variable, tape, function or operation.")                   \
    X(METHOD_NOT_ALLOWED, 405, "The method is not allowed here",                                   \
      "The path has other methods; Allow lists them.")                                             \
    X(NOT_ACCEPTABLE, 406, "No acceptable representation",                                         \
      "Accept excludes the form of the answer.")                                                   \
    X(UNSUPPORTED_MEDIA_TYPE, 415, "The media type is not supported",                              \
      "Content-Type is not one that this route reads, or the body is encoded.")                    \
    X(ALREADY_EXISTS, 409, "It exists already", "The name is taken.")                              \
    X(IN_PROGRESS, 409, "It is in use by a job",                                                   \
      "A job works on the session, or the first request of this key still runs. Try later.")       \
    X(TAPE_CONSUMED, 409, "The tape is used up",                                                   \
      "A tape that is not persistent has answered once.")                                          \
    X(TAPE_RECORDING_STATE, 409, "The tape is in another state",                                   \
      "The tape records, or does not, where this wants the opposite.")                             \
    X(PRECONDITION_FAILED, 412, "It has changed since",                                            \
      "If-Match has an ETag that is no longer the current one; nothing has changed.")              \
    X(NON_FINITE, 422, "A number is not finite",                                                   \
      "A gradient is not finite, and non_finite does not say what to do then.")                    \
    X(BODY_TOO_LARGE, 413, "The body is too large",                                                \
      "The body has more bytes than max_body_bytes.")                                              \
    X(GRAPH_TOO_LARGE, 413, "The graph is too large",                                              \
      "The graph has too many nodes, the request is nested too deeply, or a tensor has too many "  \
      "axes.")                                                                                     \
    X(TOO_MANY_ELEMENTS, 413, "A tensor has too many elements",                                    \
      "A tensor would have more elements than max_elements.")                                      \
    X(TOO_MUCH_WORK, 413, "The request asks for too much work",                                    \
      "The estimated operations are more than max_work, or max_job_work.")                         \
    X(SESSION_TOO_LARGE, 413, "The session's program is too large",                                \
      "The session's tapes would hold more nodes than max_session_nodes.")                         \
    X(QUOTA_EXCEEDED, 429, "The tenant's quota is used up",                                        \
      "The tenant holds as much as its line in the file of tokens allows.")                        \
    X(TOO_MANY_REQUESTS, 429, "There are too many requests",                                       \
      "The tenant asks too often, or too many connections or streams are open. Try later.")        \
    X(TOO_MANY_SESSIONS, 429, "There are too many sessions", "There are max_sessions already.")    \
    X(TOO_MANY_TAPES, 429, "The session has too many tapes", "The session has max_tapes already.") \
    X(TOO_MANY_FUNCTIONS, 429, "There are too many functions", "There are max_functions already.") \
    X(OVERLOADED, 503, "The server is overloaded",                                                 \
      "Too many requests or jobs wait already, or others hold the memory for a moment. Try again " \
      "after Retry-After.")                                                                        \
    X(DRAINING, 503, "The server is shutting down",                                                \
      "The server ends. Try again after Retry-After.")                                             \
    X(CANCELLED, 503, "The request was cancelled",                                                 \
      "The client left, or the job was cancelled before it began.")                                \
    X(DEADLINE_EXCEEDED, 504, "The deadline has passed",                                           \
      "It took longer than timeout_seconds or max_seconds, and there is no partial answer.")       \
    X(MEMORY_BUDGET, 507, "The request needs too much memory",                                     \
      "It would take more memory than a request may, or than the process has.")                    \
    X(SESSION_MEMORY, 507, "The session holds too much memory",                                    \
      "The session would hold more bytes than max_session_bytes.")                                 \
    X(DISK_FULL, 507, "The disk is full", "The change could not be kept, and has not happened.")   \
    X(STORE_FAILED, 503, "The store does not work",                                                \
      "The store could not be read or written; the log says why.")                                 \
    X(INTERRUPTED, 503, "The work was interrupted",                                                \
      "The server ended before the job was done; what it had committed stays.")                    \
    X(IDEMPOTENCY_MISMATCH, 422, "The key was used for another request",                           \
      "The Idempotency-Key belongs to another request.")                                           \
    X(ANSWER_LOST, 507, "The answer was not kept",                                                 \
      "The request of the Idempotency-Key was done, and there was no memory to keep its answer.")

enum {
#define PROBLEM_ROW(tag, status, title, meaning) ROW_##tag,
    PROBLEMS(PROBLEM_ROW)
#undef PROBLEM_ROW
        ROW_COUNT
};

static_assert((int)ROW_COUNT == (int)ERROR_CODE_COUNT, "a code has no status and title");
#define PROBLEM_PLACE(tag, status, title, meaning)                                                 \
    static_assert((int)ROW_##tag == (int)ERROR_##tag, "not in the order of ERROR_CODES: " #tag);
PROBLEMS(PROBLEM_PLACE)
#undef PROBLEM_PLACE

static const struct {
    int status;
    const char *title, *meaning;
} problems[] = {
#define PROBLEM_ENTRY(tag, status, title, meaning) {status, title, meaning},
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

bool service_problems(const struct service_call *call, struct writer *out, struct error *error) {
    (void)call;
    write_text(out, "{\"problems\":[");
    for (int code = 1; code < (int)ROW_COUNT; code++) {
        write_text(out, code > 1 ? ",{\"code\":" : "{\"code\":");
        write_string(out, error_name((enum error_code)code));
        write_text(out, ",\"status\":");
        write_int(out, problems[code].status);
        write_member(out, "title", problems[code].title);
        write_member(out, "meaning", problems[code].meaning);
        write_text(out, "}");
    }
    write_text(out, "]}");
    return !out->full || error_set(error, ERROR_MEMORY_BUDGET, "the answer is too large");
}
