/* Content negotiation (RFC 9110 12.5.1, 8.3), over texts alone. */
#include "server/negotiate.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static const char *skip_space(const char *s) { return s + strspn(s, " \t"); }

/* A media range or type: where its two names are. */
struct range {
    const char *type, *subtype;
    size_t type_length, subtype_length;
};

/* Reads "type/subtype" and returns what follows, or NULL. */
static const char *read_range(const char *s, struct range *out) {
    static const char stops[] = " \t,;/";
    *out = (struct range){.type = s, .subtype = "", .type_length = strcspn(s, stops)};
    s += out->type_length;
    if (*s != '/') return NULL;
    out->subtype = ++s;
    out->subtype_length = strcspn(s, stops);
    return s + out->subtype_length;
}

static bool same(const char *a, size_t n, const char *b, size_t m) {
    return n == m && strncasecmp(a, b, n) == 0;
}

/* 0: does not match; 1: any type; 2: any subtype; 3: this very type. */
static int specificity(const struct range *range, const struct range *wanted) {
    bool any_type = same(range->type, range->type_length, "*", 1);
    bool any_subtype = same(range->subtype, range->subtype_length, "*", 1);
    if (any_type) return any_subtype ? 1 : 0;
    if (!same(range->type, range->type_length, wanted->type, wanted->type_length)) return 0;
    if (any_subtype) return 2;
    return same(range->subtype, range->subtype_length, wanted->subtype, wanted->subtype_length) ? 3
                                                                                                : 0;
}

/* The weight among the parameters at `s` is zero; anything else, readable or not, allows. */
static bool weighs_nothing(const char *s) {
    while (*(s = skip_space(s)) == ';') {
        s = skip_space(s + 1);
        if ((s[0] == 'q' || s[0] == 'Q') && s[1] == '=')
            return s[2] == '0' && strchr(" \t,;", s[3 + strspn(s + 3, ".0")]) != NULL;
        s += strcspn(s, ";,");
    }
    return false;
}

bool negotiate_accepts(const char *accept, const char *type) {
    if (!accept || strcmp(accept, "*/*") == 0 || strcmp(accept, type) == 0) return true;
    accept = skip_space(accept);
    if (!*accept) return true;

    struct range wanted, range;
    read_range(type, &wanted);
    int best = 0;
    bool allowed = false;
    for (const char *s = accept; *s; s += strcspn(s, ","), s += *s == ',') {
        s = skip_space(s);
        const char *rest = read_range(s, &range);
        int how = rest ? specificity(&range, &wanted) : 0;
        if (how == 0 || how < best) continue;
        bool allows = !weighs_nothing(rest);
        allowed = how > best ? allows : allowed || allows;
        best = how;
    }
    return allowed;
}

bool negotiate_is_json(const char *content_type) {
    if (!content_type || strcmp(content_type, "application/json") == 0) return true;
    const char *s = skip_space(content_type);
    if (!*s) return true;
    struct range range;
    const char *rest = read_range(s, &range);
    if (!rest) return false;
    rest = skip_space(rest);
    if ((*rest && *rest != ';') || !same(range.type, range.type_length, "application", 11))
        return false;
    return same(range.subtype, range.subtype_length, "json", 4) ||
           same(range.subtype, range.subtype_length, "x-www-form-urlencoded", 21) ||
           (range.subtype_length > 5 &&
            strncasecmp(range.subtype + range.subtype_length - 5, "+json", 5) == 0);
}
