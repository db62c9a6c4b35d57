// Decimal to binary and back over <charconv>. This file owns the JSON grammar of a number where
// <charconv> is laxer, the meaning of "out of range", and Python's layout. It allocates nothing.
#include "core/numbers.h"

#include <charconv>
#include <cstdint>
#include <cstring>
#include <limits>
#include <system_error>

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

const char *skip_digits(const char *s, const char *end) {
    while (s < end && is_digit(*s)) s++;
    return s;
}

// The parts of a number's text.
struct parts {
    bool negative;
    const char *whole, *whole_end;       // digits before the point
    const char *fraction, *fraction_end; // digits after it, none where the two are equal
    int64_t exponent;                    // saturated far outside of what any dtype can hold
    const char *end;
};

// Takes the text apart; false where it is not of the JSON grammar.
bool take_apart(const char *s, const char *end, parts *p) {
    p->negative = s < end && *s == '-';
    if (p->negative) s++;
    p->whole = s;
    p->whole_end = p->fraction = p->fraction_end = s = skip_digits(s, end);
    if (s == p->whole || (*p->whole == '0' && s > p->whole + 1)) return false;
    if (s < end && *s == '.') {
        p->fraction = s + 1;
        p->fraction_end = s = skip_digits(s + 1, end);
        if (s == p->fraction) return false;
    }
    p->exponent = 0;
    if (s < end && (*s == 'e' || *s == 'E')) {
        s++;
        const bool minus = s < end && *s == '-';
        if (s < end && (*s == '-' || *s == '+')) s++;
        const char *digits = s;
        for (; s < end && is_digit(*s); s++) {
            if (p->exponent < std::numeric_limits<int64_t>::max() / 100) {
                p->exponent = p->exponent * 10 + (*s - '0');
            }
        }
        if (s == digits) return false;
        if (minus) p->exponent = -p->exponent;
    }
    p->end = s;
    return true;
}

// from_chars does not tell too large from too small: the place of the first digit that counts does.
bool is_tiny(const parts &p) {
    for (const char *s = p.whole; s < p.whole_end; s++) {
        if (*s != '0') return p.exponent + (p.whole_end - s) <= 0;
    }
    for (const char *s = p.fraction; s < p.fraction_end; s++) {
        if (*s != '0') return p.exponent - (s - p.fraction) <= 0;
    }
    return true;
}

template <class T>
number_status parse_float(const char *s, const char *end, T *out, const char **rest) {
    // What JSON refuses and from_chars takes: a second digit after a leading 0, no digit on one
    // side of the point, names of non-finite numbers, an exponent without digits.
    const char *digits = s + (s < end && *s == '-');
    const char *point = skip_digits(digits, end);
    *rest = s;
    if (point == digits || (*digits == '0' && point > digits + 1)) return NUMBER_MALFORMED;
    if (point < end && *point == '.' && (point + 1 == end || !is_digit(point[1])))
        return NUMBER_MALFORMED;
    const auto [stop, failure] = std::from_chars(s, end, *out);
    *rest = stop;
    if (stop < end && (*stop == 'e' || *stop == 'E')) return NUMBER_MALFORMED;
    if (failure == std::errc()) return NUMBER_OK;
    parts p;
    if (!take_apart(s, end, &p)) return NUMBER_MALFORMED;
    *rest = p.end;
    if (!is_tiny(p)) return NUMBER_RANGE;
    *out = p.negative ? T(-0.0) : T(0.0);
    return NUMBER_OK;
}

// The digits of p before the point, once the exponent has moved it, as an int64_t. False where
// they do not fit, or where a digit other than 0 stands behind the point.
bool whole_value(const parts &p, int64_t *out) {
    const int64_t point = (p.whole_end - p.whole) + p.exponent;
    const uint64_t most = uint64_t(std::numeric_limits<int64_t>::max()) + (p.negative ? 1 : 0);
    uint64_t value = 0;
    int64_t place = 0;
    auto add = [&](unsigned digit) {
        if (place++ >= point) return digit == 0;
        if (value > (most - digit) / 10) return false;
        value = value * 10 + digit;
        return true;
    };
    for (const char *s = p.whole; s < p.whole_end; s++) {
        if (!add(unsigned(*s - '0'))) return false;
    }
    for (const char *s = p.fraction; s < p.fraction_end; s++) {
        if (!add(unsigned(*s - '0'))) return false;
    }
    while (value != 0 && place < point) {
        if (!add(0)) return false;
    }
    *out = p.negative ? int64_t(0 - value) : int64_t(value);
    return true;
}

template <class T>
number_status parse_int(const char *s, const char *end, T *out, const char **rest) {
    parts p;
    *rest = s;
    if (!take_apart(s, end, &p)) return NUMBER_MALFORMED;
    *rest = p.end;
    int64_t value;
    if (!whole_value(p, &value)) return NUMBER_RANGE;
    if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max())
        return NUMBER_RANGE;
    *out = T(value);
    return NUMBER_OK;
}

// Lays out "d.ddde+XX" (n characters, without the sign) as Python does.
size_t lay_out(char *out, const char *scientific, size_t n) {
    const char *e = scientific + n - 4; // three digits of an exponent leave no 'e' here
    int exponent = (e[2] - '0') * 10 + (e[3] - '0');
    if (e[1] == '-') exponent = -exponent;
    if (*e != 'e' || exponent < -4 || exponent > 15) {
        std::memcpy(out, scientific, n);
        return n;
    }
    char digits[NUMBER_TEXT] = {};
    const size_t fraction = e - scientific > 1 ? size_t(e - scientific) - 2 : 0;
    digits[0] = scientific[0];
    std::memcpy(digits + 1, scientific + 2, NUMBER_TEXT - 8);
    if (exponent < 0) { // 0.000ddd
        const size_t zeros = size_t(-exponent);
        std::memcpy(out, "0.0000", 6);
        std::memcpy(out + 1 + zeros, digits, NUMBER_TEXT - 8);
        return 2 + zeros + fraction;
    }
    const size_t whole = size_t(exponent) + 1;
    if (fraction < whole) { // ddd000.0
        std::memset(digits + 1 + fraction, '0', whole - 1 - fraction);
        std::memcpy(out, digits, NUMBER_TEXT - 8);
        std::memcpy(out + whole, ".0", 2);
        return whole + 2;
    }
    std::memcpy(out, digits, NUMBER_TEXT - 8);
    out[whole] = '.';
    std::memcpy(out + whole + 1, digits + whole, 1 + fraction - whole);
    return 2 + fraction;
}

template <class T> size_t print_float(char *out, T x) {
    // All whole numbers of this size are apart by 1 at least, so all their digits count.
    constexpr T dense = T(uint64_t(1) << std::numeric_limits<T>::digits);
    size_t sign = 0;
    if (x > -dense && x < dense && x != 0) {
        const int64_t whole = int64_t(x);
        if (T(whole) == x) {
            char *end = std::to_chars(out, out + NUMBER_TEXT, whole).ptr;
            std::memcpy(end, ".0", 2);
            return size_t(end - out) + 2;
        }
    }
    char scientific[2 * NUMBER_TEXT] = {}; // lay_out copies a fixed length
    const char *end =
        std::to_chars(scientific, scientific + NUMBER_TEXT, x, std::chars_format::scientific).ptr;
    if (*scientific == '-') out[sign++] = '-';
    return sign + lay_out(out + sign, scientific + sign, size_t(end - scientific) - sign);
}

} // namespace

extern "C" {

number_status number_parse_f64(const char *s, const char *end, double *out, const char **rest) {
    return parse_float(s, end, out, rest);
}

number_status number_parse_f32(const char *s, const char *end, float *out, const char **rest) {
    return parse_float(s, end, out, rest);
}

number_status number_parse_i64(const char *s, const char *end, int64_t *out, const char **rest) {
    return parse_int(s, end, out, rest);
}

number_status number_parse_i32(const char *s, const char *end, int32_t *out, const char **rest) {
    return parse_int(s, end, out, rest);
}

size_t number_print_f64(char *out, double x) { return print_float(out, x); }

size_t number_print_f32(char *out, float x) { return print_float(out, x); }

size_t number_print_i64(char *out, int64_t x) {
    return size_t(std::to_chars(out, out + NUMBER_TEXT, x).ptr - out);
}
}
