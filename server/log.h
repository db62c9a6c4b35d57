/* The log: one logfmt line an event on standard error, written whole by one write(2). */
#ifndef GRADD_SERVER_LOG_H
#define GRADD_SERVER_LOG_H

#include <stdbool.h>
#include <stddef.h>

#define LOG_LEVELS(X) X(ERROR, "error") X(WARN, "warn") X(INFO, "info") X(DEBUG, "debug")

enum log_level {
#define LOG_ENUM(tag, name) LOG_##tag,
    LOG_LEVELS(LOG_ENUM)
#undef LOG_ENUM
};

/* Finds a level by its name; false where there is none. */
bool log_find(const char *name, enum log_level *out);

/* What is less grave than `level` is not written. Called once, before there are threads. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

/* Writes time=... level=... event=... and what `format` adds, which is key=value pairs. */
void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
