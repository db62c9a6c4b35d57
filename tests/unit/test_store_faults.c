/* The SQLite store on a disk that loses power, fills up and breaks: what was done is there, what was not
 * is there whole or not at all, and every failure is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <dirent.h>
#include <pthread.h>

#include "fault_vfs.h"
#include "server/store.h"

enum { OBJECTS = 10, DELETABLE = 4, BATCHES = 4000, CHANGES = 4, LONGEST = 20000 };

/* ---- what was saved ---- */

/* One object in one batch; the batch's number is its version. */
struct object {
    int number, version;
    bool deleted;
};

enum outcome { UNKNOWN, DONE, FAILED };

struct batch {
    struct object objects[CHANGES];
    int n;
    enum outcome outcome;
    enum error_code code;
};

/* A store, and what it was told. */
struct book {
    char directory[64];
    struct store *store;
    uint64_t random;
    struct batch batches[BATCHES];
    int n;             /* batches */
    int settled;       /* those before are in `base` */
    int base[OBJECTS]; /* the version that is there, 0: none */
    pthread_mutex_t lock;
    pthread_cond_t came;
    int waiting;
};

static int pick(struct book *b, int n) {
    b->random = b->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int)((b->random >> 33) % (unsigned)n);
}

/* The bytes of an object follow from its number and version. */
static size_t fill(const struct object *o, char *out) {
    const uint32_t mixed = (uint32_t)(o->number * 7919 + o->version * 104729) * 2654435761u;
    const size_t n = mixed % 4 ? 40 + mixed / 4 % 500 : 40 + mixed / 4 % (LONGEST - 40);
    const int head = snprintf(out, n, "%d:%d:", o->number, o->version);
    for (size_t i = (size_t)head; i < n; i++) out[i] = (char)('a' + (mixed >> i % 16 & 15));
    return n;
}

static bool encode(const void *object, struct writer *out) {
    static _Thread_local char bytes[LONGEST];
    const size_t n = fill(object, bytes);
    write_bytes(out, bytes, n);
    return !out->full;
}

static const char *name_of(int number) {
    static _Thread_local char name[16];
    snprintf(name, sizeof name, "object-%d", number);
    return name;
}

static enum store_kind kind_of(int number) { return number % 3 ? STORE_SESSION : STORE_FUNCTION; }

/* ---- opening and closing ---- */

static struct book *book_new(uint64_t seed) {
    struct book *b = calloc(1, sizeof *b);
    assert_non_null(b);
    strcpy(b->directory, "/tmp/gradd-faults-XXXXXX");
    assert_non_null(mkdtemp(b->directory));
    b->random = seed;
    b->n = b->settled = 1;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->came, NULL);
    fault_vfs_install();
    return b;
}

static bool book_open(struct book *b) {
    char problem[512] = "";
    b->store = store_sqlite.open(b->directory, problem, sizeof problem);
    if (!b->store) assert_true(problem[0] != '\0' && !strchr(problem, '\n'));
    return b->store;
}

static void book_close(struct book *b) {
    if (b->store) b->store->verbs->close(b->store);
    b->store = NULL;
}

static void book_free(struct book *b) {
    char path[400];
    book_close(b);
    DIR *d = opendir(b->directory);
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof path, "%s/%s", b->directory, e->d_name);
        unlink(path);
    }
    if (d) closedir(d);
    rmdir(b->directory);
    pthread_cond_destroy(&b->came);
    pthread_mutex_destroy(&b->lock);
    free(b);
    fault_vfs_install();
}

/* ---- saving ---- */

struct waiting {
    struct book *book;
    struct batch *batch;
};

static void on_done(void *context, const struct error *error) {
    struct waiting *w = context;
    struct book *b = w->book;
    pthread_mutex_lock(&b->lock);
    assert_int_equal(w->batch->outcome, UNKNOWN);
    w->batch->outcome = error ? FAILED : DONE;
    w->batch->code = error ? error->code : 0;
    b->waiting--;
    pthread_cond_signal(&b->came);
    pthread_mutex_unlock(&b->lock);
    free(w);
}

/* Saves the objects of the next batch, of which numbers and deletions are there. */
static void save_batch(struct book *b) {
    struct batch *batch = &b->batches[b->n];
    struct store_change changes[CHANGES];
    char names[CHANGES][16];
    struct waiting *w = malloc(sizeof *w);
    assert_non_null(w);
    assert_true(b->n < BATCHES);
    *w = (struct waiting){b, batch};
    for (int i = 0; i < batch->n; i++) {
        struct object *o = &batch->objects[i];
        o->version = b->n;
        strcpy(names[i], name_of(o->number));
        changes[i] = (struct store_change){.kind = kind_of(o->number),
                                           .deleted = o->deleted,
                                           .tenant = "t",
                                           .id = names[i],
                                           .encode = encode,
                                           .object = o};
    }
    pthread_mutex_lock(&b->lock);
    b->waiting++;
    pthread_mutex_unlock(&b->lock);
    b->n++;
    b->store->verbs->save(b->store, changes, (size_t)batch->n, on_done, w);
}

static void save(struct book *b) {
    struct batch *batch = &b->batches[b->n];
    const int first = pick(b, OBJECTS);
    batch->n = 1 + pick(b, CHANGES);
    for (int i = 0; i < batch->n; i++) {
        const int number = (first + i) % OBJECTS;
        batch->objects[i] =
            (struct object){.number = number, .deleted = number < DELETABLE && pick(b, 3) == 0};
    }
    save_batch(b);
}

static void wait_all(struct book *b) {
    pthread_mutex_lock(&b->lock);
    while (b->waiting) pthread_cond_wait(&b->came, &b->lock);
    pthread_mutex_unlock(&b->lock);
}

/* Some at once, so that they are committed together. */
static void save_some(struct book *b, int groups) {
    while (groups-- > 0) {
        for (int n = 1 + pick(b, 5); n > 0; n--) save(b);
        wait_all(b);
    }
}

/* ---- looking ---- */

/* The version that is there; 0: none. -1: it cannot be read, or was never saved. */
static int look(struct book *b, int number) {
    static char wanted[LONGEST];
    struct object o = {.number = number};
    struct writer out;
    struct error error;
    int found;
    error_clear(&error);
    writer_init(&out, 1 << 20);
    if (!b->store->verbs->load(b->store, kind_of(number), "t", name_of(number), &out, &error)) {
        o.version = error.code == ERROR_NOT_FOUND ? 0 : -1;
    } else if (out.length < 40 || sscanf(out.data, "%d:%d:", &found, &o.version) != 2 ||
               found != number || fill(&o, wanted) != out.length ||
               memcmp(wanted, out.data, out.length) != 0) {
        o.version = -1;
    }
    writer_free(&out);
    return o.version;
}

/* Whether `version` of an object may be what is there: nothing older than what was done last, and
 * nothing that was never saved. */
static bool may_be(const struct book *b, int number, int version) {
    bool possible = version == b->base[number];
    for (int i = b->settled; i < b->n; i++) {
        for (int k = 0; k < b->batches[i].n; k++) {
            const struct object *o = &b->batches[i].objects[k];
            if (o->number != number) continue;
            const bool is_it = version == (o->deleted ? 0 : o->version);
            possible = b->batches[i].outcome == DONE ? is_it : possible || is_it;
        }
    }
    return possible;
}

/* A batch of which one object is there, and another is older than it. */
static bool is_torn(const struct batch *batch, const int *there) {
    bool some = false, missing = false;
    for (int i = 0; i < batch->n; i++) {
        const struct object *o = &batch->objects[i];
        if (o->number < DELETABLE) continue; /* which may be there no more */
        some = some || there[o->number] == o->version;
        missing = missing || there[o->number] < o->version;
    }
    return some && missing;
}

struct listed {
    int n;
    bool wrong;
    const int *there;
};

static bool on_listed(void *context, const struct store_row *row) {
    struct listed *l = context;
    int number = -1;
    if (sscanf(row->id, "object-%d", &number) != 1 || number < 0 || number >= OBJECTS ||
        l->there[number] == 0)
        l->wrong = true;
    l->n++;
    return true;
}

static bool lists_agree(struct book *b, const int *there) {
    struct listed l = {.there = there};
    struct error error;
    error_clear(&error);
    for (int number = 0; number < OBJECTS; number++) l.n -= there[number] != 0;
    return b->store->verbs->list(b->store, STORE_SESSION, on_listed, &l, &error) &&
           b->store->verbs->list(b->store, STORE_FUNCTION, on_listed, &l, &error) && !l.wrong &&
           l.n == 0;
}

/* How many objects and batches are not as they may be. What is there is the base from now on. */
static int losses(struct book *b) {
    int there[OBJECTS], lost = 0;
    for (int i = 0; i < OBJECTS; i++) {
        there[i] = look(b, i);
        lost += !may_be(b, i, there[i]);
    }
    for (int i = b->settled; i < b->n; i++) lost += is_torn(&b->batches[i], there);
    lost += !lists_agree(b, there);
    memcpy(b->base, there, sizeof there);
    b->settled = b->n;
    return lost;
}

/* ---- power ---- */

/* Saves until the power goes at some call, and what was there behind it. -1: it does not open. */
static int live_through_a_cut(struct book *b) {
    save_some(b, pick(b, 4));
    fault_vfs_fail(FAULT_WRITE | FAULT_SYNC | FAULT_TRUNCATE, 1 + pick(b, 30), true);
    save_some(b, 1 + pick(b, 4));
    fault_vfs_cut();
    book_close(b);
    fault_vfs_power_on((enum fault_survivors)pick(b, 4), &b->random);
    return book_open(b) ? losses(b) : -1;
}

static void what_was_done_survives_power_cuts(void **state) {
    (void)state;
    struct book *b = book_new(1);
    int done = 0, failed = 0;
    assert_true(book_open(b));
    for (int i = 0; i < 250; i++) assert_int_equal(live_through_a_cut(b), 0);
    for (int i = 0; i < b->n; i++) {
        done += b->batches[i].outcome == DONE;
        failed += b->batches[i].outcome == FAILED;
    }
    assert_true(done > 250 && failed > 250);
    book_free(b);
}

/* One object saved, or deleted. */
static enum outcome save_one(struct book *b, int number, bool deleted) {
    struct batch *batch = &b->batches[b->n];
    batch->n = 1;
    batch->objects[0] = (struct object){.number = number, .deleted = deleted};
    save_batch(b);
    wait_all(b);
    return batch->outcome;
}

/* Whose sync fails may be on the disk all the same. What is deleted then was not there, to who asks; and it
 * must not be there behind a power cut either. */
static void what_has_failed_does_not_come_back(void **state) {
    (void)state;
    struct book *b = book_new(1);
    assert_true(book_open(b));
    assert_int_equal(save_one(b, 0, false), DONE);
    fault_vfs_fail(FAULT_SYNC, 1, false);
    assert_int_equal(save_one(b, 1, false), FAILED);
    assert_int_equal(save_one(b, 1, true), DONE);
    fault_vfs_cut();
    book_close(b);
    fault_vfs_power_on(FAULT_ALL, &b->random);
    assert_true(book_open(b));
    assert_int_equal(losses(b), 0);
    book_free(b);
}

/* The same test, where syncs are not done: it must see that. */
static void without_syncs_power_cuts_lose_what_was_done(void **state) {
    (void)state;
    int lossy = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct book *b = book_new(seed);
        assert_true(book_open(b));
        fault_vfs_ignore_syncs(true);
        for (int i = 0; i < 3; i++) {
            const int lost = live_through_a_cut(b);
            lossy += lost != 0;
            if (lost < 0) break;
        }
        book_free(b);
    }
    assert_true(lossy > 10);
}

/* ---- room ---- */

static void a_full_disk_is_said_and_loses_nothing(void **state) {
    (void)state;
    struct book *b = book_new(3);
    assert_true(book_open(b));
    for (int i = 0; i < 40; i++) {
        fault_vfs_room(pick(b, 60000));
        const int first = b->n;
        save_some(b, 12);
        for (int k = first; k < b->n; k++)
            if (b->batches[k].outcome == FAILED)
                assert_int_equal(b->batches[k].code, ERROR_DISK_FULL);
        assert_int_equal(losses(b), 0);
        fault_vfs_room(-1);
        save(b);
        wait_all(b);
        assert_int_equal(b->batches[b->n - 1].outcome, DONE);
        if (pick(b, 3) == 0) {
            book_close(b);
            assert_true(book_open(b));
        }
        assert_int_equal(losses(b), 0);
    }
    int failed = 0;
    for (int i = 0; i < b->n; i++) failed += b->batches[i].outcome == FAILED;
    assert_true(failed > 0);
    book_free(b);
}

/* ---- calls that fail ---- */

/* The n-th call fails, once or from then on. Saves are done or fail; when the disk is well again, so is the
 * store, by itself or when it is opened again. False where there were fewer calls. */
static bool survives(struct book *b, unsigned calls, long n, bool goes_on) {
    fault_vfs_fail(calls, n, goes_on);
    save_some(b, 3);
    const long seen = fault_vfs_calls();
    fault_vfs_fail(0, 0, false);
    assert_int_equal(losses(b), 0);
    save(b);
    wait_all(b);
    if (b->batches[b->n - 1].outcome != DONE) {
        book_close(b);
        assert_true(book_open(b));
        save(b);
        wait_all(b);
        assert_int_equal(b->batches[b->n - 1].outcome, DONE);
    }
    assert_int_equal(losses(b), 0);
    return seen >= n;
}

static void every_call_may_fail(void **state) {
    static const unsigned calls[] = {FAULT_WRITE, FAULT_SYNC, FAULT_TRUNCATE, FAULT_READ,
                                     FAULT_WRITE | FAULT_SYNC};
    (void)state;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct book *b = book_new(i);
        assert_true(book_open(b));
        for (long n = 1; n < 40 && survives(b, calls[i], n, n % 2); n++) {
            if (n % 5) continue;
            book_close(b);
            assert_true(book_open(b));
            assert_int_equal(losses(b), 0);
        }
        book_free(b);
    }
}

/* Opening fails with a sentence, or does not; what is there stays. */
static void opening_may_fail_at_every_call(void **state) {
    enum {
        ALL = FAULT_WRITE | FAULT_SYNC | FAULT_OPEN | FAULT_TRUNCATE | FAULT_READ | FAULT_DELETE
    };
    (void)state;
    struct book *b = book_new(5);
    int refused = 0;
    assert_true(book_open(b));
    for (long n = 1;; n++) {
        save_some(b, 2);
        fault_vfs_cut();
        book_close(b);
        fault_vfs_power_on(FAULT_FIRST, &b->random);
        fault_vfs_fail(ALL, n, n % 2);
        if (!book_open(b)) refused++;
        const long seen = fault_vfs_calls();
        fault_vfs_fail(0, 0, false);
        book_close(b);
        assert_true(book_open(b));
        assert_int_equal(losses(b), 0);
        if (seen < n) break;
    }
    assert_true(refused > 0);
    book_free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_done_survives_power_cuts),
        cmocka_unit_test(what_has_failed_does_not_come_back),
        cmocka_unit_test(without_syncs_power_cuts_lose_what_was_done),
        cmocka_unit_test(a_full_disk_is_said_and_loses_nothing),
        cmocka_unit_test(every_call_may_fail),
        cmocka_unit_test(opening_may_fail_at_every_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
