/* What the parts of `crash` share: requests over a connection, and a client that writes down what it
 * asked and what was answered. */
#ifndef GRADD_TESTS_HTTP_CRASH_H
#define GRADD_TESTS_HTTP_CRASH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- a connection (crash_link.c) ------------------------------------------------------------------ */

struct link {
    int port, fd; /* fd is -1 where it is not connected */
    char *text;   /* what was received of the latest answer */
    size_t capacity;
};

struct answer {
    int status;
    char etag[64];
    const char *body; /* the link's, until the next request; NUL-terminated */
    size_t length;
};

/* Sends a request, on a new connection where there is none, and reads the answer. `key` is an
 * Idempotency-Key or "". False where no whole answer came; then the link is closed. */
bool link_ask(struct link *l, const char *method, const char *path, const char *key,
              const char *body, struct answer *out);
void link_close(struct link *l);
void link_free(struct link *l);

/* A text that grows. */
struct text {
    char *data; /* NUL-terminated, once something was said */
    size_t length, capacity;
};

void text_say(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_bytes(struct text *t, const char *bytes, size_t n);

/* ---- a client ------------------------------------------------------------------------------------- */

enum { DURABLE, REFERENCE, SERVERS };
enum { SLOTS = 4, SERIALS = 1 << 14, RETRIES = 8, JOBS = 4, ID = 72, FUNCTIONS = 3 };
enum { JOB_STEPS = 60, JOB_EVERY = 10 };

enum entry_kind {
    CHANGES, /* or does not, but does nothing else */
    CREATES, /* a session */
    ENDS,    /* one */
    COUNTS,  /* in the session that all clients share */
    JOB,     /* asks for one */
    WAITS    /* for it */
};

/* A request, and what was answered. */
struct entry {
    enum entry_kind kind;
    int serial; /* of the session, 0: none */
    char method[8];
    char path[160]; /* "$7" stands for the session of serial 7, "@" for the latest job */
    char key[48];
    char *body;
    int status; /* 0: there was no answer */
    char etag[64];
    char *answer;
};

/* The names of a session: of those that the server names, each server has another. */
struct known {
    char id[SERVERS][ID];
    char made[24]; /* when, as the durable server's ETags say */
};

struct client {
    int number;
    uint64_t random;
    struct link links[SERVERS];
    struct known *known; /* by serial */
    int last_serial;
    int slots[SLOTS]; /* serials of sessions that are there; 0: none */
    struct entry *log;
    size_t n, capacity;
    struct entry in_flight; /* kind and all, where has_in_flight */
    bool has_in_flight;
    long keys;
    char job[SERVERS][ID]; /* the latest one's id */
    int job_serial;        /* of its session, while its end is not known; 0: it is */
    struct entry retries[RETRIES], jobs[JOBS];
    size_t n_retries, n_jobs;
    /* The shared session's count: what was acknowledged, and what may be there beside. */
    long counted, uncertain;
    /* For the report. */
    long acknowledged, kept, lost, replayed, interrupted;
    struct text failure;
};

/* Set before gradd is killed: a connection that ends before that is a failure. */
extern atomic_bool is_killed;

/* Takes down what the durable server answered; the entry is in the log from then on. */
void client_take(struct client *c, struct entry *e, const struct answer *a);

/* Random changes until the connection ends (crash_write.c). */
void client_write(struct client *c);

/* Behind a restart: compares all that the client knows of with what the reference says when it is told
 * the same (crash_verify.c). */
void client_verify(struct client *c);

/* What a client's sessions and functions are on a server, in lines that are the same on two servers
 * where the state is (crash_state.c). */
void client_state(struct client *c, int server, struct text *out);
/* What the client says of an answer, with all that differs between two servers left out. */
void say_answer(struct text *t, const struct answer *a);
/* The path with the ids that the server knows. */
void client_path(const struct client *c, int server, const char *path, char *out, size_t size);
/* A string member of an answer, cut where it is longer; "" where there is none. */
void find_string(const char *body, const char *name, char *out, size_t size);

/* Asks one of the servers, of which the answer must come. */
bool client_ask(struct client *c, int server, const char *method, const char *path,
                const char *body, struct answer *out);
void client_fail(struct client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

uint64_t draw(uint64_t *state);
/* A number from 0 to n - 1; true once in n. */
int client_pick(struct client *c, int n);
bool client_chance(struct client *c, int n);

void entry_free(struct entry *e);

#endif
