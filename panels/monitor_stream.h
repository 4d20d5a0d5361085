/* Lines of MONITOR as the panel and `sharedtop monitor` show them, and the window of those that were
 * shown last. */
#ifndef PANELS_MONITOR_STREAM_H
#define PANELS_MONITOR_STREAM_H

#include "backend/base/strbuf.h"
#include "backend/monitor_parse.h"
#include "panels/monitor_top.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STREAM_LINES = 8192,    /* that a window holds at most */
    STREAM_HEAD = 1024,     /* bytes of a line's arguments that it has as long as it is there */
    STREAM_HEADS = 4 << 20, /* bytes of all that */
    STREAM_TEXTS = 4 << 20  /* bytes of the longer ones as a whole */
};

/* Texts are raw. */
struct stream_line {
    uint64_t number; /* from 1; 0: newer ones have taken its place */
    double time;
    int db;
    char client[64], command[32], pattern[64];
    uint64_t bytes;
    const char *args;    /* the beginning, decoded, terminated; the command is its first word */
    uint32_t rest;       /* where in args the arguments of the command begin */
    const char *escaped; /* the beginning as the server escapes it; not terminated */
    uint32_t escaped_len;
    uint32_t whole_len;                 /* 0: nowhere */
    uint64_t head;                      /* where the window has args and escaped */
    uint64_t whole;                     /* and all that was read of a longer one */
    const struct stream_window *window; /* that it is in, or NULL */
    bool cut;                           /* not all that was sent was read */
};

/* What args and escaped of a line that is in no window point to. */
struct stream_scratch {
    char args[STREAM_HEAD];
};

/* The last lines: as many as there are places and bytes for. Memory is taken at the first line. */
struct stream_window {
    struct stream_line *lines; /* a ring */
    uint32_t *verdicts;        /* of the same: see table_class */
    char *heads, *texts;       /* rings too */
    uint64_t heads_end, texts_end;
    uint64_t first, count; /* numbers first + 1 to count are there */
};

/* Its context is a struct monitor_context. */
extern const struct table_class stream_table;

/* from must live as long as the line, or until stream_keep. */
void stream_fill(struct stream_line *line, struct stream_scratch *scratch,
                 const struct monitor_line *from, uint64_t number);

/* Takes a line that was filled for window->count + 1. */
void stream_keep(struct stream_window *window, const struct stream_line *line,
                 const struct monitor_line *from);
void stream_free(struct stream_window *window);

/* All of them are of another server now: none is there any more, and none's number comes again. */
void stream_forget(struct stream_window *window);

/* May a line come to pass this filter of stream_table? Names become known later than lines. */
bool stream_may_pass(const struct filter *filter, const struct stream_line *line,
                     const struct monitor_context *context);

/* Does the filter look at what is known of clients? */
bool stream_asks_names(const struct filter *filter);

/* NULL: it is not there any more. */
const struct stream_line *stream_line_of(const struct stream_window *window, uint64_t number);

/* Most bytes that a window takes, with the lists of its rows. */
size_t stream_memory(void);

/* Adds the line as redis-cli prints it, raw; what is not there any more is "..." at its end. */
void stream_add_line(const struct stream_line *line, struct strbuf *out);

/* Sanitised, lines kept; the caller frees it. */
char *stream_details(const struct monitor_context *context, const struct stream_line *line,
                     const char *kill);

/* Adds what a client has done in the window to a text for the screen. */
void stream_add_deeds(const struct stream_window *window, const char *client, struct strbuf *text);

#endif
