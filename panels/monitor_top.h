/* The tables of the Monitor panel that are not the stream: who does what, and what was flagged. */
#ifndef PANELS_MONITOR_TOP_H
#define PANELS_MONITOR_TOP_H

#include "backend/base/strbuf.h"
#include "backend/config.h"
#include "backend/monitor_analysis.h"
#include "backend/monitor_names.h"
#include "tui/table.h"

/* What the Monitor panel shows: the stream, a dimension, or what was flagged. */
enum monitor_view { MONITOR_STREAM, MONITOR_FIRST_TOP, MONITOR_FLAGS = 8, MONITOR_VIEWS };

/* For the cells; also the context of the stream's table. */
struct monitor_context {
    enum monitor_dimension dimension;
    uint64_t total, error;             /* of the dimension */
    double seconds;                    /* that were watched */
    const struct redis_config *config; /* or NULL */
    const struct monitor_names *names; /* or NULL */
};

const struct table_class *monitor_view_table(enum monitor_view view);
enum monitor_dimension monitor_view_dimension(enum monitor_view view); /* of a top */
const char *monitor_view_name(enum monitor_view view);                 /* "stream", "keys", … */

/* Cells that the stream has too: of a client's address, of a database. */
void monitor_cell_name(const struct monitor_context *context, const char *address,
                       struct cell *cell);
void monitor_cell_user(const struct monitor_context *context, const char *address,
                       struct cell *cell);

/* Nothing is known of the client, and it can be yet: not of scripts, nor of a unix socket's. */
bool monitor_may_be_named(const struct monitor_context *context, const char *address);

/* Adds what is known of a client to a text for the screen, and how to kill it (NULL: nothing). */
void monitor_add_client(const struct monitor_context *context, const char *address,
                        const char *kill, struct strbuf *text);

/* Sanitised, lines kept; the caller frees them. */
char *monitor_top_details(const struct monitor_context *context, const struct monitor_row *row,
                          const char *kill);
char *monitor_event_details(const struct monitor_context *context,
                            const struct monitor_event *event, const char *kill);

#endif
