/* Any bytes as JSON, and every value in them as a tensor of every dtype. What can be read must come
 * back with the same bits after it was printed. */
#include <math.h>
#include <string.h>

#include "api/json.h"
#include "tests/fuzz/fuzz.h"

enum { DEPTH = 32, MOST = 1 << 16 };

/* The same bits, or NaN for NaN: text has no payload of a NaN. */
static bool same_values(const struct tensor *x, const struct tensor *y) {
    if (x->dtype != y->dtype || !shape_equal(&x->shape, &y->shape)) return false;
    const size_t size = dtype_size(x->dtype);
    const size_t count = tensor_bytes(x) / size;
    for (size_t i = 0; i < count; i++) {
        const char *a = (const char *)x->data + i * size, *b = (const char *)y->data + i * size;
        if (memcmp(a, b, size) == 0) continue;
        if (x->dtype == DTYPE_F32 && isnan(((float *)x->data)[i]) && isnan(((float *)y->data)[i]))
            continue;
        if (x->dtype == DTYPE_F64 && isnan(((double *)x->data)[i]) && isnan(((double *)y->data)[i]))
            continue;
        return false;
    }
    return true;
}

static void read_back(struct arena *arena, const struct tensor *x, enum tensor_format format) {
    /* Nested arrays cannot say (0,2). */
    if (format == FORMAT_NESTED && tensor_bytes(x) == 0) return;
    struct writer w;
    writer_init(&w, 64 << 20);
    write_tensor(&w, x, format);
    if (w.full) fuzz_fail("a small tensor overflows the writer");

    struct json *root;
    struct tensor y;
    struct error error;
    error_clear(&error);
    if (!json_parse(arena, w.data, w.length, DEPTH, &root, &error) ||
        !json_tensor(arena, root, x->dtype, MOST, "", &y, &error))
        fuzz_fail(error.detail);
    if (!same_values(x, &y)) fuzz_fail("a tensor does not survive being printed");
    writer_free(&w);
}

static void visit(struct arena *arena, const struct json *v) {
    for (const struct json *c = json_first(v); c; c = json_next(c)) visit(arena, c);
    for (int dtype = 0; dtype < DTYPE_COUNT; dtype++) {
        struct tensor x;
        struct error error;
        error_clear(&error);
        if (!json_tensor(arena, v, (enum dtype)dtype, MOST, "", &x, &error)) {
            if (error.code == ERROR_NONE || !error.detail[0]) fuzz_fail("a silent failure");
            continue;
        }
        read_back(arena, &x, FORMAT_NESTED);
        read_back(arena, &x, FORMAT_TYPED);
        read_back(arena, &x, FORMAT_BASE64);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena;
    struct json *root;
    struct error error;
    arena_init(&arena, 256 << 20);
    error_clear(&error);
    if (json_parse(&arena, (const char *)data, size, DEPTH, &root, &error))
        visit(&arena, root);
    else if (error.code == ERROR_NONE || !error.detail[0])
        fuzz_fail("a silent failure");
    arena_free(&arena);
    return 0;
}
