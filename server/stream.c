/* Events as bytes. Owns their layout and the comments between them; does not know what carries them. */
#include "server/stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/operations.h"
#include "server/keeper.h"

static const int64_t second = 1000000000;

void stream_set_init(struct stream_set *set) {
    set->first = NULL;
    pthread_mutex_init(&set->lock, NULL);
}

void stream_set_free(struct stream_set *set) { pthread_mutex_destroy(&set->lock); }

void stream_begin(struct stream_set *set, struct stream *s, struct event_log *log, uint64_t seen,
                  bool resumable, const atomic_bool *left, void (*ring)(struct listener *l)) {
    s->resumable = resumable;
    s->left = left;
    s->n_text = s->n_data = s->n_tail = 0;
    s->sent = 0;
    s->ending = EVENT_NONE;
    s->over = false;
    /* Its first byte is due in a second. */
    atomic_store(&s->spoke, clock_coarse() - (STREAM_BEAT_SECONDS - 1) * second);
    atomic_store(&s->beats, false);
    s->previous = NULL;
    listener_join(&s->listener, log, seen, ring);
    pthread_mutex_lock(&set->lock);
    s->next = set->first;
    if (s->next) s->next->previous = s;
    set->first = s;
    pthread_mutex_unlock(&set->lock);
}

bool stream_end(struct stream_set *set, struct stream *s) {
    pthread_mutex_lock(&set->lock);
    *(s->previous ? &s->previous->next : &set->first) = s->next;
    if (s->next) s->next->previous = s->previous;
    pthread_mutex_unlock(&set->lock);
    return listener_leave(&s->listener);
}

/* ---- bytes ---- */

/* Begins an event with its lines up to where its data stands. */
static void begin_event(struct stream *s, const char *name, uint64_t id) {
    int n = 0;
    if (s->resumable && id) n = snprintf(s->text, sizeof s->text, "id: %" PRIu64 "\n", id);
    n += snprintf(s->text + n, sizeof s->text - (size_t)n, "event: %s\ndata: ", name);
    s->n_text = (size_t)n;
    s->at_text = s->text;
    s->n_tail = 2;
}

static void add_text(struct stream *s, const char *text, size_t n) {
    if (n) memcpy(s->text + s->n_text, text, n);
    s->n_text += n;
}

static void begin_row(struct stream *s, const struct event *e) {
    struct writer out;
    writer_init(&out, sizeof s->text / 2);
    begin_event(s, "progress", e->id);
    write_text(&out, "{");
    progress_write(&out, &e->row);
    write_text(&out, "}");
    add_text(s, out.data, out.length);
    writer_free(&out);
}

static void begin_dropped(struct stream *s, const struct event *e) {
    char data[48];
    begin_event(s, "dropped", 0);
    const int n = snprintf(data, sizeof data, "{\"rows\":%" PRIu64 "}", e->dropped);
    add_text(s, data, (size_t)n);
}

static void begin_end(struct stream *s, const struct event *e) {
    begin_event(s, e->kind == EVENT_DONE ? "done" : "error", e->id);
    s->data = e->data;
    s->n_data = e->length;
    s->ending = e->kind;
}

static void begin_beat(struct stream *s) {
    strcpy(s->text, ":\n");
    s->at_text = s->text;
    s->n_text = 2;
    s->n_tail = 1;
}

/* The next thing to be sent; false where there is none, and then *over says whether there ever will. */
static bool begin_next(struct stream *s, bool *over) {
    struct event e;
    listener_next(&s->listener, &e);
    switch (e.kind) {
    case EVENT_ROW:
        begin_row(s, &e);
        return true;
    case EVENT_DROPPED:
        begin_dropped(s, &e);
        return true;
    case EVENT_DONE:
    case EVENT_ERROR:
        begin_end(s, &e);
        return true;
    case EVENT_OVER:
        *over = true;
        return false;
    case EVENT_NONE:
        break;
    }
    if (!atomic_exchange(&s->beats, false)) return false;
    begin_beat(s);
    return true;
}

static size_t move(char *out, size_t most, const char **from, size_t *n) {
    const size_t moved = *n < most ? *n : most;
    if (!moved) return 0;
    memcpy(out, *from, moved);
    *from += moved;
    *n -= moved;
    return moved;
}

static size_t move_event(struct stream *s, char *out, size_t most) {
    static const char lines[] = "\n\n";
    const char *tail = lines + 2 - s->n_tail;
    size_t n = move(out, most, &s->at_text, &s->n_text);
    n += move(out + n, most - n, &s->data, &s->n_data);
    if (!s->n_text && !s->n_data) n += move(out + n, most - n, &tail, &s->n_tail);
    return n;
}

ssize_t stream_read(struct stream *s, char *out, size_t most) {
    size_t n = 0;
    bool over = false;
    do n += move_event(s, out + n, most - n);
    while (n < most && begin_next(s, &over));
    if (n) atomic_store(&s->spoke, clock_coarse());
    s->sent += n;
    s->over = over;
    return n ? (ssize_t)n : over ? -1 : 0;
}

/* ---- once a second ---- */

/* The log's lock is what a ring is rung under. */
static void ring(struct stream *s) {
    struct event_log *log = s->listener.log;
    pthread_mutex_lock(&log->lock);
    s->listener.ring(&s->listener);
    pthread_mutex_unlock(&log->lock);
}

void stream_sweep(struct stream_set *set) {
    const int64_t now = clock_coarse();
    pthread_mutex_lock(&set->lock);
    for (struct stream *s = set->first; s; s = s->next) {
        const int64_t spoke = atomic_load(&s->spoke);
        const bool due = now - spoke >= STREAM_BEAT_SECONDS * second;
        if (due) atomic_store(&s->beats, true);
        if (due || atomic_load(s->left)) ring(s);
    }
    pthread_mutex_unlock(&set->lock);
}
