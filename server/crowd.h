/* How many connections each address has. */
#ifndef GRADD_SERVER_CROWD_H
#define GRADD_SERVER_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct crowd;

/* No address has more than `most`. NULL without memory or random bytes. */
struct crowd *crowd_new(size_t most);
void crowd_free(struct crowd *c);

/* Counts a connection, with the descriptor `fd`, until crowd_leave. A /64 of IPv6 is one address, as
 * whoever has one of these has them all; what has no address, such as a Unix socket, is not counted.
 * False where there are as many of the address as may be, and then it is not counted. */
bool crowd_enter(struct crowd *c, int fd, const struct sockaddr *from);

/* The descriptor is about to be closed. Where that was forgotten it is made up for when the system gives
 * out the same number again. */
void crowd_leave(struct crowd *c, int fd);

/* Connections that are counted, for tests. */
size_t crowd_count(const struct crowd *c);

#endif
