/* Who is at the other end of a socket. */
#ifndef GRADD_SERVER_PEER_H
#define GRADD_SERVER_PEER_H

#include <netinet/in.h>
#include <sys/socket.h>

enum { PEER_NAME = INET6_ADDRSTRLEN };

/* Writes the address in digits, without its port; "unix" where it has none. */
void peer_name(const struct sockaddr *from, char out[PEER_NAME]);

#endif
