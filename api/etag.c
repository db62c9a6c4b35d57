/* Entity tags. Reads lists of them as headers have them; where the tags come from is not its
 * business. */
#include "api/etag.h"

#include <stddef.h>
#include <string.h>

static const char *skip_space(const char *s) { return s + strspn(s, " \t"); }

bool etag_among(const char *list, const char *etag, bool weak) {
    if (!list) return false;
    const size_t n = strlen(etag);
    for (const char *s = list; *(s = skip_space(s));) {
        if (*s == '*') return true;
        const bool is_weak = s[0] == 'W' && s[1] == '/';
        if (is_weak) s += 2;
        if (*s != '"') return false;
        const char *end = strchr(s + 1, '"');
        if (!end) return false;
        if ((weak || !is_weak) && (size_t)(end + 1 - s) == n && strncmp(s, etag, n) == 0)
            return true;
        s = skip_space(end + 1);
        if (*s == ',') s++;
    }
    return false;
}
