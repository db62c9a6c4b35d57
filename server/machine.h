/* What the machine, the container and the shell grant this process. */
#ifndef GRADD_SERVER_MACHINE_H
#define GRADD_SERVER_MACHINE_H

#include <stddef.h>
#include <stdint.h>

/* Cores that may be used: the affinity mask, cut to the cgroup's CPU quota (rounded up); at least 1. */
int machine_cores(void);

/* Bytes of memory that may be used: the machine's, cut to the cgroup's limit. */
int64_t machine_memory(void);

/* Raises the limit of open files to `wanted` as far as is allowed; returns what it is then. */
size_t machine_files(size_t wanted);

/* Bytes of this process that are resident now; 0 where that cannot be read. */
int64_t machine_resident(void);

/* Files that are open; 0 where that cannot be read. */
int64_t machine_open_files(void);
/* The most that may be. */
int64_t machine_most_files(void);
/* Seconds of processors that this process has used. */
double machine_cpu_seconds(void);

#endif
