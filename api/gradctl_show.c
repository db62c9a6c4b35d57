/* Answers as tables. Every number is printed with the digits that the server sent. What an answer means
 * is not known here, only its structure: what is plain stands in a list of names and values; objects with
 * the same names in them are columns of one table; an object of objects, or a list of them, is a table. */
#include <stdlib.h>
#include <string.h>

#include "api/gradctl.h"

enum { DEPTH = 128, COLUMNS = 64, NAME = 96, TEXT_MOST = 1 << 30 };

const struct json *show_parse(struct ctl *ctl, const char *text, size_t n) {
    struct json *root;
    struct error error = {0};
    if (json_parse(&ctl->arena, text, n, DEPTH, &root, &error)) return root;
    fprintf(stderr, "gradctl: the answer is not JSON: %s\n", error.detail);
    exit(CTL_UNREACHABLE);
}

/* ---- texts ---- */

/* What a terminal would take for a command becomes a question mark: the control characters of ASCII, and
 * those up to U+009F, which UTF-8 has as two bytes. */
static void make_plain(char *text) {
    char *out = text;
    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;
        const bool wide = c == 0xC2 && text[1] && (unsigned char)text[1] < 0xA0;
        *out++ = (c < 32 && c != '\n') || c == 127 || wide ? '?' : *text;
        if (wide) text++;
    }
    *out = '\0';
}

const char *show_text(struct ctl *ctl, const struct json *v) {
    struct writer out;
    writer_init(&out, TEXT_MOST);
    if (json_type(v) == JSON_STRING)
        write_text(&out, json_string(v));
    else
        json_write(v, &out);
    char *text = arena_copy_text(&ctl->arena, out.data ? out.data : "", out.length);
    writer_free(&out);
    if (!text) ctl_wrong("no memory for the answer");
    if (json_type(v) == JSON_STRING) make_plain(text);
    return text;
}

/* A matrix has a line a row. */
static const char *broken(struct ctl *ctl, const struct json *v) {
    const char *text = show_text(ctl, v);
    if (json_type(v) != JSON_NUMBERS) return text;
    struct writer out;
    writer_init(&out, TEXT_MOST);
    int depth = 0;
    for (const char *c = text; *c; c++) {
        if (*c == '[') depth++;
        if (*c == ']') depth--;
        write_bytes(&out, c, 1);
        if (*c == ',' && depth > 0 && c[-1] == ']') {
            write_text(&out, "\n");
            for (int i = 0; i < depth; i++) write_text(&out, " ");
        }
    }
    text = arena_copy_text(&ctl->arena, out.data ? out.data : "", out.length);
    writer_free(&out);
    return text ? text : "";
}

size_t show_width(const char *text) {
    size_t n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

/* ---- tables ---- */

/* A line of a text, copied; NULL behind the last. */
static const char *line_of(const char *text, size_t line, char **copy) {
    for (; line; line--) {
        text = strchr(text, '\n');
        if (!text) return NULL;
        text++;
    }
    free(*copy);
    *copy = strndup(text, strcspn(text, "\n"));
    if (*copy) make_plain(*copy);
    return *copy;
}

static size_t widest_line(const char *text) {
    size_t widest = 0;
    char *copy = NULL;
    for (size_t k = 0; line_of(text, k, &copy); k++)
        if (show_width(copy) > widest) widest = show_width(copy);
    free(copy);
    return widest;
}

static void print_row(const char *const *cells, size_t columns, const size_t *widths,
                      const char *align) {
    char *copy = NULL;
    for (size_t k = 0, any = 1; any; k++) {
        size_t pending = 0; /* blanks that are printed before a text only */
        any = 0;
        for (size_t j = 0; j < columns; j++) {
            const char *text = line_of(cells[j], k, &copy);
            const size_t width = text ? show_width(text) : 0;
            const size_t left = align[j] == 'r' ? widths[j] - width : 0;
            if (text && !any) {
                any = 1;
                pending = 0;
                for (size_t i = 0; i < j; i++) pending += widths[i] + 2;
            }
            if (any && text && *text)
                printf("%*s%s", (int)(pending + left), "", text), pending = 0;
            else
                pending += left;
            pending += widths[j] - width - left + 2;
        }
        if (any) putchar('\n');
    }
    free(copy);
}

void show_table(const char *const *cells, size_t rows, size_t columns, const char *align) {
    size_t widths[COLUMNS] = {0};
    for (size_t i = 0; i < rows * columns; i++) {
        const size_t width = widest_line(cells[i]);
        if (width > widths[i % columns]) widths[i % columns] = width;
    }
    for (size_t i = 0; i < rows; i++) print_row(cells + i * columns, columns, widths, align);
}

/* ---- what goes into a table ---- */

/* A tensor in one of the typed forms is one value. */
static bool is_object(const struct json *v) {
    return json_type(v) == JSON_OBJECT && json_length(v) > 0 &&
           !(json_member(v, "dtype") && (json_member(v, "data") || json_member(v, "base64")));
}

static bool is_objects(const struct json *v) {
    const struct json *c = json_first(v);
    for (; c; c = json_next(c))
        if (!is_object(c)) return false;
    return json_first(v) != NULL;
}

static bool same_names(const struct json *a, const struct json *b) {
    a = json_first(a), b = json_first(b);
    while (a && b && strcmp(json_key(a), json_key(b)) == 0) a = json_next(a), b = json_next(b);
    return !a && !b;
}

/* A column of a table of objects: a member, or a member of a member. */
struct column {
    char name[NAME];
    const char *outer, *inner; /* inner: NULL where it is the member itself */
};

static void add_column(struct column *list, size_t *n, const char *outer, const char *inner) {
    struct column c = {.outer = outer, .inner = inner};
    snprintf(c.name, sizeof c.name, "%s%s%s", outer, inner ? "." : "", inner ? inner : "");
    for (size_t i = 0; i < *n; i++)
        if (strcmp(list[i].name, c.name) == 0) return;
    if (*n + 1 < COLUMNS) list[(*n)++] = c;
}

static size_t find_columns(const struct json *rows, struct column *list) {
    size_t n = 0;
    for (const struct json *row = json_first(rows); row; row = json_next(row))
        for (const struct json *v = json_first(row); v; v = json_next(v)) {
            if (!is_object(v))
                add_column(list, &n, json_key(v), NULL);
            else
                for (const struct json *w = json_first(v); w; w = json_next(w))
                    add_column(list, &n, json_key(v), json_key(w));
        }
    return n;
}

static bool is_named(const char *name, const char *wanted, size_t n) {
    return strlen(name) == n && strncmp(name, wanted, n) == 0;
}

/* Keeps those that are wanted, by the names that are wanted, in that order. An object's name is all of it. */
static size_t choose(struct column *list, size_t n, const char *wanted) {
    struct column kept[COLUMNS];
    size_t m = 0;
    for (const char *at = wanted; *at; at += at[strcspn(at, ",")] == ',') {
        const size_t length = strcspn(at, ",");
        for (size_t i = 0; i < n; i++) {
            const bool is_whole = is_named(list[i].outer, at, length);
            if (!is_whole && !(list[i].inner && is_named(list[i].inner, at, length))) continue;
            kept[m] = list[i];
            if (is_whole) kept[m].inner = NULL;
            snprintf(kept[m++].name, NAME, "%.*s", (int)length, at);
            break;
        }
        at += length;
    }
    memcpy(list, kept, m * sizeof *kept);
    return m;
}

static const char *cell_of(struct ctl *ctl, const struct json *row, const struct column *c) {
    const struct json *v = json_member(row, c->outer);
    if (v && c->inner) v = json_type(v) == JSON_OBJECT ? json_member(v, c->inner) : NULL;
    return v ? show_text(ctl, v) : "";
}

/* Whether all cells below the heading are numbers, or null. */
static bool is_numeric(const char *const *cells, size_t rows, size_t columns, size_t j) {
    for (size_t i = 1; i < rows; i++) {
        const char *text = cells[i * columns + j];
        if (!strchr("-0123456789", *text) && strcmp(text, "null") != 0) return false;
        if (strchr(text, ':')) return false;
    }
    return true;
}

static void print_cells(const char *const *cells, size_t rows, size_t columns) {
    char align[COLUMNS + 1];
    for (size_t j = 0; j < columns; j++)
        align[j] = is_numeric(cells, rows, columns, j) && j ? 'r' : 'l';
    show_table(cells, rows, columns, align);
}

static const char **make_cells(struct ctl *ctl, size_t rows, size_t columns) {
    const char **cells = arena_zalloc(&ctl->arena, rows * columns * sizeof *cells);
    if (!cells) ctl_wrong("no memory for the answer");
    return cells;
}

/* A table of objects: of an object of them with a column of names, whose heading is `corner`. */
static void print_objects(struct ctl *ctl, const struct json *rows, const char *corner) {
    struct column list[COLUMNS];
    size_t n = find_columns(rows, list);
    if (!corner && ctl->command->columns) n = choose(list, n, ctl->command->columns);
    const size_t first = corner ? 1 : 0, columns = n + first, count = json_length(rows) + 1;
    const char **cells = make_cells(ctl, count, columns);
    if (corner) cells[0] = corner;
    for (size_t j = 0; j < n; j++) cells[first + j] = list[j].name;
    size_t i = 1;
    for (const struct json *row = json_first(rows); row; row = json_next(row), i++) {
        if (corner) cells[i * columns] = json_key(row);
        for (size_t j = 0; j < n; j++) cells[i * columns + first + j] = cell_of(ctl, row, &list[j]);
    }
    print_cells(cells, count, columns);
}

/* A history is for --plot, and warnings go to standard error. */
static bool is_silent(const struct json *v) {
    const char *key = json_key(v);
    return strcmp(key, "history") == 0 || strcmp(key, "warnings") == 0;
}

/* An object of values, which can be a column. */
static bool is_column(const struct json *v) { return is_object(v) && !is_objects(v); }

/* All members from `first` on that are objects of values with the same names: a column each. */
static void print_joined(struct ctl *ctl, const struct json *first) {
    const struct json *members[COLUMNS] = {first};
    size_t n = 1;
    for (const struct json *v = json_next(first); v && n + 1 < COLUMNS; v = json_next(v))
        if (!is_silent(v) && is_column(v) && same_names(v, first)) members[n++] = v;
    const size_t columns = n + 1, rows = json_length(first) + 1;
    const char **cells = make_cells(ctl, rows, columns);
    cells[0] = n == 1 ? json_key(first) : "";
    for (size_t j = 0; j < n; j++) {
        size_t i = 1;
        cells[j + 1] = n == 1 ? "" : json_key(members[j]);
        for (const struct json *v = json_first(members[j]); v; v = json_next(v), i++) {
            cells[i * columns] = json_key(v);
            cells[i * columns + j + 1] = n == 1 ? broken(ctl, v) : show_text(ctl, v);
        }
    }
    print_cells(cells, rows, columns);
}

/* Whether a column stands in the table of a member before it. */
static bool is_joined(const struct json *answer, const struct json *column) {
    for (const struct json *v = json_first(answer); v != column; v = json_next(v))
        if (!is_silent(v) && is_column(v) && same_names(v, column)) return true;
    return false;
}

/* ---- answers ---- */

static bool is_table(const struct json *v) {
    return is_object(v) || (json_type(v) == JSON_ARRAY && is_objects(v));
}

/* Members that are no tables, as names and values; false where there are none. */
static bool print_plain(struct ctl *ctl, const struct json *answer, bool is_list) {
    const char **cells = make_cells(ctl, json_length(answer) + 1, 2);
    size_t n = 0;
    for (const struct json *v = json_first(answer); v; v = json_next(v)) {
        const bool is_end = is_list && json_type(v) == JSON_NULL;
        if (is_silent(v) || is_table(v) || is_end) continue;
        cells[2 * n] = json_key(v);
        cells[2 * n++ + 1] = broken(ctl, v);
    }
    show_table(cells, n, 2, "ll");
    return n > 0;
}

static void print_object(struct ctl *ctl, const struct json *answer) {
    const bool is_list = json_member(answer, "next") != NULL;
    bool begun = print_plain(ctl, answer, is_list);
    for (const struct json *v = json_first(answer); v; v = json_next(v)) {
        if (is_silent(v) || !is_table(v) || (is_column(v) && is_joined(answer, v))) continue;
        if (begun) putchar('\n');
        begun = true;
        if (json_type(v) == JSON_ARRAY)
            print_objects(ctl, v, NULL);
        else if (is_column(v))
            print_joined(ctl, v);
        else
            print_objects(ctl, v, json_key(v));
    }
}

void show_answer(struct ctl *ctl, const struct ctl_answer *answer) {
    if (answer->length == 0) return;
    const bool as_it_came = ctl->is_json || !answer->is_json;
    const struct json *root =
        answer->is_json ? show_parse(ctl, answer->text, answer->length) : NULL;
    if (root && json_type(root) == JSON_OBJECT) problem_warnings(ctl, root);
    if (as_it_came) {
        fwrite(answer->text, 1, answer->length, stdout);
        if (answer->text[answer->length - 1] != '\n') putchar('\n');
    } else if (json_type(root) == JSON_OBJECT) {
        print_object(ctl, root);
    } else {
        puts(show_text(ctl, root));
    }
}
