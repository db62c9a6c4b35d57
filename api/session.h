/* A session: one client's variables, constants, named results and tapes. It is touched by one request
 * at a time (the registry sees to that), so that nothing here locks. All it holds is charged to its
 * account. No HTTP and no JSON here. */
#ifndef GRADD_API_SESSION_H
#define GRADD_API_SESSION_H

#include "api/service.h"
#include "core/block.h"
#include "core/error.h"
#include "core/recorder.h"

enum item_kind { ITEM_VARIABLE, ITEM_CONSTANT, ITEM_TENSOR };

/* Something with a name. */
struct item {
    uint64_t id;          /* counts up in the order of creation and is never given again */
    uint64_t version;     /* another number after each change, also across items of one name */
    uint8_t kind;         /* enum item_kind */
    bool settled;         /* while a session is imported: it is as it is to be */
    bool trainable;       /* of a variable */
    struct held value;    /* no owner: a gradient that is None */
    struct places places; /* where it stands in the recorder's program */
    struct item *next;    /* of those that were removed */
    uint32_t hash;
    uint32_t length;
    char name[]; /* NUL-terminated */
};

/* Items by name, in the order of creation. */
struct items {
    struct item **list; /* NULL where one was removed */
    uint32_t n, capacity, removed;
    uint32_t *slots; /* 1 + place in the list, 0: free */
    uint32_t n_slots;
};

enum { SESSION_ID = 64 };

struct journal_entry;
struct training;

/* A label: key and value, NUL-terminated, one behind the other. */
struct label {
    struct label *next;
    const char *value; /* in `key` */
    char key[];
};

/* What a store has of a session, as of the last time that it was told. */
enum { SESSION_GONE = 8 };
struct session_range {
    int64_t from, to;
};
struct session_kept {
    bool any;           /* else it is to be kept as a whole */
    bool tapes;         /* there has been one */
    uint64_t changes;   /* all that has changed up to this one */
    uint64_t entries;   /* of the journal up to this one */
    uint64_t optimizer; /* its version */
    uint32_t n_gone;    /* of the parts that are there no more */
    struct session_range gone[SESSION_GONE];
};

struct session {
    char id[SESSION_ID + 1];
    struct account account;
    double created_at;    /* seconds since the epoch */
    double ttl_seconds;   /* after the last use; 0: none */
    enum dtype dtype;     /* the default of what its requests say */
    struct label *labels; /* in the order of their keys */
    struct items items;
    uint64_t changes; /* counts every change; versions are taken from it */
    uint64_t last_id; /* of an item */
    struct journal_entry *journal, *journal_last; /* what made the tapes */
    uint64_t last_entry;                          /* of the journal */
    struct session_kept kept;
    struct item *removed; /* variables and constants that went since the journal's last entry */
    struct recorder *recorder; /* NULL while there is no tape */
    struct training *training; /* its optimizer, or NULL */
    uint64_t consumed;         /* bit i: tape last_tape - i was consumed, and not deleted since */
    uint64_t last_tape;        /* the number in the newest tape's name */
};

/* A new session with one user; NULL without memory. `limit` is that of its account. */
struct session *session_new(const char *id, enum dtype dtype, size_t limit);
void session_free(struct session *s);

/* All that a session holds again, under another id: the same identities, tapes that go on by themselves.
 * NULL past `limit`. */
struct session *session_copy(const struct session *s, const char *id, size_t limit);

/* The item of that name, or NULL. */
struct item *session_find(const struct session *s, const char *name, size_t length);
/* The i-th item in the order of creation, i < s->items.n, or NULL where it was removed. */
struct item *session_item(const struct session *s, uint32_t i);
/* The known name nearest to `name`, or NULL. `kinds` has bit 1 << kind of each kind that counts. */
const char *session_nearest(const struct session *s, const char *name, unsigned kinds);

/* Adds an item whose name is not taken, or NULL past the limit (session_fail_memory says so). `value`
 * is copied into memory of the session; NULL data: None. */
struct item *session_add(struct session *s, const char *name, size_t length, enum item_kind kind,
                         bool trainable, const struct tensor *value);
/* The same with a value that is held already, whose reference becomes the item's. */
struct item *session_add_held(struct session *s, const char *name, size_t length,
                              enum item_kind kind, bool trainable, struct held value);
/* Gives an item another value, which may have another dtype and shape; false past the limit, and then
 * nothing has changed. A variable's earlier reads stay what they were. */
bool session_set(struct session *s, struct item *item, const struct tensor *value);
/* The same with a value that is held already; takes over the reference and cannot fail. */
void session_set_held(struct session *s, struct item *item, struct held value);
void session_remove(struct session *s, struct item *item);
/* A store is to keep it no more: an item, an entry of the journal. */
void session_drop_item(struct session *s, uint64_t id);
void session_drop_entry(struct session *s, uint64_t number);
/* The names of those that were removed are of no use any more. */
void session_forget_removed(struct session *s);
/* Takes the newest item back as if it had never been added; nothing else has changed since. */
void session_take_back(struct session *s, struct item *item);
/* Puts the items into the order of their identities, where somebody has given them other ones. */
void session_sort(struct session *s);

/* Replaces all labels by one; false past the limit. A NULL value removes. */
bool session_label(struct session *s, const char *key, const char *value);

/* The same in two steps, of which the second cannot fail: a label that is no label yet, NULL past the limit
 * or without memory; and its place among the others, or its end. */
struct label *session_make_label(struct session *s, const char *key, const char *value);
void session_put_label(struct session *s, struct label *made);
void session_drop_label(struct session *s, struct label *made);
void session_unlabel(struct session *s, const char *key);

/* "the session would hold more than ... bytes (max_session_bytes)"; false. */
bool session_fail_memory(const struct session *s, struct error *error);

/* What `bytes` shows. */
static inline size_t session_bytes(const struct session *s) { return s->account.bytes; }

#endif
