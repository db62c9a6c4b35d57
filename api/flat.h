/* What moves in a minimisation, as one vector of doubles: for methods that know numbers only. */
#ifndef GRADD_API_FLAT_H
#define GRADD_API_FLAT_H

#include "api/minimize.h"

struct flat {
    size_t n;       /* unknowns: the elements of all that moves, one variable after the other */
    size_t *offset; /* of each variable */
    /* Its value, of the variable's dtype and shape; plans are bound to these. */
    struct tensor *tensors;
    double *lower, *upper; /* n each, infinite where there is no bound; NULL: no bounds at all */
};

/* Room for all that moves, and its bounds (the request's "bounds"); in the request's arena. */
bool flat_begin(struct minimize *m, struct flat *f);

/* Where the variables start. */
void flat_start(const struct minimize *m, const struct flat *f, double *x);
/* The same of start k, for the variables that have some (minimize_starts). */
void flat_start_of(const struct minimize *m, const struct flat *f, const struct tensor *sent,
                   int64_t k, double *x);
/* Moves a start into the bounds; a warning says which, where `pointer`, the start's place in the request,
 * is not NULL. */
bool flat_clip(struct minimize *m, const struct flat *f, double *x, const char *pointer);
/* How many unknowns the bounds leave free. */
size_t flat_free(const struct flat *f);

/* Rounds x to the variables' dtypes, into f->tensors. */
void flat_store(const struct flat *f, size_t n_moving, const double *x);
/* The elements of a tensor of a floating dtype. */
void flat_load(const struct tensor *t, double *out);
/* The other way, rounded. */
void flat_round(const double *x, const struct tensor *t);

/* Binds an input of a plan to f->tensors where it is one of what moves. */
void flat_bind(const struct minimize *m, const struct flat *f, const node_id *inputs, size_t n,
               const struct tensor **bound);

/* A new tensor in the request's arena; false without memory. */
bool flat_tensor(struct minimize *m, enum dtype dtype, const struct shape *shape,
                 struct tensor *out);

#endif
