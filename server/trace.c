/* Trace contexts as texts. Knows no request, and sends nothing anywhere. */
#include "server/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* version "-" trace-id "-" parent-id "-" trace-flags */
enum { AT_ID = 3, AT_SPAN = AT_ID + TRACE_ID + 1, AT_FLAGS = AT_SPAN + TRACE_SPAN + 1 };
enum { LENGTH = AT_FLAGS + 2 };

/* n hexadecimal digits, none of them a capital; *any: one of them is not 0. */
static bool is_hex(const char *text, int n, bool *any) {
    *any = false;
    for (int i = 0; i < n; i++) {
        const char c = text[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
        if (c != '0') *any = true;
    }
    return true;
}

static int hex_digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

bool trace_read(const char *traceparent, uint64_t span, struct trace *out) {
    const char *t = traceparent;
    bool any, newer;
    if (strnlen(t, LENGTH) < LENGTH) return false;
    if (!is_hex(t, 2, &newer) || memcmp(t, "ff", 2) == 0) return false;
    /* A newer version may say more, behind one more dash. */
    if (t[LENGTH] && !(newer && t[LENGTH] == '-')) return false;
    if (t[AT_ID - 1] != '-' || t[AT_SPAN - 1] != '-' || t[AT_FLAGS - 1] != '-') return false;
    if (!is_hex(t + AT_ID, TRACE_ID, &any) || !any) return false;
    if (!is_hex(t + AT_SPAN, TRACE_SPAN, &any) || !any) return false;
    if (!is_hex(t + AT_FLAGS, 2, &any)) return false;
    memcpy(out->id, t + AT_ID, TRACE_ID);
    out->id[TRACE_ID] = '\0';
    snprintf(out->span, sizeof out->span, "%016" PRIx64, span);
    out->sampled = hex_digit(t[AT_FLAGS + 1]) & 1;
    return true;
}

void trace_write(const struct trace *trace, char out[TRACE_TEXT]) {
    snprintf(out, TRACE_TEXT, "00-%s-%s-%02d", trace->id, trace->span, trace->sampled);
}
