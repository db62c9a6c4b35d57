/* Who stands behind a token: the tokens that are valid now, read from their file and read again when
 * the operator says so. */
#ifndef GRADD_SERVER_ACCESS_H
#define GRADD_SERVER_ACCESS_H

#include "server/token_file.h"

struct access;
struct tenant;

/* The tenant of that name, which has these quotas from now on; made where there was none. It lives as
 * long as the process. NULL, with one sentence, where that cannot be. */
typedef struct tenant *(*access_tenant)(void *context, const char *name,
                                        const struct quotas *quotas, char *problem, size_t size);

/* NULL, with one sentence, where the file is not right. `path` must outlive it. */
struct access *access_open(const char *path, access_tenant tenant, void *context, char *problem,
                           size_t size);
void access_close(struct access *a);

/* Reads the file again. Where it is not right, all stays as it was; else a token that is not in it any
 * more is nobody's from here on. Meanwhile requests go on. */
bool access_reload(struct access *a, char *problem, size_t size);
size_t access_count(struct access *a);

struct grant {
    struct tenant *tenant;
    unsigned scopes;
};

/* False where the token is nobody's. */
bool access_find(struct access *a, const char *token, size_t n, struct grant *out);

/* What one connection sent last and was found: it mostly sends the same again. All bits 0: nothing yet. */
enum { ACCESS_MEMORY = 64 };
struct access_memory {
    uint64_t edition;
    size_t n;
    char token[ACCESS_MEMORY];
    struct grant grant;
};

/* The same, without a digest where the token is what the memory holds and the file was not read since. */
bool access_find_again(struct access *a, struct access_memory *m, const char *token, size_t n,
                       struct grant *out);

#endif
