/* Any text as the expression of a gradient, over bindings of three ranks. */
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct writer body;
    writer_init(&body, 16 << 20);
    write_text(&body, "{\"graph\":");
    write_string_n(&body, (const char *)data, size);
    write_text(&body,
               ",\"variables\":{\"x\":2.5,\"y\":[1.0,-2.0,3.0],\"A\":[[1.0,2.0],[3.0,4.0]]}}");
    fuzz_service(service_gradient, body.data, body.length);
    writer_free(&body);
    return 0;
}
