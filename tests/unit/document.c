/* Documents of JSON for the tests: opened from a block of their exact size, and made large. */
#include "document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool document_open_bytes(struct document *d, const char *bytes, size_t n) {
    arena_init(&d->arena, SIZE_MAX / 2);
    error_clear(&d->error);
    d->body = malloc(n ? n : 1);
    memcpy(d->body, bytes, n);
    /* The analyzer takes the body for lost once pointers to other members of *d are handed out. */
    // NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
    return json_parse(&d->arena, d->body, n, DEPTH, &d->root, &d->error);
}

bool document_open(struct document *d, const char *text) {
    return document_open_bytes(d, text, strlen(text));
}

void document_open_valid(struct document *d, const char *text) {
    const bool valid = document_open(d, text);
    if (!valid) print_error("%s: %s\n", text, d->error.detail);
    assert_true(valid);
}

char *document_text(const char *file) {
    char path[1024];
    snprintf(path, sizeof path, "%s../%s", ORACLE, file);
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("%s cannot be read", path);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    const long n = ftell(f);
    rewind(f);
    char *text = malloc(n > 0 ? (size_t)n + 1 : 1);
    assert_true(n > 0 && text && fread(text, 1, (size_t)n, f) == (size_t)n);
    fclose(f);
    text[n] = '\0';
    return text;
}

void document_open_oracle(struct document *d, const char *file) {
    char path[256];
    snprintf(path, sizeof path, "oracle/%s", file);
    char *text = document_text(path);
    const bool valid = document_open(d, text);
    if (!valid) print_error("%s: %s\n", file, d->error.detail);
    assert_true(valid);
    free(text);
}

void document_close(struct document *d) {
    arena_free(&d->arena);
    free(d->body);
}

void assert_refused_bytes(const char *bytes, size_t n, const char *code, const char *detail) {
    struct document d;
    assert_false(document_open_bytes(&d, bytes, n));
    assert_string_equal(d.error.detail, detail);
    assert_string_equal(error_name(d.error.code), code);
    document_close(&d);
}

void assert_invalid(const char *text, const char *detail) {
    assert_refused_bytes(text, strlen(text), "invalid_json", detail);
}

char *document_members(size_t n, bool again) {
    char *text = malloc(n * 16 + 32), *at = text;
    *at++ = '{';
    for (size_t i = 0; i < n; i++) at += sprintf(at, "%s\"k%zu\":%zu", i ? "," : "", i, i);
    if (again) at += sprintf(at, ",\"k%zu\":0", n - 1);
    strcpy(at, "}");
    return text;
}

char *document_repeat(const char *unit, size_t n, const char *tail) {
    const size_t length = strlen(unit);
    char *text = malloc(n * length + strlen(tail) + 1);
    for (size_t i = 0; i < n; i++) memcpy(text + i * length, unit, length);
    strcpy(text + n * length, tail);
    return text;
}

char *document_nest(const char *open, size_t n, const char *middle) {
    char *text = malloc(n * strlen(open) + strlen(middle) + n + 1), *at = text;
    for (size_t i = 0; i < n; i++, at += strlen(open)) memcpy(at, open, strlen(open));
    at += sprintf(at, "%s", middle);
    memset(at, ']', n);
    at[n] = '\0';
    return text;
}
