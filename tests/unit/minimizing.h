/* What the tests of minimisation share: answers taken apart, a session to step, rows. */
#ifndef GRADD_TESTS_UNIT_MINIMIZING_H
#define GRADD_TESTS_UNIT_MINIMIZING_H

#include "api/session.h"
#include "api/writer.h"
#include "ask.h"

#define SAYS(answer, text) assert_string_equal(answer, text)
#define MINIMIZE(body) ask(service_minimize, body)

/* The text of the member `name` of an answer, up to its end; valid until the next call of the same
 * `place` (0 to 3). */
const char *member(const char *answer, const char *name, int place);
/* Valid until the fourth call after it. */
char *formatted(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* To be freed. */
char *copied(const char *text);

/* Variables x, w of shape (2,3) and b of shape (3,), and a loss l of them. */
struct session *new_session(void);
#define GRAPH "v = [[1, 2], [3, 4], [-1, 0.5]] @ w + b; l = reduce_mean(v ** 2) * x + (x - 1) ** 4"

/* All variables, settings and slots of a session; w is to be freed. */
char *state_of(struct session *s, struct writer *w);
void put_optimizer(struct session *s, const char *optimizer);

/* Settings that every optimizer has, each with a comma before it. */
enum { FURTHER = 6 };
extern const char *const further[FURTHER];

/* Seven rows, and a loss of them by w, of two elements. */
#define NET "l = reduce_mean((reduce_sum(X * w, axis=1) - y) ** 2)"
extern const char *const X[7], *const y[7];
/* Rows as JSON, in that order. */
char *json_rows(const char *const *rows, const int64_t *order, int n);

#endif
