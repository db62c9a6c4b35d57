/* The keeper of the door: one thread that accepts connections and does for them what the HTTP
 * library does not: it cuts those that are too slow, notices when a client leaves while its request
 * is being worked on, and reads on for a while after a refusal, so that the sender gets to see it. */
#ifndef GRADD_SERVER_KEEPER_H
#define GRADD_SERVER_KEEPER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct keeper;

/* A connection, as the keeper knows it. Whoever serves it owns the memory. */
struct guest {
    int fd;
    _Atomic int64_t
        deadline;    /* clock_coarse nanoseconds; 0: none. Past it the socket is shut down. */
    atomic_bool cut; /* nobody waits for it any more */
    uint64_t watch;  /* which watch this is, 0: none */
    atomic_bool *left;
    struct guest *previous, *next;                 /* of all guests */
    struct guest *previous_watched, *next_watched; /* of those that are watched */
};

/* A listening socket. */
struct keeper_door {
    int fd;
    const char *refusal; /* written to whom there is no descriptor for; NULL: nothing */
    const char *crowded; /* written to whose address has connections enough; NULL: nothing */
    const char *full;    /* written to who comes when all places are taken; NULL: nothing */
};
enum { KEEPER_DOORS = 16 };

/* Takes over a socket that was accepted at door number `door`; closes it where it cannot serve it. */
typedef void (*keeper_welcome)(void *context, int door, int fd, const struct sockaddr *from,
                               socklen_t size);

/* Starts the thread at up to KEEPER_DOORS doors, whose sockets it owns from now on, and sets *out
 * before it welcomes anybody. Who comes when there are `most` guests, or from an address that has
 * `most_of_address` of them, is told so and shown out. After a refusal at most `drain` bytes are read.
 * False where the system has no room. */
bool keeper_start(struct keeper **out, const struct keeper_door *doors, int n_doors, size_t most,
                  size_t most_of_address, int64_t drain, keeper_welcome welcome, void *context);

/* Accepts no more; returns when the listening sockets are closed. */
void keeper_close_doors(struct keeper *k);
void keeper_stop(struct keeper *k);

/* A guest comes, and goes: its socket is about to be closed by its owner. Where `drain` says so, or
 * where there are unread bytes, the keeper goes on reading from a copy of the socket. */
void keeper_admit(struct keeper *k, struct guest *guest, int fd, int64_t deadline);
void keeper_dismiss(struct keeper *k, struct guest *guest, bool drain);

/* A guest was too slow: what it has not read when its socket is closed is not kept for it by the system. */
void keeper_cut(struct guest *guest);

/* From keeper_watch until keeper_unwatch returns, `left` becomes true when the client goes. */
void keeper_watch(struct keeper *k, struct guest *guest, atomic_bool *left);
void keeper_unwatch(struct keeper *k, struct guest *guest);

/* Sets `left` of all that are watched, as if their clients had gone. */
void keeper_cancel_all(struct keeper *k);

/* CLOCK_MONOTONIC in nanoseconds, a few milliseconds late and nearly for nothing. */
int64_t clock_coarse(void);

#endif
