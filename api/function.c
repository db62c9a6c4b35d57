/* One function: what its inputs take, and how it is shown and kept. */
#include <stdio.h>
#include <string.h>

#include "api/functions.h"
#include "api/session_io.h"
#include "core/op.h"

/* "x1, x2" */
static const char *input_names(const struct function *f, char *text, size_t size) {
    int n = 0;
    text[0] = '\0';
    for (size_t i = 0; i < f->n_inputs && n < (int)size; i++)
        n += snprintf(text + n, size - (size_t)n, "%s%s", i ? ", " : "", f->inputs[i].name);
    return text;
}

bool function_input(const struct function *f, const char *name, const struct function_input **out,
                    struct error *error) {
    char names[200];
    *out = NULL;
    if (!f->has_inputs) return true;
    for (size_t i = 0; i < f->n_inputs; i++)
        if (strcmp(f->inputs[i].name, name) == 0) *out = &f->inputs[i];
    return *out || error_set(error, ERROR_INVALID_REQUEST,
                             "the function \"%s\" has no input \"%.80s\"; its inputs are: %s",
                             f->name, name, input_names(f, names, sizeof names));
}

bool function_fits(const struct function *f, const struct function_input *input,
                   const struct tensor *t, struct error *error) {
    char has[SHAPE_TEXT], wants[SHAPE_TEXT];
    const bool fits = t->dtype == input->dtype;
    if (fits && shape_equal(&t->shape, &input->shape)) return true;
    return error_set(error, fits ? ERROR_SHAPE_MISMATCH : ERROR_DTYPE_MISMATCH,
                     "the input \"%.80s\" of the function \"%s\" takes %s of shape %s, found %s of "
                     "shape %s",
                     input->name, f->name, dtype_name(input->dtype),
                     shape_text(&input->shape, wants), dtype_name(t->dtype),
                     shape_text(&t->shape, has));
}

bool function_bound(const struct function *f, const struct names *names, struct error *error) {
    for (size_t i = 0; i < f->n_inputs; i++) {
        const char *name = f->inputs[i].name;
        if (!names_find(names, name, strlen(name)))
            return error_set(error, ERROR_UNBOUND_NAME,
                             "the input \"%.80s\" of the function \"%s\" has no value", name,
                             f->name);
    }
    return true;
}

static void write_kind(struct writer *out, enum dtype dtype, const struct shape *shape) {
    write_text(out, ":{\"dtype\":");
    write_string(out, dtype_name(dtype));
    write_text(out, ",\"shape\":");
    write_shape(out, shape);
    write_text(out, "}");
}

static void write_constants(struct writer *out, const struct function *f, enum tensor_format format,
                            bool values) {
    write_text(out, ",\"constants\":{");
    for (size_t i = 0; i < f->n_constants; i++) {
        const struct function_constant *c = &f->constants[i];
        if (i) write_text(out, ",");
        write_string(out, c->name);
        if (values) {
            write_text(out, ":");
            write_tensor(out, &c->tensor, format);
        } else {
            write_kind(out, c->tensor.dtype, &c->tensor.shape);
        }
    }
    write_text(out, "}");
}

static void write_head(struct writer *out, const struct function *f) {
    write_text(out, "{\"name\":");
    write_string(out, f->name);
    write_text(out, ",\"created_at\":");
    write_time(out, f->created_at);
    write_text(out, ",\"dtype\":");
    write_string(out, dtype_name(f->dtype));
}

static void write_inputs(struct writer *out, const struct function *f) {
    if (f->has_inputs) write_text(out, ",\"inputs\":{");
    for (size_t i = 0; i < f->n_inputs; i++) {
        if (i) write_text(out, ",");
        write_string(out, f->inputs[i].name);
        write_kind(out, f->inputs[i].dtype, &f->inputs[i].shape);
    }
    if (f->has_inputs) write_text(out, "}");
}

static void write_tail(struct writer *out, const struct function *f) {
    write_inputs(out, f);
    write_text(out, ",\"bytes\":");
    write_int(out, (int64_t)(sizeof *f + f->arena.held));
    write_text(out, "}");
}

void function_write(struct writer *out, const struct function *f, enum tensor_format format,
                    bool values) {
    write_head(out, f);
    write_text(out, ",\"graph\":");
    json_write(f->graph, out);
    write_constants(out, f, format, values);
    write_tail(out, f);
}

void function_write_row(struct writer *out, const struct function *f) {
    write_head(out, f);
    write_tail(out, f);
}

bool function_encode(const void *object, struct writer *out) {
    const struct function *f = object;
    write_text(out, "{\"name\":");
    write_string(out, f->name);
    write_text(out, ",\"etag\":");
    write_string(out, f->etag);
    write_text(out, ",\"created_at\":");
    write_double(out, f->created_at);
    write_text(out, ",\"dtype\":");
    write_string(out, dtype_name(f->dtype));
    write_text(out, ",\"graph\":");
    json_write(f->graph, out);
    write_constants(out, f, FORMAT_BASE64, true);
    write_inputs(out, f);
    write_text(out, "}");
    return !out->full;
}
