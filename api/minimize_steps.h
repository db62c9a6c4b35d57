/* Minimisation by an optimizer, as the files around it share it: one plan is a step, from the loss to the
 * next values of all variables and slots, and a loop runs it. With "starts" each of these has a leading
 * axis, a row for each start; else there is one row, without that axis. */
#ifndef GRADD_API_MINIMIZE_STEPS_H
#define GRADD_API_MINIMIZE_STEPS_H

#include "api/minimize.h"
#include "api/training.h"
#include "core/loop.h"

/* What becomes of a loss or a gradient that is not finite. */
enum non_finite {
    NON_FINITE_STOP, /* a loss ends the run where the loss was finite last */
    NON_FINITE_SKIP, /* a step of rows whose loss or gradient it is changes nothing */
    NON_FINITE_APPLY /* steps go on, as Keras' do */
};

/* The results of a step's plan; state i is result STEP_STATES + i. */
enum { STEP_LOSS, STEP_NORM, STEP_CHANGE, STEP_FINITE, STEP_STATES };

/* A step that sees so many rows of the inputs. */
struct stage {
    int64_t rows;
    struct plan *plan;
    const struct tensor **bound;
    uint32_t n_bound;
    struct loop_state *states;
    uint32_t *state_of; /* of each of them, which state it is */
    uint32_t n_states;
    struct loop *loop;
    int64_t runs; /* of the loop */
    /* Of each input that is bound by rows: where it stands among the plan's (UINT32_MAX: it is not
     * read), what is bound, and room for rows that are put together. */
    uint32_t *input;
    struct tensor *window;
    char **gathered;
    struct tensor *handed; /* states that another stage has left */
};

/* The loss at the end alone. */
struct evaluation {
    struct plan *plan;
    const struct tensor **bound;
    uint32_t *moving; /* of each variable which of them it is, UINT32_MAX: none */
};

/* Where one start is, or the one run that there is. */
struct row {
    bool over;
    bool settled; /* the update before changed little: the next loss is the last */
    bool unknown; /* the loss at the end is still to be evaluated */
    enum minimize_status status;
    int64_t done;
    double loss;  /* at the end */
    double last;  /* the loss at the step before */
    double sum;   /* of the losses of the epoch's batches, each times its rows */
    double epoch; /* the mean loss of the epoch before */
};

struct descent {
    struct minimize *m;
    struct optimizer_sent sent; /* of the request */
    const struct optimizer_config *config;
    bool of_session; /* settings and slots are the session's */
    struct training_state training;
    enum non_finite non_finite;
    bool wants_norm, returns_state;
    int64_t period, phase; /* an update is made where (step + phase + 1) % period is 0 */

    struct optimizer_variable *variables;
    struct optimizer_slot *slots;
    size_t n_slots;
    size_t n_states;      /* variables, then slots */
    struct tensor *first; /* of each state, its value before */
    struct tensor *start; /* the same as the first run reads it */
    bool *by_row;         /* whether it has the leading axis */

    int64_t n_starts;      /* 0: none were sent */
    struct tensor *starts; /* of each variable, as minimize_starts reads them */
    struct row *rows;
    int64_t n_rows, n_over;
    char **end; /* of each state, what it is in the end: one value for each row */

    /* Inputs by rows. */
    bool by_batches; /* more than one batch, or a shuffled one */
    int64_t batches; /* of an epoch */
    bool shuffles;
    int64_t seed[2]; /* and the epoch */
    int64_t *order;  /* of rows, in this epoch */
    int64_t steps;

    struct stage stages[2]; /* of all batches but the last; of a last one that is shorter */
    int n_stages;
    struct {
        struct stage *stage;
        int64_t run; /* of its loop */
    } ran[3];        /* by step % 3 */

    struct evaluation evaluation;
    bool by_mean; /* the loss at the end is a mean over batches: all rows at once are too many */
    struct run_control control;
    enum dtype loss_dtype;
    bool is_ended;  /* whoever listens wants no more */
    double *losses; /* of the recorded steps, each with all rows */
    int64_t best;   /* the row that the answer shows */
    int64_t skipped;
};

/* ---- api/minimize_plan.c ------------------------------------------------------------------------ */

/* Plans a step on the present tape of d->m. False after a failure. */
bool stage_plan(struct descent *d, struct stage *stage);
/* Plans the loss alone, on the present tape. */
bool evaluation_plan(struct descent *d);
/* The loss of each row where the rows ended, of those that are `unknown`; NaN where there was no time. */
bool descent_evaluate(struct descent *d);

/* ---- api/minimize_rows.c ------------------------------------------------------------------------ */

/* Reads epochs and the order of rows, and counts steps. */
bool rows_read(struct descent *d);
/* Plans the stages that there are; after it the tape sees all rows. */
bool rows_plan(struct descent *d);
/* The stage of a step, with its rows bound. */
struct stage *rows_bind(struct descent *d, int64_t step);
/* How many rows a step sees. */
int64_t rows_of(const struct descent *d, int64_t step);

/* ---- api/minimize_starts.c ---------------------------------------------------------------------- */

/* Reads "starts", and gives rows to what has its own value in each: variables and their slots. */
bool starts_read(struct descent *d);
/* Gives rows to one state more. */
bool starts_give_rows(struct descent *d, size_t state);
/* The best row: of the smallest loss that is a number. */
int64_t starts_best(const struct descent *d);
void starts_write(struct descent *d, struct writer *out);

/* ---- api/minimize_run.c ------------------------------------------------------------------------- */

/* Begins the loops, within the memory that there may be, and makes room for what they end with. */
bool descent_begin(struct descent *d);
/* Runs all steps; d->rows and d->end say where they led. */
bool descent_run(struct descent *d);
void descent_end(struct descent *d);
/* Row r of where state i ended. */
struct tensor descent_end_of(const struct descent *d, size_t i, int64_t r);
/* Makes the row that is best what is answered, or kept: its variables are m->moving[i].end. */
void descent_choose(struct descent *d, int64_t r);
/* The values of all slots in that row; NULL without memory. */
struct tensor *descent_slots(struct descent *d, int64_t r);

#endif
