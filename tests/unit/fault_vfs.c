/* A VFS for SQLite that hands all calls on to the usual one, and keeps a second copy of each file: what
 * is safe on the disk, and the changes that are not. It knows files and nothing of what is in them. */
#include "fault_vfs.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECTOR = 512 };

/* A change that is not safe yet: bytes at a place, or a new length. */
struct pending {
    struct pending *next;
    int64_t at;
    size_t n;
    unsigned char bytes[]; /* n is 0 of a truncation to `at` bytes */
};

/* One name in a directory. */
struct disk_file {
    struct disk_file *next;
    char *name;
    bool is_safe;     /* there was a sync, so that the name is on the disk too */
    bool is_there;    /* it was not deleted */
    bool was_dropped; /* deleted, and no sync since */
    unsigned char *safe;
    size_t length;
    struct pending *first, **last;
};

struct open_file {
    sqlite3_file base;      /* first */
    struct disk_file *disk; /* NULL: a temporary file */
    sqlite3_file *real;     /* behind this one */
};

static struct {
    pthread_mutex_t lock;
    sqlite3_vfs vfs, *real;
    struct disk_file *files;
    unsigned calls;
    long failing, seen;
    bool goes_on, ignores, is_cut;
    int64_t room;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER, .room = -1};

static void *must(void *memory) {
    if (!memory) abort();
    return memory;
}

/* ---- what is to fail ---- */

/* Under the lock: whether this call is one that fails. */
static bool fails(enum fault_call call) {
    if (disk.is_cut) return true;
    if (!(disk.calls & call)) return false;
    disk.seen++;
    return disk.failing && (disk.goes_on ? disk.seen >= disk.failing : disk.seen == disk.failing);
}

void fault_vfs_fail(unsigned calls, long n, bool goes_on) {
    pthread_mutex_lock(&disk.lock);
    disk.calls = calls;
    disk.failing = n;
    disk.goes_on = goes_on;
    disk.seen = 0;
    pthread_mutex_unlock(&disk.lock);
}

long fault_vfs_calls(void) {
    pthread_mutex_lock(&disk.lock);
    const long seen = disk.seen;
    pthread_mutex_unlock(&disk.lock);
    return seen;
}

void fault_vfs_room(int64_t bytes) {
    pthread_mutex_lock(&disk.lock);
    disk.room = bytes;
    pthread_mutex_unlock(&disk.lock);
}

void fault_vfs_ignore_syncs(bool ignores) {
    pthread_mutex_lock(&disk.lock);
    disk.ignores = ignores;
    pthread_mutex_unlock(&disk.lock);
}

void fault_vfs_cut(void) {
    pthread_mutex_lock(&disk.lock);
    disk.is_cut = true;
    pthread_mutex_unlock(&disk.lock);
}

/* ---- the second copy ---- */

static struct disk_file *find_file(const char *name) {
    struct disk_file *f = disk.files;
    while (f && strcmp(f->name, name) != 0) f = f->next;
    return f;
}

static struct disk_file *add_file(const char *name) {
    struct disk_file *f = must(calloc(1, sizeof *f));
    f->name = must(strdup(name));
    f->last = &f->first;
    f->next = disk.files;
    return disk.files = f;
}

/* What stands on the disk before anything is written is safe. */
static void read_safe(struct disk_file *f) {
    FILE *in = fopen(f->name, "rb");
    long n;
    if (!in) return;
    if (fseek(in, 0, SEEK_END) == 0 && (n = ftell(in)) > 0) {
        f->safe = must(malloc((size_t)n));
        rewind(in);
        f->length = fread(f->safe, 1, (size_t)n, in);
    }
    fclose(in);
    f->is_safe = true;
}

static void add_pending(struct disk_file *f, int64_t at, const void *bytes, size_t n) {
    struct pending *p = must(malloc(sizeof *p + n));
    *p = (struct pending){.at = at, .n = n};
    if (n) memcpy(p->bytes, bytes, n);
    *f->last = p;
    f->last = &p->next;
}

static void resize(struct disk_file *f, size_t length) {
    if (length > f->length) {
        f->safe = must(realloc(f->safe, length));
        memset(f->safe + f->length, 0, length - f->length);
    }
    f->length = length;
}

static void apply(struct disk_file *f, int64_t at, const unsigned char *bytes, size_t n) {
    if (!n) {
        resize(f, (size_t)at);
        return;
    }
    if ((size_t)at + n > f->length) resize(f, (size_t)at + n);
    memcpy(f->safe + at, bytes, n);
}

static void drop_first(struct disk_file *f) {
    struct pending *p = f->first;
    f->first = p->next;
    if (!f->first) f->last = &f->first;
    free(p);
}

static void make_safe(struct disk_file *f) {
    for (; f->first; drop_first(f)) apply(f, f->first->at, f->first->bytes, f->first->n);
    f->is_safe = true;
}

static void drop_pending(struct disk_file *f) {
    while (f->first) drop_first(f);
}

static void forget(struct disk_file *f) {
    drop_pending(f);
    free(f->safe);
    f->safe = NULL;
    f->length = 0;
    f->is_safe = f->was_dropped = false;
}

void fault_vfs_free(void) {
    for (struct disk_file *f = disk.files, *next; f; f = next) {
        next = f->next;
        forget(f);
        free(f->name);
        free(f);
    }
    disk.files = NULL;
}

/* ---- behind a cut ---- */

static int any(uint64_t *random, int n) {
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int)((*random >> 33) % (unsigned)n);
}

/* Sector by sector, each there or not. */
static void apply_some(struct disk_file *f, const struct pending *p, uint64_t *random) {
    if (!p->n && any(random, 2)) apply(f, p->at, NULL, 0);
    for (size_t at = 0; at < p->n;) {
        size_t n = SECTOR - (size_t)(p->at + (int64_t)at) % SECTOR;
        if (n > p->n - at) n = p->n - at;
        if (any(random, 2)) apply(f, p->at + (int64_t)at, p->bytes + at, n);
        at += n;
    }
}

static void survive(struct disk_file *f, enum fault_survivors survivors, uint64_t *random) {
    int n = 0;
    for (const struct pending *p = f->first; p; p = p->next) n++;
    int first = survivors == FAULT_ALL ? n : survivors == FAULT_FIRST ? any(random, n + 1) : 0;
    for (const struct pending *p = f->first; p; p = p->next) {
        if (first-- > 0)
            apply(f, p->at, p->bytes, p->n);
        else if (survivors == FAULT_SOME)
            apply_some(f, p, random);
    }
    drop_pending(f);
}

static void write_file(const struct disk_file *f) {
    FILE *out = fopen(f->name, "wb");
    if (!out || fwrite(f->safe, 1, f->length, out) != f->length || fclose(out) != 0) abort();
}

void fault_vfs_power_on(enum fault_survivors survivors, uint64_t *random) {
    pthread_mutex_lock(&disk.lock);
    for (struct disk_file *f = disk.files; f; f = f->next) {
        const bool named = f->is_safe || survivors == FAULT_ALL ||
                           (survivors != FAULT_NOTHING && any(random, 2)),
                   there = f->is_there || (f->was_dropped && any(random, 2));
        survive(f, survivors, random);
        unlink(f->name);
        if (there && named)
            write_file(f);
        else
            forget(f);
        f->is_there = f->is_safe = there && named;
        f->was_dropped = false;
    }
    disk.is_cut = false;
    disk.room = -1;
    disk.calls = 0;
    pthread_mutex_unlock(&disk.lock);
}

/* ---- the calls on a file ---- */

static sqlite3_file *real_of(sqlite3_file *file) { return ((struct open_file *)file)->real; }

static int on_close(sqlite3_file *file) { return real_of(file)->pMethods->xClose(real_of(file)); }

static int on_read(sqlite3_file *file, void *out, int n, sqlite3_int64 at) {
    pthread_mutex_lock(&disk.lock);
    const bool failed = fails(FAULT_READ);
    pthread_mutex_unlock(&disk.lock);
    if (failed) return SQLITE_IOERR_READ;
    return real_of(file)->pMethods->xRead(real_of(file), out, n, at);
}

/* Bytes that make the file longer need room. */
static bool takes_room(sqlite3_file *file, int64_t end) {
    sqlite3_int64 size = 0;
    if (disk.room < 0) return true;
    real_of(file)->pMethods->xFileSize(real_of(file), &size);
    const int64_t more = end > size ? end - size : 0;
    if (more > disk.room) return false;
    disk.room -= more;
    return true;
}

static int on_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at) {
    struct open_file *f = (struct open_file *)file;
    int code = SQLITE_IOERR_WRITE;
    pthread_mutex_lock(&disk.lock);
    if (!fails(FAULT_WRITE)) {
        code = takes_room(file, at + n) ? f->real->pMethods->xWrite(f->real, bytes, n, at)
                                        : SQLITE_FULL;
        if (code == SQLITE_OK && f->disk) add_pending(f->disk, at, bytes, (size_t)n);
    }
    pthread_mutex_unlock(&disk.lock);
    return code;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 size) {
    struct open_file *f = (struct open_file *)file;
    int code = SQLITE_IOERR_TRUNCATE;
    pthread_mutex_lock(&disk.lock);
    if (!fails(FAULT_TRUNCATE)) {
        code = f->real->pMethods->xTruncate(f->real, size);
        if (code == SQLITE_OK && f->disk) add_pending(f->disk, size, NULL, 0);
    }
    pthread_mutex_unlock(&disk.lock);
    return code;
}

/* A file system writes down what happens to names in its order: with a sync, all of that is safe. */
static void make_names_safe(void) {
    for (struct disk_file *f = disk.files; f; f = f->next) f->was_dropped = false;
}

/* The real file needs none: its power is not cut. */
static int on_sync(sqlite3_file *file, int flags) {
    struct open_file *f = (struct open_file *)file;
    (void)flags;
    pthread_mutex_lock(&disk.lock);
    const bool failed = fails(FAULT_SYNC);
    if (!failed && !disk.ignores && f->disk) {
        make_safe(f->disk);
        make_names_safe();
    }
    pthread_mutex_unlock(&disk.lock);
    return failed ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int on_size(sqlite3_file *file, sqlite3_int64 *size) {
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}
static int on_lock(sqlite3_file *file, int lock) {
    return real_of(file)->pMethods->xLock(real_of(file), lock);
}
static int on_unlock(sqlite3_file *file, int lock) {
    return real_of(file)->pMethods->xUnlock(real_of(file), lock);
}
static int on_check(sqlite3_file *file, int *out) {
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

/* What would make the file longer without a write is not done. */
static int on_control(sqlite3_file *file, int op, void *argument) {
    if (op == SQLITE_FCNTL_SIZE_HINT || op == SQLITE_FCNTL_CHUNK_SIZE) return SQLITE_NOTFOUND;
    return real_of(file)->pMethods->xFileControl(real_of(file), op, argument);
}

static int on_sector(sqlite3_file *file) {
    (void)file;
    return SECTOR;
}
static int on_device(sqlite3_file *file) {
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}
static int on_map(sqlite3_file *file, int region, int size, int extends, void volatile **out) {
    return real_of(file)->pMethods->xShmMap(real_of(file), region, size, extends, out);
}
static int on_shm_lock(sqlite3_file *file, int offset, int n, int flags) {
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}
static void on_barrier(sqlite3_file *file) { real_of(file)->pMethods->xShmBarrier(real_of(file)); }
static int on_unmap(sqlite3_file *file, int deletes) {
    return real_of(file)->pMethods->xShmUnmap(real_of(file), deletes);
}

static const sqlite3_io_methods methods = {.iVersion = 2,
                                           .xClose = on_close,
                                           .xRead = on_read,
                                           .xWrite = on_write,
                                           .xTruncate = on_truncate,
                                           .xSync = on_sync,
                                           .xFileSize = on_size,
                                           .xLock = on_lock,
                                           .xUnlock = on_unlock,
                                           .xCheckReservedLock = on_check,
                                           .xFileControl = on_control,
                                           .xSectorSize = on_sector,
                                           .xDeviceCharacteristics = on_device,
                                           .xShmMap = on_map,
                                           .xShmLock = on_shm_lock,
                                           .xShmBarrier = on_barrier,
                                           .xShmUnmap = on_unmap};

/* ---- the calls on names ---- */

/* Under the lock: the second copy of a file that is being opened. */
static struct disk_file *track(const char *name) {
    struct disk_file *f = find_file(name);
    if (!f) f = add_file(name);
    if (!f->is_there) {
        forget(f);
        read_safe(f);
    }
    f->is_there = true;
    return f;
}

static int on_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags,
                   int *given) {
    struct open_file *f = (struct open_file *)file;
    (void)vfs;
    f->base.pMethods = NULL;
    f->real = (sqlite3_file *)(void *)(f + 1);
    pthread_mutex_lock(&disk.lock);
    int code = SQLITE_CANTOPEN;
    if (!fails(FAULT_OPEN)) {
        struct disk_file *tracked = name ? track(name) : NULL;
        code = disk.real->xOpen(disk.real, name, f->real, flags, given);
        f->disk = tracked;
        if (code == SQLITE_OK) f->base.pMethods = &methods;
    }
    pthread_mutex_unlock(&disk.lock);
    return code;
}

static int on_delete(sqlite3_vfs *vfs, const char *name, int syncs) {
    (void)vfs;
    pthread_mutex_lock(&disk.lock);
    int code = SQLITE_IOERR_DELETE;
    if (!fails(FAULT_DELETE)) {
        struct disk_file *f = find_file(name);
        code = disk.real->xDelete(disk.real, name, 0);
        if (code == SQLITE_OK && f) {
            f->is_there = false;
            f->was_dropped = !syncs || disk.ignores;
        }
    }
    pthread_mutex_unlock(&disk.lock);
    return code;
}

void fault_vfs_install(void) {
    sqlite3_initialize();
    fault_vfs_free();
    fault_vfs_fail(0, 0, false);
    fault_vfs_room(-1);
    fault_vfs_ignore_syncs(false);
    disk.is_cut = false;
    if (disk.real) return;
    disk.real = must(sqlite3_vfs_find(NULL));
    disk.vfs = *disk.real;
    disk.vfs.zName = "fault";
    disk.vfs.szOsFile = (int)sizeof(struct open_file) + disk.real->szOsFile;
    disk.vfs.xOpen = on_open;
    disk.vfs.xDelete = on_delete;
    if (sqlite3_vfs_register(&disk.vfs, 1) != SQLITE_OK) abort();
}
