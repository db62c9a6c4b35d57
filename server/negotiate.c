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

/* 0, 0.5 or 0.125 in thousandths; anything else, readable or not, is 1. */
static int read_weight(const char *q) {
    int w = 0;
    if (*q++ != '0') return 1000;
    if (*q == '.') q++;
    for (int unit = 100; unit && *q >= '0' && *q <= '9'; unit /= 10) w += unit * (*q++ - '0');
    return strchr(" \t,;", *q) ? w : 1000;
}

/* The weight among the parameters at `s`. */
static int find_weight(const char *s) {
    while (*(s = skip_space(s)) == ';') {
        s = skip_space(s + 1);
        if ((s[0] == 'q' || s[0] == 'Q') && s[1] == '=') return read_weight(s + 2);
        s += strcspn(s, ";,");
    }
    return 1000;
}

int negotiate_weight(const char *accept, const char *type, int *how) {
    *how = 0;
    accept = accept ? skip_space(accept) : "";
    if (!*accept) return 1000;

    struct range wanted, range;
    read_range(type, &wanted);
    int best = 0;
    for (const char *s = accept; *s; s += strcspn(s, ","), s += *s == ',') {
        s = skip_space(s);
        const char *rest = read_range(s, &range);
        const int this = rest ? specificity(&range, &wanted) : 0;
        if (this == 0 || this < *how) continue;
        const int w = find_weight(rest);
        best = this > *how || w > best ? w : best;
        *how = this;
    }
    return best;
}

bool negotiate_accepts(const char *accept, const char *type) {
    int how;
    if (!accept || strcmp(accept, "*/*") == 0 || strcmp(accept, type) == 0) return true;
    return negotiate_weight(accept, type, &how) > 0;
}

bool negotiate_prefers(const char *accept, const char *type, const char *preset) {
    int how, how_preset;
    const int w = negotiate_weight(accept, type, &how),
              w_preset = negotiate_weight(accept, preset, &how_preset);
    return how && w && (w > w_preset || (w == w_preset && how > how_preset));
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
