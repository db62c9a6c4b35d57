/* Cases of sorting, segments, and indices into several axes. */
#include "op_cases_macros.h"

#define STRING(s)                                                                                  \
    { .given = true, .string = (s) }
#define INDICES(dims, ...)                                                                         \
    tape_const(t, DTYPE_I32, &(const struct shape)dims, (int32_t[]){__VA_ARGS__})
#define AS_INDICES(x) emit_cast(t, x, DTYPE_I64)

/* ---- sorting ---- */
static node_id build_sort_order(struct tape *t, const node_id *x) {
    return tape_emit(t, OP_sort_order, x, 1, &(struct sort_attrs){1}, sizeof(struct sort_attrs));
}
CASES(sort_order, {"sort_order", 1, {M(2, 5)}, -2, 2, 1, build_sort_order})
BUILD(sort, CALL(sort, NODE(x[0]), NONE, NONE))
BUILD(sort_down, CALL(sort, NODE(x[0]), INT(0), STRING("DESCENDING")))
CASES(sort, {"sort", 1, {V(9)}, -2, 2, 0, build_sort},
      {"sort of rows", 1, {M(2, 5)}, -2, 2, 0, build_sort},
      {"sort along axis 0, descending", 1, {T3(4, 2, 2)}, -2, 2, 0, build_sort_down},
      {"sort of one", 1, {V(1)}, -2, 2, 0, build_sort},
      {"sort of nothing", 1, {M(2, 0)}, -2, 2, 0, build_sort})
BUILD(argsort, CALL(argsort, NODE(x[0]), INT(-1), STRING("ASCENDING"), NONE))
CASES(argsort, {"argsort", 1, {M(2, 5)}, -2, 2, 1, build_argsort},
      {"argsort of nothing", 1, {V(0)}, -2, 2, 1, build_argsort})
static node_id build_top_k(struct tape *t, const node_id *x) {
    const node_id *results;
    size_t n;
    const struct op_arg args[3] = {NODE(x[0]), INT(2), NONE};
    return op_call_many(t, OP_top_k, args, &results, &n) ? results[0] : NODE_NONE;
}
CASES(top_k, {"top_k", 1, {V(5)}, -2, 2, 0, build_top_k},
      {"top_k of cubes", 1, {T3(2, 2, 3)}, -2, 2, 0, build_top_k},
      {"top_k of nothing", 1, {M(0, 3)}, -2, 2, 0, build_top_k})

/* ---- segments ---- */
#define SEGMENT_LINES_CASES(id)                                                                    \
    BUILD(id,                                                                                      \
          tape_emit(t, OP_##id,                                                                    \
                    (node_id[]){INDICES(M(2, 3), 0, 1, 1, 1, -1, 0),                               \
                                emit_reshape(t, x[0], &(const struct shape){4, {2, 2, 3, 1}})},    \
                    2, (&(const struct index_attrs){INDEX_DROPS, 2, 1, {6}}),                      \
                    sizeof(struct index_attrs)))                                                   \
    CASES(id, {#id, 1, {M(2, 6)}, 0.5, 1.5, 0, build_##id})
SEGMENT_LINES_CASES(segment_max_lines)
SEGMENT_LINES_CASES(segment_min_lines)
SEGMENT_LINES_CASES(segment_prod_lines)
/* The attributes of a scan over lines are those of the indices, then whether it goes backwards. */
#define LINE_SCAN(op, reverse, ...)                                                                \
    tape_emit(t, OP_##op, (node_id[]){INDICES(M(2, 3), 0, 1, 0, 1, -1, 1), __VA_ARGS__},           \
              sizeof((node_id[]){0, __VA_ARGS__}) / sizeof(node_id), (&(const struct {             \
                  struct index_attrs index;                                                        \
                  int64_t backwards;                                                               \
              }){{INDEX_DROPS, 2, 1, {6}}, reverse}),                                              \
              sizeof(struct index_attrs) + sizeof(int64_t))
#define AS_LINES(x) emit_reshape(t, x, &(const struct shape){4, {2, 2, 3, 1}})
BUILD(line_shift, LINE_SCAN(line_shift, 0, AS_LINES(x[0])))
BUILD(line_shift_back, LINE_SCAN(line_shift, 1, AS_LINES(x[0])))
CASES(line_shift, {"line_shift", 1, {M(2, 6)}, -2, 2, 0, build_line_shift},
      {"line_shift backwards", 1, {M(2, 6)}, -2, 2, 0, build_line_shift_back})
BUILD(line_recurrence, LINE_SCAN(line_recurrence, 0, AS_LINES(x[0]), AS_LINES(x[1])))
BUILD(line_recurrence_back, LINE_SCAN(line_recurrence, 1, AS_LINES(x[0]), AS_LINES(x[1])))
CASES(line_recurrence, {"line_recurrence", 2, {M(2, 6), M(2, 6)}, -2, 2, 0, build_line_recurrence},
      {"line_recurrence backwards", 2, {M(2, 6), M(2, 6)}, -2, 2, 0, build_line_recurrence_back})
/* Ids of an input: in order whatever the input is. */
#define SORTED_IDS(x) CALL(sort, NODE(AS_INDICES(x)), NONE, NONE)
#define SEGMENT_CASES(id)                                                                          \
    BUILD(id, CALL(id, NODE(x[0]), NODE(INDICES(V(5), 0, 0, 2, 2, 2)), NONE))                      \
    BUILD(id##_more, CALL(id, NODE(x[0]), NODE(INDICES(V(5), 0, 0, 2, 2, 2)), INT(5)))             \
    BUILD(id##_none, CALL(id, NODE(x[0]), NODE(INDICES(V(0), 0)), NONE))                           \
    BUILD(id##_moving, CALL(id, NODE(x[0]), NODE(SORTED_IDS(x[1])), INT(2)))                       \
    CASES(id, {#id, 1, {V(5)}, 0.5, 1.5, 0, build_##id},                                           \
          {#id " of rows", 1, {M(5, 2)}, 0.5, 1.5, 0, build_##id##_more},                          \
          {#id " of nothing", 1, {M(0, 2)}, 0.5, 1.5, 0, build_##id##_none},                       \
          {#id " by an input", 2, {M(4, 2), V(4)}, 0.5, 1.5, 2, build_##id##_moving})
SEGMENT_CASES(segment_sum)
SEGMENT_CASES(segment_mean)
SEGMENT_CASES(segment_max)
SEGMENT_CASES(segment_min)
SEGMENT_CASES(segment_prod)
#define UNSORTED_CASES(id)                                                                         \
    BUILD(id, CALL(id, NODE(x[0]), NODE(INDICES(V(5), 1, 0, 1, -1, 0)), INT(2)))                   \
    BUILD(id##_2, CALL(id, NODE(x[0]), NODE(INDICES(M(2, 2), 1, 0, 1, 1)), INT(2)))                \
    BUILD(id##_moving, CALL(id, NODE(x[0]), NODE(AS_INDICES(x[1])), INT(2)))                       \
    CASES(id, {#id, 1, {V(5)}, 0.5, 1.5, 0, build_##id},                                           \
          {#id " of rows", 1, {M(5, 2)}, 0.5, 1.5, 0, build_##id},                                 \
          {#id " by a matrix", 1, {T3(2, 2, 2)}, 0.5, 1.5, 0, build_##id##_2},                     \
          {#id " of empty rows", 1, {M(5, 0)}, 0.5, 1.5, 0, build_##id},                           \
          {#id " by an input", 2, {M(4, 2), V(4)}, 0.5, 1.5, 2, build_##id##_moving})
UNSORTED_CASES(unsorted_segment_sum)
UNSORTED_CASES(unsorted_segment_mean)
UNSORTED_CASES(unsorted_segment_sqrt_n)
UNSORTED_CASES(unsorted_segment_max)
UNSORTED_CASES(unsorted_segment_min)
UNSORTED_CASES(unsorted_segment_prod)

/* ---- indices into several axes ---- */
static node_id build_line_number(struct tape *t, const node_id *x) {
    const struct place_attrs a = {
        .rank = 2, .dim = {3, 3}, .depth = 2, .rows_rank = 1, .rows_dim = {2}};
    const node_id indices = AS_INDICES(x[0]);
    return tape_emit(t, OP_line_number, &indices, 1, &a, sizeof a);
}
CASES(line_number, {"line_number", 1, {M(2, 2)}, 0, 2.9, 1, build_line_number})
BUILD(gather_nd, CALL(gather_nd, NODE(x[0]), NODE(INDICES(M(3, 2), 1, 2, 0, 0, 1, 2)), NONE))
BUILD(gather_nd_rows, CALL(gather_nd, NODE(x[0]), NODE(INDICES(M(2, 1), 1, 1)), NONE))
BUILD(gather_nd_batch, CALL(gather_nd, NODE(x[0]), NODE(INDICES(M(2, 1), 1, 2)), INT(1)))
BUILD(gather_nd_moving, CALL(gather_nd, NODE(x[0]), NODE(AS_INDICES(x[1])), NONE))
CASES(gather_nd, {"gather_nd", 1, {M(2, 3)}, -2, 2, 0, build_gather_nd},
      {"gather_nd of lines", 1, {T3(2, 3, 2)}, -2, 2, 0, build_gather_nd},
      {"gather_nd of rows", 1, {M(2, 3)}, -2, 2, 0, build_gather_nd_rows},
      {"gather_nd with batch_dims", 1, {T3(2, 3, 2)}, -2, 2, 0, build_gather_nd_batch},
      {"gather_nd by an input", 2, {M(2, 3), M(4, 2)}, 0, 1.9, 2, build_gather_nd_moving})
BUILD(scatter_nd, CALL(scatter_nd, NODE(INDICES(M(3, 1), 3, 1, 3)), NODE(x[0]), INTS(4)))
BUILD(scatter_nd_rows, CALL(scatter_nd, NODE(INDICES(M(3, 1), 3, 1, 3)), NODE(x[0]), INTS(4, 2)))
BUILD(scatter_nd_moving, CALL(scatter_nd, NODE(AS_INDICES(x[1])), NODE(x[0]), INTS(2, 3)))
CASES(scatter_nd, {"scatter_nd", 1, {V(3)}, -2, 2, 0, build_scatter_nd},
      {"scatter_nd of rows", 1, {M(3, 2)}, -2, 2, 0, build_scatter_nd_rows},
      {"scatter_nd by an input", 2, {V(4), M(4, 2)}, 0, 1.9, 2, build_scatter_nd_moving})
#define TENSOR_SCATTER_CASES(id)                                                                   \
    BUILD(id, CALL(id, NODE(x[0]), NODE(INDICES(M(2, 1), 3, 1)), NODE(x[1])))                      \
    BUILD(id##_2, CALL(id, NODE(x[0]), NODE(INDICES(M(2, 2), 0, 1, 1, 0)), NODE(x[1])))            \
    CASES(id, {#id, 2, {V(4), V(2)}, -2, 2, 0, build_##id},                                        \
          {#id " of rows", 2, {M(4, 2), M(2, 2)}, -2, 2, 0, build_##id},                           \
          {#id " in two axes", 2, {M(2, 2), V(2)}, -2, 2, 0, build_##id##_2},                      \
          {#id " of empty rows", 2, {M(4, 0), M(2, 0)}, -2, 2, 0, build_##id})
TENSOR_SCATTER_CASES(tensor_scatter_nd_add)
TENSOR_SCATTER_CASES(tensor_scatter_nd_sub)
TENSOR_SCATTER_CASES(tensor_scatter_nd_update)
