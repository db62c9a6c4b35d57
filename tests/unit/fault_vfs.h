/* A disk that loses power, fills up and breaks: SQLite's default VFS, behind which the usual one keeps
 * real files. What a file got since its last sync is kept apart, and a power cut loses any part of it.
 * All of it may be used from any thread. */
#ifndef GRADD_TESTS_UNIT_FAULT_VFS_H
#define GRADD_TESTS_UNIT_FAULT_VFS_H

#include <stdbool.h>
#include <stdint.h>

enum fault_call {
    FAULT_WRITE = 1,
    FAULT_SYNC = 2,
    FAULT_OPEN = 4,
    FAULT_TRUNCATE = 8,
    FAULT_READ = 16,
    FAULT_DELETE = 32
};

/* Makes it SQLite's default, before the first store is opened; again: all is as at the beginning. */
void fault_vfs_install(void);
void fault_vfs_free(void);

/* The n-th call from now on of those kinds fails (1: the next one), and those behind it where `goes_on`. 0:
 * none does any more. */
void fault_vfs_fail(unsigned calls, long n, bool goes_on);
/* How many calls of those kinds there were since the last fault_vfs_fail. */
long fault_vfs_calls(void);
/* So many bytes may still be written behind the ends of files; -1: any. */
void fault_vfs_room(int64_t bytes);
/* What syncs is told that it is done, and is not: synchronous=OFF comes to this. */
void fault_vfs_ignore_syncs(bool ignores);

/* The power is gone: every call fails, and nothing reaches a disk any more. */
void fault_vfs_cut(void);

enum fault_survivors {
    FAULT_NOTHING, /* of what was not synced is there */
    FAULT_ALL,
    FAULT_FIRST, /* what came first, up to some moment */
    FAULT_SOME   /* any sectors of it, in part or whole */
};

/* Once all files are closed: the files are what survived the cut, and the power is back. */
void fault_vfs_power_on(enum fault_survivors survivors, uint64_t *random);

#endif
