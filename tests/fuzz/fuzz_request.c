/* Any bytes as the body of a request. */
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_service(service_evaluate, (const char *)data, size);
    fuzz_service(service_gradient, (const char *)data, size);
    return 0;
}
