/* The log: one line an event on standard error, logfmt or JSON. */
#ifndef GRADD_SERVER_LOG_H
#define GRADD_SERVER_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "server/line.h"

#define LOG_LEVELS(X) X(ERROR, "error") X(WARN, "warn") X(INFO, "info") X(DEBUG, "debug")

enum log_level {
#define LOG_ENUM(tag, name) LOG_##tag,
    LOG_LEVELS(LOG_ENUM)
#undef LOG_ENUM
};

/* Finds a level by its name; false where there is none. */
bool log_find(const char *name, enum log_level *out);

/* What is less grave than `level` is not written; `requests`: each request is told, as info. Called once,
 * before there are threads. */
void log_set(enum log_level level, enum line_format format, bool requests);
bool log_enabled(enum log_level level);
bool log_tells_requests(void);

/* Begins a line with time, level and event. */
void log_begin(struct line *l, enum log_level level, const char *event);

/* Writes a line of time, level, event and what `format` adds, which is key=value pairs, at once. */
void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
