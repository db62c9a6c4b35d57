/* One graph, made of the input's bytes, asked for in three ways that must agree to the bit: as text, as
 * nodes, and one op at a time, each with the values of its arguments bound. The last is an interpreter
 * beside the plans: in a request of one op there is nothing to share, to fuse, to fold or to place. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

static const struct {
    const char *name;
    int arity;
} ops[] = {
    {"add", 2},         {"subtract", 2},
    {"multiply", 2},    {"divide", 2},
    {"maximum", 2},     {"minimum", 2},
    {"pow", 2},         {"matmul", 2},
    {"negative", 1},    {"exp", 1},
    {"log", 1},         {"sin", 1},
    {"cos", 1},         {"tanh", 1},
    {"sqrt", 1},        {"abs", 1},
    {"square", 1},      {"reciprocal", 1},
    {"sigmoid", 1},     {"relu", 1},
    {"reduce_sum", 1},  {"reduce_max", 1},
    {"reduce_mean", 1}, {"softmax", 1},
    {"transpose", 1},   {"squared_difference", 2},
    {"softplus", 1},    {"floor", 1},
    {"log1p", 1},       {"expm1", 1},
};
enum { OPS = sizeof ops / sizeof *ops, NODES_MOST = 12, BOUND = 3, VALUE = 4096 };

struct step {
    int op;
    char input[2][24]; /* a name or a literal */
};

struct graph {
    int n;
    struct step steps[NODES_MOST];
};

static const char *const bound[BOUND][2] = {
    {"x", "2.5"}, {"y", "[1.0,-2.0,3.0]"}, {"A", "[[1.0,2.0,0.5],[3.0,4.0,-1.0],[0.0,-0.5,2.0]]"}};

/* ---- the graph --------------------------------------------------------------------------------- */

static void choose(char out[24], uint8_t byte, int n, bool may_be_literal) {
    const int k = byte % (BOUND + n + (may_be_literal ? 3 : 0));
    if (k < BOUND)
        snprintf(out, 24, "%s", bound[k][0]);
    else if (k < BOUND + n)
        snprintf(out, 24, "n%d", k - BOUND);
    else
        snprintf(out, 24, "%d.%d", k - BOUND - n, byte % 10);
}

static struct graph read_graph(const uint8_t *data, size_t size) {
    struct graph g = {0};
    for (; size >= 3 && g.n < NODES_MOST; data += 3, size -= 3, g.n++) {
        struct step *s = &g.steps[g.n];
        s->op = data[0] % OPS;
        choose(s->input[0], data[1], g.n, false);
        choose(s->input[1], data[2], g.n, true);
    }
    return g;
}

/* ---- its forms --------------------------------------------------------------------------------- */

static void write_call(struct writer *w, const struct step *s) {
    write_text(w, ops[s->op].name);
    write_text(w, "(");
    write_text(w, s->input[0]);
    if (ops[s->op].arity == 2) {
        write_text(w, ", ");
        write_text(w, s->input[1]);
    }
    write_text(w, ")");
}

static void write_input(struct writer *w, const char *input) {
    const bool is_name = *input >= 'A';
    is_name ? write_string(w, input) : write_text(w, input);
}

static void write_as_text(struct writer *w, const struct graph *g) {
    write_text(w, "\"");
    for (int i = 0; i < g->n; i++) {
        char name[24];
        snprintf(name, sizeof name, "%sn%d = ", i ? "; " : "", i);
        write_text(w, name);
        write_call(w, &g->steps[i]);
    }
    write_text(w, "\"");
}

static void write_as_nodes(struct writer *w, const struct graph *g) {
    write_text(w, "{\"nodes\":[");
    for (int i = 0; i < g->n; i++) {
        const struct step *s = &g->steps[i];
        char name[32];
        snprintf(name, sizeof name, "%s{\"id\":\"n%d\",\"op\":", i ? "," : "", i);
        write_text(w, name);
        write_string(w, ops[s->op].name);
        write_text(w, ",\"inputs\":[");
        write_input(w, s->input[0]);
        if (ops[s->op].arity == 2) {
            write_text(w, ",");
            write_input(w, s->input[1]);
        }
        write_text(w, "]}");
    }
    write_text(w, "]}");
}

static void write_bound(struct writer *w) {
    write_text(w, ",\"variables\":{");
    for (int i = 0; i < BOUND; i++) {
        write_text(w, i ? ",\"" : "\"");
        write_text(w, bound[i][0]);
        write_text(w, "\":");
        write_text(w, bound[i][1]);
    }
    write_text(w, "}");
}

/* ---- asking ------------------------------------------------------------------------------------ */

/* The value or gradient of the last node. False after a failure, of which the code is in *out then. */
static bool ask(service_function function, const struct graph *g,
                void (*form)(struct writer *, const struct graph *), struct writer *out) {
    struct writer body;
    writer_init(&body, 1 << 20);
    write_text(&body, "{\"graph\":");
    form(&body, g);
    write_bound(&body);
    write_text(&body, "}");
    const bool ok = fuzz_answer(function, body.data, body.length, out);
    writer_free(&body);
    return ok;
}

static void differ(const char *what, const struct graph *g, const struct writer *x,
                   const struct writer *y) {
    struct writer text;
    writer_init(&text, 1 << 20);
    write_as_text(&text, g);
    fprintf(stderr, "%.*s\n%.*s\n%.*s\n", (int)text.length, text.data, (int)x->length, x->data,
            (int)y->length, y->data);
    fuzz_fail(what);
}

static void compare_forms(service_function function, const struct graph *g) {
    struct writer text, nodes;
    const bool ok = ask(function, g, write_as_text, &text);
    if (ok != ask(function, g, write_as_nodes, &nodes) || text.length != nodes.length ||
        memcmp(text.data, nodes.data, text.length) != 0)
        differ("text and nodes have two answers", g, &text, &nodes);
    writer_free(&text);
    writer_free(&nodes);
}

/* ---- one op at a time -------------------------------------------------------------------------- */

static const char *value_of(char values[][VALUE], const char *input) {
    for (int i = 0; i < BOUND; i++)
        if (strcmp(bound[i][0], input) == 0) return bound[i][1];
    return *input == 'n' ? values[atoi(input + 1)] : NULL;
}

/* The value of step i, whose arguments' are there. */
static bool run_step(const struct step *s, char values[][VALUE], char out[VALUE]) {
    static const char head[] = "{\"value\":";
    struct writer body, answer;
    bool first = true;
    writer_init(&body, 1 << 20);
    write_text(&body, "{\"graph\":\"");
    write_call(&body, s);
    write_text(&body, "\",\"variables\":{");
    for (int k = 0; k < ops[s->op].arity; k++) {
        const char *value = value_of(values, s->input[k]);
        if (!value || (k == 1 && strcmp(s->input[0], s->input[1]) == 0)) continue;
        if (!first) write_text(&body, ",");
        first = false;
        write_string(&body, s->input[k]);
        write_text(&body, ":");
        write_text(&body, value);
    }
    write_text(&body, "}}");
    const bool ok = fuzz_answer(service_evaluate, body.data, body.length, &answer);
    const size_t n = sizeof head - 1;
    const bool fits = ok && answer.length > n + 1 && answer.length - n <= VALUE &&
                      memcmp(answer.data, head, n) == 0;
    if (fits) {
        memcpy(out, answer.data + n, answer.length - n - 1);
        out[answer.length - n - 1] = '\0';
    }
    writer_free(&body);
    writer_free(&answer);
    return fits;
}

static void compare_steps(const struct graph *g) {
    static char values[NODES_MOST][VALUE];
    struct writer whole;
    bool ok = ask(service_evaluate, g, write_as_text, &whole);
    for (int i = 0; ok && i < g->n; i++)
        if (!run_step(&g->steps[i], values, values[i])) ok = false;
    if (ok && !memmem(whole.data, whole.length, values[g->n - 1], strlen(values[g->n - 1]))) {
        struct writer last = {.data = values[g->n - 1], .length = strlen(values[g->n - 1])};
        differ("one op at a time gives another value", g, &whole, &last);
    }
    writer_free(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct graph g = read_graph(data, size);
    if (!g.n) return 0;
    compare_forms(service_evaluate, &g);
    compare_forms(service_gradient, &g);
    compare_steps(&g);
    return 0;
}
