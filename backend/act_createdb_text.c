#include "backend/act_createdb.h"
#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/envfile.h"
#include "backend/textfile.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MOST 63 /* bytes: NAMEDATALEN - 1; the server would cut the rest off */

/* ---- names ---- */

/* C0, DEL, C1 and what turns the direction of text: such a name could pass for another one. */
static bool has_control(const char *name)
{
    static const char *const hidden[] = {
        "\xe2\x80\x8b", "\xe2\x80\x8c", "\xe2\x80\x8d", "\xe2\x80\x8e", "\xe2\x80\x8f",
        "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaa", "\xe2\x80\xab", "\xe2\x80\xac",
        "\xe2\x80\xad", "\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x81\xa7", "\xe2\x81\xa8",
        "\xe2\x81\xa9", "\xef\xbb\xbf"};
    const unsigned char *c;

    for (c = (const unsigned char *)name; *c; c++) {
        if (*c < 0x20 || *c == 0x7f || (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0))
            return true;
    }
    for (size_t i = 0; i < sizeof(hidden) / sizeof(*hidden); i++) {
        if (strstr(name, hidden[i]))
            return true;
    }
    return false;
}

char *createdb_name_fault(const char *what, const char *name)
{
    if (!name || !*name)
        return mem_printf("a %s is missing: give one", what);
    if (strlen(name) > NAME_MOST)
        return mem_printf("the %s is %zu bytes long: PostgreSQL takes at most %d", what,
                          strlen(name), NAME_MOST);
    if (has_control(name))
        return mem_printf("the %s holds control or invisible characters: leave them out", what);
    if (name[strspn(name, " ")] == '\0')
        return mem_printf("the %s is nothing but spaces: give a name", what);
    if (strcmp(what, "user name") == 0 &&
        (strncmp(name, "pg_", 3) == 0 || strcmp(name, "public") == 0 || strcmp(name, "none") == 0))
        return mem_printf("the user name '%s' is reserved by PostgreSQL: name another (--owner)",
                          name);
    return NULL;
}

char *createdb_env_key(const char *name)
{
    struct strbuf key = {0};

    if (isdigit((unsigned char)*name))
        strbuf_addc(&key, '_');
    for (; *name; name++)
        strbuf_addc(&key,
                    isalnum((unsigned char)*name) ? (char)toupper((unsigned char)*name) : '_');
    strbuf_adds(&key, "_PASSWORD");
    return strbuf_take(&key);
}

char *createdb_statement(const struct createdb *create, enum createdb_step step,
                         const char *verifier)
{
    const char *database = create->database_id, *owner = create->owner_id;

    switch (step) {
    case STEP_ROLE: return mem_printf("CREATE ROLE %s LOGIN PASSWORD %s", owner, verifier);
    case STEP_JOIN: return create->superuser ? NULL : mem_printf("GRANT %s TO CURRENT_USER", owner);
    case STEP_DATABASE: return mem_printf("CREATE DATABASE %s OWNER %s", database, owner);
    case STEP_REVOKE:
        return mem_printf("REVOKE CONNECT, TEMPORARY ON DATABASE %s FROM PUBLIC", database);
    case STEP_LEAVE:
        return create->superuser ? NULL : mem_printf("REVOKE %s FROM CURRENT_USER", owner);
    case STEP_VERIFY:
    case STEP_ENV:
    case STEPS: break;
    }
    return NULL;
}

/* ---- the env file, on one of libuv's threads ---- */

struct file_work {
    uv_work_t work;
    struct action *action; /* NULL: nobody waits any more */
    struct instance_impl *owner;
    char *path, *key, *value; /* value NULL: only a look */
    char *error;
    bool readable;
    void (*done)(struct action *action, const char *error, bool readable);
};

static void run_work(uv_work_t *work)
{
    struct file_work *file = work->data;

    file->error = file->value ? envfile_append(file->path, file->key, file->value)
                              : envfile_check(file->path, file->key);
    file->readable = textfile_readable_by_others(file->path);
}

static void after_work(uv_work_t *work, int status)
{
    struct file_work *file = work->data;
    struct instance_impl *owner = file->owner;

    (void)status;
    if (file->action) {
        createdb(file->action)->work = NULL;
        file->done(file->action, file->error, file->readable);
    }
    mem_free_secret(file->value, file->value ? strlen(file->value) : 0);
    free(file->path);
    free(file->key);
    free(file->error);
    free(file);
    instance_release(owner);
}

void createdb_file(struct action *action, const char *value,
                   void (*done)(struct action *action, const char *error, bool readable))
{
    struct createdb *create = createdb(action);
    struct file_work *file = mem_zalloc(sizeof(*file));

    file->work.data = file;
    file->action = action;
    file->owner = action->impl;
    file->path = mem_strdup(create->env_file);
    file->key = mem_strdup(create->env_key);
    file->value = mem_strdup(value);
    file->done = done;
    create->work = file;
    instance_hold(action->impl);
    uv_queue_work(action->loop, &file->work, run_work, after_work);
}

void createdb_forget_file(struct createdb *create)
{
    if (create->work)
        create->work->action = NULL;
    create->work = NULL;
}
