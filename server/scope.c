/* Scopes as text. Which route wants which is the route table's business. */
#include "server/scope.h"

#include <string.h>

static const char *const scope_names[] = {
#define SCOPE_NAME(tag, name, meaning) name,
    SCOPES(SCOPE_NAME)
#undef SCOPE_NAME
};

bool scopes_parse(const char *text, unsigned *out) {
    *out = 0;
    for (const char *at = text;; at++) {
        const size_t n = strcspn(at, ",");
        unsigned bit = 0;
        for (unsigned i = 0; i < SCOPE_COUNT; i++)
            if (strlen(scope_names[i]) == n && strncmp(at, scope_names[i], n) == 0) bit = 1U << i;
        if (!bit) return false;
        *out |= bit;
        at += n;
        if (!*at) return true;
    }
}

const char *scopes_write(unsigned scopes, char out[SCOPES_TEXT]) {
    char *at = out;
    *at = '\0';
    for (unsigned i = 0; i < SCOPE_COUNT; i++) {
        if (!(scopes & 1U << i)) continue;
        if (at > out) *at++ = ',';
        at = stpcpy(at, scope_names[i]);
    }
    return out;
}
