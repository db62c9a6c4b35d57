/* What the parts of `model` share: what a session ought to be, and a client that asks gradd. */
#ifndef GRADD_TESTS_HTTP_MODEL_H
#define GRADD_TESTS_HTTP_MODEL_H

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- the model (model_session.c) ------------------------------------------------------------------ */

enum { VECTOR = 4, ITEMS = 16, NODES = 4000, TAPES = 4, TAPES_EVER = 1000, WATCHED = 64 };
enum { CONSUMED_KEPT = 64 }; /* the latest so many tapes are known as consumed */

enum dtype { F32, F64, I32 };
enum kind { VARIABLE, CONSTANT, TENSOR };
extern const char *const dtype_names[], *const kind_names[], *const kind_paths[];

/* Small whole numbers, with which every dtype is exact. */
struct value {
    enum dtype dtype;
    int length; /* 0: a scalar */
    double at[VECTOR];
};

/* An eager tensor, and the op that made it. */
enum op { LEAF, READ, ADD, SUB, MUL, NEG, SQUARE, SUM, SPREAD, STOP };

struct node {
    enum op op;
    int a, b;
    uint64_t handle; /* of the variable that READ reads */
    struct value value;
};

enum { NONE = -1 };

struct item {
    char name[4];
    enum kind kind;
    bool trainable;
    uint64_t id;        /* of a variable: what tapes watch */
    uint64_t handle;    /* and what READs are reads of: another where its dtype or shape changes */
    struct value value; /* of a variable */
    int node;           /* of others: NONE is a gradient that is None */
    bool has_momentum;  /* the optimizer has stepped it */
    struct value momentum;
    char etag[48];  /* "" where no answer has said it yet */
    char stale[48]; /* one that it had before */
};

enum { ON = 1, RECORDED = 2 };

struct tape {
    int number;
    bool persistent, watches, recording;
    uint64_t watched[WATCHED];
    int n_watched;
    unsigned char flags[NODES];
};

enum state { NEVER, LIVE, CONSUMED, DELETED };

struct session {
    char id[72];
    enum dtype dtype;
    char team[8]; /* a label; "": none */
    struct item items[ITEMS];
    int n_items;
    struct node nodes[NODES];
    int n_nodes;
    bool too_large; /* a number left the range in which all is exact */
    struct tape tapes[TAPES];
    int n_tapes, last_tape;
    unsigned char states[TAPES_EVER]; /* of tapes, by number */
    /* Its optimizer, an SGD of learning rate 1. */
    bool has_optimizer;
    int momentum; /* 0 or 1 */
    int iterations;
};

struct item *session_find(struct session *s, const char *name);
struct item *session_add(struct session *s, const char *name, enum kind kind);
void session_remove(struct session *s, struct item *item);
/* A variable's new value. */
void session_assign(struct item *item, const struct value *value);
/* The item has changed, and has this ETag now. */
void item_changed(struct item *item, const char *etag);
/* A constant's or a tensor's new node. */
void session_name(struct session *s, const char *name, enum kind kind, int node);
/* The value of an item, NULL: None. */
const struct value *session_value(const struct session *s, const struct item *item);

/* Takes back what was computed since. */
struct mark {
    int n_nodes, n_watched[TAPES];
};
struct mark session_mark(const struct session *s);
void session_rewind(struct session *s, const struct mark *mark);

/* Ops, seen by the tapes that record. */
int session_leaf(struct session *s, const struct value *value);
int session_op(struct session *s, enum op op, int a, int b);
/* What an item's name stands for in a graph: a variable is read. */
int session_use(struct session *s, const struct item *item);

struct tape *session_tape(struct session *s, int number);
struct tape *session_open_tape(struct session *s);
void session_end_tape(struct session *s, struct tape *tape, enum state state);
void session_reset_tape(struct session *s, struct tape *tape);
bool tape_watches(const struct tape *tape, const struct item *item);
void tape_watch(struct tape *tape, const struct item *item);

/* TensorFlow's gradient: a node by source, or NONE. */
void session_gradient(struct session *s, struct tape *tape, struct item *const *targets,
                      int n_targets, struct item *const *sources, int n_sources, int *gradients);

/* ---- a client (model_client.c) -------------------------------------------------------------------- */

/* A text that is being written. */
struct text {
    char data[256 << 10];
    size_t length;
};

void say(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A list's commas: nothing before the first. */
void say_comma(struct text *t);
/* A value as an answer shows it, and as a request sends it to a session of that default dtype. */
void say_value(struct text *t, const struct value *value);
void say_typed(struct text *t, const struct value *value, enum dtype preset);

struct received {
    char *data;
    size_t length, capacity;
};

struct client {
    int number;
    uint64_t random;
    CURL *curl;
    const char *base;
    long requests;
    bool failed;
    /* The latest request and its answer. */
    const char *method;
    char path[200], precondition[80];
    struct text body, wanted;
    struct received received;
    char etag[48];
    int status;
    cJSON *answer;
};

bool client_begin(struct client *c, const char *base, int number, uint64_t seed);
void client_end(struct client *c);

/* A number from 0 to n - 1; true once in n. */
int client_pick(struct client *c, int n);
bool client_chance(struct client *c, int n);

/* Sets the path of the next request, under /v1/. Its body is what was said into c->body since. */
void client_path(struct client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Sends the request. "@" before an ETag in c->precondition means If-None-Match. */
void client_ask(struct client *c, const char *method);
/* What must have been answered: the status, and c->wanted as JSON, or nothing where it is empty.
 * What differs from request to request (ids, times, bytes, sentences) is not compared. */
bool client_expect(struct client *c, int status);
/* The same of a problem with that code. */
bool client_expect_problem(struct client *c, int status, const char *code);
/* Says that something is wrong, with the latest request; false. */
bool client_fail(struct client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A string of the answer, "" where it is none. */
const char *client_member(const struct client *c, const char *name);

/* Its optimizer as an answer shows it, without braces. */
void say_optimizer(struct text *t, const struct session *s);

/* ---- random operations (model_items.c, ...) ---------------------------------------------- */

const char *random_name(struct client *c);
struct value random_value(struct client *c, const struct session *s);
/* An item that has a value, of any kind, NULL where there is none. */
struct item *random_item(struct client *c, struct session *s);
/* Writes one to three statements, "p = ...; q = ...", behind c->body, with their nodes in the model. 0
 * where nothing fits. */
enum { STATEMENTS = 3 };
struct local {
    char name[4];
    int node;
};
int random_graph(struct client *c, struct session *s, struct local locals[STATEMENTS]);
/* What the graph named stays. */
void keep_locals(struct session *s, const struct local *locals, int n);

/* One random operation on a session, with its answer compared. */
void operate_item(struct client *c, struct session *s);
void operate_execute(struct client *c, struct session *s);
void operate_tape(struct client *c, struct session *s);
void operate_training(struct client *c, struct session *s);

#endif
