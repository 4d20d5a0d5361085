/* Monitor: the commands that a Redis runs, as they pass. */
#include "panels/monitor.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/redis_monitor.h"
#include "panels/figures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_KEPT    2048
#define ARGS_KEPT     480
#define COPY_BYTES    ((size_t)256 * 1024)
#define COPY_LINES    LINES_KEPT
#define TURN_MS       100
#define BURST_SECONDS 30

struct stream_line {
    uint64_t number; /* from 1 */
    double time;
    int db;
    char client[64], command[32];
    char args[ARGS_KEPT];
    size_t bytes;
};

struct stream {
    struct monitor *monitor; /* NULL: never started */
    uv_timer_t *timer;
    struct stream_line *lines; /* a ring; NULL until the first start */
    uint64_t count;            /* lines that were put in */
    uint64_t next;             /* of monitor_copy */
    uint64_t hidden;           /* own commands */
    double seconds;            /* of the next burst */
    double rate;               /* lines a second over the last turns */
    uint64_t rate_lines;
    double rate_at;
    char *buffer;
    const void **rows;
    struct keyspace_names {
        const struct redis_config *config;
    } names;
};

/* ---- columns ---- */

static uint64_t identity(const void *row)
{
    return ((const struct stream_line *)row)->number;
}

static void time_cell(const void *row, const void *context, struct cell *cell)
{
    const struct stream_line *line = row;
    char clock[TEXT_UNIT_SIZE], label[TEXT_UNIT_SIZE + 8];

    (void)context;
    cell_set_number(cell, CELL_RATE, line->time);
    snprintf(label, sizeof(label), "%s.%03d", text_clock(clock, line->time),
             (int)(fmod(line->time, 1) * 1000));
    cell_set_label(cell, label);
    cell->role = ROLE_DIM;
}

static void db_cell(const void *row, const void *context, struct cell *cell)
{
    const struct stream_line *line = row;
    const struct keyspace_names *names = context;
    const struct redis_db_config *db =
        names->config ? redis_database(names->config, line->db) : NULL;

    cell_set_number(cell, CELL_INTEGER, line->db);
    if (db)
        cell->role = environment_name_role(db->environment);
}

static void client_cell(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_text(cell, ((const struct stream_line *)row)->client);
}

/* Commands that take the whole server or a whole database are not to be overlooked. */
static bool is_dangerous(const char *command)
{
    static const char *const names[] = {"KEYS", "FLUSHDB", "FLUSHALL", "SWAPDB", "DEBUG"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcasecmp(command, names[i]) == 0)
            return true;
    }
    return false;
}

static void command_cell(const void *row, const void *context, struct cell *cell)
{
    const struct stream_line *line = row;

    (void)context;
    cell_set_text(cell, line->command);
    cell->role = is_dangerous(line->command) ? ROLE_CRITICAL : ROLE_NAME;
}

static void args_cell(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_text(cell, ((const struct stream_line *)row)->args);
}

static void bytes_cell(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_number(cell, CELL_BYTES, (double)((const struct stream_line *)row)->bytes);
}

static const struct column columns[] = {
    {.name = "time",
     .title = "TIME",
     .width = 12,
     .priority = 2,
     .cell = time_cell,
     .help = "when the server ran it, by its clock"},
    {.name = "db", .title = "DB", .width = 3, .right = true, .cell = db_cell, .help = "database"},
    {.name = "client",
     .title = "CLIENT",
     .width = 16,
     .max = 22,
     .priority = 1,
     .cell = client_cell,
     .help = "address of who sent it; lua: a script did"},
    {.name = "command",
     .title = "COMMAND",
     .width = 10,
     .max = 14,
     .cell = command_cell,
     .help = "its name; those that walk or empty a database are marked"},
    {.name = "bytes",
     .title = "BYTES",
     .width = 5,
     .right = true,
     .descending = true,
     .priority = 3,
     .cell = bytes_cell,
     .help = "length of its line in the stream"},
    {.name = "args",
     .title = "ARGUMENTS",
     .width = 20,
     .grow = 1,
     .cell = args_cell,
     .help = "decoded; long ones are cut"},
};

static const struct table_class table = {.columns = columns,
                                         .count = sizeof(columns) / sizeof(columns[0]),
                                         .identity = identity,
                                         .follow = true};

/* ---- from the reader's ring to the panel's ---- */

static void take_line(struct stream *stream, const char *text, const char *own)
{
    struct monitor_line parsed;
    struct stream_line *line;
    size_t len = strlen(text);

    if (!monitor_parse(text, len, &parsed))
        return;
    if (own && parsed.client_len == strlen(own) &&
        memcmp(parsed.client, own, parsed.client_len) == 0) {
        stream->hidden++;
        return;
    }
    line = &stream->lines[stream->count % LINES_KEPT];
    *line = (struct stream_line){
        .number = ++stream->count, .time = parsed.time, .db = parsed.db, .bytes = len};
    snprintf(line->client, sizeof(line->client), "%.*s", (int)parsed.client_len, parsed.client);
    snprintf(line->command, sizeof(line->command), "%.*s", (int)parsed.command_len, parsed.command);
    monitor_unescape(parsed.args, parsed.args_len, line->args, sizeof(line->args) - 1);
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

static void set_note(struct panel *panel, const struct monitor_status *status)
{
    struct view_data *data = panel_data(panel);
    double left = status->stops_at > 0 ? (status->stops_at - (double)uv_hrtime() / 1e6) / 1000
                                       : ((const struct stream *)panel->state)->seconds;

    free(data->monitor_note);
    data->monitor_note = NULL;
    if (status->state == MONITOR_RUNNING || status->state == MONITOR_STARTING)
        data->monitor_note = mem_printf("MONITOR %.0fs", left > 0 ? ceil(left) : 0);
}

static void drain(struct panel *panel)
{
    struct stream *stream = panel->state;
    const struct redis_info *info = panel_data(panel)->redis.info;
    const char *own = info && info->own_client[0] ? info->own_client : NULL;
    size_t offsets[256], n;

    do {
        n = monitor_copy(stream->monitor, &stream->next, stream->buffer, COPY_BYTES, offsets, 256);
        for (size_t i = 0; i < n; i++)
            take_line(stream, stream->buffer + offsets[i], own);
    } while (n == 256);
}

static void turn(uv_timer_t *timer)
{
    struct panel *panel = timer->data;
    struct stream *stream = panel->state;
    struct monitor_status status;

    drain(panel);
    monitor_status(stream->monitor, &status);
    measure_rate(stream, &status, (double)uv_hrtime() / 1e6);
    set_note(panel, &status);
    if (status.state == MONITOR_STOPPED)
        uv_timer_stop(timer);
    app_dirty_data(panel->app);
}

/* ---- start and stop ---- */

static void start(struct panel *panel)
{
    struct stream *stream = panel->state;
    const struct instance *instance = panel_instance(panel);

    if (!instance) {
        app_message(panel->app, ROLE_WARNING, "no Redis is configured: nothing to monitor");
        return;
    }
    monitor_free(stream->monitor);
    if (!stream->lines)
        stream->lines = mem_array(NULL, LINES_KEPT, sizeof(*stream->lines));
    if (!stream->buffer)
        stream->buffer = mem_alloc(COPY_BYTES);
    stream->next = stream->rate_lines = 0;
    stream->rate = NAN;
    stream->rate_at = (double)uv_hrtime() / 1e6;
    stream->monitor = monitor_start_instance(instance, stream->seconds);
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
    drain(panel);
    uv_timer_stop(stream->timer);
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

/* A reader that stalls makes an evicting server throw keys away to pay for its buffer. */
static bool could_hurt(const struct redis_info *info)
{
    return !info || (info->maxmemory > 0 && strcmp(info->policy, "noeviction") != 0) ||
           (info->maxmemory > 0 && info->used_memory > info->maxmemory / 10 * 9);
}

static char *preflight(const struct panel *panel)
{
    const struct stream *stream = panel->state;
    const struct redis_info *info = panel_data(panel)->redis.info;
    struct strbuf text = {0};
    char used[TEXT_UNIT_SIZE], max[TEXT_UNIT_SIZE], ops[TEXT_UNIT_SIZE];

    strbuf_addf(&text, "MONITOR on %s for %.0f s.\n\n", panel_instance(panel)->name,
                stream->seconds);
    if (info)
        strbuf_addf(&text, "memory  %s of %s, policy %s\nload    %s commands/s now\n",
                    text_bytes(used, (double)info->used_memory),
                    info->maxmemory > 0 ? text_bytes(max, (double)info->maxmemory) : "no limit",
                    info->policy, text_rate(ops, info->rates.ops));
    strbuf_adds(&text,
                "\nThe server copies every command to us on its main thread: pipelined loads run "
                "at half their speed meanwhile, large values much slower. It evicts keys when a "
                "reader stalls; ours reads apart from the screen, and stops by itself.");
    return strbuf_take(&text);
}

static bool running(const struct stream *stream)
{
    struct monitor_status status;

    if (!stream->monitor)
        return false;
    monitor_status(stream->monitor, &status);
    return status.state == MONITOR_RUNNING || status.state == MONITOR_STARTING;
}

void monitor_toggle(struct app *app, int argument)
{
    struct panel *panel = app_focus(app);
    const struct instance *instance = panel_instance(panel);
    struct overlay *dialog;

    (void)argument;
    if (running(panel->state)) {
        stop(panel, "stopped by m");
        return;
    }
    if (!instance || !could_hurt(panel_data(panel)->redis.info)) {
        start(panel);
        return;
    }
    dialog = dialog_new("Start MONITOR", preflight(panel), "start", NULL);
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
    if (stream->monitor) {
        monitor_stop(stream->monitor, "the dashboard ends");
        monitor_free(stream->monitor);
    }
    free(stream->lines);
    free(stream->buffer);
    free(stream->rows);
}

static void update(struct panel *panel)
{
    struct stream *stream = panel->state;
    const struct instance *instance = panel_instance(panel);
    uint64_t first = stream->count > LINES_KEPT ? stream->count - LINES_KEPT : 0;
    size_t count = (size_t)(stream->count - first);

    stream->names.config = instance ? instance->redis_config : NULL;
    stream->rows = mem_array(stream->rows, count, sizeof(*stream->rows));
    for (size_t i = 0; i < count; i++)
        stream->rows[i] = &stream->lines[(first + i) % LINES_KEPT];
    table_rows(&panel->table, stream->rows, count, &stream->names);
}

static int head_rows(const struct panel *panel, int width)
{
    return banner_rows(panel, width) + 2;
}

static void draw_status(const struct panel *panel, struct rect area)
{
    const struct stream *stream = panel->state;
    struct line line = line_at(area, 0);
    struct monitor_status status = {.state = MONITOR_OFF};
    char text[TEXT_UNIT_SIZE];

    if (stream->monitor)
        monitor_status(stream->monitor, &status);
    switch (status.state) {
    case MONITOR_OFF:
        line_words(&line, ROLE_DIM, "not running: m starts a burst of %.0f s (:monitor SECONDS)",
                   stream->seconds);
        return;
    case MONITOR_STARTING: line_words(&line, ROLE_WARNING, "starting"); break;
    case MONITOR_RUNNING: line_words(&line, ROLE_ACTIVE, "running, m stops"); break;
    default: line_words(&line, ROLE_WARNING, "%s; m starts again", status.reason); break;
    }
    line = line_at(area, 1);
    line_words(&line, ROLE_NUMBER, "%s lines/s", text_rate(text, stream->rate));
    line_words(&line, ROLE_TEXT, "%s lines", text_count(text, (double)status.lines));
    line_words(&line, ROLE_TEXT, "%s read", text_bytes(text, (double)status.bytes));
    if (status.lines)
        line_words(&line, ROLE_TEXT, "%s a line",
                   text_bytes(text, (double)status.bytes / (double)status.lines));
    line_words(&line, ROLE_DIM, "%s of ours hidden", text_count(text, (double)stream->hidden));
    line_words(&line, status.overwritten ? ROLE_WARNING : ROLE_DIM, "%s not shown",
               text_count(text, (double)status.overwritten));
}

static void head(const struct panel *panel, struct rect area)
{
    int banner = banner_rows(panel, area.w);

    if (banner)
        banner_draw(panel, (struct rect){area.y, area.x, banner, area.w});
    if (area.h >= banner + 2)
        draw_status(panel, (struct rect){area.y + banner, area.x, 2, area.w});
}

static void empty(const struct panel *panel, char *out, size_t size)
{
    (void)panel;
    snprintf(out, size, "no command was seen yet");
}

static char *details(const struct panel *panel, const void *row)
{
    const struct stream_line *line = row;
    struct strbuf text = {0};
    char clock[TEXT_UNIT_SIZE], *args = text_clean(line->args, true);
    char *client = text_clean(line->client, false);

    (void)panel;
    strbuf_addf(&text, "time    %s\ndb      %d\nclient  %s\nbytes   %zu\n\n%s\n",
                text_clock(clock, line->time), line->db, client, line->bytes, args);
    free(args);
    free(client);
    return strbuf_take(&text);
}

static char *copy(const struct panel *panel, const void *row)
{
    (void)panel;
    return mem_strdup(((const struct stream_line *)row)->args);
}

const struct panel_class monitor_panel = {
    .name = "monitor",
    .title = "Monitor",
    .help = "the commands that the Redis runs, as they pass; m starts a burst and stops it",
    .kind = PANEL_REDIS,
    .needs = SOURCE_BIT(REDIS_INFO),
    .view = true,
    .table = &table,
    .state_size = sizeof(struct stream),
    .open = open_panel,
    .close = close_panel,
    .update = update,
    .head_rows = head_rows,
    .head = head,
    .caption = instance_caption,
    .empty = empty,
    .details = details,
    .copy = copy,
};
