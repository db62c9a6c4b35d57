/* What gradd can do, from the tables that decide it: GET /v1/ops and GET /v1/limits. */
#include <string.h>

#include "api/build.h"

const struct service_limits service_limits_default = {
#define SERVICE_LIMIT(name, preset, text) .name = preset,
    SERVICE_LIMITS(SERVICE_LIMIT)
#undef SERVICE_LIMIT
};

static bool finish(struct writer *out, struct error *error) {
    if (!out->full) return true;
    return error_set(error, ERROR_MEMORY_BUDGET,
                     "the answer is larger than the %zu bytes it may take", out->ceiling);
}

static const char *kind_name(enum param_kind kind) {
    static const char *const names[] = {
        [PARAM_TENSOR] = "tensor",   [PARAM_CONDITION] = "condition", [PARAM_TENSORS] = "tensors",
        [PARAM_INT] = "int",         [PARAM_INTS] = "ints",           [PARAM_FLOAT] = "float",
        [PARAM_BOOL] = "bool",       [PARAM_DTYPE] = "dtype",         [PARAM_STRING] = "string",
        [PARAM_INDICES] = "indices", [PARAM_PAIRS] = "pairs",
    };
    return names[kind];
}

static void write_params(struct writer *out, const struct op_param *params, size_t most) {
    write_text(out, ",\"parameters\":[");
    for (size_t i = 0; i < most && params[i].name; i++) {
        write_text(out, i ? ",{\"name\":" : "{\"name\":");
        write_string(out, params[i].name);
        write_text(out, ",\"kind\":");
        write_string(out, kind_name(params[i].kind));
        write_text(out, params[i].optional ? ",\"optional\":true}" : ",\"optional\":false}");
    }
    write_text(out, "]");
}

static void write_aliases(struct writer *out, const char *op) {
    const char *alias, *name;
    bool first = true;
    write_text(out, ",\"aliases\":[");
    for (size_t i = 0; op_alias(i, &alias, &name); i++) {
        if (strcmp(name, op) != 0) continue;
        if (!first) write_text(out, ",");
        first = false;
        write_string(out, alias);
    }
    write_text(out, "]");
}

static void write_head(struct writer *out, const char *name, const char *notation, bool *first) {
    write_text(out, *first ? "{\"name\":" : ",{\"name\":");
    *first = false;
    write_string(out, name);
    write_text(out, ",\"notation\":");
    write_string(out, notation ? notation : "");
}

bool service_ops(const struct service_call *call, struct writer *out, struct error *error) {
    (void)call;
    bool first = true;
    write_text(out, "{\"ops\":[");
    for (int tag = 0; tag < OP_COUNT; tag++) {
        const struct op *op = op_table[tag];
        if (op->kind == OP_INTERNAL) continue;
        write_head(out, op->name, op->notation, &first);
        write_params(out, op->params, OP_PARAMS_MAX);
        write_aliases(out, op->name);
        write_text(out, "}");
    }
    for (size_t i = 0; i < BUILTIN_COUNT; i++) {
        const struct builtin *builtin = &builtins[i];
        write_head(out, builtin->name, builtin->notation, &first);
        write_params(out, builtin->params, sizeof builtin->params / sizeof *builtin->params);
        write_text(out, strcmp(builtin->name, "grad") == 0 ? ",\"aliases\":[\"gradient\"]}"
                                                           : ",\"aliases\":[]}");
    }
    write_text(out, "]}");
    return finish(out, error);
}

bool service_limits(const struct service_call *call, struct writer *out, struct error *error) {
    const struct service_limits *limits = call->limits;
    const char *separator = "{\"";
#define SERVICE_LIMIT(limit, preset, text)                                                         \
    write_text(out, separator);                                                                    \
    write_text(out, #limit "\":");                                                                 \
    write_int(out, limits->limit);                                                                 \
    separator = ",\"";
    SERVICE_LIMITS(SERVICE_LIMIT)
#undef SERVICE_LIMIT
    write_text(out, "}");
    return finish(out, error);
}
