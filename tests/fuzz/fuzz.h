/* What the fuzz programs share: small limits, one cache of plans, and one way to run a request. */
#ifndef GRADD_TESTS_FUZZ_H
#define GRADD_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "api/service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process, so that libFuzzer keeps the input. */
_Noreturn void fuzz_fail(const char *what);

/* Aborts unless the bytes are one JSON text. */
void fuzz_expect_json(const char *bytes, size_t n);

/* Runs `body` twice: both times the answer or the problem must be JSON and the same bytes, though
 * the second run finds its plan in the cache. */
void fuzz_service(service_function function, const char *body, size_t n);

/* Runs `body` once. False after a failure: then `out` has the name of its code. */
bool fuzz_answer(service_function function, const char *body, size_t n, struct writer *out);

#endif
