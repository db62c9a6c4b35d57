/* The file of tokens, which says who may ask for what:
 *
 *     # the shop's own programs
 *     token 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae shop read,compute
 *     tenant shop sessions=1000 bytes=2G requests=50
 *
 * A line is a token (the SHA-256 of it, its tenant, its scopes) or a tenant's quotas. What stands behind
 * a # is a comment. A tenant needs no line of its own: then the server's limits are its only ones. */
#ifndef GRADD_SERVER_TOKEN_FILE_H
#define GRADD_SERVER_TOKEN_FILE_H

#include <stdint.h>

#include "server/scope.h"
#include "server/secret.h"

/* What a tenant may have at a time, all its tokens together. Left out: no more than all tenants
 * together may. */
#define QUOTAS(X)                                                                                  \
    X(sessions, "sessions")                                                                        \
    X(bytes, "bytes that they hold")                                                               \
    X(functions, "functions")                                                                      \
    X(jobs, "jobs that run")                                                                       \
    X(requests, "requests a second, on the average; a second's worth may come at once")

enum { QUOTA_NONE = -1 };
struct quotas {
#define QUOTA_FIELD(name, meaning) int64_t name; /* QUOTA_NONE: not said */
    QUOTAS(QUOTA_FIELD)
#undef QUOTA_FIELD
};

enum { TENANT_NAME = 64 };

struct token_row {
    struct secret_digest digest;
    unsigned scopes;
    size_t tenant; /* place among the tenants */
    int line;
};

struct tenant_row {
    char name[TENANT_NAME + 1];
    struct quotas quotas;
    int line; /* of its quotas; 0: it has none */
};

struct token_file {
    struct token_row *tokens; /* in the order of their digests */
    size_t n_tokens, token_capacity;
    struct tenant_row *tenants;
    size_t n_tenants, tenant_capacity;
};

/* Reads a file, whole or not at all: after false, `problem` says in one sentence what is wrong in which
 * line, and there is nothing to free. */
bool token_file_read(struct token_file *out, const char *path, char *problem, size_t size);
void token_file_free(struct token_file *f);

/* `gradd token [TENANT [SCOPES]]`: makes a token, which standard error shows, and prints its line for
 * the file. `arguments` are those behind the word; returns the exit code. */
int token_print(int n, char *const *arguments);

/* Letters, digits, '.', '_' and '-', no more than TENANT_NAME of them. */
bool tenant_name_is_good(const char *name);

#endif
