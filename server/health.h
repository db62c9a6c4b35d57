/* `gradd health`: asks a running server how it is, for whoever has no other client at hand. */
#ifndef GRADD_SERVER_HEALTH_H
#define GRADD_SERVER_HEALTH_H

#include "server/listen.h"

/* Asks /healthz of the address, by TLS or not; `what` may be another path, or a URL
 * (http://HOST:PORT/path, https:, or unix:/path of a socket) in place of all that. Whose certificate a
 * server shows is not verified: nothing is told it. Prints the answer, or one sentence on standard
 * error. Returns 0 where the answer is 200, else 1. */
int health_ask(const struct listen_address *address, bool tls, const char *what);

#endif
