/* Lines of MONITOR as the panel and `sharedtop monitor` show them. */
#ifndef PANELS_MONITOR_STREAM_H
#define PANELS_MONITOR_STREAM_H

#include "backend/monitor_parse.h"
#include "panels/monitor_top.h"

#include <stdbool.h>
#include <stdint.h>

enum { ARGS_KEPT = 1024, TEXTS_KEPT = 4 << 20 };

/* Texts are raw; args are decoded. */
struct stream_line {
    uint64_t number; /* from 1 */
    double time;
    int db;
    char client[64], command[32];
    char args[ARGS_KEPT];
    uint64_t bytes;
    char pattern[64];
    uint64_t whole;     /* where stream_keep has put all of args, as the server escapes them */
    uint32_t whole_len; /* 0: nowhere */
    bool cut;           /* args are not all that came */
};

/* Of the lines that are longer than args all that was read, as long as newer ones leave it: a ring. */
struct stream_texts {
    char *bytes; /* TEXTS_KEPT of them; NULL: nothing is kept */
    uint64_t end;
};

/* Its context is a struct monitor_context. */
extern const struct table_class stream_table;

void stream_fill(struct stream_line *line, const struct monitor_line *from, uint64_t number);

/* After stream_fill, for stream_details. */
void stream_keep(struct stream_texts *texts, struct stream_line *line,
                 const struct monitor_line *from);

/* Sanitised, lines kept; the caller frees it. */
char *stream_details(const struct monitor_context *context, const struct stream_texts *texts,
                     const struct stream_line *line);

#endif
