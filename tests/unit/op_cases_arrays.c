/* Cases of layouts, splits, made tensors, diagonals and gathers. Indices are constants of the graph, or
 * made from an input by a cast so that they can be batched. */
#include "op_cases_macros.h"

#define STRING(s)                                                                                  \
    { .given = true, .string = (s) }
#define FLOAT(v)                                                                                   \
    { .given = true, .f = (v) }
#define DTYPE(d)                                                                                   \
    { .given = true, .dtype = (d) }
#define LIST(...)                                                                                  \
    {                                                                                              \
        .given = true, .b = true, .ints = (int64_t[]){__VA_ARGS__},                                \
        .n = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)                                    \
    }
#define INDICES(dims, ...)                                                                         \
    tape_const(t, DTYPE_I32, &(const struct shape)dims, (int32_t[]){__VA_ARGS__})
#define AS_INDICES(x) emit_cast(t, x, DTYPE_I64)

/* All results of a call as one vector, each weighted by its place so that none can stand for another. */
static node_id joined(struct tape *t, int op, const struct op_arg *args) {
    const node_id *results;
    size_t n;
    node_id all = NODE_NONE;
    if (!op_call_many(t, op, args, &results, &n)) return NODE_NONE;
    for (size_t i = 0; i < n; i++) {
        const struct shape flat = {.rank = 1, .dim = {shape_count(tape_shape(t, results[i]))}};
        node_id part = emit_reshape(t, emit_square(t, results[i]), &flat);
        part = emit_multiply(t, part, emit_like(t, part, (double)(i + 1)));
        all = all == NODE_NONE ? part : emit_concat(t, (node_id[]){all, part}, 2, 0);
    }
    return all;
}
#define MANY(op, ...) joined(t, OP_##op, (struct op_arg[]){__VA_ARGS__})

/* ---- layouts ---- */
BUILD(tile, CALL(tile, NODE(x[0]), INTS(2, 3)))
BUILD(tile_3, CALL(tile, NODE(x[0]), INTS(2, 1, 2)))
BUILD(tile_none, CALL(tile, NODE(x[0]), INTS(0, 2)))
CASES(tile, {"tile", 1, {M(2, 3)}, -2, 2, 0, build_tile},
      {"tile of rank 3", 1, {T3(1, 3, 2)}, -2, 2, 0, build_tile_3},
      {"tile of size 1", 1, {M(1, 1)}, -2, 2, 0, build_tile},
      {"tile no times", 1, {M(2, 3)}, -2, 2, 0, build_tile_none},
      {"tile of nothing", 1, {M(0, 3)}, -2, 2, 0, build_tile})
BUILD(repeat, CALL(repeat, NODE(x[0]), INTS(2), NONE))
BUILD(repeat_last, CALL(repeat, NODE(x[0]), INTS(3), INT(-1)))
BUILD(repeat_unevenly, CALL(repeat, NODE(x[0]), INTS(2, 0, 1), INT(1)))
CASES(repeat, {"repeat of all", 1, {M(2, 3)}, -2, 2, 0, build_repeat},
      {"repeat along the last axis", 1, {M(2, 3)}, -2, 2, 0, build_repeat_last},
      {"repeat unevenly", 1, {T3(2, 3, 2)}, -2, 2, 0, build_repeat_unevenly},
      {"repeat of a scalar", 1, {SCALAR}, -2, 2, 0, build_repeat},
      {"repeat of nothing", 1, {M(2, 0)}, -2, 2, 0, build_repeat_last})
BUILD(reverse, CALL(reverse, NODE(x[0]), INTS(0, -1)))
BUILD(reverse_all, CALL(reverse, NODE(x[0]), NONE))
CASES(reverse, {"reverse of first and last", 1, {T3(2, 3, 2)}, -2, 2, 0, build_reverse},
      {"reverse of all axes", 1, {M(2, 3)}, -2, 2, 0, build_reverse_all},
      {"reverse of a scalar", 1, {SCALAR}, -2, 2, 0, build_reverse_all},
      {"reverse of nothing", 1, {M(0, 3)}, -2, 2, 0, build_reverse_all})
BUILD(roll, CALL(roll, NODE(x[0]), INTS(2), INTS(-1)))
BUILD(roll_two, CALL(roll, NODE(x[0]), INTS(-1, 4), INTS(0, 1)))
BUILD(roll_flat, CALL(roll, NODE(x[0]), INTS(1), NONE))
CASES(roll, {"roll", 1, {V(5)}, -2, 2, 0, build_roll},
      {"roll of two axes", 1, {M(2, 3)}, -2, 2, 0, build_roll_two},
      {"roll of all", 1, {M(2, 3)}, -2, 2, 0, build_roll_flat},
      {"roll of one", 1, {V(1)}, -2, 2, 0, build_roll},
      {"roll of nothing", 1, {V(0)}, -2, 2, 0, build_roll})
BUILD(pad, CALL(pad, NODE(x[0]), INTS(1, 0, 2, 1), NONE, NONE))
BUILD(pad_value, CALL(pad, NODE(x[0]), INTS(1, 0, 2, 1), NONE, NODE(emit_like(t, x[0], 0.5))))
BUILD(pad_reflect, CALL(pad, NODE(x[0]), INTS(1, 1, 2, 0), STRING("REFLECT"), NONE))
BUILD(pad_symmetric, CALL(pad, NODE(x[0]), INTS(2, 1, 0, 3), STRING("symmetric"), NONE))
CASES(pad, {"pad", 1, {M(2, 3)}, -2, 2, 0, build_pad},
      {"pad with a value", 1, {M(2, 3)}, -2, 2, 0, build_pad_value},
      {"pad by reflection", 1, {M(2, 3)}, -2, 2, 0, build_pad_reflect},
      {"pad symmetrically", 1, {M(2, 3)}, -2, 2, 0, build_pad_symmetric},
      {"pad of nothing", 1, {M(0, 3)}, -2, 2, 0, build_pad})
BUILD(mirror_pad, CALL(mirror_pad, NODE(x[0]), INTS(1, 1, 2, 0), STRING("reflect")))
BUILD(mirror_pad_edge, CALL(mirror_pad, NODE(x[0]), INTS(1, 1, 2, 0), STRING("SYMMETRIC")))
CASES(mirror_pad, {"mirror_pad", 1, {M(2, 3)}, -2, 2, 0, build_mirror_pad},
      {"mirror_pad of size 1", 1, {M(1, 2)}, -2, 2, 0, build_mirror_pad_edge})
BUILD(moveaxis, CALL(moveaxis, NODE(x[0]), INTS(0), INTS(-1)))
BUILD(moveaxis_two, CALL(moveaxis, NODE(x[0]), INTS(2, 0), INTS(0, 1)))
CASES(moveaxis, {"moveaxis", 1, {T3(2, 3, 4)}, -2, 2, 0, build_moveaxis},
      {"moveaxis of two", 1, {T3(2, 3, 4)}, -2, 2, 0, build_moveaxis_two},
      {"moveaxis of a vector", 1, {V(3)}, -2, 2, 0, build_moveaxis})
BUILD(swapaxes, CALL(swapaxes, NODE(x[0]), INT(0), INT(-1)))
CASES(swapaxes, {"swapaxes", 1, {T3(2, 3, 4)}, -2, 2, 0, build_swapaxes},
      {"swapaxes of one axis", 1, {V(3)}, -2, 2, 0, build_swapaxes})

/* ---- several results ---- */
BUILD(split, MANY(split, NODE(x[0]), INTS(2), NONE))
BUILD(split_last, MANY(split, NODE(x[0]), LIST(1, -1, 0), INT(-1)))
CASES(split, {"split", 1, {M(4, 3)}, -2, 2, 0, build_split},
      {"split by sizes", 1, {M(2, 3)}, -2, 2, 0, build_split_last},
      {"split of nothing", 1, {M(0, 3)}, -2, 2, 0, build_split})
BUILD(unstack, MANY(unstack, NODE(x[0]), NONE, NONE))
BUILD(unstack_last, MANY(unstack, NODE(x[0]), INT(3), INT(-1)))
CASES(unstack, {"unstack", 1, {T3(2, 3, 2)}, -2, 2, 0, build_unstack},
      {"unstack the last axis", 1, {M(2, 3)}, -2, 2, 0, build_unstack_last},
      {"unstack a vector", 1, {V(1)}, -2, 2, 0, build_unstack})
BUILD(meshgrid, MANY(meshgrid, NODES(x[0], x[1]), NONE))
BUILD(meshgrid_ij, MANY(meshgrid, NODES(x[0], x[1], x[2]), STRING("ij")))
CASES(meshgrid, {"meshgrid", 2, {V(2), V(3)}, -2, 2, 0, build_meshgrid},
      {"meshgrid ij of three", 3, {V(2), V(3), V(1)}, -2, 2, 0, build_meshgrid_ij},
      {"meshgrid of nothing", 2, {V(0), V(3)}, -2, 2, 0, build_meshgrid})

/* ---- made tensors ---- */
BUILD(fill, CALL(fill, INTS(2, 3), NODE(x[0])))
BUILD(fill_none, CALL(fill, INTS(0, 3), NODE(x[0])))
CASES(fill, {"fill", 1, {SCALAR}, -2, 2, 0, build_fill},
      {"fill of nothing", 1, {SCALAR}, -2, 2, 0, build_fill_none})
BUILD(zeros, emit_add(t, x[0], CALL(zeros, INTS(2, 3), DTYPE(DTYPE_F64))))
CASES(zeros, {"zeros", 1, {V(3)}, -2, 2, 0, build_zeros})
BUILD(ones, emit_multiply(t, x[0], CALL(ones, INTS(2, 3), DTYPE(DTYPE_F64))))
CASES(ones, {"ones", 1, {V(3)}, -2, 2, 0, build_ones})
BUILD(range, emit_multiply(t, x[0], CALL(range, FLOAT(3), FLOAT(-1), FLOAT(-2), DTYPE(DTYPE_F64))))
CASES(range, {"range times x", 1, {M(3, 2)}, -2, 2, 0, build_range},
      {"range times one", 1, {SCALAR}, -2, 2, 0, build_range})
BUILD(linspace, CALL(linspace, NODE(x[0]), NODE(x[1]), INT(5), NONE))
BUILD(linspace_2, CALL(linspace, NODE(x[0]), NODE(x[1]), INT(2), NONE))
BUILD(linspace_middle, CALL(linspace, NODE(x[0]), NODE(x[1]), INT(4), INT(-2)))
CASES(linspace, {"linspace", 2, {SCALAR, SCALAR}, -2, 2, 0, build_linspace},
      {"linspace of two", 2, {SCALAR, SCALAR}, -2, 2, 0, build_linspace_2},
      {"linspace along a middle axis", 2, {M(2, 3), V(3)}, -2, 2, 0, build_linspace_middle},
      {"linspace of nothing", 2, {M(0, 3), V(3)}, -2, 2, 0, build_linspace_middle})
BUILD(one_hot,
      CALL(one_hot, NODE(AS_INDICES(x[0])), INT(3), NODE(x[1]), NODE(x[2]), NONE, DTYPE(DTYPE_F64)))
BUILD(one_hot_0,
      CALL(one_hot, NODE(AS_INDICES(x[0])), INT(3), NONE, NONE, INT(0), DTYPE(DTYPE_F64)))
CASES(one_hot, {"one_hot", 3, {V(4), SCALAR, SCALAR}, 0, 2.9, 7, build_one_hot},
      {"one_hot along axis 0", 1, {M(2, 3)}, 0, 2.9, 1, build_one_hot_0},
      {"one_hot of a scalar", 1, {SCALAR}, 0, 2.9, 1, build_one_hot_0},
      {"one_hot of nothing", 1, {V(0)}, 0, 2.9, 1, build_one_hot_0})

/* ---- diagonals ---- */
#define DIAG(...) CALL(diag, NODE(x[0]), __VA_ARGS__)
BUILD(diag, DIAG(NONE, NONE, NONE, NONE, NONE))
BUILD(diag_above, DIAG(INTS(2), NONE, NONE, NONE, NONE))
BUILD(diag_below, DIAG(INTS(-1), NONE, INT(4), NODE(emit_like(t, x[0], 0.5)), NONE))
BUILD(diag_band, DIAG(INTS(-1, 1), NONE, NONE, NONE, NONE))
BUILD(diag_band_left, DIAG(INTS(0, 2), INT(3), NONE, NONE, STRING("LEFT_LEFT")))
CASES(diag, {"diag", 1, {V(3)}, -2, 2, 0, build_diag},
      {"diag of rows, above", 1, {M(2, 3)}, -2, 2, 0, build_diag_above},
      {"diag below", 1, {V(4)}, -2, 2, 0, build_diag_below},
      {"diag of one", 1, {V(1)}, -2, 2, 0, build_diag},
      {"diag of a band", 1, {M(3, 3)}, -2, 2, 0, build_diag_band},
      {"diag of bands, aligned left", 1, {T3(2, 3, 3)}, -2, 2, 0, build_diag_band_left},
      {"diag of nothing", 1, {V(0)}, -2, 2, 0, build_diag})
#define DIAG_PART(...) CALL(diag_part, NODE(x[0]), __VA_ARGS__)
BUILD(diag_part, DIAG_PART(NONE, NONE, NONE))
BUILD(diag_part_above, DIAG_PART(INTS(1), NONE, NONE))
BUILD(diag_part_below, DIAG_PART(INTS(-1), NONE, NONE))
BUILD(diag_part_band, DIAG_PART(INTS(-1, 2), NONE, NONE))
BUILD(diag_part_padded, DIAG_PART(INTS(-1, 1), NODE(emit_like(t, x[0], 0.5)), STRING("LEFT_RIGHT")))
CASES(diag_part, {"diag_part", 1, {M(3, 3)}, -2, 2, 0, build_diag_part},
      {"diag_part of a wide matrix, above", 1, {T3(2, 2, 4)}, -2, 2, 0, build_diag_part_above},
      {"diag_part of a tall matrix, below", 1, {M(4, 2)}, -2, 2, 0, build_diag_part_below},
      {"diag_part of a band", 1, {T3(2, 2, 4)}, -2, 2, 0, build_diag_part_band},
      {"diag_part of a padded band", 1, {M(4, 2)}, -2, 2, 0, build_diag_part_padded},
      {"diag_part of nothing", 1, {M(0, 3)}, -2, 2, 0, build_diag_part})
BUILD(set_diag, CALL(set_diag, NODE(x[0]), NODE(x[1]), NONE, NONE))
BUILD(set_diag_above, CALL(set_diag, NODE(x[0]), NODE(x[1]), INTS(1), NONE))
BUILD(set_diag_band, CALL(set_diag, NODE(x[0]), NODE(x[1]), INTS(-1, 1), NONE))
CASES(set_diag, {"set_diag", 2, {M(3, 3), V(3)}, -2, 2, 0, build_set_diag},
      {"set_diag of wide matrices", 2, {T3(2, 2, 3), M(2, 2)}, -2, 2, 0, build_set_diag},
      {"set_diag above", 2, {M(3, 3), V(2)}, -2, 2, 0, build_set_diag_above},
      {"set_diag of a band", 2, {M(3, 4), M(3, 3)}, -2, 2, 0, build_set_diag_band},
      {"set_diag of nothing", 2, {M(0, 2), V(0)}, -2, 2, 0, build_set_diag})
BUILD(band_part, CALL(band_part, NODE(x[0]), INT(1), INT(0)))
BUILD(band_part_upper, CALL(band_part, NODE(x[0]), INT(0), INT(-1)))
CASES(band_part, {"band_part", 1, {M(4, 3)}, -2, 2, 0, build_band_part},
      {"band_part, the upper triangle", 1, {T3(2, 3, 3)}, -2, 2, 0, build_band_part_upper},
      {"band_part of nothing", 1, {M(2, 0)}, -2, 2, 0, build_band_part})
BUILD(tril, CALL(tril, NODE(x[0]), NONE))
BUILD(tril_above, CALL(tril, NODE(x[0]), INT(1)))
CASES(tril, {"tril", 1, {M(3, 3)}, -2, 2, 0, build_tril},
      {"tril of wide matrices", 1, {T3(2, 2, 4)}, -2, 2, 0, build_tril_above},
      {"tril of nothing", 1, {M(0, 3)}, -2, 2, 0, build_tril})
BUILD(triu, CALL(triu, NODE(x[0]), NONE))
BUILD(triu_below, CALL(triu, NODE(x[0]), INT(-1)))
CASES(triu, {"triu", 1, {M(3, 3)}, -2, 2, 0, build_triu},
      {"triu of tall matrices", 1, {T3(2, 4, 2)}, -2, 2, 0, build_triu_below},
      {"triu of nothing", 1, {M(0, 3)}, -2, 2, 0, build_triu})
BUILD(trace, CALL(trace, NODE(x[0])))
CASES(trace, {"trace", 1, {M(3, 3)}, -2, 2, 0, build_trace},
      {"trace of wide matrices", 1, {T3(2, 2, 3)}, -2, 2, 0, build_trace},
      {"trace of nothing", 1, {M(0, 0)}, -2, 2, 0, build_trace})
BUILD(eye, emit_matmul(t, CALL(eye, INT(2), INT(3), DTYPE(DTYPE_F64)), x[0], false, false))
CASES(eye, {"eye times x", 1, {M(3, 2)}, -2, 2, 0, build_eye})
BUILD(outer, CALL(outer, NODE(x[0]), NODE(x[1])))
CASES(outer, {"outer", 2, {V(2), V(3)}, -2, 2, 0, build_outer},
      {"outer of matrices", 2, {M(2, 2), M(1, 3)}, -2, 2, 0, build_outer},
      {"outer of scalars", 2, {SCALAR, SCALAR}, -2, 2, 0, build_outer},
      {"outer with nothing", 2, {V(0), V(3)}, -2, 2, 0, build_outer})
BUILD(kron, CALL(kron, NODE(x[0]), NODE(x[1])))
CASES(kron, {"kron", 2, {M(2, 3), M(3, 2)}, -2, 2, 0, build_kron},
      {"kron of ranks 1 and 2", 2, {V(2), M(2, 2)}, -2, 2, 0, build_kron},
      {"kron with nothing", 2, {M(0, 2), M(2, 2)}, -2, 2, 0, build_kron})

/* ---- gathers ---- */
#define LINES(rule, length, ...)                                                                   \
    &(const struct index_attrs) {                                                                  \
        rule, length, 1, { __VA_ARGS__ }                                                           \
    }
BUILD(gather_lines, emit_gather_lines(t, INDICES(M(2, 3), 0, 2, 2, 1, 0, -1),
                                      emit_reshape(t, x[0], &(const struct shape){4, {2, 2, 3, 1}}),
                                      LINES(INDEX_DROPS, 3, 6)))
CASES(gather_lines, {"gather_lines", 1, {M(2, 6)}, -2, 2, 0, build_gather_lines})
#define SCATTER(id, rule, ...)                                                                     \
    BUILD(id,                                                                                      \
          tape_emit(t, OP_##id,                                                                    \
                    (node_id[]){INDICES(M(2, 3), __VA_ARGS__),                                     \
                                emit_reshape(t, x[0], &(const struct shape){4, {2, 2, 3, 1}})},    \
                    2, LINES(rule, 5, 6), sizeof(struct index_attrs)))                             \
    BUILD(id##_one,                                                                                \
          tape_emit(t, OP_##id,                                                                    \
                    (node_id[]){INDICES(M(1, 2), 3, 1),                                            \
                                emit_reshape(t, x[0], &(const struct shape){4, {1, 1, 2, 3}})},    \
                    2, LINES(rule, 4, 2), sizeof(struct index_attrs)))                             \
    CASES(id, {#id, 1, {M(2, 6)}, -2, 2, 0, build_##id},                                           \
          {#id " of one batch", 1, {M(2, 3)}, -2, 2, 0, build_##id##_one})
SCATTER(scatter_lines, INDEX_DROPS, 0, 4, 4, 1, -1, 1)
SCATTER(assign_lines, INDEX_LINE, 0, 4, 3, 1, 0, 2)
#define PLACES(...) tape_const(t, DTYPE_I32, &(const struct shape)V(5), (int32_t[]){__VA_ARGS__})
BUILD(hessian_spread, emit_hessian_spread(t, PLACES(0, 3, 3, 1, 5), PLACES(0, 1, 3, 4, 8), x[0]))
CASES(hessian_spread, {"hessian_spread", 1, {M(3, 3)}, -2, 2, 0, build_hessian_spread},
      {"hessian_spread of two", 1, {T3(2, 3, 3)}, -2, 2, 0, build_hessian_spread})
BUILD(gather, CALL(gather, NODE(x[0]), NODE(INDICES(V(4), 2, 0, 2, 1)), NONE, NONE))
BUILD(gather_last, CALL(gather, NODE(x[0]), NODE(INDICES(M(2, 2), 2, 0, 1, 1)), INT(-1), NONE))
BUILD(gather_scalar, CALL(gather, NODE(x[0]), NODE(INDICES(SCALAR, 1)), INT(1), NONE))
BUILD(gather_batch, CALL(gather, NODE(x[0]), NODE(INDICES(M(2, 2), 2, 0, 1, 1)), INT(1), INT(1)))
BUILD(gather_none, CALL(gather, NODE(x[0]), NODE(INDICES(V(0), 0)), NONE, NONE))
BUILD(gather_moving, CALL(gather, NODE(x[0]), NODE(AS_INDICES(x[1])), INT(0), NONE))
BUILD(gather_moving_1, CALL(gather, NODE(x[0]), NODE(AS_INDICES(x[1])), INT(1), INT(1)))
CASES(gather, {"gather", 1, {M(3, 2)}, -2, 2, 0, build_gather},
      {"gather along the last axis", 1, {T3(2, 2, 3)}, -2, 2, 0, build_gather_last},
      {"gather by a scalar", 1, {M(2, 3)}, -2, 2, 0, build_gather_scalar},
      {"gather with batch_dims", 1, {T3(2, 3, 2)}, -2, 2, 0, build_gather_batch},
      {"gather nothing", 1, {M(3, 2)}, -2, 2, 0, build_gather_none},
      {"gather empty lines", 1, {M(3, 0)}, -2, 2, 0, build_gather},
      {"gather by an input", 2, {M(3, 2), V(4)}, 0, 2.9, 2, build_gather_moving},
      {"gather by an input with batch_dims",
       2,
       {T3(2, 3, 2), M(2, 2)},
       0,
       2.9,
       2,
       build_gather_moving_1})
BUILD(embedding_lookup, CALL(embedding_lookup, NODE(x[0]), NODE(INDICES(M(1, 3), 2, 0, 2))))
CASES(embedding_lookup, {"embedding_lookup", 1, {M(3, 2)}, -2, 2, 0, build_embedding_lookup})
BUILD(take_along_axis,
      CALL(take_along_axis, NODE(x[0]), NODE(INDICES(M(2, 3), 1, 0, 1, 0, 0, 1)), INT(0)))
CASES(take_along_axis, {"take_along_axis", 1, {M(2, 3)}, -2, 2, 0, build_take_along_axis})
#define MASK(dims, ...)                                                                            \
    tape_const(t, DTYPE_BOOL, &(const struct shape)dims, (uint8_t[]){__VA_ARGS__})
BUILD(boolean_mask, CALL(boolean_mask, NODE(x[0]), NODE(MASK(V(3), 1, 0, 1)), INT(-1)))
BUILD(boolean_mask_2, CALL(boolean_mask, NODE(x[0]), NODE(MASK(M(2, 3), 1, 0, 1, 0, 0, 1)), NONE))
BUILD(boolean_mask_none, CALL(boolean_mask, NODE(x[0]), NODE(MASK(V(2), 0, 0)), NONE))
CASES(boolean_mask, {"boolean_mask", 1, {M(2, 3)}, -2, 2, 0, build_boolean_mask},
      {"boolean_mask of rank 2", 1, {T3(2, 3, 2)}, -2, 2, 0, build_boolean_mask_2},
      {"boolean_mask of nothing", 1, {M(2, 3)}, -2, 2, 0, build_boolean_mask_none})
BUILD(sparse_softmax_cross_entropy_with_logits,
      CALL(sparse_softmax_cross_entropy_with_logits, NODE(INDICES(V(2), 2, 0)), NODE(x[0])))
BUILD(sparse_one,
      CALL(sparse_softmax_cross_entropy_with_logits, NODE(INDICES(SCALAR, 1)), NODE(x[0])))
BUILD(sparse_moving,
      CALL(sparse_softmax_cross_entropy_with_logits, NODE(AS_INDICES(x[1])), NODE(x[0])))
CASES(sparse_softmax_cross_entropy_with_logits,
      {"sparse cross entropy",
       1,
       {M(2, 3)},
       -2,
       2,
       0,
       build_sparse_softmax_cross_entropy_with_logits},
      {"sparse cross entropy of one row", 1, {V(3)}, -2, 2, 0, build_sparse_one},
      {"sparse cross entropy by an input", 2, {M(2, 3), V(2)}, 0, 2.9, 2, build_sparse_moving})
