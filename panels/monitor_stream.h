/* Lines of MONITOR as the panel and `sharedtop monitor` show them. */
#ifndef PANELS_MONITOR_STREAM_H
#define PANELS_MONITOR_STREAM_H

#include "backend/monitor_parse.h"
#include "panels/monitor_top.h"

#include <stdint.h>

enum { ARGS_KEPT = 1024 };

/* Texts are raw; args are decoded. */
struct stream_line {
    uint64_t number; /* from 1 */
    double time;
    int db;
    char client[64], command[32];
    char args[ARGS_KEPT];
    uint64_t bytes;
    char pattern[64];
};

/* Its context is a struct monitor_context. */
extern const struct table_class stream_table;

void stream_fill(struct stream_line *line, const struct monitor_line *from, uint64_t number);

/* Sanitised, lines kept; the caller frees it. */
char *stream_details(const struct monitor_context *context, const struct stream_line *line);

#endif
