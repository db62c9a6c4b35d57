/* Where words and options of the command line go in a request. What the words of a command are stands in
 * its row: GRAPH [NAME=VALUE...] and the like. A word that the path has in braces goes there; GRAPH, VALUE
 * and BODY are read as such; NAME=VALUE... and NAME... go where the row says; any other becomes the member
 * of its name. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "api/gradctl.h"

enum { WORD = 32, TEXT_MOST = 1 << 30 };

/* ---- a row's words, one by one ---- */

struct place {
    char name[WORD]; /* without brackets and dots */
    bool optional, many, is_pair;
};

/* Reads the next word of a row; false at the end. */
static bool next_place(const char **at, struct place *out) {
    *at += strspn(*at, " ");
    if (!**at) return false;
    const size_t n = strcspn(*at, " ");
    *out = (struct place){.optional = **at == '['};
    for (size_t i = 0; i < n && strlen(out->name) + 1 < WORD; i++) {
        const char c = (*at)[i];
        if (c == '.') out->many = true;
        if (c == '=') out->is_pair = true;
        if (isupper((unsigned char)c) || c == '=') out->name[strlen(out->name)] = c;
    }
    *at += n;
    return true;
}

/* Whether a word reads NAME=...; what is behind the sign. */
static const char *pair_value(const char *word) {
    const size_t n = value_name(word);
    return n && word[n] == '=' && word[n + 1] != '=' ? word + n + 1 : NULL;
}

/* ---- values of each kind ---- */

static void set_value(struct ctl *ctl, const char *member, const char *what, const char *text) {
    struct writer json;
    writer_init(&json, TEXT_MOST);
    value_write(ctl, &json, what, text);
    body_set(&ctl->body, member, json.data, json.length);
    writer_free(&json);
}

/* Whether a text can be a value at all: else it is a word. */
static bool is_value(const char *text) {
    struct writer scratch;
    writer_init(&scratch, TEXT_MOST);
    const size_t n = strcspn(text, ",");
    const bool is = (*text && strchr("[{\"@", *text)) || strcmp(text, "true") == 0 ||
                    strcmp(text, "false") == 0 || strcmp(text, "null") == 0 ||
                    value_number(&scratch, text, n);
    writer_free(&scratch);
    return is;
}

/* One NAME=VALUE of an object; where words are welcome, what is no value is a string. */
static void add_entry(struct ctl *ctl, const char *member, const char *what, const char *pair,
                      bool words) {
    const char *text = pair_value(pair);
    if (!text) ctl_wrong("%s is \"%s\", expected NAME=VALUE", what, pair);
    const size_t n = (size_t)(text - 1 - pair);
    struct writer json;
    writer_init(&json, TEXT_MOST);
    char *name = arena_copy_text(&ctl->arena, pair, n);
    if (words && !is_value(text))
        write_string(&json, text);
    else
        value_write(ctl, &json, name ? name : what, text);
    body_entry(&ctl->body, member, pair, n, json.data, json.length);
    writer_free(&json);
}

/* grads_and_vars is a list of [gradient, name]. */
static void add_gradient(struct ctl *ctl, const char *pair) {
    const char *text = pair_value(pair);
    if (!text) ctl_wrong("\"%s\": expected VARIABLE=GRADIENT", pair);
    struct writer json;
    writer_init(&json, TEXT_MOST);
    write_text(&json, "[");
    if (is_value(text))
        value_write(ctl, &json, pair, text);
    else
        write_string(&json, text);
    write_text(&json, ",");
    write_string_n(&json, pair, (size_t)(text - 1 - pair));
    write_text(&json, "]");
    body_item(&ctl->body, "grads_and_vars", json.data, json.length);
    writer_free(&json);
}

/* One name as a string, several as a list, JSON as it stands. */
static void set_names(struct ctl *ctl, const char *member, const char *option, const char *text) {
    if (*text == '[' || *text == '{') {
        set_value(ctl, member, option, text);
        return;
    }
    if (!strchr(text, ',')) {
        body_set_string(&ctl->body, member, text);
        return;
    }
    struct writer json;
    writer_init(&json, TEXT_MOST);
    for (const char *at = text; *at;) {
        const size_t n = strcspn(at, ",");
        write_text(&json, at == text ? "[" : ",");
        write_string_n(&json, at, n);
        at += n + (at[n] == ',');
    }
    write_text(&json, "]");
    body_set(&ctl->body, member, json.data, json.length);
    writer_free(&json);
}

/* NAME=LOW,HIGH, either of which may be left out. */
static void add_bounds(struct ctl *ctl, const char *text) {
    const char *value = pair_value(text), *comma = value ? strchr(value, ',') : NULL;
    if (!value) ctl_wrong("--bounds is \"%s\", expected NAME=LOW,HIGH", text);
    if (*value == '[' || *value == '@') {
        add_entry(ctl, "bounds", "--bounds", text, false);
        return;
    }
    struct writer json;
    writer_init(&json, TEXT_MOST);
    bool ok = comma && !strchr(comma + 1, ',');
    for (int i = 0; ok && i < 2; i++) {
        const char *at = i ? comma + 1 : value;
        const size_t n = i ? strlen(at) : (size_t)(comma - value);
        write_text(&json, i ? "," : "[");
        if (n == 0)
            write_text(&json, "null");
        else
            ok = value_number(&json, at, n);
    }
    if (!ok) ctl_wrong("--bounds is \"%s\", expected NAME=LOW,HIGH", text);
    write_text(&json, "]");
    body_entry(&ctl->body, "bounds", text, (size_t)(value - 1 - text), json.data, json.length);
    writer_free(&json);
}

/* "g <= h" is the expression "(g) - (h)" that is at most 0. */
static void add_constraint(struct ctl *ctl, const char *text) {
    static const char *const signs[] = {"<=", ">=", "=="};
    const char *at = NULL;
    int which = 0;
    for (int i = 0; i < 3; i++)
        if ((at = strstr(text, signs[which = i]))) break;
    if (!at || strlen(at) < 3)
        ctl_wrong("--constraint is \"%s\", expected such as \"x1 + x2 <= 1\"", text);
    const char *right = at + 2 + strspn(at + 2, " ");
    struct writer expression, json;
    writer_init(&expression, TEXT_MOST);
    writer_init(&json, TEXT_MOST);
    const bool is_zero = strcmp(right, "0") == 0;
    size_t n = (size_t)(at - text);
    while (n && text[n - 1] == ' ') n--;
    if (!is_zero) write_text(&expression, "(");
    write_bytes(&expression, text, n);
    if (!is_zero) write_text(&expression, ") - (");
    if (!is_zero) write_text(&expression, right);
    if (!is_zero) write_text(&expression, ")");
    write_text(&json, "{\"expr\":");
    write_string_n(&json, expression.data, expression.length);
    write_text(&json, ",\"type\":\"");
    write_text(&json, signs[which]);
    write_text(&json, "0\"}");
    body_item(&ctl->body, "constraints", json.data, json.length);
    writer_free(&expression);
    writer_free(&json);
}

/* What a batch binds is declared in the variables too, unless it was. */
static void add_batch(struct ctl *ctl, const char *pair) {
    add_entry(ctl, "batch", "--batch", pair, false);
    const size_t n = value_name(pair);
    bool declared = false;
    for (size_t i = 0; i < ctl->n_words; i++)
        declared = declared || strncmp(ctl->words[i], pair, n + 1) == 0;
    for (size_t i = 0; i < ctl->n_said; i++)
        declared = declared || (strcmp(ctl->said[i].option->name, "const") == 0 &&
                                strncmp(ctl->said[i].text, pair, n + 1) == 0);
    if (!declared) body_entry(&ctl->body, "variables", pair, n, "null", 4);
}

/* ---- URLs ---- */

static void add_query(struct ctl *ctl, const struct ctl_option *option, const char *text) {
    write_text(&ctl->query, ctl->query.length ? "&" : "?");
    write_text(&ctl->query, option->member);
    write_text(&ctl->query, "=");
    if (!option->shape) text = "true";
    write_place(&ctl->query, text);
}

/* Operations call themselves "operations/ID". */
static const char *bare(const char *place, const char *word) {
    static const char prefix[] = "operations/";
    if (strcmp(place, "OPERATION") == 0 && strncmp(word, prefix, sizeof prefix - 1) == 0)
        return word + sizeof prefix - 1;
    return word;
}

/* Where a path has {NAME}; NULL where it has not. */
static const char *find_in_path(const char *path, const char *name) {
    char braces[WORD + 2];
    snprintf(braces, sizeof braces, "{%s}", name);
    return path ? strstr(path, braces) : NULL;
}

/* ---- all of it ---- */

void words_graph(struct ctl *ctl, const char *word) {
    size_t n = strlen(word);
    if (*word == '@' || strcmp(word, "-") == 0)
        word = value_file(ctl, *word == '@' ? word + 1 : word, &n);
    if (strspn(word, " \t\r\n") < n && word[strspn(word, " \t\r\n")] == '{') {
        body_set(&ctl->body, "graph", word, n);
        return;
    }
    ctl->graph = word;
    body_set_string(&ctl->body, "graph", word);
}

static void place_option(struct ctl *ctl, const struct ctl_option *o, const char *text) {
    char what[WORD * 2];
    snprintf(what, sizeof what, "--%s", o->name);
    switch (o->kind) {
    case CTL_LOCAL:
        break;
    case CTL_FLAG:
        body_set(&ctl->body, o->member, "true", 4);
        break;
    case CTL_UNSET:
        body_set(&ctl->body, o->member, "false", 5);
        break;
    case CTL_TEXT:
        if (*text == '{' && strchr(o->member, '.')) {
            char *object = arena_copy_text(&ctl->arena, o->member, strcspn(o->member, "."));
            if (object) set_value(ctl, object, what, text);
        } else {
            body_set_string(&ctl->body, o->member, text);
        }
        break;
    case CTL_VALUE:
        set_value(ctl, o->member, what, text);
        break;
    case CTL_NAMES:
        set_names(ctl, o->member, what, text);
        break;
    case CTL_ENTRY:
        add_entry(ctl, o->member, what, text, false);
        break;
    case CTL_WORDS:
        add_entry(ctl, o->member, what, text, true);
        break;
    case CTL_BATCH:
        add_batch(ctl, text);
        break;
    case CTL_BOUNDS:
        add_bounds(ctl, text);
        break;
    case CTL_CONSTRAINT:
        add_constraint(ctl, text);
        break;
    case CTL_QUERY:
        add_query(ctl, o, text);
        break;
    }
}

static void place_word(struct ctl *ctl, const struct place *place, const char *word) {
    const char *into = ctl->command->into;
    if (find_in_path(ctl->command->path, place->name)) return;
    if (place->is_pair && strcmp(into, "grads_and_vars") == 0) {
        add_gradient(ctl, word);
    } else if (place->is_pair) {
        add_entry(ctl, into, "a binding", word, strncmp(place->name, "ARGUMENT", 8) == 0);
    } else if (place->many) {
        struct writer json;
        writer_init(&json, TEXT_MOST);
        write_string(&json, word);
        body_item(&ctl->body, into, json.data, json.length);
        writer_free(&json);
    } else if (strcmp(place->name, "GRAPH") == 0) {
        words_graph(ctl, word);
    } else if (strcmp(place->name, "VALUE") == 0) {
        set_value(ctl, "value", "the value", word);
    } else if (strcmp(place->name, "BODY") == 0) {
        size_t n;
        ctl->raw = *word == '{' ? word : value_file(ctl, word + (*word == '@'), &n);
    } else if (strcmp(place->name, "METHOD") != 0 && strcmp(place->name, "FILE") != 0 &&
               strcmp(place->name, "DATA") != 0 && strcmp(place->name, "MODEL") != 0) {
        char member[WORD] = "";
        for (size_t i = 0; place->name[i]; i++)
            member[i] = (char)tolower((unsigned char)place->name[i]);
        body_set_string(&ctl->body, member, word);
    }
}

/* The path with each word in its place; where the last place has none, it ends before it. */
static void write_path(struct ctl *ctl, const char *const *names, const char *const *words,
                       size_t n) {
    const struct ctl_command *command = ctl->command;
    const char *bar = strchr(command->method, '|');
    char *method = arena_copy_text(&ctl->arena, command->method,
                                   bar ? (size_t)(bar - command->method) : strlen(command->method));
    for (const char *at = command->path; *at;) {
        const size_t plain = strcspn(at, "{");
        size_t i = 0;
        while (i < n && find_in_path(at, names[i]) != at + plain) i++;
        const char *word = i < n ? words[i] : NULL;
        const bool missing = at[plain] && !word;
        write_bytes(&ctl->path, at, missing ? plain - 1 : plain);
        if (missing && bar) method = arena_copy_text(&ctl->arena, bar + 1, strlen(bar + 1));
        if (!at[plain] || !word) break;
        if (!*word) ctl_wrong("%s is empty", names[i]);
        word = bare(names[i], word);
        write_place(&ctl->path, word);
        at += plain + strcspn(at + plain, "}") + 1;
    }
    ctl->method = method;
}

static _Noreturn void wrong_words(const struct ctl *ctl, const char *what, const char *word) {
    const char *name = ctl->command->name;
    ctl_wrong("%s%s%s; usage: gradctl %s%s%s", what, word ? " " : "", word ? word : "", name,
              *ctl->command->words ? " " : "", ctl->command->words);
}

void words_place(struct ctl *ctl) {
    const char *at = ctl->command->words, *names[8] = {0}, *words[8] = {0};
    struct place places[8] = {0};
    size_t n = 0, used = 0;
    for (; n < 8 && next_place(&at, &places[n]); n++) {
        const struct place *p = &places[n];
        names[n] = p->name;
        words[n] = NULL;
        /* A function has its graph already. */
        if (strcmp(p->name, "GRAPH") == 0 && ctl_said(ctl, "function")) continue;
        while (used < ctl->n_words) {
            const char *word = ctl->words[used];
            const bool is_pair = pair_value(word) && strchr(ctl->command->words, '=');
            if (p->optional && !p->is_pair && is_pair) break;
            words[n] = word;
            place_word(ctl, p, word);
            used++;
            if (!p->many) break;
        }
        if (!words[n] && !p->optional) wrong_words(ctl, p->name, "is missing");
    }
    if (used < ctl->n_words) wrong_words(ctl, "one word too many:", ctl->words[used]);
    if (ctl->command->path) write_path(ctl, names, words, n);
    for (size_t i = 0; i < ctl->n_said; i++)
        place_option(ctl, ctl->said[i].option, ctl->said[i].text);
}
