/* Regular expressions that choose variables by name, by PCRE2: its syntax is close to that of Python's re,
 * and a match can be bounded, which the C library's regexec cannot be. Knows no optimizer.
 *
 * A pattern is compiled for each use: that takes 0.3 microseconds, a match of an ordinary one 0.1, and what
 * runs into the limit 20 to 220. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <ctype.h>
#include <string.h>

#include "api/optimizer.h"

enum {
    PATTERN_MOST = 256,    /* bytes */
    PATTERN_DEPTH = 32,    /* nested parentheses */
    MATCH_STEPS = 10000,   /* of one match, as PCRE2 counts its inner calls */
    MATCH_DEPTH = 1000,    /* of backtracking */
    MATCH_KIBIBYTES = 1000 /* for backtracking */
};

struct pattern {
    pcre2_compile_context *compile;
    pcre2_match_context *limits;
    pcre2_match_data *data;
    pcre2_code *code;
    int error; /* of PCRE2, 0: none */
    PCRE2_SIZE offset;
};

static void pattern_end(struct pattern *p) {
    pcre2_code_free(p->code);
    pcre2_match_data_free(p->data);
    pcre2_match_context_free(p->limits);
    pcre2_compile_context_free(p->compile);
}

/* False after a failure; pattern_end must follow in any case. */
static bool pattern_begin(struct pattern *p, const char *text, uint32_t options) {
    *p = (struct pattern){.compile = pcre2_compile_context_create(NULL),
                          .limits = pcre2_match_context_create(NULL),
                          .data = pcre2_match_data_create(1, NULL),
                          .error = PCRE2_ERROR_NOMEMORY};
    if (!p->compile || !p->limits || !p->data) return false;
    pcre2_set_max_pattern_length(p->compile, PATTERN_MOST);
    pcre2_set_parens_nest_limit(p->compile, PATTERN_DEPTH);
    pcre2_set_match_limit(p->limits, MATCH_STEPS);
    pcre2_set_depth_limit(p->limits, MATCH_DEPTH);
    pcre2_set_heap_limit(p->limits, MATCH_KIBIBYTES);
    p->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
                            PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | options, &p->error, &p->offset,
                            p->compile);
    return p->code != NULL;
}

/* Whether it is found; p->error says where a limit was in the way. */
static bool found(struct pattern *p, const char *name, bool whole) {
    const uint32_t options = whole ? PCRE2_ANCHORED | PCRE2_ENDANCHORED : 0;
    const int n =
        pcre2_match(p->code, (PCRE2_SPTR)name, strlen(name), 0, options, p->data, p->limits);
    p->error = n < 0 && n != PCRE2_ERROR_NOMATCH ? n : 0;
    return n >= 0;
}

bool pattern_matches(const char *pattern, const char *name, bool whole) {
    struct pattern p;
    const bool matches = pattern_begin(&p, pattern, 0) && found(&p, name, whole);
    pattern_end(&p);
    return matches;
}

static bool within_limits(struct pattern *p, const char *name) {
    for (int whole = 0; whole < 2; whole++) {
        found(p, name, whole);
        if (p->error) return false;
    }
    return true;
}

/* Some patterns need steps that grow exponentially with the length of what almost matches. Names of one of
 * the pattern's own characters, again and again, find them out. */
static bool is_quick(struct pattern *p, const char *text) {
    enum { LENGTH = 64 };
    char name[LENGTH + 1];
    name[LENGTH] = '\0';
    for (const char *c = text; *c; c++) {
        if ((!isalnum((unsigned char)*c) && *c != '_') || memchr(text, *c, (size_t)(c - text)))
            continue;
        memset(name, *c, LENGTH);
        if (!within_limits(p, name)) return false;
        name[LENGTH - 1] = '-'; /* which no name has */
        if (!within_limits(p, name)) return false;
    }
    return true;
}

bool pattern_check(const char *text, struct error *error) {
    struct pattern p;
    PCRE2_UCHAR why[120] = "";
    const size_t length = strlen(text);
    if (length > PATTERN_MOST)
        return error_set(error, ERROR_INVALID_VALUE,
                         "a pattern of %zu bytes is longer than the %d it may have", length,
                         (int)PATTERN_MOST);
    if (strstr(text, "{,"))
        return error_set(
            error, ERROR_INVALID_VALUE,
            "the regular expression \"%s\" has {, in it, which not all read alike; write "
            "{0,n} for up to n",
            text);
    /* Without what PCRE2 sees at a glance, such as that a letter is missing: other names may have it. */
    bool ok = pattern_begin(&p, text, PCRE2_NO_START_OPTIMIZE);
    if (!ok && p.error == PCRE2_ERROR_NOMEMORY) {
        error_set(error, ERROR_MEMORY_BUDGET, "there is no memory for a regular expression");
    } else if (!ok) {
        pcre2_get_error_message(p.error, why, sizeof why);
        error_set(error, ERROR_INVALID_VALUE, "\"%s\" is no regular expression: %s at byte %zu",
                  text, (const char *)why, p.offset);
    } else if (!is_quick(&p, text)) {
        ok = error_set(error, ERROR_INVALID_VALUE,
                       "the regular expression \"%s\" takes more than %d steps to match a name",
                       text, (int)MATCH_STEPS);
    }
    pattern_end(&p);
    return ok;
}
