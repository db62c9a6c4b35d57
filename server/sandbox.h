/* What this process gives up before it serves anybody: privileges, most of the system's calls, and the file
 * system but for what it needs. Whoever takes the process over by a fault in it gains little. */
#ifndef GRADD_SERVER_SANDBOX_H
#define GRADD_SERVER_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

/* The sanitizers need what the sandbox refuses: where there is one, it is not entered. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_LEFT_OUT true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANDBOX_LEFT_OUT true
#endif
#endif
#ifndef SANDBOX_LEFT_OUT
#define SANDBOX_LEFT_OUT false
#endif

enum sandbox_use {
    SANDBOX_READ,   /* what stands in a directory, or a file */
    SANDBOX_WRITE,  /* that, and everything that a store does in its directory */
    SANDBOX_REMOVE, /* removes a file, and so may remove others from its directory */
    SANDBOX_BESIDE, /* reads the directory of a file, since a newer file takes its place by a rename */
};

struct sandbox_path {
    const char *path; /* NULL is nothing */
    enum sandbox_use use;
};

/* What is in force; 0 where the system refused or was not asked. */
struct sandbox_state {
    int no_new_privileges, no_capabilities, seccomp;
    int landlock; /* the version of its interface */
};

/* Becomes a user of the system and of all their groups; for root alone. False with one sentence in `problem`. */
bool sandbox_become(const char *user, char *problem, size_t size);

/* Enters the sandbox. Called by the main thread when the sockets are there and no other thread of ours is:
 * the file system is closed thread by thread, and each inherits it from the one that started it. What the system
 * refuses is logged in one line each, and left out. */
void sandbox_enter(const struct sandbox_path *paths, size_t n);

const struct sandbox_state *sandbox_state(void);

/* The parts of it, which return 0 or an errno. */
int sandbox_drop_capabilities(void);
int sandbox_close_files(const struct sandbox_path *paths, size_t n, int *version);
int sandbox_filter_calls(void); /* server/sandbox_calls.c */

#endif
