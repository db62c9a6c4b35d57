/* Sessions and functions between memory and the store: what leaves memory comes back as it was, and what the
 * store could not take has not happened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <dirent.h>

#include "api/registry.h"
#include "exchanges.h"
#include "fault_vfs.h"
#include "server/durable.h"
#include "server/keeper.h"

static char directory[64];
static struct engine engine;

static void open_engine(void) {
    char problem[512] = "";
    if (!engine_init(&engine, &service_limits_default, problem, sizeof problem) ||
        !durable_open(&engine, directory, problem, sizeof problem))
        fail_msg("%s", problem);
}

static void open_again(void) {
    engine_free(&engine);
    open_engine();
}

static int set_up(void **state) {
    (void)state;
    fault_vfs_install();
    strcpy(directory, "/tmp/gradd-durable-XXXXXX");
    if (!mkdtemp(directory)) return -1;
    open_engine();
    return 0;
}

static int tear_down(void **state) {
    char path[400];
    (void)state;
    engine_free(&engine);
    DIR *d = opendir(directory);
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof path, "%s/%s", directory, e->d_name);
        unlink(path);
    }
    if (d) closedir(d);
    fault_vfs_install();
    return rmdir(directory);
}

/* ---- requests ---- */

static struct got got;

static void ask(const char *method, const char *path, const char *body, int status) {
    if (request_ask(&engine, method, path, body, &got) != status)
        fail_msg("%s %s: %d %s", method, path, got.status, got.body);
}

/* What a session is charged for depends on how it came to be what it is. */
static void cut_bytes(char *body) {
    for (char *at = body; (at = strstr(at, "\"bytes\":"));) {
        at += strlen("\"bytes\":");
        const size_t n = strspn(at, "0123456789");
        memmove(at, at + n, strlen(at + n) + 1);
    }
}

/* What is answered is what was answered before. */
static void assert_same(const char *path, const struct got *before) {
    ask("GET", path, NULL, before->status);
    cut_bytes(got.body);
    assert_string_equal(got.body, before->body);
    assert_string_equal(got.etag, before->etag);
}

static const char *const parts[] = {"/v1/sessions/s",
                                    "/v1/sessions/s/variables",
                                    "/v1/sessions/s/variables/x",
                                    "/v1/sessions/s/constants",
                                    "/v1/sessions/s/tensors",
                                    "/v1/sessions/s/optimizer",
                                    "/v1/sessions",
                                    "/v1/functions/f"};
enum { PARTS = sizeof parts / sizeof *parts };

static struct got before[PARTS];

static void remember(void) {
    for (int i = 0; i < PARTS; i++) {
        request_ask(&engine, "GET", parts[i], NULL, &got);
        cut_bytes(got.body);
        before[i] = got;
    }
}

static void assert_nothing_has_changed(void) {
    for (int i = 0; i < PARTS; i++) assert_same(parts[i], &before[i]);
}

/* A session with one of everything, and a function. */
static void make_all(void) {
    ask("PUT", "/v1/sessions/s",
        "{\"variables\":{\"x\":[1,2],\"w\":{\"value\":3,\"trainable\":false}},\"constants\":{\"c\":"
        "5},"
        "\"labels\":{\"team\":\"a\"},\"optimizer\":{\"name\":\"Adam\"}}",
        201);
    ask("POST", "/v1/sessions/s/execute", "{\"graph\":\"y = x * w\"}", 200);
    ask("POST", "/v1/sessions/s/tapes", "{\"persistent\":true,\"graph\":\"z = x ** 2 * c\"}", 201);
    ask("POST", "/v1/sessions/s/apply_gradients", "{\"grads_and_vars\":[[[1,-1],\"x\"]]}", 200);
    ask("PUT", "/v1/functions/f", "{\"graph\":\"k * v\",\"constants\":{\"k\":[1,\"NaN\"]}}", 201);
}

/* ---- tests ---- */

static void a_session_leaves_memory_and_comes_back(void **state) {
    (void)state;
    make_all();
    remember();
    const int64_t held = engine_sessions(&engine).bytes;
    assert_true(held > 0);
    assert_true(registry_cool(engine.tenant->registry, clock_now(), 0));
    assert_int_equal(engine_sessions(&engine).bytes, 0);
    assert_int_equal(engine_sessions(&engine).sessions, 1);
    assert_same("/v1/sessions", &before[6]);
    assert_int_equal(engine_sessions(&engine).bytes, 0);
    assert_nothing_has_changed();
    assert_true(engine_sessions(&engine).bytes > 0);
    ask("POST", "/v1/sessions/s/tapes/t1/gradient", "{\"target\":\"z\",\"sources\":\"x\"}", 200);
    assert_string_equal(got.body, "{\"gradient\":[10.0,20.0]}");
}

static void all_is_there_when_it_is_opened_again(void **state) {
    (void)state;
    make_all();
    remember();
    for (int i = 0; i < 3; i++) {
        open_again();
        assert_int_equal(engine_sessions(&engine).bytes, 0);
        assert_nothing_has_changed();
    }
    ask("POST", "/v1/functions/f/evaluate", "{\"variables\":{\"v\":2}}", 200);
    assert_string_equal(got.body, "{\"value\":[2.0,\"NaN\"]}");
    ask("DELETE", "/v1/sessions/s", NULL, 204);
    ask("DELETE", "/v1/functions/f", NULL, 204);
    open_again();
    ask("GET", "/v1/sessions/s", NULL, 404);
    ask("GET", "/v1/functions/f", NULL, 404);
}

/* A claimed or held session is nobody's to take out of memory. */
static void what_is_held_stays_in_memory(void **state) {
    (void)state;
    make_all();
    struct seat *seat;
    struct error error;
    error_clear(&error);
    assert_int_equal(
        registry_acquire(engine.tenant->registry, "s", NULL, clock_now(), &seat, &error),
        REGISTRY_HELD);
    assert_false(registry_cool(engine.tenant->registry, clock_now(), 0));
    assert_true(registry_claim(seat, "op"));
    registry_release(engine.tenant->registry, seat, clock_now());
    assert_false(registry_cool(engine.tenant->registry, clock_now(), 0));
    registry_unclaim(engine.tenant->registry, seat, clock_now());
    assert_true(registry_cool(engine.tenant->registry, clock_now(), 0));
}

/* Each change that there is, on a disk that takes none. */
static void refuse_all(int status, const char *code) {
    static const char *const changes[][3] = {
        {"POST", "/v1/sessions/s/variables/x/assign", "{\"value\":[7,7]}"},
        {"PUT", "/v1/sessions/s/variables/new", "{\"value\":[7,7]}"},
        {"DELETE", "/v1/sessions/s/variables/x", NULL},
        {"POST", "/v1/sessions/s/execute", "{\"graph\":\"y = x + 1; u = y * 2\"}"},
        {"POST", "/v1/sessions/s/tapes", "{\"graph\":\"q = x * 2\"}"},
        {"DELETE", "/v1/sessions/s/tapes/t1", NULL},
        {"POST", "/v1/sessions/s/apply_gradients", "{\"grads_and_vars\":[[[1,-1],\"x\"]]}"},
        {"PUT", "/v1/sessions/s/optimizer", "{\"name\":\"SGD\"}"},
        {"PATCH", "/v1/sessions/s", "{\"labels\":{\"team\":null}}"},
        {"POST", "/v1/sessions/s/clone", NULL},
        {"PUT", "/v1/sessions/other", "{}"},
        {"DELETE", "/v1/sessions/s", NULL},
        {"PUT", "/v1/functions/f", "{\"graph\":\"1 + v\"}"},
        {"PUT", "/v1/functions/g", "{\"graph\":\"1 + v\"}"},
        {"DELETE", "/v1/functions/f", NULL},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        ask(changes[i][0], changes[i][1], changes[i][2], status);
        assert_non_null(strstr(got.body, code));
        assert_nothing_has_changed();
    }
    ask("GET", "/v1/sessions/other", NULL, 404);
    ask("GET", "/v1/functions/g", NULL, 404);
}

/* Fills what the log of the store has room for. */
static void a_full_disk_is_507_and_nothing_has_happened(void **state) {
    (void)state;
    make_all();
    remember();
    fault_vfs_room(0);
    refuse_all(507, "\"code\":\"disk_full\"");
    fault_vfs_room(-1);
    ask("POST", "/v1/sessions/s/variables/x/assign", "{\"value\":[7,7]}", 200);
    ask("PUT", "/v1/functions/f", "{\"graph\":\"1 + v\"}", 200);
    ask("POST", "/v1/sessions/s/tapes/t1/gradient", "{\"target\":\"z\",\"sources\":\"x\"}", 200);
    assert_string_equal(got.body, "{\"gradient\":[10.0,20.0]}");
    remember();
    open_again();
    assert_nothing_has_changed();
}

static void a_broken_disk_is_said_and_nothing_has_happened(void **state) {
    (void)state;
    make_all();
    remember();
    fault_vfs_fail(FAULT_WRITE | FAULT_SYNC, 1, true);
    refuse_all(503, "\"code\":\"store_failed\"");
    assert_false(engine.store->verbs->is_well(engine.store));
    fault_vfs_fail(0, 0, false);
    ask("POST", "/v1/sessions/s/variables/x/assign", "{\"value\":[7,7]}", 200);
    assert_true(engine.store->verbs->is_well(engine.store));
    remember();
    open_again();
    assert_nothing_has_changed();
}

static void an_expired_session_is_gone_from_the_store_too(void **state) {
    (void)state;
    ask("PUT", "/v1/sessions/brief", "{\"ttl_seconds\":0.001}", 201);
    open_again();
    while (engine_sessions(&engine).sessions) {
        usleep(2000);
        engine_sweep(&engine);
    }
    open_again();
    ask("GET", "/v1/sessions/brief", NULL, 404);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_session_leaves_memory_and_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_is_there_when_it_is_opened_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_held_stays_in_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_is_507_and_nothing_has_happened, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_broken_disk_is_said_and_nothing_has_happened, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_expired_session_is_gone_from_the_store_too, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
