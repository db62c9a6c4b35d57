/* Decimal numbers to binary and back, exactly: a C header over C++17's <charconv>.
 * Parsing is correctly rounded straight into the dtype; printing is the shortest text that reads
 * back to the same value in its dtype, in Python's layout. */
#ifndef GRADD_CORE_NUMBERS_H
#define GRADD_CORE_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum number_status {
    NUMBER_OK,
    NUMBER_RANGE,    /* a number, but not one of this dtype: too large, or a fraction for an int */
    NUMBER_MALFORMED /* not a number of the JSON grammar */
};

/* Reads the JSON number that begins at `s` and stops where it ends, at the latest at `end`.
 * `*rest` is set to the first character after it. A float too small to represent becomes 0 with
 * its sign; an integer dtype accepts what is integral in value (2, 2.0, 1e3). */
enum number_status number_parse_f64(const char *s, const char *end, double *out, const char **rest);
enum number_status number_parse_f32(const char *s, const char *end, float *out, const char **rest);
enum number_status number_parse_i64(const char *s, const char *end, int64_t *out,
                                    const char **rest);
enum number_status number_parse_i32(const char *s, const char *end, int32_t *out,
                                    const char **rest);

/* Most characters that any of these writes; nothing is NUL-terminated. */
enum { NUMBER_TEXT = 32 };

/* Writes `x` and returns the number of characters: plain for 1e-4 <= |x| < 1e16 with ".0" added
 * where there is no point, "1e-07" otherwise, "-0.0". `x` must be finite. */
size_t number_print_f64(char out[NUMBER_TEXT], double x);
size_t number_print_f32(char out[NUMBER_TEXT], float x);
size_t number_print_i64(char out[NUMBER_TEXT], int64_t x);

#ifdef __cplusplus
}
#endif
#endif
