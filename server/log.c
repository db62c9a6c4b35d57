/* The log. Owns the level and the form of a line; decides nothing about what is worth one. */
#include "server/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const names[] = {
#define LOG_NAME(tag, name) name,
    LOG_LEVELS(LOG_NAME)
#undef LOG_NAME
};

static enum log_level most = LOG_INFO;

bool log_find(const char *name, enum log_level *out) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    return false;
}

void log_set_level(enum log_level level) { most = level; }

bool log_enabled(enum log_level level) { return level <= most; }

void log_event(enum log_level level, const char *event, const char *format, ...) {
    if (!log_enabled(level)) return;
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);

    char line[1024], stamp[32];
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    int head = snprintf(line, sizeof line, "time=%s.%03ldZ level=%s event=%s ", stamp,
                        now.tv_nsec / 1000000, names[level], event);
    va_list args;
    va_start(args, format);
    int rest = vsnprintf(line + head, sizeof line - (size_t)head, format, args);
    va_end(args);

    size_t n = (size_t)head + (rest > 0 ? (size_t)rest : 0);
    if (n > sizeof line - 1) n = sizeof line - 1;
    line[n++] = '\n';
    /* Whoever reads the log may be gone; there is nobody to tell. */
    ssize_t written = write(STDERR_FILENO, line, n);
    (void)written;
}
