/* scikit-learn's digits and the net that learns them, as a request for minimize; and what Keras learned with the
 * same initial values (tests/data/digits.txt, digits_keras.json, made by tests/oracle/learning.py). Included once;
 * whoever includes it defines `die`. */
#ifndef GRADD_TESTS_BENCH_DIGITS_H
#define GRADD_TESTS_BENCH_DIGITS_H

#include <stdio.h>
#include <string.h>

#include "api/json.h"
#include "api/writer.h"

enum { DIGITS = 1797, DIGITS_PIXELS = 64, DIGITS_BATCH = 32 };
enum { DIGITS_STEPS = (DIGITS + DIGITS_BATCH - 1) / DIGITS_BATCH }; /* of an epoch */

#define DIGITS_GRAPH                                                                               \
    "logits = relu(x @ w1 + b1) @ w2 + b2; "                                                       \
    "loss = reduce_mean(sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))"

struct digits {
    float x[DIGITS * DIGITS_PIXELS];
    int32_t y[DIGITS];
    struct arena arena;
    struct json *keras;
};

/* All of a file in the arena, NUL-terminated. */
static char *digits_file(struct arena *arena, const char *path, size_t *n) {
    enum { MOST = 1 << 20 };
    char *text = arena_alloc(arena, MOST);
    FILE *f = fopen(path, "r");
    if (!text || !f) die(path);
    *n = fread(text, 1, MOST - 1, f);
    text[*n] = '\0';
    fclose(f);
    return text;
}

/* A document that stands in a file. */
static struct json *digits_document(struct arena *arena, const char *path) {
    struct error error;
    struct json *root;
    size_t n;
    const char *text = digits_file(arena, path, &n);
    error_clear(&error);
    if (!json_parse(arena, text, n, 16, &root, &error)) die(error.detail);
    return root;
}

/* The member of an object; it is there. */
static const struct json *digits_member(const struct json *object, const char *name) {
    const struct json *v = json_member(object, name);
    if (!v) die(name);
    return v;
}

/* A value of a document as a tensor. */
static struct tensor digits_tensor(struct arena *arena, const struct json *v, enum dtype dtype) {
    struct error error;
    struct tensor t;
    error_clear(&error);
    if (!json_tensor(arena, v, dtype, 1 << 20, "", &t, &error)) die(error.detail);
    return t;
}

/* A pixel is one of 0 to 9 and a to g, for 0 to 16. */
static void digits_read(struct digits *d) {
    size_t n;
    arena_init(&d->arena, 64 << 20);
    const char *at = digits_file(&d->arena, TEST_DATA "digits.txt", &n);
    if (n != DIGITS * (DIGITS_PIXELS + 3)) die(TEST_DATA "digits.txt has another length");
    for (int i = 0; i < DIGITS; i++, at += DIGITS_PIXELS + 3) {
        for (int k = 0; k < DIGITS_PIXELS; k++) {
            const int pixel = at[k] <= '9' ? at[k] - '0' : at[k] - 'a' + 10;
            d->x[i * DIGITS_PIXELS + k] = (float)pixel / 16;
        }
        d->y[i] = at[DIGITS_PIXELS + 1] - '0';
    }
    d->keras = digits_document(&d->arena, TEST_DATA "digits_keras.json");
}

static void digits_end(struct digits *d) { arena_free(&d->arena); }

/* "x" and "y", as members. */
static void digits_write_data(struct digits *d, struct writer *out) {
    const struct tensor x = {DTYPE_F32, {.rank = 2, .dim = {DIGITS, DIGITS_PIXELS}}, d->x};
    const struct tensor y = {DTYPE_I32, {.rank = 1, .dim = {DIGITS}}, d->y};
    write_text(out, "\"x\":");
    write_tensor(out, &x, FORMAT_BASE64);
    write_text(out, ",\"y\":");
    write_tensor(out, &y, FORMAT_BASE64);
}

/* The graph, and the weights that Keras began with ("initial") or came to ("final"), as members. */
static void digits_write_net(struct digits *d, struct writer *out, const char *weights) {
    write_text(out, "\"graph\":\"" DIGITS_GRAPH "\",\"variables\":{");
    const char *comma = "";
    const struct json *all = digits_member(d->keras, weights);
    for (const struct json *v = json_first(all); v; v = json_next(v), comma = ",") {
        const struct tensor t = digits_tensor(&d->arena, v, DTYPE_F32);
        write_text(out, comma);
        write_string(out, json_key(v));
        write_text(out, ":");
        write_tensor(out, &t, FORMAT_BASE64);
    }
    write_text(out, "}");
}

/* What is posted to minimize: Adam, batch after batch in their order, all losses in the answer. The body is
 * NUL-terminated, and the caller's. */
static struct writer digits_request(struct digits *d, int epochs) {
    struct writer out;
    writer_init(&out, 16 << 20);
    write_text(&out, "{");
    digits_write_net(d, &out, "initial");
    write_text(&out, ",\"loss\":\"loss\",\"inputs\":{");
    digits_write_data(d, &out);
    write_text(&out, "},\"batch_size\":32,\"record_every\":1,\"format\":\"base64\",\"epochs\":");
    write_int(&out, epochs);
    write_text(&out, ",\"optimizer\":{\"name\":\"Adam\",\"learning_rate\":0.001}}");
    write_bytes(&out, "", 1);
    if (out.full) die("out of memory");
    return out;
}

#endif
