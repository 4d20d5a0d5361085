/* What the acts on a Redis have in common: their plan's head, their own connection, who the server
 * was when they were prepared. Inside the backend only. */
#ifndef BACKEND_ACT_REDIS_H
#define BACKEND_ACT_REDIS_H

#include "backend/act_clients.h"
#include "backend/action_impl.h"
#include "backend/redis_act.h"
#include "backend/redis_script.h"

#include <stdbool.h>
#include <stdint.h>

/* Answers are waited for so long; a script that is late by then does nothing any more. */
enum { ACT_ANSWER_MS = 12000, ACT_LATEST_S = 10 };

/* The first member of the state of such an act. */
struct act_redis {
    struct action *action;
    const struct act_redis_hooks *hooks;
    struct redis_act *act; /* NULL: closed */
    int db;
    struct redis_identity identity;
    const struct redis_info *info; /* NULL until hooks->looked */
    int64_t clock;                 /* the server's, s since 1970 */
    uint64_t clock_at;             /* ms of the loop's clock when it was that */
    bool prepared, executing;
    char *lost; /* why the connection ended after it was prepared */
    char *stats;
};

struct act_redis_hooks {
    /* The connection is open: commands may be sent in one pipeline with INFO. NULL: none. */
    void (*opened)(struct act_redis *redis);
    /* identity, info and clock are known, and the answers to what opened has sent have come. */
    void (*looked)(struct act_redis *redis);
    /* An answer with a tag of the act's own. */
    void (*reply)(struct act_redis *redis, const redisReply *reply, unsigned tag);
    /* After redis_act_later; may be NULL. */
    void (*later)(struct act_redis *redis);
    /* The connection was lost while it was executed. NULL: the outcome is unknown. */
    void (*lost)(struct act_redis *redis, const char *error);
    /* It takes the database's content away: what waits there from a flush (it is the spare of
     * another configuration, or named by mistake) is guarded as where it came from. */
    bool removes;
};

/* Tags of the acts are below. */
enum { ACT_TAG_OWN = 1000 };

/* Fills title, target, environment and confirm of the plan, and prepares the state. title as printf
 * without arguments but the database's number: "Flush database %d". */
void act_redis_begin(struct act_redis *redis, struct action *action, int db, const char *title,
                     const struct act_redis_hooks *hooks);

/* Opens the connection and looks; ends in hooks->looked, or ends the action. */
void act_redis_open(struct act_redis *redis);

/* Opens another connection after it was lost while executing: opened and looked come again. */
void act_redis_reopen(struct act_redis *redis);

/* The plan is complete. */
void act_redis_prepared(struct act_redis *redis);

/* To be called first by execute. False: the connection was lost, and the action has ended. */
bool act_redis_execute(struct act_redis *redis);

/* The server's clock at which a script that is sent now gives up. */
int64_t act_redis_latest(const struct act_redis *redis);

/* For ops->release. */
void act_redis_release(struct act_redis *redis);

void act_redis_send(struct act_redis *redis, unsigned tag, int argc, const char **argv);
void act_redis_flush(struct act_redis *redis);

/* The environment and the use of a database. */
enum environment act_redis_environment(const struct act_redis *redis, int db);
const char *act_redis_use(const struct act_redis *redis, int db);

/* An error reply in one line with its mend; the caller frees it. */
char *act_redis_error(const struct act_redis *redis, const redisReply *reply, const char *command);

/* Keys of the database, and of them with a time to live; from info. */
int64_t act_redis_keys(const struct act_redis *redis, int64_t *expires);

/* Asks CLIENT LIST, for act_redis_take_clients, and how many of the keys that Celery always has
 * there are. */
void act_redis_ask_users(struct act_redis *redis, unsigned clients_tag, unsigned marks_tag);

/* False: the server does not tell. */
bool act_redis_take_clients(const struct act_redis *redis, const redisReply *reply,
                            struct clients *clients);

/* Warnings and vetoes that hold for every act that removes keys. clients: zeroed if not known. */
void act_redis_vetoes(struct act_redis *redis, const struct clients *clients);

/* Sends SCRIPT_LOOK at the spare database db. */
void act_redis_look(struct act_redis *redis, unsigned tag, int db);

/* What a marker holds: a random token (16 hex digits, size >= 17), and who flushed, as a JSON
 * string that the caller frees. */
void act_redis_token(char *out, size_t size);
char *act_redis_by(void);

/* "9m40s", "2h03m", "3 s"; out: 32 bytes. */
const char *act_redis_duration(char *out, double seconds);

/* "HH:MM:SS" local; out: 16 bytes. */
const char *act_redis_time(char *out, double seconds_from_now);

#endif
