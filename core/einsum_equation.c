/* Reads einsum's subscripts and holds them against the operands' shapes. The words of refusals are
 * TensorFlow's (special_math_ops.py, einsum_op_util.cc). What is computed is told in op_einsum.c. */
#include "core/einsum.h"

#include <inttypes.h>
#include <string.h>

/* In the order that a result has which no subscripts describe. */
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static bool is_letter(char c) { return c && strchr(alphabet, c); }
static int letter_label(char c) { return (int)(strchr(alphabet, c) - alphabet); }

static bool fail(struct einsum *e, const char *text) {
    tape_fail(e->t, ERROR_INVALID_ARGUMENT, "einsum: %s: %.80s", text, e->equation);
    return false;
}

/* Copies the equation without spaces and cuts it at the arrow. */
static bool read_equation(struct einsum *e, const char *text) {
    char *copy = arena_alloc(e->t->arena, strlen(text) + 1), *at = copy;
    if (!copy) return tape_fail_memory(e->t, "einsum");
    for (const char *p = text; *p; p++)
        if (*p != ' ') *at++ = *p;
    *at = '\0';
    e->equation = copy;
    for (const char *p = copy; *p; p++) {
        if (is_letter(*p) || (*p == ',' && !e->output)) continue;
        if (strncmp(p, "...", 3) == 0)
            p += 2;
        else if (strncmp(p, "->", 2) == 0 && !e->output)
            e->output = ++p + 1;
        else
            return fail(e, "Subscripts have incorrect format");
    }
    return true;
}

/* The axes of one term's subscripts [text, end), of which an ellipsis stands for `n_ellipsis`. */
static bool read_labels(struct einsum *e, const char *text, const char *end, int n_ellipsis,
                        struct term *term) {
    for (const char *p = text; p < end; p++) {
        const bool ellipsis = *p == '.';
        const int n = ellipsis ? n_ellipsis : 1;
        if (term->n + n > RANK_MAX) {
            tape_fail(e->t, ERROR_GRAPH_TOO_LARGE,
                      "einsum: the subscripts %.40s name more than %d axes", text, RANK_MAX);
            return false;
        }
        for (int i = n; i-- > 0;)
            term->label[term->n++] = (uint8_t)(ellipsis ? LETTERS + i : letter_label(*p));
        if (ellipsis) p += 2;
    }
    return true;
}

static bool check_rank(struct einsum *e, size_t input, const char *text, const char *end,
                       int *n_ellipsis) {
    const int rank = tape_shape(e->t, e->terms[input].x)->rank;
    int letters = 0, ellipses = 0;
    for (const char *p = text; p < end; p++) {
        if (is_letter(*p)) letters += letters <= RANK_MAX;
        if (*p != '.') continue;
        ellipses++;
        p += 2;
    }
    *n_ellipsis = ellipses ? rank - letters : 0;
    if (ellipses > 1) return fail(e, "Too many ellipses in an input's subscripts");
    if (ellipses ? letters <= rank : letters == rank) return true;
    char shape[SHAPE_TEXT];
    tape_fail(e->t, ERROR_INVALID_ARGUMENT,
              "einsum: Expected input %zu to have rank %s%d but got: %d, of shape %s", input,
              ellipses ? "at least " : "", letters, rank,
              shape_text(tape_shape(e->t, e->terms[input].x), shape));
    return false;
}

/* Letters have one dimension; those of ellipses broadcast. */
static bool check_dims(struct einsum *e, size_t input) {
    const struct term *term = &e->terms[input];
    const struct shape *shape = tape_shape(e->t, term->x);
    for (int i = 0; i < term->n; i++) {
        const uint8_t label = term->label[i];
        int64_t *dim = &e->dim[label];
        char text[SHAPE_TEXT];
        if (*dim < 0 || (label >= LETTERS && *dim == 1)) *dim = shape->dim[i];
        if (*dim == shape->dim[i] || (label >= LETTERS && shape->dim[i] == 1)) continue;
        tape_fail(e->t, ERROR_SHAPE_MISMATCH,
                  "einsum: Expected dimension %" PRId64
                  " at axis %d of the input shaped %s but got "
                  "dimension %" PRId64 ": %s%.1s of input %zu in %.80s",
                  *dim, i, shape_text(shape, text), shape->dim[i],
                  label < LETTERS ? "label " : "the ellipsis",
                  label < LETTERS ? &alphabet[label] : "", input, e->equation);
        return false;
    }
    return true;
}

static bool read_inputs(struct einsum *e) {
    const char *end = e->output ? e->output - 2 : e->equation + strlen(e->equation);
    size_t expected = 1;
    for (const char *p = e->equation; p < end; p++) expected += *p == ',';
    if (expected != e->n) {
        tape_fail(e->t, ERROR_INVALID_ARGUMENT,
                  "einsum: Got %zu inputs for equation \"%.80s\", expecting %zu", e->n, e->equation,
                  expected);
        return false;
    }
    const char *text = e->equation;
    for (size_t i = 0; i < e->n; i++, text++) {
        const char *begin = text;
        int n_ellipsis;
        while (text < end && *text != ',') text++;
        if (!check_rank(e, i, begin, text, &n_ellipsis) ||
            !read_labels(e, begin, text, n_ellipsis, &e->terms[i]) || !check_dims(e, i))
            return false;
        if (n_ellipsis > e->n_ellipsis) e->n_ellipsis = n_ellipsis;
    }
    return true;
}

static bool check_output(struct einsum *e) {
    bool met[LETTERS] = {false};
    int ellipses = 0;
    for (const char *p = e->output; *p; p++) {
        if (*p == '.') {
            ellipses++;
            p += 2;
            continue;
        }
        const int label = letter_label(*p);
        if (met[label])
            return fail(e, "Output subscripts contain a label appearing more than once");
        met[label] = true;
        if (e->dim[label] >= 0) continue;
        tape_fail(e->t, ERROR_INVALID_ARGUMENT,
                  "einsum: Output subscripts contain the label %c not present in the input "
                  "subscripts.",
                  *p);
        return false;
    }
    if (ellipses > 1) return fail(e, "Output subscripts contain multiple ellipsis");
    if (ellipses || e->n_ellipsis == 0) return true;
    tape_fail(
        e->t, ERROR_INVALID_ARGUMENT,
        "einsum: Output contains %d broadcasting dimension(s) but no ellipsis (...) was found "
        "in the output subscripts.",
        e->n_ellipsis);
    return false;
}

/* Without an arrow the result has the ellipsis, then the letters that stand once, in order. */
static bool implicit_output(struct einsum *e) {
    uint32_t times[LETTERS] = {0};
    char text[LETTERS + 4] = "...", *at = text + 3;
    for (size_t i = 0; i < e->n; i++)
        for (int k = 0; k < e->terms[i].n; k++)
            if (e->terms[i].label[k] < LETTERS) times[e->terms[i].label[k]]++;
    for (int i = 0; i < LETTERS; i++)
        if (times[i] == 1) *at++ = alphabet[i];
    return read_labels(e, text, at, e->n_ellipsis, &e->result);
}

static bool read_output(struct einsum *e) {
    if (!e->output) return implicit_output(e);
    return check_output(e) &&
           read_labels(e, e->output, e->output + strlen(e->output), e->n_ellipsis, &e->result);
}

bool einsum_read(struct einsum *e, const char *equation) {
    for (int i = 0; i < LABELS; i++) e->dim[i] = -1;
    return read_equation(e, equation) && read_inputs(e) && read_output(e);
}
