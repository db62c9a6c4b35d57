/* What the services of sessions share: the request's body and query, preconditions, changes of items
 * that are made whole or not at all, and how a session and its items are written. */
#ifndef GRADD_API_SESSION_IO_H
#define GRADD_API_SESSION_IO_H

#include "api/json.h"
#include "api/session.h"

/* One request, while it is answered. */
struct asked {
    const struct service_call *call;
    struct writer *out;
    struct error *error;
    struct session *session;
    struct arena arena;
    const struct json *body; /* an object, or what `any` allows; NULL: none was sent */
    enum tensor_format format;
    const char *ignored_decay; /* of an optimizer in the body, as in struct optimizer_sent */
};

/* What a service takes: names of members and of query parameters, NULL behind the last. */
struct takes {
    const char *members[12], *parameters[6];
    bool any;      /* the body may be a value of any kind; then `members` says nothing */
    bool optional; /* the body may be missing */
};

/* Decodes the request; asked_end must follow in any case. */
bool asked_begin(struct asked *a, const struct service_call *call, const struct takes *takes,
                 struct writer *out, struct error *error);
void asked_end(struct asked *a);
/* "the request needs more than ... bytes"; false. */
bool asked_fail_memory(struct asked *a);
/* Refuses what is no object, and members that are not among n names. */
bool asked_object(struct asked *a, const struct json *v, const char *const *names, size_t n);
/* A whole number in a parameter, `preset` where it is not there. */
bool asked_number(struct asked *a, const char *name, uint64_t least, uint64_t most, uint64_t preset,
                  uint64_t *out);
/* The member of the body, or NULL. */
const struct json *asked_member(const struct asked *a, const char *name);
/* The last value of the query parameter, or NULL. */
const char *asked_parameter(const struct asked *a, const char *name);
/* Refuses a value that is not of the type; false. */
bool asked_fail_type(struct asked *a, const struct json *v, const char *wants);
/* Says that the answer is too long, where it is; to be asked before the last change. */
bool asked_written(struct asked *a);
/* Refuses work under limits that the session is too large for, before it is copied or written. */
bool asked_within(struct asked *a);

/* If-Match and If-None-Match of a change; `etag` is NULL where there is nothing yet. `what` is the
 * thing's kind and `name` its name, for the sentence. */
bool asked_precondition(struct asked *a, const char *etag, const char *what, const char *name);

enum { ETAG = 40 };
void session_etag(const struct session *s, uint64_t version, char out[ETAG]);

/* Seconds since the epoch, to the microsecond. */
double wall_clock(void);

extern const char *const item_kind_names[]; /* "variable", ... by enum item_kind */
/* Finds an item of the path's second place; not_found says which is near. */
struct item *asked_item(struct asked *a, enum item_kind kind);

/* ---- changes ---- */

struct item_change {
    const char *name;
    size_t length;
    enum item_kind kind;
    bool removes;
    bool keeps_trainable; /* of an item that is there already */
    bool trainable;
    struct tensor value; /* to be copied; data NULL: None */
    /* Made by items_prepare. */
    struct item *item;
    struct held held;
    bool added;
};

/* A change from what was sent: a value, or with `kind` ITEM_VARIABLE {"value", "trainable"} too. */
bool item_change_read(struct asked *a, const struct json *v, const char *name, enum item_kind kind,
                      struct item_change *out);
/* Makes room for all of them. False after a failure, and then nothing has changed. */
bool items_prepare(struct session *s, struct item_change *changes, size_t n, struct error *error);
/* One of these follows. */
void items_commit(struct session *s, struct item_change *changes, size_t n);
void items_undo(struct session *s, struct item_change *changes, size_t n);

/* ---- labels and lifetime ---- */

/* Merges an object of labels (null removes one); null removes all. False after a failure, and then
 * nothing has changed. */
bool labels_check(struct asked *a, const struct json *labels);
bool labels_merge(struct asked *a, struct session *s, const struct json *labels);
/* A number of seconds above 0, or null: for ever, which is 0. */
bool ttl_read(struct asked *a, const struct json *v, double *out);

/* ---- answers ---- */

/* Writes ,"ttl_seconds": and ,"optimizer":{} of a session that has one. */
void write_ttl(struct writer *out, double seconds);
void write_training(struct writer *out, const struct session *s, bool slots);
/* Writes an item as an export has it: its value, of a variable in an object with "trainable". */
void item_export(struct writer *out, const struct item *item);
/* Writes {"name","value","dtype","shape"}, of a variable with "trainable". */
void item_write(struct writer *out, const char *name, enum item_kind kind, bool trainable,
                const struct tensor *value, enum tensor_format format);
/* Writes the members of what GET of a session answers, without braces. */
void session_write(struct writer *out, const struct session *s, enum tensor_format format);
/* Writes all of a session as what import reads, without its braces. */
void session_write_export(struct writer *out, const struct session *s);
void write_shape(struct writer *out, const struct shape *shape);
void write_time(struct writer *out, double seconds);
void write_labels(struct writer *out, const struct label *labels);

/* Answers with one item. */
bool answer_item(struct asked *a, const struct item *item);
/* Says what has changed, for the store. */
void reply_changed(const struct service_call *call, const struct session *s, bool deleted);

#endif
