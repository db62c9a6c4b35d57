/* The keeper of the doors. Owns the listening sockets and copies of sockets that are being drained;
 * knows nothing of HTTP. */
#include "server/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "server/crowd.h"
#include "server/log.h"
#include "server/peer.h"
#include "server/sink.h"
#include "server/stats.h"

enum { EVENTS = 64, ACCEPTS = 64, DRAINS = 1024, DRAIN_STEP = 1 << 20, STACK_BYTES = 256 << 10 };
enum { SWEEP_MS = 1000, RETRY_MS = 20, SWEEP_STEP = 256, CROWD = 256 };

static const int64_t drain_seconds = 30;

/* What an event is about: its number's last two bits. The rest is the number of a door or of a watch,
 * or a pointer. */
enum tag { TAG_DOOR, TAG_BELL, TAG_WATCH, TAG_DRAIN };

/* A socket whose client is still writing what nobody wants. */
struct drain {
    int fd;
    int64_t left; /* bytes */
    int64_t deadline;
    struct drain *previous, *next;
};

struct keeper {
    pthread_t thread;
    int epoll, bell; /* the bell: an eventfd that wakes the thread */
    size_t most;
    int64_t drain;
    keeper_welcome welcome;
    void *context;
    /* Of the thread alone: */
    bool paused; /* the doors are shut for the moment */
    bool out_of_files;
    int spare;    /* a descriptor to accept with where there is no other, or -1 */
    size_t crowd; /* most guests seen since memory was given back */

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t doors_closed;
    struct keeper_door doors[KEEPER_DOORS];
    int n_doors; /* 0: they are closed */
    bool closing, stopping;
    struct crowd *addresses; /* of guests, from the door on */
    size_t n_guests, n_drains;
    uint64_t watches;
    struct guest *guests, *watched;
    struct guest *cursor; /* the guest that a sweep looks at next */
    struct drain *drains;
};

int64_t clock_coarse(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool listen_for(struct keeper *k, int fd, uint32_t events, uint64_t data, enum tag tag) {
    struct epoll_event event = {.events = events, .data.u64 = data << 2 | tag};
    return epoll_ctl(k->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void ring(struct keeper *k) {
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

static void drain_start(struct keeper *k, int fd);

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
    ring(k);
    while (k->n_doors) pthread_cond_wait(&k->doors_closed, &k->lock);
    pthread_mutex_unlock(&k->lock);
}

/* ---- draining ---- */

static void drain_end(struct keeper *k, struct drain *d) {
    pthread_mutex_lock(&k->lock);
    if (d->previous)
        d->previous->next = d->next;
    else
        k->drains = d->next;
    if (d->next) d->next->previous = d->previous;
    k->n_drains--;
    pthread_mutex_unlock(&k->lock);
    /* Its owner may still hold the socket for a moment: close alone would leave it in the set. */
    epoll_ctl(k->epoll, EPOLL_CTL_DEL, d->fd, NULL);
    close(d->fd);
    free(d);
}

static void drain_some(struct keeper *k, struct drain *d) {
    /* On TCP this throws the bytes away without copying them. */
    ssize_t n = recv(d->fd, NULL, DRAIN_STEP, MSG_TRUNC | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n > 0) d->left -= n;
    if (n <= 0 || d->left <= 0) drain_end(k, d);
}

static void drain_start(struct keeper *k, int fd) {
    struct drain *d = malloc(sizeof *d);
    if (!d) return;
    *d = (struct drain){.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0), .left = k->drain};
    d->deadline = clock_coarse() + drain_seconds * 1000000000;
    d->next = k->drains;
    if (d->fd >= 0 &&
        listen_for(k, d->fd, EPOLLIN | EPOLLRDHUP, (uint64_t)(uintptr_t)d >> 2, TAG_DRAIN)) {
        if (d->next) d->next->previous = d;
        k->drains = d;
        k->n_drains++;
        return;
    }
    if (d->fd >= 0) close(d->fd);
    free(d);
}

/* ---- guests ---- */

void keeper_admit(struct keeper *k, struct guest *guest, int fd, int64_t deadline) {
    guest->fd = fd;
    atomic_store(&guest->cut, false);
    guest->watch = 0;
    guest->previous = NULL;
    atomic_store_explicit(&guest->deadline, deadline, memory_order_relaxed);
    pthread_mutex_lock(&k->lock);
    guest->next = k->guests;
    if (guest->next) guest->next->previous = guest;
    k->guests = guest;
    if (k->n_guests++ == 0) ring(k); /* The thread may be asleep for good. */
    pthread_mutex_unlock(&k->lock);
    stats_add(STAT_CONNECTIONS, 1);
}

static void forget_unsent(int fd) {
    const struct linger none = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

void keeper_cut(struct guest *guest) {
    atomic_store(&guest->cut, true);
    forget_unsent(guest->fd);
}

void keeper_dismiss(struct keeper *k, struct guest *guest, bool drain) {
    int unread = 0;
    drain = drain || (ioctl(guest->fd, FIONREAD, &unread) == 0 && unread > 0);
    drain = drain && !atomic_load(&guest->cut);
    if (drain) shutdown(guest->fd, SHUT_WR);
    pthread_mutex_lock(&k->lock);
    if (guest->previous)
        guest->previous->next = guest->next;
    else
        k->guests = guest->next;
    if (guest->next) guest->next->previous = guest->previous;
    if (k->cursor == guest) k->cursor = guest->next;
    k->n_guests--;
    crowd_leave(k->addresses, guest->fd);
    if (drain && k->n_drains < DRAINS && !k->stopping) drain_start(k, guest->fd);
    pthread_mutex_unlock(&k->lock);
    stats_add(STAT_CONNECTIONS, -1);
}

void keeper_watch(struct keeper *k, struct guest *guest, atomic_bool *left) {
    pthread_mutex_lock(&k->lock);
    guest->watch = ++k->watches;
    guest->left = left;
    guest->previous_watched = NULL;
    guest->next_watched = k->watched;
    if (guest->next_watched) guest->next_watched->previous_watched = guest;
    k->watched = guest;
    /* A client that has only shut its writing side is taken for gone: nothing tells them apart. */
    listen_for(k, guest->fd, EPOLLRDHUP | EPOLLONESHOT, guest->watch, TAG_WATCH);
    pthread_mutex_unlock(&k->lock);
}

void keeper_unwatch(struct keeper *k, struct guest *guest) {
    pthread_mutex_lock(&k->lock);
    epoll_ctl(k->epoll, EPOLL_CTL_DEL, guest->fd, NULL);
    if (guest->previous_watched)
        guest->previous_watched->next_watched = guest->next_watched;
    else
        k->watched = guest->next_watched;
    if (guest->next_watched) guest->next_watched->previous_watched = guest->previous_watched;
    guest->watch = 0;
    pthread_mutex_unlock(&k->lock);
}

/* An event names its watch by a number that is never used again: its guest may be gone by now. */
static void client_left(struct keeper *k, uint64_t watch) {
    pthread_mutex_lock(&k->lock);
    for (struct guest *g = k->watched; g; g = g->next_watched)
        if (g->watch == watch) atomic_store(g->left, true);
    pthread_mutex_unlock(&k->lock);
}

void keeper_cancel_all(struct keeper *k) {
    pthread_mutex_lock(&k->lock);
    for (struct guest *g = k->watched; g; g = g->next_watched) atomic_store(g->left, true);
    pthread_mutex_unlock(&k->lock);
}

/* ---- the thread ---- */

/* The memory of a crowd that has left goes back to the system, when nobody is there to wait for it. */
static void give_back(struct keeper *k, size_t guests) {
    if (guests > k->crowd) k->crowd = guests;
    if (guests > 0 || k->crowd < CROWD) return;
    malloc_trim(0);
    k->crowd = 0;
}

/* Whether a client has closed its side and nothing that it sent is left to read. */
static bool has_ended(int fd) {
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* The owner of a guest's socket closes it when it finds it shut down, and not before keeper_dismiss,
 * so that the number is still this socket's. */
static void inspect(struct guest *g, int64_t now) {
    int64_t deadline = atomic_load_explicit(&g->deadline, memory_order_relaxed);
    if (deadline && now >= deadline) {
        atomic_store_explicit(&g->deadline, 0, memory_order_relaxed);
        keeper_cut(g);
        shutdown(g->fd, SHUT_RDWR);
        stats_add(STAT_TIMED_OUT, 1);
    } else if (has_ended(g->fd)) {
        /* The library can miss an end that comes together with the last bytes. This makes it look. */
        shutdown(g->fd, SHUT_RD);
    }
}

/* Looks at all guests, a few at a time: nobody is to wait long for the lock. */
static void sweep_guests(struct keeper *k, int64_t now) {
    pthread_mutex_lock(&k->lock);
    size_t guests = k->n_guests;
    k->cursor = k->guests;
    while (k->cursor) {
        for (int i = 0; i < SWEEP_STEP && k->cursor; i++) {
            struct guest *g = k->cursor;
            k->cursor = g->next;
            inspect(g, now);
        }
        pthread_mutex_unlock(&k->lock);
        pthread_mutex_lock(&k->lock);
    }
    pthread_mutex_unlock(&k->lock);
    give_back(k, guests);
}

static void sweep_drains(struct keeper *k, int64_t now) {
    pthread_mutex_lock(&k->lock);
    struct drain *d = k->drains;
    pthread_mutex_unlock(&k->lock);
    /* Others add in front only, and this thread alone removes. */
    for (struct drain *next; d; d = next) {
        next = d->next;
        if (now >= d->deadline) drain_end(k, d);
    }
}

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
        client_left(k, rest);
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
        sweep_guests(k, now);
        sweep_drains(k, now);
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

static bool listen_for_all(struct keeper *k) {
    bool ok = k->epoll >= 0 && k->bell >= 0 && listen_for(k, k->bell, EPOLLIN, 0, TAG_BELL);
    for (int i = 0; i < k->n_doors; i++)
        ok = ok && listen_for(k, k->doors[i].fd, EPOLLIN, (uint64_t)i, TAG_DOOR);
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
    if (k->addresses && listen_for_all(k) && start_thread(k)) return true;
    keeper_free(k);
    *out = NULL;
    return false;
}

void keeper_stop(struct keeper *k) {
    pthread_mutex_lock(&k->lock);
    k->stopping = true;
    ring(k);
    pthread_mutex_unlock(&k->lock);
    pthread_join(k->thread, NULL);
    while (k->drains) drain_end(k, k->drains);
    keeper_free(k);
}
