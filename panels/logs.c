/* Logs: what one container writes, followed over its restarts. */
#include "panels/logs.h"

#include "panels/containers.h"
#include "panels/figures.h"
#include "panels/logs_lines.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN_MS 2000U /* between two tries to read on */

struct logs {
    char *name; /* of the container, or its id, as view_data has it; NULL: none was chosen yet */
    char *id;   /* of the one that is read, or was */
    struct container_logs *stream; /* NULL: not followed now */
    double started;                /* of the run that is read */
    double known;                  /* see logs_lines_take */
    uint64_t taken;
    char *ended; /* why it is not followed, or NULL */
    uint64_t tried_at;
    struct logs_lines lines;
    const void **rows;
};

/* ---- columns ---- */

static uint64_t identity(const void *row)
{
    return ((const struct logs_line *)row)->number;
}

static void time_cell(const void *row, const void *context, struct cell *cell)
{
    const struct logs_line *line = row;
    char clock[TEXT_UNIT_SIZE], label[TEXT_UNIT_SIZE + 8];

    (void)context;
    cell_set_number(cell, CELL_RATE, line->time);
    cell->role = ROLE_DIM;
    if (isnan(line->time))
        return;
    snprintf(label, sizeof(label), "%s.%03d", text_clock(clock, line->time),
             (int)(fmod(line->time, 1) * 1000));
    cell_set_label(cell, label);
}

static void stream_cell(const void *row, const void *context, struct cell *cell)
{
    const struct logs_line *line = row;

    (void)context;
    if (line->mark)
        return;
    cell_set_text(cell, line->error ? "err" : "out");
    cell->role = line->error ? ROLE_ACTIVE : ROLE_DIM;
}

/* The words by which servers mark what went wrong, near the beginning of their lines. */
static enum role text_role(const struct logs_line *line)
{
    static const struct {
        const char *word;
        enum role role;
    } words[] = {
        {"PANIC:", ROLE_CRITICAL}, {"FATAL:", ROLE_CRITICAL},  {"ERROR:", ROLE_CRITICAL},
        {" # ", ROLE_WARNING},     {"WARNING:", ROLE_WARNING},
    };
    char start[96];

    if (line->mark)
        return ROLE_STRONG;
    snprintf(start, sizeof(start), "%.*s", (int)sizeof(start) - 1, line->text);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strstr(start, words[i].word))
            return words[i].role;
    }
    return ROLE_TEXT;
}

static void text_cell(const void *row, const void *context, struct cell *cell)
{
    const struct logs_line *line = row;

    (void)context;
    cell_set_text(cell, line->text);
    cell->role = text_role(line);
}

static void bytes_cell(const void *row, const void *context, struct cell *cell)
{
    const struct logs_line *line = row;

    (void)context;
    cell_set_number(cell, CELL_BYTES, line->mark ? NAN : (double)line->whole);
}

static const struct column columns[] = {
    {.name = "time",
     .title = "TIME",
     .width = 12,
     .priority = 1,
     .cell = time_cell,
     .help = "when the engine got it (seconds since 1970 in JSON)"},
    {.name = "stream",
     .title = "OUT",
     .width = 3,
     .priority = 2,
     .cell = stream_cell,
     .help = "out or err: where it was written to; one stream when the container has a terminal"},
    {.name = "bytes",
     .title = "BYTES",
     .width = 5,
     .right = true,
     .hidden = true,
     .descending = true,
     .cell = bytes_cell,
     .help = "length of the line as it was written"},
    {.name = "text",
     .title = "TEXT",
     .width = 20,
     .grow = 1,
     .cell = text_cell,
     .help = "the line; long ones are cut; arrows scroll sideways, Enter shows all"},
};

static const struct table_class table = {.columns = columns,
                                         .count = sizeof(columns) / sizeof(columns[0]),
                                         .identity = identity,
                                         .follow = true};

/* ---- which container ---- */

static bool is_called(const struct container *container, const char *name)
{
    return (container->name && strcmp(container->name, name) == 0) ||
           (container->id && strlen(name) >= 12 && strncmp(container->id, name, strlen(name)) == 0);
}

/* As it is now, even while the view is paused. */
static const struct container *find(const struct view_data *data, const char *name)
{
    const struct containers *containers = backend_containers(data->backend);

    for (size_t i = 0; i < containers->count; i++) {
        if (is_called(containers->rows[i].facts, name))
            return containers->rows[i].facts;
    }
    return NULL;
}

static void set_ended(struct logs *logs, const char *reason)
{
    char *copy = reason ? mem_strdup(reason) : NULL;

    free(logs->ended);
    logs->ended = copy;
}

static const char *why_not_there(const struct view_data *data)
{
    const struct containers *containers = backend_containers(data->backend);

    if (containers->state == CONTAINERS_SEARCHING)
        return "looking for a container engine";
    if (containers->state == CONTAINERS_NONE)
        return containers->error ? containers->error : "there is no container engine";
    if (containers->state == CONTAINERS_STALE)
        return containers->error ? containers->error : "the container engine does not answer";
    return "there is no container of this name";
}

/* ---- reading ---- */

static void on_changed(void *context)
{
    app_dirty_data(((const struct panel *)context)->app);
}

static void close_stream(struct logs *logs)
{
    if (logs->stream)
        container_logs_close(logs->stream);
    logs->stream = NULL;
}

/* The reading begins, or goes on where it ended: in the same run, or in the next one. */
static void open_stream(struct panel *panel, const struct container *container,
                        struct engine *engine)
{
    struct logs *logs = panel->state;
    bool same = logs->id && strcmp(logs->id, container->id) == 0;

    if (logs->id && !(same && logs->started == container->started))
        logs_lines_mark(&logs->lines, container->started,
                        text_ascii() ? "-- the container was started again --"
                                     : "── the container was started again ──");
    logs->known = same ? logs->lines.last : 0;
    logs->started = container->started;
    logs->taken = 0;
    if (!same) {
        free(logs->id);
        logs->id = mem_strdup(container->id);
    }
    set_ended(logs, NULL);
    logs->tried_at = uv_now(panel_data(panel)->loop);
    logs->stream =
        container_logs_open(engine, container->id, container->terminal, on_changed, panel);
}

static bool runs(const struct container *container)
{
    return container->state == CONTAINER_RUNNING || container->state == CONTAINER_PAUSED;
}

/* It was never read, there is a new run, or the reading of this one was cut off. */
static bool is_due(const struct logs *logs, const struct container *container, uint64_t now)
{
    if (!logs->id)
        return true;
    if (!runs(container))
        return false;
    if (strcmp(logs->id, container->id) != 0 || logs->started != container->started)
        return true;
    return now - logs->tried_at >= AGAIN_MS;
}

static void follow(struct panel *panel)
{
    struct logs *logs = panel->state;
    const struct view_data *data = panel_data(panel);
    const struct container *container = logs->name ? find(data, logs->name) : NULL;
    struct engine *engine = backend_engine(data->backend);

    if (logs->stream || !logs->name)
        return;
    if (!container || !engine)
        set_ended(logs, why_not_there(data));
    else if (is_due(logs, container, uv_now(data->loop)))
        open_stream(panel, container, engine);
}

static void take(struct logs *logs, uint64_t now)
{
    const char *reason;

    if (!logs->stream)
        return;
    logs_lines_take(&logs->lines, logs->stream, &logs->taken, logs->known);
    reason = container_logs_ended(logs->stream);
    if (!reason)
        return;
    set_ended(logs, reason);
    logs->tried_at = now;
    close_stream(logs);
}

/* ---- rows ---- */

/* The rows go with the lines. */
static void forget(struct panel *panel)
{
    struct logs *logs = panel->state;

    close_stream(logs);
    table_rows(&panel->table, NULL, 0, NULL);
    table_move(&panel->table, TABLE_END);
    logs_lines_free(&logs->lines);
    free(logs->id);
    logs->id = NULL;
    set_ended(logs, NULL);
}

static const char *first_container(const struct containers *containers)
{
    const char *name = NULL;

    for (size_t i = 0; containers && i < containers->count; i++) {
        if (containers->rows[i].watched)
            return containers->rows[i].facts->name;
        name = name ? name : containers->rows[i].facts->name;
    }
    return name;
}

static void choose(struct panel *panel)
{
    struct logs *logs = panel->state;
    struct view_data *data = panel_data(panel);
    const char *first = data->log_container ? NULL : first_container(data->containers);

    if (first)
        data->log_container = mem_strdup(first);
    if (!data->log_container || (logs->name && strcmp(logs->name, data->log_container) == 0))
        return;
    forget(panel);
    free(logs->name);
    logs->name = mem_strdup(data->log_container);
}

static void update(struct panel *panel)
{
    struct logs *logs = panel->state;
    size_t count;

    choose(panel);
    if (!app_paused(panel->app) || !logs->lines.count) {
        take(logs, uv_now(panel_data(panel)->loop));
        follow(panel);
    }
    count = logs_lines_kept(&logs->lines);
    logs->rows = mem_array(logs->rows, count, sizeof(*logs->rows));
    for (size_t i = 0; i < count; i++)
        logs->rows[i] = logs_lines_at(&logs->lines, i);
    table_rows(&panel->table, logs->rows, count, NULL);
}

static void close_panel(struct panel *panel)
{
    struct logs *logs = panel->state;

    close_stream(logs);
    logs_lines_free(&logs->lines);
    free(logs->name);
    free(logs->id);
    free(logs->ended);
    free(logs->rows);
}

/* ---- the panel ---- */

static int head_rows(const struct panel *panel, int width)
{
    (void)panel;
    (void)width;
    return 1;
}

static void draw_state(const struct panel *panel, struct line *line)
{
    const struct logs *logs = panel->state;
    char reason[256];

    if (!logs->name) {
        line_words(line, ROLE_DIM, "no container: L on a row of Containers (8), or :logs NAME");
    } else if (!logs->stream) {
        const char *raw = logs->ended ? logs->ended : "not read";

        text_sanitise(reason, sizeof(reason), raw, strlen(raw), false, NULL);
        line_words(line, ROLE_WARNING, "%s %s", text_symbol(SYMBOL_DOWN), reason);
    } else if (app_paused(panel->app)) {
        line_words(line, ROLE_WARNING, "%s paused: reading goes on, p shows it",
                   text_symbol(SYMBOL_PAUSE));
    } else if (panel->table.at_end) {
        line_words(line, ROLE_OK, "%s following", text_symbol(SYMBOL_UP));
    } else {
        line_words(line, ROLE_WARNING, "%s held: G follows again", text_symbol(SYMBOL_PAUSE));
    }
}

static void head(const struct panel *panel, struct rect area)
{
    const struct logs *logs = panel->state;
    struct line line = line_at(area, 0);
    uint64_t gone = logs->lines.lost + (logs->lines.count - logs_lines_kept(&logs->lines));
    char text[TEXT_UNIT_SIZE];

    if (area.h < 1)
        return;
    draw_state(panel, &line);
    line_words(&line, ROLE_TEXT, "%s lines", text_count(text, (double)logs->lines.count));
    if (gone)
        line_words(&line, ROLE_WARNING, "%s of them not kept", text_count(text, (double)gone));
    if (logs->lines.cut)
        line_words(&line, ROLE_WARNING, "%s cut", text_count(text, (double)logs->lines.cut));
    if (panel->table.filter.text)
        line_words(&line, ROLE_MATCH, "%zu match the filter", panel->table.count);
}

static void caption(const struct panel *panel, char *out, size_t size)
{
    const struct logs *logs = panel->state;

    if (logs->name)
        text_sanitise(out, size, logs->name, strlen(logs->name), false, NULL);
}

static void note(const struct panel *panel, char *out, size_t size)
{
    const struct logs *logs = panel->state;
    const struct container *container = logs->name ? find(panel_data(panel), logs->name) : NULL;
    const char *state;

    if (!container)
        return;
    state = container_state_text(container->state);
    if (container->state == CONTAINER_EXITED)
        snprintf(out, size, "%s with code %d%s", state, container->exit_code,
                 container->oom_killed ? ", OOM-killed" : "");
    else
        snprintf(out, size, "%s", state);
}

static void empty(const struct panel *panel, char *out, size_t size)
{
    const struct logs *logs = panel->state;

    if (logs->stream)
        snprintf(out, size, "no line yet");
}

static char *details(const struct panel *panel, const void *row)
{
    const struct logs_line *line = row;
    struct strbuf text = {0};
    char clock[TEXT_UNIT_SIZE], *clean = text_clean(line->text, true);

    (void)panel;
    if (!line->mark)
        strbuf_addf(&text, "%s  %s  %zu bytes%s\n\n",
                    isnan(line->time) ? text_symbol(SYMBOL_ABSENT) : text_clock(clock, line->time),
                    line->error ? "stderr" : "stdout", line->whole,
                    line->cut ? ", of which this is the beginning" : "");
    strbuf_addf(&text, "%s\n", clean);
    free(clean);
    return strbuf_take(&text);
}

static char *copy(const struct panel *panel, const void *row)
{
    (void)panel;
    return mem_strdup(((const struct logs_line *)row)->text);
}

const struct panel_class logs_panel = {
    .name = "logs",
    .title = "Logs",
    .help = "what one container writes, followed over its restarts until you move up; G follows "
            "again, p holds the picture; L on a row of Containers, or :logs NAME, chooses it",
    .kind = PANEL_ANY,
    .view = true,
    .table = &table,
    .state_size = sizeof(struct logs),
    .close = close_panel,
    .hidden = forget,
    .update = update,
    .head_rows = head_rows,
    .head = head,
    .caption = caption,
    .note = note,
    .empty = empty,
    .details = details,
    .copy = copy,
};

/* ---- how one comes to it ---- */

void logs_show(struct app *app, const char *container)
{
    struct view_data *data = app_data(app);

    if (*container) {
        char *name = mem_strdup(container); /* which may be a part of the sample that goes */

        free(data->log_container);
        data->log_container = name;
    }
    app_view_named(app, "logs");
}

void logs_key(struct app *app, int argument)
{
    const struct view_data *data = app_data(app);
    const struct panel *panel = app_focus(app);
    const struct instance *instance = panel ? panel_instance(panel) : NULL;
    const struct container *container = containers_selected(app);
    const struct container_row *row =
        instance && !container ? backend_container(data->backend, instance) : NULL;

    (void)argument;
    if (row)
        container = row->facts;
    if (container)
        logs_show(app, container->name ? container->name : container->id);
    else if (instance)
        app_message(app, ROLE_WARNING, "%s is no container: there is no log of it here",
                    instance->name);
    else
        app_message(app, ROLE_WARNING, "whose log? L is for a row of Containers (8)");
}
