/* Asks a service as the server would, and gives back its answer or its failure in one line. */
#ifndef GRADD_TESTS_UNIT_ASK_H
#define GRADD_TESTS_UNIT_ASK_H

#include "api/service.h"

/* The answer's JSON; after a failure "code: detail [pointer] (line:column) <node>" with the parts
 * that there are. Valid until the next call. */
const char *ask(service_function service, const char *body);
const char *ask_within(service_function service, const char *body,
                       const struct service_limits *limits);
const char *ask_query(service_function service, const struct service_pair *query, size_t n);

/* The same of a session: `place` is a tape's name, or NULL. */
struct session;
const char *ask_session(struct session *s, service_function service, const char *place,
                        const char *body);
const char *ask_session_within(struct session *s, service_function service, const char *place,
                               const char *body, const struct service_limits *limits);
const char *ask_session_query(struct session *s, service_function service,
                              const struct service_pair *query, size_t n);
/* A question with whatever else the call says, without a body where that is NULL; plans, seed and, where there are none, limits
 * are added. */
const char *ask_call(service_function service, struct service_call call, const char *body);
struct plan_stats ask_plans(void);

/* Evaluates `graph` (escaped as in JSON) with x = [[1,2,3],[4,5,6]], y = 2, w = 1 bound. */
const char *value_of(const char *graph);

/* What is asked, and its answer or failure. */
struct ask_row {
    const char *asked, *answer;
};

/* Fails the test at the first row whose answer is another; `answer_to` is a function like value_of. */
void ask_check(const char *(*answer_to)(const char *), const struct ask_row *rows, size_t n);
#define ASK_CHECK(answer_to, ...)                                                                  \
    do {                                                                                           \
        static const struct ask_row rows[] = {__VA_ARGS__};                                        \
        ask_check(answer_to, rows, sizeof rows / sizeof *rows);                                    \
    } while (0)

/* Gives back what the calls above held: the teardown of a group of tests. */
int ask_end(void **state);

#endif
