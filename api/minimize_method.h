/* Minimisation by a method beyond Keras, as the files around it share it: what moves is one vector of
 * doubles, and the graph answers with numbers, through one plan a purpose. */
#ifndef GRADD_API_MINIMIZE_METHOD_H
#define GRADD_API_MINIMIZE_METHOD_H

#include "api/flat.h"
#include "core/solve.h"

/* One entry of "constraints": each element of a node is a constraint. */
struct constraint {
    node_id sent;  /* the node that was named */
    node_id value; /* the same, or its negative where it shall not be negative */
    bool equal, negated;
    size_t first, count; /* its rows among all constraints, the equations first */
};

/* A plan with what its inputs are bound to. */
struct question {
    struct plan *plan;
    const struct tensor **bound;
};

/* What became of one start. */
struct end {
    enum minimize_status status;
    bool found; /* else there is no loss */
    double loss;
    int64_t steps;
};

/* "starts": a search from each. */
struct starts {
    int64_t n;           /* 0: none were sent */
    struct tensor *sent; /* of each variable with a leading axis; without data: it has none */
    struct end *ends;
    double *points; /* where each search ended, one after the other */
    void *room;     /* for one variable of all of them */
    int64_t best, evaluations;
    const struct solve_result *least; /* of the searches that are over; NULL: none is */
};

struct method_run {
    struct minimize *m;
    const struct solve_method *method;
    struct flat flat;
    struct constraint *constraints;
    size_t n_constraints;

    struct question values, derivatives, products;
    node_id *gradient; /* of the loss by what moves; NODE_NONE: 0 */
    node_id *jacobian; /* of constraint i by variable k at i * m->n + k; NODE_NONE: 0 */
    node_id *product;  /* of the Hessian and `vector` */
    struct tensor *vector;
    double *block; /* room for the elements of one result */

    struct starts starts;
    struct solve_problem problem;
    struct solve_stop stop;
    struct solve_result result;
    double *x, *c; /* the best point of the latest search, and its constraints */
    size_t improvements;
    size_t record_each; /* improvements between two rows of the history */
    int64_t recorded;   /* evaluations at the last row */

    /* Of a job on a session, which shows the best point as the search goes on. */
    double *shown;     /* the best point so far; NULL: nobody is shown it */
    bool is_news;      /* it was not committed yet */
    bool is_due;       /* a row of the history was written for it, or for one before */
    int64_t committed; /* evaluations at the last commit */
    bool is_ended;     /* by who commits */
};

/* ---- api/minimize_constraints.c ------------------------------------------------------------------ */

/* Reads "constraints"; their nodes belong to the graph. */
bool constraints_read(struct method_run *r);
/* Writes their values at the best point as a member, in the order in which they were sent. */
void constraints_write(const struct method_run *r, struct writer *out);

/* ---- api/minimize_problem.c ---------------------------------------------------------------------- */

/* Differentiates what the method reads and makes the plans. problem_end must follow in any case. */
bool problem_begin(struct method_run *r);
void problem_end(struct method_run *r);
/* Operations that looking at a point takes in the graph. */
double problem_work(const struct method_run *r);

/* ---- api/minimize_method.c ----------------------------------------------------------------------- */

/* One search from x, which becomes the best point, with a history of its own. */
void method_search(struct method_run *r, double *x);
/* What became of it, as m->status; false where it is a failure. */
bool method_status(struct method_run *r);
/* Between two points: commits the best one where a job's session is to show it now, and no search before has
 * found a better one. Writes to flat.tensors. False: the search is to end. */
bool method_commit(struct method_run *r);

/* ---- api/minimize_many.c ------------------------------------------------------------------------- */

/* Reads "starts". */
bool starts_of_method(struct method_run *r);
/* Searches from all of them; r->result, r->x and r->c are then the best one's. */
bool starts_run(struct method_run *r);
/* Whether what r->result says now is better than all searches that are over. */
bool starts_leads(const struct method_run *r);
/* Writes "best" and "starts" as members. */
void starts_write_method(const struct method_run *r, struct writer *out);

#endif
