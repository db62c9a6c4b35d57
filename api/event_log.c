/* The log of a run's events. Owns the thinning of rows and their ring; how an event looks on a wire is
 * not known here. */
#include "api/event_log.h"

#include "core/plan.h"

static const int64_t pause = INT64_C(1000000000) / EVENTS_A_SECOND;

static void on_report(struct progress *p, const struct progress_row *row) {
    event_log_add((struct event_log *)p, row);
}

void event_log_init(struct event_log *log) {
    *log = (struct event_log){
        .progress.report = on_report, .allowance = EVENTS_AT_ONCE * pause, .since = clock_now()};
    pthread_mutex_init(&log->lock, NULL);
}

void event_log_free(struct event_log *log) { pthread_mutex_destroy(&log->lock); }

static void ring_all(struct event_log *log) {
    for (struct listener *l = log->listeners; l; l = l->next) l->ring(l);
}

static void append(struct event_log *log) {
    log->rows[++log->n % EVENTS_KEPT] = log->latest;
    log->pending = false;
}

/* Whether one more row may be logged now: time is saved up, and spent by the row. */
static bool may_append(struct event_log *log) {
    if (log->allowance < pause) {
        const int64_t now = clock_now();
        log->allowance += now - log->since;
        log->since = now;
        if (log->allowance > EVENTS_AT_ONCE * pause) log->allowance = EVENTS_AT_ONCE * pause;
    }
    if (log->allowance < pause) return false;
    log->allowance -= pause;
    return true;
}

void event_log_add(struct event_log *log, const struct progress_row *row) {
    pthread_mutex_lock(&log->lock);
    log->latest = *row;
    log->any = log->pending = true;
    if (may_append(log)) {
        append(log);
        ring_all(log);
    }
    pthread_mutex_unlock(&log->lock);
}

bool event_log_end(struct event_log *log, bool failed, const char *data, size_t length) {
    pthread_mutex_lock(&log->lock);
    if (log->pending) append(log);
    log->ended = true;
    log->failed = failed;
    log->end = data;
    log->end_length = length;
    const bool deserted = log->deserted;
    ring_all(log);
    pthread_mutex_unlock(&log->lock);
    return !deserted;
}

bool event_log_latest(struct event_log *log, struct progress_row *out) {
    pthread_mutex_lock(&log->lock);
    const bool any = log->any;
    *out = log->latest;
    pthread_mutex_unlock(&log->lock);
    return any;
}

bool event_log_is_bare(struct event_log *log) {
    pthread_mutex_lock(&log->lock);
    const bool bare = log->ended && log->n == 0;
    pthread_mutex_unlock(&log->lock);
    return bare;
}

uint64_t event_log_count(struct event_log *log, bool *ended) {
    pthread_mutex_lock(&log->lock);
    const uint64_t n = log->n + log->ended;
    *ended = log->ended;
    pthread_mutex_unlock(&log->lock);
    return n;
}

void listener_join(struct listener *l, struct event_log *log, uint64_t seen,
                   void (*ring)(struct listener *l)) {
    *l = (struct listener){.ring = ring, .log = log, .seen = seen};
    pthread_mutex_lock(&log->lock);
    l->next = log->listeners;
    if (l->next) l->next->previous = l;
    log->listeners = l;
    pthread_mutex_unlock(&log->lock);
}

bool listener_leave(struct listener *l) {
    struct event_log *log = l->log;
    pthread_mutex_lock(&log->lock);
    *(l->previous ? &l->previous->next : &log->listeners) = l->next;
    if (l->next) l->next->previous = l->previous;
    const bool ended = log->ended;
    log->deserted = !log->listeners;
    pthread_mutex_unlock(&log->lock);
    return ended;
}

/* What a listener that has seen less than there is takes next. */
static void take(struct event_log *log, struct listener *l, struct event *out) {
    const uint64_t oldest = log->n > EVENTS_KEPT ? log->n - EVENTS_KEPT + 1 : 1;
    if (l->seen >= log->n) {
        out->kind = log->failed ? EVENT_ERROR : EVENT_DONE;
        out->data = log->end;
        out->length = log->end_length;
    } else if (l->seen + 1 < oldest) {
        out->kind = EVENT_DROPPED;
        out->dropped = oldest - 1 - l->seen;
        l->seen = oldest - 1;
        return;
    } else {
        out->kind = EVENT_ROW;
        out->row = log->rows[(l->seen + 1) % EVENTS_KEPT];
    }
    out->id = ++l->seen;
}

void listener_next(struct listener *l, struct event *out) {
    struct event_log *log = l->log;
    *out = (struct event){.kind = EVENT_NONE};
    pthread_mutex_lock(&log->lock);
    if (l->seen < log->n + log->ended)
        take(log, l, out);
    else if (log->ended)
        out->kind = EVENT_OVER;
    pthread_mutex_unlock(&log->lock);
}
