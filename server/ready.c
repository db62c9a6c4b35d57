/* Readiness. Owns what each check found last; but for the room on the disk, others look. */
#include "server/ready.h"

#include <stdatomic.h>
#include <stddef.h>
#include <sys/statvfs.h>

#include "server/handle.h"

/* Less than this, and the next change may not fit. */
static const unsigned long long least_room = 32 << 20;

static _Atomic(const char *) found[READY_COUNT] = {[READY_PROCESS] = "starting"};

static const char *const names[] = {
#define READY_NAME(tag, name) name,
    READY_CHECKS(READY_NAME)
#undef READY_NAME
};

void ready_set(enum ready_check check, const char *why) {
    atomic_store_explicit(&found[check], why, memory_order_relaxed);
}

const char *ready_why(enum ready_check check) {
    return atomic_load_explicit(&found[check], memory_order_relaxed);
}

void ready_look_at(const char *directory) {
    struct statvfs disk;
    const char *why = NULL;
    if (directory && statvfs(directory, &disk) != 0)
        why = "the data directory cannot be read";
    else if (directory && (unsigned long long)disk.f_bavail * disk.f_frsize < least_room)
        why = "the disk is full";
    ready_set(READY_DISK, why);
}

bool handle_ready(const struct service_call *call, struct writer *out, struct error *error) {
    (void)error;
    const char *why[READY_COUNT];
    for (int i = 0; i < READY_COUNT; i++) {
        why[i] = ready_why((enum ready_check)i);
        if (why[i]) call->reply->status = 503;
    }
    write_text(out, "{\"status\":");
    write_string(out, call->reply->status ? "unavailable" : "ok");
    for (int i = 0; i < READY_COUNT; i++) {
        write_text(out, i ? "," : ",\"checks\":{");
        write_string(out, names[i]);
        write_text(out, ":");
        write_string(out, why[i] ? why[i] : "ok");
    }
    write_text(out, "}}");
    return true;
}
