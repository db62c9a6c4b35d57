/* The names of peers. Knows no connection. */
#include "server/peer.h"

#include <arpa/inet.h>
#include <string.h>

void peer_name(const struct sockaddr *from, char out[PEER_NAME]) {
    const void *address =
        from->sa_family == AF_INET6
            ? (const void *)&((const struct sockaddr_in6 *)(const void *)from)->sin6_addr
            : (const void *)&((const struct sockaddr_in *)(const void *)from)->sin_addr;
    if (from->sa_family == AF_UNIX || !inet_ntop(from->sa_family, address, out, PEER_NAME))
        strcpy(out, "unix");
}
