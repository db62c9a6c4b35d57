/* The table of op cases, collected from the families' files. */
#include "op_cases.h"

#define OP(id) extern const struct op_cases cases_##id;
#include "core/op_list.h"
#undef OP

const struct op_cases *const op_cases[OP_COUNT] = {
#define OP(id) [OP_##id] = &cases_##id,
#include "core/op_list.h"
#undef OP
};
