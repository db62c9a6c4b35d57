/* How Python prints what JSON holds, for Keras' messages. */
#ifndef GRADD_API_PYTHON_H
#define GRADD_API_PYTHON_H

#include "api/json.h"

enum { PYTHON_TEXT = 600 }; /* more than an error's sentence holds */

/* repr() of a value: {'a': [1, 2.0, None, True]}. What is longer is cut at a character. */
void python_repr(char out[PYTHON_TEXT], const struct json *v, struct arena *arena);
/* str() of it, which is repr() but for a string alone. */
void python_str(char out[PYTHON_TEXT], const struct json *v, struct arena *arena);
/* repr() of a dict of some members of objects. */
void python_dict(char out[PYTHON_TEXT], const struct json *const *members, size_t n,
                 struct arena *arena);
/* repr() of a float; "None" of NaN. */
void python_float(char out[PYTHON_TEXT], double x);

#endif
