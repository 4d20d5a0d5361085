#include "panels/monitor_head.h"

#include "backend/base/mem.h"
#include "panels/figures.h"
#include "tui/overlay.h"

#include <stdlib.h>

enum { FILTER_MOST = 40 }; /* columns */

/* Why it has stopped; that may take more than a line. NULL: it has not. Who was stopped finds a
 * connection that others have closed, and must be told why. */
static char *stop_text(const struct monitor_head *head)
{
    char *clean, *text, time[TEXT_UNIT_SIZE];

    if (head->status.state != MONITOR_STOPPED)
        return NULL;
    clean = text_clean(head->status.reason, false);
    if (head->status.fault && head->stood > 0)
        text = mem_printf("this dashboard stood still for %s (stopped, or frozen), so MONITOR was "
                          "ended for the server's sake (%s); m starts again",
                          text_duration(time, head->stood), clean);
    else
        text = mem_printf("%s; m starts again", clean);
    free(clean);
    return text;
}

int monitor_head_rows(const struct monitor_head *head, int columns)
{
    char *text = stop_text(head);
    const int rows = text ? overlay_text_lines(text, columns - 1) : 1;

    free(text);
    return 2 + rows;
}

static void add_pause(const struct monitor_head *head, struct line *line)
{
    char text[TEXT_UNIT_SIZE];

    if (head->paused && head->held)
        line_words(line, ROLE_WARNING, "%s since the pause", text_count(text, (double)head->held));
}

static void add_memory(const struct monitor_head *head, struct line *line)
{
    char text[TEXT_UNIT_SIZE];

    line_words(line, ROLE_DIM, "uses %s at most", text_bytes(text, (double)head->memory));
}

static void draw_running(const struct monitor_head *head, struct line line)
{
    char text[TEXT_UNIT_SIZE], limit[TEXT_UNIT_SIZE];

    line_words(&line, ROLE_ACTIVE, "running, m stops");
    if (head->status.stops_at > 0)
        line_words(&line, ROLE_STRONG, "%.0f s left", head->left);
    add_pause(head, &line);
    add_memory(head, &line);
    if (head->status.held >= 0)
        line_words(&line, ROLE_DIM, "server keeps %s of %s",
                   text_bytes(text, (double)head->status.held),
                   text_bytes(limit, (double)head->status.held_limit));
}

static int draw_state(const struct monitor_head *head, struct rect area)
{
    char *text = stop_text(head);
    struct line line = line_at(area, 0);
    int rows;

    if (!text) {
        if (head->status.state == MONITOR_STARTING)
            line_words(&line, ROLE_WARNING, "starting");
        else
            draw_running(head, line);
        return 1;
    }
    rows = overlay_text_lines(text, area.w - 1);
    overlay_text(text, (struct rect){area.y, area.x + 1, rows, area.w - 1}, 0, ROLE_WARNING);
    free(text);
    return rows;
}

/* One of the numbers whose sum all lines are. After one that does not fit nothing comes. */
static void add_part(struct line *line, enum role role, const char *sign, uint64_t count,
                     const char *what)
{
    char text[TEXT_UNIT_SIZE];
    const int x = line->x;

    line->x--; /* they belong together */
    line_words(line, role, "%s %s %s", sign, text_count(text, (double)count), what);
    if (line->x == x - 1)
        line->x = line->end;
}

static void add_rare_part(struct line *line, uint64_t count, const char *what)
{
    if (count)
        add_part(line, ROLE_DIM, "+", count, what);
}

/* What was not shown comes first: on a narrow screen the rest is left out. */
static void add_stream_sum(const struct monitor_head *head, struct line *line)
{
    const uint64_t lost = head->status.overwritten;
    char text[TEXT_UNIT_SIZE];

    line_words(line, ROLE_TEXT, "%s lines", text_count(text, (double)head->read));
    add_part(line, ROLE_TEXT, "=", head->kept, "kept");
    add_part(line, lost ? ROLE_WARNING : ROLE_DIM, "+", lost, "not shown");
    add_rare_part(line, head->filtered, "filtered");
    add_rare_part(line, head->older, "older");
    add_rare_part(line, head->waiting, "waiting");
    add_part(line, ROLE_DIM, "+", head->own, "own polling");
    add_rare_part(line, head->odd, "not understood");
}

/* The analysis counts every line, whether it is shown or not. */
static void add_analysis_sum(const struct monitor_summary *sum, struct line *line)
{
    char text[TEXT_UNIT_SIZE];

    line_words(line, ROLE_TEXT, "%s lines",
               text_count(text, (double)(sum->lines + sum->own + sum->odd)));
    add_part(line, ROLE_TEXT, "=", sum->lines, "counted");
    add_part(line, ROLE_DIM, "+", sum->own, "own polling");
    add_rare_part(line, sum->odd, "not understood");
}

static void draw_figures(const struct monitor_head *head, struct line line)
{
    const struct monitor_status *status = &head->status;
    char text[TEXT_UNIT_SIZE];

    line_words(&line, ROLE_NUMBER, "%s/s", text_rate(text, head->rate));
    if (head->view == MONITOR_STREAM || !head->summary)
        add_stream_sum(head, &line);
    else
        add_analysis_sum(head->summary, &line);
    line_words(&line, ROLE_TEXT, "%s read", text_bytes(text, (double)status->bytes));
    if (status->lines)
        line_words(&line, ROLE_TEXT, "%s a line",
                   text_bytes(text, (double)status->bytes / (double)status->lines));
    if (status->state == MONITOR_STOPPED) {
        add_pause(head, &line);
        add_memory(head, &line);
    }
}

static enum role flag_role(enum monitor_flag_kind kind)
{
    if (kind == FLAG_WHOLE)
        return ROLE_DIM;
    return kind == FLAG_SCAN || kind == FLAG_VALUE ? ROLE_WARNING : ROLE_CRITICAL;
}

/* How far the counts of this table can be wrong. */
static void add_error(const struct monitor_head *head, struct line *line)
{
    const enum monitor_dimension dimension = monitor_view_dimension(head->view);
    const struct monitor_top *top = &head->summary->top[dimension];
    const bool bytes = dimension == MONITOR_BIG_KEYS;
    const char *unit = bytes ? "bytes" : "counts";
    char error[TEXT_UNIT_SIZE], known[TEXT_UNIT_SIZE];

    text_count(known, (double)top->known);
    if (!top->error)
        line_words(line, ROLE_DIM, "%s different, exact %s", known, unit);
    else
        line_words(line, ROLE_DIM, "%s different, %s at most %s too low", known, unit,
                   bytes ? text_bytes(error, (double)top->error)
                         : text_count(error, (double)top->error));
}

/* As much of a text from outside as most columns can show. */
static void add_cut(struct line *line, enum role role, const char *label, const char *raw, int most)
{
    char shown[512], *clean = text_clean(raw, false);
    const int width = text_width(clean);

    text_column(shown, sizeof(shown), clean, width < most ? width : most, false);
    line_words(line, role, "%s%s", label, shown);
    free(clean);
}

static void draw_flags(const struct monitor_head *head, struct line line)
{
    const struct monitor_summary *sum = head->summary;
    char text[TEXT_UNIT_SIZE];

    line_words(&line, ROLE_STRONG, "%s", monitor_view_name(head->view));
    if (head->filter)
        add_cut(&line, ROLE_MATCH, "filter ", head->filter, FILTER_MOST); /* / has all */
    if (!sum)
        return;
    if (head->view != MONITOR_STREAM && head->view != MONITOR_FLAGS)
        add_error(head, &line);
    for (int kind = FLAG_NONE + 1; kind < FLAG_KINDS; kind++) {
        if (sum->flags[kind])
            line_words(&line, flag_role((enum monitor_flag_kind)kind), "%s %s",
                       text_count(text, (double)sum->flags[kind]),
                       monitor_flag_name((enum monitor_flag_kind)kind));
    }
    if (sum->lua)
        line_words(&line, ROLE_DIM, "%s by scripts", text_count(text, (double)sum->lua));
    if (head->names_fault)
        add_cut(&line, ROLE_WARNING, "", head->names_fault, line.end - line.x);
}

void monitor_head_draw(const struct monitor_head *head, struct rect area)
{
    struct line line = line_at(area, 0);
    int rows;

    if (head->status.state == MONITOR_OFF) {
        line_words(&line, ROLE_DIM, "not running: m starts a burst of %.0f s (:monitor SECONDS)",
                   head->seconds);
        return;
    }
    rows = draw_state(head, area);
    draw_figures(head, line_at(area, rows));
    draw_flags(head, line_at(area, rows + 1));
}
