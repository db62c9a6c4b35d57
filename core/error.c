/* Failures as values. This file knows the names of the codes and how to keep the first failure;
 * it does not know who reports it or over what. */
#include "core/error.h"

#include <stdio.h>
#include <string.h>

static const char *const names[ERROR_CODE_COUNT] = {
#define ERROR_NAME(tag, text) [ERROR_##tag] = text,
    ERROR_CODES(ERROR_NAME)
#undef ERROR_NAME
};

void error_clear(struct error *e) {
    e->code = ERROR_NONE;
    e->line = e->column = 0;
    e->pointer[0] = e->node[0] = e->detail[0] = '\0';
}

/* A cut in the middle of a UTF-8 sequence would make the answer invalid JSON. */
static void cut_at_character(char *text, size_t size) {
    size_t n = strlen(text);
    if (n + 1 < size) return;
    while (n > 0 && ((unsigned char)text[n - 1] & 0xC0) == 0x80) n--;
    if (n > 0 && ((unsigned char)text[n - 1] & 0x80)) n--;
    text[n] = '\0';
}

bool error_vset(struct error *e, enum error_code code, const char *format, va_list args) {
    if (e->code != ERROR_NONE) return false;
    error_clear(e);
    e->code = code;
    vsnprintf(e->detail, sizeof e->detail, format, args);
    cut_at_character(e->detail, sizeof e->detail);
    return false;
}

bool error_set(struct error *e, enum error_code code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    error_vset(e, code, format, args);
    va_end(args);
    return false;
}

bool error_at(struct error *e, const char *format, ...) {
    if (e->pointer[0]) return false;
    va_list args;
    va_start(args, format);
    vsnprintf(e->pointer, sizeof e->pointer, format, args);
    va_end(args);
    cut_at_character(e->pointer, sizeof e->pointer);
    return false;
}

const char *error_name(enum error_code code) { return names[code]; }

bool error_is_limit(enum error_code code) {
    return code == ERROR_GRAPH_TOO_LARGE || code == ERROR_TOO_MANY_ELEMENTS ||
           code == ERROR_TOO_MUCH_WORK || code == ERROR_MEMORY_BUDGET;
}
