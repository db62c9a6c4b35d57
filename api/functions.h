/* Functions: graphs with their constants, sent once and called by name by all clients. A function is
 * immutable and counted by its users, so that calls of it run side by side while it is replaced. */
#ifndef GRADD_API_FUNCTIONS_H
#define GRADD_API_FUNCTIONS_H

#include <stdatomic.h>

#include "api/json.h"
#include "api/names.h"
#include "api/service.h"

struct function_input {
    const char *name;
    enum dtype dtype;
    struct shape shape;
};

struct function_constant {
    const char *name;
    struct tensor tensor;
};

struct function {
    atomic_int references;
    char name[SERVICE_ID + 1];
    char etag[40];
    double created_at;
    struct arena arena; /* of all below */
    enum dtype dtype;
    const struct json *graph;
    struct function_constant *constants;
    size_t n_constants;
    bool has_inputs;
    struct function_input *inputs;
    size_t n_inputs;
    /* The table's own. */
    struct function *next;
    uint64_t order;
    uint32_t hash;
};

void function_release(struct function *f);

/* The input that a binding is for; *out is NULL where the function says nothing of its inputs. False
 * where it has none of that name. */
bool function_input(const struct function *f, const char *name, const struct function_input **out,
                    struct error *error);
/* Whether a tensor is what the input takes. */
bool function_fits(const struct function *f, const struct function_input *input,
                   const struct tensor *t, struct error *error);
/* Whether all inputs are among the names that were bound. */
bool function_bound(const struct function *f, const struct names *names, struct error *error);

/* Writes what GET answers. */
void function_write(struct writer *out, const struct function *f, enum tensor_format format,
                    bool values);
/* The same without graph and constants, for a list. */
void function_write_row(struct writer *out, const struct function *f);
/* Writes all of a function, for a store: `object` is a struct function. False without memory. */
bool function_encode(const void *object, struct writer *out);
/* The function whose bytes are the call's body, as it was, with one reference; it is in no table. NULL after
 * a failure. */
struct function *function_decode(const struct service_call *call, struct error *error);

/* ---- all of them ---- */

struct functions *functions_new(int64_t most, uint64_t seed);
void functions_free(struct functions *all);
/* A quota of functions; negative: none. */
void functions_set_quota(struct functions *all, int64_t functions);

/* The function of that name, to be released; NULL where there is none, with the nearest one in the
 * sentence. */
struct function *functions_find(struct functions *all, const char *name, struct error *error);

/* What is checked and done together: `allows` is asked with the function that has the name now, or
 * NULL, and must not take long. */
typedef bool (*functions_allows)(void *context, const struct function *there, struct error *error);

/* Puts a function in the place of the one of its name, and takes one reference; *replaced says whether
 * there was one. */
bool functions_put(struct functions *all, struct function *f, functions_allows allows,
                   void *context, bool *replaced, struct error *error);
bool functions_remove(struct functions *all, const char *name, functions_allows allows,
                      void *context, struct error *error);

/* Up to `most` functions behind the one numbered `after`, in the order in which they were first put;
 * each is to be released. */
size_t functions_list(struct functions *all, uint64_t after, struct function **out, size_t most,
                      bool *more);
int64_t functions_count(struct functions *all);

#define FUNCTION_SERVICES(X)                                                                       \
    X(evaluate)                                                                                    \
    X(gradient) X(jacobian) X(hessian) X(jvp) X(vjp) X(hvp) X(check) X(minimize) X(least_squares)
#define FUNCTION_SERVICE(name)                                                                     \
    bool service_function_##name(const struct service_call *call, struct writer *out,              \
                                 struct error *error);
FUNCTION_SERVICES(FUNCTION_SERVICE)
#undef FUNCTION_SERVICE
bool service_function_put(const struct service_call *call, struct writer *out, struct error *error);
bool service_function_get(const struct service_call *call, struct writer *out, struct error *error);
bool service_function_delete(const struct service_call *call, struct writer *out,
                             struct error *error);
bool service_functions_list(const struct service_call *call, struct writer *out,
                            struct error *error);

#endif
