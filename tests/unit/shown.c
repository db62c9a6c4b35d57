/* Optimizers as text, for the tests. */
#include "shown.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "document.h"

enum { TEXT = 1 << 16, TEXTS = 3 };

static const char *finish(struct writer *out, const struct error *error) {
    static char texts[TEXTS][TEXT];
    static int last;
    char *text = texts[last = (last + 1) % TEXTS];
    assert_false(out->full);
    snprintf(text, TEXT, "%.*s", (int)out->length, out->data ? out->data : "");
    if (error->code)
        snprintf(text, TEXT, "%s: %s%s%s%s", error_name(error->code), error->detail,
                 *error->pointer ? " [" : "", error->pointer, *error->pointer ? "]" : "");
    writer_free(out);
    return text;
}

static void write_flat(struct writer *out, const struct optimizer_config *config) {
    write_text(out, "{");
    optimizer_write(out, config);
    write_text(out, "}");
}

const char *shown_config(const struct optimizer_config *config) {
    const struct error none = {0};
    struct writer out;
    writer_init(&out, TEXT - 1);
    write_flat(&out, config);
    return finish(&out, &none);
}

static const char *shown(const struct json *v, struct arena *arena,
                         void (*write)(struct writer *, const struct optimizer_config *)) {
    struct optimizer_sent sent;
    struct error error = {0};
    struct writer out;
    writer_init(&out, TEXT - 1);
    if (optimizer_read(v, arena, &sent, &error)) write(&out, &sent.config);
    return finish(&out, &error);
}

const char *shown_flat(const struct json *v, struct arena *arena) {
    return shown(v, arena, write_flat);
}

const char *shown_keras(const struct json *v, struct arena *arena) {
    return shown(v, arena, optimizer_write_keras);
}

const char *shown_flat_of(const char *text) {
    struct document d;
    document_open_valid(&d, text);
    const char *answer = shown_flat(d.root, &d.arena);
    document_close(&d);
    return answer;
}
