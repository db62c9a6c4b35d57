/* Server-sent events (WHATWG HTML 9.2): a log of events as bytes for one connection. */
#ifndef GRADD_SERVER_STREAM_H
#define GRADD_SERVER_STREAM_H

#include <sys/types.h>

#include "api/event_log.h"

/* A connection that gets nothing for so long gets a comment, so that whoever is between sees that it
 * lives. */
enum { STREAM_BEAT_SECONDS = 15 };

/* All streams of a transport. */
struct stream_set {
    pthread_mutex_t lock;
    struct stream *first;
};

struct stream {
    struct listener listener; /* first */
    bool resumable;           /* its events have ids, from which a later stream may go on */
    const atomic_bool *left;  /* the client has gone */
    /* What is being sent: some text, then data, then the empty line that ends an event. */
    char text[256];
    size_t n_text, n_data, n_tail;
    const char *at_text, *data;
    uint64_t sent;          /* bytes */
    enum event_kind ending; /* EVENT_DONE or EVENT_ERROR once its last event was begun */
    bool over;              /* and all of it was taken */
    _Atomic int64_t spoke;  /* when bytes were taken, in clock_coarse nanoseconds */
    atomic_bool beats;      /* a comment is due */
    struct stream *previous, *next;
};

void stream_set_init(struct stream_set *set);
void stream_set_free(struct stream_set *set);

/* Begins behind the event `seen`; `ring` is a listener's. */
void stream_begin(struct stream_set *set, struct stream *s, struct event_log *log, uint64_t seen,
                  bool resumable, const atomic_bool *left, void (*ring)(struct listener *l));
/* False where the log had not ended. */
bool stream_end(struct stream_set *set, struct stream *s);

/* The next bytes, at most `most`; 0 where there are none yet, -1 behind the last. */
ssize_t stream_read(struct stream *s, char *out, size_t most);

/* Rings those to whom a comment is due, that wait for their first byte, or whose client has gone. To be
 * called about once a second. */
void stream_sweep(struct stream_set *set);

#endif
