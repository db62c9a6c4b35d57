// Decimal to binary and back. This file owns the JSON grammar of a number, the meaning of "out of range",
// and Python's layout of the shortest digits. What rounds a number of up to nineteen digits is
// fast_float's; of longer ones it is <charconv>. dragonbox finds the shortest digits. It allocates nothing.
#include "core/numbers.h"

#include <dragonbox/dragonbox.h>
#include <fast_float/fast_float.h>

#include <charconv>
#include <cstdint>
#include <cstring>
#include <limits>
#include <system_error>

// The steps of printing run one after the other in one function, or their results go through memory.
#define ALWAYS_INLINE __attribute__((always_inline)) inline

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

// Takes the digits at s into *value, which wraps round where they are too many.
ALWAYS_INLINE const char *read_digits(const char *s, const char *end, uint64_t *value) {
    while (end - s >= 8 && fast_float::is_made_of_eight_digits_fast(s)) {
        *value = *value * 100000000 + fast_float::parse_eight_digits_unrolled(s);
        s += 8;
    }
    for (; s < end && is_digit(*s); s++) *value = *value * 10 + uint64_t(*s - '0');
    return s;
}

// Reads the exponent at s, if there is one, and adds it to *exponent. NULL where it has no digits, or so many
// that it is another's business.
ALWAYS_INLINE const char *read_exponent(const char *s, const char *end, int64_t *exponent) {
    constexpr ptrdiff_t most = 6;
    if (s == end || (*s | 0x20) != 'e') return s;
    const bool minus = ++s < end && *s == '-';
    s += s < end && (*s == '-' || *s == '+');
    const char *const digits = s;
    int64_t size = 0;
    for (; s < end && is_digit(*s) && s - digits < most; s++) size = size * 10 + (*s - '0');
    *exponent += minus ? -size : size;
    return s > digits && s - digits < most ? s : nullptr;
}

// Reads what almost every number is: of so few digits that a word holds them, and in the dtype's range.
// False where it is another one, or none.
template <class T>
ALWAYS_INLINE bool parse_common(const char *s, const char *end, T *out, const char **rest) {
    constexpr ptrdiff_t most = 19;
    const bool negative = s < end && *s == '-';
    uint64_t value = 0;
    int64_t exponent = 0;
    const char *const whole = s + negative;
    s = read_digits(whole, end, &value);
    ptrdiff_t digits = s - whole;
    if (digits == 0 || (*whole == '0' && digits > 1)) return false;
    if (s < end && *s == '.') {
        const char *const fraction = s + 1;
        s = read_digits(fraction, end, &value);
        exponent = fraction - s;
        if (exponent == 0) return false;
        digits -= exponent;
        if (*whole == '0') // and the zeros after it are no digits that count
            for (const char *zero = fraction; digits > most && *zero == '0'; zero++) digits--;
    }
    s = digits > most ? nullptr : read_exponent(s, end, &exponent);
    if (!s) return false;
    const auto rounded = fast_float::compute_float<fast_float::binary_format<T>>(exponent, value);
    if (rounded.power2 < 0 || rounded.power2 == fast_float::binary_format<T>::infinite_power())
        return false;
    fast_float::to_float(negative, rounded, *out);
    *rest = s;
    return true;
}

template <class T>
number_status parse_float(const char *s, const char *end, T *out, const char **rest) {
    if (parse_common(s, end, out, rest)) return NUMBER_OK;
    parts p;
    *rest = s;
    if (!take_apart(s, end, &p)) return NUMBER_MALFORMED;
    *rest = p.end;
    if (std::from_chars(s, p.end, *out).ec == std::errc()) return NUMBER_OK;
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

// --- Printing ---------------------------------------------------------------------------------

__extension__ typedef unsigned __int128 uint128;

// digits * 10^exponent
struct decimal {
    uint64_t digits;
    int exponent;
};

// Eight digits of x as eight bytes, the first digit lowest.
uint64_t eight_digits(uint32_t x) {
    const uint64_t fours = x / 10000 | uint64_t(x % 10000) << 32;
    const uint64_t hundreds = (fours * 10486 >> 20) & 0x0000007F0000007F;
    const uint64_t twos = hundreds | (fours - 100 * hundreds) << 16;
    const uint64_t tens = (twos * 103 >> 10) & 0x000F000F000F000F;
    return tens | (twos - 10 * tens) << 8;
}

// Stores eight bytes, the lowest first.
void store8(char *out, uint64_t bytes) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    bytes = __builtin_bswap64(bytes);
#endif
    std::memcpy(out, &bytes, sizeof bytes);
}

// Seventeen digits as text, kept in registers: what was just stored in pieces is slow to load.
struct digits {
    char first;
    uint64_t middle, last; // eight each, the first one lowest
    int n;                 // how many there are without the zeros at the end
    int exponent;          // of the first one
};

enum { DIGITS = 17 };

ALWAYS_INLINE digits spread(decimal d) {
    // Fifteen digits at least have all but the rarest numbers.
    constexpr uint64_t ten_16 = 10000000000000000, ten_15 = ten_16 / 10, ten_14 = ten_15 / 10;
    for (; d.digits < ten_14; d.exponent--) d.digits *= 10;
    const int missing = (d.digits < ten_16) + (d.digits < ten_15);
    const uint64_t all = d.digits * (d.digits >= ten_16   ? 1
                                     : d.digits >= ten_15 ? 10
                                                          : 100),
                   top = all / 100000000;
    const uint64_t middle = eight_digits(uint32_t(top % 100000000)),
                   last = eight_digits(uint32_t(all % 100000000));
    const int counted = last     ? DIGITS - __builtin_clzll(last) / 8
                        : middle ? DIGITS - 8 - __builtin_clzll(middle) / 8
                                 : 1;
    constexpr uint64_t zeros = 0x3030303030303030;
    return {char('0' + top / 100000000), middle | zeros, last | zeros, counted,
            d.exponent - missing + DIGITS - 1};
}

void store_digits(char *out, const digits &d) {
    out[0] = d.first;
    store8(out + 1, d.middle);
    store8(out + 9, d.last);
}

// "d.ddde+XX"
size_t lay_out_scientific(char *out, const digits &d) {
    out[0] = d.first;
    out[1] = '.';
    store8(out + 2, d.middle);
    store8(out + 10, d.last);
    char *at = out + (d.n > 1 ? d.n + 1 : 1);
    const int size = d.exponent < 0 ? -d.exponent : d.exponent;
    *at++ = 'e';
    *at++ = d.exponent < 0 ? '-' : '+';
    if (size >= 100) *at++ = char('0' + size / 100);
    *at++ = char('0' + size / 10 % 10);
    *at++ = char('0' + size % 10);
    return size_t(at - out);
}

// Python's layout, without the sign. Stores whole words, within the first 31 bytes.
ALWAYS_INLINE size_t lay_out(char *out, const digits &d) {
    if (d.exponent < -4 || d.exponent > 15) return lay_out_scientific(out, d);
    if (d.exponent < 0) { // 0.000ddd
        store8(out, 0x3030303030302E30);
        store_digits(out + 1 - d.exponent, d);
        return size_t(1 - d.exponent) + size_t(d.n);
    }
    // ddd.ddd, where at least the last of the 17 digits stands behind the point
    const int whole = d.exponent + 1;
    const uint128 behind = (uint128(d.last) << 64 | d.middle) >> 8 * (whole - 1);
    store_digits(out, d);
    out[whole] = '.';
    store8(out + whole + 1, uint64_t(behind));
    if (d.n > whole + 8) store8(out + whole + 9, uint64_t(behind >> 64));
    return size_t(whole) + 1 + size_t(d.n > whole ? d.n - whole : 1);
}

template <class T, class Bits> size_t print_float(char *out, T x) {
    // All whole numbers of this size are apart by 1 at least, so all their digits count.
    constexpr T dense = T(uint64_t(1) << std::numeric_limits<T>::digits);
    const T size = x < 0 ? -x : x;
    if (size < dense && size > 0 && T(int64_t(x)) == x) {
        char *end = std::to_chars(out, out + NUMBER_TEXT, int64_t(x)).ptr;
        std::memcpy(end, ".0", 2);
        return size_t(end - out) + 2;
    }
    Bits bits;
    std::memcpy(&bits, &x, sizeof bits);
    const size_t sign = size_t(bits >> (sizeof bits * 8 - 1));
    *out = '-';
    if (size == 0) {
        std::memcpy(out + sign, "0.0", 3);
        return sign + 3;
    }
    const auto shortest = jkj::dragonbox::to_decimal(size, jkj::dragonbox::policy::sign::ignore);
    decimal d = {shortest.significand, shortest.exponent};
    if (sizeof(T) < sizeof(double)) d = {d.digits * 100000000, d.exponent - 8};
    return sign + lay_out(out + sign, spread(d));
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

size_t number_print_f64(char *out, double x) { return print_float<double, uint64_t>(out, x); }

size_t number_print_f32(char *out, float x) { return print_float<float, uint32_t>(out, x); }

size_t number_print_i64(char *out, int64_t x) {
    return size_t(std::to_chars(out, out + NUMBER_TEXT, x).ptr - out);
}
}
