/* Reads YAML by libyaml and writes it as JSON. Knows nothing of what the document is about. */
#include "api/openapi/tree.h"

#include <stdlib.h>
#include <string.h>

static const char *text_of(const yaml_node_t *node) {
    return node && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

/* ---- reading ---- */

/* Of two members of one name every reader of JSON would see another. */
static bool has_unique_names(struct tree *t, const char *path) {
    const yaml_node_t *node;
    for (int n = 1; (node = yaml_document_get_node(&t->document, n)); n++) {
        const char *name, *other;
        for (int i = 0; tree_member(t, node, i, &name); i++)
            for (int k = 0; k < i && tree_member(t, node, k, &other); k++) {
                if (name && other && strcmp(name, other) != 0) continue;
                fprintf(stderr, "%s:%zu: a name is there twice, or is no text: %s\n", path,
                        node->start_mark.line + 1, name ? name : "");
                return false;
            }
    }
    return true;
}

bool tree_load(struct tree *t, const char *path) {
    yaml_parser_t parser;
    FILE *in = fopen(path, "rb");
    if (!in) {
        perror(path);
        return false;
    }
    bool loaded = yaml_parser_initialize(&parser);
    if (loaded) {
        yaml_parser_set_input_file(&parser, in);
        loaded = yaml_parser_load(&parser, &t->document);
        if (!loaded)
            fprintf(stderr, "%s:%zu: %s\n", path, parser.problem_mark.line + 1,
                    parser.problem ? parser.problem : "out of memory");
        yaml_parser_delete(&parser);
    }
    fclose(in);
    if (!loaded || has_unique_names(t, path)) return loaded;
    tree_free(t);
    return false;
}

void tree_free(struct tree *t) { yaml_document_delete(&t->document); }

const yaml_node_t *tree_root(struct tree *t) { return yaml_document_get_root_node(&t->document); }

/* ---- looking ---- */

const yaml_node_t *tree_member(struct tree *t, const yaml_node_t *node, int i, const char **name) {
    if (!node || node->type != YAML_MAPPING_NODE) return NULL;
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start + i;
    if (pair >= node->data.mapping.pairs.top) return NULL;
    *name = text_of(yaml_document_get_node(&t->document, pair->key));
    return yaml_document_get_node(&t->document, pair->value);
}

const yaml_node_t *tree_element(struct tree *t, const yaml_node_t *node, int i) {
    if (!node || node->type != YAML_SEQUENCE_NODE) return NULL;
    const yaml_node_item_t *item = node->data.sequence.items.start + i;
    return item < node->data.sequence.items.top ? yaml_document_get_node(&t->document, *item)
                                                : NULL;
}

const yaml_node_t *tree_get(struct tree *t, const yaml_node_t *node, const char *name) {
    const yaml_node_t *value;
    const char *found;
    for (int i = 0; (value = tree_member(t, node, i, &found)); i++)
        if (strcmp(found, name) == 0) return value;
    return NULL;
}

const char *tree_text(struct tree *t, const yaml_node_t *node, const char *name) {
    return text_of(tree_get(t, node, name));
}

const yaml_node_t *tree_follow(struct tree *t, const yaml_node_t *node) {
    const char *at = tree_text(t, node, "$ref");
    if (!at) return node;
    const yaml_node_t *found = tree_root(t);
    for (at += strcspn(at, "/"); *at == '/';) {
        char name[128];
        const int n = (int)strcspn(++at, "/");
        snprintf(name, sizeof name, "%.*s", n, at);
        found = tree_get(t, found, name);
        at += n;
    }
    return found;
}

/* ---- JSON ---- */

static void write_string(const char *text, FILE *out) {
    putc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if (*c == '\n')
            fputs("\\n", out);
        else if (*c < ' ')
            fprintf(out, "\\u%04x", *c);
        else
            putc(*c, out);
    }
    putc('"', out);
}

static size_t digits(const char *text) { return strspn(text, "0123456789"); }

/* By the grammar of JSON. */
static bool is_number(const char *text) {
    if (*text == '-') text++;
    size_t n = digits(text);
    if (n == 0 || (n > 1 && *text == '0')) return false;
    text += n;
    if (*text == '.') {
        n = digits(++text);
        if (n == 0) return false;
        text += n;
    }
    if (*text == 'e' || *text == 'E') {
        text += 1 + (text[1] == '-' || text[1] == '+');
        n = digits(text);
        if (n == 0) return false;
        text += n;
    }
    return !*text;
}

/* YAML's core schema, of which JSON can say all but the numbers that are none. */
static void write_scalar(const yaml_node_t *node, FILE *out) {
    static const char *const words[] = {"null", "true", "false"};
    const char *text = text_of(node);
    bool is_plain = false;
    if (node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
        is_plain = is_number(text);
        for (size_t i = 0; i < 3; i++) is_plain |= strcmp(text, words[i]) == 0;
        if (!*text || strcmp(text, "~") == 0) text = words[0], is_plain = true;
    }
    if (is_plain)
        fputs(text, out);
    else
        write_string(text, out);
}

void tree_write_json(struct tree *t, const yaml_node_t *node, FILE *out) {
    const yaml_node_t *value;
    const char *name;
    switch (node->type) {
    case YAML_MAPPING_NODE:
        putc('{', out);
        for (int i = 0; (value = tree_member(t, node, i, &name)); i++) {
            if (i) putc(',', out);
            write_string(name, out);
            putc(':', out);
            tree_write_json(t, value, out);
        }
        putc('}', out);
        break;
    case YAML_SEQUENCE_NODE:
        putc('[', out);
        for (int i = 0; (value = tree_element(t, node, i)); i++) {
            if (i) putc(',', out);
            tree_write_json(t, value, out);
        }
        putc(']', out);
        break;
    default:
        write_scalar(node, out);
    }
}
