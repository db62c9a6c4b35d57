/* Places of failures: pointers into the request and lines of a text. What failed is not its
 * business. */
#include "api/place.h"

#include <stdio.h>
#include <string.h>

#include "api/json.h"

bool error_under(struct error *e, const char *name) {
    char inner[sizeof e->pointer], outer[sizeof e->pointer];
    memcpy(inner, e->pointer, sizeof inner);
    json_pointer(outer, sizeof outer, "", name);
    e->pointer[0] = '\0';
    return error_at(e, "%s%s", outer, inner);
}

bool error_under_index(struct error *e, size_t index) {
    char name[24];
    snprintf(name, sizeof name, "%zu", index);
    return error_under(e, name);
}

void text_place(const char *text, size_t offset, uint32_t *line, uint32_t *column) {
    *line = *column = 1;
    for (size_t i = 0; i < offset; i++) {
        if (text[i] == '\n') {
            ++*line;
            *column = 1;
        } else if (((unsigned char)text[i] & 0xC0) != 0x80) {
            ++*column;
        }
    }
}
