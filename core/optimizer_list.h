/* Every optimizer, one line each, in the order of Keras' documentation. A line is the tag of a
 * `const struct optimizer optimizer_<tag>`. Included several times with OPTIMIZER defined; no include guard
 * on purpose. */
OPTIMIZER(sgd)
OPTIMIZER(rmsprop)
OPTIMIZER(adam)
OPTIMIZER(adam_w)
OPTIMIZER(adadelta)
OPTIMIZER(adagrad)
OPTIMIZER(adamax)
OPTIMIZER(adafactor)
OPTIMIZER(nadam)
OPTIMIZER(ftrl)
OPTIMIZER(lion)
OPTIMIZER(lamb)
OPTIMIZER(muon)
OPTIMIZER(schedule_free_adam_w)
OPTIMIZER(loss_scale)
OPTIMIZER(multi)
