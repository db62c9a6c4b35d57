/* Numeric spans: arrays of numbers, booleans and non-finite strings that stay in the body as text.
 * A span has been checked to the last character; only its dtype is still open. */
#ifndef GRADD_API_SPAN_H
#define GRADD_API_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct json;

struct span {
    const char *text; /* from bracket to bracket */
    size_t length;
    int64_t count; /* of its numbers, where it is not ragged */
    int32_t rank;  /* brackets around its deepest element, may be more than RANK_MAX */
    bool ragged, has_bool, has_number;
    int64_t dim[]; /* the first RANK_MAX of its dimensions, or all `rank` */
};

/* The first thing in an array that makes it ragged. */
enum skim_odd {
    SKIM_EVEN,
    SKIM_ODD_SIZE, /* a row that has just ended is of another length than the first of its level */
    SKIM_ODD_FILLED, /* the row that is open has elements where the first one was empty */
    SKIM_ODD_NUMBER, /* a number among arrays */
    SKIM_ODD_ARRAY   /* an array among numbers */
};

struct skim_level {
    const char *open; /* the bracket of the array that is open at this level */
    int64_t n;        /* its elements that are complete */
    int64_t size;     /* elements of the level's first array, -1 until it has ended */
};

/* One pass over an array. */
struct skim {
    struct skim_level
        *levels; /* room for `most` arrays that are open; the outermost is levels[0] */
    int most;
    bool stop_at_odd;

    const char *at; /* one past the last bracket; after a failure, what the array cannot hold */
    int depth;      /* arrays that are open: 0 unless it failed */
    int deep,
        leaf; /* greatest depth of an array; depth of the first number, 0 where there is none */
    int64_t count;
    enum skim_odd odd;
    bool has_bool, has_number;
};

/* Reads the array that begins at `s`. False where it is no span, or not valid, or deeper than
 * skim->most, or odd with stop_at_odd; the levels up to skim->depth then say where that was. */
bool span_skim(struct skim *skim, const char *s, const char *end);

/* Where the JSON number that begins at `s` ends, or NULL where it is not of the grammar. */
const char *span_number_end(const char *s, const char *end);

/* The span of a JSON_NUMBERS. */
const struct span *span_of(const struct json *numbers);

#endif
