/* How much memory this process may take. */
#ifndef GRADD_SERVER_MEMORY_H
#define GRADD_SERVER_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sets the budget of the process: of *wanted bytes (0 becomes three quarters of what the machine and the container
 * grant) what is left beside the process as it is now and so many threads. Called before there are any of them.
 * False with one sentence where they leave nothing to requests. */
bool memory_set(int64_t *wanted, int threads, char *problem, size_t size);

#endif
