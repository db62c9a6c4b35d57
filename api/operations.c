/* The table of operations. Owns their order, their queue, those who wait, and the budget of what they
 * keep. One lock holds all of it: nothing long is done under it. */
#include "api/operations_own.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/functions.h"
#include "api/problem.h"
#include "api/session_io.h"
#include "core/budget.h"

/* PROBLEM_ROOM: for any problem of want of memory, and most others. */
enum { PROBLEM_BYTES = 16 << 10, PROBLEM_ROOM = 1 << 10 };

struct operations *operations_new(const struct service_limits *limits, struct registry *registry,
                                  struct job_queue *queue, void *owner) {
    struct operations *all = calloc(1, sizeof *all);
    if (!all) return NULL;
    all->limits = limits;
    all->registry = registry;
    all->jobs = queue;
    all->owner = owner;
    all->most_running = INT64_MAX;
    all->queue_end = &all->queue;
    pthread_mutex_init(&all->lock, NULL);
    job_queue_join(queue, all);
    return all;
}

void operations_set_quota(struct operations *all, int64_t jobs) {
    pthread_mutex_lock(&all->lock);
    all->most_running = jobs < 0 ? INT64_MAX : jobs;
    pthread_mutex_unlock(&all->lock);
    job_queue_ring(all->jobs);
}

/* ---- one operation ---- */

struct operation *operation_new(struct error *error) {
    struct operation *op = calloc(1, sizeof *op);
    if (!op) {
        error_set(error, ERROR_MEMORY_BUDGET, "no memory for one more operation");
        return NULL;
    }
    event_log_init(&op->log);
    op->references = 1;
    op->created_at = wall_clock();
    writer_init(&op->answer, PROBLEM_BYTES);
    if (!writer_room(&op->answer, PROBLEM_ROOM))
        error_set(error, ERROR_MEMORY_BUDGET, "no memory for one more operation");
    else if (registry_new_id(op->id, error))
        return op;
    operation_release(op);
    return NULL;
}

/* What only the run needs. */
static void free_request(struct operation *op) {
    if (op->snapshot) session_free(op->snapshot);
    if (op->function) function_release(op->function);
    arena_free(&op->arena);
    if (op->body) budget_give(BUDGET_BODIES, op->body_length + 1);
    free(op->body);
    op->snapshot = NULL;
    op->function = NULL;
    op->body = NULL;
    op->request = NULL;
}

static void free_operation(struct operation *op) {
    free_request(op);
    writer_free(&op->answer);
    event_log_free(&op->log);
    free(op);
}

void operation_release(struct operation *op) {
    struct operations *all = op->all;
    if (all) pthread_mutex_lock(&all->lock);
    const bool last = --op->references == 0;
    if (all) pthread_mutex_unlock(&all->lock);
    if (last) free_operation(op);
}

static size_t request_bytes(const struct operation *op) {
    return sizeof *op + op->body_length + op->arena.held + op->answer.capacity +
           (op->snapshot ? session_bytes(op->snapshot) : 0);
}

/* ---- the table, locked ---- */

static struct operation **bucket_of(struct operations *all, const char *id) {
    unsigned first = 0;
    for (int i = 0; i < 2 && id[i]; i++)
        first = first * 16 + (unsigned)(id[i] <= '9' ? id[i] - '0' : id[i] - 'a' + 10);
    return &all->buckets[first % OPERATION_BUCKETS];
}

static void put_in(struct operations *all, struct operation *op) {
    struct operation **bucket = bucket_of(all, op->id);
    op->all = all;
    op->order = ++all->orders;
    op->references++;
    op->next_in_bucket = *bucket;
    *bucket = op;
    op->previous = all->last;
    *(all->last ? &all->last->next : &all->first) = op;
    all->last = op;
    all->bytes += op->bytes;
}

bool operations_take_out(struct operations *all, struct operation *op) {
    struct operation **at = bucket_of(all, op->id);
    while (*at != op) at = &(*at)->next_in_bucket;
    *at = op->next_in_bucket;
    *(op->previous ? &op->previous->next : &all->first) = op->next;
    *(op->next ? &op->next->previous : &all->last) = op->previous;
    all->bytes -= op->bytes;
    all->n_done--;
    op->bytes = 0;
    return --op->references == 0;
}

static bool is_in(struct operations *all, const struct operation *op) {
    struct operation *at = *bucket_of(all, op->id);
    while (at && at != op) at = at->next_in_bucket;
    return at;
}

/* Forgets what was done first until there is room; what nobody holds is put before *dead. */
static void make_room(struct operations *all, int64_t places, int64_t bytes,
                      struct operation **dead) {
    const struct service_limits *l = all->limits;
    for (struct operation *op = all->first, *next; op; op = next) {
        const int64_t n = all->n_queued + all->n_running + all->n_done;
        if (n + places <= l->max_operations && all->bytes <= l->max_operation_bytes - bytes) return;
        next = op->next;
        if (op->state != OPERATION_DONE || !operations_take_out(all, op)) continue;
        op->next_queued = *dead;
        *dead = op;
    }
}

void operations_bury(struct operation *dead) {
    for (struct operation *next; dead; dead = next) {
        next = dead->next_queued;
        free_operation(dead);
    }
}

static bool check_room(struct operations *all, const struct operation *op, struct error *error) {
    const struct service_limits *l = all->limits;
    if (all->draining)
        return error_set(error, ERROR_DRAINING, "the server is shutting down and takes no jobs");
    if (all->n_queued >= l->max_queued_jobs)
        return error_set(error, ERROR_OVERLOADED, "%" PRId64 " jobs wait already (max_queued_jobs)",
                         all->n_queued);
    if (all->n_queued + all->n_running + all->n_done >= l->max_operations)
        return error_set(error, ERROR_OVERLOADED,
                         "%" PRId64 " operations are not done (max_operations)",
                         all->n_queued + all->n_running);
    if (all->bytes > l->max_operation_bytes - op->bytes)
        return error_set(error, ERROR_OVERLOADED,
                         "no room for a job of %" PRId64 " bytes: operations hold %" PRId64
                         " of %" PRId64 " bytes (max_operation_bytes)",
                         op->bytes, all->bytes, l->max_operation_bytes);
    return true;
}

bool operations_add(struct operations *all, struct operation *op, struct error *error) {
    struct operation *dead = NULL;
    op->bytes = (int64_t)request_bytes(op);
    pthread_mutex_lock(&all->lock);
    if (all->n_queued < all->limits->max_queued_jobs) make_room(all, 1, op->bytes, &dead);
    const bool ok = check_room(all, op, error);
    if (ok) {
        put_in(all, op);
        *all->queue_end = op;
        all->queue_end = &op->next_queued;
        all->n_queued++;
    }
    pthread_mutex_unlock(&all->lock);
    if (ok) job_queue_ring(all->jobs);
    operations_bury(dead);
    return ok;
}

struct operation *operations_find(struct operations *all, const char *id, struct error *error) {
    pthread_mutex_lock(&all->lock);
    struct operation *op = *bucket_of(all, id);
    while (op && strcmp(op->id, id) != 0) op = op->next_in_bucket;
    if (op) op->references++;
    pthread_mutex_unlock(&all->lock);
    if (!op) error_set(error, ERROR_NOT_FOUND, "there is no operation \"%.80s\"", id);
    return op;
}

void operations_remove(struct operations *all, struct operation *op) {
    pthread_mutex_lock(&all->lock);
    if (op->state == OPERATION_DONE && is_in(all, op))
        operations_take_out(all, op); /* The caller has a reference. */
    pthread_mutex_unlock(&all->lock);
}

/* ---- running ---- */

void operations_take_off(struct operations *all, struct operation *op) {
    struct operation **at = &all->queue;
    while (*at != op) at = &(*at)->next_queued;
    *at = op->next_queued;
    if (!*at) all->queue_end = at;
    op->next_queued = NULL;
    op->state = OPERATION_RUNNING;
    op->started_at = wall_clock();
    op->references++;
    all->n_queued--;
    all->n_running++;
}

void operations_tell(struct operation_waiter *w) {
    for (struct operation_waiter *next; w; w = next) {
        next = w->next;
        w->over(w);
    }
}

void operation_fail(struct operation *op, const struct error *error) {
    struct error no_memory;
    op->failed = true;
    writer_clear(&op->answer);
    problem_write(&op->answer, error, NULL);
    if (!op->answer.full) return;
    writer_clear(&op->answer);
    error_clear(&no_memory);
    error_set(&no_memory, ERROR_MEMORY_BUDGET, "no memory to say what has failed");
    problem_write(&op->answer, &no_memory, NULL);
}

/* An answer stays within what all may keep. */
static void keep_answer(struct operations *all, struct operation *op, struct writer *answer,
                        const struct error *error) {
    struct error full;
    error_clear(&full);
    if (!error->code && (int64_t)answer->length > all->limits->max_operation_bytes / 2)
        error_set(&full, ERROR_MEMORY_BUDGET,
                  "the answer has %zu bytes; half of %" PRId64 " may be kept (max_operation_bytes)",
                  answer->length, all->limits->max_operation_bytes);
    if (!error->code && !full.code) {
        writer_free(&op->answer);
        op->answer = *answer;
        writer_init(answer, 0);
    } else {
        operation_fail(op, error->code ? error : &full);
        writer_free(answer);
    }
}

void operations_settle(struct operations *all, struct operation *op, struct writer *answer,
                       const struct error *error) {
    free_request(op);
    keep_answer(all, op, answer, error);
    pthread_mutex_lock(&all->lock);
    op->answered = true;
    op->done_at = wall_clock();
    pthread_mutex_unlock(&all->lock);
}

void operations_restore(struct operations *all, struct operation *op, int64_t now, double wall) {
    struct operation *dead = NULL;
    const double age = wall - op->done_at;
    op->answered = true;
    op->state = OPERATION_DONE;
    op->done = now - (age > 0 && age < 1e9 ? (int64_t)(age * 1e9) : 0);
    op->bytes = (int64_t)(sizeof *op + op->answer.capacity);
    event_log_end(&op->log, op->failed, op->answer.data, op->answer.length);
    pthread_mutex_lock(&all->lock);
    put_in(all, op);
    all->n_done++;
    make_room(all, 0, 0, &dead);
    pthread_mutex_unlock(&all->lock);
    operations_bury(dead);
}

void operations_finish(struct operations *all, struct operation *op) {
    struct operation *dead = NULL;
    /* Whoever hears of the end may go on with the session at once. */
    if (op->seat) registry_unclaim(all->registry, op->seat, clock_now());
    op->seat = NULL;
    pthread_mutex_lock(&all->lock);
    struct operation_waiter *waiters = op->waiters;
    op->waiters = NULL;
    op->state = OPERATION_DONE;
    op->done = clock_now();
    all->n_running--;
    all->n_done++;
    all->bytes -= op->bytes;
    op->bytes = (int64_t)(sizeof *op + op->answer.capacity);
    all->bytes += op->bytes;
    make_room(all, 0, 0, &dead);
    pthread_mutex_unlock(&all->lock);
    job_queue_ring(all->jobs); /* One of this table's may have waited for its quota. */
    event_log_end(&op->log, op->failed, op->answer.data, op->answer.length);
    operations_tell(waiters);
    operations_bury(dead);
}

void operations_cancel(struct operations *all, struct operation *op) {
    struct writer nothing;
    struct error error;
    atomic_store(&op->cancelled, true);
    pthread_mutex_lock(&all->lock);
    const bool queued = op->state == OPERATION_QUEUED;
    if (queued) operations_take_off(all, op);
    pthread_mutex_unlock(&all->lock);
    if (!queued) return;
    writer_init(&nothing, 0);
    error_clear(&error);
    error_set(&error, ERROR_CANCELLED, "the job was cancelled before it began");
    operations_settle(all, op, &nothing, &error);
    operations_finish(all, op);
    operation_release(op);
}

void operations_drain(struct operations *all, void (*end)(void *context, struct operation *op),
                      void *context) {
    pthread_mutex_lock(&all->lock);
    all->draining = true;
    for (struct operation *op = all->first; op; op = op->next) atomic_store(&op->cancelled, true);
    pthread_mutex_unlock(&all->lock);
    struct writer nothing;
    struct error error;
    writer_init(&nothing, 0);
    error_clear(&error);
    error_set(&error, ERROR_DRAINING, "the server is shutting down and the job had not begun");
    for (;;) {
        pthread_mutex_lock(&all->lock);
        struct operation *op = all->queue;
        if (op) operations_take_off(all, op);
        pthread_mutex_unlock(&all->lock);
        if (!op) return;
        operations_settle(all, op, &nothing, &error);
        end(context, op);
    }
}

bool operations_idle(struct operations *all) {
    const struct operations_stats s = operations_stats(all);
    return s.queued + s.running == 0;
}

void operations_free(struct operations *all) {
    if (!all) return;
    job_queue_leave(all->jobs, all);
    for (struct operation *op = all->first, *next; op; op = next) {
        next = op->next;
        free_operation(op);
    }
    pthread_mutex_destroy(&all->lock);
    free(all);
}
