/* Every op, one line each: the tag, which is also the name of its `const struct op op_<tag>`.
 * Included several times with OP defined; no include guard on purpose. */
OP(const) OP(input)
/* element-wise, core/op_elementwise.c */
OP(add) OP(subtract) OP(multiply) OP(divide) OP(negative) OP(pow) OP(square) OP(sqrt) OP(rsqrt)
OP(reciprocal) OP(exp) OP(expm1) OP(log) OP(log1p) OP(sin) OP(cos) OP(tan) OP(sinh) OP(cosh) OP(tanh)
OP(sigmoid) OP(softplus) OP(relu) OP(abs) OP(sign) OP(maximum) OP(minimum) OP(floordiv) OP(mod)
OP(multiply_no_nan) OP(step)
/* comparisons, choice and conversion, core/op_logic.c */
OP(where) OP(equal) OP(not_equal) OP(less) OP(less_equal) OP(greater) OP(greater_equal)
OP(logical_and) OP(logical_or) OP(logical_not) OP(cast)
/* reductions, core/op_reduce.c */
OP(reduce_sum) OP(reduce_mean) OP(reduce_max) OP(reduce_min) OP(reduce_prod) OP(recurrence)
/* arrays, core/op_array.c */
OP(identity) OP(stop_gradient) OP(zeros_like) OP(ones_like) OP(reshape) OP(expand_dims) OP(squeeze)
OP(transpose) OP(broadcast_to) OP(concat) OP(stack) OP(slice) OP(strided_slice) OP(strided_slice_grad)
/* linear algebra, core/op_matmul.c */
OP(matmul)
