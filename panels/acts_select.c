/* What the rows of the focused panel stand for, by identity: tagged ones that have ended are left
 * out and counted. */
#include "panels/acts.h"
#include "panels/jobs.h"
#include "panels/keyspace.h"
#include "panels/monitor.h"
#include "panels/session_cells.h"

#include "backend/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct panel *focus_named(const struct view_data *data, const char *name)
{
    const struct panel *panel = app_focus(data->app);

    return panel && strcmp(panel->class->name, name) == 0 ? panel : NULL;
}

static bool nothing(struct view_data *data, const char *what)
{
    app_message(data->app, ROLE_WARNING, "%s", what);
    return false;
}

/* ---- sessions ---- */

static void add_session(struct selection *selection, const struct pg_session *session)
{
    size_t count = selection->request.session_count;

    selection->sessions = mem_array(selection->sessions, count + 1, sizeof(*selection->sessions));
    selection->sessions[count] = (struct act_session){
        .pid = session->pid,
        .backend_start = session->backend_start,
        .query_start = session->query_start,
    };
    selection->request.sessions = selection->sessions;
    selection->request.session_count = count + 1;
}

static const struct pg_session *session_of(const struct view_data *data, uint64_t identity)
{
    const struct pg_activity *activity = data->pg.activity;

    for (size_t i = 0; activity && i < activity->count; i++) {
        if (session_identity(&activity->rows[i]) == identity)
            return &activity->rows[i];
    }
    return NULL;
}

static bool select_sessions(struct view_data *data, struct selection *selection)
{
    const struct panel *panel = app_focus(data->app);
    const void *row;

    if (!panel || !panel->class->table || panel->table.class->identity != session_identity)
        return nothing(data, "this acts on sessions: end the grouping first (b)");
    row = table_selected(&panel->table);
    for (size_t i = 0; i < panel->table.tag_count; i++) {
        const struct pg_session *session = session_of(data, panel->table.tags[i]);

        if (session)
            add_session(selection, session);
        else
            selection->ended++;
    }
    if (!panel->table.tag_count && row)
        add_session(selection, row);
    if (selection->request.session_count)
        return true;
    return nothing(data, selection->ended ? "the tagged sessions have all ended (Esc clears tags)"
                                          : "no session is selected");
}

/* ---- databases ---- */

static const struct pg_database *database_of(const struct view_data *data, uint64_t oid)
{
    return data->pg.databases ? pg_database_find(data->pg.databases, (uint32_t)oid) : NULL;
}

static void add_name(struct selection *selection, const char *name)
{
    selection->names =
        mem_array(selection->names, selection->name_count + 1, sizeof(*selection->names));
    selection->names[selection->name_count++] = name;
}

static bool select_databases(struct view_data *data, struct selection *selection)
{
    const struct panel *panel = focus_named(data, "databases");
    const struct pg_database *row = panel ? table_selected(&panel->table) : NULL;

    for (size_t i = 0; panel && i < panel->table.tag_count; i++) {
        const struct pg_database *database = database_of(data, panel->table.tags[i]);

        if (database)
            add_name(selection, database->name);
        else
            selection->ended++;
    }
    if (panel && !panel->table.tag_count && row)
        add_name(selection, row->name);
    return selection->name_count || nothing(data, "no database is selected");
}

/* ---- Redis ---- */

int acts_selected_db(const struct view_data *data)
{
    const struct panel *panel = focus_named(data, "keyspace");
    const struct keyspace_row *row = panel ? table_selected(&panel->table) : NULL;

    return row ? row->db : -1;
}

/* The spare database holds one flush at a time, so they are asked about one by one. */
static bool select_db(struct view_data *data, struct selection *selection)
{
    const struct panel *panel = focus_named(data, "keyspace");

    selection->request.db = acts_selected_db(data);
    if (panel && panel->table.tag_count == 1)
        selection->request.db = (int)(panel->table.tags[0] - 1);
    if (panel && panel->table.tag_count > 1)
        return nothing(data, "this acts on one database: take the tags off (Esc)");
    return selection->request.db >= 0 || nothing(data, "no database is selected");
}

/* ---- jobs ---- */

static bool select_job(struct view_data *data, struct selection *selection)
{
    const struct job_info *job = jobs_selected(data);

    if (!job)
        return nothing(data, "no job is selected");
    if (job_state_ended(job->state))
        return nothing(data, "this job has ended already");
    selection->request.job = job->id;
    return true;
}

static bool select_offer(struct view_data *data, struct selection *selection)
{
    const struct job_info *job = jobs_selected(data);

    if (!job || !job->offer || !job->made)
        return false;
    selection->request.instance = job->instance;
    selection->request.database = job->offer;
    selection->request.as = job->made;
    return true;
}

/* ---- clients of a Redis ---- */

static bool select_client(struct view_data *data, struct selection *selection)
{
    const struct panel *panel = focus_named(data, "monitor");
    const char *why =
        panel ? monitor_selected_client(panel, selection->client, sizeof(selection->client))
              : "no single client is selected";

    selection->request.instance = acts_instance(data, ACT_KILL_CLIENT);
    if (why)
        acts_refused(data, ACT_KILL_CLIENT, selection->request.instance, why);
    selection->request.client = selection->client;
    return !why;
}

/* ---- all ---- */

bool acts_select(struct view_data *data, enum act act, struct selection *selection)
{
    const struct panel *panel = app_focus(data->app);
    const struct instance *instance = panel ? panel_instance(panel) : NULL;

    selection->request.instance = instance ? instance->name : NULL;
    switch (act) {
    case ACT_CANCEL:
    case ACT_TERMINATE: return select_sessions(data, selection);
    case ACT_FLUSH:
    case ACT_UNDO_FLUSH:
    case ACT_DELETE: return select_db(data, selection);
    case ACT_BACKUP: return select_databases(data, selection);
    case ACT_CANCEL_JOB: return select_job(data, selection);
    case ACT_KILL_CLIENT: return select_client(data, selection);
    case ACT_REPLACE: return select_offer(data, selection);
    default: selection->request.instance = NULL; return true;
    }
}

void selection_free(struct selection *selection)
{
    free(selection->sessions);
    free(selection->names);
}

const char *acts_selected_database(const struct view_data *data)
{
    const struct panel *panel = app_focus(data->app);
    const void *row = panel && panel->class->table ? table_selected(&panel->table) : NULL;

    if (!row)
        return NULL;
    if (panel->table.class->identity == session_identity)
        return ((const struct pg_session *)row)->database;
    return focus_named(data, "databases") ? ((const struct pg_database *)row)->name : NULL;
}
