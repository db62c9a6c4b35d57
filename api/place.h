/* Where a failure is: JSON Pointers that grow from the inside out, so that nothing is spent on
 * places while all is well. */
#ifndef GRADD_API_PLACE_H
#define GRADD_API_PLACE_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

/* Puts "/name" in front of the failure's pointer; always returns false. */
bool error_under(struct error *e, const char *name);
bool error_under_index(struct error *e, size_t index);

/* Line and column, counted from 1 in characters, of an offset in a text. */
void text_place(const char *text, size_t offset, uint32_t *line, uint32_t *column);

#endif
