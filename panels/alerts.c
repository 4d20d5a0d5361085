/* Alerts: what is wrong now, on any instance or container. */
#include "panels/alerts.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t identity(const void *row)
{
    const struct alert *alert = row;
    uint64_t about = (uint64_t)(uintptr_t)alert->instance;

    for (const char *c = alert->container; *c; c++)
        about = (about ^ (unsigned char)*c) * UINT64_C(1099511628211);
    return about * 31 + (uint64_t)alert->name + 1;
}

static void severity(const void *row, const void *context, struct cell *cell)
{
    const struct alert *alert = row;

    (void)context;
    cell_set_text(cell, severity_text(alert->severity));
    cell->role = severity_role(alert->severity);
}

/* The overview's: a mark, since the words are wanted for what is the matter. */
static void severity_mark(const void *row, const void *context, struct cell *cell)
{
    bool critical = ((const struct alert *)row)->severity == SEVERITY_CRITICAL;

    severity(row, context, cell);
    cell_set_label(cell, text_symbol(critical ? SYMBOL_CRITICAL : SYMBOL_WARNING));
}

static void name(const void *row, const void *context, struct cell *cell)
{
    const struct alert *alert = row;

    (void)context;
    cell_set_text(cell, alert_name_text(alert->name));
    cell->role = severity_role(alert->severity);
}

static void instance_name(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_text(cell, alert_subject(row));
}

/* A message is longer than a cell can hold: the context keeps the texts, by the row's place. */
static void message(const void *row, const void *context, struct cell *cell)
{
    const struct alert_texts *texts = context;

    cell_set_text(cell, texts->text[(const struct alert *)row - texts->first]);
}

static void since(const void *row, const void *context, struct cell *cell)
{
    char text[TEXT_UNIT_SIZE];

    (void)context;
    cell_set_number(cell, CELL_INTEGER, ((const struct alert *)row)->since);
    cell_set_label(cell, text_clock(text, ((const struct alert *)row)->since));
}

static void value(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_number(cell, CELL_RATE, ((const struct alert *)row)->value);
}

static void runbook(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_text(cell, ((const struct alert *)row)->runbook);
}

static const struct column columns[] = {
    {.name = "severity",
     .title = "SEVERITY",
     .width = 8,
     .priority = 2,
     .cell = severity,
     .help = "warning or critical; levels are in the config's alerts"},
    {.name = "name",
     .title = "ALERT",
     .width = 15,
     .max = 23,
     .fit = true,
     .cell = name,
     .help = "its rule"},
    {.name = "instance",
     .title = "INSTANCE",
     .width = 14,
     .max = 20,
     .fit = true,
     .cell = instance_name,
     .help = "the server or the container"},
    {.name = "since",
     .title = "SINCE",
     .width = 8,
     .priority = 3,
     .cell = since,
     .help = "when it began (seconds since 1970 in JSON)"},
    {.name = "message",
     .title = "MESSAGE",
     .width = 30,
     .grow = 2,
     .cell = message,
     .help = "what is wrong; Enter shows the runbook"},
    {.name = "value",
     .title = "VALUE",
     .width = 8,
     .right = true,
     .hidden = true,
     .cell = value,
     .help = "the figure, in the unit of its threshold"},
    {.name = "runbook",
     .title = "RUNBOOK",
     .width = 16,
     .grow = 1,
     .hidden = true,
     .cell = runbook,
     .help = "what to do, from the config"},
};

const struct table_class alerts_table = {
    .columns = columns, .count = sizeof(columns) / sizeof(columns[0]), .identity = identity};

static const struct column tile_columns[] = {
    {.name = "severity",
     .title = "",
     .width = 2,
     .cell = severity_mark,
     .help = "warning or critical; levels are in the config's alerts"},
    {.name = "name",
     .title = "ALERT",
     .width = 12,
     .max = 23,
     .fit = true,
     .cell = name,
     .help = "its rule"},
    {.name = "instance",
     .title = "INSTANCE",
     .width = 12,
     .max = 20,
     .fit = true,
     .cell = instance_name,
     .help = "the server or the container"},
    {.name = "since",
     .title = "SINCE",
     .width = 8,
     .priority = 3,
     .cell = since,
     .help = "when it began"},
    {.name = "message",
     .title = "MESSAGE",
     .width = 20,
     .grow = 1,
     .cell = message,
     .help = "what is wrong; Enter shows the runbook"},
};

static const struct table_class tile_table = {.columns = tile_columns,
                                              .count =
                                                  sizeof(tile_columns) / sizeof(tile_columns[0]),
                                              .identity = identity};

void alert_texts_fill(struct alert_texts *texts, const struct alert *alerts, size_t count)
{
    texts->first = alerts;
    texts->text = mem_array(texts->text, count, sizeof(*texts->text));
    for (size_t i = 0; i < count; i++)
        alert_message(&alerts[i], texts->text[i], sizeof(texts->text[i]));
}

struct alerts_panel {
    struct alert_texts texts;
    const void **rows;
};

static void update(struct panel *panel)
{
    struct alerts_panel *state = panel->state;
    const struct view_data *data = panel_data(panel);

    state->rows = mem_array(state->rows, data->alert_count, sizeof(*state->rows));
    alert_texts_fill(&state->texts, data->alerts, data->alert_count);
    for (size_t i = 0; i < data->alert_count; i++)
        state->rows[i] = &data->alerts[i];
    table_rows(&panel->table, state->rows, data->alert_count, &state->texts);
}

static void open_panel(struct panel *panel)
{
    if (panel->tile)
        table_switch(&panel->table, &tile_table);
}

static void close_panel(struct panel *panel)
{
    struct alerts_panel *state = panel->state;

    free(state->rows);
    free(state->texts.text);
}

static void empty(const struct panel *panel, char *out, size_t size)
{
    (void)panel;
    snprintf(out, size, "all is well");
}

static char *details(const struct panel *panel, const void *row)
{
    const struct alert *alert = row;
    struct strbuf text = {0};
    char words[512], number[TEXT_UNIT_SIZE];
    char *subject = text_clean(alert_subject(alert), false);
    char *runbook_text = text_clean(alert->runbook, true);

    (void)panel;
    strbuf_addf(&text, "%s on %s: %s\n", alert_name_text(alert->name), subject,
                severity_text(alert->severity));
    strbuf_addf(&text, "\n%s\n\n", alert_message(alert, words, sizeof(words)));
    strbuf_addf(&text, "since %s", text_clock(number, alert->since));
    if (!isnan(alert->threshold))
        strbuf_addf(&text, "; the level is %g, the value %.6g", alert->threshold, alert->value);
    if (runbook_text && *runbook_text)
        strbuf_addf(&text, "\n\nRunbook: %s\n", runbook_text);
    else
        strbuf_addf(&text, "\n\nRunbook: none (alerts.%s.runbook in the config)\n",
                    alert_name_text(alert->name));
    free(runbook_text);
    free(subject);
    return strbuf_take(&text);
}

const struct panel_class alerts_panel = {
    .name = "alerts",
    .title = "Alerts",
    .help = "what is wrong now on any server or container, critical first, then the newest; Enter "
            "shows the runbook",
    .kind = PANEL_ANY,
    .view = true,
    .tile = {.side = 2, .rank = 3, .min_rows = 3},
    .table = &alerts_table,
    .state_size = sizeof(struct alerts_panel),
    .open = open_panel,
    .close = close_panel,
    .update = update,
    .empty = empty,
    .details = details,
};
