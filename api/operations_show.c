/* What is told of operations: to those who wait, in lists, as JSON and as numbers. */
#include <math.h>
#include <string.h>

#include "api/operations_own.h"
#include "api/session_io.h"

/* ---- waiting ---- */

bool operations_wait(struct operations *all, struct operation *op, struct operation_waiter *w) {
    pthread_mutex_lock(&all->lock);
    const bool waits = op->state != OPERATION_DONE;
    if (waits) {
        w->next = op->waiters;
        op->waiters = w;
    }
    pthread_mutex_unlock(&all->lock);
    return waits;
}

/* Takes those who wait no longer off an operation, and puts them before *over. */
static void give_up(struct operation *op, int64_t now, struct operation_waiter **over) {
    for (struct operation_waiter **at = &op->waiters; *at;) {
        struct operation_waiter *w = *at;
        if (now < w->deadline && !atomic_load_explicit(w->left, memory_order_relaxed)) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        w->next = *over;
        *over = w;
    }
}

void operations_sweep(struct operations *all, int64_t now) {
    const int64_t second = 1000000000, kept = all->limits->max_operation_seconds;
    struct operation_waiter *over = NULL;
    struct operation *dead = NULL;
    pthread_mutex_lock(&all->lock);
    for (struct operation *op = all->first, *next; op; op = next) {
        next = op->next;
        give_up(op, now, &over);
        const bool old = op->state == OPERATION_DONE && (now - op->done) / second >= kept;
        if (!old || !operations_take_out(all, op)) continue;
        op->next_queued = dead;
        dead = op;
    }
    pthread_mutex_unlock(&all->lock);
    operations_tell(over);
    operations_bury(dead);
}

/* ---- lists and numbers ---- */

void operations_list(struct operations *all, struct operations_page *page) {
    page->n = 0;
    page->more = false;
    pthread_mutex_lock(&all->lock);
    for (struct operation *op = all->first; op; op = op->next) {
        if (op->order <= page->after) continue;
        if (page->session && strcmp(op->session, page->session) != 0) continue;
        page->more = page->n == page->most;
        if (page->more) break;
        op->references++;
        page->list[page->n++] = op;
    }
    pthread_mutex_unlock(&all->lock);
}

struct operations_stats operations_stats(struct operations *all) {
    pthread_mutex_lock(&all->lock);
    const struct operations_stats s = {.queued = all->n_queued,
                                       .running = all->n_running,
                                       .done = all->n_done,
                                       .bytes = all->bytes};
    pthread_mutex_unlock(&all->lock);
    return s;
}

void operation_look(struct operation *op, struct operation_moment *out) {
    struct operations *all = op->all;
    if (all) pthread_mutex_lock(&all->lock);
    *out = (struct operation_moment){.state = op->state,
                                     .answered = op->answered,
                                     .started_at = op->started_at,
                                     .done_at = op->done_at};
    if (all) pthread_mutex_unlock(&all->lock);
}

enum operation_state operation_state(struct operation *op) {
    struct operation_moment m;
    operation_look(op, &m);
    return m.state;
}

/* ---- JSON ---- */

static void write_number(struct writer *out, double x, enum dtype dtype) {
    float single = (float)x;
    const bool is_single = dtype == DTYPE_F32;
    const struct tensor t = {.dtype = is_single ? DTYPE_F32 : DTYPE_F64,
                             .data = is_single ? (void *)&single : &x};
    write_tensor(out, &t, FORMAT_NESTED);
}

void progress_write(struct writer *out, const struct progress_row *row) {
    write_text(out, "\"step\":");
    write_int(out, row->step);
    write_text(out, ",\"loss\":");
    write_number(out, row->loss, row->dtype);
    if (isnan(row->gradient_norm)) return;
    write_text(out, ",\"gradient_norm\":");
    write_number(out, row->gradient_norm, row->dtype);
}

static void write_when(struct writer *out, const char *member, double seconds) {
    write_text(out, member);
    if (seconds > 0)
        write_time(out, seconds);
    else
        write_text(out, "null");
}

static void write_metadata(struct writer *out, struct operation *op,
                           const struct operation_moment *m) {
    static const char *const states[] = {"queued", "running", "done"};
    struct progress_row row;
    write_text(out, ",\"metadata\":{\"method\":");
    write_string(out, op->method);
    write_text(out, ",\"session\":");
    if (op->session[0])
        write_string(out, op->session);
    else
        write_text(out, "null");
    write_text(out, ",\"state\":");
    write_string(out, states[m->state]);
    write_text(out, ",");
    if (event_log_latest(&op->log, &row))
        progress_write(out, &row);
    else
        write_text(out, "\"step\":0,\"loss\":null");
    write_when(out, ",\"created_at\":", op->created_at);
    write_when(out, ",\"started_at\":", m->started_at);
    write_when(out, ",\"done_at\":", m->state == OPERATION_DONE ? m->done_at : 0);
    write_text(out, "}");
}

void operation_write(struct writer *out, struct operation *op, bool whole) {
    struct operation_moment m;
    operation_look(op, &m);
    const bool done = m.state == OPERATION_DONE;
    write_text(out, "{\"name\":\"operations/");
    write_text(out, op->id);
    write_text(out, done ? "\",\"done\":true" : "\",\"done\":false");
    write_metadata(out, op, &m);
    if (done && (whole || op->failed)) {
        write_text(out, op->failed ? ",\"error\":" : ",\"response\":");
        write_bytes(out, op->answer.data, op->answer.length);
    }
    write_text(out, "}");
}
