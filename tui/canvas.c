#include "tui/canvas.h"

#include "backend/base/mem.h"
#include "tui/frame.h"
#include "tui/theme_apply.h"

#include <assert.h>
#include <curses.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <term.h>
#include <unistd.h>

#undef columns /* a macro of term.h */

#define SHOW_FRAME "\033[?2026l"

struct canvas {
    FILE *file;
    SCREEN *curses;
    int rows, columns, colours;
    bool ansi;    /* takes control sequences that no capability names */
    bool all;     /* nothing that was sent counts any more */
    bool entered; /* ncurses has switched to the alternate screen */
    unsigned generation;
    struct glyph *shown; /* the last frame that was painted */
    cchar_t *run;        /* room for a row */
    bool cursor;
};

/* ---- start and end ---- */

static const char *capability(const char *name)
{
    const char *value = tigetstr(name);

    return value == (const char *)-1 ? NULL : value; // NOLINT(performance-no-int-to-ptr)
}

/* What is wrong with TERM, or NULL. */
static char *term_fault(const char *term)
{
    int status = 0;

    if (!term || !*term)
        return mem_strdup("TERM is not set; set it to what your terminal is, e.g. "
                          "TERM=xterm-256color");
    if (!strcmp(term, "dumb"))
        return mem_strdup("TERM=dumb cannot show a screen; set TERM to what your terminal is, or "
                          "use 'sharedtop snapshot'");
    if (setupterm(term, STDOUT_FILENO, &status) != OK)
        return mem_printf("TERM=%.40s is not known here; try TERM=xterm-256color, or install "
                          "ncurses-term",
                          term);
    if (capability("cup") && capability("clear"))
        return NULL;
    return mem_printf(
        "TERM=%.40s cannot move its cursor; set TERM to what your terminal is, or use "
        "'sharedtop snapshot'",
        term);
}

static FILE *memory_file(void)
{
    int fd = memfd_create("frame", MFD_CLOEXEC);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w+");

    if (!file && fd >= 0)
        close(fd);
    return file;
}

/* newterm takes signals that nobody else has taken; they are not ncurses' to handle here. */
static SCREEN *new_curses(FILE *file)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
    struct sigaction before[sizeof signals / sizeof *signals];
    SCREEN *curses;

    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], NULL, &before[i]);
    curses = newterm(NULL, file, file);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &before[i], NULL);
    return curses;
}

static void set_up(struct canvas *canvas, bool colour)
{
    const char *move = capability("cup");

    canvas->ansi = move && !strncmp(move, "\033[", 2);
    nonl(); /* a line feed is the cheapest way down */
    typeahead(-1);
    curs_set(0);
    /* Until it has come back from an endwin, ncurses 6.4 flushes at each move of the cursor. What
     * it has written so far comes again with the first frame. */
    endwin();
    lseek(fileno(canvas->file), 0, SEEK_SET);
    if (colour && has_colors() && start_color() == OK) {
        use_default_colors();
        canvas->colours = COLORS;
    }
}

struct canvas *canvas_new(bool colour, char **error)
{
    struct canvas *canvas;

    *error = term_fault(getenv("TERM"));
    if (cur_term)
        del_curterm(cur_term);
    if (*error)
        return NULL;
    canvas = mem_zalloc(sizeof *canvas);
    canvas->file = memory_file();
    canvas->curses = canvas->file ? new_curses(canvas->file) : NULL;
    if (!canvas->curses) {
        *error = mem_printf("cannot start ncurses: %s", strerror(errno));
        canvas_free(canvas);
        return NULL;
    }
    set_up(canvas, colour);
    return canvas;
}

void canvas_free(struct canvas *canvas)
{
    if (canvas->curses) {
        endwin();
        delscreen(canvas->curses);
    }
    if (canvas->file)
        fclose(canvas->file);
    free(canvas->shown);
    free(canvas->run);
    free(canvas);
}

int canvas_colours(const struct canvas *canvas)
{
    return canvas->colours;
}

void canvas_resize(struct canvas *canvas, int rows, int columns)
{
    size_t cells = (size_t)rows * (size_t)columns;

    resize_term(rows, columns);
    werase(newscr);
    free(canvas->shown);
    free(canvas->run);
    canvas->shown = mem_zalloc(cells * sizeof *canvas->shown);
    canvas->run = mem_array(NULL, (size_t)columns, sizeof *canvas->run);
    canvas->rows = rows;
    canvas->columns = columns;
    canvas_redraw(canvas);
}

/* ---- painting ---- */

/* Moves what ncurses has written to out. */
static void collect(const struct canvas *canvas, struct strbuf *out)
{
    int fd = fileno(canvas->file);
    off_t end = lseek(fd, 0, SEEK_CUR);
    char chunk[16384];
    ssize_t n;

    for (off_t at = 0; at < end; at += n) {
        size_t want = end - at < (off_t)sizeof chunk ? (size_t)(end - at) : sizeof chunk;

        n = pread(fd, chunk, want, at);
        if (n <= 0)
            break;
        strbuf_add(out, chunk, (size_t)n);
    }
    lseek(fd, 0, SEEK_SET);
}

/* Hands cells first to last of a row to ncurses; neither cuts a wide character in two. */
static void send_run(const struct canvas *canvas, const struct glyph *row, int y, int first,
                     int last)
{
    int count = 0;

    for (int x = first; x <= last; x++) {
        cchar_t *cell = &canvas->run[count];

        if (!row[x].width)
            continue;
        *cell = theme_cell((enum role)row[x].role);
        for (int i = 0; i <= GLYPH_MARKS; i++)
            cell->chars[i] = (wchar_t)row[x].text[i];
        count++;
    }
    mvwadd_wchnstr(newscr, y, first, canvas->run, count);
}

static void send_row(const struct canvas *canvas, int y)
{
    const struct glyph *row = frame_row(y);
    struct glyph *shown = canvas->shown + (size_t)y * (size_t)canvas->columns;
    int first = 0, last = canvas->columns - 1;

    if (!canvas->all) {
        while (first <= last && !memcmp(&row[first], &shown[first], sizeof *row))
            first++;
        while (last > first && !memcmp(&row[last], &shown[last], sizeof *row))
            last--;
        if (first > last)
            return;
    }
    while (first > 0 && !row[first].width)
        first--;
    while (last + 1 < canvas->columns && !row[last + 1].width)
        last++;
    send_run(canvas, row, y, first, last);
    memcpy(shown + first, row + first, (size_t)(last - first + 1) * sizeof *row);
}

static void set_cursor(struct canvas *canvas)
{
    int y, x;
    bool show = frame_cursor(&y, &x);

    if (show != canvas->cursor)
        curs_set(show);
    canvas->cursor = show;
    leaveok(newscr, !show);
    if (show)
        wmove(newscr, y, x);
}

/* What ncurses has written, as one picture: terminals that know synchronized output (mode 2026) show
 * nothing of it before its end, however long the line takes for it; others ignore the mode. */
static void collect_frame(const struct canvas *canvas, struct strbuf *out)
{
    if (lseek(fileno(canvas->file), 0, SEEK_CUR) == 0)
        return;
    if (canvas->ansi)
        strbuf_adds(out, "\033[?2026h");
    collect(canvas, out);
    if (canvas->ansi)
        strbuf_adds(out, SHOW_FRAME);
}

void canvas_paint(struct canvas *canvas, struct strbuf *out)
{
    int rows, columns;

    frame_size(&rows, &columns);
    assert(rows == canvas->rows && columns == canvas->columns);
    if (canvas->generation != theme_generation())
        canvas->all = true;
    canvas->generation = theme_generation();
    for (int y = 0; y < rows; y++)
        send_row(canvas, y);
    canvas->all = false;
    canvas->entered = true;
    set_cursor(canvas);
    doupdate();
    collect_frame(canvas, out);
}

void canvas_redraw(struct canvas *canvas)
{
    canvas->all = true;
    clearok(curscr, TRUE);
}

/* ---- modes ---- */

void canvas_modes(const struct canvas *canvas, bool on, bool mouse, struct strbuf *out)
{
    if (!canvas->ansi)
        return;
    strbuf_adds(out, on ? "\033[?2004h" : "\033[?2004l");
    if (mouse)
        strbuf_adds(out, on ? "\033[?1000h\033[?1006h" : "\033[?1006l\033[?1000l");
}

/* A capability without its padding. */
static void add_capability(struct strbuf *out, const char *name)
{
    const char *value = capability(name);

    while (value && *value) {
        size_t plain = strcspn(value, "$");

        strbuf_add(out, value, plain);
        value += plain;
        if (!strncmp(value, "$<", 2) && strchr(value, '>'))
            value = strchr(value, '>') + 1;
        else if (*value)
            strbuf_addc(out, *value++);
    }
}

/* Before the first picture there is nothing to leave, and the alternate screen's end would take the
 * cursor to where a program before us has left it. Terminals made of libvterm hide the cursor again
 * as they leave the alternate screen. */
void canvas_leave(struct canvas *canvas, struct strbuf *out)
{
    endwin();
    canvas_redraw(canvas);
    if (canvas->entered) {
        collect(canvas, out);
        add_capability(out, "cnorm");
    } else {
        lseek(fileno(canvas->file), 0, SEEK_SET);
    }
    canvas->entered = false;
}

void canvas_restoring(const struct canvas *canvas, struct strbuf *out)
{
    if (canvas->ansi)
        strbuf_adds(out, SHOW_FRAME); /* it may have been cut */
    canvas_modes(canvas, false, true, out);
    add_capability(out, "sgr0");
    add_capability(out, "op");
    add_capability(out, "rmcup");
    add_capability(out, "cnorm");
}
