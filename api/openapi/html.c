/* Writes HTML from parts of an OpenAPI document. What a page is made of, page.c says. */
#include "api/openapi/html.h"

#include <stdlib.h>
#include <string.h>

static void escape(char c, FILE *out) {
    switch (c) {
    case '<':
        fputs("&lt;", out);
        break;
    case '>':
        fputs("&gt;", out);
        break;
    case '&':
        fputs("&amp;", out);
        break;
    case '"':
        fputs("&quot;", out);
        break;
    default:
        putc(c, out);
    }
}

void html_text(const char *text, FILE *out) {
    for (; text && *text; text++) escape(*text, out);
}

/* ---- descriptions ---- */

/* The text to `end` with its `code`, which may begin in one line and end in another. */
static void write_inline(const char *text, const char *end, bool *in_code, FILE *out) {
    for (; text < end; text++) {
        if (*text != '`') {
            escape(*text, out);
            continue;
        }
        *in_code = !*in_code;
        fputs(*in_code ? "<code>" : "</code>", out);
    }
}

void html_prose(const char *text, FILE *out) {
    const char *closing = "";
    bool in_list = false, is_apart = true, in_code = false;
    for (const char *end; text && *text; text = end + (*end == '\n')) {
        end = text + strcspn(text, "\n");
        const bool is_item = strncmp(text, "* ", 2) == 0;
        if (end == text) {
            is_apart = true;
            continue;
        }
        if (is_item || (is_apart && !(in_list && *text == ' '))) {
            fputs(closing, out);
            if (is_item != in_list) fputs(is_item ? "<ul>" : "</ul>", out);
            in_list = is_item;
            fputs(is_item ? "<li>" : "<p>", out);
            closing = is_item ? "</li>" : "</p>";
        }
        is_apart = false;
        write_inline(is_item ? text + 2 : text, end, &in_code, out);
        putc('\n', out);
    }
    fputs(closing, out);
    if (in_list) fputs("</ul>", out);
}

/* ---- values and schemas ---- */

void html_json(struct tree *t, const yaml_node_t *node, FILE *out) {
    char *json = NULL;
    size_t n;
    FILE *memory = open_memstream(&json, &n);
    if (memory) {
        tree_write_json(t, node, memory);
        fclose(memory);
    }
    html_text(json, out);
    free(json);
}

static void write_code(struct tree *t, const yaml_node_t *node, FILE *out) {
    fputs("<code>", out);
    html_json(t, node, out);
    fputs("</code>", out);
}

static void write_link(const char *ref, FILE *out) {
    const char *name = strrchr(ref, '/') ? strrchr(ref, '/') + 1 : ref;
    fprintf(out, "<a href=\"#schema-%s\">%s</a>", name, name);
}

/* The elements of a list with a word between them, each as code or as a type. */
static void write_list(struct tree *t, const yaml_node_t *list, const char *between, bool are_types,
                       FILE *out) {
    const yaml_node_t *one;
    for (int i = 0; (one = tree_element(t, list, i)); i++) {
        if (i) fputs(between, out);
        if (are_types)
            html_type(t, one, out);
        else
            write_code(t, one, out);
    }
}

static void write_plain_type(struct tree *t, const yaml_node_t *schema, FILE *out) {
    const yaml_node_t *type = tree_get(t, schema, "type"), *items = tree_get(t, schema, "items"),
                      *more = tree_get(t, schema, "additionalProperties"), *one;
    const char *name = tree_text(t, schema, "type");
    html_text(name, out);
    for (int i = 0; (one = tree_element(t, type, i)); i++)
        fprintf(out, "%s%s", i ? " or " : "", (const char *)one->data.scalar.value);
    if (items || (more && more->type == YAML_MAPPING_NODE)) {
        fputs(" of ", out);
        html_type(t, items ? items : more, out);
    }
    if (!type && !items) fputs("anything", out);
}

void html_type(struct tree *t, const yaml_node_t *schema, FILE *out) {
    static const struct {
        const char *name, *between;
        bool are_types;
    } kinds[] = {{"enum", ", ", false},
                 {"anyOf", " or ", true},
                 {"oneOf", " or ", true},
                 {"allOf", " and ", true}};
    const char *ref = tree_text(t, schema, "$ref");
    const yaml_node_t *value = tree_get(t, schema, "const");
    if (ref) {
        write_link(ref, out);
        return;
    }
    if (value) {
        write_code(t, value, out);
        return;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const yaml_node_t *list = tree_get(t, schema, kinds[i].name);
        if (!list) continue;
        write_list(t, list, kinds[i].between, kinds[i].are_types, out);
        return;
    }
    write_plain_type(t, schema, out);
}

static bool is_required(struct tree *t, const yaml_node_t *schema, const char *name) {
    const yaml_node_t *list = tree_get(t, schema, "required"), *one;
    for (int i = 0; (one = tree_element(t, list, i)); i++)
        if (strcmp((const char *)one->data.scalar.value, name) == 0) return true;
    return false;
}

void html_members(struct tree *t, const yaml_node_t *schema, FILE *out) {
    const yaml_node_t *members = tree_get(t, schema, "properties"), *member;
    const char *name;
    if (!members) return;
    fputs("<table><tbody>\n", out);
    for (int i = 0; (member = tree_member(t, members, i, &name)); i++) {
        fprintf(out, "<tr><th><code>%s</code>%s</th><td><span class=\"type\">", name,
                is_required(t, schema, name) ? "<span class=\"must\">required</span>" : "");
        html_type(t, member, out);
        const yaml_node_t *preset = tree_get(t, member, "default");
        if (preset) {
            fputs("; left out: ", out);
            write_code(t, preset, out);
        }
        fputs("</span>", out);
        html_prose(tree_text(t, member, "description"), out);
        fputs("</td></tr>\n", out);
    }
    fputs("</tbody></table>\n", out);
}
