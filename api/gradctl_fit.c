/* Minimizing and fitting: the model and data of a fit become a request, and its answer a table. What a
 * minimum is, and how it is found, is the server's business. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/gradctl.h"

enum { GRAPH_MOST = 1 << 24, COLUMNS = 6 };
static const double CONFIDENCE = 0.95;

/* ---- how it went ---- */

static const char *status_of(struct ctl *ctl, const struct json *answer) {
    const struct json *status = json_member(answer, "status");
    return status && json_type(status) == JSON_STRING ? show_text(ctl, status) : "";
}

/* The numbers of an array, or of a typed tensor; NULL where it is neither. */
static double *numbers_of(struct ctl *ctl, const struct json *v, size_t *n) {
    if (v && json_type(v) == JSON_OBJECT) v = json_member(v, "data");
    if (!v || json_type(v) != JSON_NUMBERS) return NULL;
    const struct json *list = json_split(&ctl->arena, v);
    double *out = list ? arena_alloc(&ctl->arena, (json_length(list) + 1) * sizeof *out) : NULL;
    *n = 0;
    for (const struct json *c = out ? json_first(list) : NULL; c; c = json_next(c))
        if (!json_double(c, &out[(*n)++])) out[*n - 1] = NAN;
    return out;
}

static void draw(struct ctl *ctl, const struct json *answer) {
    const struct json *history = json_member(answer, "history");
    size_t n = 0, m = 0;
    double *x = history ? numbers_of(ctl, json_member(history, "step"), &n) : NULL;
    const struct json *loss = history ? json_member(history, "loss") : NULL;
    const char *title = loss ? "loss" : "cost";
    double *y = history ? numbers_of(ctl, loss ? loss : json_member(history, "cost"), &m) : NULL;
    FILE *out = ctl->is_json ? stderr : stdout;
    fputc('\n', out);
    if (x && y && n == m)
        plot_draw(x, y, n, title, out);
    else
        fprintf(out, "%s: nothing to draw\n", title);
}

/* Where steps were asked for, having taken them is all that was hoped for. */
static int outcome(struct ctl *ctl, const struct json *answer, bool steps_suffice) {
    if (ctl_said(ctl, "plot")) draw(ctl, answer);
    const char *status = status_of(ctl, answer);
    if (strcmp(status, "converged") == 0) return CTL_OK;
    return steps_suffice && strcmp(status, "max_steps") == 0 ? CTL_OK : CTL_UNMET;
}

/* Runs what was put together: as a job where its progress is shown. */
static int run(struct ctl *ctl, const char *method, struct ctl_answer *answer) {
    if (!jobs_shows(ctl)) return run_ask(ctl, answer);
    bool interrupted;
    const char *name = jobs_start(ctl, method);
    *answer = jobs_follow(ctl, name, true, &interrupted);
    jobs_forget(name);
    if (interrupted) fputs("gradctl: interrupted; this is what there was by then\n", stderr);
    const int code = run_refused(ctl, answer);
    return interrupted ? CTL_INTERRUPTED : code;
}

/* Without a word on how, a method is chosen: where there is neither a session's optimizer nor what only
 * an optimizer takes. */
static void choose_method(struct ctl *ctl) {
    static const char *const said[] = {"method", "optimizer",  "lr",           "set",
                                       "inputs", "batch-size", "shuffle-seed", "epochs"};
    if (strcmp(ctl->command->name, "minimize") != 0) return;
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        if (ctl_said(ctl, said[i])) return;
    ctl_say(ctl, "method", ctl_said(ctl, "constraint") ? "slsqp" : "lbfgs");
}

int run_minimize(struct ctl *ctl) {
    struct ctl_answer answer;
    choose_method(ctl);
    words_place(ctl);
    const int code = run(ctl, "minimize", &answer);
    if (answer.status >= 400) return code;
    show_answer(ctl, &answer);
    const int met =
        outcome(ctl, show_parse(ctl, answer.text, answer.length), !ctl_said(ctl, "method"));
    return code == CTL_OK ? met : code;
}

/* ---- a fit's request ---- */

static bool is_bound(const struct ctl *ctl, const char *name, size_t n) {
    for (size_t i = 0; i < ctl->n_words; i++)
        if (i > 1 && strncmp(ctl->words[i], name, n) == 0 && ctl->words[i][n] == '=') return true;
    return false;
}

static void bind_column(struct ctl *ctl, const struct csv *csv, size_t column, const char *name) {
    struct writer json;
    writer_init(&json, 1 << 30);
    csv_write_column(csv, column, &json);
    if (json.full) ctl_wrong("%s: no memory for it", csv->file);
    body_entry(&ctl->body, "constants", name, strlen(name), json.data, json.length);
    writer_free(&json);
}

/* Binds the columns whose names the model has. */
static void bind_columns(struct ctl *ctl, const struct csv *csv, const char *model) {
    bool *done = arena_zalloc(&ctl->arena, csv->columns);
    if (!done) ctl_wrong("no memory for the request");
    for (const char *at = model; *at;) {
        const size_t n = value_name(at);
        char *name = n ? arena_copy_text(&ctl->arena, at, n) : NULL;
        const size_t column = name ? csv_column(csv, name) : csv->columns;
        if (column < csv->columns && !done[column]) {
            if (is_bound(ctl, name, n))
                ctl_wrong("\"%s\" is a column of %s and a parameter", name, csv->file);
            bind_column(ctl, csv, column, name);
            done[column] = true;
        }
        at += n ? n : 1;
        if (!n && isdigit((unsigned char)at[-1])) at += strspn(at, "0123456789eE");
    }
}

/* Behind blanks, ends of statements and comments. */
static const char *next_statement(const char *c) {
    for (;; c += strcspn(c, "\n")) {
        c += strspn(c, " \t\r\n;");
        if (*c != '#') return c;
    }
}

/* The last statement, up to *end, and its sign of assignment. */
static const char *last_statement(const char *model, const char **equals, const char **end) {
    const char *begin = next_statement(model), *c = begin;
    int depth = 0;
    *equals = NULL;
    while (*c) {
        if (strchr("([{", *c)) depth++;
        if (strchr(")]}", *c)) depth--;
        if (depth <= 0 && strchr(";\n#", *c)) {
            const char *next = next_statement(c);
            if (!*next) break;
            begin = c = next, *equals = NULL;
            continue;
        }
        const bool compares = c > begin && strchr("=<>!", c[-1]);
        if (*c == '=' && depth <= 0 && c[1] != '=' && !compares && !*equals) *equals = c;
        c += *c == '#' ? strcspn(c, "\n") : 1;
    }
    *end = c;
    return begin;
}

/* The graph of the residuals: what the model says less what was observed, over sigma where it is known. */
static void write_residuals(struct ctl *ctl, const char *model, const char *sigma) {
    const char *equals, *end, *begin = last_statement(model, &equals, &end);
    if (!equals) ctl_wrong("the model is \"%s\", expected \"observed = expression\"", model);
    struct writer graph;
    writer_init(&graph, GRAPH_MOST);
    write_bytes(&graph, model, (size_t)(begin - model));
    size_t n = (size_t)(equals - begin), m = (size_t)(end - equals) - 1;
    while (m && isspace((unsigned char)equals[m])) m--;
    while (n && isspace((unsigned char)begin[n - 1])) n--;
    write_text(&graph, "_model =");
    write_bytes(&graph, equals + 1, m);
    write_text(&graph, "\n_residual = (_model - (");
    write_bytes(&graph, begin, n);
    write_text(&graph, "))");
    if (sigma) write_text(&graph, " / ");
    if (sigma) write_text(&graph, sigma);
    char *text = arena_copy_text(&ctl->arena, graph.data, graph.length);
    writer_free(&graph);
    if (!text) ctl_wrong("no memory for the request");
    ctl->graph = text;
    body_set_string(&ctl->body, "graph", text);
}

/* The column that an option names. */
static size_t column_said(const struct ctl *ctl, const struct csv *csv, const char *option) {
    const char *name = ctl_said(ctl, option);
    const size_t column = name ? csv_column(csv, name) : csv->columns;
    if (name && column == csv->columns)
        ctl_wrong("--%s is \"%s\": %s has no such column", option, name, csv->file);
    return column;
}

static void place_fit(struct ctl *ctl, const char *model, const struct csv *csv) {
    const size_t sigma = column_said(ctl, csv, "sigma"), weights = column_said(ctl, csv, "weights");
    write_residuals(ctl, model, sigma < csv->columns ? "_sigma" : NULL);
    bind_columns(ctl, csv, model);
    if (sigma < csv->columns) bind_column(ctl, csv, sigma, "_sigma");
    if (weights < csv->columns) {
        struct writer json;
        writer_init(&json, 1 << 30);
        csv_write_column(csv, weights, &json);
        body_set(&ctl->body, "weights", json.data, json.length);
        writer_free(&json);
    }
    if (!ctl_said(ctl, "dtype")) body_set_string(&ctl->body, "dtype", "float64");
}

/* ---- a fit's table ---- */

/* The elements of all values, one after another; NULL stands for one that is null. */
static void flatten(struct ctl *ctl, const struct json *v, const struct json **out, size_t *n,
                    size_t most) {
    if (json_type(v) == JSON_NUMBERS) v = json_split(&ctl->arena, v);
    if (!v) return;
    if (json_type(v) != JSON_ARRAY && json_type(v) != JSON_OBJECT) {
        if (*n < most) out[(*n)++] = v;
        return;
    }
    for (const struct json *c = json_first(v); c; c = json_next(c)) flatten(ctl, c, out, n, most);
}

static const struct json **elements_of(struct ctl *ctl, const struct json *answer, const char *name,
                                       size_t n) {
    const struct json **out = arena_zalloc(&ctl->arena, (n + 1) * sizeof *out);
    const struct json *v = json_member(answer, name);
    size_t found = 0;
    if (!out) ctl_wrong("no memory for the answer");
    if (v) flatten(ctl, v, out, &found, n);
    return out;
}

static const char *figure(struct ctl *ctl, const char *format, double x) {
    char text[48];
    snprintf(text, sizeof text, format, x);
    const char *copy = arena_copy_text(&ctl->arena, text, strlen(text));
    return copy ? copy : "";
}

static void print_parameters(struct ctl *ctl, const struct json *answer, long freedom) {
    const struct json *names = json_member(answer, "parameters");
    const size_t n = json_length(names);
    const struct json **values = elements_of(ctl, answer, "variables", n),
                      **errors = elements_of(ctl, answer, "standard_errors", n);
    const char **cells = arena_alloc(&ctl->arena, (n + 1) * COLUMNS * sizeof *cells);
    if (!cells) ctl_wrong("no memory for the answer");
    memcpy(cells,
           (const char *const[COLUMNS]){"parameter", "estimate", "standard error", "t", "95% from",
                                        "to"},
           COLUMNS * sizeof *cells);
    const double quantile = freedom > 0 ? student_quantile(CONFIDENCE, freedom) : NAN;
    const struct json *name = json_first(names);
    for (size_t i = 0; i < n; i++, name = json_next(name)) {
        const char **row = cells + (i + 1) * COLUMNS;
        double x, e;
        const bool known =
            values[i] && json_double(values[i], &x) && errors[i] && json_double(errors[i], &e);
        row[0] = show_text(ctl, name);
        row[1] = values[i] ? show_text(ctl, values[i]) : "";
        row[2] = errors[i] ? show_text(ctl, errors[i]) : "null";
        row[3] = known && e > 0 ? figure(ctl, "%.4g", x / e) : "";
        row[4] = known ? figure(ctl, "%.7g", x - quantile * e) : "";
        row[5] = known ? figure(ctl, "%.7g", x + quantile * e) : "";
    }
    show_table(cells, n + 1, COLUMNS, "lrrrrr");
}

static void print_fit(struct ctl *ctl, const struct json *answer) {
    static const char *const rows[][2] = {
        {"status", "status"},
        {"message", "message"},
        {"iterations", "iterations"},
        {"degrees of freedom", "degrees_of_freedom"},
        {"residual sum of squares", "residual_sum_of_squares"},
        {"best start", "best"},
    };
    const struct json *freedom = json_member(answer, "degrees_of_freedom"),
                      *squares = json_member(answer, "residual_sum_of_squares");
    int64_t n = 0;
    double sum;
    if (freedom) json_int(freedom, &n);
    problem_warnings(ctl, answer);
    print_parameters(ctl, answer, (long)n);
    const char *cells[2 * 7];
    size_t count = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct json *v = json_member(answer, rows[i][1]);
        if (!v) continue;
        cells[2 * count] = rows[i][0];
        cells[2 * count++ + 1] = show_text(ctl, v);
    }
    if (n > 0 && squares && json_double(squares, &sum) && !ctl_said(ctl, "loss")) {
        cells[2 * count] = "residual standard deviation";
        cells[2 * count++ + 1] = figure(ctl, "%.7g", sqrt(sum / (double)n));
    }
    putchar('\n');
    show_table(cells, count, 2, "ll");
}

/* Asks, and shows the table of a fit. */
static int run_squares(struct ctl *ctl) {
    struct ctl_answer answer;
    const int code = run(ctl, "least_squares", &answer);
    if (answer.status >= 400) return code;
    const struct json *root = show_parse(ctl, answer.text, answer.length);
    if (ctl->is_json || !json_member(root, "parameters"))
        show_answer(ctl, &answer);
    else
        print_fit(ctl, root);
    const int met = outcome(ctl, root, false);
    return code == CTL_OK ? met : code;
}

int run_least_squares(struct ctl *ctl) {
    words_place(ctl);
    return run_squares(ctl);
}

int run_fit(struct ctl *ctl) {
    struct csv csv;
    size_t n;
    words_place(ctl);
    const char *model = ctl->words[0], *file = ctl->words[1];
    if (*model == '@' || strcmp(model, "-") == 0)
        model = value_file(ctl, *model == '@' ? model + 1 : model, &n);
    const char *text = value_file(ctl, file, &n);
    csv_read(&csv, &ctl->arena, strcmp(file, "-") == 0 ? "standard input" : file, text, n);
    place_fit(ctl, model, &csv);
    return run_squares(ctl);
}
