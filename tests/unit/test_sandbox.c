/* The sandbox, part by part, each in a child that enters it and then tries what is refused and what is not. The
 * child says by its exit code how far it came. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/sandbox.h"
#include "server/store.h"

enum { PATH = 256 };

static char root[PATH]; /* holds data/, config/ and other/, each with a file in it */

static const char *in_root(const char *name) {
    static char paths[4][PATH + 64];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", root, name);
    return path;
}

/* Ends the child with the number of a line that did not hold. */
#define HOLDS(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) _exit(__LINE__ % 250 + 1);                                               \
    } while (0)
#define REFUSED(call) HOLDS((call) == -1 && errno == EPERM)

static void assert_child(void (*child)(void)) {
    const pid_t pid = fork();
    if (pid == 0) {
        child();
        _exit(0);
    }
    int status = 0;
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status)) print_error("line %d did not hold\n", WEXITSTATUS(status) - 1);
    assert_int_equal(WEXITSTATUS(status), 0);
}

static bool write_file(const char *path, const char *text) {
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0) close(fd);
    return written;
}

static bool reads(const char *path) {
    char c;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const bool read_one = fd >= 0 && read(fd, &c, 1) == 1;
    if (fd >= 0) close(fd);
    return read_one;
}

static int begin(void **state) {
    (void)state;
    snprintf(root, sizeof root, "/tmp/gradd-sandbox-XXXXXX");
    if (!mkdtemp(root)) return -1;
    for (const char *const *name = (const char *const[]){"data", "config", "other", NULL}; *name;
         name++) {
        char file[64];
        snprintf(file, sizeof file, "%s/file", *name);
        if (mkdir(in_root(*name), 0700) != 0 || !write_file(in_root(file), "text")) return -1;
    }
    return 0;
}

static int remove_one(const char *path, const struct stat *what, int kind, struct FTW *where) {
    (void)what, (void)kind, (void)where;
    return remove(path);
}

static int end(void **state) {
    enum { OPEN_MOST = 8 };
    (void)state;
    return nftw(root, remove_one, OPEN_MOST, FTW_DEPTH | FTW_PHYS);
}

/* ---- files --------------------------------------------------------------------------------------- */

/* False where this kernel has no Landlock: then nothing is refused, and that is what the child shows. */
static bool close_files(void) {
    int version = 0;
    const struct sandbox_path paths[] = {{in_root("data"), SANDBOX_WRITE},
                                         {in_root("config/file"), SANDBOX_BESIDE},
                                         {NULL, SANDBOX_READ},
                                         {in_root("nothing"), SANDBOX_READ}};
    HOLDS(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    const int refused = sandbox_close_files(paths, sizeof paths / sizeof *paths, &version);
    if (!refused) {
        HOLDS(version >= 1);
        return true;
    }
    HOLDS((refused == ENOSYS || refused == EOPNOTSUPP) && version == 0);
    HOLDS(write_file(in_root("other/file"), "text"));
    return false;
}

static void closed_but_the_data(void) {
    if (!close_files()) return;
    HOLDS(write_file(in_root("data/new"), "text") && reads(in_root("data/new")));
    HOLDS(rename(in_root("data/new"), in_root("data/newer")) == 0);
    HOLDS(truncate(in_root("data/newer"), 1) == 0 && unlink(in_root("data/newer")) == 0);
    HOLDS(mkdir(in_root("data/dir"), 0700) == 0 && rmdir(in_root("data/dir")) == 0);
    HOLDS(!write_file(in_root("other/new"), "text") && errno == EACCES);
    HOLDS(!write_file(in_root("other/file"), "text") && errno == EACCES);
    HOLDS(unlink(in_root("other/file")) == -1 && errno == EACCES);
    HOLDS(rename(in_root("data/file"), in_root("other/moved")) == -1 && errno == EACCES);
    HOLDS(symlink("/etc", in_root("data/link")) == -1 && errno == EACCES);
}

static void writes_in_the_data_directory_alone(void **state) {
    (void)state;
    assert_child(closed_but_the_data);
}

static void closed_but_what_is_configured(void) {
    HOLDS(write_file(in_root("config/newer"), "newer"));
    if (!close_files()) return;
    HOLDS(reads(in_root("config/file")) && reads(in_root("config/newer")));
    HOLDS(!write_file(in_root("config/file"), "text") && errno == EACCES);
    HOLDS(!reads(in_root("other/file")) && errno == EACCES);
    HOLDS(!reads("/etc/passwd") && errno == EACCES);
    HOLDS(reads("/proc/self/statm"));
}

static void reads_beside_its_configuration_and_nowhere_else(void **state) {
    (void)state;
    assert_child(closed_but_what_is_configured);
    assert_int_equal(unlink(in_root("config/newer")), 0);
}

static void closed_but_the_socket(void) {
    int version = 0;
    const struct sandbox_path paths[] = {{in_root("other/socket"), SANDBOX_REMOVE}};
    HOLDS(write_file(in_root("other/socket"), "text") &&
          write_file(in_root("data/socket"), "text"));
    HOLDS(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    const bool closed = sandbox_close_files(paths, 1, &version) == 0;
    HOLDS(unlink(in_root("other/socket")) == 0);
    HOLDS(!closed || !write_file(in_root("other/socket"), "text"));
    HOLDS((unlink(in_root("data/socket")) == 0) == !closed);
}

static void removes_its_socket_at_the_end(void **state) {
    (void)state;
    assert_child(closed_but_the_socket);
    unlink(in_root("data/socket"));
}

static void *writes_elsewhere(void *unused) {
    (void)unused;
    return write_file(in_root("other/new"), "text") ? root : NULL;
}

static void closed_for_threads(void) {
    pthread_t thread;
    void *wrote = root;
    if (!close_files()) return;
    HOLDS(pthread_create(&thread, NULL, writes_elsewhere, NULL) == 0);
    HOLDS(pthread_join(thread, &wrote) == 0 && !wrote);
}

static void threads_inherit_what_is_closed(void **state) {
    (void)state;
    assert_child(closed_for_threads);
}

/* ---- calls --------------------------------------------------------------------------------------- */

static void refused_calls(void) {
    char *const arguments[] = {NULL};
    const pid_t parent = getppid();
    HOLDS(sandbox_filter_calls() == 0);
    REFUSED(execve("/bin/true", arguments, arguments));
    REFUSED(fork());
    REFUSED(socket(AF_PACKET, SOCK_RAW, 0));
    REFUSED(socket(AF_INET, SOCK_STREAM, 0));
    REFUSED(connect(0, NULL, 0));
    REFUSED(ptrace(PTRACE_ATTACH, parent, NULL, NULL));
    REFUSED(mount("/", "/mnt", NULL, MS_BIND, NULL));
    REFUSED(syscall(SYS_bpf, 0, NULL, 0));
    REFUSED(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
    REFUSED(syscall(SYS_open_by_handle_at, 0, NULL, 0));
    REFUSED(syscall(SYS_unshare, 0));
    REFUSED(setuid(0));
    REFUSED(kill(parent, 0));
    REFUSED(syscall(SYS_memfd_create, "code", 0));
    REFUSED(syscall(SYS_io_uring_setup, 1, NULL));
    HOLDS(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
              MAP_FAILED &&
          errno == EPERM);
    HOLDS(syscall(SYS_clone3, NULL, 0) == -1 && errno == ENOSYS);
}

static void refuses_what_serving_does_not_take(void **state) {
    (void)state;
    assert_child(refused_calls);
}

static void *add_one(void *number) {
    ++*(int *)number;
    return NULL;
}

/* What a store does with its files, and threads, memory and signals. */
static void allowed_calls(void) {
    pthread_t thread;
    int number = 1;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    HOLDS(sandbox_filter_calls() == 0);
    HOLDS(pthread_create(&thread, NULL, add_one, &number) == 0);
    HOLDS(pthread_join(thread, NULL) == 0 && number == 2);
    const int fd = open(in_root("data/log"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    HOLDS(fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0 && ftruncate(fd, 4096) == 0);
    char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    HOLDS(shared != MAP_FAILED);
    shared[0] = 'x';
    HOLDS(munmap(shared, 4096) == 0 && pwrite(fd, "y", 1, 1) == 1 && fdatasync(fd) == 0);
    HOLDS(close(fd) == 0 && unlink(in_root("data/log")) == 0);
    char *memory = malloc(64 << 20);
    HOLDS(memory);
    memset(memory, 1, 64 << 20);
    HOLDS(memory[number] == 1);
    free(memory);
    HOLDS(kill(getpid(), 0) == 0);
}

static void allows_what_serving_takes(void **state) {
    (void)state;
    assert_child(allowed_calls);
}

static int gate[2];

static void *opens_a_socket_later(void *unused) {
    char c;
    (void)unused;
    return read(gate[0], &c, 1) == 1 && socket(AF_INET, SOCK_STREAM, 0) == -1 && errno == EPERM
               ? NULL
               : root;
}

static void filtered_threads(void) {
    pthread_t thread;
    void *opened = root;
    HOLDS(pipe(gate) == 0);
    HOLDS(pthread_create(&thread, NULL, opens_a_socket_later, NULL) == 0);
    HOLDS(sandbox_filter_calls() == 0);
    HOLDS(write(gate[1], "x", 1) == 1);
    HOLDS(pthread_join(thread, &opened) == 0 && !opened);
}

static void threads_from_before_are_filtered_too(void **state) {
    (void)state;
    assert_child(filtered_threads);
}

/* ---- a store in it -------------------------------------------------------------------------------- */

static bool encode(const void *object, struct writer *out) {
    write_text(out, object);
    return !out->full;
}

static void note(void *failed, const struct error *error) { *(bool *)failed = error; }

static void a_store(void) {
    char problem[512];
    bool failed = true;
    struct error error;
    struct writer out;
    const struct store_change change = {
        .kind = STORE_SESSION, .tenant = "t", .id = "s", .encode = encode, .object = "bytes"};
    close_files();
    HOLDS(sandbox_filter_calls() == 0);
    struct store *store = store_sqlite.open(in_root("data"), problem, sizeof problem);
    HOLDS(store);
    store->verbs->save(store, &change, 1, note, &failed);
    store->verbs->close(store); /* when what was saved is kept */
    HOLDS(!failed);
    store = store_sqlite.open(in_root("data"), problem, sizeof problem);
    HOLDS(store);
    error_clear(&error);
    writer_init(&out, 1 << 20);
    HOLDS(store->verbs->load(store, STORE_SESSION, "t", "s", &out, &error));
    HOLDS(out.length == 5 && memcmp(out.data, "bytes", 5) == 0);
    writer_free(&out);
    store->verbs->close(store);
}

static void a_store_works_in_it(void **state) {
    (void)state;
    assert_child(a_store);
}

/* ---- privileges ---------------------------------------------------------------------------------- */

static bool status_has(const char *line) {
    char text[8192];
    const int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    const ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n < 0 ? 0 : n] = '\0';
    return strstr(text, line) != NULL;
}

static void without_capabilities(void) {
    HOLDS(sandbox_drop_capabilities() == 0);
    HOLDS(status_has("\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"));
}

static void no_capability_is_left(void **state) {
    (void)state;
    assert_child(without_capabilities);
}

static void nobody(void) {
    char problem[512] = "";
    const bool was_root = geteuid() == 0,
               became = sandbox_become("nobody", problem, sizeof problem);
    HOLDS(became == (was_root || geteuid() == 65534));
    HOLDS(became || strstr(problem, "only root may become the user \"nobody\""));
    if (became) HOLDS(geteuid() == getuid() && geteuid() != 0 && getegid() != 0);
    if (became) HOLDS(setuid(0) == -1 && setgid(0) == -1);
}

static void root_becomes_a_user_for_good(void **state) {
    (void)state;
    assert_child(nobody);
}

static void a_user_that_is_not_there_is_named(void **state) {
    (void)state;
    char problem[512] = "";
    assert_false(sandbox_become("gradd-nowhere", problem, sizeof problem));
    assert_string_equal(problem, "--user: there is no user \"gradd-nowhere\"");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_in_the_data_directory_alone),
        cmocka_unit_test(reads_beside_its_configuration_and_nowhere_else),
        cmocka_unit_test(removes_its_socket_at_the_end),
        cmocka_unit_test(threads_inherit_what_is_closed),
        cmocka_unit_test(refuses_what_serving_does_not_take),
        cmocka_unit_test(allows_what_serving_takes),
        cmocka_unit_test(threads_from_before_are_filtered_too),
        cmocka_unit_test(a_store_works_in_it),
        cmocka_unit_test(no_capability_is_left),
        cmocka_unit_test(root_becomes_a_user_for_good),
        cmocka_unit_test(a_user_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
