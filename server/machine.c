/* Cores, memory and files that this process may use. Reads /proc and the cgroup file systems, both
 * versions of them; what is missing there limits nothing. */
#include "server/machine.h"

#include <dirent.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { MOST_CORES = 4096 };

/* Reads up to two numbers of a small file; "max" and anything else that is no number reads as -1. */
static bool read_numbers(const char *path, long long *first, long long *second) {
    FILE *file = fopen(path, "re");
    if (!file) return false;
    char a[32] = "", b[32] = "";
    int n = fscanf(file, "%31s %31s", a, b);
    fclose(file);
    if (n < 1) return false;
    char *end;
    *first = strtoll(a, &end, 10);
    if (*end || end == a) *first = -1;
    *second = strtoll(b, &end, 10);
    if (*end || end == b) *second = -1;
    return true;
}

/* The cgroup of this process below a mount: the unified one where `controller` is NULL. */
static bool find_group(const char *controller, char *out, size_t size) {
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (!file) return false;
    char line[PATH_MAX + 64];
    bool found = false;
    while (!found && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        char *names = strchr(line, ':');
        char *path = names ? strchr(names + 1, ':') : NULL;
        if (!path) continue;
        *path++ = '\0';
        names++;
        if (!controller) found = *names == '\0';
        for (char *rest = names, *name; controller && (name = strtok_r(rest, ",", &rest));)
            if (strcmp(name, controller) == 0) found = true;
        if (found) found = snprintf(out, size, "%s", path) < (int)size;
    }
    fclose(file);
    return found;
}

/* Calls `look` for the group and each one around it, the mount's root included. */
static void each_group(const char *mount, const char *controller,
                       void (*look)(const char *directory, void *context), void *context) {
    char group[PATH_MAX], directory[PATH_MAX + 64];
    if (!find_group(controller, group, sizeof group)) return;
    for (;;) {
        snprintf(directory, sizeof directory, "%s%s", mount, group);
        look(directory, context);
        char *slash = strrchr(group, '/');
        if (!slash || !group[1]) return;
        slash[slash == group] = '\0';
    }
}

static void look_quota(const char *directory, const char *file, const char *period_file,
                       void *context) {
    char path[PATH_MAX + 128];
    long long quota, period, unused, *cores = context;
    snprintf(path, sizeof path, "%s/%s", directory, file);
    if (!read_numbers(path, &quota, &period)) return;
    if (period_file) {
        snprintf(path, sizeof path, "%s/%s", directory, period_file);
        if (!read_numbers(path, &period, &unused)) return;
    }
    if (quota <= 0 || period <= 0) return;
    long long granted = (quota + period - 1) / period;
    if (granted < *cores) *cores = granted;
}

static void look_cpu(const char *directory, void *context) {
    look_quota(directory, "cpu.max", NULL, context);
}

static void look_cpu_v1(const char *directory, void *context) {
    look_quota(directory, "cpu.cfs_quota_us", "cpu.cfs_period_us", context);
}

static void look_limit(const char *directory, const char *file, void *context) {
    char path[PATH_MAX + 128];
    long long limit, unused;
    int64_t *bytes = context;
    snprintf(path, sizeof path, "%s/%s", directory, file);
    if (read_numbers(path, &limit, &unused) && limit > 0 && limit < *bytes) *bytes = limit;
}

static void look_memory(const char *directory, void *context) {
    look_limit(directory, "memory.max", context);
}

static void look_memory_v1(const char *directory, void *context) {
    look_limit(directory, "memory.limit_in_bytes", context);
}

static int affinity(void) {
    cpu_set_t *set = CPU_ALLOC(MOST_CORES);
    if (!set) return 1;
    size_t size = CPU_ALLOC_SIZE(MOST_CORES);
    int n = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 1;
    CPU_FREE(set);
    return n;
}

int machine_cores(void) {
    long long cores = affinity();
    each_group("/sys/fs/cgroup", NULL, look_cpu, &cores);
    each_group("/sys/fs/cgroup/cpu", "cpu", look_cpu_v1, &cores);
    return cores < 1 ? 1 : (int)cores;
}

int64_t machine_memory(void) {
    int64_t bytes = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    each_group("/sys/fs/cgroup", NULL, look_memory, &bytes);
    each_group("/sys/fs/cgroup/memory", "memory", look_memory_v1, &bytes);
    return bytes;
}

size_t machine_files(size_t wanted) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur;
}

int64_t machine_resident(void) {
    long long total, resident;
    if (!read_numbers("/proc/self/statm", &total, &resident) || resident < 0) return 0;
    return resident * sysconf(_SC_PAGESIZE);
}

int64_t machine_open_files(void) {
    DIR *directory = opendir("/proc/self/fd");
    int64_t n = 0;
    if (!directory) return 0;
    while (readdir(directory)) n++;
    closedir(directory);
    return n - 3; /* . and .. and the directory itself */
}

int64_t machine_most_files(void) {
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (int64_t)limit.rlim_cur : 0;
}

double machine_cpu_seconds(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    const long ms = used.tv_nsec / 1000000;
    return (double)used.tv_sec + (double)ms / 1000;
}
