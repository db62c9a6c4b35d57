/* Any bytes as the body of every request that has one. */
#include <string.h>

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const service_function functions[] = {
        service_evaluate, service_gradient, service_jacobian, service_hessian,
        service_jvp,      service_vjp,      service_hvp,      service_check,
    };
    /* What time ends is another answer each time. */
    if (!memmem(data, size, "_seconds", 8)) {
        fuzz_service(service_minimize, (const char *)data, size);
        fuzz_service(service_least_squares, (const char *)data, size);
    }
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        fuzz_service(functions[i], (const char *)data, size);
    return 0;
}
