/* What a long run says of itself, for those who listen: its rows as they come, and how it ended. A log
 * has bounded memory: of more rows than it takes in a second only some are logged, always the newest one
 * among them, and of those that are logged the newest are kept. Everything here may be called by any
 * thread. */
#ifndef GRADD_API_EVENT_LOG_H
#define GRADD_API_EVENT_LOG_H

#include <pthread.h>

#include "api/service.h"

enum { EVENTS_KEPT = 256, EVENTS_AT_ONCE = 64, EVENTS_A_SECOND = 20 };

struct listener;

struct event_log {
    struct progress progress;              /* first: whoever runs reports into the log */
    pthread_mutex_t lock;                  /* of all below */
    struct progress_row rows[EVENTS_KEPT]; /* event i is at i % EVENTS_KEPT */
    uint64_t n;                            /* rows logged: events 1 to n */
    struct progress_row latest;
    bool any, pending;        /* there is a latest row; it is not logged yet */
    int64_t allowance, since; /* what may be logged, in nanoseconds that were saved up since */
    bool ended, failed, deserted;
    const char *end; /* the last event's data, event n + 1 */
    size_t end_length;
    struct listener *listeners;
};

/* Who wants to know. `ring` is called with the log locked when there is something new; it must not take
 * long, and not call the log. */
struct listener {
    void (*ring)(struct listener *l);
    struct event_log *log;
    uint64_t seen; /* the newest event that it has taken */
    struct listener *previous, *next;
};

enum event_kind {
    EVENT_NONE,    /* there is nothing yet */
    EVENT_ROW,     /* `row` */
    EVENT_DROPPED, /* `dropped` rows are kept no longer */
    EVENT_DONE,    /* `data` is the answer */
    EVENT_ERROR,   /* `data` is the problem */
    EVENT_OVER     /* the end was taken before */
};

struct event {
    enum event_kind kind;
    uint64_t id; /* of a row and of the end */
    struct progress_row row;
    uint64_t dropped;
    const char *data;
    size_t length;
};

void event_log_init(struct event_log *log);
/* Nobody listens any more. */
void event_log_free(struct event_log *log);

void event_log_add(struct event_log *log, const struct progress_row *row);
/* The last event; `data` must live as long as the log. False where somebody had listened, and left
 * before. */
bool event_log_end(struct event_log *log, bool failed, const char *data, size_t length);

/* The latest row, logged or not; false where there is none. */
bool event_log_latest(struct event_log *log, struct progress_row *out);
/* Whether the run has ended without a row. */
bool event_log_is_bare(struct event_log *log);
/* The number of events so far; *ended says whether the last of them is the end. */
uint64_t event_log_count(struct event_log *log, bool *ended);

void listener_join(struct listener *l, struct event_log *log, uint64_t seen,
                   void (*ring)(struct listener *l));
/* Rings no more when this returns; false where the log had not ended. */
bool listener_leave(struct listener *l);
void listener_next(struct listener *l, struct event *out);

#endif
