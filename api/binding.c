/* Bindings as they are sent. Reads what stands around a value; the value is the tensor reader's. */
#include "api/binding.h"

#include <string.h>

#include "api/expr.h"
#include "api/place.h"
#include "core/op.h"

static bool fail_member(const char *key, bool constant, struct error *error) {
    static const char *const accepted[] = {"value", "dtype", "trainable"};
    const char *near = name_nearest(key, accepted, constant ? 2 : 3);
    error_set(error, ERROR_INVALID_REQUEST,
              "unknown member \"%.60s\"; %s%s%sccepted: value, dtype%s", key,
              near ? "did you mean \"" : "", near ? near : "", near ? "\"? A" : "a",
              constant ? "" : ", trainable");
    return error_under(error, key);
}

static bool read_dtype(const struct json *v, enum dtype *out, struct error *error) {
    const bool text = json_type(v) == JSON_STRING;
    if (text && dtype_find(json_string(v), out)) return true;
    error_set(error, ERROR_INVALID_VALUE,
              "unknown dtype%s%.40s%s; expected float32, float64, int32, int64 or bool",
              text ? " \"" : "", text ? json_string(v) : "", text ? "\"" : "");
    return error_under(error, json_key(v));
}

static bool read_trainable(const struct json *v, struct binding *out, struct error *error) {
    if (json_type(v) != JSON_BOOL) {
        error_set(error, ERROR_INVALID_REQUEST, "expected true or false, found %s",
                  json_type_name(v));
        return error_under(error, json_key(v));
    }
    out->trainable = json_bool(v);
    return out->says_trainable = true;
}

bool binding_read(const struct json *v, bool constant, enum dtype dtype, struct binding *out,
                  struct error *error) {
    *out = (struct binding){.value = v, .dtype = dtype, .trainable = !constant};
    if (json_type(v) != JSON_OBJECT || !json_member(v, "value")) return true;
    out->wrapped = true;
    for (const struct json *m = json_first(v); m; m = json_next(m)) {
        const char *key = json_key(m);
        bool ok = true;
        if (strcmp(key, "value") == 0)
            out->value = m;
        else if (strcmp(key, "trainable") == 0 && !constant)
            ok = read_trainable(m, out, error);
        else if (strcmp(key, "dtype") == 0)
            ok = read_dtype(m, &out->dtype, error);
        else
            ok = fail_member(key, constant, error);
        if (!ok) return false;
    }
    return true;
}

bool binding_check_name(const char *name, struct error *error) {
    return expr_is_name(name) ||
           error_set(error, ERROR_INVALID_REQUEST,
                     "\"%.80s\" is not a name; names match [A-Za-z_][A-Za-z0-9_]*", name);
}
