/* Where sessions and functions are kept: an interface of few verbs, so that there may be several kinds
 * of store. What is kept is named by kind and id; its bytes are the api's affair. */
#ifndef GRADD_SERVER_STORE_H
#define GRADD_SERVER_STORE_H

#include "api/writer.h"
#include "core/error.h"

enum store_kind { STORE_SESSION, STORE_FUNCTION };

/* One thing that is to be kept from now on, or no longer. */
struct store_change {
    enum store_kind kind;
    bool deleted;
    const char *id; /* valid during the call of save, as `object` is */
    /* Writes all of the object; called, if at all, before save returns. False without memory. */
    bool (*encode)(const void *object, struct writer *out);
    const void *object;
};

/* Called once, on any thread, perhaps before save returns: all of the batch is kept now, or, where
 * `error` is not NULL, none of it is. What is kept holds against what the store promises: the memory
 * store promises nothing beyond the life of the process, a durable one a power cut. */
typedef void (*store_done)(void *context, const struct error *error);

/* Of list: false ends the list. */
typedef bool (*store_each)(void *context, const char *id);

struct store;

struct store_verbs {
    const char *name;
    bool keeps; /* load gives back what save was given, after the next open too */
    struct store *(*open)(const char *where, char *problem, size_t size);
    void (*close)(struct store *store); /* when all that was saved is done */
    /* Batches are kept in the order of the calls. After a failure the object in memory is newer than
     * what is kept; as each save has all of an object, the next one heals that. */
    void (*save)(struct store *store, const struct store_change *changes, size_t n, store_done done,
                 void *context);
    /* Writes what save was given of an object; false, with not_found where there is none. */
    bool (*load)(struct store *store, enum store_kind kind, const char *id, struct writer *out,
                 struct error *error);
    /* All ids of a kind, in the order in which they were first saved. */
    bool (*list)(struct store *store, enum store_kind kind, store_each each, void *context,
                 struct error *error);
};

/* Every store begins with this. */
struct store {
    const struct store_verbs *verbs;
};

/* Keeps nothing beyond what the process has in its memory anyway. */
extern const struct store_verbs store_memory;

#endif
