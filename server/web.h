/* What web pages may do here: by which names the server may be called, and which origins may read its
 * answers. Any page in a browser can send requests to a server on the same machine, and a page whose
 * name is made to point at that machine (DNS rebinding) can read the answers too; what gives such
 * a request away is its Origin, or its Host. */
#ifndef GRADD_SERVER_WEB_H
#define GRADD_SERVER_WEB_H

#include <stdbool.h>
#include <stddef.h>

/* The texts are the options'. */
struct web {
    bool guards_host;           /* names other than loopback's and these are refused: */
    const char *const *hosts;   /* without ports */
    const char *const *origins; /* as browsers write them, or "*" */
    size_t n_hosts, n_origins;
};

/* Whether a Host is loopback's (localhost, 127.0.0.0/8, [::1]) or one of the names that were given, with
 * any port or none. */
bool web_knows_host(const struct web *w, const char *host);

/* Whether an origin is that of the server's own pages, of which /docs is one: http or https at the Host that the
 * request goes to. A page of any name can be made to point here, so that the name must be one that the server is
 * known by, or an address, or the request must want a token, which no such page has. */
bool web_is_own_origin(const struct web *w, const char *origin, const char *host, bool wants_token);

/* What Access-Control-Allow-Origin says to a page of that origin; NULL: it may read nothing. */
const char *web_allow_origin(const struct web *w, const char *origin);

/* Whether a text is "*" or an origin as a browser writes it: scheme, host, port unless it is the
 * scheme's own, and nothing behind. */
bool web_origin_is_good(const char *text);
/* Whether a text may be the name of a host: no port, no scheme. */
bool web_host_is_good(const char *text);

#endif
