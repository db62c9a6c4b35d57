/* The file of tokens: its lines become rows here, or one sentence with the number of the line. What the
 * rows do is not known here. */
#include "server/token_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/quote.h"

enum { WORDS = 16, QUOTED = 96, MOST_QUOTA_DIGITS = 15 };

static const struct {
    const char *name;
    size_t offset;
} quota_table[] = {
#define QUOTA_ROW(name, meaning) {#name, offsetof(struct quotas, name)},
    QUOTAS(QUOTA_ROW)
#undef QUOTA_ROW
};
enum { QUOTA_COUNT = sizeof quota_table / sizeof *quota_table };

bool tenant_name_is_good(const char *name) {
    static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    const size_t n = strspn(name, good);
    return n > 0 && n <= TENANT_NAME && !name[n];
}

/* ---- lines ---- */

/* Where the reading stands; the first failure ends it. */
struct reader {
    struct token_file *f;
    const char *path;
    int line;
    char *problem;
    size_t size;
};

static bool fail(struct reader *r, const char *found, const char *expected) {
    char quoted[QUOTED];
    snprintf(r->problem, r->size, "%s:%d: found %s, expected %s", r->path, r->line,
             quote_text(quoted, sizeof quoted, found), expected);
    return false;
}

static bool fail_memory(struct reader *r) {
    snprintf(r->problem, r->size, "%s: no memory for the tokens", r->path);
    return false;
}

/* Makes room for one more; false without memory. */
static bool grow(void **list, size_t n, size_t *capacity, size_t each) {
    if (n < *capacity) return true;
    const size_t wanted = *capacity ? 2 * *capacity : 8;
    void *grown = realloc(*list, wanted * each);
    if (!grown) return false;
    *list = grown;
    *capacity = wanted;
    return true;
}

/* The tenant of a name, made where there was none yet; NULL without memory. */
static struct tenant_row *find_tenant(struct reader *r, const char *name) {
    struct token_file *f = r->f;
    for (size_t i = 0; i < f->n_tenants; i++)
        if (strcmp(f->tenants[i].name, name) == 0) return &f->tenants[i];
    void *list = f->tenants;
    if (!grow(&list, f->n_tenants, &f->tenant_capacity, sizeof *f->tenants)) {
        fail_memory(r);
        return NULL;
    }
    f->tenants = list;
    struct tenant_row *t = &f->tenants[f->n_tenants++];
    memset(t, 0, sizeof *t);
    strcpy(t->name, name);
#define QUOTA_INIT(name, meaning) t->quotas.name = QUOTA_NONE;
    QUOTAS(QUOTA_INIT)
#undef QUOTA_INIT
    return t;
}

static bool check_name(struct reader *r, const char *name) {
    return tenant_name_is_good(name) ||
           fail(r, name,
                "a tenant's name of letters, digits, '.', '_' and '-', at most 64 of them");
}

static bool read_token(struct reader *r, char *const *words, int n) {
    struct token_file *f = r->f;
    struct token_row t = {.line = r->line};
    if (n != 4)
        return fail(r, n > 4 ? words[4] : "", "token SHA-256 TENANT SCOPES and nothing else");
    if (!secret_parse(words[1], strlen(words[1]), &t.digest))
        return fail(r, words[1], "the 64 hexadecimal digits of a token's SHA-256");
    if (!check_name(r, words[2])) return false;
    if (!scopes_parse(words[3], &t.scopes))
        return fail(r, words[3], "scopes with commas between them: read, compute, sessions, admin");
    const struct tenant_row *tenant = find_tenant(r, words[2]);
    if (!tenant) return false;
    t.tenant = (size_t)(tenant - f->tenants);
    void *list = f->tokens;
    if (!grow(&list, f->n_tokens, &f->token_capacity, sizeof *f->tokens)) return fail_memory(r);
    f->tokens = list;
    f->tokens[f->n_tokens++] = t;
    return true;
}

/* A whole number, with k, M or G behind it or not. */
static bool parse_number(const char *text, int64_t *out) {
    static const char units[] = "kMG";
    const size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > MOST_QUOTA_DIGITS) return false;
    *out = strtoll(text, NULL, 10);
    if (*out < 1) return false;
    if (!text[digits]) return true;
    const char *unit = strchr(units, text[digits]);
    if (!unit || text[digits + 1]) return false;
    const int shift = 10 * (int)(unit - units + 1);
    if (*out > INT64_MAX >> shift) return false;
    *out <<= shift;
    return true;
}

static bool read_quota(struct reader *r, struct quotas *quotas, char *word) {
    char *value = strchr(word, '=');
    if (value) *value++ = '\0';
    for (size_t i = 0; i < QUOTA_COUNT; i++) {
        if (strcmp(word, quota_table[i].name) != 0) continue;
        int64_t *quota = (int64_t *)(void *)((char *)quotas + quota_table[i].offset);
        if (*quota != QUOTA_NONE) return fail(r, word, "each quota once");
        if (!value || !parse_number(value, quota))
            return fail(
                r, value ? value : "",
                "a whole number from 1, with k, M or G (2^10, 2^20, 2^30) behind it or not");
        return true;
    }
    return fail(r, word, "a quota: sessions=, bytes=, functions=, jobs= or requests=");
}

static bool read_tenant(struct reader *r, char *const *words, int n) {
    if (n < 3) return fail(r, n > 1 ? words[1] : "", "tenant NAME and quotas such as sessions=100");
    if (!check_name(r, words[1])) return false;
    struct tenant_row *t = find_tenant(r, words[1]);
    if (!t) return false;
    if (t->line) {
        snprintf(r->problem, r->size, "%s:%d: the tenant \"%s\" has its quotas in line %d already",
                 r->path, r->line, t->name, t->line);
        return false;
    }
    t->line = r->line;
    for (int i = 2; i < n; i++)
        if (!read_quota(r, &t->quotas, words[i])) return false;
    return true;
}

static int by_digest(const void *a, const void *b) {
    const struct token_row *x = a, *y = b;
    const int order = memcmp(x->digest.bytes, y->digest.bytes, SECRET_DIGEST);
    return order ? order : x->line - y->line;
}

static bool sort_tokens(struct reader *r) {
    struct token_row *t = r->f->tokens;
    if (r->f->n_tokens == 0) {
        snprintf(r->problem, r->size, "%s: found no token; \"gradd token\" makes one", r->path);
        return false;
    }
    qsort(t, r->f->n_tokens, sizeof *t, by_digest);
    for (size_t i = 1; i < r->f->n_tokens; i++) {
        if (!secret_same(&t[i].digest, &t[i - 1].digest)) continue;
        snprintf(r->problem, r->size, "%s:%d: the token stands in line %d already", r->path,
                 t[i].line, t[i - 1].line);
        return false;
    }
    return true;
}

static bool read_line(struct reader *r, char *line) {
    char *words[WORDS], *rest = NULL;
    int n = 0;
    line[strcspn(line, "#\r\n")] = '\0';
    for (char *word = strtok_r(line, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
        if (n == WORDS) return fail(r, word, "fewer words in a line");
        words[n++] = word;
    }
    if (n == 0) return true;
    if (strcmp(words[0], "token") == 0) return read_token(r, words, n);
    if (strcmp(words[0], "tenant") == 0) return read_tenant(r, words, n);
    return fail(r, words[0], "token or tenant");
}

static bool read_lines(struct reader *r, FILE *in) {
    char *line = NULL;
    size_t capacity = 0;
    bool ok = true;
    for (ssize_t n; ok && (n = getline(&line, &capacity, in)) >= 0;) {
        r->line++;
        ok = strlen(line) == (size_t)n ? read_line(r, line) : fail(r, line, "a line of text");
    }
    free(line);
    if (ok && ferror(in)) {
        snprintf(r->problem, r->size, "cannot read the tokens in %s: %s", r->path, strerror(errno));
        return false;
    }
    return ok;
}

bool token_file_read(struct token_file *out, const char *path, char *problem, size_t size) {
    struct reader r = {.f = out, .path = path, .problem = problem, .size = size};
    memset(out, 0, sizeof *out);
    FILE *in = fopen(path, "re");
    if (!in) {
        snprintf(problem, size, "cannot open the tokens in %s: %s", path, strerror(errno));
        return false;
    }
    const bool ok = read_lines(&r, in) && sort_tokens(&r);
    fclose(in);
    if (!ok) token_file_free(out);
    return ok;
}

void token_file_free(struct token_file *f) {
    free(f->tokens);
    free(f->tenants);
    memset(f, 0, sizeof *f);
}
