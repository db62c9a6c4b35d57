/* Who may ask: names of the server, origins of pages, tokens and their scopes. What is asked for, and
 * what a body says, is not looked at here. */
#include "server/exchange_access.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/keeper.h"
#include "server/quote.h"

enum { QUOTED = 160 };

const char exchange_page_sends[] = "Authorization, Content-Type, Idempotency-Key, If-Match, "
                                   "If-None-Match, Last-Event-ID, X-Request-Id, traceparent, "
                                   "tracestate",
           exchange_page_sees[] =
               "ETag, Location, Retry-After, Server-Timing, WWW-Authenticate, X-Request-Id, "
               "traceresponse";

/* ---- web pages ---- */

/* A client of old need not say how it calls the server; a browser always does. */
static bool check_host(struct exchange *x) {
    char quoted[QUOTED];
    const struct web *web = &x->engine->web;
    if (!web->guards_host || x->trusts_host || !x->host || web_knows_host(web, x->host))
        return true;
    return error_set(&x->error, ERROR_FORBIDDEN,
                     "the server does not go by the name %s; --allowed-host gives it one",
                     quote_text(quoted, sizeof quoted, x->host));
}

static bool check_origin(struct exchange *x) {
    char quoted[QUOTED];
    const struct web *web = &x->engine->web;
    if (!x->origin) return true;
    x->allowed_origin = web_allow_origin(web, x->origin);
    if (x->allowed_origin) return true;
    if (x->host && web_is_own_origin(web, x->origin, x->host, x->engine->access)) return true;
    return error_set(&x->error, ERROR_FORBIDDEN,
                     "a request of the web origin %s is not allowed; --cors-origin allows it",
                     quote_text(quoted, sizeof quoted, x->origin));
}

static bool allows_one_origin(const struct web *web) {
    return web->n_origins > 0 && strcmp(web->origins[0], "*") != 0;
}

void exchange_tell_page(const struct exchange *x, struct answer *out) {
    const bool is_preflight = x->method == METHOD_OPTIONS && x->preflight_method;
    out->allow_origin = x->allowed_origin;
    out->is_preflight = is_preflight && x->allowed_origin && !x->error.code;
    /* With "*" a browser would refuse it, and rightly. */
    out->allow_credentials = x->allowed_origin && strcmp(x->allowed_origin, "*") != 0;
    /* What is kept of one answer is not for pages of another origin. */
    if (allows_one_origin(&x->engine->web)) out->vary = "Origin";
}

/* ---- tokens ---- */

/* What stands behind "Bearer "; NULL where that is not what it says. */
static const char *bearer_token(const char *authorization, size_t *n) {
    static const char scheme[] = "Bearer";
    const size_t length = sizeof scheme - 1;
    if (strncasecmp(authorization, scheme, length) != 0 || authorization[length] != ' ')
        return NULL;
    const char *token = authorization + length + strspn(authorization + length, " ");
    *n = strcspn(token, " \t");
    return *n && !token[*n + strspn(token + *n, " \t")] ? token : NULL;
}

/* RFC 6750 3: a request that names no token is told of none that is wrong. The token is not repeated:
 * answers and logs are kept. */
static bool fail_unknown(struct exchange *x, const char *why, const char *sentence) {
    snprintf(x->challenge, sizeof x->challenge, "Bearer%s", why);
    return error_set(&x->error, ERROR_UNAUTHENTICATED, "%s", sentence);
}

static bool check_token(struct exchange *x, struct grant *grant) {
    size_t n;
    if (x->authorizations == 0)
        return fail_unknown(x, "", "a token is wanted: Authorization: Bearer TOKEN");
    if (x->authorizations > 1)
        return fail_unknown(x, " error=\"invalid_request\"",
                            "the request has several Authorization headers, expected one");
    const char *token = bearer_token(x->authorization, &n);
    if (!token)
        return fail_unknown(x, " error=\"invalid_request\"",
                            "the Authorization header is not \"Bearer TOKEN\"");
    return access_find_again(x->engine->access, &x->token, token, n, grant) ||
           fail_unknown(x, " error=\"invalid_token\"", "the token is not a valid one");
}

static bool check_scope(struct exchange *x, unsigned scopes) {
    /* What is no route wants none, and is refused for that. */
    const bool is_route = x->route && route_takes(x->route, x->method);
    const unsigned wanted = is_route ? x->route->scope : SCOPE_NONE;
    if (wanted == SCOPE_NONE || scopes & wanted) return true;
    char name[SCOPES_TEXT], has[SCOPES_TEXT];
    scopes_write(wanted, name);
    snprintf(x->challenge, sizeof x->challenge, "Bearer error=\"insufficient_scope\", scope=\"%s\"",
             name);
    return error_set(&x->error, ERROR_FORBIDDEN,
                     "%s %s wants a token of the scope \"%s\"; this one has \"%s\"", x->method_name,
                     x->route->path, name, scopes_write(scopes, has));
}

/* What is open to all says nothing of anybody, and a browser asks with OPTIONS before it sends a token. */
static bool is_open(const struct exchange *x) {
    return x->route && (x->route->scope == SCOPE_NONE || x->method == METHOD_OPTIONS);
}

static bool check_rate(struct exchange *x) {
    const int64_t second = 1000000000, early = rate_take(&x->tenant->requests, clock_coarse());
    if (early == 0) return true;
    x->retry_after = (int)((early + second - 1) / second);
    return error_set(&x->error, ERROR_TOO_MANY_REQUESTS,
                     "the tenant asks more often than its quota of requests a second allows");
}

static bool check_access(struct exchange *x) {
    struct grant grant = {NULL, 0};
    if (!x->engine->access || is_open(x)) return true;
    if (!check_token(x, &grant)) return false;
    x->tenant = grant.tenant;
    return check_scope(x, grant.scopes) && check_rate(x);
}

bool exchange_allow(struct exchange *x) {
    return check_host(x) && check_origin(x) && check_access(x);
}
