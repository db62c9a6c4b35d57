/* JSON in. One strict RFC 8259 scanner owns validity, offsets and duplicate keys; numeric values
 * (scalars, and arrays of any depth that hold numbers, booleans or the three non-finite strings only)
 * stay in the body as spans until their dtype is known, and are then read straight into tensors.
 * The small rest is a cJSON tree, which this header hides. Everything lives in the arena given. */
#ifndef GRADD_API_JSON_H
#define GRADD_API_JSON_H

#include "core/arena.h"
#include "core/error.h"
#include "core/tensor.h"

struct json; /* one value of a document */
struct writer;

enum json_type {
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,  /* one number */
    JSON_NUMBERS, /* an array, not empty at any depth that matters, of numbers (or bools, or non-finite strings): a span */
    JSON_STRING,
    JSON_ARRAY, /* any other array, the empty one included */
    JSON_OBJECT
};

/* Parses all of body[0..n). False after a failure: invalid_json (with the byte offset in the
 * sentence) or graph_too_large (nesting past `depth`). The body must outlive the document. */
bool json_parse(struct arena *arena, const char *body, size_t n, int depth, struct json **root,
                struct error *error);

enum json_type json_type(const struct json *v);
const char *json_type_name(const struct json *v); /* "a number", "an object", ... for messages */
const char *json_key(const struct json *v);       /* its name in the object around it, else NULL */
const char *json_string(const struct json *v);    /* of a JSON_STRING */
bool json_bool(const struct json *v);             /* of a JSON_BOOL */
const struct json *json_first(const struct json *v); /* children of an array or object, in order */
const struct json *json_next(const struct json *v);
size_t json_length(const struct json *v);

/* The member of an object, or NULL. For objects whose names we chose; linear in their number. */
const struct json *json_member(const struct json *object, const char *name);

/* The text of a JSON_NUMBER or JSON_NUMBERS in the body, `n` bytes; NULL for others. */
const char *json_text(const struct json *v, size_t *n);
/* The elements of a JSON_NUMBERS as a JSON_ARRAY: numbers, bools, strings and shorter JSON_NUMBERS
 * (an array without a number at any depth becomes a JSON_ARRAY). NULL when the arena is exhausted. */
struct json *json_split(struct arena *arena, const struct json *numbers);

/* A JSON_NUMBER as double (correctly rounded) or as an exact integer; false where it is none. */
bool json_double(const struct json *v, double *out);
bool json_int(const struct json *v, int64_t *out);
/* True for a number written with neither fraction nor exponent. */
bool json_is_int_literal(const struct json *v);

/* A value in any form of api.md §1 as a tensor in the arena: a number, nested arrays, a bool, a
 * non-finite string, or the typed forms {"dtype","shape","data"|"base64"}. An untyped value takes
 * `dtype`, except that booleans give bool. `most` is the limit of elements. False after a failure;
 * its pointer is `pointer`, with what lies below it appended. */
bool json_tensor(struct arena *arena, const struct json *v, enum dtype dtype, int64_t most,
                 const char *pointer, struct tensor *out, struct error *error);

/* Writes a value as JSON again: numbers, and arrays of them, as they stand in the body, the rest without
 * spaces. The recursion is as deep as the scanner let the document be. */
void json_write(const struct json *v, struct writer *out);

/* Appends "/name" to a JSON Pointer in a buffer of `size` bytes, escaping ~ and / as RFC 6901 says;
 * returns the buffer. */
char *json_pointer(char *buffer, size_t size, const char *base, const char *name);

#endif
