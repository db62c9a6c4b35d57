/* Compares an answer with what a test expects: status, headers, JSON with exact digits, problems.
 * Sends nothing. */
#include "run.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NAMES_MAX = 32 };

static struct { char *name, *value; } remembered[NAMES_MAX];
static size_t n_remembered;

const char *remembered_value(const char *name) {
    for (size_t i = n_remembered; i-- > 0;)
        if (!strcmp(remembered[i].name, name)) return remembered[i].value;
    return NULL;
}

void remembered_forget(void) {
    while (n_remembered) {
        free(remembered[--n_remembered].name);
        free(remembered[n_remembered].value);
    }
}

/* A block that begins with a status line replaces the one before it (100 Continue). */
char *header_value(const struct text *headers, const char *name) {
    size_t n = strlen(name);
    char *found = NULL;
    for (const char *line = headers->data; line && *line;) {
        const char *end = strstr(line, "\r\n");
        if (!end) break;
        if (!strncmp(line, "HTTP/", 5)) {
            free(found);
            found = NULL;
        } else if (!strncasecmp(line, name, n) && line[n] == ':') {
            const char *value = line + n + 1;
            while (*value == ' ') value++;
            free(found);
            found = copy(value);
            found[end - value] = '\0';
        }
        line = end + 2;
    }
    return found;
}

#define NUMBER_MARK '\1'

/* JSON whose numbers have become strings that begin with the mark, so that their digits survive
 * cJSON; NULL where the text is not JSON. */
static cJSON *parse_exact(const struct text *json) {
    struct text marked = {0};
    bool in_string = false;
    for (const char *p = json->data; p && *p;) {
        size_t n = in_string ? 0 : strspn(p, "0123456789.eE+-");
        if (n && (isdigit((unsigned char)*p) || *p == '-')) {
            text_add(&marked, "\"\\u0001", 7);
            text_add(&marked, p, n);
            text_add(&marked, "\"", 1);
            p += n;
            continue;
        }
        if (in_string && *p == '\\' && p[1])
            text_add(&marked, p++, 1);
        else if (*p == '"')
            in_string = !in_string;
        text_add(&marked, p++, 1);
    }
    cJSON *root = marked.data ? cJSON_ParseWithOpts(marked.data, NULL, 1) : NULL;
    text_free(&marked);
    return root;
}

/* The value as JSON text, its numbers as they were written. */
static char *show(const cJSON *value) {
    if (!value) return copy("nothing");
    char *printed = cJSON_PrintUnformatted(value);
    struct text out = {0};
    text_add(&out, "", 0);
    bool in_number = false;
    for (const char *p = printed; *p; p++) {
        if (!strncmp(p, "\"\\u0001", 7)) {
            in_number = true;
            p += 6;
        } else if (in_number && *p == '"') {
            in_number = false;
        } else {
            text_add(&out, p, 1);
        }
    }
    free(printed);
    return out.data;
}

static void differ(struct text *why, const char *at, const char *expected, const char *found) {
    enum { SHOWN = 2000 };
    text_say(why, "  at ");
    text_say(why, *at ? at : "the top");
    text_say(why, "\n  expected: ");
    text_add(why, expected, strnlen(expected, SHOWN));
    text_say(why, "\n  found:    ");
    text_add(why, found, strnlen(found, SHOWN));
}

static bool same_number(const char *want, const char *got, double within) {
    if (!strcmp(want, got)) return true;
    double a = strtod(want, NULL), b = strtod(got, NULL);
    return within > 0 && fabs(a - b) <= within * fmax(1, fabs(a));
}

static bool same(const struct test *test, const cJSON *want, const cJSON *got, const char *at,
                 struct text *why);

static bool same_array(const struct test *test, const cJSON *want, const cJSON *got, const char *at,
                       struct text *why) {
    const cJSON *w, *g = got->child;
    int i = 0;
    cJSON_ArrayForEach(w, want) {
        char here[512];
        snprintf(here, sizeof here, "%.400s/%d", at, i++);
        if (test->contains) {
            struct text ignored = {0};
            bool found = false;
            for (g = got->child; g && !found; g = g->next) found = same(test, w, g, here, &ignored);
            text_free(&ignored);
            if (found) continue;
            g = NULL;
        }
        if (!same(test, w, g, here, why)) return false;
        if (g) g = g->next;
    }
    return test->contains || !g || same(test, NULL, g, at, why);
}

static bool same_object(const struct test *test, const cJSON *want, const cJSON *got,
                        const char *at, struct text *why) {
    const cJSON *member;
    char here[512];
    cJSON_ArrayForEach(member, want) {
        snprintf(here, sizeof here, "%.400s/%.100s", at, member->string);
        if (!same(test, member, cJSON_GetObjectItemCaseSensitive(got, member->string), here, why))
            return false;
    }
    cJSON_ArrayForEach(member, got) {
        if (test->contains || cJSON_GetObjectItemCaseSensitive(want, member->string)) continue;
        snprintf(here, sizeof here, "%.400s/%.100s", at, member->string);
        return same(test, NULL, member, here, why);
    }
    return true;
}

/* True where `got` is what `want` asks for; else says in `why` where it is not. */
static bool same(const struct test *test, const cJSON *want, const cJSON *got, const char *at,
                 struct text *why) {
    if (want && got && cJSON_IsString(want) && !strcmp(want->valuestring, "<any>")) return true;
    bool equal = want && got && (want->type & 0xff) == (got->type & 0xff);
    if (equal && cJSON_IsArray(want)) return same_array(test, want, got, at, why);
    if (equal && cJSON_IsObject(want)) return same_object(test, want, got, at, why);
    if (equal && cJSON_IsString(want)) {
        const char *w = want->valuestring, *g = got->valuestring;
        equal = *w == NUMBER_MARK && *g == NUMBER_MARK ? same_number(w + 1, g + 1, test->within)
                                                       : !strcmp(w, g);
    }
    if (equal) return true;
    char *w = show(want), *g = show(got);
    differ(why, at, w, g);
    free(w);
    free(g);
    return false;
}

/* Checks what every problem has, then takes from it what the expectation need not repeat. */
static bool check_problem(const struct test *test, const struct answer *answer, cJSON *got,
                          const cJSON *want, struct text *why) {
    static const char *const usual[] = {"type", "title", "status", "request_id"};
    char *kind = header_value(&answer->headers, "Content-Type");
    bool right_kind = kind && !strcmp(kind, "application/problem+json");
    if (!right_kind) differ(why, "Content-Type", "application/problem+json", kind ? kind : "none");
    free(kind);
    if (!right_kind) return false;
    const char *code = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(got, "code"));
    char type[128], status[16];
    snprintf(type, sizeof type, "/problems/%.100s", code ? code : "?");
    snprintf(status, sizeof status, "%c%d", NUMBER_MARK, test->status);
    for (size_t i = 0; i < 4; i++) {
        const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(got, usual[i]));
        const char *expected = i == 0 ? type : i == 2 ? status : value && *value ? value : "a text";
        if (!value || strcmp(value, expected)) {
            char here[32];
            snprintf(here, sizeof here, "/%s", usual[i]);
            differ(why, here, expected, value ? value : "nothing");
            return false;
        }
        if (!cJSON_GetObjectItemCaseSensitive(want, usual[i]))
            cJSON_DeleteItemFromObjectCaseSensitive(got, usual[i]);
    }
    return true;
}

static bool same_json(const struct test *test, const struct answer *answer, struct text *why) {
    cJSON *want = parse_exact(&test->want), *got = parse_exact(&answer->body);
    bool equal = got && (want || !test->want.length);
    if (!equal) {
        differ(why, "the body", test->want.length ? test->want.data : "JSON",
               answer->body.data ? answer->body.data : "nothing");
    }
    if (equal && test->status >= 400) equal = check_problem(test, answer, got, want, why);
    if (equal && want) equal = same(test, want, got, "", why);
    cJSON_Delete(want);
    cJSON_Delete(got);
    return equal;
}

static bool same_text(const struct test *test, const char *found, struct text *why) {
    size_t n = test->want.length;
    if (n == 0) return true;
    bool equal = test->contains
                     ? strstr(found, test->want.data) != NULL
                     : !strncmp(found, test->want.data, n) && !found[n + strspn(found + n, "\n")];
    if (!equal) differ(why, "the body", test->want.data, found);
    return equal;
}

static bool same_body(const struct test *test, const struct answer *answer, struct text *why) {
    const char *found = answer->body.data ? answer->body.data : "";
    if (test->empty || !strcmp(test->method, "HEAD")) {
        if (answer->body.length) differ(why, "the body", "nothing", found);
        return answer->body.length == 0;
    }
    char *kind = header_value(&answer->headers, "Content-Type");
    bool json = test->status >= 400 || (kind && strstr(kind, "json"));
    free(kind);
    return json ? same_json(test, answer, why) : same_text(test, found, why);
}

static bool same_header(const char *want, const struct answer *answer, struct text *why) {
    char name[128];
    const char *colon = strchr(want, ':');
    snprintf(name, sizeof name, "%.*s", (int)(colon - want), want);
    const char *value = colon[1] ? colon + 2 : "";
    char *found = header_value(&answer->headers, name);
    bool equal;
    if (!strcmp(value, "(absent)")) {
        equal = !found;
    } else if (*value == '$' && found && n_remembered < NAMES_MAX) {
        equal = true;
        remembered[n_remembered].name = copy(value + 1);
        remembered[n_remembered++].value = copy(found);
    } else {
        equal = found && (!strcmp(value, "*") || !strcmp(value, found));
    }
    if (!equal) differ(why, name, value, found ? found : "(absent)");
    free(found);
    return equal;
}

static bool too_much(const char *what, const char *unit, double found, double most,
                     struct text *why) {
    char want[64], got[64];
    snprintf(want, sizeof want, "at most %.10g %s", most, unit);
    snprintf(got, sizeof got, "%.10g %s", found, unit);
    differ(why, what, want, got);
    return false;
}

bool compare(const struct test *test, const struct answer *answer, double patience,
             struct text *why) {
    if (answer->status != test->status) {
        char want[16], got[16];
        snprintf(want, sizeof want, "%d", test->status);
        snprintf(got, sizeof got, "%ld", answer->status);
        differ(why, "the status", want, got);
        text_say(why, "\n  body:     ");
        if (answer->body.length) text_add(why, answer->body.data, strnlen(answer->body.data, 1000));
        return false;
    }
    for (size_t i = 0; i < test->n_want_headers; i++)
        if (!same_header(test->want_headers[i], answer, why)) return false;
    if (!same_body(test, answer, why)) return false;
    if (test->under > 0 && answer->seconds > test->under * patience)
        return too_much("the time", "s", answer->seconds, test->under * patience, why);
    /* Other builds than the optimised one, which need patience, need more memory too. */
    if (test->taking > 0 && patience <= 1 && answer->taken > test->taking)
        return too_much("the memory", "bytes", answer->taken, test->taking, why);
    return true;
}
