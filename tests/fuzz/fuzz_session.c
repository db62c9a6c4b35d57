/* Any sequence of requests on two sessions. Each line is one: a letter, a bracket or a digit for the route (a
 * capital letter, '[' and a digit from 5 on ask the second session), the path's place up to a space, the body. What fails must have changed
 * nothing, at whatever byte or allocation it fails; what is asked again is answered the same; what is
 * copied or exported and imported is the same session. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/problem.h"
#include "api/registry.h"
#include "api/session_io.h"
#include "api/session_services.h"
#include "api/training.h"
#include "tests/fuzz/fuzz.h"

/* Small, so that a few requests meet every limit. */
static const struct service_limits limits = {
    .max_body_bytes = 1 << 20,
    .max_json_depth = 32,
    .max_expression_depth = 64,
    .max_nodes = 1000,
    .max_rank = 8,
    .max_elements = 1 << 13,
    .max_request_bytes = 8 << 20,
    .max_work = 1000000,
    .max_answer_bytes = 256 << 10,
    .max_seconds = 60,
    .max_session_bytes = 512 << 10,
    .max_session_nodes = 2000,
    .max_tapes = 6,
};
enum { LINES_MOST = 40, TRIES_MOST = 60 };

/* ---- allocations that fail ---- */

/* The allocation after so many more fails, alone; below 0: none. */
static long until_failure = -1;
static bool has_failed;

static bool fails(void) {
    if (until_failure < 0 || until_failure-- > 0) return false;
    return has_failed = true;
}

/* The linker puts these in the place of the library's. */
#define WRAP(name, parameters, ...)                                                                \
    void *__real_##name parameters;                                                                \
    void *__wrap_##name parameters;                                                                \
    void *__wrap_##name parameters { return fails() ? NULL : __real_##name(__VA_ARGS__); }
WRAP(malloc, (size_t size), size)
WRAP(calloc, (size_t n, size_t size), n, size)
WRAP(realloc, (void *memory, size_t size), memory, size)
WRAP(aligned_alloc, (size_t alignment, size_t size), alignment, size)

/* ---- one request ---- */

static const service_function routes[] = {
    ['a'] = service_execute,
    ['b'] = service_tape_open,
    ['c'] = service_tape_list,
    ['d'] = service_tape_get,
    ['e'] = service_tape_delete,
    ['f'] = service_tape_watch,
    ['g'] = service_tape_stop,
    ['h'] = service_tape_resume,
    ['i'] = service_tape_reset,
    ['j'] = service_tape_gradient,
    ['k'] = service_tape_jacobian,
    ['l'] = service_tape_batch_jacobian,
    ['m'] = service_tape_jvp,
    ['n'] = service_variables_put,
    ['o'] = service_variable_put,
    ['p'] = service_variable_get,
    ['q'] = service_variable_delete,
    ['r'] = service_variable_assign,
    ['s'] = service_variable_assign_add,
    ['t'] = service_constant_put,
    ['u'] = service_constant_delete,
    ['v'] = service_tensor_delete,
    ['w'] = service_session_patch,
    ['x'] = service_session_get,
    ['y'] = service_session_export,
    ['{'] = service_minimize,
};
static const service_function optimizer_routes[] = {service_optimizer_put, service_optimizer_patch,
                                                    service_apply_gradients, service_optimizer_get,
                                                    service_optimizer_delete};
enum { OPTIMIZER_ROUTES = sizeof optimizer_routes / sizeof *optimizer_routes };

struct line {
    service_function function;
    char place[32];
    const char *body;
    size_t length;
};

static struct plan_cache *plans(void) {
    static struct plan_cache *cache;
    if (!cache) cache = plan_cache_new(64, 4 << 20, 42);
    return cache;
}

/* The answer, or an empty one after a failure. */
static enum error_code ask(struct session *s, const struct line *line, struct writer *out) {
    struct error error;
    struct service_reply reply = {0};
    const char *places[] = {s->id, line->place};
    const struct service_call call = {.plans = plans(),
                                      .limits = &limits,
                                      .seed = 42,
                                      .body = line->body,
                                      .body_length = line->length,
                                      .places = places,
                                      .session = s,
                                      .reply = &reply};
    error_clear(&error);
    writer_init(out, (size_t)limits.max_answer_bytes);
    const bool ok = line->function(&call, out, &error);
    until_failure = -1;
    if (ok && error.code) fuzz_fail("an answer with a failure recorded");
    if (ok) return ERROR_NONE;
    if (!error.code || !error.detail[0]) fuzz_fail("a failure without a sentence");
    writer_free(out);
    writer_init(out, (size_t)limits.max_answer_bytes);
    return error.code;
}

/* All of a session that a client can see. */
static void look(struct session *s, struct writer *out) {
    const struct line tapes = {.function = service_tape_list, .body = ""};
    struct writer list;
    if (ask(s, &tapes, &list)) fuzz_fail("tapes cannot be listed");
    writer_init(out, 64 << 20);
    session_write_export(out, s);
    write_bytes(out, list.data, list.length);
    write_int(out, (int64_t)s->changes);
    write_int(out, (int64_t)s->last_id);
    write_int(out, (int64_t)s->last_tape);
    write_int(out, (int64_t)s->consumed);
    writer_free(&list);
}

/* What a session pays for, but for the room in its table of names, which may have grown. */
static size_t bytes_of(const struct session *s) {
    return session_bytes(s) - s->items.capacity * sizeof *s->items.list -
           s->items.n_slots * sizeof *s->items.slots;
}

static bool same(const struct writer *x, const struct writer *y) {
    return x->length == y->length && (!x->length || memcmp(x->data, y->data, x->length) == 0);
}

static bool is_limit(enum error_code code) {
    return code == ERROR_SESSION_MEMORY || code == ERROR_MEMORY_BUDGET;
}

/* The same of a request that must leave no trace where it fails. */
static enum error_code try(struct session *s, const struct line *line, struct writer *out) {
    struct writer before, after;
    const size_t bytes = bytes_of(s);
    const long armed = until_failure;
    until_failure = -1;
    look(s, &before);
    until_failure = armed;
    has_failed = false;
    const enum error_code code = ask(s, line, out);
    look(s, &after);
    if (session_bytes(s) > s->account.limit) fuzz_fail("a session holds more than it may");
    if (code && !same(&before, &after)) {
        fprintf(stderr, "%.*s\n%.*s\n", (int)before.length, before.data, (int)after.length,
                after.data);
        fuzz_fail("what failed has changed the session");
    }
    if (code && bytes_of(s) != bytes) {
        fprintf(stderr, "%zu bytes, then %zu\n", bytes, bytes_of(s));
        fuzz_fail("what failed has left memory behind");
    }
    writer_free(&before);
    writer_free(&after);
    return code;
}

static bool is_question(const struct line *line) {
    return line->function == service_tape_gradient || line->function == service_tape_jacobian ||
           line->function == service_tape_batch_jacobian || line->function == service_tape_jvp;
}

static void run(struct session *s, const struct line *line) {
    struct writer first, second;
    const uint64_t changes = s->changes;
    const enum error_code code = try(s, line, &first);
    if (!code && first.length && !first.full) fuzz_expect_json(first.data, first.length);
    if (!code && is_question(line) && s->changes == changes) {
        if (try(s, line, &second) || !same(&first, &second))
            fuzz_fail("the same question was answered otherwise");
        writer_free(&second);
    }
    writer_free(&first);
}

/* Under limits that let it come a little further each time. */
static void squeeze(struct session *s, const struct line *line, size_t step) {
    const size_t limit = s->account.limit;
    struct writer out;
    for (int i = 0; i < TRIES_MOST; i++) {
        const size_t bytes = session_bytes(s) + (size_t)i * step;
        if (bytes >= limit) break;
        s->account.limit = bytes;
        const enum error_code code = try(s, line, &out);
        writer_free(&out);
        s->account.limit = limit;
        if (!is_limit(code)) return;
    }
    run(s, line);
}

/* With one allocation failing, another one each time. */
static void starve(struct session *s, const struct line *line) {
    struct writer out;
    for (int i = 0; i < TRIES_MOST; i++) {
        until_failure = i;
        const enum error_code code = try(s, line, &out);
        writer_free(&out);
        if (!code || !has_failed) return;
    }
    run(s, line);
}

/* ---- an input ---- */

static struct session *new_session(const char *id) {
    static float x = 2, v[3] = {1, -2, 3}, m[4] = {1, 2, 3, 4};
    static int32_t n = 3;
    const struct {
        const char *name;
        enum item_kind kind;
        struct tensor value;
    } items[] = {
        {"x", ITEM_VARIABLE, {DTYPE_F32, {0, {0}}, &x}},
        {"v", ITEM_VARIABLE, {DTYPE_F32, {1, {3}}, v}},
        {"m", ITEM_VARIABLE, {DTYPE_F32, {2, {2, 2}}, m}},
        {"n", ITEM_VARIABLE, {DTYPE_I32, {0, {0}}, &n}},
        {"c", ITEM_CONSTANT, {DTYPE_F32, {0, {0}}, &x}},
    };
    struct session *s = session_new(id, DTYPE_F32, (size_t)limits.max_session_bytes);
    for (size_t i = 0; i < sizeof items / sizeof *items; i++)
        session_add(s, items[i].name, 1, items[i].kind, true, &items[i].value);
    return s;
}

/* Names, values, tapes, and the optimizer. */
static void look_at_all(struct session *s, struct writer *out) {
    static const service_function lists[] = {service_variables_get, service_constants_get,
                                             service_tensors_get};
    const struct recording *tape = s->recorder ? s->recorder->tapes : NULL;
    writer_init(out, 64 << 20);
    for (size_t i = 0; i < 3; i++) {
        const struct line line = {.function = lists[i]};
        struct writer list;
        ask(s, &line, &list);
        write_bytes(out, list.data, list.length);
        writer_free(&list);
    }
    for (; tape; tape = tape->next) {
        write_text(out, tape->is_recording ? " recording " : " stopped ");
        write_int(out, (int64_t)tape->number);
        write_text(out, " watches ");
        write_int(out, tape->n_watched);
    }
    if (s->training) training_write(out, s, true, FORMAT_BASE64);
}

static void compare(struct session *s, struct session *made, const struct writer *text) {
    struct writer before, after;
    look_at_all(s, &before);
    look_at_all(made, &after);
    if (!same(&before, &after)) {
        fprintf(stderr, "%.*s\n%.*s\n%.*s\n", (int)text->length, text->data, (int)before.length,
                before.data, (int)after.length, after.data);
        fuzz_fail("an import is another session");
    }
    writer_free(&before);
    writer_free(&after);
}

/* What is imported is what was exported. */
static void import_again(struct session *s) {
    struct writer text, answer;
    struct error error;
    struct service_reply reply = {0};
    struct service_call call = {.plans = plans(), .limits = &limits, .seed = 42, .reply = &reply};
    call.registry = registry_new(1, 64, 42);
    error_clear(&error);
    writer_init(&answer, (size_t)limits.max_answer_bytes);
    writer_init(&text, (size_t)limits.max_body_bytes);
    write_text(&text, "{");
    session_write_export(&text, s);
    write_text(&text, "}");
    call.body = text.data;
    call.body_length = text.length;
    if (text.full) {
        /* It is too long for a body. */
    } else if (service_sessions_import(&call, &answer, &error)) {
        compare(s, seat_session(reply.created), &text);
        registry_release(call.registry, reply.created, 0);
    } else if (!is_limit(error.code)) {
        fprintf(stderr, "%.*s\n%s %s\n", (int)text.length, text.data, error.detail, error.pointer);
        fuzz_fail("an export cannot be imported");
    }
    registry_free(call.registry);
    writer_free(&answer);
    writer_free(&text);
}

/* A copy goes on in the place of the session. */
static void copy(struct session **s) {
    struct session *made = session_copy(*s, (*s)->id, (*s)->account.limit);
    struct writer before, after;
    if (!made) return;
    look(*s, &before);
    look(made, &after);
    if (!same(&before, &after)) fuzz_fail("a copy is another session");
    writer_free(&before);
    writer_free(&after);
    session_free(*s);
    *s = made;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool asks_second(char route) {
    return is_digit(route) ? route - '0' >= OPTIMIZER_ROUTES : (route & 0x20) == 0;
}

static service_function find_route(char c) {
    const unsigned char letter = (unsigned char)(c | 0x20);
    if (is_digit(c)) return optimizer_routes[(c - '0') % OPTIMIZER_ROUTES];
    return letter >= 'a' && letter <= '{' ? routes[letter] : NULL;
}

static bool read_line(const char *at, size_t n, struct line *out) {
    const service_function function = find_route(*at);
    const char *space = memchr(at, ' ', n);
    const size_t place = space ? (size_t)(space - at) - 1 : n - 1;
    if (!function || place >= sizeof out->place) return false;
    *out = (struct line){.function = function,
                         .body = space ? space + 1 : at + n,
                         .length = space ? n - place - 2 : 0};
    memcpy(out->place, at + 1, place);
    return true;
}

static void play(struct session *sessions[2], const char *at, const char *end) {
    size_t step = 0;
    bool starves = false;
    for (int lines = 0; at < end && lines < LINES_MOST; lines++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const size_t n = (size_t)((newline ? newline : end) - at);
        struct session **s = &sessions[n && asks_second(*at)];
        struct line line;
        if (n && *at == '!')
            step = n > 1 && at[1] > '0' && at[1] <= '9' ? (size_t)(at[1] - '0') * 48 : 0;
        else if (n && *at == '~')
            starves = !starves;
        else if (n && *at == '@')
            import_again(sessions[n > 1 && at[1] == '@']);
        else if (n && (*at == 'z' || *at == 'Z'))
            copy(s);
        else if (n && read_line(at, n, &line)) {
            if (starves)
                starve(*s, &line);
            else if (step)
                squeeze(*s, &line, step);
            else
                run(*s, &line);
        }
        at += n + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct session *sessions[2] = {new_session("one"), new_session("two")};
    play(sessions, (const char *)data, (const char *)data + size);
    session_free(sessions[0]);
    session_free(sessions[1]);
    return 0;
}
