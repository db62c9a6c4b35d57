/* Those whom the keeper has let in: who is too slow, who has left, and who is read from for a while before he
 * goes. Owns the copies of sockets that are being drained; doors are not known here. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "server/keeper_own.h"
#include "server/stats.h"

enum { SWEEP_STEP = 256 };

static const int64_t drain_seconds = 30;

/* ---- draining ---- */

void drain_end(struct keeper *k, struct drain *d) {
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

void drain_some(struct keeper *k, struct drain *d) {
    /* On TCP this throws the bytes away without copying them. */
    ssize_t n = recv(d->fd, NULL, DRAIN_STEP, MSG_TRUNC | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n > 0) d->left -= n;
    if (n <= 0 || d->left <= 0) drain_end(k, d);
}

void drain_start(struct keeper *k, int fd) {
    struct drain *d = malloc(sizeof *d);
    if (!d) return;
    *d = (struct drain){.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0), .left = k->drain};
    d->deadline = clock_coarse() + drain_seconds * 1000000000;
    d->next = k->drains;
    if (d->fd >= 0 &&
        keeper_listen(k, d->fd, EPOLLIN | EPOLLRDHUP, (uint64_t)(uintptr_t)d >> 2, TAG_DRAIN)) {
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
    if (k->n_guests++ == 0) keeper_ring(k); /* The thread may be asleep for good. */
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
    keeper_listen(k, guest->fd, EPOLLRDHUP | EPOLLONESHOT, guest->watch, TAG_WATCH);
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

void guest_left(struct keeper *k, uint64_t watch) {
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

/* ---- once a second ---- */

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
        stats_add(STAT_TIMED_OUT, 1); /* before he hears of it himself */
        shutdown(g->fd, SHUT_RDWR);
    } else if (has_ended(g->fd)) {
        /* The library can miss an end that comes together with the last bytes. This makes it look. */
        shutdown(g->fd, SHUT_RD);
    }
}

/* A few at a time: nobody is to wait long for the lock. */
void guests_sweep(struct keeper *k, int64_t now) {
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

void drains_sweep(struct keeper *k, int64_t now) {
    pthread_mutex_lock(&k->lock);
    struct drain *d = k->drains;
    pthread_mutex_unlock(&k->lock);
    /* Others add in front only, and this thread alone removes. */
    for (struct drain *next; d; d = next) {
        next = d->next;
        if (now >= d->deadline) drain_end(k, d);
    }
}
