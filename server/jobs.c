/* The threads of jobs. Owns how a job is run and how what it has done comes into the session that is
 * shown; what a job computes is its service's business. */
#include "server/jobs.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "api/operations.h"
#include "api/session.h"
#include "api/session_follow.h"
#include "core/budget.h"
#include "server/durable.h"
#include "server/keeper.h"

/* As those of the workers are. */
enum { STACK_BYTES = 3 << 19, LOWEST_PRIORITY = 19 };
enum { RETRY_MS = 10 };

struct jobs {
    struct engine *engine;
    int n_threads;
    pthread_t threads[];
};

/* One job, while it runs. */
struct job {
    struct progress progress; /* first */
    struct engine *engine;
    struct tenant *tenant;
    struct operation *op;
    uint64_t seen; /* changes of the snapshot that the session has */
    struct error error;
};

static void on_report(struct progress *p, const struct progress_row *row) {
    event_log_add(&((struct job *)p)->op->log, row);
}

/* ---- what is shown ---- */

/* The thread's waiting for a session, or for the store. */
struct turn {
    struct waiter waiter; /* first */
    pthread_mutex_t lock;
    pthread_cond_t came;
    bool over;
    struct seat *seat;
    struct error error;
};

static void turn_init(struct turn *t) {
    *t = (struct turn){.over = false};
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->came, NULL);
    error_clear(&t->error);
}

static void turn_free(struct turn *t) {
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->came);
}

static void turn_end(struct turn *t, struct seat *seat, const struct error *error) {
    pthread_mutex_lock(&t->lock);
    t->seat = seat;
    if (error) t->error = *error;
    t->over = true;
    pthread_cond_signal(&t->came);
    pthread_mutex_unlock(&t->lock);
}

static void turn_wait(struct turn *t) {
    pthread_mutex_lock(&t->lock);
    while (!t->over) pthread_cond_wait(&t->came, &t->lock);
    pthread_mutex_unlock(&t->lock);
}

static void on_turn(struct waiter *w, struct seat *seat, const struct error *error) {
    turn_end((struct turn *)w, seat, error);
}

static void on_stored(void *context, const struct error *error) { turn_end(context, NULL, error); }

/* Holds the session. Requests hold it for a while only, and their queue before it is bounded: where it
 * is full, there will be room. */
static struct seat *hold(struct job *job) {
    const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000};
    for (;;) {
        struct turn turn;
        turn_init(&turn);
        turn.waiter.done = on_turn;
        const enum registry_outcome outcome =
            registry_acquire(job->tenant->registry, job->op->session, &turn.waiter, clock_coarse(),
                             &turn.seat, &turn.error);
        if (outcome == REGISTRY_WAITS) turn_wait(&turn);
        turn_free(&turn);
        if (turn.seat) return turn.seat;
        nanosleep(&pause, NULL);
    }
}

static bool store(struct job *job, const struct store_change *change, struct error *error) {
    struct store *store = job->engine->store;
    const bool of_operation = change->kind == STORE_OPERATION;
    struct turn turn;
    turn_init(&turn);
    if (of_operation) pthread_mutex_lock(&job->tenant->saving);
    store->verbs->save(store, change, 1, on_stored, &turn);
    if (of_operation) pthread_mutex_unlock(&job->tenant->saving);
    turn_wait(&turn);
    if (turn.error.code) *error = turn.error;
    turn_free(&turn);
    return !error->code;
}

static bool save(struct job *job, struct seat *seat) {
    const struct store_change change = durable_session_change(job->tenant, seat, false);
    const bool ok = store(job, &change, &job->error);
    durable_session_settle(job->engine, job->tenant, seat, false, false, !ok);
    return ok;
}

/* The end of a job is kept before anybody hears of it. */
static void keep(struct job *job) {
    const struct store_change change = durable_operation_change(job->tenant, job->op, false);
    struct error error;
    error_clear(&error);
    if (!store(job, &change, &error)) durable_not_kept(job->op, &error);
}

/* Brings what the snapshot holds into the session and the store. */
static bool commit(struct job *job) {
    struct operation *op = job->op;
    if (job->error.code) return false;
    if (op->snapshot->changes == job->seen) return true;
    struct seat *seat = hold(job);
    const bool ok =
        (!durable_is_cold(seat) || durable_load(job->engine, job->tenant, seat, &job->error)) &&
        session_follow(seat_session(seat), op->snapshot, &job->seen, &job->error) &&
        save(job, seat);
    registry_release(job->tenant->registry, seat, clock_coarse());
    return ok;
}

static bool on_commit(struct progress *p) { return commit((struct job *)p); }

/* ---- one job ---- */

static void run(struct engine *e, struct operation *op) {
    struct tenant *tenant = operation_owner(op);
    struct job job = {.progress.report = on_report, .engine = e, .tenant = tenant, .op = op};
    struct service_reply reply = {0};
    struct writer out;
    struct error error;
    const int64_t seconds = e->job.max_seconds;
    if (op->snapshot) {
        job.progress.commit = on_commit;
        job.seen = op->snapshot->changes;
    }
    const struct service_call call = {
        .plans = e->plans,
        .known = e->known,
        .limits = &e->job,
        .control = {&op->cancelled, clock_now() + seconds * 1000000000, e->pool},
        .seed = e->seed,
        .document = op->request,
        .progress = &job.progress,
        .session = op->snapshot,
        .registry = tenant->registry,
        .functions = tenant->functions,
        .function = op->function,
        .reply = &reply,
    };
    error_clear(&error);
    error_clear(&job.error);
    writer_init(&out, (size_t)e->job.max_answer_bytes);
    budget_begin(0);
    bool ok = op->serve(&call, &out, &error) && writer_whole(&out, &error);
    if (op->snapshot) commit(&job);
    if (!ok && !error.code) error_set(&error, ERROR_MEMORY_BUDGET, "out of memory");
    budget_end(&error);
    operations_settle(tenant->operations, op, &out, job.error.code ? &job.error : &error);
    keep(&job);
    operations_finish(tenant->operations, op);
}

static void *work(void *context) {
    struct engine *e = context;
    const struct sched_param none = {0};
    pthread_setname_np(pthread_self(), "job");
    pthread_setschedparam(pthread_self(), SCHED_BATCH, &none);
    setpriority(PRIO_PROCESS, (id_t)gettid(), LOWEST_PRIORITY);
    for (struct operation *op; (op = operations_take(e->jobs));) {
        run(e, op);
        operation_release(op);
    }
    return NULL;
}

struct jobs *jobs_start(struct engine *engine) {
    const int threads = (int)engine->limits.max_running_jobs;
    struct jobs *jobs = calloc(1, sizeof *jobs + (size_t)threads * sizeof *jobs->threads);
    if (!jobs) return NULL;
    jobs->engine = engine;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    while (jobs->n_threads < threads &&
           pthread_create(&jobs->threads[jobs->n_threads], &attributes, work, engine) == 0)
        jobs->n_threads++;
    pthread_attr_destroy(&attributes);
    if (jobs->n_threads == threads) return jobs;
    jobs_stop(jobs);
    return NULL;
}

void jobs_stop(struct jobs *jobs) {
    operations_stop(jobs->engine->jobs);
    for (int i = 0; i < jobs->n_threads; i++) pthread_join(jobs->threads[i], NULL);
    free(jobs);
}
