/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing past U+10FFFF. */
#ifndef GRADD_API_UTF8_H
#define GRADD_API_UTF8_H

#include <stddef.h>

/* Bytes of the character at s (s < end): 1 to 4, or 0 where it is not UTF-8. */
static inline size_t utf8_length(const char *s, const char *end) {
    const unsigned char *b = (const unsigned char *)s;
    const size_t n = b[0] < 0x80   ? 1
                     : b[0] < 0xC2 ? 0
                     : b[0] < 0xE0 ? 2
                     : b[0] < 0xF0 ? 3
                     : b[0] < 0xF5 ? 4
                                   : 0;
    if (n <= 1) return n;
    if ((size_t)(end - s) < n) return 0;
    /* The second byte of a few leading bytes has a narrower range than the rest. */
    const unsigned char low = b[0] == 0xE0 ? 0xA0 : b[0] == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = b[0] == 0xED ? 0x9F : b[0] == 0xF4 ? 0x8F : 0xBF;
    if (b[1] < low || b[1] > high) return 0;
    for (size_t i = 2; i < n; i++) {
        if ((b[i] & 0xC0) != 0x80) return 0;
    }
    return n;
}

/* The longest prefix of at most `most` of the n bytes that does not end within a character. */
static inline size_t utf8_cut(const char *text, size_t n, size_t most) {
    if (n <= most) return n;
    n = most;
    while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80) n--;
    return n;
}

#endif
