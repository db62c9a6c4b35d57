/* Put before the C library (LD_PRELOAD): a disk on which a sync takes so many microseconds longer, of
 * GRADD_BENCH_SYNC_US, as it does in a data centre where a volume is across the network. */
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int fdatasync(int fd) {
    int (*own)(int);
    const char *us = getenv("GRADD_BENCH_SYNC_US");
    const long more = us ? atol(us) * 1000 : 0;
    *(void **)&own = dlsym(RTLD_NEXT, "fdatasync"); /* as POSIX has it */
    nanosleep(&(struct timespec){more / 1000000000, more % 1000000000}, NULL);
    return own(fd);
}
