/* Looks at a serving gradd from outside, as an operator would: what the system says of its threads, and what
 * /v1/stats says of the sandbox.
 *
 *     sandbox GRADD
 *
 * Prints a line a test, and `N passed, N failed` last. */
#include <dirent.h>

#include "server/sandbox.h"
#include "wire.h"

static const bool on = !SANDBOX_LEFT_OUT;

/* Whether the status of one thread has a line. */
static bool thread_has(pid_t pid, const char *thread, const char *line) {
    char path[128], text[8192];
    snprintf(path, sizeof path, "/proc/%d/task/%s/status", (int)pid, thread);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    read_all(fd, text, sizeof text);
    close(fd);
    return strstr(text, line) != NULL;
}

/* How many threads there are, and of how many the status has a line. */
static void count_threads(pid_t pid, const char *line, int *threads, int *with) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    *threads = *with = 0;
    for (struct dirent *task; tasks && (task = readdir(tasks));) {
        if (task->d_name[0] == '.') continue;
        ++*threads;
        *with += thread_has(pid, task->d_name, line);
    }
    if (tasks) closedir(tasks);
}

static bool all_threads_have(const struct child *child, const char *line) {
    int threads, with;
    count_threads(child->pid, line, &threads, &with);
    if (with < threads) printf("      %d of %d threads have %s", with, threads, line + 1);
    return threads > 3 && with == threads;
}

static bool every_thread_has_given_up_what_it_can(void) {
    if (!on) return stat_of(&usual, "sandbox", "seccomp") == 0;
    CHECK(all_threads_have(&usual, "\nNoNewPrivs:\t1\n"));
    CHECK(all_threads_have(&usual, "\nSeccomp:\t2\n"));
    CHECK(all_threads_have(&usual, "\nCapEff:\t0000000000000000\n"));
    CHECK(all_threads_have(&usual, "\nCapPrm:\t0000000000000000\n"));
    return true;
}

static bool says_what_it_has_given_up(void) {
    CHECK(stat_of(&usual, "sandbox", "no_capabilities") == on);
    CHECK(stat_of(&usual, "sandbox", "no_new_privileges") == on);
    CHECK(stat_of(&usual, "sandbox", "seccomp") == on);
    CHECK(stat_of(&usual, "sandbox", "landlock") >= 0);
    return true;
}

static bool keeps_all_where_the_sandbox_is_off(void) {
    struct child child = start("--sandbox", "off");
    CHECK(stat_of(&child, "sandbox", "seccomp") == 0);
    CHECK(stat_of(&child, "sandbox", "landlock") == 0);
    return stop(&child);
}

static bool says_in_one_line_that_a_user_is_not_there(void) {
    char text[512];
    struct child child = spawn((const char *const[]){"--listen", "127.0.0.1:0", "--log-level",
                                                     "error", "--user", "gradd-nowhere", NULL});
    read_all(child.err, text, sizeof text);
    CHECK(strcmp(text, "gradd: --user: there is no user \"gradd-nowhere\"\n") == 0);
    return reap(&child, 5000) == 1;
}

/* Root becomes them; who is not root is told that only root may. */
static bool becomes_a_user(void) {
    if (geteuid() == 0) {
        struct child child = start("--user", "nobody");
        CHECK(all_threads_have(&child, "\nUid:\t65534\t65534\t65534\t65534\n"));
        CHECK(all_threads_have(&child, "\nCapPrm:\t0000000000000000\n"));
        return stop(&child);
    }
    char text[512];
    struct child child =
        spawn((const char *const[]){"--listen", "127.0.0.1:0", "--user", "root", NULL});
    read_all(child.err, text, sizeof text);
    CHECK(strstr(text, "only root may become the user \"root\"\n"));
    return reap(&child, 5000) == 1;
}

#define TESTS(X)                                                                                   \
    X(every_thread_has_given_up_what_it_can)                                                       \
    X(says_what_it_has_given_up)                                                                   \
    X(keeps_all_where_the_sandbox_is_off)                                                          \
    X(says_in_one_line_that_a_user_is_not_there)                                                   \
    X(becomes_a_user)

int main(int argc, char **argv) {
    static const struct test tests[] = {TESTS(TEST)};
    return run_tests(argc, argv, NULL, NULL, tests, sizeof tests / sizeof *tests);
}
