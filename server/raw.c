/* HTTP/1.1 by hand: a refusal and its few headers. Sends nothing itself. */
#include "server/raw.h"

#include <stdio.h>

#include "api/problem.h"

size_t raw_head(const struct answer *a, char out[RAW_HEAD]) {
    char retry[40] = "", challenge[CHALLENGE + 24] = "";
    if (a->retry_after) snprintf(retry, sizeof retry, "Retry-After: %d\r\n", a->retry_after);
    if (a->challenge && *a->challenge)
        snprintf(challenge, sizeof challenge, "WWW-Authenticate: %s\r\n", a->challenge);
    const int n = snprintf(out, RAW_HEAD,
                           "HTTP/1.1 %d Refused\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                           "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
                           "%s%s%s%s%sConnection: close\r\n\r\n",
                           a->status, a->type, a->length, a->id[0] ? "X-Request-Id: " : "", a->id,
                           a->id[0] ? "\r\n" : "", retry, challenge);
    return (size_t)n;
}

void raw_refusal(enum error_code code, const char *sentence, char out[RAW_REFUSAL]) {
    struct error error;
    struct writer problem;
    char head[RAW_HEAD];
    error_clear(&error);
    error_set(&error, code, "%s", sentence);
    writer_init(&problem, RAW_REFUSAL - RAW_HEAD);
    problem_write(&problem, &error, NULL);
    const struct answer a = {.status = problem_status(error.code),
                             .type = "application/problem+json",
                             .length = problem.length,
                             .retry_after = 1};
    raw_head(&a, head);
    snprintf(out, RAW_REFUSAL, "%s%.*s", head, (int)problem.length, problem.data);
    writer_free(&problem);
}
