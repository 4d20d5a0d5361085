/* Prompts, menus and forms that come before an act can be prepared. One is open at a time; what it
 * keeps is in the acts of the view, since an overlay may go without a word. */
#include "panels/acts.h"
#include "panels/dumps.h"

#include "backend/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct act_form {
    struct act_form *before; /* its overlay may be open still */
    struct view_data *data;
    char *instance;
    int db;
    char *file;
    struct dump_files files;
};

void act_form_free(struct act_form *form)
{
    while (form) {
        struct act_form *before = form->before;

        free(form->instance);
        free(form->file);
        dump_files_free(&form->files);
        free(form);
        form = before;
    }
}

static struct act_form *new_form(struct view_data *data, const char *instance)
{
    struct act_runs *runs = acts_of(data);
    struct act_form *form = mem_zalloc(sizeof(*form));

    if (app_has_overlay(data->app)) {
        form->before = runs->form;
    } else {
        act_form_free(runs->form);
    }
    runs->form = form;
    form->data = data;
    form->instance = mem_strdup(instance);
    return form;
}

static const char *current_postgres(const struct view_data *data)
{
    const struct instance *instance = data_instance(data, INSTANCE_POSTGRES);

    return instance ? instance->name : NULL;
}

static void open_overlay(const struct view_data *data, struct overlay *overlay,
                         void (*done)(void *context, struct overlay *overlay, bool accepted),
                         void *context)
{
    overlay->done = done;
    overlay->context = context;
    app_push(data->app, overlay);
}

/* ---- keys by pattern ---- */

static void pattern_done(void *context, struct overlay *overlay, bool accepted)
{
    const struct act_form *form = context;
    const struct act_request request = {.act = ACT_DELETE,
                                        .instance = form->instance,
                                        .db = form->db,
                                        .pattern = prompt_text(overlay)};

    if (accepted && *request.pattern)
        acts_start(form->data, &request, NULL);
}

void acts_ask_pattern(struct view_data *data, const char *instance, int db)
{
    struct act_form *form = new_form(data, instance);
    char label[64];

    form->db = db;
    snprintf(label, sizeof(label), "delete the keys of database %d that match (user:*): ", db);
    open_overlay(data, prompt_new(label, "", NULL, NULL, NULL), pattern_done, form);
}

/* ---- backup ---- */

bool acts_means_all(const char *database)
{
    return strcmp(database, "all") == 0;
}

static void backup_done(void *context, struct overlay *overlay, bool accepted)
{
    const struct act_form *form = context;
    const char *name = prompt_text(overlay);
    const struct act_request request = {.act = ACT_BACKUP,
                                        .instance = form->instance,
                                        .database = acts_means_all(name) ? NULL : name,
                                        .all = acts_means_all(name)};

    if (accepted && *name)
        acts_start(form->data, &request, NULL);
}

static int complete_database(void *context, const char *text, char *out, size_t size)
{
    const struct act_form *form = context;
    const struct pg_databases *databases = form->data->pg.databases;
    int count = 0;

    for (size_t i = 0; databases && i < databases->count; i++) {
        const char *name = databases->rows[i].name;

        if (!databases->rows[i].listed || !name || strncmp(name, text, strlen(text)) != 0)
            continue;
        if (count++ == 0)
            snprintf(out, size, "%s", name);
        for (size_t same = 0; count > 1 && out[same]; same++) {
            if (out[same] != name[same])
                out[same] = '\0';
        }
    }
    return count;
}

void acts_ask_backup(struct view_data *data)
{
    struct act_form *form = new_form(data, current_postgres(data));
    struct overlay *prompt =
        prompt_new("back up the database (all: every one and the globals): ", "", NULL,
                   complete_database, NULL);

    open_overlay(data, prompt, backup_done, form);
}

/* ---- restore ---- */

static bool means_yes(const char *text)
{
    return strcasecmp(text, "yes") == 0 || strcasecmp(text, "y") == 0;
}

static void restore_done(void *context, struct overlay *overlay, bool accepted)
{
    const struct act_form *form = context;
    const char *as = form_value(overlay, 0);
    const struct act_request request = {.act = ACT_RESTORE,
                                        .instance = form->instance,
                                        .file = form->file,
                                        .as = *as ? as : NULL,
                                        .replace = means_yes(form_value(overlay, 1))};

    if (accepted)
        acts_start(form->data, &request, NULL);
}

static void ask_how(struct act_form *form)
{
    static const struct form_field fields[] = {
        {"New database", "", "its name; empty: one that is made from the dump's"},
        {"Then replace", "",
         "yes: once it is verified, it takes the place of the dump's own database, which is kept "
         "under another name; empty: no"},
    };
    const char *name = strrchr(form->file, '/');
    char *title = mem_printf("Restore %s", name ? name + 1 : form->file);
    char *clean = text_clean(title, false);

    open_overlay(form->data, form_new(clean, fields, 2), restore_done, form);
    free(clean);
    free(title);
}

void acts_ask_restore_file(struct view_data *data, const char *file)
{
    struct act_form *form = new_form(data, current_postgres(data));

    form->file = mem_strdup(file);
    ask_how(form);
}

static void path_done(void *context, struct overlay *overlay, bool accepted)
{
    struct act_form *form = context;

    if (!accepted || !*prompt_text(overlay))
        return;
    free(form->file);
    form->file = mem_strdup(prompt_text(overlay));
    ask_how(form);
}

static void ask_path(struct act_form *form)
{
    open_overlay(form->data, prompt_new("restore the file: ", "", NULL, NULL, NULL), path_done,
                 form);
}

static void file_chosen(void *context, struct overlay *overlay, bool accepted)
{
    struct act_form *form = context;
    size_t chosen = menu_selected(overlay);

    if (!accepted)
        return;
    if (chosen >= form->files.count) {
        ask_path(form);
        return;
    }
    free(form->file);
    form->file = mem_strdup(form->files.items[chosen].path);
    ask_how(form);
}

static struct menu_item file_item(const struct dump_file *file)
{
    char size[TEXT_UNIT_SIZE], age[TEXT_UNIT_SIZE], day[24] = "";
    time_t at = (time_t)file->time;
    struct menu_item item = {.label =
                                 text_clean(file->database ? file->database : file->name, false)};
    struct tm parts;
    char *note;

    if (localtime_r(&at, &parts))
        strftime(day, sizeof(day), "%Y-%m-%d %H:%M:%S", &parts);
    note = mem_printf("%6s ago  %5s  %s  %s%s", text_duration(age, (double)(time(NULL) - at)),
                      text_bytes(size, (double)file->bytes), day,
                      file->version ? "PostgreSQL " : "no manifest",
                      file->version ? file->version : "");
    item.note = text_clean(note, false);
    free(note);
    return item;
}

static void files_read(void *context, struct dump_files *files)
{
    struct view_data *data = context;
    struct act_form *form;
    struct menu_item *items;

    if (data->closed || app_has_overlay(data->app)) { /* the key was pressed again, or another */
        dump_files_free(files);
        return;
    }
    if (files->error)
        app_message(data->app, ROLE_WARNING, "%s; a path can be typed", files->error);
    form = new_form(data, current_postgres(data));
    form->files = *files;
    if (!files->count) {
        ask_path(form);
        return;
    }
    items = mem_zalloc((files->count + 1) * sizeof(*items));
    for (size_t i = 0; i < files->count; i++)
        items[i] = file_item(&files->items[i]);
    items[files->count].label = mem_printf("another file%s", text_symbol(SYMBOL_ELLIPSIS));
    open_overlay(data, menu_new("Restore which dump", items, files->count + 1, 0, NULL, NULL),
                 file_chosen, form);
}

void acts_ask_restore(struct view_data *data)
{
    dump_files_read(data->loop, data->config->backup.directory, files_read, data);
}

/* ---- a new database and its user ---- */

static void createdb_done(void *context, struct overlay *overlay, bool accepted)
{
    const struct act_form *form = context;
    const char *owner = form_value(overlay, 1), *file = form_value(overlay, 2);
    const char *key = form_value(overlay, 3);
    const struct act_request request = {.act = ACT_CREATEDB,
                                        .instance = form->instance,
                                        .database = form_value(overlay, 0),
                                        .owner = *owner ? owner : NULL,
                                        .env_file = *file ? file : NULL,
                                        .env_key = *key ? key : NULL};

    if (accepted && *request.database)
        acts_start(form->data, &request, NULL);
}

void acts_ask_createdb(struct view_data *data, const char *name)
{
    const struct instance *instance = data_instance(data, INSTANCE_POSTGRES);
    const struct form_field fields[] = {
        {"Database", name, "its name, as new_app"},
        {"User", "", "who owns it; empty: named as the database"},
        {"Password into", "", "an env file, 0600; empty: the instance's env_file"},
        {"As key", "", "its key there; empty: NAME_PASSWORD"},
    };
    struct act_form *form = new_form(data, instance ? instance->name : NULL);

    open_overlay(data, form_new("New database and user", fields, 4), createdb_done, form);
}
