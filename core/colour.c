/* Colours the columns of a pattern, so that a matrix of few columns shows all of its numbers. */
#include "core/pattern.h"

/* Pairs of places that colouring may look at, about a second: each column of what is fuller has a colour of its
 * own. */
enum { PAIRS_MOST = 1 << 28 };

static bool fail_memory(struct tape *t) { return tape_fail_memory(t, "the pattern"); }

static int64_t length(const struct pattern *p, int64_t row) {
    return p->begin[row + 1] - p->begin[row];
}

bool pattern_transpose(struct tape *t, const struct pattern *p, struct pattern *out) {
    const int64_t n = p->begin[p->n_rows];
    *out = (struct pattern){.n_rows = p->n_columns, .n_columns = p->n_rows};
    if (p->n_rows > INT32_MAX) return fail_memory(t);
    out->begin = arena_zalloc(t->arena, ((size_t)out->n_rows + 2) * sizeof *out->begin);
    out->column = arena_alloc(t->arena, (size_t)n * sizeof *out->column + 1);
    if (!out->begin || !out->column) return fail_memory(t);
    /* begin[j + 1] is where the next place of row j goes; at last that is the begin of the row after it. */
    for (int64_t k = 0; k < n; k++) out->begin[p->column[k] + 2]++;
    for (int64_t j = 0; j < out->n_rows; j++) out->begin[j + 2] += out->begin[j + 1];
    for (int32_t i = 0; i < p->n_rows; i++)
        for (int64_t k = p->begin[i]; k < p->begin[i + 1]; k++)
            out->column[out->begin[p->column[k] + 1]++] = i;
    return true;
}

/* A row that is no hub and has all columns: no two of these can have one colour. */
static bool has_full_row(const struct pattern *p, const bool *hub) {
    for (int64_t i = 0; i < p->n_rows; i++)
        if (length(p, i) == p->n_columns && !(hub && hub[i])) return true;
    return false;
}

static int64_t all_different(const struct pattern *p, int32_t *colour) {
    for (int32_t j = 0; j < p->n_columns; j++) colour[j] = j;
    return p->n_columns;
}

static bool within_work(const struct pattern *p, const bool *hub) {
    int64_t pairs = 0;
    for (int64_t i = 0; i < p->n_rows; i++) {
        int64_t square;
        if (hub && hub[i]) continue;
        if (__builtin_mul_overflow(length(p, i), length(p, i), &square) ||
            __builtin_add_overflow(pairs, square, &pairs) || pairs > PAIRS_MOST)
            return false;
    }
    return true;
}

/* The rows that are hubs say nothing; the columns that are hubs have colours of their own behind the others. */
static int64_t colour_greedily(struct tape *t, const struct pattern *p, const bool *hub,
                               int32_t *colour) {
    struct pattern rows_of;
    int64_t n_colours = 0;
    if (has_full_row(p, hub) || !within_work(p, hub)) return all_different(p, colour);
    if (!pattern_transpose(t, p, &rows_of)) return -1;
    int32_t *taken = arena_alloc(t->arena, ((size_t)p->n_columns + 1) * sizeof *taken);
    if (!taken) return fail_memory(t) ? 0 : -1;
    for (int64_t j = 0; j < p->n_columns; j++) colour[j] = taken[j] = -1;
    for (int32_t j = 0; j < p->n_columns; j++) {
        if (hub && hub[j]) continue;
        for (int64_t r = rows_of.begin[j]; r < rows_of.begin[j + 1]; r++) {
            const int32_t i = rows_of.column[r];
            for (int64_t k = p->begin[i]; !(hub && hub[i]) && k < p->begin[i + 1]; k++)
                if (colour[p->column[k]] >= 0) taken[colour[p->column[k]]] = j;
        }
        int32_t c = 0;
        while (taken[c] == j) c++;
        colour[j] = c;
        if (c >= n_colours) n_colours = c + 1;
    }
    for (int64_t j = 0; hub && j < p->n_columns; j++)
        if (hub[j]) colour[j] = (int32_t)n_colours++;
    return n_colours;
}

int64_t pattern_colour(struct tape *t, const struct pattern *p, int32_t *colour) {
    return colour_greedily(t, p, NULL, colour);
}

/* As many of the longest rows are hubs as make hubs and the longest of the other rows fewest together: no
 * colouring has less colours than that row has places. */
static bool choose_hubs(struct tape *t, const struct pattern *p, bool *hub) {
    int64_t *rows = arena_zalloc(t->arena, ((size_t)p->n_columns + 2) * sizeof *rows);
    if (!rows) return fail_memory(t);
    for (int64_t i = 0; i < p->n_rows; i++) rows[length(p, i)]++;
    int64_t hubs = 0, fewest = INT64_MAX, limit = 0;
    for (int64_t longest = p->n_columns; longest >= 0; longest--) {
        if (hubs + longest < fewest && (rows[longest] || !longest)) {
            fewest = hubs + longest;
            limit = longest;
        }
        hubs += rows[longest];
    }
    for (int64_t i = 0; i < p->n_rows; i++) hub[i] = length(p, i) > limit;
    return true;
}

int64_t pattern_colour_symmetric(struct tape *t, const struct pattern *p, int32_t *colour,
                                 bool *hub) {
    return choose_hubs(t, p, hub) ? colour_greedily(t, p, hub, colour) : -1;
}
