/* Percent-escapes (RFC 3986 2.1), strictly. That a + is a space has been seen to before. */
#include "server/query.h"

#include <string.h>

#include "server/quote.h"

static int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static bool fail_escape(const char *at, size_t left, struct error *error) {
    char found[4] = "", quoted[24];
    memcpy(found, at, left < 3 ? left : 3);
    return error_set(error, ERROR_INVALID_REQUEST,
                     "the query has %s, expected two hexadecimal digits behind the %%",
                     quote_text(quoted, sizeof quoted, found));
}

bool query_decode(const char *text, size_t n, char *out, struct error *error) {
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (c == '%') {
            int high = i + 2 < n ? digit(text[i + 1]) : -1,
                low = high < 0 ? -1 : digit(text[i + 2]);
            if (low < 0) return fail_escape(text + i, n - i, error);
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (!c)
            return error_set(error, ERROR_INVALID_REQUEST,
                             "the query has a NUL character, which no text may have");
        *out++ = c;
    }
    *out = '\0';
    return true;
}
