/* The panels, in the order of their views (2, 3, …; 1 is the overview) and of their tiles. The first
 * nine views have a digit; the others a key of their own. */
#include "panels/data.h"

extern const struct panel_class postgres_panel, redis_panel, sessions_panel, queries_panel,
    databases_panel, keyspace_panel, memory_panel, monitor_panel, containers_panel, alerts_panel,
    jobs_panel, audit_panel, logs_panel;

const struct panel_class *const panel_list[] = {
    &postgres_panel, &redis_panel,  &sessions_panel, &queries_panel,    &databases_panel,
    &keyspace_panel, &memory_panel, &monitor_panel,  &containers_panel, &alerts_panel,
    &jobs_panel,     &audit_panel,  &logs_panel,
};

const size_t panel_list_count = sizeof(panel_list) / sizeof(panel_list[0]);
