/* Connections of the client, by libcurl: handles that are kept, and one try of one call. It does not know
 * what is asked, nor whether it will be asked again. */
#include "api/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/client_own.h"
#include "core/slab.h"

enum { TOKEN_MOST = 4096, REASON = 256 };

/* ---- clients ----------------------------------------------------------------------------------- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode global;

/* The memory of large answers goes back to the system with them. */
static void begin(void) {
    global = curl_global_init(CURL_GLOBAL_DEFAULT);
    slab_keep(0);
}

static char *header_of(const char *token, size_t n) {
    static const char before[] = "Authorization: Bearer ";
    char *header = malloc(sizeof before + n);
    if (!header) return NULL;
    memcpy(header, before, sizeof before - 1);
    memcpy(header + sizeof before - 1, token, n);
    header[sizeof before - 1 + n] = '\0';
    return header;
}

/* The first line of the file. */
static const char *read_token(struct gradd_client *c, const char *path) {
    char line[TOKEN_MOST];
    FILE *file = fopen(path, "re");
    const size_t read = file ? fread(line, 1, sizeof line - 1, file) : 0;
    const bool failed = !file || ferror(file);
    if (file) fclose(file);
    if (failed) return "the token file cannot be read";
    line[read] = '\0';
    const size_t n = strcspn(line, " \t\r\n");
    if (n < read && !line[n]) return "the token file has a byte 0 in its first line";
    if (n == 0 || n == sizeof line - 1) return "the token file has no token in its first line";
    c->authorization = header_of(line, n);
    return c->authorization ? NULL : "out of memory";
}

static const char *set_url(struct gradd_client *c, const char *url) {
    size_t n = strlen(url);
    if (strncmp(url, "unix:", 5) == 0) {
        c->socket = strdup(url + 5);
        c->url = strdup("http://localhost");
        return !c->socket || !c->url ? "out of memory" : *c->socket ? NULL : "the URL has no path";
    }
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return "the URL is not one of http://, https:// or unix:/path";
    if (strpbrk(url, "?#")) return "the URL has a query or a fragment";
    while (n && url[n - 1] == '/') n--;
    c->url = strndup(url, n);
    return c->url ? NULL : "out of memory";
}

/* Its own copy of a text; NULL stays so. */
static bool keep(const char **text, const char *preset) {
    if (!*text) *text = preset;
    if (!*text) return true;
    *text = strdup(*text);
    return *text;
}

static const char *set_options(struct gradd_client *c, const struct gradd_options *given) {
    static const struct gradd_options none;
    struct gradd_options *o = &c->options;
    const struct gradd_options from = given ? *given : none;
    const char *url = from.url ? from.url : "http://127.0.0.1:8080";
    o->connect_seconds = from.connect_seconds > 0 ? from.connect_seconds : 10;
    o->timeout_seconds = from.timeout_seconds > 0 ? from.timeout_seconds : 90;
    o->wait_seconds = from.wait_seconds > 0 ? from.wait_seconds : 10;
    o->tries = from.tries > 0 ? from.tries : 4;
    o->answer_bytes = from.answer_bytes ? from.answer_bytes : (size_t)1 << 30;
    const struct {
        const char **to, *text, *preset;
    } texts[] = {{&o->ca_file, from.ca_file, NULL},
                 {&o->cert_file, from.cert_file, NULL},
                 {&o->key_file, from.key_file, NULL},
                 {&o->format, from.format, NULL},
                 {&o->user_agent, from.user_agent, "gradd-client/" GRADD_VERSION}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        *texts[i].to = texts[i].text;
        if (!keep(texts[i].to, texts[i].preset)) return "out of memory";
    }
    const char *why = set_url(c, url);
    if (why) return why;
    if (from.token_file) return read_token(c, from.token_file);
    if (!from.token) return NULL;
    if (strpbrk(from.token, "\r\n")) return "a token has one line";
    c->authorization = header_of(from.token, strlen(from.token));
    return c->authorization ? NULL : "out of memory";
}

struct gradd_client *gradd_client_new(const struct gradd_options *options, const char **reason) {
    const char *ignored;
    const char **why = reason ? reason : &ignored;
    pthread_once(&once, begin);
    *why = global == CURLE_OK ? NULL : "libcurl cannot begin";
    if (*why) return NULL;
    struct gradd_client *c = calloc(1, sizeof *c);
    if (!c) {
        *why = "out of memory";
        return NULL;
    }
    pthread_mutex_init(&c->lock, NULL);
    *why = set_options(c, options);
    if (!*why) return c;
    gradd_client_free(c);
    return NULL;
}

void gradd_client_free(struct gradd_client *c) {
    if (!c) return;
    while (c->n_idle) curl_easy_cleanup(c->idle[--c->n_idle]);
    pthread_mutex_destroy(&c->lock);
    const struct gradd_options *o = &c->options;
    const char *const texts[] = {o->ca_file,    o->cert_file, o->key_file, o->format,
                                 o->user_agent, c->url,       c->socket,   c->authorization};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) free((void *)(uintptr_t)texts[i]);
    free(c);
}

/* ---- handles ----------------------------------------------------------------------------------- */

/* A handle brings the connection that was last used with it. */
static CURL *take_handle(struct gradd_client *c) {
    pthread_mutex_lock(&c->lock);
    CURL *curl = c->n_idle ? c->idle[--c->n_idle] : NULL;
    pthread_mutex_unlock(&c->lock);
    return curl ? curl : curl_easy_init();
}

static void give_handle(struct gradd_client *c, CURL *curl) {
    curl_easy_reset(curl);
    pthread_mutex_lock(&c->lock);
    const bool kept = c->n_idle < CLIENT_IDLE;
    if (kept) c->idle[c->n_idle++] = curl;
    pthread_mutex_unlock(&c->lock);
    if (!kept) curl_easy_cleanup(curl);
}

/* ---- one try ----------------------------------------------------------------------------------- */

struct attempt {
    struct gradd_client *client;
    const struct client_call *call;
    struct gradd_answer *answer;
    CURL *curl;
    struct curl_slist *headers;
    char *url;
    bool refused; /* to take more, by what takes it */
    /* Of a stream: what had come when something last did, and when that was. */
    curl_off_t came;
    time_t then;
};

static size_t take_header(char *line, size_t size, size_t n, void *context) {
    struct attempt *t = context;
    answer_take_header(t->answer, line, size * n);
    return size * n;
}

static size_t take_body(char *bytes, size_t size, size_t n, void *context) {
    struct attempt *t = context;
    const char *type = gradd_answer_header(t->answer, "Content-Type");
    const bool streams = t->call->stream && type && strncmp(type, "text/event-stream", 17) == 0;
    const bool taken =
        streams ? stream_take(t->call->stream, bytes, size * n)
                : answer_take_body(t->answer, bytes, size * n, t->client->options.answer_bytes);
    t->refused = !taken;
    return taken ? size * n : 0;
}

/* What a failure names: the server, and nobody's password. */
static const char *place(const struct gradd_client *c) {
    if (c->socket) return c->socket;
    const char *host = strstr(c->url, "://") + 3, *at = memchr(host, '@', strcspn(host, "/"));
    return at ? at + 1 : c->url;
}

/* A stream may last; what it may not is to be silent. */
static int watch(void *context, curl_off_t size, curl_off_t came, curl_off_t up_size,
                 curl_off_t up) {
    (void)size, (void)up_size;
    struct attempt *t = context;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (!t->then || came + up != t->came) t->then = now.tv_sec, t->came = came + up;
    if ((double)(now.tv_sec - t->then) <= t->client->options.timeout_seconds) return 0;
    answer_fail(t->answer, GRADD_TIMEOUT, "%s: the stream has fallen silent", place(t->client));
    return 1;
}

static bool add_header(struct attempt *t, const char *name, const char *value) {
    char line[CLIENT_HEADER + 32];
    if (snprintf(line, sizeof line, "%s%s", name, value) >= (int)sizeof line) return false;
    struct curl_slist *longer = curl_slist_append(t->headers, line);
    if (longer) t->headers = longer;
    return longer;
}

static bool add_headers(struct attempt *t) {
    const struct client_call *call = t->call;
    const char *seen = call->stream ? call->stream->last_id : "";
    struct curl_slist *first = NULL;
    if (t->client->authorization) {
        first = curl_slist_append(NULL, t->client->authorization);
        if (!first) return false;
    }
    t->headers = first;
    return add_header(t, "Expect:", "") && add_header(t, "Content-Type: ", "application/json") &&
           (!call->stream || add_header(t, "Accept: ", "text/event-stream")) &&
           (!call->key[0] || add_header(t, "Idempotency-Key: ", call->key)) &&
           (!call->if_match || add_header(t, "If-Match: ", call->if_match)) &&
           (!seen[0] || add_header(t, "Last-Event-ID: ", seen));
}

static long milliseconds(double seconds) {
    return seconds < 1e9 ? (long)ceil(seconds * 1000) : 1000000000000;
}

/* All options at once; false where one is not taken. */
static bool set_handle(struct attempt *t) {
    const struct gradd_client *c = t->client;
    const struct gradd_options *o = &c->options;
    const struct client_call *call = t->call;
    const double most = o->timeout_seconds + call->more_seconds;
    CURL *curl = t->curl;
    CURLcode bad = CURLE_OK;
#define SET(option, value)                                                                         \
    if (!bad) bad = curl_easy_setopt(curl, CURLOPT_##option, value)
    SET(URL, t->url);
    SET(PROTOCOLS_STR, "http,https");
    SET(PATH_AS_IS, 1L); /* a name may be ".." */
    SET(NOSIGNAL, 1L);
    SET(HTTPHEADER, t->headers);
    SET(USERAGENT, o->user_agent);
    SET(CUSTOMREQUEST, call->method);
    if (strcmp(call->method, "HEAD") == 0) SET(NOBODY, 1L);
    SET(CONNECTTIMEOUT_MS, milliseconds(o->connect_seconds));
    SET(HEADERFUNCTION, take_header);
    SET(HEADERDATA, t);
    SET(WRITEFUNCTION, take_body);
    SET(WRITEDATA, t);
    if (c->socket) SET(UNIX_SOCKET_PATH, c->socket);
    if (o->ca_file) {
        SET(CAINFO, o->ca_file);
        SET(CAPATH, NULL); /* of the system's: they are not trusted too */
    }
    if (o->cert_file) SET(SSLCERT, o->cert_file);
    if (o->key_file) SET(SSLKEY, o->key_file);
    if (call->has_body) {
        SET(POSTFIELDS, call->body.length ? call->body.data : "");
        SET(POSTFIELDSIZE_LARGE, (curl_off_t)call->body.length);
    }
    if (!call->stream) {
        SET(TIMEOUT_MS, milliseconds(most));
    } else {
        SET(NOPROGRESS, 0L);
        SET(XFERINFOFUNCTION, watch);
        SET(XFERINFODATA, t);
    }
    /* libcurl sends a request again where an old connection turns out to be closed. What must not run
     * twice gets a new one. */
    if (!call_may_repeat(call)) SET(FRESH_CONNECT, 1L);
#undef SET
    return !bad;
}

static enum gradd_status status_of(CURLcode code) {
    switch (code) {
    case CURLE_OUT_OF_MEMORY:
        return GRADD_OUT_OF_MEMORY;
    case CURLE_OPERATION_TIMEDOUT:
        return GRADD_TIMEOUT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CIPHER:
        return GRADD_TLS;
    case CURLE_URL_MALFORMAT:
        return GRADD_INVALID;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL: /* no HTTP; of the URL it has been checked */
        return GRADD_PROTOCOL;
    default:
        return GRADD_NO_CONNECTION;
    }
}

static void perform(struct attempt *t, bool *sent) {
    long http = 0;
    curl_off_t connected = 0;
    const CURLcode code = curl_easy_perform(t->curl);
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &http);
    curl_easy_getinfo(t->curl, CURLINFO_PRETRANSFER_TIME_T, &connected);
    t->answer->http = (int)http;
    *sent = code == CURLE_OK || connected > 0;
    /* Of a stream that had its last event nothing is missing. */
    const bool done = t->call->stream && t->call->stream->done;
    if (code != CURLE_OK && !t->refused && !done)
        answer_fail(t->answer, status_of(code), "%s: %s", place(t->client),
                    curl_easy_strerror(code));
}

void client_try(struct gradd_client *c, const struct client_call *call, struct gradd_answer *answer,
                bool *sent) {
    struct attempt t = {.client = c, .call = call, .answer = answer, .curl = take_handle(c)};
    const size_t n = strlen(c->url);
    *sent = false;
    t.url = malloc(n + call->path.length + 1);
    if (t.url) {
        memcpy(t.url, c->url, n);
        memcpy(t.url + n, call->path.data, call->path.length);
        t.url[n + call->path.length] = '\0';
    }
    if (!t.url || !t.curl || !add_headers(&t) || !set_handle(&t))
        answer_fail(answer, GRADD_OUT_OF_MEMORY, "no memory for a request");
    else
        perform(&t, sent);
    if (t.curl) give_handle(c, t.curl);
    curl_slist_free_all(t.headers);
    free(t.url);
}
