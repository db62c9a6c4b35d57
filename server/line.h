/* One line of the log, built piece by piece without memory of its own: logfmt, or one JSON object. */
#ifndef GRADD_SERVER_LINE_H
#define GRADD_SERVER_LINE_H

#include <stddef.h>
#include <stdint.h>

/* Less than a pipe takes whole. */
enum { LINE_MOST = 2048 };

enum line_format { LINE_LOGFMT, LINE_JSON };

struct line {
    enum line_format format;
    size_t n;
    char text[LINE_MOST];
};

/* A name as it stands before its value, in either form: LINE_KEY("status"). */
struct line_key {
    const char *text[2];
    size_t n[2];
};
#define LINE_KEY(name)                                                                             \
    (&(const struct line_key){{" " name "=", ",\"" name "\":"}, {sizeof name + 1, sizeof name + 3}})

/* Begins with the time of day, in UTC. */
void line_begin(struct line *l, enum line_format format);

/* Each adds one field, cut or left out where there is no room. A text that others wrote is escaped, byte by
 * byte: what is not printable ASCII is \xNN in logfmt and \u00NN in JSON. `most` of its bytes are told. */
void line_text(struct line *l, const struct line_key *key, const char *text, size_t most);
/* A text of our own, in which nothing wants an escape. */
void line_word(struct line *l, const struct line_key *key, const char *word);
void line_int(struct line *l, const struct line_key *key, int64_t value);
/* Nanoseconds, as milliseconds. */
void line_ms(struct line *l, const struct line_key *key, int64_t nanoseconds);
/* What is logfmt already: key=value pairs with blanks between them, in which a value may be quoted. */
void line_pairs(struct line *l, const char *pairs);

/* Writes nanoseconds as milliseconds, such as 1.250; returns how many bytes these are. */
enum { LINE_MS = 24 };
size_t line_print_ms(char out[LINE_MS], int64_t nanoseconds);

/* Ends it with a line break. */
void line_end(struct line *l);

#endif
