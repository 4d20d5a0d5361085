/* Monitor: the commands that a Redis runs, as they pass. */
#include "panels/monitor.h"

#include "backend/base/mem.h"
#include "panels/monitor_head.h"
#include "panels/monitor_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    TURN_MS = 50,
    FRAME_TURNS = 2,  /* turns a frame */
    FAST_TURNS = 5,   /* the same where nobody can read it all */
    FAST_LINES = 500, /* a second */
    SECOND_TURNS = 20,
    TAKEN = 192, /* lines of a block that are taken when nothing is filtered */
    BURST_SECONDS = 30,
    LOOK_EVERY = 64,           /* lines between looks at the clock */
    STANDSTILL_MS = 900,       /* between two turns: a guard ends the stream after a second */
    STANDSTILL_TOLD_MS = 3000, /* an end that comes later has another cause */
};

#define TURN_NS 8000000U /* for filtering, so that keys are answered at once */

/* ---- from the reader to the panel ---- */

/* The filter of the stream works on lines as they come: what it lets through may be rare. */
static const struct filter *intake_filter(const struct panel *panel)
{
    const struct stream *stream = panel->state;

    return stream->view == MONITOR_STREAM && panel->table.filter.text ? &panel->table.filter : NULL;
}

static void take_line(struct stream *stream, const struct monitor_line *from,
                      const struct filter *filter)
{
    struct stream_line line;
    struct stream_scratch scratch;

    stream_fill(&line, &scratch, from, stream->window.count + 1);
    if (!filter || stream_may_pass(filter, &line, &stream->context))
        stream_keep(&stream->window, &line, from);
    else
        stream->filtered++;
}

static double wall_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A line that has not waited shows how late it is there when it arrives: never too early. */
static void compare_clocks(struct stream *stream, double time)
{
    const double ahead = time - wall_clock();

    if (!(ahead <= stream->ahead))
        stream->ahead = ahead;
}

/* While paused nothing is taken: the reader goes on, and what it reads is counted as not shown. */
static void drain(struct panel *panel)
{
    struct stream *stream = panel->state;
    const struct filter *filter = intake_filter(panel);
    const bool prompt = stream->emptied;
    uint64_t until = uv_hrtime() + TURN_NS;
    struct monitor_line line;
    double last = NAN;

    stream->emptied = false;
    if (app_paused(panel->app))
        return;
    for (unsigned i = 1; monitor_next_of(stream->monitor, &line, filter ? UINT32_MAX : TAKEN);
         i++) {
        if (line.command_len) {
            take_line(stream, &line, filter);
            last = line.time;
        } else {
            stream->odd++;
        }
        if (i % LOOK_EVERY == 0 && uv_hrtime() > until)
            return;
    }
    stream->emptied = true;
    if (prompt && !isnan(last))
        compare_clocks(stream, last);
}

static void measure_rate(struct stream *stream, const struct monitor_status *status, double now)
{
    double seconds = (now - stream->rate_at) / 1000;

    if (seconds < 0.9)
        return;
    stream->rate = (double)(status->lines - stream->rate_lines) / seconds;
    stream->rate_lines = status->lines;
    stream->rate_at = now;
}

static bool is_live(const struct monitor_status *status)
{
    return status->state == MONITOR_RUNNING || status->state == MONITOR_STARTING;
}

static double seconds_left(const struct stream *stream, const struct monitor_status *status)
{
    const double left = status->stops_at > 0
                            ? ceil((status->stops_at - (double)uv_hrtime() / 1e6) / 1000)
                            : stream->seconds;

    return left > 0 ? left : 0;
}

static void set_note(struct panel *panel, const struct monitor_status *status)
{
    struct view_data *data = panel_data(panel);
    double left = seconds_left(panel->state, status);

    free(data->monitor_note);
    data->monitor_note = NULL;
    if (is_live(status))
        data->monitor_note = mem_printf("MONITOR %.0fs", left);
}

/* After the end: what was read is still to be taken, be it that somebody ends a pause for it. */
static void end_turns(struct panel *panel)
{
    struct stream *stream = panel->state;
    const bool paused = app_paused(panel->app);

    monitor_names_stop(stream->names);
    if (!paused && stream->emptied)
        uv_timer_stop(stream->timer);
    if (!paused || stream->turns++ % SECOND_TURNS == 0)
        app_dirty_data(panel->app);
}

static unsigned frame_turns(const struct panel *panel)
{
    const struct stream *stream = panel->state;

    if (app_paused(panel->app))
        return SECOND_TURNS;
    return stream->rate > FAST_LINES ? FAST_TURNS : FRAME_TURNS;
}

/* A process that was stopped does not know it: only the clock has gone on. */
static void notice_standstill(struct stream *stream, const struct monitor_status *status)
{
    const double now = (double)uv_hrtime() / 1e6;

    if (stream->ended)
        return;
    if (stream->turned && now - stream->turned > STANDSTILL_MS) {
        stream->stood = now - stream->turned;
        stream->stood_at = now;
    } else if (now - stream->stood_at > STANDSTILL_TOLD_MS) {
        stream->stood = 0;
    }
    stream->turned = now;
    stream->ended = !is_live(status);
}

static void turn(uv_timer_t *timer)
{
    struct panel *panel = timer->data;
    struct stream *stream = panel->state;
    struct monitor_status status;

    monitor_status(stream->monitor, &status);
    notice_standstill(stream, &status);
    if (!app_paused(panel->app))
        stream->held_at = status.lines;
    drain(panel);
    measure_rate(stream, &status, (double)uv_hrtime() / 1e6);
    set_note(panel, &status);
    if (status.state == MONITOR_STOPPED)
        end_turns(panel);
    else if (stream->turns++ % frame_turns(panel) == 0)
        app_dirty_data(panel->app);
}

/* ---- start and stop ---- */

static void forget_names(struct stream *stream)
{
    monitor_names_free(stream->names);
    stream->names = NULL;
    stream->context.names = NULL;
}

static void forget(struct stream *stream)
{
    monitor_free(stream->monitor);
    forget_names(stream);
    stream->monitor = NULL;
    free(stream->summary);
    stream->summary = NULL;
}

/* Lines of another server, or from before its start, must not be taken for this one's. */
static void begin(struct stream *stream, const struct instance *instance)
{
    forget(stream);
    if (!monitor_is_read(stream, instance) || instance->generation != stream->generation)
        stream_forget(&stream->window);
    stream->rate_lines = stream->filtered = stream->held_at = stream->odd = 0;
    stream->rate = stream->ahead = NAN;
    stream->stood = stream->turned = 0;
    stream->ended = false;
    stream->emptied = true;
    stream->begun = stream->window.count;
    stream->instance = instance;
    stream->generation = instance->generation;
    free(stream->name);
    stream->name = mem_strdup(instance->name);
    stream->rate_at = (double)uv_hrtime() / 1e6;
}

static void start(struct panel *panel)
{
    struct stream *stream = panel->state;
    const struct instance *instance = panel_instance(panel);

    if (!instance) {
        app_message(panel->app, ROLE_WARNING, "no Redis is configured: nothing to monitor");
        return;
    }
    begin(stream, instance);
    stream->monitor = monitor_start_instance(instance, stream->seconds);
    if (monitor_address(stream->monitor))
        stream->names =
            monitor_names_new(panel_data(panel)->loop, monitor_address(stream->monitor));
    stream->context.names = stream->names;
    table_doubt(&panel->table);
    panel_update(panel);
    uv_timer_start(stream->timer, turn, 0, TURN_MS);
    app_dirty_data(panel->app);
}

static void stop(struct panel *panel, const char *reason)
{
    struct stream *stream = panel->state;
    struct monitor_status status;

    if (!stream->monitor)
        return;
    monitor_stop(stream->monitor, reason);
    monitor_names_stop(stream->names);
    drain(panel);
    monitor_status(stream->monitor, &status);
    set_note(panel, &status);
    app_dirty_data(panel->app);
}

/* The question has stood there while another instance may have come, or another server. */
static void start_answered(void *context, struct overlay *overlay, bool accepted)
{
    struct panel *panel = context;
    const struct stream *stream = panel->state;
    const struct instance *instance = panel_instance(panel);

    (void)overlay;
    if (!accepted)
        return;
    if (instance && strcmp(instance->name, stream->asked) == 0 &&
        instance->generation == stream->asked_generation)
        start(panel);
    else
        app_message(
            panel->app, ROLE_WARNING,
            "not started: the connection is not the one that was asked about; m asks again");
}

static void ask_to_start(struct panel *panel, const struct instance *instance,
                         const struct redis_info *info)
{
    struct stream *stream = panel->state;
    struct overlay *dialog = dialog_new(
        "Start MONITOR", monitor_preflight(info, instance->name, stream->seconds), "start", NULL);

    free(stream->asked);
    stream->asked = mem_strdup(instance->name);
    stream->asked_generation = instance->generation;
    dialog->done = start_answered;
    dialog->context = panel;
    app_push(panel->app, dialog);
}

/* What is known of this server, not of one that was there before. */
static const struct redis_info *info_of(const struct panel *panel, const struct instance *instance)
{
    const struct redis_info *info = panel_data(panel)->redis.info;

    return info && info->sample.generation == instance->generation ? info : NULL;
}

static bool running(const struct stream *stream)
{
    struct monitor_status status;

    if (!stream->monitor)
        return false;
    monitor_status(stream->monitor, &status);
    return is_live(&status);
}

void monitor_toggle(struct app *app, int argument)
{
    struct panel *panel = app_focus(app);
    const struct stream *stream = panel->state;
    const struct instance *instance = panel_instance(panel);
    const struct redis_info *info;

    (void)argument;
    if (running(stream)) {
        stop(panel, "stopped by m");
        return;
    }
    info = instance ? info_of(panel, instance) : NULL;
    if (instance && monitor_could_hurt(info))
        ask_to_start(panel, instance, info);
    else
        start(panel);
}

bool monitor_start_for(struct app *app, double seconds)
{
    struct stream *stream = app_focus(app)->state;

    if (!(seconds >= 1 && seconds <= 600))
        return false;
    if (running(stream)) {
        app_message(app, ROLE_WARNING, "MONITOR runs already: m stops it");
        return true;
    }
    stream->seconds = seconds;
    monitor_toggle(app, 0);
    return true;
}

void monitor_suspend(struct panel *panel)
{
    if (running(panel->state))
        stop(panel, "stopped: the dashboard was suspended");
}

/* ---- what it shows ---- */

static void set_view(struct panel *panel, enum monitor_view view)
{
    struct stream *stream = panel->state;

    if (view == stream->view)
        return;
    stream->view = view;
    table_switch(&panel->table, view == MONITOR_STREAM ? &stream_table : monitor_view_table(view));
    panel_update(panel);
    app_dirty(panel->app);
}

void monitor_show(struct app *app, int step)
{
    struct panel *panel = app_focus(app);
    const struct stream *stream = panel->state;

    set_view(panel,
             (enum monitor_view)(((int)stream->view + step + MONITOR_VIEWS) % MONITOR_VIEWS));
}

const char *monitor_show_name(size_t index)
{
    return index < MONITOR_VIEWS ? monitor_view_name((enum monitor_view)index) : NULL;
}

bool monitor_show_named(struct panel *panel, const char *name)
{
    for (size_t i = 0; i < MONITOR_VIEWS; i++) {
        if (strcmp(name, monitor_show_name(i)) == 0) {
            set_view(panel, (enum monitor_view)i);
            return true;
        }
    }
    return false;
}

/* ---- the panel ---- */

static void open_panel(struct panel *panel)
{
    struct stream *stream = panel->state;

    stream->seconds = BURST_SECONDS;
    stream->timer = mem_zalloc(sizeof(*stream->timer));
    uv_timer_init(panel_data(panel)->loop, stream->timer);
    stream->timer->data = panel;
}

static void timer_closed(uv_handle_t *timer)
{
    free(timer);
}

static void close_panel(struct panel *panel)
{
    struct stream *stream = panel->state;

    uv_close((uv_handle_t *)stream->timer, timer_closed);
    forget(stream);
    stream_free(&stream->window);
    monitor_choice_free(stream->choice);
    free(stream->name);
    free(stream->asked);
    free(stream->rows);
}

/* A copy: what the monitor gives lives only until it is asked again, and not while it is paused. */
static void take_summary(struct stream *stream, bool paused)
{
    const struct monitor_summary *fresh =
        stream->monitor && !paused ? monitor_summary(stream->monitor) : NULL;

    if (!fresh)
        return;
    if (!stream->summary)
        stream->summary = mem_alloc(sizeof(*stream->summary));
    *stream->summary = *fresh;
}

static double watched_seconds(const struct stream *stream)
{
    struct monitor_status status;
    double now = (double)uv_hrtime() / 1e6, begun;

    if (!stream->monitor)
        return 0;
    monitor_status(stream->monitor, &status);
    begun = status.stops_at - 1000 * stream->seconds;
    return status.stops_at > 0 && now > begun
               ? (now < status.stops_at ? now - begun : 1000 * stream->seconds) / 1000
               : 0;
}

static size_t stream_rows(struct stream *stream)
{
    const struct stream_window *window = &stream->window;
    const size_t count = (size_t)(window->count - window->first);

    stream->rows = mem_array(stream->rows, count, sizeof(*stream->rows));
    for (size_t i = 0; i < count; i++)
        stream->rows[i] = stream_line_of(window, window->first + 1 + i);
    return count;
}

static size_t event_rows(struct stream *stream)
{
    size_t count = stream->summary ? stream->summary->event_count : 0;

    stream->rows = mem_array(stream->rows, count, sizeof(*stream->rows));
    for (size_t i = 0; i < count; i++)
        stream->rows[i] = &stream->summary->events[i];
    return count;
}

static size_t top_rows(struct stream *stream)
{
    enum monitor_dimension dimension = monitor_view_dimension(stream->view);
    const struct monitor_top *top = stream->summary ? &stream->summary->top[dimension] : NULL;
    size_t count = top ? top->count : 0;

    stream->context.dimension = dimension;
    stream->context.total = top ? top->total : 0;
    stream->context.error = top ? top->error : 0;
    stream->context.seconds = watched_seconds(stream);
    stream->rows = mem_array(stream->rows, count, sizeof(*stream->rows));
    for (size_t i = 0; i < count; i++)
        stream->rows[i] = &top->rows[i];
    return count;
}

static void ask_filter_again(struct panel *panel)
{
    struct stream *stream = panel->state;
    const uint32_t version = monitor_names_version(stream->names);

    if (version != stream->names_version && stream->view == MONITOR_STREAM &&
        stream_asks_names(&panel->table.filter))
        table_doubt(&panel->table);
    stream->names_version = version;
}

static void update(struct panel *panel)
{
    struct stream *stream = panel->state;
    const struct instance *instance = panel_instance(panel);
    size_t count;

    take_summary(stream, app_paused(panel->app));
    if (monitor_is_read(stream, instance) && instance->generation != stream->generation)
        forget_names(stream); /* of a server that was there before */
    stream->context.config = monitor_is_read(stream, instance) ? instance->redis_config : NULL;
    stream->context.names = stream->names;
    ask_filter_again(panel);
    if (stream->view == MONITOR_STREAM)
        count = stream_rows(stream);
    else
        count = stream->view == MONITOR_FLAGS ? event_rows(stream) : top_rows(stream);
    table_rows(&panel->table, stream->rows, count, &stream->context);
}

/* The reader's, the window's, and the names with the list that they are made of. */
static size_t memory(const struct stream *stream)
{
    return monitor_memory(stream->monitor) + stream_memory() + sizeof(*stream->summary) +
           monitor_names_memory() + monitor_names_answer(stream->names);
}

/* All that was read is in one of these, or waits. */
static void count_lines(const struct stream *stream, bool paused, struct monitor_head *head)
{
    const struct stream_window *window = &stream->window;
    const uint64_t first = window->first > stream->begun ? window->first : stream->begun;

    head->kept = window->count - first;
    head->older = first - stream->begun;
    head->filtered = stream->filtered;
    head->odd = stream->odd;
    head->own = monitor_hidden(stream->monitor);
    head->read = head->kept + head->older + head->filtered + head->odd + head->own +
                 head->status.overwritten;
    head->waiting = paused && head->status.lines > head->read ? head->status.lines - head->read : 0;
    head->read += head->waiting;
}

static struct monitor_head head_of(const struct panel *panel)
{
    const struct stream *stream = panel->state;
    struct monitor_head head = {.summary = stream->summary,
                                .view = stream->view,
                                .filter = panel->table.filter.text,
                                .seconds = stream->seconds,
                                .rate = stream->rate,
                                .stood = stream->stood / 1000,
                                .paused = app_paused(panel->app)};

    if (!stream->monitor)
        return head;
    monitor_status(stream->monitor, &head.status);
    head.left = seconds_left(stream, &head.status);
    count_lines(stream, head.paused, &head);
    head.held = head.status.lines - stream->held_at;
    head.memory = memory(stream);
    head.names_fault = monitor_names_fault(stream->names);
    return head;
}

static int head_rows(const struct panel *panel, int width)
{
    const struct monitor_head head = head_of(panel);

    return banner_rows(panel, width) + monitor_head_rows(&head, width);
}

static void head(const struct panel *panel, struct rect area)
{
    const struct monitor_head state = head_of(panel);
    const int banner = banner_rows(panel, area.w), rows = monitor_head_rows(&state, area.w);

    if (banner)
        banner_draw(panel, (struct rect){area.y, area.x, banner, area.w});
    if (area.h >= banner + rows)
        monitor_head_draw(&state, (struct rect){area.y + banner, area.x, rows, area.w});
}

/* The lines stay what they are when another instance is chosen. */
static void caption(const struct panel *panel, char *out, size_t size)
{
    const struct stream *stream = panel->state;
    const struct instance *instance = panel_instance(panel);
    size_t used;

    instance_caption(panel, out, size);
    used = strlen(out);
    if (stream->name && instance && !monitor_is_read(stream, instance))
        snprintf(out + used, size - used, ", but these lines are of %s", stream->name);
}

static void note(const struct panel *panel, char *out, size_t size)
{
    const struct table *table = &panel->table;
    const struct stream *stream = panel->state;
    char shown[TEXT_UNIT_SIZE], all[TEXT_UNIT_SIZE];

    text_count(shown, (double)table->count);
    if (table->filter.text)
        snprintf(out, size, "%s of %s", shown, text_count(all, (double)table->total));
    else if (stream->view == MONITOR_STREAM && table->count)
        snprintf(out, size, "%s lines kept%s", shown,
                 stream->window.first < stream->begun ? ", also of earlier bursts" : "");
}

static void empty(const struct panel *panel, char *out, size_t size)
{
    const struct stream *stream = panel->state;

    if (stream->view == MONITOR_FLAGS)
        snprintf(out, size, "nothing was flagged: no KEYS, no flush, no scan of everything");
    else
        snprintf(out, size, "no command was seen yet");
}

const struct panel_class monitor_panel = {
    .name = "monitor",
    .title = "Monitor",
    .help = "the commands that the Redis runs, as they pass; m starts a burst and stops it",
    .kind = PANEL_REDIS,
    .needs = SOURCE_BIT(REDIS_INFO),
    .view = true,
    .table = &stream_table,
    .state_size = sizeof(struct stream),
    .open = open_panel,
    .close = close_panel,
    .update = update,
    .head_rows = head_rows,
    .head = head,
    .caption = caption,
    .note = note,
    .empty = empty,
    .details = monitor_details,
    .copy = monitor_copy,
};
