/* The keeper of the doors: its thread, and who comes. Owns the listening sockets; knows nothing of HTTP, nor
 * what becomes of whom it lets in. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "server/keeper_own.h"
#include "server/log.h"
#include "server/peer.h"
#include "server/sink.h"
#include "server/stats.h"

enum { EVENTS = 64, ACCEPTS = 64, STACK_BYTES = 256 << 10, SWEEP_MS = 1000, RETRY_MS = 20 };

int64_t clock_coarse(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

bool keeper_listen(struct keeper *k, int fd, uint32_t events, uint64_t data, enum tag tag) {
    struct epoll_event event = {.events = events, .data.u64 = data << 2 | tag};
    return epoll_ctl(k->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

void keeper_ring(struct keeper *k) {
    ssize_t written = write(k->bell, &(uint64_t){1}, sizeof(uint64_t));
    (void)written; /* A full counter has rung already. */
}

/* ---- the doors ---- */

static void pause_doors(struct keeper *k, bool paused) {
    if (k->paused == paused) return;
    for (int i = 0; i < k->n_doors; i++) {
        struct epoll_event event = {.events = paused ? 0 : EPOLLIN,
                                    .data.u64 = (uint64_t)i << 2 | TAG_DOOR};
        epoll_ctl(k->epoll, EPOLL_CTL_MOD, k->doors[i].fd, &event);
    }
    k->paused = paused;
}

/* One more who cannot stay; before he hears of it himself. */
static void tell_refusal(const char *why, const struct sockaddr *from) {
    struct line l;
    char peer[PEER_NAME];
    stats_add(STAT_REFUSED, 1);
    if (!log_tells_requests()) return;
    peer_name(from, peer);
    log_begin(&l, LOG_INFO, "refused");
    line_word(&l, LINE_KEY("why"), why);
    line_word(&l, LINE_KEY("remote"), peer);
    line_end(&l);
    sink_add(l.text, l.n);
}

/* Tells somebody why he cannot stay. Under the lock. */
static void show_out(struct keeper *k, int fd, const char *why) {
    if (why) send(fd, why, strlen(why), MSG_NOSIGNAL | MSG_DONTWAIT);
    /* To close what has unread bytes is to take the answer back. */
    shutdown(fd, SHUT_WR);
    if (k->n_drains < DRAINS / 2) drain_start(k, fd);
    close(fd);
}

/* Whether there is a place, and his address may have one more; else he is told so, and shown out. */
static bool let_in(struct keeper *k, const struct keeper_door *door, int fd,
                   const struct sockaddr *from) {
    pthread_mutex_lock(&k->lock);
    const bool has_room = k->n_guests < k->most;
    const bool welcome = has_room && crowd_enter(k->addresses, fd, from);
    if (!welcome) {
        tell_refusal(has_room ? "max_address_connections" : "max_connections", from);
        show_out(k, fd, has_room ? door->crowded : door->full);
    }
    pthread_mutex_unlock(&k->lock);
    return welcome;
}

static void take_spare(struct keeper *k) {
    if (k->spare < 0) k->spare = eventfd(0, EFD_CLOEXEC);
}

/* There is no descriptor for who knocks. With the spare one he is let in, told so, and shown out: left
 * outside he would wait for nothing, and could not try elsewhere. */
static bool turn_away(struct keeper *k, const struct keeper_door *door) {
    if (!k->out_of_files) log_event(LOG_WARN, "out_of_files", "accepted=refused");
    k->out_of_files = true;
    if (k->spare < 0) return false;
    close(k->spare);
    k->spare = -1;
    struct sockaddr_storage from;
    socklen_t size = sizeof from;
    int fd = accept4(door->fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        tell_refusal("out_of_files", (struct sockaddr *)&from);
        if (door->refusal)
            send(fd, door->refusal, strlen(door->refusal), MSG_NOSIGNAL | MSG_DONTWAIT);
        /* To close what has unread bytes is to take the answer back. */
        shutdown(fd, SHUT_WR);
        recv(fd, NULL, DRAIN_STEP, MSG_TRUNC | MSG_DONTWAIT);
        close(fd);
    }
    take_spare(k);
    return fd >= 0;
}

/* Whether there may be somebody else at the door. */
static bool accept_one(struct keeper *k, int door) {
    struct sockaddr_storage from;
    socklen_t size = sizeof from;
    int fd =
        accept4(k->doors[door].fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        k->out_of_files = false;
        stats_add(STAT_ACCEPTED, 1);
        if (let_in(k, &k->doors[door], fd, (struct sockaddr *)&from))
            k->welcome(k->context, door, fd, (struct sockaddr *)&from, size);
        return true;
    }
    if (errno == ECONNABORTED || errno == EINTR) return true;
    if (errno == EMFILE || errno == ENFILE) {
        if (turn_away(k, &k->doors[door])) return true;
    } else if (errno != ENOBUFS && errno != ENOMEM) {
        return false;
    }
    /* Out of files or memory: to try again at once would spin. */
    pause_doors(k, true);
    return false;
}

static void accept_some(struct keeper *k, int door) {
    int accepted = 0;
    while (accepted < ACCEPTS && accept_one(k, door)) accepted++;
}

static void shut(struct keeper *k) {
    for (int i = 0; i < k->n_doors; i++) close(k->doors[i].fd);
    k->n_doors = 0;
}

static void close_doors(struct keeper *k) {
    pthread_mutex_lock(&k->lock);
    if (k->closing && k->n_doors) {
        shut(k);
        pthread_cond_broadcast(&k->doors_closed);
    }
    pthread_mutex_unlock(&k->lock);
}

void keeper_close_doors(struct keeper *k) {
    pthread_mutex_lock(&k->lock);
    k->closing = true;
    keeper_ring(k);
    while (k->n_doors) pthread_cond_wait(&k->doors_closed, &k->lock);
    pthread_mutex_unlock(&k->lock);
}

/* ---- the thread ---- */

static void handle_event(struct keeper *k, uint64_t data) {
    uint64_t rest = data >> 2;
    switch ((enum tag)(data & 3)) {
    case TAG_DOOR:
        /* It may have been closed since. */
        if (rest < (uint64_t)k->n_doors) accept_some(k, (int)rest);
        break;
    case TAG_BELL:
        break;
    case TAG_WATCH:
        guest_left(k, rest);
        break;
    case TAG_DRAIN:
        drain_some(k, (struct drain *)(uintptr_t)(rest << 2));
        break;
    }
}

/* How long the thread may sleep; -1: until something happens. False: it is to end. */
static bool nap(struct keeper *k, int *timeout) {
    pthread_mutex_lock(&k->lock);
    bool stopping = k->stopping, empty = !k->n_guests && !k->n_drains;
    pthread_mutex_unlock(&k->lock);
    *timeout = k->paused ? RETRY_MS : empty && k->crowd < CROWD ? -1 : SWEEP_MS;
    return !stopping;
}

static void *keep(void *context) {
    struct keeper *k = context;
    struct epoll_event events[EVENTS];
    int64_t swept = 0;
    pthread_setname_np(pthread_self(), "keeper");
    for (int timeout; nap(k, &timeout);) {
        int n = epoll_wait(k->epoll, events, EVENTS, timeout);
        for (int i = 0; i < n; i++) {
            uint64_t count;
            if (events[i].data.u64 == TAG_BELL && read(k->bell, &count, sizeof count) < 0) continue;
            handle_event(k, events[i].data.u64);
        }
        close_doors(k);
        take_spare(k);
        if (k->paused) pause_doors(k, false);
        int64_t now = clock_coarse();
        if (now - swept < (int64_t)SWEEP_MS * 1000000) continue;
        guests_sweep(k, now);
        drains_sweep(k, now);
        swept = now;
    }
    return NULL;
}

static bool start_thread(struct keeper *k) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    bool started = pthread_create(&k->thread, &attributes, keep, k) == 0;
    pthread_attr_destroy(&attributes);
    return started;
}

static void keeper_free(struct keeper *k) {
    shut(k);
    if (k->epoll >= 0) close(k->epoll);
    if (k->bell >= 0) close(k->bell);
    if (k->spare >= 0) close(k->spare);
    crowd_free(k->addresses);
    pthread_mutex_destroy(&k->lock);
    pthread_cond_destroy(&k->doors_closed);
    free(k);
}

static bool listen_to_all(struct keeper *k) {
    bool ok = k->epoll >= 0 && k->bell >= 0 && keeper_listen(k, k->bell, EPOLLIN, 0, TAG_BELL);
    for (int i = 0; i < k->n_doors; i++)
        ok = ok && keeper_listen(k, k->doors[i].fd, EPOLLIN, (uint64_t)i, TAG_DOOR);
    return ok;
}

bool keeper_start(struct keeper **out, const struct keeper_door *doors, int n_doors, size_t most,
                  size_t most_of_address, int64_t drain, keeper_welcome welcome, void *context) {
    struct keeper *k = *out = malloc(sizeof *k);
    if (!k) return false;
    *k = (struct keeper){.n_doors = n_doors,
                         .most = most,
                         .drain = drain,
                         .welcome = welcome,
                         .context = context,
                         .addresses = crowd_new(most_of_address),
                         .spare = -1};
    memcpy(k->doors, doors, (size_t)n_doors * sizeof *doors);
    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->doors_closed, NULL);
    k->epoll = epoll_create1(EPOLL_CLOEXEC);
    k->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    take_spare(k);
    if (k->addresses && listen_to_all(k) && start_thread(k)) return true;
    keeper_free(k);
    *out = NULL;
    return false;
}

void keeper_stop(struct keeper *k) {
    pthread_mutex_lock(&k->lock);
    k->stopping = true;
    keeper_ring(k);
    pthread_mutex_unlock(&k->lock);
    pthread_join(k->thread, NULL);
    while (k->drains) drain_end(k, k->drains);
    keeper_free(k);
}
