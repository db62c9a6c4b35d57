/* assign, assign_add and assign_sub, with the checks and the words of TensorFlow 2.21. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/place.h"
#include "api/session_io.h"
#include "api/session_services.h"

enum assignment { ASSIGN, ASSIGN_ADD, ASSIGN_SUB };

static bool check(struct asked *a, const struct item *item, const struct tensor *value,
                  enum assignment how) {
    const struct tensor *has = &item->value.tensor;
    char wanted[SHAPE_TEXT], found[SHAPE_TEXT];
    if (has->dtype != value->dtype)
        return error_set(a->error, ERROR_DTYPE_MISMATCH,
                         "Tensor conversion requested dtype %s for Tensor with dtype %s",
                         dtype_name(has->dtype), dtype_name(value->dtype));
    if (how != ASSIGN && has->dtype == DTYPE_BOOL)
        return error_set(
            a->error, ERROR_DTYPE_MISMATCH,
            "No OpKernel was registered to support Op '%s' with these attrs: [dtype=DT_BOOL]",
            how == ASSIGN_ADD ? "AssignAddVariableOp" : "AssignSubVariableOp");
    if (shape_equal(&has->shape, &value->shape)) return true;
    if (how == ASSIGN)
        return error_set(a->error, ERROR_SHAPE_MISMATCH,
                         "Cannot assign value to variable ' %.80s:0': Shape mismatch.The variable "
                         "shape %s, and the assigned value shape %s are incompatible.",
                         item->name, shape_tuple(&has->shape, wanted),
                         shape_tuple(&value->shape, found));
    return error_set(a->error, ERROR_SHAPE_MISMATCH,
                     "Cannot update variable with shape %s using a Tensor with shape %s, shapes "
                     "must be equal.",
                     shape_brackets(&has->shape, wanted), shape_brackets(&value->shape, found));
}

/* value = has + value, or has - value; integers wrap around, as TensorFlow's do. */
#define COMBINE(type, unsigned_type)                                                               \
    for (int64_t i = 0; i < n; i++) {                                                              \
        const unsigned_type x = (unsigned_type)((const type *)has->data)[i],                       \
                            y = (unsigned_type)((const type *)value->data)[i];                     \
        ((type *)value->data)[i] = (type)(how == ASSIGN_ADD ? x + y : x - y);                      \
    }                                                                                              \
    break

static void combine(const struct tensor *has, struct tensor *value, enum assignment how) {
    const int64_t n = shape_count(&has->shape);
    switch (has->dtype) {
    case DTYPE_F32:
        COMBINE(float, float);
    case DTYPE_F64:
        COMBINE(double, double);
    case DTYPE_I32:
        COMBINE(int32_t, uint32_t);
    case DTYPE_I64:
        COMBINE(int64_t, uint64_t);
    case DTYPE_BOOL:
    case DTYPE_COUNT:
        break;
    }
}

static bool read_value(struct asked *a, const struct item *item, struct tensor *out) {
    const struct json *v = asked_member(a, "value");
    if (v && json_type(v) != JSON_NULL)
        return json_tensor(&a->arena, v, item->value.tensor.dtype, a->call->limits->max_elements,
                           "/value", out, a->error);
    if (!v) {
        error_set(a->error, ERROR_INVALID_REQUEST, "member \"value\" is missing");
    } else {
        error_set(a->error, ERROR_INVALID_VALUE,
                  "Attempt to convert a value (None) with an unsupported type (<class "
                  "'NoneType'>) to a Tensor.");
        error_under(a->error, "value");
    }
    return false;
}

static bool assign(struct asked *a, enum assignment how) {
    struct item *item = asked_item(a, ITEM_VARIABLE);
    struct tensor value = {.data = NULL};
    struct held held;
    char etag[ETAG];
    if (!item) return false;
    session_etag(a->session, item->version, etag);
    if (!asked_precondition(a, etag, "variable", item->name) || !read_value(a, item, &value))
        return false;
    if (!check(a, item, &value, how)) return error_under(a->error, "value");
    if (how != ASSIGN) combine(&item->value.tensor, &value, how);
    item_write(a->out, item->name, ITEM_VARIABLE, item->trainable, &value, a->format);
    if (!asked_written(a)) return false;
    held_copy(&a->session->account, &value, &held);
    if (!held.owner) return session_fail_memory(a->session, a->error);
    session_set_held(a->session, item, held);
    session_etag(a->session, item->version, a->call->reply->etag);
    reply_changed(a->call, a->session, false);
    return true;
}

static bool answer(const struct service_call *call, enum assignment how, struct writer *out,
                   struct error *error) {
    static const struct takes takes = {.members = {"value", "format"}};
    struct asked a;
    const bool ok = asked_begin(&a, call, &takes, out, error) && assign(&a, how);
    asked_end(&a);
    return ok;
}

bool service_variable_assign(const struct service_call *call, struct writer *out,
                             struct error *error) {
    return answer(call, ASSIGN, out, error);
}

bool service_variable_assign_add(const struct service_call *call, struct writer *out,
                                 struct error *error) {
    return answer(call, ASSIGN_ADD, out, error);
}

bool service_variable_assign_sub(const struct service_call *call, struct writer *out,
                                 struct error *error) {
    return answer(call, ASSIGN_SUB, out, error);
}
