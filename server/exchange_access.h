/* Whether whoever sends a request may do so, and what a web page is told. */
#ifndef GRADD_SERVER_EXCHANGE_ACCESS_H
#define GRADD_SERVER_EXCHANGE_ACCESS_H

#include "server/exchange.h"

/* Checks the Host, the Origin and the token, in this order; false after a failure. */
bool exchange_allow(struct exchange *x);

/* The headers of an answer that concern web pages. */
void exchange_tell_page(const struct exchange *x, struct answer *out);

/* The headers that a page of an allowed origin may send, and see. */
extern const char exchange_page_sends[], exchange_page_sees[];

#endif
