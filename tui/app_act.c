/* What the bindings run. */
#include "backend/base/mem.h"
#include "tui/app_impl.h"
#include "tui/export.h"
#include "tui/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct table *focus_table(const struct app *app)
{
    struct panel *panel = app_focus(app);

    return panel && panel->class->table ? &panel->table : NULL;
}

static void refresh(struct app *app)
{
    struct panel *panel = app_focus(app);

    if (panel)
        panel_update(panel);
    app_dirty(app);
}

void app_quit(struct app *app, int argument)
{
    (void)argument;
    app->quitting = true;
}

void app_back(struct app *app, int argument)
{
    struct table *table = focus_table(app);

    (void)argument;
    if (table && table->filter.text)
        filter_clear(&table->filter);
    else if (table && table->tag_count)
        table_untag(table);
    else if (table && table->shift)
        table->shift = 0;
    else if (app->view != 0)
        views_open(app, 0);
    refresh(app);
}

void app_help(struct app *app, int argument)
{
    const struct panel *panel = app_focus(app);
    struct strbuf text = {0};

    (void)argument;
    if (panel) {
        strbuf_addf(&text, "%s: %s\n\n", panel->class->title, panel->class->help);
        for (size_t i = 0; panel->class->table && i < panel->table.class->count; i++)
            strbuf_addf(&text, "  %-16s %s\n", panel->table.class->columns[i].title,
                        panel->table.class->columns[i].help);
        strbuf_addc(&text, '\n');
    }
    keymap_help(app->config.keymap, panel ? panel->class->name : NULL, &text);
    strbuf_adds(&text, "\nWords for the : line besides these names:\n");
    for (size_t i = 0; i < app->config.command_count; i++)
        strbuf_addf(&text, "  :%-10s %-24s %s\n", app->config.commands[i].name,
                    app->config.commands[i].args, app->config.commands[i].help);
    app_push(app, pager_new("Help", strbuf_take(&text)));
}

void app_move(struct app *app, int table_move_code)
{
    struct table *table = focus_table(app);

    if (table)
        table_move(table, (enum table_move)table_move_code);
}

void app_shift(struct app *app, int columns)
{
    struct table *table = focus_table(app);

    if (table)
        table_shift(table, columns);
}

void app_details(struct app *app, int argument)
{
    const struct panel *panel = app_focus(app);
    char *text = panel ? panel_details(panel) : NULL;

    (void)argument;
    if (text)
        app_push(app, pager_new(panel->class->title, text));
}

/* ---- filter and search ---- */

static void filter_changed(void *context, const char *text)
{
    struct app *app = context;
    struct table *table = focus_table(app);
    char *error = NULL;

    if (table && !table_filter(table, text, &error))
        app_message(app, ROLE_WARNING, "%s", error);
    free(error);
    refresh(app);
}

static void filter_done(void *context, struct overlay *overlay, bool accepted)
{
    struct app *app = context;
    struct table *table = focus_table(app);
    char *error = NULL;

    if (!table)
        return;
    if (!table_filter(table, accepted ? prompt_text(overlay) : "", &error))
        app_message(app, ROLE_WARNING, "%s", error);
    free(error);
    refresh(app);
}

void app_filter(struct app *app, int argument)
{
    const struct table *table = focus_table(app);
    struct overlay *prompt;

    (void)argument;
    if (!table)
        return;
    prompt =
        prompt_new("filter (" FILTER_SYNTAX "): ", table->filter.text ? table->filter.text : "",
                   &app->filter_history, NULL, filter_changed);
    prompt->done = filter_done;
    prompt->context = app;
    app_push(app, prompt);
}

void app_search(struct app *app, int direction)
{
    struct table *table = focus_table(app);

    if (table && !table_search(table, direction))
        app_message(app, ROLE_DIM,
                    table->search.text ? "no row matches %s" : "nothing to look for%s",
                    table->search.text ? table->search.text : ": / sets a filter first");
}

/* ---- sort, tags, columns ---- */

void app_sort_next(struct app *app, int step)
{
    struct table *table = focus_table(app);

    if (table)
        table_sort_next(table, step);
    refresh(app);
}

void app_sort_reverse(struct app *app, int argument)
{
    struct table *table = focus_table(app);

    (void)argument;
    if (table)
        table_sort_reverse(table);
    refresh(app);
}

static struct menu_item *column_items(const struct table *table, bool checkable)
{
    size_t count = table->class->count;
    struct menu_item *items = mem_array(NULL, count, sizeof(*items));

    for (size_t i = 0; i < count; i++)
        items[i] = (struct menu_item){.label = mem_strdup(table->class->columns[i].title),
                                      .note = mem_strdup(table->class->columns[i].help),
                                      .checkable = checkable,
                                      .checked = table->shown[i]};
    return items;
}

static void sort_chosen(void *context, struct overlay *overlay, bool accepted)
{
    struct table *table = focus_table(context);

    if (table && accepted)
        table_sort_by(table, table->class->columns[menu_selected(overlay)].name);
    refresh(context);
}

void app_sort_choose(struct app *app, int argument)
{
    const struct table *table = focus_table(app);
    struct overlay *menu;

    (void)argument;
    if (!table)
        return;
    menu = menu_new("Sort by", column_items(table, false), table->class->count,
                    table->sort < 0 ? 0 : (size_t)table->sort, NULL, NULL);
    menu->done = sort_chosen;
    menu->context = app;
    app_push(app, menu);
}

static void column_toggled(void *context, size_t index, bool checked)
{
    struct table *table = focus_table(context);

    if (table)
        table->shown[index] = checked;
}

void app_columns(struct app *app, int argument)
{
    const struct table *table = focus_table(app);
    struct overlay *menu;

    (void)argument;
    if (!table)
        return;
    menu = menu_new("Columns", column_items(table, true), table->class->count, 0, NULL,
                    column_toggled);
    menu->context = app;
    app_push(app, menu);
}

void app_tag(struct app *app, int argument)
{
    struct table *table = focus_table(app);

    (void)argument;
    if (!table)
        return;
    table_tag(table);
    table_move(table, TABLE_DOWN);
}

void app_tag_all(struct app *app, int argument)
{
    struct table *table = focus_table(app);

    (void)argument;
    if (!table)
        return;
    table_tag_all(table);
    app_message(app, ROLE_TAGGED, "%zu tagged: acts go to them; Esc takes the tags off",
                table->tag_count);
}

/* ---- view of time, themes ---- */

void app_pause(struct app *app, int argument)
{
    (void)argument;
    app->paused = !app->paused;
    if (app->paused)
        app_message(app, ROLE_WARNING, "paused: what you see stays; p goes on");
    app_dirty(app);
}

void theme_choice_free(struct theme_choice *choice)
{
    for (size_t i = 0; i < choice->count; i++)
        free(choice->names[i]);
    free(choice->names);
    free(choice->before);
    *choice = (struct theme_choice){0};
}

static void theme_moved(void *context, size_t index)
{
    struct app *app = context;
    char *error = NULL;

    if (!app_set_theme(app, app->choice.names[index], &error))
        app_message(app, ROLE_WARNING, "%s", error);
    free(error);
}

static void theme_done(void *context, struct overlay *overlay, bool accepted)
{
    struct app *app = context;
    char *error = NULL;

    (void)overlay;
    if (!accepted && !app_set_theme(app, app->choice.before, &error))
        free(error);
    theme_choice_free(&app->choice);
}

static char *theme_note(const char *name)
{
    char *error = NULL, *note;
    struct theme *theme = theme_load(name, &error);

    if (!theme)
        return error;
    note = mem_strdup(theme_description(theme));
    theme_free(theme);
    return note;
}

void app_themes(struct app *app, int argument)
{
    struct theme_choice *choice = &app->choice;
    struct menu_item *items;
    struct overlay *overlay;
    size_t selected = 0;

    (void)argument;
    theme_choice_free(choice);
    choice->before = mem_strdup(theme_name(app->theme));
    choice->names = theme_list(&choice->count);
    items = mem_array(NULL, choice->count, sizeof(*items));
    for (size_t i = 0; i < choice->count; i++) {
        items[i] = (struct menu_item){.label = mem_strdup(choice->names[i]),
                                      .note = theme_note(choice->names[i])};
        if (strcmp(choice->names[i], choice->before) == 0)
            selected = i;
    }
    overlay = menu_new("Theme", items, choice->count, selected, theme_moved, NULL);
    overlay->done = theme_done;
    overlay->context = app;
    app_push(app, overlay);
}

void app_redraw(struct app *app, int argument)
{
    (void)argument;
    screen_redraw(app->screen);
    app_dirty(app);
}

/* ---- copy and write ---- */

void app_copy(struct app *app, int argument)
{
    const struct panel *panel = app_focus(app);
    char *text = panel ? panel_copy(panel) : NULL;

    (void)argument;
    if (!text)
        return;
    screen_copy(app->screen, text, strlen(text));
    app_message(app, ROLE_OK, "copied %zu bytes to the terminal's clipboard", strlen(text));
    free(text);
}

/* A file is written in the work queue: a slow disk must not hold the screen. */
struct write_job {
    uv_work_t work;
    struct app *app;
    char *path;
    struct strbuf text;
    int error;
};

static void write_file(uv_work_t *work)
{
    struct write_job *job = work->data;
    int fd = open(job->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    size_t done = 0;

    job->error = fd < 0 ? errno : 0;
    while (!job->error && done < job->text.len) {
        ssize_t n = write(fd, job->text.s + done, job->text.len - done);

        if (n < 0 && errno != EINTR)
            job->error = errno;
        done += n > 0 ? (size_t)n : 0;
    }
    if (fd >= 0 && close(fd) < 0 && !job->error)
        job->error = errno;
    if (fd >= 0 && job->error)
        unlink(job->path); /* half a file is taken for a whole one */
}

static void file_written(uv_work_t *work, int status)
{
    struct write_job *job = work->data;

    if (job->app->closing)
        status = UV_ECANCELED; /* nobody is left to be told */
    if (status == 0 && job->error)
        app_message(job->app, ROLE_CRITICAL, "cannot write %s: %s%s", job->path,
                    strerror(job->error), job->error == EEXIST ? "; choose another name" : "");
    else if (status == 0)
        app_message(job->app, ROLE_OK, "wrote %zu bytes to %s", job->text.len, job->path);
    app_release(job->app);
    strbuf_free(&job->text);
    free(job->path);
    free(job);
}

static void write_table(struct app *app, const struct panel *panel, const char *path)
{
    const struct table *table = &panel->table;
    struct write_job *job = mem_zalloc(sizeof(*job));

    export_file(path, table->class, table->rows, table->count, table->context, &job->text);
    job->app = app;
    job->path = mem_strdup(path);
    job->work.data = job;
    app_hold(app);
    uv_queue_work(app->loop, &job->work, write_file, file_written);
}

static void write_done(void *context, struct overlay *overlay, bool accepted)
{
    struct app *app = context;
    struct panel *panel = app_focus(app);

    if (!accepted || !panel || !panel->class->table || !*form_value(overlay, 0))
        return;
    panel_update(panel); /* its rows may have changed since the frame */
    write_table(app, panel, form_value(overlay, 0));
}

void app_write(struct app *app, int argument)
{
    const struct panel *panel = app_focus(app);
    struct form_field field = {
        .label = "File", .hint = "ends in .csv, .json or .txt; the rows as filtered and sorted"};
    char *name;
    struct overlay *form;

    (void)argument;
    if (!panel || !panel->class->table)
        return;
    name = mem_printf("%s.%s", panel->class->name, panel->table.class->line ? "txt" : "csv");
    field.value = name;
    form = form_new("Write the table", &field, 1);
    free(name);
    form->done = write_done;
    form->context = app;
    app_push(app, form);
}
