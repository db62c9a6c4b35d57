/* Curves and progress in a terminal: braille dots where the locale is UTF-8, ASCII where it is not. What
 * is drawn is not known here. */
#include <langinfo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "api/gradctl.h"

/* A cell of braille has 2 by 4 dots, one of ASCII 1. */
enum { WIDTH = 60, HEIGHT = 12, LABEL = 11, BAR = 24 };

bool plot_is_utf8(void) { return strcmp(nl_langinfo(CODESET), "UTF-8") == 0; }

struct canvas {
    int across, up; /* dots a cell */
    unsigned char cells[HEIGHT][WIDTH];
};

/* Dots count from the lower left corner. */
static void set_dot(struct canvas *c, int x, int y) {
    static const unsigned char braille[4][2] = {{0x40, 0x80}, {4, 0x20}, {2, 0x10}, {1, 8}};
    const int row = HEIGHT - 1 - y / c->up, column = x / c->across;
    if (row < 0 || row >= HEIGHT || column < 0 || column >= WIDTH) return;
    c->cells[row][column] |= c->up == 4 ? braille[y % 4][x % 2] : 1;
}

static void draw_line(struct canvas *c, double x0, double y0, double x1, double y1) {
    const int steps = (int)fmax(fabs(x1 - x0), fabs(y1 - y0)) + 1;
    for (int i = 0; i <= steps; i++) {
        const double t = (double)i / steps;
        set_dot(c, (int)lround(x0 + t * (x1 - x0)), (int)lround(y0 + t * (y1 - y0)));
    }
}

/* From the least to the greatest of the finite ones. */
struct range {
    double low, high;
};

static struct range range_of(const double *v, size_t n) {
    struct range r = {INFINITY, -INFINITY};
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(v[i])) continue;
        r.low = fmin(r.low, v[i]);
        r.high = fmax(r.high, v[i]);
    }
    return r;
}

static double part_of(struct range r, double v) {
    /* By halves: the whole of it may be more than the greatest number. */
    return r.high > r.low ? (v / 2 - r.low / 2) / (r.high / 2 - r.low / 2) : 0.5;
}

static void draw_curve(struct canvas *c, const double *x, const double *y, size_t n,
                       struct range rx, struct range ry, bool is_log) {
    double last_x = NAN, last_y = NAN;
    for (size_t i = 0; i < n; i++) {
        const double v = is_log ? log10(y[i]) : y[i];
        const double dot_x = part_of(rx, x[i]) * (WIDTH * c->across - 1);
        const double dot_y = part_of(ry, v) * (HEIGHT * c->up - 1);
        if (isfinite(v) && isfinite(last_y))
            draw_line(c, last_x, last_y, dot_x, dot_y);
        else if (isfinite(v))
            draw_line(c, dot_x, dot_y, dot_x, dot_y);
        last_x = dot_x;
        last_y = isfinite(v) ? dot_y : NAN;
    }
}

static void print_cell(const struct canvas *c, unsigned char cell, FILE *out) {
    if (c->up == 4 && cell)
        fprintf(out, "\xE2%c%c", 0xA0 + (cell >> 6), 0x80 + (cell & 63));
    else
        fputc(cell ? '*' : ' ', out);
}

static void print_canvas(const struct canvas *c, struct range ry, bool is_log, FILE *out) {
    const char *bar = c->up == 4 ? "\u2502" : "|";
    for (int row = 0; row < HEIGHT; row++) {
        const bool labelled = row == 0 || row == HEIGHT - 1;
        const double v = row ? ry.low : ry.high;
        int last = WIDTH;
        while (last && !c->cells[row][last - 1]) last--;
        if (labelled)
            fprintf(out, "%*.4g %s", LABEL, is_log ? pow(10, v) : v, bar);
        else
            fprintf(out, "%*s %s", LABEL, "", bar);
        for (int i = 0; i < last; i++) print_cell(c, c->cells[row][i], out);
        fputc('\n', out);
    }
}

void plot_draw(const double *x, const double *y, size_t n, const char *title, FILE *out) {
    const bool is_utf8 = plot_is_utf8();
    struct canvas c = {.across = is_utf8 ? 2 : 1, .up = is_utf8 ? 4 : 1};
    const struct range rx = range_of(x, n);
    struct range ry = range_of(y, n);
    if (!(ry.low <= ry.high)) {
        fprintf(out, "%s: nothing to draw\n", title);
        return;
    }
    const bool is_log = ry.low > 0 && ry.high / ry.low >= 100;
    if (is_log) ry = (struct range){log10(ry.low), log10(ry.high)};
    draw_curve(&c, x, y, n, rx, ry, is_log);
    fprintf(out, "%s%s\n", title, is_log ? ", logarithmic" : "");
    print_canvas(&c, ry, is_log, out);
    fprintf(out, "%*s %s", LABEL, "", is_utf8 ? "\u2514" : "+");
    for (int i = 0; i < WIDTH; i++) fputs(is_utf8 ? "\u2500" : "-", out);
    fprintf(out, "\n%*s  %-*g%*g\n", LABEL, "", WIDTH / 2, rx.low, WIDTH / 2, rx.high);
}

/* ---- progress ---- */

static size_t terminal_width(void) {
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

void plot_progress(long step, long steps, double loss, double gradient_norm) {
    char line[256] = "", bar[BAR * 3 + 8] = "";
    const bool is_utf8 = plot_is_utf8();
    size_t extra = 0; /* bytes that take no column */
    if (steps > 0) {
        const int full = (int)(fmin(1, (double)step / (double)steps) * BAR);
        for (int i = 0; i < BAR; i++)
            strcat(bar, i < full ? is_utf8 ? "\u2588" : "#" : is_utf8 ? "\u2591" : ".");
        extra = strlen(bar) - BAR;
        snprintf(line, sizeof line, "%s %ld/%ld", bar, step, steps);
    } else {
        snprintf(line, sizeof line, "step %ld", step);
    }
    size_t n = strlen(line);
    if (!isnan(loss)) snprintf(line + n, sizeof line - n, "  loss %.6g", loss);
    n = strlen(line);
    if (!isnan(gradient_norm))
        snprintf(line + n, sizeof line - n, "  gradient %.3g", gradient_norm);
    const size_t room = terminal_width() - 1 + extra;
    fprintf(stderr, "\r\033[K%.*s", (int)(strlen(line) < room ? strlen(line) : room), line);
    fflush(stderr);
}

void plot_progress_end(void) { fputs("\r\033[K", stderr); }
