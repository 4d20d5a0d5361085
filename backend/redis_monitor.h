/* A reader of MONITOR that the screen cannot slow down: a thread of its own with a connection of
 * its own and a fixed ring. Overload drops what is shown, never what is read. */
#ifndef BACKEND_REDIS_MONITOR_H
#define BACKEND_REDIS_MONITOR_H

#include "backend/redis_url.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct instance;

/* Of a line of so many bytes or more only so many are kept. */
#define MONITOR_LINE_CAP 65536U

/* A line of the stream. Pointers point into the line. */
struct monitor_line {
    double time; /* seconds since 1970, the server's clock */
    int db;
    const char *client; /* "addr:port", "[v6]:port", "unix:PATH", "lua"; not terminated */
    size_t client_len;
    const char *command; /* the first argument without quotes, raw; not terminated */
    size_t command_len;
    const char *args; /* all arguments as the server escapes them, quotes and all */
    size_t args_len;
    bool cut; /* as long as the cap or longer: args_len is what was kept */
};

/* Pure: parses text[0..len) (without CR LF, with or without the leading '+'). False: not a line of
 * MONITOR. */
bool monitor_parse(const char *text, size_t len, struct monitor_line *line);

/* Decodes the server's escapes (\\ \" \n \r \t \a \b \xHH) of in into out: raw bytes, to be
 * sanitised by who shows them. Returns the length, at most cap. */
size_t monitor_unescape(const char *in, size_t len, char *out, size_t cap);

/* Pure: how much of a line may be shown before a password follows (old servers show AUTH in clear;
 * HELLO and MIGRATE can hold one too); len if none does. */
size_t monitor_secret(const char *text, size_t len);

enum monitor_state { MONITOR_OFF, MONITOR_STARTING, MONITOR_RUNNING, MONITOR_STOPPED };

struct monitor_status {
    enum monitor_state state;
    uint64_t lines, bytes; /* read since the start */
    uint64_t overwritten;  /* lines that left the ring before anybody looked */
    double started;        /* ms of uv_hrtime()/1e6 */
    double stops_at;       /* of the automatic stop; 0: it does not run yet */
    char reason[520];      /* why it stopped or failed; "" while it runs */
};

struct monitor;

/* Starts reading address (copied; host must be an IP address or a path: nothing is looked up here)
 * for at most seconds. It also stops when nobody has asked for status or lines for 5 s. Never NULL:
 * failures show up in the status. */
struct monitor *monitor_start(const struct redis_address *address, double seconds);

/* The same for a watched Redis: at the address that its connection has found, with its password.
 * Stopped from the start, with the reason, while that instance is not connected. */
struct monitor *monitor_start_instance(const struct instance *instance, double seconds);

/* Closes the connection at once (the server frees its buffer) and joins the thread, which takes no
 * longer than one turn of its poll. What was read stays readable until monitor_free. */
void monitor_stop(struct monitor *monitor, const char *reason);

/* Stops if need be. Takes NULL. */
void monitor_free(struct monitor *monitor);

void monitor_status(struct monitor *monitor, struct monitor_status *status);

/* Copies the lines with a sequence number of *next or more into buffer, each terminated by a NUL,
 * as many as fit, and moves *next on (over lost ones too). Lines are numbered from 0 in the order
 * they were read; they have neither '+' nor CR LF, and "(redacted)" where a password was. Returns
 * the number of lines copied; offsets[i] is where line i begins. size must be at least
 * MONITOR_COPY_MIN. */
size_t monitor_copy(struct monitor *monitor, uint64_t *next, char *buffer, size_t size,
                    size_t *offsets, size_t max_lines);

#define MONITOR_COPY_MIN (MONITOR_LINE_CAP + 32U)

#endif
