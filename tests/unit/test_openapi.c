/* The document that is served: it has every route of the server's table and no other, and is of this version. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "server/handle.h"
#include "server/route.h"

static struct writer out;
static cJSON *document;

static int load(void **state) {
    (void)state;
    struct service_reply reply = {0};
    const struct service_call call = {.reply = &reply};
    struct error error;
    writer_init(&out, 1 << 24);
    if (!handle_openapi(&call, &out, &error)) return -1;
    document = cJSON_ParseWithLength(out.data, out.length);
    return document ? 0 : -1;
}

static int unload(void **state) {
    (void)state;
    cJSON_Delete(document);
    writer_free(&out);
    return 0;
}

static const cJSON *get(const cJSON *node, const char *name) {
    return cJSON_GetObjectItemCaseSensitive(node, name);
}

static const cJSON *find_operation(const char *path, const char *method) {
    char lower[16] = "";
    for (size_t i = 0; method[i] && i + 1 < sizeof lower; i++) lower[i] = (char)(method[i] | 0x20);
    return get(get(get(document, "paths"), path), lower);
}

static const struct route *find_route(const char *path, const char *method) {
    for (size_t i = 0; i < route_count; i++)
        for (size_t k = 0; k + 1 < METHOD_NUMBERS; k++) {
            const char *name = route_method_name(k);
            if (route_table[i].methods & route_method(name) &&
                strcmp(route_table[i].path, path) == 0 && strcasecmp(name, method) == 0)
                return &route_table[i];
        }
    return NULL;
}

static void it_is_of_this_version(void **state) {
    (void)state;
    assert_string_equal(get(document, "openapi")->valuestring, "3.1.0");
    assert_string_equal(get(get(document, "info"), "version")->valuestring, GRADD_VERSION);
}

static void every_route_is_in_it(void **state) {
    (void)state;
    for (size_t i = 0; i < route_count; i++)
        for (size_t k = 0; k + 1 < METHOD_NUMBERS; k++) {
            const char *name = route_method_name(k);
            if (!(route_table[i].methods & route_method(name))) continue;
            if (!find_operation(route_table[i].path, name))
                fail_msg("%s %s is not documented", name, route_table[i].path);
        }
}

static void it_has_no_other(void **state) {
    (void)state;
    const cJSON *path, *operation;
    cJSON_ArrayForEach(path, get(document, "paths")) {
        cJSON_ArrayForEach(operation, path) {
            if (!find_route(path->string, operation->string))
                fail_msg("%s %s is no route", operation->string, path->string);
        }
    }
}

static void what_wants_no_token_says_so(void **state) {
    (void)state;
    const cJSON *path, *operation;
    cJSON_ArrayForEach(path, get(document, "paths")) {
        cJSON_ArrayForEach(operation, path) {
            const cJSON *security = get(operation, "security");
            const struct route *route = find_route(path->string, operation->string);
            const bool is_open = security && cJSON_GetArraySize(security) == 0;
            assert_non_null(route);
            if (is_open != (route->scope == SCOPE_NONE))
                fail_msg("%s: one of the two says that no token is wanted", path->string);
        }
    }
}

static void its_operations_have_names_of_their_own(void **state) {
    (void)state;
    const cJSON *path, *operation, *other_path, *other;
    cJSON_ArrayForEach(path, get(document, "paths")) {
        cJSON_ArrayForEach(operation, path) {
            const cJSON *id = get(operation, "operationId");
            int n = 0;
            assert_true(cJSON_IsString(id) && cJSON_IsString(get(operation, "summary")));
            cJSON_ArrayForEach(other_path, get(document, "paths")) {
                cJSON_ArrayForEach(other, other_path) {
                    n += strcmp(get(other, "operationId")->valuestring, id->valuestring) == 0;
                }
            }
            if (n != 1) fail_msg("%d operations are called %s", n, id->valuestring);
        }
    }
}

static size_t count(const char *page, const char *text) {
    size_t n = 0;
    for (; (page = strstr(page, text)); page += strlen(text)) n++;
    return n;
}

static void its_page_closes_what_it_opens(void **state) {
    (void)state;
    static const char *const names[] = {"code", "p",  "ul",   "li",      "pre",    "table",
                                        "tr",   "td", "span", "details", "section"};
    struct service_reply reply = {0};
    const struct service_call call = {.reply = &reply};
    struct error error;
    struct writer page;
    writer_init(&page, 1 << 24);
    assert_true(handle_docs(&call, &page, &error));
    write_bytes(&page, "", 1);
    assert_false(page.full);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char plain[16], with[16], end[16];
        snprintf(plain, sizeof plain, "<%s>", names[i]);
        snprintf(with, sizeof with, "<%s ", names[i]);
        snprintf(end, sizeof end, "</%s>", names[i]);
        if (count(page.data, plain) + count(page.data, with) != count(page.data, end))
            fail_msg("the page does not close each %s", names[i]);
    }
    writer_free(&page);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_of_this_version),
        cmocka_unit_test(every_route_is_in_it),
        cmocka_unit_test(it_has_no_other),
        cmocka_unit_test(what_wants_no_token_says_so),
        cmocka_unit_test(its_operations_have_names_of_their_own),
        cmocka_unit_test(its_page_closes_what_it_opens),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
