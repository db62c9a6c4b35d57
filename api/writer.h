/* A growing buffer with a ceiling, and JSON written into it. Writing is sticky: past the ceiling or
 * without memory every call is a no-op and `full` says so. */
#ifndef GRADD_API_WRITER_H
#define GRADD_API_WRITER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"
#include "core/tensor.h"

struct writer {
    char *data; /* not NUL-terminated; the owner gives it back with writer_free, or takes it */
    size_t length, capacity, ceiling;
    bool full, starved; /* nothing more is taken; and that was for want of memory */
};

enum tensor_format { FORMAT_NESTED, FORMAT_TYPED, FORMAT_BASE64 };

void writer_init(struct writer *w, size_t ceiling);
void writer_free(struct writer *w);
/* Makes room for so many bytes beyond the text; false, and full, without memory. What is written into it
 * cannot fail, if each piece leaves room for how long it might have been. */
bool writer_room(struct writer *w, size_t n);
/* Takes the text back, and keeps its room. */
void writer_clear(struct writer *w);
/* Nothing more is taken, since there was no memory for a part of it. */
void writer_starve(struct writer *w);
/* False (memory_budget) where not all of it was taken, and why: past the ceiling, or without memory. */
bool writer_whole(const struct writer *w, struct error *error);
/* What was written is complete, and goes to somebody who will release it soon: see budget_pass_on. */
void writer_pass_on(struct writer *w);
/* Gives back what was taken from a writer; NULL is nothing. Any thread may. */
void writer_release(void *data);

void write_bytes(struct writer *w, const char *bytes, size_t n);
void write_text(struct writer *w, const char *text);
/* A JSON string with its quotes; what JSON must escape is escaped. */
void write_string(struct writer *w, const char *text);
void write_string_n(struct writer *w, const char *text, size_t n);
/* A text as one place of a URL's path, or a value of its query, whatever is in it. */
void write_place(struct writer *w, const char *text);
void write_int(struct writer *w, int64_t x);
void write_double(struct writer *w, double x);
/* The same into NUMBER_TEXT bytes, without a NUL; the end. */
char *double_text(char *at, double x);
/* A tensor as api.md says: shortest digits in its dtype; NaN and infinities as strings. */
void write_tensor(struct writer *w, const struct tensor *t, enum tensor_format format);

#endif
