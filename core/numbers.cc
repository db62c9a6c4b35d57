// Decimal to binary and back. This file owns the JSON grammar of a number, the meaning of "out of range", the
// shortest digits, and Python's layout of them; fast_float rounds what was read, and the powers of ten of
// the digits are dragonbox's table. It allocates nothing.
#include "core/numbers.h"

#include <dragonbox/dragonbox.h>
#include <fast_float/fast_float.h>

#include <charconv>
#include <cstdint>
#include <cstring>
#include <limits>
#include <system_error>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

// Takes the digits at the beginning of four bytes into *value and returns how many there are, without a branch
// on that: an exponent has two of them or three as it comes.
ALWAYS_INLINE int read_few(const char *s, int64_t *value) {
    uint32_t four;
    std::memcpy(&four, s, sizeof four);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    four = __builtin_bswap32(four);
#endif
    four ^= 0x30303030;
    // What is carried out of a byte comes behind the first one that is no digit.
    const uint64_t other = ((four + 0x76767676) | four) & 0x80808080;
    const int n = __builtin_ctzll(other | uint64_t(1) << 39) / 8;
    const uint32_t aligned = uint32_t(uint64_t(four) << 32 >> 8 * n),
                   twos = aligned * 10 + (aligned >> 8);
    *value = (twos & 0xFF) * 100 + (twos >> 16 & 0xFF);
    return n;
}

// Reads the exponent at s, if there is one, and adds it to *exponent. NULL where it has no digits, or so many
// that it is another's business.
ALWAYS_INLINE const char *read_exponent(const char *s, const char *end, int64_t *exponent) {
    constexpr ptrdiff_t most = 6;
    if (s == end || (*s | 0x20) != 'e') return s;
    const char sign = ++s < end ? *s : '0';
    const bool minus = sign == '-';
    s += minus | (sign == '+');
    const char *const digits = s;
    int64_t size = 0;
    if (end - s >= 4) s += read_few(s, &size);
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

// What the shortest digits of a dtype's numbers are found with.
template <class T> struct layout;

template <> struct layout<double> {
    using bits = uint64_t;
    using format = jkj::dragonbox::ieee754_binary64;
    // How far from where they should be the parts of `scaled` are at most, in the last places of a part.
    enum { FRACTION = 52, BIAS = 1075, DIGITS = 17, ERROR = 1 };
    // The power of ten g times c / 2^64; g is less than one too large.
    template <class Power> static uint128 scaled(const Power &g, uint64_t c) {
        return uint128(g.high()) * c + uint64_t(uint128(g.low()) * c >> 64);
    }
    template <class Power> static uint64_t top(const Power &g) { return g.high(); }
    enum { CUT = 0 }; // bits at the end of `scaled` that mean nothing
};

template <> struct layout<float> {
    using bits = uint32_t;
    using format = jkj::dragonbox::ieee754_binary32;
    enum { FRACTION = 23, BIAS = 150, DIGITS = 9, ERROR = 1 << 28 };
    static uint128 scaled(uint64_t g, uint64_t c) { return uint128(g) * c; }
    static uint64_t top(uint64_t g) { return g; }
    enum { CUT = 32 };
};

// x = c 2^q, and 10^k, the last power of ten that is not above the distance of x and the next number (nearer
// on one side where `closer` says so); x / 10^k = g c 2^h / 2^128, or 2^64 of float. (R. Giulietti, "The
// Schubfach way to render doubles", 2021)
template <class T> struct scale {
    using format = typename layout<T>::format;
    int k, h;
    decltype(jkj::dragonbox::policy::cache::full.get_cache<format>(0)) g;
    ALWAYS_INLINE scale(int biased, bool closer) {
        const int q = biased - layout<T>::BIAS;
        k = (q * 1262611 - (closer ? 524031 : 0)) >> 22;
        h = q + (-k * 1741647 >> 19) + 1;
        g = jkj::dragonbox::policy::cache::full.get_cache<format>(-k);
    }
};

// The shortest decimal that reads back to x, and the one nearest to x of those, as 9.9 of that paper has it.
// x is positive and finite. There may be zeros at the end of the digits.
template <class T> __attribute__((noinline)) decimal shortest_of_any(typename layout<T>::bits x) {
    using L = layout<T>;
    const uint64_t normal = uint64_t(1) << L::FRACTION, fraction = x & (normal - 1);
    const int biased = int(x >> L::FRACTION);
    const bool closer = fraction == 0 && biased > 1; // the next smaller number is nearer
    const scale<T> at(biased ? biased : 1, closer);
    const uint64_t c = biased ? fraction | normal : fraction, odd = c & 1;
    auto rounded_to_odd = [&](uint64_t cp) {
        const uint128 all = L::scaled(at.g, cp << at.h);
        return uint64_t(all >> 64) | (uint64_t(all) >> L::CUT > 1);
    };
    const uint64_t lower = rounded_to_odd(4 * c - 2 + closer) + odd,
                   upper = rounded_to_odd(4 * c + 2) - odd, vb = rounded_to_odd(4 * c);
    const uint64_t s = vb / 4, tens = s / 10 * 10;
    const bool tens_in = lower <= 4 * tens, next_tens_in = 4 * tens + 40 <= upper,
               in = lower <= 4 * s, next_in = 4 * s + 4 <= upper;
    if (s >= 10 && tens_in != next_tens_in) return {tens + (next_tens_in ? 10 : 0), at.k};
    if (in != next_in) return {s + next_in, at.k};
    return {s + (vb + (s & 1) > 4 * s + 2), at.k};
}

// The same, found from one product where that is far enough from where the choice turns, which it is but for
// one number in billions and those that end in zero bits alone. Nothing is chosen by a branch, since nothing
// of a random number can be foreseen.
template <class T> ALWAYS_INLINE decimal shortest(typename layout<T>::bits x) {
    using L = layout<T>;
    const uint64_t normal = uint64_t(1) << L::FRACTION, fraction = x & (normal - 1);
    const int biased = int(x >> L::FRACTION);
    if (fraction == 0 || biased == 0) return shortest_of_any<T>(x);
    const scale<T> at(biased, false);
    const uint128 all = L::scaled(at.g, (fraction | normal) << at.h);
    const uint64_t s = uint64_t(all >> 64), part = uint64_t(all), half = uint64_t(1) << 63;
    // In 2^-60 of 10^k: half of the distance of x and the next number, and that to the tens on both sides.
    const uint64_t width = L::top(at.g) >> (5 - at.h), ones = s % 10,
                   below = ones << 60 | part >> 4, above = (uint64_t(10) << 60) - below;
    constexpr uint64_t error = L::ERROR + 1;
    if ((below - width + error <= 2 * error) | (above - width + error <= 2 * error) |
        (part - half + error <= 2 * error))
        return shortest_of_any<T>(x);
    const uint64_t nearest = s + (part >> 63), ten = s - ones;
    const uint64_t tens = above < width ? ten + 10 : ten;
    const bool in = (above < width) | (below < width);
    return {in ? tens : nearest, at.k};
}

unsigned top_bit(uint64_t x) { return 63u ^ unsigned(__builtin_clzll(x)); }

// Stores eight bytes, the lowest first.
void store8(char *out, uint64_t bytes) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    bytes = __builtin_bswap64(bytes);
#endif
    std::memcpy(out, &bytes, sizeof bytes);
}

// Sixteen digits, of two numbers below 10^8 eight each, kept in a register: what was just stored in pieces
// is slow to load. A byte each, the first digit lowest: quotients by 10,000, by 100 and by 10, and beside
// each what it leaves.
#ifdef __SSE2__
class sixteen {
    __m128i digits;

  public:
    sixteen(uint32_t high, uint32_t low) {
        const __m128i x = _mm_set_epi64x(low, high), ten_4 = _mm_set1_epi64x(10000),
                      hundred = _mm_set1_epi16(100), ten = _mm_set1_epi16(10);
        const __m128i a = _mm_srli_epi64(_mm_mul_epu32(x, _mm_set1_epi64x(3518437209)), 45);
        const __m128i fours =
            _mm_or_si128(a, _mm_slli_epi64(_mm_sub_epi64(x, _mm_mul_epu32(a, ten_4)), 32));
        const __m128i b = _mm_srli_epi16(_mm_mulhi_epu16(fours, _mm_set1_epi16(5243)), 3);
        const __m128i twos =
            _mm_or_si128(b, _mm_slli_epi32(_mm_sub_epi16(fours, _mm_mullo_epi16(b, hundred)), 16));
        const __m128i c = _mm_mulhi_epu16(twos, _mm_set1_epi16(6554));
        digits = _mm_or_si128(c, _mm_slli_epi16(_mm_sub_epi16(twos, _mm_mullo_epi16(c, ten)), 8));
    }
    // How many there are without the zeros at the end.
    int count() const {
        const int zeros = _mm_movemask_epi8(_mm_cmpeq_epi8(digits, _mm_setzero_si128()));
        return int(top_bit((0xFFFFu ^ unsigned(zeros)) << 1 | 1));
    }
    // As text, the first digit lowest.
    uint128 text() const {
        const __m128i bytes = _mm_or_si128(digits, _mm_set1_epi8('0'));
        const int64_t last = _mm_cvtsi128_si64(_mm_unpackhi_epi64(bytes, bytes));
        return uint128(uint64_t(last)) << 64 | uint64_t(_mm_cvtsi128_si64(bytes));
    }
    void store(char *out) const {
        const __m128i bytes = _mm_or_si128(digits, _mm_set1_epi8('0'));
        std::memcpy(out, &bytes, sizeof bytes);
    }
};
#else
class sixteen {
    uint64_t first, last;

    static uint64_t eight(uint32_t x) {
        const uint64_t fours = x / 10000 | uint64_t(x % 10000) << 32;
        const uint64_t hundreds = (fours * 10486 >> 20) & 0x0000007F0000007F;
        const uint64_t twos = hundreds | (fours - 100 * hundreds) << 16;
        const uint64_t tens = (twos * 103 >> 10) & 0x000F000F000F000F;
        return tens | (twos - 10 * tens) << 8;
    }

  public:
    sixteen(uint32_t high, uint32_t low) : first(eight(high)), last(eight(low)) {}
    int count() const {
        return last ? 9 + int(top_bit(last) / 8) : first ? 1 + int(top_bit(first) / 8) : 0;
    }
    uint128 text() const {
        const uint64_t zeros = 0x3030303030303030;
        return uint128(last | zeros) << 64 | first | zeros;
    }
    void store(char *out) const {
        store8(out, uint64_t(text()));
        store8(out + 8, uint64_t(text() >> 64));
    }
};
#endif

// Seventeen digits.
struct digits {
    char first;
    sixteen rest;
    int n;        // how many there are without the zeros at the end
    int exponent; // of the first one
};

// Of float there are nine, and zeros.
template <class T> ALWAYS_INLINE digits spread(decimal d) {
    constexpr int most = layout<T>::DIGITS;
    constexpr uint64_t ten_8 = 100000000, full = most == 9 ? ten_8 : ten_8 * ten_8;
    // But for the rarest numbers, one digit is missing at most, and two of float.
    while (__builtin_expect(d.digits < full / 100, 0)) d = {d.digits * 10, d.exponent - 1};
    const int missing = (d.digits < full) + (d.digits < full / 10);
    static const uint8_t up[] = {1, 10, 100}; // looked up, since it cannot be foreseen
    const uint64_t all = d.digits * up[missing];
    const uint32_t top = uint32_t(most == 9 ? all : all / ten_8), first = top / uint32_t(ten_8);
    const sixteen rest(top - first * uint32_t(ten_8), most == 9 ? 0 : uint32_t(all - top * ten_8));
    return {char('0' + first), rest, 1 + rest.count(), d.exponent - missing + most - 1};
}

void store_digits(char *out, const digits &d) {
    out[0] = d.first;
    d.rest.store(out + 1);
}

// "d.ddde+XX"
ALWAYS_INLINE size_t lay_out_scientific(char *out, const digits &d) {
    out[0] = d.first;
    out[1] = '.';
    d.rest.store(out + 2);
    char *at = out + (d.n > 1 ? d.n + 1 : 1);
    const int size = d.exponent < 0 ? -d.exponent : d.exponent;
    *at++ = 'e';
    *at++ = d.exponent < 0 ? '-' : '+';
    *at = char('0' + size / 100);
    at += size >= 100;
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
    const uint128 behind = d.rest.text() >> 8 * (whole - 1);
    store_digits(out, d);
    out[whole] = '.';
    store8(out + whole + 1, uint64_t(behind));
    if (d.n > whole + 8) store8(out + whole + 9, uint64_t(behind >> 64));
    return size_t(whole) + 1 + size_t(d.n > whole ? d.n - whole : 1);
}

template <class T> size_t print_float(char *out, T x) {
    using L = layout<T>;
    typename L::bits bits;
    std::memcpy(&bits, &x, sizeof bits);
    const typename L::bits size = bits << 1 >> 1;
    // From 1 on, and where all whole numbers are apart by 1 at least, so that all their digits count.
    const unsigned exponent = unsigned(size >> L::FRACTION) - (L::BIAS - L::FRACTION);
    if (exponent <= L::FRACTION && T(int64_t(x)) == x) {
        char *end = std::to_chars(out, out + NUMBER_TEXT, int64_t(x)).ptr;
        std::memcpy(end, ".0", 2);
        return size_t(end - out) + 2;
    }
    const size_t sign = size_t(bits >> (sizeof bits * 8 - 1));
    *out = '-';
    if (size == 0) {
        std::memcpy(out + sign, "0.0", 3);
        return sign + 3;
    }
    return sign + lay_out(out + sign, spread<T>(shortest<T>(size)));
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
