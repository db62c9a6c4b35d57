/* The calls of the system that a serving gradd makes, as one table; every other is refused with EPERM, for all
 * threads at once. Owns the filter; does not know who makes which call. */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "server/sandbox.h"

/* What may be called with any arguments. Files are opened here as anybody may; which ones is for Landlock to say.
 * There is no socket, bind or connect: the listening sockets and the service manager's are there before. */
static const int calls[] = {
    /* memory; what may make code is in the second table */
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    /* threads: their locks, stacks, processors and priorities */
    SCMP_SYS(futex),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(membarrier),
    SCMP_SYS(gettid),
    SCMP_SYS(getpid),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_getparam),
    SCMP_SYS(sched_getscheduler),
    SCMP_SYS(getpriority),
    SCMP_SYS(setpriority),
    SCMP_SYS(getcpu),
    /* signals */
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    /* time and chance */
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getrandom),
    /* connections that came in, and waiting for them */
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(shutdown),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendfile),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(eventfd2),
    SCMP_SYS(pipe2),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    /* reading and writing */
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(pread64),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(pwrite64),
    SCMP_SYS(lseek),
    SCMP_SYS(close),
    SCMP_SYS(dup),
    SCMP_SYS(fcntl), /* SQLite's locks too */
    SCMP_SYS(flock),
    /* files: the store, and what is read again at SIGHUP */
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(statfs),
    SCMP_SYS(fstatfs),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getcwd),
    SCMP_SYS(getdents64),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(ftruncate),
    SCMP_SYS(fallocate),
    SCMP_SYS(fchmod),
    SCMP_SYS(fchown),
    SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),
    SCMP_SYS(rmdir),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    /* who and where this is */
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(getrusage),
    SCMP_SYS(times),
    SCMP_SYS(getrlimit),
};

/* What may be called where one argument, under a mask, is as said. */
static const struct bounded {
    int call;
    unsigned argument;
    uint64_t mask, value;
} bounded_calls[] = {
    /* no memory becomes code */
    {SCMP_SYS(mmap), 2, PROT_EXEC, 0},
    {SCMP_SYS(mprotect), 2, PROT_EXEC, 0},
    /* a thread of this process and none of its own name spaces */
    {SCMP_SYS(clone), 0,
     CLONE_THREAD | CLONE_VM | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
         CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP,
     CLONE_THREAD | CLONE_VM},
    {SCMP_SYS(prctl), 0, UINT64_MAX, PR_SET_NAME},
    {SCMP_SYS(prctl), 0, UINT64_MAX, PR_GET_NAME},
    /* workers give way to others */
    {SCMP_SYS(sched_setscheduler), 1, UINT64_MAX, SCHED_BATCH},
    /* of its own limits */
    {SCMP_SYS(prlimit64), 0, UINT64_MAX, 0},
    /* whether standard output is a terminal; sockets that do not wait */
    {SCMP_SYS(ioctl), 1, UINT64_MAX, TCGETS},
    {SCMP_SYS(ioctl), 1, UINT64_MAX, FIONBIO},
    {SCMP_SYS(ioctl), 1, UINT64_MAX, FIONREAD},
};

/* A signal may go to this process alone: abort sends one, and main passes them on. */
static int allow_own_signals(scmp_filter_ctx filter) {
    const struct scmp_arg_cmp to_self = {
        .arg = 0, .op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)getpid()};
    int status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, to_self);
    if (!status) status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1, to_self);
    return status;
}

static int add_rules(scmp_filter_ctx filter) {
    int status = allow_own_signals(filter);
    for (size_t i = 0; !status && i < sizeof calls / sizeof *calls; i++)
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    for (size_t i = 0; !status && i < sizeof bounded_calls / sizeof *bounded_calls; i++) {
        const struct bounded *b = &bounded_calls[i];
        const struct scmp_arg_cmp as_said = {
            .arg = b->argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = b->mask, .datum_b = b->value};
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, b->call, 1, as_said);
    }
    /* Its flags are behind a pointer, where a filter cannot look: the C library then takes clone. */
    if (!status) status = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    return status;
}

int sandbox_filter_calls(void) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter) return ENOMEM;
    int status = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    /* Without this, older kernels slow the whole process down against attacks on a process's own secrets. */
    if (!status) status = seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
    /* A tree, since a line of comparisons is paid by each call. */
    if (!status) status = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (!status) status = add_rules(filter);
    if (!status) status = seccomp_load(filter);
    seccomp_release(filter);
    return status < 0 ? -status : status;
}
