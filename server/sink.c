/* Standard error and the buffers before it. Owns them and the thread that empties them; does not know
 * what a line says. */
#include "server/sink.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server/stats.h"

/* Large, since each ring interrupts the others; what is never written to has no memory. */
enum { BUFFERS = 64, BUFFER_BYTES = 1 << 20, RING_AT = 256 << 10 };
enum { FLUSH_MS = 100, LAST_MS = 1000, STACK_BYTES = 256 << 10 };

static char texts[BUFFERS + 1][BUFFER_BYTES];

/* Threads beyond their number share them. */
static struct buffer {
    _Alignas(64) pthread_mutex_t lock;
    size_t n;
    char *text; /* one of the texts; the one more is the flusher's */
} buffers[BUFFERS];

static atomic_uint owners;
static _Thread_local struct buffer *own;

/* One line or block after another, so that what was found free is free still when it is written. */
static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;

static struct {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t rung;
    bool started, stopping, hurries; /* under the lock */
    atomic_bool any;                 /* there may be something in a buffer */
    bool to_file;                    /* from the start on */
} flusher = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void drop(const char *lines, size_t n) {
    int64_t dropped = 0;
    for (const char *at = lines, *end = lines + n;
         at < end && (at = memchr(at, '\n', (size_t)(end - at))); at++)
        dropped++;
    stats_add(STAT_LOG_DROPPED, dropped);
}

/* Whether standard error takes something, or will say why not, within so many milliseconds. A pipe that
 * does takes PIPE_BUF bytes whole and without a wait. */
static bool is_free(int ms) {
    struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&fd, 1, ms) > 0;
}

/* -1: it does not take anything any more; 0: it does not now. */
static ssize_t try_write(const char *bytes, size_t n) {
    pthread_mutex_lock(&output);
    ssize_t written = is_free(0) ? write(STDERR_FILENO, bytes, n) : 0;
    if (written < 0 && (errno == EAGAIN || errno == EINTR)) written = 0;
    pthread_mutex_unlock(&output);
    return written;
}

void sink_write(const char *line, size_t n) {
    if (try_write(line, n) <= 0) drop(line, n);
}

/* ---- buffers ---- */

static void ring(bool hurries) {
    pthread_mutex_lock(&flusher.lock);
    flusher.hurries = flusher.hurries || hurries;
    pthread_cond_signal(&flusher.rung);
    pthread_mutex_unlock(&flusher.lock);
}

void sink_add(const char *line, size_t n) {
    if (!own) own = &buffers[atomic_fetch_add(&owners, 1) % BUFFERS];
    pthread_mutex_lock(&own->lock);
    const size_t before = own->n;
    const bool fits = before + n <= BUFFER_BYTES;
    if (fits) {
        memcpy(own->text + before, line, n);
        own->n += n;
    }
    pthread_mutex_unlock(&own->lock);
    if (!fits) drop(line, n);
    if (fits && before < RING_AT && before + n >= RING_AT)
        ring(true);
    else if (!atomic_load_explicit(&flusher.any, memory_order_relaxed) &&
             !atomic_exchange(&flusher.any, true))
        ring(false);
}

/* ---- the thread ---- */

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_stopping(void) {
    pthread_mutex_lock(&flusher.lock);
    const bool stopping = flusher.stopping;
    pthread_mutex_unlock(&flusher.lock);
    return stopping;
}

/* Whole lines, and no more than a pipe takes at once; a file takes everything. */
static size_t next_block(const char *lines, size_t n) {
    if (n <= PIPE_BUF || flusher.to_file) return n;
    size_t end = PIPE_BUF;
    while (end > 0 && lines[end - 1] != '\n') end--;
    return end ? end : PIPE_BUF;
}

/* Waits for whoever reads, but not for ever once the thread is to end: *last is then when. */
static void write_lines(const char *lines, size_t n, int64_t *last) {
    while (n > 0) {
        const size_t block = next_block(lines, n);
        const ssize_t written = try_write(lines, block);
        if (written < 0) break;
        lines += written;
        n -= (size_t)written;
        if (written > 0) continue;
        is_free(FLUSH_MS);
        if (!is_stopping()) continue;
        if (!*last) *last = now_ms() + LAST_MS;
        if (now_ms() >= *last) break;
    }
    drop(lines, n);
}

static void flush(int64_t *last) {
    static char *lines = texts[BUFFERS];
    for (int i = 0; i < BUFFERS; i++) {
        struct buffer *b = &buffers[i];
        pthread_mutex_lock(&b->lock);
        const size_t n = b->n;
        if (n > 0) {
            char *full = b->text;
            b->text = lines;
            b->n = 0;
            lines = full;
        }
        pthread_mutex_unlock(&b->lock);
        if (n > 0) write_lines(lines, n, last);
    }
}

/* Until there is something, and then for a while more, so that more comes together. False at the end. */
static bool nap(void) {
    struct timespec until;
    pthread_mutex_lock(&flusher.lock);
    while (!flusher.stopping && !flusher.hurries && !atomic_load(&flusher.any))
        pthread_cond_wait(&flusher.rung, &flusher.lock);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += FLUSH_MS * 1000000L;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    while (!flusher.stopping && !flusher.hurries)
        if (pthread_cond_timedwait(&flusher.rung, &flusher.lock, &until) == ETIMEDOUT) break;
    flusher.hurries = false;
    const bool goes_on = !flusher.stopping;
    pthread_mutex_unlock(&flusher.lock);
    return goes_on;
}

static void *keep_flushing(void *unused) {
    (void)unused;
    int64_t last = 0;
    bool goes_on;
    pthread_setname_np(pthread_self(), "log");
    do {
        goes_on = nap();
        /* Before the buffers are looked at: what comes in meanwhile rings again. */
        atomic_store(&flusher.any, false);
        flush(&last);
    } while (goes_on);
    return NULL;
}

bool sink_start(void) {
    struct stat status;
    flusher.to_file = fstat(STDERR_FILENO, &status) == 0 && S_ISREG(status.st_mode);
    pthread_attr_t attributes;
    pthread_condattr_t steady;
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&flusher.rung, &steady);
    pthread_condattr_destroy(&steady);
    for (int i = 0; i < BUFFERS; i++) {
        pthread_mutex_init(&buffers[i].lock, NULL);
        buffers[i].text = texts[i];
    }
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    flusher.started = pthread_create(&flusher.thread, &attributes, keep_flushing, NULL) == 0;
    pthread_attr_destroy(&attributes);
    return flusher.started;
}

void sink_stop(void) {
    if (!flusher.started) return;
    pthread_mutex_lock(&flusher.lock);
    flusher.stopping = true;
    pthread_cond_signal(&flusher.rung);
    pthread_mutex_unlock(&flusher.lock);
    pthread_join(flusher.thread, NULL);
    flusher.started = false;
}
