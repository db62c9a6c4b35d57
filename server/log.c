/* The log. Owns the level, the form of its lines, and whether requests are told; decides nothing about what
 * is worth a line. */
#include "server/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "server/sink.h"

static const char *const names[] = {
#define LOG_NAME(tag, name) name,
    LOG_LEVELS(LOG_NAME)
#undef LOG_NAME
};

static enum log_level most = LOG_INFO;
static enum line_format form = LINE_LOGFMT;
static bool tells_requests;

bool log_find(const char *name, enum log_level *out) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    return false;
}

void log_set(enum log_level level, enum line_format format, bool requests) {
    most = level;
    form = format;
    tells_requests = requests && level >= LOG_INFO;
}

bool log_enabled(enum log_level level) { return level <= most; }

bool log_tells_requests(void) { return tells_requests; }

void log_begin(struct line *l, enum log_level level, const char *event) {
    line_begin(l, form);
    line_word(l, LINE_KEY("level"), names[level]);
    line_word(l, LINE_KEY("event"), event);
}

void log_event(enum log_level level, const char *event, const char *format, ...) {
    char pairs[1024];
    struct line line;
    va_list args;
    if (!log_enabled(level)) return;
    va_start(args, format);
    vsnprintf(pairs, sizeof pairs, format, args);
    va_end(args);
    log_begin(&line, level, event);
    line_pairs(&line, pairs);
    line_end(&line);
    sink_write(line.text, line.n);
}
