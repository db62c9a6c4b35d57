/* Names of hosts and origins of web pages. Knows what is allowed, and no request. */
#include "server/web.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

enum { HOST_TEXT = 256 };

static bool is_port(const char *text) {
    const size_t n = strspn(text, "0123456789");
    return n > 0 && n <= 5 && !text[n];
}

/* A Host without its port, in `out`; false where it is none. */
static bool cut_port(const char *host, char out[HOST_TEXT]) {
    const char *end = host[0] == '[' ? strchr(host, ']') : host + strcspn(host, ":");
    if (!end) return false;
    if (*end == ']') end++;
    const size_t n = (size_t)(end - host);
    if (n == 0 || n >= HOST_TEXT || (*end && (*end != ':' || !is_port(end + 1)))) return false;
    memcpy(out, host, n);
    out[n] = '\0';
    return true;
}

static bool is_loopback(char *host) {
    struct in_addr v4;
    struct in6_addr v6;
    const size_t n = strlen(host);
    if (strcasecmp(host, "localhost") == 0) return true;
    if (host[0] != '[') return inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
    host[n - 1] = '\0';
    const bool parsed = inet_pton(AF_INET6, host + 1, &v6) == 1;
    host[n - 1] = ']';
    return parsed && memcmp(&v6, &in6addr_loopback, sizeof v6) == 0;
}

bool web_knows_host(const struct web *w, const char *host) {
    char name[HOST_TEXT];
    if (!cut_port(host, name)) return false;
    if (is_loopback(name)) return true;
    for (size_t i = 0; i < w->n_hosts; i++)
        if (strcasecmp(name, w->hosts[i]) == 0) return true;
    return false;
}

static bool is_address(const char *host) {
    char name[HOST_TEXT];
    struct in6_addr any;
    if (!cut_port(host, name)) return false;
    if (name[0] != '[') return inet_pton(AF_INET, name, &any) == 1;
    name[strlen(name) - 1] = '\0';
    return inet_pton(AF_INET6, name + 1, &any) == 1;
}

bool web_is_own_origin(const struct web *w, const char *origin, const char *host,
                       bool wants_token) {
    const bool plain = strncmp(origin, "http://", 7) == 0;
    if (!plain && strncmp(origin, "https://", 8) != 0) return false;
    return *host && strcasecmp(origin + (plain ? 7 : 8), host) == 0 &&
           (wants_token || web_knows_host(w, host) || is_address(host));
}

const char *web_allow_origin(const struct web *w, const char *origin) {
    for (size_t i = 0; i < w->n_origins; i++)
        if (strcmp(w->origins[i], "*") == 0 || strcmp(w->origins[i], origin) == 0)
            return w->origins[i];
    return NULL;
}

bool web_origin_is_good(const char *text) {
    static const char scheme[] = "abcdefghijklmnopqrstuvwxyz0123456789+-.",
                      host[] = "abcdefghijklmnopqrstuvwxyz0123456789-._[]:";
    if (strcmp(text, "*") == 0) return true;
    const size_t n = strspn(text, scheme);
    if (n == 0 || strncmp(text + n, "://", 3) != 0) return false;
    const char *at = text + n + 3;
    return *at && !at[strspn(at, host)] && at[strlen(at) - 1] != ':';
}

bool web_host_is_good(const char *text) {
    char name[HOST_TEXT];
    return cut_port(text, name) && strcmp(text, name) == 0 && !text[strcspn(text, " \t/@,*?#\\")];
}
