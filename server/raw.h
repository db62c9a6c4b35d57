/* Answers as bytes, for where they are written past the HTTP library. */
#ifndef GRADD_SERVER_RAW_H
#define GRADD_SERVER_RAW_H

#include "server/exchange.h"

enum { RAW_HEAD = 512, RAW_REFUSAL = 1024 };

/* The head of an answer behind which the connection is closed; returns its length. */
size_t raw_head(const struct answer *a, char out[RAW_HEAD]);

/* A whole answer to whom nothing else is known of: a problem with one sentence. */
void raw_refusal(enum error_code code, const char *sentence, char out[RAW_REFUSAL]);

#endif
