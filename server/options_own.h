/* What the files of options share: a row of the table, and how its text becomes a value. */
#ifndef GRADD_SERVER_OPTIONS_OWN_H
#define GRADD_SERVER_OPTIONS_OWN_H

#include "server/options.h"

enum { OPTION_NAME = 48 };

struct option_row {
    const char *heading, *field, *shape, *preset, *meaning;
    enum option_kind kind;
    size_t at;              /* of the field in struct options */
    int64_t least, most;    /* of a number */
    char name[OPTION_NAME]; /* such as max-body */
};

/* Row number i of OPTION_COUNT. */
const struct option_row *option_row(size_t i);

/* Who said what is said of a row, as it stands before a sentence about it. */
void option_source(const struct options *o, const struct option_row *row, char *out, size_t size);

/* Reads a value into the field of a row; false where the text is none. */
bool option_value(const struct option_row *row, const char *text, struct options *o);

/* What would have been one, for messages; `out` may hold it. */
enum { OPTION_EXPECTED = 96 };
const char *option_expected(const struct option_row *row, char out[OPTION_EXPECTED]);

/* Bytes as they are said, such as 64M. */
const char *option_size(int64_t bytes, char out[24]);

/* Takes the lines of a text, which it changes, one after another: 1 for `name = value`, 0 at the end, -1
 * for what is neither that nor empty nor a comment, which is then *name. */
int option_line(char **text, int *line, const char **name, const char **value);

#endif
