/* The typed form of a tensor, {"dtype","shape","data"|"base64"}, and base64 as RFC 4648 has it. */
#include <inttypes.h>
#include <string.h>

#include "api/json_tensor.h"
#include "api/span.h"
#include "api/utf8.h"

enum { DTYPE, SHAPE, DATA, BASE64, MEMBER_COUNT };
static const char *const member_names[MEMBER_COUNT] = {"dtype", "shape", "data", "base64"};
static const char *const accepted =
    "a typed tensor has \"dtype\", \"shape\" and one of \"data\" and \"base64\"";

/* The same reading one step below. */
struct below {
    struct reading reading;
    char pointer[sizeof((struct error *)0)->pointer];
};

static const struct reading *go_below(struct below *b, const struct reading *r, int member) {
    b->reading = *r;
    b->reading.pointer =
        json_pointer(b->pointer, sizeof b->pointer, r->pointer, member_names[member]);
    return &b->reading;
}

static bool find_members(const struct reading *r, const struct json *object,
                         const struct json *members[MEMBER_COUNT]) {
    for (const struct json *child = json_first(object); child; child = json_next(child)) {
        const char *key = json_key(child);
        int i = 0;
        while (i < MEMBER_COUNT && strcmp(key, member_names[i]) != 0) i++;
        if (i == MEMBER_COUNT) {
            return reading_fail(r, ERROR_INVALID_REQUEST, "unknown member \"%.*s\"; %s",
                                (int)utf8_cut(key, strlen(key), 80), key, accepted);
        }
        members[i] = child;
    }
    for (int i = DTYPE; i <= SHAPE; i++) {
        if (!members[i]) {
            return reading_fail(r, ERROR_INVALID_REQUEST, "\"%s\" is missing; %s", member_names[i],
                                accepted);
        }
    }
    if (!members[DATA] == !members[BASE64]) {
        return reading_fail(r, ERROR_INVALID_REQUEST,
                            members[DATA] ? "\"data\" and \"base64\" together; %s"
                                          : "\"data\" is missing; %s",
                            accepted);
    }
    return true;
}

static bool read_dtype(const struct reading *r, const struct json *v, enum dtype *out) {
    if (json_type(v) != JSON_STRING) {
        return reading_fail(r, ERROR_INVALID_REQUEST, "\"dtype\" is %s where a string is expected",
                            json_type_name(v));
    }
    const char *name = json_string(v);
    return dtype_find(name, out) ||
           reading_fail(
               r, ERROR_INVALID_VALUE,
               "no dtype is called \"%.*s\"; there are float32, float64, int32, int64 and bool",
               (int)utf8_cut(name, strlen(name), 40), name);
}

bool json_read_shape(const struct reading *r, const struct json *v, struct shape *out) {
    const size_t rank = json_length(v);
    *out = shape_scalar;
    if (json_type(v) == JSON_ARRAY && rank == 0) return true;
    const bool is_span = json_type(v) == JSON_NUMBERS, is_flat = is_span && span_of(v)->rank == 1;
    if (!is_flat || !span_of(v)->has_number) {
        return reading_fail(r, ERROR_INVALID_REQUEST,
                            "\"shape\" is %s where an array of integers is expected",
                            is_span && !is_flat ? "a nested array" : json_type_name(v));
    }
    if (rank > RANK_MAX) {
        return reading_fail(r, ERROR_GRAPH_TOO_LARGE,
                            "\"shape\" has %zu entries; a tensor has at most %d axes", rank,
                            RANK_MAX);
    }
    const struct reading short_list = {
        .arena = r->arena, .error = r->error, .pointer = r->pointer, .most = RANK_MAX};
    const struct shape flat = {.rank = 1, .dim = {(int64_t)rank}};
    struct tensor dims;
    if (!json_read_plain(&short_list, v, DTYPE_I64, &flat, &dims)) return false;
    int64_t count = 1;
    out->rank = (int32_t)rank;
    for (size_t i = 0; i < rank; i++) {
        const int64_t dim = ((const int64_t *)dims.data)[i];
        if (dim < 0) {
            return reading_fail(r, ERROR_INVALID_VALUE,
                                "\"shape\" has %" PRId64 " at [%zu]; a dimension is not negative",
                                dim, i);
        }
        if (dim && count > r->most / dim) {
            return reading_fail(r, ERROR_TOO_MANY_ELEMENTS,
                                "\"shape\" has more than the %" PRId64 " elements that are allowed",
                                r->most);
        }
        out->dim[i] = dim;
        if (dim) count *= dim;
    }
    return true;
}

/* Values of the digits plus 1; 0 for what is no digit. */
static const unsigned char digit_values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

/* Decodes exactly n bytes from a text of the length that they take. Returns NULL, or the first
 * character that has no place there: no digit, padding where a digit belongs or the reverse, or a
 * last digit with bits that belong to no byte. */
static const char *decode_base64(const char *text, unsigned char *out, size_t n) {
    for (size_t i = 0; i < n; i += 3, text += 4) {
        const size_t bytes = n - i < 3 ? n - i : 3;
        uint32_t bits = 0;
        for (size_t j = 0; j < 4; j++) {
            const unsigned value = digit_values[(unsigned char)text[j]];
            if (j > bytes ? text[j] != '=' : value == 0) return text + j;
            bits = bits << 6 | (j > bytes ? 0 : value - 1);
        }
        if (bits & ((UINT32_C(1) << 8 * (3 - bytes)) - 1)) return text + bytes;
        for (size_t j = 0; j < bytes; j++) out[i + j] = (unsigned char)(bits >> (16 - 8 * j));
    }
    return NULL;
}

/* Turns little-endian elements into those of the host. */
static void from_little_endian(struct tensor *t) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    unsigned char *bytes = t->data;
    const size_t size = dtype_size(t->dtype), n = tensor_bytes(t);
    for (size_t i = 0; i < n; i += size) {
        for (size_t j = 0; j < size / 2; j++) {
            const unsigned char low = bytes[i + j];
            bytes[i + j] = bytes[i + size - 1 - j];
            bytes[i + size - 1 - j] = low;
        }
    }
#else
    (void)t;
#endif
}

static bool check_bools(const struct reading *r, const struct tensor *t) {
    const uint8_t *x = t->data;
    for (int64_t i = 0, n = t->dtype == DTYPE_BOOL ? shape_count(&t->shape) : 0; i < n; i++) {
        if (x[i] > 1) {
            return reading_fail(r, ERROR_INVALID_VALUE,
                                "\"base64\" has byte %d for bool %" PRId64 "; it is 0 or 1", x[i],
                                i);
        }
    }
    return true;
}

static bool read_base64(const struct reading *r, const struct json *v, struct tensor *out) {
    if (json_type(v) != JSON_STRING) {
        return reading_fail(r, ERROR_INVALID_REQUEST, "\"base64\" is %s where a string is expected",
                            json_type_name(v));
    }
    const char *text = json_string(v);
    const size_t length = strlen(text), n = tensor_bytes(out), expected = (n + 2) / 3 * 4;
    char shape[SHAPE_TEXT];
    if (length != expected) {
        return reading_fail(r, ERROR_INVALID_VALUE,
                            "\"base64\" has %zu characters where shape %s of %s takes %zu", length,
                            shape_text(&out->shape, shape), dtype_name(out->dtype), expected);
    }
    if (!reading_allocate(r, out)) return false;
    const char *odd = decode_base64(text, out->data, n);
    if (odd) {
        const size_t at = (size_t)(odd - text), bytes = utf8_length(odd, text + length);
        return reading_fail(
            r, ERROR_INVALID_VALUE,
            "\"base64\" has \"%.*s\" at position %zu, which is not canonical base64 with padding",
            (int)bytes, odd, at);
    }
    from_little_endian(out);
    return check_bools(r, out);
}

bool json_read_typed(const struct reading *r, const struct json *object, struct tensor *out) {
    const struct json *members[MEMBER_COUNT] = {0};
    struct below below;
    struct tensor data;
    if (!find_members(r, object, members)) return false;
    if (!read_dtype(go_below(&below, r, DTYPE), members[DTYPE], &out->dtype)) return false;
    if (!json_read_shape(go_below(&below, r, SHAPE), members[SHAPE], &out->shape)) return false;
    if (members[BASE64]) return read_base64(go_below(&below, r, BASE64), members[BASE64], out);
    data.dtype = out->dtype;
    if (!json_read_plain(go_below(&below, r, DATA), members[DATA], out->dtype, &out->shape, &data))
        return false;
    out->data = data.data;
    return true;
}
