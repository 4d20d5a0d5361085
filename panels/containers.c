/* Containers: what holds the servers up. */
#include "panels/containers.h"

#include "panels/acts.h"
#include "panels/figures.h"
#include "panels/shell.h"

#include "backend/base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct containers_state_of_panel {
    struct containers_context context;
    const void **rows;
    bool psi_seen; /* the kernel has pressure figures: their column was shown once */
};

/* ---- rows ---- */

/* While the engine does not answer nothing is known to go on. */
static double now_of(const struct view_data *data, const struct containers *containers)
{
    double age = data_age(data, &containers->sample);

    return containers->sample.wall + (containers->state == CONTAINERS_UP ? age : 0);
}

static void show_psi(struct table *table)
{
    for (size_t i = 0; i < table->class->count; i++) {
        if (strcmp(table->class->columns[i].name, CONTAINERS_PSI_COLUMN) == 0)
            table->shown[i] = true;
    }
}

static bool has_psi(const struct containers *containers)
{
    for (size_t i = 0; i < containers->count; i++) {
        if (!isnan(containers->rows[i].usage.psi_some))
            return true;
    }
    return false;
}

static void update(struct panel *panel)
{
    struct containers_state_of_panel *state = panel->state;
    const struct view_data *data = panel_data(panel);
    const struct containers *containers = data->containers;
    size_t count = containers ? containers->count : 0;

    state->rows = mem_array(state->rows, count, sizeof(*state->rows));
    if (containers)
        containers_context_fill(&state->context, containers, data->config,
                                now_of(data, containers));
    for (size_t i = 0; i < count; i++)
        state->rows[i] = &containers->rows[i];
    if (!state->psi_seen && containers && has_psi(containers)) {
        state->psi_seen = true;
        show_psi(&panel->table);
    }
    table_rows(&panel->table, state->rows, count, &state->context);
}

static void open_panel(struct panel *panel)
{
    if (panel->tile)
        table_switch(&panel->table, &containers_tile_table);
}

static void close_panel(struct panel *panel)
{
    struct containers_state_of_panel *state = panel->state;

    containers_context_free(&state->context);
    free(state->rows);
}

/* ---- the lines above ---- */

static enum containers_state state_of(const struct panel *panel)
{
    const struct containers *containers = panel_data(panel)->containers;

    return containers ? containers->state : CONTAINERS_SEARCHING;
}

static bool has_error(const struct panel *panel)
{
    const struct containers *containers = panel_data(panel)->containers;

    return containers && containers->error && containers->state != CONTAINERS_UP;
}

static const char *error_text(const struct panel *panel, char *out, size_t size)
{
    const struct containers *containers = panel_data(panel)->containers;
    char *raw = mem_printf("%s%s%s%s", containers->error, containers->hint ? "; " : "",
                           containers->hint ? containers->hint : "",
                           containers->state == CONTAINERS_NONE ? ". Everything else works." : "");

    text_sanitise(out, size, raw, strlen(raw), false, NULL);
    free(raw);
    return out;
}

static int error_rows(const struct panel *panel, int columns)
{
    char text[1024];
    int rows;

    if (!has_error(panel))
        return 0;
    rows = overlay_text_lines(error_text(panel, text, sizeof(text)), columns - 3);
    return rows > 4 ? 4 : rows;
}

/* The view says which engine, and what of ours it runs. */
static int head_rows(const struct panel *panel, int columns)
{
    return error_rows(panel, columns) +
           (!panel->tile && state_of(panel) != CONTAINERS_NONE ? 2 : 0);
}

static void draw_error(const struct panel *panel, struct rect area)
{
    bool stale = state_of(panel) == CONTAINERS_STALE;
    enum role role = stale ? ROLE_STALE : ROLE_WARNING;
    char text[1024];

    draw_text(area.y, area.x + 1, 2, role, text_symbol(stale ? SYMBOL_STALE : SYMBOL_WARNING));
    overlay_text(error_text(panel, text, sizeof(text)),
                 (struct rect){area.y, area.x + 3, area.h, area.w - 3}, 0, role);
}

static void clean_words(struct line *line, enum role role, const char *format, const char *raw)
{
    char text[256];

    text_sanitise(text, sizeof(text), raw, strlen(raw), false, NULL);
    line_words(line, role, format, text);
}

static void engine_line(const struct containers *containers, struct line *line)
{
    const struct engine_info *engine = &containers->engine;
    bool stale = containers->state == CONTAINERS_STALE;

    if (containers->state == CONTAINERS_SEARCHING) {
        line_words(line, ROLE_WARNING, "%s looking for a container engine",
                   text_symbol(SYMBOL_CONNECTING));
        return;
    }
    line_words(line, stale ? ROLE_STALE : ROLE_OK, "%s",
               text_symbol(stale ? SYMBOL_STALE : SYMBOL_UP));
    line->x--;
    clean_words(line, ROLE_STRONG, "%s", engine->name);
    line->x--;
    clean_words(line, ROLE_STRONG, "%s", engine->version);
    if (engine->api[0])
        clean_words(line, ROLE_DIM, "API %s", engine->api);
    if (containers->socket)
        clean_words(line, ROLE_TEXT, "at %s", containers->socket);
    if (engine->rootless)
        line_words(line, ROLE_DIM, "rootless");
    if (engine->elsewhere)
        line_words(line, ROLE_DIM, "in a virtual machine");
}

static const char *service_name(enum container_service service)
{
    return service == SERVICE_POSTGRES ? "PostgreSQL" : service == SERVICE_REDIS ? "Redis" : "";
}

/* One that has no room is counted. */
static bool service_words(const struct container_row *row, struct line *line)
{
    int before = line->x;
    char *words = mem_printf("%s (%s)", row->facts->name ? row->facts->name : row->facts->id,
                             service_name(row->facts->service));

    clean_words(line, ROLE_NAME, "%s", words);
    free(words);
    return line->x > before;
}

#define MORE_COLUMNS 12 /* for "and 12 more" */

static void services_line(const struct view_data *data, struct line *line)
{
    const struct containers *containers = data->containers;
    size_t told = 0, left = 0;

    line_words(line, ROLE_DIM, data->config->discover ? "found" : "watched");
    line->end -= MORE_COLUMNS;
    for (size_t i = 0; i < containers->count; i++) {
        if (!containers->rows[i].watched)
            continue;
        if (!left && service_words(&containers->rows[i], line))
            told++;
        else
            left++;
    }
    line->end += MORE_COLUMNS;
    if (left)
        line_words(line, ROLE_DIM, "and %zu more", left);
    else if (!told && containers->state != CONTAINERS_SEARCHING)
        line_words(line, ROLE_DIM, "none: no instance is one of these containers");
}

static void head(const struct panel *panel, struct rect area)
{
    const struct view_data *data = panel_data(panel);
    int error = error_rows(panel, area.w);
    struct line line;

    if (error)
        draw_error(panel, (struct rect){area.y, area.x, error < area.h ? error : area.h, area.w});
    if (panel->tile || !data->containers || area.h < error + 2 ||
        state_of(panel) == CONTAINERS_NONE)
        return;
    line = line_at(area, error);
    engine_line(data->containers, &line);
    line = line_at(area, error + 1);
    services_line(data, &line);
}

/* ---- the border and the rest ---- */

static void caption(const struct panel *panel, char *out, size_t size)
{
    const struct containers *containers = panel_data(panel)->containers;

    if (panel->tile && containers && containers->state != CONTAINERS_NONE)
        text_sanitise(out, size, containers->engine.name, strlen(containers->engine.name), false,
                      NULL);
}

/* A tile's border has room for few words. */
static void counts_note(const struct containers *containers, bool tile, char *out, size_t size)
{
    size_t running = 0, flawed = 0;
    char warnings[48] = "";

    for (size_t i = 0; i < containers->count; i++) {
        running += containers->rows[i].facts->state == CONTAINER_RUNNING;
        flawed += containers->rows[i].flaws != 0;
    }
    if (flawed)
        snprintf(warnings, sizeof(warnings), "  %s %zu%s", text_symbol(SYMBOL_WARNING), flawed,
                 tile ? " warned" : " with warnings");
    snprintf(out, size, "%zu of %zu running%s", running, containers->count, warnings);
}

static void note(const struct panel *panel, char *out, size_t size)
{
    const struct view_data *data = panel_data(panel);
    const struct containers *containers = data->containers;
    char text[TEXT_UNIT_SIZE];

    if (!containers || containers->state == CONTAINERS_NONE ||
        containers->state == CONTAINERS_SEARCHING)
        return;
    if (containers->state == CONTAINERS_STALE)
        snprintf(out, size, "stale %s",
                 text_duration(text, floor(data_age(data, &containers->sample))));
    else
        counts_note(containers, panel->tile, out, size);
}

static void empty(const struct panel *panel, char *out, size_t size)
{
    switch (state_of(panel)) {
    case CONTAINERS_SEARCHING: snprintf(out, size, "looking for a container engine"); break;
    case CONTAINERS_NONE: break;
    default: snprintf(out, size, "the engine has no container"); break;
    }
}

static bool absent(const struct panel *panel)
{
    const struct view_data *data = panel_data(panel);

    return !data->containers || !containers_told(data->containers, data->config);
}

static char *details(const struct panel *panel, const void *row)
{
    const struct containers_state_of_panel *state = panel->state;
    const struct container_row *of = row;

    return container_details(of, state->context.containers,
                             backend_container_instance(panel_data(panel)->backend, of->facts),
                             state->context.now);
}

static char *copy(const struct panel *panel, const void *row)
{
    const struct container *facts = ((const struct container_row *)row)->facts;

    (void)panel;
    return mem_strdup(facts->name ? facts->name : facts->id);
}

const struct panel_class containers_panel = {
    .name = "containers",
    .title = "Containers",
    .help = "the containers of the host's engine: state, memory against its limit, OOM score, "
            "ports, and what is wrong with how they are set up; Enter shows all of one",
    .kind = PANEL_ANY,
    .view = true,
    .tile = {.side = 2, .rank = 8, .min_rows = 3},
    .table = &containers_table,
    .state_size = sizeof(struct containers_state_of_panel),
    .open = open_panel,
    .close = close_panel,
    .update = update,
    .absent = absent,
    .head_rows = head_rows,
    .head = head,
    .caption = caption,
    .note = note,
    .empty = empty,
    .details = details,
    .copy = copy,
};

/* ---- keys ---- */

const struct container *containers_selected(const struct app *app)
{
    const struct panel *panel = app_focus(app);
    const struct container_row *row;

    if (!panel || panel->class != &containers_panel)
        return NULL;
    row = table_selected(&panel->table);
    return row ? row->facts : NULL;
}

void containers_restart_key(struct app *app, int argument)
{
    const struct container *container = containers_selected(app);

    (void)argument;
    if (container)
        acts_restart_container(app, container->name ? container->name : container->id);
}

void containers_shell_key(struct app *app, int argument)
{
    struct view_data *data = app_data(app);
    const struct container *container = containers_selected(app);
    const struct instance *instance =
        container ? backend_container_instance(data->backend, container) : NULL;

    (void)argument;
    if (!container)
        return;
    if (!instance) {
        app_message(app, ROLE_WARNING, "no instance that is watched is %s", container->name);
        return;
    }
    instance_choose(data, instance->name);
    shell_run(app, instance->kind);
}
