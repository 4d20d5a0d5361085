#include "panels/monitor_head.h"

#include "backend/base/mem.h"
#include "panels/figures.h"
#include "tui/overlay.h"

#include <stdlib.h>

/* Why it has stopped; that may take more than a line. NULL: it has not. */
static char *stop_text(const struct monitor_head *head)
{
    char *clean, *text;

    if (head->status.state != MONITOR_STOPPED)
        return NULL;
    clean = text_clean(head->status.reason, false);
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

/* What was not shown comes first: on a narrow screen the rest is left out. */
static void draw_figures(const struct monitor_head *head, struct line line)
{
    const struct monitor_status *status = &head->status;
    char text[TEXT_UNIT_SIZE];

    line_words(&line, ROLE_NUMBER, "%s lines/s", text_rate(text, head->rate));
    line_words(&line, ROLE_TEXT, "%s lines", text_count(text, (double)status->lines));
    line_words(&line, status->overwritten ? ROLE_WARNING : ROLE_DIM, "%s not shown",
               text_count(text, (double)status->overwritten));
    if (head->filtered)
        line_words(&line, ROLE_DIM, "%s filtered", text_count(text, (double)head->filtered));
    line_words(&line, ROLE_DIM, "%s own hidden", text_count(text, (double)head->hidden));
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
    const struct monitor_top *top = &head->summary->top[monitor_view_dimension(head->view)];
    char text[TEXT_UNIT_SIZE], known[TEXT_UNIT_SIZE];

    line_words(line, ROLE_DIM, "%s counted, %s%s%s", text_count(known, (double)top->known),
               top->error ? "counts at most " : "exact",
               top->error ? text_count(text, (double)top->error) : "",
               top->error ? " too low" : "");
}

/* As much of it as can be read at a glance: / has all. */
static void add_filter(const char *filter, struct line *line)
{
    enum { MOST = 40 };
    char shown[8 * MOST + 8], *clean = text_clean(filter, false);
    const int width = text_width(clean);

    text_column(shown, sizeof(shown), clean, width < MOST ? width : MOST, false);
    line_words(line, ROLE_MATCH, "filter %s", shown);
    free(clean);
}

static void draw_flags(const struct monitor_head *head, struct line line)
{
    const struct monitor_summary *sum = head->summary;
    char text[TEXT_UNIT_SIZE];

    line_words(&line, ROLE_STRONG, "%s", monitor_view_name(head->view));
    if (head->filter)
        add_filter(head->filter, &line);
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
