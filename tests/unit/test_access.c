/* Tokens in force: found, taken back, and replaced while others look. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/access.h"

enum { TENANTS = 4, TOKENS = 300, ROUNDS = 200 };

/* Here a tenant is a name and what it was last given. */
struct tenant {
    char name[TENANT_NAME + 1];
    struct quotas quotas;
};
static struct tenant tenants[TENANTS];
static char path[] = "/tmp/gradd-access-XXXXXX", problem[512];

static struct tenant *find_tenant(void *context, const char *name, const struct quotas *quotas,
                                  char *why, size_t size) {
    struct tenant *all = context;
    for (int i = 0; i < TENANTS; i++) {
        if (all[i].name[0] && strcmp(all[i].name, name) != 0) continue;
        strcpy(all[i].name, name);
        all[i].quotas = *quotas;
        return &all[i];
    }
    snprintf(why, size, "too many tenants");
    return NULL;
}

static int make_path(void **state) {
    (void)state;
    const int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state) {
    (void)state;
    return unlink(path);
}

static void write_token(FILE *out, const char *token, const char *rest) {
    char hex[SECRET_HEX + 1];
    struct secret_digest d;
    secret_digest(token, strlen(token), &d);
    secret_write(&d, hex);
    fprintf(out, "token %s %s\n", hex, rest);
}

/* A file of tokens named `kind`-0, `kind`-1, ... */
static void write_file(const char *kind, int n, const char *rest) {
    char token[32];
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    for (int i = 0; i < n; i++) {
        snprintf(token, sizeof token, "%s-%d", kind, i);
        write_token(out, token, rest);
    }
    fclose(out);
}

static struct access *open_file(void) {
    memset(tenants, 0, sizeof tenants);
    struct access *a = access_open(path, find_tenant, tenants, problem, sizeof problem);
    if (!a) fail_msg("%s", problem);
    return a;
}

static bool knows(struct access *a, const char *token, struct grant *out) {
    *out = (struct grant){NULL, 0};
    return access_find(a, token, strlen(token), out);
}

static void each_token_has_its_tenant_and_scopes(void **state) {
    (void)state;
    struct grant g;
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    write_token(out, "a", "shop read,compute");
    write_token(out, "b", "bank sessions");
    write_token(out, "c", "shop admin");
    fputs("tenant bank sessions=7\n", out);
    fclose(out);
    struct access *a = open_file();
    assert_int_equal(access_count(a), 3);
    assert_true(knows(a, "a", &g));
    assert_string_equal(g.tenant->name, "shop");
    assert_int_equal(g.scopes, SCOPE_READ | SCOPE_COMPUTE);
    assert_true(knows(a, "b", &g));
    assert_string_equal(g.tenant->name, "bank");
    assert_int_equal(g.tenant->quotas.sessions, 7);
    assert_int_equal(g.tenant->quotas.bytes, QUOTA_NONE);
    assert_true(knows(a, "c", &g));
    assert_string_equal(g.tenant->name, "shop");
    assert_false(knows(a, "d", &g));
    assert_false(knows(a, "", &g));
    assert_false(knows(a, "a ", &g));
    access_close(a);
}

static void many_tokens_are_all_found_and_no_others(void **state) {
    (void)state;
    struct grant g;
    char token[32];
    write_file("key", TOKENS, "shop read");
    struct access *a = open_file();
    for (int i = 0; i < 2 * TOKENS; i++) {
        snprintf(token, sizeof token, "key-%d", i);
        assert_int_equal(knows(a, token, &g), i < TOKENS);
    }
    access_close(a);
}

static void what_is_read_again_replaces_all(void **state) {
    (void)state;
    struct grant g;
    write_file("old", 3, "shop read");
    struct access *a = open_file();
    assert_true(knows(a, "old-1", &g));
    const struct tenant *shop = g.tenant;
    write_file("new", 2, "shop compute");
    assert_true(access_reload(a, problem, sizeof problem));
    assert_false(knows(a, "old-1", &g));
    assert_true(knows(a, "new-1", &g));
    assert_ptr_equal(g.tenant, shop);
    assert_int_equal(g.scopes, SCOPE_COMPUTE);
    access_close(a);
}

static bool knows_again(struct access *a, struct access_memory *m, const char *token,
                        struct grant *out) {
    *out = (struct grant){NULL, 0};
    return access_find_again(a, m, token, strlen(token), out);
}

static void what_is_remembered_is_forgotten_with_the_file(void **state) {
    (void)state;
    struct grant g;
    struct access_memory m = {0};
    char longest[ACCESS_MEMORY + 2] = "";
    memset(longest, 'x', ACCESS_MEMORY + 1);
    write_file("old", 3, "shop read");
    struct access *a = open_file();
    for (int i = 0; i < 3; i++) {
        assert_true(knows_again(a, &m, "old-1", &g));
        assert_int_equal(g.scopes, SCOPE_READ);
        assert_string_equal(g.tenant->name, "shop");
        /* What is not found leaves it as it is. */
        assert_false(knows_again(a, &m, "old-9", &g));
        assert_false(knows_again(a, &m, "old-", &g));
        assert_false(knows_again(a, &m, "", &g));
        assert_false(knows_again(a, &m, longest, &g));
    }
    assert_true(knows_again(a, &m, "old-2", &g));
    assert_true(knows_again(a, &m, "old-1", &g));
    write_file("new", 2, "shop compute");
    assert_true(access_reload(a, problem, sizeof problem));
    assert_false(knows_again(a, &m, "old-1", &g));
    assert_true(knows_again(a, &m, "new-1", &g));
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    write_token(out, "new-1", "bank admin");
    write_token(out, longest, "bank admin");
    fclose(out);
    assert_true(access_reload(a, problem, sizeof problem));
    for (int i = 0; i < 2; i++) {
        assert_true(knows_again(a, &m, "new-1", &g));
        assert_string_equal(g.tenant->name, "bank");
        assert_int_equal(g.scopes, SCOPE_ADMIN);
        assert_true(knows_again(a, &m, longest, &g));
    }
    access_close(a);
}

static void a_broken_file_changes_nothing(void **state) {
    (void)state;
    struct grant g;
    write_file("old", 3, "shop read");
    struct access *a = open_file();
    write_file("new", 2, "shop everything");
    assert_false(access_reload(a, problem, sizeof problem));
    assert_non_null(strstr(problem, ":1: found \"everything\", expected scopes"));
    assert_true(knows(a, "old-1", &g));
    assert_false(knows(a, "new-1", &g));
    write_file("new", 0, "");
    assert_false(access_reload(a, problem, sizeof problem));
    assert_true(knows(a, "old-1", &g));
    access_close(a);
}

static void a_tenant_that_cannot_be_made_is_a_failure(void **state) {
    (void)state;
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    static const char *const names[] = {"a read", "b read", "c read", "d read", "e read"};
    for (size_t i = 0; i <= TENANTS; i++) write_token(out, names[i], names[i]);
    fclose(out);
    memset(tenants, 0, sizeof tenants);
    assert_null(access_open(path, find_tenant, tenants, problem, sizeof problem));
    assert_string_equal(problem, "too many tenants");
}

static atomic_bool ends;

/* One token is in every file, and must be found at any time. */
static void *look(void *context) {
    struct grant g;
    intptr_t missed = 0;
    while (!atomic_load(&ends)) missed += !knows(context, "key-0", &g) || g.scopes != SCOPE_READ;
    return (void *)missed;
}

static void nobody_waits_or_misses_while_it_is_replaced(void **state) {
    (void)state;
    pthread_t threads[2];
    void *missed;
    write_file("key", 1, "shop read");
    struct access *a = open_file();
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&threads[i], NULL, look, a), 0);
    for (int i = 0; i < ROUNDS; i++) {
        write_file("key", 1 + i % 5, "shop read");
        assert_true(access_reload(a, problem, sizeof problem));
    }
    atomic_store(&ends, true);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], &missed);
        assert_null(missed);
    }
    access_close(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_token_has_its_tenant_and_scopes),
        cmocka_unit_test(many_tokens_are_all_found_and_no_others),
        cmocka_unit_test(what_is_read_again_replaces_all),
        cmocka_unit_test(what_is_remembered_is_forgotten_with_the_file),
        cmocka_unit_test(a_broken_file_changes_nothing),
        cmocka_unit_test(a_tenant_that_cannot_be_made_is_a_failure),
        cmocka_unit_test(nobody_waits_or_misses_while_it_is_replaced),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
