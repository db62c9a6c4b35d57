/* A client of gradd: it draws random numbers, sends requests by libcurl and compares the answers, by
 * cJSON, with what was wanted. It does not know what the requests mean. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model.h"

/* ---- texts ---- */

void say(struct text *t, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(t->data + t->length, sizeof t->data - t->length, format, args);
    va_end(args);
    t->length += (size_t)n;
    if (t->length >= sizeof t->data) abort();
}

void say_comma(struct text *t) {
    const char last = t->length ? t->data[t->length - 1] : '{';
    if (last != '{' && last != '[') say(t, ",");
}

void say_value(struct text *t, const struct value *value) {
    if (!value) {
        say(t, "null");
        return;
    }
    if (value->length) say(t, "[");
    for (int i = 0; i < (value->length ? value->length : 1); i++)
        say(t, "%s%.0f", i ? "," : "", value->at[i]);
    if (value->length) say(t, "]");
}

void say_typed(struct text *t, const struct value *value, enum dtype preset) {
    if (value->dtype != preset) {
        say(t, "{\"dtype\":\"%s\",\"shape\":[", dtype_names[value->dtype]);
        if (value->length) say(t, "%d", value->length);
        say(t, "],\"data\":");
    }
    say_value(t, value);
    if (value->dtype != preset) say(t, "}");
}

/* ---- chance ---- */

/* splitmix64 */
static uint64_t next(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

int client_pick(struct client *c, int n) { return (int)(next(&c->random) % (uint64_t)n); }

bool client_chance(struct client *c, int n) { return client_pick(c, n) == 0; }

/* ---- requests ---- */

static size_t take_body(char *bytes, size_t size, size_t n, void *context) {
    struct received *r = context;
    n *= size;
    if (r->length + n >= r->capacity) {
        r->capacity = 2 * (r->length + n) + 1;
        r->data = realloc(r->data, r->capacity);
        if (!r->data) abort();
    }
    memcpy(r->data + r->length, bytes, n);
    r->length += n;
    r->data[r->length] = '\0';
    return n;
}

static size_t take_header(char *line, size_t size, size_t n, void *context) {
    struct client *c = context;
    n *= size;
    if (n > 6 && strncasecmp(line, "ETag: ", 6) == 0)
        snprintf(c->etag, sizeof c->etag, "%.*s", (int)strcspn(line + 6, "\r\n"), line + 6);
    return n;
}

bool client_begin(struct client *c, const char *base, int number, uint64_t seed) {
    memset(c, 0, sizeof *c);
    c->number = number;
    c->base = base;
    c->random = seed;
    for (int i = 0; i <= number; i++) c->random = next(&c->random);
    c->curl = curl_easy_init();
    return c->curl;
}

void client_end(struct client *c) {
    cJSON_Delete(c->answer);
    free(c->received.data);
    curl_easy_cleanup(c->curl);
}

void client_path(struct client *c, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(c->path, sizeof c->path, format, args);
    va_end(args);
}

static struct curl_slist *headers_of(const struct client *c) {
    struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
    char line[128];
    list = curl_slist_append(list, "Expect:");
    if (!c->precondition[0]) return list;
    const bool none = c->precondition[0] == '@';
    snprintf(line, sizeof line, "If-%sMatch: %s", none ? "None-" : "", c->precondition + none);
    return curl_slist_append(list, line);
}

void client_ask(struct client *c, const char *method) {
    char url[300];
    long status = 0;
    struct curl_slist *headers = headers_of(c);
    c->method = method;
    c->received.length = 0;
    if (c->received.data) c->received.data[0] = '\0';
    c->etag[0] = '\0';
    snprintf(url, sizeof url, "%s/v1/%s", c->base, c->path);
    curl_easy_reset(c->curl);
    curl_easy_setopt(c->curl, CURLOPT_URL, url);
    curl_easy_setopt(c->curl, CURLOPT_PROXY, "");
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, 300L);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &c->received);
    curl_easy_setopt(c->curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(c->curl, CURLOPT_HEADERDATA, c);
    if (c->body.length || strcmp(method, "POST") == 0) {
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, c->body.data);
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE, (long)c->body.length);
    }
    curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
    if (curl_easy_perform(c->curl) == CURLE_OK)
        curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    c->status = (int)status;
    cJSON_Delete(c->answer);
    c->answer = c->received.length ? cJSON_Parse(c->received.data) : NULL;
    c->requests++;
}

/* ---- answers ---- */

static bool fail(struct client *c, const char *why) {
    if (!c->failed)
        printf("client %d, request %ld: %s\n  %s /v1/%s %s %.*s\n  wanted %.*s\n  found  %d %.*s\n",
               c->number, c->requests, why, c->method, c->path, c->precondition,
               (int)c->body.length, c->body.data, (int)c->wanted.length, c->wanted.data, c->status,
               (int)c->received.length, c->received.data ? c->received.data : "");
    c->failed = true;
    return false;
}

bool client_fail(struct client *c, const char *format, ...) {
    char why[300];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    return fail(c, why);
}

/* Members that are another time after time. */
static bool varies(const char *name) {
    static const char *const names[] = {"id",   "created_at", "bytes",  "nodes",
                                        "type", "title",      "detail", "pointer",
                                        "line", "column",     "node",   "request_id"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

static bool same(const cJSON *wanted, const cJSON *found);

static bool same_object(const cJSON *wanted, const cJSON *found) {
    const cJSON *member;
    cJSON_ArrayForEach(member, wanted) {
        if (!same(member, cJSON_GetObjectItemCaseSensitive(found, member->string))) return false;
    }
    cJSON_ArrayForEach(member, found) {
        if (!varies(member->string) && !cJSON_GetObjectItemCaseSensitive(wanted, member->string))
            return false;
    }
    return true;
}

static bool same(const cJSON *wanted, const cJSON *found) {
    if (!found || (wanted->type & 0xFF) != (found->type & 0xFF)) return false;
    if (cJSON_IsNumber(wanted)) return wanted->valuedouble == found->valuedouble;
    if (cJSON_IsString(wanted)) return strcmp(wanted->valuestring, found->valuestring) == 0;
    if (cJSON_IsObject(wanted)) return same_object(wanted, found);
    if (!cJSON_IsArray(wanted)) return true;
    const cJSON *a = wanted->child, *b = found->child;
    for (; a && b && same(a, b); a = a->next) b = b->next;
    return !a && !b;
}

bool client_expect(struct client *c, int status) {
    if (c->failed) return false;
    c->wanted.data[c->wanted.length] = '\0';
    cJSON *wanted = c->wanted.length ? cJSON_Parse(c->wanted.data) : NULL;
    if (c->wanted.length && !wanted) return fail(c, "the model wants nonsense");
    bool right = c->status == status && (wanted ? same(wanted, c->answer) : !c->received.length);
    cJSON_Delete(wanted);
    if (!right) return client_fail(c, "the model answers %d", status);
    c->body.length = c->wanted.length = 0;
    c->precondition[0] = '\0';
    return true;
}

bool client_expect_problem(struct client *c, int status, const char *code) {
    c->wanted.length = 0;
    say(&c->wanted, "{\"status\":%d,\"code\":\"%s\"}", status, code);
    return client_expect(c, status);
}

const char *client_member(const struct client *c, const char *name) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(c->answer, name));
    return text ? text : "";
}
