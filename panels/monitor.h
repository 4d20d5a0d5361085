/* What the Monitor panel offers to keys and commands. */
#ifndef PANELS_MONITOR_H
#define PANELS_MONITOR_H

#include "panels/data.h"

extern const struct panel_class monitor_panel;

/* Starts (after a question, where the server could suffer) or stops. */
void monitor_toggle(struct app *app, int argument);

/* Starts in the focused Monitor, for 1 to 600 seconds; false: out of range. */
bool monitor_start_for(struct app *app, double seconds);

/* To the next (1) or previous (-1) of: stream, commands, keys, patterns, clients, databases, scripts,
 * big keys, flags. */
void monitor_show(struct app *app, int step);
bool monitor_show_named(struct panel *panel, const char *name);
const char *monitor_show_name(size_t index); /* NULL past the last */

/* The one client that the selected row is of, as "ID ADDRESS", which only it has and no other that
 * comes after it. Returns NULL, or why there is none. */
const char *monitor_selected_client(const struct panel *panel, char *out, size_t size);

/* When the selected row is of a unix socket, whose clients have one address: lists them, and kills
 * the one that is chosen (through the door of acts). False: it is not. */
bool monitor_choose_client(struct panel *panel);

/* Must somebody say yes before a MONITOR begins there? And what is to be known before (the caller
 * frees it). info may be NULL. */
bool monitor_could_hurt(const struct redis_info *info);
char *monitor_preflight(const struct redis_info *info, const char *name, double seconds);

/* What becomes of that server when its memory is full: "this server may evict keys (allkeys-lru, 3.0M
 * room)". Sanitised, as is the preflight. The caller frees it; info may be NULL. */
char *monitor_danger(const struct redis_info *info);

/* Before a stop of this process: a MONITOR that nobody reads costs the server its users' data. */
void monitor_suspend(struct panel *panel);

#endif
