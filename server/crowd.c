/* Connections by address. Owns the table of addresses and, by descriptor, who is counted where; has no
 * lock, and knows nothing of what a connection is for. */
#include "server/crowd.h"

#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { BUCKETS = 4096, PLACES = 256 };

struct address {
    uint64_t key;
    size_t n;
    struct address *next; /* in its bucket */
};

struct crowd {
    size_t most, n, n_places;
    uint64_t seed;
    struct address **places; /* by descriptor; NULL: not counted */
    struct address *buckets[BUCKETS];
};

struct crowd *crowd_new(size_t most) {
    struct crowd *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->most = most;
    if (getrandom(&c->seed, sizeof c->seed, 0) == sizeof c->seed) return c;
    free(c);
    return NULL;
}

void crowd_free(struct crowd *c) {
    for (size_t i = 0; c && i < BUCKETS; i++)
        for (struct address *a = c->buckets[i], *next; a; a = next) {
            next = a->next;
            free(a);
        }
    if (c) free(c->places);
    free(c);
}

/* IPv4, also where it is written as IPv6, has numbers that no network of IPv6 has. 0: no address. */
static uint64_t key_of(const struct sockaddr *from) {
    uint64_t key = 0;
    uint32_t v4 = 0;
    if (from->sa_family == AF_INET) {
        v4 = ntohl(((const struct sockaddr_in *)(const void *)from)->sin_addr.s_addr);
    } else if (from->sa_family == AF_INET6) {
        const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr;
        if (!IN6_IS_ADDR_V4MAPPED(v6)) {
            memcpy(&key, v6, sizeof key);
            return key ? key : 1; /* ::1 has a network of zeros */
        }
        memcpy(&v4, &v6->s6_addr[12], sizeof v4);
        v4 = ntohl(v4);
    }
    return v4 ? UINT64_MAX << 32 | v4 : 0;
}

/* Nobody is to choose addresses that meet in one bucket. */
static struct address **bucket_of(struct crowd *c, uint64_t key) {
    uint64_t h = (key ^ c->seed) * UINT64_C(0x9E3779B97F4A7C15);
    h = (h ^ h >> 32 ^ c->seed) * UINT64_C(0xD6E8FEB86659FD93);
    return &c->buckets[h >> 52];
}

/* Its address, made where there was none; NULL without memory. */
static struct address *find(struct crowd *c, uint64_t key) {
    struct address **bucket = bucket_of(c, key);
    for (struct address *a = *bucket; a; a = a->next)
        if (a->key == key) return a;
    struct address *a = malloc(sizeof *a);
    if (!a) return NULL;
    *a = (struct address){.key = key, .next = *bucket};
    return *bucket = a;
}

static void drop(struct crowd *c, struct address *a) {
    struct address **at = bucket_of(c, a->key);
    while (*at != a) at = &(*at)->next;
    *at = a->next;
    free(a);
}

static bool make_place(struct crowd *c, size_t fd) {
    if (fd < c->n_places) return true;
    size_t n = c->n_places ? c->n_places : PLACES;
    while (n <= fd) n *= 2;
    struct address **places = realloc(c->places, n * sizeof(struct address *));
    if (!places) return false;
    for (size_t i = c->n_places; i < n; i++) places[i] = NULL;
    c->places = places;
    c->n_places = n;
    return true;
}

bool crowd_enter(struct crowd *c, int fd, const struct sockaddr *from) {
    const uint64_t key = key_of(from);
    crowd_leave(c, fd);
    /* Without memory to count it nobody is turned away. */
    if (!key || !make_place(c, (size_t)fd)) return true;
    struct address *a = find(c, key);
    if (!a) return true;
    if (a->n >= c->most) return false;
    a->n++;
    c->n++;
    c->places[fd] = a;
    return true;
}

void crowd_leave(struct crowd *c, int fd) {
    if ((size_t)fd >= c->n_places || !c->places[fd]) return;
    struct address *a = c->places[fd];
    c->places[fd] = NULL;
    c->n--;
    if (--a->n == 0) drop(c, a);
}

size_t crowd_count(const struct crowd *c) { return c->n; }
