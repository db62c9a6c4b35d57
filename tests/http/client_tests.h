/* What the parts of `client` share. */
#ifndef GRADD_TESTS_HTTP_CLIENT_TESTS_H
#define GRADD_TESTS_HTTP_CLIENT_TESTS_H

#include <stdbool.h>
#include <stdio.h>

#include "api/client.h"

/* In a function that returns whether all went well. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("      %s:%d: %s\n", __FILE__, __LINE__, #condition);                           \
            return false;                                                                          \
        }                                                                                          \
    } while (0)

/* Whether the call succeeded; says how it failed. Gives the answer back. */
static inline bool succeeded(struct gradd_answer *a, const char *what) {
    const bool ok = gradd_answer_status(a) == GRADD_OK;
    if (!ok)
        printf("      %s: %s, %s\n", what, gradd_strerror(gradd_answer_status(a)),
               gradd_answer_problem(a)->detail);
    gradd_answer_free(a);
    return ok;
}
#define SUCCEEDS(call) EXPECT(succeeded(call, #call))

/* The first request of the README. */
extern const struct gradd_request first_request;

/* client_calls.c: every call, against a real gradd; and whether every route of the table was reached. */
bool client_makes_every_call(const char *url);

/* client_fake.c: against a server of the test's own, which says what it is told to. */
bool client_tries_again_when_told_to_come_later(void);
bool client_tries_again_with_its_key_where_a_connection_broke(void);
bool client_takes_no_key_where_it_needs_none(void);
bool client_runs_once_what_has_no_key_where_a_kept_connection_broke(void);
bool client_does_not_try_again_what_time_does_not_help(void);
bool client_tries_a_stream_that_only_computes_once(void);
bool client_has_the_end_of_a_stream_that_broke(void);
bool client_needs_no_more_of_a_stream_than_its_end(void);
bool client_follows_an_operation_from_where_it_was(void);
bool client_gives_up_on_what_stays_silent(void);
bool client_takes_no_answer_for_gradds_that_is_none(void);
bool client_takes_no_answer_longer_than_it_may_be(void);
bool client_sends_token_and_etag_and_escapes_names(void);

#endif
