/* Digests and random tokens, through nettle, whose headers have their home here. Knows neither the file
 * of tokens nor what they allow. */
#include "server/secret.h"

#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <string.h>
#include <sys/random.h>

enum { RANDOM_BYTES = 16 };

static const char prefix[] = "gradd_", digits[] = "0123456789abcdef";

_Static_assert((int)SECRET_DIGEST == SHA256_DIGEST_SIZE, "the digest is SHA-256's");
_Static_assert((int)SECRET_TOKEN == sizeof prefix - 1 + 2 * RANDOM_BYTES, "a token's length");

void secret_digest(const char *text, size_t n, struct secret_digest *out) {
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, n, (const uint8_t *)text);
    sha256_digest(&context, SHA256_DIGEST_SIZE, out->bytes);
}

bool secret_same(const struct secret_digest *a, const struct secret_digest *b) {
    return memeql_sec(a->bytes, b->bytes, SECRET_DIGEST);
}

/* Eight bytes at a time, where nettle compares one, which with each request takes as long as reading a header. The
 * assembler's line is empty: that an early end would do is not to be seen. */
bool secret_equals(const char *a, const char *b, size_t n) {
    uint64_t differ = 0, x, y;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        memcpy(&x, a + i, 8);
        memcpy(&y, b + i, 8);
        differ |= x ^ y;
        __asm__("" : "+r"(differ));
    }
    for (; i < n; i++) {
        differ |= (unsigned char)(a[i] ^ b[i]);
        __asm__("" : "+r"(differ));
    }
    return !differ;
}

static void write_hex(const unsigned char *bytes, size_t n, char *out) {
    for (size_t i = 0; i < n; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}

static int digit_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char small = (char)(c | 0x20);
    return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

bool secret_parse(const char *hex, size_t n, struct secret_digest *out) {
    if (n != SECRET_HEX) return false;
    for (size_t i = 0; i < SECRET_DIGEST; i++) {
        const int high = digit_value(hex[2 * i]), low = digit_value(hex[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        out->bytes[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

void secret_write(const struct secret_digest *digest, char out[SECRET_HEX + 1]) {
    write_hex(digest->bytes, SECRET_DIGEST, out);
}

bool secret_new_token(char out[SECRET_TOKEN + 1]) {
    unsigned char bytes[RANDOM_BYTES];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) return false;
    strcpy(out, prefix);
    write_hex(bytes, sizeof bytes, out + sizeof prefix - 1);
    return true;
}
