/* The selected row of Monitor: who has sent it, whether that can still be known, and how to kill it. */
#include "panels/monitor_impl.h"

#include "backend/base/mem.h"
#include "panels/acts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool monitor_is_read(const struct stream *stream, const struct instance *instance)
{
    return instance && instance == stream->instance && strcmp(instance->name, stream->name) == 0;
}

bool monitor_is_of_row(const struct stream *stream, const struct instance *instance)
{
    return monitor_is_read(stream, instance) && instance->generation == stream->generation &&
           instance->state == INSTANCE_UP;
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

static const char *other_server(const struct stream *stream, const struct instance *instance)
{
    return monitor_is_read(stream, instance)
               ? "the server was started or connected anew since: that client is not known any more"
               : "the lines here are of another instance than the one that is shown: m starts here";
}

/* Valid until the loop turns. */
static const char *unknown(const struct stream *stream, const char *otherwise)
{
    const char *fault = monitor_names_fault(stream->names);

    return fault ? fault : otherwise;
}

static void refuse(const struct panel *panel, const char *why)
{
    const struct instance *instance = panel_instance(panel);

    acts_refused(panel_data(panel), ACT_KILL_CLIENT, instance ? instance->name : NULL, why);
}

/* It was chosen from a list that has stood there while the server may have become another one. */
static void local_chosen(void *context, const char *client)
{
    struct panel *panel = context;
    const struct instance *instance = panel_instance(panel);
    struct act_request request = {.act = ACT_KILL_CLIENT, .client = client};

    if (!monitor_is_of_row(panel->state, instance)) {
        refuse(panel, other_server(panel->state, instance));
        return;
    }
    request.instance = instance->name;
    acts_start(panel_data(panel), &request, NULL);
}

bool monitor_choose_client(struct panel *panel)
{
    struct stream *stream = panel->state;
    const char *client;
    double time;

    if (!selected_sender(panel, &client, &time) || !monitor_is_local(client) ||
        !monitor_is_of_row(stream, panel_instance(panel)))
        return false;
    monitor_choice_free(stream->choice);
    stream->choice = monitor_choice_open(panel->app, stream->names, client, local_chosen, panel);
    if (!stream->choice)
        refuse(panel, unknown(stream, "no client of the unix socket is known but our own"));
    return true;
}

const char *monitor_selected_client(const struct panel *panel, char *out, size_t size)
{
    const struct stream *stream = panel->state;
    const bool timed = stream->view == MONITOR_STREAM || stream->view == MONITOR_FLAGS;
    const struct monitor_client *known;
    const char *client;
    double time;

    if (!selected_sender(panel, &client, &time) || strcmp(client, "lua") == 0)
        return "no single client is selected; a line of the stream has one, and a row of clients";
    if (!monitor_is_of_row(stream, panel_instance(panel)))
        return other_server(stream, panel_instance(panel));
    if (monitor_is_local(client))
        return "all clients of the unix socket have one address";
    /* Without the server's clock a line's time says nothing about who had the address then. */
    known = timed && isnan(time)
                ? NULL
                : monitor_names_sender(stream->names, client, strlen(client), time);
    if (!known || strcmp(known->address, client) != 0 ||
        snprintf(out, size, "%lld %s", known->id, client) >= (int)size)
        return unknown(
            stream, "it is not known which client that was: another may have its address by now");
    return NULL;
}

/* How the client of the row can be killed; NULL: it has none. The caller frees it. */
static char *kill_text(const struct panel *panel, const char **client)
{
    char chosen[160];
    const char *why;
    double time;

    if (!selected_sender(panel, client, &time))
        return NULL;
    if (monitor_is_local(*client) && monitor_is_of_row(panel->state, panel_instance(panel)))
        return mem_strdup("close this, then K lists them to choose from");
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

char *monitor_details(const struct panel *panel, const void *row)
{
    const struct stream *stream = panel->state;
    struct strbuf text = {0};
    const char *client = NULL;
    char *kill = kill_text(panel, &client), *first = row_details(panel, row, kill);

    strbuf_adds(&text, first);
    if (kill && monitor_is_local(client))
        monitor_add_locals(stream->names, client, &text);
    else if (kill)
        stream_add_deeds(&stream->window, client, &text);
    free(kill);
    free(first);
    return strbuf_take(&text);
}

char *monitor_copy(const struct panel *panel, const void *row)
{
    const struct stream *stream = panel->state;
    const struct stream_line *line = selected_line(panel);

    if (stream->view == MONITOR_STREAM)
        return line ? mem_strdup(line->args) : NULL;
    return mem_strdup(stream->view == MONITOR_FLAGS ? ((const struct monitor_event *)row)->text
                                                    : ((const struct monitor_row *)row)->text);
}
