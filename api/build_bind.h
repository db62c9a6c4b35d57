/* The arguments of calls, bound to the parameters of an op or builtin. All functions that return bool return
 * false after a failure, as those of build.h do. */
#ifndef GRADD_API_BUILD_BIND_H
#define GRADD_API_BUILD_BIND_H

#include "api/build.h"

/* A name without the module in which TensorFlow or NumPy keeps what is known by its plain name here. */
const char *build_plain_name(const char *name);

/* Says that a failure is about this argument, or about its name; returns false. */
bool build_blame(struct builder *b, const struct value *argument, bool name);

/* bound[i] becomes the argument for params[i]; NULL where it was left out or is None and may be. `op` is
 * how messages call what is called. */
bool build_bind(struct builder *b, const char *op, const struct op_param *params, size_t n_params,
                const struct argument *args, size_t n, const struct value **bound);

/* Makes of `v` what the parameter takes; tensors that only literals say take `dtype`. */
bool build_argument(struct builder *b, const char *op, const struct op_param *param,
                    const struct value *v, enum dtype dtype, struct op_arg *arg);

#endif
