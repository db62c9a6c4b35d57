/* Tables of numbers in text files: rows, with commas, semicolons, tabs or spaces between their cells,
 * which may stand in double quotes. Numbers stay the text that they are. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "api/gradctl.h"

/* What is being read. */
struct reader {
    const char *at, *end, *file;
    struct arena *arena;
    char delimiter; /* ' ': any run of blanks */
    long line;      /* of `at` */
};

/* Spaces, and tabs where they are no delimiter. */
static void skip_blanks(struct reader *r) {
    while (r->at < r->end && (*r->at == ' ' || (*r->at == '\t' && r->delimiter != '\t'))) r->at++;
}

static bool at_line_end(const struct reader *r) {
    return r->at == r->end || *r->at == '\n' || *r->at == '\r' || *r->at == '#';
}

/* A line ends with \n, \r\n or, in files of old, \r. */
static void skip_line(struct reader *r) {
    while (r->at < r->end && *r->at != '\n' && *r->at != '\r') r->at++;
    if (r->end - r->at > 1 && r->at[0] == '\r' && r->at[1] == '\n') r->at++;
    if (r->at < r->end) r->at++;
    r->line++;
}

/* Moves to the next line that has something on it; false at the end. */
static bool find_row(struct reader *r) {
    for (;; skip_line(r)) {
        skip_blanks(r);
        if (r->at == r->end) return false;
        if (!at_line_end(r)) return true;
    }
}

/* The delimiter is the first of these that the first row has outside of quotes. */
static char guess_delimiter(struct reader r) {
    bool quoted = false;
    char found = ' ';
    for (; quoted ? r.at < r.end : !at_line_end(&r); r.at++) {
        if (*r.at == '"') quoted = !quoted;
        if (quoted) continue;
        if (*r.at == ',' || (*r.at == ';' && found != ',')) found = *r.at;
        if (*r.at == '\t' && found == ' ') found = '\t';
    }
    return found;
}

static char *read_quoted(struct reader *r) {
    const char *begin = r->at + 1, *end = begin;
    while (end < r->end && (*end != '"' || (end + 1 < r->end && end[1] == '"')))
        end += *end == '"' ? 2 : 1;
    if (end == r->end) ctl_wrong("%s:%ld: a quote has no end", r->file, r->line);
    char *text = arena_alloc(r->arena, (size_t)(end - begin) + 1), *out = text;
    if (!text) ctl_wrong("%s: no memory for it", r->file);
    for (const char *c = begin; c < end; c++) {
        if (*c == '"') c++;
        if (*c == '\n') r->line++;
        *out++ = *c;
    }
    *out = '\0';
    r->at = end + 1;
    return text;
}

static char *read_plain(struct reader *r) {
    const char *begin = r->at;
    while (!at_line_end(r) && *r->at != r->delimiter &&
           !(r->delimiter == ' ' && isspace((unsigned char)*r->at)))
        r->at++;
    const char *last = r->at;
    while (last > begin && isspace((unsigned char)last[-1])) last--;
    char *text = arena_copy_text(r->arena, begin, (size_t)(last - begin));
    if (!text) ctl_wrong("%s: no memory for it", r->file);
    return text;
}

/* Cells that grow. */
struct cells {
    char **list;
    size_t n, capacity;
};

static void add_cell(struct cells *cells, char *text, const char *file) {
    if (cells->n == cells->capacity) {
        cells->capacity = cells->capacity ? 2 * cells->capacity : 1024;
        char **more = realloc(cells->list, cells->capacity * sizeof *more);
        if (!more) ctl_wrong("%s: no memory for it", file);
        cells->list = more;
    }
    cells->list[cells->n++] = text;
}

/* Reads the cells of a row and moves behind its end; returns how many there were. */
static size_t read_row(struct reader *r, struct cells *cells) {
    const size_t before = cells->n;
    for (;;) {
        skip_blanks(r);
        if (r->delimiter == ' ' && at_line_end(r)) break;
        const bool quoted = r->at < r->end && *r->at == '"';
        add_cell(cells, quoted ? read_quoted(r) : read_plain(r), r->file);
        skip_blanks(r);
        if (at_line_end(r)) break;
        if (r->delimiter == ' ') continue;
        if (*r->at != r->delimiter)
            ctl_wrong("%s:%ld: expected \"%c\" behind a quoted cell", r->file, r->line,
                      r->delimiter);
        r->at++;
    }
    skip_line(r);
    return cells->n - before;
}

static bool is_number(const char *text) {
    struct writer scratch;
    writer_init(&scratch, 1 << 20);
    const bool is = value_number(&scratch, text, strlen(text));
    writer_free(&scratch);
    return is;
}

/* A name that a graph can use: "time (s)" becomes time_s. */
static char *name_of(struct arena *arena, const char *text, size_t column) {
    char *name = arena_alloc(arena, strlen(text) + 24), *out = name;
    if (!name) ctl_wrong("no memory for the names of columns");
    for (const char *c = text; *c; c++) {
        const bool fits =
            isalpha((unsigned char)*c) || *c == '_' || (out > name && isdigit((unsigned char)*c));
        if (fits)
            *out++ = *c;
        else if (out > name && out[-1] != '_')
            *out++ = '_';
    }
    while (out > name && out[-1] == '_') out--;
    *out = '\0';
    if (out == name) sprintf(name, "c%zu", column + 1);
    return name;
}

static void read_names(struct csv *csv, struct arena *arena, char **first) {
    csv->names = arena_alloc(arena, (csv->columns + 1) * sizeof *csv->names);
    if (!csv->names) ctl_wrong("%s: no memory for it", csv->file);
    for (size_t j = 0; j < csv->columns; j++)
        if (!is_number(first[j])) csv->has_names = true;
    for (size_t j = 0; j < csv->columns; j++)
        csv->names[j] = name_of(arena, csv->has_names ? first[j] : "", j);
}

void csv_read(struct csv *csv, struct arena *arena, const char *file, const char *text, size_t n) {
    struct reader r = {.at = text, .end = text + n, .file = file, .arena = arena, .line = 1};
    struct cells cells = {0};
    *csv = (struct csv){.file = file};
    if (n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) r.at += 3;
    r.delimiter = '\t'; /* one in front of the first row is kept */
    if (!find_row(&r)) ctl_wrong("%s: there are no numbers in it", file);
    r.delimiter = guess_delimiter(r);
    csv->lines = arena_alloc(arena, (n / 2 + 2) * sizeof *csv->lines);
    if (!csv->lines) ctl_wrong("%s: no memory for it", file);
    size_t rows = 0;
    do {
        const long line = r.line;
        csv->lines[rows++] = line;
        const size_t found = read_row(&r, &cells);
        if (rows == 1) csv->columns = found;
        if (found != csv->columns)
            ctl_wrong("%s:%ld: %zu cells, where the first row has %zu", file, line, found,
                      csv->columns);
    } while (find_row(&r));
    if (!cells.list) ctl_wrong("%s: there are no numbers in it", file);
    read_names(csv, arena, cells.list);
    const size_t skipped = csv->has_names ? 1 : 0;
    csv->rows = rows - skipped;
    csv->lines += skipped;
    if (csv->rows == 0) ctl_wrong("%s: there are no numbers in it", file);
    csv->cells = arena_alloc(arena, csv->rows * csv->columns * sizeof *csv->cells);
    if (!csv->cells) ctl_wrong("%s: no memory for it", file);
    memcpy(csv->cells, cells.list + skipped * csv->columns,
           csv->rows * csv->columns * sizeof *csv->cells);
    free(cells.list);
}

size_t csv_column(const struct csv *csv, const char *name) {
    size_t found = csv->columns;
    for (size_t j = csv->columns; j-- > 0;) {
        if (strcmp(csv->names[j], name) != 0) continue;
        if (found < csv->columns) ctl_wrong("%s: two columns are named \"%s\"", csv->file, name);
        found = j;
    }
    return found;
}

static void write_cell(const struct csv *csv, size_t row, size_t column, struct writer *out) {
    const char *text = csv->cells[row * csv->columns + column];
    if (!value_number(out, text, strlen(text)))
        ctl_wrong("%s:%ld: column %s is \"%s\", expected a number", csv->file, csv->lines[row],
                  csv->names[column], text);
}

void csv_write_column(const struct csv *csv, size_t column, struct writer *out) {
    for (size_t i = 0; i < csv->rows; i++) {
        write_text(out, i ? "," : "[");
        write_cell(csv, i, column, out);
    }
    write_text(out, "]");
}

void csv_write(const struct csv *csv, struct writer *out) {
    if (csv->columns == 1) {
        csv_write_column(csv, 0, out);
        return;
    }
    for (size_t i = 0; i < csv->rows; i++) {
        write_text(out, i ? ",[" : "[[");
        for (size_t j = 0; j < csv->columns; j++) {
            if (j) write_text(out, ",");
            write_cell(csv, i, j, out);
        }
        write_text(out, "]");
    }
    write_text(out, "]");
}
