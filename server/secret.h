/* Tokens as secrets: how they are made, and the digest under which alone they are kept. */
#ifndef GRADD_SERVER_SECRET_H
#define GRADD_SERVER_SECRET_H

#include <stdbool.h>
#include <stddef.h>

enum { SECRET_DIGEST = 32, SECRET_HEX = 2 * SECRET_DIGEST, SECRET_TOKEN = 38 };

struct secret_digest {
    unsigned char bytes[SECRET_DIGEST];
};

/* SHA-256 of n bytes. A token is random bits, as many as the digest cannot be searched for: nothing
 * slower is needed, as it would be for a password. */
void secret_digest(const char *text, size_t n, struct secret_digest *out);

/* Whether two digests are the same, in a time that does not say where they differ. */
bool secret_same(const struct secret_digest *a, const struct secret_digest *b);

/* The same of texts of n bytes. */
bool secret_equals(const char *a, const char *b, size_t n);

/* 64 hexadecimal digits to a digest, and back. */
bool secret_parse(const char *hex, size_t n, struct secret_digest *out);
void secret_write(const struct secret_digest *digest, char out[SECRET_HEX + 1]);

/* A new token: "gradd_" and 128 random bits in hexadecimal. False where the system has no randomness. */
bool secret_new_token(char out[SECRET_TOKEN + 1]);

#endif
