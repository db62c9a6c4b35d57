/* Replays the tables of TensorFlow's numbers (README.md beside this file): each line's request goes
 * through the functions of api/service.h, and the answer is compared with TensorFlow's, member by
 * member and number by number. Names each case that differs, and where; prints the counts last. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "api/service.h"

enum { PATH = 160, FOUND = 200, LINE_MOST = 1 << 20, ARENA_MOST = 1 << 28 };

struct comparison {
    struct arena *arena;
    double rtol, atol;
    char where[PATH]; /* of the first difference, as a JSON Pointer */
    char what[FOUND];
};

/* Remembers the first difference; always false. */
static bool differ(struct comparison *c, const char *at, const char *expected, const char *found) {
    snprintf(c->where, sizeof c->where, "%s", at);
    snprintf(c->what, sizeof c->what, "expected %.90s, found %.90s", expected, found);
    return false;
}

/* One value as a short text for a message. */
static const char *show(const struct json *v, char text[64]) {
    size_t n = 0;
    const char *number = json_text(v, &n);
    if (number) {
        snprintf(text, 64, "%.*s", (int)(n < 40 ? n : 40), number);
    } else if (json_type(v) == JSON_STRING) {
        snprintf(text, 64, "\"%.40s\"", json_string(v));
    } else if (json_type(v) == JSON_BOOL) {
        snprintf(text, 64, "%s", json_bool(v) ? "true" : "false");
    } else {
        snprintf(text, 64, "%s", json_type_name(v));
    }
    return text;
}

/* An integer is exact and is not written as a float, nor the other way round. */
static bool same_number(const struct comparison *c, const struct json *expected,
                        const struct json *found) {
    if (json_is_int_literal(expected) || json_is_int_literal(found)) {
        int64_t e, f;
        return json_is_int_literal(expected) && json_is_int_literal(found) &&
               json_int(expected, &e) && json_int(found, &f) && e == f;
    }
    double e, f;
    return json_double(expected, &e) && json_double(found, &f) &&
           fabs(f - e) <= c->atol + c->rtol * fabs(e);
}

static bool same(struct comparison *c, const char *at, const struct json *expected,
                 const struct json *found);

static bool same_elements(struct comparison *c, const char *at, const struct json *expected,
                          const struct json *found) {
    char path[PATH];
    size_t i = 0;
    if (json_length(expected) != json_length(found)) {
        char e[32], f[32];
        snprintf(e, sizeof e, "%zu elements", json_length(expected));
        snprintf(f, sizeof f, "%zu", json_length(found));
        return differ(c, at, e, f);
    }
    const struct json *f = json_first(found);
    for (const struct json *e = json_first(expected); e; e = json_next(e), f = json_next(f)) {
        snprintf(path, sizeof path, "%.140s/%zu", at, i++);
        if (!same(c, path, e, f)) return false;
    }
    return true;
}

/* gradd may add warnings, which are sentences and no numbers of TensorFlow's; nothing else. */
static bool same_members(struct comparison *c, const char *at, const struct json *expected,
                         const struct json *found) {
    char path[PATH];
    for (const struct json *e = json_first(expected); e; e = json_next(e)) {
        const struct json *f = json_member(found, json_key(e));
        json_pointer(path, sizeof path, at, json_key(e));
        if (!f) return differ(c, path, json_type_name(e), "nothing");
        if (!same(c, path, e, f)) return false;
    }
    for (const struct json *f = json_first(found); f; f = json_next(f)) {
        json_pointer(path, sizeof path, at, json_key(f));
        if (!json_member(expected, json_key(f)) && strcmp(path, "/warnings") != 0)
            return differ(c, path, "nothing", json_type_name(f));
    }
    return true;
}

static bool same(struct comparison *c, const char *at, const struct json *expected,
                 const struct json *found) {
    char e[64], f[64];
    if (json_type(expected) == JSON_NUMBERS) expected = json_split(c->arena, expected);
    if (json_type(found) == JSON_NUMBERS) found = json_split(c->arena, found);
    if (!expected || !found) return differ(c, at, "an array", "no memory for it");
    enum json_type type = json_type(expected);
    bool equal = type == json_type(found);
    if (equal && type == JSON_OBJECT) return same_members(c, at, expected, found);
    if (equal && type == JSON_ARRAY) return same_elements(c, at, expected, found);
    if (equal && type == JSON_STRING)
        equal = strcmp(json_string(expected), json_string(found)) == 0;
    if (equal && type == JSON_BOOL) equal = json_bool(expected) == json_bool(found);
    if (equal && type == JSON_NUMBER) equal = same_number(c, expected, found);
    return equal || differ(c, at, show(expected, e), show(found, f));
}

/* The text of the object that is the member `name` of a line; NULL where there is none. */
static const char *member_text(const char *line, const char *name, size_t *n) {
    char key[32];
    snprintf(key, sizeof key, "\"%s\": {", name);
    const char *begin = strstr(line, key);
    if (!begin) return NULL;
    begin += strlen(key) - 1;
    bool in_string = false;
    int depth = 0;
    for (const char *p = begin; *p; p++) {
        if (in_string && *p == '\\' && p[1]) {
            p++;
        } else if (*p == '"') {
            in_string = !in_string;
        } else if (!in_string && *p == '{') {
            depth++;
        } else if (!in_string && *p == '}' && --depth == 0) {
            *n = (size_t)(p - begin) + 1;
            return begin;
        }
    }
    return NULL;
}

/* The service of a route's name, or NULL. */
static service_function service_of(const char *route) {
    static const struct {
        const char *route;
        service_function service;
    } services[] = {
        {"evaluate", service_evaluate}, {"gradient", service_gradient},
        {"jacobian", service_jacobian}, {"hessian", service_hessian},
        {"jvp", service_jvp},           {"vjp", service_vjp},
        {"hvp", service_hvp},           {"schedules/evaluate", service_schedule_evaluate}};
    for (size_t i = 0; i < sizeof services / sizeof *services; i++)
        if (strcmp(services[i].route, route) == 0) return services[i].service;
    return NULL;
}

static bool ask(struct plan_cache *plans, service_function service, const char *body, size_t n,
                struct writer *answer, struct error *error) {
    const struct service_call call = {
        .plans = plans,
        .limits = &service_limits_default,
        .seed = 0x9E3779B97F4A7C15U,
        .body = body,
        .body_length = n,
    };
    return service(&call, answer, error);
}

/* Runs a case; after a difference `c` says what it is. */
static bool replay(struct comparison *c, struct plan_cache *plans, const char *line,
                   const struct json *record, struct writer *answer) {
    struct error error = {0};
    struct json *found;
    size_t n = 0;
    const struct json *route = json_member(record, "route"),
                      *expected = json_member(record, "answer");
    const struct json *rtol = json_member(record, "rtol"), *atol = json_member(record, "atol");
    const char *body = member_text(line, "request", &n);
    const service_function service =
        route && json_type(route) == JSON_STRING ? service_of(json_string(route)) : NULL;
    if (!service || !expected || !body || !rtol || !atol || !json_double(rtol, &c->rtol) ||
        !json_double(atol, &c->atol)) {
        return differ(c, "", "a line with name, route, request, answer, rtol and atol", "another");
    }
    if (!ask(plans, service, body, n, answer, &error)) {
        snprintf(c->what, sizeof c->what, "%s: %.150s", error_name(error.code), error.detail);
        return false;
    }
    if (!json_parse(c->arena, answer->data, answer->length, 128, &found, &error))
        return differ(c, "", "JSON", error.detail);
    return same(c, "", expected, found);
}

/* Replays one line of a file and prints it where it fails. */
static bool replay_line(struct plan_cache *plans, const char *line, const char *file, int number) {
    struct arena arena;
    struct writer answer;
    struct error error = {0};
    struct json *record;
    arena_init(&arena, ARENA_MOST);
    writer_init(&answer, ARENA_MOST);
    struct comparison c = {.arena = &arena};
    bool passed = json_parse(&arena, line, strlen(line), 128, &record, &error);
    if (passed) {
        const struct json *name = json_member(record, "name");
        passed = replay(&c, plans, line, record, &answer);
        if (!passed) {
            printf("FAILED %s:%d: %s\n       %s: %s\n", file, number,
                   name ? json_string(name) : "(no name)", c.where[0] ? c.where : "answer", c.what);
        }
    } else {
        printf("FAILED %s:%d: %s\n", file, number, error.detail);
    }
    writer_free(&answer);
    arena_free(&arena);
    return passed;
}

static bool replay_file(struct plan_cache *plans, const char *name, char *line, int *passed,
                        int *failed) {
    FILE *file = fopen(name, "r");
    if (!file) {
        perror(name);
        return false;
    }
    for (int number = 1; fgets(line, LINE_MOST, file); number++)
        ++*(replay_line(plans, line, name, number) ? passed : failed);
    fclose(file);
    return true;
}

int main(int argc, char **argv) {
    int passed = 0, failed = 0;
    char *line = malloc(LINE_MOST);
    struct plan_cache *plans = plan_cache_new(1024, 64U << 20, 1);
    if (argc < 2 || !line || !plans) {
        fprintf(stderr, argc < 2 ? "usage: oracle_replay FILE.jsonl...\n" : "no memory\n");
        plan_cache_free(plans);
        free(line);
        return 2;
    }
    for (int i = 1; i < argc; i++)
        if (!replay_file(plans, argv[i], line, &passed, &failed)) failed++;
    plan_cache_free(plans);
    free(line);
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
