/* Files that the build has made, as bytes of the program: each from NAME to NAME_end. Their paths come from the
 * build; handle_docs.c gives them their names. */
.macro file name, path
    .globl \name, \name\()_end
    .balign 16
\name:
    .incbin "\path"
\name\()_end:
    .byte 0
.endm

    .section .rodata
    file page_openapi_json, "openapi.json"
    file page_docs_html, "docs.html"
    file page_page_css, "page.css"
#ifdef GRADD_VIEWER
    file page_page_js, "page.js"
    file page_viewer_js, "viewer.js.gz"
    file page_viewer_css, "viewer.css.gz"
    file page_licence_txt, "licence.txt"
#endif
    .section .note.GNU-stack, "", %progbits
