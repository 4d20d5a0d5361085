#include "backend/redis_fault.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHERE_PASSWORD "the url (redis://user:password@host) or env_file and password_key"

/* An error reply by how it begins. The texts of Redis are fixed, in English, since long. */
static const struct rule {
    const char *begin;
    bool fatal;
    const char *error, *hint;
} rules[] = {
    {"NOAUTH", true, "the server asks for a password", "put it into " WHERE_PASSWORD},
    {"WRONGPASS", true, "the server refuses this user name or password",
     "check it in " WHERE_PASSWORD},
    {"ERR invalid password", true, "the server refuses this password",
     "check it in " WHERE_PASSWORD},
    {"ERR wrong number of arguments for 'auth'", true,
     "this server is older than 6.0 and knows no user names",
     "leave the user name out: redis://:password@host"},
    {"ERR max number of clients", true, "the server has no free connection (maxclients is reached)",
     "close idle clients (CLIENT LIST, CLIENT KILL), or raise it: CONFIG SET maxclients N"},
    {"DENIED", true, "the server is in protected mode and takes local clients only",
     "give it a password (requirepass), or bind it to the address that is meant to be open"},
    {"LOADING", false, "the server is loading its data", "it answers when that is done"},
    {"MASTERDOWN", false, "the replica has lost its master and serves no old data",
     "see master_link_status there; replica-serve-stale-data yes lets it answer"},
    {"BUSY", false, "the server is busy with a script",
     "SCRIPT KILL ends it if it has written nothing yet"},
};

void redis_fault_set(struct redis_fault *fault, const char *error, const char *hint)
{
    snprintf(fault->error, sizeof(fault->error), "%s", error);
    snprintf(fault->hint, sizeof(fault->hint), "%s", hint ? hint : "");
}

static bool begins(const char *text, size_t len, const char *with)
{
    size_t n = strlen(with);

    return len >= n && memcmp(text, with, n) == 0;
}

static void name_upper(const char *name, char *out, size_t size)
{
    size_t i = 0;

    for (; name[i] && i + 1 < size; i++)
        out[i] = (char)toupper((unsigned char)name[i]);
    out[i] = '\0';
}

/* The server's own words, on one line. */
static void quote_reply(const char *text, size_t len, struct redis_fault *fault)
{
    size_t n = 0;

    for (size_t i = 0; i < len && n + 1 < sizeof(fault->error); i++)
        fault->error[n++] = strchr("\r\n", text[i]) ? ' ' : text[i];
    fault->error[n] = '\0';
}

static bool explain_special(const char *text, size_t len, const char *command,
                            const struct redis_address *address, struct redis_fault *fault)
{
    const char *user = address->user ? address->user : "default";
    char upper[32];

    name_upper(command, upper, sizeof(upper));
    if (begins(text, len, "NOPERM") && memmem(text, len, " access ", 8)) {
        snprintf(fault->error, sizeof(fault->error), "user %s may not read these keys (ACL)", user);
        snprintf(fault->hint, sizeof(fault->hint), "ACL SETUSER %s ~*", user);
        return true;
    }
    if (begins(text, len, "NOPERM")) {
        snprintf(fault->error, sizeof(fault->error), "user %s may not run %s (ACL)", user, upper);
        snprintf(fault->hint, sizeof(fault->hint), "ACL SETUSER %s +%s", user, command);
        return true;
    }
    if (begins(text, len, "ERR unknown command")) {
        snprintf(fault->error, sizeof(fault->error), "the server does not know %s", upper);
        snprintf(fault->hint, sizeof(fault->hint),
                 "see rename-command in redis.conf, or what stands between here and the server");
        return true;
    }
    return false;
}

bool redis_fault_reply(const char *text, size_t len, const char *command,
                       const struct redis_address *address, struct redis_fault *fault)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
        if (begins(text, len, rules[i].begin)) {
            redis_fault_set(fault, rules[i].error, rules[i].hint);
            return rules[i].fatal;
        }
    }
    fault->hint[0] = '\0';
    if (!explain_special(text, len, command, address, fault))
        quote_reply(text, len, fault);
    return false;
}

static const char *network_hint(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return "start it, or correct host and port; a container's port must be published";
    case ETIMEDOUT: return "a firewall may drop the packets; check the address";
    case EHOSTUNREACH:
    case ENETUNREACH: return "check the address, and the route to it";
    default: return "";
    }
}

static const char *socket_hint(int error)
{
    switch (error) {
    case ENOENT: return "start the server, or correct the path (unixsocket in redis.conf)";
    case EACCES: return "join the socket's group (often redis), or see unixsocketperm";
    case ECONNREFUSED: return "the socket is a left-over: no server has it open; start the server";
    case ENOTSOCK: return "this file is no socket; correct the path";
    default: return "";
    }
}

void redis_fault_system(int error, bool greeted, const struct redis_address *address,
                        struct redis_fault *fault)
{
    char *where = redis_address_text(address);
    bool refused = error == ECONNREFUSED && !address->path;

    snprintf(fault->error, sizeof(fault->error), "%s %s: %s",
             greeted ? "lost the connection to" : "could not connect to", where,
             refused ? "nothing listens there" : strerror(error));
    snprintf(fault->hint, sizeof(fault->hint), "%s",
             address->path ? socket_hint(error) : network_hint(error));
    free(where);
}

void redis_fault_closed(bool greeted, const struct redis_address *address,
                        struct redis_fault *fault)
{
    if (greeted)
        redis_fault_set(fault, "the server has closed the connection", NULL);
    else
        redis_fault_set(fault, "the server closes the connection without an answer",
                        address->tls ? "is this port for TLS? if not: redis:// instead of rediss://"
                                     : "is it a Redis? if its port is for TLS: rediss://");
}

void redis_fault_protocol(const struct redis_address *address, struct redis_fault *fault)
{
    redis_fault_set(fault, "what answers is not a Redis",
                    address->tls ? "check host and port"
                                 : "check host and port; if the port is for TLS: rediss://");
}
