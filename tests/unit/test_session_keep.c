/* Sessions as a store keeps them: what comes back says of itself what it said before, and does the same
 * with the next request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/session.h"
#include "api/session_services.h"
#include "exchanges.h"
#include "server/keeper.h"

static struct engine engine;
static struct got got;

static int start(void **state) {
    char problem[256];
    (void)state;
    const struct service_limits limits = service_limits_default;
    return engine_init(&engine, &limits, problem, sizeof problem) ? 0 : -1;
}

static void forget(int64_t from, int64_t to);

static int stop(void **state) {
    (void)state;
    forget(INT64_MIN, INT64_MAX);
    engine_free(&engine);
    return 0;
}

/* "METHOD path body" below the session, whose answer has that status. */
struct request_line {
    const char *method, *path, *body;
    int status;
};

static void ask(const struct request_line *r) {
    char path[128] = "/v1/sessions/s";
    strcat(path, r->path);
    const int status = request_ask(&engine, r->method, path, r->body, &got);
    if (status != r->status) fail_msg("%s %s: %d %s", r->method, path, status, got.body);
}

static struct seat *hold(void) {
    struct seat *seat = NULL;
    struct error error;
    error_clear(&error);
    assert_int_equal(
        registry_acquire(engine.tenant->registry, "s", NULL, clock_coarse(), &seat, &error),
        REGISTRY_HELD);
    return seat;
}

static struct writer encode(const struct session *s) {
    struct writer out;
    writer_init(&out, 1 << 24);
    assert_true(session_encode(s, &out));
    return out;
}

static struct session *decode(const struct writer *kept) {
    struct error error;
    error_clear(&error);
    const struct service_call call = {.plans = engine.plans,
                                      .known = engine.known,
                                      .limits = &engine.limits,
                                      .seed = engine.seed,
                                      .body = kept->data,
                                      .body_length = kept->length,
                                      .registry = engine.tenant->registry,
                                      .functions = engine.tenant->functions};
    struct session *s = session_decode(&call, &error);
    if (!s) fail_msg("%s %s", error.detail, error.pointer);
    return s;
}

static void assert_same(const struct writer *a, const struct writer *b) {
    if (a->length == b->length && memcmp(a->data, b->data, a->length) == 0) return;
    fail_msg("%.*s\nis not\n%.*s", (int)a->length, a->data, (int)b->length, b->data);
}

/* ---- a store that has what it was told ---- */

static struct {
    struct told_part {
        int64_t number;
        struct writer bytes;
    } list[256]; /* in the order of their numbers */
    size_t n;
} told;

static size_t place_of(int64_t number) {
    size_t i = 0;
    while (i < told.n && told.list[i].number < number) i++;
    return i;
}

static void forget(int64_t from, int64_t to) {
    const size_t first = place_of(from);
    while (first < told.n && told.list[first].number <= to) {
        writer_free(&told.list[first].bytes);
        told.n--;
        memmove(&told.list[first], &told.list[first + 1], (told.n - first) * sizeof *told.list);
    }
}

static void tell(const struct parts *parts) {
    if (parts->whole) forget(INT64_MIN, INT64_MAX);
    for (size_t i = 0; i < parts->n; i++) {
        const struct part *part = &parts->list[i];
        forget(part->from, part->to);
        if (part->gone) continue;
        const size_t at = place_of(part->from);
        assert_true(told.n < 256);
        memmove(&told.list[at + 1], &told.list[at], (told.n - at) * sizeof *told.list);
        told.n++;
        told.list[at].number = part->from;
        writer_init(&told.list[at].bytes, 1 << 24);
        size_t n;
        const char *bytes = parts_bytes(parts, i, &n);
        write_bytes(&told.list[at].bytes, bytes, n);
    }
}

/* Told of what has changed alone, it has the whole. */
static void tell_of_changes(void) {
    struct parts changes;
    struct writer joined;
    struct seat *seat = hold();
    parts_init(&changes);
    assert_true(session_encode_parts(seat_session(seat), &changes));
    tell(&changes);
    parts_free(&changes);
    struct writer whole = encode(seat_session(seat));
    writer_init(&joined, 1 << 24);
    for (size_t i = 0; i < told.n; i++)
        write_bytes(&joined, told.list[i].bytes.data, told.list[i].bytes.length);
    assert_same(&joined, &whole);
    writer_free(&joined);
    writer_free(&whole);
    registry_release(engine.tenant->registry, seat, clock_coarse());
}

/* Puts the session away and brings it back, so that what is asked next is asked of what came back. */
static void restart(void) {
    struct seat *seat = hold();
    struct writer before = encode(seat_session(seat));
    registry_remove(engine.tenant->registry, seat);
    registry_release(engine.tenant->registry, seat, clock_coarse());
    struct error error;
    error_clear(&error);
    seat = registry_add(engine.tenant->registry, decode(&before), clock_coarse(), &error);
    assert_non_null(seat);
    struct writer after = encode(seat_session(seat));
    registry_release(engine.tenant->registry, seat, clock_coarse());
    assert_same(&before, &after);
    writer_free(&before);
    writer_free(&after);
}

static void play(const struct request_line *lines, size_t n, size_t restarts_behind) {
    for (size_t i = 0; i < n; i++) {
        ask(&lines[i]);
        tell_of_changes();
        if (i == restarts_behind) restart();
    }
}

/* Whatever the moment of the restart, the last answer is that of a run without one. */
static void holds_at_every_moment(const struct request_line *lines, size_t n) {
    static char wanted[sizeof got.body];
    play(lines, n, n);
    strcpy(wanted, got.body);
    for (size_t i = 0; i + 1 < n; i++) {
        const struct request_line gone = {"DELETE", "", NULL, 204};
        ask(&gone);
        play(lines, n, i);
        assert_string_equal(got.body, wanted);
    }
}

#define HOLDS(...)                                                                                 \
    do {                                                                                           \
        static const struct request_line lines[] = {__VA_ARGS__};                                  \
        (void)state;                                                                               \
        holds_at_every_moment(lines, sizeof lines / sizeof *lines);                                \
    } while (0)

static const char two[] =
    "{\"dtype\":\"float64\",\"variables\":{\"x\":2.0,\"y\":3.0},"
    "\"constants\":{\"c\":5.0},\"labels\":{\"a\":\"b\"},\"ttl_seconds\":7200}";

static void items_come_back_with_their_tags(void **state) {
    HOLDS({"PUT", "", two, 201}, {"POST", "/variables/x/assign_add", "{\"value\":0.1}", 200},
          {"DELETE", "/constants/c", NULL, 204},
          {"PUT", "/variables/i",
           "{\"value\":{\"dtype\":\"int64\",\"shape\":[2],\"data\":[1,-9007199254740993]},"
           "\"trainable\":false}",
           201},
          {"PUT", "/variables/n", "{\"value\":[\"NaN\",\"-Infinity\",-0.0]}", 201},
          {"POST", "/execute", "{\"graph\":\"t = x * y\",\"fetch\":\"t\"}", 200},
          {"PATCH", "", "{\"labels\":{\"z\":\"w\"}}", 200}, {"GET", "/variables", NULL, 200});
}

/* More goes at once than a list of what is gone has room for. */
static void many_items_go(void **state) {
    HOLDS({"PUT", "",
           "{\"constants\":{\"c0\":0,\"c1\":1,\"c2\":2,\"c3\":3,\"c4\":4,\"c5\":5,\"c6\":6,\"c7\":"
           "7,\"c8\":8,\"c9\":9,\"c10\":10,\"c11\":11,\"c12\":12,\"c13\":13,\"c14\":14,\"c15\":15,"
           "\"c16\":16,\"c17\":17,\"c18\":18,\"c19\":19}}",
           201},
          {"PATCH", "", "{\"constants\":{\"c3\":null,\"c4\":null,\"c9\":null}}", 200},
          {"PATCH", "",
           "{\"constants\":{\"c0\":null,\"c2\":null,\"c6\":null,\"c8\":null,\"c10\":null,\"c12\":"
           "null,\"c14\":null,\"c16\":null,\"c18\":null}}",
           200},
          {"GET", "/constants", NULL, 200});
}

static void an_optimizer_comes_back_with_its_slots(void **state) {
    HOLDS({"PUT", "", two, 201},
          {"PUT", "/optimizer", "{\"name\":\"Adam\",\"learning_rate\":0.1,\"amsgrad\":true}", 201},
          {"POST", "/apply_gradients", "{\"grads_and_vars\":[[1.5,\"x\"],[-2,\"y\"]]}", 200},
          {"POST", "/apply_gradients", "{\"grads_and_vars\":[[0.5,\"x\"]]}", 200},
          {"POST", "/minimize", "{\"graph\":\"(x - 1) ** 2 + y ** 2\",\"steps\":3}", 200},
          {"POST", "/apply_gradients", "{\"grads_and_vars\":[[0.1,\"x\"],[1,\"y\"]]}", 200});
}

static void tapes_come_back_as_they_were(void **state) {
    HOLDS(
        {"PUT", "", two, 201}, {"POST", "/tapes", "{\"persistent\":true}", 201},
        {"POST", "/tapes", "{}", 201},
        {"POST", "/execute", "{\"graph\":\"z = (x + c) * y ** 2\"}", 200},
        {"POST", "/tapes/t2/gradient",
         "{\"target\":\"z\",\"sources\":[\"x\",\"y\"],\"as\":[\"g1\",\"g2\"]}", 200},
        {"POST", "/variables/x/assign", "{\"value\":-1}", 200}, {"POST", "/tapes/t1/stop", "", 200},
        {"POST", "/tapes/t1/gradient", "{\"target\":[\"g1\",\"g2\"],\"sources\":[\"x\",\"y\"]}",
         200},
        {"POST", "/tapes/t2/gradient", "{\"target\":\"z\",\"sources\":\"x\"}", 409},
        {"POST", "/tapes", "{}", 201},
        {"POST", "/tapes/t1/gradient", "{\"target\":\"z\",\"sources\":[\"x\",\"y\",\"c\"]}", 200});
}

/* What the inner tape watched is gone when its gradient is asked for by all that it watches. */
static void what_was_deleted_is_not_there_again(void **state) {
    HOLDS({"PUT", "", two, 201}, {"POST", "/tapes", "{\"persistent\":true}", 201},
          {"POST", "/tapes", "{\"persistent\":true}", 201},
          {"POST", "/execute", "{\"graph\":\"z = x ** 3 * y\"}", 200},
          {"DELETE", "/variables/y", NULL, 204},
          {"POST", "/tapes/t2/gradient", "{\"target\":\"z\",\"as\":{\"x\":\"g\"}}", 200},
          {"POST", "/tapes/t1/gradient", "{\"target\":\"g\",\"sources\":\"x\"}", 200},
          {"POST", "/tapes/t1/stop", "", 200}, {"GET", "/tapes/t1", NULL, 200},
          {"POST", "/tapes/t1/gradient", "{\"target\":\"g\",\"sources\":\"x\"}", 200});
}

/* A name that a variable gave up is another's, and then a third's. */
static void a_name_may_go_from_one_to_another(void **state) {
    HOLDS({"PUT", "", two, 201}, {"POST", "/tapes", "{\"persistent\":true}", 201},
          {"POST", "/execute", "{\"graph\":\"z = x * y\"}", 200},
          {"DELETE", "/variables/y", NULL, 204}, {"PUT", "/variables/y", "{\"value\":7}", 201},
          {"POST", "/execute", "{\"graph\":\"w = x * y\"}", 200},
          {"DELETE", "/variables/y", NULL, 204},
          {"POST", "/execute", "{\"graph\":\"y = x * z\"}", 200},
          {"POST", "/execute", "{\"graph\":\"v = y + w\"}", 200},
          {"POST", "/tapes/t1/gradient", "{\"target\":\"v\",\"sources\":\"x\"}", 200});
}

/* What said that a variable is gone stays in the journal, whatever ends meanwhile. */
static void what_ended_said_what_is_gone(void **state) {
    HOLDS({"PUT", "", two, 201}, {"POST", "/tapes", "{\"persistent\":true}", 201},
          {"POST", "/execute", "{\"graph\":\"z = x * y\"}", 200},
          {"POST", "/tapes/t1/stop", "", 200}, {"DELETE", "/variables/y", NULL, 204},
          {"POST", "/tapes", "{}", 201}, {"POST", "/execute", "{\"graph\":\"q = x + 1\"}", 200},
          {"DELETE", "/tapes/t2", NULL, 204}, {"POST", "/tapes/t1/resume", "", 200},
          {"POST", "/execute", "{\"graph\":\"y = x * z\"}", 200},
          {"POST", "/tapes/t1/gradient", "{\"target\":\"y\"}", 200});
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(items_come_back_with_their_tags),        TEST(many_items_go),
        TEST(an_optimizer_comes_back_with_its_slots), TEST(tapes_come_back_as_they_were),
        TEST(what_was_deleted_is_not_there_again),    TEST(a_name_may_go_from_one_to_another),
        TEST(what_ended_said_what_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
