/* The acts as words of the : line, named as the sub-commands of the program. */
#include "panels/acts_words.h"

#include "panels/acts.h"

#include "backend/base/mem.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 64

struct words {
    char *line; /* owned; cut into the words */
    char *items[WORDS_MAX];
    size_t count;
};

static struct words split(const char *args)
{
    struct words words = {.line = mem_strdup(args)};
    char *save = NULL;

    for (char *word = strtok_r(words.line, " ", &save); word && words.count < WORDS_MAX;
         word = strtok_r(NULL, " ", &save))
        words.items[words.count++] = word;
    return words;
}

static bool whole_number(const char *text, int *number)
{
    char *end;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    *number = (int)value;
    return *text && !*end && !errno && value >= 0 && value <= INT_MAX;
}

static const char *instance_name(struct app *app, enum instance_kind kind)
{
    const struct instance *instance = data_instance(app_data(app), kind);

    return instance ? instance->name : NULL;
}

static void usage(struct app *app, const char *text)
{
    app_message(app, ROLE_WARNING, "%s", text);
}

/* ---- Redis ---- */

void act_word_flush(struct app *app, const char *args)
{
    struct words words = split(args);
    struct act_request request = {.act = ACT_FLUSH, .instance = instance_name(app, INSTANCE_REDIS)};

    request.now = words.count == 2 && strcmp(words.items[1], "now") == 0;
    if (words.count < 1 || words.count > 1U + request.now ||
        !whole_number(words.items[0], &request.db))
        usage(app, "flush: DB [now], as in :flush 5");
    else
        acts_start(app_data(app), &request, NULL);
    free(words.line);
}

void act_word_undo_flush(struct app *app, const char *args)
{
    struct act_request request = {.act = ACT_UNDO_FLUSH,
                                  .instance = instance_name(app, INSTANCE_REDIS)};

    if (whole_number(args, &request.db))
        acts_start(app_data(app), &request, NULL);
    else
        usage(app, "undo-flush: DB, as in :undo-flush 5");
}

/* The pattern is all that comes after the number: it may hold spaces. */
void act_word_delete(struct app *app, const char *args)
{
    size_t len = strcspn(args, " ");
    char *number = mem_strndup(args, len);
    struct act_request request = {.act = ACT_DELETE,
                                  .instance = instance_name(app, INSTANCE_REDIS),
                                  .pattern = args + len + strspn(args + len, " ")};

    if (!whole_number(number, &request.db))
        usage(app, "delete: DB PATTERN, as in :delete 5 user:*");
    else if (!*request.pattern && !acts_forbidden(app_data(app)))
        acts_ask_pattern(app_data(app), request.instance, request.db);
    else if (*request.pattern)
        acts_start(app_data(app), &request, NULL);
    free(number);
}

const char *act_choice_db(struct app *app, size_t index)
{
    static char text[16];
    const struct redis_info *info = ((const struct view_data *)app_data(app))->redis.info;

    if (!info || index >= info->db_count)
        return NULL;
    snprintf(text, sizeof(text), "%d", info->dbs[index].db);
    return text;
}

/* ---- sessions ---- */

static bool read_pids(const struct words *words, struct act_session *sessions)
{
    for (size_t i = 0; i < words->count; i++) {
        sessions[i] = (struct act_session){.backend_start = PG_NO_TIME, .query_start = PG_NO_TIME};
        if (!whole_number(words->items[i], &sessions[i].pid) || !sessions[i].pid)
            return false;
    }
    return words->count > 0;
}

static void run_on_pids(struct app *app, enum act act, const char *args)
{
    struct words words = split(args);
    struct act_session sessions[WORDS_MAX];
    struct act_request request = {.act = act,
                                  .instance = instance_name(app, INSTANCE_POSTGRES),
                                  .sessions = sessions,
                                  .session_count = words.count};

    if (!*args)
        acts_key(app, (int)act); /* on the selection, as its key */
    else if (!read_pids(&words, sessions))
        app_message(app, ROLE_WARNING, "%s: PID…, as in :%s 4711", act_name(act), act_name(act));
    else
        acts_start(app_data(app), &request, NULL);
    free(words.line);
}

void act_word_cancel(struct app *app, const char *args)
{
    run_on_pids(app, ACT_CANCEL, args);
}

void act_word_terminate(struct app *app, const char *args)
{
    run_on_pids(app, ACT_TERMINATE, args);
}

/* ---- databases ---- */

void act_word_backup(struct app *app, const char *args)
{
    const struct act_request request = {.act = ACT_BACKUP,
                                        .instance = instance_name(app, INSTANCE_POSTGRES),
                                        .database = acts_means_all(args) ? NULL : args,
                                        .all = acts_means_all(args)};

    if (*args)
        acts_start(app_data(app), &request, NULL);
    else if (!acts_forbidden(app_data(app)))
        acts_ask_backup(app_data(app));
}

const char *act_choice_database(struct app *app, size_t index)
{
    const struct pg_databases *databases = ((const struct view_data *)app_data(app))->pg.databases;

    if (index == 0)
        return "all";
    for (size_t i = 0; databases && i < databases->count; i++) {
        if (databases->rows[i].listed && --index == 0)
            return databases->rows[i].name;
    }
    return NULL;
}

/* FILE, FILE as NAME, FILE replace: what comes last is looked at, a path may hold spaces. */
void act_word_restore(struct app *app, const char *args)
{
    struct act_request request = {.act = ACT_RESTORE,
                                  .instance = instance_name(app, INSTANCE_POSTGRES)};
    char *file = mem_strdup(args), *space = strrchr(file, ' '), *as;

    if (space && strcmp(space + 1, "replace") == 0) {
        request.replace = true;
        *space = '\0';
    } else if ((as = strstr(file, " as ")) != NULL) {
        request.as = as + 4;
        *as = '\0';
    }
    request.file = file;
    if (!acts_forbidden(app_data(app))) {
        if (!*file)
            acts_ask_restore(app_data(app));
        else if (!request.replace && !request.as)
            acts_ask_restore_file(app_data(app), file);
        else
            acts_start(app_data(app), &request, NULL);
    }
    free(file);
}

void act_word_replace(struct app *app, const char *args)
{
    char *database = mem_strdup(args), *with = strstr(database, " with ");

    if (with) {
        const struct act_request request = {.act = ACT_REPLACE,
                                            .instance = instance_name(app, INSTANCE_POSTGRES),
                                            .database = database,
                                            .as = with + 6};

        *with = '\0';
        acts_start(app_data(app), &request, NULL);
    } else {
        app_message(app, ROLE_WARNING,
                    "replace: which database with which? :replace app with "
                    "app_restored");
    }
    free(database);
}

void act_word_createdb(struct app *app, const char *args)
{
    if (!acts_forbidden(app_data(app)))
        acts_ask_createdb(app_data(app), args);
}

/* ---- the rest ---- */

void act_word_restart(struct app *app, const char *args)
{
    if (*args)
        acts_restart_container(app, args);
    else
        acts_key(app, ACT_RESTART);
}

void act_word_cancel_job(struct app *app, const char *args)
{
    const struct act_request request = {.act = ACT_CANCEL_JOB, .job = args};

    if (*args)
        acts_start(app_data(app), &request, NULL);
    else
        acts_key(app, ACT_CANCEL_JOB);
}

void act_word_kill_client(struct app *app, const char *args)
{
    const struct act_request request = {
        .act = ACT_KILL_CLIENT, .instance = instance_name(app, INSTANCE_REDIS), .client = args};

    if (!*args)
        acts_key(app, ACT_KILL_CLIENT);
    else if (!acts_forbidden(app_data(app)))
        acts_start(app_data(app), &request, NULL);
}

const char *act_choice_job(struct app *app, size_t index)
{
    const struct view_data *data = app_data(app);
    const struct job_list *list = data->jobs ? jobs_list(data->jobs) : NULL;

    for (size_t i = 0; list && i < list->count; i++) {
        if (!job_state_ended(list->items[i].state) && index-- == 0)
            return list->items[i].id;
    }
    return NULL;
}

void act_word_jobs(struct app *app, const char *args)
{
    (void)args;
    app_view_named(app, "jobs");
}

void act_word_audit(struct app *app, const char *args)
{
    (void)args;
    app_view_named(app, "audit");
}
