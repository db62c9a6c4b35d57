/* Failures as values: a stable code, a sentence with the offending values, and the place.
 * The vocabulary is one list; what each code means in HTTP is the api's business. */
#ifndef GRADD_CORE_ERROR_H
#define GRADD_CORE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#define ERROR_CODES(X)                                                                             \
    X(NONE, "none")                                                                                \
    X(INVALID_FRAMING, "invalid_framing")                                                          \
    X(INVALID_JSON, "invalid_json")                                                                \
    X(INVALID_REQUEST, "invalid_request")                                                          \
    X(INVALID_VALUE, "invalid_value")                                                              \
    X(SYNTAX_ERROR, "syntax_error")                                                                \
    X(UNKNOWN_OP, "unknown_op")                                                                    \
    X(UNBOUND_NAME, "unbound_name")                                                                \
    X(DUPLICATE_NAME, "duplicate_name")                                                            \
    X(CYCLE, "cycle")                                                                              \
    X(SHAPE_MISMATCH, "shape_mismatch")                                                            \
    X(DTYPE_MISMATCH, "dtype_mismatch")                                                            \
    X(MISSING_GRADIENT, "missing_gradient")                                                        \
    X(INVALID_ARGUMENT, "invalid_argument")                                                        \
    X(UNAUTHENTICATED, "unauthenticated")                                                          \
    X(FORBIDDEN, "forbidden")                                                                      \
    X(NOT_FOUND, "not_found")                                                                      \
    X(METHOD_NOT_ALLOWED, "method_not_allowed")                                                    \
    X(NOT_ACCEPTABLE, "not_acceptable")                                                            \
    X(UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type")                                            \
    X(ALREADY_EXISTS, "already_exists")                                                            \
    X(IN_PROGRESS, "in_progress")                                                                  \
    X(TAPE_CONSUMED, "tape_consumed")                                                              \
    X(TAPE_RECORDING_STATE, "tape_recording_state")                                                \
    X(PRECONDITION_FAILED, "precondition_failed")                                                  \
    X(NON_FINITE, "non_finite")                                                                    \
    X(BODY_TOO_LARGE, "body_too_large")                                                            \
    X(GRAPH_TOO_LARGE, "graph_too_large")                                                          \
    X(TOO_MANY_ELEMENTS, "too_many_elements")                                                      \
    X(TOO_MUCH_WORK, "too_much_work")                                                              \
    X(SESSION_TOO_LARGE, "session_too_large")                                                      \
    X(QUOTA_EXCEEDED, "quota_exceeded")                                                            \
    X(TOO_MANY_REQUESTS, "too_many_requests")                                                      \
    X(TOO_MANY_SESSIONS, "too_many_sessions")                                                      \
    X(TOO_MANY_TAPES, "too_many_tapes")                                                            \
    X(TOO_MANY_FUNCTIONS, "too_many_functions")                                                    \
    X(OVERLOADED, "overloaded")                                                                    \
    X(DRAINING, "draining")                                                                        \
    X(CANCELLED, "cancelled")                                                                      \
    X(DEADLINE_EXCEEDED, "deadline_exceeded")                                                      \
    X(MEMORY_BUDGET, "memory_budget")                                                              \
    X(SESSION_MEMORY, "session_memory")                                                            \
    X(DISK_FULL, "disk_full")                                                                      \
    X(STORE_FAILED, "store_failed")                                                                \
    X(INTERRUPTED, "interrupted")                                                                  \
    X(IDEMPOTENCY_MISMATCH, "idempotency_mismatch")                                                \
    X(ANSWER_LOST, "answer_lost")

enum error_code {
#define ERROR_ENUM(tag, text) ERROR_##tag,
    ERROR_CODES(ERROR_ENUM)
#undef ERROR_ENUM
        ERROR_CODE_COUNT
};

/* The first failure of a piece of work. Later failures do not overwrite it. */
struct error {
    enum error_code code;
    uint32_t line,
        column;        /* place in a text, counted from 1 in characters; 0 where there is none */
    char pointer[160]; /* RFC 6901 pointer into the request, "" where there is none */
    char node[80];     /* name of the graph's node or statement, "" where there is none */
    char detail[512];  /* one sentence, UTF-8, cut at a character where it is too long */
};

void error_clear(struct error *e);

/* Records a failure unless one is recorded already; always returns false, so that
 * `return error_set(...)` reads well. `format` is printf's. */
bool error_set(struct error *e, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a function that has a variable argument list of its own. */
bool error_vset(struct error *e, enum error_code code, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

/* Adds the JSON Pointer of a recorded failure unless it has one; always returns false. */
bool error_at(struct error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The code's name on the wire, such as "shape_mismatch". */
const char *error_name(enum error_code code);

/* True for the codes that say that a budget was too small for the work, and nothing else. */
bool error_is_limit(enum error_code code);

#endif
