/* Monitor: the commands that a Redis runs, as they pass. */
#include "panels/monitor.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/monitor_guard.h"
#include "backend/monitor_names.h"
#include "backend/redis_monitor.h"
#include "panels/monitor_head.h"
#include "panels/monitor_stream.h"

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
    LOOK_EVERY = 64 /* lines between looks at the clock */
};

#define TURN_NS 8000000U /* for filtering, so that keys are answered at once */

struct stream {
    struct monitor *monitor;         /* NULL: never started */
    const struct instance *instance; /* that it reads; only to be compared */
    uint32_t generation;             /* of it then */
    struct monitor_names *names;
    uv_timer_t *timer;
    unsigned turns;
    struct stream_window window; /* of the lines */
    double ahead;                /* the server's clock before ours, s; NAN: not known */
    bool emptied;                /* the last turn took all that was there */
    uint64_t held_at;            /* lines that were read when it was not paused for the last time */
    uint64_t filtered;           /* lines that the filter has left out as they came */
    double seconds;              /* of the next burst */
    double rate;                 /* lines a second over the last turns */
    uint64_t rate_lines;
    double rate_at;
    enum monitor_view view;
    struct monitor_summary *summary; /* what is shown of the analysis; NULL: nothing */
    const void **rows;
    struct monitor_context context;
};

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
    if (!filter ||
        filter_match(filter, stream_table.columns, stream_table.count, &line, &stream->context))
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

/* Our polling connection may be another one by now. */
static void hide_own(struct panel *panel)
{
    const struct redis_info *info = panel_data(panel)->redis.info;

    if (info && info->own_client[0])
        monitor_hide(((struct stream *)panel->state)->monitor, info->own_client);
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

static void turn(uv_timer_t *timer)
{
    struct panel *panel = timer->data;
    struct stream *stream = panel->state;
    struct monitor_status status;

    monitor_status(stream->monitor, &status);
    hide_own(panel);
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

static void forget(struct stream *stream)
{
    monitor_free(stream->monitor);
    monitor_names_free(stream->names);
    stream->monitor = NULL;
    stream->names = NULL;
    free(stream->summary);
    stream->summary = NULL;
}

static void start(struct panel *panel)
{
    struct stream *stream = panel->state;
    const struct instance *instance = panel_instance(panel);

    if (!instance) {
        app_message(panel->app, ROLE_WARNING, "no Redis is configured: nothing to monitor");
        return;
    }
    forget(stream);
    stream->rate_lines = stream->filtered = stream->held_at = 0;
    stream->rate = stream->ahead = NAN;
    stream->emptied = true;
    stream->instance = instance;
    stream->generation = instance->generation;
    stream->rate_at = (double)uv_hrtime() / 1e6;
    stream->monitor = monitor_start_instance(instance, stream->seconds);
    hide_own(panel);
    if (monitor_address(stream->monitor))
        stream->names =
            monitor_names_new(panel_data(panel)->loop, monitor_address(stream->monitor));
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

static void start_answered(void *context, struct overlay *overlay, bool accepted)
{
    (void)overlay;
    if (accepted)
        start(context);
}

bool monitor_could_hurt(const struct redis_info *info)
{
    return !info || (info->maxmemory > 0 && strcmp(info->policy, "noeviction") != 0) ||
           (info->maxmemory > 0 && info->used_memory > info->maxmemory / 10 * 9);
}

/* Measured: the server's main thread needs 0.8 us more for a command that it copies, and 45 ns for a
 * byte of its arguments. */
static double expected_share(const struct redis_info *info)
{
    double ops = info->rates.ops, bytes = info->rates.net_in;

    if (isnan(ops) && isnan(bytes))
        return NAN;
    return (ops > 0 ? ops * 0.8e-6 : 0) + (bytes > 0 ? bytes * 45e-9 : 0);
}

static void add_limit(struct strbuf *text, const struct redis_limit *limit)
{
    char size[TEXT_UNIT_SIZE];

    if (limit->hard > 0)
        strbuf_addf(text, "limit   the server lets a reader leave %s unread\n",
                    text_bytes(size, (double)limit->hard));
    else
        strbuf_addf(text, "limit   %s\n",
                    limit->hard == 0 ? "none: the server keeps whatever a reader leaves unread"
                                     : "not known (CONFIG GET is not allowed)");
}

static void add_memory(struct strbuf *text, const struct redis_info *info)
{
    char used[TEXT_UNIT_SIZE], max[TEXT_UNIT_SIZE], left[TEXT_UNIT_SIZE];
    int64_t room = info->maxmemory - info->used_memory;

    strbuf_addf(text, "memory  %s of %s, policy %s\n", text_bytes(used, (double)info->used_memory),
                info->maxmemory > 0 ? text_bytes(max, (double)info->maxmemory) : "no limit",
                info->policy);
    add_limit(text, &info->client_limit);
    if (info->maxmemory <= 0)
        return;
    strbuf_addf(text, "room    %s until it %s; MONITOR is killed when the server keeps %s for it\n",
                text_bytes(left, room > 0 ? (double)room : 0),
                strcmp(info->policy, "noeviction") == 0 ? "refuses writes" : "evicts keys",
                text_bytes(used, (double)monitor_memory_limit(info->used_memory, info->maxmemory)));
    if (info->used_memory > info->maxmemory / 10 * 9)
        strbuf_adds(text, "        more than 90 % is in use: even a connection may cost keys\n");
}

char *monitor_preflight(const struct redis_info *info, const char *name, double seconds)
{
    struct strbuf text = {0};
    char ops[TEXT_UNIT_SIZE], in[TEXT_UNIT_SIZE], share[TEXT_UNIT_SIZE];

    strbuf_addf(&text, "MONITOR on %s for %.0f s.\n\n", name, seconds);
    if (info) {
        add_memory(&text, info);
        strbuf_addf(&text, "load    %s commands/s, %s/s in: about %s of the server's main thread\n",
                    text_rate(ops, info->rates.ops), text_bytes(in, info->rates.net_in),
                    text_percent(share, expected_share(info)));
    }
    strbuf_adds(&text,
                "\nThe server copies every command to us on its main thread: pipelined loads run "
                "at half their speed meanwhile, large values much slower. It evicts keys when a "
                "reader stalls; ours reads apart from the screen, stops by itself, and the server "
                "ends it when we cannot.");
    return strbuf_take(&text);
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
    const struct redis_info *info = panel_data(panel)->redis.info;
    struct overlay *dialog;

    (void)argument;
    if (running(stream)) {
        stop(panel, "stopped by m");
        return;
    }
    if (!instance || !monitor_could_hurt(info)) {
        start(panel);
        return;
    }
    dialog = dialog_new("Start MONITOR", monitor_preflight(info, instance->name, stream->seconds),
                        "start", NULL);
    dialog->done = start_answered;
    dialog->context = panel;
    app_push(app, dialog);
}

bool monitor_set_seconds(struct panel *panel, double seconds)
{
    struct stream *stream = panel->state;

    if (!(seconds >= 1 && seconds <= 600))
        return false;
    stream->seconds = seconds;
    app_message(panel->app, ROLE_OK, "the next MONITOR runs for %.0f s", seconds);
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

/* The selected line, unless newer ones have come to its place since it was drawn. */
static const struct stream_line *selected_line(const struct panel *panel)
{
    const struct stream *stream = panel->state;

    return stream_line_of(&stream->window, panel->table.selected);
}

/* The client of the selected row, and when it was there by our clock (NAN: all the time); false:
 * there is none. */
static bool selected_sender(const struct panel *panel, const char **client, double *time)
{
    const struct stream *stream = panel->state;
    const void *row =
        stream->view == MONITOR_STREAM ? selected_line(panel) : table_selected(&panel->table);

    if (!row)
        return false;
    *time = NAN;
    if (stream->view == MONITOR_STREAM) {
        *client = ((const struct stream_line *)row)->client;
        *time = ((const struct stream_line *)row)->time - stream->ahead;
    } else if (stream->view == MONITOR_FLAGS) {
        *client = ((const struct monitor_event *)row)->client;
        *time = ((const struct monitor_event *)row)->time - stream->ahead;
    } else if (monitor_view_dimension(stream->view) == MONITOR_CLIENTS) {
        *client = ((const struct monitor_row *)row)->text;
        return true;
    } else {
        return false;
    }
    return true;
}

static bool is_of_row(const struct stream *stream, const struct instance *instance)
{
    return instance && instance == stream->instance && instance->generation == stream->generation;
}

const char *monitor_selected_client(const struct panel *panel, char *out, size_t size)
{
    const struct stream *stream = panel->state;
    const bool timed = stream->view == MONITOR_STREAM || stream->view == MONITOR_FLAGS;
    const struct monitor_client *known;
    const char *client;
    double time;

    if (!selected_sender(panel, &client, &time) || strcmp(client, "lua") == 0)
        return "no single client is selected";
    if (strncmp(client, "unix:", 5) == 0)
        return "all clients of the unix socket have one address: :kill-client takes an id";
    if (!is_of_row(stream, panel_instance(panel)))
        return "the server was started or connected anew since: that client is not known any more";
    /* Without the server's clock a line's time says nothing about who had the address then. */
    known = timed && isnan(time)
                ? NULL
                : monitor_names_sender(stream->names, client, strlen(client), time);
    if (!known || strcmp(known->address, client) != 0 ||
        snprintf(out, size, "%lld %s", known->id, client) >= (int)size)
        return "it is not known which client that was: another may have its address by now";
    return NULL;
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

static void update(struct panel *panel)
{
    struct stream *stream = panel->state;
    const struct instance *instance = panel_instance(panel);
    size_t count;

    take_summary(stream, app_paused(panel->app));
    if (instance && instance == stream->instance && !is_of_row(stream, instance)) {
        monitor_names_free(stream->names); /* of a server that was there before */
        stream->names = NULL;
    }
    stream->context.config = instance ? instance->redis_config : NULL;
    stream->context.names = stream->names;
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
           monitor_names_memory();
}

static struct monitor_head head_of(const struct panel *panel)
{
    const struct stream *stream = panel->state;
    struct monitor_head head = {.summary = stream->summary,
                                .view = stream->view,
                                .filter = panel->table.filter.text,
                                .seconds = stream->seconds,
                                .rate = stream->rate,
                                .filtered = stream->filtered,
                                .paused = app_paused(panel->app)};

    if (!stream->monitor)
        return head;
    monitor_status(stream->monitor, &head.status);
    head.left = seconds_left(stream, &head.status);
    head.hidden = stream->summary ? stream->summary->own : monitor_hidden(stream->monitor);
    head.held = head.status.lines - stream->held_at;
    head.memory = memory(stream);
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

static void note(const struct panel *panel, char *out, size_t size)
{
    const struct table *table = &panel->table;
    const struct stream *stream = panel->state;
    char shown[TEXT_UNIT_SIZE], all[TEXT_UNIT_SIZE];

    text_count(shown, (double)table->count);
    if (table->filter.text)
        snprintf(out, size, "%s of %s", shown, text_count(all, (double)table->total));
    else if (stream->view == MONITOR_STREAM && table->count)
        snprintf(out, size, "%s lines kept", shown);
}

static void empty(const struct panel *panel, char *out, size_t size)
{
    const struct stream *stream = panel->state;

    if (stream->view == MONITOR_FLAGS)
        snprintf(out, size, "nothing was flagged: no KEYS, no flush, no scan of everything");
    else
        snprintf(out, size, "no command was seen yet");
}

/* How the client of the row can be killed; NULL: it has none. The caller frees it. */
static char *kill_text(const struct panel *panel, const char **client)
{
    char chosen[160];
    const char *why;
    double time;

    if (!selected_sender(panel, client, &time))
        return NULL;
    why = monitor_selected_client(panel, chosen, sizeof(chosen));
    return why ? mem_printf("not with K: %s", why)
               : mem_strdup("close this, then K asks and kills it");
}

static char *row_details(const struct panel *panel, const void *row, const char *kill)
{
    const struct stream *stream = panel->state;

    if (stream->view == MONITOR_FLAGS)
        return monitor_event_details(&stream->context, row, kill);
    if (stream->view != MONITOR_STREAM)
        return monitor_top_details(&stream->context, row, kill);
    row = selected_line(panel);
    return row ? stream_details(&stream->context, row, kill)
               : mem_strdup("newer lines have taken the place of this one");
}

static char *details(const struct panel *panel, const void *row)
{
    const struct stream *stream = panel->state;
    struct strbuf text = {0};
    const char *client = NULL;
    char *kill = kill_text(panel, &client), *first = row_details(panel, row, kill);

    strbuf_adds(&text, first);
    if (kill)
        stream_add_deeds(&stream->window, client, &text);
    free(kill);
    free(first);
    return strbuf_take(&text);
}

static char *copy(const struct panel *panel, const void *row)
{
    const struct stream *stream = panel->state;
    const struct stream_line *line = selected_line(panel);

    if (stream->view == MONITOR_STREAM)
        return line ? mem_strdup(line->args) : NULL;
    return mem_strdup(stream->view == MONITOR_FLAGS ? ((const struct monitor_event *)row)->text
                                                    : ((const struct monitor_row *)row)->text);
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
    .caption = instance_caption,
    .note = note,
    .empty = empty,
    .details = details,
    .copy = copy,
};
