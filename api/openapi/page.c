/* The page of an OpenAPI document, from its head to its last schema. */
#include "api/openapi/page.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "api/openapi/html.h"

/* ---- one operation ---- */

static void write_parameters(struct tree *t, const yaml_node_t *operation, FILE *out) {
    const yaml_node_t *list = tree_get(t, operation, "parameters"), *one;
    if (!list) return;
    fputs("<h4>Parameters</h4><table><tbody>\n", out);
    for (int i = 0; (one = tree_follow(t, tree_element(t, list, i))); i++) {
        const char *required = tree_text(t, one, "required");
        const yaml_node_t *content = tree_get(t, one, "content"),
                          *schema = tree_get(t, one, "schema");
        if (content) schema = tree_get(t, tree_get(t, content, "application/json"), "schema");
        fprintf(out, "<tr><th><code>%s</code>%s</th><td><span class=\"type\">%s, ",
                tree_text(t, one, "name"),
                required && strcmp(required, "true") == 0 ? "<span class=\"must\">required</span>"
                                                          : "",
                tree_text(t, one, "in"));
        html_type(t, schema, out);
        fputs("</span>", out);
        html_prose(tree_text(t, one, "description"), out);
        fputs("</td></tr>\n", out);
    }
    fputs("</tbody></table>\n", out);
}

/* "application/json: EvaluateRequest" for each media type of a body or an answer. */
static void write_content(struct tree *t, const yaml_node_t *owner, FILE *out) {
    const yaml_node_t *content = tree_get(t, owner, "content"), *one;
    const char *type;
    for (int i = 0; (one = tree_member(t, content, i, &type)); i++) {
        fprintf(out, "%s<code>%s</code>: ", i ? "; " : "", type);
        html_type(t, tree_get(t, one, "schema"), out);
    }
}

static void write_answer(struct tree *t, const char *head, const yaml_node_t *answer, FILE *out) {
    fprintf(out, "<tr><th>%s</th><td><span class=\"type\">", head);
    write_content(t, answer, out);
    fputs("</span>", out);
    html_prose(tree_text(t, answer, "description"), out);
    fputs("</td></tr>\n", out);
}

/* Those that many operations have are named here, and told of at the end of the page. */
static void write_answers(struct tree *t, const yaml_node_t *operation, FILE *out) {
    const yaml_node_t *answers = tree_get(t, operation, "responses"), *one;
    const char *status;
    fputs("<h4>Answers</h4><table><tbody>\n", out);
    for (int i = 0; (one = tree_member(t, answers, i, &status)); i++)
        if (!tree_text(t, one, "$ref")) write_answer(t, status, one, out);
    fputs("</tbody></table>\n<p>", out);
    for (int i = 0; (one = tree_member(t, answers, i, &status)); i++) {
        const char *ref = tree_text(t, one, "$ref");
        if (ref) fprintf(out, "<a href=\"#answer-%s\">%s</a>\n", strrchr(ref, '/') + 1, status);
    }
    fputs("</p>\n", out);
}

/* The example of that name among the successful answers. */
static const yaml_node_t *find_answer(struct tree *t, const yaml_node_t *operation,
                                      const char *name) {
    const yaml_node_t *answers = tree_get(t, operation, "responses"), *one, *type;
    const char *key;
    for (int i = 0; (one = tree_follow(t, tree_member(t, answers, i, &key))); i++) {
        const yaml_node_t *content = tree_get(t, one, "content");
        for (int k = 0; (type = tree_member(t, content, k, &key)); k++) {
            const yaml_node_t *found = tree_get(t, tree_get(t, type, "examples"), name);
            if (found) return tree_get(t, found, "value");
        }
    }
    return NULL;
}

/* An apostrophe would end what the shell reads as one word. */
static void write_shell(struct tree *t, const yaml_node_t *value, FILE *out) {
    char *json = NULL;
    size_t n;
    FILE *memory = open_memstream(&json, &n);
    if (!memory) return;
    tree_write_json(t, value, memory);
    fclose(memory);
    for (const char *c = json; c && *c; c++) {
        const char one[] = {*c, '\0'};
        html_text(*c == '\'' ? "'\\''" : one, out);
    }
    free(json);
}

static void write_examples(struct tree *t, const yaml_node_t *operation, const char *method,
                           const char *path, FILE *out) {
    const yaml_node_t *body = tree_follow(t, tree_get(t, operation, "requestBody"));
    const yaml_node_t *json = tree_get(t, tree_get(t, body, "content"), "application/json");
    const yaml_node_t *examples = tree_get(t, json, "examples"), *one;
    const char *name;
    if (examples) fputs("<h4>Examples</h4>\n", out);
    for (int i = 0; (one = tree_member(t, examples, i, &name)); i++) {
        const yaml_node_t *answer = find_answer(t, operation, name);
        fputs("<p>", out);
        html_text(tree_text(t, one, "summary"), out);
        fprintf(out, "</p>\n<pre>curl -X %s http://127.0.0.1:8080%s -d '", method, path);
        write_shell(t, tree_get(t, one, "value"), out);
        fputs("'</pre>\n", out);
        if (!answer) continue;
        fputs("<pre>", out);
        html_json(t, answer, out);
        fputs("</pre>\n", out);
    }
}

static void write_operation(struct tree *t, const yaml_node_t *operation, const char *name,
                            const char *path, FILE *out) {
    char method[16] = "";
    for (size_t i = 0; name[i] && i + 1 < sizeof method; i++)
        method[i] = (char)toupper((unsigned char)name[i]);
    fprintf(out,
            "<details id=\"%s\"><summary><span class=\"method %s\">%s</span> <code>%s</code> "
            "<span class=\"what\">",
            tree_text(t, operation, "operationId"), name, method, path);
    html_text(tree_text(t, operation, "summary"), out);
    fputs("</span></summary>\n", out);
    html_prose(tree_text(t, operation, "description"), out);
    write_parameters(t, operation, out);
    const yaml_node_t *body = tree_follow(t, tree_get(t, operation, "requestBody"));
    if (body) {
        fputs("<h4>Body</h4><p>", out);
        write_content(t, body, out);
        fputs("</p>\n", out);
    }
    write_examples(t, operation, method, path, out);
    write_answers(t, operation, out);
    fputs("</details>\n", out);
}

/* ---- the page ---- */

/* Whether it is of that tag: the first that it has. */
static bool is_of(struct tree *t, const yaml_node_t *operation, const char *tag) {
    const yaml_node_t *first = tree_element(t, tree_get(t, operation, "tags"), 0);
    return first && strcmp((const char *)first->data.scalar.value, tag) == 0;
}

static void write_tag(struct tree *t, const yaml_node_t *tag, FILE *out) {
    const yaml_node_t *paths = tree_get(t, tree_root(t), "paths"), *item, *operation;
    const char *path, *method, *name = tree_text(t, tag, "name");
    fprintf(out, "<section id=\"tag-%s\"><h2>%s</h2>\n", name, name);
    html_prose(tree_text(t, tag, "description"), out);
    for (int i = 0; (item = tree_member(t, paths, i, &path)); i++)
        for (int k = 0; (operation = tree_member(t, item, k, &method)); k++)
            if (is_of(t, operation, name)) write_operation(t, operation, method, path, out);
    fputs("</section>\n", out);
}

static const yaml_node_t *components(struct tree *t, const char *kind) {
    return tree_get(t, tree_get(t, tree_root(t), "components"), kind);
}

static void write_schemas(struct tree *t, FILE *out) {
    const yaml_node_t *schemas = components(t, "schemas"), *one;
    const char *name;
    fputs("<section id=\"schemas\"><h2>schemas</h2>\n", out);
    for (int i = 0; (one = tree_member(t, schemas, i, &name)); i++) {
        fprintf(out, "<details id=\"schema-%s\"><summary><code>%s</code></summary>\n<p>", name,
                name);
        html_type(t, one, out);
        fputs("</p>\n", out);
        html_prose(tree_text(t, one, "description"), out);
        html_members(t, one, out);
        fputs("</details>\n", out);
    }
    fputs("</section>\n", out);
}

static void write_shared_answers(struct tree *t, FILE *out) {
    const yaml_node_t *answers = components(t, "responses"), *one;
    const char *name;
    fputs("<section id=\"answers\"><h2>answers</h2>\n<table><tbody>\n", out);
    for (int i = 0; (one = tree_member(t, answers, i, &name)); i++) {
        char head[192];
        snprintf(head, sizeof head, "<span id=\"answer-%s\">%s</span>", name, name);
        write_answer(t, head, one, out);
    }
    fputs("</tbody></table>\n</section>\n", out);
}

static void write_head(struct tree *t, bool viewer, FILE *out) {
    const yaml_node_t *info = tree_get(t, tree_root(t), "info");
    const char *title = tree_text(t, info, "title"), *version = tree_text(t, info, "version");
    fprintf(out,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
            "<meta name=\"color-scheme\" content=\"light dark\">\n<title>%s %s</title>\n"
            "<link rel=\"icon\" href=\"data:,\">\n"
            "<link rel=\"stylesheet\" href=\"docs/page.css\">\n",
            title, version);
    if (viewer)
        fputs("<link rel=\"stylesheet\" href=\"docs/viewer.css\">\n"
              "<script defer src=\"docs/viewer.js\"></script>\n"
              "<script defer src=\"docs/page.js\"></script>\n",
              out);
    fprintf(out,
            "</head>\n<body>\n<div id=\"viewer\"></div>\n<main id=\"page\">\n<h1>%s "
            "<small>%s</small></h1>\n<p>",
            title, version);
    html_text(tree_text(t, info, "summary"), out);
    fputs(" For programs: <a href=\"openapi.json\">openapi.json</a>.</p>\n", out);
    html_prose(tree_text(t, info, "description"), out);
}

void page_write(struct tree *t, bool viewer, FILE *out) {
    const yaml_node_t *tags = tree_get(t, tree_root(t), "tags"), *tag;
    write_head(t, viewer, out);
    for (int i = 0; (tag = tree_element(t, tags, i)); i++) write_tag(t, tag, out);
    write_schemas(t, out);
    write_shared_answers(t, out);
    fputs("</main>\n", out);
    if (viewer)
        fputs("<footer>The viewer is Swagger UI, under <a href=\"docs/licence.txt\">its "
              "licence</a>.</footer>\n",
              out);
    fputs("</body>\n</html>\n", out);
}
