/* What all kinds of store share: how the kinds of objects are called. */
#include "server/store.h"

const char *const store_kind_names[] = {
#define STORE_NAME(tag, text) text,
    STORE_KINDS(STORE_NAME)
#undef STORE_NAME
};
