/* The data directory of a real gradd, where it is not as it should be: damaged, another's, in use. The
 * start says so in one sentence, and nothing in it is ever replaced. Knows of the file that it is SQLite's,
 * with gradd's version in its header.
 *
 *     durable GRADD
 *
 * Prints a line a test, and `N passed, N failed` last; see wire.c. */
#include <dirent.h>
#include <sys/stat.h>

#include "wire.h"

/* ---- a directory ---- */

static char directory[64], file[96];

static void remove_all(void) {
    char path[400];
    DIR *d = opendir(directory);
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof path, "%s/%s", directory, e->d_name);
        unlink(path);
    }
    if (d) closedir(d);
    rmdir(directory);
}

static bool fresh_directory(void) {
    if (directory[0]) remove_all();
    strcpy(directory, "/tmp/gradd-durable-XXXXXX");
    if (!mkdtemp(directory)) return false;
    snprintf(file, sizeof file, "%s/gradd.db", directory);
    return true;
}

struct bytes {
    unsigned char *data;
    size_t n;
};

enum { LARGEST = 4 << 20 };
static unsigned char whole[LARGEST], spoilt[LARGEST], later[LARGEST];

static struct bytes read_file(const char *path, unsigned char *into) {
    struct bytes b = {.data = into};
    FILE *in = fopen(path, "rb");
    if (in) b.n = fread(into, 1, LARGEST, in);
    if (in) fclose(in);
    return b;
}

static bool write_file(const char *path, struct bytes b) {
    FILE *out = fopen(path, "wb");
    if (!out) return false;
    const bool ok = fwrite(b.data, 1, b.n, out) == b.n;
    return fclose(out) == 0 && ok;
}

/* ---- requests ---- */

static int ask(const struct child *child, const char *method, const char *path, const char *body) {
    int fd = dial(child), status = 0;
    if (say(fd, "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n%s", method, path,
            strlen(body), body))
        status = hear(fd);
    close(fd);
    return status;
}

/* A directory with some sessions, whose server has ended well: all is in the one file. */
static bool filled(void) {
    char path[64];
    if (!fresh_directory()) return false;
    struct child child = start("--data-dir", directory);
    for (int i = 0; i < 50; i++) {
        snprintf(path, sizeof path, "/v1/sessions/s%d", i);
        if (ask(&child, "PUT", path,
                "{\"variables\":{\"x\":{\"dtype\":\"float32\",\"shape\":[3],\"base64\":"
                "\"AACAPwAAAEAAAEBA\"}},\"labels\":{\"team\":\"a\"}}") != 201)
            return false;
    }
    return stop(&child);
}

/* ---- starts that are refused ---- */

static char said[4096];

/* The start ends with 1 and one line that says `why`. */
static bool refuses(const char *where, const char *why) {
    const char *const arguments[] = {"--listen",   "127.0.0.1:0", "--log-level", "error",
                                     "--data-dir", where,         NULL};
    struct child child = spawn(arguments);
    char out[64];
    read_all(child.err, said, sizeof said);
    read_all(child.out, out, sizeof out);
    const int code = reap(&child, 10000);
    const char *end = strchr(said, '\n');
    if (code == 1 && !out[0] && strncmp(said, "gradd: ", 7) == 0 && end && !end[1] &&
        strstr(said, why))
        return true;
    printf("      exit code %d, %s%s, wanted \"%s\"\n", code, out, said, why);
    return false;
}

/* The same of a damaged file, which stays as it is. */
static bool refuses_file(struct bytes damaged, const char *why) {
    if (!write_file(file, damaged) || !refuses(directory, why)) return false;
    struct bytes after = read_file(file, later);
    const bool same = after.n == damaged.n && memcmp(after.data, damaged.data, after.n) == 0;
    if (!same) printf("      the file has changed\n");
    return same;
}

/* ---- tests: damage ---- */

static bool says_that_a_file_is_no_database(void) {
    static unsigned char text[] =
        "these are the notes of somebody else, and they are to stay here\n";
    CHECK(fresh_directory());
    CHECK(refuses_file((struct bytes){text, sizeof text - 1}, "gradd.db"));
    return true;
}

static bool refuses_the_database_of_another_program(void) {
    CHECK(filled());
    struct bytes b = read_file(file, whole);
    b.data[68] ^= 0x55; /* application_id */
    CHECK(refuses_file(b, "gradd.db"));
    return true;
}

static bool refuses_a_newer_schema_with_its_number(void) {
    CHECK(filled());
    struct bytes b = read_file(file, whole);
    memcpy(b.data + 60, "\0\0\x27\x0f", 4); /* user_version */
    CHECK(refuses_file(b, "9999"));
    return true;
}

static bool says_that_the_header_is_damaged(void) {
    CHECK(filled());
    struct bytes b = read_file(file, whole);
    memset(b.data, 0xee, 100);
    CHECK(refuses_file(b, "gradd.db"));
    return true;
}

static bool says_that_a_file_was_cut(void) {
    CHECK(filled());
    struct bytes b = read_file(file, whole);
    CHECK(b.n > 8192);
    b.n /= 2;
    CHECK(refuses_file(b, "gradd.db"));
    b.n = 100;
    CHECK(refuses_file(b, "gradd.db"));
    return true;
}

/* ---- tests: the directory ---- */

static bool makes_the_directory_where_there_is_none(void) {
    char inner[96];
    CHECK(fresh_directory());
    rmdir(directory);
    snprintf(inner, sizeof inner, "%s/inner", directory);
    CHECK(refuses(inner, inner));
    struct child child = start("--data-dir", directory);
    CHECK(ask(&child, "PUT", "/v1/sessions/s", "{}") == 201);
    struct stat st;
    CHECK(stat(directory, &st) == 0 && (st.st_mode & 0077) == 0);
    CHECK(stat(file, &st) == 0 && (st.st_mode & 0077) == 0);
    return stop(&child);
}

static bool refuses_a_directory_that_is_a_file(void) {
    CHECK(fresh_directory());
    CHECK(write_file(file, (struct bytes){(unsigned char *)"x", 1}));
    return refuses(file, file);
}

static bool refuses_a_second_server_on_a_directory(void) {
    CHECK(filled());
    struct child first = start("--data-dir", directory);
    CHECK(refuses(directory, directory));
    CHECK(ask(&first, "PUT", "/v1/sessions/another", "{}") == 201);
    CHECK(stop(&first));
    struct child next = start("--data-dir", directory);
    CHECK(ask(&next, "GET", "/v1/sessions/another", "") == 200);
    CHECK(ask(&next, "GET", "/v1/sessions/s49", "") == 200);
    return stop(&next);
}

/* The lock is the process's and goes with it, whatever ends it. */
static bool starts_again_behind_a_kill(void) {
    CHECK(filled());
    for (int i = 0; i < 3; i++) {
        struct child child = start("--data-dir", directory);
        CHECK(ask(&child, "GET", "/v1/sessions/s7/variables/x", "") == 200);
        CHECK(says("[1.0,2.0,3.0]"));
        kill(child.pid, SIGKILL);
        CHECK(reap(&child, 10000) == 1000 + SIGKILL);
    }
    return true;
}

/* ---- tests: gradd backup, gradd check ---- */

/* Runs a command, whose one line is `said` then. */
static int command(const char *word, const char *what, const char *where) {
    const char *arguments[8] = {word};
    int n = 1;
    if (what) arguments[n++] = what;
    if (where) arguments[n++] = "--data-dir";
    if (where) arguments[n++] = where;
    struct child child = spawn(arguments);
    const size_t length = read_all(child.out, said, sizeof said);
    read_all(child.err, said + length, sizeof said - length);
    return reap(&child, 30000);
}

/* What was acknowledged before it began is in it, whatever is written meanwhile. */
static bool backs_up_while_others_write(void) {
    char copy[100], second[64], path[80];
    CHECK(filled());
    snprintf(copy, sizeof copy, "%s/copy.db", directory);
    struct child child = start("--data-dir", directory);
    struct child writer = {.pid = fork()};
    if (writer.pid == 0) {
        for (int i = 0;; i++) {
            snprintf(path, sizeof path, "/v1/sessions/later%d", i);
            if (ask(&child, "PUT", path, "{\"variables\":{\"x\":1}}") != 201) _exit(1);
        }
    }
    sleep_ms(50);
    CHECK(ask(&child, "PUT", "/v1/sessions/before", "{\"variables\":{\"x\":[4,5]}}") == 201);
    const int code = command("backup", copy, directory);
    kill(writer.pid, SIGKILL);
    CHECK(waitpid(writer.pid, NULL, 0) == writer.pid && code == 0);
    CHECK(command("backup", copy, directory) == 1 && strstr(said, "exists"));
    CHECK(command("check", NULL, directory) == 0 && strstr(said, "is well"));
    CHECK(command("check", copy, NULL) == 0 && strstr(said, "is well"));
    CHECK(stop(&child));

    strcpy(second, "/tmp/gradd-copy-XXXXXX");
    CHECK(mkdtemp(second));
    snprintf(path, sizeof path, "%s/gradd.db", second);
    CHECK(rename(copy, path) == 0);
    child = start("--data-dir", second);
    CHECK(ask(&child, "GET", "/v1/sessions/before/variables/x", "") == 200 && says("[4.0,5.0]"));
    CHECK(ask(&child, "GET", "/v1/sessions/s49", "") == 200);
    CHECK(stop(&child));
    strcpy(directory, second);
    return true;
}

static bool finds_what_is_damaged(void) {
    CHECK(filled());
    CHECK(command("check", NULL, directory) == 0 && strstr(said, "50 sessions"));
    struct bytes b = read_file(file, whole);
    int found = 0;
    /* The heads of all pages but the first. */
    for (size_t page = 4096; page < b.n; page += 4096) {
        memcpy(spoilt, b.data, b.n);
        memset(spoilt + page, 0xee, 12);
        CHECK(write_file(file, (struct bytes){spoilt, b.n}));
        const int code = command("check", NULL, directory);
        CHECK(code == 0 || (code == 1 && strstr(said, "gradd: ") == said));
        found += code;
    }
    CHECK(found > (int)(b.n / 4096) / 2);
    CHECK(write_file(file, b) && command("check", NULL, directory) == 0);
    CHECK(command("check", "/nowhere", NULL) == 1 && command("check", NULL, NULL) == 2);
    return true;
}

/* One bit of a number, which SQLite has no means to see. */
static bool finds_a_bit_that_turned_over(void) {
    static const char values[] = "AACAPwAAAEAAAEBA";
    CHECK(filled());
    struct bytes b = read_file(file, whole);
    unsigned char *at = memmem(b.data, b.n, values, sizeof values - 1);
    CHECK(at);
    at[2] ^= 2;
    CHECK(write_file(file, b));
    CHECK(command("check", NULL, directory) == 1 && strstr(said, "checksum"));
    struct child child = start("--data-dir", directory);
    int well = 0, damaged = 0;
    for (int i = 0; i < 50; i++) {
        char path[64];
        snprintf(path, sizeof path, "/v1/sessions/s%d/variables/x", i);
        const int status = ask(&child, "GET", path, "");
        well += status == 200 && says("[1.0,2.0,3.0]");
        damaged += status == 503 && says("checksum");
    }
    CHECK(well == 49 && damaged == 1);
    CHECK(stop(&child));
    /* It is left as it is, for those who can mend it. */
    CHECK(command("check", NULL, directory) == 1);
    return true;
}

/* ---- tests: what an older gradd has kept ---- */

static bool migrates_the_first_schema(void) {
    CHECK(fresh_directory());
    CHECK(write_file(file, read_file(TEST_DATA "store_1.db", whole)));
    CHECK(command("check", NULL, directory) == 0 && strstr(said, "1 sessions, 1 functions"));
    for (int i = 0; i < 2; i++) {
        struct child child = start("--data-dir", directory);
        CHECK(ask(&child, "POST", "/v1/sessions/old/tapes/t1/gradient",
                  "{\"target\":\"z\",\"sources\":[\"x\",\"c\"]}") == 200);
        CHECK(says("[[3.75,9.375],null]"));
        CHECK(ask(&child, "POST", "/v1/functions/bowl/gradient",
                  "{\"variables\":{\"x1\":2.0,\"x2\":3.0}}") == 200);
        CHECK(says("{\"value\":63.0,\"gradient\":{\"x1\":9.0,\"x2\":42.0}}"));
        /* The momentum of the step before the migration is in the one behind it. */
        if (i == 0) {
            CHECK(ask(&child, "POST", "/v1/sessions/old/apply_gradients",
                      "{\"grads_and_vars\":[[[0,0],\"x\"],[0,\"w\"]]}") == 200);
        } else {
            CHECK(ask(&child, "GET", "/v1/sessions/old/variables", "") == 200);
        }
        CHECK(says("0.525") && says("1.7625") && says("2.05"));
        CHECK(stop(&child));
        CHECK(command("check", NULL, directory) == 0 && strstr(said, "is well"));
        struct bytes b = read_file(file, whole);
        CHECK(memcmp(b.data + 60, "\0\0\0\2", 4) == 0); /* user_version */
    }
    return true;
}

#define TESTS(X)                                                                                   \
    X(says_that_a_file_is_no_database)                                                             \
    X(refuses_the_database_of_another_program)                                                     \
    X(refuses_a_newer_schema_with_its_number)                                                      \
    X(says_that_the_header_is_damaged)                                                             \
    X(says_that_a_file_was_cut)                                                                    \
    X(makes_the_directory_where_there_is_none)                                                     \
    X(refuses_a_directory_that_is_a_file)                                                          \
    X(refuses_a_second_server_on_a_directory)                                                      \
    X(starts_again_behind_a_kill)                                                                  \
    X(backs_up_while_others_write)                                                                 \
    X(finds_what_is_damaged)                                                                       \
    X(finds_a_bit_that_turned_over)                                                                \
    X(migrates_the_first_schema)

int main(int argc, char **argv) {
    static const struct test tests[] = {TESTS(TEST)};
    const int code = run_tests(argc, argv, NULL, NULL, tests, sizeof tests / sizeof *tests);
    if (directory[0]) remove_all();
    return code;
}
