/* JSON strings: their grammar, escapes and UTF-8. A string is looked at once to check it and find
 * its end, and decoded into memory of exactly the size that it may need. */
#include <stdio.h>
#include <string.h>

#include "api/json_scan.h"
#include "api/utf8.h"

#define EACH_BYTE(x) ((x)*UINT64_C(0x0101010101010101))

static const char *const want_escape =
    "one of the escapes \\\" \\\\ \\/ \\b \\f \\n \\r \\t or \\u with four hexadecimal digits";

/* True where all of eight bytes stand for themselves: ASCII, and neither quote, backslash nor
 * control character. */
static bool is_plain8(const char *s) {
    uint64_t w;
    memcpy(&w, s, sizeof w);
    const uint64_t quote = w ^ EACH_BYTE('"'), backslash = w ^ EACH_BYTE('\\');
    const uint64_t special =
        (quote - EACH_BYTE(1)) | (backslash - EACH_BYTE(1)) | (w - EACH_BYTE(0x20)) | w;
    return (special & EACH_BYTE(0x80)) == 0;
}

/* The value of four hexadecimal digits, or -1. */
static int hex4(const char *s, const char *end) {
    int value = 0;
    if (end - s < 4) return -1;
    for (int i = 0; i < 4; i++) {
        const char c = s[i], lower = (char)(c | 0x20);
        if (c >= '0' && c <= '9')
            value = value * 16 + (c - '0');
        else if (lower >= 'a' && lower <= 'f')
            value = value * 16 + (lower - 'a' + 10);
        else
            return -1;
    }
    return value;
}

static bool is_high_surrogate(int unit) { return unit >= 0xD800 && unit < 0xDC00; }
static bool is_low_surrogate(int unit) { return unit >= 0xDC00 && unit < 0xE000; }

/* Checks \uXXXX at s, with the second half of a surrogate pair; *next is set past it. */
static bool check_unicode(struct cursor *c, const char *s, const char **next) {
    char found[32];
    const int unit = hex4(s + 2, c->end);
    if (unit < 0) return cursor_fail(c, s, "\\u without four hexadecimal digits", want_escape);
    if (unit == 0) return cursor_fail(c, s, "\\u0000 in a string", "text without NUL characters");
    *next = s + 6;
    if (!is_high_surrogate(unit) && !is_low_surrogate(unit)) return true;
    if (is_high_surrogate(unit) && c->end - s >= 8 && s[6] == '\\' && s[7] == 'u' &&
        is_low_surrogate(hex4(s + 8, c->end))) {
        *next = s + 12;
        return true;
    }
    snprintf(found, sizeof found, "the lone surrogate \\u%04X", (unsigned)unit);
    return cursor_fail(c, s, found, "a pair of surrogates, a high one and then a low one");
}

static bool check_escape(struct cursor *c, const char *s, const char **next) {
    if (s + 1 == c->end) return cursor_fail(c, s + 1, NULL, want_escape);
    if (s[1] == 'u') return check_unicode(c, s, next);
    if (!s[1] || !strchr("\"\\/bfnrt", s[1])) return cursor_fail(c, s + 1, NULL, want_escape);
    *next = s + 2;
    return true;
}

/* Checks the string whose first character is at s; *close is its closing quote. */
static bool check_string(struct cursor *c, const char *s, const char **close, bool *escaped) {
    const char *open = s - 1;
    *escaped = false;
    for (;;) {
        while (c->end - s >= 8 && is_plain8(s)) s += 8;
        if (s == c->end) {
            char expected[80];
            snprintf(expected, sizeof expected,
                     "the closing quote of the string that begins at byte offset %zu",
                     (size_t)(open - c->body));
            return cursor_fail(c, s, NULL, expected);
        }
        const unsigned char b = (unsigned char)*s;
        if (b == '"') {
            *close = s;
            return true;
        }
        if (b == '\\') {
            *escaped = true;
            if (!check_escape(c, s, &s)) return false;
        } else if (b < 0x20) {
            return cursor_fail(c, s, NULL, "control characters of a string to be escaped");
        } else {
            const size_t n = utf8_length(s, c->end);
            if (n == 0) return cursor_fail(c, s, NULL, "UTF-8");
            s += n;
        }
    }
}

static char *encode_utf8(char *out, unsigned code) {
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    if (code < 0x800) {
        *out++ = (char)(0xC0 | code >> 6);
    } else {
        if (code < 0x10000) {
            *out++ = (char)(0xE0 | code >> 12);
        } else {
            *out++ = (char)(0xF0 | code >> 18);
            *out++ = (char)(0x80 | (code >> 12 & 0x3F));
        }
        *out++ = (char)(0x80 | (code >> 6 & 0x3F));
    }
    *out++ = (char)(0x80 | (code & 0x3F));
    return out;
}

/* Decodes the escape at *s, which has been checked. */
static char *decode_escape(char *out, const char **s, const char *end) {
    static const char names[] = "bfnrt", values[] = "\b\f\n\r\t";
    const char c = (*s)[1];
    if (c != 'u') {
        const char *name = strchr(names, c);
        *out++ = name ? values[name - names] : c;
        *s += 2;
        return out;
    }
    unsigned code = (unsigned)hex4(*s + 2, end);
    *s += 6;
    if (is_high_surrogate((int)code)) {
        code = 0x10000 + ((code - 0xD800) << 10) + ((unsigned)hex4(*s + 2, end) - 0xDC00);
        *s += 6;
    }
    return encode_utf8(out, code);
}

bool json_read_string(struct cursor *c, char **text) {
    const char *s = c->at + 1, *close = NULL;
    bool escaped;
    if (!check_string(c, s, &close, &escaped)) return false;
    c->at = close + 1;
    if (!escaped) {
        *text = arena_copy_text(c->arena, s, (size_t)(close - s));
        return *text || cursor_fail_memory(c);
    }
    /* An escape is never shorter than what it stands for. */
    char *out = arena_alloc(c->arena, (size_t)(close - s) + 1);
    if (!out) return cursor_fail_memory(c);
    *text = out;
    while (s < close) {
        if (*s == '\\')
            out = decode_escape(out, &s, close);
        else
            *out++ = *s++;
    }
    *out = '\0';
    return true;
}
