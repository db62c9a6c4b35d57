/* Who may ask: names of the server, origins of pages. What is asked for, and
 * what a body says, is not looked at here. */
#include "server/exchange_access.h"

#include <string.h>

#include "server/quote.h"

enum { QUOTED = 160 };

const char exchange_page_sends[] = "Authorization, Content-Type, Idempotency-Key, If-Match, "
                                   "If-None-Match, Last-Event-ID, X-Request-Id, traceparent, "
                                   "tracestate",
           exchange_page_sees[] =
               "ETag, Location, Retry-After, Server-Timing, WWW-Authenticate, X-Request-Id";

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
    if (!x->origin) return true;
    x->allowed_origin = web_allow_origin(&x->engine->web, x->origin);
    if (x->allowed_origin) return true;
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

bool exchange_allow(struct exchange *x) { return check_host(x) && check_origin(x); }
