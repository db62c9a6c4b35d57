/* Quotation of what clients wrote, for sentences and log lines. */
#include "server/quote.h"

#include <stdio.h>

const char *quote_text(char *out, size_t size, const char *text) {
    size_t n = 0;
    out[n++] = '"';
    /* Room for the longest escape, the closing quote and the NUL. */
    for (const char *c = text; *c && n + 6 < size; c++) {
        unsigned char u = (unsigned char)*c;
        if (u == '"' || u == '\\') {
            out[n++] = '\\';
            out[n++] = *c;
        } else if (u < 0x20 || u >= 0x7f) {
            n += (size_t)snprintf(out + n, 5, "\\x%02x", u);
        } else {
            out[n++] = *c;
        }
    }
    out[n++] = '"';
    out[n] = '\0';
    return out;
}
