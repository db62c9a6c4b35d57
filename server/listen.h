/* The addresses that gradd listens on, and its listening sockets. */
#ifndef GRADD_SERVER_LISTEN_H
#define GRADD_SERVER_LISTEN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/un.h>

struct listen_address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    } to;
    socklen_t size;
};

enum { LISTEN_MOST = 16 };
struct listen_list {
    int n;
    struct listen_address at[LISTEN_MOST];
};

/* What listen_parse accepts, for messages. */
extern const char listen_syntax[];

/* Reads 127.0.0.1:8080, [::1]:8080, localhost:8080 or unix:/path. */
bool listen_parse(const char *text, struct listen_address *out);

/* Reads one or more of these, with commas between them. */
bool listen_parse_list(const char *text, struct listen_list *out);

/* Whether nobody but this machine can reach an address. */
bool listen_is_loopback(const struct listen_address *address);

/* The address as a URL, such as http://127.0.0.1:8080, or as unix:/path. */
enum { LISTEN_URL = 128 };
const char *listen_url(const struct listen_address *address, char out[LISTEN_URL]);

/* A listening, non-blocking socket. */
struct listen_socket {
    int fd;
    bool tls;                      /* what is spoken on it; set by the caller */
    struct listen_address address; /* with the port that it really has */
    bool made; /* the file of a Unix socket was made here, and this one it is: */
    dev_t device;
    ino_t inode;
};
struct listen_sockets {
    int n;
    struct listen_socket at[LISTEN_MOST];
};

/* Opens all of a list. A Unix socket's file has the permissions `mode`; one that nobody listens on any
 * more is replaced. False with one sentence in `problem`, and then none is open. */
bool listen_open(const struct listen_list *list, mode_t mode, struct listen_sockets *out,
                 char *problem, size_t size);

/* The same of a socket: of one with TLS https://... */
const char *listen_socket_url(const struct listen_socket *s, char out[LISTEN_URL]);

/* Adds an open socket, of whoever started this process. False where it does not listen for streams. */
bool listen_adopt(struct listen_sockets *sockets, int fd);

/* Removes the files of Unix sockets that were made here and are still there. Before the sockets are
 * closed, so that a file made by a successor is not taken for this one. */
void listen_unlink(const struct listen_sockets *sockets);

#endif
