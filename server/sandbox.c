/* The sandbox: privileges, Landlock, and the order of it all. Knows nothing of what is served, nor which calls of
 * the system that takes: see sandbox_calls.c. */
#include "server/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/kernels/lapack_threads.h"
#include "server/log.h"

static struct sandbox_state state;

const struct sandbox_state *sandbox_state(void) { return &state; }

/* ---- privileges ---------------------------------------------------------------------------------- */

bool sandbox_become(const char *user, char *problem, size_t size) {
    const struct passwd *entry = getpwnam(user);
    if (!entry) {
        snprintf(problem, size, "--user: there is no user \"%.200s\"", user);
        return false;
    }
    if (entry->pw_uid == geteuid()) return true;
    if (geteuid() != 0) {
        snprintf(problem, size, "--user: only root may become the user \"%.200s\"", user);
        return false;
    }
    if (initgroups(user, entry->pw_gid) == 0 && setgid(entry->pw_gid) == 0 &&
        setuid(entry->pw_uid) == 0)
        return true;
    snprintf(problem, size, "--user: cannot become the user \"%.200s\": %s", user, strerror(errno));
    return false;
}

int sandbox_drop_capabilities(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    return syscall(SYS_capset, &header, none) == 0 ? 0 : errno;
}

/* ---- the file system ----------------------------------------------------------------------------- */

/* Interfaces newer than the system's header, as the kernel's documentation gives them. */
enum {
    NEWER_FS_TRUNCATE = 1 << 14,  /* version 3 */
    NEWER_FS_IOCTL_DEV = 1 << 15, /* version 5 */
    NEWER_NET_BIND_TCP = 1 << 0,  /* version 4 */
    NEWER_NET_CONNECT_TCP = 1 << 1,
};
struct ruleset {
    uint64_t files, net;
};

/* What is read while gradd runs: by machine.c of the process and its cgroup, by the C library of processors,
 * memory and time, by SQLite of chance. */
static const char *const libraries_read[] = {
    "/proc/self",     "/sys/fs/cgroup", "/sys/devices/system/cpu", "/proc/sys/vm/overcommit_memory",
    "/etc/localtime", "/dev/urandom"};

/* What is refused unless a path allows it. Interfaces grow by what they can refuse. */
static struct ruleset refused_by(int version) {
    uint64_t files = LANDLOCK_ACCESS_FS_REFER - 1; /* all of version 1 */
    if (version >= 2) files |= LANDLOCK_ACCESS_FS_REFER;
    if (version >= 3) files |= NEWER_FS_TRUNCATE;
    if (version >= 5) files |= NEWER_FS_IOCTL_DEV;
    const uint64_t net = version >= 4 ? NEWER_NET_BIND_TCP | NEWER_NET_CONNECT_TCP : 0;
    return (struct ruleset){files, net};
}

static uint64_t allowed_by(enum sandbox_use use, bool is_directory) {
    if (use == SANDBOX_REMOVE) return is_directory ? LANDLOCK_ACCESS_FS_REMOVE_FILE : 0;
    uint64_t files = LANDLOCK_ACCESS_FS_READ_FILE;
    if (is_directory) files |= LANDLOCK_ACCESS_FS_READ_DIR;
    if (use != SANDBOX_WRITE) return files;
    files |= LANDLOCK_ACCESS_FS_WRITE_FILE | NEWER_FS_TRUNCATE;
    if (is_directory)
        files |= LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR |
                 LANDLOCK_ACCESS_FS_REFER;
    return files;
}

/* What is not there cannot be opened later either, and needs no rule. */
static int allow_path(int ruleset, uint64_t handled, const char *path, enum sandbox_use use) {
    const int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0) return 0;
    struct stat about;
    int status = fstat(fd, &about) == 0 ? 0 : errno;
    const struct landlock_path_beneath_attr rule = {
        .allowed_access = handled & allowed_by(use, S_ISDIR(about.st_mode)), .parent_fd = fd};
    if (!status &&
        syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
        status = errno;
    close(fd);
    return status;
}

/* The directory of a file, and of the one that it is a link to. */
static int allow_around(int ruleset, uint64_t handled, const char *path, enum sandbox_use use) {
    char directory[PATH_MAX], *real = realpath(path, NULL);
    snprintf(directory, sizeof directory, "%s", path);
    int status = allow_path(ruleset, handled, dirname(directory), use);
    if (real && !status) status = allow_path(ruleset, handled, dirname(real), use);
    free(real);
    return status;
}

static int allow_paths(int ruleset, uint64_t handled, const struct sandbox_path *paths, size_t n) {
    int status = 0;
    for (size_t i = 0; !status && i < sizeof libraries_read / sizeof *libraries_read; i++)
        status = allow_path(ruleset, handled, libraries_read[i], SANDBOX_READ);
    for (size_t i = 0; !status && i < n; i++) {
        const struct sandbox_path *p = &paths[i];
        if (!p->path) continue;
        status = p->use == SANDBOX_BESIDE || p->use == SANDBOX_REMOVE
                     ? allow_around(ruleset, handled, p->path, p->use)
                     : allow_path(ruleset, handled, p->path, p->use);
    }
    return status;
}

int sandbox_close_files(const struct sandbox_path *paths, size_t n, int *version) {
    const long found =
        syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (found < 0) return errno;
    const struct ruleset refused = refused_by((int)found);
    /* An older kernel takes the part of it that it knows. */
    const size_t size = found >= 4 ? sizeof refused : sizeof refused.files;
    const long ruleset = syscall(SYS_landlock_create_ruleset, &refused, size, 0);
    if (ruleset < 0) return errno;
    int status = allow_paths((int)ruleset, refused.files, paths, n);
    if (!status && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) status = errno;
    close((int)ruleset);
    if (!status) *version = (int)found;
    return status;
}

/* ---- all of it ------------------------------------------------------------------------------------ */

/* 1 where a part came into force; else the log says what the system answered. */
static int in_force(const char *part, int error) {
    if (error) log_event(LOG_WARN, "sandbox", "part=%s refused=\"%s\"", part, strerror(error));
    return !error;
}

void sandbox_enter(const struct sandbox_path *paths, size_t n) {
    if (SANDBOX_LEFT_OUT) {
        log_event(LOG_WARN, "sandbox", "left_out=\"this build has a sanitizer\"");
        return;
    }
    /* Threads from before main would keep their capabilities and all files. */
    lapack_end_threads();
    state.no_new_privileges =
        in_force("no_new_privileges", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : errno);
    in_force("landlock", sandbox_close_files(paths, n, &state.landlock));
    state.no_capabilities = in_force("capabilities", sandbox_drop_capabilities());
    state.seccomp = in_force("seccomp", sandbox_filter_calls());
    log_event(LOG_INFO, "sandbox", "no_capabilities=%d no_new_privileges=%d seccomp=%d landlock=%d",
              state.no_capabilities, state.no_new_privileges, state.seccomp, state.landlock);
}
