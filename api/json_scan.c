/* The scanner: bytes to a tree, strictly as RFC 8259 has it. It owns validity, offsets, the ceiling
 * of nesting and duplicate names. The tree is made of cJSON's nodes, linked here and kept in the
 * arena; numbers are left in the body, one node for a number or a whole numeric array. */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/json.h"
#include "api/json_scan.h"
#include "api/span.h"
#include "api/utf8.h"

enum { FEW_KEYS = 8 }; /* so many names are compared one by one */

/* An array or object that is open. */
struct frame {
    cJSON *node;
    size_t n; /* children so far */
    struct json_keys *keys;
};

struct scan {
    struct cursor in;
    struct frame *frames;
    int depth, most;
    char *key; /* of the next value */
    cJSON *root;

    struct skim skim;
    /* The arrays that were open where the last skim failed. None of them is a span, and all arrays
     * that ended before that place are, so no byte is skimmed more than twice. */
    const char **mixed;
    int n_mixed, next_mixed;
    const char *hollow_end; /* up to here no array holds a number at any depth */
};

/* What stands at `at`, for a sentence. */
static const char *name_byte(const struct cursor *c, const char *at, char text[32]) {
    if (at >= c->end) return "the end of the body";
    const unsigned char b = (unsigned char)*at;
    if (b == '"') return "a quote";
    if (b >= 0x20 && b < 0x7F)
        snprintf(text, 32, "\"%c\"", b);
    else
        snprintf(text, 32, "byte 0x%02X", b);
    return text;
}

bool cursor_fail(struct cursor *c, const char *at, const char *found, const char *expected) {
    char text[32];
    if (!found) found = name_byte(c, at, text);
    return error_set(c->error, ERROR_INVALID_JSON,
                     "invalid JSON at byte offset %zu: found %s, expected %s",
                     (size_t)(at - c->body), found, expected);
}

bool cursor_fail_memory(struct cursor *c) {
    return error_set(c->error, ERROR_MEMORY_BUDGET,
                     "the request needs more than the %zu bytes of memory it may take",
                     c->arena->ceiling);
}

static void skip_space(struct cursor *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t' || *c->at == '\r'))
        c->at++;
}

/* Appends a node to what is open. `extra` bytes lie behind it. */
static cJSON *add(struct scan *s, int type, size_t extra) {
    cJSON *node = arena_alloc(s->in.arena, sizeof *node + extra);
    if (!node) {
        cursor_fail_memory(&s->in);
        return NULL;
    }
    *node = (cJSON){.type = type, .string = s->key};
    if (s->depth == 0) {
        s->root = node;
        return node;
    }
    struct frame *frame = &s->frames[s->depth - 1];
    cJSON *first = frame->node->child;
    if (first) { /* cJSON keeps the last child in the first one's prev */
        node->prev = first->prev;
        first->prev->next = node;
        first->prev = node;
    } else {
        node->prev = frame->node->child = node;
    }
    frame->n++;
    return node;
}

/* Opens an array or object whose bracket is next. */
static bool push(struct scan *s, int type) {
    cJSON *node = add(s, type, 0);
    if (!node) return false;
    s->frames[s->depth++] = (struct frame){.node = node};
    s->in.at++;
    return true;
}

static void pop(struct scan *s) {
    const struct frame *frame = &s->frames[--s->depth];
    frame->node->valuedouble = (double)frame->n;
}

static bool add_word(struct scan *s, const char *word, int type) {
    const size_t n = strlen(word);
    size_t same = 0;
    while (same < n && s->in.at + same < s->in.end && s->in.at[same] == word[same]) same++;
    if (same < n) {
        char expected[16];
        snprintf(expected, sizeof expected, "\"%s\"", word);
        return cursor_fail(&s->in, s->in.at + same, NULL, expected);
    }
    s->in.at += n;
    return add(s, type, 0) != NULL;
}

static bool add_string(struct scan *s) {
    char *text;
    if (!json_read_string(&s->in, &text)) return false;
    cJSON *node = add(s, cJSON_String, 0);
    if (node) node->valuestring = text;
    return node != NULL;
}

/* Says what is wrong with the number at c->at. */
static bool fail_number(struct cursor *c) {
    const char *s = c->at + (*c->at == '-');
    if (s < c->end && (*s == 'I' || *s == 'N')) {
        return cursor_fail(c, s, NULL, "a digit (infinity is the string \"-Infinity\")");
    }
    if (s < c->end && *s == '0' && s + 1 < c->end && s[1] >= '0' && s[1] <= '9') {
        return cursor_fail(c, s, "a leading 0", "a number without it");
    }
    while (s < c->end && *s >= '0' && *s <= '9') s++;
    if (s < c->end && *s == '.') {
        s++;
        while (s < c->end && *s >= '0' && *s <= '9') s++;
    }
    if (s < c->end && (*s == 'e' || *s == 'E') && s[-1] >= '0' && s[-1] <= '9') {
        s++;
        if (s < c->end && (*s == '+' || *s == '-')) s++;
    }
    return cursor_fail(c, s, NULL, "a digit");
}

/* A lone number: its text is the node's. */
static bool add_number(struct scan *s) {
    struct cursor *c = &s->in;
    const char *end = span_number_end(c->at, c->end);
    if (!end) return fail_number(c);
    cJSON *node = add(s, cJSON_Number, 0);
    if (!node) return false;
    node->valuestring = (char *)c->at;
    node->valuedouble = (double)(end - c->at);
    c->at = end;
    return true;
}

/* The array that has been skimmed, as one node with its span behind it. */
static bool add_span(struct scan *s) {
    const struct skim *skim = &s->skim;
    const size_t n_dims = (size_t)(skim->deep < RANK_MAX ? skim->deep : RANK_MAX);
    cJSON *node = add(s, cJSON_Raw, sizeof(struct span) + n_dims * sizeof(int64_t));
    if (!node) return false;
    struct span *span = (struct span *)(node + 1);
    *span = (struct span){.text = s->in.at,
                          .length = (size_t)(skim->at - s->in.at),
                          .count = skim->count,
                          .rank = skim->deep,
                          .ragged = skim->odd != SKIM_EVEN,
                          .has_bool = skim->has_bool,
                          .has_number = skim->has_number};
    for (size_t i = 0; i < n_dims; i++) span->dim[i] = skim->levels[i].size;
    node->valuestring = (char *)span;
    s->in.at = skim->at;
    return true;
}

/* True where the array at `at` is known to be no span. */
static bool is_known(struct scan *s, const char *at) {
    if (at < s->hollow_end) return true;
    if (s->next_mixed == s->n_mixed || s->mixed[s->next_mixed] != at) return false;
    s->next_mixed++;
    return true;
}

static bool fail_depth(struct scan *s) {
    return error_set(s->in.error, ERROR_GRAPH_TOO_LARGE,
                     "JSON nests deeper than %d levels at byte offset %zu", s->most,
                     (size_t)(s->in.at - s->in.body));
}

static bool add_array(struct scan *s) {
    if (s->depth == s->most) return fail_depth(s);
    if (!is_known(s, s->in.at)) {
        s->skim.most = s->most - s->depth;
        if (!span_skim(&s->skim, s->in.at, s->in.end)) {
            for (int i = 0; i < s->skim.depth; i++) s->mixed[i] = s->skim.levels[i].open;
            s->n_mixed = s->skim.depth;
            s->next_mixed = 1;
        } else if (s->skim.has_number || s->skim.has_bool) {
            return add_span(s);
        } else {
            s->hollow_end = s->skim.at;
        }
    }
    return push(s, cJSON_Array);
}

static bool add_value(struct scan *s) {
    struct cursor *c = &s->in;
    if (c->at == c->end) return cursor_fail(c, c->at, NULL, "a value");
    switch (*c->at) {
    case '{':
        return s->depth == s->most ? fail_depth(s) : push(s, cJSON_Object);
    case '[':
        return add_array(s);
    case '"':
        return add_string(s);
    case 't':
        return add_word(s, "true", cJSON_True);
    case 'f':
        return add_word(s, "false", cJSON_False);
    case 'n':
        return add_word(s, "null", cJSON_NULL);
    case 'N':
    case 'I':
        return cursor_fail(c, c->at, NULL, "a value (\"NaN\" and \"Infinity\" are strings)");
    default:
        break;
    }
    if (*c->at == '-' || (*c->at >= '0' && *c->at <= '9')) return add_number(s);
    return cursor_fail(c, c->at, NULL, "a value");
}

/* Whether the object that is open has no member of this name yet. */
static enum json_keys_result add_key(struct scan *s, const char *key) {
    struct frame *frame = &s->frames[s->depth - 1];
    const cJSON *first = frame->node->child;
    if (frame->n < FEW_KEYS) {
        for (const cJSON *child = first; child; child = child->next) {
            if (strcmp(child->string, key) == 0) return JSON_KEYS_TWICE;
        }
        return JSON_KEYS_NEW;
    }
    if (!frame->keys) {
        frame->keys = arena_zalloc(s->in.arena, sizeof *frame->keys);
        if (!frame->keys) return JSON_KEYS_NO_MEMORY;
        for (const cJSON *child = first; child; child = child->next) {
            const enum json_keys_result result =
                json_keys_add(frame->keys, s->in.arena, child->string);
            if (result != JSON_KEYS_NEW) return result;
        }
    }
    return json_keys_add(frame->keys, s->in.arena, key);
}

static bool read_key(struct scan *s) {
    struct cursor *c = &s->in;
    const char *at = c->at;
    if (at == c->end || *at != '"')
        return cursor_fail(c, at, NULL, "the name of a member in quotes");
    if (!json_read_string(c, &s->key)) return false;
    switch (add_key(s, s->key)) {
    case JSON_KEYS_NEW:
        break;
    case JSON_KEYS_NO_MEMORY:
        return cursor_fail_memory(c);
    case JSON_KEYS_TWICE:
        return error_set(c->error, ERROR_INVALID_JSON,
                         "invalid JSON at byte offset %zu: the object has a second member \"%.*s\"",
                         (size_t)(at - c->body), (int)utf8_cut(s->key, strlen(s->key), 80), s->key);
    }
    skip_space(c);
    if (c->at == c->end || *c->at != ':') return cursor_fail(c, c->at, NULL, "\":\"");
    c->at++;
    skip_space(c);
    return true;
}

/* Moves from the end of a value, or from the opening bracket, to where the next value begins;
 * *done: there is none, the document has ended. */
static bool find_value(struct scan *s, bool opened, bool *done) {
    struct cursor *c = &s->in;
    for (;; opened = false) {
        skip_space(c);
        *done = s->depth == 0;
        if (*done) return c->at == c->end || cursor_fail(c, c->at, NULL, "the end of the body");
        const bool object = (s->frames[s->depth - 1].node->type & 0xFF) == cJSON_Object;
        if (c->at < c->end && *c->at == (object ? '}' : ']')) {
            c->at++;
            pop(s);
            continue;
        }
        if (!opened) {
            if (c->at == c->end || *c->at != ',') {
                return cursor_fail(c, c->at, NULL, object ? "\",\" or \"}\"" : "\",\" or \"]\"");
            }
            c->at++;
            skip_space(c);
        }
        s->key = NULL;
        return !object || read_key(s);
    }
}

static bool scan(struct scan *s) {
    for (bool done = false; !done;) {
        const int depth = s->depth;
        if (!add_value(s) || !find_value(s, s->depth > depth, &done)) return false;
    }
    return true;
}

static bool scan_init(struct scan *s, struct arena *arena, const char *body, size_t n, int depth,
                      struct error *error) {
    *s = (struct scan){
        .in = {arena, error, body, body, body + n}, .most = depth, .hollow_end = body};
    const size_t levels = (size_t)depth;
    s->frames = arena_alloc(arena, levels * sizeof *s->frames);
    s->skim.levels = arena_alloc(arena, levels * sizeof *s->skim.levels);
    s->mixed = arena_alloc(arena, levels * sizeof *s->mixed);
    return (s->frames && s->skim.levels && s->mixed) || cursor_fail_memory(&s->in);
}

bool json_parse(struct arena *arena, const char *body, size_t n, int depth, struct json **root,
                struct error *error) {
    struct scan s;
    if (n == 0)
        return error_set(error, ERROR_INVALID_JSON, "the body is empty, expected a JSON value");
    if (!scan_init(&s, arena, body, n, depth, error)) return false;
    skip_space(&s.in);
    if (!scan(&s)) return false;
    *root = (struct json *)s.root;
    return true;
}

struct json *json_split(struct arena *arena, const struct json *numbers) {
    struct scan s;
    struct error error;
    const struct span *span = span_of(numbers);
    error_clear(&error);
    if (!scan_init(&s, arena, span->text, span->length, span->rank, &error)) return NULL;
    /* The outermost array is said to be none of numbers; all that lies in it is found as ever. */
    s.mixed[0] = span->text;
    s.n_mixed = 1;
    return scan(&s) ? (struct json *)s.root : NULL;
}
