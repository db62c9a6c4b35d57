/* What the build makes of api/openapi.yaml: the same as JSON, and a page for people.
 * Usage: openapi DOCUMENT.yaml OUT.json OUT.html [viewer] */
#include <string.h>

#include "api/openapi/page.h"

/* What was not written whole must not be taken for the document. */
static bool finish(FILE *out, const char *path) {
    const bool whole = !ferror(out);
    if (fclose(out) == 0 && whole) return true;
    perror(path);
    return false;
}

static bool write_json(struct tree *t, const char *path) {
    FILE *out = fopen(path, "wb");
    if (!out) return perror(path), false;
    tree_write_json(t, tree_root(t), out);
    putc('\n', out);
    return finish(out, path);
}

static bool write_page(struct tree *t, const char *path, bool viewer) {
    FILE *out = fopen(path, "wb");
    if (!out) return perror(path), false;
    page_write(t, viewer, out);
    return finish(out, path);
}

int main(int argc, char **argv) {
    struct tree tree;
    const bool viewer = argc == 5 && strcmp(argv[4], "viewer") == 0;
    if (argc != 4 && !viewer) {
        fputs("usage: openapi DOCUMENT.yaml OUT.json OUT.html [viewer]\n", stderr);
        return 2;
    }
    if (!tree_load(&tree, argv[1])) return 1;
    const bool ok = write_json(&tree, argv[2]) && write_page(&tree, argv[3], viewer);
    tree_free(&tree);
    return ok ? 0 : 1;
}
