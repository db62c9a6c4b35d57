/* The name that somebody may have meant: edit distance between short names. Whose names they are is not
 * known here. */
#include <string.h>

#include "core/op.h"

enum { NAME_MAX = 40 };

/* Edits (insert, delete, replace, swap of neighbours) from a to b; both at most NAME_MAX long. */
static size_t edit_distance(const char *a, size_t n, const char *b, size_t m) {
    size_t rows[3][NAME_MAX + 1], *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= m; j++) last[j] = j;
    for (size_t i = 1; i <= n; i++) {
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best) best = last[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && before[j - 2] + 1 < best) best = before[j - 2] + 1;
            row[j] = best;
        }
        size_t *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[m];
}

const char *name_nearest(const char *name, const char *const *names, size_t n) {
    size_t length = strlen(name);
    if (length == 0 || length > NAME_MAX) return NULL;
    size_t within = length <= 2 ? 1 : length <= 5 ? 2 : length / 3 + 1;
    const char *nearest = NULL;
    for (size_t i = 0; i < n; i++) {
        size_t m = strlen(names[i]);
        if (m > NAME_MAX || m + within < length || length + within < m) continue;
        size_t d = edit_distance(name, length, names[i], m);
        if (d > within || d >= length || (nearest && d == within)) continue;
        nearest = names[i];
        within = d;
    }
    return nearest;
}
