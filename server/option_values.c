/* The texts of options become values here. Knows kinds of values and nothing of what options there are. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "server/options_own.h"
#include "server/web.h"

static const char units[] = "kMG";

static bool read_number(const struct option_row *row, const char *text, int64_t *out) {
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 19 || text[digits]) return false;
    *out = strtoll(text, NULL, 10);
    return *out >= row->least && *out <= row->most;
}

/* With k, M or G behind it or not. */
static bool read_bytes(const struct option_row *row, const char *text, void *field) {
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 15) return false;
    int64_t n = strtoll(text, NULL, 10);
    const char *suffix = text + digits;
    int shift = 0;
    if (*suffix) {
        const char *unit = strchr(units, *suffix == 'K' ? 'k' : *suffix);
        if (!unit || suffix[1]) return false;
        shift = 10 * (int)(unit - units + 1);
    }
    if (n > row->most >> shift || n << shift < row->least) return false;
    *(int64_t *)field = n << shift;
    return true;
}

static bool read_count(const struct option_row *row, const char *text, void *field) {
    return read_number(row, text, field);
}

static bool read_seconds(const struct option_row *row, const char *text, void *field) {
    return read_number(row, text, field);
}

static bool read_threads(const struct option_row *row, const char *text, void *field) {
    int64_t n;
    if (!read_number(row, text, &n)) return false;
    *(int *)field = (int)n;
    return true;
}

static bool read_flag(const struct option_row *row, const char *text, void *field) {
    (void)row;
    const bool set = strcmp(text, "1") == 0;
    *(bool *)field = set;
    return set || strcmp(text, "0") == 0;
}

static bool read_file(const struct option_row *row, const char *text, void *field) {
    (void)row;
    *(const char **)field = text;
    return *text;
}

static bool read_user(const struct option_row *row, const char *text, void *field) {
    return read_file(row, text, field);
}

static bool read_on_off(const struct option_row *row, const char *text, void *field) {
    (void)row;
    const bool on = strcmp(text, "on") == 0;
    *(bool *)field = on;
    return on || strcmp(text, "off") == 0;
}

static bool read_directory(const struct option_row *row, const char *text, void *field) {
    return read_file(row, text, field);
}

/* Whether nothing is to be kept. */
static bool read_store(const struct option_row *row, const char *text, void *field) {
    (void)row;
    const bool memory = strcmp(text, "memory:") == 0;
    *(bool *)field = memory;
    return memory || strcmp(text, "sqlite:") == 0;
}

static bool read_mode(const struct option_row *row, const char *text, void *field) {
    char *end;
    const long mode = strtol(text, &end, 8);
    (void)row;
    *(mode_t *)field = (mode_t)mode;
    return *text && !*end && mode >= 0 && mode <= 0777;
}

static bool read_addresses(const struct option_row *row, const char *text, void *field) {
    (void)row;
    return listen_parse_list(text, field);
}

static bool read_level(const struct option_row *row, const char *text, void *field) {
    (void)row;
    return log_find(text, field);
}

static bool read_format(const struct option_row *row, const char *text, void *field) {
    (void)row;
    const bool json = strcmp(text, "json") == 0;
    *(enum line_format *)field = json ? LINE_JSON : LINE_LOGFMT;
    return json || strcmp(text, "logfmt") == 0;
}

/* What stands between commas, each of it good. */
static bool read_list(const char *text, struct option_list *list, bool (*good)(const char *)) {
    if (strlen(text) >= sizeof list->text) return false;
    char *at = strcpy(list->text, text);
    list->n = 0;
    for (bool more = true; more;) {
        char *end = at + strcspn(at, ",");
        more = *end == ',';
        *end = '\0';
        if (list->n == OPTION_LIST || !good(at)) return false;
        list->items[list->n++] = at;
        at = end + 1;
    }
    return true;
}

static bool read_hosts(const struct option_row *row, const char *text, void *field) {
    (void)row;
    return read_list(text, field, web_host_is_good);
}

static bool read_origins(const struct option_row *row, const char *text, void *field) {
    (void)row;
    return read_list(text, field, web_origin_is_good);
}

bool option_value(const struct option_row *row, const char *text, struct options *o) {
    static bool (*const read[])(const struct option_row *, const char *, void *) = {
#define OPTION_KIND(kind, type, adds, least, most, expected) read_##kind,
        OPTION_KINDS(OPTION_KIND)
#undef OPTION_KIND
    };
    return read[row->kind](row, text, (char *)o + row->at);
}

const char *option_size(int64_t bytes, char out[24]) {
    int unit = 0;
    while (unit < 3 && bytes && bytes % 1024 == 0) bytes /= 1024, unit++;
    snprintf(out, 24, "%" PRId64 "%.1s", bytes, unit ? &units[unit - 1] : "");
    return out;
}

const char *option_expected(const struct option_row *row, char out[OPTION_EXPECTED]) {
    static const char *const expected[] = {
#define OPTION_KIND(kind, type, adds, least, most, expected) expected,
        OPTION_KINDS(OPTION_KIND)
#undef OPTION_KIND
    };
    char least[24], most[24];
    if (expected[row->kind]) return expected[row->kind];
    if (row->kind == OPTION_bytes)
        snprintf(out, OPTION_EXPECTED,
                 "a number of bytes from %s to %s, such as 65536, 512k or 64M",
                 option_size(row->least, least), option_size(row->most, most));
    else
        snprintf(out, OPTION_EXPECTED, "a whole number%s from %" PRId64 " to %" PRId64,
                 row->kind == OPTION_seconds ? " of seconds" : "", row->least, row->most);
    return out;
}

/* ---- lines of a file ---- */

static char *trim(char *text, size_t n) {
    while (n && strchr(" \t\r", text[n - 1])) n--;
    text[n] = '\0';
    return text + strspn(text, " \t");
}

/* A value in quotation marks is all that stands between them; else a # behind a blank begins a comment. */
static const char *read_value(char *text) {
    size_t n = strlen(text);
    if (*text == '"') {
        char *end = strchr(text + 1, '"');
        const char *rest = end ? end + 1 + strspn(end + 1, " \t") : "x";
        if (*rest && *rest != '#') return NULL;
        *end = '\0';
        return text + 1;
    }
    for (size_t i = 0; i < n; i++)
        if (text[i] == '#' && (i == 0 || strchr(" \t", text[i - 1]))) n = i;
    return trim(text, n);
}

int option_line(char **text, int *line, const char **name, const char **value) {
    while (**text) {
        char *at = *text;
        const size_t length = strcspn(at, "\n");
        *text += length + (at[length] == '\n');
        ++*line;
        at = trim(at, length);
        if (!*at || *at == '#') continue;
        *name = at;
        char *sign = strchr(at, '=');
        if (!sign || sign == at) return -1;
        char *behind = sign + 1 + strspn(sign + 1, " \t");
        *value = read_value(behind);
        if (!*value) return -1;
        *name = trim(at, (size_t)(sign - at));
        return 1;
    }
    return 0;
}
