/* Whether this process is ready for work, as GET /readyz says: checks that each part of it answers for
 * itself, so that nobody who asks has to wait for the answer. */
#ifndef GRADD_SERVER_READY_H
#define GRADD_SERVER_READY_H

/* process: it has started, and does not end. queue: there is a place in it. store: it keeps what it is
 * given. disk: there is room on it. */
#define READY_CHECKS(X) X(PROCESS, "process") X(QUEUE, "queue") X(STORE, "store") X(DISK, "disk")

enum ready_check {
#define READY_ENUM(tag, name) READY_##tag,
    READY_CHECKS(READY_ENUM)
#undef READY_ENUM
        READY_COUNT
};

/* What is wrong, in words that live as long as the process; NULL: nothing. From any thread. */
void ready_set(enum ready_check check, const char *why);
const char *ready_why(enum ready_check check);

/* About once a second: looks whether there is room in a directory; NULL: there is none to look at. */
void ready_look_at(const char *directory);

#endif
