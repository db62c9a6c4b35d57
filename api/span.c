/* The pass over numeric arrays: one look at each byte, shapes found on the way, eight digits at a
 * time. Whoever wants to know why something is not a span must look at it again. */
#include "api/span.h"

#include <string.h>

#define EACH_BYTE(x) ((x)*UINT64_C(0x0101010101010101))

/* Eight bytes, the first of them lowest. */
static uint64_t load8(const char *s) {
    uint64_t w;
    memcpy(&w, s, sizeof w);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    w = __builtin_bswap64(w);
#endif
    return w;
}

static bool is_digit(char c) { return (unsigned char)(c - '0') < 10; }

static const char *digits_end(const char *s, const char *end) {
    while (end - s >= 8) {
        /* A digit has the high half 3 and keeps it when 6 is added. A carry out of a byte can only
         * come from one that is no digit, so the first that is none is found in its place. */
        const uint64_t w = load8(s);
        const uint64_t other =
            ((w & EACH_BYTE(0xF0)) | (((w + EACH_BYTE(0x06)) & EACH_BYTE(0xF0)) >> 4)) ^
            EACH_BYTE(0x33);
        if (other) return s + (__builtin_ctzll(other) >> 3);
        s += 8;
    }
    while (s < end && is_digit(*s)) s++;
    return s;
}

/* NULL where no digit is. */
static const char *some_digits_end(const char *s, const char *end) {
    return s < end && is_digit(*s) ? digits_end(s + 1, end) : NULL;
}

static inline const char *number_end(const char *s, const char *end) {
    if (*s == '-' && ++s == end) return NULL;
    if (!is_digit(*s)) return NULL;
    const bool zero = *s == '0';
    s++;
    if (s < end && is_digit(*s)) {
        if (zero) return NULL;
        s = digits_end(s + 1, end);
    }
    if (s < end && *s == '.') {
        s = some_digits_end(s + 1, end);
        if (!s) return NULL;
    }
    if (s < end && (*s | 0x20) == 'e') {
        s++;
        if (s < end && (*s == '-' || *s == '+')) s++;
        return some_digits_end(s, end);
    }
    return s;
}

const char *span_number_end(const char *s, const char *end) { return number_end(s, end); }

static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

static inline const char *skip_space(const char *s, const char *end) {
    while (s < end && is_space(*s)) s++;
    return s;
}

/* The end of a boolean or a non-finite string, or NULL. */
static const char *word_end(struct skim *k, const char *s, const char *end) {
    static const struct {
        char text[12];
        size_t n;
    } words[] = {
        {"true", 4}, {"false", 5}, {"\"NaN\"", 5}, {"\"Infinity\"", 10}, {"\"-Infinity\"", 11}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if ((size_t)(end - s) < words[i].n || memcmp(s, words[i].text, words[i].n) != 0) continue;
        if (i < 2)
            k->has_bool = true;
        else
            k->has_number = true;
        return s + words[i].n;
    }
    return NULL;
}

/* Remembers the first thing that is odd; false where the pass ends there. */
static bool note(struct skim *k, enum skim_odd odd) {
    if (k->odd == SKIM_EVEN) k->odd = odd;
    return !k->stop_at_odd;
}

/* The first number makes its depth the depth of all, unless there were deeper arrays. */
static bool enter_leaf(struct skim *k) {
    if (k->leaf == 0 && k->deep == k->depth) {
        k->leaf = k->depth;
        return true;
    }
    return note(k, SKIM_ODD_NUMBER);
}

static bool open_array(struct skim *k, const char *s) {
    if (k->depth > 0) {
        if (k->leaf && k->depth >= k->leaf && !note(k, SKIM_ODD_ARRAY)) return false;
        if (k->levels[k->depth - 1].size == 0 && !note(k, SKIM_ODD_FILLED)) return false;
    }
    if (k->depth == k->most) return false;
    struct skim_level *level = &k->levels[k->depth++];
    level->open = s;
    level->n = 0;
    if (k->depth > k->deep) {
        k->deep = k->depth;
        level->size = -1;
    }
    return true;
}

static bool close_array(struct skim *k, int64_t n) {
    struct skim_level *level = &k->levels[--k->depth];
    if (k->depth + 1 == k->leaf) k->count += n;
    level->n = n;
    if (level->size < 0) level->size = n;
    return level->size == n || note(k, SKIM_ODD_SIZE);
}

static bool fail_at(struct skim *k, const char *s, int64_t n) {
    k->at = s;
    if (k->depth) k->levels[k->depth - 1].n = n;
    return false;
}

bool span_skim(struct skim *k, const char *s, const char *end) {
    int64_t n = 0; /* elements of the innermost array that are complete */
    k->depth = k->deep = k->leaf = 0;
    k->count = 0;
    k->odd = SKIM_EVEN;
    k->has_bool = k->has_number = false;
    for (;;) { /* an element begins at s */
        s = skip_space(s, end);
        if (s == end) return fail_at(k, s, n);
        const char *next;
        if (is_digit(*s) || *s == '-') {
            next = number_end(s, end);
            k->has_number = true;
            if (!next || (k->depth != k->leaf && !enter_leaf(k))) return fail_at(k, s, n);
            n++;
        } else if (*s == '[') {
            if (k->depth) k->levels[k->depth - 1].n = n;
            if (!open_array(k, s)) return fail_at(k, s, n);
            n = 0;
            next = skip_space(s + 1, end);
            if (next == end || *next != ']') {
                s = next;
                continue;
            }
        } else {
            next = word_end(k, s, end);
            if (!next || (k->depth != k->leaf && !enter_leaf(k))) return fail_at(k, s, n);
            n++;
        }
        for (s = skip_space(next, end); s < end && *s == ']'; s = skip_space(s + 1, end)) {
            if (!close_array(k, n)) return fail_at(k, s, k->depth ? k->levels[k->depth - 1].n : 0);
            if (k->depth == 0) {
                k->at = s + 1;
                return true;
            }
            n = k->levels[k->depth - 1].n + 1;
        }
        if (s == end || *s != ',') return fail_at(k, s, n);
        s++;
    }
}
