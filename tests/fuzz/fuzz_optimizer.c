/* Any JSON as an optimizer, and as a change of one. What is read comes back as the same settings from both
 * forms that it is written in, from a copy, and from a change by itself; what is refused says why. */
#include <string.h>

#include "api/optimizer.h"
#include "tests/fuzz/fuzz.h"

enum { DEPTH = 32, MOST = 1 << 22 };

static void expect_reason(const struct error *error) {
    if (error->code == ERROR_NONE || !error->detail[0]) fuzz_fail("a silent failure");
}

static void write_flat(struct writer *out, const struct optimizer_config *config) {
    write_text(out, "{");
    optimizer_write(out, config);
    write_text(out, "}");
    if (out->full) fuzz_fail("a small optimizer overflows the writer");
}

static void expect_same(const struct optimizer_config *config, const struct writer *flat) {
    struct writer again;
    writer_init(&again, MOST);
    write_flat(&again, config);
    if (again.length != flat->length || memcmp(again.data, flat->data, flat->length) != 0)
        fuzz_fail("the settings have changed");
    writer_free(&again);
}

static struct json *parsed(struct arena *arena, const struct writer *text) {
    struct json *root;
    struct error error = {0};
    if (!json_parse(arena, text->data, text->length, 128, &root, &error)) fuzz_fail(error.detail);
    return root;
}

/* Reads what was written; patterns of names that must not decay are not in Keras' form. */
static void read_back(struct arena *arena, const struct optimizer_config *config,
                      const struct writer *flat) {
    struct error error = {0};
    struct optimizer_sent sent;
    struct optimizer_config copy;
    struct writer keras;
    struct json *root = parsed(arena, flat);
    if (!optimizer_read(root, arena, &sent, &error)) fuzz_fail(error.detail);
    expect_same(&sent.config, flat);
    if (!optimizer_change(config, root, arena, &sent, &error)) fuzz_fail(error.detail);
    expect_same(&sent.config, flat);
    if (!optimizer_copy(config, arena, &copy)) fuzz_fail("no copy");
    expect_same(&copy, flat);
    writer_init(&keras, MOST);
    optimizer_write_keras(&keras, config);
    if (!optimizer_read(parsed(arena, &keras), arena, &sent, &error)) fuzz_fail(error.detail);
    writer_free(&keras);
}

static void visit(struct arena *arena, const struct json *root) {
    struct error error = {0};
    struct optimizer_sent sent, changed;
    struct optimizer_config sgd;
    struct writer flat;
    if (optimizer_read(root, arena, &sent, &error)) {
        writer_init(&flat, MOST);
        write_flat(&flat, &sent.config);
        read_back(arena, &sent.config, &flat);
        writer_free(&flat);
    } else {
        expect_reason(&error);
    }
    error_clear(&error);
    optimizer_defaults(optimizer_find("SGD"), &sgd);
    if (!optimizer_change(&sgd, root, arena, &changed, &error)) expect_reason(&error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena;
    struct json *root;
    struct error error = {0};
    arena_init(&arena, 256 << 20);
    if (json_parse(&arena, (const char *)data, size, DEPTH, &root, &error))
        visit(&arena, root);
    else
        expect_reason(&error);
    arena_free(&arena);
    return 0;
}
