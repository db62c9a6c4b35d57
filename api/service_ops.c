/* What gradd can do, from the tables that decide it: GET /v1/ops and GET /v1/limits. */
#include <stdio.h>
#include <string.h>

#include "api/build.h"

const struct service_limits service_limits_default = {
#define SERVICE_LIMIT(name, preset, least, most, text) .name = preset,
    SERVICE_LIMITS(SERVICE_LIMIT)
#undef SERVICE_LIMIT
};

static const char *kind_name(enum param_kind kind) {
    static const char *const names[] = {
        [PARAM_TENSOR] = "tensor",
        [PARAM_CONDITION] = "condition",
        [PARAM_TENSORS] = "tensors",
        [PARAM_INT] = "int",
        [PARAM_INTS] = "ints",
        [PARAM_FLOAT] = "float",
        [PARAM_BOOL] = "bool",
        [PARAM_DTYPE] = "dtype",
        [PARAM_STRING] = "string",
        [PARAM_INDICES] = "indices",
        [PARAM_COUNTS] = "counts",
        [PARAM_PAIRS] = "pairs",
        [PARAM_AXES] = "axes",
        [PARAM_PADDING] = "padding",
        [PARAM_FLOAT_OR_STRING] = "float or string",
    };
    return names[kind];
}

static void write_names(struct writer *out, const char *member, const char *const *names,
                        size_t n) {
    write_text(out, ",\"");
    write_text(out, member);
    write_text(out, "\":[");
    for (size_t i = 0; i < n; i++) {
        if (i) write_text(out, ",");
        write_string(out, names[i]);
    }
    write_text(out, "]");
}

static size_t count_params(const struct op_param *params, size_t most) {
    size_t n = 0;
    while (n < most && params[n].name) n++;
    return n;
}

/* What a left-out parameter is; of a builtin, which has no presets, None. */
static const char *preset(const struct op *op, const struct op_param *param, size_t i) {
    if (!param->optional) return NULL;
    return op ? op_preset(op, (int)i) : "None";
}

/* reduce_sum(input_tensor, axis=None, keepdims=False), and the same in parts. */
static void write_params(struct writer *out, const char *name, const struct op *op,
                         const struct op_param *params, size_t n) {
    char signature[400];
    size_t at = (size_t)snprintf(signature, sizeof signature, "%s(", name);
    for (size_t i = 0; i < n && at < sizeof signature; i++) {
        const char *left_out = preset(op, &params[i], i);
        at += (size_t)snprintf(signature + at, sizeof signature - at, "%s%s%s%s", i ? ", " : "",
                               params[i].name, left_out ? "=" : "", left_out ? left_out : "");
    }
    if (at < sizeof signature) snprintf(signature + at, sizeof signature - at, ")");
    write_text(out, ",\"signature\":");
    write_string(out, signature);
    write_text(out, ",\"parameters\":[");
    for (size_t i = 0; i < n; i++) {
        write_text(out, i ? ",{\"name\":" : "{\"name\":");
        write_string(out, params[i].name);
        write_text(out, ",\"kind\":");
        write_string(out, kind_name(params[i].kind));
        write_text(out,
                   params[i].optional ? ",\"optional\":true,\"default\":" : ",\"optional\":false");
        if (params[i].optional) write_string(out, preset(op, &params[i], i));
        write_text(out, "}");
    }
    write_text(out, "]");
}

/* Of its tensors: which dtypes, and by which of them there is a derivative. */
static void write_tensors(struct writer *out, const struct op *op, size_t n_params) {
    const char *names[OP_PARAMS_MAX + DTYPE_COUNT];
    size_t n = 0;
    bool any = false;
    for (size_t i = 0; i < n_params; i++) {
        const enum param_kind kind = op->params[i].kind;
        any = any || kind == PARAM_TENSOR || kind == PARAM_TENSORS || kind == PARAM_CONDITION;
    }
    for (int d = 0; any && d < DTYPE_COUNT; d++)
        if (op_dtypes(op) >> d & 1) names[n++] = dtype_name((enum dtype)d);
    write_names(out, "dtypes", names, n);
    n = 0;
    for (size_t i = 0; i < n_params; i++)
        if (op_differentiable(op, (int)i)) names[n++] = op->params[i].name;
    write_names(out, "differentiable", names, n);
}

static void write_aliases(struct writer *out, const char *op) {
    const char *names[16], *alias, *name;
    size_t n = 0;
    for (size_t i = 0; op_alias(i, &alias, &name); i++)
        if (strcmp(name, op) == 0 && n < sizeof names / sizeof *names) names[n++] = alias;
    write_names(out, "aliases", names, n);
}

static void write_head(struct writer *out, const char *name, const char *family,
                       const char *notation) {
    write_text(out, "{\"name\":");
    write_string(out, name);
    write_text(out, ",\"family\":");
    write_string(out, family);
    write_text(out, ",\"notation\":");
    write_string(out, notation);
}

static void write_builtin(struct writer *out, const struct builtin *builtin) {
    static const char *const gradient[] = {"gradient"};
    const bool is_grad = strcmp(builtin->name, "grad") == 0;
    write_head(out, builtin->name, "of the graph itself", builtin->notation);
    write_params(out, builtin->name, NULL, builtin->params,
                 count_params(builtin->params, sizeof builtin->params / sizeof *builtin->params));
    write_names(out, "dtypes", NULL, 0);
    write_names(out, "differentiable", &builtin->params[0].name, is_grad);
    write_names(out, "aliases", gradient, is_grad);
    write_text(out, "}");
}

bool service_ops(const struct service_call *call, struct writer *out, struct error *error) {
    (void)call;
    write_text(out, "{\"ops\":[");
    for (int tag = 0; tag < OP_COUNT; tag++) {
        const struct op *op = op_table[tag];
        if (op->kind == OP_INTERNAL) continue;
        const size_t n = count_params(op->params, OP_PARAMS_MAX);
        write_head(out, op->name, op_family(tag), op->notation);
        write_params(out, op->name, op, op->params, n);
        write_tensors(out, op, n);
        write_aliases(out, op->name);
        write_text(out, "},");
    }
    for (size_t i = 0; i < BUILTIN_COUNT; i++) {
        if (i) write_text(out, ",");
        write_builtin(out, &builtins[i]);
    }
    write_text(out, "]}");
    return writer_whole(out, error);
}

bool service_limits(const struct service_call *call, struct writer *out, struct error *error) {
    const struct service_limits *limits = call->limits;
    const char *separator = "{\"";
#define SERVICE_LIMIT(limit, preset, least, most, text)                                            \
    write_text(out, separator);                                                                    \
    write_text(out, #limit "\":");                                                                 \
    write_int(out, limits->limit);                                                                 \
    separator = ",\"";
    SERVICE_LIMITS(SERVICE_LIMIT)
#undef SERVICE_LIMIT
    write_text(out, "}");
    return writer_whole(out, error);
}
