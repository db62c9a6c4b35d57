/* Documents of JSON for the tests: opened from a block of their exact size, so that a sanitizer sees
 * one byte read too many; and large ones to open. */
#ifndef GRADD_TESTS_UNIT_DOCUMENT_H
#define GRADD_TESTS_UNIT_DOCUMENT_H

#include "api/json.h"

enum { DEPTH = 128 }; /* the limit of nesting that documents are opened with */

struct document {
    struct arena arena;
    struct error error;
    char *body;
    struct json *root;
};

bool document_open_bytes(struct document *d, const char *bytes, size_t n);
bool document_open(struct document *d, const char *text);
void document_open_valid(struct document *d, const char *text);
/* The text of a file of tests/, which must be there; the caller frees it. */
char *document_text(const char *file);
/* A file of tests/oracle, which must be there and valid. */
void document_open_oracle(struct document *d, const char *file);
void document_close(struct document *d);

void assert_refused_bytes(const char *bytes, size_t n, const char *code, const char *detail);
void assert_invalid(const char *text, const char *detail); /* as invalid_json */

/* Texts that the caller frees. */
/* An object of n members "k0", "k1", ...; the last one is named again where `again` says so. */
char *document_members(size_t n, bool again);
/* n times `unit`, then `tail`. */
char *document_repeat(const char *unit, size_t n, const char *tail);
/* `middle` within n times `open` and as many closing brackets. */
char *document_nest(const char *open, size_t n, const char *middle);

#endif
