/* Where what stays between requests is kept: an interface of few verbs, so that there may be several kinds
 * of store. What is kept is named by kind, tenant and id; its bytes are the api's affair. */
#ifndef GRADD_SERVER_STORE_H
#define GRADD_SERVER_STORE_H

#include "api/parts.h"
#include "core/error.h"

/* tag, what it is called */
#define STORE_KINDS(X)                                                                             \
    X(SESSION, "session")                                                                          \
    X(FUNCTION, "function")                                                                        \
    X(OPERATION, "operation")                                                                      \
    X(ANSWER, "answer") /* to a request with an Idempotency-Key */

enum store_kind {
#define STORE_ENUM(tag, text) STORE_##tag,
    STORE_KINDS(STORE_ENUM)
#undef STORE_ENUM
        STORE_KIND_COUNT
};

extern const char *const store_kind_names[];

/* Writes all of an object, or what a list is to say of it. False without memory. */
typedef bool (*store_encode)(const void *object, struct writer *out);
/* The same in parts: those that have changed since the store was told last, or the whole. */
typedef bool (*store_encode_parts)(const void *object, struct parts *out);

/* One thing that is to be kept from now on, or no longer. */
struct store_change {
    enum store_kind kind;
    bool deleted;
    const char *tenant, *id; /* these and `object` are valid during the call of save */
    /* These are called, if at all, before save returns. */
    store_encode encode;
    store_encode_parts encode_parts; /* in place of `encode`, of an object in parts */
    store_encode summarize;          /* NULL: a list says nothing beyond the names */
    const void *object;
};

/* Called once, on any thread, perhaps before save returns: all of the batch is kept now, or, where
 * `error` is not NULL, none of it is. What is kept holds against what the store promises: the memory
 * store promises nothing beyond the life of the process, a durable one a power cut. */
typedef void (*store_done)(void *context, const struct error *error);

/* What a list says of an object, valid during the call. */
struct store_row {
    const char *tenant, *id;
    const char *summary;
    size_t n_summary;
};

/* Of list: false ends the list. */
typedef bool (*store_each)(void *context, const struct store_row *row);

struct store;

struct store_verbs {
    const char *name;
    unsigned keeps; /* 1 << kind of those that load gives back what save was given */
    bool endures;   /* after the next open too */
    struct store *(*open)(const char *where, char *problem, size_t size);
    void (*close)(struct store *store); /* when all that was saved is done */
    /* Batches are kept in the order of the calls. */
    void (*save)(struct store *store, const struct store_change *changes, size_t n, store_done done,
                 void *context);
    /* Writes what save was given of an object, one part behind the other; false, with not_found where there is none. */
    bool (*load)(struct store *store, enum store_kind kind, const char *tenant, const char *id,
                 struct writer *out, struct error *error);
    /* All of a kind, of all tenants, in the order in which they were first saved. */
    bool (*list)(struct store *store, enum store_kind kind, store_each each, void *context,
                 struct error *error);
    /* Deletes, in its own time, those of a kind that were last saved more than so many seconds ago: of one
     * whose objects are saved as a whole. */
    void (*forget)(struct store *store, enum store_kind kind, int64_t seconds);
    /* Whether it can keep something now. */
    bool (*is_well)(struct store *store);
};

/* Every store begins with this. */
struct store {
    const struct store_verbs *verbs;
};

/* Keeps for the life of the process what lives nowhere else in it: answers. */
extern const struct store_verbs store_memory;
/* In a directory of its own. */
extern const struct store_verbs store_sqlite;

#endif
