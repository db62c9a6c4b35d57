/* The run of an optimizer: step by step until a rule, the number of steps or time ends it, and what each
 * row ended with. How a step is computed is the plan's, which rows of the inputs it sees the stages'. */
#include <string.h>

#include "api/minimize_steps.h"

/* ---- what results say ------------------------------------------------------------------------------- */

static double number(const void *data, enum dtype dtype, int64_t r) {
    return dtype == DTYPE_F32 ? (double)((const float *)data)[r] : ((const double *)data)[r];
}

/* Row r of one of the looks of the latest step. */
static double look_at(const struct descent *d, const struct stage *s, size_t result, int64_t r) {
    return number(loop_data(s->loop, result, 0), d->loss_dtype, r);
}

/* What state i was `back` steps before what step `step`, the latest, has made. */
static const char *state_data(const struct descent *d, size_t i, int64_t step, int back) {
    const int64_t made = step - back;
    if (made < 0) return d->start[i].data;
    const struct stage *s = d->ran[made % 3].stage;
    return loop_data(s->loop, STEP_STATES + i, (int)(s->runs - 1 - d->ran[made % 3].run));
}

static size_t row_bytes(const struct descent *d, size_t i) { return tensor_bytes(&d->first[i]); }

/* ---- ends ---------------------------------------------------------------------------------------------- */

/* Row r has ended where it was `back` steps before what `step` has made. */
static void end_row(struct descent *d, int64_t r, int64_t step, int back,
                    enum minimize_status status) {
    struct row *row = &d->rows[r];
    if (!row->over) d->n_over++;
    row->over = true;
    row->status = status;
    row->done = step + 1 - back < 0 ? 0 : step + 1 - back;
    for (size_t i = 0; i < d->n_states; i++) {
        const size_t size = row_bytes(d, i);
        const char *from = state_data(d, i, step, back);
        if (size)
            memcpy(d->end[i] + (size_t)r * size, d->by_row[i] ? from + (size_t)r * size : from,
                   size);
    }
}

/* The same with a loss that was seen there; of a batch it says little. */
static void end_with(struct descent *d, int64_t r, int64_t step, int back,
                     enum minimize_status status, double loss) {
    end_row(d, r, step, back, status);
    d->rows[r].loss = loss;
    d->rows[r].unknown = d->by_batches;
}

/* ---- rules ------------------------------------------------------------------------------------------------ */

/* Whether the update before step `step` was one, and not only a gradient added to others. */
static bool has_moved(const struct descent *d, int64_t step) {
    return d->period <= 1 || (d->phase + step) % d->period == 0;
}

/* |x - y| <= most, which NaN never is. */
static bool is_near(double x, double y, double most) { return fabs(x - y) <= most; }

/* An epoch's mean loss, compared with that of the epoch before. */
static bool epoch_settles(struct descent *d, struct row *row, int64_t step, double loss) {
    row->sum += loss * (double)rows_of(d, step);
    if ((step + 1) % d->batches) return false;
    const double mean = row->sum / (double)d->m->o.rows.n, before = row->epoch;
    row->sum = 0;
    row->epoch = mean;
    return step >= d->batches && is_near(mean, before, d->m->stop.loss_change);
}

/* The loss is that before the step, whose update is not wanted where the row ends here. False: it goes on. */
static bool ends_before(struct descent *d, const struct stage *s, int64_t step, int64_t r,
                        double loss) {
    struct row *row = &d->rows[r];
    const struct minimize_stop *stop = &d->m->stop;
    if (!isfinite(loss) && d->non_finite == NON_FINITE_STOP) {
        end_with(d, r, step, step ? 2 : 1, MINIMIZE_NON_FINITE, step ? row->last : loss);
        return true;
    }
    if (row->settled ||
        (!isnan(stop->grad_norm) && look_at(d, s, STEP_NORM, r) <= stop->grad_norm) ||
        (!d->by_batches && step >= 2 && has_moved(d, step) &&
         is_near(loss, row->last, stop->loss_change)))
        end_with(d, r, step, 1, MINIMIZE_CONVERGED, loss);
    else if (step == d->steps)
        end_with(d, r, step, 1, MINIMIZE_MAX_STEPS, loss);
    return row->over;
}

static void look(struct descent *d, const struct stage *s, int64_t step, int64_t r) {
    struct row *row = &d->rows[r];
    const struct minimize_stop *stop = &d->m->stop;
    const double loss = look_at(d, s, STEP_LOSS, r);
    if (row->over || ends_before(d, s, step, r, loss)) return;
    if (d->non_finite == NON_FINITE_SKIP &&
        !((const bool *)loop_data(s->loop, STEP_FINITE, 0))[r]) {
        /* Without batches the next step would be the same again. */
        if (!d->by_batches) end_with(d, r, step, 1, MINIMIZE_NON_FINITE, loss);
        d->skipped += d->by_batches;
        return;
    }
    const bool near = !isnan(stop->variable_change) && step >= 1 && has_moved(d, step + 1) &&
                      look_at(d, s, STEP_CHANGE, r) <= stop->variable_change;
    const bool settles =
        d->by_batches && !isnan(stop->loss_change) && epoch_settles(d, row, step, loss);
    row->last = loss;
    row->settled = near && !d->by_batches;
    if (settles || (near && d->by_batches)) end_with(d, r, step, 0, MINIMIZE_CONVERGED, loss);
}

/* ---- records ---------------------------------------------------------------------------------------------- */

/* The row with the least loss at this step. */
static int64_t least_now(const struct descent *d, const double *losses) {
    int64_t best = 0;
    for (int64_t r = 1; r < d->n_rows; r++)
        if (isfinite(losses[r]) && !(losses[best] <= losses[r])) best = r;
    return best;
}

/* What the session holds goes on with the run, where it is a job's. */
static bool commit(struct descent *d, int64_t step, int64_t r) {
    struct minimize *m = d->m;
    struct progress *p = m->o.call->progress;
    if (!p || !p->commit || !m->o.work || step == 0) return true;
    const struct row before = d->rows[r];
    const int64_t n_over = d->n_over;
    if (!before.over) end_row(d, r, step, 1, MINIMIZE_MAX_STEPS);
    descent_choose(d, r);
    d->rows[r] = before;
    d->n_over = n_over;
    if (!minimize_commit(m)) return false;
    d->is_ended = !p->commit(p);
    return true;
}

static bool record(struct descent *d, const struct stage *s, int64_t step) {
    double *losses = d->losses + (size_t)(step / d->m->record_every) * (size_t)d->n_rows;
    const void *data = loop_data(s->loop, STEP_LOSS, 0);
    for (int64_t r = 0; r < d->n_rows; r++) losses[r] = number(data, d->loss_dtype, r);
    const int64_t best = least_now(d, losses);
    minimize_record(d->m, step, losses[best], d->wants_norm ? look_at(d, s, STEP_NORM, best) : NAN);
    return commit(d, step, best);
}

/* ---- the run ------------------------------------------------------------------------------------------------ */

static void end_all(struct descent *d, int64_t step, int back, enum minimize_status status) {
    for (int64_t r = 0; r < d->n_rows; r++) {
        if (d->rows[r].over) continue;
        end_row(d, r, step, back, status);
        d->rows[r].unknown = true;
    }
}

/* What a stage's loop reads where another stage has run before it. */
static bool hand_over(struct descent *d, struct stage *s, int64_t step) {
    struct oneshot *o = &d->m->o;
    if (step == 0 || d->ran[(step - 1) % 3].stage == s) return true;
    if (!s->handed) s->handed = arena_zalloc(&o->arena, (s->n_states + 1) * sizeof *s->handed);
    if (!s->handed) return build_fail_memory(&o->b);
    for (uint32_t i = 0; i < s->n_states; i++)
        s->handed[i].data = (void *)state_data(d, s->state_of[i], step - 1, 0);
    loop_restart(s->loop, s->handed);
    return true;
}

/* Time is over before step `step`: what was done is the answer, where anything was. */
static bool interrupted(struct descent *d, int64_t step) {
    if (step == 0 || !minimize_stopped(d->m)) return false;
    end_all(d, step - 1, 0, d->m->status);
    return true;
}

/* The mean of the batches' losses where the rows ended. The loops are used up by it. */
static bool evaluate_batches(struct descent *d) {
    struct oneshot *o = &d->m->o;
    double *sum = arena_zalloc(&o->arena, (size_t)d->n_rows * sizeof *sum);
    struct tensor *ends = arena_zalloc(&o->arena, (d->n_states + 1) * sizeof *ends);
    if (!sum || !ends) return build_fail_memory(&o->b);
    for (int64_t batch = 0; batch < d->batches; batch++) {
        struct stage *s = rows_bind(d, batch);
        for (uint32_t i = 0; i < s->n_states; i++) ends[i].data = d->end[s->state_of[i]];
        loop_restart(s->loop, ends);
        if (!loop_step(s->loop)) return minimize_stopped(d->m);
        for (int64_t r = 0; r < d->n_rows; r++)
            sum[r] += look_at(d, s, STEP_LOSS, r) * (double)rows_of(d, batch);
    }
    for (int64_t r = 0; r < d->n_rows; r++) {
        struct row *row = &d->rows[r];
        if (!row->unknown) continue;
        row->loss = sum[r] / (double)o->rows.n;
        row->unknown = false;
        if (!isfinite(row->loss) && d->non_finite == NON_FINITE_STOP)
            row->status = MINIMIZE_NON_FINITE;
    }
    return true;
}

/* Rows whose last update led where the loss of all rows of the inputs is not finite go one step back. */
static bool go_back(struct descent *d, int64_t step) {
    bool again = false;
    if (!d->by_batches || d->non_finite != NON_FINITE_STOP || d->m->is_late) return true;
    for (int64_t r = 0; r < d->n_rows; r++) {
        struct row *row = &d->rows[r];
        if (row->unknown || isfinite(row->loss) || row->done != step + 1 || step < 0) continue;
        end_row(d, r, step, 1, MINIMIZE_NON_FINITE);
        again = row->unknown = true;
    }
    return !again || descent_evaluate(d);
}

/* Whether nothing is asked of a step but that its loss is finite. */
static bool is_quiet(const struct descent *d) {
    const struct minimize_stop *stop = &d->m->stop;
    return d->n_rows == 1 && d->n_stages == 1 && !d->by_batches &&
           d->non_finite == NON_FINITE_STOP && isnan(stop->grad_norm) && isnan(stop->loss_change) &&
           isnan(stop->variable_change) && !d->m->o.call->progress;
}

/* Runs such steps, from *step on, up to one that has to be looked at: the last, or one whose loss is not
 * finite. False where that one's run failed. Each costs little more than its plan. */
static bool run_quietly(struct descent *d, struct stage *s, int64_t *step, int64_t *due) {
    struct row *row = &d->rows[0];
    bool ran;
    for (; (ran = loop_step(s->loop)) && *step < d->steps; ++*step) {
        const double loss = look_at(d, s, STEP_LOSS, 0);
        if (!isfinite(loss)) break;
        row->last = loss;
        s->runs++;
        if (*step != *due) continue;
        d->losses[*step / d->m->record_every] = loss;
        minimize_record(d->m, *step, loss, NAN);
        *due += d->m->record_every;
    }
    for (int64_t back = 1; back < 3 && back <= *step; back++) {
        d->ran[(*step - back) % 3].stage = s;
        d->ran[(*step - back) % 3].run = s->runs - back;
    }
    return ran;
}

bool descent_run(struct descent *d) {
    const int64_t most = d->steps + !d->by_batches; /* the last one for its loss alone */
    const bool quiet = is_quiet(d);
    int64_t step = 0, due = 0; /* the next step that is recorded */
    for (; step < most && d->n_over < d->n_rows; step++) {
        struct stage *s = rows_bind(d, step);
        if (!hand_over(d, s, step)) return false;
        if (!(quiet ? run_quietly(d, s, &step, &due) : loop_step(s->loop))) {
            if (!interrupted(d, step)) return false;
            break;
        }
        d->ran[step % 3].stage = s;
        d->ran[step % 3].run = s->runs++;
        for (int64_t r = 0; r < d->n_rows; r++) look(d, s, step, r);
        if (step == due && step < d->steps) {
            if (!record(d, s, step)) return false;
            due += d->m->record_every;
        }
        if (!d->is_ended) continue;
        d->m->is_late = true;
        end_all(d, step, 1, MINIMIZE_CANCELLED);
    }
    end_all(d, step - 1, 0, MINIMIZE_MAX_STEPS);
    bool unknown = false;
    for (int64_t r = 0; r < d->n_rows; r++) unknown |= d->rows[r].unknown;
    if (!unknown) return true;
    return d->by_mean ? evaluate_batches(d) : descent_evaluate(d) && go_back(d, step - 1);
}

/* ---- before and after ------------------------------------------------------------------------------------------ */

/* All memory that the run takes beside the arena, refused before it is taken. */
static bool within_memory(struct descent *d) {
    const struct oneshot *o = &d->m->o;
    size_t bytes = 0;
    for (int i = 0; i < d->n_stages; i++)
        bytes += loop_bytes(d->stages[i].plan, d->stages[i].states, d->stages[i].n_states);
    if (d->evaluation.plan) bytes += plan_run_bytes(d->evaluation.plan);
    const size_t left = o->arena.ceiling > o->arena.held ? o->arena.ceiling - o->arena.held : 0;
    return bytes <= left ||
           error_set(o->error, ERROR_MEMORY_BUDGET,
                     "the request needs %zu bytes of memory beside the %zu it holds; the limit is "
                     "%zu",
                     bytes, o->arena.held, o->arena.ceiling);
}

static bool make_room(struct descent *d) {
    struct oneshot *o = &d->m->o;
    const size_t rows = (size_t)d->n_rows;
    size_t n;
    d->rows = arena_zalloc(&o->arena, rows * sizeof *d->rows);
    d->end = arena_alloc(&o->arena, (d->n_states + 1) * sizeof *d->end);
    if (!d->rows || !d->end) return build_fail_memory(&o->b);
    for (size_t i = 0; i < d->n_states; i++) {
        if (__builtin_mul_overflow(rows, row_bytes(d, i), &n) ||
            !(d->end[i] = arena_alloc_tensor(&o->arena, n + 1)))
            return build_fail_memory(&o->b);
    }
    if (!minimize_plan_history(d->m, d->steps)) return false;
    if (__builtin_mul_overflow(d->m->history.capacity * sizeof *d->losses, rows, &n) ||
        !(d->losses = arena_alloc(&o->arena, n + 1)))
        return build_fail_memory(&o->b);
    return true;
}

bool descent_begin(struct descent *d) {
    struct oneshot *o = &d->m->o;
    int64_t work = 0;
    for (int i = 0; i < d->n_stages; i++)
        if (plan_work(d->stages[i].plan) > work) work = plan_work(d->stages[i].plan);
    if (!oneshot_runs_within(o, d->steps < INT64_MAX ? d->steps + 1 : d->steps, work) ||
        !minimize_steps_within(d->m, d->steps))
        return false;
    d->loss_dtype = tape_dtype(&o->b.tape, d->m->loss);
    if (!make_room(d) || !within_memory(d)) return false;
    d->control = o->call->control;
    d->control.deadline = o->request.deadline;
    for (int i = 0; i < d->n_stages; i++) {
        struct stage *s = &d->stages[i];
        s->loop = loop_begin(s->plan, s->bound, s->states, s->n_states, &d->control, o->error);
        if (!s->loop) return false;
    }
    return true;
}

void descent_end(struct descent *d) {
    for (int i = 0; i < d->n_stages; i++) {
        loop_end(d->stages[i].loop);
        plan_release(d->stages[i].plan);
    }
    plan_release(d->evaluation.plan);
}

struct tensor descent_end_of(const struct descent *d, size_t i, int64_t r) {
    struct tensor t = d->first[i];
    t.data = d->end[i] + (size_t)r * row_bytes(d, i);
    return t;
}
