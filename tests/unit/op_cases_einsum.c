/* Cases of sums of products by subscripts and of what is written with them. */
#include "op_cases_macros.h"

#define STRING(s)                                                                                  \
    { .given = true, .string = (s) }
#define SUM1(id, text) BUILD(id, CALL(einsum, STRING(text), NODES(x[0])))
#define SUM2(id, text) BUILD(id, CALL(einsum, STRING(text), NODES(x[0], x[1])))
#define SUM3(id, text) BUILD(id, CALL(einsum, STRING(text), NODES(x[0], x[1], x[2])))

SUM2(product, "ij,jk->ik")
SUM2(product_turned, "ji, kj -> ki")
SUM2(product_batch, "bij,bjk->kib")
SUM2(product_broadcast, "...ij,...jk->...ik")
SUM2(product_implicit, "ba,ac")
SUM2(elementwise, "i,i->i")
SUM2(outer_product, "ij,k->kij")
SUM2(double_dot, "ij,ji->")
SUM2(unread, "ij,kj->k")
SUM2(scaled, ",i->i")
SUM1(transposed, "ij->ji")
SUM1(traced, "ii")
SUM1(diagonal, "...ii->i...")
SUM1(diagonal_3, "ijii->ji")
SUM1(summed, "ijk->k")
SUM1(same, "Ab->Ab")
SUM3(chain, "ij,jk,kl->il")
SUM3(bilinear, "i,ij,j->")
SUM3(three_outer, "i,j,k->jik")
SUM3(three_shared, "bi,bi,bj->ib")
CASES(
    einsum, {"einsum product", 2, {M(2, 3), M(3, 2)}, -2, 2, 0, build_product},
    {"einsum of transposes", 2, {M(3, 2), M(4, 3)}, -2, 2, 0, build_product_turned},
    {"einsum of batches", 2, {T3(2, 2, 3), T3(2, 3, 1)}, -2, 2, 0, build_product_batch},
    {"einsum broadcast", 2, {T3(3, 2, 2), M(2, 2)}, -2, 2, 0, build_product_broadcast},
    {"einsum broadcast of ones", 2, {T3(1, 2, 2), T3(3, 2, 1)}, -2, 2, 0, build_product_broadcast},
    {"einsum implicit", 2, {M(2, 3), M(3, 2)}, -2, 2, 0, build_product_implicit},
    {"einsum element by element", 2, {V(3), V(3)}, -2, 2, 0, build_elementwise},
    {"einsum outer", 2, {M(2, 3), V(2)}, -2, 2, 0, build_outer_product},
    {"einsum double dot", 2, {M(2, 3), M(3, 2)}, -2, 2, 0, build_double_dot},
    {"einsum with an axis of one alone", 2, {M(2, 3), M(4, 3)}, -2, 2, 0, build_unread},
    {"einsum of a scalar", 2, {SCALAR, V(3)}, -2, 2, 0, build_scaled},
    {"einsum transpose", 1, {M(2, 3)}, -2, 2, 0, build_transposed},
    {"einsum trace", 1, {M(3, 3)}, -2, 2, 0, build_traced},
    {"einsum diagonals", 1, {T3(2, 3, 3)}, -2, 2, 0, build_diagonal},
    {"einsum diagonal of three axes",
     1,
     {{.rank = 4, .dim = {2, 3, 2, 2}}},
     -2,
     2,
     0,
     build_diagonal_3},
    {"einsum sum", 1, {T3(2, 3, 2)}, -2, 2, 0, build_summed},
    {"einsum of itself", 1, {M(2, 1)}, -2, 2, 0, build_same},
    {"einsum chain", 3, {M(2, 3), M(3, 2), M(2, 1)}, -2, 2, 0, build_chain},
    {"einsum bilinear", 3, {V(2), M(2, 3), V(3)}, -2, 2, 0, build_bilinear},
    {"einsum outer of three", 3, {V(2), V(1), V(3)}, -2, 2, 0, build_three_outer},
    {"einsum of three batches", 3, {M(2, 3), M(2, 3), M(2, 2)}, -2, 2, 0, build_three_shared},
    {"einsum of nothing", 2, {M(0, 3), M(3, 2)}, -2, 2, 0, build_product},
    {"einsum over nothing", 2, {M(2, 0), M(0, 3)}, -2, 2, 0, build_product},
    {"einsum trace of nothing", 1, {M(0, 0)}, -2, 2, 0, build_traced},
    {"einsum diagonals of nothing", 1, {T3(0, 2, 2)}, -2, 2, 0, build_diagonal})

#define AXES(n_first, ...)                                                                         \
    {                                                                                              \
        .given = true, .b = true, .i = (n_first), .ints = (int64_t[]){__VA_ARGS__},                \
        .n = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)                                    \
    }
BUILD(tensordot, CALL(tensordot, NODE(x[0]), NODE(x[1]), INT(1)))
BUILD(tensordot_2, CALL(tensordot, NODE(x[0]), NODE(x[1]), INT(2)))
BUILD(tensordot_0, CALL(tensordot, NODE(x[0]), NODE(x[1]), INT(0)))
BUILD(tensordot_pairs, CALL(tensordot, NODE(x[0]), NODE(x[1]), AXES(2, 2, 0, -1, 1)))
CASES(tensordot, {"tensordot", 2, {M(2, 3), M(3, 2)}, -2, 2, 0, build_tensordot},
      {"tensordot of two axes", 2, {T3(2, 3, 2), T3(3, 2, 1)}, -2, 2, 0, build_tensordot_2},
      {"tensordot of no axes", 2, {M(2, 1), V(3)}, -2, 2, 0, build_tensordot_0},
      {"tensordot of pairs", 2, {T3(2, 3, 2), T3(1, 2, 2)}, -2, 2, 0, build_tensordot_pairs},
      {"tensordot over nothing", 2, {M(2, 0), M(0, 2)}, -2, 2, 0, build_tensordot})
#define DOT_CASES(id)                                                                              \
    BUILD(id, CALL(id, NODE(x[0]), NODE(x[1])))                                                    \
    CASES(id, {#id " of vectors", 2, {V(3), V(3)}, -2, 2, 0, build_##id},                          \
          {#id " of matrices", 2, {M(2, 2), M(2, 2)}, -2, 2, 0, build_##id},                       \
          {#id " of scalars", 2, {SCALAR, SCALAR}, -2, 2, 0, build_##id},                          \
          {#id " of nothing", 2, {V(0), V(0)}, -2, 2, 0, build_##id})
DOT_CASES(dot)
DOT_CASES(inner)
DOT_CASES(vdot)
BUILD(matvec, CALL(matvec, NODE(x[0]), NODE(x[1]), NONE))
BUILD(matvec_turned, CALL(matvec, NODE(x[0]), NODE(x[1]), BOOL(true)))
CASES(matvec, {"matvec", 2, {M(2, 3), V(3)}, -2, 2, 0, build_matvec},
      {"matvec transposed", 2, {T3(2, 3, 2), V(3)}, -2, 2, 0, build_matvec_turned},
      {"matvec broadcast", 2, {M(2, 3), M(2, 3)}, -2, 2, 0, build_matvec},
      {"matvec of nothing", 2, {M(2, 0), V(0)}, -2, 2, 0, build_matvec})
BUILD(cross, CALL(cross, NODE(x[0]), NODE(x[1])))
CASES(cross, {"cross", 2, {V(3), V(3)}, -2, 2, 0, build_cross},
      {"cross of rows", 2, {M(2, 3), M(2, 3)}, -2, 2, 0, build_cross},
      {"cross of nothing", 2, {M(0, 3), M(0, 3)}, -2, 2, 0, build_cross})
