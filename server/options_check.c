/* Whether options that are right by themselves are right together, and in this place. Reads none. */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/options_own.h"

/* 0, or the number of what is wrong with a file or a directory. One that is not there will be made. */
static int try(enum option_kind kind, const char *path) {
    struct stat it;
    if (kind == OPTION_file) return access(path, R_OK) == 0 ? 0 : errno;
    if (stat(path, &it) != 0) return errno == ENOENT ? 0 : errno;
    if (!S_ISDIR(it.st_mode)) return ENOTDIR;
    return access(path, R_OK | W_OK | X_OK) == 0 ? 0 : errno;
}

bool options_check_files(const struct options *o, char *problem, size_t size) {
    char source[512];
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *row = option_row(i);
        const char *text = o->said[i].text;
        if (!text || (row->kind != OPTION_file && row->kind != OPTION_directory)) continue;
        const int number = try(row->kind, text);
        if (!number) continue;
        option_source(o, row, source, sizeof source);
        snprintf(problem, size, "%s: cannot %s %s: %s", source,
                 row->kind == OPTION_file ? "read" : "use", text, strerror(number));
        return false;
    }
    return true;
}

/* Of two limits the first may not be more than the second. */
static const struct {
    size_t part, whole;
} pairs[] = {
#define PAIR(part, whole)                                                                          \
    { offsetof(struct options, limits.part), offsetof(struct options, limits.whole) }
    PAIR(max_seconds, max_job_seconds),
    PAIR(max_work, max_job_work),
    PAIR(max_running_jobs, max_operations),
    PAIR(max_address_connections, max_connections),
#undef PAIR
};

static int64_t value_at(const struct options *o, size_t at) {
    return *(const int64_t *)(const void *)((const char *)o + at);
}

/* The row of a limit of which something was said; else OPTION_COUNT. */
static size_t said_at(const struct options *o, size_t at) {
    size_t i = 0;
    while (i < OPTION_COUNT && (option_row(i)->at != at || !o->said[i].text)) i++;
    return i;
}

static bool check_pair(const struct options *o, size_t a, size_t b, char *problem, size_t size) {
    const size_t part = said_at(o, a), whole = said_at(o, b);
    char source[512], other[512];
    if (part == OPTION_COUNT || whole == OPTION_COUNT || value_at(o, a) <= value_at(o, b))
        return true;
    option_source(o, option_row(part), source, sizeof source);
    option_source(o, option_row(whole), other, sizeof other);
    snprintf(problem, size, "%s: %s is more than %s has, which is %s", source, o->said[part].text,
             other, o->said[whole].text);
    return false;
}

/* What one may have is not more than what there is. Presets are not looked at: where there is less,
 * there is less. */
static bool check_bytes(const struct options *o, size_t i, int64_t memory, char *problem,
                        size_t size) {
    const struct option_row *row = option_row(i);
    char source[512], there[24];
    if (row->kind != OPTION_bytes || !o->said[i].text || value_at(o, row->at) <= memory)
        return true;
    option_source(o, row, source, sizeof source);
    snprintf(problem, size, "%s: %s is more than the %s bytes of memory that there are", source,
             o->said[i].text, option_size(memory, there));
    return false;
}

bool options_check_limits(const struct options *o, int64_t memory, char *problem, size_t size) {
    const int64_t most = o->limits.max_memory_bytes;
    if (most && most < memory) memory = most;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (!check_pair(o, pairs[i].part, pairs[i].whole, problem, size)) return false;
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (!check_bytes(o, i, memory, problem, size)) return false;
    return true;
}
