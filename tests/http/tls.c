/* Speaks TLS to a real gradd, through libcurl, with authorities and certificates that are made here by
 * openssl(1): who is let in, who is not, and what becomes of both when the files change.
 *
 *     tls GRADD
 */
#include <curl/curl.h>
#include <dirent.h>

#include "wire.h"

static char directory[] = "/tmp/gradd-tls-XXXXXX";

#define FIRST "{\"graph\":\"z = (x1 + 5) * x2 ** 2\",\"variables\":{\"x1\":2.0,\"x2\":3.0}}"
#define FIRST_ANSWER "{\"value\":63.0,\"gradient\":{\"x1\":9.0,\"x2\":42.0}}"

/* A file of this test's; the last sixteen names are kept apart. */
static const char *at(const char *name) {
    static char paths[16][64];
    static int next;
    char *path = paths[next++ % 16];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

/* ---- certificates ---- */

/* Runs a shell command in the directory. */
static bool shell(const char *format, ...) {
    char command[1024];
    int n = snprintf(command, sizeof command, "cd %s && exec 2>/dev/null && ", directory);
    va_list args;
    va_start(args, format);
    vsnprintf(command + n, sizeof command - (size_t)n, format, args);
    va_end(args);
    /* NOLINTNEXTLINE(cert-env33-c): the commands are those below */
    return system(command) == 0;
}

#define NEW_KEY "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"

static bool make_authority(const char *name) {
    return shell("openssl req -x509 " NEW_KEY " -keyout %s.key -out %s.pem -days 2 -subj /CN=%s",
                 name, name, name);
}

/* NAME.pem and NAME.key, for localhost, with the authority's signature. */
static bool make_pair(const char *name, const char *authority) {
    return shell("openssl req " NEW_KEY " -keyout %s.key -out %s.csr -subj '/O=Tests/CN=%s'"
                 " && printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\\n' > san"
                 " && openssl x509 -req -in %s.csr -CA %s.pem -CAkey %s.key -CAcreateserial -days 2"
                 " -extfile san -out %s.pem",
                 name, name, name, name, authority, authority, name);
}

static bool make_certificates(void) {
    return make_authority("ca") && make_authority("stranger") && make_pair("server", "ca") &&
           make_pair("next", "ca") && make_pair("client", "ca") && make_pair("alien", "stranger");
}

/* ---- the server and its clients ---- */

/* With a pair that a test may replace, and with more options or none. */
static struct child start_tls(const char *a, const char *b, const char *c, const char *d) {
    const char *arguments[] = {"--listen",
                               "127.0.0.1:0",
                               "--tls-cert",
                               at("live.pem"),
                               "--tls-key",
                               at("live.key"),
                               "--allowed-host",
                               "gradd",
                               a,
                               b,
                               c,
                               d,
                               NULL};
    if (!shell("cp server.pem live.pem && cp server.key live.key")) exit(1);
    struct child child = spawn(arguments);
    if (get_ready(&child) && strstr(ready_line, "https://127.0.0.1:")) return child;
    char text[512];
    read_all(child.err, text, sizeof text);
    fprintf(stderr, "tls: gradd did not get ready: %s %s\n", ready_line, text);
    exit(1);
}

static size_t take(char *bytes, size_t one, size_t n, void *context) {
    (void)context;
    const size_t room = BUFFER - 1 - reply.length, taken = one * n < room ? one * n : room;
    memcpy(reply.body + reply.length, bytes, taken);
    reply.length += taken;
    reply.body[reply.length] = '\0';
    return one * n;
}

/* A client that trusts the authority, and has the certificate of that name (NULL: none). */
static CURL *new_client(const struct child *child, const char *path, const char *name) {
    char url[128], file[32];
    CURL *curl = curl_easy_init();
    if (!curl) abort();
    snprintf(url, sizeof url, "https://localhost:%d%s", child->port, path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CAINFO, at("ca.pem"));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 20000L * patience);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    if (!name) return curl;
    snprintf(file, sizeof file, "%s.pem", name);
    curl_easy_setopt(curl, CURLOPT_SSLCERT, at(file));
    snprintf(file, sizeof file, "%s.key", name);
    curl_easy_setopt(curl, CURLOPT_SSLKEY, at(file));
    return curl;
}

/* The status of one request into `reply`; 0 where it came to none. */
static int fetch(CURL *curl) {
    long status = 0;
    reply.length = 0;
    reply.body[0] = '\0';
    if (curl_easy_perform(curl) != CURLE_OK) return reply.status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    return reply.status = (int)status;
}

static int fetch_once(const struct child *child, const char *path, const char *name) {
    CURL *curl = new_client(child, path, name);
    const int status = fetch(curl);
    curl_easy_cleanup(curl);
    return status;
}

/* The name in the certificate that the server shows. */
static bool shows(const struct child *child, const char *name) {
    bool found = false;
    char wanted[64];
    struct curl_certinfo *info = NULL;
    CURL *curl = new_client(child, "/healthz", NULL);
    curl_easy_setopt(curl, CURLOPT_CERTINFO, 1L);
    snprintf(wanted, sizeof wanted, "CN = %s", name);
    if (fetch(curl) == 200 && curl_easy_getinfo(curl, CURLINFO_CERTINFO, &info) == CURLE_OK)
        for (struct curl_slist *line = info->certinfo[0]; line; line = line->next)
            found =
                found || (strncmp(line->data, "Subject:", 8) == 0 && strstr(line->data, wanted));
    curl_easy_cleanup(curl);
    return found;
}

/* ---- the tests ---- */

static struct child server; /* of most tests */

static bool answers_the_first_request(void) {
    CURL *curl = new_client(&server, "/v1/gradient", NULL);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, FIRST);
    for (int i = 0; i < 3; i++) CHECK(fetch(curl) == 200 && strcmp(reply.body, FIRST_ANSWER) == 0);
    curl_easy_cleanup(curl);
    return true;
}

static bool takes_and_gives_what_fills_many_records(void) {
    static const char request[] =
        "{\"graph\":\"range(0.0, 100000.0) * x\",\"variables\":{\"x\":2}}";
    static char body[3 << 20];
    CURL *curl = new_client(&server, "/v1/evaluate", NULL);
    memset(body, ' ', sizeof body - 1);
    memcpy(body, request, sizeof request - 1);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    CHECK(fetch(curl) == 200 && reply.length > 500000);
    CHECK(says("{\"value\":[0.0,2.0,4.0,") && says(",199996.0,199998.0]}"));
    curl_easy_cleanup(curl);
    return true;
}

static bool works_for_many_at_a_time(void) {
    enum { MANY = 64 };
    CURL *clients[MANY];
    CURLM *all = curl_multi_init();
    int running = 1, well = 0, left = 0;
    for (int i = 0; i < MANY; i++) {
        clients[i] = new_client(&server, "/v1/gradient", NULL);
        /* Half of it is work for workers: its connection is suspended meanwhile. */
        curl_easy_setopt(clients[i], CURLOPT_POSTFIELDS,
                         i % 2
                             ? FIRST
                             : "{\"graph\":\"m = broadcast_to(x, [200, 200])\\nreduce_sum(m @ m)\","
                               "\"variables\":{\"x\":1.0}}");
        curl_multi_add_handle(all, clients[i]);
    }
    while (running && curl_multi_perform(all, &running) == CURLM_OK)
        curl_multi_poll(all, NULL, 0, 100, NULL);
    for (CURLMsg *message; (message = curl_multi_info_read(all, &left));) {
        long status = 0;
        curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
        well += message->data.result == CURLE_OK && status == 200;
    }
    for (int i = 0; i < MANY; i++) {
        curl_multi_remove_handle(all, clients[i]);
        curl_easy_cleanup(clients[i]);
    }
    curl_multi_cleanup(all);
    CHECK(well == MANY);
    return true;
}

static bool tells_a_stream_as_it_comes(void) {
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: text/event-stream");
    CURL *curl = new_client(&server, "/v1/minimize", NULL);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(
        curl, CURLOPT_POSTFIELDS,
        "{\"graph\":\"x ** 2\",\"variables\":{\"x\":5},\"optimizer\":{\"name\":\"SGD\","
        "\"learning_rate\":0.1},\"steps\":50}");
    CHECK(fetch(curl) == 200 && says("event: progress") && says("event: done"));
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    return true;
}

static bool answers_in_the_middle_of_a_body(void) {
    static char body[1 << 20];
    struct child child = start_tls("--max-body", "1000", "--log-level", "error");
    struct curl_slist *headers = curl_slist_append(NULL, "Transfer-Encoding: chunked");
    headers = curl_slist_append(headers, "Expect:");
    CURL *curl = new_client(&child, "/v1/gradient", NULL);
    FILE *file = fmemopen(body, sizeof body, "r");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_READDATA, file);
    CHECK(file && fetch(curl) == 413 && says("the body has more than 1000 bytes"));
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    fclose(file);
    return stop(&child);
}

static bool is_known_by_its_authority_alone(void) {
    CURL *curl = new_client(&server, "/healthz", NULL);
    curl_easy_setopt(curl, CURLOPT_CAINFO, at("stranger.pem"));
    CHECK(curl_easy_perform(curl) == CURLE_PEER_FAILED_VERIFICATION);
    curl_easy_cleanup(curl);
    return true;
}

static bool speaks_tls_1_2_and_up(void) {
    static const struct {
        long most;
        bool well;
    } versions[] = {{CURL_SSLVERSION_MAX_TLSv1_0, false},
                    {CURL_SSLVERSION_MAX_TLSv1_1, false},
                    {CURL_SSLVERSION_MAX_TLSv1_2, true},
                    {CURL_SSLVERSION_MAX_TLSv1_3, true}};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        CURL *curl = new_client(&server, "/healthz", NULL);
        curl_easy_setopt(curl, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_0 | versions[i].most);
        /* Else this client would not even propose the old ones. */
        curl_easy_setopt(curl, CURLOPT_SSL_CIPHER_LIST, "DEFAULT:@SECLEVEL=0");
        CHECK((fetch(curl) == 200) == versions[i].well);
        curl_easy_cleanup(curl);
    }
    return true;
}

static bool cuts_who_speaks_no_tls(void) {
    int fd = dial(&server);
    CHECK(say(fd, GET("/healthz")));
    CHECK(hear(fd) == 0);
    close(fd);
    return fetch_once(&server, "/healthz", NULL) == 200;
}

static bool lives_through_handshakes_that_are_given_up(void) {
    static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    for (int i = 0; i < 200; i++) {
        int fd = dial(&server);
        CHECK(fd >= 0 && say_bytes(fd, hello, (size_t)(i % 12)));
        close(fd);
    }
    return fetch_once(&server, "/healthz", NULL) == 200;
}

static bool cuts_who_shakes_hands_slowly(void) {
    /* The beginning of a greeting of 508 bytes, which never becomes whole. */
    static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    setenv("GRADD_HEADER_SECONDS", "1", 1);
    struct child child = start_tls("--log-level", "error", NULL, NULL);
    unsetenv("GRADD_HEADER_SECONDS");
    int fd = dial(&child);
    CHECK(fd >= 0 && say_bytes(fd, hello, sizeof hello - 1));
    /* It is cut although it never stops talking. */
    const int64_t end = now_ms() + 60000 * patience;
    struct pollfd state = {.fd = fd, .events = POLLIN | POLLRDHUP};
    while (poll(&state, 1, 100) == 0 && now_ms() < end)
        if (send(fd, "x", 1, MSG_NOSIGNAL) < 0) break;
    CHECK(now_ms() < end);
    close(fd);
    CHECK(fetch_once(&child, "/healthz", NULL) == 200);
    return stop(&child);
}

static bool shows_a_new_certificate_without_dropping_anybody(void) {
    struct child child = start_tls("--log-level", "error", NULL, NULL);
    CURL *kept = new_client(&child, "/healthz", NULL);
    CHECK(fetch(kept) == 200 && shows(&child, "server"));
    CHECK(shell("cp next.pem live.pem && cp next.key live.key"));
    kill(child.pid, SIGHUP);
    const int64_t end = now_ms() + 5000 * patience;
    while (!shows(&child, "next") && now_ms() < end) sleep_ms(5);
    CHECK(shows(&child, "next"));
    long connections = -1;
    CHECK(fetch(kept) == 200);
    curl_easy_getinfo(kept, CURLINFO_NUM_CONNECTS, &connections);
    CHECK(connections == 0);
    curl_easy_cleanup(kept);
    return stop(&child);
}

/* As certbot(1) has it: a link to a file elsewhere, which is made anew. */
static bool follows_a_link_to_a_newer_certificate(void) {
    const char *arguments[] = {"--listen",       "127.0.0.1:0", "--tls-cert",
                               at("linked.pem"), "--tls-key",   at("linked.key"),
                               "--log-level",    "error",       NULL};
    CHECK(shell("mkdir archive && for i in pem key; do cp server.$i archive/1.$i;"
                " cp next.$i archive/2.$i; ln -s archive/1.$i linked.$i; done"));
    struct child child = spawn(arguments);
    CHECK(get_ready(&child) && shows(&child, "server"));
    CHECK(shell("for i in pem key; do ln -sf archive/2.$i linked.$i; done"));
    kill(child.pid, SIGHUP);
    const int64_t end = now_ms() + 5000 * patience;
    while (!shows(&child, "next") && now_ms() < end) sleep_ms(5);
    CHECK(shows(&child, "next"));
    return stop(&child);
}

/* Reads lines of the log until one has that part. */
static bool is_logged(const struct child *child, const char *part) {
    char line[1024];
    size_t n = 0;
    struct pollfd ready = {.fd = child->err, .events = POLLIN};
    for (char c; poll(&ready, 1, 5000 * patience) == 1 && read(child->err, &c, 1) == 1;) {
        if (n + 1 < sizeof line) line[n++] = c;
        line[n] = '\0';
        if (c != '\n') continue;
        if (strstr(line, part)) return true;
        n = 0;
    }
    return false;
}

static bool keeps_its_certificate_where_the_new_one_is_none(void) {
    struct child child = start_tls("--log-level", "error", NULL, NULL);
    CHECK(shell("cp next.key live.key"));
    kill(child.pid, SIGHUP);
    CHECK(is_logged(&child, "level=error event=tls_refused problem=\""));
    CHECK(shows(&child, "server"));
    CHECK(shell("printf nonsense > live.pem"));
    kill(child.pid, SIGHUP);
    CHECK(is_logged(&child, "level=error event=tls_refused problem=\""));
    CHECK(shows(&child, "server"));
    return stop(&child);
}

static bool lets_in_clients_with_the_right_certificate_alone(void) {
    struct child child = start_tls("--tls-client-ca", at("ca.pem"), "--log-level", "error");
    CHECK(fetch_once(&child, "/healthz", "client") == 200);
    CHECK(fetch_once(&child, "/healthz", NULL) == 0);
    CHECK(fetch_once(&child, "/healthz", "alien") == 0);
    CHECK(fetch_once(&child, "/healthz", "client") == 200);
    /* Who was refused comes in by TLS 1.2 no more than by 1.3. */
    CURL *curl = new_client(&child, "/healthz", NULL);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, CURL_SSLVERSION_MAX_TLSv1_2);
    CHECK(fetch(curl) == 0);
    curl_easy_cleanup(curl);
    return stop(&child);
}

static bool logs_the_subject_of_a_client(void) {
    struct child child = start_tls("--tls-client-ca", at("ca.pem"), "--log-level", "debug");
    CHECK(fetch_once(&child, "/healthz", "client") == 200);
    CHECK(is_logged(&child, "client=\"CN=client,O=Tests\""));
    return stop(&child);
}

static bool spares_who_comes_back_the_exchange_of_keys(void) {
    static const char command[] =
        "for v in tls1_2 tls1_3; do rm -f ticket;"
        " printf 'GET /healthz HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' |"
        " openssl s_client -connect 127.0.0.1:%d -$v -ign_eof -sess_out ticket >first;"
        " printf 'GET /healthz HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' |"
        " openssl s_client -connect 127.0.0.1:%d -$v -ign_eof -sess_in ticket >second;"
        " grep -q '^New,' first && grep -q '^Reused,' second && grep -q '\"ok\"' second || exit 1;"
        " done";
    CHECK(shell(command, server.port, server.port));
    return true;
}

/* Standard output and error of a gradd that ends by itself; returns its exit code. */
static char out[16 << 10], err[1024];
static int run_to_end(const char *const *arguments) {
    struct child child = spawn(arguments);
    read_all(child.out, out, sizeof out);
    read_all(child.err, err, sizeof err);
    reply.status = 0;
    return reap(&child, 10000);
}

static bool says_what_is_wrong_with_its_files(void) {
    static const struct {
        const char *certificate, *key, *ca, *says;
        int code;
    } cases[] = {
        {"server.pem", "next.key", NULL, " are no certificate with its key: ", 1},
        {"nowhere.pem", "server.key", NULL, "nowhere.pem: No such file or directory", 1},
        {"server.key", "server.key", NULL, " are no certificate with its key: ", 1},
        {"server.pem", "server.key", "client.key", " holds no certificate of an authority: ", 1},
        {"server.pem", NULL, NULL, "gradd: --tls-cert wants --tls-key beside it\n", 2},
        {NULL, "server.key", NULL, "gradd: --tls-key wants --tls-cert beside it\n", 2},
        {NULL, NULL, "ca.pem", "gradd: --tls-client-ca wants --tls-cert beside it\n", 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *arguments[10] = {"--listen", "127.0.0.1:0"};
        int n = 2;
        if (cases[i].certificate)
            arguments[n++] = "--tls-cert", arguments[n++] = at(cases[i].certificate);
        if (cases[i].key) arguments[n++] = "--tls-key", arguments[n++] = at(cases[i].key);
        if (cases[i].ca) arguments[n++] = "--tls-client-ca", arguments[n++] = at(cases[i].ca);
        const int code = run_to_end(arguments);
        if (code != cases[i].code || !strstr(err, cases[i].says))
            printf("      case %zu: exit code %d, %s", i, code, err);
        CHECK(code == cases[i].code && strstr(err, cases[i].says));
    }
    return true;
}

static bool checks_its_files_without_starting(void) {
    const char *arguments[] = {"--check-config", "--tls-cert",   at("server.pem"),
                               "--tls-key",      at("next.key"), NULL};
    CHECK(run_to_end(arguments) == 2 && strstr(err, " are no certificate with its key: "));
    arguments[4] = at("server.key");
    CHECK(run_to_end(arguments) == 0 && strstr(out, "tls-cert = /tmp/gradd-tls-"));
    return true;
}

static bool speaks_plainly_on_a_unix_socket(void) {
    char list[128];
    snprintf(list, sizeof list, "127.0.0.1:0,unix:%s", at("socket"));
    const char *arguments[] = {"--listen",       list,        "--tls-cert",
                               at("server.pem"), "--tls-key", at("server.key"),
                               "--log-level",    "error",     NULL};
    struct child child = spawn(arguments);
    CHECK(get_ready(&child) && strstr(ready_line, "https://127.0.0.1:"));
    int fd = dial_local(at("socket"));
    CHECK(say(fd, GET("/healthz")) && hear(fd) == 200);
    close(fd);
    CHECK(fetch_once(&child, "/healthz", NULL) == 200);
    return stop(&child);
}

static bool is_found_well_by_tls(void) {
    char url[64];
    const char *arguments[] = {"health", url, NULL};
    snprintf(url, sizeof url, "https://127.0.0.1:%d", server.port);
    CHECK(run_to_end(arguments) == 0 && strcmp(out, "{\"status\":\"ok\"}\n") == 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d", server.port);
    CHECK(run_to_end(arguments) == 1 && strstr(err, "gradd health: "));
    snprintf(url, sizeof url, "https://127.0.0.1:%d", usual.port);
    CHECK(run_to_end(arguments) == 1 && strstr(err, "gradd health: "));
    return true;
}

#define TESTS(X)                                                                                   \
    X(answers_the_first_request)                                                                   \
    X(takes_and_gives_what_fills_many_records)                                                     \
    X(works_for_many_at_a_time)                                                                    \
    X(tells_a_stream_as_it_comes)                                                                  \
    X(answers_in_the_middle_of_a_body)                                                             \
    X(is_known_by_its_authority_alone)                                                             \
    X(speaks_tls_1_2_and_up)                                                                       \
    X(cuts_who_speaks_no_tls)                                                                      \
    X(lives_through_handshakes_that_are_given_up)                                                  \
    X(cuts_who_shakes_hands_slowly)                                                                \
    X(shows_a_new_certificate_without_dropping_anybody)                                            \
    X(follows_a_link_to_a_newer_certificate)                                                       \
    X(keeps_its_certificate_where_the_new_one_is_none)                                             \
    X(lets_in_clients_with_the_right_certificate_alone)                                            \
    X(logs_the_subject_of_a_client)                                                                \
    X(spares_who_comes_back_the_exchange_of_keys)                                                  \
    X(says_what_is_wrong_with_its_files)                                                           \
    X(checks_its_files_without_starting)                                                           \
    X(speaks_plainly_on_a_unix_socket)                                                             \
    X(is_found_well_by_tls)

/* Starts the server of most tests, for run_tests has one without TLS. */
static bool starts(void) {
    server = start_tls("--log-level", "error", NULL, NULL);
    return true;
}

static bool ends_well(void) { return stop(&server); }

int main(int argc, char **argv) {
    static const struct test tests[] = {TEST(starts) TESTS(TEST) TEST(ends_well)};
    if (!mkdtemp(directory) || !make_certificates()) {
        fprintf(stderr, "tls: openssl made no certificates\n");
        return 1;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    const int code = run_tests(argc, argv, NULL, NULL, tests, sizeof tests / sizeof *tests);
    curl_global_cleanup();
    shell("rm -rf -- *");
    rmdir(directory);
    return code;
}
