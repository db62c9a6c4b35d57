/* Starts gradd with one of its own allocations or threads denied, another one each time, and with ever more
 * address space: it must serve and end cleanly, or say in one sentence why it does not and exit with 1.
 * Linked with server/main.c, whose main is called in processes of their own. Prints `N passed, N failed`. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/torture/failing.h"

enum { ROOM_LEAST = 1 << 20, ROOM_STEP = 2 << 20, ROOM_MOST = 640 << 20 };

enum kind { ALLOCATION, THREAD, ROOM };

static int passed, failed;
static char directory[] = "/tmp/gradd-start-XXXXXX";

/* The linker puts these in the place of the program's and the library's. */
int real_main(int argc, char **argv) __asm__("__real_main");
int wrap_main(int argc, char **argv) __asm__("__wrap_main");

static _Atomic long threads_left = -1;
int real_create(pthread_t *out, const pthread_attr_t *a, void *(*run)(void *),
                void *context) __asm__("__real_pthread_create");
int wrap_create(pthread_t *out, const pthread_attr_t *a, void *(*run)(void *),
                void *context) __asm__("__wrap_pthread_create");
int wrap_create(pthread_t *out, const pthread_attr_t *a, void *(*run)(void *), void *context) {
    return threads_left-- == 0 ? EAGAIN : real_create(out, a, run, context);
}

/* Bytes of address space that are taken now. */
static rlim_t taken(void) {
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%lu", &pages) != 1) exit(EXIT_FAILURE);
    fclose(f);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static _Noreturn void become(enum kind kind, long at, int out) {
    char *argv[] = {(char[]){"gradd"},
                    (char[]){"--listen"},
                    (char[]){"127.0.0.1:0"},
                    (char[]){"--threads"},
                    (char[]){"2"},
                    (char[]){"--workers"},
                    (char[]){"2"},
                    (char[]){"--log-level"},
                    (char[]){"error"},
                    (char[]){"--data-dir"},
                    directory,
                    NULL};
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    close(out);
    if (kind == ALLOCATION) failing_arm(at);
    if (kind == THREAD) threads_left = at;
    if (kind == ROOM) {
        const rlim_t most = taken() + (rlim_t)at;
        setrlimit(RLIMIT_AS, &(struct rlimit){most, most});
    }
    exit(real_main(11, argv));
}

/* What it says until it is ready or has ended; false where it has ended. */
static bool listen_to(int in, char *text, size_t size) {
    size_t n = 0;
    for (ssize_t got; n + 1 < size && (got = read(in, text + n, size - 1 - n)) > 0;) {
        n += (size_t)got;
        text[n] = '\0';
        if (strstr(text, "listening on ") && text[n - 1] == '\n') return true;
    }
    text[n] = '\0';
    return false;
}

static bool is_one_line(const char *text) {
    const char *end = strchr(text, '\n');
    return end && end > text && !end[1];
}

/* True where it started all the same. */
static bool start(enum kind kind, long at) {
    static const char *const names[] = {"allocation", "thread", "bytes of address space"};
    int ends[2], status = 0;
    char text[4096] = "";
    if (pipe(ends)) exit(EXIT_FAILURE);
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        become(kind, at, ends[1]);
    }
    close(ends[1]);
    const bool serves = listen_to(ends[0], text, sizeof text);
    if (serves) kill(child, SIGTERM);
    waitpid(child, &status, 0);
    close(ends[0]);
    const bool exited = WIFEXITED(status);
    const bool good = serves ? exited && WEXITSTATUS(status) == 0
                             : exited && WEXITSTATUS(status) == 1 && is_one_line(text);
    good ? passed++ : failed++;
    if (!good)
        printf("%s %ld: %s %d, and it said: %s\n", names[kind], at, exited ? "exit" : "signal",
               exited ? WEXITSTATUS(status) : WTERMSIG(status), text);
    return serves;
}

static void clear(void) {
    struct dirent *entry;
    DIR *list = opendir(directory);
    if (!list || chdir(directory)) exit(EXIT_FAILURE);
    while ((entry = readdir(list))) unlink(entry->d_name);
    closedir(list);
    rmdir(directory);
}

int wrap_main(int argc, char **argv) {
    (void)argc, (void)argv;
    if (!mkdtemp(directory)) return EXIT_FAILURE;
    /* Some of what is denied is not needed: many in a row that are not are the end. */
    for (long at = 0, served = 0; served < 3; at++) served = start(ALLOCATION, at) ? served + 1 : 0;
    for (long at = 0; !start(THREAD, at);) at++;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    for (long room = ROOM_LEAST; room < ROOM_MOST; room += ROOM_STEP)
        if (start(ROOM, room)) break;
#endif
    clear();
    printf("%d passed, %d failed\n", passed, failed);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
