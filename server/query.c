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

static bool fail_escape(const char *at, const char *what, struct error *error) {
    char found[4] = "", quoted[24];
    memcpy(found, at, strnlen(at, 3));
    return error_set(error, ERROR_INVALID_REQUEST,
                     "the %s has %s, expected two hexadecimal digits behind the %%", what,
                     quote_text(quoted, sizeof quoted, found));
}

bool query_decode(char *text, const char *what, struct error *error) {
    char *out = text;
    for (const char *in = text; *in; in++) {
        if (*in != '%') {
            *out++ = *in;
            continue;
        }
        int high = digit(in[1]), low = high < 0 ? -1 : digit(in[2]);
        if (low < 0) return fail_escape(in, what, error);
        if (high + low == 0)
            return error_set(error, ERROR_INVALID_REQUEST,
                             "the %s has a NUL character, which no text may have", what);
        *out++ = (char)(high << 4 | low);
        in += 2;
    }
    *out = '\0';
    return true;
}
