/* GET /openapi.json, /docs and what that page loads: files that the build has put into the program
 * (pages.S). Knows nothing of what is in them. */
#include <string.h>

#include "server/engine.h"
#include "server/handle.h"

#define FILE_BYTES(name) extern const char page_##name[], page_##name##_end[];
FILE_BYTES(openapi_json)
FILE_BYTES(docs_html)
FILE_BYTES(page_css)
#ifdef GRADD_VIEWER
FILE_BYTES(page_js)
FILE_BYTES(viewer_js)
FILE_BYTES(viewer_css)
FILE_BYTES(licence_txt)
#endif

struct file {
    const char *name, *type;
    const char *encoding; /* what is large is kept, and sent, as browsers take it; NULL: plain */
    const char *at, *end;
};
#define FILE_OF(bytes) page_##bytes, page_##bytes##_end

static const char css[] = "text/css; charset=utf-8";
#ifdef GRADD_VIEWER
static const char script[] = "text/javascript; charset=utf-8", text[] = "text/plain; charset=utf-8";
#endif
static const struct file openapi = {"openapi.json", NULL, NULL, FILE_OF(openapi_json)},
                         docs = {"docs", NULL, NULL, FILE_OF(docs_html)},
                         loaded[] = {
                             {"page.css", css, NULL, FILE_OF(page_css)},
#ifdef GRADD_VIEWER
                             {"page.js", script, NULL, FILE_OF(page_js)},
                             {"viewer.js", script, "gzip", FILE_OF(viewer_js)},
                             {"viewer.css", css, "gzip", FILE_OF(viewer_css)},
                             {"licence.txt", text, NULL, FILE_OF(licence_txt)},
#endif
};

static bool serve(const struct file *f, const struct service_call *call, struct writer *out) {
    const size_t n = (size_t)(f->end - f->at);
    write_bytes(out, f->at, n);
    call->reply->type = f->type;
    call->reply->encoding = f->encoding;
    engine_etag(f->at, n, call->reply->etag);
    return true;
}

bool handle_openapi(const struct service_call *call, struct writer *out, struct error *error) {
    (void)error;
    return serve(&openapi, call, out);
}

bool handle_docs(const struct service_call *call, struct writer *out, struct error *error) {
    (void)error;
    /* Whatever a description or a viewer may hold, nothing is asked of another site or told to one. */
    call->reply->policy = "default-src 'none'; script-src 'self'; style-src 'self'; "
                          "img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
                          "form-action 'none'; frame-ancestors 'none'";
    return serve(&docs, call, out);
}

bool handle_docs_file(const struct service_call *call, struct writer *out, struct error *error) {
    for (size_t i = 0; i < sizeof loaded / sizeof *loaded; i++)
        if (strcmp(call->places[0], loaded[i].name) == 0) return serve(&loaded[i], call, out);
    return error_set(error, ERROR_NOT_FOUND, "/docs has no file \"%.80s\"", call->places[0]);
}
