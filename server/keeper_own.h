/* What the two files of the keeper share; keeper.h is what others see. */
#ifndef GRADD_SERVER_KEEPER_OWN_H
#define GRADD_SERVER_KEEPER_OWN_H

#include <pthread.h>

#include "server/crowd.h"
#include "server/keeper.h"

enum { DRAINS = 1024, DRAIN_STEP = 1 << 20, CROWD = 256 };

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

/* ---- the doors and the thread (keeper.c) ---- */

/* Has events of a socket wake the thread. */
bool keeper_listen(struct keeper *k, int fd, uint32_t events, uint64_t data, enum tag tag);
/* Wakes the thread. */
void keeper_ring(struct keeper *k);

/* ---- guests (keeper_guests.c) ---- */

/* The client of a watch has left. A watch is named by a number that is never used again: its guest may be
 * gone by now. */
void guest_left(struct keeper *k, uint64_t watch);
/* Looks at all guests: cuts those that are too slow. On the thread alone, as all below but drain_start. */
void guests_sweep(struct keeper *k, int64_t now);

/* Begins to read on from a copy of the socket, where there is room. Under the lock. */
void drain_start(struct keeper *k, int fd);
/* Reads what has come. */
void drain_some(struct keeper *k, struct drain *d);
void drain_end(struct keeper *k, struct drain *d);
/* Ends those whose time is up. */
void drains_sweep(struct keeper *k, int64_t now);

#endif
