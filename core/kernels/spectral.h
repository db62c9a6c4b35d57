/* Matrix factorizations by LAPACK, and the exponential of a matrix. Everything is computed in double and
 * rounded once, whatever the dtype. Of derivatives and of what users call it knows nothing.
 *
 * A factorization's factors stand one after another along the last axis of the result. */
#ifndef GRADD_CORE_KERNELS_SPECTRAL_H
#define GRADD_CORE_KERNELS_SPECTRAL_H

#include "core/run.h"

/* So that a matrix of that side can be counted in 64 bits and named to LAPACK in 32. */
enum { SPECTRAL_SIDE_MAX = 1 << 30 };

/* e ascending; then, with attrs->vectors, V whose columns are the eigenvectors. Reads the lower triangle
 * alone. In each column the first element of at least 0.7 of the largest magnitude is positive. */
void spectral_eigh(const struct step *step, struct run *run);
size_t spectral_eigh_scratch(const struct tape *t, const struct node *n);

/* s descending; then, with attrs->vectors, U and V (not transposed), k = min(m, n) columns each or, with
 * attrs->full, m and n. The columns of U have the signs that the eigenvectors above have. */
void spectral_svd(const struct step *step, struct run *run);
size_t spectral_svd_scratch(const struct tape *t, const struct node *n);

/* Q of k = min(m, n) columns and R of k rows, or of m both with attrs->full; signs as Householder's
 * reflections leave them. */
void spectral_qr(const struct step *step, struct run *run);
size_t spectral_qr_scratch(const struct tape *t, const struct node *n);

/* The pseudoinverse; singular values up to attrs->rcond times the largest count as 0. */
void spectral_pinv(const struct step *step, struct run *run);
size_t spectral_pinv_scratch(const struct tape *t, const struct node *n);

/* N. J. Higham, The scaling and squaring method for the matrix exponential revisited, SIAM J. Matrix
 * Anal. Appl. 26 (2005). NaN throughout where the norm of a matrix is not finite. */
void spectral_expm(const struct step *step, struct run *run);
size_t spectral_expm_scratch(const struct tape *t, const struct node *n);

#endif
