/* The address that gradd listens on. */
#ifndef GRADD_SERVER_LISTEN_H
#define GRADD_SERVER_LISTEN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

struct listen_address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } to;
    socklen_t size;
};

/* What listen_parse accepts, for messages. */
extern const char listen_syntax[];

/* Reads 127.0.0.1:8080, [::1]:8080 or localhost:8080. */
bool listen_parse(const char *text, struct listen_address *out);

/* Whether none but this machine reaches the address. */
bool listen_is_loopback(const struct listen_address *address);

/* A bound, listening, non-blocking socket, or -1 with one sentence in `problem`. */
int listen_open(const struct listen_address *address, char *problem, size_t size);

/* The address as a URL, such as http://127.0.0.1:8080; of a socket, with the port it really has. */
enum { LISTEN_URL = 80 };
const char *listen_url(const struct listen_address *address, char out[LISTEN_URL]);
const char *listen_socket_url(int fd, char out[LISTEN_URL]);

#endif
