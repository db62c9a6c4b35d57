/* Where gradd listens: Unix sockets beside ports, the sockets of a service manager, what that manager is
 * told, and what becomes of those for whom there is no file descriptor.
 *
 *     listen GRADD
 */
#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "wire.h"

static char directory[] = "/tmp/gradd-listen-XXXXXX";

/* A path in the directory of this test; the last eight are kept apart. */
static const char *at(const char *name) {
    static char paths[8][128];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

static const char *address_of(const char *path) {
    static char address[160];
    snprintf(address, sizeof address, "unix:%s", path);
    return address;
}

/* A gradd with these options; its ready line has been read. */
static struct child start_with(const char *a, const char *b, const char *c, const char *d) {
    const char *arguments[] = {"--log-level", "error", a, b, c, d, NULL};
    struct child child = spawn(arguments);
    if (get_ready(&child)) return child;
    char error[512];
    read_all(child.err, error, sizeof error);
    printf("      gradd did not get ready: %s\n", error);
    exit(1);
}

/* One that does not get ready: wants its exit code 1 and one line with `part` in it. */
static bool fails_with(const char *address, const char *part) {
    static char err[1024];
    const char *arguments[] = {"--listen", address, NULL};
    struct child child = spawn(arguments);
    read_all(child.err, err, sizeof err);
    reply.status = 0;
    CHECK(reap(&child, 5000) == 1);
    CHECK(strstr(err, part) && strchr(err, '\n') == err + strlen(err) - 1);
    return true;
}

static bool is_well(int fd) {
    const bool well = fd >= 0 && say(fd, GET("/healthz")) && hear(fd) == 200 && says("\"ok\"");
    if (fd >= 0) close(fd);
    return well;
}

static bool exists(const char *path) { return access(path, F_OK) == 0; }

/* ---- Unix sockets ---- */

static bool answers_on_a_unix_socket(void) {
    const char *path = at("a.sock");
    struct child child = start_with("--listen", address_of(path), NULL, NULL);
    CHECK(strstr(ready_line, " listening on unix:/tmp/"));
    int fd = dial_local(path);
    static const char body[] = "{\"graph\":\"x ** 2\",\"variables\":{\"x\":3.0}}";
    CHECK(
        say(fd, HEAD("POST", "/v1/gradient") "Content-Length: %zu\r\n\r\n%s", strlen(body), body));
    CHECK(hear(fd) == 200 && says("\"gradient\":{\"x\":6.0}"));
    close(fd);
    CHECK(is_well(dial_local(path)));
    CHECK(stop(&child) && !exists(path));
    return true;
}

static bool gives_its_socket_the_permissions_wanted(void) {
    const char *path = at("mode.sock");
    struct stat file;
    struct child child = start_with("--listen", address_of(path), NULL, NULL);
    CHECK(stat(path, &file) == 0 && (file.st_mode & 0777) == 0660);
    CHECK(stop(&child));
    child = start_with("--listen", address_of(path), "--socket-mode", "0600");
    CHECK(stat(path, &file) == 0 && (file.st_mode & 0777) == 0600);
    return stop(&child);
}

static bool replaces_a_socket_on_which_nobody_listens(void) {
    const char *path = at("stale.sock");
    struct child child = start_with("--listen", address_of(path), NULL, NULL);
    kill(child.pid, SIGKILL);
    CHECK(reap(&child, 5000) == 1000 + SIGKILL && exists(path));
    child = start_with("--listen", address_of(path), NULL, NULL);
    CHECK(is_well(dial_local(path)));
    return stop(&child);
}

static bool leaves_a_socket_to_the_server_that_listens_on_it(void) {
    const char *path = at("busy.sock");
    struct child child = start_with("--listen", address_of(path), NULL, NULL);
    CHECK(fails_with(address_of(path), "busy.sock: another server or another file is there\n"));
    CHECK(is_well(dial_local(path)));
    return stop(&child);
}

static bool leaves_a_file_that_is_no_socket(void) {
    const char *path = at("file");
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && close(fd) == 0);
    CHECK(fails_with(address_of(path), "/file: another server or another file is there\n"));
    return exists(path);
}

static bool leaves_the_socket_of_a_successor(void) {
    const char *path = at("heir.sock");
    struct child child = start_with("--listen", address_of(path), NULL, NULL);
    CHECK(unlink(path) == 0);
    struct child heir = start_with("--listen", address_of(path), NULL, NULL);
    CHECK(stop(&child));
    CHECK(is_well(dial_local(path)));
    return stop(&heir) && !exists(path);
}

static bool says_why_it_cannot_make_a_socket(void) {
    return fails_with(address_of(at("nowhere/x.sock")), "No such file or directory\n");
}

static bool listens_on_several_addresses(void) {
    char list[256];
    const char *path = at("both.sock");
    snprintf(list, sizeof list, "127.0.0.1:0,unix:%s", path);
    struct child child = start_with("--listen", list, NULL, NULL);
    CHECK(strstr(ready_line, path) && child.port > 0);
    CHECK(is_well(dial_local(path)) && is_well(dial(&child)));
    /* What a Unix socket is called is nobody's business; a port of loopback has its name checked. */
    int fd = dial_local(path);
    CHECK(say(fd, "GET /version HTTP/1.1\r\nHost: any.example\r\n\r\n") && hear(fd) == 200);
    close(fd);
    fd = dial(&child);
    CHECK(say(fd, "GET /version HTTP/1.1\r\nHost: any.example\r\n\r\n") && hear(fd) == 403);
    close(fd);
    return stop(&child);
}

/* ---- the service manager ---- */

static int passed_fd;           /* becomes file 3 of the next child */
static const char *notify_path; /* where it is to tell what it does */

static void be_managed(void) {
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    if (passed_fd >= 0) {
        dup2(passed_fd, 3);
        setenv("LISTEN_PID", pid, 1);
        setenv("LISTEN_FDS", "1", 1);
        setenv("LISTEN_FDNAMES", "gradd.socket", 1);
    }
    if (notify_path) {
        setenv("NOTIFY_SOCKET", notify_path, 1);
        setenv("WATCHDOG_USEC", "200000", 1);
        setenv("WATCHDOG_PID", pid, 1);
    }
}

/* A child of a manager that has opened one socket for it. */
static struct child start_managed(int fd, const char *path, const char *const *arguments) {
    passed_fd = fd;
    notify_path = path;
    in_child = be_managed;
    struct child child = spawn(arguments);
    in_child = NULL;
    return child;
}

static bool takes_over_the_socket_of_a_service_manager(void) {
    static const char *const arguments[] = {"--log-level", "error", NULL};
    /* A number that spawn does not close. */
    int fd = fcntl(new_socket(AF_INET), F_DUPFD_CLOEXEC, 1100);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&to, sizeof to) == 0 && listen(fd, 16) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&to, &(socklen_t){sizeof to}) == 0);
    /* Who comes before it has started waits in the queue. */
    struct child early = {.port = ntohs(to.sin_port)};
    int first = dial(&early);
    struct child child = start_managed(fd, NULL, arguments);
    CHECK(get_ready(&child) && child.port == early.port);
    CHECK(is_well(first) && is_well(dial(&child)));
    CHECK(stop(&child));
    /* The socket is the manager's: who comes now waits for the next start. */
    first = dial(&early);
    child = start_managed(fd, NULL, arguments);
    CHECK(get_ready(&child) && is_well(first));
    close(fd);
    return stop(&child);
}

static bool refuses_a_passed_socket_that_all_can_reach(void) {
    static char err[512];
    static const char *const arguments[] = {NULL};
    int fd = fcntl(new_socket(AF_INET), F_DUPFD_CLOEXEC, 1100);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&to, sizeof to) == 0 && listen(fd, 16) == 0);
    struct child child = start_managed(fd, NULL, arguments);
    read_all(child.err, err, sizeof err);
    CHECK(reap(&child, 5000) == 1 && strstr(err, " can be reached from other machines"));
    return close(fd) == 0;
}

static bool refuses_a_file_that_does_not_listen(void) {
    static char err[512];
    static const char *const arguments[] = {NULL};
    int fd = fcntl(open("/dev/null", O_RDONLY | O_CLOEXEC), F_DUPFD_CLOEXEC, 1100);
    struct child child = start_managed(fd, NULL, arguments);
    read_all(child.err, err, sizeof err);
    CHECK(reap(&child, 5000) == 1 && strstr(err, "the service manager passed file 3, expected"));
    return close(fd) == 0;
}

/* Reads what is told until `wanted` comes. */
static bool is_told(int fd, const char *wanted) {
    const int64_t end = now_ms() + 5000 * patience;
    while (now_ms() < end) {
        char text[256];
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (poll(&ready, 1, 100) <= 0) continue;
        const ssize_t n = recv(fd, text, sizeof text - 1, 0);
        text[n > 0 ? n : 0] = '\0';
        if (strncmp(text, wanted, strlen(wanted)) == 0) return true;
    }
    return false;
}

static bool tells_the_service_manager_how_it_is(void) {
    static const char *const arguments[] = {"--listen", "127.0.0.1:0", "--log-level", "error",
                                            NULL};
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(to.sun_path, sizeof to.sun_path, "%s", at("notify"));
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&to, sizeof to) == 0);
    struct child child = start_managed(-1, to.sun_path, arguments);
    CHECK(is_told(fd, "READY=1"));
    CHECK(is_told(fd, "WATCHDOG=1") && is_told(fd, "WATCHDOG=1"));
    kill(child.pid, SIGHUP);
    CHECK(is_told(fd, "RELOADING=1\nMONOTONIC_USEC=") && is_told(fd, "READY=1"));
    kill(child.pid, SIGTERM);
    CHECK(is_told(fd, "STOPPING=1"));
    return reap(&child, 5000) == 0 && close(fd) == 0;
}

/* ---- file descriptors ---- */

static rlim_t count_files(const struct child *child) {
    char path[64];
    rlim_t n = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)child->pid);
    DIR *files = opendir(path);
    for (struct dirent *file; files && (file = readdir(files));) n += file->d_name[0] != '.';
    if (files) closedir(files);
    return n;
}

static bool turns_away_whom_it_has_no_descriptor_for(void) {
    enum { ROOM = 8, MORE = 40 };
    struct child child = start("--threads", "2");
    int held[ROOM + MORE], served = 0, refused = 0;
    struct rlimit before, low;
    CHECK(prlimit(child.pid, RLIMIT_NOFILE, NULL, &before) == 0);
    low = before;
    low.rlim_cur = count_files(&child) + ROOM;
    CHECK(prlimit(child.pid, RLIMIT_NOFILE, &low, NULL) == 0);
    for (int i = 0; i < ROOM + MORE; i++) {
        CHECK((held[i] = dial(&child)) >= 0 && say(held[i], GET("/healthz")));
        const int status = hear(held[i]);
        CHECK(status == 200 || status == 503);
        status == 200 ? served++ : refused++;
        if (status == 503)
            CHECK(says("\"code\":\"overloaded\"") && header_is("Retry-After", "1") &&
                  hears_end(held[i]));
    }
    CHECK(served > 0 && served <= ROOM && refused >= MORE);
    /* Those inside are served as ever, and the next ones as soon as somebody has left. */
    CHECK(say(held[0], GET("/healthz")) && hear(held[0]) == 200);
    for (int i = 0; i < ROOM + MORE; i++) close(held[i]);
    const int64_t end = now_ms() + 5000 * patience;
    while (!is_well(dial(&child)) && now_ms() < end) sleep_ms(5);
    CHECK(prlimit(child.pid, RLIMIT_NOFILE, &before, NULL) == 0);
    CHECK(is_well(dial(&child)) && stat_of(&child, "connections", "refused") >= refused);
    return stop(&child);
}

static bool rests_while_there_is_no_descriptor(void) {
    struct child child = start("--threads", "1");
    struct rlimit before, low;
    CHECK(prlimit(child.pid, RLIMIT_NOFILE, NULL, &before) == 0);
    low = before;
    low.rlim_cur = 1;
    CHECK(prlimit(child.pid, RLIMIT_NOFILE, &low, NULL) == 0);
    /* Not even the spare descriptor can be had: who knocks waits, and is let in later. */
    int fd = dial(&child), second = dial(&child);
    CHECK(say(fd, GET("/healthz")) && say(second, GET("/healthz")));
    sleep_ms(300);
    CHECK(prlimit(child.pid, RLIMIT_NOFILE, &before, NULL) == 0);
    CHECK(hear(fd) == 200 && hear(second) == 200);
    close(fd);
    close(second);
    return stop(&child);
}

#define TESTS(X)                                                                                   \
    X(answers_on_a_unix_socket)                                                                    \
    X(gives_its_socket_the_permissions_wanted)                                                     \
    X(replaces_a_socket_on_which_nobody_listens)                                                   \
    X(leaves_a_socket_to_the_server_that_listens_on_it)                                            \
    X(leaves_a_file_that_is_no_socket)                                                             \
    X(leaves_the_socket_of_a_successor)                                                            \
    X(says_why_it_cannot_make_a_socket)                                                            \
    X(listens_on_several_addresses)                                                                \
    X(takes_over_the_socket_of_a_service_manager)                                                  \
    X(refuses_a_passed_socket_that_all_can_reach)                                                  \
    X(refuses_a_file_that_does_not_listen)                                                         \
    X(tells_the_service_manager_how_it_is)                                                         \
    X(turns_away_whom_it_has_no_descriptor_for)                                                    \
    X(rests_while_there_is_no_descriptor)

int main(int argc, char **argv) {
    static const struct test tests[] = {TESTS(TEST)};
    if (!mkdtemp(directory)) return 1;
    setenv("GRADD_ALLOWED_HOST", "gradd", 1);
    const int code = run_tests(argc, argv, NULL, NULL, tests, sizeof tests / sizeof *tests);
    DIR *files = opendir(directory);
    for (struct dirent *file; files && (file = readdir(files));)
        if (file->d_name[0] != '.') unlinkat(dirfd(files), file->d_name, 0);
    if (files) closedir(files);
    rmdir(directory);
    return code;
}
